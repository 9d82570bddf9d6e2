//! Charts of a report as SVG elements.

use crate::backtest::WeightHistory;
use crate::backtest::{BacktestSummary, MethodSummary, StepSummary};
use crate::metrics::Pit;
use crate::plot::{Chart, Curve, PlotError};

const SMALL: (u32, u32) = (330, 240);
const TINY: (u32, u32) = (200, 150);

/// Largest number of channels in charts of weights.
const MAX_CHANNELS: usize = 12;

fn pit(method: &MethodSummary, one_step: bool) -> &Pit {
    match one_step {
        true => &method.one_step_pit,
        false => &method.pit,
    }
}

/// Draws reliability curves: the fraction of outcomes below quantiles against their level, one
/// curve per method.
pub(super) fn reliability(summary: &BacktestSummary, one_step: bool) -> Result<String, PlotError> {
    let curve = |(number, method): (usize, &MethodSummary)| {
        let pit = pit(method, one_step);
        let levels = (0..=20).map(|i| f64::from(i) / 20.0);
        Curve {
            number,
            points: levels
                .map(|level| (level, pit.share_below(level)))
                .collect(),
            ..Curve::default()
        }
    };
    let chart = Chart {
        title: "Reliability".to_owned(),
        x: "nominal level".to_owned(),
        curves: summary.methods.iter().enumerate().map(curve).collect(),
        ideal: vec![(0.0, 0.0), (1.0, 1.0)],
        y_range: Some((0.0, 1.0)),
        bars: false,
        size: SMALL,
    };
    chart.svg()
}

/// Draws PIT histograms, one per method.
pub(super) fn histograms(summary: &BacktestSummary, one_step: bool) -> Result<String, PlotError> {
    let parts = 10;
    let methods = summary.methods.iter().enumerate();
    let charts = methods.map(|(number, method)| {
        let shares = pit(method, one_step).histogram(parts);
        let points = shares.iter().enumerate();
        let points = points.map(|(i, share)| (i as f64 + 0.5, share * parts as f64));
        let points: Vec<(f64, f64)> = points.map(|(x, y)| (x / parts as f64, y)).collect();
        let highest = points.iter().map(|p| p.1).fold(2.0, f64::max);
        let chart = Chart {
            title: method.name.clone(),
            x: "PIT".to_owned(),
            curves: vec![Curve {
                number,
                points,
                ..Curve::default()
            }],
            ideal: vec![(0.0, 1.0), (1.0, 1.0)],
            y_range: Some((0.0, highest)),
            bars: true,
            size: TINY,
        };
        chart.svg()
    });
    charts.collect()
}

/// Draws scores by steps ahead.
pub(super) fn horizons(summary: &BacktestSummary) -> Result<String, PlotError> {
    let chart = |title: &str, value: &dyn Fn(&StepSummary) -> f64, ideal: Option<f64>| {
        let curve = |(number, method): (usize, &MethodSummary)| {
            let steps = method.by_step.iter().enumerate();
            Curve {
                number,
                points: steps
                    .map(|(h, step)| ((h + 1) as f64, value(step)))
                    .collect(),
                ..Curve::default()
            }
        };
        let last = summary.methods[0].by_step.len() as f64;
        let chart = Chart {
            title: title.to_owned(),
            x: "steps ahead".to_owned(),
            curves: summary.methods.iter().enumerate().map(curve).collect(),
            ideal: ideal.map_or(vec![], |y| vec![(1.0, y), (last, y)]),
            y_range: ideal.map(|_| (0.0, 1.0)),
            bars: false,
            size: SMALL,
        };
        chart.svg()
    };
    let charts = [
        chart("nCRPS", &|s| s.crps, None),
        chart("RMSE of the mean", &|s| s.rmse, None),
        chart("Energy score", &|s| s.energy, None),
        chart("Coverage of 90 % intervals", &|s| s.coverage_90, Some(0.9)),
        chart("Width of 90 % intervals", &|s| s.width, None),
    ];
    charts.into_iter().collect()
}

/// Draws the expert weights over time, one chart per channel; `colours` are those of the experts.
pub(super) fn weights(history: &WeightHistory, colours: &[usize]) -> Result<String, PlotError> {
    let channels = history.channels.iter().zip(&history.weights);
    let charts = channels.take(MAX_CHANNELS).map(|(channel, rows)| {
        let curve = |expert: usize| {
            let rows = rows.iter().enumerate();
            Curve {
                number: colours[expert],
                points: rows
                    .map(|(t, weights)| (t as f64, weights[expert]))
                    .collect(),
                ..Curve::default()
            }
        };
        let chart = Chart {
            title: channel.clone(),
            x: "row".to_owned(),
            curves: (0..history.experts.len()).map(curve).collect(),
            ideal: vec![],
            y_range: Some((0.0, 1.0)),
            bars: false,
            size: SMALL,
        };
        chart.svg()
    });
    charts.collect()
}
