//! Clocks that skip steps, or go on by steps that vary.

use std::ops::Range;

use super::Roles;
use super::cells::Cells;
use super::instants::Instant;
use super::readings::Times;
use super::settle::amount;
use super::summer_time::went_forward;
use super::table::Table;
use super::times::TimeAxis;

/// Most rows of a recording in which skipped ones are put in, in those of its file.
const MOST: usize = 4;

/// Values of the clock that it skipped before a row.
struct Skip {
    before: usize,
    values: Vec<f64>,
}

impl Times {
    /// Those of some rows, in their order.
    pub(super) fn of_rows(mut self, rows: &[usize]) -> Self {
        self.values = rows.iter().map(|&row| self.values[row]).collect();
        if !self.instants.is_empty() {
            self.instants = rows.iter().map(|&row| self.instants[row]).collect();
        }
        self
    }
}

impl Table {
    /// Puts rows without values in where a regular clock skipped steps, and says so. Gaps of more rows than their episode
    /// has, those of the last `held_out` rows and those before them stay one step, and so do all where the recording would
    /// have more than four times its rows. `times` are those of the table's rows.
    pub(super) fn put_in_skipped(
        &mut self,
        episodes: &mut [(String, Range<usize>)],
        (column, times): (&str, &mut Times),
        held_out: usize,
        roles: &mut Roles,
    ) {
        let rows = times.values.len();
        let (mut skips, mut left) = (Vec::new(), Vec::new());
        for (_, range) in episodes.iter() {
            let axis = TimeAxis::new(times.values[range.clone()].to_vec(), times.scale);
            let known = range.len().saturating_sub(held_out);
            for row in axis.breaks() {
                let before = range.start + row;
                let values = axis.skipped(row, known);
                let gap = times.values[before] - times.values[before - 1];
                let step = gap / (values.len() + 1) as f64;
                if went_forward(times, before, step, gap) {
                    continue;
                }
                match row < known && values.len() <= known {
                    true => skips.push(Skip { before, values }),
                    false => left.push(before),
                }
            }
        }
        let all = |skips: &[Skip]| skips.iter().map(|skip| skip.values.len()).sum::<usize>();
        if all(&skips) > (MOST - 1) * rows {
            left.extend(skips.drain(..).map(|skip| skip.before));
        }
        skips.retain(|skip| !skip.values.is_empty());
        let in_file = |row: &usize| self.row_in_file[*row] + 1;
        if let Some(first) = left.iter().map(in_file).min() {
            roles.warnings.push(format!(
                "{column} skips steps before {} that no rows are put in for, the first of them row {first}; each of \
                 these gaps is read as one step",
                counted(left.len(), "row")
            ));
        }
        let Some(longest) = skips.iter().max_by_key(|skip| skip.values.len()) else {
            return;
        };
        roles.notes.push(format!(
            "{} put in where {column} skips steps ({}, the longest of {} before row {})",
            counted(all(&skips), "row"),
            counted(skips.len(), "gap"),
            counted(longest.values.len(), "row"),
            in_file(&longest.before)
        ));
        self.insert(&skips, episodes, times);
    }

    fn insert(
        &mut self,
        skips: &[Skip],
        episodes: &mut [(String, Range<usize>)],
        times: &mut Times,
    ) {
        let (mut put_in, mut later) = (0, skips);
        for (_, rows) in episodes {
            rows.start += put_in;
            while let Some((skip, rest)) = later.split_first()
                && skip.before < rows.end
            {
                put_in += skip.values.len();
                later = rest;
            }
            rows.end += put_in;
        }
        for cells in &mut self.blocks {
            cells.insert(skips);
        }
        let instant = |value: f64| {
            let date = times.scale.date(value)?;
            Instant::new(date.year, date.month, date.day, date.nanos)
        };
        let (mut values, mut instants, mut order) = (Vec::new(), Vec::new(), Vec::new());
        let mut skips = skips.iter().peekable();
        for row in 0..times.values.len() {
            if let Some(skip) = skips.next_if(|skip| skip.before == row) {
                for &value in &skip.values {
                    values.push(value);
                    let at = instant(value).or(instants.last().copied());
                    instants.extend(at);
                    order.extend(order.last().copied());
                }
            }
            values.push(times.values[row]);
            instants.extend(times.instants.get(row));
            order.push(self.row_in_file[row]);
        }
        times.values = values;
        times.instants = instants;
        self.row_in_file = order;
    }
}

/// Warns of clocks whose steps vary, of which the one that varies most is said.
pub(super) fn say_varying<'a>(
    axes: impl Iterator<Item = &'a TimeAxis>,
    (column, unit): (&str, &str),
    roles: &mut Roles,
) {
    let varying = axes.filter_map(|axis| Some((axis.variation()?, axis.varying_step()?)));
    let mut varying: Vec<(f64, f64)> = varying.collect();
    varying.sort_by(|a, b| b.0.total_cmp(&a.0));
    let Some(&(share, step)) = varying.first() else {
        return;
    };
    let of = match varying.len() {
        1 => String::new(),
        episodes => format!(" in {episodes} episodes"),
    };
    roles.warnings.push(format!(
        "the steps of {column} vary{of}: a quarter of them differ from the median, {}, by more than {:.0} %",
        amount(step, unit),
        100.0 * share
    ));
}

impl Cells {
    /// Puts rows of missing values in.
    fn insert(&mut self, skips: &[Skip]) {
        let width = self.names.len();
        let mut values = Vec::with_capacity(self.values.len());
        let mut from = 0;
        for skip in skips {
            let to = (skip.before * width).min(self.values.len());
            values.extend_from_slice(&self.values[from..to]);
            values.resize(values.len() + skip.values.len() * width, f64::NAN);
            from = to;
        }
        values.extend_from_slice(&self.values[from..]);
        self.values = values;
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}
