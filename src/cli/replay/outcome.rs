//! Errors of summed rewards, as text and as a table.

use anyhow::Context;

use crate::cli::windowed::aligned_rows;
use crate::evaluation::{Continuations, Continued};
use crate::output::{Column, Table, estimate, number};

pub(super) fn text(
    scores: &[(String, Continuations, f64)],
    steps: &[usize],
    runs: usize,
) -> String {
    let mut heads = vec!["forecast".to_owned()];
    heads.extend(steps.iter().map(|step| format!("after {step}")));
    heads.extend(["size", "bias", "in 90 %", "s a run"].map(str::to_owned));
    let mut rows = vec![heads];
    for (name, score, seconds) in scores {
        let mut row = vec![name.clone()];
        row.extend(score.error.iter().map(|e| estimate(e, 1)));
        row.push(number(score.size.mean, 2));
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
        "\n{runs} run(s): error of the summed rewards in percent of the run's return, with 95 % intervals; \
         size and bias of\nthe error of the whole sum, in steps times the rewards' standard deviation; whole sums \
         within their 90 % interval.\n"
    );
    text
}

/// One row a forecaster, run and number of steps.
pub(super) fn table(
    scores: &[(String, Vec<Continued>, f64)],
    steps: &[usize],
) -> anyhow::Result<Table> {
    let (mut names, mut runs, mut after, mut errors) = (vec![], vec![], vec![], vec![]);
    for (name, continued, _) in scores {
        for (run, continued) in continued.iter().enumerate() {
            for &step in steps {
                names.push(name.clone());
                runs.push(run as f64);
                after.push(step as f64);
                errors.push(continued.error[step - 1]);
            }
        }
    }
    let columns = vec![
        ("forecast".to_owned(), Column::Text(names)),
        ("run".to_owned(), Column::Real(runs)),
        ("steps".to_owned(), Column::Real(after)),
        ("error_percent".to_owned(), Column::Real(errors)),
    ];
    Table::new(columns).context("the table's columns differ in length")
}
