//! Policy rollouts in a model that reads the recordings as its context.

use std::num::NonZeroUsize;

use ndarray::{Axis, s};

use super::imagined::{ImaginedRollouts, RolloutSpec};
use super::policy_steps::PolicySteps;
use super::return_accumulator::{ReturnAccumulator, StepsOutside};
use super::{ActionSource, EvaluationError, Logged, Path};
use crate::forecast::{
    ChannelParts, EpisodeControl, Forecaster, Method, Reading, RewardRow, RolloutSettings,
    Variables,
};

/// Contexts of concatenated recorded runs, read once for all policies.
pub struct Contexts {
    readings: Vec<Reading>,
    /// Longest rollout segment that the model's window allows, per context.
    segment_limits: Vec<NonZeroUsize>,
    /// Column of the reward, if it is predicted.
    reward: Option<usize>,
    rows: usize,
}

/// A segment of a context: consecutive states of a run, with the state after the last step if known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContextSegment {
    /// Index of the run.
    pub run: usize,
    /// First of the states.
    pub first: usize,
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
                segments.push(ContextSegment {
                    run,
                    first: 0,
                    rows,
                });
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

/// Returns a segment's rows as the model reads them. The state after the last step repeats that step's action.
fn variables_of(
    logged: &Logged,
    segment: ContextSegment,
    method: Method,
    with_reward: bool,
) -> Variables {
    let run = &logged.runs[segment.run];
    let rows = segment.first..segment.first + segment.rows;
    let rewards = run.rewards.slice(s![segment.first.min(run.steps())..]);
    let index: Vec<usize> = rows.clone().map(|t| t.min(run.steps() - 1)).collect();
    let actions = run.actions.select(Axis(0), &index);
    let mut variables = Variables::of_parts(
        ChannelParts {
            state_names: &named("state", logged.states()),
            states: run.states.slice(s![rows, ..]),
            action_names: &named("action", logged.actions()),
            actions: actions.view(),
            reward: with_reward.then_some(("reward", rewards, RewardRow::OfNextState)),
        },
        method,
    );
    variables.begins[0] = true;
    variables
}

/// Returns the rows of all runs, one run after the other.
pub(crate) fn run_variables(logged: &Logged, method: Method, with_reward: bool) -> Variables {
    let whole = |run: usize| ContextSegment {
        run,
        first: 0,
        rows: logged.runs[run].states.nrows(),
    };
    let runs = (0..logged.runs.len()).map(whole);
    let runs = runs.map(|segment| variables_of(logged, segment, method, with_reward));
    Variables::joined(&runs.collect::<Vec<_>>())
}

/// Returns what no segment holds of the runs, in stretches of two states or more.
fn others(logged: &Logged, segments: &[ContextSegment]) -> Vec<ContextSegment> {
    let mut rest = Vec::new();
    for (run, of) in logged.runs.iter().enumerate() {
        let own = segments.iter().filter(|segment| segment.run == run);
        let mut taken: Vec<_> = own.map(|s| (s.first, s.first + s.rows)).collect();
        taken.push((of.states.nrows(), of.states.nrows()));
        taken.sort_unstable();
        let mut first = 0;
        for (begin, end) in taken {
            if begin > first + 1 {
                let rows = begin - first;
                rest.push(ContextSegment { run, first, rows });
            }
            first = end;
        }
    }
    rest
}

fn named(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{prefix} {i}")).collect()
}

impl Contexts {
    /// Reads contexts of concatenated segments, each by its forecaster. With [`Method::Residual`],
    /// online experts read first what the context does not hold of the runs. With `with_reward`, the reward is a channel.
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
            reward,
        })
    }

    /// Returns the readings with the longest rollout segment of each.
    pub(super) fn readings(&self) -> impl Iterator<Item = (&Reading, NonZeroUsize)> {
        self.readings
            .iter()
            .zip(self.segment_limits.iter().copied())
    }

    /// Returns the column of the reward, if it is predicted.
    pub(super) fn reward(&self) -> Option<usize> {
        self.reward
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
        terminated: Vec::with_capacity(spec.paths),
        failed: spec.failure.as_ref().map(|_| Vec::new()),
        outside: StepsOutside::default(),
    };
    let count = contexts.readings.len();
    let readings = contexts.readings.iter().zip(&contexts.segment_limits);
    for (number, (reading, max_steps)) in readings.enumerate() {
        // Path `i` continues context `i` modulo their number.
        let numbers: Vec<usize> = (number..spec.paths).step_by(count).collect();
        let Some(samples) = NonZeroUsize::new(numbers.len()) else {
            continue;
        };
        let starts: Vec<usize> = numbers.iter().map(|i| i % spec.starts.nrows()).collect();
        let mut control = EpisodeControl {
            starts: spec.starts.select(Axis(0), &starts),
            reward: contexts.reward,
            steps: PolicySteps {
                actor: &mut actor,
                random: spec.policy_random(numbers.iter().copied()),
                accumulator: ReturnAccumulator::new(numbers.len(), spec, logged),
            },
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
        let outside = control.steps.accumulator.steps_outside();
        imagined.outside.steps += outside.steps;
        imagined.outside.outside += outside.outside;
        imagined
            .terminated
            .extend(control.steps.accumulator.terminated());
        if let Some(failed) = &mut imagined.failed {
            failed.extend(control.steps.accumulator.failed().unwrap_or_default());
        }
        let ReturnAccumulator {
            returns, rewards, ..
        } = control.steps.accumulator;
        let results = returns.into_iter().zip(rewards);
        for (&path, (value, rewards)) in numbers.iter().zip(results) {
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

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};

    use super::*;
    use crate::evaluation::RecordedRun;
    use crate::recording::EndFlag;

    /// Fault: a part that does not begin with its run had the rewards of other steps.
    #[test]
    fn a_part_of_a_run_has_its_own_rows() {
        let row = |t: usize| t as f64;
        let logged = Logged {
            runs: vec![RecordedRun {
                source: 0,
                states: Array2::from_shape_fn((50, 1), |(t, _)| row(t)),
                actions: Array2::from_shape_fn((49, 1), |(t, _)| 100.0 + row(t)),
                rewards: Array1::from_shape_fn(49, |t| 200.0 + row(t)),
                terminated: false,
                log_probabilities: None,
            }],
            end_flags: vec![EndFlag::Terminated],
        };
        let of = |first, rows| {
            let segment = ContextSegment {
                run: 0,
                first,
                rows,
            };
            variables_of(&logged, segment, Method::Residual, true).values
        };
        let whole = of(0, 50);
        // Nothing is known of the reward before a part.
        for (first, rows) in [(0, 50), (7, 20), (30, 20)] {
            let part = of(first, rows);
            assert_eq!(part.nrows(), rows);
            assert_eq!(
                part.slice(s![1.., ..]),
                whole.slice(s![first + 1..first + rows, ..])
            );
        }
    }

    /// Fault: of a run that a context held in part, nobody read the rest.
    #[test]
    fn the_rest_of_a_run_is_read_before_the_context() {
        let run = |states: usize| RecordedRun {
            source: 0,
            states: Array2::zeros((states, 1)),
            actions: Array2::zeros((states - 1, 1)),
            rewards: Array1::zeros(states - 1),
            terminated: false,
            log_probabilities: None,
        };
        let logged = Logged {
            runs: vec![run(50), run(20), run(9), run(11)],
            end_flags: vec![EndFlag::Terminated],
        };
        let segment = |run, first, rows| ContextSegment { run, first, rows };
        let held = [
            segment(0, 10, 5),
            segment(1, 0, 20),
            segment(3, 0, 10),
            segment(0, 0, 4),
        ];
        // A single state is no step.
        assert_eq!(
            others(&logged, &held),
            [segment(0, 4, 6), segment(0, 15, 35), segment(2, 0, 9)]
        );
        assert_eq!(
            context_segments(&logged, 1, 60),
            [vec![segment(0, 0, 50), segment(1, 0, 10)]]
        );
    }
}
