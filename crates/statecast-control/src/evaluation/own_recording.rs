//! Whether a policy made a recording, by its actions.

use ndarray::{Array2, ArrayView2, Axis, concatenate};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::Logged;
use crate::policy::{Policy, PolicyError};

/// Most recorded steps at which a policy is asked.
const MAX_STEPS: usize = 4_000;

/// Fewest recorded steps that say something.
const MIN_STEPS: usize = 50;

/// Standard errors within which means count as equal.
const ERRORS: f64 = 3.0;

/// Largest difference of means, relative to the mean distance of two draws of the policy; for a policy that does not
/// draw, relative to the range of the recorded actions.
const TOLERANCE: f64 = 0.02;
const ROUNDING: f64 = 1e-4;

/// Returns the recording whose actions cannot be told from the policy's own at the recorded states, if there is one:
/// recorded actions lie as far from a draw of the policy as a second draw does, and are as probable.
///
/// # Errors
/// [`PolicyError`] if the policy cannot act.
pub fn recording_of(
    policy: &mut dyn Policy,
    logged: &Logged,
    seed: u64,
) -> Result<Option<usize>, PolicyError> {
    for source in 0..logged.sources() {
        let (states, actions) = logged.observations_and_actions_of(source);
        if states.nrows() < MIN_STEPS {
            continue;
        }
        let every = states.nrows().div_ceil(MAX_STEPS);
        let rows: Vec<usize> = (0..states.nrows()).step_by(every).collect();
        let states = states.select(Axis(0), &rows);
        let actions = actions.select(Axis(0), &rows);
        if acts_alike(policy, states.view(), actions.view(), seed)? {
            return Ok(Some(source));
        }
    }
    Ok(None)
}

/// Returns the recording whose actions are nearest to a policy's at the recorded states, in units of the standard
/// deviations of all recorded actions, other than one that is left out; `None` if there is no other.
///
/// # Errors
/// [`PolicyError`] if the policy cannot act.
pub(super) fn nearest_recording(
    policy: &mut dyn Policy,
    logged: &Logged,
    left_out: Option<usize>,
    seed: u64,
) -> Result<Option<usize>, PolicyError> {
    let all: Vec<_> = (0..logged.sources())
        .map(|source| logged.observations_and_actions_of(source))
        .collect();
    let actions: Vec<_> = all.iter().map(|(_, actions)| actions.view()).collect();
    let actions = concatenate(Axis(0), &actions).expect("recordings of one system");
    let unit = actions.std_axis(Axis(0), 0.0);
    let unit = unit.mapv(|std| if std > 0.0 { std } else { 1.0 });
    let mut found: Option<(usize, f64)> = None;
    for (source, (states, actions)) in all.iter().enumerate() {
        if Some(source) == left_out {
            continue;
        }
        let every = states.nrows().div_ceil(MAX_STEPS);
        let rows: Vec<usize> = (0..states.nrows()).step_by(every).collect();
        let states = states.select(Axis(0), &rows);
        let mut random = generators(rows.len(), seed);
        let own = policy.act(states.view(), &mut random)? / &unit;
        let recorded = actions.select(Axis(0), &rows) / &unit;
        let distance = mean(&distances(&own.view(), &recorded.view()));
        if found.is_none_or(|(_, least)| distance < least) {
            found = Some((source, distance));
        }
    }
    Ok(found.map(|(source, _)| source))
}

fn generators(rows: usize, seed: u64) -> Vec<ChaCha8Rng> {
    let of = |row: usize| {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(row as u64);
        random
    };
    (0..rows).map(of).collect()
}

fn acts_alike(
    policy: &mut dyn Policy,
    states: ArrayView2<f64>,
    actions: ArrayView2<f64>,
    seed: u64,
) -> Result<bool, PolicyError> {
    let mut draw = |number: u64| policy.act(states, &mut generators(states.nrows(), seed ^ number));
    let (first, second) = (draw(1)?, draw(2)?);
    let to_recorded = distances(&first.view(), &actions);
    let to_other = distances(&first.view(), &second.view());
    let spread = mean(&to_other);
    let range = actions.fold(f64::NEG_INFINITY, |a, &b| a.max(b))
        - actions.fold(f64::INFINITY, |a, &b| a.min(b));
    if spread <= ROUNDING * range {
        return Ok(mean(&to_recorded) <= ROUNDING * range);
    }
    let differences: Vec<f64> = to_recorded
        .iter()
        .zip(&to_other)
        .map(|(recorded, other)| recorded - other)
        .collect();
    if !is_zero(&differences) || mean(&differences).abs() > TOLERANCE * spread {
        return Ok(false);
    }
    let probable = |actions: &Array2<f64>| policy.log_probabilities(states, actions.view());
    let (Some(recorded), Some(own)) = (probable(&actions.to_owned()), probable(&first)) else {
        return Ok(true);
    };
    let differences: Vec<f64> = recorded.iter().zip(&own).map(|(r, o)| r - o).collect();
    Ok(differences.iter().all(|d| d.is_finite()) && is_zero(&differences))
}

fn distances(a: &ArrayView2<f64>, b: &ArrayView2<f64>) -> Vec<f64> {
    let rows = a.rows().into_iter().zip(b.rows());
    rows.map(|(a, b)| {
        let squares = a.iter().zip(b).map(|(a, b)| (a - b).powi(2));
        squares.sum::<f64>().sqrt()
    })
    .collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// True if the mean lies within three standard errors of zero.
fn is_zero(values: &[f64]) -> bool {
    let error = (super::value::variance(values) / values.len().max(1) as f64).sqrt();
    mean(values).abs() <= ERRORS * error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::ActionSpace;
    use crate::evaluation::RecordedRun;
    use crate::policy::{LinearPolicy, Uniform};
    use crate::recording::EndFlag;
    use ndarray::{Array1, array};

    /// A run of a system whose state is noise, under a policy.
    fn logged(policy: &mut dyn Policy) -> Logged {
        let states = Array2::from_shape_fn((400, 1), |(t, _)| (t as f64 * 0.7).sin());
        let mut random: Vec<_> = (0..400)
            .map(|row| ChaCha8Rng::seed_from_u64(1_000 + row))
            .collect();
        let actions = policy.act(states.view(), &mut random).unwrap();
        Logged {
            runs: vec![RecordedRun {
                source: 0,
                states,
                actions,
                rewards: Array1::zeros(400),
                terminated: false,
                log_probabilities: None,
            }],
            end_flags: vec![EndFlag::Terminated],
        }
    }

    #[test]
    fn a_policy_is_known_by_its_actions() {
        let limits = || vec![(-1.0, 1.0)];
        let gain = |gain: f64, noise: Option<f64>| {
            let noise = noise.map(|std| array![std]);
            LinearPolicy::new(array![[gain]], array![0.0], noise, limits()).unwrap()
        };
        let found = |of: &mut dyn Policy, recorded: &mut dyn Policy| {
            recording_of(of, &logged(recorded), 0).unwrap()
        };
        assert_eq!(found(&mut gain(0.5, None), &mut gain(0.5, None)), Some(0));
        assert_eq!(found(&mut gain(0.5, None), &mut gain(0.51, None)), None);
        let noisy = |gain_of: f64| gain(gain_of, Some(0.2));
        assert_eq!(found(&mut noisy(0.5), &mut noisy(0.5)), Some(0));
        assert_eq!(found(&mut noisy(0.5), &mut noisy(0.6)), None);
        assert_eq!(found(&mut gain(0.5, Some(0.3)), &mut noisy(0.5)), None);
        assert_eq!(found(&mut noisy(0.5), &mut gain(0.5, Some(0.3))), None);
        let space = ActionSpace::Box {
            low: &[-1.0],
            high: &[1.0],
        };
        let uniform = || Uniform::new(space, 1);
        assert_eq!(found(&mut uniform(), &mut uniform()), Some(0));
        assert_eq!(found(&mut noisy(0.5), &mut uniform()), None);
    }
}
