//! Labels of actions that simple systems took.

use ndarray::{Array2, array};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::*;

/// A pendulum's speed and angle, pushed by an action of a rule, in episodes of 40 steps.
fn pushed(steps: usize, seed: u64, action: impl Fn(&mut ChaCha8Rng) -> f64) -> KnownSteps {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut states = Array2::zeros((steps, 2));
    let mut next = Array2::zeros((steps, 2));
    let mut actions = Array2::zeros((steps, 2));
    let (mut angle, mut speed) = (0.0f64, 0.0f64);
    for t in 0..steps {
        if t % 40 == 0 {
            (angle, speed) = (
                random.random_range(-2.0..2.0),
                random.random_range(-1.0..1.0),
            );
        }
        let (push, noise) = (action(&mut random), random.random_range(-1.0..1.0));
        states.row_mut(t).assign(&array![angle, speed]);
        actions.row_mut(t).assign(&array![push, noise]);
        speed += 0.1 * (push - 2.0 * angle.sin());
        angle += 0.1 * speed;
        next.row_mut(t).assign(&array![angle, speed]);
    }
    KnownSteps {
        states,
        next,
        actions,
        episodes: (0..steps).map(|t| t / 40).collect(),
    }
}

fn any(random: &mut ChaCha8Rng) -> f64 {
    random.random_range(-1.0..1.0)
}

#[test]
fn labels_are_near_what_was_done_and_noise_is_said_to_be_noise() {
    let dynamics =
        InverseDynamics::learn(&pushed(400, 1, any), InverseSettings::default()).unwrap();
    let [push, noise] = dynamics.scores()[..] else {
        panic!("two actions");
    };
    assert!(
        push.loss < 0.05 && push.loss < 0.2 * push.loss_of_neighbours,
        "{push:?}"
    );
    assert!(push.is_informed() && !noise.is_informed(), "{noise:?}");
    let others = pushed(200, 2, any);
    let labels = dynamics
        .label(others.states.view(), others.next.view())
        .unwrap();
    assert_eq!(labels.steps(), 200);
    let mut inside = 0;
    for step in 0..200 {
        let truth = others.actions[[step, 0]];
        assert!((labels.label(step, 0) - truth).abs() < 0.1, "{step}");
        let [low, high] = [0.1, 0.9].map(|level| labels.quantile(step, 1, level));
        inside += usize::from((low..=high).contains(&others.actions[[step, 1]]));
    }
    assert!((140..=180).contains(&inside), "{inside}");
}

#[test]
fn levels_have_probabilities_and_the_likeliest_is_the_label() {
    let level = |random: &mut ChaCha8Rng| [-1.0, 0.0, 1.0][random.random_range(0..3)];
    let dynamics =
        InverseDynamics::learn(&pushed(400, 1, level), InverseSettings::default()).unwrap();
    let score = dynamics.scores()[0];
    assert!(
        score.is_level && score.hit > 0.99 && score.loss < 0.1,
        "{score:?}"
    );
    let others = pushed(100, 3, level);
    let labels = dynamics
        .label(others.states.view(), others.next.view())
        .unwrap();
    assert_eq!(labels.levels(0), Some(&[-1.0, 0.0, 1.0][..]));
    for step in 0..100 {
        let probabilities = labels.probabilities(step, 0).unwrap();
        assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert_eq!(labels.label(step, 0), others.actions[[step, 0]], "{step}");
    }
}

/// Far from all that was recorded labels are no wider than what was done, and not surer than near it.
#[test]
fn labels_stay_within_the_range_of_known_actions() {
    let known = pushed(200, 1, any);
    let dynamics = InverseDynamics::learn(&known, InverseSettings::default()).unwrap();
    let far = array![[40.0, -30.0], [0.1, 0.1]];
    let next = array![[90.0, 50.0], [0.11, 0.1]];
    let labels = dynamics.label(far.view(), next.view()).unwrap();
    let widths = [0, 1].map(|step| {
        let [low, high] = [0.05, 0.95].map(|level| labels.quantile(step, 0, level));
        assert!(-1.0 <= low && low <= high && high <= 1.0);
        (low, high)
    });
    assert!(widths[1].1 - widths[1].0 < 0.2, "{widths:?}");
}

#[test]
fn steps_that_do_not_fit_are_refused() {
    let known = pushed(60, 1, any);
    let learn = |known: &KnownSteps, folds| {
        let settings = InverseSettings {
            folds,
            ..InverseSettings::default()
        };
        InverseDynamics::learn(known, settings)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(learn(&known, 1), "`folds=1`: at least 2");
    let few = pushed(10, 1, any);
    assert!(learn(&few, 4).contains("10 steps with actions are too few"));
    let mut unknown = known.clone();
    unknown.actions[[3, 0]] = f64::NAN;
    assert!(learn(&unknown, 4).contains("unknown"));
    let dynamics = InverseDynamics::learn(&known, InverseSettings::default()).unwrap();
    let three = Array2::zeros((5, 3));
    assert!(dynamics.label(three.view(), three.view()).is_err());
    let none = Array2::zeros((0, 2));
    assert_eq!(dynamics.label(none.view(), none.view()).unwrap().steps(), 0);
}
