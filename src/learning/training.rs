//! A training run: an agent, its environment, and what it has lived through.

use std::fmt::Display;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use super::{Batch, LearningError, Replay, Sac, SacSettings, Transition};
use crate::environment::{ActionSpace, Environment, named};
use crate::network::Tape;

/// Seeds of the episodes that the agent is evaluated on, the same for every run.
const EVALUATION_SEED: u64 = 100_000;

/// Most units of a hidden layer.
const MOST_HIDDEN: usize = 4096;

/// Most transitions of an update.
const MOST_BATCH: usize = 65_536;

/// Random numbers of one purpose in one step, whatever the others draw.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Start = 1,
    Act,
    Update,
}

/// How a run goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingSettings {
    /// Name of the task.
    pub task: String,
    /// Steps in the environment.
    pub steps: usize,
    /// Seed of everything that is random.
    pub seed: u64,
    /// Transitions that are kept.
    pub capacity: usize,
    /// Transitions of an update.
    pub batch: usize,
    /// Steps of random actions before the first update.
    pub learning_starts: usize,
    /// Steps from one evaluation to the next.
    pub evaluate_every: usize,
    /// Episodes of an evaluation.
    pub evaluation_episodes: usize,
    /// How the agent learns.
    pub agent: SacSettings,
}

impl TrainingSettings {
    /// What suits a task: small networks where they are enough.
    pub fn of_task(task: &str) -> Self {
        let small = matches!(task, "pendulum" | "mountain-car" | "cart-pole-swing-up");
        Self {
            task: task.to_owned(),
            steps: 10_000,
            seed: 1,
            capacity: 1_000_000,
            batch: 256,
            learning_starts: if small { 1_000 } else { 5_000 },
            evaluate_every: 500,
            evaluation_episodes: 20,
            agent: SacSettings {
                hidden: if small { 64 } else { 256 },
                ..SacSettings::default()
            },
        }
    }

    /// The first setting in which these differ from others, in words.
    fn difference(&self, other: &Self) -> String {
        let (agent, others) = (&self.agent, &other.agent);
        let told = |name: &str, own: &dyn Display, other: &dyn Display| {
            let (own, other) = (own.to_string(), other.to_string());
            (own != other).then(|| format!("its {name} is {own}, not {other}"))
        };
        let first = told("task", &self.task, &other.task)
            .or_else(|| told("seed", &self.seed, &other.seed))
            .or_else(|| told("batch", &self.batch, &other.batch))
            .or_else(|| told("hidden", &agent.hidden, &others.hidden))
            .or_else(|| {
                told(
                    "learning-starts",
                    &self.learning_starts,
                    &other.learning_starts,
                )
            })
            .or_else(|| {
                told(
                    "evaluate-every",
                    &self.evaluate_every,
                    &other.evaluate_every,
                )
            })
            .or_else(|| {
                let episodes = (self.evaluation_episodes, other.evaluation_episodes);
                told("evaluation-episodes", &episodes.0, &episodes.1)
            });
        first.unwrap_or_else(|| "it learns by other settings".to_owned())
    }

    fn check(&self) -> Result<(), LearningError> {
        let counts = [
            ("steps", self.steps),
            ("batch", self.batch),
            ("evaluate-every", self.evaluate_every),
            ("evaluation-episodes", self.evaluation_episodes),
            ("hidden", self.agent.hidden),
            ("capacity", self.capacity),
        ];
        if let Some((name, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(LearningError::Setting(name));
        }
        // Settings also come from files, and networks of any size would take all memory.
        match self.agent.hidden <= MOST_HIDDEN && self.batch <= MOST_BATCH {
            true => Ok(()),
            false => Err(LearningError::Large),
        }
    }
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
    /// What the critics say of the first steps less the discounted return, mean.
    pub overestimation: f64,
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
    pub(super) step: usize,
    pub(super) life: Life,
    pub(super) evaluations: Vec<Evaluation>,
    pub(super) seconds: f64,
    environment: Box<dyn Environment>,
    evaluator: Box<dyn Environment>,
    observation: Vec<f32>,
    tape: Tape,
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&x| x as f32).collect()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

impl Training {
    /// A run that has not begun.
    ///
    /// # Errors
    /// [`LearningError`] for a task that is not known, has choices for actions or no simulator here, and
    /// for counts of zero.
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
    /// [`LearningError::Other`] if they differ in anything else.
    pub fn go_on(&mut self, settings: &TrainingSettings) -> Result<(), LearningError> {
        let own = TrainingSettings {
            steps: settings.steps,
            ..self.settings.clone()
        };
        if own != *settings {
            return Err(LearningError::Other(own.difference(settings)));
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
        self.observation = narrow(&self.environment.reset(seed));
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
            self.observation = narrow(&step.observation);
        }
        self.life = life;
        Ok(())
    }

    /// Goes on until the next evaluation, which it makes.
    ///
    /// # Errors
    /// [`LearningError`] if the environment refuses an action.
    pub fn advance(&mut self) -> Result<Evaluation, LearningError> {
        let begin = std::time::Instant::now();
        let before = self.seconds;
        loop {
            self.take_step()?;
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

    fn take_step(&mut self) -> Result<(), LearningError> {
        let seed = self.settings.seed;
        let mut acting = random(seed, Purpose::Act, self.step);
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
        let step = self.environment.step(&wide(&action))?;
        let next = narrow(&step.observation);
        let last = step.terminated || step.truncated;
        self.life.actions.push(action.clone());
        self.replay.push(
            Transition {
                observation: std::mem::replace(&mut self.observation, next.clone()),
                action,
                reward: step.reward as f32,
                next,
                terminated: step.terminated,
            },
            last,
        );
        if learns {
            let mut updating = random(seed, Purpose::Update, self.step);
            let batch: Batch = self.replay.sample(self.settings.batch, &mut updating);
            self.agent.update(&batch, &mut updating);
        }
        self.step += 1;
        if last {
            self.begin(self.life.episode + 1);
        }
        Ok(())
    }

    fn any_action(&self, random: &mut ChaCha8Rng) -> Vec<f32> {
        let actor = self.agent.actor();
        let ends = actor.scale.iter().zip(&actor.bias);
        ends.map(|(scale, bias)| bias + scale * (2.0 * random.random::<f32>() - 1.0))
            .collect()
    }

    fn evaluate(&mut self) -> Result<Evaluation, LearningError> {
        let mut returns = Vec::new();
        let mut over = 0.0;
        for episode in 0..self.settings.evaluation_episodes {
            let mut observation = narrow(&self.evaluator.reset(EVALUATION_SEED + episode as u64));
            let (mut total, mut discounted, mut worth) = (0.0, 0.0, 1.0);
            let first = observation.clone();
            let mut first_action = None;
            loop {
                let action = self.agent.actor().mean(&observation, &mut self.tape);
                let step = self.evaluator.step(&wide(&action))?;
                first_action.get_or_insert(action);
                total += step.reward;
                discounted += worth * step.reward;
                worth *= f64::from(self.settings.agent.discount);
                observation = narrow(&step.observation);
                if step.terminated || step.truncated {
                    break;
                }
            }
            let value = self.agent.values(&first, &first_action.unwrap_or_default());
            over += f64::from(value[0]) - discounted;
            returns.push(total);
        }
        let count = returns.len() as f64;
        let mean = returns.iter().sum::<f64>() / count;
        let squares: f64 = returns.iter().map(|r| (r - mean).powi(2)).sum();
        Ok(Evaluation {
            step: self.step,
            mean,
            deviation: (squares / count).sqrt(),
            overestimation: over / count,
            seconds: self.seconds,
        })
    }
}

/// The random numbers of a purpose in a step: none of them depends on how many others were drawn, so
/// that a run goes on as if it had not been interrupted.
fn random(seed: u64, purpose: Purpose, step: usize) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(((purpose as u64) << 56) | step as u64);
    random
}
