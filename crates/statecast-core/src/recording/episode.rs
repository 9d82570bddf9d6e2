//! The plain data the rest of the pipeline reads: checked when built, never changed after.

use std::path::Path;

use ndarray::{ArcArray2, Array1, Array2, ArrayView2, s};

use super::{
    EndFlag, MissingPolicy, RecordingError, RoleSelection, TimeAxis, Timeline, WordLevels,
};

/// The largest size of a value: sums of squares of such values are finite.
pub(crate) const LARGEST: f64 = 1e150;

/// The same where networks learn from the values in single precision.
pub(super) const LARGEST_OF_TRANSITIONS: f64 = 1e15;

/// One uninterrupted run.
///
/// Row `t` holds the state before step `t`, the action taken in it and the reward it earned. Every
/// value is finite, and at most 1e150 in size. Values are in the units of the recording. Clones and the episodes of one file
/// share their memory.
///
/// ```
/// use ndarray::{Array2, array};
/// use statecast::recording::Episode;
///
/// let states = array![[0.0, 1.0], [0.1, 0.9]];
/// let episode = Episode::new(
///     "0".to_owned(),
///     states,
///     Array2::zeros((2, 0)),
///     Some(array![1.0, 1.0]),
///     vec![false, true],
///     vec![false, false],
/// )?;
/// assert_eq!(episode.rows(), 2);
/// assert_eq!(episode.states()[[1, 0]], 0.1);
/// assert!(episode.terminated()[1]);
/// # Ok::<(), statecast::recording::RecordingError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Episode {
    name: String,
    states: ArcArray2<f64>,
    actions: ArcArray2<f64>,
    rewards: Option<Array1<f64>>,
    terminated: Vec<bool>,
    truncated: Vec<bool>,
    final_state: Option<Array1<f64>>,
    log_probabilities: Option<Array1<f64>>,
    timeline: Option<Timeline>,
    times: Option<TimeAxis>,
}

impl Episode {
    /// Checks and joins the parts of one run.
    ///
    /// `states` is `[rows, states]`, `actions` `[rows, actions]` (no columns where nothing was
    /// done), the others have one entry per row.
    ///
    /// # Errors
    ///
    /// [`RecordingError::Invalid`] if there is no row or no state column, if a part has another
    /// number of rows, or if a value is NaN, infinite or more than 1e150 in size.
    pub fn new(
        name: String,
        states: Array2<f64>,
        actions: Array2<f64>,
        rewards: Option<Array1<f64>>,
        terminated: Vec<bool>,
        truncated: Vec<bool>,
    ) -> Result<Self, RecordingError> {
        Self {
            name,
            states: states.into_shared(),
            actions: actions.into_shared(),
            rewards,
            terminated,
            truncated,
            final_state: None,
            log_probabilities: None,
            timeline: None,
            times: None,
        }
        .checked()
    }

    /// Like [`Episode::new`], for rows of arrays that several episodes share.
    pub(super) fn from_shared(
        name: String,
        rows: std::ops::Range<usize>,
        states: &ArcArray2<f64>,
        actions: &ArcArray2<f64>,
        rewards: Option<Array1<f64>>,
        terminated: Vec<bool>,
        truncated: Vec<bool>,
    ) -> Result<Self, RecordingError> {
        Self {
            name,
            states: states.clone().slice_move(s![rows.clone(), ..]),
            actions: actions.clone().slice_move(s![rows, ..]),
            rewards,
            terminated,
            truncated,
            final_state: None,
            log_probabilities: None,
            timeline: None,
            times: None,
        }
        .checked()
    }

    /// The same, with the state after its last step, one value a state column.
    ///
    /// # Errors
    ///
    /// [`RecordingError::Invalid`] if there are more or fewer values, or one is NaN or infinite.
    pub fn with_final_state(self, state: Option<Array1<f64>>) -> Result<Self, RecordingError> {
        let fits = |state: &Array1<f64>| {
            state.len() == self.states.ncols() && state.iter().all(|x| x.is_finite())
        };
        match state.as_ref().is_none_or(fits) {
            true => Ok(Self {
                final_state: state,
                ..self
            }),
            false => Err(self.invalid("its final state is not one number a state".to_owned())),
        }
    }

    /// The same, with the log density of each action under the policy that took it.
    ///
    /// # Errors
    ///
    /// [`RecordingError::Invalid`] if there is not one finite value a row.
    pub fn with_log_probabilities(
        self,
        log_probabilities: Option<Array1<f64>>,
    ) -> Result<Self, RecordingError> {
        let fits = |values: &Array1<f64>| {
            values.len() == self.rows() && values.iter().all(|x| x.is_finite())
        };
        match log_probabilities.as_ref().is_none_or(fits) {
            true => Ok(Self {
                log_probabilities,
                ..self
            }),
            false => Err(self.invalid("its log probabilities are not one number a row".to_owned())),
        }
    }

    pub(super) fn with_timeline(self, timeline: Option<Timeline>) -> Self {
        Self { timeline, ..self }
    }

    /// The same, with the times of its rows.
    pub(super) fn with_times(self, times: Option<TimeAxis>) -> Self {
        Self { times, ..self }
    }

    /// When its rows were recorded, if the recording has a column that says so.
    pub fn times(&self) -> Option<&TimeAxis> {
        self.times.as_ref()
    }

    fn invalid(&self, reason: String) -> RecordingError {
        RecordingError::Invalid {
            name: format!("episode {}", self.name),
            reason,
        }
    }

    fn checked(self) -> Result<Self, RecordingError> {
        let rows = self.states.nrows();
        let invalid = |reason: String| self.invalid(reason);
        if rows == 0 {
            return Err(invalid("has no rows".to_owned()));
        }
        if self.states.ncols() == 0 {
            return Err(invalid("has no state columns".to_owned()));
        }
        let lengths = [
            ("actions", self.actions.nrows()),
            ("rewards", self.rewards.as_ref().map_or(rows, Array1::len)),
            ("terminated flags", self.terminated.len()),
            ("truncated flags", self.truncated.len()),
        ];
        if let Some((part, length)) = lengths.into_iter().find(|&(_, length)| length != rows) {
            return Err(invalid(format!(
                "has {rows} rows of states but {length} of {part}"
            )));
        }
        for (part, values) in [("state", &self.states), ("action", &self.actions)] {
            if let Some(((row, column), value)) =
                values.indexed_iter().find(|(_, value)| !is_usable(**value))
            {
                return Err(invalid(unusable(row, &format!("{part} {column}"), *value)));
            }
        }
        if let Some((row, value)) = self
            .rewards
            .iter()
            .flatten()
            .enumerate()
            .find(|(_, value)| !is_usable(**value))
        {
            return Err(invalid(unusable(row, "reward", *value)));
        }
        Ok(self)
    }

    /// Label of the run: its value in the episode column, or its position in the file from 0.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of time steps, at least 1.
    pub fn rows(&self) -> usize {
        self.states.nrows()
    }

    /// States before each step, `[rows, states]`, in standard (row-major) layout when read from a
    /// file.
    pub fn states(&self) -> ArrayView2<'_, f64> {
        self.states.view()
    }

    /// Actions taken in each step, `[rows, actions]`; no columns where none were recorded.
    pub fn actions(&self) -> ArrayView2<'_, f64> {
        self.actions.view()
    }

    /// Reward earned in each step, `[rows]`.
    pub fn rewards(&self) -> Option<&Array1<f64>> {
        self.rewards.as_ref()
    }

    /// Whether the step ended the run for good (a fall, a goal), `[rows]`.
    pub fn terminated(&self) -> &[bool] {
        &self.terminated
    }

    /// Whether the recording stopped after the step although the system went on, `[rows]`.
    pub fn truncated(&self) -> &[bool] {
        &self.truncated
    }

    /// State after the last step, where it was recorded after the rows or asked for, `[states]`.
    pub fn final_state(&self) -> Option<&Array1<f64>> {
        self.final_state.as_ref()
    }

    /// When the rows were recorded, where the file says so.
    pub fn timeline(&self) -> Option<&Timeline> {
        self.timeline.as_ref()
    }

    /// Log density of each action under the policy that took it, where it was recorded and asked
    /// for, `[rows]`.
    pub fn log_probabilities(&self) -> Option<&Array1<f64>> {
        self.log_probabilities.as_ref()
    }
}

/// Says which value of a row, counted from 0, is not usable.
fn unusable(row: usize, what: &str, value: f64) -> String {
    match value.is_finite() {
        true => format!(
            "row {}, {what} is {value:e}: more than {LARGEST:e} in size",
            row + 1
        ),
        false => format!("row {}, {what} is {value}", row + 1),
    }
}

fn is_usable(value: f64) -> bool {
    value.is_finite() && value.abs() <= LARGEST
}

/// Episodes that share their columns.
///
/// ```
/// use ndarray::{Array2, array};
/// use statecast::recording::{Episode, Recording};
///
/// let states = array![[58.0], [62.6], [70.0]];
/// let episode = Episode::new(
///     "0".to_owned(),
///     states,
///     Array2::zeros((3, 0)),
///     None,
///     vec![false; 3],
///     vec![false; 3],
/// )?;
/// let trajectory = Recording::new(vec!["Sunspots".to_owned()], vec![], None, vec![episode])?;
/// assert_eq!(trajectory.state_names(), ["Sunspots"]);
/// assert_eq!(trajectory.rows(), 3);
/// # Ok::<(), statecast::recording::RecordingError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    state_names: Vec<String>,
    action_names: Vec<String>,
    reward_name: Option<String>,
    episodes: Vec<Episode>,
    end_flag: EndFlag,
    word_levels: Vec<WordLevels>,
}

impl Recording {
    /// Reads a file or folder: its columns and their meaning are guessed, missing values are errors. For other
    /// settings, and for what was understood, there is [`read`](super::read).
    ///
    /// ```
    /// use statecast::recording::Recording;
    /// let recording = Recording::read("examples/pendulum.csv")?;
    /// assert_eq!(recording.action_names(), ["act_torque"]);
    /// # Ok::<(), statecast::recording::RecordingError>(())
    /// ```
    ///
    /// # Errors
    /// As [`read`](super::read).
    pub fn read(path: impl AsRef<Path>) -> Result<Self, RecordingError> {
        let selection = RoleSelection::default();
        Ok(super::read(path.as_ref(), &selection, MissingPolicy::Error)?.0)
    }

    /// The episodes of some labels alone, in the order of the labels.
    ///
    /// ```
    /// use statecast::recording::Recording;
    /// let recording = Recording::read("examples/pendulum.csv")?.only(&["1"])?;
    /// assert_eq!(recording.episodes().len(), 1);
    /// # Ok::<(), statecast::recording::RecordingError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RecordingError::NoEpisode`] if no episode has one of them.
    pub fn only(self, labels: &[impl AsRef<str>]) -> Result<Self, RecordingError> {
        let of = |label: &str| {
            let found = self.episodes.iter().find(|episode| episode.name() == label);
            found.cloned().ok_or_else(|| RecordingError::NoEpisode {
                label: label.to_owned(),
                known: self.labels(),
            })
        };
        let episodes = labels.iter().map(|label| of(label.as_ref()));
        let episodes = episodes.collect::<Result<_, _>>()?;
        Ok(Self { episodes, ..self })
    }

    /// The labels of the first episodes, for messages.
    fn labels(&self) -> String {
        const SHOWN: usize = 20;
        let labels: Vec<&str> = self
            .episodes
            .iter()
            .take(SHOWN)
            .map(Episode::name)
            .collect();
        labels.join(", ")
    }

    /// Joins episodes under the names of their columns.
    ///
    /// # Errors
    ///
    /// [`RecordingError::Invalid`] if there is no episode, if an episode has another number of
    /// state or action columns than there are names, or has rewards where there is no reward name
    /// (or the other way round).
    pub fn new(
        state_names: Vec<String>,
        action_names: Vec<String>,
        reward_name: Option<String>,
        episodes: Vec<Episode>,
    ) -> Result<Self, RecordingError> {
        let invalid = |reason: String| RecordingError::Invalid {
            name: "trajectory".to_owned(),
            reason,
        };
        if episodes.is_empty() {
            return Err(invalid("has no episodes".to_owned()));
        }
        for episode in &episodes {
            let widths = [
                ("state", episode.states().ncols(), state_names.len()),
                ("action", episode.actions().ncols(), action_names.len()),
                (
                    "reward",
                    usize::from(episode.rewards().is_some()),
                    usize::from(reward_name.is_some()),
                ),
            ];
            if let Some((part, found, named)) =
                widths.into_iter().find(|(_, found, named)| found != named)
            {
                return Err(invalid(format!(
                    "episode {} has {found} {part} columns but {named} are named",
                    episode.name()
                )));
            }
        }
        Ok(Self {
            state_names,
            action_names,
            reward_name,
            episodes,
            end_flag: EndFlag::default(),
            word_levels: Vec::new(),
        })
    }

    /// The same, whose last states stand for words of columns.
    pub(super) fn with_word_levels(self, word_levels: Vec<WordLevels>) -> Self {
        Self {
            word_levels,
            ..self
        }
    }

    /// Columns of words, and the states that stand for them.
    pub fn word_levels(&self) -> &[WordLevels] {
        &self.word_levels
    }

    /// The same, with what the flags of its ends mean.
    pub fn with_end_flag(self, end_flag: EndFlag) -> Self {
        Self { end_flag, ..self }
    }

    /// What [`Episode::terminated`] means; the end of the system, unless the recording says less.
    pub fn end_flag(&self) -> EndFlag {
        self.end_flag
    }

    /// Names of the state columns, in the order of [`Episode::states`].
    pub fn state_names(&self) -> &[String] {
        &self.state_names
    }

    /// Names of the action columns, in the order of [`Episode::actions`].
    pub fn action_names(&self) -> &[String] {
        &self.action_names
    }

    /// Name of the reward column, if rewards were recorded.
    pub fn reward_name(&self) -> Option<&str> {
        self.reward_name.as_deref()
    }

    /// The episodes in the order of the recording, at least one.
    pub fn episodes(&self) -> &[Episode] {
        &self.episodes
    }

    /// Number of time steps of all episodes together.
    pub fn rows(&self) -> usize {
        self.episodes.iter().map(Episode::rows).sum()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn episode(states: Array2<f64>) -> Result<Episode, RecordingError> {
        let rows = states.nrows();
        Episode::new(
            "a".to_owned(),
            states,
            Array2::zeros((rows, 1)),
            Some(Array1::zeros(rows)),
            vec![false; rows],
            vec![false; rows],
        )
    }

    #[test]
    fn an_episode_needs_rows_and_states() {
        let message = episode(Array2::zeros((0, 2))).unwrap_err().to_string();
        assert_eq!(message, "episode a: has no rows");
        let message = episode(Array2::zeros((2, 0))).unwrap_err().to_string();
        assert_eq!(message, "episode a: has no state columns");
    }

    #[test]
    fn values_that_are_not_finite_are_refused_with_their_place() {
        let message = episode(array![[0.0, 1.0], [f64::NAN, 2.0]])
            .unwrap_err()
            .to_string();
        assert_eq!(message, "episode a: row 2, state 0 is NaN");
        let states = array![[1.0], [2.0]];
        let built = |actions: Array2<f64>, rewards: Array1<f64>| {
            Episode::new(
                "a".to_owned(),
                states.clone(),
                actions,
                Some(rewards),
                vec![false; 2],
                vec![false; 2],
            )
        };
        let bad_action = built(array![[0.0], [f64::INFINITY]], array![0.0, 0.0]);
        assert!(bad_action.unwrap_err().to_string().contains("action 0"));
        let bad_reward = built(array![[0.0], [0.0]], array![f64::NAN, 0.0]);
        assert!(
            bad_reward
                .unwrap_err()
                .to_string()
                .contains("row 1, reward")
        );
    }

    #[test]
    fn parts_of_other_lengths_are_refused() {
        let wrong = |actions: usize, rewards: usize, terminated: usize, truncated: usize| {
            Episode::new(
                "a".to_owned(),
                array![[1.0], [2.0]],
                Array2::zeros((actions, 1)),
                Some(Array1::zeros(rewards)),
                vec![false; terminated],
                vec![false; truncated],
            )
            .unwrap_err()
            .to_string()
        };
        assert!(wrong(3, 2, 2, 2).contains("3 of actions"));
        assert!(wrong(2, 1, 2, 2).contains("1 of rewards"));
        assert!(wrong(2, 2, 0, 2).contains("0 of terminated"));
        assert!(wrong(2, 2, 2, 5).contains("5 of truncated"));
    }

    #[test]
    fn a_trajectory_needs_matching_names() {
        let built = |states: usize, actions: usize, reward: bool| {
            let name = |i: usize| format!("x{i}");
            Recording::new(
                (0..states).map(name).collect(),
                (0..actions).map(name).collect(),
                reward.then(|| "r".to_owned()),
                vec![episode(array![[1.0, 2.0]]).unwrap()],
            )
        };
        assert!(built(2, 1, true).is_ok());
        for wrong in [built(1, 1, true), built(2, 0, true), built(2, 1, false)] {
            let message = wrong.unwrap_err().to_string();
            assert!(
                message.starts_with("trajectory: episode a has"),
                "{message}"
            );
        }
        let message = Recording::new(vec![], vec![], None, vec![]).unwrap_err();
        assert_eq!(message.to_string(), "trajectory: has no episodes");
    }
}
