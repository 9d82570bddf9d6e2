//! Whether a model's paths hold what the recordings did.

use std::num::NonZeroUsize;
use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis, s};
use serde::Serialize;

use crate::evaluation::{EvaluationError, Logged, RecordedRun, run_variables};
use crate::forecast::{EpisodeControl, EpisodeSteps, ForecastError, Forecaster, RolloutSettings};
use crate::metrics::quantile;

/// Share of the steps, the last ones, that are held back.
const HELD_BACK: f64 = 0.2;

/// Fewest recorded steps: three rows are read at least.
const FEWEST: usize = 5;

/// Places from which paths are drawn, and paths from each.
const ORIGINS: usize = 12;
const PATHS: usize = 40;

/// What an interval is widened by on either side, in standard deviations of the recorded state: no plan is misled by so
/// little, and models of systems without noise, which are right to less, have intervals that are narrower still.
const EXACT: f64 = 0.05;

/// How often 90 % intervals of paths hold what was recorded, in steps that the model has not read.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Coverage {
    /// Share of the states at all steps.
    pub held: f64,
    /// Most steps ahead.
    pub steps: usize,
    /// States that were compared.
    pub count: usize,
}

/// The first runs, which are read, and the last ones, along which paths are drawn; one may be cut in two.
fn split(logged: &Logged) -> (Logged, Vec<RecordedRun>) {
    let all: usize = logged.runs.iter().map(RecordedRun::transitions).sum();
    let mut left = all - ((HELD_BACK * all as f64) as usize).max(1).min(all);
    let mut shown = Logged {
        runs: Vec::new(),
        end_flags: logged.end_flags.clone(),
    };
    let mut back = Vec::new();
    for run in &logged.runs {
        let cut = left.min(run.transitions());
        left -= cut;
        if cut == run.transitions() {
            shown.runs.push(run.clone());
        } else {
            if cut > 0 {
                shown.runs.push(part(run, 0..cut));
            }
            back.push(part(run, cut..run.transitions()));
        }
    }
    (shown, back)
}

/// Some transitions of a run.
fn part(run: &RecordedRun, steps: Range<usize>) -> RecordedRun {
    RecordedRun {
        states: run.states.slice(s![steps.start..=steps.end, ..]).to_owned(),
        actions: run.actions.slice(s![steps.clone(), ..]).to_owned(),
        rewards: run.rewards.slice(s![steps]).to_owned(),
        log_probabilities: None,
        ..run.clone()
    }
}

impl Coverage {
    /// Draws paths of at most `steps` steps along recorded actions.
    ///
    /// # Errors
    /// [`EvaluationError::TooFew`] steps, and what the model reports.
    pub fn of(
        forecaster: &Forecaster,
        logged: &Logged,
        with_reward: bool,
        steps: usize,
        seed: u64,
    ) -> Result<Self, EvaluationError> {
        let all = logged.runs.iter().map(RecordedRun::transitions).sum();
        if all < FEWEST {
            return Err(EvaluationError::TooFew(all, FEWEST));
        }
        let (shown, back) = split(logged);
        let method = forecaster.settings().method;
        let reading = forecaster.read_last(&run_variables(&shown, method, with_reward), 0)?;
        let places: Vec<(usize, usize)> = (0..back.len())
            .flat_map(|run| (0..back[run].transitions()).map(move |t| (run, t)))
            .collect();
        let count = ORIGINS.min(places.len());
        let origins: Vec<(usize, usize)> = (0..count)
            .map(|k| places[k * places.len() / count])
            .collect();
        let starts: Vec<ArrayView1<f64>> = (0..count * PATHS)
            .map(|path| {
                back[origins[path / PATHS].0]
                    .states
                    .row(origins[path / PATHS].1)
            })
            .collect();
        let mut control = EpisodeControl {
            starts: ndarray::stack(Axis(0), &starts).expect("states of one system"),
            reward: None,
            steps: Recorded {
                runs: &back,
                origins: &origins,
                step: 0,
            },
        };
        let settings = RolloutSettings {
            horizon: NonZeroUsize::MIN.saturating_add(steps),
            samples: NonZeroUsize::new(count * PATHS).unwrap_or(NonZeroUsize::MIN),
            seed,
            paths_at_once: NonZeroUsize::new(count * PATHS),
            ..RolloutSettings::default()
        };
        let rollout = reading.rollout_with_policy(&settings, &mut control, &|_| ())?;
        let all: Vec<ArrayView2<f64>> = logged.runs.iter().map(|run| run.states.view()).collect();
        let all = ndarray::concatenate(Axis(0), &all).expect("states of one system");
        let room = EXACT * all.std_axis(Axis(0), 0.0);
        let (mut held, mut compared, mut longest) = (0, 0, 0);
        for (k, &(run, first)) in origins.iter().enumerate() {
            let left = (back[run].transitions() - first).min(steps);
            longest = longest.max(left);
            for ahead in 1..=left {
                for c in 0..logged.states() {
                    let own = s![k * PATHS..(k + 1) * PATHS, ahead, c];
                    let mut drawn = rollout.paths.slice(own).to_vec();
                    drawn.sort_by(f64::total_cmp);
                    let (low, high) = (quantile(&drawn, 0.05), quantile(&drawn, 0.95));
                    let came = back[run].states[[first + ahead, c]];
                    held += usize::from(low - room[c] <= came && came <= high + room[c]);
                    compared += 1;
                }
            }
        }
        Ok(Self {
            held: held as f64 / compared.max(1) as f64,
            steps: longest,
            count: compared,
        })
    }
}

/// Recorded actions from some places on.
struct Recorded<'r> {
    runs: &'r [RecordedRun],
    /// Run and row of each.
    origins: &'r [(usize, usize)],
    step: usize,
}

impl EpisodeSteps for Recorded<'_> {
    fn act(
        &mut self,
        step: usize,
        paths: Range<usize>,
        _states: ArrayView2<f64>,
    ) -> Result<Array2<f64>, ForecastError> {
        self.step = step;
        let width = self.runs[0].actions.ncols();
        Ok(Array2::from_shape_fn((paths.len(), width), |(i, a)| {
            let (run, first) = self.origins[(paths.start + i) / PATHS];
            let actions = &self.runs[run].actions;
            actions[[(first + step).min(actions.nrows() - 1), a]]
        }))
    }

    fn arrive(&mut self, _: Range<usize>, _: ArrayView2<f64>, _: Option<ArrayView1<f64>>) {}

    fn has_ended(&self, path: usize) -> bool {
        let (run, first) = self.origins[path / PATHS];
        first + self.step > self.runs[run].transitions()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baselines::named;
    use crate::forecast::Settings;
    use crate::recording::EndFlag;

    /// Runs of `x' = 0.9 x + a`, the last ones of another system if so wished.
    fn logged(lengths: &[usize], then: f64) -> Logged {
        let count = lengths.len();
        let run = |(i, &steps): (usize, &usize)| {
            let pull = if i + 1 == count { then } else { 0.9 };
            let action = |t: usize| ((7 * t + i) % 5) as f64 - 2.0;
            let mut x = vec![i as f64];
            (0..steps).for_each(|t| x.push(pull * x[t] + action(t)));
            RecordedRun {
                source: 0,
                states: Array2::from_shape_fn((steps + 1, 1), |(t, _)| x[t]),
                actions: Array2::from_shape_fn((steps, 1), |(t, _)| action(t)),
                rewards: ndarray::Array1::zeros(steps),
                terminated: false,
                log_probabilities: None,
            }
        };
        Logged {
            runs: lengths.iter().enumerate().map(run).collect(),
            end_flags: vec![EndFlag::Terminated],
        }
    }

    #[test]
    fn a_fifth_of_the_steps_is_held_back() {
        for lengths in [&[100][..], &[50, 50], &[10, 70, 20], &[80, 5, 5, 5, 5]] {
            let (shown, back) = split(&logged(lengths, 0.9));
            let steps =
                |runs: &[RecordedRun]| -> usize { runs.iter().map(RecordedRun::transitions).sum() };
            assert_eq!((steps(&shown.runs), steps(&back)), (80, 20), "{lengths:?}");
        }
    }

    #[test]
    fn a_model_of_the_system_holds_it_and_of_another_does_not() {
        let linear = Forecaster::of(named("linear").unwrap(), Settings::builtin());
        let held = |then| {
            let logged = logged(&[60, 60, 60, 60], then);
            Coverage::of(&linear, &logged, false, 10, 0).unwrap().held
        };
        assert!(held(0.9) > 0.95, "{}", held(0.9));
        assert!(held(-0.9) < 0.6, "{}", held(-0.9));
    }
}
