//! Whether a policy made a recording, by its actions.

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::Logged;
use crate::policy::{Policy, PolicyError};

/// Most recorded steps at which a policy is asked.
const MAX_STEPS: usize = 1_000;

/// Fewest recorded steps that say something.
const MIN_STEPS: usize = 50;

/// Draws of a policy at each step.
const DRAWS: usize = 16;

/// Standard errors within which means count as equal: a policy that made a recording passes with a probability of 99 %.
const ERRORS: f64 = 3.0;

/// Standard errors beyond which deviations from the mean action depend on the state: of a hundred sums, one in 150 is
/// as large by chance.
const RELATED: f64 = 4.0;

/// Largest difference from the actions of a policy that does not draw, in standard deviations of the recorded ones.
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
    let unit = action_unit(logged);
    for source in 0..logged.sources() {
        let (states, actions) = logged.observations_and_actions_of(source);
        if states.nrows() < MIN_STEPS {
            continue;
        }
        let every = states.nrows().div_ceil(MAX_STEPS);
        let rows: Vec<usize> = (0..states.nrows()).step_by(every).collect();
        let states = states.select(Axis(0), &rows);
        let actions = actions.select(Axis(0), &rows);
        if acts_alike(policy, states.view(), actions.view(), &unit, seed)? {
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
    let unit = action_unit(logged);
    let mut found: Option<(usize, f64)> = None;
    for (source, (states, actions)) in all.iter().enumerate() {
        if Some(source) == left_out {
            continue;
        }
        let every = states.nrows().div_ceil(MAX_STEPS);
        let rows: Vec<usize> = (0..states.nrows()).step_by(every).collect();
        let states = states.select(Axis(0), &rows);
        // Means: draws lie nearer to the recording with the least noise.
        let mut own = Array2::zeros((rows.len(), logged.actions()));
        for number in 0..DRAWS as u64 {
            own += &policy.act(states.view(), &mut generators(rows.len(), seed ^ number))?;
        }
        let own = own / DRAWS as f64 / &unit;
        let recorded = actions.select(Axis(0), &rows) / &unit;
        let distance = mean(&distances(&own.view(), &recorded.view()));
        if found.is_none_or(|(_, least)| distance < least) {
            found = Some((source, distance));
        }
    }
    Ok(found.map(|(source, _)| source))
}

/// Returns the standard deviation of each recorded action, 1 where it is constant.
fn action_unit(logged: &Logged) -> Array1<f64> {
    let actions: Vec<_> = logged.runs.iter().map(|run| run.actions.view()).collect();
    let actions = concatenate(Axis(0), &actions).expect("runs of one system are equally wide");
    let unit = actions.std_axis(Axis(0), 0.0);
    unit.mapv(|std| if std > 0.0 { std } else { 1.0 })
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
    unit: &Array1<f64>,
    seed: u64,
) -> Result<bool, PolicyError> {
    let mut draw = |number: usize| -> Result<Array2<f64>, PolicyError> {
        policy.act(
            states,
            &mut generators(states.nrows(), seed ^ number as u64),
        )
    };
    let scaled = |actions: &Array2<f64>| actions / unit;
    let recorded = scaled(&actions.to_owned());
    let (first, second) = (draw(0)?, draw(1)?);
    let apart = |a: &Array2<f64>, b: &Array2<f64>| distances(&a.view(), &b.view());
    let spread = apart(&scaled(&first), &scaled(&second));
    if mean(&spread) <= ROUNDING {
        return Ok(mean(&apart(&scaled(&first), &recorded)) <= ROUNDING);
    }
    if !is_zero(&differences(&apart(&scaled(&first), &recorded), &spread)) {
        return Ok(false);
    }
    let mut draws = vec![scaled(&first), scaled(&second)];
    for number in 2..DRAWS {
        draws.push(scaled(&draw(number)?));
    }
    let mut to_recorded = vec![0.0; states.nrows()];
    let mut to_other = vec![0.0; states.nrows()];
    for (number, draw) in draws.iter().enumerate() {
        let next = &draws[(number + 1) % DRAWS];
        let add = |sum: &mut Vec<f64>, found: Vec<f64>| {
            sum.iter_mut()
                .zip(found)
                .for_each(|(sum, x)| *sum += x / DRAWS as f64);
        };
        add(&mut to_recorded, apart(draw, &recorded));
        add(&mut to_other, apart(draw, next));
    }
    if !is_zero(&differences(&to_recorded, &to_other)) {
        return Ok(false);
    }
    let mean_action = draws
        .iter()
        .fold(Array2::<f64>::zeros(recorded.dim()), |sum, draw| sum + draw);
    let deviations = &recorded - &(mean_action / DRAWS as f64);
    if are_related(&deviations, states) {
        return Ok(false);
    }
    let probable = |actions: ArrayView2<f64>| policy.log_probabilities(states, actions);
    let (Some(recorded), Some(own)) = (probable(actions)?, probable(first.view())?) else {
        return Ok(true);
    };
    let apart = differences(&recorded.to_vec(), &own.to_vec());
    Ok(apart.iter().all(|d| d.is_finite()) && is_zero(&apart))
}

/// True if a deviation `[rows, actions]` depends on the state `[rows, states]`, or is not zero on average.
fn are_related(deviations: &Array2<f64>, states: ArrayView2<f64>) -> bool {
    let centred = &states
        - &states
            .mean_axis(Axis(0))
            .unwrap_or_else(|| Array1::zeros(states.ncols()));
    let ones = Array1::ones(states.nrows());
    let columns = centred.columns().into_iter().chain([ones.view()]);
    columns.into_iter().any(|column| {
        deviations.columns().into_iter().any(|deviation| {
            let products = || column.iter().zip(deviation).map(|(x, d)| x * d);
            let square: f64 = products().map(|product| product * product).sum();
            products().sum::<f64>().abs() > RELATED * square.sqrt()
        })
    })
}

fn differences(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
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
    use ndarray::array;

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
