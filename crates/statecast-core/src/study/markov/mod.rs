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
use crate::forecasters::Forecasters;
use crate::output::{Column, OutputError, Table};

/// Most rows that are read.
const MAX_ROWS: usize = 10_000;

/// The chain that a forecaster infers from a sequence of states, beside counts and simple rules.
///
/// ```
/// use statecast::forecasters::Forecasters;
/// use statecast::recording::{RoleSelection, read_labels};
/// use statecast::study::markov::{StateSequence, read_matrix};
/// use statecast::study::{Markov, MarkovSettings};
/// let (runs, _) = read_labels("examples/weather.csv".as_ref(), "sky", &RoleSelection::default())?;
/// let states = StateSequence::of_labels("sky", &runs, &[])?;
/// let mut settings = MarkovSettings::default();
/// settings.forecaster = "ar".parse()?;
/// settings.truth = Some(read_matrix("examples/weather_matrix.csv".as_ref())?);
/// settings.temperatures.clear();
/// let forecasters = Forecasters::new(&[settings.forecaster.clone()], Vec::new())?;
/// let markov = Markov::run(&states, &forecasters, &settings, &())?;
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
    /// Shows a sequence of states to the forecaster of the settings, one of `forecasters`, and reads its
    /// distribution of every next state.
    ///
    /// # Errors
    /// [`MarkovStudyError`] if the settings do not fit the sequence or the forecaster, its name
    /// makes none, or it fails.
    pub fn run(
        states: &StateSequence,
        forecasters: &Forecasters,
        settings: &MarkovSettings,
        observer: &dyn Observer,
    ) -> Result<Self, MarkovStudyError> {
        settings.check()?;
        let name = &settings.forecaster;
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::analysis::EncodedStates;

    /// Keeps what a study says.
    #[derive(Default)]
    struct Notes(Mutex<Vec<String>>);

    impl Observer for Notes {
        fn note(&self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }

        fn progress(&self, share: f64) {
            assert!((0.0..=1.0).contains(&share), "{share}");
        }
    }

    /// A ring of three states, which some rows enter after a gap.
    fn ring(rows: usize, breaks: &[usize]) -> StateSequence {
        StateSequence {
            encoded: EncodedStates {
                sequence: (0..rows).map(|t| t % 3).collect(),
                labels: ["a", "b", "c"].map(str::to_owned).into(),
            },
            breaks: breaks.to_vec(),
        }
    }

    fn run(
        states: &StateSequence,
        settings: &MarkovSettings,
        observer: &dyn Observer,
    ) -> Result<Markov, MarkovStudyError> {
        let mut settings = settings.clone();
        settings.forecaster = "ar".parse().unwrap();
        let name = std::slice::from_ref(&settings.forecaster);
        let forecasters = Forecasters::new(name, Vec::new()).unwrap();
        Markov::run(states, &forecasters, &settings, observer)
    }

    #[test]
    fn a_context_has_its_own_rows_and_gaps() {
        let mut settings = MarkovSettings {
            context: Some(60),
            label_permutations: 1,
            ..MarkovSettings::default()
        };
        let notes = Notes::default();
        let found = run(&ring(100, &[7, 40, 90]), &settings, &notes).unwrap();
        assert_eq!((found.first_row, found.sequence.len()), (40, 60));
        assert_eq!(found.sequence[0], 40 % 3);
        // The first row of a context has no row before it, gap or not.
        assert_eq!(
            *notes.0.lock().unwrap(),
            ["1 transition(s) over gaps of the time are neither counted nor scored"]
        );
        assert_eq!(found.study.last, 20);
        assert_eq!(found.temperatures.len(), 3);
        settings.context = Some(200);
        let notes = Notes::default();
        run(&ring(100, &[]), &settings, &notes).unwrap();
        assert!(notes.0.lock().unwrap()[0].contains("fewer than 200 rows of context"));
    }

    #[test]
    fn settings_that_cannot_be_are_named() {
        let refused = |change: &dyn Fn(&mut MarkovSettings)| {
            let mut settings = MarkovSettings::default();
            settings.temperatures.clear();
            change(&mut settings);
            run(&ring(30, &[]), &settings, &()).unwrap_err().to_string()
        };
        assert!(refused(&|s| s.last = Some(30)).starts_with("`last=30`: needs 1 to 29"));
        assert!(refused(&|s| s.context = Some(2)).contains("2 row(s)"));
        assert!(refused(&|s| s.window = Some(3)).starts_with("`window=`"));
        assert!(refused(&|s| s.least = 1.0).starts_with("`least=1`"));
        assert!(refused(&|s| s.truth = Some(ndarray::array![[1.0]])).contains("1 states"));
    }
}
