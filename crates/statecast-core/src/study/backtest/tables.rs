//! Tables of all scores.

use crate::backtest::Results;
use crate::output::{Column, Table};

/// One row per method, series, origin, step and variable.
pub(super) fn steps(results: &Results) -> Table {
    let scores = Scores(&results.steps);
    table([
        ("series", scores.text(|s| &results.series[s.series])),
        ("origin", scores.whole(|s| s.origin)),
        ("method", scores.text(|s| &results.methods[s.method])),
        ("step", scores.whole(|s| s.step)),
        ("variable", scores.text(|s| &results.variables[s.variable])),
        ("observed", scores.real(|s| s.observed)),
        ("mean", scores.real(|s| s.mean)),
        ("median", scores.real(|s| s.median)),
        ("q0.05", scores.real(|s| s.interval.0)),
        ("q0.95", scores.real(|s| s.interval.1)),
        ("crps", scores.real(|s| s.crps)),
        ("interval_score", scores.real(|s| s.interval_score)),
        ("context_std", scores.real(|s| s.spread)),
        ("pit", scores.real(|s| s.pit)),
    ])
}

/// One row per method, series, origin, row and channel.
pub(super) fn one_steps(results: &Results) -> Table {
    let scores = Scores(&results.one_step);
    table([
        ("series", scores.text(|s| &results.series[s.series])),
        ("origin", scores.whole(|s| s.origin)),
        ("method", scores.text(|s| &results.methods[s.method])),
        ("row", scores.whole(|s| s.row)),
        ("channel", scores.text(|s| &results.channels[s.channel])),
        ("log_score", scores.real(|s| s.log_score)),
        ("crps", scores.real(|s| s.crps)),
        ("pit", scores.real(|s| s.pit)),
        ("std", scores.real(|s| s.sharpness)),
    ])
}

/// Scores that become columns.
struct Scores<'s, T>(&'s [T]);

impl<T> Scores<'_, T> {
    fn text<'r>(&self, of: impl Fn(&T) -> &'r String) -> Column {
        Column::Text(self.0.iter().map(|s| of(s).clone()).collect())
    }

    fn whole(&self, of: impl Fn(&T) -> usize) -> Column {
        Column::Integer(self.0.iter().map(|s| of(s) as i64).collect())
    }

    fn real(&self, of: impl Fn(&T) -> f64) -> Column {
        Column::Real(self.0.iter().map(of).collect())
    }
}

fn table<const N: usize>(columns: [(&str, Column); N]) -> Table {
    let named = columns.map(|(name, column)| (name.to_owned(), column));
    Table::new(named.into()).expect("every score has an entry in each column")
}
