//! Policy rollouts in a model that reads the recordings as its context.

use std::num::NonZeroUsize;
use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayViewMut2, Axis, concatenate, s};
use rand::rngs::ChaCha8Rng;

use super::imagined::{ImaginedRollouts, RolloutSpec};
use super::return_accumulator::ReturnAccumulator;
use super::{ActionSource, EvaluationError, Logged, Path};
use crate::forecast::{
    Control, ForecastError, Forecaster, Method, Reading, Role, RolloutSettings, Variables,
};

/// Contexts of concatenated recorded runs, read once for all policies.
pub struct Contexts {
    readings: Vec<Reading>,
    /// Longest rollout segment that the model's window allows, per context.
    segment_limits: Vec<NonZeroUsize>,
    states: usize,
    /// Column of the reward, if it is predicted.
    reward: Option<usize>,
    rows: usize,
}

/// A segment of a context: the first states of a run, with the state after the last step if known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContextSegment {
    /// Index of the run.
    pub run: usize,
    /// Number of states.
    pub rows: usize,
}

/// Selects the segments of contexts of at most `rows` rows, one context per fold. Every recording
/// gets the same number of rows.
pub fn context_segments(logged: &Logged, folds: usize, rows: usize) -> Vec<Vec<ContextSegment>> {
    let quota = (rows / logged.sources().max(1)).max(2);
    let fold_runs = |fold: usize| {
        let mut segments = Vec::new();
        for source in 0..logged.sources() {
            let mut left = quota;
            for (run, _) in logged
                .fold_runs(fold, folds)
                .filter(|(_, run)| run.source == source)
            {
                let rows = left.min(logged.runs[run].states.nrows());
                segments.push(ContextSegment { run, rows });
                left -= rows;
                if left == 0 {
                    break;
                }
            }
        }
        segments
    };
    (0..folds).map(fold_runs).collect()
}

/// Returns a segment's rows as the model reads them. A reward is in the row of the next state, so
/// that it depends on the row before. The first row's reward is unknown and set to the mean. The
/// state after the last step repeats that step's action.
fn variables_of(
    logged: &Logged,
    segment: ContextSegment,
    method: Method,
    with_reward: bool,
) -> Variables {
    let run = &logged.runs[segment.run];
    let rows = segment.rows;
    let index: Vec<usize> = (0..rows).map(|t| t.min(run.steps() - 1)).collect();
    let actions = run.actions.select(Axis(0), &index);
    let mut names: Vec<String> = named("state", logged.states()).collect();
    let mut roles = vec![Role::State; names.len()];
    let mut parts = vec![run.states.slice(s![..rows, ..]).to_owned()];
    if method == Method::DiclSa {
        names.extend(named("action", logged.actions()));
        roles.resize(names.len(), Role::Action);
        parts.push(actions.clone());
    }
    if with_reward {
        names.push("reward".to_owned());
        roles.push(Role::Reward);
        let mean = run.rewards.mean().unwrap_or(0.0);
        let arrived = |(t, _)| if t == 0 { mean } else { run.rewards[t - 1] };
        parts.push(Array2::from_shape_fn((rows, 1), arrived));
    }
    let parts: Vec<_> = parts.iter().map(|part| part.view()).collect();
    Variables {
        names,
        roles,
        values: concatenate(Axis(1), &parts).expect("all parts have one row per state"),
        actions,
        begins: (0..rows).map(|t| t == 0).collect(),
    }
}

/// Returns the runs without a segment among those given, whole.
fn others(logged: &Logged, segments: &[ContextSegment]) -> Vec<ContextSegment> {
    let whole = |run: usize| ContextSegment {
        run,
        rows: logged.runs[run].states.nrows(),
    };
    let shown = |run: &usize| segments.iter().any(|segment| segment.run == *run);
    let runs = (0..logged.runs.len()).filter(|run| !shown(run));
    runs.map(whole).collect()
}

fn named(prefix: &str, count: usize) -> impl Iterator<Item = String> + '_ {
    (0..count).map(move |i| format!("{prefix} {i}"))
}

impl Contexts {
    /// Reads contexts of concatenated segments, each by its forecaster. With [`Method::Residual`],
    /// online experts read all other runs first. With `with_reward`, the reward is a channel.
    ///
    /// # Errors
    /// [`EvaluationError::Forecast`] if a context cannot be read.
    ///
    /// # Panics
    /// If there is no forecaster, a context has no segment, or a segment has more rows than its
    /// run.
    pub fn read(
        forecasters: &[Forecaster],
        logged: &Logged,
        segments: &[Vec<ContextSegment>],
        with_reward: bool,
        progress: &dyn Fn(f64),
    ) -> Result<Self, EvaluationError> {
        let mut readings = Vec::new();
        let mut segment_limits = Vec::new();
        for (number, (forecaster, segments)) in forecasters.iter().zip(segments).enumerate() {
            let method = forecaster.settings().method;
            let earlier = others(logged, segments);
            let of = |&segment: &ContextSegment| variables_of(logged, segment, method, with_reward);
            let earlier: Vec<Variables> = earlier.iter().map(of).collect();
            let segments = segments.iter().map(of);
            let context = Variables::joined(&segments.collect::<Vec<_>>());
            let forecaster = match method {
                Method::Residual => forecaster.clone().with_earlier(&earlier)?,
                _ => forecaster.clone(),
            };
            let max_steps = forecaster.longest_segment(context.rows());
            segment_limits.push(NonZeroUsize::new(max_steps).unwrap_or(NonZeroUsize::MIN));
            readings.push(forecaster.read_last(&context, 0)?);
            progress((number + 1) as f64 / forecasters.len() as f64);
        }
        let reward = with_reward.then(|| match forecasters[0].settings().method {
            Method::DiclSa => logged.states() + logged.actions(),
            _ => logged.states(),
        });
        Ok(Self {
            rows: readings.iter().map(Reading::rows).max().unwrap_or(0),
            readings,
            segment_limits,
            states: logged.states(),
            reward,
        })
    }

    /// Returns the number of rows of the longest context.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// Rolls out a policy, or recorded actions, after contexts. Every path continues one context, with
/// the state set to a start of the spec.
///
/// # Errors
/// [`EvaluationError::Policy`] if the policy fails, [`EvaluationError::Forecast`] if the model does.
pub fn in_context(
    contexts: &Contexts,
    logged: &Logged,
    mut actor: ActionSource,
    spec: &RolloutSpec,
    progress: &dyn Fn(f64),
) -> Result<ImaginedRollouts, EvaluationError> {
    let mut imagined = ImaginedRollouts {
        paths: Vec::with_capacity(spec.paths),
        rewards: Vec::with_capacity(spec.paths),
        clipped: 0,
    };
    let count = contexts.readings.len();
    let readings = contexts.readings.iter().zip(&contexts.segment_limits);
    for (number, (reading, max_steps)) in readings.enumerate() {
        // Path `i` continues context `i` modulo their number.
        let numbers: Vec<usize> = (number..spec.paths).step_by(count).collect();
        let Some(samples) = NonZeroUsize::new(numbers.len()) else {
            continue;
        };
        let mut control = PolicyRollout {
            actor: &mut actor,
            random: spec.policy_random(numbers.iter().copied()),
            starts: spec.starts.select(
                Axis(0),
                &numbers
                    .iter()
                    .map(|i| i % spec.starts.nrows())
                    .collect::<Vec<_>>(),
            ),
            states: contexts.states,
            reward: contexts.reward,
            accumulator: ReturnAccumulator::new(numbers.len(), spec, logged),
        };
        // One row more than steps: the last row is the state after the last step.
        let settings = RolloutSettings {
            horizon: NonZeroUsize::MIN.saturating_add(spec.horizon),
            samples,
            seed: spec.seed.wrapping_add(number as u64),
            paths_at_once: None,
            max_steps: Some(*max_steps),
        };
        let rollout = reading.rollout_with_policy(&settings, &mut control, &|share| {
            progress((number as f64 + share) / count as f64);
        })?;
        imagined.clipped += rollout.clipped;
        let results = control
            .accumulator
            .returns
            .iter()
            .zip(control.accumulator.rewards);
        for (&path, (&value, rewards)) in numbers.iter().zip(results) {
            imagined.rewards.push(rewards);
            imagined.paths.push(Path {
                model: number,
                start: path % spec.starts.nrows(),
                value,
            });
        }
    }
    Ok(imagined)
}

/// Policy rollouts after one context.
struct PolicyRollout<'w, 'a> {
    actor: &'w mut ActionSource<'a>,
    random: Vec<ChaCha8Rng>,
    /// First states `[paths, states]`.
    starts: Array2<f64>,
    states: usize,
    reward: Option<usize>,
    accumulator: ReturnAccumulator,
}

impl Control for PolicyRollout<'_, '_> {
    fn act(
        &mut self,
        step: usize,
        first: usize,
        mut drawn: ArrayViewMut2<f64>,
    ) -> Result<Option<Array2<f64>>, ForecastError> {
        let paths = first..first + drawn.nrows();
        if step == 0 {
            let starts = self.starts.slice(s![paths.clone(), ..]);
            drawn.slice_mut(s![.., ..self.states]).assign(&starts);
        }
        let states = drawn.slice(s![.., ..self.states]);
        let rewards: Option<ArrayView1<f64>> = self.reward.map(|column| drawn.column(column));
        self.accumulator
            .complete_step(paths.clone(), states, rewards);
        if self.accumulator.all_ended(paths.clone()) {
            return Ok(None);
        }
        let random = &mut self.random[paths.clone()];
        let actions = self.actor.act(step, states, random);
        let actions = actions.map_err(|error| ForecastError::Control(Box::new(error)))?;
        self.accumulator.begin_step(paths, states, &actions);
        Ok(Some(actions))
    }

    fn detached(&self, step: usize, paths: Range<usize>) -> Vec<usize> {
        let detached = |&path: &usize| step == 0 || self.accumulator.all_ended(path..path + 1);
        paths.filter(detached).collect()
    }
}
