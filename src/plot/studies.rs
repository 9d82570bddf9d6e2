//! Figures of the results of studies.

use ndarray::Array2;

use super::{
    ForecastFigure, ForecastPanel, MatrixFigure, NamedCurve, NamedMatrix, OneStepPoint,
    PlottedFuture, RolloutPoint,
};
use crate::forecast::{Level, Levels, Summary};
use crate::study::convergence::{BlockBand, BlockForecast};
use crate::study::forecast::{Forecast, FutureForecast};
use crate::study::{Markov, Settling};

impl ForecastFigure {
    /// The figure of a forecast of an episode of some source, such as a file's name; `level` is the probability of the
    /// simultaneous bands, as in the settings.
    ///
    /// ```
    /// use statecast::forecast::Level;
    /// use statecast::plot::ForecastFigure;
    /// use statecast::{Forecaster, Recording};
    /// let recording = Recording::read("examples/pendulum.csv")?.only(&["0"])?;
    /// let forecast = Forecaster::builder().experts("linear")?.build()?.forecast(&recording, 10)?;
    /// let figure = ForecastFigure::of_forecast(&forecast, "pendulum.csv", Level::default());
    /// assert_eq!(figure.panels.len(), 3);
    /// # Ok::<(), statecast::Error>(())
    /// ```
    pub fn of_forecast(forecast: &Forecast, source: &str, level: Level) -> Self {
        let levels = Levels::of_bands();
        let futures = forecast.futures.iter();
        let bands: Vec<(&FutureForecast, Summary)> = futures
            .map(|future| (future, future.rollout.summary(&levels)))
            .collect();
        let horizon = forecast.horizon();
        let samples = forecast.paths().dim().0;
        Self {
            title: format!("{source}, episode {}", forecast.episode),
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

    /// The figure of settling values in a log: one panel per run whose blocks were forecast.
    pub fn of_settling(result: &Settling, source: &str) -> Self {
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
        Self {
            title: format!("{} until step {}", result.metric, result.until),
            subtitle: format!("{source}; means of {block} rows, as far back as they are read"),
            context_end: end,
            band: "90 %".to_owned(),
            inner_band: "50 %".to_owned(),
            whole_band: None,
            panels,
        }
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

impl MatrixFigure {
    /// The figure of chains inferred from some source: their matrices, and distances of the rules with the fits of the
    /// first two.
    pub fn of_chains(result: &Markov, source: &str) -> Self {
        let study = &result.study;
        let reference = match study.truth_is_known {
            true => "true matrix",
            false => "counted matrix",
        };
        let mut curves = Vec::new();
        for (number, rule) in study.rules.iter().enumerate() {
            if rule.name == "truth" {
                continue;
            }
            let points: Vec<_> = rule
                .curve
                .iter()
                .map(|d| (d.context, d.total_variation))
                .collect();
            let fit = rule.power_law.filter(|_| number < 2);
            curves.push(NamedCurve {
                name: rule.name.clone(),
                fitted: false,
                points: points.clone(),
                number,
            });
            curves.extend(fit.map(|law| {
                NamedCurve {
                    name: format!("{:.2} context^{:.2}", law.scale, -law.exponent),
                    points: points
                        .iter()
                        .map(|p| (p.0, law.scale * p.0.powf(-law.exponent)))
                        .collect(),
                    fitted: true,
                    number,
                }
            }));
        }
        let matrices = study.chains.iter().map(|chain| NamedMatrix {
            name: chain.name.clone(),
            matrix: chain.matrix.clone(),
        });
        Self {
            title: format!("Chain inferred from {source}"),
            subtitle: format!(
                "{}; {} rows, distributions of the last {}; distances from the {reference}",
                study.rules[0].name, study.rows, study.last
            ),
            labels: result.labels.clone(),
            matrices: matrices.collect(),
            distance: "total variation".to_owned(),
            curves,
        }
    }
}
