//! The figure of settling values: the metric by blocks, as far as it is read, and its forecast.

use crate::plot::{ForecastFigure, ForecastPanel, PlottedFuture, RolloutPoint};
use crate::study::Settling;
use crate::study::convergence::{BlockBand, BlockForecast};

/// One panel per run whose blocks were forecast.
pub(super) fn figure(result: &Settling, source: &str) -> ForecastFigure {
    let mut panels = Vec::new();
    let mut end = 0;
    for run in &result.runs {
        let Some(forecast) = &run.blocks.forecast else {
            continue;
        };
        end = end.max(run.blocks.end);
        panels.push(ForecastPanel {
            name: format!("{} of run {}", result.metric, run.run),
            observed: run.blocks.read.clone(),
            held_out: run.blocks.later.clone(),
            one_step: Vec::new(),
            futures: vec![future(forecast)],
        });
    }
    let block = result.runs.first().map_or(1, |run| run.blocks.rows);
    ForecastFigure {
        title: format!("{} until step {}", result.metric, result.until),
        subtitle: format!("{source}; means of {block} rows, as far back as they are read"),
        context_end: end,
        band: "90 %".to_owned(),
        inner_band: "50 %".to_owned(),
        whole_band: None,
        panels,
    }
}

fn future(forecast: &BlockForecast) -> PlottedFuture {
    let point = |band: &BlockBand| RolloutPoint {
        row: band.step,
        median: band.median,
        inner: band.inner,
        outer: band.outer,
        whole: None,
    };
    PlottedFuture {
        name: forecast.name.clone(),
        points: forecast.bands.iter().map(point).collect(),
    }
}
