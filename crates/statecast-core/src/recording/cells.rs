//! Values of a few columns in memory.

use std::ops::Range;

use ndarray::{Array1, Array2};

/// Columns that belong together in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    State,
    Action,
    Reward,
    Terminated,
    Truncated,
    Restart,
    Successor,
    LogProbability,
    Padding,
}

impl Block {
    pub(super) const ALL: [Self; 9] = [
        Self::State,
        Self::Action,
        Self::Reward,
        Self::Terminated,
        Self::Truncated,
        Self::Restart,
        Self::Successor,
        Self::LogProbability,
        Self::Padding,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Action => "action",
            Self::Reward => "reward",
            Self::Terminated => "terminated flag",
            Self::Truncated => "truncated flag",
            Self::Restart => "restart flag",
            Self::Successor => "next state",
            Self::LogProbability => "log probability",
            Self::Padding => "padding flag",
        }
    }
}

/// Rows of a few columns, row-major. Cells that were never set are NaN.
#[derive(Debug, Default)]
pub(super) struct Cells {
    pub(super) names: Vec<String>,
    pub(super) values: Vec<f64>,
}

impl Cells {
    pub(super) fn rows(&self) -> usize {
        self.values.len().checked_div(self.names.len()).unwrap_or(0)
    }

    pub(super) fn set(&mut self, row: usize, column: usize, value: f64) {
        let width = self.names.len();
        let end = (row + 1) * width;
        if self.values.len() < end {
            self.values.resize(end, f64::NAN);
        }
        self.values[row * width + column] = value;
    }

    /// The values of a row, none if it is not there.
    pub(super) fn row(&self, row: usize) -> &[f64] {
        let width = self.names.len();
        self.values
            .get(row * width..(row + 1) * width)
            .unwrap_or_default()
    }

    /// Leaves out some rows, which ascend.
    pub(super) fn remove_rows(&mut self, rows: &[usize]) {
        let width = self.names.len();
        let mut index = 0;
        self.values.retain(|_| {
            index += 1;
            rows.binary_search(&((index - 1) / width)).is_err()
        });
    }

    /// The first row with a cell that is no finite number: row, column, what it is.
    pub(super) fn first_gap(&self) -> Option<(usize, usize, &'static str)> {
        let index = self.values.iter().position(|value| !value.is_finite())?;
        let width = self.names.len();
        Some((index / width, index % width, gap_name(self.values[index])))
    }

    /// Repeats the value before every gap of an episode in the columns asked for, and counts them.
    pub(super) fn hold(
        &mut self,
        rows: &Range<usize>,
        columns: Range<usize>,
    ) -> Result<usize, (usize, usize, &'static str)> {
        let width = self.names.len();
        let mut held = 0;
        for row in rows.clone() {
            for column in columns.clone() {
                let index = row * width + column;
                if self.values[index].is_finite() {
                    continue;
                }
                if row == rows.start {
                    return Err((row, column, gap_name(self.values[index])));
                }
                self.values[index] = self.values[index - width];
                held += 1;
            }
        }
        Ok(held)
    }

    /// Takes infinities as missing.
    pub(super) fn forget_infinite(&mut self) {
        let infinite = self.values.iter_mut().filter(|value| value.is_infinite());
        infinite.for_each(|value| *value = f64::NAN);
    }

    pub(super) fn is_set(&self, row: usize) -> bool {
        self.values
            .get(row)
            .is_some_and(|flag| flag.is_finite() && *flag != 0.0)
    }

    /// Whether the first column has a finite value in a row.
    pub(super) fn has(&self, row: usize) -> bool {
        let value = self.values.get(row * self.names.len());
        value.is_some_and(|value| value.is_finite())
    }

    /// The values of a column in some rows.
    pub(super) fn column_values(
        &self,
        column: usize,
        rows: Range<usize>,
    ) -> impl Iterator<Item = f64> + Clone {
        let width = self.names.len();
        rows.map(move |row| self.values[row * width + column])
    }

    /// Adds a column after the others.
    pub(super) fn append(&mut self, name: &str, values: &[f64]) {
        let width = self.names.len();
        let old = std::mem::take(&mut self.values);
        for (row, &value) in values.iter().enumerate() {
            let before = old.get(row * width..(row + 1) * width);
            self.values.extend(before.unwrap_or_default());
            self.values.push(value);
        }
        self.names.push(name.to_owned());
    }

    /// Leaves out some columns; their names.
    pub(super) fn remove(&mut self, columns: &[usize]) -> Vec<String> {
        let width = self.names.len();
        let mut leaves = vec![false; width];
        columns.iter().for_each(|&column| leaves[column] = true);
        let mut index = 0;
        self.values.retain(|_| {
            index += 1;
            !leaves[(index - 1) % width]
        });
        let names = std::mem::take(&mut self.names);
        let (out, kept): (Vec<_>, Vec<_>) = names
            .into_iter()
            .zip(leaves)
            .partition(|(_, leaves)| *leaves);
        self.names = kept.into_iter().map(|(name, _)| name).collect();
        out.into_iter().map(|(name, _)| name).collect()
    }

    /// Writes the mean of the finite values of some rows into the last of them.
    pub(super) fn average(&mut self, rows: &[usize]) {
        let width = self.names.len();
        let Some(&last) = rows.last() else { return };
        for column in 0..width {
            let all = rows.iter().map(|&row| self.values[row * width + column]);
            let finite: Vec<f64> = all.filter(|value| value.is_finite()).collect();
            let count = finite.len() as f64;
            let mean: f64 = finite.iter().map(|value| value / count).sum();
            self.values[last * width + column] = if count > 0.0 { mean } else { f64::NAN };
        }
    }

    /// Sets the flag of the last of some rows if one of them sets it.
    pub(super) fn unite(&mut self, rows: &[usize]) {
        let set = rows.iter().any(|&row| self.is_set(row));
        if let (true, Some(flag)) = (set, rows.last().and_then(|&r| self.values.get_mut(r))) {
            *flag = 1.0;
        }
    }

    pub(super) fn put_in_order(&mut self, order: &[usize]) {
        let width = self.names.len();
        let rows = order.iter().map(|row| &self.values[row * width..][..width]);
        self.values = rows.flatten().copied().collect();
    }

    /// A row, if there are columns and every value is finite.
    pub(super) fn finite_row(&self, row: usize) -> Option<Array1<f64>> {
        let width = self.names.len();
        let values = self.values.get(row * width..(row + 1) * width)?;
        let finite = width > 0 && values.iter().all(|value| value.is_finite());
        finite.then(|| Array1::from(values.to_vec()))
    }

    /// Rows of the only column, if there is one.
    pub(super) fn column(&self, rows: Range<usize>) -> Option<Array1<f64>> {
        let some = !self.names.is_empty();
        some.then(|| Array1::from(self.values[rows].to_vec()))
    }

    /// The values as `[rows, columns]`; `rows` counts where there are no columns.
    pub(super) fn into_array(mut self, rows: usize) -> Array2<f64> {
        self.values.shrink_to_fit();
        let width = self.names.len();
        Array2::from_shape_vec((rows, width), self.values)
            .expect("every block with columns was checked to have `rows` rows")
    }
}

fn gap_name(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN or missing"
    } else {
        "infinite"
    }
}
