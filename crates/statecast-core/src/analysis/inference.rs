//! A predictor's next-state distributions for a sequence of states.

use std::sync::Arc;

use ndarray::Array2;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use super::{AnalysisError, MAX_STATES, Sequence, StateDistributions};
use crate::codec::Scale;
use crate::density::BinnedDensity;
use crate::forecast::{Forecaster, Predictor, Role, Settings, Variables};

/// Returns the scale of states, which are encoded as the numbers `0..states`.
pub(super) fn scale_of_states(states: usize) -> Result<Scale, AnalysisError> {
    match Scale::range(0.0, states as f64 - 1.0) {
        Ok(scale) if states <= MAX_STATES => Ok(scale),
        _ => Err(AnalysisError::States(states, MAX_STATES)),
    }
}

/// Assigns a density's mass to the nearest states.
pub(super) fn state_probabilities(density: &BinnedDensity, states: usize) -> Vec<f64> {
    let mut below: Vec<f64> = (1..states).map(|k| density.cdf(k as f64 - 0.5)).collect();
    below.insert(0, 0.0);
    below.push(1.0);
    let distribution: Vec<f64> = below.windows(2).map(|p| (p[1] - p[0]).max(0.0)).collect();
    let sum: f64 = distribution.iter().sum();
    distribution.into_iter().map(|p| p / sum).collect()
}

/// Reads a predictor's distribution of every next state in a sequence. The sequence is a channel whose limits are the
/// first and the last state; the scale of the settings is ignored. Rows that do not follow the row before begin a run:
/// experts learn no step from them.
///
/// # Errors
/// [`AnalysisError::States`] unless there are 2 to 50 states, [`AnalysisError::Constant`] for a sequence of one, and what
/// the forecaster reports.
pub fn infer(
    predictor: Arc<dyn Predictor>,
    settings: Settings,
    sequence: Sequence,
) -> Result<StateDistributions, AnalysisError> {
    let (came, states) = (sequence.states(), sequence.count());
    let scale = scale_of_states(states)?;
    if came.len() > 1 && came.iter().all(|state| *state == came[0]) {
        return Err(AnalysisError::Constant);
    }
    let values = Array2::from_shape_fn((came.len(), 1), |(t, _)| came[t] as f64);
    let mut variables = Variables::new(vec!["state".to_owned()], vec![Role::State], values);
    for &row in sequence.breaks() {
        if let Some(begins) = variables.begins.get_mut(row) {
            *begins = true;
        }
    }
    let forecaster = Forecaster::of(predictor, Settings { scale, ..settings });
    let reading = forecaster.read(&variables)?;
    let densities = reading.one_step();
    let mut distributions = Array2::zeros((came.len(), states));
    for (t, mut distribution) in distributions.rows_mut().into_iter().enumerate() {
        let found = state_probabilities(&densities.density(t, 0), states);
        distribution.assign(&ndarray::ArrayView1::from(&found));
    }
    Ok(StateDistributions::new(sequence, distributions))
}

/// Infers next-state distributions under distinct, random, nontrivial permutations of the labels,
/// mapped back to the original labels. A predictor that ignores the order of labels returns the
/// same each time. Few states have fewer permutations than requested: 1 for 2 states, 5 for 3.
///
/// # Errors
/// As [`infer`].
pub fn infer_permuted(
    predictor: &Arc<dyn Predictor>,
    settings: Settings,
    sequence: Sequence,
    permutations: usize,
    seed: u64,
    progress: &dyn Fn(f64),
) -> Result<Vec<StateDistributions>, AnalysisError> {
    let (came, states) = (sequence.states(), sequence.count());
    scale_of_states(states)?;
    let drawn = drawn_permutations(states, permutations, seed);
    let read = |(number, names): (usize, &Vec<usize>)| {
        let shown: Vec<usize> = came.iter().map(|&state| names[state]).collect();
        let shown = Sequence::new(&shown, states)?.with_breaks(sequence.breaks());
        let distributions = infer(predictor.clone(), settings, shown)?;
        let distributions = Array2::from_shape_fn((came.len(), states), |(t, state)| {
            distributions.distribution(t)[names[state]]
        });
        progress((number + 1) as f64 / drawn.len() as f64);
        Ok(StateDistributions::new(sequence, distributions))
    };
    drawn.iter().enumerate().map(read).collect()
}

/// Draws distinct permutations other than the identity, as many as requested or as exist.
fn drawn_permutations(states: usize, count: usize, seed: u64) -> Vec<Vec<usize>> {
    let there_are = (1..=states).try_fold(1usize, |all, k| all.checked_mul(k));
    let count = there_are.map_or(count, |all| count.min(all - 1));
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let identity: Vec<usize> = (0..states).collect();
    let mut drawn = vec![identity.clone()];
    while drawn.len() <= count {
        let mut names = identity.clone();
        names.shuffle(&mut random);
        if !drawn.contains(&names) {
            drawn.push(names);
        }
    }
    drawn.split_off(1)
}

/// Averages distributions of one sequence row by row; `None` if there are none.
pub fn mean_distributions(distributions: &[StateDistributions]) -> Option<StateDistributions> {
    let first = distributions.first()?;
    let shape = (first.sequence().states().len(), first.states());
    let mean = Array2::from_shape_fn(shape, |(t, state)| {
        distributions
            .iter()
            .map(|distributions| distributions.distribution(t)[state])
            .sum::<f64>()
            / distributions.len() as f64
    });
    Some(StateDistributions::new(first.sequence(), mean))
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use rand::RngExt;

    use super::*;
    use crate::analysis::{frequencies, power_law, total_variation};
    use crate::baselines;
    use crate::codec::builtin_formats;
    use crate::forecast::Language;
    use crate::model::{Device, Model, ModelSource, Precision};

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

    fn mean_rule() -> Arc<dyn Predictor> {
        baselines::named("mean").unwrap()
    }

    fn builtin() -> Model {
        let formats = builtin_formats().unwrap();
        let source = ModelSource::Builtin;
        Model::load(&source, &formats, Precision::F32, Device::Cpu).unwrap()
    }

    /// It improves with context, and on the frequencies of states.
    #[test]
    fn the_bundled_model_learns_a_chain_in_context() {
        let model = builtin();
        let settings = Settings::default();
        let language: Arc<dyn Predictor> = Arc::new(Language {
            model,
            temperature: settings.temperature,
            tolerance: settings.tolerance,
        });
        let truth = array![[0.8, 0.15, 0.05], [0.1, 0.2, 0.7], [0.4, 0.5, 0.1]];
        let states = sequence(&truth, 1000, 3);
        let sequence = Sequence::new(&states, 3).unwrap();
        let distributions = infer(language.clone(), settings, sequence).unwrap();
        let distances = distributions.distances(&truth);
        assert!(distances[9].total_variation < 0.6 * distances[2].total_variation);
        let curve = distances.iter().map(|d| (d.context, d.total_variation));
        assert!(power_law(&curve.collect::<Vec<_>>()).unwrap().exponent > 0.0);
        let often = frequencies(sequence);
        assert!(distributions.log_score(300) > often.log_score(300) + 0.05);
        // Label permutations hardly change the distributions.
        let others = infer_permuted(&language, settings, sequence, 2, 1, &|_| ()).unwrap();
        for other in &others {
            assert!((other.log_score(300) - distributions.log_score(300)).abs() < 0.1);
        }
        let mean = mean_distributions(&others).unwrap();
        let least = others
            .iter()
            .map(|distributions| distributions.log_score(300));
        assert!(mean.log_score(300) >= least.fold(f64::INFINITY, f64::min));
    }

    /// Fault: for two states half of the permutations were the identity.
    #[test]
    fn permutations_are_different_and_permute() {
        assert_eq!(drawn_permutations(2, 8, 0), [[1, 0]]);
        let three = drawn_permutations(3, 100, 1);
        assert_eq!(three.len(), 5);
        assert!((0..5).all(|i| three[i] != [0, 1, 2] && !three[..i].contains(&three[i])));
        assert_eq!(drawn_permutations(50, 4, 0).len(), 4);
    }

    /// Rows of the mean distribution are the states' frequencies, independent of the last state.
    #[test]
    fn probabilities_are_the_masses_nearest_to_the_states() {
        let truth = array![[0.0, 1.0], [0.25, 0.75]];
        let states = sequence(&truth, 400, 1);
        let sequence = Sequence::new(&states, 2).unwrap();
        let distributions = infer(mean_rule(), Settings::default(), sequence).unwrap();
        let (matrix, counts) = distributions.matrix(100);
        assert_eq!(counts.iter().sum::<usize>(), 300);
        for from in 0..2 {
            assert!((matrix.row(from).sum() - 1.0).abs() < 1e-9);
            assert!((matrix[[from, 1]] - 0.8).abs() < 0.08, "{matrix}");
        }
        let distribution = distributions.distribution(399).to_vec();
        assert!((total_variation(&distribution, &[0.2, 0.8])) < 0.08);
        // Frequencies do not depend on labels.
        let other =
            infer_permuted(&mean_rule(), Settings::default(), sequence, 3, 0, &|_| ()).unwrap();
        for distributions in other {
            assert!((distributions.distribution(399)[1] - distribution[1]).abs() < 1e-3);
        }
    }

    #[test]
    fn invalid_sequences_are_errors() {
        let refused = |sequence: &[usize], states| {
            Sequence::new(sequence, states)
                .and_then(|sequence| infer(mean_rule(), Settings::default(), sequence))
                .unwrap_err()
                .to_string()
        };
        assert!(refused(&[0, 1, 2], 2).contains("state 2 at position 2"));
        assert!(refused(&[0, 0], 1).contains("2 to 50"));
        assert!(refused(&[0, 0], 51).contains("2 to 50"));
        assert!(refused(&[0], 2).contains("at least 2"));
        assert!(refused(&[1, 1, 1], 2).contains("one state"));
    }
}
