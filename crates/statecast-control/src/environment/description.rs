//! Descriptions of environments that are not built in.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::{
    ActionSpace, EnvironmentError, Quantity, RewardExpression, Task, TerminationExpression,
};

/// Most columns of an observation or an action.
const MAX_COLUMNS: usize = 4096;

/// Longest name or unit, in bytes.
const MAX_NAME: usize = 200;

/// Most discrete actions.
const MAX_CHOICES: usize = 10_000;

/// Most steps of an episode.
const MAX_STEPS: usize = 10_000_000;

/// A description of an environment, as programs write it in JSON.
///
/// ```
/// use statecast::environment::TaskDescription;
/// let text = r#"{
///     "name": "tank",
///     "observations": [{"name": "level", "unit": "m"}],
///     "actions": [{"name": "valve", "low": 0, "high": 1}],
///     "time_limit": 300,
///     "reward": "-(level - 1)^2"
/// }"#;
/// let task = serde_json::from_str::<TaskDescription>(text)?.task()?;
/// assert_eq!((task.name, task.time_limit), ("tank", 300));
/// assert_eq!(task.reward.unwrap().of_step(&[3.0], &[0.0], &[2.0]), -4.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskDescription {
    /// Name of the environment.
    pub name: String,
    /// Columns of an observation, at least one.
    pub observations: Vec<ColumnDescription>,
    /// Columns of an action, each with limits; of discrete actions the only one, without.
    pub actions: Vec<ColumnDescription>,
    /// Number of discrete actions, which are numbered from 0; continuous ones have none.
    #[serde(default)]
    pub choices: Option<usize>,
    /// Steps after which an episode is truncated, at least 1.
    pub time_limit: usize,
    /// Seconds between two steps.
    #[serde(default = "one")]
    pub dt: f64,
    /// Reward of a step, where it is a function of observations and action.
    #[serde(default)]
    pub reward: Option<RewardExpression>,
    /// Which observations are terminal, where that is known; `0` for none.
    #[serde(default)]
    pub terminated: Option<TerminationExpression>,
}

/// A column of an observation or an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnDescription {
    /// Name, without the prefix `obs_` or `act_`.
    pub name: String,
    /// Unit.
    #[serde(default = "no_unit")]
    pub unit: String,
    /// Lower limit of a continuous action.
    #[serde(default)]
    pub low: Option<f64>,
    /// Upper limit, above the lower one.
    #[serde(default)]
    pub high: Option<f64>,
}

fn one() -> f64 {
    1.0
}

fn no_unit() -> String {
    "1".to_owned()
}

/// What a task borrows for ever.
#[derive(Clone, Copy)]
struct Lasting {
    name: &'static str,
    observation: &'static [Quantity],
    action: &'static [Quantity],
    action_space: ActionSpace,
}

/// What was described so far, by its text. Tasks name and limit their columns for the life of the program, so each
/// description is kept, once.
static DESCRIBED: Mutex<Option<HashMap<String, Lasting>>> = Mutex::new(None);

impl TaskDescription {
    /// The task that is described.
    ///
    /// # Errors
    /// [`EnvironmentError::Description`] for names that are empty, long or given twice, limits that are missing or not
    /// finite, and numbers out of range; [`EnvironmentError::Expression`] for rules of other columns.
    pub fn task(&self) -> Result<Task, EnvironmentError> {
        self.check().map_err(EnvironmentError::Description)?;
        let names = |of: &[ColumnDescription]| -> Vec<String> {
            of.iter().map(|column| column.name.clone()).collect()
        };
        let (observations, actions) = (names(&self.observations), names(&self.actions));
        let reward = self.reward.as_ref();
        let reward = reward.map(|reward| reward.bind(&observations, &actions));
        let terminated = self.terminated.as_ref();
        let terminated = terminated.map(|terminated| terminated.bind(&observations));
        let (reward, terminated) = (reward.transpose()?, terminated.transpose()?);
        let lasting = self.lasting();
        Ok(Task {
            name: lasting.name,
            gymnasium_id: None,
            observation: lasting.observation,
            action: lasting.action,
            action_space: lasting.action_space,
            time_limit: self.time_limit,
            dt: self.dt,
            // What the environment says of itself is no wish of the user's: recorded rewards and ends are those.
            reward: reward.map(super::RewardRule::keeping_recorded),
            terminated: terminated.map(super::TerminationRule::keeping_recorded),
        })
    }

    fn check(&self) -> Result<(), String> {
        if let Some(reason) = wrong_name(&self.name) {
            return Err(format!("the environment's name {reason}"));
        }
        for (what, columns) in [
            ("observation", &self.observations),
            ("action", &self.actions),
        ] {
            if !(1..=MAX_COLUMNS).contains(&columns.len()) {
                let count = columns.len();
                return Err(format!("{count} {what}s; there must be 1 to {MAX_COLUMNS}"));
            }
            for (place, column) in columns.iter().enumerate() {
                if let Some(reason) = wrong_name(&column.name).or(wrong_name(&column.unit)) {
                    return Err(format!("name or unit of {what} {place} {reason}"));
                }
                if columns[..place]
                    .iter()
                    .any(|other| other.name == column.name)
                {
                    return Err(format!("two {what}s are called {:?}", column.name));
                }
            }
        }
        match self.choices {
            Some(choices) if !(1..=MAX_CHOICES).contains(&choices) => {
                return Err(format!(
                    "{choices} choices; there must be 1 to {MAX_CHOICES}"
                ));
            }
            Some(_) if self.actions.len() != 1 => {
                return Err("discrete actions have one column".to_owned());
            }
            Some(_) => {}
            None => self.check_limits()?,
        }
        if !(1..=MAX_STEPS).contains(&self.time_limit) {
            let limit = self.time_limit;
            return Err(format!(
                "a time limit of {limit}; it must be 1 to {MAX_STEPS} steps"
            ));
        }
        match self.dt.is_finite() && self.dt > 0.0 {
            true => Ok(()),
            false => Err(format!("dt is {}; it must be above 0", self.dt)),
        }
    }

    fn check_limits(&self) -> Result<(), String> {
        for action in &self.actions {
            let name = &action.name;
            let (Some(low), Some(high)) = (action.low, action.high) else {
                return Err(format!(
                    "action {name:?} has no low and high, and there are no choices"
                ));
            };
            if !(low.is_finite() && high.is_finite() && low < high) {
                return Err(format!("action {name:?} has the limits {low} and {high}"));
            }
        }
        Ok(())
    }

    fn lasting(&self) -> Lasting {
        let key = format!(
            "{:?}",
            (&self.name, &self.observations, &self.actions, self.choices)
        );
        let mut described = DESCRIBED.lock().unwrap_or_else(PoisonError::into_inner);
        let described = described.get_or_insert_default();
        *described.entry(key).or_insert_with(|| {
            let quantities = |of: &[ColumnDescription]| -> &'static [Quantity] {
                let all = of.iter().map(|column| Quantity {
                    name: String::leak(column.name.clone()),
                    unit: String::leak(column.unit.clone()),
                });
                Vec::leak(all.collect())
            };
            let limits = |of: fn(&ColumnDescription) -> Option<f64>| -> &'static [f64] {
                Vec::leak(self.actions.iter().filter_map(of).collect())
            };
            Lasting {
                name: String::leak(self.name.clone()),
                observation: quantities(&self.observations),
                action: quantities(&self.actions),
                action_space: match self.choices {
                    Some(choices) => ActionSpace::Discrete(choices),
                    None => ActionSpace::Box {
                        low: limits(|action| action.low),
                        high: limits(|action| action.high),
                    },
                },
            }
        })
    }
}

fn wrong_name(name: &str) -> Option<&'static str> {
    if name.trim().is_empty() {
        Some("is empty")
    } else if name.len() > MAX_NAME {
        Some("is longer than 200 bytes")
    } else if name.chars().any(char::is_control) {
        Some("has control characters")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TANK: &str = r#"{"name": "tank", "observations": [{"name": "level"}], "actions": [{"name": "valve", "low": 0, "high": 1}],
        "time_limit": 300}"#;

    fn task(text: &str) -> Result<Task, String> {
        let description: TaskDescription =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        description.task().map_err(|error| error.to_string())
    }

    #[test]
    fn equal_descriptions_are_kept_once() {
        let (one, two) = (task(TANK).unwrap(), task(TANK).unwrap());
        assert!(std::ptr::eq(one.observation, two.observation));
        assert_eq!((one.action[0].unit, one.dt), ("1", 1.0));
        assert!(one.reward.is_none() && one.terminated.is_none());
        let other = task(&TANK.replace("level", "height")).unwrap();
        assert_eq!(other.observation[0].name, "height");
    }

    #[test]
    fn wrong_descriptions_say_what_is_wrong() {
        for (from, to, says) in [
            ("tank", "", "the environment's name is empty"),
            ("level", "\\u001b[2J", "observation 0 has control"),
            ("{\"name\": \"level\"}", "", "0 observations"),
            (", \"high\": 1", "", "no low and high"),
            ("\"high\": 1", "\"high\": 0", "the limits 0 and 0"),
            ("300", "0", "a time limit of 0"),
            ("300", "300, \"dt\": -1", "dt is -1"),
            ("300", "300, \"choices\": 0", "0 choices"),
            (
                "300",
                "300, \"reward\": \"x\"",
                "no variable 'x'; there are level, valve, next_level",
            ),
            ("300", "300, \"steps\": 1", "unknown field `steps`"),
        ] {
            let error = task(&TANK.replace(from, to)).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        let twice = TANK.replace(
            "{\"name\": \"level\"}",
            "{\"name\": \"a\"}, {\"name\": \"a\"}",
        );
        assert!(task(&twice).unwrap_err().contains("two observations"));
    }
}
