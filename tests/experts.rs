//! Online experts: what they promise on any recording.

use ndarray::{Array2, s};
use proptest::prelude::*;
use statecast::experts::{ExpertKind, ExpertPanel, Scales, Slots, Student};

/// What all experts say of every row: `[row][expert][channel]`.
fn read(
    sources: &[ExpertKind],
    rows: &Array2<f64>,
    actions: &Array2<f64>,
    begins: &[usize],
) -> (Vec<Vec<Vec<Option<Student>>>>, ExpertPanel) {
    let units = vec![1.0; actions.ncols()];
    let mut panel = ExpertPanel::new(sources, rows.ncols(), &units);
    let mut all = Vec::new();
    for (t, (row, actions)) in rows.rows().into_iter().zip(actions.rows()).enumerate() {
        all.push(panel.predict(begins.contains(&t)).to_vec());
        panel.learn(&row.to_vec(), &actions.to_vec());
    }
    (all, panel)
}

fn no_actions(rows: usize) -> Array2<f64> {
    Array2::zeros((rows, 0))
}

/// Two channels that follow from the last row and an action, without noise.
fn linear(rows: usize) -> (Array2<f64>, Array2<f64>) {
    let actions = Array2::from_shape_fn((rows, 1), |(t, _)| (1.3 * (t * t) as f64).sin());
    let mut values = Array2::zeros((rows, 2));
    values[[0, 0]] = 2.0;
    for t in 1..rows {
        let (x, v, u) = (values[[t - 1, 0]], values[[t - 1, 1]], actions[[t - 1, 0]]);
        values[[t, 0]] = x + 0.2 * v;
        values[[t, 1]] = 0.95 * v - 0.3 * x + 0.4 * u + 0.1;
    }
    (values, actions)
}

#[test]
fn a_linear_system_without_noise_is_found_exactly() {
    let (values, actions) = linear(300);
    let (all, _) = read(&[ExpertKind::Linear], &values, &actions, &[]);
    for t in 200..300 {
        for c in 0..2 {
            let law = all[t][0][c].unwrap();
            assert!((law.location - values[[t, c]]).abs() < 1e-6, "row {t}");
            // A bin's density is at most 100.
            assert!(law.log_density(values[[t, c]]) > 1e3f64.ln(), "row {t}");
        }
    }
}

#[test]
fn products_are_found_where_a_system_has_them() {
    let mut values = Array2::zeros((400, 2));
    (values[[0, 0]], values[[0, 1]]) = (0.1, 0.1);
    for t in 1..400 {
        let (a, b) = (values[[t - 1, 0]], values[[t - 1, 1]]);
        values[[t, 0]] = 1.0 - 1.4 * a * a + b;
        values[[t, 1]] = 0.3 * a;
    }
    let sources = [ExpertKind::Linear, ExpertKind::Quadratic];
    let (all, _) = read(&sources, &values, &no_actions(400), &[]);
    let error = |t: usize, e: usize| (all[t][e][0].unwrap().location - values[[t, 0]]).abs();
    assert!((350..400).all(|t| error(t, 1) < 1e-2));
    assert!((350..400).any(|t| error(t, 0) > 0.1));
}

/// Of thirty variables two have a product; it is found although only 24 variables have products at
/// a time.
#[test]
fn products_of_many_variables_are_those_that_count() {
    let (rows, channels) = (600, 30);
    let noise = |i: usize| (i as f64 * 0.618_033_988_75).fract() - 0.5;
    let mut values = Array2::from_shape_fn((rows, channels), |(t, c)| {
        (0..4)
            .map(|k| noise(4 * (t * channels + c) + k))
            .sum::<f64>()
    });
    for t in 1..rows {
        let (a, b) = (values[[t - 1, 28]], values[[t - 1, 29]]);
        values[[t, 0]] = a + b + 0.8 * a * b;
    }
    let sources = [ExpertKind::Linear, ExpertKind::Quadratic];
    let (all, _) = read(&sources, &values, &no_actions(rows), &[]);
    let error = |e: usize| {
        let of = |t: usize| (all[t][e][0].unwrap().location - values[[t, 0]]).powi(2);
        (550..rows).map(of).sum::<f64>().sqrt()
    };
    assert!(error(1) < 0.3 * error(0), "{} {}", error(1), error(0));
}

/// A step between episodes that is a thousand times larger than any within.
#[test]
fn what_lies_between_episodes_is_no_error() {
    let wave = |t: usize| (0.3 * t as f64).sin();
    let values = Array2::from_shape_fn((200, 1), |(t, _)| {
        wave(t) + if t < 100 { 0.0 } else { 500.0 }
    });
    let told = read(&ExpertKind::ALL, &values, &no_actions(200), &[100]).0;
    let untold = read(&ExpertKind::ALL, &values, &no_actions(200), &[]).0;
    assert!(told[100].iter().flatten().all(Option::is_none));
    // Persistence is what no level disturbs.
    let scale = |all: &Vec<Vec<Vec<Option<Student>>>>| all[110][2][0].unwrap().scale;
    assert!(scale(&told) < 0.5 && scale(&untold) > 10.0);
}

#[test]
fn channels_that_stand_still_are_known_and_leave_numbers() {
    let values = Array2::from_shape_fn((300, 2), |(t, c)| [1.25, (0.2 * t as f64).sin()][c]);
    let (all, _) = read(&ExpertKind::ALL, &values, &no_actions(300), &[]);
    for (t, row) in all.iter().enumerate().skip(10) {
        for student in row.iter().filter_map(|expert| expert[0]) {
            assert!(
                student.location.is_finite() && student.scale > 0.0,
                "row {t}"
            );
        }
        assert!((row[0][0].unwrap().location - 1.25).abs() < 1e-2, "row {t}");
    }
}

/// Shrinks noise and weights row by row without the covariance losing its shape.
#[test]
fn numbers_stay_right_over_many_rows() {
    let rows = 20_000;
    let values = Array2::from_shape_fn((rows, 3), |(t, c)| {
        (0.01 * t as f64 * (c + 1) as f64).sin() + 0.01 * ((t * (c + 7)) as f64).sin()
    });
    let sources = [
        ExpertKind::Linear,
        ExpertKind::Quadratic,
        ExpertKind::Smoothing,
    ];
    let (all, _) = read(&sources, &values, &no_actions(rows), &[]);
    for student in all[rows - 100..].iter().flatten().flatten().flatten() {
        assert!(student.location.is_finite() && (1e-6..1.0).contains(&student.scale));
    }
    let error = |t: usize| (all[t][0][0].unwrap().location - values[[t, 0]]).abs();
    assert!((rows - 100..rows).all(|t| error(t) < 0.05));
}

#[test]
fn values_and_actions_of_any_size_leave_numbers() {
    let values = Array2::from_shape_fn(
        (60, 1),
        |(t, _)| if t == 40 { f64::MAX } else { 0.1 * t as f64 },
    );
    let actions = Array2::from_shape_fn((60, 1), |(t, _)| if t == 45 { f64::MIN } else { 0.5 });
    let (all, _) = read(&ExpertKind::ALL, &values, &actions, &[]);
    for student in all.iter().flatten().flatten().flatten() {
        assert!(student.location.is_finite() && student.scale.is_finite());
    }
}

#[test]
fn a_path_goes_on_by_itself() {
    let (values, actions) = linear(120);
    let (_, mut context) = read(&ExpertKind::ALL, &values, &actions, &[]);
    let before = context.predict(false).to_vec();
    let mut path = context.fork();
    for _ in 0..20 {
        path.predict(false);
        path.learn(&[1.0, -1.0], &[0.3]);
    }
    assert_eq!(context.predict(false), before);
    assert_eq!((context.past().len(), path.past().len()), (120, 140));
    let persistence = path.predict(false)[2][0].unwrap().location;
    assert!((persistence - 1.0).abs() < 0.1);
}

/// Driven, nearly collinear channels without noise, of more variables than have products at a time.
fn collinear(rows: usize, channels: usize) -> (Array2<f64>, Array2<f64>) {
    let actions = Array2::from_shape_fn((rows, 1), |(t, _)| (1.3 * (t * t) as f64).sin());
    let mut modes = [1.0, 0.0];
    let mut values = Array2::zeros((rows, channels));
    for t in 0..rows {
        for c in 0..channels {
            let angle = c as f64;
            let rest = 1e-3 * ((0.7 + angle).sqrt() * t as f64).sin();
            values[[t, c]] = modes[0] * angle.cos() + modes[1] * angle.sin() + rest;
        }
        let [a, b] = modes;
        modes = [
            0.999 * a + 0.1 * b,
            0.98 * b - 0.1 * a + 0.1 * actions[[t, 0]],
        ];
    }
    (values, actions)
}

/// Copies share what was learned before.
#[test]
fn copies_go_on_as_the_first_would() {
    for (channels, context) in [(6, 3), (6, 130), (30, 130)] {
        let rows = context + 120;
        let (values, actions) = collinear(rows, channels);
        let (alone, _) = read(&ExpertKind::ALL, &values, &actions, &[]);
        let head = |values: &Array2<f64>| values.slice(s![..context, ..]).to_owned();
        let (_, mut panel) = read(&ExpertKind::ALL, &head(&values), &head(&actions), &[]);
        let mut before = Vec::new();
        for (t, expected) in alone.iter().enumerate().skip(context) {
            if (t - context) % 40 == 0 {
                before.push(panel.clone());
                panel = panel.clone();
            }
            assert_eq!(panel.predict(false), expected, "row {t}");
            panel.learn(&values.row(t).to_vec(), &actions.row(t).to_vec());
        }
        for (i, panel) in before.iter().enumerate() {
            assert_eq!(panel.past().len(), context + 40 * i);
        }
    }
}

/// What regressions drew beyond the context confirmed them, and they ran off with their paths.
#[test]
fn paths_teach_regressions_nothing() {
    let (values, actions) = collinear(140, 30);
    let sources = [ExpertKind::Linear, ExpertKind::Quadratic];
    let (_, mut context) = read(&sources, &values, &actions, &[]);
    let before = context.predict(false).to_vec();
    let mut path = context.fork();
    for _ in 0..200 {
        path.predict(false);
        path.learn(&[300.0; 30], &[0.3]);
    }
    for t in [138, 139] {
        path.predict(false);
        path.learn(&values.row(t).to_vec(), &actions.row(t).to_vec());
    }
    assert_eq!(path.predict(false), before);
}

fn hints_and_mixture(values: &Array2<f64>, actions: &Array2<f64>, begins: &[usize]) -> Vec<String> {
    let channels = values.ncols();
    let mut panel = ExpertPanel::new(&ExpertKind::ALL, channels, &vec![1.0; actions.ncols()]);
    let mut slots = Slots::new(ExpertKind::ALL.len(), channels);
    let mut scales = Scales::new(ExpertKind::ALL.len(), channels);
    let mut said = Vec::new();
    for (t, row) in values.rows().into_iter().enumerate() {
        let row = row.to_vec();
        panel.predict(begins.contains(&t));
        let mixtures: Vec<_> = (0..channels).map(|c| scales.mixture(&panel, c)).collect();
        said.push(format!("{:?} {mixtures:?}", slots.hints(&panel)));
        slots.learn(&panel, &row);
        scales.learn(&panel, &row);
        panel.learn(&row, &actions.row(t).to_vec());
    }
    said
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// What is said of a row changes with nothing of that row or after it, and does with what lies
    /// before.
    #[test]
    fn no_expert_looks_ahead(
        seed in 0usize..1000, at in 20usize..60, channel in 0usize..2, boundary in 5usize..60,
    ) {
        let noise = |i: usize| ((seed + i) as f64 * 12.9898).sin();
        let values = Array2::from_shape_fn((70, 2), |(t, c)| noise(2 * t + c));
        let actions = Array2::from_shape_fn((70, 1), |(t, _)| noise(3 * t + 500));
        let begins = [boundary];
        let before = hints_and_mixture(&values, &actions, &begins);
        let mut changed = values.clone();
        changed[[at, channel]] += 1.0;
        let after = hints_and_mixture(&changed, &actions, &begins);
        prop_assert_eq!(&before[..=at], &after[..=at]);
        prop_assert!(at + 1 == boundary || before[at + 1] != after[at + 1]);
        let mut steered = actions.clone();
        steered[[at, 0]] += 1.0;
        let after = hints_and_mixture(&values, &steered, &begins);
        prop_assert_eq!(&before[..=at], &after[..=at]);
        prop_assert!(at + 1 == boundary || before[at + 1] != after[at + 1]);
    }
}
