//! Scores of a forecast whose truth was held back, beside persistence.

use ndarray::{Array2, Array3, s};

use super::forecast::Outcome;
use crate::metrics::{crps, rmse};

/// CRPS and RMSE of the median, a variable and over all, beside persistence with the context's own
/// increments. The mean line divides each variable by its standard deviation over the context.
pub(super) fn scores(outcomes: &[Outcome]) -> String {
    let Some(first) = outcomes.first() else {
        return String::new();
    };
    let mut text = format!(
        "{:<16} {:>12} {:>12} {:>12} {:>12} {:>9}\n",
        "held-out steps", "CRPS", "persistence", "RMSE", "persistence", "in 90 %"
    );
    let mut relative = [0.0; 4];
    let mut inside = 0.0;
    let mut used = 0.0;
    for (v, name) in first.names.iter().enumerate() {
        let mut ours = Score::default();
        let mut simple = Score::default();
        let mut spread = 0.0;
        for outcome in outcomes {
            let Some((truth, walk)) = &outcome.held_out else {
                continue;
            };
            let paths = &outcome.rollout.paths;
            let last = outcome.observed[[outcome.observed.nrows() - 1, v]];
            ours.add(paths, truth, v, None);
            simple.add(&walk.paths, truth, v, Some(last));
            spread += outcome.observed.column(v).std(0.0) / outcomes.len() as f64;
        }
        let row = [ours.crps(), simple.crps(), ours.rmse(), simple.rmse()];
        let covered = ours.coverage();
        text += &line(name, row, covered);
        if spread > 0.0 {
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
        text += &line("mean / std", mean, inside / used);
    }
    text
}

fn line(name: &str, numbers: [f64; 4], covered: f64) -> String {
    let [a, b, c, d] = numbers;
    format!(
        "{name:<16} {a:>12.4} {b:>12.4} {c:>12.4} {d:>12.4} {:>7.0} %\n",
        100.0 * covered
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
    /// `point` is the point forecast; without one it is the paths' median.
    fn add(&mut self, paths: &Array3<f64>, truth: &Array2<f64>, v: usize, point: Option<f64>) {
        for h in 0..truth.nrows() {
            let mut sample = paths.slice(s![.., h, v]).to_vec();
            let observed = truth[[h, v]];
            self.crps.push(crps(&mut sample, observed));
            let at = |level: f64| sample[(level * (sample.len() - 1) as f64).round() as usize];
            self.points
                .push((point.unwrap_or_else(|| at(0.5)), observed));
            self.inside.push((at(0.05)..=at(0.95)).contains(&observed));
        }
    }

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
