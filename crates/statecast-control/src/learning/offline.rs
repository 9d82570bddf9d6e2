//! Training on recordings alone.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::checkpoint::hash;
use super::imagination::narrow;
use super::replay::Batch;
use super::{LearningError, ReplayBuffer, Transition};
use crate::environment::Task;
use crate::evaluation::{Logged, RecordedRun};

/// Settings of training on recordings, without a step in the environment but for evaluations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OfflineSettings {
    /// Names of the recordings; a folder holds the run of one set.
    pub recordings: Vec<String>,
    /// Number of recorded transitions.
    pub transitions: usize,
    /// SHA-256 of what was recorded: a run goes on with the recordings that it began with, whatever they are called.
    pub sha256: String,
    /// Temperature of the sampling of runs: a run's transitions are drawn in proportion to
    /// `exp(g / temperature)`, where `g` is its return from 0 for the lowest to 1 for the highest
    /// (Hong et al., arXiv 2306.13085). `None` draws all transitions alike.
    pub return_temperature: Option<f64>,
}

impl OfflineSettings {
    /// Returns the settings for some recordings by name, which were read as `logged`.
    pub fn new(recordings: Vec<String>, logged: &Logged) -> Self {
        let transitions = logged.runs.iter().map(|run| run.actions.nrows());
        Self {
            recordings,
            transitions: transitions.sum(),
            sha256: hash(&bytes_of(logged)),
            return_temperature: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), LearningError> {
        let valid = |t: f64| (1e-3..=1e6).contains(&t);
        match self.return_temperature.is_none_or(valid) && self.transitions > 0 {
            true => Ok(()),
            false => Err(LearningError::Recordings(
                "return-temperature is from 0.001 to 1000000, and there is a transition".to_owned(),
            )),
        }
    }
}

/// Returns the numbers of all runs.
fn bytes_of(logged: &Logged) -> Vec<u8> {
    let of_run = |run: &RecordedRun| {
        let arrays = [run.states.iter(), run.actions.iter()];
        let numbers = arrays.into_iter().flatten().chain(&run.rewards);
        let ends = [f64::from(u8::from(run.terminated))];
        let all = numbers.copied().chain(ends).map(f64::to_le_bytes);
        all.flatten().collect::<Vec<u8>>()
    };
    logged.runs.iter().flat_map(of_run).collect()
}

/// Returns the recorded transitions as a replay buffer with one episode per run.
pub(super) fn replay_of(logged: &Logged, task: &Task) -> Result<ReplayBuffer, LearningError> {
    let found = (logged.states(), logged.actions());
    let expected = (task.observation.len(), task.action.len());
    if found != expected {
        return Err(LearningError::Recordings(format!(
            "{} states and {} actions, but {} has {} and {}",
            found.0, found.1, task.name, expected.0, expected.1
        )));
    }
    let rows = logged.runs.iter().map(|run| run.steps()).sum();
    let mut replay = ReplayBuffer::new(rows);
    for run in &logged.runs {
        for t in 0..run.steps() {
            let last = t + 1 == run.steps();
            let terminated = last && run.terminated;
            let known = t < run.transitions();
            if !known && !terminated {
                continue;
            }
            let row = |t: usize| narrow(run.states.row(t).iter().copied());
            let transition = Transition {
                observation: row(t),
                action: narrow(run.actions.row(t).iter().copied()),
                reward: run.rewards[t] as f32,
                // Nothing depends on the state after a termination.
                next: row(t + usize::from(known)),
                terminated,
                weight: 1.0,
                state: Vec::new(),
            };
            let numbers = [
                &transition.observation,
                &transition.action,
                &transition.next,
            ];
            if !numbers.into_iter().flatten().all(|x| x.is_finite())
                || !transition.reward.is_finite()
            {
                return Err(LearningError::Recordings(format!(
                    "step {t} of a run has a value that is not finite in 32 bits"
                )));
            }
            replay.push(transition, last);
        }
        replay.end_episode();
    }
    match replay.is_empty() {
        true => Err(LearningError::Recordings(
            "there is no transition".to_owned(),
        )),
        false => Ok(replay),
    }
}

/// Draws transitions by the return of their run.
pub(super) struct ReturnSampler {
    /// Row and the sum of the weights up to it.
    rows: Vec<(usize, f64)>,
}

impl ReturnSampler {
    pub(super) fn new(replay: &ReplayBuffer, temperature: f64) -> Self {
        let earned = |episode: std::ops::Range<usize>| -> f64 {
            let rows = episode.filter_map(|row| replay.row(row));
            rows.map(|row| f64::from(row.reward)).sum()
        };
        let returns: Vec<f64> = replay.episodes().map(earned).collect();
        let low = returns.iter().copied().fold(f64::INFINITY, f64::min);
        let high = returns.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let range = (high - low).max(f64::MIN_POSITIVE);
        let mut rows = Vec::with_capacity(replay.len());
        let mut sum = 0.0;
        for (episode, earned) in replay.episodes().zip(returns) {
            // The highest return has weight 1, so that no weight overflows.
            let weight = ((earned - high) / range / temperature).exp();
            for row in episode {
                sum += weight;
                rows.push((row, sum));
            }
        }
        Self { rows }
    }

    /// Draws rows with replacement.
    pub(super) fn sample(
        &self,
        replay: &ReplayBuffer,
        rows: usize,
        random: &mut ChaCha8Rng,
    ) -> Batch {
        let mut batch = Batch::default();
        let all = self.rows.last().map_or(0.0, |(_, sum)| *sum);
        for _ in 0..rows {
            let level = all * random.random::<f64>();
            let at = self.rows.partition_point(|(_, sum)| *sum <= level);
            let (row, _) = self.rows[at.min(self.rows.len() - 1)];
            if let Some(transition) = replay.row(row) {
                batch.push(transition);
            }
        }
        batch
    }
}

#[cfg(test)]
pub(super) mod tests {
    use ndarray::{Array1, Array2};
    use rand::SeedableRng;

    use super::*;
    use crate::environment::{ActionSpace, named};
    use crate::evaluation::RecordedRun;
    use crate::recording::EndFlag;

    /// A recorded run under random actions, in the simulator where there is one.
    pub(in super::super) fn recorded(task: &str, steps: usize) -> Logged {
        let task = Task::named(task).unwrap();
        let ActionSpace::Box { low, high } = task.action_space else {
            panic!("tasks here have continuous actions");
        };
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let mut actions = Array2::zeros((steps, task.action.len()));
        actions
            .indexed_iter_mut()
            .for_each(|((_, a), x)| *x = random.random_range(low[a]..high[a]));
        let mut states = Array2::zeros((steps + 1, task.observation.len()));
        let mut rewards = Array1::zeros(steps);
        match named(task.name) {
            Ok(mut environment) => {
                let mut observation = environment.reset(4).unwrap();
                for t in 0..steps {
                    states.row_mut(t).assign(&Array1::from(observation.clone()));
                    if t > 0 && t % task.time_limit == 0 {
                        environment.restore_observation(&observation).unwrap();
                    }
                    let step = environment.step(&actions.row(t).to_vec()).unwrap();
                    (rewards[t], observation) = (step.reward, step.observation);
                }
                states.row_mut(steps).assign(&Array1::from(observation));
            }
            Err(_) => states.mapv_inplace(|_| random.random_range(-1.0..1.0)),
        }
        Logged {
            runs: vec![RecordedRun {
                source: 0,
                states,
                actions,
                rewards,
                terminated: false,
                log_probabilities: None,
            }],
            end_flags: vec![EndFlag::Terminated],
        }
    }

    #[test]
    fn runs_of_high_return_are_drawn_more_often() {
        let mut logged = recorded("pendulum", 40);
        logged.runs.push(logged.runs[0].clone());
        logged.runs[0].rewards.fill(-1.0);
        logged.runs[1].rewards.fill(0.0);
        let replay = replay_of(&logged, Task::named("pendulum").unwrap()).unwrap();
        assert_eq!(replay.episodes().collect::<Vec<_>>(), [0..40, 40..80]);
        let share = |temperature| {
            let sampler = ReturnSampler::new(&replay, temperature);
            let batch = sampler.sample(&replay, 4000, &mut ChaCha8Rng::seed_from_u64(0));
            batch.rewards.iter().filter(|&&r| r == 0.0).count() as f64 / 4000.0
        };
        let expected = |t: f64| 1.0 / (1.0 + (-1.0 / t).exp());
        for temperature in [0.3, 1.0, 1e6] {
            let found = share(temperature);
            assert!((found - expected(temperature)).abs() < 0.03, "{found}");
        }
    }

    #[test]
    fn terminal_steps_without_a_next_state_are_kept() {
        let mut logged = recorded("pendulum", 10);
        let run = &mut logged.runs[0];
        run.states = run.states.slice(ndarray::s![..10, ..]).to_owned();
        let task = Task::named("pendulum").unwrap();
        assert_eq!(replay_of(&logged, task).unwrap().len(), 9);
        logged.runs[0].terminated = true;
        let replay = replay_of(&logged, task).unwrap();
        assert_eq!(replay.len(), 10);
        assert!(replay.row(9).unwrap().terminated && !replay.row(8).unwrap().terminated);
    }

    /// Fault: models learned that nothing moves where a terminal state was not recorded.
    #[test]
    fn unknown_terminal_states_are_no_steps_of_a_model() {
        let task = Task::named("pendulum").unwrap();
        let mut logged = recorded("pendulum", 40);
        logged.runs[0].terminated = true;
        let whole = replay_of(&logged, task).unwrap();
        assert!(whole.row(39).unwrap().knows_next());
        let run = &mut logged.runs[0];
        run.states = run.states.slice(ndarray::s![..40, ..]).to_owned();
        let cut = replay_of(&logged, task).unwrap();
        assert!(!cut.row(39).unwrap().knows_next() && cut.row(38).unwrap().knows_next());
    }

    /// Fault: nothing was ever imagined from few steps, and nothing was said of it.
    #[test]
    fn too_few_steps_to_imagine_from_are_refused() {
        let mut settings = crate::learning::TrainingSettings::of_task("pendulum");
        settings.offline = Some(OfflineSettings::new(
            vec!["r".to_owned()],
            &recorded("pendulum", 20),
        ));
        let source = crate::learning::AugmentationSource::Forecaster("linear".to_owned());
        let branches = crate::learning::BranchSettings::default();
        settings.augmentation = Some(crate::learning::AugmentationSettings::of_branches(
            "pendulum", source, branches,
        ));
        let error = crate::learning::Training::offline(settings, &recorded("pendulum", 20));
        let error = error.err().unwrap().to_string();
        assert!(error.contains("min-context"), "{error}");
    }

    #[test]
    fn recordings_of_another_system_are_refused() {
        let task = Task::named("mountain-car").unwrap();
        let error = replay_of(&recorded("pendulum", 10), task).unwrap_err();
        assert!(
            error.to_string().contains("3 states and 1 actions"),
            "{error}"
        );
    }
}
