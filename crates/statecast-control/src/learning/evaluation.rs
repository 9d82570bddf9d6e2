//! Evaluations of a training run.

use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Deserializer, Serialize};

use super::imagination::{narrow, wide};
use super::training::{Purpose, random};
use super::{LearningError, Training};

/// First seed of the evaluation episodes, the same for every run.
const EVALUATION_SEED: u64 = 100_000;

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

impl Training {
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

    pub(super) fn evaluate(&mut self) -> Result<Evaluation, LearningError> {
        let mut returns = Vec::new();
        let mut over = 0.0;
        let mut drawing = random(self.settings.seed, Purpose::Evaluate, self.step);
        let discount = f64::from(self.settings.agent.discount);
        let mut simulator = self.evaluator.take();
        for episode in 0..self.settings.evaluation_episodes {
            let Some(simulator) = &mut simulator else {
                break;
            };
            let mut observation = narrow(simulator.reset(EVALUATION_SEED + episode as u64)?);
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
