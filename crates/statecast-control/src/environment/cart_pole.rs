//! A pole balanced on a cart that is pushed left or right: Gymnasium's `CartPole-v1`.
//!
//! The equations are Florian's correction ("Correct equations for the dynamics of the cart-pole
//! system", 2007, without friction) of Barto, Sutton and Anderson (1983); constants and order of
//! operations those of `gymnasium/envs/classic_control/cartpole.py` 1.4.0.

use std::f64::consts::PI;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::simulation::System;
use super::task::quantity;
use super::{ActionSpace, RewardRule, Task, TerminationRule};

/// Gravity, m/s².
pub(super) const GRAVITY: f64 = 9.8;
/// Mass of the pole, kg.
pub(super) const POLE_MASS: f64 = 0.1;
/// Mass of cart and pole, kg.
pub(super) const TOTAL_MASS: f64 = POLE_MASS + 1.0;
/// Half the length of the pole, m.
pub(super) const HALF_LENGTH: f64 = 0.5;
/// Half the length of the track, m.
pub(super) const TRACK: f64 = 2.4;
/// Force of a push, N.
pub(super) const FORCE: f64 = 10.0;
/// Time of a step, s.
pub(super) const DT: f64 = 0.02;
/// The pole has fallen beyond this angle, rad.
const MAX_ANGLE: f64 = 12.0 * 2.0 * PI / 360.0;

pub(super) static TASK: Task = Task {
    name: "cart-pole",
    gymnasium_id: Some("CartPole-v1"),
    observation: &[
        quantity("x", "m"),
        quantity("x_dot", "m/s"),
        quantity("theta", "rad"),
        quantity("theta_dot", "rad/s"),
    ],
    action: &[quantity("push_right", "1")],
    action_space: ActionSpace::Discrete(2),
    time_limit: 500,
    dt: DT,
    reward: Some(RewardRule::of_task(|_, _, _| 1.0)),
    terminated: Some(TerminationRule::of_task(fallen)),
};

/// Whether the cart left the track or the pole fell.
fn fallen(state: &[f64]) -> bool {
    state[0].abs() > TRACK || state[2].abs() > MAX_ANGLE
}

/// Accelerations of the cart, m/s², and of the pole's angle, rad/s², under a force on the cart in
/// N. The angle is 0 upright and grows to the right.
pub(super) fn accelerations(theta: f64, theta_dot: f64, force: f64) -> (f64, f64) {
    const POLE_MOMENT: f64 = POLE_MASS * HALF_LENGTH;
    let (sin, cos) = theta.sin_cos();
    let push = (force + POLE_MOMENT * theta_dot.powi(2) * sin) / TOTAL_MASS;
    let inertia = HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * cos.powi(2) / TOTAL_MASS);
    let theta_acceleration = (GRAVITY * sin - cos * push) / inertia;
    let x_acceleration = push - POLE_MOMENT * theta_acceleration * cos / TOTAL_MASS;
    (x_acceleration, theta_acceleration)
}

/// Position of the cart in m and angle of the pole in rad, with their speeds: `x`, `x_dot`,
/// `theta`, `theta_dot`.
#[derive(Debug, Default)]
pub(super) struct CartPole {
    state: [f64; 4],
}

impl System for CartPole {
    fn task(&self) -> &'static Task {
        &TASK
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> Vec<f64> {
        (0..4).map(|_| random.random_range(-0.05..0.05)).collect()
    }

    fn state(&self) -> Vec<f64> {
        self.state.to_vec()
    }

    fn start(&mut self, state: &[f64]) {
        self.state.copy_from_slice(state);
    }

    fn observation(&self) -> Vec<f64> {
        self.state.map(|value| f64::from(value as f32)).to_vec()
    }

    fn state_of(&self, observation: &[f64]) -> Option<Vec<f64>> {
        Some(observation.to_vec())
    }

    fn advance(&mut self, action: &[f64]) -> (f64, bool) {
        let [x, x_dot, theta, theta_dot] = self.state;
        let force = if action[0] == 1.0 { FORCE } else { -FORCE };
        let (x_acceleration, theta_acceleration) = accelerations(theta, theta_dot, force);
        self.state = [
            x + DT * x_dot,
            x_dot + DT * x_acceleration,
            theta + DT * theta_dot,
            theta_dot + DT * theta_acceleration,
        ];
        (1.0, fallen(&self.state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_unsteady_pole_falls_and_ends_the_episode() {
        let mut cart_pole = CartPole::default();
        let steps = (1..500).find(|_| cart_pole.advance(&[1.0]).1).unwrap();
        assert!((5..20).contains(&steps), "fell after {steps} steps");
        assert!(cart_pole.state[2] < -MAX_ANGLE);
    }

    proptest! {
        /// Left is right in the mirror.
        #[test]
        fn the_system_is_symmetric(state in prop::array::uniform4(-2.0..2.0f64), push in 0..2u8) {
            let mut cart_pole = CartPole { state };
            let mut mirrored = CartPole { state: state.map(|value| -value) };
            cart_pole.advance(&[f64::from(push)]);
            mirrored.advance(&[f64::from(1 - push)]);
            prop_assert_eq!(cart_pole.state, mirrored.state.map(|value| -value));
        }
    }
}
