//! A training run: an agent, its environment and its replay buffers.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use super::imagination::{narrow, wide};
use super::offline::{ReturnSampler, replay_of};
use super::{
    AugmentationSource, Batch, Evaluation, LearningError, ReplayBuffer, Sac, TrainingSettings,
    Transition,
};
use crate::dynamics::Ensemble;
use crate::environment::{ActionSpace, Environment, Task};
use crate::evaluation::Logged;
use crate::forecast::Forecaster;
use crate::network::Tape;

/// Purpose of a random stream. Each purpose has its own stream per step or update.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Start = 1,
    Act,
    Update,
    Imagine,
    Evaluate,
    Branch,
}

/// Progress of the current episode.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct EpisodeProgress {
    /// Number of the episode within the run.
    pub(super) episode: u64,
    /// Actions so far.
    pub(super) actions: Vec<Vec<f32>>,
}

/// A training run.
pub struct Training {
    pub(super) settings: TrainingSettings,
    pub(super) agent: Sac,
    pub(super) replay: ReplayBuffer,
    /// Imagined transitions.
    pub(super) imagined: ReplayBuffer,
    pub(super) step: usize,
    pub(super) progress: EpisodeProgress,
    pub(super) evaluations: Vec<Evaluation>,
    pub(super) seconds: f64,
    pub(super) task: Task,
    /// `None` where only recordings are used.
    environment: Option<Box<dyn Environment>>,
    /// The simulator of evaluations and of imagined transitions, if it is needed.
    pub(super) evaluator: Option<Box<dyn Environment>>,
    observation: Vec<f32>,
    pub(super) tape: Tape,
    /// Draws recorded transitions by return, where that is asked for.
    sampler: Option<ReturnSampler>,
    /// Fitted to the recordings for the first branches.
    pub(super) networks: Option<Ensemble>,
}

impl Training {
    /// Creates a run at step 0 on recordings alone. The settings name them.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`LearningError::Recordings`] if the recordings are not of the task or too short for
    /// what is to be imagined. Episodes that a time limit ended should count as truncated
    /// ([`time_limit`](crate::evaluation::time_limit)).
    pub fn offline(settings: TrainingSettings, logged: &Logged) -> Result<Self, LearningError> {
        let mut training = Self::new(settings)?;
        let held = replay_of(logged, &training.task)?;
        training.hold(held);
        if let Some(augmentation) = &training.settings.augmentation {
            let enough = match augmentation.branches() {
                Some(_) => training.replay.len() >= augmentation.min_context,
                None => training.has_segment(augmentation),
            };
            let is_replay = augmentation.source == AugmentationSource::Replay;
            if !enough && !is_replay {
                return Err(LearningError::Recordings(format!(
                    "nothing is imagined from fewer than {} steps (`min-context=`)",
                    augmentation.min_context
                )));
            }
        }
        Ok(training)
    }

    /// Takes over a replay buffer; on recordings, it is there as a whole.
    pub(super) fn hold(&mut self, replay: ReplayBuffer) {
        let offline = self.settings.offline.as_ref();
        let temperature = offline.and_then(|offline| offline.return_temperature);
        self.sampler = temperature.map(|temperature| ReturnSampler::new(&replay, temperature));
        self.agent.keep_near(&replay);
        self.replay = replay;
    }

    /// Creates a run at step 0. A run on recordings needs [`offline`](Self::offline).
    ///
    /// # Errors
    /// [`LearningError`] for a task that is unknown, has discrete actions or no simulator here, and for
    /// invalid settings.
    pub fn new(settings: TrainingSettings) -> Result<Self, LearningError> {
        settings.check()?;
        let made_by = settings.environment()?;
        let task = made_by.task()?;
        let environment = match settings.offline {
            Some(_) => None,
            None => Some(made_by.make()?),
        };
        let source = settings.augmentation.as_ref().map(|a| &a.source);
        let simulates =
            settings.evaluation_episodes > 0 || matches!(source, Some(AugmentationSource::Truth));
        let evaluator = match simulates {
            true => Some(made_by.make()?),
            false => None,
        };
        if let ActionSpace::Discrete(_) = task.action_space {
            return Err(LearningError::DiscreteActions(task.name));
        }
        let mut random = random(settings.seed, Purpose::Start, 0);
        let observations = task.observation.len();
        let agent = Sac::new(observations, task.action_space, settings.agent, &mut random)?;
        let mut training = Self {
            agent,
            replay: ReplayBuffer::new(settings.capacity),
            imagined: ReplayBuffer::new(settings.capacity),
            step: 0,
            progress: EpisodeProgress::default(),
            evaluations: Vec::new(),
            seconds: 0.0,
            task,
            evaluator,
            environment,
            observation: Vec::new(),
            tape: Tape::default(),
            sampler: None,
            networks: None,
            settings,
        };
        training.begin(0)?;
        Ok(training)
    }

    /// Extends a resumed run to the number of steps in `settings`.
    ///
    /// # Errors
    /// [`LearningError::Other`] if another setting differs, or the run has more steps already.
    pub fn extend_to(&mut self, settings: &TrainingSettings) -> Result<(), LearningError> {
        let own = TrainingSettings {
            steps: settings.steps,
            ..self.settings.clone()
        };
        if own != *settings {
            return Err(LearningError::Other(own.difference(settings)));
        }
        if self.step > settings.steps {
            let done = format!("it has {} steps, not {}", self.step, settings.steps);
            return Err(LearningError::Other(done));
        }
        // An uninterrupted run of these steps would not have been evaluated here.
        if self.step < settings.steps {
            let every = settings.evaluate_every;
            self.evaluations.retain(|e| e.step.is_multiple_of(every));
        }
        self.settings = own;
        Ok(())
    }

    /// Returns the settings.
    pub fn settings(&self) -> &TrainingSettings {
        &self.settings
    }

    /// Returns the agent.
    pub fn agent(&self) -> &Sac {
        &self.agent
    }

    /// Returns the number of steps done.
    pub fn step(&self) -> usize {
        self.step
    }

    /// Returns the evaluations so far.
    pub fn evaluations(&self) -> &[Evaluation] {
        &self.evaluations
    }

    /// True if all steps are done.
    pub fn is_done(&self) -> bool {
        self.step >= self.settings.steps
    }

    fn begin(&mut self, episode: u64) -> Result<(), LearningError> {
        // Episode seeds of runs with other seeds are far away.
        let seed = self
            .settings
            .seed
            .wrapping_mul(1_000_003)
            .wrapping_add(episode);
        if let Some(environment) = &mut self.environment {
            self.observation = narrow(environment.reset(seed)?);
        }
        self.progress = EpisodeProgress {
            episode,
            actions: Vec::new(),
        };
        Ok(())
    }

    /// Restores the environment by replaying the actions of an episode.
    pub(super) fn replay_actions(
        &mut self,
        progress: EpisodeProgress,
    ) -> Result<(), LearningError> {
        self.begin(progress.episode)?;
        if let Some(environment) = &mut self.environment {
            for action in &progress.actions {
                let step = environment.step(&wide(action))?;
                self.observation = narrow(step.observation);
            }
        }
        self.progress = progress;
        Ok(())
    }

    /// Trains until the next evaluation and evaluates. The forecaster is that of the
    /// [source](AugmentationSource) of imagined transitions, if any.
    ///
    /// # Errors
    /// [`LearningError`] if the environment refuses an action or the forecaster fails.
    pub fn advance(
        &mut self,
        forecaster: Option<&Forecaster>,
    ) -> Result<Evaluation, LearningError> {
        let begin = std::time::Instant::now();
        let before = self.seconds;
        loop {
            self.take_step(forecaster)?;
            let due = self.step.is_multiple_of(self.settings.evaluate_every);
            if due || self.is_done() {
                self.seconds = before + begin.elapsed().as_secs_f64();
                let evaluation = self.evaluate()?;
                self.evaluations.push(evaluation);
                self.seconds = before + begin.elapsed().as_secs_f64();
                return Ok(evaluation);
            }
        }
    }

    fn take_step(&mut self, forecaster: Option<&Forecaster>) -> Result<(), LearningError> {
        let last = match self.environment.take() {
            Some(mut environment) => {
                let last = self.act_in(&mut *environment);
                self.environment = Some(environment);
                last?
            }
            None if self.replay.is_empty() => {
                return Err(LearningError::Recordings("none were given".to_owned()));
            }
            None => false,
        };
        self.branch_if_due(forecaster)?;
        let round = match self.settings.offline {
            Some(_) => 1,
            None => self.settings.update_every,
        };
        let learns = self.settings.offline.is_some() || self.step >= self.settings.learning_starts;
        if learns && (self.step + 1).is_multiple_of(round) {
            let updates = round * self.settings.updates_per_step;
            (0..updates).try_for_each(|_| self.update(forecaster))?;
        }
        self.step += 1;
        if last {
            self.begin(self.progress.episode + 1)?;
        }
        Ok(())
    }

    /// Takes a step in the environment; true if it ended an episode.
    fn act_in(&mut self, environment: &mut dyn Environment) -> Result<bool, LearningError> {
        let mut acting = random(self.settings.seed, Purpose::Act, self.step);
        let learns = self.step >= self.settings.learning_starts;
        let action = match learns {
            true => {
                let actor = self.agent.actor();
                actor
                    .draw(&self.observation, &mut self.tape, &mut acting)
                    .actions
            }
            false => self.random_action(&mut acting),
        };
        let augmentation = self.settings.augmentation.as_ref();
        let state = match augmentation.map(|a| &a.source) {
            Some(AugmentationSource::Truth) => environment.state()?,
            _ => Vec::new(),
        };
        self.check_finite(&action)?;
        let step = environment.step(&wide(&action))?;
        let next = narrow(step.observation);
        let last = step.terminated || step.truncated;
        self.progress.actions.push(action.clone());
        self.replay.push(
            Transition {
                observation: std::mem::replace(&mut self.observation, next.clone()),
                action,
                reward: step.reward as f32,
                next,
                terminated: step.terminated,
                weight: 1.0,
                state,
            },
            last,
        );
        Ok(last)
    }

    fn update(&mut self, forecaster: Option<&Forecaster>) -> Result<(), LearningError> {
        let number = self.agent.updates;
        let mut updating = random(self.settings.seed, Purpose::Update, number);
        let rows = self.settings.batch;
        let mut batch: Batch = match &self.sampler {
            Some(sampler) => sampler.sample(&self.replay, rows, &mut updating),
            None => self.replay.sample(rows, &mut updating),
        };
        let augmentation = self.settings.augmentation.clone();
        if let Some(settings) = augmentation.filter(|a| self.step >= a.start_step) {
            if settings.branches().is_none() && number.is_multiple_of(settings.every) {
                self.imagine(&settings, forecaster)?;
            }
            let rows = settings.rows(self.settings.batch);
            let second = match settings.source {
                AugmentationSource::Replay => &self.replay,
                _ => &self.imagined,
            };
            // The replay control starts at the same step as a forecaster's arm.
            let reads = settings.branches().is_some() || self.has_segment(&settings);
            if reads && !second.is_empty() {
                second.sample_into(&mut batch, rows, &mut updating);
            }
        }
        self.agent.update(&batch, &mut updating);
        Ok(())
    }

    fn random_action(&self, random: &mut ChaCha8Rng) -> Vec<f32> {
        let actor = self.agent.actor();
        let ends = actor.scale.iter().zip(&actor.bias);
        ends.map(|(scale, bias)| bias + scale * (2.0 * random.random::<f32>() - 1.0))
            .collect()
    }

    pub(super) fn check_finite(&self, values: &[f32]) -> Result<(), LearningError> {
        match values.iter().all(|x| x.is_finite()) {
            true => Ok(()),
            false => Err(LearningError::Diverged(self.step)),
        }
    }
}

/// Returns the random stream of a purpose in a step or update. It depends on no other draws, so
/// that a resumed run equals an uninterrupted one.
pub(super) fn random(seed: u64, purpose: Purpose, step: usize) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(((purpose as u64) << 56) | step as u64);
    random
}

#[cfg(test)]
mod tests {
    use super::super::offline::tests::recorded;
    use super::super::{OfflineSettings, SacSettings};
    use super::*;

    fn settings() -> TrainingSettings {
        TrainingSettings {
            steps: 60,
            batch: 8,
            learning_starts: 40,
            evaluate_every: 30,
            evaluation_episodes: 1,
            agent: SacSettings {
                hidden: 8,
                ..SacSettings::default()
            },
            ..TrainingSettings::of_task("pendulum")
        }
    }

    #[test]
    fn updates_per_step_multiply_updates() {
        let updates = |updates_per_step, update_every| {
            let mut training = Training::new(TrainingSettings {
                updates_per_step,
                update_every,
                ..settings()
            })
            .unwrap();
            while !training.is_done() {
                training.advance(None).unwrap();
            }
            training.agent.updates
        };
        assert_eq!(updates(1, 1), 20);
        assert_eq!(updates(3, 1), 60);
        assert_eq!(updates(3, 10), 60);
    }

    /// Without evaluations, a task without a simulator is learned from recordings.
    #[test]
    fn recordings_need_no_environment() {
        let logged = recorded("half-cheetah", 30);
        let settings = TrainingSettings {
            task: "half-cheetah".to_owned(),
            evaluation_episodes: 0,
            offline: Some(OfflineSettings::new(vec!["logged".to_owned()], &logged)),
            ..settings()
        };
        let mut training = Training::offline(settings.clone(), &logged).unwrap();
        assert!(training.environment.is_none() && training.evaluator.is_none());
        let found = training.advance(None).unwrap();
        assert!(found.mean.is_nan());
        assert_eq!((training.agent.updates, training.replay.len()), (30, 30));
        let missing = Training::new(settings).unwrap().advance(None).unwrap_err();
        assert!(matches!(missing, LearningError::Recordings(_)));
    }
}
