//! Errors of summed rewards, as text and as a table.

use anyhow::Context;

use crate::cli::windowed::aligned_rows;
use crate::evaluation::{RewardForecastErrors, RewardForecastScores};
use crate::output::{Column, Table, estimate, number};

pub(super) fn text(
    scores: &[(String, RewardForecastScores, f64)],
    steps: &[usize],
    runs: usize,
) -> String {
    let mut heads = vec!["forecast".to_owned()];
    heads.extend(steps.iter().map(|step| format!("after {step}")));
    heads.extend(["|error|", "bias", "in 90 %", "s per run"].map(str::to_owned));
    let mut rows = vec![heads];
    for (name, score, seconds) in scores {
        let mut row = vec![name.clone()];
        row.extend(score.error.iter().map(|e| estimate(e, 1)));
        row.push(number(score.absolute_error.mean, 2));
        let sign = if score.bias.mean > 0.0 { "+" } else { "" };
        row.push(format!("{sign}{}", number(score.bias.mean, 2)));
        row.push(match score.covered {
            (_, 0) => "-".to_owned(),
            (held, known) => format!("{held} of {known}"),
        });
        row.push(format!("{:.1}", seconds / runs as f64));
        rows.push(row);
    }
    let mut text = aligned_rows(&rows);
    text += &format!(
        "\n{runs} run(s): error of the summed rewards in percent of the run's return, with 95 % intervals; mean \
         absolute error\nand bias of the whole sum, in steps times the rewards' standard deviation; sums within their \
         90 % interval.\n"
    );
    text
}

/// Returns the table with one row per forecaster, run and number of steps.
pub(super) fn table(
    scores: &[(String, Vec<RewardForecastErrors>, f64)],
    steps: &[usize],
) -> anyhow::Result<Table> {
    let (mut names, mut runs, mut after, mut percents) = (vec![], vec![], vec![], vec![]);
    for (name, forecasts, _) in scores {
        for (run, forecast) in forecasts.iter().enumerate() {
            for &step in steps {
                names.push(name.clone());
                runs.push(run as f64);
                after.push(step as f64);
                percents.push(forecast.error[step - 1]);
            }
        }
    }
    let columns = vec![
        ("forecast".to_owned(), Column::Text(names)),
        ("run".to_owned(), Column::Real(runs)),
        ("steps".to_owned(), Column::Real(after)),
        ("error_percent".to_owned(), Column::Real(percents)),
    ];
    Table::new(columns).context("the table's columns differ in length")
}
