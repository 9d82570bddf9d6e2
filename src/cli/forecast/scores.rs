//! Scores of a forecast whose truth was held back, beside persistence.

use ndarray::{Array2, Array3, Axis, s};

use super::outcome::{HeldOut, Outcome};
use crate::forecast::{Level, WholePaths};
use crate::metrics::{JointScores, crps, quantile, rmse};
use crate::output::{number, numbers, percent};

/// Paths of which joint scores are computed at most: they take every pair of paths.
const MAX_PATHS: usize = 500;

/// CRPS and RMSE of the median, a variable and over all, beside persistence with the context's own
/// increments. The mean line divides each variable by its standard deviation over the context;
/// derived quantities are not in it.
pub(super) fn scores(outcomes: &[Outcome], level: Level, seed: u64) -> String {
    let Some(first) = outcomes.first() else {
        return String::new();
    };
    let mut text = format!(
        "{:<16} {:>12} {:>12} {:>12} {:>12} {:>9} {:>9}\n",
        "held-out steps", "CRPS", "persistence", "RMSE", "persistence", "in 90 %", "whole"
    );
    let mut relative = [0.0; 4];
    let mut inside = 0.0;
    let mut used = 0.0;
    let whole = whole_paths(outcomes);
    let shares = whole.shares();
    for (v, name) in first.names.iter().enumerate() {
        let mut ours = Score::default();
        let mut simple = Score::default();
        let mut spread = 0.0;
        for outcome in outcomes {
            let Some(HeldOut { truth, walk }) = &outcome.held_out else {
                continue;
            };
            let last = outcome.observed[[outcome.observed.nrows() - 1, v]];
            ours.add(&outcome.rollout().paths, truth, v, None);
            simple.add(&walk.paths, truth, v, Some(last));
            spread += outcome.observed.column(v).std(0.0) / outcomes.len() as f64;
        }
        let row = [ours.crps(), simple.crps(), ours.rmse(), simple.rmse()];
        let covered = ours.coverage();
        text += &line(name, row, covered, shares[v]);
        if spread > 0.0 && v < first.variables {
            relative
                .iter_mut()
                .zip(row)
                .for_each(|(sum, x)| *sum += x / spread);
            inside += covered;
            used += 1.0;
        }
    }
    if used > 0.0 {
        let mean = relative.map(|sum| sum / used);
        let whole = shares[..first.variables].iter().sum::<f64>() / first.variables as f64;
        text += &line("mean / std", mean, inside / used, whole);
    }
    if shares.iter().any(|share| !share.is_nan()) {
        text += &format!(
            "whole: held-out paths of which the simultaneous {} % band holds every step\n",
            100.0 * level.get()
        );
    }
    text + &joint(outcomes, seed)
}

fn line(name: &str, scores: [f64; 4], covered: f64, whole: f64) -> String {
    let [a, b, c, d] = scores.map(|x| number(x, 4));
    format!(
        "{name:<16} {a:>12} {b:>12} {c:>12} {d:>12} {:>9} {:>9}\n",
        percent(covered, 0),
        percent(whole, 0)
    )
}

/// Which held-out paths the simultaneous bands have held.
fn whole_paths(outcomes: &[Outcome]) -> WholePaths {
    let mut whole = WholePaths::default();
    for outcome in outcomes {
        if let Some(held_out) = &outcome.held_out {
            whole.add(&outcome.band().holds(held_out.truth.view()));
        }
    }
    whole
}

/// Joint scores of rows, beside those of independent channels, in a sentence; nothing of a single
/// channel.
fn joint(outcomes: &[Outcome], seed: u64) -> String {
    let of_outcome = |outcome: &Outcome| {
        let Some(held_out) = &outcome.held_out else {
            return Vec::new();
        };
        let spreads = outcome.observed.std_axis(Axis(0), 0.0);
        let moving = outcome.states.iter().copied();
        let moving: Vec<usize> = moving.filter(|&v| spreads[v] > 0.0).collect();
        if moving.len() < 2 {
            return Vec::new();
        }
        let paths = &outcome.rollout().paths;
        let scored = paths.slice(s![..paths.dim().0.min(MAX_PATHS), .., ..]);
        let paths = scored.select(Axis(2), &moving);
        let truth = held_out.truth.select(Axis(1), &moving);
        let scales = spreads.select(Axis(0), &moving);
        JointScores::of_paths(paths.view(), truth.view(), scales.view(), seed)
    };
    let scores: Vec<JointScores> = outcomes.iter().flat_map(of_outcome).collect();
    if scores.is_empty() {
        return String::new();
    }
    let mean = JointScores::mean(&scores);
    let [energy, apart] = numbers([mean.energy, mean.independent_energy], 4);
    let [variogram, variogram_apart] = numbers([mean.variogram, mean.independent_variogram], 4);
    format!(
        "rows of all variables, in standard deviations: energy score {energy} ({apart} if variables were \
         drawn independently), variogram score {variogram} ({variogram_apart}); lower is better\n"
    )
}

/// Scores of one variable, gathered over steps and episodes.
#[derive(Default)]
struct Score {
    crps: Vec<f64>,
    points: Vec<(f64, f64)>,
    inside: Vec<bool>,
}

impl Score {
    /// `point` is the point forecast; without one it is the paths' median. Steps at which the
    /// quantity is not defined (`NaN`) do not count.
    fn add(&mut self, paths: &Array3<f64>, truth: &Array2<f64>, v: usize, point: Option<f64>) {
        for h in 0..truth.nrows() {
            let mut sample = paths.slice(s![.., h, v]).to_vec();
            sample.retain(|x| !x.is_nan());
            let observed = truth[[h, v]];
            if sample.is_empty() || observed.is_nan() {
                continue;
            }
            self.crps.push(crps(&mut sample, observed));
            // `crps` has put the sample in order.
            let at = |level: f64| quantile(&sample, level);
            self.points
                .push((point.unwrap_or_else(|| at(0.5)), observed));
            self.inside.push((at(0.05)..=at(0.95)).contains(&observed));
        }
    }

    /// `NaN` where no step counts.
    fn crps(&self) -> f64 {
        self.crps.iter().sum::<f64>() / self.crps.len() as f64
    }

    fn rmse(&self) -> f64 {
        rmse(self.points.iter().copied())
    }

    fn coverage(&self) -> f64 {
        let inside = self.inside.iter().filter(|&&inside| inside).count();
        inside as f64 / self.inside.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::{Levels, Rollout};

    /// Fault: coverage was counted by other quantiles than those of the table.
    #[test]
    fn coverage_is_that_of_the_table() {
        let paths = Array3::from_shape_fn((30, 200, 1), |(i, h, _)| {
            (7.3 * (i * i + 11 * h) as f64).sin() + 0.01 * h as f64
        });
        let truth = Array2::from_shape_fn((200, 1), |(h, _)| 1.1 * (3.7 * h as f64).sin());
        let mut score = Score::default();
        score.add(&paths, &truth, 0, None);
        let levels = Levels::new(vec![0.05, 0.95]).unwrap();
        let rollout = Rollout {
            paths,
            saturated: 0,
        };
        let summary = rollout.summary(&levels);
        let inside = (0..200).filter(|&h| {
            let at = |q: usize| summary.quantiles[q][[h, 0]];
            (at(0)..=at(1)).contains(&truth[[h, 0]])
        });
        assert_eq!(score.coverage(), inside.count() as f64 / 200.0);
    }
}
