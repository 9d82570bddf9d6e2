//! The figure of a forecast.

use std::path::Path;

use ndarray::Array2;

use super::outcome::{FutureOutcome, Outcome};
use crate::forecast::{Level, Levels, Summary};
use crate::plot::{ForecastFigure, ForecastPanel, OneStepPoint, PlottedFuture, RolloutPoint};

/// The figure of an episode of a file, of which so many paths were drawn.
pub(super) fn figure(
    outcome: &Outcome,
    file: &Path,
    samples: usize,
    level: Level,
) -> anyhow::Result<ForecastFigure> {
    let levels = plot_levels()?;
    let futures = outcome.futures.iter();
    let bands: Vec<(&FutureOutcome, Summary)> = futures
        .map(|future| (future, future.rollout.summary(&levels)))
        .collect();
    let file = file.file_name().unwrap_or_default().to_string_lossy();
    let horizon = outcome.rollout().paths.dim().1;
    Ok(ForecastFigure {
        title: format!("{file}, episode {}", outcome.manifest.episode),
        subtitle: format!(
            "{} rows of context, {samples} sample paths, {} ahead",
            outcome.context.len(),
            match horizon {
                1 => "1 step".to_owned(),
                steps => format!("{steps} steps"),
            }
        ),
        context_end: outcome.context.end,
        band: "90 %".to_owned(),
        inner_band: "50 %".to_owned(),
        whole_band: Some(format!("{} % of whole paths", 100.0 * level.get())),
        panels: (0..outcome.names.len())
            .map(|v| panel(outcome, &bands, v))
            .collect(),
    })
}

/// Levels of the figure's two bands and of the median.
pub(super) fn plot_levels() -> anyhow::Result<Levels> {
    Ok(Levels::new(vec![0.05, 0.25, 0.5, 0.75, 0.95])?)
}

fn panel(outcome: &Outcome, bands: &[(&FutureOutcome, Summary)], v: usize) -> ForecastPanel {
    let (first, end) = (outcome.context.start, outcome.context.end);
    let column = |values: &Array2<f64>, from: usize| {
        let rows = values.column(v).to_vec().into_iter();
        rows.enumerate().map(|(t, x)| (from + t, x)).collect()
    };
    let held_out = outcome.held_out.as_ref();
    ForecastPanel {
        name: outcome.names[v].clone(),
        observed: column(&outcome.observed, first),
        held_out: held_out.map_or(vec![], |held_out| column(&held_out.truth, end)),
        one_step: one_step(outcome, v),
        futures: bands
            .iter()
            .map(|(future, summary)| PlottedFuture {
                name: future.name.clone().unwrap_or_default(),
                points: points(future, summary, v, end),
            })
            .collect(),
    }
}

/// One-step predictions of a variable; derived quantities have none.
fn one_step(outcome: &Outcome, v: usize) -> Vec<OneStepPoint> {
    if v >= outcome.variables {
        return Vec::new();
    }
    let summary = &outcome.one_step;
    let scored = summary.mean.nrows();
    let unscored = outcome.context.len() - scored;
    // An episode's first row is predicted from nothing.
    (usize::from(unscored == 0)..scored)
        .map(|t| OneStepPoint {
            row: outcome.context.start + unscored + t,
            mean: summary.mean[[t, v]],
            low: summary.quantiles[0][[t, v]],
            high: summary.quantiles[4][[t, v]],
        })
        .collect()
}

fn points(future: &FutureOutcome, summary: &Summary, v: usize, end: usize) -> Vec<RolloutPoint> {
    let band = &future.band;
    (0..summary.mean.nrows())
        .map(|h| {
            let at = |q: usize| summary.quantiles[q][[h, v]];
            RolloutPoint {
                row: end + h,
                median: at(2),
                inner: (at(1), at(3)),
                outer: (at(0), at(4)),
                whole: Some((band.low[[h, v]], band.high[[h, v]])),
            }
        })
        .collect()
}
