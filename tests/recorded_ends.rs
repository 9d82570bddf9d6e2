//! Terminated and truncated episodes in policy evaluation.

use std::sync::Arc;

use ndarray::{Array1, Array2, array};
use statecast::dynamics::{Dynamics, Ensemble, EnsembleSettings, Ridge};
use statecast::environment::{RewardRule, Task};
use statecast::evaluation::{
    ActionSource, FittedQ, FittedSettings, Logged, RolloutSpec, Rules, TerminationModel,
    behaviour_mean, importance, learned,
};
use statecast::network::FitSettings;
use statecast::policy::{self, LinearPolicy, Policy, Widths};
use statecast::recording::{Episode, Recording};

/// A constant action with optional noise.
fn constant(action: f64, spread: Option<f64>, limit: f64) -> LinearPolicy {
    let spread = spread.map(|s| array![s]);
    LinearPolicy::new(array![[0.0]], array![action], spread, vec![(-limit, limit)]).unwrap()
}

/// Episodes whose state counts the steps, without the state after the last step; `reward` takes a step's number and
/// action.
fn counted(
    lengths: &[usize],
    ended: bool,
    reward: impl Fn(usize, f64) -> Option<f64>,
) -> Recording {
    let episode = |(number, &steps): (usize, &usize)| {
        let action = |t: usize| ((number * 31 + t * t * (number % 7 + 1)) % 11) as f64 / 5.0 - 1.0;
        let rewards: Option<Array1<f64>> = (0..steps).map(|t| reward(t, action(t))).collect();
        Episode::new(
            number.to_string(),
            Array2::from_shape_fn((steps, 1), |(t, _)| t as f64),
            Array2::from_shape_fn((steps, 1), |(t, _)| action(t)),
            rewards,
            (0..steps).map(|t| ended && t + 1 == steps).collect(),
            vec![false; steps],
        )
        .unwrap()
    };
    let rewarded = reward(0, 0.0).is_some();
    Recording::new(
        vec!["counter".to_owned()],
        vec!["a".to_owned()],
        rewarded.then(|| "reward".to_owned()),
        lengths.iter().enumerate().map(episode).collect(),
    )
    .unwrap()
}

fn spec(logged: &Logged, horizon: usize) -> RolloutSpec {
    RolloutSpec {
        starts: logged.distinct_starts(),
        paths: 20,
        horizon,
        discount: 1.0,
        rules: Rules::default(),
        termination: TerminationModel::of(logged).map(Arc::new),
        failure: None,
        support: None,
        seed: 0,
    }
}

fn fitted(logged: &Logged, policy: &mut dyn Policy, horizon: usize) -> f64 {
    let settings = FittedSettings {
        updates: 3000,
        ..FittedSettings::default()
    };
    let spec = spec(logged, horizon);
    let fitted = FittedQ::fit(logged, policy, &spec, settings, &|_| ()).unwrap();
    fitted.value(policy).unwrap().mean
}

fn imagined(model: &dyn Dynamics, logged: &Logged, horizon: usize) -> f64 {
    let mut policy = constant(0.0, None, 1.0);
    let actor = ActionSource::Policy(&mut policy);
    let spec = spec(logged, horizon);
    learned(&[model], logged, actor, &spec, &|_| ())
        .unwrap()
        .value()
        .mean
}

#[test]
fn a_terminal_step_needs_no_next_state() {
    let last = |t: usize, _: f64| Some(if t == 4 { 10.0 } else { 0.0 });
    let logged = Logged::new(&[counted(&[5; 60], true, last)], &Rules::default()).unwrap();
    let value = fitted(&logged, &mut constant(0.0, None, 1.0), 5);
    assert!((value - 10.0).abs() < 1.0, "fqe {value}");
    let last = |t: usize, _: f64| Some(if t == 1 { 10.0 } else { 0.0 });
    let short = Logged::new(&[counted(&[2; 60], true, last)], &Rules::default()).unwrap();
    let line = Ridge::fit(&short.steps(|_| true).unwrap(), 2, 0);
    let line = imagined(&line, &short, 2);
    assert!((line - 10.0).abs() < 0.1, "linear {line}");
    let steps = logged.steps(|_| true).unwrap();
    let settings = EnsembleSettings {
        members: 2,
        fit: FitSettings::for_rows(steps.run.len()),
        seed: 0,
    };
    let networks = imagined(&Ensemble::fit(&steps, settings, &|_| ()), &logged, 5);
    assert!((networks - 10.0).abs() < 1.0, "mlp {networks}");
}

#[test]
fn bandits_are_episodes_of_one_step() {
    let earned = |_: usize, action: f64| Some(3.0 * action);
    let logged = Logged::new(&[counted(&[1; 80], true, earned)], &Rules::default()).unwrap();
    let value = fitted(&logged, &mut constant(0.5, None, 1.0), 1);
    assert!((value - 1.5).abs() < 0.2, "{value}");
}

/// All recorded episodes terminate after their fifth step; each step has reward 1.
#[test]
fn imagined_episodes_terminate_where_recorded_ones_did() {
    let logged = Logged::new(
        &[counted(&[5; 60], true, |_, _| Some(1.0))],
        &Rules::default(),
    )
    .unwrap();
    let steps = logged.steps(|_| true).unwrap();
    let ridge = Ridge::fit(&steps, 2, 0);
    let value = imagined(&ridge, &logged, 50);
    assert!((value - 5.0).abs() < 0.1, "{value}");
}

/// Fault: the last step was left out, and its termination moved to the step before.
#[test]
fn a_termination_with_a_computed_reward_stays_at_its_step() {
    let rules = Rules {
        reward: Some(RewardRule::of_task(|state, _, next| next[0] - state[0])),
        terminated: None,
    };
    let of = |ended| {
        let logged = Logged::new(&[counted(&[5, 3], ended, |_, _| None)], &rules).unwrap();
        let steps: Vec<usize> = logged.runs.iter().map(|run| run.steps()).collect();
        (steps, logged.runs[0].discounted(1.0, 100))
    };
    assert_eq!(of(true), (vec![5, 3], 5.0));
    assert_eq!(of(false), (vec![4, 2], 4.0));
}

#[test]
fn a_scrap_at_the_end_of_a_file_is_no_episode_of_one_step() {
    let lengths = [200, 200, 200, 1];
    let logged = Logged::new(
        &[counted(&lengths, false, |_, _| Some(-1.0))],
        &Rules::default(),
    )
    .unwrap();
    assert_eq!(behaviour_mean(&logged, 1.0, 500).mean, -200.0);
}

fn with_behaviour_policy(lengths: &[usize], behaviour: &LinearPolicy) -> Logged {
    let recording = counted(lengths, false, |t, _| Some(t as f64));
    Logged::new(&[recording], &Rules::default())
        .unwrap()
        .with_behaviour_policy(0, behaviour)
        .unwrap()
}

/// Fault: products of 300 ratios underflowed, so that all weights were equal.
#[test]
fn weights_of_long_episodes_do_not_underflow() {
    let logged = with_behaviour_policy(&[300; 20], &constant(0.0, Some(1.0), f64::INFINITY));
    let target = constant(0.0, Some(0.05), f64::INFINITY);
    let weighted = importance(&logged, &target, 1.0, 300).unwrap().unwrap();
    assert!(weighted.effective < 2.0, "{}", weighted.effective);
    assert!(weighted.value.is_none());
    let same = importance(&logged, &constant(0.0, Some(1.0), f64::INFINITY), 1.0, 300)
        .unwrap()
        .unwrap();
    assert!((same.effective - 20.0).abs() < 1e-9);
}

#[test]
fn a_clipped_policy_takes_no_action_beyond_its_limits() {
    let (states, actions) = (Array2::zeros((3, 1)), array![[0.1], [0.25], [0.3]]);
    let clipped = constant(0.0, Some(1.0), 0.25);
    let logs = clipped
        .log_probabilities(states.view(), actions.view())
        .unwrap()
        .unwrap();
    assert!(logs[0].is_finite() && logs[1].is_finite());
    assert_eq!(logs[2], f64::NEG_INFINITY);
    let logged = with_behaviour_policy(&[5; 20], &constant(0.0, Some(1.0), f64::INFINITY));
    let weighted = importance(&logged, &clipped, 1.0, 5).unwrap().unwrap();
    assert_eq!((weighted.value, weighted.effective), (None, 0.0));
}

#[test]
fn a_constant_policy_takes_one_of_the_choices_there_are() {
    let task = Task::named("cart-pole").unwrap();
    let widths = Widths {
        observations: 4,
        actions: 1,
    };
    let of = |text: &str| policy::read(&text.parse().unwrap(), widths, Some(task.action_space));
    assert!(of("constant:1").is_ok());
    let error = of("constant:5").err().unwrap().to_string();
    assert!(error.contains("0 to 1"), "{error}");
    assert!(of("constant:0.5").is_err());
}
