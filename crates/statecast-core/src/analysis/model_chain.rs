//! A language model's next-state distributions after all windows of states.

use ndarray::Array2;

use super::inference::{scale_of_states, state_probabilities};
use super::windows::{window_states, windows};
use super::{AnalysisError, WindowChain};
use crate::codec::{Axis, BIN_COUNT, Bin};
use crate::density::BinnedDensity;
use crate::forecast::{Language, Session};

/// Largest number of sequences in a batch.
const MAX_BATCH: usize = 4096;

/// Computes a language model's chain over windows of `window` states, encoded as in
/// [`infer`](super::infer) without further context.
///
/// Windows with a common prefix share its computation, which leaves little more than one value per
/// window to read.
///
/// # Errors
/// [`AnalysisError::Windows`] if there are more than a million windows, [`AnalysisError::States`] for more than 50
/// states, and what the model reports.
pub fn chain_of_windows(
    language: &Language,
    states: usize,
    window: usize,
    progress: &dyn Fn(f64),
) -> Result<WindowChain, AnalysisError> {
    let count = windows(states, window)?;
    let scale = scale_of_states(states)?;
    let axis =
        Axis::fit(scale, [0.0, 1.0].into_iter()).expect("0 and 1 differ, and the scale is valid");
    let bin = |state: usize| Bin::quantise(axis.position(state as f64)).bin;
    let mut branched = 0;
    while states.pow(branched as u32 + 1) <= MAX_BATCH && branched < window {
        branched += 1;
    }
    let prefixes = count / states.pow(branched as u32);
    let mut distributions = Vec::with_capacity(count * states);
    for prefix in 0..prefixes {
        let before: Vec<Bin> = window_states(prefix, states, window - branched)
            .map(bin)
            .collect();
        let before = Array2::from_shape_vec((before.len(), 1), before)
            .expect("one column with one value per row");
        let mut session = Session::empty(
            &language.model,
            1,
            window,
            language.temperature,
            language.tolerance,
        )?;
        session.extend(&before, 0..0)?;
        for depth in 0..branched {
            session = session.fork(states, branched - depth)?;
            let batch = session.batch();
            let values: Vec<Bin> = (0..batch).map(|path| bin(path % states)).collect();
            session.advance(&values)?;
        }
        for mass in session.next_densities()?.chunks(BIN_COUNT) {
            let density = BinnedDensity::new(axis, mass).ok_or(AnalysisError::NoDensity)?;
            distributions.extend(
                state_probabilities(&density, states)
                    .iter()
                    .map(|&p| p as f32),
            );
        }
        progress((prefix + 1) as f64 / prefixes as f64);
    }
    let distributions = Array2::from_shape_vec((count, states), distributions)
        .expect("one distribution per window");
    WindowChain::new(window, distributions)
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::codec::builtin_formats;
    use crate::forecast::{Temperature, Tolerance};
    use crate::model::{Device, Model, ModelSource, Precision};

    /// Shared prefixes do not change results: every distribution equals that of its window read
    /// alone.
    #[test]
    fn laws_are_those_of_their_windows() {
        let formats = builtin_formats().unwrap();
        let source = ModelSource::Builtin;
        let model = Model::load(&source, &formats, Precision::F32, Device::Cpu).unwrap();
        let language = Language {
            model: model.clone(),
            temperature: Temperature::default(),
            tolerance: Tolerance::default(),
        };
        // Sixteen states, so that a window of four has beginnings of its own.
        let (states, window) = (16, 4);
        let chain = chain_of_windows(&language, states, window, &|_| ()).unwrap();
        assert_eq!(chain.windows(), 65536);
        let axis = Axis::Span {
            min: 0.0,
            max: 15.0,
        };
        for number in [0, 1, 777, 40_000, 65_535] {
            let bins = window_states(number, states, window);
            let bins = bins.map(|state| Bin::quantise(axis.position(state as f64)).bin);
            let context = Array2::from_shape_vec((window, 1), bins.collect()).unwrap();
            let (temperature, tolerance) = (Temperature::default(), Tolerance::default());
            let started = Session::start(&model, &context, temperature, tolerance, 0..0);
            let mass = started.unwrap().0.next_densities().unwrap();
            let distribution =
                state_probabilities(&BinnedDensity::new(axis, &mass).unwrap(), states);
            for (found, expected) in chain.distributions().row(number).iter().zip(distribution) {
                assert!((f64::from(*found) - expected).abs() < 1e-4);
            }
        }
        let refused = chain_of_windows(&language, 10, 7, &|_| ()).unwrap_err();
        assert!(refused.to_string().contains("10^7"), "{refused}");
    }
}
