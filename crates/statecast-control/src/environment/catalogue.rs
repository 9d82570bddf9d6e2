//! The tasks that are described here.

use super::{EnvironmentError, Task, cart_pole, locomotion, mountain_car, pendulum, swing_up};

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
