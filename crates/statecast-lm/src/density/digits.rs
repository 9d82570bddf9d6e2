//! The density of a number that a model writes digit by digit (Liu et al. 2024, arXiv 2402.00795):
//! P(d1) P(d2|d1) P(d3|d1 d2), as far as it is refined.

/// Digits of a number.
const DIGITS: usize = 3;
const BASE: usize = 10;

/// Probabilities of the next digit after some prefixes of a number. Unknown ones are uniform.
///
/// ```
/// use statecast_lm::density::DigitTree;
/// let mut first = [0.0; 10];
/// (first[4], first[5]) = (0.9, 0.1);
/// let mut tree = DigitTree::new(&first);
/// assert_eq!(tree.unrefined(1, 0.2), [4]);
/// tree.refine(1, 4, &[0.1; 10]);
/// let mass = tree.mass();
/// assert!((mass.iter().sum::<f32>() - 1.0).abs() < 1e-4);
/// assert!((mass[555] - 0.001).abs() < 1e-6);
/// ```
#[derive(Debug, Clone)]
pub struct DigitTree {
    /// By length of the prefix, then by its value.
    levels: [Vec<Option<[f32; BASE]>>; DIGITS],
}

impl DigitTree {
    /// Creates a tree from the ten probabilities of the first digit.
    ///
    /// # Panics
    /// If there are not ten.
    pub fn new(first: &[f32]) -> Self {
        let mut tree = Self {
            levels: [vec![None], vec![None; BASE], vec![None; BASE * BASE]],
        };
        tree.refine(0, 0, first);
        tree
    }

    /// Sets the ten probabilities after the prefix of `length` digits with the value `beginning`.
    ///
    /// # Panics
    /// If there are not ten, or the prefix does not exist.
    pub fn refine(&mut self, length: usize, beginning: usize, next: &[f32]) {
        let next = next.try_into().expect("a digit is one of ten");
        self.levels[length][beginning] = Some(next);
    }

    /// Returns the probability of a prefix.
    fn reach(&self, length: usize, beginning: usize) -> f64 {
        (0..length)
            .map(|digits| {
                let rest = BASE.pow((length - digits) as u32);
                let next = beginning / (rest / BASE) % BASE;
                self.levels[digits][beginning / rest]
                    .map_or(1.0 / BASE as f64, |p| f64::from(p[next]))
            })
            .product()
    }

    /// Returns the unrefined prefixes of `length` known digits with more than `tolerance` of the
    /// probability. Once all are refined, no cumulative probability is wrong by more than the
    /// tolerance: it is exact at the ends of every prefix, and errs within one by less than its
    /// probability.
    pub fn unrefined(&self, length: usize, tolerance: f64) -> Vec<usize> {
        let known = |(digits, level): (usize, &Vec<Option<_>>), beginning: usize| {
            level[beginning / BASE.pow((length - digits) as u32)].is_some()
        };
        let open = |&beginning: &usize| {
            let mut shorter = self.levels[..length].iter().enumerate();
            self.levels[length][beginning].is_none() && shorter.all(|level| known(level, beginning))
        };
        (0..self.levels[length].len())
            .filter(open)
            .filter(|&beginning| self.reach(length, beginning) > tolerance)
            .collect()
    }

    /// Returns the probabilities of the 1000 numbers.
    pub fn mass(&self) -> Vec<f32> {
        let mut mass = vec![1.0f64];
        for level in &self.levels {
            mass = mass
                .iter()
                .zip(level)
                .flat_map(|(&reach, next)| {
                    let next = next.unwrap_or([1.0 / BASE as f32; BASE]);
                    next.map(|p| reach * f64::from(p))
                })
                .collect();
        }
        mass.into_iter().map(|p| p as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digits() -> impl Strategy<Value = [f32; BASE]> {
        prop::array::uniform10(1e-6f32..1.0).prop_map(|p| {
            let total: f32 = p.iter().sum();
            p.map(|v| v / total)
        })
    }

    proptest! {
        #[test]
        fn cumulated_probabilities_are_right_within_the_tolerance(
            first in digits(), second in prop::collection::vec(digits(), 10),
            third in prop::collection::vec(digits(), 100), tolerance in 0.0..0.5f64,
        ) {
            let exact = |k: usize| first[k / 100] * second[k / 100][k / 10 % 10] * third[k / 10][k % 10];
            let mut tree = DigitTree::new(&first);
            for beginning in tree.unrefined(1, tolerance) {
                tree.refine(1, beginning, &second[beginning]);
            }
            for beginning in tree.unrefined(2, tolerance) {
                tree.refine(2, beginning, &third[beginning]);
            }
            let mass = tree.mass();
            let mut error = 0.0;
            for (k, probability) in mass.iter().enumerate() {
                error += f64::from(probability - exact(k));
                prop_assert!(error.abs() <= tolerance + 1e-4, "{error} {tolerance}");
            }
            prop_assert!((mass.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        }
    }
}
