//! Actions of a recording that has none, by inverse dynamics of recordings that have them.

use ndarray::{Array2, ArrayView1};

use super::forecast::time_column;
use super::imputation::rows_of;
use crate::forecast::Levels;
use crate::impute::{
    ActionLabels, ActionScore, InverseDynamics, InverseError, InverseSettings, KnownSteps,
};
use crate::output::{Column, Table};
use crate::recording::{Episode, Recording, RecordingError, TimeStamp};

/// Most columns of levels: of more there are none.
const MAX_LEVELS: usize = 40;

/// Why a recording cannot be labelled. Messages begin with the recording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabellingError {
    /// No recording with actions was given.
    #[error("there is no recording with actions to learn from")]
    Nothing,
    /// A recording to learn from has no actions.
    #[error("{name}: has no actions to learn from; name their columns (`action=`)")]
    NoActions {
        /// The recording.
        name: String,
    },
    /// The recording to label has actions.
    #[error(
        "{name}: has actions already, {actions}; leave these columns out of what is to be labelled"
    )]
    HasActions {
        /// The recording.
        name: String,
        /// Its actions, listed.
        actions: String,
    },
    /// A state is called like an action to come.
    #[error(
        "{name}: its state {state} is called like an action of {other}; choose its states (`state=`)"
    )]
    Clash {
        /// The recording.
        name: String,
        /// The state.
        state: String,
        /// A recording with actions.
        other: String,
    },
    /// Two recordings have different states.
    #[error(
        "{name}: has no state {state}, which {other} has; choose states that both have (`state=`)"
    )]
    State {
        /// The recording that lacks it.
        name: String,
        /// The state.
        state: String,
        /// The recording that has it.
        other: String,
    },
    /// Two recordings to learn from have different actions.
    #[error(
        "{name}: its actions are {found}, those of {other} {expected}; choose actions that all have (`action=`)"
    )]
    Actions {
        /// A recording.
        name: String,
        /// Its actions, listed.
        found: String,
        /// The first one.
        other: String,
        /// Its actions, listed.
        expected: String,
    },
    /// What they say cannot be learned.
    #[error(transparent)]
    Inverse(#[from] InverseError),
}

/// A recording without actions, and what is known of them.
///
/// ```
/// use ndarray::Array2;
/// use statecast::forecast::Levels;
/// use statecast::impute::InverseSettings;
/// use statecast::recording::{Episode, Recording};
/// use statecast::study::LabelledRecording;
///
/// let push = |t: usize| (1.3 * t as f64).sin();
/// let cart = |rows: usize, with_actions: bool| -> Result<Recording, Box<dyn std::error::Error>> {
///     let speed = |t: usize| (0..t).map(|t| 0.1 * push(t)).sum();
///     let states = Array2::from_shape_fn((rows, 1), |(t, _)| speed(t));
///     let width = usize::from(with_actions);
///     let actions = Array2::from_shape_fn((rows, width), |(t, _)| push(t));
///     let none = vec![false; rows];
///     let episode = Episode::new("0".into(), states, actions, None, none.clone(), none)?;
///     let names = if with_actions { vec!["push".to_owned()] } else { Vec::new() };
///     Ok(Recording::new(vec!["speed".to_owned()], names, None, vec![episode])?)
/// };
/// let (known, unknown) = (cart(100, true)?, cart(30, false)?);
/// let labelled = LabelledRecording::of(
///     ("run.csv", &unknown),
///     &[("known.csv", &known)],
///     InverseSettings::default(),
/// )?;
/// assert!(labelled.scores()[0].is_informed());
/// // After the last row nothing is known.
/// assert_eq!(labelled.without_label(), 1);
/// let levels: Levels = "0.1,0.9".parse()?;
/// let table = labelled.table(&levels).into_columns();
/// let names: Vec<&str> = table.iter().map(|(name, _)| &name[..]).collect();
/// assert_eq!(names, ["episode", "step", "variable", "label", "q0.1", "q0.9"]);
/// let recording = labelled.recording()?;
/// assert!((recording.episodes()[0].actions()[[7, 0]] - push(7)).abs() < 0.05);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LabelledRecording {
    unlabelled: Recording,
    action_names: Vec<String>,
    scores: Vec<ActionScore>,
    labels: ActionLabels,
    /// Episode and row of each labelled step.
    steps: Vec<(usize, usize)>,
    across_gaps: usize,
}

impl LabelledRecording {
    /// Labels each row of a recording whose next state is known: that of the next row, or the final state of the
    /// episode. States go by their names. Steps across a gap in time teach nothing.
    ///
    /// # Errors
    /// [`LabellingError`] for recordings whose states or actions do not agree, and for too few steps with actions.
    pub fn of(
        (name, unlabelled): (&str, &Recording),
        labelled: &[(&str, &Recording)],
        settings: InverseSettings,
    ) -> Result<Self, LabellingError> {
        let &(first, reference) = labelled.first().ok_or(LabellingError::Nothing)?;
        if !unlabelled.action_names().is_empty() {
            return Err(LabellingError::HasActions {
                name: name.to_owned(),
                actions: unlabelled.action_names().join(", "),
            });
        }
        let mut known = Vec::new();
        for &(other, recording) in labelled {
            if recording.action_names().is_empty() {
                return Err(LabellingError::NoActions {
                    name: other.to_owned(),
                });
            }
            if recording.action_names() != reference.action_names() {
                return Err(LabellingError::Actions {
                    name: other.to_owned(),
                    found: recording.action_names().join(", "),
                    other: first.to_owned(),
                    expected: reference.action_names().join(", "),
                });
            }
            let columns = columns_like((other, recording), (first, reference))?;
            known.push((recording, columns));
        }
        let mut names = unlabelled.state_names().iter();
        if let Some(state) = names.find(|state| reference.action_names().contains(state)) {
            return Err(LabellingError::Clash {
                name: name.to_owned(),
                state: state.clone(),
                other: first.to_owned(),
            });
        }
        let columns = columns_like((name, unlabelled), (first, reference))?;
        let dynamics = InverseDynamics::learn(&known_steps(&known), settings)?;
        let steps = Steps::of(unlabelled, &columns);
        let labels = dynamics.label(steps.states.view(), steps.next.view())?;
        Ok(Self {
            unlabelled: unlabelled.clone(),
            action_names: reference.action_names().to_vec(),
            scores: dynamics.scores(),
            labels,
            across_gaps: steps.follows.iter().filter(|follows| !**follows).count(),
            steps: steps.places,
        })
    }

    /// Names of the actions.
    pub fn action_names(&self) -> &[String] {
        &self.action_names
    }

    /// How well each action is labelled where its episodes were held out.
    pub fn scores(&self) -> &[ActionScore] {
        &self.scores
    }

    /// What is known of the actions of [each step](Self::steps).
    pub fn labels(&self) -> &ActionLabels {
        &self.labels
    }

    /// Episode and row, from 0, of each step that is labelled.
    pub fn steps(&self) -> &[(usize, usize)] {
        &self.steps
    }

    /// Rows without a label: the last ones of episodes whose final state is not known.
    pub fn without_label(&self) -> usize {
        let rows: usize = self.unlabelled.episodes().iter().map(Episode::rows).sum();
        rows - self.steps.len()
    }

    /// What makes labels doubtful.
    pub fn warnings(&self) -> Vec<String> {
        let named = self.action_names.iter().zip(&self.scores);
        let blind = named.filter(|(_, score)| !score.is_informed());
        let blind: Vec<&str> = blind.map(|(name, _)| name.as_str()).collect();
        let no_better = (!blind.is_empty()).then(|| {
            format!(
                "labels of {} are no better than their mean in episodes that were held out",
                blind.join(", ")
            )
        });
        let gaps = (self.across_gaps > 0).then(|| {
            format!(
                "{} labelled rows are followed by a gap in time: their labels take the row after it for the next state",
                self.across_gaps
            )
        });
        no_better.into_iter().chain(gaps).collect()
    }

    /// One row a labelled step and action: episode, step (rows of the episode from 0), time where it is known, variable,
    /// label (the median, or the likeliest level), quantiles, and the probabilities of levels.
    pub fn table(&self, levels: &Levels) -> Table {
        let episodes = self.unlabelled.episodes();
        let actions = self.action_names.len();
        let places: Vec<(usize, usize)> = (0..self.steps.len())
            .flat_map(|step| (0..actions).map(move |action| (step, action)))
            .collect();
        let place = |&(step, _): &(usize, usize)| self.steps[step];
        let time = |at: &(usize, usize)| -> Option<TimeStamp> {
            let (episode, row) = place(at);
            episodes[episode].times()?.at(row)
        };
        let text =
            |of: &dyn Fn(&(usize, usize)) -> String| Column::Text(places.iter().map(of).collect());
        let real = |of: &dyn Fn(usize, usize) -> f64| {
            Column::Real(
                places
                    .iter()
                    .map(|&(step, action)| of(step, action))
                    .collect(),
            )
        };
        let rows = places.iter().map(|at| place(at).1 as i64);
        let mut columns = vec![
            (
                "episode".to_owned(),
                text(&|at| episodes[place(at).0].name().to_owned()),
            ),
            ("step".to_owned(), Column::Integer(rows.collect())),
        ];
        columns.extend(time_column(&places.iter().map(time).collect::<Vec<_>>()));
        columns.push((
            "variable".to_owned(),
            text(&|at| self.action_names[at.1].clone()),
        ));
        columns.push((
            "label".to_owned(),
            real(&|step, action| self.labels.label(step, action)),
        ));
        for &level in levels.as_slice() {
            let quantile = real(&|step, action| self.labels.quantile(step, action, level));
            columns.push((format!("q{level}"), quantile));
        }
        for taken in self.all_levels() {
            let probability = real(&|step, action| {
                let levels = self.labels.levels(action).unwrap_or_default();
                let of = self.labels.probabilities(step, action).unwrap_or_default();
                let place = levels.iter().position(|&level| level == taken);
                place.map_or(f64::NAN, |place| of[place])
            });
            columns.push((format!("p({taken})"), probability));
        }
        Table::new(columns).expect("every column has a value for each step and action")
    }

    /// The levels of all actions; none if there are more than 40.
    fn all_levels(&self) -> Vec<f64> {
        let of = |action| self.labels.levels(action).unwrap_or_default().to_vec();
        let mut all: Vec<f64> = (0..self.action_names.len()).flat_map(of).collect();
        all.sort_by(f64::total_cmp);
        all.dedup();
        if all.len() > MAX_LEVELS {
            Vec::new()
        } else {
            all
        }
    }

    /// Labels of an action, row by row of all episodes; NaN where there is none.
    fn column(&self, action: usize) -> Vec<f64> {
        let episodes = self.unlabelled.episodes();
        let mut column = Vec::new();
        let mut steps = self.steps.iter().enumerate().peekable();
        for (number, episode) in episodes.iter().enumerate() {
            for row in 0..episode.rows() {
                let labelled = steps.next_if(|(_, place)| **place == (number, row));
                column.push(labelled.map_or(f64::NAN, |(step, _)| self.labels.label(step, action)));
            }
        }
        column
    }

    /// The recording with its labels as a table, one row a row of it. The last row of an episode whose final state is not
    /// known has no action and no reward, so that it is read as the final state.
    pub fn rows(&self) -> Table {
        let episodes: Vec<&Episode> = self.unlabelled.episodes().iter().collect();
        let columns: Vec<Vec<f64>> = (0..self.action_names.len())
            .map(|action| self.column(action))
            .collect();
        let without = columns[0].iter().enumerate().filter(|(_, x)| x.is_nan());
        let without: Vec<usize> = without.map(|(row, _)| row).collect();
        let names = self.action_names.iter().cloned();
        let named: Vec<(String, Vec<f64>)> = names.zip(columns).collect();
        rows_of(&self.unlabelled, &episodes, &named, &without)
    }

    /// The recording with its labels as actions, without times. Last rows without a label are the final states of their
    /// episodes; an episode of one such row is left out.
    ///
    /// # Errors
    /// [`RecordingError`] if no episode is left.
    pub fn recording(&self) -> Result<Recording, RecordingError> {
        let columns: Vec<Vec<f64>> = (0..self.action_names.len())
            .map(|action| self.column(action))
            .collect();
        let mut episodes = Vec::new();
        let mut start = 0;
        for episode in self.unlabelled.episodes() {
            let all = episode.rows();
            let rows = all - usize::from(columns[0][start + all - 1].is_nan());
            let actions =
                Array2::from_shape_fn((rows, columns.len()), |(row, a)| columns[a][start + row]);
            start += all;
            if rows == 0 {
                continue;
            }
            let [terminated, truncated] =
                [episode.terminated(), episode.truncated()].map(|flags| {
                    let mut kept = flags[..rows].to_vec();
                    kept[rows - 1] |= flags[all - 1];
                    kept
                });
            let rewards = episode
                .rewards()
                .map(|r| r.slice(ndarray::s![..rows]).to_owned());
            let states = episode.states().slice(ndarray::s![..rows, ..]).to_owned();
            let last = match rows < all {
                true => Some(episode.states().row(rows).to_owned()),
                false => episode.final_state().cloned(),
            };
            let name = episode.name().to_owned();
            let labelled = Episode::new(name, states, actions, rewards, terminated, truncated)?;
            episodes.push(labelled.with_final_state(last)?);
        }
        Recording::new(
            self.unlabelled.state_names().to_vec(),
            self.action_names.clone(),
            self.unlabelled.reward_name().map(str::to_owned),
            episodes,
        )
    }
}

/// Positions of the states of a reference in a recording.
fn columns_like(
    (name, recording): (&str, &Recording),
    (other, reference): (&str, &Recording),
) -> Result<Vec<usize>, LabellingError> {
    let lacking = |name: &str, state: &String, other: &str| LabellingError::State {
        name: name.to_owned(),
        state: state.clone(),
        other: other.to_owned(),
    };
    let (own, wanted) = (recording.state_names(), reference.state_names());
    if let Some(state) = own.iter().find(|state| !wanted.contains(state)) {
        return Err(lacking(other, state, name));
    }
    let place = |state: &String| {
        let found = own.iter().position(|name| name == state);
        found.ok_or_else(|| lacking(name, state, other))
    };
    wanted.iter().map(place).collect()
}

/// Rows of a recording whose next state is known.
struct Steps {
    states: Array2<f64>,
    next: Array2<f64>,
    /// Episode and row of each.
    places: Vec<(usize, usize)>,
    /// Whether the next state is one step later by the clock.
    follows: Vec<bool>,
}

impl Steps {
    fn of(recording: &Recording, columns: &[usize]) -> Self {
        let (mut states, mut next) = (Vec::new(), Vec::new());
        let (mut places, mut follows) = (Vec::new(), Vec::new());
        let ordered = |row: ArrayView1<f64>| columns.iter().map(|&c| row[c]).collect::<Vec<f64>>();
        for (number, episode) in recording.episodes().iter().enumerate() {
            let breaks = episode.times().map_or(Vec::new(), |times| times.breaks());
            let all = episode.states();
            for row in 0..episode.rows() {
                let after = match row + 1 < episode.rows() {
                    true => Some(all.row(row + 1).to_owned()),
                    false => episode.final_state().cloned(),
                };
                let Some(after) = after else { continue };
                states.extend(ordered(all.row(row)));
                next.extend(ordered(after.view()));
                places.push((number, row));
                follows.push(!breaks.contains(&(row + 1)));
            }
        }
        let array = |values: Vec<f64>| {
            Array2::from_shape_vec((places.len(), columns.len()), values)
                .expect("each step has all states")
        };
        Self {
            states: array(states),
            next: array(next),
            places,
            follows,
        }
    }
}

/// The steps of recordings with actions, but for those across gaps in time.
fn known_steps(recordings: &[(&Recording, Vec<usize>)]) -> KnownSteps {
    let (mut states, mut next, mut actions) = (Vec::new(), Vec::new(), Vec::new());
    let mut episodes = Vec::new();
    let mut before = 0;
    for (recording, columns) in recordings {
        let steps = Steps::of(recording, columns);
        for (step, &(episode, row)) in steps.places.iter().enumerate() {
            if !steps.follows[step] {
                continue;
            }
            states.extend(steps.states.row(step).iter().copied());
            next.extend(steps.next.row(step).iter().copied());
            let taken = recording.episodes()[episode].actions();
            actions.extend(taken.row(row).iter().copied());
            episodes.push(before + episode);
        }
        before += recording.episodes().len();
    }
    let (first, columns) = &recordings[0];
    let array = |values: Vec<f64>, width: usize| {
        Array2::from_shape_vec((episodes.len(), width), values).expect("each step has all columns")
    };
    KnownSteps {
        states: array(states, columns.len()),
        next: array(next, columns.len()),
        actions: array(actions, first.action_names().len()),
        episodes,
    }
}
