//! The sample paths of a forecast: one row an episode, future, path and step.

use anyhow::Context;

use super::outcome::Outcome;
use super::table::time_column;
use crate::output::{Column, Table};

/// A column a variable or derived quantity.
pub(super) fn table(outcomes: &[Outcome]) -> anyhow::Result<Table> {
    let names = outcomes.first().map_or(&[][..], |outcome| &outcome.names);
    let (mut episodes, mut futures) = (Vec::new(), Vec::new());
    let (mut numbers, mut steps, mut times) = (Vec::new(), Vec::new(), Vec::new());
    let mut values: Vec<Vec<f64>> = vec![Vec::new(); names.len()];
    for outcome in outcomes {
        for future in &outcome.futures {
            let (paths, horizon, _) = future.rollout.paths.dim();
            for path in 0..paths {
                for h in 0..horizon {
                    episodes.push(outcome.manifest.episode.clone());
                    futures.push(future.name.clone().unwrap_or_default());
                    numbers.push(path as i64);
                    steps.push((outcome.context.end + h) as i64);
                    times.push(outcome.times[h].clone());
                    for (v, column) in values.iter_mut().enumerate() {
                        column.push(future.rollout.paths[[path, h, v]]);
                    }
                }
            }
        }
    }
    let mut columns = vec![("episode".to_owned(), Column::Text(episodes))];
    if futures.iter().any(|name| !name.is_empty()) {
        columns.push(("future".to_owned(), Column::Text(futures)));
    }
    columns.push(("path".to_owned(), Column::Integer(numbers)));
    columns.push(("step".to_owned(), Column::Integer(steps)));
    columns.extend(time_column(&times));
    let values = values.into_iter().map(Column::Real);
    columns.extend(names.iter().cloned().zip(values));
    Table::new(columns).context("the columns of the paths differ in length")
}
