//! Symmetric matrices whose rows begin late: what couples unknown values that are close in time.

/// A symmetric matrix, of which row `i` holds the columns from its first one that is not zero up to `i`.
#[derive(Debug, Clone)]
pub(super) struct Skyline {
    first: Vec<usize>,
    /// Where each row begins in `values`; one more for the end.
    start: Vec<usize>,
    values: Vec<f64>,
}

/// The share of a diagonal value that its pivot keeps at least: less is lost to rounding.
const MIN_PIVOT: f64 = 1e-13;

impl Skyline {
    /// A matrix of zeros, with the first column of each row, which is at most the row itself.
    pub(super) fn zeros(first: Vec<usize>) -> Self {
        let mut start = vec![0; first.len() + 1];
        for (row, &column) in first.iter().enumerate() {
            start[row + 1] = start[row] + row + 1 - column;
        }
        let values = vec![0.0; start[first.len()]];
        Self {
            first,
            start,
            values,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.first.len()
    }

    fn place(&self, row: usize, column: usize) -> usize {
        self.start[row] + column - self.first[row]
    }

    fn row(&self, row: usize, columns: std::ops::Range<usize>) -> &[f64] {
        &self.values
            [self.place(row, columns.start)..self.start[row] + columns.end - self.first[row]]
    }

    /// A value on or below the diagonal; 0 outside of its row.
    pub(super) fn value(&self, row: usize, column: usize) -> f64 {
        match column < self.first[row] {
            true => 0.0,
            false => self.get(row, column),
        }
    }

    /// A value on or below the diagonal, within its row.
    fn get(&self, row: usize, column: usize) -> f64 {
        self.values[self.place(row, column)]
    }

    /// Adds to a value on or below the diagonal, within its row.
    pub(super) fn add(&mut self, row: usize, column: usize, value: f64) {
        let place = self.place(row, column);
        self.values[place] += value;
    }

    /// The lower triangle `L` of `L Lᵀ`. Pivots that rounding has eaten are raised.
    pub(super) fn factor(mut self) -> Self {
        for row in 0..self.len() {
            let diagonal = self.get(row, row);
            for column in self.first[row]..row {
                let from = self.first[row].max(self.first[column]);
                let both = dot(self.row(row, from..column), self.row(column, from..column));
                let place = self.place(row, column);
                self.values[place] = (self.values[place] - both) / self.get(column, column);
            }
            let own = self.row(row, self.first[row]..row);
            let pivot = (diagonal - dot(own, own)).max(MIN_PIVOT * diagonal);
            let place = self.place(row, row);
            self.values[place] = pivot.max(f64::MIN_POSITIVE).sqrt();
        }
        self
    }

    /// Solves `L y = b` in place.
    fn solve_lower(&self, b: &mut [f64]) {
        for row in 0..self.len() {
            let first = self.first[row];
            let sum = dot(self.row(row, first..row), &b[first..row]);
            b[row] = (b[row] - sum) / self.get(row, row);
        }
    }

    /// Solves `Lᵀ x = y` in place: of independent standard normals, draws whose precision is `L Lᵀ`.
    pub(super) fn solve_upper(&self, y: &mut [f64]) {
        for row in (0..self.len()).rev() {
            let first = self.first[row];
            y[row] /= self.get(row, row);
            let x = y[row];
            for (y, l) in y[first..row].iter_mut().zip(self.row(row, first..row)) {
                *y -= l * x;
            }
        }
    }

    /// Solves `L Lᵀ x = b` in place.
    pub(super) fn solve(&self, b: &mut [f64]) {
        self.solve_lower(b);
        self.solve_upper(b);
    }

    /// Of a lower triangle `L`, the values of the inverse of `L Lᵀ` where `L` has values (Takahashi's recursion).
    pub(super) fn selected_inverse(&self) -> Self {
        let mut inverse = Self {
            values: vec![0.0; self.values.len()],
            ..self.clone()
        };
        // For each column the last row that reaches it.
        let mut last: Vec<usize> = (0..self.len()).collect();
        for row in 0..self.len() {
            last[self.first[row]..row].fill(row);
        }
        let mut rows = Vec::new();
        for column in (0..self.len()).rev() {
            rows.clear();
            rows.extend((column + 1..=last[column]).filter(|&row| self.first[row] <= column));
            let factors: Vec<f64> = rows.iter().map(|&row| self.get(row, column)).collect();
            let pivot = self.get(column, column);
            let mut own = 1.0 / pivot;
            for (&row, factor) in rows.iter().zip(&factors) {
                let along = rows.iter().zip(&factors);
                let sum: f64 = along
                    .map(|(&other, f)| f * inverse.get(row.max(other), row.min(other)))
                    .sum();
                let place = inverse.place(row, column);
                inverse.values[place] = -sum / pivot;
                own += factor * sum / pivot;
            }
            let place = inverse.place(column, column);
            inverse.values[place] = own / pivot;
        }
        inverse
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use nalgebra::DMatrix;

    use super::*;

    #[test]
    fn factors_solve_and_invert_as_dense_matrices_do() {
        let first = vec![0, 0, 1, 1, 4, 3];
        let mut matrix = Skyline::zeros(first.clone());
        let mut dense = DMatrix::zeros(6, 6);
        for (row, &from) in first.iter().enumerate() {
            for column in from..=row {
                let value = match row == column {
                    true => 4.0 + row as f64,
                    false => ((3 * row + column) as f64).sin(),
                };
                matrix.add(row, column, value);
                dense[(row, column)] = value;
                dense[(column, row)] = value;
            }
        }
        let inverse = dense.try_inverse().unwrap();
        let factor = matrix.factor();
        let mut unit = vec![0.0, 0.0, 1.0, 0.0, 0.0, 0.0];
        factor.solve(&mut unit);
        for row in 0..6 {
            assert!((unit[row] - inverse[(row, 2)]).abs() < 1e-12);
        }
        let selected = factor.selected_inverse();
        for (row, &from) in first.iter().enumerate() {
            for column in from..=row {
                let off = selected.value(row, column) - inverse[(row, column)];
                assert!(off.abs() < 1e-12, "{row}, {column}: {off}");
            }
        }
    }
}
