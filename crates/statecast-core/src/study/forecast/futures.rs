//! The actions of the steps ahead.

use std::sync::Mutex;

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use crate::forecast::{Control, Forecaster, KnownFuture, Variables};
use crate::recording::{Episode, FutureActions, RecordingError};

/// Which actions are taken in the steps that are forecast.
#[derive(Default)]
#[non_exhaustive]
pub enum ActionsAhead {
    /// Those that were recorded for rows held back; else the last action before the forecast, where the
    /// forecaster needs actions.
    #[default]
    Recorded,
    /// One action in all steps.
    Held(Held),
    /// Planned ones. Of several plans all are forecast with the same random numbers, so that differences are those
    /// of the actions.
    Planned(Vec<PlannedActions>),
    /// Those that are taken at the states of every path.
    Acting(Mutex<Box<dyn Acts>>),
}

/// What acts along sampled paths.
pub trait Acts: Send {
    /// A control of so many paths from the end of a context on; equal seeds give equal draws.
    fn control(&mut self, paths: usize, seed: u64) -> Box<dyn Control + '_>;
}

impl ActionsAhead {
    /// What acts at the states of every path.
    pub fn acting(acts: impl Acts + 'static) -> Self {
        Self::Acting(Mutex::new(Box::new(acts)))
    }

    /// Actions `[horizon, actions]` of the steps after any context.
    pub fn planned(actions: Array2<f64>) -> Self {
        let plan = FutureActions::of_rows(actions);
        Self::Planned(vec![PlannedActions { name: None, plan }])
    }

    /// Whether they are given, not recorded.
    pub fn are_given(&self) -> bool {
        !matches!(self, Self::Recorded)
    }

    /// The setting by which they are given; nothing if they are not.
    pub(super) fn name(&self) -> Option<&'static str> {
        match self {
            Self::Recorded => None,
            Self::Held(_) => Some("`hold-actions=`"),
            Self::Planned(plans) if plans.iter().any(|of| of.name.is_some()) => Some("`fork=`"),
            Self::Planned(_) => Some("`future=`"),
            Self::Acting(_) => Some("`policy=`"),
        }
    }

    /// Whether they depend on the states of the paths.
    pub fn acts(&self) -> bool {
        matches!(self, Self::Acting(_))
    }

    /// The plans, none without any.
    pub(super) fn plans(&self) -> &[PlannedActions] {
        match self {
            Self::Planned(plans) => plans,
            _ => &[],
        }
    }

    /// The action that is taken in all steps, if one is.
    pub(super) fn held(&self) -> Option<Held> {
        match self {
            Self::Held(held) => Some(*held),
            _ => None,
        }
    }
}

/// The action that is taken in all steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// That of the last row before the forecast.
    Last,
    /// Zero.
    Zero,
    /// The mean of the recorded ones before the forecast.
    Mean,
}

impl Held {
    /// The action after recorded ones, `[rows, actions]`.
    fn after(self, recorded: ArrayView2<f64>) -> Array1<f64> {
        let zero = Array1::zeros(recorded.ncols());
        match (self, recorded.nrows()) {
            (Self::Zero, _) | (_, 0) => zero,
            (Self::Last, rows) => recorded.row(rows - 1).to_owned(),
            (Self::Mean, _) => recorded.mean_axis(Axis(0)).unwrap_or(zero),
        }
    }
}

/// Actions that are going to be taken.
#[derive(Debug, Clone)]
pub struct PlannedActions {
    /// Name of the plan among several.
    pub name: Option<String>,
    /// The actions, and their times if these are known.
    pub plan: FutureActions,
}

/// Actions of the steps ahead of an episode.
pub(super) struct Ahead {
    /// Name of the plan among several.
    pub(super) name: Option<String>,
    /// Those that the forecast takes, if it takes any.
    pub(super) taken: Option<KnownFuture>,
    /// What quantities are derived from, `[horizon, actions]`.
    pub(super) actions: Array2<f64>,
}

/// The rows of an episode from `first` on, a context among them that ends before row `end` of the episode.
pub(super) struct Read<'r> {
    pub(super) rows: &'r Variables,
    pub(super) first: usize,
    pub(super) end: usize,
    pub(super) horizon: usize,
}

impl Read<'_> {
    /// The futures of an episode, one or several.
    pub(super) fn futures(
        &self,
        forecaster: &Forecaster,
        episode: &Episode,
        actions: &ActionsAhead,
    ) -> Result<Vec<Ahead>, RecordingError> {
        let ahead = |planned: Option<&PlannedActions>| {
            let known = planned.map(|of| of.plan.ahead(episode, self.end, self.horizon));
            let known = known.transpose()?.map(|steps| KnownFuture(steps.actions));
            let taken = self.taken(forecaster, known, actions.held());
            Ok(Ahead {
                name: planned.and_then(|of| of.name.clone()),
                actions: self.actions_ahead(taken.as_ref()),
                taken,
            })
        };
        match actions.plans() {
            [] => Ok(vec![ahead(None)?]),
            plans => plans.iter().map(|plan| ahead(Some(plan))).collect(),
        }
    }

    /// Rows before the steps ahead.
    fn before(&self) -> usize {
        self.end - self.first
    }

    /// The actions that were recorded for all steps ahead, if they were.
    fn recorded(&self) -> Option<Array2<f64>> {
        let (at, horizon) = (self.before(), self.horizon);
        let rows = (at + horizon <= self.rows.rows()).then_some(s![at..at + horizon, ..]);
        rows.map(|rows| self.rows.actions.slice(rows).to_owned())
    }

    /// The actions that a forecast takes: those planned or held, those recorded or the last one before; none
    /// where none are needed.
    fn taken(
        &self,
        forecaster: &Forecaster,
        planned: Option<KnownFuture>,
        held: Option<Held>,
    ) -> Option<KnownFuture> {
        let needed = held.is_some() || forecaster.needs_actions();
        if planned.is_some() || !needed || self.rows.actions.ncols() == 0 {
            return planned;
        }
        if let (None, Some(recorded)) = (held, self.recorded()) {
            return Some(KnownFuture(recorded));
        }
        let before = self.rows.actions.slice(s![..self.before(), ..]);
        let held = held.unwrap_or(Held::Last).after(before);
        let shape = (self.horizon, held.len());
        Some(KnownFuture(Array2::from_shape_fn(shape, |(_, a)| held[a])))
    }

    /// Actions of the steps ahead, `[horizon, actions]`, for what is derived from them: those that the forecast
    /// takes, or those recorded; zeros where none are known, which nothing may use.
    fn actions_ahead(&self, taken: Option<&KnownFuture>) -> Array2<f64> {
        let zeros = || Array2::zeros((self.horizon, self.rows.actions.ncols()));
        match taken {
            Some(KnownFuture(actions)) => actions.clone(),
            None => self.recorded().unwrap_or_else(zeros),
        }
    }

    /// Whether a future takes other actions than those that were recorded.
    pub(super) fn differs(&self, futures: &[Ahead]) -> bool {
        // Files have as many digits as people write.
        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-6 * b.abs().max(1.0);
        self.recorded().is_some_and(|recorded| {
            let same = |future: &Ahead| future.actions.iter().zip(&recorded).all(near);
            !futures.iter().all(same)
        })
    }
}
