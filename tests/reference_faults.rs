//! Faults of the published reference code (DICL) that must not come back, one test each. That
//! bins' centres are not their left edges is tested beside the bins.
use ndarray::{Array2, Axis, s};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use statecast::codec::{self, Bin, Scale, builtin_formats};
use statecast::density::BinnedDensity;
use statecast::disentangle::Disentangler;
use statecast::forecast::{
    Forecaster, KnownFuture, Levels, Method, Reading, Role, Rollout, RolloutSettings, Session,
    Settings, Temperature, Tolerance, Variables,
};
use statecast::model::{Device, Model, ModelSource, Precision};

fn model() -> Model {
    let formats = builtin_formats().unwrap();
    Model::load(&ModelSource::Builtin, &formats, Precision::F32, Device::Cpu).unwrap()
}

fn variables(values: Array2<f64>, roles: &[Role]) -> Variables {
    let names = (0..roles.len()).map(|v| format!("x{v}")).collect();
    Variables::new(names, roles.to_vec(), values)
}

fn rollout(
    reading: &Reading,
    horizon: usize,
    samples: usize,
    future: Option<&KnownFuture>,
) -> Rollout {
    let settings = RolloutSettings {
        horizon: horizon.try_into().unwrap(),
        samples: samples.try_into().unwrap(),
        seed: 5,
        paths_at_once: None,
        max_steps: None,
    };
    reading.rollout(&settings, future, &|_| ()).unwrap()
}

/// Two variables whose principal components are turned by 45 degrees, the second falling as the
/// first rises.
fn opposed(rows: usize) -> Variables {
    let values = Array2::from_shape_fn((rows, 2), |(t, v)| {
        let (fast, slow) = ((0.7 * t as f64).sin(), (0.23 * t as f64).cos());
        if v == 0 {
            fast + 0.6 * slow
        } else {
            0.6 * slow - fast
        }
    });
    variables(values, &[Role::State; 2])
}

/// Fault: ends of the components' intervals pushed through the inverse rotation, where lower and
/// upper ends cross.
#[test]
fn interval_ends_never_cross_under_a_rotation() {
    let model = model();
    let context = opposed(60);
    let settings = Settings {
        method: Method::DiclS,
        ..Settings::default()
    };
    let reading = Forecaster::new(&model, settings).read(&context).unwrap();
    let levels: Levels = "0.05,0.5,0.95".parse().unwrap();
    let disentangler: &Disentangler = reading.encoding().disentangler();
    let one_step = reading.one_step();
    let summary = reading.one_step_summary(&levels, 1);
    let mut crossings_of_the_fault = 0;
    for t in 1..one_step.rows() {
        let channels = one_step.channels();
        let end = |level: f64| {
            let ends = (0..channels).map(|c| one_step.density(t, c).quantile(level));
            reading
                .encoding()
                .variables(ends.collect::<ndarray::Array1<f64>>().view())
        };
        let (low, high) = (end(0.05), end(0.95));
        crossings_of_the_fault += (0..2).filter(|&v| low[v] > high[v]).count();

        let variances = (0..channels).map(|c| one_step.density(t, c).variance());
        let covariance =
            disentangler.covariance(variances.collect::<ndarray::Array1<f64>>().view());
        for v in 0..2 {
            let [low, middle, high] = [0, 1, 2].map(|i| summary.quantiles[i][[t, v]]);
            assert!(low <= middle && middle <= high);
            assert!(low < summary.mean[[t, v]] && summary.mean[[t, v]] < high);
            let exact = covariance[[v, v]].sqrt();
            assert!((summary.std[[t, v]] - exact).abs() < 1e-9 * exact);
        }
    }
    assert!(crossings_of_the_fault > 20, "the case shows the fault");
    let ahead = rollout(&reading, 5, 50, None).summary(&levels);
    for pair in ahead.quantiles.windows(2) {
        assert!(pair[0].iter().zip(&pair[1]).all(|(low, high)| low <= high));
    }
}

/// Fault: the context ends one row early, and steps 2 to H + 1 are taken for 1 to H.
#[test]
fn first_step_forecast_is_the_row_behind_the_context() {
    let model = model();
    let pattern = [2.0, 4.5, 8.0, 3.25, 6.5];
    let settings = Settings {
        scale: Scale::None,
        ..Settings::default()
    };
    for rows in [100, 101, 102] {
        let values = Array2::from_shape_fn((rows, 1), |(t, _)| pattern[t % 5]);
        let context = variables(values, &[Role::State]);
        let reading = Forecaster::new(&model, settings).read(&context).unwrap();
        let median = Levels::new(vec![0.5]).unwrap();
        let ahead = rollout(&reading, 7, 20, None).summary(&median);
        for h in 0..7 {
            let truth = pattern[(rows + h) % 5];
            let median = ahead.quantiles[0][[h, 0]];
            assert!(
                (median - truth).abs() < 0.5,
                "step {h}: {median} for {truth}"
            );
        }
        let one_step = reading.one_step_summary(&Levels::default(), 0);
        for t in 60..rows {
            let mean = one_step.mean[[t, 0]];
            assert!((mean - pattern[t % 5]).abs() < 0.5, "row {t}: {mean}");
        }
    }
}

/// Fault: re-quantised left edges are fed back, which loses a bin in half of the steps. A path is
/// drawn anew from densities for which the whole path is read at once.
#[test]
fn sampled_paths_feed_their_own_bins_back() {
    let model = model();
    let context = opposed(30);
    let (rows, horizon, samples) = (context.rows(), 12, 4);
    let forecaster = Forecaster::new(&model, Settings::default());
    let reading = forecaster.read(&context).unwrap();
    let paths = rollout(&reading, horizon, samples, None).paths;
    let axes: &[codec::Axis] = reading.encoding().axes();
    for (path, values) in paths.axis_iter(Axis(0)).enumerate() {
        let drawn = Array2::from_shape_fn(values.dim(), |(h, c)| axes[c].quantise(values[[h, c]]));
        assert!(drawn.iter().all(|q| !q.clipped));
        let drawn = drawn.mapv(|q| q.bin);
        let whole = ndarray::concatenate(
            Axis(0),
            &[reading.one_step().observed().view(), drawn.view()],
        );
        let whole = whole.unwrap();
        let (temperature, every) = (Temperature::default(), 0..whole.nrows());
        let (_, masses) =
            Session::start(&model, &whole, temperature, Tolerance::EXACT, every).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(5);
        random.set_stream(path as u64);
        for h in 0..horizon {
            for c in 0..2 {
                let mass = masses.slice(s![rows + h, c, ..]);
                let density = BinnedDensity::new(axes[c], mass.as_slice().unwrap()).unwrap();
                let (bin, _): (Bin, f64) = density.locate(random.random());
                assert_eq!(bin, drawn[[h, c]], "path {path}, step {h}, channel {c}");
            }
        }
    }
}

/// Fault: axis, scaler or components fitted on the rows that are forecast.
#[test]
fn no_future_value_touches_axis_or_components() {
    let folder = tempfile::tempdir().unwrap();
    let context = opposed(60);
    let mut text = "x,y\n".to_owned();
    for row in context.values.rows() {
        text += &format!("{},{}\n", row[0], row[1]);
    }
    let past = folder.path().join("past.csv");
    let whole = folder.path().join("whole.csv");
    std::fs::write(&past, &text).unwrap();
    std::fs::write(&whole, text + &"1e6,-1e6\n".repeat(4)).unwrap();
    for method in ["vicl", "dicl-s"] {
        let run = |file: &std::path::Path, more: &[&str]| {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_statecast"))
                .arg("forecast")
                .arg(file)
                .args(["--horizon", "4", "--samples", "20", "--method", method])
                .args(more)
                .output()
                .unwrap();
            assert!(output.status.success());
            String::from_utf8(output.stdout).unwrap()
        };
        let blind = run(&past, &[]);
        assert_eq!(blind.lines().count(), 1 + 4 * 2);
        // Beside the forecast stands what was observed.
        let forecast = |line: &str| {
            let cells: Vec<&str> = line.split(',').collect();
            [&cells[..3], &cells[4..]].concat().join(",") + "\n"
        };
        let held: String = run(&whole, &["--holdout"]).lines().map(forecast).collect();
        assert_eq!(blind, held, "{method}");
        assert_ne!(blind, run(&whole, &[]), "{method}: the spike is seen");
    }
}

/// Fault: the spread of the draws along a single path shown as the uncertainty of several steps.
#[test]
fn uncertainty_of_several_steps_is_the_spread_over_paths() {
    let model = model();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut walk = 0.0;
    let values = Array2::from_shape_fn((200, 1), |_| {
        walk += random.random_range(-1.0..1.0);
        walk
    });
    let context = variables(values, &[Role::State]);
    let forecaster = Forecaster::new(&model, Settings::default());
    let reading = forecaster.read(&context).unwrap();
    let rollout = rollout(&reading, 20, 50, None);
    let summary = rollout.summary(&Levels::default());
    for h in 0..20 {
        let step = rollout.paths.slice(s![.., h, 0]);
        let spread = step.std(1.0);
        assert!(spread > 0.0);
        assert!((summary.std[[h, 0]] - spread).abs() < 1e-9 * spread);
    }
    assert!(
        summary.std[[19, 0]] > 2.0 * summary.std[[0, 0]],
        "the spread of a random walk grows"
    );
}

/// Fault: an action other than the one that is taken stands in the context or the result.
#[test]
fn known_actions_are_fed_back_and_reported() {
    let model = model();
    let values = Array2::from_shape_fn((80, 2), |(t, v)| {
        let t = t as f64;
        if v == 0 {
            (0.4 * t).sin()
        } else {
            (0.9 * t).cos()
        }
    });
    let context = variables(values, &[Role::State, Role::Action]);
    let settings = Settings {
        method: Method::DiclSa,
        ..Settings::default()
    };
    let reading = Forecaster::new(&model, settings).read(&context).unwrap();
    let actions = Array2::from_shape_fn((6, 1), |(h, _)| if h % 2 == 0 { 0.9 } else { -0.9 });
    let free = rollout(&reading, 6, 10, None);
    let known = rollout(&reading, 6, 10, Some(&KnownFuture(actions.clone())));
    for path in known.paths.axis_iter(Axis(0)) {
        assert_eq!(path.slice(s![.., 1..]), actions);
    }
    let state = |rollout: &Rollout, h: usize| rollout.paths.slice(s![.., h, 0]).to_owned();
    assert_eq!(
        state(&free, 0),
        state(&known, 0),
        "the first state is drawn before any action"
    );
    assert_ne!(
        state(&free, 1),
        state(&known, 1),
        "later ones follow the actions"
    );
}
