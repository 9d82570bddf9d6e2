//! Sampled continuations of a context.

use std::num::NonZeroUsize;

use ndarray::{Array1, Array2, Array3, ArrayView1, s};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::{Continuation, ForecastError, Levels, Paths, Point, Reading, Summary};

/// How a context is continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RolloutSettings {
    /// Steps to forecast.
    pub horizon: NonZeroUsize,
    /// Sample paths.
    pub samples: NonZeroUsize,
    /// Seed of the draws; equal seeds give equal paths.
    pub seed: u64,
    /// Paths that advance together; `None` for [`Continuation::paths_at_once`]. It changes speed and
    /// memory, not the paths.
    pub paths_at_once: Option<NonZeroUsize>,
}

impl Default for RolloutSettings {
    fn default() -> Self {
        Self {
            horizon: const { NonZeroUsize::new(50).unwrap() },
            samples: const { NonZeroUsize::new(100).unwrap() },
            seed: 0,
            paths_at_once: None,
        }
    }
}

/// Actions that will be taken, `[horizon, actions]`: they replace the sampled ones.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownFuture(pub Array2<f64>);

/// Sample paths of the variables.
#[derive(Debug, Clone)]
pub struct Rollout {
    /// `[samples, horizon, variables]`.
    pub paths: Array3<f64>,
    /// Values fed back to the model that lay outside their channel's axis and were moved to its
    /// end; only known actions can bring them there.
    pub saturated: usize,
}

impl Rollout {
    /// Mean, spread and quantiles over the paths, `[horizon, variables]`.
    pub fn summary(&self, levels: &Levels) -> Summary {
        let (paths, horizon, variables) = self.paths.dim();
        let mut summary = Summary::zeros(horizon, variables, levels);
        for h in 0..horizon {
            for v in 0..variables {
                let mut sample = self.paths.slice(s![.., h, v]).to_vec();
                let mean = sample.iter().sum::<f64>() / paths as f64;
                let squares: f64 = sample.iter().map(|x| (x - mean).powi(2)).sum();
                summary.mean[[h, v]] = mean;
                summary.std[[h, v]] = (squares / (paths.max(2) - 1) as f64).sqrt();
                summary.set_quantiles(h, v, &mut sample);
            }
        }
        summary
    }
}

impl Reading<'_> {
    /// Continues the context along sampled paths. All paths and channels of a step are one batch;
    /// the context's keys and values are shared by all paths. Every path draws from its own stream
    /// of random numbers, so neither threads nor groups change it. `progress` is told after each
    /// step which share of the work is done.
    ///
    /// # Errors
    /// [`ForecastError::Window`] if context and horizon exceed the model's window,
    /// [`ForecastError::Future`] if the known actions have another shape.
    pub fn rollout(
        &self,
        settings: &RolloutSettings,
        future: Option<&KnownFuture>,
        progress: &dyn Fn(f64),
    ) -> Result<Rollout, ForecastError> {
        let (horizon, samples) = (settings.horizon.get(), settings.samples.get());
        self.predictor.check(self.rows(), horizon)?;
        match future {
            None if self.predictor.needs_actions() && self.known_actions > 0 => {
                return Err(ForecastError::ActionsToCome(self.predictor.name()));
            }
            Some(KnownFuture(actions)) if actions.dim() != (horizon, self.known_actions) => {
                return Err(ForecastError::Future {
                    found: actions.dim(),
                    expected: (horizon, self.known_actions),
                });
            }
            _ => {}
        }
        let variables = self.encoding.disentangler().variables();
        let mut rollout = Rollout {
            paths: Array3::zeros((samples, horizon, variables)),
            saturated: 0,
        };
        let fitting = self.continuation.as_ref().map(|s| s.paths_at_once(horizon));
        let at_once = settings
            .paths_at_once
            .map_or(fitting.unwrap_or(samples), NonZeroUsize::get);
        for first in (0..samples).step_by(at_once) {
            let count = at_once.min(samples - first);
            let mut group = Group::new(self, settings, first, count)?;
            for step in 0..horizon {
                let known = future.map(|KnownFuture(actions)| actions.row(step));
                let feed = group.draw(known, &mut rollout, step)?;
                if step + 1 < horizon {
                    group.advance(&feed, known)?;
                }
                let done = first * horizon + count * (step + 1);
                progress(done as f64 / (samples * horizon) as f64);
            }
        }
        Ok(rollout)
    }
}

/// Paths that advance together. Sequence `channel * paths + path` of the continuation is a path's
/// channel.
struct Group<'r, 'm> {
    reading: &'r Reading<'m>,
    continuation: Option<Box<dyn Continuation<'m> + 'm>>,
    random: Vec<ChaCha8Rng>,
    first: usize,
}

impl<'r, 'm> Group<'r, 'm> {
    fn new(
        reading: &'r Reading<'m>,
        settings: &RolloutSettings,
        first: usize,
        count: usize,
    ) -> Result<Self, ForecastError> {
        let steps = settings.horizon.get() - 1;
        let paths = Paths {
            first,
            count,
            seed: settings.seed,
        };
        let forked = reading.continuation.as_ref().map(|c| c.fork(paths, steps));
        let random = (first..first + count)
            .map(|path| {
                let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
                random.set_stream(path as u64);
                random
            })
            .collect();
        Ok(Self {
            reading,
            continuation: forked.transpose()?,
            random,
            first,
        })
    }

    /// Draws one step of every path into `rollout` and returns the points to feed back, in the
    /// continuation's order.
    fn draw(
        &mut self,
        known: Option<ArrayView1<f64>>,
        rollout: &mut Rollout,
        step: usize,
    ) -> Result<Vec<Point>, ForecastError> {
        let encoding = &self.reading.encoding;
        let (axes, active) = (encoding.axes(), &self.reading.active);
        let paths = self.random.len();
        let mut levels = vec![0.0; active.len() * paths];
        for (path, random) in self.random.iter_mut().enumerate() {
            (0..active.len()).for_each(|i| levels[i * paths + path] = random.random());
        }
        let drawn = match &mut self.continuation {
            Some(continuation) => continuation.draw(&levels)?,
            None => Vec::new(),
        };
        let mut feed = drawn.clone();
        for (path, random) in self.random.iter_mut().enumerate() {
            let mut channels: Array1<f64> = axes.iter().map(|axis| axis.value(0.0)).collect();
            for (i, &channel) in active.iter().enumerate() {
                channels[channel] = axes[channel].value(drawn[i * paths + path].position());
            }
            let mut variables = encoding.variables(channels.view());
            let mut shown = variables.clone();
            if let Some(residuals) = encoding.disentangler().residuals() {
                variables += &residuals.row(random.random_range(0..residuals.nrows()));
            }
            if let (Some(known), false) = (known, self.reading.actions.is_empty()) {
                for (&variable, &action) in self.reading.actions.iter().zip(known) {
                    variables[variable] = action;
                    shown[variable] = action;
                }
                let (points, saturated) = self.reading.active_points(shown.view());
                rollout.saturated += saturated;
                for (i, point) in points.into_iter().enumerate() {
                    feed[i * paths + path] = point;
                }
            }
            let mut row = rollout.paths.slice_mut(s![self.first + path, step, ..]);
            row.assign(&variables);
        }
        Ok(feed)
    }

    fn advance(
        &mut self,
        feed: &[Point],
        known: Option<ArrayView1<f64>>,
    ) -> Result<(), ForecastError> {
        let paths = self.random.len();
        let known = known.map_or(Vec::new(), |known| known.to_vec());
        match &mut self.continuation {
            Some(continuation) => continuation.advance(feed, &known.repeat(paths)),
            None => Ok(()),
        }
    }
}
