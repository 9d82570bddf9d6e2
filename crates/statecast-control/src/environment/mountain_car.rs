//! A car in a valley, too weak to climb out without a swing: Gymnasium's
//! `MountainCarContinuous-v0`.
//!
//! Equations and constants are those of
//! `gymnasium/envs/classic_control/continuous_mountain_car.py` 1.4.0.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::simulation::System;
use super::task::quantity;
use super::{ActionSpace, RewardRule, Task, TerminationRule};

const MIN_POSITION: f64 = -1.2;
const MAX_POSITION: f64 = 0.6;
/// Largest speed, per step.
const MAX_SPEED: f64 = 0.07;
/// The car has arrived from here on, if it does not roll back.
const GOAL: f64 = 0.45;
/// Acceleration of a force of 1.
const POWER: f32 = 0.0015;
/// Acceleration of the steepest slope.
const GRAVITY: f64 = 0.0025;

pub(super) static TASK: Task = Task {
    name: "mountain-car",
    gymnasium_id: Some("MountainCarContinuous-v0"),
    observation: &[quantity("position", "1"), quantity("velocity", "1/step")],
    action: &[quantity("force", "1")],
    action_space: ActionSpace::Box {
        low: &[-1.0],
        high: &[1.0],
    },
    time_limit: 999,
    dt: 1.0,
    reward: Some(RewardRule::of_task(|_, action, next| {
        reward(action, arrived(next))
    })),
    terminated: Some(TerminationRule::of_task(arrived)),
};

/// Whether an observation, which has 32 bits, is at the goal.
fn arrived(observation: &[f64]) -> bool {
    observation[0] as f32 >= GOAL as f32 && observation[1] >= 0.0
}

fn reward(action: &[f64], arrived: bool) -> f64 {
    let goal = if arrived { 100.0 } else { 0.0 };
    goal - action[0].powi(2) * 0.1
}

/// Position along the valley and velocity per step.
///
/// In Gymnasium an episode starts in 64 bits and continues in 32.
#[derive(Debug, Default)]
pub(super) struct MountainCar {
    position: f64,
    velocity: f64,
    /// Whether a step was taken, so that the state is of 32 bits.
    single: bool,
}

impl MountainCar {
    /// A number in the precision of the state.
    fn rounded(&self, value: f64) -> f64 {
        if self.single { single(value) } else { value }
    }
}

fn single(value: f64) -> f64 {
    f64::from(value as f32)
}

impl System for MountainCar {
    fn task(&self) -> &'static Task {
        &TASK
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> Vec<f64> {
        vec![random.random_range(-0.6..-0.4), 0.0]
    }

    fn state(&self) -> Vec<f64> {
        vec![self.position, self.velocity]
    }

    fn start(&mut self, state: &[f64]) {
        (self.position, self.velocity, self.single) = (state[0], state[1], false);
    }

    fn observation(&self) -> Vec<f64> {
        vec![single(self.position), single(self.velocity)]
    }

    fn state_of(&self, observation: &[f64]) -> Option<Vec<f64>> {
        Some(observation.to_vec())
    }

    fn advance(&mut self, action: &[f64]) -> (f64, bool) {
        let slope = GRAVITY * self.rounded(3.0 * self.position).cos();
        let push = action[0].clamp(-1.0, 1.0) as f32 * POWER - slope as f32;
        let fastest = self.rounded(MAX_SPEED);
        let mut velocity = self
            .rounded(self.velocity + f64::from(push))
            .clamp(-fastest, fastest);
        let (left, right) = (self.rounded(MIN_POSITION), self.rounded(MAX_POSITION));
        let position = self.rounded(self.position + velocity).clamp(left, right);
        if position == left && velocity < 0.0 {
            velocity = 0.0;
        }
        let arrived = position >= self.rounded(GOAL) && velocity >= 0.0;
        (self.position, self.velocity, self.single) = (single(position), single(velocity), true);
        (reward(action, arrived), arrived)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_swing_reaches_the_goal_that_plain_force_does_not() {
        let mut car = MountainCar::default();
        car.start(&[-0.5, 0.0]);
        assert!((0..999).all(|_| !car.advance(&[1.0]).1));
        car.start(&[-0.5, 0.0]);
        let arrived = (0..999).any(|_| car.advance(&[car.velocity.signum()]).1);
        assert!(arrived && TASK.ends(&car.observation()));
    }

    #[test]
    fn the_wall_stops_the_car() {
        let mut car = MountainCar::default();
        car.start(&[-1.19, -0.07]);
        car.advance(&[-1.0]);
        assert_eq!(car.state(), [single(MIN_POSITION), 0.0]);
    }

    proptest! {
        #[test]
        fn the_car_stays_on_its_road(position in -1.2..0.6f64, velocity in -0.07..0.07f64, force in -3.0..3.0f64) {
            let mut car = MountainCar::default();
            car.start(&[position, velocity]);
            for _ in 0..3 {
                car.advance(&[force]);
                prop_assert!(car.velocity.abs() <= single(MAX_SPEED));
                prop_assert!((single(MIN_POSITION)..=single(MAX_POSITION)).contains(&car.position));
            }
        }
    }
}
