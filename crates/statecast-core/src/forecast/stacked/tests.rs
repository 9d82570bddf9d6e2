use std::num::NonZeroUsize;
use std::sync::Arc;

use ndarray::{Array2, s};

use super::Steps;
use super::weights::Distances;
use crate::baselines::named;
use crate::forecast::{
    Forecaster, Form, KnownFuture, Predictor, Reading, Role, RolloutSettings, Settings, Stacked,
    Univariate, Variables,
};

/// A swinging pendulum without noise, pushed by an action: two variables.
fn pushed(rows: usize) -> Variables {
    let mut values = Array2::zeros((rows, 2));
    let mut actions = Array2::zeros((rows, 1));
    let (mut x, mut v) = (1.0, 0.0);
    for t in 0..rows {
        let action = (0.37 * t as f64).sin();
        values[[t, 0]] = x;
        values[[t, 1]] = v;
        actions[[t, 0]] = action;
        v += 0.1 * (action - x);
        x += 0.1 * v;
    }
    let names = vec!["x".to_owned(), "v".to_owned()];
    let mut variables = Variables::new(names, vec![Role::State; 2], values);
    variables.actions = actions;
    variables
}

fn stacked(names: &[&str]) -> Arc<dyn Predictor> {
    let mut members = names.iter().map(|name| named(name).unwrap());
    let first = members.next().unwrap();
    Arc::new(Stacked::new(first, members.collect()))
}

fn settings(samples: usize, at_once: usize) -> RolloutSettings {
    RolloutSettings {
        horizon: NonZeroUsize::new(20).unwrap(),
        samples: NonZeroUsize::new(samples).unwrap(),
        paths_at_once: NonZeroUsize::new(at_once),
        ..RolloutSettings::default()
    }
}

/// Mean distance of paths to the observed rows.
fn error(predictor: Arc<dyn Predictor>, context: usize) -> f64 {
    let all = pushed(context + 20);
    let forecaster = Forecaster::of(predictor, Settings::default());
    let reading = forecaster.read(&all.slice(0..context)).unwrap();
    let came = all.slice(context..context + 20);
    let future = KnownFuture(came.actions.clone());
    let rollout = reading.rollout(&settings(40, 40), Some(&future), &|_| ());
    let paths = rollout.unwrap().paths;
    let distances = paths
        .outer_iter()
        .map(|path| (&path - &came.values).mapv(f64::abs).sum());
    distances.sum::<f64>() / paths.len() as f64
}

#[test]
fn paths_follow_the_forecaster_that_was_best_along_paths() {
    let alone = error(named("persistence").unwrap(), 150);
    let best = error(named("linear").unwrap(), 150);
    let pooled = error(stacked(&["persistence", "linear"]), 150);
    assert!(best < 0.1 * alone, "{best} {alone}");
    assert!(pooled < 0.1 * alone, "{pooled} {alone}");
}

/// Too few rows for a backtest: five paths in six are the first forecaster's.
#[test]
fn without_backtests_paths_are_shared_out_by_the_prior() {
    let of = |names: &[&str]| error(stacked(names), 12);
    let (linear, mean) = (of(&["linear"]), of(&["mean"]));
    let pooled = of(&["linear", "mean"]);
    assert!(linear < mean, "{linear} {mean}");
    assert!(
        (pooled - linear) / (mean - linear) < 0.5,
        "{pooled} {linear} {mean}"
    );
}

#[test]
fn densities_of_one_step_are_those_of_the_first_forecaster() {
    let context = pushed(90);
    let read = |predictor| {
        let forecaster = Forecaster::of(predictor, Settings::default());
        forecaster.read(&context).unwrap().one_step().clone()
    };
    let (first, pooled) = (
        read(named("linear").unwrap()),
        read(stacked(&["linear", "mean"])),
    );
    for (t, c) in (0..90).flat_map(|t| [(t, 0), (t, 1)]) {
        let (first, pooled) = (first.density(t, c), pooled.density(t, c));
        let same = |level| first.quantile(level) == pooled.quantile(level);
        assert!([0.05, 0.3, 0.9].into_iter().all(same));
    }
}

/// What a path draws depends on its number alone, whatever advances with it.
#[test]
fn groups_do_not_change_paths() {
    let context = pushed(90);
    let names = ["linear", "mlp", "persistence"];
    let forecaster = Forecaster::of(stacked(&names), Settings::default());
    let reading = forecaster.read(&context).unwrap();
    let future = KnownFuture(Array2::zeros((20, 1)));
    let paths = |at_once| {
        let rollout = reading.rollout(&settings(24, at_once), Some(&future), &|_| ());
        rollout.unwrap().paths
    };
    assert_eq!(paths(24), paths(5));
}

/// A context that grows is one that was read at once, but for the weights.
#[test]
fn a_context_goes_on_behind_its_paths() {
    let all = pushed(140);
    let forecaster = Forecaster::of(stacked(&["linear", "persistence"]), Settings::default());
    let mut reading = forecaster.read(&all.slice(0..100)).unwrap();
    let future = KnownFuture(all.slice(120..140).actions.clone());
    reading
        .rollout(&settings(8, 8), Some(&future), &|_| ())
        .unwrap();
    reading.observe(&all.slice(100..120)).unwrap();
    let rollout = reading
        .rollout(&settings(40, 40), Some(&future), &|_| ())
        .unwrap();
    let mean = rollout.paths.mean_axis(ndarray::Axis(0)).unwrap();
    let off = (&mean - &all.slice(120..140).values).mapv(f64::abs).sum() / mean.len() as f64;
    assert!(off < 0.02, "{off}");
}

/// The same with noise, that of the logistic map.
fn noisy(rows: usize, size: f64) -> Variables {
    let mut all = pushed(rows);
    let mut noise = [0.31, 0.57];
    for mut row in all.values.rows_mut() {
        for (x, noise) in row.iter_mut().zip(&mut noise) {
            *noise = 4.0 * *noise * (1.0 - *noise);
            *x += size * (*noise - 0.5);
        }
    }
    all
}

fn weight_of(reading: &Reading, forecaster: &str) -> f64 {
    let weights = reading.path_weights().into_iter();
    let own = weights.filter(|weight| weight.forecaster == forecaster);
    own.map(|weight| weight.weight).sum()
}

/// Weights that were chosen once were kept however much of the context came later.
#[test]
fn weights_are_chosen_anew_behind_a_context_that_has_grown() {
    // Noise until row 40, then a slow wave, of which the last value says more than the mean.
    let mut all = pushed(240);
    let noise = noisy(40, 100.0).values / 50.0;
    for ((t, _), x) in all.values.indexed_iter_mut() {
        *x = (0.005 * t as f64).sin();
    }
    all.values.slice_mut(s![..40, ..]).assign(&noise);
    let forecaster = Forecaster::of(stacked(&["mean", "persistence"]), Settings::default());
    let mut reading = forecaster.read(&all.slice(0..40)).unwrap();
    let rollout = |reading: &Reading| {
        let future = KnownFuture(Array2::zeros((20, 1)));
        reading
            .rollout(&settings(8, 8), Some(&future), &|_| ())
            .unwrap();
        weight_of(reading, "persistence")
    };
    let before = rollout(&reading);
    reading.observe(&all.slice(40..50)).unwrap();
    assert_eq!(rollout(&reading), before);
    reading.observe(&all.slice(50..240)).unwrap();
    let after = rollout(&reading);
    assert!(after > before + 0.1, "{before} {after}");
}

/// Fault: backtests of the first paths began where they would have in the rows that were announced, or nowhere if these were
/// too few.
#[test]
fn first_paths_behind_a_context_that_has_grown_are_backtested_in_its_last_rows() {
    let mut all = pushed(300);
    let noise = noisy(60, 100.0).values / 50.0;
    for ((t, _), x) in all.values.indexed_iter_mut() {
        *x = (0.005 * t as f64).sin();
    }
    all.values.slice_mut(s![..60, ..]).assign(&noise);
    let forecaster = Forecaster::of(stacked(&["mean", "persistence"]), Settings::default());
    for begun in [3, 60] {
        let mut reading = forecaster.read(&all.slice(0..begun)).unwrap();
        reading.observe(&all.slice(begun..300)).unwrap();
        let future = KnownFuture(Array2::zeros((20, 1)));
        reading
            .rollout(&settings(8, 8), Some(&future), &|_| ())
            .unwrap();
        let weight = weight_of(&reading, "persistence");
        assert!(weight > 0.8, "{begun}: {weight}");
    }
}

/// Fault: of a season of more than 4,096 rows, pools kept too little to learn it.
#[test]
fn as_many_rows_are_kept_as_a_season_takes() {
    let of = |period| Univariate::of(Form::Sari).with_period(period);
    let pool = |period| Stacked::new(named("mean").unwrap(), vec![Arc::new(of(period))]);
    assert_eq!(pool(Some(10_080)).rows(), 40_320);
    assert_eq!(pool(Some(24)).rows(), pool(None).rows());
}

/// Weights that were chosen for few steps were kept for many.
#[test]
fn weights_are_chosen_anew_for_many_more_steps() {
    let context = noisy(120, 0.5);
    let forecaster = Forecaster::of(stacked(&["persistence", "linear"]), Settings::default());
    let weights = |horizons: &[usize]| {
        let reading = forecaster.read(&context).unwrap();
        for &horizon in horizons {
            let settings = RolloutSettings {
                horizon: NonZeroUsize::new(horizon).unwrap(),
                ..settings(4, 4)
            };
            let future = KnownFuture(Array2::zeros((horizon, 1)));
            reading.rollout(&settings, Some(&future), &|_| ()).unwrap();
        }
        reading.path_weights()
    };
    assert_ne!(weights(&[2, 20]), weights(&[2]));
    assert_eq!(weights(&[2, 4]), weights(&[2]));
}

/// Episodes begin inside backtests as they do inside of contexts.
#[test]
fn backtests_go_over_the_ends_of_episodes() {
    let all = pushed(200);
    let episodes = [0..50, 60..110, 120..170].map(|rows| {
        let mut episode = all.slice(rows);
        episode.begins[0] = true;
        episode
    });
    let forecaster = Forecaster::of(stacked(&["persistence", "linear"]), Settings::default());
    let reading = forecaster.read(&Variables::joined(&episodes)).unwrap();
    let came = all.slice(170..190);
    let future = KnownFuture(came.actions.clone());
    let rollout = reading
        .rollout(&settings(20, 20), Some(&future), &|_| ())
        .unwrap();
    let mean = rollout.paths.mean_axis(ndarray::Axis(0)).unwrap();
    let off = (&mean - &came.values).mapv(f64::abs).sum() / mean.len() as f64;
    assert!(off < 0.05, "{off}");
}

/// The first origin, where little was known yet, decided the weights by the size of its errors.
#[test]
fn origins_count_alike() {
    let of_origin = |size: f64, (first, second): (f64, f64)| {
        let mut distances = Distances::new(2);
        let draws = |off: f64| [-0.1, 0.0, 0.1].map(|spread| off + off * spread);
        distances.add(&[&draws(first * size), &draws(second * size)], 0.0, 1.0);
        vec![distances]
    };
    // A hard origin at which both are nearly alike, and an easy one at which one is far better.
    let origins = [of_origin(1e4, (1.0, 1.2)), of_origin(1.0, (100.0, 1.0))];
    let weights = Steps::Alike
        .distances(&origins, 2)
        .stacked(&[0.5, 0.5], 0.05);
    assert!(weights[1] > 0.99, "{weights:?}");
}

/// Four values chose whose law a forecast of one step had.
#[test]
fn the_paths_of_one_step_are_the_first_forecasters() {
    let context = pushed(90);
    let one = RolloutSettings {
        horizon: NonZeroUsize::MIN,
        ..settings(30, 30)
    };
    let future = KnownFuture(Array2::zeros((1, 1)));
    let paths = |predictor| {
        let reading = Forecaster::of(predictor, Settings::default()).read(&context);
        let rollout = reading.unwrap().rollout(&one, Some(&future), &|_| ());
        rollout.unwrap().paths
    };
    assert_eq!(
        paths(named("linear").unwrap()),
        paths(stacked(&["linear", "persistence"]))
    );
}

/// A mixture's own paths won backtests narrowly and were worse beyond the context.
#[test]
fn a_forecaster_of_densities_only_draws_no_paths() {
    let others = ["persistence", "quadratic"].map(|name| named(name).unwrap());
    let stacked = Stacked::new(named("linear").unwrap(), others.to_vec());
    let future = KnownFuture(Array2::zeros((20, 1)));
    let weights = |stacked: Stacked, rows: usize| {
        let forecaster = Forecaster::of(Arc::new(stacked), Settings::default());
        let reading = forecaster.read(&pushed(rows)).unwrap();
        let rollout = reading.rollout(&settings(8, 8), Some(&future), &|_| ());
        rollout.unwrap();
        ["linear", "persistence", "quadratic"].map(|name| weight_of(&reading, name))
    };
    assert!(weights(stacked.clone(), 90)[0] > 0.0);
    assert_eq!(weights(stacked.clone().with_paths_of_others(1), 90)[0], 0.0);
    // Without backtests paths are shared out by the prior.
    let [linear, persistence, quadratic] = weights(stacked.with_paths_of_others(1), 12);
    assert_eq!(linear, 0.0);
    assert!(quadratic > 2.0 * persistence, "{quadratic} {persistence}");
}

/// Forecasters of a channel's past alone join where nothing acts, and only there.
#[test]
fn undriven_forecasters_draw_paths_where_there_are_no_actions() {
    let pool = Stacked::new(named("persistence").unwrap(), Vec::new());
    let pool = Arc::new(pool.with_undriven(vec![named("linear").unwrap()]));
    let weight = |context: &Variables| {
        let forecaster = Forecaster::of(pool.clone(), Settings::default());
        let reading = forecaster.read(context).unwrap();
        let future = KnownFuture(Array2::zeros((20, context.actions.ncols())));
        reading
            .rollout(&settings(8, 8), Some(&future), &|_| ())
            .unwrap();
        weight_of(&reading, "linear")
    };
    let driven = pushed(150);
    let alone = Variables::new(
        driven.names.clone(),
        driven.roles.clone(),
        driven.values.clone(),
    );
    assert_eq!(weight(&driven), 0.0);
    assert!(weight(&alone) > 0.5, "{}", weight(&alone));
}
