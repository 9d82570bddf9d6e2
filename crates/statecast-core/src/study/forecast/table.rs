//! The table of a forecast: one row an episode, future, step and variable.

use std::collections::BTreeMap;

use super::{Forecast, FutureForecast};
use crate::forecast::Levels;
use crate::output::{Column, Table};
use crate::recording::{TimeStamp, WordLevels};

/// Most columns of levels: of more there are none.
const MAX_LEVELS: usize = 40;

/// Numbers of a row: what was observed if it was held back, mean, standard deviation, quantiles, ends of the simultaneous band, and
/// the shares of paths on each level of names that take few, unless all names together have more than 40.
pub fn table(forecasts: &[Forecast], levels: &Levels) -> Table {
    let levels_of = levels_by_name(forecasts);
    let words = all_words(forecasts);
    let mut taken: Vec<f64> = levels_of.values().flatten().copied().collect();
    taken.sort_by(f64::total_cmp);
    taken.dedup();
    if taken.len() + words.len() > MAX_LEVELS {
        taken.clear();
    }
    let mut rows = Rows {
        shares: vec![Vec::new(); taken.len()],
        taken,
        of_words: vec![Vec::new(); words.len()],
        words,
        levels: Vec::new(),
        observed_levels: Vec::new(),
        levels_of,
        episodes: Vec::new(),
        futures: Vec::new(),
        steps: Vec::new(),
        times: Vec::new(),
        names: Vec::new(),
        observed: Vec::new(),
        numbers: vec![Vec::new(); levels.as_slice().len() + 4],
    };
    for forecast in forecasts {
        for future in &forecast.futures {
            rows.add(forecast, future, levels);
        }
    }
    let forked = forecasts.iter().flat_map(|forecast| &forecast.futures);
    let forked = forked.into_iter().any(|f| f.name.is_some());
    let held_out = forecasts.iter().any(|forecast| forecast.held_out.is_some());
    rows.table(levels, forked, held_out)
}

/// Levels of every name that takes few, those of all episodes together.
pub fn levels_by_name(forecasts: &[Forecast]) -> BTreeMap<&str, Vec<f64>> {
    let mut found: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for forecast in forecasts {
        let named = forecast.names.iter().zip(&forecast.levels).enumerate();
        for (v, (name, levels)) in named {
            if let Some(levels) = levels
                && word_column(forecast, v).is_none()
            {
                let of_name = found.entry(name).or_default();
                // There is one zero.
                of_name.extend(levels.iter().map(|level| level + 0.0));
                of_name.sort_by(f64::total_cmp);
                of_name.dedup();
            }
        }
    }
    found
}

/// All words of all columns, in the order of the alphabet.
fn all_words(forecasts: &[Forecast]) -> Vec<String> {
    let of = |forecast: &'_ Forecast| forecast.words.clone();
    let columns = forecasts.iter().flat_map(of);
    let mut words: Vec<String> = columns.flat_map(|column| column.words).collect();
    words.sort();
    words.dedup();
    words
}

/// The column of words for which a variable stands.
fn word_column(forecast: &Forecast, variable: usize) -> Option<&WordLevels> {
    let mut columns = forecast.words.iter();
    columns.find(|column| column.states.contains(&variable))
}

struct Rows<'f> {
    levels_of: BTreeMap<&'f str, Vec<f64>>,
    episodes: Vec<String>,
    futures: Vec<String>,
    steps: Vec<i64>,
    times: Vec<Option<TimeStamp>>,
    names: Vec<String>,
    /// What was held back, if anything was.
    observed: Vec<f64>,
    /// Columns.
    numbers: Vec<Vec<f64>>,
    /// Levels of any name, and a column of each: `NaN` in rows of names that do not have it.
    taken: Vec<f64>,
    shares: Vec<Vec<f64>>,
    /// Words of any column, and a column of each: `NaN` in rows of names that do not have it.
    words: Vec<String>,
    of_words: Vec<Vec<f64>>,
    /// The most probable word, and the observed one; nothing in rows of numbers.
    levels: Vec<String>,
    observed_levels: Vec<String>,
}

impl Rows<'_> {
    fn add(&mut self, forecast: &Forecast, future: &FutureForecast, levels: &Levels) {
        let summary = future.rollout.summary(levels);
        for ((h, v), &mean) in summary.mean.indexed_iter() {
            if let Some(column) = word_column(forecast, v) {
                if v == column.states.start {
                    self.add_words(forecast, future, h, column);
                }
                continue;
            }
            self.levels.push(String::new());
            self.observed_levels.push(String::new());
            self.of_words
                .iter_mut()
                .for_each(|column| column.push(f64::NAN));
            self.episodes.push(forecast.episode.clone());
            self.futures.push(future.name.clone().unwrap_or_default());
            self.steps.push((forecast.context.end + h) as i64);
            self.times.push(forecast.times[h].clone());
            self.names.push(forecast.names[v].clone());
            let truth = forecast
                .held_out
                .as_ref()
                .map(|held_out| held_out.truth[[h, v]]);
            self.observed.push(truth.unwrap_or(f64::NAN));
            let quantiles = summary.quantiles.iter().map(|quantiles| quantiles[[h, v]]);
            let band = [future.band.low[[h, v]], future.band.high[[h, v]]];
            let numbers = [mean, summary.std[[h, v]]].into_iter();
            let numbers = numbers.chain(quantiles).chain(band);
            let columns = self.numbers.iter_mut().zip(numbers);
            columns.for_each(|(column, number)| column.push(number));
            let own = self.levels_of.get(&forecast.names[v][..]);
            for (&level, column) in self.taken.iter().zip(&mut self.shares) {
                column.push(match own.is_some_and(|own| own.contains(&level)) {
                    true => future.rollout.share_at(h, v, level),
                    false => f64::NAN,
                });
            }
        }
    }

    /// A row of a column of words: its numbers are the probabilities alone.
    fn add_words(
        &mut self,
        forecast: &Forecast,
        future: &FutureForecast,
        h: usize,
        column: &WordLevels,
    ) {
        self.episodes.push(forecast.episode.clone());
        self.futures.push(future.name.clone().unwrap_or_default());
        self.steps.push((forecast.context.end + h) as i64);
        self.times.push(forecast.times[h].clone());
        self.names.push(column.column.clone());
        self.observed.push(f64::NAN);
        let numbers = self.numbers.iter_mut().chain(&mut self.shares);
        numbers.for_each(|column| column.push(f64::NAN));
        let share = |v: usize| future.rollout.share_at(h, v, 1.0);
        let shares: Vec<f64> = column.states.clone().map(share).collect();
        let probabilities = column.probabilities(&shares);
        let most = (0..probabilities.len()).max_by(|&a, &b| {
            probabilities[a]
                .total_cmp(&probabilities[b])
                .then(b.cmp(&a))
        });
        self.levels
            .push(most.map_or_else(String::new, |word| column.words[word].clone()));
        let observed = forecast.held_out.as_ref().and_then(|held_out| {
            let is = column.states.clone().map(|v| held_out.truth[[h, v]]);
            let is = column.probabilities(&is.collect::<Vec<_>>());
            is.iter().position(|share| *share == 1.0)
        });
        self.observed_levels
            .push(observed.map_or_else(String::new, |word| column.words[word].clone()));
        for (word, of_word) in self.words.iter().zip(&mut self.of_words) {
            let place = column.words.iter().position(|own| own == word);
            of_word.push(place.map_or(f64::NAN, |place| probabilities[place]));
        }
    }

    fn table(self, levels: &Levels, forked: bool, held_out: bool) -> Table {
        let mut columns = vec![("episode".to_owned(), Column::Text(self.episodes))];
        if forked {
            columns.push(("future".to_owned(), Column::Text(self.futures)));
        }
        columns.push(("step".to_owned(), Column::Integer(self.steps)));
        columns.extend(time_column(&self.times));
        columns.push(("variable".to_owned(), Column::Text(self.names)));
        if held_out {
            columns.push(("observed".to_owned(), Column::Real(self.observed)));
        }
        if !self.words.is_empty() {
            columns.push(("level".to_owned(), Column::Text(self.levels)));
            if held_out {
                columns.push((
                    "observed_level".to_owned(),
                    Column::Text(self.observed_levels),
                ));
            }
        }
        let quantiles = levels.as_slice().iter().map(|level| format!("q{level}"));
        let labels = ["mean", "std"].map(str::to_owned).into_iter();
        let band = ["simultaneous_low", "simultaneous_high"].map(str::to_owned);
        let labels = labels.chain(quantiles).chain(band);
        columns.extend(labels.zip(self.numbers.into_iter().map(Column::Real)));
        let shares = self.taken.iter().zip(self.shares);
        columns.extend(shares.map(|(level, share)| (format!("p({level})"), Column::Real(share))));
        let words = self.words.iter().zip(self.of_words);
        columns.extend(words.map(|(word, share)| (format!("p({word})"), Column::Real(share))));
        Table::new(columns).expect("every row has an entry in each column")
    }
}

/// The column of the times of rows, numbers or dates; nothing where none are known.
pub(crate) fn time_column(times: &[Option<TimeStamp>]) -> Option<(String, Column)> {
    times.iter().any(Option::is_some).then(|| {
        let number = |time: &Option<TimeStamp>| match time {
            Some(TimeStamp::Number(value)) => Some(*value),
            Some(TimeStamp::Date(_)) => None,
            None => Some(f64::NAN),
        };
        let text = |time: &Option<TimeStamp>| match time {
            Some(TimeStamp::Number(value)) => value.to_string(),
            Some(TimeStamp::Date(text)) => text.clone(),
            None => String::new(),
        };
        let numbers: Option<Vec<f64>> = times.iter().map(number).collect();
        let column = match numbers {
            Some(numbers) => Column::Real(numbers),
            None => Column::Text(times.iter().map(text).collect()),
        };
        ("time".to_owned(), column)
    })
}
