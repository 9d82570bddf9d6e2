//! Bands of steps ahead that hold: conformal adjustment by forecasts from inside of the context.
//!
//! What a one-step density gets wrong is learned by [`Recalibrated`](super::Recalibrated); how errors
//! add up along a path is not. Forecasts from origins within the context tell: every outcome has a
//! place among the paths that were to meet it, and the places that were seen at a step decide which of
//! the paths' quantiles is the one that a level means (conformal prediction: Vovk, Gammerman & Shafer
//! 2005; of quantiles: Romano, Patterson & Candès, NeurIPS 2019). The k-th of m places in order stands
//! for the level k / (m + 1): were the places exchangeable with the next one, bands would hold
//! whatever the forecaster is. Where the places are as likely if nothing is wrong, nothing is changed.

use std::num::NonZeroUsize;

use ndarray::{Array2, ArrayView1, ArrayView2, s};

use super::levels::FewLevels;
use super::{
    Control, ForecastError, Forecaster, KnownFuture, PathWeight, Reading, Rollout, RolloutSettings,
    Variables,
};
use crate::metrics::{crps, mean_and_std};

/// Paths of a forecast from inside of the context, at most.
const MAX_PATHS: usize = 25;

/// Standard errors by which adjusted paths must be better at origins that they were not adjusted by.
const BETTER_BY: f64 = 1.645;

/// Log-odds beyond which a place counts as this: outcomes that lie very far off all paths.
const FARTHEST: f64 = 50.0;

/// The places of outcomes among the paths that were to meet them, step by step and variable by
/// variable.
///
/// ```
/// use ndarray::{Array3, array};
/// use statecast::forecast::{Conformal, Rollout};
///
/// // Paths from -1 to 1, and outcomes that are three times as wide.
/// let paths = Array3::from_shape_fn((50, 1, 1), |(path, _, _)| (path as f64 - 24.5) / 24.5);
/// let rollout = Rollout { paths, clipped: 0 };
/// let mut conformal = Conformal::new(1, 1, 1);
/// (0..40).for_each(|i| conformal.learn(&rollout, array![[3.0 * (f64::from(i) - 19.5) / 19.5]].view()));
/// let widest = conformal.adjusted(&rollout).paths[[49, 0, 0]];
/// assert!(widest > 2.0);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Conformal {
    /// Rows from one forecast to the next.
    apart: usize,
    /// Log-odds in order, `[step][variable]`.
    places: Vec<Vec<Vec<f64>>>,
    /// Variables that are not adjusted.
    left: Vec<bool>,
}

impl Conformal {
    /// Nothing seen of so many steps and variables: adjusts nothing. `apart` is the rows from the
    /// origin of a forecast to that of the next: errors of forecasts that overlap are not new evidence.
    pub fn new(horizon: usize, variables: usize, apart: usize) -> Self {
        Self {
            apart,
            places: vec![vec![Vec::new(); variables]; horizon],
            left: vec![false; variables],
        }
    }

    /// Learned from forecasts and observations, in the order of their origins. A variable is not adjusted unless
    /// the CRPS of its paths falls significantly in the half of the forecasts that was not learned from.
    fn tested(
        seen: &[(Rollout, Array2<f64>)],
        horizon: usize,
        variables: usize,
        apart: usize,
    ) -> Self {
        let learned = |part: &[(Rollout, Array2<f64>)]| {
            let mut conformal = Self::new(horizon, variables, apart);
            for (rollout, observed) in part {
                conformal.learn(rollout, observed.view());
            }
            conformal
        };
        let mut all = learned(seen);
        let (early, late) = seen.split_at(seen.len() / 2);
        let mut gains = vec![Vec::with_capacity(seen.len()); variables];
        for (part, other) in [(early, late), (late, early)] {
            let conformal = learned(part);
            for (rollout, observed) in other {
                let adjusted = conformal.adjusted(rollout);
                for (v, gains) in gains.iter_mut().enumerate() {
                    let error = |paths: &Rollout| {
                        let of = |h: usize| {
                            crps(
                                &mut paths.paths.slice(s![.., h, v]).to_vec(),
                                observed[[h, v]],
                            )
                        };
                        (0..horizon).map(of).sum::<f64>()
                    };
                    gains.push(error(rollout) - error(&adjusted));
                }
            }
        }
        let new = (apart as f64 / horizon as f64).min(1.0);
        all.left = gains
            .iter()
            .map(|gains| !surely_above_zero(gains, new))
            .collect();
        all
    }

    /// Learns from a forecast and the observations, `[horizon, variables]`.
    pub fn learn(&mut self, rollout: &Rollout, observed: ArrayView2<f64>) {
        for (h, step) in self.places.iter_mut().enumerate() {
            for (v, places) in step.iter_mut().enumerate() {
                if let Some(distribution) =
                    SampleDistribution::of(rollout.paths.slice(s![.., h, v]))
                {
                    let place = distribution.log_odds(observed[[h, v]]);
                    let at = places.partition_point(|&seen| seen < place);
                    places.insert(at, place);
                }
            }
        }
    }

    /// Outcomes seen at the last step, of the variable of which most were.
    pub fn outcomes(&self) -> usize {
        let last = self.places.last().into_iter().flatten();
        last.map(Vec::len).max().unwrap_or(0)
    }

    /// A forecast whose paths are moved, step by step and variable by variable, to where they have
    /// the distribution that was learned. The paths keep their order, so what goes together still does.
    pub fn adjusted(&self, rollout: &Rollout) -> Rollout {
        let mut adjusted = rollout.clone();
        for (h, step) in self.places.iter().enumerate() {
            let new = (self.apart as f64 / (h + 1) as f64).min(1.0);
            for (v, places) in step.iter().enumerate().filter(|(v, _)| !self.left[*v]) {
                let mut paths = adjusted.paths.slice_mut(s![.., h, v]);
                let distribution = SampleDistribution::of(paths.view());
                if let (Some(distribution), Some(learned)) =
                    (distribution, Learned::of(places, new))
                {
                    paths.mapv_inplace(|x| {
                        distribution.value(learned.place(distribution.log_odds(x)))
                    });
                }
            }
        }
        adjusted
    }
}

/// Whether the mean of values, of which a share is new evidence, is significantly above zero.
fn surely_above_zero(values: &[f64], new: f64) -> bool {
    let (mean, deviation) = mean_and_std(values);
    let count = new * values.len() as f64;
    count >= 2.0 && mean > BETTER_BY * deviation / (count - 1.0).max(1.0).sqrt()
}

/// Which place among the paths a level stands for, both as log-odds.
struct Learned {
    /// Levels and places, in order.
    points: Vec<(f64, f64)>,
    /// How far they are trusted, 0 to 1.
    trust: f64,
}

impl Learned {
    /// What places in order, at least one, say, of which a share is new evidence.
    fn of(places: &[f64], new: f64) -> Option<Self> {
        let seen = places.len() as f64;
        let level = |k: usize| log_odds((k as f64 + 1.0) / (seen + 1.0));
        let points = places.iter().enumerate();
        (!places.is_empty()).then(|| Self {
            points: points.map(|(k, &place)| (level(k), place)).collect(),
            trust: trust(places, new),
        })
    }

    fn place(&self, level: f64) -> f64 {
        let learned = interpolated(&self.points, |p| p, 1.0, level);
        self.trust * learned + (1.0 - self.trust) * level
    }
}

/// Probability that places, as log-odds, have another distribution than the standard logistic one, which they
/// have if nothing is wrong: that of a logistic distribution of their mean and spread, each of the two worth the
/// Bayesian information criterion's price (Schwarz 1978).
fn trust(places: &[f64], new: f64) -> f64 {
    let seen = places.len() as f64;
    let mean = places.iter().sum::<f64>() / seen;
    let variance = places.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / seen;
    let scale = (3.0 * variance).sqrt() / std::f64::consts::PI;
    if !(scale > 0.0 && places.len() > 2) {
        return 0.0;
    }
    // Of the logistic distribution; e to the power of minus the size cannot overflow.
    let log_density = |x: f64| -x.abs() - 2.0 * (-x.abs()).exp().ln_1p();
    let gain = places
        .iter()
        .map(|l| log_density((l - mean) / scale) - scale.ln() - log_density(*l));
    let evidence = new * gain.sum::<f64>() - (new * seen).max(1.0).ln();
    1.0 / (1.0 + (-evidence).exp())
}

fn log_odds(level: f64) -> f64 {
    (level / (1.0 - level)).ln()
}

/// A sample of paths as a distribution that is continuous and has tails: log-odds that are linear between
/// the values, and go on beyond them as those of a logistic distribution of the sample's spread do.
struct SampleDistribution {
    /// Different values in order, with their log-odds.
    points: Vec<(f64, f64)>,
    /// Log-odds a unit in the tails.
    slope: f64,
}

impl SampleDistribution {
    /// The distribution of a sample; `None` if its values are all the same.
    fn of(sample: ArrayView1<f64>) -> Option<Self> {
        let count = sample.len() as f64;
        let mut values = sample.to_vec();
        values.sort_by(f64::total_cmp);
        let spread = sample.std(0.0);
        if !(spread > 0.0 && spread.is_finite()) {
            return None;
        }
        let mut points: Vec<(f64, f64)> = Vec::with_capacity(values.len());
        let mut before = 0;
        for same in values.chunk_by(|a, b| a == b) {
            let middle = before as f64 + same.len() as f64 / 2.0;
            points.push((same[0], log_odds(middle / count)));
            before += same.len();
        }
        let slope = std::f64::consts::PI / (3f64.sqrt() * spread);
        (points.len() > 1).then_some(Self { points, slope })
    }

    fn log_odds(&self, value: f64) -> f64 {
        interpolated(&self.points, |p| p, self.slope, value).clamp(-FARTHEST, FARTHEST)
    }

    fn value(&self, log_odds: f64) -> f64 {
        interpolated(&self.points, |(x, y)| (y, x), 1.0 / self.slope, log_odds)
    }
}

/// The line through points, of which there is at least one, at an argument; beyond them it goes on
/// with a slope. `at` gives argument and value of a point; arguments increase.
fn interpolated(
    points: &[(f64, f64)],
    at: impl Fn((f64, f64)) -> (f64, f64),
    slope: f64,
    argument: f64,
) -> f64 {
    let above = points.partition_point(|&point| at(point).0 < argument);
    let beyond = |(x, y): (f64, f64)| y + slope * (argument - x);
    match (
        above.checked_sub(1).map(|k| at(points[k])),
        points.get(above).map(|&p| at(p)),
    ) {
        (Some((x0, y0)), Some((x1, y1))) => y0 + (argument - x0) / (x1 - x0) * (y1 - y0),
        (Some(end), None) | (None, Some(end)) => beyond(end),
        (None, None) => argument,
    }
}

/// A context that was read once, and sampled paths that continue it.
pub struct Rollouts {
    /// The context.
    pub reading: Reading,
    /// Sampled paths, one rollout a future; at least one.
    pub rollouts: Vec<Rollout>,
    /// Outcomes within the context that the bands were adjusted by; zero if the paths are as they were drawn.
    pub outcomes: usize,
    /// Whose paths were pooled ([`Reading::path_weights`]).
    pub path_weights: Vec<PathWeight>,
    /// Rows at even times that the paths were drawn from, where those of the context are not even
    /// ([`Irregular::Even`](super::Irregular::Even)).
    pub even_rows: Option<usize>,
}

impl Rollouts {
    /// The first rollout: the only one of a single future.
    ///
    /// # Panics
    /// If it was rolled out under an empty list of known futures.
    pub fn into_first(mut self) -> Rollout {
        self.rollouts.swap_remove(0)
    }
}

/// Which actions are taken after a context.
pub enum Futures<'a> {
    /// None: forecasters that need actions refuse.
    Unknown,
    /// Known ones, of each of several futures. All take the same random numbers, path by path and step by
    /// step: differences between them are those of the actions, not of the draws.
    Known(&'a [KnownFuture]),
    /// Those that a control takes at the states of every path.
    Controlled(&'a mut dyn Control),
}

impl<'a> Futures<'a> {
    /// The actions of a single future, if they are known.
    pub fn of(actions: Option<&'a KnownFuture>) -> Self {
        actions.map_or(Self::Unknown, |known| {
            Self::Known(std::slice::from_ref(known))
        })
    }
}

impl Forecaster {
    /// Reads a context once, of which the last `scored` rows get densities, and continues it along sampled
    /// paths under each of several futures. The paths are adjusted by forecasts from inside of the context if
    /// the forecaster has [origins](Self::with_origins).
    ///
    /// ```
    /// use std::num::NonZeroUsize;
    /// use ndarray::Array2;
    /// use statecast::baselines::named;
    /// use statecast::forecast::{Forecaster, Futures, KnownFuture, Role, RolloutSettings, Settings, Variables};
    /// // A state that keeps half of its value and is pushed by the action.
    /// let push = |t: usize| (0.7 * t as f64).sin();
    /// let mut x = 0.0;
    /// let states = (0..60).map(|t| { let now = x; x = 0.5 * x + push(t); now });
    /// let values = Array2::from_shape_vec((60, 1), states.collect())?;
    /// let mut context = Variables::new(vec!["x".to_owned()], vec![Role::State], values);
    /// context.actions = Array2::from_shape_fn((60, 1), |(t, _)| push(t));
    /// let forecaster = Forecaster::of(named("linear").unwrap(), Settings::default());
    /// let settings = RolloutSettings { horizon: NonZeroUsize::new(10).unwrap(), ..Default::default() };
    /// let futures = [-0.5, 0.5].map(|push| KnownFuture(Array2::from_elem((10, 1), push)));
    /// let forked = forecaster.rollouts(&context, 0, &settings, Futures::Known(&futures), &|_| ())?;
    /// // 1 is where constant pushes of a half lead.
    /// let last = |i: usize| forked.rollouts[i].paths[[0, 9, 0]];
    /// assert!((last(1) - last(0) - 2.0).abs() < 0.1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`read`](Self::read), [`Reading::rollout`] and [`Reading::rollout_with_policy`].
    pub fn rollouts(
        &self,
        context: &Variables,
        scored: usize,
        settings: &RolloutSettings,
        futures: Futures,
        progress: &dyn Fn(f64),
    ) -> Result<Rollouts, ForecastError> {
        let even = self.even(context, settings.horizon.get());
        if let (Futures::Unknown, Some(even)) = (&futures, even) {
            return self.even_rollouts((context, &even), scored, settings, progress);
        }
        let (with_actions, count) = match &futures {
            Futures::Unknown => (false, 1),
            Futures::Known(known) => (true, known.len()),
            Futures::Controlled(_) => (true, 1),
        };
        let (conformal, left) = self.conformal(context, settings, with_actions, count, progress)?;
        let reading = self.read_ahead(context, scored, settings.max_steps())?;
        let part = left / count.max(1) as f64;
        let done = |i: usize, share: f64| progress(1.0 - left + (i as f64 + share) * part);
        let mut rollouts = match futures {
            Futures::Unknown => vec![reading.rollout(settings, None, &|share| done(0, share))?],
            Futures::Known(known) => {
                let known = known.iter().enumerate();
                let rollout =
                    |(i, future)| reading.rollout(settings, Some(future), &|s| done(i, s));
                known.map(rollout).collect::<Result<_, _>>()?
            }
            Futures::Controlled(control) => {
                vec![reading.rollout_with_policy(settings, control, &|share| done(0, share))?]
            }
        };
        let levels = FewLevels::of(context.values.view());
        for rollout in &mut rollouts {
            *rollout = conformal.adjusted(rollout);
            levels.settle(rollout);
        }
        Ok(Rollouts {
            path_weights: reading.path_weights(),
            even_rows: None,
            reading,
            rollouts,
            outcomes: conformal.outcomes(),
        })
    }

    /// What forecasts from inside of a context teach, and the share of the work that is left for so
    /// many rollouts.
    fn conformal(
        &self,
        context: &Variables,
        settings: &RolloutSettings,
        with_actions: bool,
        rollouts: usize,
        progress: &dyn Fn(f64),
    ) -> Result<(Conformal, f64), ForecastError> {
        let origins = inner_origins(context.rows(), settings.horizon.get(), self.origins());
        let part = 1.0 / (origins.len() + rollouts).max(1) as f64;
        let apart = origins.windows(2).map(|pair| pair[1] - pair[0]).min();
        let (horizon, variables) = (settings.horizon.get(), context.names.len());
        let mut seen = Vec::with_capacity(origins.len());
        for (i, &origin) in origins.iter().enumerate() {
            let done = |share: f64| progress((i as f64 + share) * part);
            seen.push(self.backtested(context, origin, settings, with_actions, &done)?);
        }
        let apart = apart.unwrap_or(horizon);
        let conformal = Conformal::tested(&seen, horizon, variables, apart);
        Ok((conformal, 1.0 - origins.len() as f64 * part))
    }

    /// A forecast from one origin inside of a context, and what was observed.
    fn backtested(
        &self,
        context: &Variables,
        origin: usize,
        settings: &RolloutSettings,
        with_actions: bool,
        progress: &dyn Fn(f64),
    ) -> Result<(Rollout, Array2<f64>), ForecastError> {
        let observed = context.slice(origin..origin + settings.horizon.get());
        let known = with_actions.then(|| KnownFuture(observed.actions.clone()));
        let fewer = RolloutSettings {
            samples: NonZeroUsize::new(MAX_PATHS)
                .map_or(settings.samples, |most| most.min(settings.samples)),
            seed: settings.seed.wrapping_add(origin as u64 + 1),
            ..*settings
        };
        let before = context.slice(0..origin);
        let reading = self.read_ahead(&before, 0, settings.max_steps())?;
        let rollout = reading.rollout(&fewer, known.as_ref(), progress)?;
        Ok((rollout, observed.values))
    }
}

/// Origins in the second half of a context, spread evenly, whose horizon ends within it; fewer or none
/// if there is no room.
fn inner_origins(rows: usize, horizon: usize, count: usize) -> Vec<usize> {
    let first = (rows / 2).max(2);
    let Some(room) = rows.checked_sub(first + horizon) else {
        return Vec::new();
    };
    let count = count.min(room + 1);
    let place = |i: usize| rows - horizon - i * room / (count - 1).max(1);
    (0..count).rev().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, array};
    use proptest::prelude::*;

    fn paths(values: &[f64]) -> Rollout {
        Rollout {
            paths: Array3::from_shape_fn((values.len(), 1, 1), |(path, _, _)| values[path]),
            clipped: 0,
        }
    }

    #[test]
    fn origins_end_within_the_context() {
        assert_eq!(inner_origins(100, 10, 5), [50, 60, 70, 80, 90]);
        assert_eq!(inner_origins(100, 50, 5), [50]);
        assert_eq!(inner_origins(20, 10, 30), [10]);
        assert!(inner_origins(20, 11, 30).is_empty());
        assert!(inner_origins(100, 10, 0).is_empty());
        assert!(inner_origins(2, 1, 3).is_empty());
    }

    #[test]
    fn a_forecast_that_is_right_stays_as_it_is() {
        let sample: Vec<f64> = (0..99).map(|i| f64::from(i) - 49.0).collect();
        let mut conformal = Conformal::new(1, 1, 1);
        // Outcomes at the levels k / (m + 1) of the sample.
        for k in 1..=24 {
            let at = f64::from(k) / 25.0 * 99.0 - 49.5;
            conformal.learn(&paths(&sample), array![[at]].view());
        }
        let adjusted = conformal.adjusted(&paths(&sample));
        for (x, y) in sample.iter().zip(&adjusted.paths) {
            assert!((x - y).abs() < 0.2, "{x} {y}");
        }
    }

    /// Adjusted bands were four to ten times worse along paths where they had been right.
    #[test]
    fn variables_are_adjusted_where_others_that_were_not_learned_from_gain() {
        use rand::rngs::ChaCha8Rng;
        use rand::{RngExt, SeedableRng};
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut draw = |spread: f64| spread * crate::density::normal_quantile(random.random());
        // The first variable's paths are right, the second's far too narrow.
        let seen: Vec<(Rollout, Array2<f64>)> = (0..20)
            .map(|_| {
                let paths = Array3::from_shape_fn((25, 1, 2), |_| draw(1.0));
                let rollout = Rollout { paths, clipped: 0 };
                (rollout, array![[draw(1.0), draw(8.0)]])
            })
            .collect();
        assert_eq!(Conformal::tested(&seen, 1, 2, 1).left, [true, false]);
        assert_eq!(Conformal::tested(&seen[..3], 1, 2, 1).left, [true, true]);
    }

    #[test]
    fn variables_that_stand_still_are_left_alone() {
        let mut conformal = Conformal::new(1, 1, 1);
        conformal.learn(&paths(&[2.0; 9]), array![[7.0]].view());
        assert_eq!(conformal.outcomes(), 0);
        assert_eq!(conformal.adjusted(&paths(&[2.0; 9])).paths[[3, 0, 0]], 2.0);
    }

    #[test]
    fn bands_that_are_too_narrow_come_to_hold() {
        use rand::rngs::ChaCha8Rng;
        use rand::{RngExt, SeedableRng};
        use statrs::distribution::{ContinuousCDF, Normal};
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let normal = Normal::standard();
        let mut draw = |spread: f64| spread * normal.inverse_cdf(random.random());
        let (mut before, mut after, trials) = (0, 0, 400);
        for _ in 0..trials {
            let mut conformal = Conformal::new(1, 1, 1);
            for _ in 0..40 {
                let sample: Vec<f64> = (0..100).map(|_| draw(1.0)).collect();
                conformal.learn(&paths(&sample), array![[draw(2.5)]].view());
            }
            let sample: Vec<f64> = (0..100).map(|_| draw(1.0)).collect();
            let observed = draw(2.5);
            let levels = crate::forecast::Levels::new(vec![0.05, 0.95]).unwrap();
            let within = |rollout: &Rollout| {
                let bands = rollout.summary(&levels).quantiles;
                usize::from((bands[0][[0, 0]]..=bands[1][[0, 0]]).contains(&observed))
            };
            before += within(&paths(&sample));
            after += within(&conformal.adjusted(&paths(&sample)));
        }
        let (before, after) = (before as f64 / trials as f64, after as f64 / trials as f64);
        assert!(
            before < 0.6 && (0.86..0.94).contains(&after),
            "{before} {after}"
        );
    }

    proptest! {
        #[test]
        fn paths_keep_their_order(
            sample in prop::collection::vec(-5.0..5.0f64, 20..60),
            shift in -20.0..20.0f64, scale in 0.1..10.0f64,
        ) {
            let mut conformal = Conformal::new(1, 1, 1);
            let outcome = |i: f64| shift + scale * (i - 99.5) / 99.5;
            (0..200).for_each(|i| conformal.learn(&paths(&sample), array![[outcome(f64::from(i))]].view()));
            let adjusted = conformal.adjusted(&paths(&sample));
            let mut order: Vec<usize> = (0..sample.len()).collect();
            order.sort_by(|&a, &b| sample[a].total_cmp(&sample[b]));
            let moved: Vec<f64> = order.iter().map(|&i| adjusted.paths[[i, 0, 0]]).collect();
            prop_assert!(moved.is_sorted());
            prop_assert!(moved.iter().all(|x| x.is_finite()));
        }
    }
}
