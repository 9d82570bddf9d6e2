//! Markov chains that forecasters infer from sequences of states (arXiv 2410.02724, 2402.00795).

mod chain;
mod error;
mod settings;
mod states;
mod windows;

use std::path::Path;

use serde::Serialize;

pub use chain::{
    AtTemperature, ChainSettings, ChainStudy, ChainSummary, LabelPermutations, RuleScore,
};
pub use error::MarkovStudyError;
pub use settings::{MAX_PERMUTATIONS, MarkovSettings};
pub use states::{StateCoding, StateSequence, read_matrix};
pub use windows::{WindowClass, WindowSummary};

use super::{Observer, note_contexts};
use crate::analysis::{Sequence, chain_of_windows};
use crate::forecast::{Forecaster, Settings, Temperature};
use crate::forecasters::{ForecasterName, Forecasters};
use crate::output::{Column, OutputError, Table};

/// Most rows that are read.
const MAX_ROWS: usize = 10_000;

/// The chain that a forecaster infers from a sequence of states, beside counts and simple rules.
///
/// ```
/// use statecast::forecasters::{ForecasterName, Forecasters};
/// use statecast::recording::{RoleSelection, read_labels};
/// use statecast::study::markov::{StateSequence, read_matrix};
/// use statecast::study::{Markov, MarkovSettings};
/// let (runs, _) = read_labels("examples/weather.csv".as_ref(), "sky", &RoleSelection::default())?;
/// let states = StateSequence::of_labels("sky", &runs, &[])?;
/// let name: ForecasterName = "ar".parse()?;
/// let forecasters = Forecasters::new(&[name.clone()], Vec::new())?;
/// let mut settings = MarkovSettings::default();
/// settings.truth = Some(read_matrix("examples/weather_matrix.csv".as_ref())?);
/// settings.temperatures.clear();
/// let markov = Markov::run(&states, &forecasters, &name, &settings, &())?;
/// assert_eq!(markov.labels, ["cloud", "rain", "sun"]);
/// assert_eq!(markov.study.chains[0].name, "inferred");
/// assert!(markov.study.rules[0].log_score < markov.study.rules[1].log_score); // those of counts
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Markov {
    /// First row of the context, of those of the sequence.
    pub first_row: usize,
    /// Seed of the label permutations.
    pub seed: u64,
    /// Labels of the states, in their order on the axis.
    pub labels: Vec<String>,
    /// The states of the context.
    pub sequence: Vec<usize>,
    /// The chains, and the scores of the forecaster and of simple rules.
    pub study: ChainStudy,
    /// The same sequence at other temperatures.
    pub temperatures: Vec<AtTemperature>,
    /// The model's own chain over windows, if it was asked for.
    pub windows: Option<WindowSummary>,
}

impl Markov {
    /// Shows a sequence of states to the forecaster of a name, and reads its distribution of every next state.
    ///
    /// # Errors
    /// [`MarkovStudyError`] if the settings do not fit the sequence or the forecaster, the name makes no forecaster, or the
    /// forecaster fails.
    pub fn run(
        states: &StateSequence,
        forecasters: &Forecasters,
        name: &ForecasterName,
        settings: &MarkovSettings,
        observer: &dyn Observer,
    ) -> Result<Self, MarkovStudyError> {
        settings.check(name)?;
        let (reading, combining) = (settings.forecast, settings.combining);
        let predictor = forecasters.predictor(name, reading, combining)?;
        let longest = Forecaster::of(predictor.clone(), reading).longest_context(1);
        let longest = longest.min(MAX_ROWS);
        note_contexts(settings.context, &[states.rows()], longest, observer);
        let rows = settings.context.unwrap_or(longest).min(longest);
        let (first_row, states) = states.last(rows);
        let chain = ChainSettings {
            truth: settings.truth.clone(),
            last: settings.last_of(states.rows())?,
            label_permutations: settings.label_permutations,
            seed: settings.seed,
        };
        if !states.breaks.is_empty() {
            observer.note(&format!(
                "{} transition(s) over gaps of the time are neither counted nor scored",
                states.breaks.len()
            ));
        }
        let labels = states.encoded.labels;
        let sequence = Sequence::new(&states.encoded.sequence, labels.len())?;
        let sequence = sequence.with_breaks(&states.breaks);
        // The chain over windows counts as much as all readings of the sequence.
        let stages = match settings.window {
            Some(_) => 2.0,
            None => 1.0,
        };
        let done = |share: f64| observer.progress(share / stages);
        let study = ChainStudy::run(&predictor, reading, sequence, &chain, &done)?;
        let at = |&temperature: &Temperature| {
            let reading = Settings {
                temperature,
                ..reading
            };
            Ok((
                temperature,
                forecasters.predictor(name, reading, combining)?,
            ))
        };
        let predictors = settings.temperatures.iter().map(at);
        let predictors = predictors.collect::<Result<Vec<_>, MarkovStudyError>>()?;
        let temperatures = study.at_temperatures(&predictors, reading, sequence)?;
        let windows = match settings.window {
            Some(window) => {
                let language = forecasters.language(reading)?;
                let done = |share: f64| observer.progress((1.0 + share) / stages);
                let chain = chain_of_windows(&language, labels.len(), window, &done)?;
                Some(WindowSummary::of(&chain, &labels, settings.least))
            }
            None => None,
        };
        Ok(Self {
            first_row,
            seed: settings.seed,
            labels,
            sequence: states.encoded.sequence,
            study,
            temperatures,
            windows,
        })
    }

    /// Returns the transition probabilities: one row per chain, state and next state.
    pub fn table(&self) -> Table {
        let (mut chains, mut from, mut to) = (Vec::new(), Vec::new(), Vec::new());
        let mut probabilities = Vec::new();
        for chain in &self.study.chains {
            for (state, row) in chain.matrix.iter().enumerate() {
                for (next, &p) in row.iter().enumerate() {
                    chains.push(chain.name.clone());
                    from.push(self.labels[state].clone());
                    to.push(self.labels[next].clone());
                    probabilities.push(p);
                }
            }
        }
        let columns = [
            ("chain", Column::Text(chains)),
            ("from", Column::Text(from)),
            ("to", Column::Text(to)),
            ("probability", Column::Real(probabilities)),
        ];
        let named = columns.map(|(name, column)| (name.to_owned(), column));
        Table::new(named.into()).expect("every transition has an entry in each column")
    }

    /// Writes the [table](Self::table): .csv, .json or .parquet. All numbers are written by
    /// [`write_json`](crate::output::write_json).
    ///
    /// # Errors
    /// [`OutputError`] if the ending is unknown or the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), OutputError> {
        self.table().write(path.as_ref())
    }
}
