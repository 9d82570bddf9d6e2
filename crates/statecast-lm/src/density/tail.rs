//! Generalised Pareto tails beyond the ends of the axis of digits.
//!
//! The bins of digits end at 0 and 10. What a density says of an end bin is the probability of "there or beyond":
//! values beyond are read as that bin. [`AxisTails`] divides it, so that a value beyond is scored by its distance.

use crate::codec::{BIN_COUNT, BIN_WIDTH, Cell};

/// Shape that excesses have before any is observed: that of a Student's tail with four degrees of freedom.
const PRIOR_SHAPE: f64 = 0.25;

/// Excesses that this shape counts as.
const PRIOR_WEIGHT: f64 = 10.0;

/// Least shape of a fit: the steps of a smooth series are bounded, and an exponential law of them would call any larger one
/// impossible.
const LEAST_SHAPE: f64 = 0.1;

/// Largest shape: the largest with which probability-weighted moments have a finite variance.
const MAX_SHAPE: f64 = 0.5;

/// Shape below which the law is exponential to working precision.
const EXPONENTIAL: f64 = 1e-9;

/// Change of the logarithm of the survival across a cell below which the density is that of its middle to working
/// precision.
const FLAT: f64 = 1e-6;

const LAST: f64 = (BIN_COUNT - 1) as f64;
const END: f64 = BIN_COUNT as f64;

/// A generalised Pareto distribution of excesses over a threshold, with a shape from 0 (exponential) to 0.5 (density
/// falling with the cube of the distance). With a shape below zero it would end somewhere, and the score of a value
/// beyond would not be finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParetoTail {
    scale: f64,
    shape: f64,
}

impl ParetoTail {
    /// A tail with a scale above zero, in the units of the excesses, and a shape from 0 to 0.5; `None` for others.
    pub fn new(scale: f64, shape: f64) -> Option<Self> {
        let valid = scale > 0.0 && scale.is_finite() && (0.0..=MAX_SHAPE).contains(&shape);
        valid.then_some(Self { scale, shape })
    }

    /// Fits the excesses over a threshold, in ascending order: the shape by probability-weighted moments (Hosking &
    /// Wallis, Technometrics 29, 1987), shrunk towards 0.25 as if by ten excesses and limited to 0.1 to 0.5; the scale
    /// so that the mean is that of the excesses. `None` if that is not above zero.
    ///
    /// ```
    /// use statecast_lm::density::ParetoTail;
    /// // Quantiles of an exponential distribution with scale 2.
    /// let excess = |i: u32| -2.0 * (1.0 - (f64::from(i) + 0.5) / 500.0).ln();
    /// let tail = ParetoTail::fit(&(0..500).map(excess).collect::<Vec<_>>()).unwrap();
    /// assert!((tail.scale() - 1.8).abs() < 0.05 && tail.shape() == 0.1);
    /// ```
    pub fn fit(excesses: &[f64]) -> Option<Self> {
        let count = excesses.len() as f64;
        let mean = excesses.iter().sum::<f64>() / count;
        // The mean of the smaller of two excesses is twice this moment.
        let larger = |i: usize| (count - 1.0 - i as f64) / (count - 1.0);
        let weighted = excesses.iter().enumerate().map(|(i, x)| larger(i) * x);
        let moment = weighted.sum::<f64>() / count;
        let found = 2.0 - mean / (mean - 2.0 * moment);
        let (found, weight) = if found.is_finite() {
            (found, count)
        } else {
            (0.0, 0.0)
        };
        let shape = (weight * found + PRIOR_WEIGHT * PRIOR_SHAPE) / (weight + PRIOR_WEIGHT);
        let shape = shape.clamp(LEAST_SHAPE, MAX_SHAPE);
        Self::new(mean * (1.0 - shape), shape)
    }

    /// The scale.
    pub fn scale(self) -> f64 {
        self.scale
    }

    /// The shape.
    pub fn shape(self) -> f64 {
        self.shape
    }

    /// The law of the excesses over a threshold that is higher by `more`, of those that reach it.
    ///
    /// ```
    /// use statecast_lm::density::ParetoTail;
    /// let tail = ParetoTail::new(1.0, 0.2).unwrap();
    /// let (far, from) = (1.0 - tail.cdf(7.0), 1.0 - tail.cdf(4.0));
    /// assert!((1.0 - tail.above(4.0).cdf(3.0) - far / from).abs() < 1e-12);
    /// ```
    #[must_use]
    pub fn above(self, more: f64) -> Self {
        self.wider(self.shape * more)
    }

    /// The same with a scale larger by `scale`.
    #[must_use]
    pub fn wider(self, scale: f64) -> Self {
        Self {
            scale: self.scale + scale.max(0.0),
            ..self
        }
    }

    /// Logarithm of the probability of a larger excess. Finite for every finite one.
    fn log_survival(self, excess: f64) -> f64 {
        let z = self.standard(excess);
        match self.shape < EXPONENTIAL {
            true => -z,
            false => -(self.shape * z).ln_1p() / self.shape,
        }
    }

    /// An excess in units of the scale.
    fn standard(self, excess: f64) -> f64 {
        (excess.max(0.0) / self.scale).min(f64::MAX)
    }

    /// Logarithm of the density at an excess of at least zero.
    fn log_density(self, excess: f64) -> f64 {
        let stretched = (self.shape * self.standard(excess)).ln_1p();
        self.log_survival(excess) - self.scale.ln() - stretched
    }

    /// Logarithm of the mean density between two excesses.
    fn log_mean_density(self, low: f64, high: f64) -> f64 {
        let (from, to) = (self.log_survival(low), self.log_survival(high));
        // Far out both have the same survival to working precision, and farther out the same excess.
        if from - to < FLAT {
            return self.log_density(low / 2.0 + high / 2.0);
        }
        from + (-(to - from).exp_m1()).ln() - (high - low).ln()
    }

    /// The density at an excess; zero below zero.
    pub fn density(self, excess: f64) -> f64 {
        match excess < 0.0 {
            true => 0.0,
            false => self.log_density(excess).exp(),
        }
    }

    /// The probability of at most an excess.
    pub fn cdf(self, excess: f64) -> f64 {
        -self.log_survival(excess).exp_m1()
    }

    /// The excess that is exceeded with a probability, which is clipped to `[0, 1]`; infinite for zero.
    pub fn exceeded(self, probability: f64) -> f64 {
        let log = -probability.clamp(0.0, 1.0).ln();
        match self.shape < EXPONENTIAL {
            true => self.scale * log,
            false => self.scale / self.shape * (self.shape * log).exp_m1(),
        }
    }

    /// The quantile at a level, which is clipped to `[0, 1]`; infinite for one.
    pub fn quantile(self, level: f64) -> f64 {
        self.exceeded(1.0 - level)
    }
}

/// What of a density lies beyond one end of the axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EndTail {
    /// Fraction, 0 to 1, of the end bin's probability that lies beyond the end.
    pub share: f64,
    /// Probability beyond the end that is taken from all bins alike, 0 to 1.
    pub raised: f64,
    /// Law of the distances from the end, in axis units.
    pub law: ParetoTail,
}

/// Tails of a density beyond both ends of the axis of digits. Total probability stays one: each tail has the share of
/// its end bin, and what is raised is taken from all bins alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AxisTails {
    /// Below 0.
    pub low: EndTail,
    /// From 10 on.
    pub high: EndTail,
}

impl AxisTails {
    /// Fraction of every bin that stays in the bins.
    fn kept(&self) -> f64 {
        1.0 - self.low.raised - self.high.raised
    }

    /// Probabilities below and above the axis, of masses.
    fn beyond(&self, bins: Bins) -> (f64, f64) {
        let of = |tail: &EndTail, end: f64| tail.raised + self.kept() * tail.share * end;
        (of(&self.low, bins.first()), of(&self.high, bins.last()))
    }

    /// Probability below a place in bins, which may lie beyond the ends.
    pub(super) fn below(&self, bins: Bins, place: f64) -> f64 {
        let (low, high) = self.beyond(bins);
        if place <= 0.0 {
            return low * self.low.law.log_survival(-place * BIN_WIDTH).exp();
        }
        if place >= END {
            return 1.0 - high * self.high.law.log_survival((place - END) * BIN_WIDTH).exp();
        }
        let inside = bins.below(place);
        let in_first = self.low.share * bins.first() * (1.0 - place).max(0.0);
        let in_last = self.high.share * bins.last() * (place - LAST).max(0.0);
        self.low.raised + self.kept() * (inside + in_first - in_last)
    }

    /// The position on the axis, or beyond it, below which the probability is a level.
    pub(super) fn quantile(&self, bins: Bins, level: f64) -> f64 {
        let level = level.clamp(0.0, 1.0);
        let (low, high) = self.beyond(bins);
        if level < low {
            return -self.low.law.exceeded(level / low);
        }
        if 1.0 - level < high {
            return END * BIN_WIDTH + self.high.law.exceeded((1.0 - level) / high);
        }
        let level = (level - self.low.raised) / self.kept();
        let (bin, fraction) = super::locate(bins.mass, level);
        let fraction = match bin {
            0 => (fraction - self.low.share) / (1.0 - self.low.share),
            k if k == BIN_COUNT - 1 => fraction / (1.0 - self.high.share),
            _ => fraction,
        };
        // Not a number where all of an end bin lies beyond the end.
        let fraction = if fraction.is_finite() {
            fraction.clamp(0.0, 1.0)
        } else {
            0.0
        };
        (bin as f64 + fraction) * BIN_WIDTH
    }

    /// Logarithm of the mean density of a cell, per axis unit.
    pub(super) fn log_density(&self, bins: Bins, cell: Cell) -> f64 {
        let (from, to) = cell.span();
        let (low, high) = self.beyond(bins);
        if from >= 1.0 && to <= LAST {
            return (self.kept() * super::density(bins.mass, cell)).ln();
        }
        // In logarithms: far out a probability is below the smallest number.
        let at = |tail: &EndTail, near: f64, far: f64| {
            let law = tail.law;
            law.log_mean_density(near * BIN_WIDTH, far * BIN_WIDTH)
        };
        if to <= 0.0 {
            return low.ln() + at(&self.low, -to, -from);
        }
        if from >= END {
            return high.ln() + at(&self.high, from - END, to - END);
        }
        let width = (to - from) * BIN_WIDTH;
        ((self.below(bins, to) - self.below(bins, from)) / width).ln()
    }
}

/// Masses of bins with their sum.
#[derive(Clone, Copy)]
pub(super) struct Bins<'a> {
    pub(super) mass: &'a [f32],
    pub(super) total: f64,
}

impl Bins<'_> {
    fn first(self) -> f64 {
        f64::from(self.mass[0]) / self.total
    }

    fn last(self) -> f64 {
        f64::from(self.mass[BIN_COUNT - 1]) / self.total
    }

    fn below(self, place: f64) -> f64 {
        super::mass_between(self.mass, (0.0, place)) / self.total
    }
}
