//! The columns of an episode that a forecast is about.

use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis, concatenate, s};

use super::ForecastError;
use super::Method;
use super::levels::FewLevels;
use crate::recording::{Calendar, Episode, Recording, Steps};

/// Most variables that are forecast together. Online experts learn how each follows from all, which takes time and
/// memory with the square of their number, and a copula with the cube; a model reads each of them.
const MAX_VARIABLES: usize = 1000;

/// What a variable is to the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Part of the state.
    State,
    /// Part of the action.
    Action,
    /// The reward of the row's action.
    Reward,
    /// The reward of the step that led to the row, from which no other value follows. Online experts and networks
    /// predict it from the row before and predict nothing from it, so that errors of imagined rewards do not lead the
    /// states of a path. A user's simulator is told it with the states.
    Outcome,
}

/// Values `[rows, variables]` with the variables' names and roles: states first, then actions, then
/// the reward, as far as the method uses them.
#[derive(Debug, Clone)]
pub struct Variables {
    /// Names, one a variable.
    pub names: Vec<String>,
    /// Roles, one a variable.
    pub roles: Vec<Role>,
    /// Values `[rows, variables]`.
    pub values: Array2<f64>,
    /// Actions taken in the rows, `[rows, actions]`, whether they are among the variables or not; no
    /// columns where none were recorded.
    pub actions: Array2<f64>,
    /// Rows that begin a run, `[rows]`: they do not follow from the row before them, and how they were
    /// predicted says nothing of a forecaster.
    pub begins: Vec<bool>,
    /// When the rows were recorded, where it is known and their clock goes on evenly.
    pub calendar: Option<Calendar>,
    /// The time from each row to the next, where that is known and varies.
    pub steps: Option<Steps>,
}

/// States, actions and rewards of a run's rows, of which [`Variables`] are made.
#[derive(Debug, Clone, Copy)]
pub struct ChannelParts<'p> {
    /// Names of the states.
    pub state_names: &'p [String],
    /// States `[rows, states]`.
    pub states: ArrayView2<'p, f64>,
    /// Names of the actions.
    pub action_names: &'p [String],
    /// Actions `[rows, actions]` taken at the states.
    pub actions: ArrayView2<'p, f64>,
    /// Name, values and rows of the rewards, if they are to be forecast.
    pub reward: Option<(&'p str, ArrayView1<'p, f64>, RewardRow)>,
}

/// The row of a reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewardRow {
    /// That of its action, as in recordings.
    OfAction,
    /// That of the next state, so that it follows from the row before as the state does. The first row's reward is
    /// unknown and set to the mean.
    OfNextState,
}

impl Variables {
    /// Levels of the variables that take few, in order: switches, modes, counts, coarse sensors. There are at most 20, each with five
    /// rows on average; `None` of the others. Sample paths of such variables stand on levels.
    ///
    /// ```
    /// use ndarray::Array2;
    /// use statecast::forecast::{Role, Variables};
    /// let values = Array2::from_shape_fn((60, 2), |(t, v)| match v {
    ///     0 => f64::from(t % 7 == 0),
    ///     _ => (0.3 * t as f64).sin(),
    /// });
    /// let names = vec!["valve".to_owned(), "flow".to_owned()];
    /// let variables = Variables::new(names, vec![Role::State; 2], values);
    /// assert_eq!(variables.few_levels(), [Some(vec![0.0, 1.0]), None]);
    /// ```
    pub fn few_levels(&self) -> Vec<Option<Vec<f64>>> {
        FewLevels::of(self.values.view()).observed()
    }

    /// Variables whose actions are those among them.
    ///
    /// # Panics
    /// If there is not one name and role a column.
    pub fn new(names: Vec<String>, roles: Vec<Role>, values: Array2<f64>) -> Self {
        assert_eq!((names.len(), roles.len()), (values.ncols(), values.ncols()));
        let actions: Vec<usize> = (0..roles.len())
            .filter(|&v| roles[v] == Role::Action)
            .collect();
        Self {
            names,
            roles,
            actions: values.select(Axis(1), &actions),
            begins: vec![false; values.nrows()],
            calendar: None,
            steps: None,
            values,
        }
    }

    /// The variables that a method forecasts: the states; with [`Method::DiclSa`] the actions; the
    /// reward if asked for and recorded.
    pub fn of(recording: &Recording, episode: &Episode, method: Method, with_reward: bool) -> Self {
        Self::of_rows(recording, episode, 0..episode.rows(), method, with_reward)
    }

    /// The same of some rows of the episode alone.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn of_rows(
        recording: &Recording,
        episode: &Episode,
        rows: Range<usize>,
        method: Method,
        with_reward: bool,
    ) -> Self {
        let of_rows = s![rows.clone(), ..];
        let name = with_reward.then(|| recording.reward_name()).flatten();
        let reward = name.zip(episode.rewards());
        let parts = ChannelParts {
            state_names: recording.state_names(),
            states: episode.states().slice_move(of_rows),
            action_names: recording.action_names(),
            actions: episode.actions().slice_move(of_rows),
            reward: reward.map(|(name, rewards)| {
                let rewards = rewards.slice(s![rows.clone()]);
                (name, rewards, RewardRow::OfAction)
            }),
        };
        Self {
            calendar: episode
                .times()
                .and_then(|times| Calendar::of(times, rows.clone())),
            steps: episode.times().and_then(|times| Steps::of(times, rows)),
            ..Self::of_parts(parts, method)
        }
    }

    /// The variables that a method forecasts of states, actions and rewards.
    ///
    /// # Panics
    /// If there is not one name a column, one action a state, or one reward a state; of rewards in the
    /// rows of the next states the last may be missing.
    pub fn of_parts(parts: ChannelParts, method: Method) -> Self {
        let rows = parts.states.nrows();
        let mut names = parts.state_names.to_vec();
        let mut roles = vec![Role::State; names.len()];
        let mut columns = vec![parts.states];
        if method == Method::DiclSa {
            names.extend_from_slice(parts.action_names);
            roles.resize(names.len(), Role::Action);
            columns.push(parts.actions);
        }
        let reward = parts.reward.map(|(name, rewards, row)| {
            names.push(name.to_owned());
            match row {
                RewardRow::OfAction => {
                    roles.push(Role::Reward);
                    rewards.insert_axis(Axis(1)).to_owned()
                }
                RewardRow::OfNextState => {
                    roles.push(Role::Outcome);
                    let mean = rewards.mean().unwrap_or(0.0);
                    let arrived = |(t, _)| if t == 0 { mean } else { rewards[t - 1] };
                    Array2::from_shape_fn((rows, 1), arrived)
                }
            }
        });
        columns.extend(reward.as_ref().map(|column| column.view()));
        let values = concatenate(Axis(1), &columns)
            .expect("the caller's states, actions and rewards have one row a step");
        Self {
            names,
            roles,
            begins: vec![false; rows],
            calendar: None,
            steps: None,
            values,
            actions: parts.actions.to_owned(),
        }
    }

    /// Those that a method forecasts: without actions, unless these are among its channels.
    pub fn of_method(self, method: Method) -> Self {
        if method == Method::DiclSa || !self.roles.contains(&Role::Action) {
            return self;
        }
        let kept: Vec<usize> = (0..self.roles.len())
            .filter(|&v| self.roles[v] != Role::Action)
            .collect();
        Self {
            names: kept.iter().map(|&v| self.names[v].clone()).collect(),
            roles: kept.iter().map(|&v| self.roles[v]).collect(),
            values: self.values.select(Axis(1), &kept),
            ..self
        }
    }

    /// The rows of several parts, one after the other; each part begins anew.
    ///
    /// # Panics
    /// If there is no part, or they have other columns than the first.
    pub fn joined(parts: &[Self]) -> Self {
        let stacked = |of: fn(&Self) -> ArrayView2<f64>| {
            let parts: Vec<_> = parts.iter().map(of).collect();
            concatenate(Axis(0), &parts).expect("the caller's parts have the same columns")
        };
        let mut begins: Vec<bool> = parts.iter().flat_map(|part| part.begins.clone()).collect();
        let calendars: Option<Vec<Calendar>> =
            parts.iter().map(|part| part.calendar.clone()).collect();
        let steps: Option<Vec<Steps>> = parts.iter().map(|part| part.steps.clone()).collect();
        let mut seam = 0;
        for part in parts {
            if let Some(first) = begins.get_mut(seam).filter(|_| seam > 0) {
                *first = true;
            }
            seam += part.rows();
        }
        Self {
            names: parts[0].names.clone(),
            roles: parts[0].roles.clone(),
            values: stacked(|part| part.values.view()),
            actions: stacked(|part| part.actions.view()),
            begins,
            calendar: calendars.and_then(|calendars| Calendar::joined(&calendars)),
            steps: steps.and_then(|steps| Steps::joined(&steps)),
        }
    }

    /// Most variables that are forecast together.
    pub const MOST: usize = MAX_VARIABLES;

    /// Checks that so many are few enough to be forecast together.
    ///
    /// # Errors
    /// [`ForecastError::TooManyVariables`] if they are not.
    pub fn check_count(variables: usize) -> Result<(), ForecastError> {
        match variables > MAX_VARIABLES {
            true => Err(ForecastError::TooManyVariables {
                variables,
                most: MAX_VARIABLES,
            }),
            false => Ok(()),
        }
    }

    /// Fails unless the variables, and the number of actions, are those of others.
    pub(super) fn check_like(&self, other: &Self) -> Result<(), ForecastError> {
        let columns = |of: &Self| (of.names.clone(), of.actions.ncols());
        match columns(self) == columns(other) && self.roles == other.roles {
            true => Ok(()),
            false => Err(ForecastError::Earlier {
                found: columns(self),
                expected: columns(other),
            }),
        }
    }

    /// Some of the rows.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn slice(&self, rows: Range<usize>) -> Self {
        Self {
            names: self.names.clone(),
            roles: self.roles.clone(),
            values: self.values.slice(s![rows.clone(), ..]).to_owned(),
            actions: self.actions.slice(s![rows.clone(), ..]).to_owned(),
            begins: self.begins[rows.clone()].to_vec(),
            calendar: self
                .calendar
                .as_ref()
                .map(|calendar| calendar.slice(rows.clone())),
            steps: self.steps.as_ref().map(|steps| steps.slice(rows)),
        }
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.values.nrows()
    }

    /// Values of one variable.
    pub fn column(&self, variable: usize) -> ArrayView1<'_, f64> {
        self.values.column(variable)
    }

    /// Names of the variables that are no actions.
    pub fn forecast_names(&self) -> Vec<String> {
        let named = self.names.iter().zip(&self.roles);
        let forecast = named.filter(|(_, role)| **role != Role::Action);
        forecast.map(|(name, _)| name.clone()).collect()
    }

    /// Indices of the variables of a role.
    pub fn of_role(&self, role: Role) -> Vec<usize> {
        (0..self.roles.len())
            .filter(|&v| self.roles[v] == role)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    /// Fault: `--also` with several episodes was learned across their seams.
    #[test]
    fn parts_that_are_joined_begin_anew() {
        let part = |rows: usize| {
            let values = Array2::from_shape_fn((rows, 1), |(t, _)| t as f64);
            Variables::new(vec!["x".to_owned()], vec![Role::State], values)
        };
        let joined = Variables::joined(&[part(3), part(2), part(2)]);
        assert_eq!(
            joined.begins,
            [false, false, false, true, false, true, false]
        );
    }

    /// A reward that stood in the row of its action would be forecast from the state before the action alone.
    #[test]
    fn rewards_stand_in_the_row_that_is_asked_for() {
        let (states, actions) = (array![[1.0], [2.0], [3.0]], array![[0.1], [0.2], [0.2]]);
        let (names, rewards) = (["x".to_owned(), "u".to_owned()], array![5.0, 7.0, 9.0]);
        let of = |row, method| {
            let parts = ChannelParts {
                state_names: &names[..1],
                states: states.view(),
                action_names: &names[1..],
                actions: actions.view(),
                reward: Some(("reward", rewards.view(), row)),
            };
            Variables::of_parts(parts, method)
        };
        let recorded = of(RewardRow::OfAction, Method::Vicl);
        assert_eq!(recorded.values, array![[1.0, 5.0], [2.0, 7.0], [3.0, 9.0]]);
        let next = of(RewardRow::OfNextState, Method::DiclSa);
        assert_eq!(next.names, ["x", "u", "reward"]);
        assert_eq!(next.roles, [Role::State, Role::Action, Role::Outcome]);
        assert_eq!(recorded.roles, [Role::State, Role::Reward]);
        assert_eq!(next.values.column(2), array![7.0, 5.0, 7.0]);
        assert_eq!(next.actions, actions);
    }
}
