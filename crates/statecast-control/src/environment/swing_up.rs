//! A pole that hangs from a cart and is to be swung up and balanced by a force on the cart.
//!
//! The system is that of `CartPole-v1` ([`cart_pole`](super::cart_pole)): cart 1 kg, pole 0.1 kg
//! and 1 m long, no friction, gravity 9.8 m/s². It differs in what is asked, in the manner of
//! Deisenroth and Rasmussen (PILCO, ICML 2011) and of `cartpole swingup` of the DeepMind Control
//! Suite (Tassa et al., arXiv 1801.00690): the pole starts hanging, the force is any within ±10 N,
//! the angle is seen as cosine and sine, and the reward is a smooth function of height and place,
//!
//! `r = (1 + cos theta) / 2 * exp(-(x / 2.4 m)²)` after the step, within `[0, 1]`.
//!
//! A step of 0.02 s is one classical Runge-Kutta step under a constant force. An episode ends
//! where the cart leaves the track at ±2.4 m, and is cut off after 500 steps.

use std::f64::consts::PI;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::cart_pole::{DT, FORCE, TRACK, accelerations};
use super::simulation::System;
use super::task::quantity;
use super::{ActionSpace, RewardRule, Task, TerminationRule};

pub(super) static TASK: Task = Task {
    name: "cart-pole-swing-up",
    gymnasium_id: None,
    observation: &[
        quantity("x", "m"),
        quantity("x_dot", "m/s"),
        quantity("cos_theta", "1"),
        quantity("sin_theta", "1"),
        quantity("theta_dot", "rad/s"),
    ],
    action: &[quantity("force", "N")],
    action_space: ActionSpace::Box {
        low: &[-FORCE],
        high: &[FORCE],
    },
    time_limit: 500,
    dt: DT,
    reward: Some(RewardRule::of_task(|_, _, next| reward(next))),
    terminated: Some(TerminationRule::of_task(|next| next[0].abs() > TRACK)),
};

fn reward(observation: &[f64]) -> f64 {
    let (x, cos_theta) = (observation[0], observation[2]);
    (1.0 + cos_theta) / 2.0 * (-(x / TRACK).powi(2)).exp()
}

/// Position of the cart in m and angle of the pole in rad, 0 upright, with their speeds: `x`,
/// `x_dot`, `theta`, `theta_dot`.
type State = [f64; 4];

/// The system in its state.
#[derive(Debug, Default)]
pub(super) struct SwingUp {
    state: State,
}

impl System for SwingUp {
    fn task(&self) -> &'static Task {
        &TASK
    }

    /// Hanging, every part of the state within 0.05 of it.
    fn draw(&self, random: &mut ChaCha8Rng) -> Vec<f64> {
        [0.0, 0.0, PI, 0.0]
            .map(|rest| rest + random.random_range(-0.05..0.05))
            .to_vec()
    }

    fn state(&self) -> Vec<f64> {
        self.state.to_vec()
    }

    fn start(&mut self, state: &[f64]) {
        self.state.copy_from_slice(state);
    }

    fn observation(&self) -> Vec<f64> {
        let [x, x_dot, theta, theta_dot] = self.state;
        let (sin, cos) = theta.sin_cos();
        vec![x, x_dot, cos, sin, theta_dot]
    }

    fn state_of(&self, observation: &[f64]) -> Option<Vec<f64>> {
        let theta = observation[3].atan2(observation[2]);
        Some(vec![observation[0], observation[1], theta, observation[4]])
    }

    fn advance(&mut self, action: &[f64]) -> (f64, bool) {
        let force = action[0].clamp(-FORCE, FORCE);
        self.state = runge_kutta(self.state, force);
        let observation = self.observation();
        (reward(&observation), TASK.ends(&observation))
    }
}

/// The state a step later, by the classical method of fourth order.
fn runge_kutta(state: State, force: f64) -> State {
    let first = rates(state, force);
    let second = rates(moved(state, first, DT / 2.0), force);
    let third = rates(moved(state, second, DT / 2.0), force);
    let fourth = rates(moved(state, third, DT), force);
    let mean =
        std::array::from_fn(|i| (first[i] + 2.0 * second[i] + 2.0 * third[i] + fourth[i]) / 6.0);
    moved(state, mean, DT)
}

/// Rates of change of a state, per second.
fn rates([_, x_dot, theta, theta_dot]: State, force: f64) -> State {
    let (x_acceleration, theta_acceleration) = accelerations(theta, theta_dot, force);
    [x_dot, x_acceleration, theta_dot, theta_acceleration]
}

/// The state after some seconds of constant rates.
fn moved(state: State, rates: State, seconds: f64) -> State {
    std::array::from_fn(|i| state[i] + seconds * rates[i])
}

#[cfg(test)]
mod tests {
    use super::super::cart_pole::{GRAVITY, HALF_LENGTH, POLE_MASS, TOTAL_MASS};
    use super::*;
    use proptest::prelude::*;

    /// Energy of cart and rod, J, 0 for a pole that hangs still beside a still cart.
    fn energy([_, x_dot, theta, theta_dot]: State) -> f64 {
        let coupling = POLE_MASS * HALF_LENGTH * x_dot * theta_dot * theta.cos();
        let turning = 2.0 / 3.0 * POLE_MASS * (HALF_LENGTH * theta_dot).powi(2);
        let height = POLE_MASS * GRAVITY * HALF_LENGTH * (1.0 + theta.cos());
        TOTAL_MASS * x_dot.powi(2) / 2.0 + coupling + turning + height
    }

    /// Momentum of cart and pole along the track, kg m/s.
    fn momentum([_, x_dot, theta, theta_dot]: State) -> f64 {
        TOTAL_MASS * x_dot + POLE_MASS * HALF_LENGTH * theta_dot * theta.cos()
    }

    fn states() -> impl Strategy<Value = State> {
        (-2.0..2.0, -2.0..2.0, -4.0..4.0, -6.0..6.0f64)
            .prop_map(|(x, v, theta, w)| [x, v, theta, w])
    }

    #[test]
    fn rewards_go_from_hanging_to_upright_in_the_middle() {
        let reward_at = |x: f64, theta: f64| {
            let mut system = SwingUp::default();
            system.start(&[x, 0.0, theta, 0.0]);
            reward(&system.observation())
        };
        assert_eq!(reward_at(0.0, 0.0), 1.0);
        assert!(reward_at(0.0, PI) < 1e-12);
        assert!(reward_at(0.5, 0.3) < reward_at(0.0, 0.3));
        assert!(reward_at(0.5, 0.3) < reward_at(0.5, 0.0));
    }

    #[test]
    fn leaving_the_track_ends_the_episode() {
        let mut system = SwingUp::default();
        system.start(&[2.39, 3.0, PI, 0.0]);
        assert!(system.advance(&[0.0]).1);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_won_without_force(state in states()) {
            let mut later = state;
            for _ in 0..500 {
                later = runge_kutta(later, 0.0);
            }
            prop_assert!((energy(later) - energy(state)).abs() < 1e-3 * energy(state).max(0.1));
            prop_assert!((momentum(later) - momentum(state)).abs() < 1e-3);
        }

        /// The force's impulse is the change of momentum.
        #[test]
        fn a_force_gives_momentum(state in states(), force in -10.0..10.0f64) {
            let gained = momentum(runge_kutta(state, force)) - momentum(state);
            prop_assert!((gained - force * DT).abs() < 1e-5);
        }
    }
}
