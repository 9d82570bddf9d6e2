//! Robots in MuJoCo, by way of the crate `mujoco-rs`.
//!
//! What is done in a start and in a step, and every constant, is that of Gymnasium 1.4.0's
//! `gymnasium/envs/mujoco/*_v5.py`. The models are Gymnasium's files, which the folder of the
//! variable [`MODELS`] holds.

use std::env;
use std::path::PathBuf;

use mujoco_rs::prelude::{MjData, MjModel};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, Normal};

use super::simulation::System;
use super::{EnvironmentError, Task};

/// The environment variable that names the folder of the models.
const MODELS: &str = "STATECAST_MUJOCO_MODELS";

/// The MuJoCo that `mujoco-rs` was written for and recordings were made with.
const VERSION: &str = "3.17.0";

/// Settings of a robot.
#[derive(Debug, Clone, Copy)]
struct Settings {
    /// File of the model.
    file: &'static str,
    /// Simulator steps per task step.
    frame_skip: usize,
    /// Number of unobserved positions at the front of the state.
    hidden: usize,
    /// Bound of observed speeds, in their unit.
    max_speed: f64,
    /// Cost of an action's squared length.
    control_cost: f32,
    /// Reward of a nonterminal step.
    healthy_reward: f64,
    /// Half width of the uniform start positions around rest.
    noise: f64,
    /// Whether the speeds' noise is normal instead of uniform.
    normal_speeds: bool,
}

const HALF_CHEETAH: Settings = Settings {
    file: "half_cheetah.xml",
    frame_skip: 5,
    hidden: 1,
    max_speed: f64::INFINITY,
    control_cost: 0.1,
    healthy_reward: 0.0,
    noise: 0.1,
    normal_speeds: true,
};

const HOPPER: Settings = Settings {
    file: "hopper.xml",
    frame_skip: 4,
    hidden: 1,
    max_speed: 10.0,
    control_cost: 1e-3,
    healthy_reward: 1.0,
    noise: 5e-3,
    normal_speeds: false,
};

const WALKER2D: Settings = Settings {
    file: "walker2d_v5.xml",
    ..HOPPER
};

/// Its reward is known; it has no cost of actions.
const INVERTED_PENDULUM: Settings = Settings {
    file: "inverted_pendulum.xml",
    frame_skip: 2,
    hidden: 0,
    max_speed: f64::INFINITY,
    control_cost: 0.0,
    healthy_reward: 1.0,
    noise: 0.01,
    normal_speeds: false,
};

fn settings(task: &Task) -> Option<Settings> {
    match task.name {
        "half-cheetah" => Some(HALF_CHEETAH),
        "hopper" => Some(HOPPER),
        "walker2d" => Some(WALKER2D),
        "inverted-pendulum" => Some(INVERTED_PENDULUM),
        _ => None,
    }
}

/// A robot in its state: positions of the joints, the root's first, and their speeds.
#[derive(Debug)]
pub(super) struct Robot {
    task: &'static Task,
    settings: Settings,
    data: MjData<Box<MjModel>>,
}

impl Robot {
    /// Reads the robot's model.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError::Model`] if the task is none of MuJoCo's, the library is another
    /// version, the folder is not named, its file cannot be read, or the file describes another
    /// robot.
    pub(super) fn load(task: &'static Task) -> Result<Self, EnvironmentError> {
        let failed = |reason: String| EnvironmentError::Model {
            task: task.name,
            reason,
        };
        let settings =
            settings(task).ok_or_else(|| failed("is not a task of MuJoCo".to_owned()))?;
        let linked = mujoco_rs::mujoco_version();
        if linked != VERSION {
            return Err(failed(format!(
                "runs in MuJoCo {VERSION} but the program found {linked}; others drift from it"
            )));
        }
        let folder = env::var_os(MODELS).ok_or_else(|| {
            failed(format!(
                "set {MODELS} to the folder of {}, gymnasium/envs/mujoco/assets of an installed Gymnasium",
                settings.file
            ))
        })?;
        let file = PathBuf::from(folder).join(settings.file);
        let model = MjModel::from_xml(&file)
            .map_err(|error| failed(format!("{}: {error} ({MODELS})", file.display())))?;
        let robot = Self {
            task,
            settings,
            data: MjData::new(Box::new(model)),
        };
        if !robot.is_as_described() {
            return Err(failed(format!(
                "{}: is the model of another robot",
                file.display()
            )));
        }
        Ok(robot)
    }

    fn is_as_described(&self) -> bool {
        let Settings {
            frame_skip, hidden, ..
        } = self.settings;
        let joints = self.data.qpos().len();
        let dt = self.data.model().opt().timestep * frame_skip as f64;
        joints == self.data.qvel().len()
            && 2 * joints - hidden == self.task.observation.len()
            && self.data.ctrl().len() == self.task.action.len()
            && (dt - self.task.dt).abs() < 1e-12
    }

    /// Cost of an action; Gymnasium's actions have 32 bits.
    fn control_cost(&self, action: &[f64]) -> f64 {
        let squares: f32 = action.iter().map(|&part| (part as f32).powi(2)).sum();
        f64::from(self.settings.control_cost * squares)
    }
}

impl System for Robot {
    fn task(&self) -> &'static Task {
        self.task
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> Vec<f64> {
        let Settings {
            noise,
            normal_speeds,
            ..
        } = self.settings;
        let mut state: Vec<f64> = self
            .data
            .model()
            .qpos0()
            .iter()
            .map(|rest| rest + random.random_range(-noise..noise))
            .collect();
        let speeds = self.data.qvel().len();
        state.extend((0..speeds).map(|_| match normal_speeds {
            true => noise * normal(random),
            false => random.random_range(-noise..noise),
        }));
        state
    }

    fn state(&self) -> Vec<f64> {
        [self.data.qpos(), self.data.qvel()].concat()
    }

    fn start(&mut self, state: &[f64]) {
        self.data.reset();
        let (positions, speeds) = state.split_at(self.data.qpos().len());
        self.data.qpos_mut().copy_from_slice(positions);
        self.data.qvel_mut().copy_from_slice(speeds);
        self.data.forward();
    }

    fn observation(&self) -> Vec<f64> {
        let Settings {
            hidden, max_speed, ..
        } = self.settings;
        let mut observation = self.data.qpos()[hidden..].to_vec();
        let speeds = self.data.qvel().iter();
        observation.extend(speeds.map(|speed| speed.clamp(-max_speed, max_speed)));
        observation
    }

    fn state_of(&self, observation: &[f64]) -> Option<Vec<f64>> {
        let hidden = vec![0.0; self.settings.hidden];
        let positions = self.data.qpos().len() - self.settings.hidden;
        // A speed at its bound may have been larger.
        let speeds = &observation[positions..];
        let told = speeds.iter().all(|v| v.abs() < self.settings.max_speed);
        told.then(|| [hidden, observation.to_vec()].concat())
    }

    fn advance(&mut self, action: &[f64]) -> (f64, bool) {
        let before = self.data.qpos()[0];
        self.data.ctrl_mut().copy_from_slice(action);
        for _ in 0..self.settings.frame_skip {
            self.data.step();
        }
        self.data.rne_post_constraint();
        // The state ends episodes, not the observation, whose speeds are clipped.
        let state = self.state();
        let seen = &state[self.settings.hidden..];
        let terminated = self.task.ends(seen);
        if let Some(reward) = &self.task.reward {
            return (reward.of_step(seen, action, seen), terminated);
        }
        let forward = (self.data.qpos()[0] - before) / self.task.dt;
        let healthy = if terminated {
            0.0
        } else {
            self.settings.healthy_reward
        };
        (forward + healthy - self.control_cost(action), terminated)
    }
}

fn normal(random: &mut ChaCha8Rng) -> f64 {
    Normal::standard().inverse_cdf(random.random_range(f64::MIN_POSITIVE..1.0))
}
