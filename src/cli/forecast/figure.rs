//! The figure of a forecast.

use std::path::Path;

use ndarray::Array2;

use crate::forecast::{Level, Levels, Summary};
use crate::plot::{ForecastFigure, ForecastPanel, OneStepPoint, PlottedFuture, RolloutPoint};
use crate::study::forecast::{Forecast, FutureForecast};

/// The figure of an episode of a file, of which so many paths were drawn.
pub(super) fn figure(
    forecast: &Forecast,
    file: &Path,
    samples: usize,
    level: Level,
) -> ForecastFigure {
    let levels = Levels::of_bands();
    let futures = forecast.futures.iter();
    let bands: Vec<(&FutureForecast, Summary)> = futures
        .map(|future| (future, future.rollout.summary(&levels)))
        .collect();
    let file = file.file_name().unwrap_or_default().to_string_lossy();
    let horizon = forecast.horizon();
    ForecastFigure {
        title: format!("{file}, episode {}", forecast.episode),
        subtitle: format!(
            "{} rows of context, {samples} sample paths, {} ahead",
            forecast.context.len(),
            match horizon {
                1 => "1 step".to_owned(),
                steps => format!("{steps} steps"),
            }
        ),
        context_end: forecast.context.end,
        band: "90 %".to_owned(),
        inner_band: "50 %".to_owned(),
        whole_band: Some(format!("{} % of whole paths", 100.0 * level.get())),
        panels: (0..forecast.names.len())
            .map(|v| panel(forecast, &bands, v))
            .collect(),
    }
}

fn panel(forecast: &Forecast, bands: &[(&FutureForecast, Summary)], v: usize) -> ForecastPanel {
    let (first, end) = (forecast.context.start, forecast.context.end);
    let column = |values: &Array2<f64>, from: usize| {
        let rows = values.column(v).to_vec().into_iter();
        rows.enumerate().map(|(t, x)| (from + t, x)).collect()
    };
    let held_out = forecast.held_out.as_ref();
    ForecastPanel {
        name: forecast.names[v].clone(),
        observed: column(&forecast.observed, first),
        held_out: held_out.map_or(vec![], |held_out| column(&held_out.truth, end)),
        one_step: one_step(forecast, v),
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
fn one_step(forecast: &Forecast, v: usize) -> Vec<OneStepPoint> {
    if v >= forecast.variables {
        return Vec::new();
    }
    let summary = forecast.one_step_summary();
    let scored = summary.mean.nrows();
    let unscored = forecast.context.len() - scored;
    // An episode's first row is predicted from nothing.
    (usize::from(unscored == 0)..scored)
        .map(|t| OneStepPoint {
            row: forecast.context.start + unscored + t,
            mean: summary.mean[[t, v]],
            low: summary.quantiles[0][[t, v]],
            high: summary.quantiles[4][[t, v]],
        })
        .collect()
}

fn points(future: &FutureForecast, summary: &Summary, v: usize, end: usize) -> Vec<RolloutPoint> {
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
