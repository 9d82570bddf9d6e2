//! Runs in processes of their own, as many at a time as there are cores.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::cli::progress::Progress;

/// Time between two looks at the processes.
const LOOK: Duration = Duration::from_millis(50);

/// A run that is to be made.
pub(super) struct Job {
    /// Arguments of `statecast train`.
    pub(super) arguments: Vec<OsString>,
    /// Its folder, for what it says.
    pub(super) folder: PathBuf,
}

/// Makes all runs, `at_once` at a time. If one fails the others are stopped; their checkpoints stay.
pub(super) fn run(jobs: Vec<Job>, at_once: usize) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("the program's own file")?;
    let all = jobs.len();
    let mut waiting = VecDeque::from(jobs);
    let mut running: Vec<Run> = Vec::new();
    let progress = Progress::new(format!("{all} runs"));
    while !(waiting.is_empty() && running.is_empty()) {
        while running.len() < at_once
            && let Some(job) = waiting.pop_front()
        {
            running.push(Run::start(&program, job)?);
        }
        let mut still = Vec::new();
        for mut run in running {
            if !run.is_done()? {
                still.push(run);
            }
        }
        running = still;
        let done = all - waiting.len() - running.len();
        progress.show(done as f64 / all as f64);
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// A process that trains. Dropped, it is killed: its checkpoints stay.
struct Run {
    child: Child,
    folder: PathBuf,
}

impl Run {
    fn start(program: &Path, Job { arguments, folder }: Job) -> anyhow::Result<Self> {
        let shown = || folder.display().to_string();
        std::fs::create_dir_all(&folder).with_context(shown)?;
        let log = File::create(folder.join("log.txt")).with_context(shown)?;
        let child = Command::new(program)
            .args(["--threads", "1", "train", "--attended"])
            .args(arguments)
            // Closed when this process ends, also where it is killed: the run ends with it.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(shown)?;
        Ok(Self { child, folder })
    }

    fn is_done(&mut self) -> anyhow::Result<bool> {
        let Some(status) = self.child.try_wait().context("waiting for a run")? else {
            return Ok(false);
        };
        if status.success() {
            return Ok(true);
        }
        let log = self.folder.join("log.txt");
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        let last = said.lines().last().unwrap_or("it was killed").to_owned();
        bail!("{}: {last}", self.folder.display())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // One that has ended needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
