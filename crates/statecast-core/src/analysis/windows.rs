//! The Markov chain of a model over windows of states: it reads a window, predicts the next state,
//! and the oldest state drops out (Zekri et al., arXiv 2410.02724, section 3).

use ndarray::{Array1, Array2, s};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::chain::{divisor, spectral_radius};
use super::{AnalysisError, Chain, Class};

/// Largest number of windows.
pub const MAX_WINDOWS: usize = 1_000_000;

/// Largest number of windows for elimination.
const MAX_EXACT: usize = 1000;

/// Bounds on the steps of the power iteration for more windows, and on its total operations.
const MIN_STEPS: usize = 1000;
const MAX_STEPS: usize = 100_000;
const MAX_OPERATIONS: usize = 20_000_000_000;

/// Tolerance of a stationary distribution in total variation.
const STATIONARY_TOLERANCE: f64 = 1e-9;

/// Changes below this are rounding.
const ROUNDING: f64 = 1e-15;

/// Norm below which a vector of initial norm 1 is rounding.
const VANISHED: f64 = 1e-12;

/// A chain on windows of `window` states. A window's number in base `states` has its oldest state
/// first.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowChain {
    window: usize,
    /// `[windows, states]`.
    distributions: Array2<f32>,
}

/// Long-run behaviour of a chain of windows.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct LongRun {
    /// Long-run distribution of the states.
    pub distribution: Vec<f64>,
    /// Modulus of the second largest eigenvalue.
    pub second: f64,
    /// Mean entropy of the next state, in nats.
    pub entropy: f64,
}

impl WindowChain {
    /// Creates the chain from distributions `[states^window, states]` of the state after each
    /// window.
    ///
    /// # Errors
    /// [`AnalysisError::Windows`] for another number of rows or more than a million, [`AnalysisError::Row`] for a
    /// row that is not a distribution.
    pub fn new(window: usize, distributions: Array2<f32>) -> Result<Self, AnalysisError> {
        let (rows, states) = distributions.dim();
        if rows != windows(states, window)? {
            return Err(AnalysisError::Windows { states, window });
        }
        for (row, distribution) in distributions.outer_iter().enumerate() {
            let sum: f64 = distribution.iter().map(|&p| f64::from(p)).sum();
            if distribution.iter().any(|p| !(0.0..).contains(p)) || (sum - 1.0).abs() > 1e-3 {
                let what = format!("{sum} together, not 1, or below 0");
                return Err(AnalysisError::Row { row, what });
            }
        }
        Ok(Self {
            window,
            distributions,
        })
    }

    /// Returns the number of states per window.
    pub fn window(&self) -> usize {
        self.window
    }

    /// Returns the number of states.
    pub fn states(&self) -> usize {
        self.distributions.ncols()
    }

    /// Returns the number of windows.
    pub fn windows(&self) -> usize {
        self.distributions.nrows()
    }

    /// Returns the distributions `[windows, states]` of the state after each window.
    pub fn distributions(&self) -> &Array2<f32> {
        &self.distributions
    }

    /// Returns the states of a window, oldest first.
    pub fn window_states(&self, window: usize) -> Vec<usize> {
        window_states(window, self.states(), self.window).collect()
    }

    /// Returns the window after a state is appended.
    fn next(&self, window: usize, state: usize) -> usize {
        (window * self.states() + state) % self.windows()
    }

    /// Returns the communicating classes along steps with probability above `least`, largest first.
    pub fn classes(&self, least: f64) -> Vec<Class> {
        let mut classes: Vec<Class> = self
            .components(least)
            .into_iter()
            .map(|mut windows| {
                windows.sort_unstable();
                let (closed, period) = self.kind(&windows, least);
                Class {
                    states: windows,
                    closed,
                    period,
                }
            })
            .collect();
        let first = |class: &Class| (std::cmp::Reverse(class.states.len()), class.states[0]);
        classes.sort_by_key(first);
        classes
    }

    fn arrow(&self, window: usize, state: usize, least: f64) -> bool {
        f64::from(self.distributions[[window, state]]) > least
    }

    /// Strongly connected components (Tarjan 1972), without recursion.
    fn components(&self, least: f64) -> Vec<Vec<usize>> {
        const UNSEEN: u32 = u32::MAX;
        let (count, states) = (self.windows(), self.states());
        let mut order = vec![UNSEEN; count];
        let mut lowest = vec![0u32; count];
        let mut open = vec![false; count];
        let (mut stack, mut way) = (Vec::new(), Vec::new());
        let mut components = Vec::new();
        let mut seen = 0;
        for root in 0..count {
            if order[root] != UNSEEN {
                continue;
            }
            way.push((root, 0));
            while let Some(&mut (window, ref mut state)) = way.last_mut() {
                if *state == 0 {
                    (order[window], lowest[window]) = (seen, seen);
                    seen += 1;
                    open[window] = true;
                    stack.push(window);
                }
                let next = (*state..states).find_map(|to| {
                    let next = self.next(window, to);
                    let new = self.arrow(window, to, least) && order[next] == UNSEEN;
                    if self.arrow(window, to, least) && open[next] {
                        lowest[window] = lowest[window].min(order[next]);
                    }
                    new.then_some((to, next))
                });
                if let Some((to, next)) = next {
                    *state = to + 1;
                    way.push((next, 0));
                    continue;
                }
                way.pop();
                if let Some(&(before, _)) = way.last() {
                    lowest[before] = lowest[before].min(lowest[window]);
                }
                if lowest[window] == order[window] {
                    let place = stack.iter().rposition(|&w| w == window);
                    let component =
                        stack.split_off(place.expect("a window that is open is stacked"));
                    component.iter().for_each(|&w| open[w] = false);
                    components.push(component);
                }
            }
        }
        components
    }

    /// Tells whether sorted windows form a closed class with steps, and its period.
    fn kind(&self, windows: &[usize], least: f64) -> (bool, usize) {
        let place = |window: usize| windows.binary_search(&window).ok();
        let mut depth = vec![None; windows.len()];
        depth[0] = Some(0usize);
        let mut open = std::collections::VecDeque::from([0]);
        let (mut closed, mut steps, mut period) = (true, false, 0);
        while let Some(at) = open.pop_front() {
            let here = depth[at].unwrap_or(0) + 1;
            for state in (0..self.states()).filter(|&s| self.arrow(windows[at], s, least)) {
                steps = true;
                let Some(to) = place(self.next(windows[at], state)) else {
                    closed = false;
                    continue;
                };
                match depth[to] {
                    Some(there) => period = divisor(period, here.abs_diff(there)),
                    None => {
                        depth[to] = Some(here);
                        open.push_back(to);
                    }
                }
            }
        }
        (closed && steps, period)
    }

    /// Advances a distribution over windows by one step.
    fn step(&self, distribution: &Array1<f64>) -> Array1<f64> {
        let mut after = Array1::zeros(distribution.len());
        for (window, weight) in distribution
            .iter()
            .enumerate()
            .filter(|(_, weight)| **weight != 0.0)
        {
            for (state, &p) in self.distributions.row(window).iter().enumerate() {
                after[self.next(window, state)] += weight * f64::from(p);
            }
        }
        after
    }

    /// Returns the stationary distribution of windows; `None` if there are several closed classes,
    /// or if the power iteration for more than 1000 windows does not converge.
    ///
    /// Periodic chains are handled by the lazy chain, which has the same stationary distribution.
    pub fn stationary(&self) -> Option<Array1<f64>> {
        let classes = self.classes(0.0);
        let mut closed = classes.iter().filter(|class| class.closed);
        let class = closed.next()?;
        if closed.next().is_some() {
            return None;
        }
        match class.states.len() <= MAX_EXACT {
            true => self.stationary_within(&class.states),
            false => self.stationary_by_steps(),
        }
    }

    /// Computes the stationary distribution of a closed class by elimination.
    fn stationary_within(&self, windows: &[usize]) -> Option<Array1<f64>> {
        let mut matrix = Array2::<f64>::zeros((windows.len(), windows.len()));
        for (at, &window) in windows.iter().enumerate() {
            for (state, &p) in self.distributions.row(window).iter().enumerate() {
                if let Ok(to) = windows.binary_search(&self.next(window, state)) {
                    matrix[[at, to]] += f64::from(p);
                }
            }
            let sum = matrix.row(at).sum();
            matrix.row_mut(at).mapv_inplace(|p| p / sum);
        }
        let within = Chain::new(matrix).ok()?.stationary()?;
        let mut distribution = Array1::zeros(self.windows());
        windows
            .iter()
            .zip(within)
            .for_each(|(&window, p)| distribution[window] = p);
        Some(distribution)
    }

    /// Computes the stationary distribution by power iteration from the uniform distribution. The
    /// remaining error is estimated from the last change and the contraction rate.
    fn stationary_by_steps(&self) -> Option<Array1<f64>> {
        let steps = (MAX_OPERATIONS / (self.windows() * self.states())).clamp(MIN_STEPS, MAX_STEPS);
        let mut distribution = Array1::from_elem(self.windows(), 1.0 / self.windows() as f64);
        let mut before = f64::INFINITY;
        for _ in 0..steps {
            let after = 0.5 * (self.step(&distribution) + &distribution);
            let after = &after / after.sum();
            let change: f64 = (&after - &distribution).mapv(f64::abs).sum() / 2.0;
            distribution = after;
            let shrinks = (change / before).min(1.0);
            if change < STATIONARY_TOLERANCE * (1.0 - shrinks) || change < ROUNDING {
                return (shrinks < 1.0).then_some(distribution);
            }
            before = change;
        }
        None
    }

    /// Returns the long-run behaviour for a stationary distribution.
    pub fn long_run(&self, stationary: &Array1<f64>) -> LongRun {
        let mut distribution = vec![0.0; self.states()];
        let mut entropy = 0.0;
        for (window, weight) in stationary.iter().enumerate() {
            distribution[window % self.states()] += weight;
            let information = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
            let distributions = self.distributions.row(window);
            let said = distributions.iter().map(|&p| information(f64::from(p)));
            entropy += weight * said.sum::<f64>();
        }
        LongRun {
            distribution,
            second: self.second(stationary),
            entropy,
        }
    }

    /// Returns the modulus of the second largest eigenvalue by Arnoldi iteration on differences of
    /// distributions, after power steps that remove fast modes.
    fn second(&self, stationary: &Array1<f64>) -> f64 {
        const STEPS: usize = 100;
        const BASIS: usize = 24;
        // Rounding reintroduces the stationary component.
        let difference = |mut distribution: Array1<f64>| {
            let sum = distribution.sum();
            distribution.zip_mut_with(stationary, |d, s| *d -= sum * s);
            let size = distribution.dot(&distribution).sqrt();
            (distribution, size)
        };
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let start = Array1::from_shape_fn(self.windows(), |_| random.random::<f64>());
        let (mut vector, mut size) = difference(start);
        for _ in 0..STEPS {
            if size < VANISHED {
                return 0.0;
            }
            (vector, size) = difference(self.step(&(vector / size)));
        }
        let mut basis: Vec<Array1<f64>> = Vec::new();
        let mut products = Array2::<f64>::zeros((BASIS + 1, BASIS));
        while size >= VANISHED && basis.len() < BASIS {
            let at = basis.len();
            if at > 0 {
                products[[at, at - 1]] = size;
            }
            basis.push(vector / size);
            (vector, _) = difference(self.step(&basis[at]));
            // A second pass restores orthogonality of nearly parallel vectors.
            for _ in 0..2 {
                for (i, known) in basis.iter().enumerate() {
                    let part = known.dot(&vector);
                    products[[i, at]] += part;
                    vector.scaled_add(-part, known);
                }
            }
            size = vector.dot(&vector).sqrt();
        }
        spectral_radius(products.slice_move(s![..basis.len(), ..basis.len()]))
    }

    /// Returns the smallest probability of any window after `window` steps from any: ε of the
    /// paper's bound `(1 - 2 ε)^(floor(n / window) - 1)` on the distance to the stationary
    /// distribution after `n` steps.
    pub fn least_passage(&self) -> f64 {
        // Backward recursion of the smallest path probability from each window.
        let mut least = Array1::from_elem(self.windows(), 1.0f64);
        for _ in 0..self.window {
            least = Array1::from_shape_fn(self.windows(), |window| {
                let ways = self.distributions.row(window).into_iter().enumerate();
                let ways = ways.map(|(s, &p)| f64::from(p) * least[self.next(window, s)]);
                ways.fold(f64::INFINITY, f64::min)
            });
        }
        least.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

/// Returns the number of windows.
///
/// # Errors
/// [`AnalysisError::Windows`] if there are more than a million, or none.
pub fn windows(states: usize, window: usize) -> Result<usize, AnalysisError> {
    let count = u32::try_from(window)
        .ok()
        .and_then(|w| states.checked_pow(w));
    let fits = |count: &usize| *count <= MAX_WINDOWS && window > 0 && states > 1;
    count
        .filter(fits)
        .ok_or(AnalysisError::Windows { states, window })
}

/// Returns the states of a window's number, oldest first.
pub(super) fn window_states(
    number: usize,
    states: usize,
    window: usize,
) -> impl DoubleEndedIterator<Item = usize> {
    (0..window).map(move |place| number / states.pow((window - 1 - place) as u32) % states)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distributions that depend on the last two of three states, some zero.
    fn chain() -> WindowChain {
        let weight = |window: usize, state: usize| ((window % 9 + 2 * state) % 4) as f32 + 0.25;
        let mut distributions =
            Array2::from_shape_fn((27, 3), |(window, state)| weight(window, state));
        for mut distribution in distributions.rows_mut() {
            let sum = distribution.sum();
            distribution /= sum;
        }
        WindowChain::new(3, distributions).unwrap()
    }

    /// The same as an unstructured chain.
    fn dense(chain: &WindowChain) -> Chain {
        let mut matrix = Array2::zeros((chain.windows(), chain.windows()));
        for window in 0..chain.windows() {
            for state in 0..chain.states() {
                matrix[[window, chain.next(window, state)]] +=
                    f64::from(chain.distributions[[window, state]]);
            }
        }
        Chain::new(matrix).unwrap()
    }

    #[test]
    fn a_window_chain_equals_its_unstructured_chain() {
        let chain = chain();
        let dense = dense(&chain);
        let distribution = chain.stationary().unwrap();
        let same = dense.stationary().unwrap();
        assert!((&distribution - &same).iter().all(|d| d.abs() < 1e-7));
        let long = chain.long_run(&distribution);
        assert!(
            (1.0 - long.second - dense.spectral_gap()).abs() < 1e-6,
            "{long:?}"
        );
        assert!((long.distribution.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert_eq!(chain.classes(0.0), dense.classes());
        // The paper's bound, and the smallest probability against a matrix product.
        let power = dense.matrix().dot(dense.matrix()).dot(dense.matrix());
        let least = power.iter().copied().fold(f64::INFINITY, f64::min);
        assert!((chain.least_passage() - least).abs() < 1e-9);
        assert_eq!(chain.window_states(5), [0, 1, 2]);
        assert_eq!(chain.next(5, 1), 16);
    }

    /// A deterministic model is periodic.
    #[test]
    fn deterministic_chains_have_classes_and_periods() {
        // The state other than the last: 0 1 0 1 from any window.
        let distributions = Array2::from_shape_fn((4, 2), |(window, state)| {
            f32::from(u8::from(window % 2 != state))
        });
        let chain = WindowChain::new(2, distributions).unwrap();
        let classes = chain.classes(0.0);
        assert_eq!(classes[0].states, [1, 2]);
        assert_eq!((classes[0].closed, classes[0].period), (true, 2));
        let lonely = classes[1..]
            .iter()
            .map(|c| (c.states.len(), c.closed, c.period));
        assert_eq!(lonely.collect::<Vec<_>>(), [(1, false, 0); 2]);
        let distribution = chain.stationary().unwrap();
        assert!((distribution[1] - 0.5).abs() < 1e-9 && distribution[0] < 1e-9);
        let long = chain.long_run(&distribution);
        assert!((long.second - 1.0).abs() < 1e-6);
        assert_eq!(long.entropy, 0.0);
        assert_eq!(chain.least_passage(), 0.0);
    }

    /// Faults: slow chains returned the uniform start, and one distribution where there are two.
    #[test]
    fn slow_chains_have_their_own_distribution() {
        let of = |stay: [f32; 2]| {
            let distributions = Array2::from_shape_fn((4, 2), |(window, state)| {
                let stay = stay[window % 2];
                if window % 2 == state {
                    stay
                } else {
                    1.0 - stay
                }
            });
            WindowChain::new(2, distributions).unwrap()
        };
        // State 1 is left once in 2^22 steps, state 0 once in 2^20.
        let distribution = of([1.0 - 2f32.powi(-20), 1.0 - 2f32.powi(-22)])
            .stationary()
            .unwrap();
        assert!((distribution[3] - 0.8).abs() < 1e-6, "{distribution}");
        // Both states are absorbing.
        let distribution = of([0.999, 1.0]).stationary().unwrap();
        assert!((distribution[3] - 1.0).abs() < 1e-12, "{distribution}");
        assert_eq!(of([1.0, 1.0]).stationary(), None);
        // No step is above 0.9999995: classes without steps are not closed.
        let classes = of([0.5, 0.5]).classes(0.9);
        assert!(
            classes
                .iter()
                .all(|class| !class.closed && class.states.len() == 1)
        );
    }

    #[test]
    fn long_chains_converge() {
        let distributions = Array2::from_shape_fn((4096, 2), |(window, state)| {
            let one = 0.2 + 0.6 * (window.count_ones() as f32 / 12.0);
            if state == 1 { one } else { 1.0 - one }
        });
        let chain = WindowChain::new(12, distributions).unwrap();
        let distribution = chain.stationary().unwrap();
        let after = chain.step(&distribution);
        assert!((&after - &distribution).mapv(f64::abs).sum() < 1e-9);
        assert!((chain.long_run(&distribution).distribution[1] - 0.5).abs() < 1e-6);
    }

    proptest::proptest! {
        /// Sparse distributions have the same classes as an unstructured chain.
        #[test]
        fn classes_are_those_of_a_plain_chain(kinds in proptest::collection::vec(0..4usize, 16)) {
            let distributions = Array2::from_shape_fn((16, 2), |(window, state)| {
                [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.25, 0.75]][kinds[window]][state]
            });
            let chain = WindowChain::new(4, distributions).unwrap();
            let mut classes = chain.classes(0.0);
            classes.sort_by_key(|class| class.states[0]);
            proptest::prop_assert_eq!(classes, dense(&chain).classes());
        }
    }

    #[test]
    fn invalid_window_chains_are_errors() {
        assert_eq!(windows(10, 6).unwrap(), 1_000_000);
        for (states, window) in [(10, 7), (2, 20), (2, 0), (1, 3), (50, 99), (2, usize::MAX)] {
            assert!(windows(states, window).is_err(), "{states} {window}");
        }
        assert!(WindowChain::new(2, Array2::from_elem((3, 2), 0.5)).is_err());
        let refused = WindowChain::new(1, Array2::from_elem((2, 2), 0.4)).unwrap_err();
        assert!(refused.to_string().contains("row 0"));
        assert!(WindowChain::new(1, Array2::from_elem((2, 2), f32::NAN)).is_err());
    }
}
