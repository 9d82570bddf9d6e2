//! Policies are worth what they earn: estimates on a system of which everything is known.

use std::process::Command;

use ndarray::{Array1, Array2, ArrayView2, array};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use statecast::baselines::of_dynamics;
use statecast::dynamics::{Dynamics, Ridge};
use statecast::environment::named;
use statecast::evaluation::{
    Actor, Contexts, Continuations, Continued, Cut, FittedQ, FittedSettings, Logged, Rule, Rules,
    Run, Walk, behaviour_mean, doubly_robust, importance, in_context, learned, on_policy, pieces,
    recorded,
};
use statecast::forecast::{Forecaster, KnownFuture, Role, RolloutSettings, Settings, Variables};
use statecast::policy::{Linear, Policy, PolicyError, Widths};
use statecast::recording::{Episode, Recording};

const STEPS: usize = 30;

/// A point that a force pushes; it costs to be away from zero.
fn reward(state: &[f64], action: &[f64], _: &[f64]) -> f64 {
    -state[0].powi(2) - 0.1 * action[0].powi(2)
}

const RULES: Rules = Rules {
    reward: Some(reward),
    terminated: None,
};

fn damper(gain: f64) -> Linear {
    let limits = vec![(f64::NEG_INFINITY, f64::INFINITY)];
    Linear::new(
        array![[-gain, -gain]],
        array![0.0],
        Some(array![0.3]),
        limits,
    )
    .unwrap()
}

/// Runs of a policy: `x' = x + 0.1 v`, `v' = v + 0.1 a`, and a little noise.
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
            let noise = 0.01 * (random[0].random::<f64>() - 0.5);
            actions[[t, 0]] = action;
            states[[t + 1, 0]] = states[[t, 0]] + 0.1 * states[[t, 1]];
            states[[t + 1, 1]] = states[[t, 1]] + 0.1 * action + noise;
            rewards[t] = reward(&states.row(t).to_vec(), &[action], &[]);
        }
        let last = states.row(STEPS).to_owned();
        let before = states.slice(ndarray::s![..STEPS, ..]).to_owned();
        let flags = vec![false; STEPS];
        Episode::new(
            run.to_string(),
            before,
            actions,
            Some(rewards),
            flags.clone(),
            flags,
        )
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

fn walk(logged: &Logged, paths: usize) -> Walk {
    Walk {
        starts: logged.starts(),
        paths,
        horizon: STEPS,
        discount: 0.95,
        rules: RULES,
        ends: None,
        seed: 1,
    }
}

fn truth(gain: f64) -> f64 {
    let logged = Logged::new(&[runs(&mut damper(gain), 2000, 7)], &RULES).unwrap();
    behaviour_mean(&logged, 0.95, STEPS).mean
}

#[test]
fn walks_through_a_learned_model_find_values_and_order() {
    let logged = Logged::new(&[runs(&mut damper(1.0), 30, 1)], &RULES).unwrap();
    let ridge = Ridge::fit(&logged.steps(|_| true).unwrap(), 4, 0);
    let models: [&dyn Dynamics; 1] = [&ridge];
    let mut last = f64::NEG_INFINITY;
    for gain in [0.0, 1.0, 3.0] {
        let walk = walk(&logged, 4 * 30);
        let imagined = learned(
            &models,
            &logged,
            Actor::Policy(&mut damper(gain)),
            &walk,
            &|_| (),
        )
        .unwrap();
        let (value, truth) = (imagined.value(), truth(gain));
        assert!(value.covers(truth), "{gain}: {value:?} {truth}");
        assert!(
            (value.mean - truth).abs() < 1.0,
            "{gain}: {value:?} {truth}"
        );
        assert!(value.mean > last);
        assert_eq!(imagined.length(), STEPS as f64);
        last = value.mean;
    }
}

#[test]
fn contexts_of_a_learned_expert_give_the_values_of_its_walks() {
    let logged = Logged::new(&[runs(&mut damper(1.0), 30, 1)], &RULES).unwrap();
    let ridge = std::sync::Arc::new(Ridge::fit(&logged.steps(|_| true).unwrap(), 4, 0));
    let forecaster = Forecaster::of(of_dynamics(ridge.clone(), 2), Settings::default());
    let pieces = pieces(&logged, 1, 300);
    let contexts = Contexts::read(&[forecaster], &logged, &pieces, false, &|_| ()).unwrap();
    let walk = walk(&logged, 240);
    let imagined = in_context(
        &contexts,
        &logged,
        Actor::Policy(&mut damper(1.0)),
        &walk,
        &|_| (),
    )
    .unwrap();
    let models: [&dyn Dynamics; 1] = [&*ridge];
    let walked = learned(
        &models,
        &logged,
        Actor::Policy(&mut damper(1.0)),
        &walk,
        &|_| (),
    )
    .unwrap();
    let (a, b) = (imagined.value(), walked.value());
    assert!((a.mean - b.mean).abs() < 0.5, "{a:?} {b:?}");
}

/// A policy that remembers what it was shown.
struct Probe(Vec<Array2<f64>>);

impl Policy for Probe {
    fn widths(&self) -> Widths {
        Widths {
            observations: 2,
            actions: 1,
        }
    }

    fn act(
        &mut self,
        observations: ArrayView2<f64>,
        _: &mut [ChaCha8Rng],
    ) -> Result<Array2<f64>, PolicyError> {
        self.0.push(observations.to_owned());
        Ok(Array2::zeros((observations.nrows(), 1)))
    }

    fn log_probabilities(&self, _: ArrayView2<f64>, _: ArrayView2<f64>) -> Option<Array1<f64>> {
        None
    }
}

#[test]
fn paths_begin_at_the_starts_and_end_where_the_rule_says() {
    let logged = Logged::new(&[runs(&mut damper(1.0), 6, 1)], &RULES).unwrap();
    let ridge = std::sync::Arc::new(Ridge::fit(&logged.steps(|_| true).unwrap(), 2, 0));
    let forecaster = Forecaster::of(of_dynamics(ridge, 2), Settings::default());
    let pieces = pieces(&logged, 1, 100);
    let contexts = Contexts::read(&[forecaster], &logged, &pieces, false, &|_| ()).unwrap();
    let one_step = Walk {
        rules: Rules {
            terminated: Some(|_| true),
            ..RULES
        },
        ..walk(&logged, 6)
    };
    let mut probe = Probe(Vec::new());
    let actor = Actor::Policy(&mut probe);
    let imagined = in_context(&contexts, &logged, actor, &one_step, &|_| ()).unwrap();
    assert_eq!(probe.0.len(), 1, "nothing goes on after the end");
    assert_eq!(probe.0[0], logged.starts());
    assert_eq!(imagined.length(), 1.0);
    for path in &imagined.paths {
        assert_eq!(
            path.value,
            reward(&logged.runs[path.start].start().to_vec(), &[0.0], &[])
        );
    }
}

#[test]
fn weights_of_the_recorded_policy_are_even() {
    let policy = damper(1.0);
    let logged = Logged::new(&[runs(&mut damper(1.0), 40, 2)], &RULES).unwrap();
    assert!(importance(&logged, &policy, 0.95, STEPS).is_none());
    let logged = logged.taken_by(0, &policy);
    let weighted = importance(&logged, &policy, 0.95, STEPS).unwrap();
    let recorded = behaviour_mean(&logged, 0.95, STEPS);
    assert!((weighted.value.unwrap().mean - recorded.mean).abs() < 1e-9);
    assert!((weighted.effective - 40.0).abs() < 1e-6);
    let other = importance(&logged, &damper(1.5), 0.95, STEPS).unwrap();
    assert!(other.effective < 20.0, "{}", other.effective);
}

/// With few recorded runs a critic as control variate takes away most of the noise of the weights.
#[test]
fn a_critic_as_control_variate_is_nearer_to_the_truth_than_weights_alone() {
    let mut target = damper(1.3);
    let errors = (0..4).map(|seed| {
        let logged = Logged::new(&[runs(&mut damper(1.0), 20, 20 + seed)], &RULES).unwrap();
        let logged = logged.taken_by(0, &damper(1.0));
        // Equal seeds give equal starts, so that those are not what differs.
        let same_starts = Logged::new(&[runs(&mut damper(1.3), 20, 20 + seed)], &RULES).unwrap();
        let truth = behaviour_mean(&same_starts, 0.95, STEPS).mean;
        let walk = walk(&logged, 40);
        let settings = FittedSettings {
            updates: 4000,
            ..FittedSettings::default()
        };
        let fitted = FittedQ::fit(&logged, &mut target, &walk, settings, &|_| ()).unwrap();
        let critic = fitted.critic(&logged, &mut target).unwrap();
        let robust = doubly_robust(&logged, &target, 0.95, STEPS, &critic).unwrap();
        let weighted = importance(&logged, &target, 0.95, STEPS).unwrap();
        [robust, weighted].map(|w| (w.value.unwrap().mean - truth).abs())
    });
    let total = errors.fold([0.0; 2], |sum, e| [sum[0] + e[0], sum[1] + e[1]]);
    assert!(total[0] < 0.7 * total[1], "{total:?}");
}

/// Values were divided by the mean reward's size: 0 / 0.
#[test]
fn recordings_that_never_earn_anything_are_worth_nothing() {
    let mut logged = Logged::new(&[runs(&mut damper(1.0), 5, 1)], &RULES).unwrap();
    logged.runs.iter_mut().for_each(|run| run.rewards.fill(0.0));
    let settings = FittedSettings {
        members: 2,
        updates: 200,
        ..FittedSettings::default()
    };
    let walk = walk(&logged, 10);
    let mut policy = damper(1.0);
    let fitted = FittedQ::fit(&logged, &mut policy, &walk, settings, &|_| ()).unwrap();
    assert!(fitted.value(&mut policy).unwrap().mean.abs() < 0.01);
}

/// A policy was to be learned from no action at all.
#[test]
fn a_recording_without_a_step_is_refused() {
    let mut empty = runs(&mut damper(1.0), 1, 1);
    let state = empty.episodes()[0]
        .states()
        .slice(ndarray::s![..1, ..])
        .to_owned();
    let flags = vec![false];
    let single = Episode::new(
        "0".to_owned(),
        state,
        Array2::zeros((1, 1)),
        None,
        flags.clone(),
        flags,
    );
    empty = Recording::new(
        empty.state_names().to_vec(),
        empty.action_names().to_vec(),
        None,
        vec![single.unwrap()],
    )
    .unwrap();
    let full = runs(&mut damper(1.0), 2, 1);
    let error = Logged::new(&[full, empty], &RULES).unwrap_err().to_string();
    assert!(
        error.contains("recording 1") && error.contains("no step"),
        "{error}"
    );
}

/// What would have come behind a run that was cut off is not known.
#[test]
fn what_recordings_earned_is_told_for_as_many_steps_as_most_of_them_have() {
    let mut logged = Logged::new(&[runs(&mut damper(1.0), 3, 1)], &RULES).unwrap();
    logged.runs.iter_mut().for_each(|run| run.rewards.fill(1.0));
    let shorter = |run: &mut Run, steps: usize| {
        run.rewards = run.rewards.slice(ndarray::s![..steps]).to_owned();
        run.actions = run.actions.slice(ndarray::s![..steps, ..]).to_owned();
    };
    shorter(&mut logged.runs[0], 10);
    let told = |logged: &Logged| {
        let earned = recorded(logged, 0, 1.0, 100);
        (earned.value.mean, earned.horizon, earned.left_out)
    };
    assert_eq!(told(&logged), (30.0, STEPS, 1));
    assert_eq!(behaviour_mean(&logged, 1.0, 100).mean, 30.0);
    logged.runs[0].terminated = true;
    assert_eq!(told(&logged), ((10.0 + 30.0 + 30.0) / 3.0, STEPS, 0));
}

/// Beyond the last row the model remembers nothing, so going back to the context changes nothing.
#[test]
fn paths_that_go_back_to_the_context_go_on_from_where_they_were() {
    let logged = Logged::new(&[runs(&mut damper(1.0), 10, 1)], &RULES).unwrap();
    let ridge = std::sync::Arc::new(Ridge::fit(&logged.steps(|_| true).unwrap(), 2, 0));
    let forecaster = Forecaster::of(of_dynamics(ridge, 2), Settings::default());
    let run = &logged.runs[0];
    let mut context = Variables::new(
        vec!["x".to_owned(), "v".to_owned()],
        vec![Role::State; 2],
        run.before().to_owned(),
    );
    context.actions = run.actions.clone();
    let reading = forecaster.read(&context).unwrap();
    let future = KnownFuture(Array2::from_elem((23, 1), 0.1));
    let paths = |max_steps: Option<usize>| {
        let settings = RolloutSettings {
            horizon: 23.try_into().unwrap(),
            samples: 5.try_into().unwrap(),
            max_steps: max_steps.map(|s| s.try_into().unwrap()),
            ..RolloutSettings::default()
        };
        let rollout = reading.rollout(&settings, Some(&future), &|_| ());
        rollout.unwrap().paths
    };
    let all = paths(None);
    for max_steps in [1, 2, 4, 22, 23, 40] {
        // With 1 step, no generated row can be kept.
        assert_eq!(paths(Some(max_steps)) == all, max_steps > 1, "{max_steps}");
    }
}

/// A linear system goes on as a linear model of its beginning says; the mean reward does not.
#[test]
fn the_rest_of_a_run_is_told_by_a_model_of_its_beginning() {
    let logged = Logged::new(&[runs(&mut damper(1.0), 8, 1)], &RULES).unwrap();
    let scores = logged.runs.iter().map(|run| {
        let cut = Cut::of(run, 15, 15).unwrap();
        let steps = cut.context.steps(|_| true).unwrap();
        let ridge = Ridge::fit(&steps, 1, 0);
        let walk = Walk {
            rules: RULES,
            ..cut.walk(20, 0).unwrap()
        };
        let models: [&dyn Dynamics; 1] = [&ridge];
        let recorded = Actor::Recorded(cut.actions.view());
        let imagined = learned(&models, &cut.context, recorded, &walk, &|_| ()).unwrap();
        let paths = Array2::from_shape_fn((20, 15), |(path, step)| imagined.rewards[path][step]);
        let seen = cut.context.runs[0].rewards.view();
        let mean = Rule::Mean.rewards(seen, 15).insert_axis(ndarray::Axis(0));
        [paths, mean].map(|rewards| Continued::new(&cut, rewards.view()))
    });
    let (model, rule): (Vec<_>, Vec<_>) = scores.map(|[model, rule]| (model, rule)).unzip();
    let beside = Continuations::of(&model, &rule, &[5, 15]);
    assert!(beside.error[1].mean < 10.0, "{beside:?}");
    assert!(beside.less[1].high < 0.0, "{beside:?}");
}

/// Starts that were lucky by the model are corrected for.
#[test]
fn runs_of_the_policy_itself_are_corrected_by_their_starts() {
    let far = runs(&mut damper(3.0), 30, 3);
    let near = {
        let mut episodes = runs(&mut damper(1.0), 60, 4).episodes().to_vec();
        episodes.retain(|e| e.states()[[0, 0]].abs() < 0.5);
        Recording::new(
            vec!["x".to_owned(), "v".to_owned()],
            vec!["a".to_owned()],
            Some("reward".to_owned()),
            episodes,
        )
        .unwrap()
    };
    let logged = Logged::new(&[near, far], &RULES).unwrap();
    let ridge = Ridge::fit(&logged.steps(|_| true).unwrap(), 4, 0);
    let models: [&dyn Dynamics; 1] = [&ridge];
    let starts = logged.starts();
    let walk = walk(&logged, 4 * starts.nrows());
    let imagined = learned(
        &models,
        &logged,
        Actor::Policy(&mut damper(1.0)),
        &walk,
        &|_| (),
    )
    .unwrap();
    let corrected = on_policy(&logged, 0, &imagined, 0.95, STEPS).unwrap();
    // What the same starts are worth on average, by the model that is right here.
    let all = imagined.value().mean;
    let own: Vec<f64> = (logged.runs.iter().filter(|run| run.source == 0))
        .map(|run| run.discounted(0.95, STEPS))
        .collect();
    let raw = own.iter().sum::<f64>() / own.len() as f64;
    assert!(
        (corrected.mean - all).abs() < 0.3 * (raw - all).abs(),
        "{corrected:?} {all} {raw}"
    );
}

fn evaluate(arguments: &[&str]) -> (bool, String, String) {
    program("evaluate", arguments)
}

fn program(command: &str, arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_statecast"))
        .arg(command)
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Episodes of a damped pendulum as CSV.
fn pendulum(path: &std::path::Path, episodes: u64, steps: usize) {
    let mut environment = named("pendulum").unwrap();
    let mut text =
        "episode,obs_cos,obs_sin,obs_rate,act_torque,reward,next_cos,next_sin,next_rate\n"
            .to_owned();
    for episode in 0..episodes {
        let mut random = ChaCha8Rng::seed_from_u64(episode);
        let mut seen = environment.reset(episode);
        for _ in 0..steps {
            let torque = (4.0 * random.random::<f64>() - 2.0 - seen[2]).clamp(-2.0, 2.0);
            let step = environment.step(&[torque]).unwrap();
            let join = |values: &[f64]| {
                values
                    .iter()
                    .map(|v| v.to_string())
                    .collect::<Vec<_>>()
                    .join(",")
            };
            let row = format!("{},{torque},{}", join(&seen), step.reward);
            text += &format!("{episode},{row},{}\n", join(&step.observation));
            seen = step.observation;
        }
    }
    std::fs::write(path, text).unwrap();
}

#[test]
fn the_command_judges_policies_and_names_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    pendulum(at("logged.csv").as_ref(), 8, 40);
    let gain =
        r#"{"kind":"linear","gain":[[0,0,-1]],"bias":[0],"std":[0.5],"low":[-2],"high":[2]}"#;
    std::fs::write(at("damp.json"), gain).unwrap();
    let logged = at("logged.csv");
    let (policy, table, report) = (at("damp.json"), at("values.json"), at("values.html"));
    let common = [
        "--env",
        "pendulum",
        "--horizon",
        "20",
        "--paths",
        "8",
        "--context",
        "60",
    ];
    let mut arguments = vec![
        logged.as_str(),
        "--policy",
        &policy,
        "--policy",
        "push=constant:2",
    ];
    arguments.extend(common);
    arguments.extend([
        "--contexts",
        "2",
        "--estimators",
        "mixture,dicl-sa,linear,behaviour,is,dr",
    ]);
    arguments.extend(["--simulate", "20", "-o", &table, "--report", &report]);
    let (good, out, said) = evaluate(&arguments);
    assert!(good, "{said}");
    assert!(
        out.contains("damp") && out.contains("push") && out.contains("Spearman"),
        "{out}"
    );
    assert!(out.contains("logged") && out.contains("earned"), "{out}");
    let rows: serde_json::Value = serde_json::from_slice(&std::fs::read(&table).unwrap()).unwrap();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 12);
    let value = |name: &str| {
        let row = rows
            .iter()
            .find(|row| row["estimator"] == name && row["policy"] == "damp");
        row.unwrap()["value"].as_f64()
    };
    assert!(value("mixture").unwrap() < 0.0);
    assert_eq!(
        value("is"),
        None,
        "nothing says how likely the recorded actions were"
    );
    assert!(std::fs::read_to_string(&report).unwrap().contains("<svg"));
    let (again, repeated, _) = evaluate(&arguments);
    assert!(again && repeated == out, "equal seeds give equal values");

    let hopper = ["--env", "hopper"];
    let wrong: [(&[&str], &str); 6] = [
        (&["--policy", "random"], "name the environment"),
        (&["--policy", "constant:1,2"], "gives 2 actions"),
        (&["--policy", "pi.pkl"], "use a .safetensors or .json file"),
        (
            &["--policy", "a=constant:0", "--policy", "a=constant:1"],
            "two policies are called a",
        ),
        (
            &["--policy", "constant:0", "--discount", "2"],
            "--discount 2",
        ),
        (
            &["--policy", "constant:0", hopper[0], hopper[1]],
            "it has 11 observations and 3 actions",
        ),
    ];
    for (given, expected) in wrong {
        let mut arguments = vec![logged.as_str()];
        arguments.extend(given);
        let (good, _, said) = evaluate(&arguments);
        assert!(!good && said.contains(expected), "{given:?}: {said}");
    }
}

#[test]
fn replay_tells_the_rest_of_runs_and_names_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    pendulum(at("runs.csv").as_ref(), 3, 40);
    pendulum(at("other.csv").as_ref(), 6, 40);
    let gain =
        r#"{"kind":"linear","gain":[[0,0,-1]],"bias":[0],"std":[0.5],"low":[-2],"high":[2]}"#;
    std::fs::write(at("damp.json"), gain).unwrap();
    let (runs, other, policy) = (at("runs.csv"), at("other.csv"), at("damp.json"));
    let table = at("replay.csv");
    let common = [runs.as_str(), "--context", "25", "--horizon", "12"];
    let mut arguments = common.to_vec();
    arguments.extend(["--paths", "4", "--runs", "2", "--env", "pendulum"]);
    arguments.extend(["--train", &other, "--policy", &policy, "--output", &table]);
    arguments.extend(["--estimators", "dicl-sa,mixture,linear,rules"]);
    let (good, out, said) = program("replay", &arguments);
    assert!(good, "{said}");
    for name in [
        "mixture, policy",
        "dicl-sa",
        "linear of --train, policy",
        "seasonal",
        "2 run(s)",
    ] {
        assert!(out.contains(name), "{name}: {out}");
    }
    let rows = std::fs::read_to_string(&table).unwrap();
    // Two of language models, linear of both kinds, each with the recording and the policy; five rules.
    assert_eq!(rows.lines().count(), 1 + (8 + 5) * 2 * 2);
    assert!(
        std::fs::read_to_string(at("replay.manifest.json"))
            .unwrap()
            .contains("\"less\"")
    );
    let (again, repeated, _) = program("replay", &arguments);
    let without_times = |text: &str| {
        let lines = text
            .lines()
            .map(|line| line.rsplit_once(' ').map_or("", |(kept, _)| kept.trim()));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(again && without_times(&repeated) == without_times(&out));

    let wrong: [(&[&str], &str); 4] = [
        (&["--steps", "5,13"], "--steps 13: beyond the horizon of 12"),
        (&["--horizon", "30"], "no episode has 25 steps and 30 more"),
        (&["--policy", "constant:1,2"], "gives 2 actions"),
        (&["--output", "table.txt"], "table.txt"),
    ];
    for (given, expected) in wrong {
        let mut arguments = vec![runs.as_str(), "--context", "25"];
        if given[0] != "--horizon" {
            arguments.extend(["--horizon", "12"]);
        }
        arguments.extend(given);
        let (good, _, said) = program("replay", &arguments);
        assert!(!good && said.contains(expected), "{given:?}: {said}");
    }
}
