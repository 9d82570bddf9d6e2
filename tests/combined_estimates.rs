//! Combined estimates of policies' values, on-policy corrections and selection, on a point mass whose values are known.

use ndarray::{Array1, Array2, array};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use statecast::Recording;
use statecast::dynamics::{Dynamics, Ridge};
use statecast::evaluation::{
    ActionSource, EvaluationSettings, EvaluationStudy, Logged, NamedPolicy, PolicyValues,
    RecordedSupport, RolloutSpec, Rules, corrected, learned,
};
use statecast::forecasters::Forecasters;
use statecast::policy::{LinearPolicy, Policy};
use statecast::recording::Episode;

const STEPS: usize = 30;

fn damper(gain: f64, noise: Option<f64>) -> LinearPolicy {
    let limits = vec![(f64::NEG_INFINITY, f64::INFINITY)];
    let noise = noise.map(|std| array![std]);
    LinearPolicy::new(array![[-gain, -gain]], array![0.0], noise, limits).unwrap()
}

/// Runs of a policy: a point mass with drag, `x' = x + 0.1 v`, `v' = v + 0.1 (a - v |v|)`, which no linear model
/// predicts, and a cost of position and force.
fn runs(policy: &mut dyn Policy, count: usize, seed: u64) -> Recording {
    let episode = |run: usize| {
        let mut random = [ChaCha8Rng::seed_from_u64(1000 * seed + run as u64)];
        let mut states = Array2::zeros((STEPS + 1, 2));
        states[[0, 0]] = 2.0 * random[0].random::<f64>() - 1.0;
        let mut actions = Array2::zeros((STEPS, 1));
        let mut rewards = Array1::zeros(STEPS);
        for t in 0..STEPS {
            let seen = states.row(t).to_owned().insert_axis(ndarray::Axis(0));
            let action = policy.act(seen.view(), &mut random).unwrap()[[0, 0]];
            let (x, v): (f64, f64) = (states[[t, 0]], states[[t, 1]]);
            actions[[t, 0]] = action;
            states[[t + 1, 0]] = x + 0.1 * v;
            states[[t + 1, 1]] = v + 0.1 * (action - 3.0 * v * v.abs());
            rewards[t] = -x * x - 0.1 * action * action;
        }
        let last = states.row(STEPS).to_owned();
        let before = states.slice(ndarray::s![..STEPS, ..]).to_owned();
        let flags = vec![false; STEPS];
        let name = run.to_string();
        let episode = Episode::new(name, before, actions, Some(rewards), flags.clone(), flags);
        episode
            .and_then(|episode| episode.with_final_state(Some(last)))
            .unwrap()
    };
    Recording::new(
        vec!["x".to_owned(), "v".to_owned()],
        vec!["a".to_owned()],
        Some("reward".to_owned()),
        (0..count).map(episode).collect(),
    )
    .unwrap()
}

fn truth(gain: f64, noise: Option<f64>) -> f64 {
    let logged = Logged::new(
        &[runs(&mut damper(gain, noise), 2_000, 7)],
        &Rules::default(),
    );
    let returns = logged.unwrap().runs.into_iter();
    returns.map(|run| run.discounted(0.99, STEPS)).sum::<f64>() / 2_000.0
}

fn evaluated(
    estimators: &[&str],
    recordings: Vec<(String, Recording)>,
    policies: &[(&str, f64, Option<f64>)],
) -> PolicyValues {
    let estimators = estimators.iter().map(|name| name.parse().unwrap());
    let mut settings = EvaluationSettings::new(estimators.collect());
    settings.horizon = Some(STEPS);
    let study = EvaluationStudy::new(recordings, None, settings, &()).unwrap();
    let forecasters = Forecasters::new(&[], Vec::new()).unwrap();
    let named = |&(name, gain, noise): &(&str, f64, Option<f64>)| {
        NamedPolicy::new(name, Box::new(damper(gain, noise)))
    };
    let mut policies: Vec<NamedPolicy> = policies.iter().map(named).collect();
    study.run(&mut policies, &forecasters, &()).unwrap()
}

/// Without draws, the policy that made the runs repeats them in any model, and a plain rollout does not.
#[test]
fn corrected_paths_of_the_recorded_policy_are_the_recorded_runs() {
    let mut policy = damper(2.0, None);
    let rules = Rules::default();
    let logged = Logged::new(&[runs(&mut policy, 12, 1)], &rules).unwrap();
    let ridge = Ridge::fit(&logged.steps(|_| true).unwrap(), 2, 0);
    let models: [&dyn Dynamics; 1] = [&ridge];
    let followed: Vec<usize> = (3..12).collect();
    let spec = RolloutSpec {
        starts: logged.starts(),
        paths: 18,
        horizon: STEPS,
        discount: 0.99,
        rules,
        termination: None,
        failure: None,
        support: None,
        seed: 1,
    };
    let actor = ActionSource::Policy(&mut policy);
    let imagined = corrected(&models, &logged, &followed, actor, &spec, &|_| ()).unwrap();
    for path in &imagined.paths {
        assert!(followed.contains(&path.start));
        let off = path.value - logged.runs[path.start].discounted(0.99, STEPS);
        assert!(off.abs() < 1e-9, "{path:?}: {off}");
    }
    let plain = learned(
        &models,
        &logged,
        ActionSource::Policy(&mut policy),
        &spec,
        &|_| (),
    );
    let off = |start: usize, value: f64| (value - logged.runs[start].discounted(0.99, STEPS)).abs();
    let paths = plain.unwrap().paths;
    assert!(paths.iter().any(|path| off(path.start, path.value) > 0.01));
}

/// A policy that made part of the recordings is valued within 10 % of its returns there, and near the truth.
#[test]
fn a_recorded_policy_has_the_value_of_its_own_returns() {
    let noise = Some(0.3);
    let recordings = vec![
        ("slow".to_owned(), runs(&mut damper(0.2, noise), 15, 1)),
        ("fast".to_owned(), runs(&mut damper(3.0, noise), 15, 2)),
    ];
    let policies = [("fast", 3.0, noise), ("other", 1.0, noise)];
    let found = evaluated(&["combined", "linear", "fqe"], recordings, &policies);
    let [own, other] = found.of(0)[..] else {
        panic!()
    };
    let (own, other) = (own.unwrap(), other.unwrap());
    let actual = found.recorded[1].actual.mean;
    assert!((own.mean / actual - 1.0).abs() < 0.1, "{own:?} {actual}");
    assert!(other.covers(truth(1.0, noise)), "{other:?}");
    assert_eq!(found.recorded_returns[0], Some(found.recorded[1].actual));
    assert_eq!(found.recorded_returns[1], None);
    let weights = found.estimates.iter().filter(|e| e.policy == "other");
    let sum: f64 = weights.filter_map(|e| e.weight).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    assert_eq!(found.recommended().map(|e| e.name()), Some("combined"));
}

/// Paths far from the recordings are known to be there, and their estimate is less certain.
#[test]
fn intervals_widen_where_paths_leave_the_recordings() {
    let noise = Some(0.1);
    let recordings = vec![("slow".to_owned(), runs(&mut damper(0.5, noise), 20, 1))];
    let policies = [("slow", 0.5, noise), ("wild", -12.0, noise)];
    let found = evaluated(&["linear"], recordings, &policies);
    let linear = |policy: usize| &found.estimates[policy];
    assert!(
        linear(0).uncovered.unwrap() < 0.2,
        "{:?}",
        linear(0).uncovered
    );
    assert!(
        linear(1).uncovered.unwrap() > 0.5,
        "{:?}",
        linear(1).uncovered
    );
    let widths = [0, 1].map(|policy| {
        let value = linear(policy).value.unwrap();
        (value.error, linear(policy).support_error)
    });
    assert!(widths[0].1 < 0.2 * widths[1].1, "{widths:?}");
    assert!(widths.iter().all(|(error, support)| error >= support));
}

#[test]
fn recorded_steps_are_covered_and_distant_ones_are_not() {
    let logged = Logged::new(
        &[runs(&mut damper(1.0, Some(0.2)), 20, 3)],
        &Rules::default(),
    );
    let logged = logged.unwrap();
    let support = RecordedSupport::of(&logged).unwrap();
    let (states, actions) = logged.observations_and_actions_of(0);
    assert!(support.share_outside(&states, &actions) < 0.1);
    assert_eq!(support.share_outside(&states, &(actions + 5.0)), 1.0);
}

/// Differences are paired: policies that differ little are told apart although their intervals overlap.
#[test]
fn better_policies_are_selected_by_paired_differences() {
    let noise = Some(0.3);
    let recordings = vec![
        ("slow".to_owned(), runs(&mut damper(0.2, noise), 15, 1)),
        ("fast".to_owned(), runs(&mut damper(3.0, noise), 15, 2)),
    ];
    let policies = [
        ("now", 0.5, noise),
        ("better", 2.5, noise),
        ("same", 0.5, noise),
    ];
    let found = evaluated(&["mlp"], recordings, &policies);
    let selection = found.better_than(0, 0.1);
    assert_eq!(
        selection.better().collect::<Vec<_>>(),
        ["better"],
        "{selection:?}"
    );
    let difference = selection.differences[0].value.unwrap();
    let values = found.of(0);
    let [now, better] = [values[0].unwrap(), values[1].unwrap()];
    assert!(difference.error < 0.5 * now.error.hypot(better.error));
    let true_one = truth(2.5, noise) - truth(0.5, noise);
    assert!(difference.covers(true_one), "{difference:?} {true_one}");
    assert!(selection.differences[1].value.unwrap().mean.abs() < 1e-9);
}
