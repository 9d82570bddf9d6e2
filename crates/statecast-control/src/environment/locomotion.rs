//! The tasks that MuJoCo simulates, as Gymnasium 1.4.0 sets them in its folder
//! `gymnasium/envs/mujoco`.
//!
//! The reward of the robots that run is the distance that the root moved along x, divided by the
//! time of the step, minus a cost of the action; the position is not observed, so that it is no
//! function of observations.

use super::task::quantity;
use super::{ActionSpace, RewardRule, Task, TerminationRule};

pub(super) static HALF_CHEETAH: Task = Task {
    name: "half-cheetah",
    gymnasium_id: Some("HalfCheetah-v5"),
    observation: &[
        quantity("rootz", "m"),
        quantity("rooty", "rad"),
        quantity("bthigh", "rad"),
        quantity("bshin", "rad"),
        quantity("bfoot", "rad"),
        quantity("fthigh", "rad"),
        quantity("fshin", "rad"),
        quantity("ffoot", "rad"),
        quantity("rootx_dot", "m/s"),
        quantity("rootz_dot", "m/s"),
        quantity("rooty_dot", "rad/s"),
        quantity("bthigh_dot", "rad/s"),
        quantity("bshin_dot", "rad/s"),
        quantity("bfoot_dot", "rad/s"),
        quantity("fthigh_dot", "rad/s"),
        quantity("fshin_dot", "rad/s"),
        quantity("ffoot_dot", "rad/s"),
    ],
    action: &[
        quantity("t_bthigh", "1"),
        quantity("t_bshin", "1"),
        quantity("t_bfoot", "1"),
        quantity("t_fthigh", "1"),
        quantity("t_fshin", "1"),
        quantity("t_ffoot", "1"),
    ],
    action_space: ActionSpace::Box {
        low: &[-1.0; 6],
        high: &[1.0; 6],
    },
    time_limit: 1000,
    dt: 0.05,
    reward: None,
    terminated: Some(TerminationRule::of_task(|_| false)),
};

pub(super) static HOPPER: Task = Task {
    name: "hopper",
    gymnasium_id: Some("Hopper-v5"),
    observation: &[
        quantity("rootz", "m"),
        quantity("rooty", "rad"),
        quantity("thigh", "rad"),
        quantity("leg", "rad"),
        quantity("foot", "rad"),
        quantity("rootx_dot", "m/s"),
        quantity("rootz_dot", "m/s"),
        quantity("rooty_dot", "rad/s"),
        quantity("thigh_dot", "rad/s"),
        quantity("leg_dot", "rad/s"),
        quantity("foot_dot", "rad/s"),
    ],
    action: &[
        quantity("t_thigh", "1"),
        quantity("t_leg", "1"),
        quantity("t_foot", "1"),
    ],
    action_space: ActionSpace::Box {
        low: &[-1.0; 3],
        high: &[1.0; 3],
    },
    time_limit: 1000,
    dt: 0.008,
    reward: None,
    terminated: Some(TerminationRule::of_task(|next| {
        let within = next[1..].iter().all(|value| value.abs() < 100.0);
        let healthy = next[0] > 0.7 && next[1].abs() < 0.2 && within;
        !healthy
    })),
};

pub(super) static INVERTED_PENDULUM: Task = Task {
    name: "inverted-pendulum",
    gymnasium_id: Some("InvertedPendulum-v5"),
    observation: &[
        quantity("cart_x", "m"),
        quantity("pole_angle", "rad"),
        quantity("cart_x_dot", "m/s"),
        quantity("pole_angle_dot", "rad/s"),
    ],
    action: &[quantity("cart_force", "1")],
    action_space: ActionSpace::Box {
        low: &[-3.0],
        high: &[3.0],
    },
    time_limit: 1000,
    dt: 0.04,
    reward: Some(RewardRule::of_task(
        |_, _, next| if toppled(next) { 0.0 } else { 1.0 },
    )),
    terminated: Some(TerminationRule::of_task(toppled)),
};

fn toppled(observation: &[f64]) -> bool {
    observation.iter().any(|value| !value.is_finite()) || observation[1].abs() > 0.2
}

pub(super) static WALKER2D: Task = Task {
    name: "walker2d",
    gymnasium_id: Some("Walker2d-v5"),
    observation: &[
        quantity("rootz", "m"),
        quantity("rooty", "rad"),
        quantity("thigh", "rad"),
        quantity("leg", "rad"),
        quantity("foot", "rad"),
        quantity("thigh_left", "rad"),
        quantity("leg_left", "rad"),
        quantity("foot_left", "rad"),
        quantity("rootx_dot", "m/s"),
        quantity("rootz_dot", "m/s"),
        quantity("rooty_dot", "rad/s"),
        quantity("thigh_dot", "rad/s"),
        quantity("leg_dot", "rad/s"),
        quantity("foot_dot", "rad/s"),
        quantity("thigh_left_dot", "rad/s"),
        quantity("leg_left_dot", "rad/s"),
        quantity("foot_left_dot", "rad/s"),
    ],
    action: &[
        quantity("t_thigh", "1"),
        quantity("t_leg", "1"),
        quantity("t_foot", "1"),
        quantity("t_thigh_left", "1"),
        quantity("t_leg_left", "1"),
        quantity("t_foot_left", "1"),
    ],
    action_space: ActionSpace::Box {
        low: &[-1.0; 6],
        high: &[1.0; 6],
    },
    time_limit: 1000,
    dt: 0.008,
    reward: None,
    terminated: Some(TerminationRule::of_task(|next| {
        let healthy = next[0] > 0.8 && next[0] < 2.0 && next[1].abs() < 1.0;
        !healthy
    })),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn robots_are_unhealthy_beyond_their_ranges() {
        let ends = |task: &Task, place: usize, value: f64| {
            let mut observation = vec![0.0; task.observation.len()];
            observation[0] = 1.2;
            observation[place] = value;
            task.ends(&observation)
        };
        assert!(!ends(&HOPPER, 0, 0.71) && ends(&HOPPER, 0, 0.7));
        assert!(!ends(&HOPPER, 1, -0.19) && ends(&HOPPER, 1, -0.2));
        assert!(!ends(&HOPPER, 10, 99.0) && ends(&HOPPER, 10, 100.0));
        assert!(ends(&HOPPER, 5, f64::NAN));
        assert!(!ends(&WALKER2D, 0, 1.9) && ends(&WALKER2D, 0, 2.0));
        assert!(ends(&WALKER2D, 0, 0.8) && ends(&WALKER2D, 1, 1.0));
        assert!(!ends(&HALF_CHEETAH, 0, -5.0));
        assert!(!ends(&INVERTED_PENDULUM, 1, 0.2) && ends(&INVERTED_PENDULUM, 1, 0.21));
        assert!(ends(&INVERTED_PENDULUM, 3, f64::INFINITY));
    }
}
