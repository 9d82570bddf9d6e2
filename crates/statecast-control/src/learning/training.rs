//! A training run: an agent, its environment and its replay buffers.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Deserializer, Serialize};

use super::branches::{Round, fit_networks};
use super::imagination::{EpisodeSegment, narrow, wide};
use super::offline::{ReturnSampler, replay_of};
use super::{
    AugmentationSettings, AugmentationSource, Batch, Imagination, LearningError, ReplayBuffer, Sac,
    TrainingSettings, Transition,
};
use crate::dynamics::Ensemble;
use crate::environment::{ActionSpace, Environment, Task, named};
use crate::evaluation::Logged;
use crate::forecast::Forecaster;
use crate::network::Tape;

/// First seed of the evaluation episodes, the same for every run.
const EVALUATION_SEED: u64 = 100_000;

/// Purpose of a random stream. Each purpose has its own stream per step or update.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Start = 1,
    Act,
    Update,
    Imagine,
    Evaluate,
    Branch,
}

/// Results of an evaluation. Without evaluation episodes, what they would tell is NaN.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Training steps before it.
    pub step: usize,
    /// Mean undiscounted return of the episodes under the actor's mean action.
    #[serde(deserialize_with = "or_nan")]
    pub mean: f64,
    /// Standard deviation of the returns.
    #[serde(alias = "deviation", deserialize_with = "or_nan")]
    pub std: f64,
    /// Mean of the critics' value of the first step minus the discounted return, entropy bonus
    /// included, until the time limit.
    #[serde(deserialize_with = "or_nan")]
    pub overestimation: f64,
    /// Coefficient of the entropy.
    #[serde(alias = "temperature")]
    pub entropy_coefficient: f64,
    /// Seconds of training and evaluation so far.
    pub seconds: f64,
}

/// Reads a number; JSON has null for one that is none.
fn or_nan<'de, D: Deserializer<'de>>(reader: D) -> Result<f64, D::Error> {
    Option::<f64>::deserialize(reader).map(|value| value.unwrap_or(f64::NAN))
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
    task: &'static Task,
    /// `None` where only recordings are used.
    environment: Option<Box<dyn Environment>>,
    /// The simulator of evaluations and of imagined transitions, if it is needed.
    evaluator: Option<Box<dyn Environment>>,
    observation: Vec<f32>,
    tape: Tape,
    /// Draws recorded transitions by return, where that is asked for.
    sampler: Option<ReturnSampler>,
    /// Fitted to the recordings for the first branches.
    networks: Option<Ensemble>,
}

impl Training {
    /// Creates a run at step 0 on recordings alone. The settings name them.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`LearningError::Recordings`] if the recordings are not of the task.
    pub fn offline(settings: TrainingSettings, logged: &Logged) -> Result<Self, LearningError> {
        let mut training = Self::new(settings)?;
        training.hold(replay_of(logged, training.task)?);
        Ok(training)
    }

    /// Takes over a replay buffer.
    pub(super) fn hold(&mut self, replay: ReplayBuffer) {
        let offline = self.settings.offline.as_ref();
        let temperature = offline.and_then(|offline| offline.return_temperature);
        self.sampler = temperature.map(|temperature| ReturnSampler::new(&replay, temperature));
        self.replay = replay;
    }

    /// Creates a run at step 0. A run on recordings needs [`offline`](Self::offline).
    ///
    /// # Errors
    /// [`LearningError`] for a task that is unknown, has discrete actions or no simulator here, and for
    /// invalid settings.
    pub fn new(settings: TrainingSettings) -> Result<Self, LearningError> {
        settings.check()?;
        let task = Task::named(&settings.task)?;
        let environment = match settings.offline {
            Some(_) => None,
            None => Some(named(&settings.task)?),
        };
        let source = settings.augmentation.as_ref().map(|a| &a.source);
        let simulates = settings.evaluation_episodes > 0
            || matches!(source, Some(AugmentationSource::Truth));
        let evaluator = match simulates {
            true => Some(named(&settings.task)?),
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
        training.begin(0);
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

    fn begin(&mut self, episode: u64) {
        // Episode seeds of runs with other seeds are far away.
        let seed = self
            .settings
            .seed
            .wrapping_mul(1_000_003)
            .wrapping_add(episode);
        if let Some(environment) = &mut self.environment {
            self.observation = narrow(environment.reset(seed));
        }
        self.progress = EpisodeProgress {
            episode,
            actions: Vec::new(),
        };
    }

    /// Restores the environment by replaying the actions of an episode.
    pub(super) fn replay_actions(
        &mut self,
        progress: EpisodeProgress,
    ) -> Result<(), LearningError> {
        self.begin(progress.episode);
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
            self.begin(self.progress.episode + 1);
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
            Some(AugmentationSource::Truth) => environment.state(),
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

    /// Replaces the imagined transitions by a new round of branches every so many steps.
    fn branch_if_due(&mut self, forecaster: Option<&Forecaster>) -> Result<(), LearningError> {
        let Some(augmentation) = &self.settings.augmentation else {
            return Ok(());
        };
        let Some(settings) = augmentation.branches() else {
            return Ok(());
        };
        let starts = match self.settings.offline {
            Some(_) => 0,
            None => self.settings.learning_starts,
        };
        let first = augmentation.start_step.max(starts);
        let since = self.step.checked_sub(first);
        if !since.is_some_and(|since| since.is_multiple_of(settings.every))
            || self.replay.len() < augmentation.min_context
        {
            return Ok(());
        }
        if let AugmentationSource::Networks(members) = augmentation.source {
            let seed = self.settings.seed;
            let fit = || fit_networks(&self.replay, members, seed);
            self.networks.get_or_insert_with(fit);
        }
        let mut branching = random(self.settings.seed, Purpose::Branch, self.step);
        let round = Round {
            replay: &self.replay,
            task: self.task,
            actor: self.agent.actor(),
            settings,
            context: augmentation.context,
        };
        let imagined = match (&augmentation.source, forecaster) {
            (AugmentationSource::Truth, _) => match &mut self.evaluator {
                Some(simulator) => round.simulate(&mut **simulator, &mut branching)?,
                None => Vec::new(),
            },
            (_, Some(forecaster)) => round.forecast(forecaster, &mut branching)?,
            _ if let Some(networks) = &self.networks => {
                round.in_networks(networks, &mut branching)?
            }
            (_, None) => return Err(LearningError::NoForecaster),
        };
        self.imagined = ReplayBuffer::new(self.settings.capacity);
        for transition in imagined.into_iter().filter(is_finite) {
            self.imagined.push(transition, false);
        }
        Ok(())
    }

    /// True if an episode is long enough for a segment.
    fn has_segment(&self, settings: &AugmentationSettings) -> bool {
        let mut episodes = self.replay.episodes();
        episodes.any(|episode| episode.len() >= settings.min_context)
    }

    /// Imagines transitions from segments of the replay buffer, if an episode is long enough.
    fn imagine(
        &mut self,
        settings: &AugmentationSettings,
        forecaster: Option<&Forecaster>,
    ) -> Result<(), LearningError> {
        if settings.source == AugmentationSource::Replay {
            return Ok(());
        }
        let mut imagination = random(self.settings.seed, Purpose::Imagine, self.agent.updates);
        let (shortest, longest) = (settings.min_context, settings.context);
        for _ in 0..settings.segments {
            let replay = &self.replay;
            let Some(window) = replay.sample_segment(shortest, longest, &mut imagination) else {
                return Ok(());
            };
            let segment = EpisodeSegment {
                rows: window.filter_map(|row| self.replay.row(row)).collect(),
                task: self.task,
                actor: self.agent.actor(),
            };
            let imagined = match (&settings.source, forecaster) {
                (AugmentationSource::Truth, _) => match &mut self.evaluator {
                    Some(simulator) => {
                        segment.simulate(&mut **simulator, settings, &mut imagination)?
                    }
                    None => Vec::new(),
                },
                (_, Some(forecaster)) => {
                    segment.forecast(forecaster, settings, &mut imagination)?
                }
                (_, None) => return Err(LearningError::NoForecaster),
            };
            for transition in imagined.into_iter().filter(is_finite) {
                self.imagined.push(transition, false);
            }
        }
        Ok(())
    }

    /// Checks that a forecaster can serve these settings.
    ///
    /// # Errors
    /// [`LearningError::Augmentation`] if it cannot read segments of the context's length, or would
    /// ignore the policy's actions.
    pub fn check_forecaster(
        settings: &AugmentationSettings,
        forecaster: &Forecaster,
    ) -> Result<(), LearningError> {
        let steps = match settings.imagination {
            Imagination::OneStep => 0,
            Imagination::Rollouts { steps, .. } => steps + 1,
            Imagination::Branches(branches) => branches.steps + 1,
        };
        if forecaster.longest_context(steps) <= settings.context {
            return Err(LearningError::Augmentation(
                "the model's window is shorter than the context",
            ));
        }
        if steps > 0 && !forecaster.sees_actions() {
            return Err(LearningError::Augmentation(
                "this forecaster does not see actions: its rollouts do not depend on the policy (try \
                 `method=dicl-sa` or `experts=linear`)",
            ));
        }
        let other_actions = settings.actions == super::ImaginedActions::Policy;
        if steps == 0 && other_actions && forecaster.sees_actions() {
            return Err(LearningError::Augmentation(
                "this forecaster's next states depend on the recorded actions: other actions need \
                 rollouts (`rollout=1`)",
            ));
        }
        Ok(())
    }

    fn random_action(&self, random: &mut ChaCha8Rng) -> Vec<f32> {
        let actor = self.agent.actor();
        let ends = actor.scale.iter().zip(&actor.bias);
        ends.map(|(scale, bias)| bias + scale * (2.0 * random.random::<f32>() - 1.0))
            .collect()
    }

    /// Returns the discounted entropy bonus of the actor at the observations `[rows, observations]`
    /// of the steps after the first one.
    fn entropy_bonus(&mut self, later: &[f32], discount: f64, random: &mut ChaCha8Rng) -> f64 {
        if later.is_empty() {
            return 0.0;
        }
        let drawn = self.agent.actor().draw(later, &mut self.tape, random);
        let logs = drawn.log_probability.iter();
        let bonus = logs.fold((0.0, discount), |(sum, discount_power), &log| {
            (
                sum - discount_power * f64::from(log),
                discount_power * discount,
            )
        });
        f64::from(self.agent.entropy_coefficient()) * bonus.0
    }

    fn check_finite(&self, values: &[f32]) -> Result<(), LearningError> {
        match values.iter().all(|x| x.is_finite()) {
            true => Ok(()),
            false => Err(LearningError::Diverged(self.step)),
        }
    }

    fn evaluate(&mut self) -> Result<Evaluation, LearningError> {
        let mut returns = Vec::new();
        let mut over = 0.0;
        let mut drawing = random(self.settings.seed, Purpose::Evaluate, self.step);
        let discount = f64::from(self.settings.agent.discount);
        let mut simulator = self.evaluator.take();
        for episode in 0..self.settings.evaluation_episodes {
            let Some(simulator) = &mut simulator else {
                break;
            };
            let mut observation = narrow(simulator.reset(EVALUATION_SEED + episode as u64));
            let (mut total, mut discounted, mut discount_power) = (0.0, 0.0, 1.0);
            let first = observation.clone();
            let mut first_action = None;
            let mut later = Vec::new();
            loop {
                let action = self.agent.actor().mean(&observation, &mut self.tape);
                self.check_finite(&action)?;
                let step = simulator.step(&wide(&action))?;
                first_action.get_or_insert(action);
                total += step.reward;
                discounted += discount_power * step.reward;
                discount_power *= discount;
                observation = narrow(step.observation);
                if step.terminated || step.truncated {
                    break;
                }
                later.extend_from_slice(&observation);
            }
            discounted += self.entropy_bonus(&later, discount, &mut drawing);
            let value = self.agent.values(&first, &first_action.unwrap_or_default());
            over += f64::from(value[0]) - discounted;
            returns.push(total);
        }
        self.evaluator = simulator;
        let count = returns.len() as f64;
        let mean = returns.iter().sum::<f64>() / count;
        match returns.is_empty() {
            true => self.check_finite(self.agent.actor().network.parameters())?,
            false => self.check_finite(&[mean as f32, over as f32])?,
        }
        let squares: f64 = returns.iter().map(|r| (r - mean).powi(2)).sum();
        Ok(Evaluation {
            step: self.step,
            mean,
            std: (squares / count).sqrt(),
            overestimation: over / count,
            entropy_coefficient: f64::from(self.agent.entropy_coefficient()),
            seconds: self.seconds,
        })
    }
}

fn is_finite(transition: &Transition) -> bool {
    transition.next.iter().all(|x| x.is_finite())
}

/// Returns the random stream of a purpose in a step or update. It depends on no other draws, so
/// that a resumed run equals an uninterrupted one.
fn random(seed: u64, purpose: Purpose, step: usize) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(((purpose as u64) << 56) | step as u64);
    random
}
