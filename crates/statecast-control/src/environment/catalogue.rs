//! The tasks that are described here.

use super::simulation::Simulation;
use super::{
    Environment, EnvironmentError, Task, cart_pole, locomotion, mountain_car, pendulum, swing_up,
};

/// All tasks, in the order of [`Task::all`].
static TASKS: [&Task; 8] = [
    &pendulum::TASK,
    &mountain_car::TASK,
    &cart_pole::TASK,
    &swing_up::TASK,
    &locomotion::HALF_CHEETAH,
    &locomotion::HOPPER,
    &locomotion::INVERTED_PENDULUM,
    &locomotion::WALKER2D,
];

impl Task {
    /// Returns all tasks.
    pub fn all() -> &'static [&'static Task] {
        &TASKS
    }

    /// Finds a task by its name in this program or in Gymnasium.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError::Unknown`], which lists the names.
    pub fn named(name: &str) -> Result<&'static Task, EnvironmentError> {
        let fits = |task: &&Task| task.name == name || task.gymnasium_id == Some(name);
        let known = || {
            let names = TASKS.map(|task| match task.gymnasium_id {
                Some(id) => format!("{} ({id})", task.name),
                None => task.name.to_owned(),
            });
            names.join(", ")
        };
        TASKS
            .into_iter()
            .find(fits)
            .ok_or_else(|| EnvironmentError::Unknown {
                name: name.to_owned(),
                known: known(),
            })
    }
}

/// Creates the environment of a task by a name that [`Task::named`] knows. Reset it before the
/// first step.
///
/// # Errors
///
/// [`EnvironmentError::Unknown`], which lists the names; [`EnvironmentError::NeedsMujoco`] for a
/// task of MuJoCo in a program without it; [`EnvironmentError::Model`] if MuJoCo's model of the
/// task cannot be read.
pub fn named(name: &str) -> Result<Box<dyn Environment>, EnvironmentError> {
    let task = Task::named(name)?;
    Ok(match task.name {
        "pendulum" => Box::new(Simulation::new(pendulum::Pendulum::default())),
        "mountain-car" => Box::new(Simulation::new(mountain_car::MountainCar::default())),
        "cart-pole" => Box::new(Simulation::new(cart_pole::CartPole::default())),
        "cart-pole-swing-up" => Box::new(Simulation::new(swing_up::SwingUp::default())),
        _ => in_mujoco(task)?,
    })
}

#[cfg(feature = "mujoco")]
fn in_mujoco(task: &'static Task) -> Result<Box<dyn Environment>, EnvironmentError> {
    Ok(Box::new(Simulation::new(super::mujoco::Robot::load(task)?)))
}

#[cfg(not(feature = "mujoco"))]
fn in_mujoco(task: &'static Task) -> Result<Box<dyn Environment>, EnvironmentError> {
    Err(EnvironmentError::NeedsMujoco { task: task.name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_lead_to_one_task_each() {
        for &task in Task::all() {
            assert!(std::ptr::eq(Task::named(task.name).unwrap(), task));
            if let Some(id) = task.gymnasium_id {
                assert!(std::ptr::eq(Task::named(id).unwrap(), task));
            }
        }
    }

    #[test]
    fn an_unknown_name_is_told_the_known_ones() {
        let message = Task::named("Ant-v5").unwrap_err().to_string();
        assert!(message.starts_with("there is no task \"Ant-v5\""));
        for task in Task::all() {
            assert!(message.contains(task.name), "{message}");
        }
    }
}
