//! Soft actor-critic (Haarnoja et al., arXiv 1812.05905) with two or more critics and a learned
//! entropy coefficient.

use std::sync::Arc;

use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::actor::SacActor;
use super::critic::{Critic, minimum};
use super::recorded_pairs::RecordedPairs;
use super::replay::{Batch, ReplayBuffer};
use crate::environment::ActionSpace;
use crate::network::{Adam, AdamSettings, Network, NetworkError, Tape, polyak};

/// Log of an entropy coefficient that counts nothing.
const NO_ENTROPY: f32 = -30.0;

/// Hyperparameters of soft actor-critic.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SacSettings {
    /// Units of each of the two hidden layers of the actor and the critics.
    pub hidden: usize,
    /// Discount factor per step.
    pub discount: f32,
    /// Polyak coefficient of the target critics, per update.
    #[serde(alias = "follow")]
    pub tau: f32,
    /// Learning rate of the actor.
    pub actor_rate: f64,
    /// Learning rate of the critics and of the entropy coefficient.
    pub critic_rate: f64,
    /// Critic updates between actor updates; the actor is then updated as often.
    #[serde(alias = "actor_every")]
    pub policy_frequency: usize,
    /// Number of critics, whose minimum is the value: two are the published agent, more of them are
    /// more pessimistic where they disagree (An et al., arXiv 2110.01548).
    #[serde(default = "twin")]
    pub critics: usize,
    /// Dropout rate of the critics' hidden layers in updates (Hiraoka et al., arXiv 2110.02034).
    #[serde(default)]
    pub dropout: f32,
    /// Whether the critics' hidden layers are normalised.
    #[serde(default)]
    pub layer_norm: bool,
    /// Weight of the values against the squared distance to recorded actions, the alpha of TD3+BC
    /// (Fujimoto and Gu, arXiv 2106.06860): the actor is deterministic and there is no entropy.
    /// `None` is soft actor-critic.
    #[serde(default)]
    pub value_weight: Option<f32>,
    /// Weight of states, in units of their standard deviation, against actions, in units of half their range, in the distance
    /// between recorded pairs of both: with it, the recorded actions that the actor keeps near to are those of the pairs that
    /// are nearest to its own (PRDC, Ran et al., arXiv 2306.06569), without it those of the batch (TD3+BC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_weight: Option<f32>,
}

fn twin() -> usize {
    2
}

impl Default for SacSettings {
    fn default() -> Self {
        Self {
            hidden: 256,
            discount: 0.99,
            tau: 0.005,
            actor_rate: 3e-4,
            critic_rate: 1e-3,
            policy_frequency: 2,
            critics: twin(),
            dropout: 0.0,
            layer_norm: false,
            value_weight: None,
            state_weight: None,
        }
    }
}

/// Losses and diagnostics of an update.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Losses {
    /// Sum of the mean squared errors of all critics.
    pub critics: f32,
    /// Mean value of the first critic.
    pub value: f32,
    /// Entropy coefficient after the update.
    pub entropy_coefficient: f32,
    /// Mean entropy of the actor, if it was updated.
    pub entropy: Option<f32>,
}

/// A soft actor-critic agent.
#[derive(Debug, Clone)]
pub struct Sac {
    pub(super) settings: SacSettings,
    pub(super) actor: SacActor,
    pub(super) actor_adam: Adam,
    /// At least one.
    pub(super) critics: Vec<Critic>,
    /// Log of the entropy coefficient; a slice because the optimizer steps slices.
    pub(super) log_entropy_coefficient: [f32; 1],
    pub(super) entropy_coefficient_adam: Adam,
    pub(super) updates: usize,
    /// Target of a deterministic actor.
    pub(super) actor_target: Option<Network>,
    /// The pairs of [`SacSettings::state_weight`].
    pub(super) recorded: Option<Arc<RecordedPairs>>,
    pub(super) tape: Tape,
    pub(super) gradients: Vec<f32>,
}

impl Sac {
    /// Creates an untrained agent.
    ///
    /// # Errors
    /// [`NetworkError::Sizes`] for a width of zero.
    ///
    /// # Panics
    /// If actions are discrete.
    pub fn new(
        observations: usize,
        space: ActionSpace,
        settings: SacSettings,
        random: &mut ChaCha8Rng,
    ) -> Result<Self, NetworkError> {
        let mut actor = SacActor::new(observations, space, settings.hidden, random)?;
        if settings.value_weight.is_some() {
            actor.without_noise();
        }
        let widths = [
            observations + space.width(),
            settings.hidden,
            settings.hidden,
            1,
        ];
        let critics = (0..settings.critics.max(1)).map(|_| Critic::new(&widths, settings, random));
        let critics = critics.collect::<Result<Vec<_>, _>>()?;
        let parameters = actor.network.parameters().len();
        Ok(Self {
            settings,
            actor_adam: Adam::new(parameters, AdamSettings::with_rate(settings.actor_rate)),
            critics,
            // Deterministic actors have no entropy.
            log_entropy_coefficient: [settings.value_weight.map_or(0.0, |_| NO_ENTROPY)],
            actor_target: settings.value_weight.map(|_| actor.network.clone()),
            recorded: None,
            entropy_coefficient_adam: Adam::new(1, AdamSettings::with_rate(settings.critic_rate)),
            updates: 0,
            tape: Tape::default(),
            gradients: vec![0.0; parameters],
            actor,
        })
    }

    /// Returns the actor.
    pub fn actor(&self) -> &SacActor {
        &self.actor
    }

    /// Makes the pairs of a buffer those whose actions the actor keeps near to, if [`SacSettings::state_weight`] is set. Until
    /// then, and with an empty buffer, these are the batches' actions. An update compares its batch with all pairs.
    ///
    /// # Panics
    /// If its transitions have other widths than the agent.
    pub fn keep_near(&mut self, recorded: &ReplayBuffer) {
        let weight = self.settings.state_weight;
        let weight = weight.filter(|_| !recorded.is_empty());
        let pairs = |weight| Arc::new(RecordedPairs::new(recorded, &self.actor, weight));
        self.recorded = weight.map(pairs);
    }

    /// Returns the coefficient of the entropy (alpha).
    pub fn entropy_coefficient(&self) -> f32 {
        self.log_entropy_coefficient[0].exp()
    }

    /// Returns values `[rows]` of actions `[rows, actions]` at observations `[rows, observations]`:
    /// the minimum of the critics.
    pub fn values(&self, observations: &[f32], actions: &[f32]) -> Vec<f32> {
        let inputs = self.concat(observations, actions);
        let of = |critic: &Critic| {
            let mut tape = Tape::default();
            critic.network.forward(&inputs, &mut tape).to_vec()
        };
        minimum(self.critics.iter().map(of))
    }

    /// Takes one optimizer step of the critics on a batch and, every `policy_frequency` updates,
    /// the steps of the actor. Means are weighted by the batch's weights.
    ///
    /// # Panics
    /// If the batch is empty or has other widths than the agent.
    pub fn update(&mut self, batch: &Batch, random: &mut ChaCha8Rng) -> Losses {
        let total: f32 = batch.weights.iter().sum();
        let shares: Vec<f32> = batch.weights.iter().map(|w| w / total).collect();
        if let Some(value_weight) = self.settings.value_weight {
            return self.update_towards_actions(batch, &shares, value_weight, random);
        }
        let targets = self.targets(batch, random);
        let mut losses = self.update_critics(batch, &shares, &targets, random);
        self.updates += 1;
        if self.updates.is_multiple_of(self.settings.policy_frequency) {
            for _ in 0..self.settings.policy_frequency {
                losses.entropy = Some(self.update_actor(batch, &shares, random));
            }
        }
        self.follow_critics();
        losses.entropy_coefficient = self.entropy_coefficient();
        losses
    }

    /// Takes one optimizer step of every critic towards the targets.
    pub(super) fn update_critics(
        &mut self,
        batch: &Batch,
        shares: &[f32],
        targets: &[f32],
        random: &mut ChaCha8Rng,
    ) -> Losses {
        let inputs = self.concat(&batch.observations, &batch.actions);
        let mut losses = Losses::default();
        let dropout = self.settings.dropout;
        for (number, critic) in self.critics.iter_mut().enumerate() {
            let values = critic.forward(&inputs, dropout, random);
            let mut gradient = Vec::with_capacity(values.len());
            for ((value, target), share) in values.iter().zip(targets).zip(shares) {
                let error = value - target;
                losses.critics += share * error * error;
                losses.value += if number == 0 { share * value } else { 0.0 };
                gradient.push(2.0 * share * error);
            }
            critic
                .network
                .backward(&mut critic.tape, &gradient, &mut critic.gradients);
            critic
                .adam
                .step(critic.network.parameters_mut(), &critic.gradients);
        }
        losses
    }

    /// Moves the critics' targets towards the critics.
    pub(super) fn follow_critics(&mut self) {
        for critic in &mut self.critics {
            let source = critic.network.parameters();
            polyak(critic.target.parameters_mut(), source, self.settings.tau);
        }
    }

    /// Returns the minimum of the target critics' values of inputs `[rows, observations +
    /// actions]`.
    pub(super) fn least_target(&mut self, inputs: &[f32], random: &mut ChaCha8Rng) -> Vec<f32> {
        let dropout = self.settings.dropout;
        let critics = self.critics.iter_mut();
        minimum(critics.map(|critic| critic.forward_target(inputs, dropout, random).to_vec()))
    }

    /// Returns the critics' targets: the reward plus, unless terminated, the discounted soft value
    /// of the next state.
    fn targets(&mut self, batch: &Batch, random: &mut ChaCha8Rng) -> Vec<f32> {
        let drawn = self.actor.draw(&batch.next, &mut self.tape, random);
        let inputs = self.concat(&batch.next, &drawn.actions);
        let alpha = self.entropy_coefficient();
        let least = self.least_target(&inputs, random);
        let worth = |row: usize| {
            let value = least[row] - alpha * drawn.log_probability[row];
            batch.rewards[row] + self.settings.discount * batch.continues[row] * value
        };
        (0..batch.rows()).map(worth).collect()
    }

    /// Updates the actor and the entropy coefficient; returns the actor's entropy.
    fn update_actor(&mut self, batch: &Batch, shares: &[f32], random: &mut ChaCha8Rng) -> f32 {
        let drawn = self.actor.draw(&batch.observations, &mut self.tape, random);
        let inputs = self.concat(&batch.observations, &drawn.actions);
        let alpha = self.entropy_coefficient();
        let dropout = self.settings.dropout;
        let critics = self.critics.iter_mut();
        let values = critics.map(|critic| critic.forward(&inputs, dropout, random).to_vec());
        let values: Vec<Vec<f32>> = values.collect();
        let least: Vec<usize> = (0..shares.len())
            .map(|row| {
                let later = 1..values.len();
                later.fold(0, |best, critic| {
                    match values[critic][row] < values[best][row] {
                        true => critic,
                        false => best,
                    }
                })
            })
            .collect();
        // The loss is the mean of alpha * log density - minimum value.
        let (actions, observations) = (self.actor.actions(), self.actor.network.inputs());
        let mut by_action = vec![0.0; drawn.actions.len()];
        for (number, critic) in self.critics.iter_mut().enumerate() {
            let of_row = |(share, &least): (&f32, &usize)| {
                if least == number { -share } else { 0.0 }
            };
            let by_value: Vec<f32> = shares.iter().zip(&least).map(of_row).collect();
            let by_input = critic.network.backward_input(&mut critic.tape, &by_value);
            for (row, by_input) in by_input.chunks(observations + actions).enumerate() {
                for a in 0..actions {
                    by_action[row * actions + a] += by_input[observations + a];
                }
            }
        }
        let by_log: Vec<f32> = shares.iter().map(|share| share * alpha).collect();
        let gradient = self
            .actor
            .output_gradient(&drawn, &self.tape, &by_action, &by_log);
        self.actor
            .network
            .backward(&mut self.tape, &gradient, &mut self.gradients);
        self.actor_adam
            .step(self.actor.network.parameters_mut(), &self.gradients);
        let logs = shares.iter().zip(&drawn.log_probability);
        let entropy = -logs.map(|(share, log)| share * log).sum::<f32>();
        // The target entropy is minus the number of action dimensions.
        let gradient = alpha * (entropy + actions as f32);
        self.entropy_coefficient_adam
            .step(&mut self.log_entropy_coefficient, &[gradient]);
        entropy
    }

    pub(super) fn concat(&self, observations: &[f32], actions: &[f32]) -> Vec<f32> {
        let (width, acting) = (self.actor.network.inputs(), self.actor.actions());
        let rows = observations.chunks(width).zip(actions.chunks(acting));
        rows.flat_map(|(o, a)| o.iter().chain(a).copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::super::{ReplayBuffer, Transition};
    use super::*;

    const SPACE: ActionSpace = ActionSpace::Box {
        low: &[-1.0],
        high: &[1.0],
    };

    fn settings() -> SacSettings {
        SacSettings {
            hidden: 32,
            actor_rate: 1e-3,
            ..SacSettings::default()
        }
    }

    /// A one-step bandit whose best action is a function of the state.
    #[test]
    fn the_best_action_of_a_bandit_is_found() {
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut replay = ReplayBuffer::new(2000);
        for _ in 0..2000 {
            let (state, action): (f32, f32) = (
                random.random_range(-1.0..1.0),
                random.random_range(-1.0..1.0),
            );
            replay.push(
                Transition {
                    observation: vec![state],
                    action: vec![action],
                    reward: -10.0 * (action - 0.5 * state).powi(2),
                    next: vec![0.0],
                    terminated: true,
                    weight: 1.0,
                    state: Vec::new(),
                },
                true,
            );
        }
        let mut agent = Sac::new(1, SPACE, settings(), &mut random).unwrap();
        for _ in 0..3000 {
            agent.update(&replay.sample(64, &mut random), &mut random);
        }
        let mut tape = Tape::default();
        for state in [-0.8f32, 0.0, 0.6] {
            let action = agent.actor.mean(&[state], &mut tape)[0];
            assert!((action - 0.5 * state).abs() < 0.1, "{state}: {action}");
            let value = agent.values(&[state], &[action])[0];
            assert!(
                value.abs() < 0.5,
                "the value of a terminal step is its reward: {value}"
            );
        }
    }

    /// Truncation bootstraps, termination does not. A constant reward of 1 has the value 1 / (1 -
    /// 0.5).
    #[test]
    fn values_bootstrap_after_truncation_and_not_after_termination() {
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut replay = ReplayBuffer::new(500);
        for row in 0..500 {
            let ends = row % 2 == 0;
            let state = f32::from(u8::from(ends));
            replay.push(
                Transition {
                    observation: vec![state],
                    action: vec![random.random_range(-1.0..1.0)],
                    reward: 1.0,
                    next: vec![state],
                    terminated: ends,
                    weight: 1.0,
                    state: Vec::new(),
                },
                true,
            );
        }
        let settings = SacSettings {
            discount: 0.5,
            tau: 0.05,
            ..settings()
        };
        let mut agent = Sac::new(1, SPACE, settings, &mut random).unwrap();
        // Without entropy, so that values are sums of rewards.
        agent.log_entropy_coefficient = [-20.0];
        for _ in 0..1500 {
            agent.update(&replay.sample(64, &mut random), &mut random);
            agent.log_entropy_coefficient = [-20.0];
        }
        let [truncated, terminated] = [0.0, 1.0].map(|state| agent.values(&[state], &[0.0])[0]);
        assert!(
            (truncated - 2.0).abs() < 0.1 && (terminated - 1.0).abs() < 0.1,
            "{truncated} {terminated}"
        );
    }

    /// Dropout and layer normalisation change the critics only where they are asked for, and all
    /// draws of an update come from its stream.
    #[test]
    fn regularised_critics_learn_and_plain_ones_draw_nothing_more() {
        let transition = |i: usize| Transition {
            observation: vec![0.1 * i as f32],
            action: vec![0.5],
            reward: 1.0,
            next: vec![0.0],
            terminated: true,
            weight: 1.0,
            state: Vec::new(),
        };
        let mut batch = Batch::default();
        (0..32).for_each(|i| batch.push(&transition(i)));
        let after = |change: fn(&mut SacSettings)| {
            let mut settings = settings();
            change(&mut settings);
            let mut random = ChaCha8Rng::seed_from_u64(2);
            let mut agent = Sac::new(1, SPACE, settings, &mut random).unwrap();
            let mut found = Vec::new();
            for _ in 0..300 {
                found.push(agent.update(&batch, &mut random).critics);
            }
            (found, agent.values(&[0.3], &[0.5])[0])
        };
        let plain = after(|_| ());
        let (_, dropped) = after(|s| s.dropout = 0.01);
        let (_, normalised) = after(|s| s.layer_norm = true);
        let (_, many) = after(|s| s.critics = 5);
        assert_eq!(after(|s| s.dropout = 0.0), plain);
        for value in [plain.1, dropped, normalised, many] {
            assert!((value - 1.0).abs() < 0.1, "{value}");
        }
        assert!(dropped != plain.1 && normalised != plain.1 && many != plain.1);
    }

    /// A row of weight zero has no effect.
    #[test]
    fn weights_are_those_of_the_loss() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let agent = Sac::new(1, SPACE, settings(), &mut random).unwrap();
        let row = |reward: f32, weight: f32| Transition {
            observation: vec![0.2],
            action: vec![0.1],
            reward,
            next: vec![0.3],
            terminated: true,
            weight,
            state: Vec::new(),
        };
        let after = |rows: &[(f32, f32)]| {
            let mut batch = Batch::default();
            rows.iter()
                .for_each(|&(reward, weight)| batch.push(&row(reward, weight)));
            let mut agent = agent.clone();
            let losses = agent.update(&batch, &mut ChaCha8Rng::seed_from_u64(0));
            (losses.critics, agent.values(&[0.2], &[0.1]))
        };
        assert_eq!(
            after(&[(1.0, 2.0), (50.0, 0.0)]),
            after(&[(1.0, 1.0), (-7.0, 0.0)])
        );
        assert_ne!(
            after(&[(1.0, 1.0), (50.0, 1.0)]),
            after(&[(1.0, 1.0), (-7.0, 1.0)])
        );
    }
}
