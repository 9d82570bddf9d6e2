//! Integrated random walks at times whose steps vary.

/// Variances of the measurement that are tried, in those of the walk's innovation in a step of 1.
const NOISES: [f64; 7] = [0.0, 1e-4, 1e-2, 0.1, 1.0, 10.0, 100.0];

/// Variance of the first state, of values that are standardised.
const UNKNOWN: f64 = 1e6;

/// Least variance of what is predicted: rounding takes smaller ones below zero.
const LEAST: f64 = 1e-13;

/// A random walk that is integrated `order - 1` times, with noise of its measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Walk {
    order: usize,
    noise: f64,
}

/// What is known of a time from those before.
struct Predicted<const D: usize> {
    step: f64,
    value: f64,
    /// Covariances of the value with the state.
    row: [f64; D],
    /// Error of what was predicted, and its variance, where a value is known.
    seen: Option<(f64, f64)>,
}

impl Walk {
    /// The walk of the highest likelihood, whose innovation is as large as fits best.
    pub(super) fn likeliest(times: &[f64], values: &[f64]) -> Self {
        let known: Vec<(f64, Option<f64>)> = times
            .iter()
            .zip(values)
            .map(|(&time, &value)| (time, Some(value)))
            .collect();
        let all = (1..=4).flat_map(|order| NOISES.map(|noise| Self { order, noise }));
        let scored = all.map(|walk| (walk.log_likelihood(&known), walk));
        let best = scored.max_by(|a, b| a.0.total_cmp(&b.0));
        best.map_or(
            Self {
                order: 1,
                noise: 0.0,
            },
            |(_, walk)| walk,
        )
    }

    /// Whether lines between values that are a step apart are worse than curves.
    pub(super) fn is_smooth(self) -> bool {
        self.order > 1 && self.noise == 0.0
    }

    fn log_likelihood(self, known: &[(f64, Option<f64>)]) -> f64 {
        match self.order {
            1 => likelihood(&self.filtered::<1>(known)),
            2 => likelihood(&self.filtered::<2>(known)),
            3 => likelihood(&self.filtered::<3>(known)),
            _ => likelihood(&self.filtered::<4>(known)),
        }
    }

    /// Means at the times of the values and at others, given all values. All times ascend.
    pub(super) fn smoothed(
        self,
        times: &[f64],
        values: &[f64],
        others: &[f64],
    ) -> (Vec<f64>, Vec<f64>) {
        let mut all: Vec<(f64, Option<f64>)> = Vec::with_capacity(times.len() + others.len());
        let mut later = others.iter().copied().peekable();
        for (&time, &value) in times.iter().zip(values) {
            while let Some(other) = later.next_if(|&other| other < time) {
                all.push((other, None));
            }
            all.push((time, Some(value)));
        }
        all.extend(later.map(|other| (other, None)));
        let means = match self.order {
            1 => smooth(&self.filtered::<1>(&all)),
            2 => smooth(&self.filtered::<2>(&all)),
            3 => smooth(&self.filtered::<3>(&all)),
            _ => smooth(&self.filtered::<4>(&all)),
        };
        let of = |is_known: bool| {
            let of = all.iter().zip(&means);
            let of = of.filter(move |((_, value), _)| value.is_some() == is_known);
            of.map(|(_, &mean)| mean).collect()
        };
        (of(true), of(false))
    }

    /// Kalman's filter.
    fn filtered<const D: usize>(self, times: &[(f64, Option<f64>)]) -> Vec<Predicted<D>> {
        let mut mean = [0.0; D];
        let mut covariance = [[0.0; D]; D];
        (0..D).for_each(|i| covariance[i][i] = UNKNOWN);
        let mut before = times.first().map_or(0.0, |(time, _)| *time);
        let mut all = Vec::with_capacity(times.len());
        for &(time, value) in times {
            let step = time - before;
            before = time;
            (mean, covariance) = predicted(mean, covariance, step);
            let row = covariance[0];
            let seen = value.map(|value| (value - mean[0], (row[0] + self.noise).max(LEAST)));
            all.push(Predicted {
                step,
                value: mean[0],
                row,
                seen,
            });
            if let Some((error, variance)) = seen {
                let known = |i: usize, j: usize| row[i] * row[j] / variance;
                mean = std::array::from_fn(|i| mean[i] + row[i] / variance * error);
                covariance = std::array::from_fn(|i| {
                    std::array::from_fn(|j| covariance[i][j] - known(i, j))
                });
            }
        }
        all
    }
}

/// Coefficients of Taylor's series: powers of a step over factorials.
fn powers<const D: usize>(step: f64) -> [f64; D] {
    let mut powers = [1.0; D];
    for i in 1..D {
        powers[i] = powers[i - 1] * step / i as f64;
    }
    powers
}

/// Mean and covariance a step later, of a walk whose innovation has the variance 1 in a step of 1.
fn predicted<const D: usize>(
    mean: [f64; D],
    covariance: [[f64; D]; D],
    step: f64,
) -> ([f64; D], [[f64; D]; D]) {
    let powers = powers::<D>(step);
    let moved = |vector: &dyn Fn(usize) -> f64| {
        std::array::from_fn(|i| (i..D).map(|k| powers[k - i] * vector(k)).sum::<f64>())
    };
    // The transition times the covariance, then times its transpose.
    let half: [[f64; D]; D] = std::array::from_fn(|j| moved(&|k| covariance[k][j]));
    let full: [[f64; D]; D] = std::array::from_fn(|i| moved(&|k| half[k][i]));
    let noisy = std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            let (a, b) = (D - 1 - i, D - 1 - j);
            full[i][j] + powers[a] * powers[b] * step / (a + b + 1) as f64
        })
    });
    (moved(&|k| mean[k]), noisy)
}

/// Log likelihood of the values but for a constant, with the best variance of innovations; the first ones find the state.
fn likelihood<const D: usize>(all: &[Predicted<D>]) -> f64 {
    let seen = all.iter().filter_map(|predicted| predicted.seen).skip(D);
    let (mut count, mut squares, mut logs) = (0.0, 0.0, 0.0);
    for (error, variance) in seen {
        count += 1.0;
        squares += error * error / variance;
        logs += variance.ln();
    }
    match count > 0.0 && squares.is_finite() {
        true => -0.5 * (logs + count * (squares / count + f64::MIN_POSITIVE).ln()),
        false => f64::NEG_INFINITY,
    }
}

/// Means given all values, from the last back (Bierman 1973): the adjoint state needs no inverse.
fn smooth<const D: usize>(all: &[Predicted<D>]) -> Vec<f64> {
    let mut adjoint = [0.0; D];
    let mut means = vec![0.0; all.len()];
    for (mean, predicted) in means.iter_mut().zip(all).rev() {
        let along = |adjoint: &[f64; D]| {
            let products = predicted.row.iter().zip(adjoint);
            products.map(|(a, b)| a * b).sum::<f64>()
        };
        if let Some((error, variance)) = predicted.seen {
            adjoint[0] -= (along(&adjoint) + error) / variance;
        }
        *mean = predicted.value - along(&adjoint);
        let powers = powers::<D>(predicted.step);
        adjoint = std::array::from_fn(|j| (0..=j).map(|i| powers[j - i] * adjoint[i]).sum::<f64>());
    }
    means
}
