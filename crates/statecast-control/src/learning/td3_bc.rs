//! TD3 with behaviour cloning (Fujimoto and Gu, arXiv 2106.06860) and with the nearest recorded actions
//! (Ran et al., arXiv 2306.06569), the model-free anchors of offline runs.

use rand::rngs::ChaCha8Rng;

use super::actor::{SacActor, normal};
use super::replay::Batch;
use super::sac::{Losses, Sac};
use crate::network::polyak;

/// Standard deviation of the noise on target actions, and its bound, in units of half the range.
const TARGET_NOISE: (f32, f32) = (0.2, 0.5);

impl Sac {
    /// Takes one optimizer step of the critics and, every `policy_frequency` updates, one of the
    /// deterministic actor: it maximises the first critic's values, in units of their mean size and
    /// times `value_weight`, minus the mean squared distance to the batch's or to the nearest recorded actions.
    pub(super) fn update_towards_actions(
        &mut self,
        batch: &Batch,
        shares: &[f32],
        value_weight: f32,
        random: &mut ChaCha8Rng,
    ) -> Losses {
        let targets = self.smoothed_targets(batch, random);
        let losses = self.update_critics(batch, shares, &targets, random);
        self.updates += 1;
        if self.updates.is_multiple_of(self.settings.policy_frequency) {
            self.update_deterministic_actor(batch, shares, value_weight, random);
            self.follow_critics();
            if let Some(target) = &mut self.actor_target {
                let source = self.actor.network.parameters();
                polyak(target.parameters_mut(), source, self.settings.tau);
            }
        }
        losses
    }

    /// Returns the critics' targets at the target actor's actions with clipped noise.
    fn smoothed_targets(&mut self, batch: &Batch, random: &mut ChaCha8Rng) -> Vec<f32> {
        let network = self.actor_target.as_ref().unwrap_or(&self.actor.network);
        let target = SacActor {
            network: network.clone(),
            scale: self.actor.scale.clone(),
            bias: self.actor.bias.clone(),
        };
        let mut actions = target.mean(&batch.next, &mut self.tape);
        let width = target.actions();
        for (i, action) in actions.iter_mut().enumerate() {
            let (scale, bias) = (target.scale[i % width], target.bias[i % width]);
            let (std, most) = TARGET_NOISE;
            let noise = (std * normal(random)).clamp(-most, most);
            *action = (*action + scale * noise).clamp(bias - scale, bias + scale);
        }
        let inputs = self.concat(&batch.next, &actions);
        let least = self.least_target(&inputs, random);
        let worth = |row: usize| {
            batch.rewards[row] + self.settings.discount * batch.continues[row] * least[row]
        };
        (0..batch.rows()).map(worth).collect()
    }

    fn update_deterministic_actor(
        &mut self,
        batch: &Batch,
        shares: &[f32],
        value_weight: f32,
        random: &mut ChaCha8Rng,
    ) {
        let actions = self.actor.mean(&batch.observations, &mut self.tape);
        let inputs = self.concat(&batch.observations, &actions);
        let (width, observations) = (self.actor.actions(), self.actor.network.inputs());
        let critic = &mut self.critics[0];
        let values = critic.forward(&inputs, self.settings.dropout, random);
        let size: f32 = values
            .iter()
            .zip(shares)
            .map(|(v, share)| share * v.abs())
            .sum();
        let weight = value_weight / size.max(f32::MIN_POSITIVE);
        let by_value: Vec<f32> = shares.iter().map(|share| -weight * share).collect();
        let by_input = critic.network.backward_input(&mut critic.tape, &by_value);
        let nearest = self
            .recorded
            .as_ref()
            .map(|pairs| pairs.nearest_actions(&self.actor, &batch.observations, &actions));
        let recorded = nearest.as_ref().unwrap_or(&batch.actions);
        let mut by_action = Vec::with_capacity(actions.len());
        for (row, by_input) in by_input.chunks(observations + width).enumerate() {
            for a in 0..width {
                let at = row * width + a;
                // Distances are in units of half the range, so that tasks are alike.
                let (scale, bias) = (self.actor.scale[a], self.actor.bias[a]);
                // The actor never reaches what lies beyond its limits.
                let kept = recorded[at].clamp(bias - scale, bias + scale);
                let off = (actions[at] - kept) / scale.powi(2);
                let cloning = 2.0 * shares[row] * off / width as f32;
                by_action.push(by_input[observations + a] + cloning);
            }
        }
        let gradient = self.actor.mean_gradient(&self.tape, &by_action);
        self.actor
            .network
            .backward(&mut self.tape, &gradient, &mut self.gradients);
        self.actor_adam
            .step(self.actor.network.parameters_mut(), &self.gradients);
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::super::{ReplayBuffer, SacSettings, Transition};
    use super::*;
    use crate::environment::ActionSpace;
    use crate::network::Tape;

    const SPACE: ActionSpace = ActionSpace::Box {
        low: &[-2.0],
        high: &[2.0],
    };

    /// One-step runs with actions around `state`, of which `2 state` would be best.
    fn trained(value_weight: f32, state_weight: Option<f32>) -> Sac {
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut replay = ReplayBuffer::new(2000);
        for _ in 0..2000 {
            let state: f32 = random.random_range(-0.8..0.8);
            let action = state + random.random_range(-1.0..1.0);
            let transition = Transition {
                observation: vec![state],
                action: vec![action],
                reward: -(action - 2.0 * state).powi(2),
                next: vec![0.0],
                terminated: true,
                weight: 1.0,
                state: Vec::new(),
            };
            replay.push(transition, true);
        }
        let settings = SacSettings {
            hidden: 32,
            actor_rate: 1e-3,
            value_weight: Some(value_weight),
            state_weight,
            ..SacSettings::default()
        };
        let mut agent = Sac::new(1, SPACE, settings, &mut random).unwrap();
        agent.keep_near(&replay);
        for _ in 0..3000 {
            agent.update(&replay.sample(64, &mut random), &mut random);
        }
        agent
    }

    #[test]
    fn actions_go_from_the_recorded_to_the_best_ones() {
        let mut tape = Tape::default();
        for (value_weight, slope) in [(0.0, 1.0), (50.0, 2.0)] {
            let agent = trained(value_weight, None);
            let actions = agent.actor.mean(&[-0.6, 0.6], &mut tape);
            for (action, state) in actions.iter().zip([-0.6f32, 0.6]) {
                assert!(
                    (action - slope * state).abs() < 0.25,
                    "{value_weight}: {action}"
                );
            }
            // The actor has as little noise as its form allows.
            let drawn = agent
                .actor
                .draw(&[0.6], &mut tape, &mut ChaCha8Rng::seed_from_u64(1));
            assert!((drawn.actions[0] - actions[1]).abs() < 0.1);
            assert!(agent.entropy_coefficient() < 1e-9);
        }
    }

    /// Without values the batch's actions lead to their mean, 0.6 and -0.6. The nearest ones hold an actor where it began,
    /// near zero: such actions were recorded, too.
    #[test]
    fn the_nearest_recorded_action_holds_back_no_recorded_one() {
        let agent = trained(0.0, Some(2.0));
        let actions = agent.actor.mean(&[-0.6, 0.6], &mut Tape::default());
        assert!(
            actions.iter().all(|action| action.abs() < 0.3),
            "{actions:?}"
        );
    }
}
