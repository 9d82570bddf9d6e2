//! Settling values of a metric.

use anyhow::bail;

use super::Arguments;
use crate::cli::experts::{finish, names};
use crate::cli::outputs::Ending;
use crate::cli::terminal::Terminal;
use crate::cli::windowed::aligned_rows;
use crate::metrics::Estimate;
use crate::output::percent;
use crate::plot::ForecastFigure;
use crate::study::convergence::{OptimisationRuns, SettlingForecasters};
use crate::study::{Settling, SettlingSettings, SettlingStudy};

/// Largest number of runs in a figure and in the printed list.
pub(super) const MAX_SHOWN: usize = 6;

pub(super) fn run(
    arguments: &Arguments,
    settings: SettlingSettings,
    runs: &OptimisationRuns,
) -> anyhow::Result<()> {
    let terminal = Terminal::new("training-run");
    let study = SettlingStudy::new(runs, settings, &terminal)?;
    let experts = names(&arguments.experts);
    let names = SettlingForecasters::new(arguments.models.as_deref(), &arguments.pool, &experts)?;
    let forecasters = arguments.load(&names.names(), arguments.blocks.get(), study.horizon())?;
    let result = study.run(&forecasters, &names, &terminal)?;
    drop(terminal);
    let mut ending = Ending::new(arguments.output.as_ref());
    if let Some(path) = &arguments.figure {
        let drawn = result.runs.iter().any(|run| run.blocks.forecast.is_some());
        match drawn {
            true => ending.figure(path, || {
                ForecastFigure::of_settling(&result, &arguments.source.described()).save(path)
            }),
            false => ending.write(|| {
                bail!("--figure: needs sampled paths, which the last value does not have")
            }),
        }
    }
    finish(&forecasters)?;
    ending.write(|| arguments.write(&forecasters, &result));
    ending.show(&text(&result))
}

fn text(result: &Settling) -> String {
    let mut text = String::new();
    for run in result.runs.iter().take(MAX_SHOWN) {
        let actual = run.actual.map_or(String::new(), |actual| {
            format!("; actual {}", number(actual))
        });
        let label = match result.runs.len() {
            1 => String::new(),
            _ => format!("run {}: ", run.run),
        };
        let first = &run.settles[0];
        text += &format!(
            "{label}{} settles at {} ({} to {}) by step {}, from {} rows{actual}\n",
            result.metric,
            number(first.median),
            number(first.low),
            number(first.high),
            result.until,
            run.prefix
        );
    }
    if result.runs.len() > MAX_SHOWN {
        text += &format!("… {} runs\n", result.runs.len());
    }
    text += "\n";
    let rows: Vec<Vec<String>> = if result.scores.is_empty() || result.runs.len() == 1 {
        let mut rows = Vec::new();
        for run in result.runs.iter().take(MAX_SHOWN) {
            let of = match result.runs.len() {
                1 => "forecaster".to_owned(),
                _ => format!("run {}", run.run),
            };
            let head = [of.as_str(), "median", "low", "high"];
            rows.push(head.map(str::to_owned).to_vec());
            rows.extend(run.settles.iter().map(|s| {
                let numbers = [s.median, s.low, s.high].map(number);
                [vec![s.name.clone()], numbers.to_vec()].concat()
            }));
        }
        rows
    } else {
        let inside = format!("in {}", percent(result.level, 0));
        let mut rows = vec![vec![
            "forecaster".to_owned(),
            inside,
            "|median - actual|".to_owned(),
            "interval score".to_owned(),
        ]];
        let estimate =
            |e: &Estimate| format!("{} [{}, {}]", number(e.mean), number(e.low), number(e.high));
        rows.extend(result.scores.iter().map(|score| {
            vec![
                score.name.clone(),
                percent(score.coverage, 0),
                estimate(&score.error),
                estimate(&score.interval_score),
            ]
        }));
        rows
    };
    text + &aligned_rows(&rows)
}

/// Four digits; "-" if it is not defined.
fn number(x: f64) -> String {
    match x {
        0.0 => return "0".to_owned(),
        _ if x.is_nan() => return "-".to_owned(),
        _ => {}
    }
    let digits = (3 - x.abs().log10().floor() as i32).clamp(0, 8) as usize;
    match x.abs() {
        size if !(1e-5..1e7).contains(&size) => format!("{x:.3e}"),
        _ => format!("{x:.digits$}"),
    }
}
