//! Checkpoints: everything that is needed to resume a run exactly.
//!
//! A checkpoint is one file, named by its step; `checkpoints.json` lists the last two with their
//! hashes. A file with another hash is refused, and the one before it is used.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{LearningError, Training};
use crate::output::write_atomically;

/// Number of checkpoints that are kept.
const KEPT: usize = 2;

/// Largest checkpoint that is read, in bytes.
const MAX_BYTES: u64 = 8 << 30;

const LIST: &str = "checkpoints.json";

/// Advice where no run can be resumed.
const START_OVER: &str = "remove the folder or name another with `out=` to start over";

/// A checkpoint in the list.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    file: String,
    step: usize,
    sha256: String,
}

/// A resumed run, and why newer checkpoints were refused.
pub struct Resumed {
    /// The run.
    pub training: Training,
    /// Refused checkpoints, with reasons.
    pub refused: Vec<String>,
}

impl Training {
    /// Writes a checkpoint into a folder, and removes all but the one before it.
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
            // A leftover file does no harm.
            let _ = std::fs::remove_file(folder.join(entry.file));
        }
        Ok(())
    }

    /// Reads the latest usable checkpoint of a folder; `None` if the folder has no run.
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
            reason: format!(
                "no checkpoint can be used: {}; {START_OVER}",
                refused.join("; ")
            ),
        })
    }
}

pub(super) fn hash(bytes: &[u8]) -> String {
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
            _ => format!("is not a list of checkpoints ({error})"),
        };
        failed(format!("{what}; {START_OVER}"))
    })?;
    if entries.is_empty() {
        return Err(failed(format!("lists no checkpoint; {START_OVER}")));
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
        let bytes = bounded(&file, MAX_BYTES)?;
        match hash(&bytes) == entry.sha256 {
            true => Training::from_bytes(&bytes),
            false if bytes.is_empty() => Err("is empty".to_owned()),
            false => Err("its hash differs from the recorded one".to_owned()),
        }
    };
    of_file().map_err(|reason| LearningError::Checkpoint {
        file: file.display().to_string(),
        reason,
    })
}

fn bounded(file: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let opened = File::open(file).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    let mut limited = opened.take(limit + 1);
    limited.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    match bytes.len() as u64 > limit {
        true => Err(format!("more than {limit} bytes")),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::super::offline::tests::recorded;
    use super::super::{AugmentationSettings, AugmentationSource, TrainingSettings};
    use super::super::{BranchSettings, OfflineSettings};
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

    /// The same settings, with imagined transitions.
    fn augmented(source: AugmentationSource) -> TrainingSettings {
        TrainingSettings {
            augmentation: Some(AugmentationSettings {
                every: 50,
                start_step: 160,
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
                .map(|e| (e.step, e.mean, e.std, e.overestimation))
                .collect::<Vec<_>>()
        };
        a.agent.actor.network.parameters() == b.agent.actor.network.parameters()
            && a.agent.critics[1].target.parameters() == b.agent.critics[1].target.parameters()
            && a.agent.log_entropy_coefficient == b.agent.log_entropy_coefficient
            && a.replay.episodes().eq(b.replay.episodes())
            && (0..500).all(|row| a.replay.row(row) == b.replay.row(row))
            && a.imagined == b.imagined
            && without_time(a) == without_time(b)
    }

    /// The run stops in the middle of an episode, when the buffer has started to overwrite.
    #[test]
    fn a_resumed_run_equals_an_uninterrupted_one() {
        let linear_model = AugmentationSource::Forecaster("linear".to_owned());
        for settings in [
            settings(),
            augmented(linear_model),
            augmented(AugmentationSource::Truth),
            augmented(AugmentationSource::Replay),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let mut stopped = Training::new(settings.clone()).unwrap();
            for _ in 0..2 {
                stopped.advance(Some(&linear())).unwrap();
                stopped.save(folder.path()).unwrap();
            }
            let imagines = matches!(
                settings.augmentation.as_ref().map(|a| &a.source),
                Some(AugmentationSource::Forecaster(_) | AugmentationSource::Truth)
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

    /// Branches, regularised critics and recordings: what was not trained further is what was
    /// stored.
    #[test]
    fn resumed_runs_of_branches_and_on_recordings_equal_uninterrupted_ones() {
        let branches = |source: AugmentationSource| {
            let branches = BranchSettings {
                count: 20,
                every: 40,
                max_variance: (source != AugmentationSource::Truth).then_some(0.5),
                ..BranchSettings::default()
            };
            let mut settings = settings();
            settings.updates_per_step = 2;
            settings.agent.dropout = 0.1;
            settings.agent.layer_norm = true;
            settings.agent.critics = 3;
            settings.augmentation = Some(AugmentationSettings {
                min_context: 20,
                ..AugmentationSettings::of_branches("pendulum", source, branches)
            });
            settings
        };
        let linear_model = AugmentationSource::Forecaster("linear".to_owned());
        let logged = recorded("pendulum", 80);
        let offline = |settings: TrainingSettings| TrainingSettings {
            offline: Some(OfflineSettings {
                return_temperature: Some(0.5),
                ..OfflineSettings::new(vec!["logged".to_owned()], &logged)
            }),
            ..settings
        };
        let mut cloning = offline(settings());
        cloning.agent.value_weight = Some(2.5);
        let mut nearest = cloning.clone();
        nearest.agent.state_weight = Some(2.0);
        for settings in [
            branches(linear_model),
            branches(AugmentationSource::Truth),
            cloning,
            nearest,
            offline(branches(AugmentationSource::Truth)),
            offline(branches(AugmentationSource::Networks(2))),
        ] {
            let begin = || match settings.offline {
                Some(_) => Training::offline(settings.clone(), &logged).unwrap(),
                None => Training::new(settings.clone()).unwrap(),
            };
            let folder = tempfile::tempdir().unwrap();
            let mut stopped = begin();
            for _ in 0..2 {
                stopped.advance(Some(&linear())).unwrap();
                stopped.save(folder.path()).unwrap();
            }
            assert_eq!(stopped.imagined.is_empty(), settings.augmentation.is_none());
            let resumed = Training::resume(folder.path()).unwrap().unwrap();
            assert!(resumed.refused.is_empty(), "{:?}", resumed.refused);
            let (resumed, whole) = (finished(resumed.training), finished(begin()));
            assert!(same(&resumed, &whole));
            assert_eq!(
                resumed
                    .agent
                    .actor_target
                    .as_ref()
                    .map(|t| t.parameters().to_vec()),
                whole
                    .agent
                    .actor_target
                    .as_ref()
                    .map(|t| t.parameters().to_vec())
            );
        }
    }

    /// Fault of the published comparison: imagined transitions came with optimizer steps of their
    /// own.
    #[test]
    fn imagined_transitions_add_no_updates() {
        let plain = finished(Training::new(settings()).unwrap());
        for source in [AugmentationSource::Truth, AugmentationSource::Replay] {
            let other = finished(Training::new(augmented(source)).unwrap());
            assert_eq!(other.agent.updates, plain.agent.updates);
            assert!(!same(&other, &plain));
        }
    }

    /// Fault: an evaluation that was not a number was written as null, and its checkpoint refused.
    #[test]
    fn divergence_is_an_error() {
        let mut training = Training::new(settings()).unwrap();
        for critic in &mut training.agent.critics {
            critic.network.parameters_mut().fill(f32::NAN);
        }
        let error = training.advance(None).unwrap_err().to_string();
        assert!(error.contains("diverged by step 130"), "{error}");
    }

    #[test]
    fn a_missing_forecaster_is_an_error() {
        let source = AugmentationSource::Forecaster("builtin vicl".to_owned());
        let mut training = Training::new(augmented(source)).unwrap();
        training.advance(None).unwrap();
        let error = training.advance(None).unwrap_err();
        assert!(matches!(error, LearningError::NoForecaster));
    }

    /// Hashes do not protect against forged files: counts near overflow are refused.
    #[test]
    fn impossible_counts_are_refused() {
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
    fn an_extended_run_drops_its_final_evaluation() {
        let mut short = finished(Training::new(settings()).unwrap());
        let longer = TrainingSettings {
            steps: 520,
            ..settings()
        };
        let shorter = TrainingSettings {
            steps: 300,
            ..settings()
        };
        let error = short.extend_to(&shorter).unwrap_err().to_string();
        assert!(error.contains("it has 430 steps, not 300"), "{error}");
        short.extend_to(&longer).unwrap();
        assert!(same(
            &finished(short),
            &finished(Training::new(longer).unwrap())
        ));
    }

    /// Settings of checkpoints that were written under former names.
    #[test]
    fn checkpoints_with_former_names_can_be_read() {
        let new = augmented(AugmentationSource::Truth);
        let mut old = serde_json::to_value(&new).unwrap();
        let rename = |value: &mut serde_json::Value, names: &[(&str, &str)]| {
            let map = value.as_object_mut().unwrap();
            for (new, old) in names {
                let value = map.remove(*new).unwrap();
                map.insert((*old).to_owned(), value);
            }
        };
        rename(
            &mut old["agent"],
            &[("tau", "follow"), ("policy_frequency", "actor_every")],
        );
        rename(
            &mut old["augmentation"],
            &[
                ("start_step", "starts"),
                ("fraction", "share"),
                ("min_context", "shortest"),
                ("segments", "stretches"),
                ("actions", "acting"),
                ("imagination", "imagining"),
                ("weighting", "trust"),
            ],
        );
        old["augmentation"]["acting"] = "taken".into();
        old["augmentation"]["imagining"] = "rows".into();
        old["augmentation"]["trust"] = "even".into();
        assert_eq!(
            serde_json::from_value::<TrainingSettings>(old).unwrap(),
            new
        );
        let old = r#"{"step":1,"mean":2.0,"deviation":3.0,"overestimation":4.0,"temperature":5.0,
            "seconds":6.0}"#;
        let evaluation: crate::learning::Evaluation = serde_json::from_str(old).unwrap();
        assert_eq!((evaluation.std, evaluation.entropy_coefficient), (3.0, 5.0));
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
        assert!(error.contains("start over"), "{error}");
        // Fault: for a truncated list only the parser's message was shown.
        let list = std::fs::read(folder.path().join(LIST)).unwrap();
        for (list, says) in [
            (&list[..0], "is empty; remove the folder"),
            (&list[..list.len() / 2], "is not a list of checkpoints"),
            (b"[]", "lists no checkpoint"),
        ] {
            std::fs::write(folder.path().join(LIST), list).unwrap();
            let error = Training::resume(folder.path()).err().unwrap().to_string();
            assert!(error.contains(says) && error.contains("`out=`"), "{error}");
        }
        let list = r#"[{"file":"../elsewhere","step":1,"sha256":""}]"#;
        std::fs::write(folder.path().join(LIST), list).unwrap();
        let error = Training::resume(folder.path()).err().unwrap().to_string();
        assert!(error.contains("outside of its folder"), "{error}");
    }
}
