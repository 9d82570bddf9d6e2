//! Missing states that a model fills.

use std::ops::Range;

use ndarray::Array2;

use super::cells::{Block, Cells};
use super::table::Table;
use super::{RecordingError, Roles};
use crate::impute::{Hole, Imputation, ImputeError, IncompleteRun, impute};

/// Seed of the choice of known values that forms of model are tried on.
const SEED: u64 = 0;

/// Columns that are named one by one.
const FEW_NAMES: usize = 6;

impl Table {
    /// Fills missing states with their medians, and says how many; nothing if none is missing. The last `held_out` rows
    /// of each episode are not looked at, but for gaps, which are refused.
    pub(super) fn fill_gaps(
        &mut self,
        episodes: &[(String, Range<usize>)],
        held_out: usize,
        roles: &mut Roles,
    ) -> Result<Option<Imputation>, RecordingError> {
        let states = &self.blocks[Block::State as usize];
        if states.first_gap().is_none() {
            return Ok(None);
        }
        let width = states.names.len();
        let known =
            |rows: &Range<usize>| rows.start..rows.end.saturating_sub(held_out).max(rows.start);
        for (_, rows) in episodes {
            let late = known(rows).end..rows.end;
            if let Some(gap) = first_gap(states, late) {
                return Err(self.missing_at((self.row_in_file[gap.0], gap.1, "NaN or missing")));
            }
        }
        let runs = episodes
            .iter()
            .map(|(_, rows)| self.incomplete(known(rows)));
        let runs: Vec<IncompleteRun> = runs.collect();
        let imputation = impute(&runs, SEED).map_err(|fault| self.fault(fault, episodes))?;
        roles.filled = imputation.holes().len();
        let names = &states.names;
        roles.notes.push(filled(&imputation, names));
        roles.warnings.extend(at_ends(&imputation, &runs, names));
        let medians = imputation.medians();
        // Counts and switches take no value between their levels.
        let is_whole = |channel: usize| {
            let mut known = states.values.iter().skip(channel).step_by(width);
            known.all(|x| !x.is_finite() || x.fract() == 0.0)
        };
        let whole: Vec<bool> = (0..width).map(is_whole).collect();
        let cells = &mut self.blocks[Block::State as usize];
        for (hole, median) in imputation.holes().iter().zip(medians) {
            let row = episodes[hole.run].1.start + hole.row;
            cells.values[row * width + hole.channel] = match whole[hole.channel] {
                true => median.round(),
                false => median,
            };
        }
        Ok(Some(imputation))
    }

    fn incomplete(&self, rows: Range<usize>) -> IncompleteRun {
        let part = |block: Block| {
            let cells = &self.blocks[block as usize];
            let width = cells.names.len();
            let values = cells.values.get(rows.start * width..rows.end * width);
            let values = values.unwrap_or_default().to_vec();
            Array2::from_shape_vec((rows.len(), width), values)
                .expect("every block with columns was checked to have all rows")
        };
        IncompleteRun {
            values: part(Block::State),
            actions: part(Block::Action),
        }
    }

    fn fault(&self, fault: ImputeError, episodes: &[(String, Range<usize>)]) -> RecordingError {
        let column = |channel: usize| self.blocks[Block::State as usize].names[channel].clone();
        let file = self.file.clone();
        match fault {
            ImputeError::Empty { channel } => RecordingError::NothingToFill {
                file,
                column: column(channel),
            },
            ImputeError::LongGap {
                run,
                channel,
                row,
                gap,
                rows,
            } => RecordingError::LongGap {
                file,
                column: column(channel),
                episode: episodes[run].0.clone(),
                row: self.row_in_file[episodes[run].1.start + row] + 1,
                gap,
                rows,
            },
            ImputeError::TooMany { unknown } => RecordingError::TooManyGaps { file, unknown },
            ImputeError::Invalid { run, reason } => RecordingError::Invalid {
                name: format!("episode {}", episodes[run].0),
                reason: reason.to_owned(),
            },
        }
    }
}

/// The first gap in some rows, and its column.
fn first_gap(cells: &Cells, rows: Range<usize>) -> Option<(usize, String)> {
    let width = cells.names.len();
    let values = &cells.values[rows.start * width..rows.end * width];
    let at = values.iter().position(|x| !x.is_finite())?;
    Some((rows.start + at / width, cells.names[at % width].clone()))
}

/// How many values of which columns were filled, and the longest gap.
fn filled(imputation: &Imputation, names: &[String]) -> String {
    let mut counts = vec![0; names.len()];
    let mut longest = (0, 0);
    let mut open: Vec<Option<(Hole, usize)>> = vec![None; names.len()];
    for &hole in imputation.holes() {
        counts[hole.channel] += 1;
        let gap = match open[hole.channel] {
            Some((last, gap)) if last.run == hole.run && last.row + 1 == hole.row => gap + 1,
            _ => 1,
        };
        open[hole.channel] = Some((hole, gap));
        if gap > longest.0 {
            longest = (gap, hole.channel);
        }
    }
    let of = |(count, name): (&usize, &String)| (*count > 0).then(|| format!("{count} of {name}"));
    let columns: Vec<String> = counts.iter().zip(names).filter_map(of).collect();
    let total: usize = counts.iter().sum();
    let shown = columns
        .iter()
        .take(FEW_NAMES)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    let more = match columns.len() > FEW_NAMES {
        true => format!(" and of {} more columns", columns.len() - FEW_NAMES),
        false => String::new(),
    };
    let (gap, channel) = longest;
    let values = if total == 1 { "value" } else { "values" };
    let rows = if gap == 1 { "row" } else { "rows" };
    format!(
        "{total} missing {values} filled from both sides by a model of the recording: {shown}{more}; the longest gap is {gap} {rows} of {}",
        names[channel]
    )
}

/// Warns of values at the ends of episodes, which have known ones on one side only.
fn at_ends(imputation: &Imputation, runs: &[IncompleteRun], names: &[String]) -> Option<String> {
    let last = |hole: &&Hole| hole.row + 1 == runs[hole.run].values.nrows();
    let mut holes = imputation.holes().iter().filter(last);
    let first = holes.next()?;
    let more = match holes.count() {
        0 => String::new(),
        more => format!(" and of {more} more columns or episodes"),
    };
    Some(format!(
        "the last rows of {}{more} are missing: what fills them is a forecast",
        names[first.channel]
    ))
}
