//! Settling values of training metrics.

use std::num::NonZeroUsize;
use std::sync::Arc;

use ndarray::{Array2, s};
use serde::Serialize;

use super::{ConvergenceError, Decay, LocalTrend, range};
use crate::codec::Scale;
use crate::forecast::{
    Forecaster, Futures, Predictor, Role, Rollout, RolloutSettings, Settings, Variables,
};
use crate::metrics::quantile;

/// Fewest blocks of a prefix.
const MIN_BLOCKS: usize = 12;

/// Largest number of blocks of the prefix and the forecast.
const MAX_BLOCKS: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// Fewest blocks that predictors read, if available.
const MIN_READ: usize = 24;

/// Final fraction of the steps over which the settling value averages the metric.
const TAIL: f64 = 0.1;

/// Ratio of the largest to the smallest block above which logarithms are forecast.
const WIDE: f64 = 20.0;

/// Margin below the smallest block, relative to the range: metrics continue to fall.
const MARGIN: f64 = 0.27;

/// Known prefix and end of a forecast, in rows of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    prefix: usize,
    until: usize,
    /// Rows per block.
    block: usize,
}

/// Block averages of a prefix; the last block ends with it.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockAverages {
    span: Span,
    /// Means of the blocks.
    pub blocks: Vec<f64>,
    /// Whether logarithms are forecast.
    pub logarithms: bool,
}

/// A forecast of the settling value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SettlingValue {
    /// Name of the forecaster.
    pub name: String,
    /// Median.
    pub median: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Sorted draws.
    pub draws: Vec<f64>,
}

impl Span {
    /// Chooses the block size for about `blocks` blocks in total.
    ///
    /// # Errors
    /// [`ConvergenceError::Setting`] for more than 10,000 blocks, [`ConvergenceError::Until`] if the end is not after
    /// the prefix, [`ConvergenceError::Short`] if the prefix has fewer than 12 blocks.
    pub fn new(
        prefix: usize,
        until: usize,
        blocks: NonZeroUsize,
    ) -> Result<Self, ConvergenceError> {
        if blocks > MAX_BLOCKS {
            return Err(ConvergenceError::Setting {
                name: "blocks",
                value: blocks.get() as f64,
                needs: "at most 10,000",
            });
        }
        if until <= prefix {
            return Err(ConvergenceError::Until { prefix, until });
        }
        let block = until.div_ceil(blocks.get());
        let span = Self {
            prefix,
            until,
            block,
        };
        match prefix / block < MIN_BLOCKS {
            true => Err(ConvergenceError::Short {
                prefix,
                until,
                needed: MIN_BLOCKS.saturating_mul(block),
            }),
            false => Ok(span),
        }
    }

    /// Returns the number of known rows.
    pub fn prefix(&self) -> usize {
        self.prefix
    }

    /// Returns the rows per block.
    pub fn block(&self) -> usize {
        self.block
    }

    /// Returns the number of blocks to forecast.
    pub fn horizon(&self) -> usize {
        (self.until - self.prefix).div_ceil(self.block)
    }

    /// Returns the number of final blocks that the settling value averages; the first of them may
    /// be known.
    fn tail(&self) -> usize {
        let tail = (TAIL * self.until as f64 / self.block as f64).round() as usize;
        tail.clamp(1, self.prefix / self.block + self.horizon())
    }

    /// Returns the actual settling value of a metric that is known until the end; `None` if it is
    /// not, or not finite.
    pub fn actual(&self, metric: &[f64]) -> Option<f64> {
        let known = metric.get(..self.until)?;
        let tail = &known[self.until.saturating_sub(self.tail() * self.block)..];
        let mean = tail.iter().sum::<f64>() / tail.len() as f64;
        mean.is_finite().then_some(mean)
    }

    /// Averages a prefix over blocks.
    ///
    /// # Errors
    /// [`ConvergenceError::Diverged`] for a value that is not finite.
    ///
    /// # Panics
    /// If there are fewer rows than the prefix has.
    pub fn block_averages(&self, metric: &[f64]) -> Result<BlockAverages, ConvergenceError> {
        let prefix = &metric[..self.prefix];
        if let Some(row) = prefix.iter().position(|value| !value.is_finite()) {
            return Err(ConvergenceError::Diverged { row: row + 1 });
        }
        let whole = &prefix[self.prefix % self.block..];
        let mean = |block: &[f64]| block.iter().sum::<f64>() / block.len() as f64;
        let blocks: Vec<f64> = whole.chunks(self.block).map(mean).collect();
        let mut block_averages = BlockAverages {
            span: *self,
            logarithms: false,
            blocks,
        };
        let (low, high) = range(block_averages.recent());
        block_averages.logarithms = low > 0.0 && high / low > WIDE;
        Ok(block_averages)
    }
}

impl BlockAverages {
    /// Returns the blocks that predictors read: the later half, at least 24. Earlier blocks would
    /// set an axis scale on which the remaining changes are too small to resolve.
    pub fn recent(&self) -> &[f64] {
        let count = (self.blocks.len() / 2).max(MIN_READ).min(self.blocks.len());
        &self.blocks[self.blocks.len() - count..]
    }

    /// Forecasts by a predictor that reads the later half of the blocks. Returns the settling value
    /// and the sampled paths `[samples, blocks]` of the metric.
    ///
    /// # Errors
    /// Errors of the predictor.
    pub fn forecast(
        &self,
        predictor: Arc<dyn Predictor>,
        settings: Settings,
        origins: usize,
        samples: NonZeroUsize,
        seed: u64,
        level: f64,
    ) -> Result<(SettlingValue, Array2<f64>), ConvergenceError> {
        let name = predictor.name();
        let paths = self.paths(predictor, settings, origins, samples, seed)?;
        Ok((self.settling(name, &paths, level), paths))
    }

    /// Returns the settling value of paths `[samples, blocks]`.
    fn settling(&self, name: String, paths: &Array2<f64>, level: f64) -> SettlingValue {
        let (known, ahead) = self.parts();
        let draws = paths.outer_iter().map(|path| {
            let last = path.slice(s![path.len() - ahead..]);
            (known.iter().sum::<f64>() + last.sum()) / (known.len() + ahead) as f64
        });
        SettlingValue::of(name, draws.collect(), level)
    }

    /// Returns the known blocks of the tail, and the number of its future blocks.
    fn parts(&self) -> (&[f64], usize) {
        let ahead = self.span.tail().min(self.span.horizon());
        let known = self.span.tail() - ahead;
        let known = &self.blocks[self.blocks.len().saturating_sub(known)..];
        (known, ahead)
    }

    fn paths(
        &self,
        predictor: Arc<dyn Predictor>,
        settings: Settings,
        origins: usize,
        samples: NonZeroUsize,
        seed: u64,
    ) -> Result<Array2<f64>, ConvergenceError> {
        let horizon = self.span.horizon();
        let blocks = self.recent();
        let (low, high) = range(blocks);
        if low == high {
            return Ok(Array2::from_elem((samples.get(), horizon), low));
        }
        let shown = self.shown();
        let (low, high) = range(&shown);
        let scale = Scale::range(low - MARGIN * (high - low), high)?;
        let forecaster = Forecaster::of(predictor, Settings { scale, ..settings });
        let longest = forecaster.longest_context(horizon.min(MAX_AHEAD));
        let rows = shown.len().min(longest);
        let column = Array2::from_shape_vec((rows, 1), shown[shown.len() - rows..].to_vec())
            .expect("one value per row");
        let context = Variables::new(vec!["metric".to_owned()], vec![Role::State], column);
        let rollout = RolloutSettings {
            horizon: NonZeroUsize::new(horizon)
                .expect("Span::new checks that the end is after the prefix"),
            samples,
            seed,
            max_steps: NonZeroUsize::new(MAX_AHEAD),
            ..RolloutSettings::default()
        };
        let forecaster = forecaster.with_origins(origins);
        let forecast = forecaster.rollouts(&context, 0, &rollout, Futures::Unknown, &|_| ())?;
        let Rollout { paths, .. } = forecast.into_first();
        Ok(self.metric_of(paths.slice_move(s![.., .., 0])))
    }

    /// Returns the input of predictors: the later blocks, or their logarithms.
    fn shown(&self) -> Vec<f64> {
        let blocks = self.recent().iter();
        match self.logarithms {
            true => blocks.map(|x| x.ln()).collect(),
            false => blocks.copied().collect(),
        }
    }

    /// Converts predictions to the metric.
    fn metric_of(&self, shown: Array2<f64>) -> Array2<f64> {
        match self.logarithms {
            true => shown.mapv_into(f64::exp),
            false => shown.mapv_into(|x| x.max(self.least())),
        }
    }

    /// Forecasts by a local linear trend on the same input, with its paths `[samples, blocks]`;
    /// `None` where
    /// [`LocalTrend::of`] has none. Logarithms rise at most by their past range.
    pub fn trend(
        &self,
        samples: NonZeroUsize,
        seed: u64,
        level: f64,
    ) -> Option<(SettlingValue, Array2<f64>)> {
        let horizon = self.span.horizon();
        let shown = self.shown();
        let trend = LocalTrend::of(&shown, self.blocks.len() + horizon)?;
        let mut paths = trend.paths(horizon, samples.get(), seed);
        if self.logarithms {
            let (low, high) = range(&shown);
            paths.mapv_inplace(|x| x.min(high + (high - low)));
        }
        let paths = self.metric_of(paths);
        Some((self.settling("trend".to_owned(), &paths, level), paths))
    }

    /// Returns the lower bound of the metric: zero if it was never negative.
    fn least(&self) -> f64 {
        match range(&self.blocks).0 >= 0.0 {
            true => 0.0,
            false => f64::NEG_INFINITY,
        }
    }

    /// Forecasts by a parametric curve, with the curves of its draws `[samples, blocks]`; `None`
    /// without a fit.
    pub fn extrapolated(
        &self,
        decay: Decay,
        samples: NonZeroUsize,
        seed: u64,
        level: f64,
    ) -> Option<(SettlingValue, Array2<f64>)> {
        let (known, horizon) = (self.blocks.len(), self.span.horizon());
        let end = known + horizon;
        let from = end - self.span.tail();
        let drawn = decay.draws(&self.blocks, from, end, samples.get(), seed)?;
        let least = self.least();
        let paths = Array2::from_shape_fn((drawn.len(), horizon), |(i, k)| {
            drawn[i].1.at(known + k).max(least)
        });
        let draws = drawn.into_iter().map(|(draw, _)| draw.max(least)).collect();
        let name = match decay {
            Decay::PowerLaw => "power law",
            Decay::Exponential => "exponential",
        };
        Some((SettlingValue::of(name.to_owned(), draws, level), paths))
    }

    /// Forecasts the mean of the last blocks, with symmetric errors of such means within the second
    /// half of the prefix.
    pub fn last_value(&self, level: f64) -> SettlingValue {
        let rows = self.blocks.len();
        let tail = self.span.tail().min(rows / 4).max(1);
        let mean = |end: usize| self.blocks[end - tail..end].iter().sum::<f64>() / tail as f64;
        let last = mean(rows);
        let draws = (rows / 2..=rows).flat_map(|end| {
            let off = mean(end.max(tail)) - last;
            [last + off, last - off]
        });
        SettlingValue::of("last value".to_owned(), draws.collect(), level)
    }
}

/// Largest number of generated blocks after the context before a path restarts.
const MAX_AHEAD: usize = 400;

impl SettlingValue {
    /// Returns the median and the central interval of draws, `NaN` for none.
    pub fn of(name: String, mut draws: Vec<f64>, level: f64) -> Self {
        draws.sort_by(f64::total_cmp);
        let out = (1.0 - level) / 2.0;
        Self {
            name,
            median: quantile(&draws, 0.5),
            low: quantile(&draws, out),
            high: quantile(&draws, 1.0 - out),
            draws,
        }
    }

    /// Pools the draws of weighted forecasts; `None` for none.
    pub fn pooled(name: String, parts: &[(&Self, f64)], level: f64) -> Option<Self> {
        let most = parts.iter().map(|(part, _)| part.draws.len()).max()?;
        let heaviest = parts.iter().map(|(_, weight)| *weight).fold(0.0, f64::max);
        let draws = parts.iter().flat_map(|(part, weight)| {
            let count = (most as f64 * weight / heaviest).round().max(1.0) as usize;
            (0..count).map(move |i| part.draws[(2 * i + 1) * part.draws.len() / (2 * count)])
        });
        Some(Self::of(name, draws.collect(), level))
    }

    /// True if the interval covers a value.
    pub fn covers(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Returns the interval score (Gneiting and Raftery 2007, eq. 43).
    pub fn interval_score(&self, value: f64, level: f64) -> f64 {
        let off = (self.low - value).max(value - self.high).max(0.0);
        self.high - self.low + 2.0 / (1.0 - level) * off
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baselines;

    const BLOCKS: NonZeroUsize = NonZeroUsize::new(100).unwrap();
    const SAMPLES: NonZeroUsize = NonZeroUsize::new(200).unwrap();

    #[test]
    fn spans_are_checked_and_averaged_over_blocks() {
        let span = Span::new(1003, 5000, BLOCKS).unwrap();
        assert_eq!((span.block(), span.horizon(), span.tail()), (50, 80, 10));
        let metric: Vec<f64> = (0..5000).map(f64::from).collect();
        let block_averages = span.block_averages(&metric).unwrap();
        assert_eq!(block_averages.blocks.len(), 20);
        // The last block ends with the prefix: rows 953 to 1002.
        assert_eq!(block_averages.blocks[19], 977.5);
        // From 27.5 to 977.5.
        assert!(block_averages.logarithms);
        assert_eq!(span.actual(&metric), Some(4749.5));
        assert_eq!(span.actual(&metric[..4999]), None);
        // Most of the last tenth is known.
        let near = Span::new(4900, 5000, BLOCKS).unwrap();
        assert_eq!(near.actual(&metric), Some(4749.5));
        let (known, ahead) = (
            near.block_averages(&metric).unwrap().parts().0.len(),
            near.horizon(),
        );
        assert_eq!((known, ahead), (8, 2));
        let refused = |prefix, until| Span::new(prefix, until, BLOCKS).unwrap_err().to_string();
        assert!(refused(10, 10).contains("10"));
        assert!(refused(100, 5000).contains("600"));
        let mut broken = metric;
        broken[7] = f64::NAN;
        assert!(
            span.block_averages(&broken)
                .unwrap_err()
                .to_string()
                .contains("row 8")
        );
    }

    #[test]
    fn a_constant_metric_stays_constant() {
        let span = Span::new(400, 800, BLOCKS).unwrap();
        let block_averages = span.block_averages(&[0.25; 800]).unwrap();
        let mean = baselines::named("mean").unwrap();
        let (settling, paths) = block_averages
            .forecast(mean, Settings::default(), 0, SAMPLES, 0, 0.9)
            .unwrap();
        assert_eq!(paths.dim(), (200, 50));
        let of = |s: SettlingValue| (s.low, s.median, s.high);
        assert_eq!(of(settling), (0.25, 0.25, 0.25));
        assert_eq!(of(block_averages.last_value(0.9)), (0.25, 0.25, 0.25));
        let (curve, _) = block_averages
            .extrapolated(Decay::PowerLaw, SAMPLES, 0, 0.9)
            .unwrap();
        assert!((curve.median - 0.25).abs() < 1e-9);
    }

    /// A fitted exponential finds the limit; the last value does not.
    #[test]
    fn an_exponential_is_extrapolated() {
        let metric: Vec<f64> = (0..2000)
            .map(|t| 0.3 + 1.2 * (-f64::from(t) / 400.0).exp() + 0.01 * (f64::from(t) * 1.7).sin())
            .collect();
        let span = Span::new(600, 2000, BLOCKS).unwrap();
        let block_averages = span.block_averages(&metric).unwrap();
        let actual = span.actual(&metric).unwrap();
        let (curve, _) = block_averages
            .extrapolated(Decay::Exponential, SAMPLES, 0, 0.9)
            .unwrap();
        assert!((curve.median - actual).abs() < 0.02, "{curve:?} {actual}");
        let last = block_averages.last_value(0.9);
        assert!(last.median - actual > 0.2, "{last:?}");
        assert!(last.interval_score(actual, 0.9) > curve.interval_score(actual, 0.9));
        let both = SettlingValue::pooled("both".to_owned(), &[(&curve, 1.0), (&last, 1.0)], 0.9);
        let both = both.unwrap();
        assert_eq!(
            both.draws.len(),
            2 * curve.draws.len().max(last.draws.len())
        );
        assert!(both.covers(actual) && both.low <= curve.median && both.high >= last.median);
        assert!(SettlingValue::pooled(String::new(), &[], 0.9).is_none());
    }

    #[test]
    fn pooled_draws_are_weighted() {
        let of = |draws: std::ops::Range<u32>| {
            SettlingValue::of(String::new(), draws.map(f64::from).collect(), 0.9)
        };
        let (low, high) = (of(0..50), of(100..200));
        let pool = |a, b| {
            let pooled =
                SettlingValue::pooled(String::new(), &[(&low, a), (&high, b)], 0.9).unwrap();
            let below = pooled.draws.iter().filter(|draw| **draw < 100.0).count();
            (below, pooled.draws.len() - below)
        };
        assert_eq!(pool(1.0, 1.0), (100, 100));
        assert_eq!(pool(0.5, 1.0), (50, 100));
        assert_eq!(pool(0.8, 0.2), (100, 25));
        // Subsampling keeps the median.
        let block_averages =
            SettlingValue::pooled(String::new(), &[(&low, 1.0), (&high, 0.1)], 0.9).unwrap();
        let kept = &block_averages.draws[100..];
        assert_eq!(
            kept,
            [
                105.0, 115.0, 125.0, 135.0, 145.0, 155.0, 165.0, 175.0, 185.0, 195.0
            ]
        );
    }

    #[test]
    fn wide_metrics_are_forecast_as_logarithms() {
        let metric: Vec<f64> = (0..400)
            .map(|t| 10f64.powf(-f64::from(t) / 100.0))
            .collect();
        let span = Span::new(300, 400, BLOCKS).unwrap();
        let block_averages = span.block_averages(&metric).unwrap();
        assert!(block_averages.logarithms);
        let ar = baselines::named("ar").unwrap();
        let (settling, _) = block_averages
            .forecast(ar, Settings::default(), 0, SAMPLES, 0, 0.9)
            .unwrap();
        assert!(settling.low > 0.0 && settling.high < 1e-2, "{settling:?}");
    }

    /// Fault: a drifting slope of logarithms overflowed.
    #[test]
    fn trends_of_wide_metrics_stay_finite() {
        let metric: Vec<f64> = (0..4000)
            .map(|t| 10f64.powf(8.0 * (f64::from(t) / 30.0).sin()))
            .collect();
        let span = Span::new(400, 40_000, NonZeroUsize::new(10_000).unwrap()).unwrap();
        let block_averages = span.block_averages(&metric).unwrap();
        assert!(block_averages.logarithms);
        let (settling, paths) = block_averages.trend(SAMPLES, 0, 0.9).unwrap();
        assert!(paths.iter().all(|x| x.is_finite()));
        assert!(settling.high.is_finite());
    }
}
