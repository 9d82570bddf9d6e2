//! The program's reading of hints against PyTorch's (`tests/golden/make_hinted.py`), and against
//! itself: in pieces, forked, in batches.

use ndarray::{Array, Array2, ArrayView2, IxDyn, s};
use std::path::Path;

use super::distribution::MIN_DRAWN;
use super::*;
use crate::codec::{Scale, builtin_formats};
use crate::disentangle::Disentangler;
use crate::forecast::{Encoding, Tolerance};
use crate::model::{Device, Logits, Model, ModelSource, Precision};

#[path = "../../../../../tests/common/mod.rs"]
mod common;

use common::{array, golden};

fn model() -> Model {
    load(&golden("hinted"))
}

fn load(folder: &Path) -> Model {
    let source = ModelSource::Folder(folder.to_owned());
    let formats = builtin_formats().unwrap();
    Model::load(&source, &formats, Precision::F32, Device::Cpu).unwrap()
}

fn values(name: &str) -> Array<f64, IxDyn> {
    let (shape, values) = array::<f64>(&golden("hinted.npz"), name);
    Array::from_shape_vec(IxDyn(&shape), values).unwrap()
}

fn floats(name: &str) -> Array3<f32> {
    let (shape, values) = array::<f32>(&golden("hinted.npz"), name);
    Array3::from_shape_vec((shape[0], shape[1], shape[2]), values).unwrap()
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

fn state(model: &Model, recording: &Recording) -> State {
    let encoding = encoding(recording.positions.view());
    let channels = recording.positions.ncols();
    let language = Language {
        model: model.clone(),
        temperature: Temperature::default(),
        tolerance: Tolerance::default(),
    };
    let hinted = Hinted::new(language).unwrap();
    hinted
        .state(Start {
            encoding: &encoding,
            active: &(0..channels).collect::<Vec<_>>(),
            units: &vec![1.0; recording.actions.ncols()],
            timed: false,
            outcomes: &[],
            rows: recording.begins.len(),
            ahead: 0,
            calendar: None,
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
        let mut state = state(&model, &recording);
        let compare = |t: usize, c: usize, distribution: &Distribution| {
            let position = recording.positions[[t, c]];
            let what = format!("{name}, row {t}, channel {c}");
            let ours = distribution.log_density(&distribution.parts(position));
            close(ours, density[[c, t]], 1e-4, &what);
            close(distribution.cdf(position), below[[c, t]], 1e-4, &what);
        };
        state.read_all(recording.all(), compare).unwrap();
    }
}

/// Densities hide what a small weight of the gate covers.
#[test]
fn logits_are_those_of_pytorch() {
    let model = model();
    for (name, rows) in [("driven", [41, 42, 51, 89]), ("wave", [41, 42, 51, 69])] {
        let recording = Recording::golden(name);
        let (count, channels) = recording.positions.dim();
        let golden = ["digits", "residual", "gate"].map(|of| floats(&format!("{name}_{of}")));
        let mut state = state(&model, &recording);
        let (inputs, _) = state.read_experts(recording.all()).unwrap();
        let answers = state.window.read(&inputs.concat()).unwrap();
        for (c, (k, t)) in (0..channels).flat_map(|c| rows.iter().enumerate().map(move |r| (c, r)))
        {
            let answer = answers.row(c * count + t);
            let log_probabilities = |Logits { values, sum }: Logits| -> Vec<f32> {
                let values = values.iter();
                values.map(|logit| logit - sum.top - sum.log_sum).collect()
            };
            let ours = [
                log_probabilities(answer.digits),
                log_probabilities(answer.residual),
                answer.gate.to_vec(),
            ];
            for (ours, golden) in ours.iter().zip(&golden) {
                let golden = golden.slice(s![c, k, ..]);
                assert_eq!(ours.len(), golden.len());
                for (&ours, &golden) in ours.iter().zip(golden) {
                    let what = format!("{name}, row {t}, channel {c}");
                    close(f64::from(ours), f64::from(golden), 1e-4, &what);
                }
            }
        }
    }
}

fn masses(state: &mut State) -> Vec<f32> {
    let densities = Continuation::next_densities(state).unwrap();
    densities.masses.into_iter().collect()
}

#[track_caller]
fn same(a: &[f32], b: &[f32], what: &str) {
    assert_eq!(a.len(), b.len());
    let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    let most = apart.fold(0.0, f32::max);
    assert!(most < 1e-5, "{what}: masses {most} apart");
}

/// In pieces with looks ahead in between, among them one at a row that turns out to begin an episode.
#[test]
fn rows_may_come_one_by_one() {
    come_one_by_one(&model());
    // Also where the window is full and the model begins again.
    come_one_by_one(&load(narrow(64).path()));
}

fn come_one_by_one(model: &Model) {
    let recording = Recording::golden("driven");
    let rows = recording.begins.len();
    let mut whole = state(model, &recording);
    let at_once = whole.observe(recording.all(), 0..rows).unwrap();
    let mut pieces = state(model, &recording);
    for t in 0..rows {
        if t % 3 == 0 || recording.begins[t] {
            let next = masses(&mut pieces);
            if !recording.begins[t] {
                let known = at_once.masses.slice(s![t, .., ..]);
                same(&next, &known.iter().copied().collect::<Vec<_>>(), "ahead");
            }
        }
        let read = pieces.observe(recording.rows(t..t + 1), 0..1).unwrap();
        let (here, there) = (read.masses.iter(), at_once.masses.slice(s![t, .., ..]));
        let here: Vec<f32> = here.copied().collect();
        same(&here, &there.iter().copied().collect::<Vec<_>>(), "row");
    }
    same(&masses(&mut pieces), &masses(&mut whole), "behind all rows");
}

/// All paths of a fork that go the same way say the same, whatever their number, and at first what
/// their context says.
#[test]
fn forks_go_on_as_their_context_would() {
    let (model, recording) = (model(), Recording::golden("driven"));
    let (context, rows, channels) = (60, 66, 3);
    let count = 3;
    let paths = Paths {
        first: 0,
        count,
        seed: 1,
    };
    let mut start = state(&model, &recording);
    start.observe(recording.rows(0..context), 0..0).unwrap();
    // What was looked at before a fork must not be read twice.
    let known = masses(&mut start);
    let mut forked = start.fork(paths, 10).unwrap();
    let mut alone = start.fork(Paths { count: 1, ..paths }, 10).unwrap();
    for t in context..rows {
        let many = forked.next_densities().unwrap();
        let one = alone.next_densities().unwrap();
        if t == context {
            same(&known, one.masses.as_slice().unwrap(), "first row");
        }
        for c in 0..channels {
            for path in 0..count {
                same(&many.mass(0, c * count + path), &one.mass(0, c), "path");
            }
        }
        let position = |c: usize| Point::at(recording.positions[[t, c]]);
        let row: Vec<Point> = (0..channels).map(position).collect();
        let actions: Vec<f64> = recording.actions.row(t).to_vec();
        let points = row.iter().flat_map(|&p| std::iter::repeat_n(p, count));
        let points: Vec<Point> = points.collect();
        forked.advance(&points, &actions.repeat(count)).unwrap();
        alone.advance(&row, &actions).unwrap();
    }
    same(&masses(&mut start), &known, "the context stays as it was");
}

/// A path that begins anew in the middle reads no hint of that row.
#[test]
fn a_path_may_begin_an_episode() {
    let (model, recording) = (model(), Recording::golden("driven"));
    let begins = recording.begins.iter().rposition(|&b| b).unwrap();
    let mut rows = state(&model, &recording);
    rows.observe(recording.rows(0..begins + 1), 0..0).unwrap();
    let mut path = state(&model, &recording);
    path.observe(recording.rows(0..begins), 0..0).unwrap();
    masses(&mut path);
    path.begin(&[0]);
    let values = recording.positions.row(begins).mapv(Point::at).to_vec();
    let actions = recording.actions.row(begins).to_vec();
    path.advance(&values, &actions).unwrap();
    same(&masses(&mut path), &masses(&mut rows), "behind a beginning");
}

/// A bin of a residual is wide far out, where a narrow component may lie: masses must be those of
/// the mixture's distribution all the same.
#[test]
fn masses_and_draws_are_those_of_the_mixture() {
    let (model, recording) = (model(), Recording::golden("wave"));
    let compare = |t: usize, _: usize, distribution: &Distribution| {
        if t < 5 {
            return;
        }
        let (masses, grid) = (distribution.masses(), distribution.grid());
        let sum: f32 = masses.iter().sum();
        close(f64::from(sum), 1.0, 1e-4, "sum");
        let below: f32 = masses[..700].iter().sum();
        close(
            f64::from(below),
            distribution.cdf(grid.edge(700)),
            1e-4,
            "distribution",
        );
        for level in [0.02, 0.3, 0.9] {
            let drawn = distribution.draw(level);
            close(
                distribution.mixed(MIN_DRAWN).cdf(drawn),
                level,
                1e-5,
                "draw",
            );
        }
    };
    let mut state = state(&model, &recording);
    state.read_all(recording.all(), compare).unwrap();
}

/// The gate learned from what a temperature made of its components, and normals stayed as they were:
/// a high one made densities narrower.
#[test]
fn a_higher_temperature_is_wider() {
    let (model, recording) = (model(), Recording::golden("driven"));
    let at = |temperature: f64| {
        let mut state = state(&model, &recording);
        state.temperature = Temperature::new(temperature).unwrap();
        state
    };
    let width = |temperature: f64| {
        let mut widths = Vec::new();
        let width = |_: usize, _: usize, distribution: &Distribution| {
            widths.push((distribution.draw(0.9) - distribution.draw(0.1)).ln());
        };
        at(temperature).read_all(recording.all(), width).unwrap();
        widths.iter().skip(9).sum::<f64>() / (widths.len() - 9) as f64
    };
    let [cold, as_it_is, hot] = [0.5, 1.0, 2.0].map(width);
    assert!(cold < as_it_is && as_it_is < hot, "{cold} {as_it_is} {hot}");
    let finite = |_: usize, _: usize, distribution: &Distribution| {
        let sum: f32 = distribution.masses().iter().sum();
        assert!(distribution.draw(0.5).is_finite() && (sum - 1.0).abs() < 1e-3);
    };
    at(1e-50).read_all(recording.all(), finite).unwrap();
}

/// A copy of the model's folder.
fn copied() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(golden("hinted")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    folder
}

/// A copy of the model that reads so many rows.
fn narrow(window: usize) -> tempfile::TempDir {
    let folder = copied();
    let path = folder.path().join("config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
    config["max_position_embeddings"] = window.into();
    std::fs::write(path, config.to_string()).unwrap();
    folder
}

/// Inputs of a recording's rows, of the first channel.
fn inputs(state: &mut State, recording: &Recording) -> Vec<RowInput> {
    state
        .read_experts(recording.all())
        .unwrap()
        .0
        .swap_remove(0)
}

fn same_answers(a: &Answers, at: usize, b: &Answers, from: usize, rows: usize) {
    for row in 0..rows {
        let (a, b) = (a.row(at + row), b.row(from + row));
        same(a.digits.values, b.digits.values, "digits");
        same(a.residual.values, b.residual.values, "residual");
        same(a.gate, b.gate, "gate");
    }
}

#[test]
fn a_full_window_begins_again_with_its_later_half() {
    let folder = narrow(32);
    let (wide, narrow) = (model(), load(folder.path()));
    let recording = Recording::golden("wave");
    let inputs = inputs(&mut state(&wide, &recording), &recording);
    let window = |model, rows| Window::new(model, 1, rows).unwrap();
    let (wide, narrow) = (wide.hinted().unwrap(), narrow.hinted().unwrap());
    let mut cut = window(narrow, inputs.len());
    let read: Vec<Answers> = inputs
        .chunks(16)
        .map(|rows| cut.read(rows).unwrap())
        .collect();
    // A context of a window is read as ever.
    let whole = window(wide.clone(), 70).read(&inputs).unwrap();
    same_answers(&read[0], 0, &whole, 0, 16);
    same_answers(&read[1], 0, &whole, 16, 16);
    // Chunk 2 follows rows 16..32, chunk 3 rows 32..48.
    for chunk in [2, 3] {
        let first = 16 * (chunk - 1);
        let later = window(wide.clone(), 32)
            .read(&inputs[first..first + 32])
            .unwrap();
        same_answers(&read[chunk], 0, &later, 16, 16);
    }
}

/// A path must have room for all of its steps, and its context be the last rows that leave it.
#[test]
fn forks_of_a_full_window_read_it_again_from_later_on() {
    let folder = narrow(32);
    let (wide, narrow) = (model(), load(folder.path()));
    let recording = Recording::golden("wave");
    let inputs = inputs(&mut state(&wide, &recording), &recording);
    let mut window = Window::new(narrow.hinted().unwrap(), 1, 70).unwrap();
    inputs[..30]
        .chunks(16)
        .for_each(|rows| drop(window.read(rows).unwrap()));
    for skipped in [0, 1] {
        let end = 30 - skipped;
        let mut forked = window.fork(2, 12, skipped).unwrap();
        let input = inputs[end];
        let ours = forked.read(&[input, input]).unwrap();
        let mut later = Window::new(wide.hinted().unwrap(), 1, 32).unwrap();
        let rows = later.read(&inputs[end - 20..=end]).unwrap();
        for path in 0..2 {
            same_answers(&ours, path, &rows, 20, 1);
        }
    }
}

/// Experts learn from rows that the model passes, and the model begins after them.
#[test]
fn passed_rows_teach_the_experts() {
    let (model, recording) = (model(), Recording::golden("driven"));
    let rows = recording.begins.len();
    let mut whole = state(&model, &recording);
    let read = whole.observe(recording.all(), 60..rows).unwrap();
    let mut passed = state(&model, &recording);
    masses(&mut passed);
    passed.pass(recording.rows(0..60)).unwrap();
    let rest = passed
        .observe(recording.rows(60..rows), 0..rows - 60)
        .unwrap();
    assert_eq!(read.grids, rest.grids);
    let sums = rest.masses.sum_axis(ndarray::Axis(2));
    assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-4));
    assert_eq!(passed.window.fork(1, 1, 0).unwrap().batch(), 3);
}

/// A copy of the model's folder in which one number is not.
fn damaged(tensor: &str) -> tempfile::TempDir {
    let folder = copied();
    let path = folder.path().join("reading.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let start = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..start]).unwrap();
    let at = start + header[tensor]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(path, bytes).unwrap();
    folder
}

/// All paths went to one place without a word.
#[test]
fn weights_of_the_gate_that_are_no_numbers_are_refused() {
    let formats = builtin_formats().unwrap();
    for tensor in ["gate.bias", "trust"] {
        let folder = damaged(tensor);
        let source = ModelSource::Folder(folder.path().to_owned());
        let refused = Model::load(&source, &formats, Precision::F32, Device::Cpu);
        let error = refused.err().unwrap().to_string();
        assert!(error.contains(tensor), "{error}");
    }
}
