//! Columns of words that are read as states: levels such as `open` and `closed`.
//!
//! Words have no order, so that one number for each would be a poor channel: each word is a state of its own, which is 1 in the
//! rows that hold it and 0 elsewhere. Of two words one state says both.

use std::collections::HashMap;
use std::ops::Range;

use super::assignment::Assignment;
use super::cells::Block;
use super::dialect::is_missing;
use super::labels::Claim;
use super::source::Kind;
use super::table::{Slot, Table};
use super::{RecordingError, Roles};

/// Most words of a column.
const MAX_WORDS: usize = 20;

/// The words of a column, and the states of a recording that stand for them.
///
/// ```
/// use statecast::recording::{MissingPolicy, RoleSelection, read};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("tank.csv");
/// std::fs::write(&path, "level,mode\n1.5,fill\n2.5,hold\n2.5,drain\n1.0,fill\n")?;
/// let selection = RoleSelection { levels: vec!["mode".to_owned()], ..RoleSelection::default() };
/// let (recording, _) = read(&path, &selection, MissingPolicy::Error)?;
/// assert_eq!(recording.state_names(), ["level", "mode=drain", "mode=fill", "mode=hold"]);
/// assert_eq!(recording.word_levels()[0].words, ["drain", "fill", "hold"]);
/// assert_eq!(recording.episodes()[0].states().row(1).to_vec(), [2.5, 0.0, 0.0, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordLevels {
    /// Name of the column.
    pub column: String,
    /// Its words, in the order of the alphabet.
    pub words: Vec<String>,
    /// Positions of the states, one a word; of two words it is that of the second alone.
    pub states: Range<usize>,
}

impl WordLevels {
    /// Probabilities of the words, which sum to one, from those of their states. Paths draw states one by one, so that several
    /// words, or none, may be drawn together.
    pub fn probabilities(&self, of_states: &[f64]) -> Vec<f64> {
        let all = match (self.words.len(), of_states) {
            (2, &[second]) => vec![1.0 - second, second],
            _ => of_states.to_vec(),
        };
        let total: f64 = all.iter().sum();
        let even = 1.0 / all.len() as f64;
        let share = |p: f64| if total > 0.0 { p / total } else { even };
        all.into_iter().map(share).collect()
    }
}

/// Words of a column as they come.
#[derive(Debug)]
pub(super) struct WordColumn {
    column: String,
    words: HashMap<String, usize>,
}

impl WordColumn {
    pub(super) fn new(column: &str) -> Self {
        Self {
            column: column.to_owned(),
            words: HashMap::new(),
        }
    }

    /// The number that stands for a word until all are known. Squares never go on evenly as a counter would.
    fn code(&mut self, word: &str) -> f64 {
        let number = match self.words.get(word) {
            Some(&number) => number,
            None => {
                let next = self.words.len();
                self.words.insert(word.to_owned(), next);
                next
            }
        };
        (number * number) as f64
    }

    /// The words in order, each with its code.
    fn in_order(&self) -> Vec<(&String, f64)> {
        let code = |(word, &number): (_, &usize)| (word, (number * number) as f64);
        let mut words: Vec<(&String, f64)> = self.words.iter().map(code).collect();
        words.sort_by_key(|(word, _)| *word);
        words
    }
}

impl Assignment<'_, '_> {
    /// Takes columns of words as states; those of numbers are states anyway. Names of the columns of words.
    pub(super) fn take_levels(
        &mut self,
        patterns: &[String],
    ) -> Result<Vec<String>, RecordingError> {
        let mut taken = Vec::new();
        for pattern in &self.joined(patterns) {
            for index in self.matches(pattern, "level")? {
                let column = &self.columns[index];
                if column.kind != Kind::Text || taken.contains(&column.name) {
                    continue;
                }
                taken.push(column.name.clone());
                // That it may name episodes was a guess.
                if let Some(Slot::Label(claim)) = self.slots[index]
                    && claim != Claim::Chosen
                {
                    self.slots[index] = None;
                    let name = &column.name;
                    self.roles.episode.columns.retain(|known| known != name);
                }
                let position = self.roles.state.columns.len();
                let guessed = self.roles.state.guessed;
                self.take(index, Slot::Value(Block::State, position), guessed)?;
            }
        }
        Ok(taken)
    }
}

impl Table {
    /// Whether a column of a block is one of words.
    pub(super) fn is_of_words(&self, block: Block, position: usize) -> bool {
        let name =
            |column: &WordColumn| column.column == self.blocks[block as usize].names[position];
        block == Block::State && self.word_columns.iter().any(name)
    }

    /// The number that stands for a word of such a column; none for a missing one.
    pub(super) fn code(&mut self, position: usize, text: &str) -> Option<f64> {
        let word = text.trim();
        let name = &self.blocks[Block::State as usize].names[position];
        let mut columns = self.word_columns.iter_mut();
        let column = columns.find(|column| column.column == *name)?;
        (!is_missing(word)).then(|| column.code(word))
    }

    /// States of 0 and 1 in place of columns of words.
    pub(super) fn spread_words(
        &mut self,
        roles: &mut Roles,
    ) -> Result<Vec<WordLevels>, RecordingError> {
        let mut found = Vec::new();
        for column in &self.word_columns {
            let states = &mut self.blocks[Block::State as usize];
            let Some(position) = states.names.iter().position(|name| *name == column.column) else {
                continue;
            };
            let words = column.in_order();
            if words.len() > MAX_WORDS {
                return Err(RecordingError::ManyWords {
                    file: self.file.clone(),
                    column: column.column.clone(),
                    words: words.len(),
                    most: MAX_WORDS,
                });
            }
            let rows = states.rows();
            let codes: Vec<f64> = states.column_values(position, 0..rows).collect();
            states.remove(&[position]);
            let shown = if words.len() == 2 {
                &words[1..]
            } else {
                &words[..]
            };
            for (word, code) in shown {
                let is: Vec<f64> = codes
                    .iter()
                    .map(|c| f64::from(u8::from(c == code)))
                    .collect();
                states.append(&format!("{}={word}", column.column), &is);
            }
            let words: Vec<String> = words.iter().map(|(word, _)| (*word).clone()).collect();
            roles
                .notes
                .push(format!("{} takes {}", column.column, words.join(", ")));
            found.push((column.column.clone(), words));
        }
        let names = &self.blocks[Block::State as usize].names;
        let mut end = names.len();
        let mut levels: Vec<WordLevels> = Vec::new();
        // Each was added behind the others.
        for (column, words) in found.into_iter().rev() {
            let count = if words.len() == 2 { 1 } else { words.len() };
            levels.insert(
                0,
                WordLevels {
                    column,
                    words,
                    states: end - count..end,
                },
            );
            end -= count;
        }
        Ok(levels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{Duplicates, MissingPolicy, Recording, RoleSelection, read};

    fn of(name: &str, text: &str, levels: &[&str]) -> Result<Recording, RecordingError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let selection = RoleSelection {
            levels: levels.iter().map(ToString::to_string).collect(),
            ..RoleSelection::default()
        };
        Ok(read(&path, &selection, MissingPolicy::Hold)?.0)
    }

    #[test]
    fn words_of_any_format_are_states() {
        let csv = "x,mode,lamp\n1,b,on\n2,a,off\n4,,on\n3,c,on\n";
        let json = r#"[{"x":1,"mode":"b","lamp":"on"},{"x":2,"mode":"a","lamp":"off"},
            {"x":4,"mode":null,"lamp":"on"},{"x":3,"mode":"c","lamp":"on"}]"#;
        for (name, text) in [("x.csv", csv), ("x.json", json)] {
            let found = of(name, text, &["mode", "l*"]).unwrap();
            assert_eq!(
                found.state_names(),
                ["x", "mode=a", "mode=b", "mode=c", "lamp=on"]
            );
            // The missing word is that of the row before.
            let expected = ndarray::array![
                [1.0, 0.0, 1.0, 0.0, 1.0],
                [2.0, 1.0, 0.0, 0.0, 0.0],
                [4.0, 1.0, 0.0, 0.0, 1.0],
                [3.0, 0.0, 0.0, 1.0, 1.0],
            ];
            assert_eq!(found.episodes()[0].states(), expected, "{name}");
            let states = found.word_levels().iter().map(|of| of.states.clone());
            assert_eq!(states.collect::<Vec<_>>(), [1..4, 4..5]);
        }
    }

    #[test]
    fn words_have_no_mean() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, "x,mode\n1,a\n2,b\n").unwrap();
        let selection = RoleSelection {
            levels: vec!["mode".to_owned()],
            duplicates: Duplicates::Mean,
            ..RoleSelection::default()
        };
        let error = read(&path, &selection, MissingPolicy::Error).unwrap_err();
        assert!(error.to_string().contains("words have no mean"), "{error}");
    }

    #[test]
    fn probabilities_sum_to_one() {
        let levels = |words: usize| WordLevels {
            column: "mode".to_owned(),
            words: (0..words).map(|word| word.to_string()).collect(),
            states: 0..words,
        };
        assert_eq!(levels(2).probabilities(&[0.25]), [0.75, 0.25]);
        assert_eq!(
            levels(3).probabilities(&[0.5, 0.75, 0.75]),
            [0.25, 0.375, 0.375]
        );
        assert_eq!(levels(4).probabilities(&[0.0; 4]), [0.25; 4]);
        assert_eq!(levels(1).probabilities(&[1.0]), [1.0]);
    }
}
