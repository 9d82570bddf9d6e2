//! Policies in the model that reads the recordings as its context.

use std::num::NonZeroUsize;
use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayViewMut2, Axis, concatenate, s};
use rand::rngs::ChaCha8Rng;

use super::imagined::{Imagined, Walk};
use super::ledger::Ledger;
use super::{Actor, EvaluationError, Logged, Path};
use crate::forecast::{
    Control, ForecastError, Forecaster, Method, Reading, Role, RolloutSettings, Variables,
};

/// Recorded runs, one after the other, as contexts that a forecaster reads once for all policies.
pub struct Contexts {
    readings: Vec<Reading>,
    /// Steps that the model's window leaves room for, one a context.
    segment_limits: Vec<NonZeroUsize>,
    states: usize,
    /// Column of the reward, if it is predicted.
    reward: Option<usize>,
    rows: usize,
}

/// The first states of a run, with the one behind its last step if that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Number of the run.
    pub run: usize,
    /// States.
    pub rows: usize,
}

/// What contexts of at most `rows` rows are made of, one context a fold: of every recording as many
/// rows, so that a context shows what each of them does.
pub fn pieces(logged: &Logged, folds: usize, rows: usize) -> Vec<Vec<Piece>> {
    let quota = (rows / logged.sources().max(1)).max(2);
    let of_fold = |fold: usize| {
        let mut pieces = Vec::new();
        for source in 0..logged.sources() {
            let mut left = quota;
            for (run, _) in logged
                .of_fold(fold, folds)
                .filter(|(_, run)| run.source == source)
            {
                let rows = left.min(logged.runs[run].states.nrows());
                pieces.push(Piece { run, rows });
                left -= rows;
                if left == 0 {
                    break;
                }
            }
        }
        pieces
    };
    (0..folds).map(of_fold).collect()
}

/// Rows of a piece as the model reads them: the reward stands in the row that it leads to, so that a
/// row's reward follows from the row before it. What the first row's would be is not known; it is the
/// mean. The state behind the last step has that step's action once more: no other is known.
fn variables_of(logged: &Logged, piece: Piece, method: Method, with_reward: bool) -> Variables {
    let run = &logged.runs[piece.run];
    let rows = piece.rows;
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
        values: concatenate(Axis(1), &parts).expect("all parts have one row a state"),
        actions,
        begins: (0..rows).map(|t| t == 0).collect(),
    }
}

/// The runs of which no piece is among some, as wholes.
fn others(logged: &Logged, pieces: &[Piece]) -> Vec<Piece> {
    let whole = |run: usize| Piece {
        run,
        rows: logged.runs[run].states.nrows(),
    };
    let shown = |run: &usize| pieces.iter().any(|piece| piece.run == *run);
    let runs = (0..logged.runs.len()).filter(|run| !shown(run));
    runs.map(whole).collect()
}

fn named(prefix: &str, count: usize) -> impl Iterator<Item = String> + '_ {
    (0..count).map(move |i| format!("{prefix} {i}"))
}

impl Contexts {
    /// Reads contexts, each by its forecaster; their pieces stand one after the other. With
    /// [`Method::Residual`] online experts have read all other runs before. With `with_reward`, the
    /// reward is a channel.
    ///
    /// # Errors
    /// [`EvaluationError::Forecast`] if a context cannot be read.
    ///
    /// # Panics
    /// If there is no forecaster, or a context has no piece, or a piece has more rows than its run.
    pub fn read(
        forecasters: &[Forecaster],
        logged: &Logged,
        pieces: &[Vec<Piece>],
        with_reward: bool,
        progress: &dyn Fn(f64),
    ) -> Result<Self, EvaluationError> {
        let mut readings = Vec::new();
        let mut segment_limits = Vec::new();
        for (number, (forecaster, pieces)) in forecasters.iter().zip(pieces).enumerate() {
            let method = forecaster.settings().method;
            let earlier = others(logged, pieces);
            let of = |&piece: &Piece| variables_of(logged, piece, method, with_reward);
            let earlier: Vec<Variables> = earlier.iter().map(of).collect();
            let pieces = pieces.iter().map(of);
            let context = Variables::joined(&pieces.collect::<Vec<_>>());
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

    /// Rows of the longest context.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// Walks a policy, or a recording's actions, through contexts: every path goes on from the end of one of them, as if the system
/// were set to a start there.
///
/// # Errors
/// [`EvaluationError::Policy`] if the policy fails, [`EvaluationError::Forecast`] if the model does.
pub fn in_context(
    contexts: &Contexts,
    logged: &Logged,
    mut actor: Actor,
    walk: &Walk,
    progress: &dyn Fn(f64),
) -> Result<Imagined, EvaluationError> {
    let mut imagined = Imagined {
        paths: Vec::with_capacity(walk.paths),
        rewards: Vec::with_capacity(walk.paths),
        saturated: 0,
    };
    let count = contexts.readings.len();
    let readings = contexts.readings.iter().zip(&contexts.segment_limits);
    for (number, (reading, max_steps)) in readings.enumerate() {
        // Path `i` of all is in context `i` modulo their number.
        let numbers: Vec<usize> = (number..walk.paths).step_by(count).collect();
        let Some(samples) = NonZeroUsize::new(numbers.len()) else {
            continue;
        };
        let mut walker = Walker {
            actor: &mut actor,
            random: walk.acting(numbers.iter().copied()),
            starts: walk.starts.select(
                Axis(0),
                &numbers
                    .iter()
                    .map(|i| i % walk.starts.nrows())
                    .collect::<Vec<_>>(),
            ),
            states: contexts.states,
            reward: contexts.reward,
            ledger: Ledger::new(numbers.len(), walk, logged),
        };
        // One row more than steps: the last one is where the last step leads.
        let settings = RolloutSettings {
            horizon: NonZeroUsize::MIN.saturating_add(walk.horizon),
            samples,
            seed: walk.seed.wrapping_add(number as u64),
            paths_at_once: None,
            max_steps: Some(*max_steps),
        };
        let rollout = reading.rollout_with_policy(&settings, &mut walker, &|share| {
            progress((number as f64 + share) / count as f64);
        })?;
        imagined.saturated += rollout.saturated;
        let booked = walker.ledger.returns.iter().zip(walker.ledger.rewards);
        for (&path, (&value, rewards)) in numbers.iter().zip(booked) {
            imagined.rewards.push(rewards);
            imagined.paths.push(Path {
                model: number,
                start: path % walk.starts.nrows(),
                value,
            });
        }
    }
    Ok(imagined)
}

/// A policy on the paths of one context.
struct Walker<'w, 'a> {
    actor: &'w mut Actor<'a>,
    random: Vec<ChaCha8Rng>,
    /// First states `[paths, states]`.
    starts: Array2<f64>,
    states: usize,
    reward: Option<usize>,
    ledger: Ledger,
}

impl Control for Walker<'_, '_> {
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
        self.ledger.arrive(paths.clone(), states, rewards);
        if self.ledger.all_ended(paths.clone()) {
            return Ok(None);
        }
        let random = &mut self.random[paths.clone()];
        let actions = self.actor.act(step, states, random);
        let actions = actions.map_err(|error| ForecastError::Control(Box::new(error)))?;
        self.ledger.leave(paths, states, &actions);
        Ok(Some(actions))
    }

    fn detached(&self, step: usize, paths: Range<usize>) -> Vec<usize> {
        let detached = |&path: &usize| step == 0 || self.ledger.all_ended(path..path + 1);
        paths.filter(detached).collect()
    }
}
