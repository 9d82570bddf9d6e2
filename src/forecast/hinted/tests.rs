//! The program's reading of hints against PyTorch's (`tests/golden/make_hinted.py`), and against
//! itself: in pieces, forked, in batches.

use candle_core::Device;
use ndarray::{Array, Array2, ArrayView2, IxDyn, s};

use super::*;
use crate::codec::{Scale, builtin_formats};
use crate::disentangle::Disentangler;
use crate::forecast::{Encoding, Tolerance};
use crate::model::{Model, ModelSource, Precision};

#[path = "../../../tests/common/mod.rs"]
mod common;

use common::{array, golden};

fn model() -> Model {
    let source = ModelSource::Folder(golden("hinted"));
    let formats = builtin_formats().unwrap();
    Model::load(&source, &formats, Precision::F32, &Device::Cpu).unwrap()
}

fn values(name: &str) -> Array<f64, IxDyn> {
    let (shape, values) = array::<f64>(&golden("hinted.npz"), name);
    Array::from_shape_vec(IxDyn(&shape), values).unwrap()
}

struct Recording {
    positions: Array2<f64>,
    actions: Array2<f64>,
    begins: Vec<bool>,
}

impl Recording {
    fn golden(name: &str) -> Self {
        let of = |what: &str| values(&format!("{name}_{what}"));
        let begins = array::<u8>(&golden("hinted.npz"), &format!("{name}_begins")).1;
        Self {
            positions: of("x").into_dimensionality().unwrap(),
            actions: of("u").into_dimensionality().unwrap(),
            begins: begins.iter().map(|&b| b == 1).collect(),
        }
    }

    fn rows(&self, rows: Range<usize>) -> Observed<'_> {
        Observed {
            positions: self.positions.slice(s![rows.clone(), ..]),
            actions: self.actions.slice(s![rows.clone(), ..]),
            resolutions: &[0.0; 8][..self.positions.ncols()],
            begins: &self.begins[rows],
        }
    }

    fn all(&self) -> Observed<'_> {
        self.rows(0..self.begins.len())
    }
}

fn encoding(positions: ArrayView2<f64>) -> Encoding {
    let channels = positions.ncols();
    let names: Vec<String> = (0..channels).map(|c| format!("x{c}")).collect();
    let identity = Disentangler::identity(channels);
    Encoding::fit(identity, &names, Scale::None, positions).unwrap()
}

fn state<'m>(model: &'m Model, recording: &Recording) -> State<'m> {
    let encoding = encoding(recording.positions.view());
    let channels = recording.positions.ncols();
    let language = Language {
        model,
        temperature: Temperature::default(),
        tolerance: Tolerance::default(),
    };
    let hinted = Hinted::new(language).unwrap();
    hinted
        .state(Start {
            encoding: &encoding,
            active: &(0..channels).collect::<Vec<_>>(),
            units: &vec![1.0; recording.actions.ncols()],
            rows: recording.begins.len(),
        })
        .unwrap()
}

#[track_caller]
fn close(ours: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (ours - expected).abs() <= tolerance,
        "{what}: {ours} {expected}"
    );
}

#[test]
fn densities_are_those_of_pytorch() {
    let model = model();
    for name in ["driven", "wave"] {
        let recording = Recording::golden(name);
        let (density, below) = (
            values(&format!("{name}_density")),
            values(&format!("{name}_below")),
        );
        let channels = recording.positions.ncols();
        let laws = state(&model, &recording).laws(recording.all()).unwrap();
        for (i, law) in laws.iter().enumerate() {
            let (t, c) = (i / channels, i % channels);
            let position = recording.positions[[t, c]];
            let what = format!("{name}, row {t}, channel {c}");
            let ours = law.log_density(&law.parts(position));
            close(ours, density[[c, t]], 1e-4, &what);
            close(law.cdf(position), below[[c, t]], 1e-4, &what);
        }
    }
}
