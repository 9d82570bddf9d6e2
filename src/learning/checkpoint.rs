//! Runs on disk: everything that is needed to go on as if nothing had happened.
//!
//! A checkpoint is one file, named by its step; `checkpoints.json` lists the last two with their hashes. A file whose hash is another is
//! refused, and the one before it is used.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{LearningError, Training};
use crate::output::write_atomically;

/// Checkpoints that are kept.
const KEPT: usize = 2;

/// Most bytes of a checkpoint that is read.
const MOST_BYTES: u64 = 8 << 30;

const LIST: &str = "checkpoints.json";

/// What to do where no run can be gone on with.
const ANEW: &str = "remove the folder or name another with --out to begin anew";

/// A checkpoint in the list.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    file: String,
    step: usize,
    sha256: String,
}

/// A run that was read, and what was wrong with newer checkpoints than its.
pub struct Resumed {
    /// The run.
    pub training: Training,
    /// Checkpoints that were refused, with reasons.
    pub refused: Vec<String>,
}

impl Training {
    /// Writes a checkpoint into a folder, and forgets all but the one before it.
    ///
    /// # Errors
    /// [`LearningError::Checkpoint`] if it cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), LearningError> {
        let failed = |error: &dyn std::fmt::Display| LearningError::Checkpoint {
            file: folder.display().to_string(),
            reason: error.to_string(),
        };
        let bytes = self.to_bytes().map_err(|e| failed(&e))?;
        let file = format!("checkpoint-{:09}.safetensors", self.step);
        write_atomically(&folder.join(&file), |out| out.write_all(&bytes))
            .map_err(|e| failed(&e))?;
        let mut entries = entries(folder).unwrap_or_default();
        entries.retain(|entry| entry.file != file);
        entries.push(Entry {
            file,
            step: self.step,
            sha256: hash(&bytes),
        });
        let old = entries.len().saturating_sub(KEPT);
        let dropped: Vec<Entry> = entries.drain(..old).collect();
        let list = serde_json::to_vec_pretty(&entries).map_err(|e| failed(&e))?;
        write_atomically(&folder.join(LIST), |out| out.write_all(&list)).map_err(|e| failed(&e))?;
        for entry in dropped {
            // One that is left behind does no harm.
            let _ = std::fs::remove_file(folder.join(entry.file));
        }
        Ok(())
    }

    /// The latest run of a folder that can be read; `None` if it holds none.
    ///
    /// # Errors
    /// [`LearningError::Checkpoint`] if there are checkpoints and none can be read.
    pub fn resume(folder: &Path) -> Result<Option<Resumed>, LearningError> {
        if !folder.join(LIST).exists() {
            return Ok(None);
        }
        let mut refused = Vec::new();
        for entry in entries(folder)?.iter().rev() {
            match read(folder, entry) {
                Ok(training) => return Ok(Some(Resumed { training, refused })),
                Err(error) => refused.push(error.to_string()),
            }
        }
        Err(LearningError::Checkpoint {
            file: folder.display().to_string(),
            reason: format!("no checkpoint can be used: {}; {ANEW}", refused.join("; ")),
        })
    }
}

fn hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn entries(folder: &Path) -> Result<Vec<Entry>, LearningError> {
    let file = folder.join(LIST);
    let failed = |reason: String| LearningError::Checkpoint {
        file: file.display().to_string(),
        reason,
    };
    let bytes = bounded(&file, 1 << 20).map_err(&failed)?;
    let entries: Vec<Entry> = serde_json::from_slice(&bytes).map_err(|error| {
        let what = match bytes.trim_ascii() {
            [] => "is empty".to_owned(),
            _ => format!("is no list of checkpoints ({error})"),
        };
        failed(format!("{what}; {ANEW}"))
    })?;
    if entries.is_empty() {
        return Err(failed(format!("lists no checkpoint; {ANEW}")));
    }
    let plain = |entry: &Entry| Path::new(&entry.file).file_name() == Some(entry.file.as_ref());
    match entries.iter().all(plain) {
        true => Ok(entries),
        false => Err(failed("names a file outside of its folder".to_owned())),
    }
}

fn read(folder: &Path, entry: &Entry) -> Result<Training, LearningError> {
    let file = folder.join(&entry.file);
    let of_file = || {
        let bytes = bounded(&file, MOST_BYTES)?;
        match hash(&bytes) == entry.sha256 {
            true => Training::from_bytes(&bytes),
            false if bytes.is_empty() => Err("is empty".to_owned()),
            false => Err("its hash is not the one that was written".to_owned()),
        }
    };
    of_file().map_err(|reason| LearningError::Checkpoint {
        file: file.display().to_string(),
        reason,
    })
}

fn bounded(file: &Path, most: u64) -> Result<Vec<u8>, String> {
    let opened = File::open(file).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    let mut limited = opened.take(most + 1);
    limited.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    match bytes.len() as u64 > most {
        true => Err(format!("more than {most} bytes")),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AugmentationSettings, Source, TrainingSettings};
    use super::*;
    use crate::forecast::Forecaster;

    fn settings() -> TrainingSettings {
        let mut settings = TrainingSettings {
            steps: 430,
            batch: 16,
            learning_starts: 150,
            evaluate_every: 130,
            evaluation_episodes: 1,
            capacity: 250,
            ..TrainingSettings::of_task("pendulum")
        };
        settings.agent.hidden = 8;
        settings
    }

    /// The same, with what an in-context linear model imagines, or the simulator.
    fn augmented(source: Source) -> TrainingSettings {
        TrainingSettings {
            augmentation: Some(AugmentationSettings {
                every: 50,
                starts: 160,
                context: 100,
                ..AugmentationSettings::of_task("pendulum", source)
            }),
            ..settings()
        }
    }

    fn linear() -> Forecaster {
        let linear = crate::baselines::named("linear").unwrap();
        Forecaster::of(linear, crate::forecast::Settings::default())
    }

    fn finished(mut training: Training) -> Training {
        while !training.is_done() {
            training.advance(Some(&linear())).unwrap();
        }
        training
    }

    fn same(a: &Training, b: &Training) -> bool {
        let without_time = |training: &Training| {
            let found = training.evaluations.iter();
            found
                .map(|e| (e.step, e.mean, e.deviation, e.overestimation))
                .collect::<Vec<_>>()
        };
        a.agent.actor.network.parameters() == b.agent.actor.network.parameters()
            && a.agent.critics[1].target.parameters() == b.agent.critics[1].target.parameters()
            && a.agent.log_temperature == b.agent.log_temperature
            && a.replay.episodes().eq(b.replay.episodes())
            && (0..500).all(|row| a.replay.row(row) == b.replay.row(row))
            && a.imagined == b.imagined
            && without_time(a) == without_time(b)
    }

    /// In the middle of an episode, with a buffer that has begun to overwrite.
    #[test]
    fn a_run_that_was_stopped_goes_on_as_if_it_had_not_been() {
        let linear_model = Source::Forecaster("linear".to_owned());
        for settings in [
            settings(),
            augmented(linear_model),
            augmented(Source::Truth),
            augmented(Source::Replay),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let mut stopped = Training::new(settings.clone()).unwrap();
            for _ in 0..2 {
                stopped.advance(Some(&linear())).unwrap();
                stopped.save(folder.path()).unwrap();
            }
            let imagines = matches!(
                settings.augmentation.as_ref().map(|a| &a.source),
                Some(Source::Forecaster(_) | Source::Truth)
            );
            assert_eq!(stopped.imagined.is_empty(), !imagines);
            drop(stopped);
            let resumed = Training::resume(folder.path()).unwrap().unwrap();
            assert!(resumed.refused.is_empty());
            assert_eq!(resumed.training.step(), 260);
            let (resumed, whole) = (
                finished(resumed.training),
                finished(Training::new(settings).unwrap()),
            );
            assert!(same(&resumed, &whole));
            assert_eq!(whole.evaluations.last().unwrap().step, 430);
        }
    }

    /// Fault of the published comparison: imagined transitions came with optimizer steps of their own.
    #[test]
    fn imagined_transitions_bring_no_updates_of_their_own() {
        let plain = finished(Training::new(settings()).unwrap());
        for source in [Source::Truth, Source::Replay] {
            let other = finished(Training::new(augmented(source)).unwrap());
            assert_eq!(other.agent.updates, plain.agent.updates);
            assert!(!same(&other, &plain));
        }
    }

    /// Fault: an evaluation that was not a number was written as null, and its checkpoint refused.
    #[test]
    fn a_run_that_diverges_says_so() {
        let mut training = Training::new(settings()).unwrap();
        for critic in &mut training.agent.critics {
            critic.network.parameters_mut().fill(f32::NAN);
        }
        let error = training.advance(None).unwrap_err().to_string();
        assert!(error.contains("diverged by step 130"), "{error}");
    }

    #[test]
    fn a_forecaster_that_is_needed_is_asked_for() {
        let source = Source::Forecaster("builtin vicl".to_owned());
        let mut training = Training::new(augmented(source)).unwrap();
        training.advance(None).unwrap();
        let error = training.advance(None).unwrap_err();
        assert!(matches!(error, LearningError::NoForecaster));
    }

    /// The hashes are in the same hands as the files: counts near to overflowing are refused.
    #[test]
    fn counts_that_no_run_has_are_refused() {
        let training = Training::new(settings()).unwrap();
        let bytes = training.to_bytes().unwrap();
        let (length, rest) = bytes.split_at(8);
        let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
        let (header, data) = rest.split_at(length);
        let header = std::str::from_utf8(header).unwrap();
        let with = |header: &str| {
            let length = (header.len() as u64).to_le_bytes();
            [&length[..], header.as_bytes(), data].concat()
        };
        assert!(Training::from_bytes(&with(header)).is_ok());
        for (count, wrong) in [("updates", 16), ("step", 1), ("episode", 16)] {
            let found = format!(r#"\"{count}\":0"#);
            assert!(header.contains(&found), "{count}");
            let other = format!(r#"\"{count}\":{}"#, "9".repeat(wrong));
            let changed = with(&header.replace(&found, &other));
            assert!(Training::from_bytes(&changed).is_err(), "{count}");
        }
    }

    #[test]
    fn a_run_of_more_steps_goes_on_without_its_last_evaluation() {
        let mut short = finished(Training::new(settings()).unwrap());
        let longer = TrainingSettings {
            steps: 520,
            ..settings()
        };
        let shorter = TrainingSettings {
            steps: 300,
            ..settings()
        };
        let error = short.go_on(&shorter).unwrap_err().to_string();
        assert!(error.contains("it has 430 steps, not 300"), "{error}");
        short.go_on(&longer).unwrap();
        assert!(same(
            &finished(short),
            &finished(Training::new(longer).unwrap())
        ));
    }

    #[test]
    fn a_damaged_checkpoint_is_refused_and_the_one_before_it_used() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Training::resume(folder.path()).unwrap().is_none());
        let mut training = Training::new(settings()).unwrap();
        for _ in 0..3 {
            training.advance(None).unwrap();
            training.save(folder.path()).unwrap();
        }
        let kept = |step: usize| {
            folder
                .path()
                .join(format!("checkpoint-{step:09}.safetensors"))
        };
        assert!(!kept(130).exists() && kept(260).exists());
        let mut bytes = std::fs::read(kept(390)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(kept(390), bytes).unwrap();
        let resumed = Training::resume(folder.path()).unwrap().unwrap();
        assert_eq!(resumed.training.step(), 260);
        assert!(resumed.refused[0].contains("hash"), "{:?}", resumed.refused);
        std::fs::write(kept(260), b"short").unwrap();
        let error = Training::resume(folder.path()).err().unwrap().to_string();
        assert!(error.contains("no checkpoint can be used"), "{error}");
        assert!(error.contains("begin anew"), "{error}");
        // Fault: the parser's own words were all that was said of a list that was cut short.
        let list = std::fs::read(folder.path().join(LIST)).unwrap();
        for (list, says) in [
            (&list[..0], "is empty; remove the folder"),
            (&list[..list.len() / 2], "is no list of checkpoints"),
            (b"[]", "lists no checkpoint"),
        ] {
            std::fs::write(folder.path().join(LIST), list).unwrap();
            let error = Training::resume(folder.path()).err().unwrap().to_string();
            assert!(error.contains(says) && error.contains("--out"), "{error}");
        }
        let list = r#"[{"file":"../elsewhere","step":1,"sha256":""}]"#;
        std::fs::write(folder.path().join(LIST), list).unwrap();
        let error = Training::resume(folder.path()).err().unwrap().to_string();
        assert!(error.contains("outside of its folder"), "{error}");
    }
}
