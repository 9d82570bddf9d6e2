//! A rod on a motor too weak to lift it at once: Gymnasium's `Pendulum-v1`.
//!
//! Equations and constants are those of `gymnasium/envs/classic_control/pendulum.py` 1.4.0.

use std::f64::consts::PI;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::simulation::System;
use super::task::quantity;
use super::{ActionSpace, RewardRule, Task, TerminationRule};

/// Largest speed, rad/s.
const MAX_SPEED: f64 = 8.0;
/// Largest torque, N m.
const MAX_TORQUE: f64 = 2.0;
/// Time of a step, s.
const DT: f64 = 0.05;
/// `3 g / (2 l)` with `g` = 10 m/s² and `l` = 1 m, in 1/s².
const GRAVITY_TERM: f64 = 15.0;
/// `3 / (m l²)` with `m` = 1 kg, in 1/(kg m²).
const TORQUE_TERM: f32 = 3.0;

pub(super) static TASK: Task = Task {
    name: "pendulum",
    gymnasium_id: Some("Pendulum-v1"),
    observation: &[
        quantity("cos_theta", "1"),
        quantity("sin_theta", "1"),
        quantity("theta_dot", "rad/s"),
    ],
    action: &[quantity("torque", "N m")],
    action_space: ActionSpace::Box {
        low: &[-MAX_TORQUE],
        high: &[MAX_TORQUE],
    },
    time_limit: 200,
    dt: DT,
    reward: Some(RewardRule::of_task(|observation, action, _| {
        let theta = observation[1].atan2(observation[0]);
        -cost(theta, observation[2], torque(action))
    })),
    terminated: Some(TerminationRule::of_task(|_| false)),
};

/// The angle from upright, rad, not wrapped, and the speed, rad/s.
#[derive(Debug, Default)]
pub(super) struct Pendulum {
    theta: f64,
    theta_dot: f64,
}

impl System for Pendulum {
    fn task(&self) -> &'static Task {
        &TASK
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> Vec<f64> {
        vec![random.random_range(-PI..PI), random.random_range(-1.0..1.0)]
    }

    fn state(&self) -> Vec<f64> {
        vec![self.theta, self.theta_dot]
    }

    fn start(&mut self, state: &[f64]) {
        (self.theta, self.theta_dot) = (state[0], state[1]);
    }

    fn observation(&self) -> Vec<f64> {
        let (sin, cos) = self.theta.sin_cos();
        [cos, sin, self.theta_dot]
            .map(|value| f64::from(value as f32))
            .to_vec()
    }

    fn state_of(&self, observation: &[f64]) -> Option<Vec<f64>> {
        let theta = observation[1].atan2(observation[0]);
        Some(vec![theta, observation[2]])
    }

    fn advance(&mut self, action: &[f64]) -> (f64, bool) {
        let torque = torque(action);
        let reward = -cost(wrap(self.theta), self.theta_dot, torque);
        let acceleration = GRAVITY_TERM * self.theta.sin() + f64::from(TORQUE_TERM * torque);
        self.theta_dot = (self.theta_dot + acceleration * DT).clamp(-MAX_SPEED, MAX_SPEED);
        self.theta += self.theta_dot * DT;
        (reward, false)
    }
}

/// The torque that an action has, N m; in Gymnasium it and its terms are of 32 bits.
fn torque(action: &[f64]) -> f32 {
    action[0].clamp(-MAX_TORQUE, MAX_TORQUE) as f32
}

/// `theta` in rad within `[-PI, PI]`, `theta_dot` in rad/s.
fn cost(theta: f64, theta_dot: f64, torque: f32) -> f64 {
    theta.powi(2) + 0.1 * theta_dot.powi(2) + f64::from(0.001 * torque.powi(2))
}

/// The same angle within `[-PI, PI)`.
fn wrap(theta: f64) -> f64 {
    (theta + PI).rem_euclid(2.0 * PI) - PI
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn upright_and_still_stays_and_costs_nothing() {
        let mut pendulum = Pendulum::default();
        assert_eq!(pendulum.advance(&[0.0]), (0.0, false));
        assert_eq!(pendulum.state(), [0.0, 0.0]);
    }

    #[test]
    fn hanging_costs_most() {
        let mut pendulum = Pendulum::default();
        pendulum.start(&[PI, 0.0]);
        let (reward, _) = pendulum.advance(&[2.0]);
        assert!((reward + PI * PI + 0.004).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn speed_reward_and_torque_are_bounded(theta in -20.0..20.0f64, speed in -8.0..8.0f64, torque in -9.0..9.0f64) {
            let mut free = Pendulum { theta, theta_dot: speed };
            let mut bounded = Pendulum { theta, theta_dot: speed };
            let (reward, _) = free.advance(&[torque]);
            prop_assert!((-16.2737..=0.0).contains(&reward));
            prop_assert!(free.theta_dot.abs() <= MAX_SPEED);
            bounded.advance(&[torque.clamp(-2.0, 2.0)]);
            prop_assert_eq!(free.state(), bounded.state());
        }
    }
}
