//! Predictive densities: 1000 bins of probability on a channel's axis.

mod digits;
mod mass;
mod tail;

use tail::Bins;

use crate::codec::{Axis, BIN_COUNT, BIN_WIDTH, Bin, Cell, Grid};

pub use digits::DigitTree;
pub use mass::{Mass, REACH, normal_cdf, normal_quantile};
pub use tail::{AxisTails, EndTail, ParetoTail};

/// The piecewise-uniform density of one channel at one step: bin `k` of a [`Grid`] carries the
/// probability `mass[k]`, spread evenly; of digits, over `[k/100, (k+1)/100)` of the axis.
///
/// All values are in the channel's units unless axis units are named. On a constant axis the
/// density is a point. On the bins of digits what lies beyond an end is taken to lie in the end bin, unless
/// [tails](Self::with_tails) are given.
///
/// ```
/// use statecast_lm::codec::{Axis, Bin};
/// use statecast_lm::density::BinnedDensity;
///
/// let mut mass = vec![0.0; 1000];
/// mass[500] = 0.5;
/// mass[501] = 0.5;
/// let density = BinnedDensity::new(Axis::Identity, &mass).unwrap();
/// assert!((density.mean() - 5.01).abs() < 1e-12);
/// assert!((density.quantile(0.25) - 5.005).abs() < 1e-12);
/// let bin = Bin::new(500).unwrap();
/// assert!((density.log_score(bin) - 50f64.ln()).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct BinnedDensity<'a> {
    axis: Axis,
    grid: Grid,
    mass: &'a [f32],
    /// Sum of `mass`, one up to rounding.
    total: f64,
    tails: Option<AxisTails>,
}

impl<'a> BinnedDensity<'a> {
    /// Creates a density from 1000 probabilities of the bins of digits; `None` if there are not
    /// 1000, one is negative or not finite, or all are zero.
    pub fn new(axis: Axis, mass: &'a [f32]) -> Option<Self> {
        Self::on(axis, Grid::Digits, mass)
    }

    /// Creates a density on the bins of a grid.
    ///
    /// ```
    /// use statecast_lm::codec::{Axis, Grid};
    /// use statecast_lm::density::BinnedDensity;
    /// let grid = Grid::Residual { centre: 20.0, scale: 0.01 };
    /// let density = BinnedDensity::on(Axis::Identity, grid, &[0.001; 1000]).unwrap();
    /// assert!((density.quantile(0.5) - 20.0).abs() < 1e-9);
    /// let cell = grid.cell(20.0, 0.0);
    /// assert!((density.log_score(cell) - (0.001 / cell.width()).ln()).abs() < 1e-4);
    /// ```
    pub fn on(axis: Axis, grid: Grid, mass: &'a [f32]) -> Option<Self> {
        let total: f64 = mass.iter().map(|&p| f64::from(p)).sum();
        let valid = mass.len() == BIN_COUNT
            && mass.iter().all(|&p| p >= 0.0)
            && total.is_finite()
            && total > 0.0;
        valid.then_some(Self {
            axis,
            grid,
            mass,
            total,
            tails: None,
        })
    }

    /// The same with tails beyond the ends of the axis, if its bins are those of digits and it is not constant; bins of a
    /// residual have [tails of their own](Grid). Logarithmic scores, PIT values, the distribution function and quantiles
    /// are those of the whole density. Moments and the bins' probabilities keep in the end bins what lies beyond them.
    ///
    /// ```
    /// use statecast_lm::codec::{Axis, Grid};
    /// use statecast_lm::density::{AxisTails, BinnedDensity, EndTail, ParetoTail};
    /// let law = ParetoTail::new(0.5, 0.2).unwrap();
    /// let end = EndTail { share: 0.5, raised: 0.0, law };
    /// let density = BinnedDensity::new(Axis::Identity, &[0.001; 1000]).unwrap();
    /// let tailed = density.with_tails(AxisTails { low: end, high: end });
    /// // Half of the last bin's thousandth lies beyond 10.
    /// assert!((tailed.cdf(10.0) - 0.9995).abs() < 1e-6 && tailed.quantile(0.9999) > 10.1);
    /// let far = tailed.log_score(Grid::Digits.cell(12.0, 0.0));
    /// assert!((far - (0.0005 * law.density(2.005)).ln()).abs() < 1e-3);
    /// ```
    #[must_use]
    pub fn with_tails(self, tails: AxisTails) -> Self {
        let ends = self.grid == Grid::Digits && !self.axis.is_constant();
        Self {
            tails: ends.then_some(tails),
            ..self
        }
    }

    /// Its tails beyond the ends of the axis, if it has any.
    pub fn tails(&self) -> Option<AxisTails> {
        self.tails
    }

    fn with_sum(&self) -> Bins<'_> {
        Bins {
            mass: self.mass,
            total: self.total,
        }
    }

    /// Returns the channel's axis.
    pub fn axis(&self) -> Axis {
        self.axis
    }

    /// Returns the grid.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// Returns the probability of a bin.
    pub fn probability(&self, bin: Bin) -> f64 {
        f64::from(self.mass[bin.index()]) / self.total
    }

    /// Returns the ends of the 1000 bins in the channel's units, 1001 that ascend, and the probability in each bin. The
    /// value of a constant channel is both ends of all of them.
    ///
    /// ```
    /// use statecast_lm::codec::{Axis, Grid};
    /// use statecast_lm::density::BinnedDensity;
    /// let grid = Grid::Residual { centre: 20.0, scale: 0.01 };
    /// let density = BinnedDensity::on(Axis::Identity, grid, &[0.001; 1000]).unwrap();
    /// let (edges, probabilities) = density.bins();
    /// assert!((edges[500] - 20.0).abs() < 1e-9);
    /// assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-6);
    /// ```
    pub fn bins(&self) -> (Vec<f64>, Vec<f64>) {
        let edge = |k| self.axis.value(self.grid.edge(k));
        let edges = (0..=BIN_COUNT).map(edge).collect();
        (edges, self.probabilities().map(|(_, p)| p).collect())
    }

    /// Iterates over bins with their probabilities.
    fn probabilities(&self) -> impl Iterator<Item = (usize, f64)> {
        let masses = self.mass.iter().enumerate();
        masses.map(|(k, &p)| (k, f64::from(p) / self.total))
    }

    fn mean_on_axis(&self) -> f64 {
        let parts = self.probabilities();
        parts.map(|(k, p)| p * self.grid.centre(k)).sum()
    }

    /// Returns the mean.
    pub fn mean(&self) -> f64 {
        self.axis.value(self.mean_on_axis())
    }

    /// Returns the variance, between the bins' centres and within bins.
    pub fn variance(&self) -> f64 {
        let mean = self.mean_on_axis();
        let of_bin = |(k, p): (usize, f64)| {
            let (off, width) = (self.grid.centre(k) - mean, self.grid.width(k));
            p * (off.powi(2) + width.powi(2) / 12.0)
        };
        let sum: f64 = self.probabilities().map(of_bin).sum();
        sum * self.axis.unit().powi(2)
    }

    /// Returns the standard deviation.
    pub fn std(&self) -> f64 {
        self.variance().sqrt()
    }

    /// Returns the probability of at most `x`.
    pub fn cdf(&self, x: f64) -> f64 {
        if let Axis::Constant(value) = self.axis {
            return if x < value { 0.0 } else { 1.0 };
        }
        if let Some(tails) = &self.tails {
            return tails.below(self.with_sum(), self.axis.position(x) / BIN_WIDTH);
        }
        let position = self.grid.place(self.axis.position(x));
        let whole = (position as usize).min(BIN_COUNT);
        let below: f64 = self.mass[..whole].iter().map(|&p| f64::from(p)).sum();
        let partial = self
            .mass
            .get(whole)
            .map_or(0.0, |&p| f64::from(p) * (position - whole as f64));
        ((below + partial) / self.total).min(1.0)
    }

    /// Returns the quantile at `level`, clipped to `[0, 1]`. It never decreases with `level`. With tails those at 0 and 1
    /// are infinite.
    pub fn quantile(&self, level: f64) -> f64 {
        if let Some(tails) = &self.tails {
            return self.axis.value(tails.quantile(self.with_sum(), level));
        }
        let (bin, fraction) = self.locate(level);
        self.axis.value(self.grid.position(bin, fraction))
    }

    /// Returns the bin, and the fraction of it, at which the cumulative probability of the bins reaches
    /// `level`; a draw on the axis for a uniform `level`.
    pub fn locate(&self, level: f64) -> (Bin, f64) {
        let (k, fraction) = locate(self.mass, level);
        (index(k), fraction)
    }

    /// Returns the randomised PIT value of an observed cell of the grid: the probability below it
    /// plus the fraction `random` of its own.
    pub fn pit(&self, observed: impl Into<Cell>, random: f64) -> f64 {
        let cell = observed.into();
        if let Some(tails) = &self.tails {
            let (from, to) = cell.span();
            let [below, up_to] = [from, to].map(|place| tails.below(self.with_sum(), place));
            return (below + random * (up_to - below)).clamp(0.0, 1.0);
        }
        let inside = random * probability(self.mass, cell);
        (below(self.mass, cell) + inside).min(1.0)
    }

    /// Returns the logarithmic score of an observed cell of the grid, in nats, of the density in
    /// axis units: for a bin of digits `ln(100 p)`. In the channel's units it is lower by the
    /// logarithm of [`Axis::unit`].
    ///
    /// The outermost bins of a residual have half of their mass in the tails ([`Grid`]).
    pub fn log_score(&self, observed: impl Into<Cell>) -> f64 {
        match &self.tails {
            Some(tails) => tails.log_density(self.with_sum(), observed.into()),
            None => density(self.mass, observed.into()).ln(),
        }
    }
}

/// The index, and the fraction of it, at which the cumulated probability of some masses reaches
/// `level`; levels outside `[0, 1]` are moved to its ends. The masses need not sum to one.
pub fn locate(mass: &[f32], level: f64) -> (usize, f64) {
    let total: f64 = mass.iter().map(|&p| f64::from(p)).sum();
    let target = level.clamp(0.0, 1.0) * total;
    let mut below = 0.0;
    let mut last = 0;
    for (k, &p) in mass.iter().enumerate() {
        let p = f64::from(p);
        if p > 0.0 {
            if below + p >= target {
                return (k, ((target - below) / p).clamp(0.0, 1.0));
            }
            last = k;
        }
        below += p;
    }
    (last, 1.0)
}

/// Probability of the axis below a cell, for masses that need not sum to one.
pub fn below(mass: &[f32], cell: Cell) -> f64 {
    mass_between(mass, (0.0, cell.bins().0)) / sum(mass)
}

/// Probability of a cell, for masses that need not sum to one.
pub fn probability(mass: &[f32], cell: Cell) -> f64 {
    mass_between(mass, cell.bins()) / sum(mass)
}

/// Mean density of a cell in axis units, for masses that need not sum to one.
pub fn density(mass: &[f32], cell: Cell) -> f64 {
    let Some(ends) = cell.ends() else {
        return probability(mass, cell) / cell.width();
    };
    let last = BIN_COUNT - 1;
    let (low, high) = cell.bins();
    let inner = |place: f64| place.clamp(1.0, last as f64);
    let inside = mass_between(mass, (inner(low), inner(high)));
    let outside = ends[0] * f64::from(mass[0]) + ends[1] * f64::from(mass[last]);
    (inside + outside) / sum(mass) / cell.width()
}

/// Mass between two places, in bins.
fn mass_between(mass: &[f32], (low, high): (f64, f64)) -> f64 {
    let part = |k: usize, share: f64| mass.get(k).map_or(0.0, |&p| share * f64::from(p));
    let (from, to) = (low as usize, high as usize);
    match from == to {
        true => part(from, high - low),
        false => part(from, 1.0 - low.fract()) + sum(&mass[from + 1..to]) + part(to, high.fract()),
    }
}

fn sum(mass: &[f32]) -> f64 {
    mass.iter().map(|&p| f64::from(p)).sum()
}

fn index(k: usize) -> Bin {
    Bin::new(k).expect("k counts the bins of a density, of which there are BIN_COUNT")
}

/// The mass of a density that is a point: all of it in the bin in which a constant axis has its
/// one value.
pub fn point_mass() -> Vec<f32> {
    let mut mass = vec![0.0; BIN_COUNT];
    let axis = Axis::Constant(0.0);
    mass[axis.quantise(0.0).bin.index()] = 1.0;
    mass
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AXIS: Axis = Axis::Span {
        min: -3.0,
        max: 11.0,
    };

    fn masses() -> impl Strategy<Value = Vec<f32>> {
        (prop::collection::vec((0..BIN_COUNT, 0f32..1.0), 1..40)).prop_map(|spikes| {
            let mut mass = vec![0.0; BIN_COUNT];
            for (k, p) in spikes {
                mass[k] += p + 1e-3;
            }
            let total: f32 = mass.iter().sum();
            mass.iter().map(|p| p / total).collect()
        })
    }

    #[test]
    fn refuses_what_is_no_density() {
        let refused = |mass: &[f32]| BinnedDensity::new(AXIS, mass).is_none();
        assert!(refused(&[1.0]));
        assert!(refused(&[0.0; BIN_COUNT]));
        let mut mass = vec![1e-3; BIN_COUNT];
        mass[4] = f32::NAN;
        assert!(refused(&mass));
        mass[4] = -1.0;
        assert!(refused(&mass));
    }

    #[test]
    fn constant_channel_is_a_point() {
        let mass = point_mass();
        let density = BinnedDensity::new(Axis::Constant(7.5), &mass).unwrap();
        assert_eq!((density.mean(), density.std()), (7.5, 0.0));
        assert_eq!(density.quantile(0.05), density.quantile(0.95));
        assert_eq!((density.cdf(7.4), density.cdf(7.5)), (0.0, 1.0));
    }

    proptest! {
        #[test]
        fn moments_equal_those_of_a_fine_grid(mass in masses()) {
            let density = BinnedDensity::new(AXIS, &mass).unwrap();
            let fine = 50;
            let (mut first, mut second) = (0.0, 0.0);
            let total: f64 = mass.iter().map(|&p| f64::from(p)).sum();
            for (k, &p) in mass.iter().enumerate() {
                for i in 0..fine {
                    let y = (k as f64 + (i as f64 + 0.5) / fine as f64) / 100.0;
                    let weight = f64::from(p) / total / fine as f64;
                    first += weight * AXIS.value(y);
                    second += weight * AXIS.value(y).powi(2);
                }
            }
            prop_assert!((density.mean() - first).abs() < 1e-9);
            prop_assert!((density.variance() - (second - first * first)).abs() < 1e-6);
        }

        /// Cells that lie side by side share out the probability between their outer ends.
        #[test]
        fn cells_share_out_the_probability(mass in masses(), steps in 2..200usize) {
            let density = BinnedDensity::new(AXIS, &mass).unwrap();
            let step = 10.0 / steps as f64;
            let mut sum = 0.0;
            for i in 0..steps {
                let cell = Cell::of((i as f64 + 0.5) * step, step);
                prop_assert!((density.pit(cell, 0.0) - sum).abs() < 1e-6);
                sum += density.log_score(cell).exp() * cell.width();
            }
            prop_assert!((sum - 1.0).abs() < 1e-6);
        }

        /// All that lay beyond the ends used to have the density of the bin there, at any distance.
        #[test]
        fn densities_of_residuals_integrate_to_one_over_all_values(
            mass in masses(),
            ends in (0f32..0.5, 0f32..0.5),
            steps in 5..200usize,
        ) {
            let mut mass = mass;
            (mass[0], mass[BIN_COUNT - 1]) = ends;
            let grid = Grid::Residual { centre: 4.0, scale: 0.01 };
            let density = BinnedDensity::on(AXIS, grid, &mass).unwrap();
            // Over 1000 axis units on either side, that is 100000 scales.
            let step = 2000.0 / steps as f64;
            let cells = (0..steps).map(|i| grid.cell(-996.0 + (i as f64 + 0.5) * step, step));
            let sum: f64 = cells.map(|cell| density.log_score(cell).exp() * step).sum();
            prop_assert!((sum - 1.0).abs() < 2e-3, "{sum}");
            // A wide cell has the mean of the densities in it.
            let at = |y: f64| density.log_score(grid.cell(y, 0.0)).exp();
            let fine: f64 = (0..1000).map(|i| at(8.0 + (f64::from(i) + 0.5) * 1e-3)).sum();
            let wide = density.log_score(grid.cell(8.5, 1.0)).exp();
            prop_assert!((fine / 1000.0 - wide).abs() < 1e-4 * wide + 1e-12);
        }

        #[test]
        fn quantiles_never_cross_and_invert_the_cdf(mass in masses(), levels in prop::collection::vec(0.0..1.0f64, 2..20)) {
            let density = BinnedDensity::new(AXIS, &mass).unwrap();
            let mut levels = levels;
            levels.sort_by(f64::total_cmp);
            let quantiles: Vec<f64> = levels.iter().map(|&l| density.quantile(l)).collect();
            prop_assert!(quantiles.is_sorted());
            for (&level, &x) in levels.iter().zip(&quantiles) {
                prop_assert!((density.cdf(x) - level).abs() < 1e-6);
            }
        }
    }
}
