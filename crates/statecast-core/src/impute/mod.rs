//! Missing values: the density of each, and of all together, given what is known before and after.
//!
//! Channels are standardised, and up to [`MAX_TOGETHER`] that move alike are modelled together by a linear-Gaussian
//! state-space model: a row is a linear function of up to three rows before it, the actions and values a season away,
//! plus normal noise that channels share. Expectation and maximisation fit it to all runs with their unknown values
//! (Dempster, Laird and Rubin 1977; Shumway and Stoffer 1982). Of random walk, smooth trend, autoregressions of each
//! channel alone and of all, the form with the lowest CRPS at known values that were removed is taken; its errors
//! there are the shape of the densities.
//!
//! Actions are not filled so but labelled, by [inverse dynamics](InverseDynamics) that are learned from other steps.

mod estimation;
mod form;
mod group;
mod imputation;
mod inverse;
mod model;
mod moments;
mod regression;
mod removal;
mod seasons;
mod shape;
mod skyline;
#[cfg(test)]
mod tests;
mod together;

use ndarray::Array2;
use rayon::prelude::*;

use group::{Filling, Group, Run};
pub use imputation::Imputation;
use imputation::{Part, Unit};
pub use inverse::{
    ActionLabels, ActionScore, InverseDynamics, InverseError, InverseMethod, InverseSettings,
    KnownSteps,
};
use removal::longest_gap;

/// Channels that one model has at most: more are shared out among several, those that move alike together.
pub const MAX_TOGETHER: usize = 24;

/// Most bytes that the joint density of all unknown values may take.
const MAX_BYTES: u64 = 2 << 30;

/// Bytes of an unknown value, and of two that an equation joins: what the model keeps of them.
const BYTES_OF_ONE: u64 = 300;
const BYTES_OF_TWO: u64 = 24;

/// Rows that an equation joins at most.
const JOINED_ROWS: usize = 4;

/// A run with unknown values.
#[derive(Debug, Clone)]
pub struct IncompleteRun {
    /// `[rows, channels]`, NaN where unknown.
    pub values: Array2<f64>,
    /// `[rows, actions]`, all known; no columns where nothing was done.
    pub actions: Array2<f64>,
}

/// Why values cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImputeError {
    /// A channel without any known value.
    #[error("channel {channel} has no value at all")]
    Empty {
        /// Its number from 0.
        channel: usize,
    },
    /// More unknown values in a row than half of the run.
    #[error(
        "channel {channel} has no value in {gap} rows of {rows} from row {row} on: more than half"
    )]
    LongGap {
        /// Number of the run from 0.
        run: usize,
        /// Number of the channel from 0.
        channel: usize,
        /// The gap's first row from 0.
        row: usize,
        /// Rows without a value.
        gap: usize,
        /// Rows of the run.
        rows: usize,
    },
    /// More unknown values than memory is meant for.
    #[error("{unknown} unknown values take more memory to fill together than {MAX_BYTES} bytes")]
    TooMany {
        /// How many there are.
        unknown: usize,
    },
    /// Runs of different numbers of channels or actions, or actions that are no finite numbers.
    #[error("run {run}: {reason}")]
    Invalid {
        /// Number of the run from 0.
        run: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

/// The place of an unknown value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hole {
    /// Number of the run from 0.
    pub run: usize,
    /// Row of the run from 0.
    pub row: usize,
    /// Channel from 0.
    pub channel: usize,
}

/// Fits models to runs of one system and conditions them on all known values. Cost grows with rows times
/// [`MAX_TOGETHER`]² times channels; the models are fitted on 20,000 rows at most.
///
/// # Errors
///
/// [`ImputeError`] for a channel without values, a gap longer than half of its run, runs that do not fit together, or
/// more unknown values than fit into 2 GB: about six million that stand alone, eight hundred thousand in rows of 24 that are
/// all unknown.
pub fn impute(runs: &[IncompleteRun], seed: u64) -> Result<Imputation, ImputeError> {
    check(runs)?;
    let channels = runs.first().map_or(0, |run| run.values.ncols());
    let known = |channel: usize| {
        let columns = runs.iter().map(|run| run.values.column(channel).to_vec());
        columns
            .flatten()
            .filter(|x| x.is_finite())
            .collect::<Vec<f64>>()
    };
    let units: Vec<Unit> = (0..channels)
        .map(|channel| Unit::of(&known(channel)))
        .collect();
    let varying: Vec<usize> = (0..channels).filter(|&c| units[c].scale > 0.0).collect();
    let standardised: Vec<Array2<f64>> = runs
        .iter()
        .map(|run| rescaled(&run.values, &units))
        .collect();
    let longest = standardised.iter().max_by_key(|values| values.nrows());
    let columns = |&c: &usize| longest.map_or(Vec::new(), |values| values.column(c).to_vec());
    let groups = together::groups(
        &varying.iter().map(columns).collect::<Vec<_>>(),
        MAX_TOGETHER,
    );
    let actions = standard_actions(runs);
    let part = |(number, group): (usize, &Vec<usize>)| {
        let channels: Vec<usize> = group.iter().map(|&i| varying[i]).collect();
        let filling = fill(
            &channels,
            &standardised,
            &actions,
            seed.wrapping_add(number as u64),
        );
        Part { channels, filling }
    };
    let parts: Vec<Part> = groups.par_iter().enumerate().map(part).collect();
    Ok(Imputation::of(runs, units, parts))
}

fn fill(
    channels: &[usize],
    standardised: &[Array2<f64>],
    actions: &[Array2<f64>],
    seed: u64,
) -> Filling {
    let group = Group {
        channels: channels.len(),
        actions: actions.first().map_or(0, Array2::ncols),
    };
    let runs = standardised
        .iter()
        .zip(actions)
        .map(|(values, actions)| Run {
            values: values
                .select(ndarray::Axis(1), channels)
                .iter()
                .copied()
                .collect(),
            actions: actions.iter().copied().collect(),
        });
    group.fill(&runs.collect::<Vec<_>>(), seed)
}

/// Values in the units of their channels; those of channels that do not vary are zero.
fn rescaled(values: &Array2<f64>, units: &[Unit]) -> Array2<f64> {
    Array2::from_shape_fn(values.dim(), |(row, channel)| {
        let (value, unit) = (values[[row, channel]], &units[channel]);
        match (unit.scale > 0.0, value.is_finite()) {
            (false, _) => 0.0,
            (true, true) => unit.standardised(value),
            (true, false) => f64::NAN,
        }
    })
}

/// Actions with mean 0 and deviation 1; those that do not vary are zero.
fn standard_actions(runs: &[IncompleteRun]) -> Vec<Array2<f64>> {
    let width = runs.first().map_or(0, |run| run.actions.ncols());
    let column = |c: usize| {
        runs.iter()
            .flat_map(move |run| run.actions.column(c).to_vec())
    };
    let units: Vec<Unit> = (0..width)
        .map(|c| Unit::of(&column(c).collect::<Vec<f64>>()))
        .collect();
    runs.iter()
        .map(|run| rescaled(&run.actions, &units))
        .collect()
}

fn check(runs: &[IncompleteRun]) -> Result<(), ImputeError> {
    let channels = runs.first().map_or(0, |run| run.values.ncols());
    let actions = runs.first().map_or(0, |run| run.actions.ncols());
    for (number, run) in runs.iter().enumerate() {
        let reason = if run.values.ncols() != channels || run.actions.ncols() != actions {
            "has other columns than the first"
        } else if run.actions.nrows() != run.values.nrows() {
            "has another number of actions than rows"
        } else if run.actions.iter().any(|x| !x.is_finite()) {
            "an action is unknown"
        } else {
            continue;
        };
        return Err(ImputeError::Invalid {
            run: number,
            reason,
        });
    }
    let is_known = |channel: usize| {
        runs.iter()
            .any(|run| run.values.column(channel).iter().any(|x| x.is_finite()))
    };
    if let Some(channel) = (0..channels).find(|&channel| !is_known(channel)) {
        return Err(ImputeError::Empty { channel });
    }
    for (number, run) in runs.iter().enumerate() {
        for channel in 0..channels {
            let (row, gap) = longest_gap(run.values.column(channel).iter().map(|x| !x.is_finite()));
            if 2 * gap > run.values.nrows() {
                return Err(ImputeError::LongGap {
                    run: number,
                    channel,
                    row,
                    gap,
                    rows: run.values.nrows(),
                });
            }
        }
    }
    check_memory(runs)
}

/// Refuses unknown values whose density would take too much memory, before any work.
fn check_memory(runs: &[IncompleteRun]) -> Result<(), ImputeError> {
    let (mut unknown, mut bytes) = (0, 0);
    for run in runs {
        let is_unknown = |row: ndarray::ArrayView1<f64>| row.iter().filter(|x| x.is_nan()).count();
        let counts: Vec<usize> = run.values.rows().into_iter().map(is_unknown).collect();
        for (row, &count) in counts.iter().enumerate() {
            let joined: usize = counts[(row + 1).saturating_sub(JOINED_ROWS)..=row]
                .iter()
                .sum();
            let joined = joined.min(JOINED_ROWS * MAX_TOGETHER) as u64;
            unknown += count;
            bytes += count as u64 * (BYTES_OF_ONE + joined * BYTES_OF_TWO);
        }
    }
    match bytes > MAX_BYTES {
        true => Err(ImputeError::TooMany { unknown }),
        false => Ok(()),
    }
}
