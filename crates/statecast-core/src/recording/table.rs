//! The used columns of a file, as they are filled.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::RecordingError;
use super::bounds::Bounds;
use super::cells::{Block, Cells};
use super::clock::Clock;
use super::combined::PartColumn;
use super::episode::LARGEST;
use super::folder::FilePart;
use super::instants::First;
use super::labels::{Claim, Labels};
use super::readings::Times;
use super::rounded::Rounded;
use super::source::{Column, Kind};
use super::time_names::Part;
use super::word_levels::WordColumn;
use super::written::Written;

/// Values whose memory a date or a label takes.
const COSTLY: usize = 8;

/// What to do with a used cell that is empty, NaN or infinite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MissingPolicy {
    /// Refuse the file and name the cell.
    #[default]
    Error,
    /// Repeat the last value of the column in the same episode; an episode that starts with such a
    /// cell is refused. A missing flag is not set.
    Hold,
    /// Fill states with the medians of their densities given all other values of the recording
    /// ([`impute`](crate::impute)), before and after; hold actions and rewards.
    Model {
        /// The last rows of every episode, of which no filled value may know; a missing cell in them is refused.
        held_out: usize,
    },
}

/// What to do with rows of one time in one episode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// Refuse the file and name two of them.
    #[default]
    Error,
    /// Keep the one that was written last.
    Last,
    /// Take the mean of their values; a flag is set if one of them sets it.
    Mean,
}

/// The first rank of a time whose name says nothing.
pub(super) const COUNTER: usize = 3;

/// Where the values of a column go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// A column of a block, by position.
    Value(Block, usize),
    /// What may tell episodes apart, by its claim.
    Label(Claim),
    /// What may be a part of the time beside others.
    Part(Part),
    /// What may be the time; those that are tried first have lower ranks.
    Time((usize, usize)),
    /// A label that is read as it is.
    Word,
}

impl Slot {
    pub(super) fn role(self) -> &'static str {
        match self {
            Self::Value(block, _) => block.name(),
            Self::Label(_) => "episode",
            Self::Time(_) | Self::Part(_) => "time",
            Self::Word => "label",
        }
    }
}

/// Takes the values of a file in any order of columns, then cuts them into episodes.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) file: PathBuf,
    pub(super) missing: MissingPolicy,
    pub(super) duplicates: Duplicates,
    pub(super) blocks: [Cells; 9],
    /// Columns that may tell episodes apart, in the order of the file.
    pub(super) labels: Vec<Labels>,
    /// Columns that may be the time, in the order in which they are tried.
    pub(super) clocks: Vec<Clock>,
    /// Columns that may be the time together, in the order of the file.
    pub(super) time_parts: Vec<PartColumn>,
    pub(super) words: Option<Labels>,
    /// Columns of words that are states.
    pub(super) word_columns: Vec<WordColumn>,
    /// For each state of the file its position among them, if it is one.
    pub(super) words_of_states: Vec<Option<usize>>,
    /// Names and rows of episodes that the file itself tells apart.
    pub(super) parts: Option<Vec<(String, usize)>>,
    /// The file that is read, if it is one of several.
    pub(super) part: Option<FilePart>,
    /// Whether flags end and start episodes within those parts.
    pub(super) flags_cut_parts: bool,
    /// Whether those parts may end with rows of nothing, which fill them up to one length.
    pub(super) may_be_padded: bool,
    /// The row with which the rows of each part, or all, begin, where they are those of a full ring.
    pub(super) ring_start: Option<usize>,
    /// States after the last steps of episodes, by the rows of these.
    pub(super) final_states: BTreeMap<usize, Vec<f64>>,
    /// Line and kind of cells that are missing where a final state may have none, by their rows.
    pub(super) gaps: BTreeMap<usize, (u64, &'static str)>,
    /// Rows that a flag says are padding, in their order.
    pub(super) padding_rows: Vec<usize>,
    /// Quantities whose last digits are lost.
    pub(super) rounded: Vec<Rounded>,
    /// Numbers that are written in other ways than others of their column.
    pub(super) written: Vec<Written>,
    /// Columns of the file that are times in nanoseconds.
    pub(super) of_nanos: HashSet<usize>,
    /// Numbers that stand for missing values.
    pub(super) missing_values: Vec<f64>,
    /// Labels of the episodes that are wanted; all if there is none.
    pub(super) wanted_episodes: Vec<String>,
    /// The most states that the caller can use.
    pub(super) most_states: Option<usize>,
    /// Whether the states after the steps are wanted, not only what they tell of episodes.
    pub(super) wants_successors: bool,
    /// How much may be read of the file.
    pub(super) bounds: Option<Bounds>,
    /// Whether the states are guessed from columns without a known name.
    pub(super) open_states: bool,
    /// Whether the table is nothing without states.
    pub(super) needs_states: bool,
    /// Whether the user chose the time.
    pub(super) time_is_chosen: bool,
    /// What is written first in dates that can be read in several ways, if it is known.
    pub(super) date_order: Option<First>,
    /// Whether the column of log probabilities is called like one of probabilities.
    pub(super) of_probabilities: bool,
    /// Whether the rows are a log, whose later rows replace earlier ones.
    pub(super) is_log: bool,
    /// The largest size of a value.
    pub(super) largest: f64,
    /// The columns of the file, for messages.
    pub(super) column_names: String,
    /// Names of guessed states that turned out to be counters.
    pub(super) counters: Vec<String>,
    /// Names of guessed states that turned out to be identifiers.
    pub(super) identifiers: Vec<String>,
    /// The chosen time and its column, once the rows are in order.
    pub(super) times: Option<(String, Times)>,
    /// The row of the file after each row, once they are in order.
    pub(super) row_in_file: Vec<usize>,
    /// Positions among `labels` and `clocks`, by the column of the file.
    places: Vec<usize>,
}

impl Table {
    /// An empty table for the columns that have a slot.
    pub(super) fn new(
        file: &Path,
        missing: MissingPolicy,
        columns: &[Column],
        slots: &[Option<Slot>],
    ) -> Self {
        let mut blocks: [Cells; 9] = Default::default();
        let mut labels = Vec::new();
        let mut clocks = Vec::new();
        let mut time_parts = Vec::new();
        let mut words = None;
        let mut places = vec![0; columns.len()];
        for (index, (column, slot)) in columns.iter().zip(slots).enumerate() {
            let numeric = column.kind == Kind::Number;
            match *slot {
                Some(Slot::Value(block, position)) => {
                    let names = &mut blocks[block as usize].names;
                    names.resize(names.len().max(position + 1), String::new());
                    names[position].clone_from(&column.name);
                }
                Some(Slot::Label(claim)) => {
                    places[index] = labels.len();
                    labels.push(Labels::new(&column.name, claim, numeric));
                }
                Some(Slot::Part(part)) => {
                    places[index] = time_parts.len();
                    time_parts.push(PartColumn::new(&column.name, part));
                }
                Some(Slot::Time(rank)) => clocks.push((rank, index)),
                Some(Slot::Word) => words = Some(Labels::new(&column.name, Claim::Chosen, numeric)),
                None => {}
            }
        }
        clocks.sort_unstable();
        for (place, (_, index)) in clocks.iter().enumerate() {
            places[*index] = place;
        }
        let clock = |&(rank, index): &((usize, usize), usize)| {
            let mut clock = Clock::new(&columns[index].name);
            clock.is_unknown = rank.0 == COUNTER;
            clock
        };
        Self {
            file: file.to_owned(),
            missing,
            duplicates: Duplicates::default(),
            blocks,
            labels,
            clocks: clocks.iter().map(clock).collect(),
            time_parts,
            words,
            word_columns: Vec::new(),
            words_of_states: Vec::new(),
            parts: None,
            part: None,
            flags_cut_parts: false,
            may_be_padded: false,
            ring_start: None,
            final_states: BTreeMap::new(),
            gaps: BTreeMap::new(),
            padding_rows: Vec::new(),
            rounded: Vec::new(),
            written: Vec::new(),
            of_nanos: HashSet::new(),
            missing_values: Vec::new(),
            wanted_episodes: Vec::new(),
            most_states: None,
            wants_successors: false,
            bounds: None,
            open_states: false,
            needs_states: false,
            time_is_chosen: false,
            date_order: None,
            of_probabilities: false,
            is_log: false,
            largest: LARGEST,
            column_names: super::assignment::names(columns),
            counters: Vec::new(),
            identifiers: Vec::new(),
            times: None,
            row_in_file: Vec::new(),
            places,
        }
    }

    /// Whether a missing cell refuses the file, so that a reader which knows its line can say so.
    pub(super) fn refuses_missing(&self) -> bool {
        self.missing == MissingPolicy::Error
    }

    /// Without an episode column, rows are those of some episodes, one after the other.
    pub(super) fn cut_at(&mut self, episodes: Vec<(String, usize)>) {
        self.parts = Some(episodes);
    }

    /// Notes a cell that is missing in a line of the file, and may be so if its row is a final state.
    pub(super) fn remember_gap(&mut self, row: usize, line: u64, what: &'static str) {
        let row = self.row_of_file(row);
        self.gaps.entry(row).or_insert((line, what));
    }

    /// Refuses more rows than may be unpacked of the file.
    pub(super) fn make_room(&self, rows: usize) -> Result<(), RecordingError> {
        let columns = self
            .blocks
            .iter()
            .map(|cells| cells.names.len())
            .sum::<usize>();
        let columns = columns + COSTLY * (self.labels.len() + self.clocks.len());
        let rows = self.row_of_file(rows);
        match self.bounds {
            Some(bounds) => {
                bounds.check_values(&self.file, (rows as u64).saturating_mul(columns as u64))
            }
            None => Ok(()),
        }
    }

    /// Sets one value; `row` counts from 0, and rows come without gaps. NaN stands for missing.
    pub(super) fn set(&mut self, block: Block, position: usize, row: usize, value: f64) {
        let row = self.row_of_file(row);
        self.blocks[block as usize].set(row, position, value);
    }

    /// Says what label a row has in column `index` of the file; rows come in order. No text stands
    /// for missing.
    pub(super) fn label(&mut self, index: usize, slot: Slot, row: usize, text: &str) {
        let row = self.row_of_file(row);
        let names_episodes = matches!(slot, Slot::Label(Claim::Chosen | Claim::Named));
        // Files may number their episodes alike.
        let of_part = match &self.part {
            Some(part) if names_episodes && !text.is_empty() => {
                Some(format!("{}/{text}", part.name))
            }
            _ => None,
        };
        let text = of_part.as_deref().unwrap_or(text);
        match slot {
            Slot::Word => self
                .words
                .iter_mut()
                .for_each(|words| words.push(row, text)),
            _ => self.labels[self.places[index]].push(row, text),
        }
    }

    /// Says that a row has the label of the row before.
    pub(super) fn same_label(&mut self, index: usize, slot: Slot, row: usize) {
        let row = self.row_of_file(row);
        match slot {
            Slot::Word => self.words.iter_mut().for_each(|words| words.same(row)),
            _ => self.labels[self.places[index]].same(row),
        }
    }

    /// The clock in column `index` of the file; rows come in order.
    pub(super) fn clock(&mut self, index: usize) -> &mut Clock {
        &mut self.clocks[self.places[index]]
    }

    /// Takes a part of the time of the next row from column `index` of the file; NaN for nothing.
    pub(super) fn part(&mut self, index: usize, value: f64) {
        self.time_parts[self.places[index]].values.push(value);
    }

    pub(super) fn put_in_order(&mut self, order: Vec<usize>) {
        let in_order = order.iter().enumerate().all(|(at, &row)| at == row);
        if !in_order || order.len() < self.rows() {
            self.blocks
                .iter_mut()
                .for_each(|cells| cells.put_in_order(&order));
        }
        self.row_in_file = order;
    }

    pub(super) fn rows(&self) -> usize {
        let blocks = self.blocks.iter().map(Cells::rows);
        let labels = self.labels.iter().chain(&self.words).map(|l| l.rows);
        blocks.chain(labels).max().unwrap_or(0)
    }
}
