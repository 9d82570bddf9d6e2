//! A training run: an agent, its environment, and what it has lived through.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use super::imagination::{Stretch, narrow, wide};
use super::{
    AugmentationSettings, Batch, Imagining, LearningError, Replay, Sac, Source, TrainingSettings,
    Transition,
};
use crate::environment::{ActionSpace, Environment, named};
use crate::forecast::Forecaster;
use crate::network::Tape;

/// Seeds of the episodes that the agent is evaluated on, the same for every run.
const EVALUATION_SEED: u64 = 100_000;

/// Random numbers of one purpose in one step or update, whatever the others draw.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Start = 1,
    Act,
    Update,
    Imagine,
    Evaluate,
}

/// What an evaluation found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Steps of training before it.
    pub step: usize,
    /// Mean return of the episodes, undiscounted, under the actor's mean action.
    pub mean: f64,
    /// Standard deviation of the returns.
    pub deviation: f64,
    /// What the critics say of the first steps, less the discounted return with the entropy that they value, until
    /// the time limit; mean.
    pub overestimation: f64,
    /// Weight of the entropy.
    pub temperature: f64,
    /// Seconds of training and evaluation so far.
    pub seconds: f64,
}

/// The episode that is under way.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Life {
    /// Number of the episode in the run.
    pub(super) episode: u64,
    /// Actions so far.
    pub(super) actions: Vec<Vec<f32>>,
}

/// A training run.
pub struct Training {
    pub(super) settings: TrainingSettings,
    pub(super) agent: Sac,
    pub(super) replay: Replay,
    /// Transitions that were imagined.
    pub(super) imagined: Replay,
    pub(super) step: usize,
    pub(super) life: Life,
    pub(super) evaluations: Vec<Evaluation>,
    pub(super) seconds: f64,
    environment: Box<dyn Environment>,
    evaluator: Box<dyn Environment>,
    observation: Vec<f32>,
    tape: Tape,
}

impl Training {
    /// A run that has not begun.
    ///
    /// # Errors
    /// [`LearningError`] for a task that is not known, has choices for actions or no simulator here, and
    /// for settings that cannot be.
    pub fn new(settings: TrainingSettings) -> Result<Self, LearningError> {
        settings.check()?;
        let environment = named(&settings.task)?;
        let task = environment.task();
        if let ActionSpace::Discrete(_) = task.action_space {
            return Err(LearningError::Choices(task.name));
        }
        let mut random = random(settings.seed, Purpose::Start, 0);
        let observations = task.observation.len();
        let agent = Sac::new(observations, task.action_space, settings.agent, &mut random)?;
        let mut training = Self {
            agent,
            replay: Replay::new(settings.capacity),
            imagined: Replay::new(settings.capacity),
            step: 0,
            life: Life::default(),
            evaluations: Vec::new(),
            seconds: 0.0,
            evaluator: named(&settings.task)?,
            environment,
            observation: Vec::new(),
            tape: Tape::default(),
            settings,
        };
        training.begin(0);
        Ok(training)
    }

    /// Lets a run that was read go on to as many steps as these settings say.
    ///
    /// # Errors
    /// [`LearningError::Other`] if they differ in anything else, or it has more steps already.
    pub fn go_on(&mut self, settings: &TrainingSettings) -> Result<(), LearningError> {
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
        // A run of these steps from the beginning would not have stopped here to be evaluated.
        if self.step < settings.steps {
            let every = settings.evaluate_every;
            self.evaluations.retain(|e| e.step.is_multiple_of(every));
        }
        self.settings = own;
        Ok(())
    }

    /// Settings.
    pub fn settings(&self) -> &TrainingSettings {
        &self.settings
    }

    /// The agent.
    pub fn agent(&self) -> &Sac {
        &self.agent
    }

    /// Steps done.
    pub fn step(&self) -> usize {
        self.step
    }

    /// Evaluations so far.
    pub fn evaluations(&self) -> &[Evaluation] {
        &self.evaluations
    }

    /// True if all steps are done.
    pub fn is_done(&self) -> bool {
        self.step >= self.settings.steps
    }

    fn begin(&mut self, episode: u64) {
        // Seeds of runs with other seeds lie far away.
        let seed = self
            .settings
            .seed
            .wrapping_mul(1_000_003)
            .wrapping_add(episode);
        self.observation = narrow(self.environment.reset(seed));
        self.life = Life {
            episode,
            actions: Vec::new(),
        };
    }

    /// Comes back to where an episode was: the environment does the same again.
    pub(super) fn relive(&mut self, life: Life) -> Result<(), LearningError> {
        self.begin(life.episode);
        for action in &life.actions {
            let step = self.environment.step(&wide(action))?;
            self.observation = narrow(step.observation);
        }
        self.life = life;
        Ok(())
    }

    /// Goes on until the next evaluation, which it makes. The forecaster is the one of the
    /// [source](Source) of imagined transitions, if that is one.
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
        let mut acting = random(self.settings.seed, Purpose::Act, self.step);
        let learns = self.step >= self.settings.learning_starts;
        let action = match learns {
            true => {
                let actor = self.agent.actor();
                actor
                    .draw(&self.observation, &mut self.tape, &mut acting)
                    .actions
            }
            false => self.any_action(&mut acting),
        };
        let augmentation = self.settings.augmentation.as_ref();
        let state = match augmentation.map(|a| &a.source) {
            Some(Source::Truth) => self.environment.state(),
            _ => Vec::new(),
        };
        self.check_finite(&action)?;
        let step = self.environment.step(&wide(&action))?;
        let next = narrow(step.observation);
        let last = step.terminated || step.truncated;
        self.life.actions.push(action.clone());
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
        let round = self.settings.update_every;
        if learns && (self.step + 1).is_multiple_of(round) {
            (0..round).try_for_each(|_| self.update(forecaster))?;
        }
        self.step += 1;
        if last {
            self.begin(self.life.episode + 1);
        }
        Ok(())
    }

    fn update(&mut self, forecaster: Option<&Forecaster>) -> Result<(), LearningError> {
        let number = self.agent.updates;
        let mut updating = random(self.settings.seed, Purpose::Update, number);
        let mut batch: Batch = self.replay.sample(self.settings.batch, &mut updating);
        let augmentation = self.settings.augmentation.clone();
        if let Some(settings) = augmentation.filter(|a| self.step >= a.starts) {
            if number.is_multiple_of(settings.every) {
                self.imagine(&settings, forecaster)?;
            }
            let rows = settings.rows(self.settings.batch);
            let second = match settings.source {
                Source::Replay => &self.replay,
                _ => &self.imagined,
            };
            // The replay's share begins when a forecaster's would.
            if self.imagines(&settings) && !second.is_empty() {
                second.sample_into(&mut batch, rows, &mut updating);
            }
        }
        self.agent.update(&batch, &mut updating);
        Ok(())
    }

    /// True if an episode is long enough to imagine from.
    fn imagines(&self, settings: &AugmentationSettings) -> bool {
        let mut episodes = self.replay.episodes();
        episodes.any(|episode| episode.len() >= settings.shortest)
    }

    /// Imagines what follows some stretches of the replay, if an episode is long enough.
    fn imagine(
        &mut self,
        settings: &AugmentationSettings,
        forecaster: Option<&Forecaster>,
    ) -> Result<(), LearningError> {
        if settings.source == Source::Replay {
            return Ok(());
        }
        let mut imagining = random(self.settings.seed, Purpose::Imagine, self.agent.updates);
        let (shortest, longest) = (settings.shortest, settings.context);
        for _ in 0..settings.stretches {
            let replay = &self.replay;
            let Some(window) = replay.sample_stretch(shortest, longest, &mut imagining) else {
                return Ok(());
            };
            let stretch = Stretch {
                rows: window.filter_map(|row| self.replay.row(row)).collect(),
                task: self.environment.task(),
                actor: self.agent.actor(),
            };
            let imagined = match (&settings.source, forecaster) {
                (Source::Truth, _) => {
                    stretch.simulate(&mut *self.evaluator, settings, &mut imagining)?
                }
                (_, Some(forecaster)) => stretch.forecast(forecaster, settings, &mut imagining)?,
                (_, None) => return Err(LearningError::NoForecaster),
            };
            let finite = |t: &Transition| t.next.iter().all(|x| x.is_finite());
            for transition in imagined.into_iter().filter(finite) {
                self.imagined.push(transition, false);
            }
        }
        Ok(())
    }

    /// Whether a forecaster can imagine what these settings ask for.
    ///
    /// # Errors
    /// [`LearningError::Augmentation`] if it cannot read stretches of the context's length, or depends on
    /// actions that are not those of its context.
    pub fn check_forecaster(
        settings: &AugmentationSettings,
        forecaster: &Forecaster,
    ) -> Result<(), LearningError> {
        let steps = match settings.imagining {
            Imagining::Rows => 0,
            Imagining::Paths { steps, .. } => steps + 1,
        };
        if forecaster.longest_context(steps) <= settings.context {
            return Err(LearningError::Augmentation(
                "the model's window is shorter than the context",
            ));
        }
        if steps > 0 && !forecaster.sees_actions() {
            return Err(LearningError::Augmentation(
                "this forecaster does not see actions: its paths are the same whatever the policy does (try --method \
                 dicl-sa or --experts linear)",
            ));
        }
        let other_actions = settings.acting == super::Acting::Policy;
        if steps == 0 && other_actions && forecaster.sees_actions() {
            return Err(LearningError::Augmentation(
                "this forecaster's next states follow from the actions taken: other actions need imagined \
                 paths (--rollout 1)",
            ));
        }
        Ok(())
    }

    fn any_action(&self, random: &mut ChaCha8Rng) -> Vec<f32> {
        let actor = self.agent.actor();
        let ends = actor.scale.iter().zip(&actor.bias);
        ends.map(|(scale, bias)| bias + scale * (2.0 * random.random::<f32>() - 1.0))
            .collect()
    }

    /// What the entropy of the actor is worth at the observations `[rows, observations]` of the steps behind the
    /// first one.
    fn entropy_bonus(&mut self, later: &[f32], discount: f64, random: &mut ChaCha8Rng) -> f64 {
        if later.is_empty() {
            return 0.0;
        }
        let drawn = self.agent.actor().draw(later, &mut self.tape, random);
        let logs = drawn.log_probability.iter();
        let bonus = logs.fold((0.0, discount), |(sum, worth), &log| {
            (sum - worth * f64::from(log), worth * discount)
        });
        f64::from(self.agent.temperature()) * bonus.0
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
        for episode in 0..self.settings.evaluation_episodes {
            let mut observation = narrow(self.evaluator.reset(EVALUATION_SEED + episode as u64));
            let (mut total, mut discounted, mut worth) = (0.0, 0.0, 1.0);
            let first = observation.clone();
            let mut first_action = None;
            let mut later = Vec::new();
            loop {
                let action = self.agent.actor().mean(&observation, &mut self.tape);
                self.check_finite(&action)?;
                let step = self.evaluator.step(&wide(&action))?;
                first_action.get_or_insert(action);
                total += step.reward;
                discounted += worth * step.reward;
                worth *= discount;
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
        let count = returns.len() as f64;
        let mean = returns.iter().sum::<f64>() / count;
        self.check_finite(&[mean as f32, over as f32])?;
        let squares: f64 = returns.iter().map(|r| (r - mean).powi(2)).sum();
        Ok(Evaluation {
            step: self.step,
            mean,
            deviation: (squares / count).sqrt(),
            overestimation: over / count,
            temperature: f64::from(self.agent.temperature()),
            seconds: self.seconds,
        })
    }
}

/// The random numbers of a purpose in a step or update: none of them depends on how many others were drawn, so
/// that a run goes on as if it had not been interrupted.
fn random(seed: u64, purpose: Purpose, step: usize) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(((purpose as u64) << 56) | step as u64);
    random
}
