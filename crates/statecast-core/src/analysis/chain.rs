//! Finite Markov chains.

use ndarray::{Array1, Array2, ArrayView1, Axis};

use super::AnalysisError;

/// Largest number of states: spectra take cubic time.
const MAX_STATES: usize = 1000;

/// Tolerance of a row's sum; rows are normalised.
const TOLERANCE: f64 = 1e-6;

/// A communicating class of states.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Class {
    /// States, ascending.
    pub states: Vec<usize>,
    /// Whether the class is closed.
    pub closed: bool,
    /// Period; 0 for a state that is never revisited.
    pub period: usize,
}

/// A Markov chain on the states `0..n`.
///
/// ```
/// use ndarray::array;
/// use statecast::analysis::Chain;
///
/// let chain = Chain::new(array![[0.9, 0.1], [0.3, 0.7]])?;
/// let distribution = chain.stationary().unwrap();
/// assert!((distribution[0] - 0.75).abs() < 1e-12);
/// assert!((chain.spectral_gap() - 0.4).abs() < 1e-12);
/// # Ok::<(), statecast::analysis::AnalysisError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    matrix: Array2<f64>,
}

impl Chain {
    /// Creates the chain of a transition matrix `[from, to]`.
    ///
    /// # Errors
    /// [`AnalysisError::Shape`] unless it is square with 1 to 1000 states, [`AnalysisError::Row`] for a row with
    /// entries that are negative or not finite, or whose sum is not 1 within 1e-6.
    pub fn new(mut matrix: Array2<f64>) -> Result<Self, AnalysisError> {
        let (rows, columns) = matrix.dim();
        if rows != columns || !(1..=MAX_STATES).contains(&rows) {
            return Err(AnalysisError::Shape {
                rows,
                columns,
                most: MAX_STATES,
            });
        }
        for (row, mut entries) in matrix.rows_mut().into_iter().enumerate() {
            let sum = entries.sum();
            let what = match entries.iter().find(|p| !(0.0..).contains(*p)) {
                Some(entry) => format!("not all at least 0: {entry}"),
                None if (sum - 1.0).abs() > TOLERANCE => format!("{sum} together, not 1"),
                None => {
                    entries /= sum;
                    continue;
                }
            };
            return Err(AnalysisError::Row { row, what });
        }
        Ok(Self { matrix })
    }

    /// Returns the number of states.
    pub fn states(&self) -> usize {
        self.matrix.nrows()
    }

    /// Returns the transition matrix `[from, to]`.
    pub fn matrix(&self) -> &Array2<f64> {
        &self.matrix
    }

    /// Returns the distribution of the next state.
    ///
    /// # Panics
    /// If there is no such state.
    pub fn row(&self, state: usize) -> ArrayView1<'_, f64> {
        self.matrix.row(state)
    }

    /// Returns the communicating classes, ordered by their first states.
    pub fn classes(&self) -> Vec<Class> {
        let reached: Vec<Vec<bool>> = (0..self.states()).map(|s| self.reached(s)).collect();
        let mut classed = vec![false; self.states()];
        let mut classes = Vec::new();
        for state in 0..self.states() {
            if classed[state] {
                continue;
            }
            let with =
                |&other: &usize| other == state || (reached[state][other] && reached[other][state]);
            let states: Vec<usize> = (0..self.states()).filter(with).collect();
            states.iter().for_each(|&s| classed[s] = true);
            let stays = |to: usize| !reached[state][to] || states.contains(&to);
            classes.push(Class {
                closed: (0..self.states()).all(stays),
                period: self.period(&states),
                states,
            });
        }
        classes
    }

    /// Tells which states can be reached from one in a step or more.
    fn reached(&self, from: usize) -> Vec<bool> {
        let mut reached = vec![false; self.states()];
        let mut open = vec![from];
        while let Some(state) = open.pop() {
            for to in (0..self.states()).filter(|&to| self.matrix[[state, to]] > 0.0) {
                if !reached[to] {
                    reached[to] = true;
                    open.push(to);
                }
            }
        }
        reached
    }

    /// Returns the greatest common divisor of all cycle lengths within a class.
    fn period(&self, states: &[usize]) -> usize {
        let mut depth = vec![None; self.states()];
        depth[states[0]] = Some(0usize);
        let mut open = std::collections::VecDeque::from([states[0]]);
        let mut period = 0;
        while let Some(state) = open.pop_front() {
            let here = depth[state].unwrap_or(0) + 1;
            for &to in states.iter().filter(|&&to| self.matrix[[state, to]] > 0.0) {
                match depth[to] {
                    Some(there) => period = divisor(period, here.abs_diff(there)),
                    None => {
                        depth[to] = Some(here);
                        open.push_back(to);
                    }
                }
            }
        }
        period
    }

    /// Returns the stationary distribution; `None` if there are several closed classes.
    ///
    /// The elimination has no subtractions (Grassmann, Taksar and Heyman 1985) and is accurate for
    /// small probabilities as well.
    pub fn stationary(&self) -> Option<Array1<f64>> {
        let classes = self.classes();
        let mut closed = classes.iter().filter(|class| class.closed);
        let class = closed.next()?;
        if closed.next().is_some() {
            return None;
        }
        let states = &class.states;
        let n = states.len();
        let mut a = Array2::from_shape_fn((n, n), |(i, j)| self.matrix[[states[i], states[j]]]);
        for k in (1..n).rev() {
            let out: f64 = (0..k).map(|j| a[[k, j]]).sum();
            for i in 0..k {
                a[[i, k]] /= out;
                for j in 0..k {
                    let through = a[[i, k]] * a[[k, j]];
                    a[[i, j]] += through;
                }
            }
        }
        let mut weights = vec![1.0; n];
        for k in 1..n {
            weights[k] = (0..k).map(|i| weights[i] * a[[i, k]]).sum();
        }
        let sum: f64 = weights.iter().sum();
        let mut distribution = Array1::zeros(self.states());
        for (&state, weight) in states.iter().zip(weights) {
            distribution[state] = weight / sum;
        }
        Some(distribution)
    }

    /// Returns 1 minus the second largest modulus of the eigenvalues. It is 0 for chains with
    /// several closed classes or a period, and 1 for a single state.
    pub fn spectral_gap(&self) -> f64 {
        let classes = self.classes();
        let periodic = classes.iter().any(|class| class.closed && class.period > 1);
        match self.stationary() {
            Some(distribution) if !periodic => {
                let past = &self.matrix - &distribution.insert_axis(Axis(0));
                (1.0 - spectral_radius(past)).max(0.0)
            }
            _ => 0.0,
        }
    }
}

/// Returns the spectral radius of a square matrix by Gelfand's formula with repeated squaring.
/// Eigenvalue iterations may cycle on the cyclic matrices of chains.
pub(super) fn spectral_radius(mut matrix: Array2<f64>) -> f64 {
    const SQUARES: i32 = 48;
    let mut log = 0.0;
    for square in 0..=SQUARES {
        let size = matrix.iter().map(|x| x * x).sum::<f64>().sqrt();
        if size < f64::MIN_POSITIVE || !size.is_finite() {
            return 0.0;
        }
        log += size.ln() / 2f64.powi(square);
        if square < SQUARES {
            matrix /= size;
            matrix = matrix.dot(&matrix);
        }
    }
    log.exp().min(1.0)
}

/// Returns the greatest common divisor.
pub(super) fn divisor(a: usize, b: usize) -> usize {
    match b {
        0 => a,
        _ => divisor(b, a % b),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn classes_are_those_of_the_transitions() {
        // 0 and 1 swap; 2 leads to them or to 3, which absorbs.
        let chain = Chain::new(array![
            [0.0, 1.0, 0.0, 0.0],
            [1.0, 0.0, 0.0, 0.0],
            [0.5, 0.0, 0.0, 0.5],
            [0.0, 0.0, 0.0, 1.0]
        ])
        .unwrap();
        let class = |states: &[usize], closed, period| Class {
            states: states.to_vec(),
            closed,
            period,
        };
        let expected = [
            class(&[0, 1], true, 2),
            class(&[2], false, 0),
            class(&[3], true, 1),
        ];
        assert_eq!(chain.classes(), expected);
        assert_eq!(chain.stationary(), None);
        assert!(chain.spectral_gap() < 1e-9);
    }

    #[test]
    fn transient_states_have_zero_weight() {
        let chain =
            Chain::new(array![[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.0, 0.25, 0.75]]).unwrap();
        let distribution = chain.stationary().unwrap();
        assert_eq!(distribution[0], 0.0);
        assert!((distribution[1] - 1.0 / 3.0).abs() < 1e-12);
    }

    /// Fault: the eigenvalues of rings of 4, 6, 8, 10 and 16 states did not converge.
    #[test]
    fn rings_have_their_length_as_period_and_no_gap() {
        for states in [2, 4, 5, 6, 8, 10, 16] {
            let slip = |slip: f64| {
                let matrix = Array2::from_shape_fn((states, states), |(i, j)| {
                    let on = f64::from(u8::from((i + 1) % states == j));
                    (1.0 - slip) * on + slip / states as f64
                });
                Chain::new(matrix).unwrap()
            };
            let ring = slip(0.0);
            assert_eq!(ring.classes()[0].period, states);
            assert_eq!(ring.spectral_gap(), 0.0);
            // Mixed with even chances all other eigenvalues are those of the ring, 1 - slip in
            // size.
            assert!((slip(1e-6).spectral_gap() - 1e-6).abs() < 1e-9, "{states}");
            assert!((slip(0.3).spectral_gap() - 0.3).abs() < 1e-9, "{states}");
        }
    }

    #[test]
    fn radii_are_those_of_known_matrices() {
        assert_eq!(spectral_radius(array![[0.0, 1.0], [0.0, 0.0]]), 0.0);
        assert!((spectral_radius(array![[0.3, 0.4], [-0.4, 0.3]]) - 0.5).abs() < 1e-12);
        assert!((spectral_radius(array![[0.5, 100.0], [0.0, 0.25]]) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn invalid_matrices_are_errors() {
        let refused = |matrix| Chain::new(matrix).unwrap_err().to_string();
        assert!(refused(array![[0.5, 0.5]]).contains("1 rows and 2 columns"));
        assert!(refused(array![[1.0, 0.0], [0.5, 0.4]]).contains("row 1"));
        assert!(refused(array![[-0.5, 1.5], [0.5, 0.5]]).contains("-0.5"));
        assert!(refused(array![[f64::NAN]]).contains("NaN"));
        assert!(refused(Array2::zeros((0, 0))).contains("0 rows"));
    }

    proptest! {
        #[test]
        fn the_stationary_distribution_is_invariant(weights in prop::collection::vec(1e-6..1.0f64, 36)) {
            let mut matrix = Array2::from_shape_vec((6, 6), weights).unwrap();
            for mut row in matrix.rows_mut() {
                let sum = row.sum();
                row /= sum;
            }
            let chain = Chain::new(matrix).unwrap();
            let distribution = chain.stationary().unwrap();
            let next = distribution.dot(chain.matrix());
            prop_assert!((&next - &distribution).iter().all(|d| d.abs() < 1e-12));
            prop_assert!((distribution.sum() - 1.0).abs() < 1e-12);
            // Distances to it decay by the spectral gap.
            let gap = chain.spectral_gap();
            let mut at = Array1::zeros(6);
            at[0] = 1.0;
            for _ in 0..200 {
                at = at.dot(chain.matrix());
            }
            let left = (&at - &distribution).iter().map(|d| d.abs()).sum::<f64>();
            prop_assert!(left <= 1e6 * (1.0 - gap).powi(200) + 1e-9);
        }
    }
}
