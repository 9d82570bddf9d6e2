//! `statecast train compare`: training arms side by side.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};
use clap::builder::TypedValueParser;
use clap::{Args, Parser};
use serde::Serialize;

use super::single;
use crate::cli::choices::choice;
use crate::cli::outputs::Ending;
use crate::cli::progress::Progress;
use crate::environment::EnvironmentSource;
use crate::learning::{ArmSummary, Comparison, PlannedArm, PlannedRun, RunProgress};
use crate::output::{Manifest, estimate, number, write_atomically};
use crate::report::{self, About};

/// Largest number of runs in a comparison.
const MAX_RUNS: usize = 1000;

/// Compare training arms: learning curves over seeds, and steps to a threshold
///
/// Every arm runs with the same seeds: the same episode starts and the same evaluations. Finished
/// runs are not repeated.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    statecast train compare --env pendulum --algorithms sac,dicl-sac --seeds 5 --report learning.html\n  \
    statecast train compare --env pendulum --algorithms sac --controls \\\n    \
      --arm 'vicl=--algorithm dicl-sac' --arm 'dicl-s=--algorithm dicl-sac --method dicl-s' \\\n    \
      --augmented '--alpha 0.25' --every-arm '--hidden 64' --output learning.csv")]
pub(super) struct Arguments {
    /// Environment: a task, or command:PROGRAM
    #[arg(long, value_name = "ENVIRONMENT")]
    env: EnvironmentSource,
    /// Arms with the defaults of an algorithm
    #[arg(long, value_parser = algorithms(), value_delimiter = ',')]
    algorithms: Vec<&'static str>,
    /// An arm with its own flags of 'statecast train'
    #[arg(long = "arm", value_name = "NAME=FLAGS", allow_hyphen_values = true)]
    arms: Vec<String>,
    /// Control arms: the in-context linear model, persistence or the simulator instead of the
    /// model, and additional real transitions
    #[arg(long)]
    controls: bool,
    /// Flags of 'statecast train' for every arm that does not set them
    #[arg(
        long,
        value_name = "FLAGS",
        default_value = "",
        allow_hyphen_values = true
    )]
    every_arm: String,
    /// Flags for every arm with imagined transitions that does not set them
    #[arg(
        long,
        value_name = "FLAGS",
        default_value = "",
        allow_hyphen_values = true
    )]
    augmented: String,
    /// Runs per arm, with the seeds 1, 2, …
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// Steps per run
    #[arg(long, default_value_t = 10_000)]
    steps: usize,
    /// Return that counts as learned [default: -200 for pendulum; otherwise 90 % of the first arm's
    /// improvement]
    #[arg(long, allow_hyphen_values = true, value_name = "RETURN")]
    threshold: Option<f64>,
    /// Runs at a time, each on a thread of its own [default: one a core]
    #[arg(long, value_name = "COUNT", alias = "processes")]
    at_once: Option<usize>,
    /// Folder of the runs, with one folder per arm and seed
    #[arg(long, value_name = "FOLDER", default_value = "runs/compare")]
    out: PathBuf,
    /// Table of all evaluations: .csv, .json or .parquet, with a manifest beside it
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// HTML page with learning curves and tables
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Names of algorithms.
fn algorithms() -> impl TypedValueParser<Value = &'static str> {
    choice([
        ("sac", "Soft actor-critic", "sac"),
        (
            "dicl-sac",
            "Soft actor-critic with transitions imagined by the bundled model",
            "dicl-sac",
        ),
    ])
}

/// An arm as flags of `statecast train`.
struct ArmSpec {
    name: String,
    flags: Vec<String>,
}

/// Parser of an arm's flags.
#[derive(Parser)]
#[command(name = "statecast train", no_binary_name = true)]
struct Flags {
    #[command(flatten)]
    run: single::Arguments,
}

#[derive(Serialize)]
struct Run<'a> {
    task: &'a str,
    steps: usize,
    seeds: u64,
    threshold: f64,
    flags: Vec<(String, String)>,
    arms: &'a [ArmSummary],
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let specs = arguments.specs()?;
    arguments.check(&specs)?;
    let found = arguments.train(&specs)?;
    let mut ending = Ending::new(arguments.output.as_ref());
    if let Some(output) = &arguments.output {
        let run = Run {
            task: &arguments.env.to_string(),
            steps: arguments.steps,
            seeds: arguments.seeds,
            threshold: found.threshold,
            flags: flags(&specs),
            arms: &found.summaries,
        };
        ending.table(
            output,
            &found.table(),
            &Manifest::new("train compare", &run),
        );
    }
    if let Some(report) = &arguments.report {
        ending.write(|| arguments.write_report(report, &specs, &found));
    }
    ending.show(&text(&found))
}

/// Returns the name and flags of each arm.
fn flags(specs: &[ArmSpec]) -> Vec<(String, String)> {
    let specs = specs.iter();
    specs
        .map(|spec| (spec.name.clone(), spec.flags.join(" ")))
        .collect()
}

impl Arguments {
    fn write_report(
        &self,
        path: &Path,
        specs: &[ArmSpec],
        found: &Comparison,
    ) -> anyhow::Result<()> {
        let settings = [
            ("steps", self.steps.to_string()),
            ("threshold", format!("{:.0}", found.threshold)),
        ];
        let about = About {
            title: format!("Learning {}", self.env),
            settings: settings
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
        };
        let page = report::learning(&about, found, &flags(specs))?;
        Ok(write_atomically(path, |file| {
            file.write_all(page.as_bytes())
        })?)
    }
}

impl Arguments {
    /// Returns the arms in display order.
    fn specs(&self) -> anyhow::Result<Vec<ArmSpec>> {
        let common = words(&self.every_arm).context("--every-arm")?;
        let mut specs = Vec::new();
        let augmented = words(&self.augmented).context("--augmented")?;
        let mut add = |name: &str, mut flags: Vec<String>| {
            let imagines = |flags: &[String]| flags.iter().any(|flag| flag.ends_with("dicl-sac"));
            if imagines(&flags) || imagines(&without(&common, &flags)) {
                flags.extend(without(&augmented, &flags));
            }
            flags.extend(without(&common, &flags));
            specs.push(ArmSpec {
                name: name.to_owned(),
                flags,
            });
        };
        for algorithm in &self.algorithms {
            add(algorithm, words(&format!("--algorithm {algorithm}"))?);
        }
        for arm in &self.arms {
            let named = arm.split_once('=').filter(|(name, _)| is_folder_name(name));
            let (name, flags) = named.with_context(|| {
                format!(
                    "--arm '{arm}': NAME=FLAGS, with a name of letters, digits, '-', '_' and '.'"
                )
            })?;
            add(name, words(flags).with_context(|| format!("--arm {name}"))?);
        }
        if self.controls {
            add("linear", words("--algorithm dicl-sac --experts linear")?);
            let persistence = "--algorithm dicl-sac --experts persistence";
            add("persistence", words(persistence)?);
            add("truth", words("--algorithm dicl-sac --control truth")?);
            add("replay", words("--algorithm dicl-sac --control replay")?);
        }
        ensure!(!specs.is_empty(), "name --algorithms or --arm");
        let mut names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            bail!("two arms are named {}", pair[0]);
        }
        Ok(specs)
    }

    /// Checks that the runs can start.
    fn check(&self, specs: &[ArmSpec]) -> anyhow::Result<()> {
        ensure!(self.seeds > 0, "--seeds 0: one at least");
        ensure!(self.at_once != Some(0), "--at-once 0: one at least");
        let runs = (specs.len() as u64).saturating_mul(self.seeds);
        ensure!(runs <= MAX_RUNS as u64, "{runs} runs: at most {MAX_RUNS}");
        Ok(())
    }

    fn folder(&self, spec: &ArmSpec, seed: u64) -> PathBuf {
        self.out.join(&spec.name).join(format!("seed-{seed}"))
    }

    /// Returns the arguments of `statecast train` for a run.
    fn command(&self, spec: &ArmSpec, seed: u64) -> Vec<OsString> {
        let mut out = OsString::from("--out=");
        out.push(self.folder(spec, seed));
        let steps = ["--steps".to_owned(), self.steps.to_string()];
        let seed = ["--seed".to_owned(), seed.to_string()];
        let words = [self.env.to_string()]
            .into_iter()
            .chain(spec.flags.iter().cloned());
        let words = words.chain(steps).chain(seed).map(OsString::from);
        words.chain([out]).collect()
    }

    /// Trains all unfinished runs, seed by seed over the arms. Runs of an arm share its model.
    fn train(&self, specs: &[ArmSpec]) -> anyhow::Result<Comparison> {
        let planned = specs.iter().map(|spec| {
            let runs = self.planned(spec);
            Ok(PlannedArm {
                name: spec.name.clone(),
                runs: runs.with_context(|| format!("arm {}", spec.name))?,
            })
        });
        let planned = planned.collect::<anyhow::Result<Vec<_>>>()?;
        let runs = planned.iter().map(|arm| arm.runs.len()).sum::<usize>();
        let all = self.steps * runs;
        let bar = Progress::new(format!("{runs} runs"));
        let mut done = 0;
        let mut progress = |event: RunProgress| match event {
            RunProgress::Refused(_, reasons) => {
                bar.aside(|| reasons.iter().for_each(single::warn_of_refused));
            }
            RunProgress::Steps(steps) => {
                done += steps;
                bar.show(done as f64 / all as f64);
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let at_once = self.at_once.unwrap_or(cores);
        Ok(Comparison::train(
            &planned,
            self.threshold,
            at_once,
            &mut progress,
        )?)
    }

    /// Returns the planned runs of an arm.
    fn planned(&self, spec: &ArmSpec) -> anyhow::Result<Vec<PlannedRun>> {
        let parsed = |seed| -> anyhow::Result<single::Arguments> {
            let flags = Flags::try_parse_from(self.command(spec, seed));
            let flags = flags.map_err(|error| {
                let text = error.to_string();
                anyhow!(text.lines().next().unwrap_or_default().to_owned())
            })?;
            Ok(flags.run)
        };
        let first = parsed(1)?;
        ensure!(
            first.settings()?.offline.is_none(),
            "--offline: arms are compared in the environment"
        );
        let forecaster = first.forecaster(&first.settings()?)?;
        let run = |seed| {
            Ok(PlannedRun {
                folder: self.folder(spec, seed),
                settings: parsed(seed)?.settings()?,
                forecaster: forecaster.clone(),
            })
        };
        (1..=self.seeds).map(run).collect()
    }
}

/// Splits flags into words by the rules of a shell.
fn words(flags: &str) -> anyhow::Result<Vec<String>> {
    shlex::split(flags).with_context(|| format!("'{flags}': unclosed quote"))
}

/// Returns flags and their values without those in `given`.
fn without(flags: &[String], given: &[String]) -> Vec<String> {
    let name = |word: &str| -> Option<String> {
        let flag = word.starts_with("--");
        flag.then(|| word.split('=').next().unwrap_or(word).to_owned())
    };
    let given: Vec<String> = given.iter().filter_map(|word| name(word)).collect();
    let mut keeps = true;
    let kept = flags.iter().filter(|word| {
        if let Some(flag) = name(word) {
            keeps = !given.contains(&flag);
        }
        keeps
    });
    kept.cloned().collect()
}

fn is_folder_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.chars().all(plain) && !name.starts_with(['.', '-'])
}

fn text(found: &Comparison) -> String {
    let (arms, threshold) = (&found.summaries, found.threshold);
    let width = arms
        .iter()
        .map(|arm| arm.name.len())
        .max()
        .unwrap_or(0)
        .max(3);
    let mut lines = format!(
        "{:width$}  {:>28}  {:>28}  {:>26}  {:>16}  {:>14}  {:>7}\n",
        "arm",
        "final return",
        "mean return over training",
        format!("diff vs {}", arms[0].name),
        format!("steps to {threshold:.0}"),
        "overestimation",
        "seconds"
    );
    for arm in arms {
        let steps = arm.steps_to_threshold();
        let steps = steps.map_or("never".to_owned(), |steps| format!("{steps:.0}"));
        let there = arm.reached.iter().flatten().count();
        lines += &format!(
            "{:width$}  {:>28}  {:>28}  {:>26}  {:>16}  {:>14}  {:>7.1}\n",
            arm.name,
            estimate(&arm.last, 1),
            estimate(&arm.mean, 1),
            estimate(&arm.gain, 1),
            format!("{steps} ({there}/{})", arm.reached.len()),
            number(arm.overestimation.mean, 1),
            arm.seconds
        );
    }
    lines
}
