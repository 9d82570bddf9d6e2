//! Columns of words that are read as states: levels such as `open` and `closed`.
//!
//! Words have no order, so that one number for each would be a poor channel: each word is a state of its own, which is 1 in the
//! rows that hold it and 0 elsewhere. Of two words one state says both.

use std::collections::HashMap;
use std::ops::Range;

use super::assignment::Assignment;
use super::cells::Block;
use super::dialect::is_missing;
use super::error::excerpt;
use super::source::Kind;
use super::table::{Slot, Table};
use super::{RecordingError, Roles};

/// Most words of a column.
const MAX_WORDS: usize = 20;

/// Most characters of a word, which is a part of the name of a state.
const MAX_CHARACTERS: usize = 60;

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
        let mut numbers = Vec::new();
        for pattern in &self.joined(patterns) {
            for index in self.matches(pattern, "level")? {
                let column = &self.columns[index];
                if taken.contains(&column.name) {
                    continue;
                }
                if column.kind != Kind::Text {
                    numbers.push(column.name.clone());
                    continue;
                }
                taken.push(column.name.clone());
                self.free_guessed(index);
                let position = self.roles.state.columns.len();
                let guessed = self.roles.state.guessed;
                self.take(index, Slot::Value(Block::State, position), guessed)?;
            }
        }
        if !numbers.is_empty() {
            let (names, holds) = (numbers.join(","), plural(&numbers, "holds", "hold"));
            self.roles.warnings.push(format!(
                "`levels={names}` has no effect: {} {holds} no words; numbers of few values are recognised by themselves",
                numbers.join(", ")
            ));
        }
        Ok(taken)
    }

    /// Takes back a role that was guessed: what a user chooses comes first.
    fn free_guessed(&mut self, index: usize) {
        let name = &self.columns[index].name;
        let role = match self.slots[index] {
            Some(Slot::Label(_)) => &self.roles.episode,
            Some(Slot::Time(_) | Slot::Part(_)) => &self.roles.time,
            _ => return,
        };
        // Guesses of labels and times are not listed before rows are read.
        if !role.columns.contains(name) {
            self.slots[index] = None;
        }
    }
}

fn plural<'w, T>(all: &[T], one: &'w str, many: &'w str) -> &'w str {
    if all.len() == 1 { one } else { many }
}

impl Table {
    /// Says which columns are words, once the positions of states are known.
    pub(super) fn expect_words(&mut self, columns: &[String]) {
        self.word_columns = columns.iter().map(|name| WordColumn::new(name)).collect();
        self.words_of_states = self.words_by_state();
    }

    /// For each state the position of its column of words, if it is one.
    fn words_by_state(&self) -> Vec<Option<usize>> {
        let names = self.blocks[Block::State as usize].names.iter();
        let of = |name: &String| self.word_columns.iter().position(|c| c.column == *name);
        names.map(of).collect()
    }

    /// Whether a column of a block is one of words, while the file is read.
    pub(super) fn is_of_words(&self, block: Block, position: usize) -> bool {
        let words = self.words_of_states.get(position);
        block == Block::State && words.is_some_and(Option::is_some)
    }

    /// Whether each state is a column of words, whose numbers are no quantities.
    pub(super) fn states_of_words(&self) -> Vec<bool> {
        self.words_by_state().iter().map(Option::is_some).collect()
    }

    /// The number that stands for a word of such a column; none for a missing one.
    pub(super) fn code(
        &mut self,
        position: usize,
        row: usize,
        text: &str,
    ) -> Result<Option<f64>, RecordingError> {
        let word = text.trim();
        let place = self.words_of_states.get(position).copied().flatten();
        let Some(place) = place.filter(|_| !is_missing(word)) else {
            return Ok(None);
        };
        if word.chars().nth(MAX_CHARACTERS).is_some() {
            return Err(RecordingError::LongWord {
                file: self.file.clone(),
                row: row + 1,
                column: self.word_columns[place].column.clone(),
                text: excerpt(word),
                most: MAX_CHARACTERS,
            });
        }
        Ok(Some(self.word_columns[place].code(word)))
    }

    /// Repeats the word before every missing one of an episode, and says how many there are.
    pub(super) fn hold_words(
        &mut self,
        episodes: &[(String, Range<usize>)],
        roles: &mut Roles,
    ) -> Result<(), RecordingError> {
        for (column, is_words) in self.states_of_words().into_iter().enumerate() {
            if !is_words {
                continue;
            }
            let held = self.hold_columns(Block::State, column..column + 1, episodes)?;
            let name = &self.blocks[Block::State as usize].names[column];
            let (words, verb) = if held == 1 {
                ("word", "repeats")
            } else {
                ("words", "repeat")
            };
            if held > 0 {
                roles.notes.push(format!(
                    "{held} missing {words} of {name} {verb} the word before: words have no median"
                ));
            }
            roles.held += held;
            roles.held_words += held;
        }
        Ok(())
    }

    /// States of 0 and 1 in place of columns of words, of final states too.
    pub(super) fn spread_words(
        &mut self,
        final_states: &mut [Option<Vec<f64>>],
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
            let is = |code: f64, word: f64| f64::from(u8::from(code == word));
            for &(word, code) in shown {
                let values: Vec<f64> = codes.iter().map(|&c| is(c, code)).collect();
                states.append(&format!("{}={word}", column.column), &values);
            }
            for last in final_states.iter_mut() {
                // Of a state without its word not all is known.
                *last = last
                    .take()
                    .filter(|state| state.get(position).is_some_and(|code| code.is_finite()));
                if let Some(state) = last {
                    let of = state.remove(position);
                    state.extend(shown.iter().map(|&(_, code)| is(of, code)));
                }
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

    /// As numbers, days of the week would be a part of the calendar, and left out.
    ///
    /// Fault: a column that is called like a time could not be chosen as one of levels.
    #[test]
    fn words_that_take_turns_are_no_counter() {
        let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let rows = (0..56).map(|row| format!("{},{}\n", row * row % 13, days[row % 7]));
        let text = "x,day\n".to_owned() + &rows.collect::<String>();
        let found = of("x.csv", &text, &["day"]).unwrap();
        assert_eq!(found.state_names().len(), 8);
        let error = read_as("day,x\nmon,1\n", &["day"], |s| {
            s.time = Some("day".to_owned())
        });
        let error = error.unwrap_err().to_string();
        assert!(error.contains("chosen as time and as state"), "{error}");
    }

    /// Reads a CSV as a selection with levels says, states filled by a model.
    fn read_as(
        text: &str,
        levels: &[&str],
        also: impl FnOnce(&mut RoleSelection),
    ) -> Result<(Recording, Roles), RecordingError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, text).unwrap();
        let mut selection = RoleSelection {
            levels: levels.iter().map(ToString::to_string).collect(),
            ..RoleSelection::default()
        };
        also(&mut selection);
        read(&path, &selection, MissingPolicy::Model { held_out: 0 })
    }

    /// Fault: with levels nothing was filled by a model, without a word of it, and missing words were not mentioned.
    #[test]
    fn missing_words_are_held_and_said_so_while_numbers_are_filled() {
        let cell = |row: usize| match row {
            30 => ",".to_owned(),
            40 => format!("{},", (0.2 * row as f64).sin()),
            _ => format!("{},{}", (0.2 * row as f64).sin(), ["a", "b"][row / 7 % 2]),
        };
        let rows: Vec<String> = (0..80).map(cell).collect();
        let text = format!("x,mode\n{}\n", rows.join("\n"));
        let (recording, roles) = read_as(&text, &["mode"], |_| ()).unwrap();
        let states = recording.episodes()[0].states();
        assert!(
            (states[[30, 0]] - 6f64.sin()).abs() < 0.05,
            "{}",
            states[[30, 0]]
        );
        assert_eq!((states[[30, 1]], states[[40, 1]]), (0.0, 1.0));
        assert_eq!((roles.filled, roles.held, roles.held_words), (1, 2, 2));
        let said = roles.notes.join("; ");
        assert!(
            said.contains("2 missing words of mode repeat the word before"),
            "{said}"
        );
    }

    /// Fault: final states of episodes were dropped with levels.
    #[test]
    fn final_states_have_their_words() {
        let text = "obs_x,act_u,obs_mode,obs_y\n1,0.1,b,4\n2,0.2,a,5\n3,0.3,c,6\n4,,c,7\n";
        let (recording, _) = read_as(text, &["obs_mode"], |s| {
            s.state = vec!["obs_x".to_owned(), "obs_y".to_owned()];
        })
        .unwrap();
        let episode = &recording.episodes()[0];
        assert_eq!(episode.rows(), 3);
        let last = episode.final_state().unwrap();
        assert_eq!(last.to_vec(), [4.0, 7.0, 0.0, 0.0, 1.0]);
    }

    /// Fault: numbers that stand for missing values hit those that stood for words.
    #[test]
    fn a_missing_value_is_none_of_the_numbers_of_words() {
        let text = "x,mode\n4,a\n5,b\n7,c\n6,d\n8,a\n5,c\n";
        let (recording, roles) =
            read_as(text, &["mode"], |s| s.missing_values = vec![0.0, 1.0, 9.0]).unwrap();
        assert_eq!((roles.held, roles.filled), (0, 0));
        assert_eq!(
            recording.episodes()[0].states().row(1).to_vec(),
            [5.0, 0.0, 1.0, 0.0, 0.0]
        );
        assert_eq!(roles.warnings.len(), 3, "{:?}", roles.warnings);
    }

    /// Fault: columns of numbers that were named as levels were passed over.
    #[test]
    fn levels_of_numbers_are_warned_of() {
        let (_, roles) = read_as(
            "x,gear,mode\n1,1,a\n2,2,b\n4,1,a\n",
            &["gear", "mode"],
            |_| (),
        )
        .unwrap();
        let said = roles.warnings.join("; ");
        assert!(
            said.contains("`levels=gear` has no effect: gear holds no words"),
            "{said}"
        );
    }

    /// Fault: names of states were as long as any word.
    #[test]
    fn a_word_too_long_for_a_name_is_refused() {
        let long = "x".repeat(MAX_CHARACTERS + 1);
        let text = format!("x,mode\n1,{}\n2,{long}\n", &long[1..]);
        let error = read_as(&text, &["mode"], |_| ()).unwrap_err().to_string();
        assert!(error.contains("row 2, column mode holds \"xxx"), "{error}");
        assert!(error.len() < 250, "{error}");
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
