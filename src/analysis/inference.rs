//! The chain that a model infers from a sequence of its states.

use ndarray::{Array2, ArrayView1};

use super::{AnalysisError, Counts, hellinger, total_variation};
use crate::codec::Scale;
use crate::forecast::{Forecaster, Role, Settings, Variables};

/// Most states that are told apart on the axis: a state then has 20 bins.
pub const MOST_STATES: usize = 50;

/// Width of the axis.
const AXIS: f64 = 10.0;

/// How a forecaster must read states: they are places on the axis.
pub fn settings_of_states(settings: Settings) -> Settings {
    Settings {
        scale: Scale::None,
        ..settings
    }
}

/// A sequence of states, and what a forecaster said of each before it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Inferred {
    /// The sequence.
    pub sequence: Vec<usize>,
    /// Law of every state given those before it, `[rows, states]`.
    pub laws: Array2<f64>,
}

/// How far laws are from true ones, behind some rows of context.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Distance {
    /// Mean number of rows before the states that are counted here.
    pub context: f64,
    /// Mean total variation.
    pub total_variation: f64,
    /// Mean Hellinger distance.
    pub hellinger: f64,
}

/// `distance = scale * context^-exponent`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct PowerLaw {
    /// Distance behind one row.
    pub scale: f64,
    /// How fast it falls.
    pub exponent: f64,
}

/// Shows a forecaster a sequence of the states `0..states`, written as the middles of as many equal parts of the axis,
/// and reads its law of every next state: its density's mass in each part.
///
/// # Errors
/// [`AnalysisError::States`] unless there are 2 to 50 states, [`AnalysisError::State`] for one beyond them, and what
/// the forecaster reports.
pub fn infer(
    forecaster: &Forecaster,
    sequence: &[usize],
    states: usize,
) -> Result<Inferred, AnalysisError> {
    if !(2..=MOST_STATES).contains(&states) {
        return Err(AnalysisError::States(states, MOST_STATES));
    }
    Counts::of(sequence, states)?;
    let width = AXIS / states as f64;
    let values = sequence.iter().map(|&state| width * (state as f64 + 0.5));
    let values =
        Array2::from_shape_vec((sequence.len(), 1), values.collect()).expect("one value a state");
    let variables = Variables::new(vec!["state".to_owned()], vec![Role::State], values);
    let reading = forecaster.read(&variables)?;
    let densities = reading.one_step();
    let mut laws = Array2::zeros((sequence.len(), states));
    for (t, mut law) in laws.rows_mut().into_iter().enumerate() {
        let density = densities.density(t, 0);
        let below: Vec<f64> = (0..=states)
            .map(|k| density.cdf(width * k as f64))
            .collect();
        for (p, ends) in law.iter_mut().zip(below.windows(2)) {
            *p = ends[1] - ends[0];
        }
        let sum = law.sum();
        law /= sum;
    }
    Ok(Inferred {
        sequence: sequence.to_vec(),
        laws,
    })
}

impl Inferred {
    /// Law of the state at `t`, given those before it.
    pub fn law(&self, t: usize) -> ArrayView1<'_, f64> {
        self.laws.row(t)
    }

    /// Mean law behind every state over the last `rows` rows, `[from, to]`, and how often each was there; rows of
    /// states that were not are uniform.
    pub fn matrix(&self, rows: usize) -> (Array2<f64>, Vec<usize>) {
        let states = self.laws.ncols();
        let mut matrix = Array2::<f64>::zeros((states, states));
        let mut counts = vec![0; states];
        let first = self.sequence.len().saturating_sub(rows).max(1);
        for t in first..self.sequence.len() {
            let from = self.sequence[t - 1];
            counts[from] += 1;
            let mut row = matrix.row_mut(from);
            row += &self.law(t);
        }
        for (mut row, &count) in matrix.rows_mut().into_iter().zip(&counts) {
            match count {
                0 => row.fill(1.0 / states as f64),
                _ => row /= count as f64,
            }
        }
        (matrix, counts)
    }

    /// Mean logarithm of the probabilities of the states that came, from row `first` on, nats.
    pub fn log_score(&self, first: usize) -> f64 {
        let rows = first..self.sequence.len();
        let count = rows.len() as f64;
        let score = |t: usize| self.laws[[t, self.sequence[t]]].max(f64::MIN_POSITIVE).ln();
        rows.map(score).sum::<f64>() / count
    }

    /// Distances of the laws from those of a matrix `[from, to]`, in stretches of context that double.
    pub fn distances(&self, matrix: &Array2<f64>) -> Vec<Distance> {
        let rows = self.sequence.len();
        let mut distances = Vec::new();
        let mut first = 1;
        while first < rows {
            let end = (2 * first).min(rows);
            let mut sums = [0.0; 3];
            for t in first..end {
                let law = self.law(t).to_vec();
                let truth = matrix.row(self.sequence[t - 1]).to_vec();
                let found = [
                    t as f64,
                    total_variation(&law, &truth),
                    hellinger(&law, &truth),
                ];
                sums.iter_mut().zip(found).for_each(|(sum, x)| *sum += x);
            }
            let [context, total_variation, hellinger] = sums.map(|sum| sum / (end - first) as f64);
            distances.push(Distance {
                context,
                total_variation,
                hellinger,
            });
            first = end;
        }
        distances
    }
}

/// The power law through distances `(context, distance)`, by least squares of the logarithms; `None` for fewer than
/// two that are above zero.
///
/// ```
/// use statecast::analysis::power_law;
/// let law = power_law(&[(1.0, 0.5), (4.0, 0.25), (16.0, 0.125)]).unwrap();
/// assert!((law.scale - 0.5).abs() < 1e-12 && (law.exponent - 0.5).abs() < 1e-12);
/// ```
pub fn power_law(distances: &[(f64, f64)]) -> Option<PowerLaw> {
    let logs: Vec<(f64, f64)> = distances
        .iter()
        .filter(|(context, distance)| *context > 0.0 && *distance > 0.0)
        .map(|(context, distance)| (context.ln(), distance.ln()))
        .collect();
    let n = logs.len() as f64;
    let (x, y) = logs
        .iter()
        .fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let squares: f64 = logs.iter().map(|p| (p.0 - x).powi(2)).sum();
    let slope = logs.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>() / squares;
    slope.is_finite().then(|| PowerLaw {
        scale: (y - slope * x).exp(),
        exponent: -slope,
    })
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use ndarray::array;
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::baselines;
    use crate::codec::builtin_formats;
    use crate::model::{Model, ModelSource, Precision};

    /// A sequence drawn from a matrix.
    fn sequence(matrix: &Array2<f64>, rows: usize, seed: u64) -> Vec<usize> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut state = 0;
        let step = |_| {
            let mut level: f64 = random.random();
            let row = matrix.row(state);
            let next = row.iter().position(|p| {
                level -= p;
                level < 0.0
            });
            state = next.unwrap_or(row.len() - 1);
            state
        };
        (0..rows).map(step).collect()
    }

    /// It comes nearer with every step, and knows more than how often the states come.
    #[test]
    fn the_bundled_model_learns_a_chain_in_context() {
        let formats = builtin_formats().unwrap();
        let model = Model::load(
            &ModelSource::Builtin,
            &formats,
            Precision::F32,
            &Device::Cpu,
        )
        .unwrap();
        let forecaster = Forecaster::new(&model, settings_of_states(Settings::default()));
        let truth = array![[0.8, 0.15, 0.05], [0.1, 0.2, 0.7], [0.4, 0.5, 0.1]];
        let sequence = sequence(&truth, 1000, 3);
        let inferred = infer(&forecaster, &sequence, 3).unwrap();
        let distances = inferred.distances(&truth);
        assert!(distances[9].total_variation < 0.6 * distances[2].total_variation);
        let curve = distances.iter().map(|d| (d.context, d.total_variation));
        assert!(power_law(&curve.collect::<Vec<_>>()).unwrap().exponent > 0.0);
        let mean = baselines::named("mean").unwrap();
        let forecaster = Forecaster::of(mean, settings_of_states(Settings::default()));
        let frequencies = infer(&forecaster, &sequence, 3).unwrap();
        assert!(inferred.log_score(300) > frequencies.log_score(300) + 0.05);
    }

    /// Rows of the mean law are the states' frequencies whatever came before.
    #[test]
    fn laws_are_the_masses_of_the_states_parts() {
        let mean = baselines::named("mean").unwrap();
        let forecaster = Forecaster::of(mean, settings_of_states(Settings::default()));
        let truth = array![[0.0, 1.0], [0.25, 0.75]];
        let sequence = sequence(&truth, 400, 1);
        let inferred = infer(&forecaster, &sequence, 2).unwrap();
        let (matrix, counts) = inferred.matrix(300);
        assert_eq!(counts.iter().sum::<usize>(), 300);
        for from in 0..2 {
            assert!((matrix.row(from).sum() - 1.0).abs() < 1e-9);
            assert!((matrix[[from, 1]] - 0.8).abs() < 0.08, "{matrix}");
        }
        let law = inferred.law(399).to_vec();
        assert!((total_variation(&law, &[0.2, 0.8])) < 0.08);
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let mean = baselines::named("mean").unwrap();
        let forecaster = Forecaster::of(mean, settings_of_states(Settings::default()));
        let refused = |sequence: &[usize], states| {
            infer(&forecaster, sequence, states)
                .unwrap_err()
                .to_string()
        };
        assert!(refused(&[0, 1, 2], 2).contains("state 2 at place 2"));
        assert!(refused(&[0, 0], 1).contains("2 to 50"));
        assert!(refused(&[0, 0], 51).contains("2 to 50"));
        assert!(refused(&[0], 2).contains("at least 2"));
        assert!(power_law(&[(1.0, 0.5)]).is_none());
        assert!(power_law(&[]).is_none());
    }
}
