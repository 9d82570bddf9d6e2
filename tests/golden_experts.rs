//! The online experts against plain loops in NumPy (`make_experts.py`).

mod common;

use common::{array, golden};
use ndarray::{Array, Array2, IxDyn};
use statecast::codec::Grid;
use statecast::experts::{ExpertKind, ExpertPanel, Scales, Slots, Student};

fn values(name: &str) -> Array<f64, IxDyn> {
    let (shape, values) = array::<f64>(&golden("experts.npz"), name);
    Array::from_shape_vec(IxDyn(&shape), values).unwrap()
}

fn matrix(name: &str) -> Array2<f64> {
    values(name).into_dimensionality().unwrap()
}

/// Holds to 1e-9 of the value, or of one axis unit where it is smaller.
fn close(ours: f64, golden: f64, what: &str) {
    let bound = 1e-9 * golden.abs().max(1.0);
    assert!((ours - golden).abs() <= bound, "{what}: {ours} {golden}");
}

fn compare(recording: &str) {
    let of = |name: &str| format!("{recording}_{name}");
    let (x, u) = (matrix(&of("x")), matrix(&of("u")));
    let begins = array::<u8>(&golden("experts.npz"), &of("begins")).1;
    let (expected, slots) = (values(&of("laws")), values(&of("slots")));
    let (lead, densities) = (matrix(&of("lead")), matrix(&of("scales")));
    let channels = x.ncols();
    let bins = array::<i64>(&golden("experts.npz"), &of("bins")).1;
    let mut panel = ExpertPanel::new(&ExpertKind::ALL, channels, &vec![1.0; u.ncols()]);
    let mut hints = Slots::new(ExpertKind::ALL.len(), channels);
    let mut scales = Scales::new(ExpertKind::ALL.len(), channels);
    for (t, row) in x.rows().into_iter().enumerate() {
        let row = row.to_vec();
        panel.predict(begins[t] == 1);
        for (c, hint) in hints.hints(&panel).iter().enumerate() {
            let what = format!("{recording}, row {t}, channel {c}");
            for (e, predicted) in panel.predicted().iter().enumerate() {
                let golden: Vec<f64> = (0..3).map(|k| expected[[t, c, e, k]]).collect();
                let what = format!("{what}, {:?}", ExpertKind::ALL[e]);
                assert_eq!(predicted[c].is_none(), golden[0].is_nan(), "{what}");
                if let Some(predicted) = predicted[c] {
                    student(predicted, &golden, &what);
                }
            }
            for (s, slot) in hint.slots.iter().enumerate() {
                let golden: Vec<f64> = (0..4).map(|k| slots[[t, c, s, k]]).collect();
                student(slot.predicted, &golden, &what);
                close(slot.ratio, golden[3], &what);
            }
            close(hint.lead, lead[[t, c]], &what);
            let hint = hint.slots[0].predicted;
            let grid = Grid::Residual {
                centre: hint.location,
                scale: hint.scale,
            };
            let bin = grid.quantise(row[c]).bin.index();
            assert_eq!(bin as i64, bins[t * channels + c], "{what}");
            let density = scales.log_density(&panel, c, row[c]);
            close(density, densities[[t, c]], &what);
        }
        hints.learn(&panel, &row);
        scales.learn(&panel, &row);
        panel.learn(&row, u.row(t).as_slice().unwrap());
    }
}

fn student(ours: Student, golden: &[f64], what: &str) {
    close(ours.location, golden[0], what);
    close(ours.scale, golden[1], what);
    close(ours.freedom, golden[2], what);
}

#[test]
fn experts_of_driven_channels_equal_the_reference() {
    compare("driven");
}

#[test]
fn experts_of_seasonal_channels_equal_the_reference() {
    compare("seasonal");
}
