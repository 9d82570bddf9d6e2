//! The residual axis: what experts leave over, read by forecasters of digits.

use ndarray::{Array2, ArrayViewMut2};
use proptest::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use statecast::backtest::{BacktestSettings, Windows, run};
use statecast::baselines::named;
use statecast::codec::{BIN_COUNT, Bin, Scale, builtin_formats};
use statecast::forecast::{
    Control, ForecastError, Forecaster, Futures, KnownFuture, Language, Method, Mixture,
    Recalibrated, Residual, Role, RolloutSettings, Rollouts, Settings, Variables,
};
use statecast::model::{Device, Model, ModelSource, Precision};
use statecast::recording::{MissingPolicy, RoleSelection, read};
use std::sync::Arc;

fn builtin() -> Model {
    load(ModelSource::Builtin)
}

fn load(source: ModelSource) -> Model {
    let formats = builtin_formats().unwrap();
    Model::load(&source, &formats, Precision::F32, Device::Cpu).unwrap()
}

/// Residuals written as digits, also by a model that could read hints.
fn residual(model: &Model) -> Forecaster {
    let settings = settings();
    let language = Language {
        model: model.clone(),
        temperature: settings.temperature,
        tolerance: settings.tolerance,
    };
    Forecaster::of(Arc::new(Residual::new(Arc::new(language))), settings)
}

fn settings() -> Settings {
    Settings {
        method: Method::Residual,
        ..Settings::default()
    }
}

/// Two channels of a driven, damped oscillator without noise, and its action.
fn oscillator(rows: usize) -> Variables {
    let mut values = Array2::zeros((rows, 2));
    let actions = Array2::from_shape_fn((rows, 1), |(t, _)| {
        (0.37 * t as f64).sin() + (1.1 * t as f64).cos()
    });
    values[[0, 0]] = 1.0;
    for t in 1..rows {
        let (x, v, u) = (values[[t - 1, 0]], values[[t - 1, 1]], actions[[t - 1, 0]]);
        values[[t, 0]] = x + 0.3 * v;
        values[[t, 1]] = 0.9 * v - 0.3 * x + 0.5 * u;
    }
    Variables {
        actions,
        ..Variables::new(
            vec!["x".to_owned(), "v".to_owned()],
            vec![Role::State; 2],
            values,
        )
    }
}

fn paths(horizon: usize, samples: usize) -> RolloutSettings {
    RolloutSettings {
        horizon: horizon.try_into().unwrap(),
        samples: samples.try_into().unwrap(),
        ..RolloutSettings::default()
    }
}

#[test]
fn paths_of_a_linear_system_without_noise_are_exact() {
    let model = builtin();
    let all = oscillator(220);
    let reading = residual(&model).read(&all.slice(0..200)).unwrap();
    let actual = all.slice(200..220);
    let future = KnownFuture(actual.actions.clone());
    let rollout = reading.rollout(&paths(20, 20), Some(&future), &|_| ());
    let rollout = rollout.unwrap();
    assert_eq!((rollout.clipped, reading.clipped()), (0, 0));
    for v in 0..2 {
        let column = all.column(v);
        let range = column.iter().copied().fold(f64::MIN, f64::max)
            - column.iter().copied().fold(f64::MAX, f64::min);
        for path in rollout.paths.outer_iter() {
            for h in 0..20 {
                let error = (path[[h, v]] - actual.values[[h, v]]).abs();
                assert!(error < 1e-3 * range, "step {h}, variable {v}: {error}");
            }
        }
    }
}

/// Sets paths to a state and then leaves them without action.
struct Set([f64; 2]);

impl Control for Set {
    fn act(
        &mut self,
        step: usize,
        _first: usize,
        mut drawn: ArrayViewMut2<f64>,
    ) -> Result<Option<Array2<f64>>, ForecastError> {
        if step == 0 {
            drawn.rows_mut().into_iter().for_each(|mut row| {
                (row[0], row[1]) = (self.0[0], self.0[1]);
            });
        }
        Ok(Some(Array2::zeros((drawn.nrows(), 1))))
    }
}

/// A state that does not follow from the context begins an episode: it is no residual, and experts
/// learn nothing from the step to it.
#[test]
fn paths_that_are_set_to_a_state_follow_the_system_from_there() {
    let model = builtin();
    let reading = residual(&model).read(&oscillator(200)).unwrap();
    let rollout = reading.rollout_with_policy(&paths(10, 10), &mut Set([-1.5, 1.0]), &|_| ());
    let rollout = rollout.unwrap();
    let (mut x, mut v) = (-1.5, 1.0);
    for h in 0..10 {
        for path in rollout.paths.outer_iter() {
            let error = (path[[h, 0]] - x).abs().max((path[[h, 1]] - v).abs());
            assert!(error < 1e-2, "step {h}: {error}");
        }
        (x, v) = (x + 0.3 * v, 0.9 * v - 0.3 * x);
    }
}

/// Also those of a model that writes numbers digit by digit.
#[test]
fn paths_repeat_whatever_the_groups_and_the_recalibration() {
    paths_repeat(&builtin());
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/gguf/llama-folder"
    );
    paths_repeat(&load(ModelSource::Folder(folder.into())));
}

fn paths_repeat(model: &Model) {
    let context = oscillator(60);
    let future = KnownFuture(Array2::from_elem((6, 1), 0.2));
    let plain = residual(model);
    let language = Language::as_set(model, settings());
    let recalibrated = Forecaster::of(Arc::new(Recalibrated::new(language)), settings());
    for forecaster in [plain, recalibrated] {
        let reading = forecaster.read(&context).unwrap();
        let drawn = |at_once: usize| {
            let settings = RolloutSettings {
                paths_at_once: Some(at_once.try_into().unwrap()),
                max_steps: Some(4.try_into().unwrap()),
                ..paths(6, 9)
            };
            reading
                .rollout(&settings, Some(&future), &|_| ())
                .unwrap()
                .paths
        };
        let (one, all) = (drawn(1), drawn(9));
        // Where a density has a gap, a level that falls on it is on either side by rounding, which without kernels depends on
        // how many paths advance together: a path may part there.
        let apart = (&one - &all).mapv(|x| f64::from(u8::from(x.abs() > 1e-3)));
        let parted = apart.outer_iter().filter(|path| path.sum() > 0.0).count();
        assert!(parted <= 1, "{}: {parted} paths", forecaster.name());
        assert!(all.std(0.0) > 0.0);
    }
}

/// A forecaster of digits that knows nothing stands in for the language model.
fn even() -> Forecaster {
    Forecaster::of(
        Arc::new(Residual::new(named("mean").unwrap())),
        Settings::default(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn densities_integrate_to_one_and_map_back(level in -1e3..1e3f64, size in -1.0..6.0f64, at in 10usize..80) {
        let unit = 10f64.powf(size);
        let mut variables = oscillator(80);
        variables.values.mapv_inplace(|x| level + unit * x);
        let reading = even().read(&variables).unwrap();
        let one_step = reading.one_step();
        for c in 0..2 {
            let density = one_step.density(at, c);
            let grid = one_step.grids()[[at, c]];
            let cells = (0..BIN_COUNT).map(|k| grid.cell(grid.centre(k), 0.0));
            let sum: f64 = cells.map(|cell| density.log_score(cell).exp() * cell.width()).sum();
            // Half of the masses at the ends lies beyond them.
            let ends = [0, BIN_COUNT - 1].map(|k| density.probability(Bin::new(k).unwrap()));
            let sum = sum + (ends[0] + ends[1]) / 2.0;
            prop_assert!((sum - 1.0).abs() < 1e-4, "{sum}");
            let widths: f64 = (0..BIN_COUNT).map(|k| grid.width(k)).sum();
            prop_assert!((widths - (grid.edge(BIN_COUNT) - grid.edge(0))).abs() < 1e-9 * widths);
            // The distribution function rises by a bin's probability over it, in the channel's
            // units.
            let axis = density.axis();
            let bin = one_step.observed()[[at, c]];
            let ends = [0, 1].map(|end| axis.value(grid.edge(bin.index() + end)));
            let inside = density.cdf(ends[1]) - density.cdf(ends[0]);
            prop_assert!((inside - density.probability(bin)).abs() < 1e-3);
            let value = variables.values[[at, c]];
            let slack = 1e-9 * (level.abs() + unit);
            prop_assert!(ends[0] - slack <= value && value <= ends[1] + slack);
            for q in [0.05, 0.5, 0.95] {
                prop_assert!((density.cdf(density.quantile(q)) - q).abs() < 1e-3);
            }
        }
    }

    /// Densities of a row change with nothing of that row or after it.
    #[test]
    fn no_density_looks_ahead(at in 20usize..60, channel in 0usize..2) {
        let before = oscillator(70);
        // Extremes of the context are its axis, the largest action is the unit.
        let sizes = |column: ndarray::ArrayView1<f64>| {
            let middle = column.mean().unwrap();
            let apart = column.mapv(|x| (x - middle).abs());
            (apart[at], apart.fold(0.0, |m: f64, &x| m.max(x)))
        };
        let inside = |(size, most): (f64, f64)| size < 0.8 * most;
        prop_assume!(inside(sizes(before.column(channel))) && inside(sizes(before.actions.column(0))));
        let mut after = before.clone();
        after.values[[at, channel]] *= 0.7;
        after.actions[[at, 0]] *= 0.7;
        let said = |variables: &Variables| {
            let reading = even().read(variables).unwrap();
            let one_step = reading.one_step();
            (0..70).map(|t| format!("{:?} {:?}", one_step.grids().row(t), one_step.density(t, 0).mean())).collect::<Vec<_>>()
        };
        let (before, after) = (said(&before), said(&after));
        prop_assert_eq!(&before[..=at], &after[..=at]);
        prop_assert!(before[at + 1] != after[at + 1]);
    }
}

/// Where an episode begins nothing is known: the density is wide, whatever the residuals before
/// were.
#[test]
fn the_first_row_of_an_episode_is_masked() {
    let first = oscillator(60);
    let mut second = oscillator(60);
    second.values *= -1.5;
    second.begins[0] = true;
    let both = Variables::joined(&[first, second]);
    let reading = even().read(&both).unwrap();
    let one_step = reading.one_step();
    let std =
        |t: usize| one_step.density(t, 0).quantile(0.75) - one_step.density(t, 0).quantile(0.25);
    assert!(std(60) > 1.0 && std(59) < 0.05 && std(70) < 0.5);
    assert!(one_step.log_scores()[[60, 0]] > -6.0);
}

#[test]
fn constant_channels_and_a_level_of_a_thousand_million_are_exact() {
    let wave = oscillator(120);
    let values = Array2::from_shape_fn((120, 2), |(t, c)| match c {
        0 => 1e9 + 1e-2 * wave.values[[t, 0]],
        _ => 7.25,
    });
    let variables = Variables::new(wave.names.clone(), wave.roles.clone(), values);
    let reading = even().read(&variables.slice(0..100)).unwrap();
    let rollout = reading.rollout(&paths(10, 10), None, &|_| ()).unwrap();
    assert!(rollout.paths.iter().all(|x| x.is_finite()));
    assert!((0..10).all(|h| rollout.paths[[3, h, 1]] == 7.25));
    let error = (rollout.paths[[0, 0, 0]] - variables.values[[100, 0]]).abs();
    assert!(error < 1e-2, "{error}");
}

#[test]
fn a_mixture_of_residuals_and_digits_scores_at_least_like_both() {
    let model = builtin();
    let variables = oscillator(120);
    let language = Language::as_set(&model, settings());
    let experts = vec![language, named("persistence").unwrap()];
    let total = |forecaster: &Forecaster| {
        let reading = forecaster.read(&variables).unwrap();
        reading.one_step().log_scores().sum()
    };
    let single: Vec<f64> = experts
        .iter()
        .map(|e| total(&Forecaster::of(Arc::clone(e), settings())))
        .collect();
    let mixture = Forecaster::of(Arc::new(Mixture::new(experts, 0.0).unwrap()), settings());
    let best = single.iter().copied().fold(f64::MIN, f64::max);
    // Two channels with weights of their own; bins of digits are brought to those of residuals.
    let mixed = total(&mixture);
    assert!(mixed > best - 2.0 * 2f64.ln() - 0.5, "{mixed} {single:?}");
    let reading = mixture.read(&variables).unwrap();
    let future = KnownFuture(Array2::zeros((5, 1)));
    let rollout = reading
        .rollout(&paths(5, 8), Some(&future), &|_| ())
        .unwrap();
    assert!(rollout.paths.iter().all(|x| x.is_finite()));
}

#[test]
fn residuals_score_better_than_the_linear_model_on_a_pendulum() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/pendulum.csv");
    let selection = RoleSelection::default();
    let (recording, _) = read(file.as_ref(), &selection, MissingPolicy::Error).unwrap();
    let of = |episode| Variables::of(&recording, episode, Method::Residual, false);
    let series: Vec<(String, Variables)> = recording
        .episodes()
        .iter()
        .take(2)
        .map(|episode| (episode.name().to_owned(), of(episode)))
        .collect();
    let model = builtin();
    let linear = Forecaster::of(named("linear").unwrap(), settings());
    let methods = [residual(&model), linear];
    let settings = BacktestSettings {
        windows: Windows::new(100, 20.try_into().unwrap(), 2.try_into().unwrap()).unwrap(),
        samples: 20.try_into().unwrap(),
        seed: 1,
    };
    let results = run(&series, &methods, &settings, &|_| ()).unwrap();
    let mean = |method: usize| {
        let of: Vec<f64> = results
            .one_step
            .iter()
            .filter(|s| s.method == method)
            .map(|s| s.log_score)
            .collect();
        of.iter().sum::<f64>() / of.len() as f64
    };
    assert!(mean(0) > mean(1) + 1.0, "{} {}", mean(0), mean(1));
    let inside = |s: &&statecast::backtest::OneStepScore| (0.05..=0.95).contains(&s.pit);
    let ours: Vec<_> = results.one_step.iter().filter(|s| s.method == 0).collect();
    let coverage = ours.iter().copied().filter(inside).count() as f64 / ours.len() as f64;
    assert!((0.8..=1.0).contains(&coverage), "{coverage}");
    let crps = |method: usize| {
        let of: Vec<f64> = results
            .steps
            .iter()
            .filter(|s| s.method == method)
            .map(|s| s.crps / s.spread)
            .collect();
        of.iter().sum::<f64>() / of.len() as f64
    };
    assert!(crps(0) < crps(1), "{} {}", crps(0), crps(1));
}

fn single(values: Vec<f64>) -> Variables {
    let values = Array2::from_shape_vec((values.len(), 1), values).unwrap();
    Variables::new(vec!["x".to_owned()], vec![Role::State], values)
}

/// Beyond the bins a density was that of the bin at the end at any distance, and the half of another member's density that
/// lies there made mixtures better than they were.
#[test]
fn values_far_beyond_the_bins_are_scored_by_their_distance() {
    let model = builtin();
    let observed = |spike: f64, forecaster: &Forecaster| {
        let mut values: Vec<f64> = (0..130).map(|t| (0.3 * f64::from(t)).sin()).collect();
        values[125] += spike;
        let all = single(values);
        let mut reading = forecaster.read(&all.slice(0..120)).unwrap();
        reading.observe(&all.slice(120..130)).unwrap().clone()
    };
    let score =
        |spike: f64, forecaster: &Forecaster| observed(spike, forecaster).log_scores()[[5, 0]];
    let alone = residual(&model);
    let (near, far) = (score(3.0, &alone), score(300.0, &alone));
    assert!(
        ((near - far) - 2.0 * 100f64.ln()).abs() < 1.0,
        "{near} {far}"
    );
    let language = Language::as_set(&model, settings());
    let mean = named("mean").unwrap();
    let experts = vec![language, Arc::clone(&mean)];
    let mixture = Forecaster::of(Arc::new(Mixture::new(experts, 0.0).unwrap()), settings());
    let mean = Forecaster::of(mean, settings());
    for forecaster in [alone, mixture, mean] {
        let actual = observed(3.0, &forecaster);
        let density = actual.density(5, 0);
        let at = |y: f64| density.log_score(density.grid().cell(y, 0.0)).exp();
        // By trapezoids of distances from 1e-2 to 1e7 axis units beyond 10, and below 0.
        let distance = |k: i32| 10f64.powf(f64::from(k) / 500.0);
        let beyond = |of: &dyn Fn(f64) -> f64| -> f64 {
            let trapezoid = |k: i32| {
                let (near, far) = (distance(k), distance(k + 1));
                (far - near) * (at(of(near)) + at(of(far))) / 2.0
            };
            (-1000..3500).map(trapezoid).sum()
        };
        let probability = beyond(&|d| 10.0 + d) + beyond(&|d| -d);
        assert!(probability < 1.0, "{}: {probability}", forecaster.name());
    }
}

/// Slope of a straight line, a little noise and a context of 100 rows.
fn ramp() -> Variables {
    single(
        (0..100)
            .map(|t| f64::from(t) + (1.7 * f64::from(t)).sin() / 10.0)
            .collect(),
    )
}

/// Draws were moved to the end of the axis without a word.
#[test]
fn paths_of_online_experts_leave_the_axis_and_count_what_is_held() {
    let linear = Forecaster::of(named("linear").unwrap(), Settings::default());
    let reading = linear.read(&ramp()).unwrap();
    let near = reading.rollout(&paths(60, 5), None, &|_| ()).unwrap();
    assert_eq!(near.clipped, 0);
    assert!(near.paths.iter().all(|x| x.is_finite()));
    let last = near.paths[[0, 59, 0]];
    assert!((last - 159.0).abs() < 10.0, "{last}");
    let far = reading.rollout(&paths(150, 5), None, &|_| ()).unwrap();
    let range = reading.encoding().axes()[0].value(15.5) - 1e-6;
    let held = far.paths.iter().filter(|&&x| x >= range).count();
    assert!(held > 100);
    assert_eq!(far.clipped, held);
}

/// A draw that was held counted again as a residual beyond its bins, and again when it was fed to
/// another continuation.
#[test]
fn a_held_draw_counts_once() {
    let model = builtin();
    let reading = residual(&model).read(&ramp()).unwrap();
    let range = reading.encoding().axes()[0].value(15.5) - 1e-6;
    for max_steps in [None, Some(20.try_into().unwrap())] {
        let settings = RolloutSettings {
            max_steps,
            ..paths(130, 3)
        };
        let rollout = reading.rollout(&settings, None, &|_| ()).unwrap();
        let least = reading.encoding().axes()[0].value(-5.5) + 1e-6;
        let outside = |x: &&f64| **x >= range || **x <= least;
        let held = rollout.paths.iter().filter(outside).count();
        assert_eq!(rollout.clipped, held);
        assert!(held > 0 || max_steps.is_some());
    }
}

/// A noisy cycle that goes on as it begins.
fn cycle(rows: usize) -> Variables {
    let mut random = ChaCha8Rng::seed_from_u64(8);
    let (mut x, mut before) = (0.0, 0.0);
    let mut next = || {
        let noise: f64 = (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
        let value = 1.6 * x - 0.8 * before + 0.3 * noise;
        (before, x) = (x, value);
        value
    };
    single((0..rows).map(|_| next()).collect())
}

/// The model with its hints, which reads contexts of any length.
fn hinted(model: &Model) -> Forecaster {
    Forecaster::new(model, settings())
}

/// Contexts longer than the model's window were refused.
#[test]
fn experts_read_contexts_of_a_hundred_thousand_rows() {
    let model = builtin();
    let all = cycle(100_020);
    let forecaster = hinted(&model);
    let settings = paths(20, 20);
    let forecast = |rows: std::ops::Range<usize>| {
        let forecast =
            forecaster.rollouts(&all.slice(rows), 1, &settings, Futures::Unknown, &|_| ());
        forecast.unwrap()
    };
    let (long, short) = (forecast(0..100_000), forecast(99_000..100_000));
    assert_eq!(long.reading.rows(), 100_000);
    assert!(long.rollouts[0].paths.iter().all(|x| x.is_finite()));
    // What a hundred times as many rows say of a system that stays the same is much the same.
    let [a, b] = [&long, &short].map(|f| f.reading.one_step().density(0, 0).std());
    assert!((a / b - 1.0).abs() < 0.2, "{a} {b}");
    let error = |f: &Rollouts| {
        let mean = f.rollouts[0].paths.mean_axis(ndarray::Axis(0)).unwrap();
        (mean[[0, 0]] - all.values[[100_000, 0]]).abs()
    };
    assert!(error(&long) < 1.0 && error(&short) < 1.0);
}

/// Mean log score of some rows at the end of a context.
fn mean_score(forecaster: &Forecaster, context: &Variables, rows: usize) -> f64 {
    let reading = forecaster.read_last(context, rows).unwrap();
    let axis = reading.one_step().density(0, 0).axis().unit().ln();
    reading.one_step().log_scores().mean().unwrap() - axis
}

/// Rows that a model reads after it has begun again are predicted as well as those of a context that
/// fits.
#[test]
fn densities_of_a_stream_stay_as_good_beyond_the_window() {
    let model = builtin();
    let all = cycle(2600);
    let forecaster = hinted(&model);
    let mut stream = forecaster.begin(&all).unwrap();
    let mut scores = Vec::new();
    for start in (0..2600).step_by(200) {
        let read = stream.observe(&all.slice(start..start + 200)).unwrap();
        let masses = read.masses().rows().into_iter().map(|row| row.sum());
        assert!(masses.into_iter().all(|sum| (sum - 1.0).abs() < 1e-3));
        scores.extend(read.log_scores());
    }
    let unit = stream.encoding().axes()[0].unit().ln();
    for end in [1400, 2000, 2600] {
        let whole = mean_score(&forecaster, &all.slice(end - 1000..end), 300);
        let streamed = scores[end - 300..end].iter().sum::<f64>() / 300.0 - unit;
        assert!((whole - streamed).abs() < 0.05, "{end}: {whole} {streamed}");
    }
    // All of them at once are the same.
    let at_once = forecaster.read(&all).unwrap().one_step().log_scores();
    let apart = at_once.iter().zip(&scores).map(|(a, b)| (a - b).abs());
    assert!(apart.fold(0.0, f64::max) < 0.5);
}

/// Observed rows and steps beyond the window, of one and of several channels, and of residuals that
/// are read as digits.
#[test]
fn long_contexts_are_observed_continued_and_begun_anew() {
    let model = builtin();
    let driven = oscillator(1500);
    for (forecaster, all) in [
        (hinted(&model), driven.clone()),
        (hinted(&model), cycle(1500)),
        (residual(&model), driven),
    ] {
        let future = KnownFuture(all.slice(1480..1500).actions);
        let known = (future.0.ncols() > 0).then_some(&future);
        let mut reading = forecaster.read_last(&all.slice(0..1200), 0).unwrap();
        let observed = reading.observe(&all.slice(1200..1480)).unwrap();
        assert!(observed.log_scores().iter().all(|score| score.is_finite()));
        assert_eq!(reading.rows(), 1480);
        for horizon in [20, 700, 1100] {
            let settings = paths(horizon, 2);
            let rollout = match horizon {
                20 => reading.rollout(&settings, known, &|_| ()),
                _ if known.is_none() => reading.rollout(&settings, None, &|_| ()),
                _ => reading.rollout_with_policy(&settings, &mut Set([0.5, 0.5]), &|_| ()),
            };
            assert!(rollout.unwrap().paths.iter().all(|x| x.is_finite()));
        }
    }
    let plain = Forecaster::new(&model, Settings::default());
    assert!(plain.read(&cycle(1500)).is_err());
}

/// Values far off the axis were one value to the experts, and all paths constant.
#[test]
fn values_that_experts_cannot_tell_apart_are_refused() {
    let model = builtin();
    let mut far = cycle(100);
    far.values.mapv_inplace(|x| 50.0 * x + 20_000.0);
    let unscaled = Settings {
        scale: Scale::None,
        ..settings()
    };
    let refused = Forecaster::new(&model, unscaled).read(&far);
    assert!(matches!(refused, Err(ForecastError::BeyondReach { .. })));
    assert!(hinted(&model).read(&far).is_ok());
    // Off the axis, but within their reach.
    far.values.mapv_inplace(|x| x / 50.0);
    let reading = Forecaster::new(&model, unscaled).read(&far).unwrap();
    let rollout = reading.rollout(&paths(5, 10), None, &|_| ()).unwrap();
    assert!(rollout.paths.std(0.0) > 0.1);
}
