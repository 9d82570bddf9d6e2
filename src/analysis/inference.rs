//! What a predictor makes of a sequence of states.

use std::sync::Arc;

use ndarray::Array2;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use super::{AnalysisError, Laws, MOST_STATES, Sequence};
use crate::codec::Scale;
use crate::density::BinnedDensity;
use crate::forecast::{Forecaster, Predictor, Role, Settings, Variables};

/// The limits of states, which are shown as the numbers `0..states`.
pub(super) fn scale_of_states(states: usize) -> Result<Scale, AnalysisError> {
    match Scale::range(0.0, states as f64 - 1.0) {
        Ok(scale) if states <= MOST_STATES => Ok(scale),
        _ => Err(AnalysisError::States(states, MOST_STATES)),
    }
}

/// A density's mass nearer to each state than to all others.
pub(super) fn law_of_states(density: &BinnedDensity, states: usize) -> Vec<f64> {
    let mut below: Vec<f64> = (1..states).map(|k| density.cdf(k as f64 - 0.5)).collect();
    below.insert(0, 0.0);
    below.push(1.0);
    let law: Vec<f64> = below.windows(2).map(|p| (p[1] - p[0]).max(0.0)).collect();
    let sum: f64 = law.iter().sum();
    law.into_iter().map(|p| p / sum).collect()
}

/// Shows a predictor a sequence of states, as values of a channel that has the first and the last of them as limits, and
/// reads its law of every next state. Rows that do not follow the row before begin a run, from which experts learn no
/// step. The scale of the settings is not used.
///
/// # Errors
/// [`AnalysisError::States`] unless there are 2 to 50 states, [`AnalysisError::Constant`] for a sequence of one, and what
/// the forecaster reports.
pub fn infer(
    predictor: Arc<dyn Predictor>,
    settings: Settings,
    sequence: Sequence,
) -> Result<Laws, AnalysisError> {
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
    let mut laws = Array2::zeros((came.len(), states));
    for (t, mut law) in laws.rows_mut().into_iter().enumerate() {
        let found = law_of_states(&densities.density(t, 0), states);
        law.assign(&ndarray::ArrayView1::from(&found));
    }
    Ok(Laws::new(sequence, laws))
}

/// Shows the same sequence under permuted labels, drawn from a seed, each once and none as they are; the laws come back
/// under the labels that they had. A predictor for which states are but names would say the same each time. Of few
/// states there are fewer permutations than were asked for: 1 of 2, 5 of 3.
///
/// # Errors
/// As [`infer`].
pub fn relabelled(
    predictor: &Arc<dyn Predictor>,
    settings: Settings,
    sequence: Sequence,
    permutations: usize,
    seed: u64,
    progress: &dyn Fn(f64),
) -> Result<Vec<Laws>, AnalysisError> {
    let (came, states) = (sequence.states(), sequence.count());
    scale_of_states(states)?;
    let drawn = drawn_permutations(states, permutations, seed);
    let read = |(number, names): (usize, &Vec<usize>)| {
        let shown: Vec<usize> = came.iter().map(|&state| names[state]).collect();
        let shown = Sequence::new(&shown, states)?.with_breaks(sequence.breaks());
        let laws = infer(predictor.clone(), settings, shown)?;
        let laws =
            Array2::from_shape_fn((came.len(), states), |(t, state)| laws.law(t)[names[state]]);
        progress((number + 1) as f64 / drawn.len() as f64);
        Ok(Laws::new(sequence, laws))
    };
    drawn.iter().enumerate().map(read).collect()
}

/// Different permutations that are not the identity, as many as asked for or as there are.
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

/// The mean of laws of one sequence, row by row; `None` of none.
pub fn mean_laws(laws: &[Laws]) -> Option<Laws> {
    let first = laws.first()?;
    let shape = (first.sequence().states().len(), first.states());
    let mean = Array2::from_shape_fn(shape, |(t, state)| {
        laws.iter().map(|laws| laws.law(t)[state]).sum::<f64>() / laws.len() as f64
    });
    Some(Laws::new(first.sequence(), mean))
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

    /// It comes nearer with every step, and knows more than how often the states come.
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
        let laws = infer(language.clone(), settings, sequence).unwrap();
        let distances = laws.distances(&truth);
        assert!(distances[9].total_variation < 0.6 * distances[2].total_variation);
        let curve = distances.iter().map(|d| (d.context, d.total_variation));
        assert!(power_law(&curve.collect::<Vec<_>>()).unwrap().exponent > 0.0);
        let often = frequencies(sequence);
        assert!(laws.log_score(300) > often.log_score(300) + 0.05);
        // Other labels, much the same laws: the states are little more than names.
        let others = relabelled(&language, settings, sequence, 2, 1, &|_| ()).unwrap();
        for other in &others {
            assert!((other.log_score(300) - laws.log_score(300)).abs() < 0.1);
        }
        let mean = mean_laws(&others).unwrap();
        let least = others.iter().map(|laws| laws.log_score(300));
        assert!(mean.log_score(300) >= least.fold(f64::INFINITY, f64::min));
    }

    /// Fault: of two states half of the permutations were none.
    #[test]
    fn permutations_are_different_and_permute() {
        assert_eq!(drawn_permutations(2, 8, 0), [[1, 0]]);
        let three = drawn_permutations(3, 100, 1);
        assert_eq!(three.len(), 5);
        assert!((0..5).all(|i| three[i] != [0, 1, 2] && !three[..i].contains(&three[i])));
        assert_eq!(drawn_permutations(50, 4, 0).len(), 4);
    }

    /// Rows of the mean law are the states' frequencies whatever came before.
    #[test]
    fn laws_are_the_masses_nearest_to_the_states() {
        let truth = array![[0.0, 1.0], [0.25, 0.75]];
        let states = sequence(&truth, 400, 1);
        let sequence = Sequence::new(&states, 2).unwrap();
        let laws = infer(mean_rule(), Settings::default(), sequence).unwrap();
        let (matrix, counts) = laws.matrix(100);
        assert_eq!(counts.iter().sum::<usize>(), 300);
        for from in 0..2 {
            assert!((matrix.row(from).sum() - 1.0).abs() < 1e-9);
            assert!((matrix[[from, 1]] - 0.8).abs() < 0.08, "{matrix}");
        }
        let law = laws.law(399).to_vec();
        assert!((total_variation(&law, &[0.2, 0.8])) < 0.08);
        // Labels mean nothing to frequencies.
        let other = relabelled(&mean_rule(), Settings::default(), sequence, 3, 0, &|_| ()).unwrap();
        for laws in other {
            assert!((laws.law(399)[1] - law[1]).abs() < 1e-3);
        }
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let refused = |sequence: &[usize], states| {
            Sequence::new(sequence, states)
                .and_then(|sequence| infer(mean_rule(), Settings::default(), sequence))
                .unwrap_err()
                .to_string()
        };
        assert!(refused(&[0, 1, 2], 2).contains("state 2 at place 2"));
        assert!(refused(&[0, 0], 1).contains("2 to 50"));
        assert!(refused(&[0, 0], 51).contains("2 to 50"));
        assert!(refused(&[0], 2).contains("at least 2"));
        assert!(refused(&[1, 1, 1], 2).contains("one state"));
    }
}
