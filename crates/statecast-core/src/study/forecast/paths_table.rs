//! The sample paths of a forecast: one row an episode, future, path and step.

use super::Forecast;
use super::table::time_column;
use crate::output::{Column, Table};

/// A column a variable or derived quantity.
pub fn paths_table(forecasts: &[Forecast]) -> Table {
    let names = forecasts
        .first()
        .map_or(&[][..], |forecast| &forecast.names);
    let (mut episodes, mut futures) = (Vec::new(), Vec::new());
    let (mut numbers, mut steps, mut times) = (Vec::new(), Vec::new(), Vec::new());
    let mut values: Vec<Vec<f64>> = vec![Vec::new(); names.len()];
    for forecast in forecasts {
        for future in &forecast.futures {
            let (paths, horizon, _) = future.rollout.paths.dim();
            for path in 0..paths {
                for h in 0..horizon {
                    episodes.push(forecast.episode.clone());
                    futures.push(future.name.clone().unwrap_or_default());
                    numbers.push(path as i64);
                    steps.push((forecast.context.end + h) as i64);
                    times.push(forecast.times[h].clone());
                    for (v, column) in values.iter_mut().enumerate() {
                        let value = future.rollout.paths.get([path, h, v]);
                        column.push(value.copied().unwrap_or(f64::NAN));
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
    Table::new(columns).expect("every row has an entry in each column")
}
