//! A language model's laws behind all windows of so many states.

use ndarray::Array2;

use super::inference::{law_of_states, scale_of_states};
use super::windows::{spelled, windows};
use super::{AnalysisError, WindowChain};
use crate::codec::{Axis, BIN_COUNT, Bin};
use crate::density::BinnedDensity;
use crate::forecast::{Language, Session};

/// Most sequences that are read at once.
const MOST_AT_ONCE: usize = 4096;

/// The chain that a language model is over windows of `window` of so many states, shown as
/// [`infer`](super::infer) shows them and with nothing before them.
///
/// All windows that begin alike share what was read of their beginnings, so that there is little more to read than one
/// value a window.
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
    let axis = Axis::fit(scale, [0.0, 1.0].into_iter())
        .expect("0 and 1 differ, and the limits were checked");
    let bin = |state: usize| Bin::quantise(axis.position(state as f64)).bin;
    let mut apart = 0;
    while states.pow(apart as u32 + 1) <= MOST_AT_ONCE && apart < window {
        apart += 1;
    }
    let beginnings = count / states.pow(apart as u32);
    let mut laws = Vec::with_capacity(count * states);
    for beginning in 0..beginnings {
        let before: Vec<Bin> = spelled(beginning, states, window - apart)
            .map(bin)
            .collect();
        let before = Array2::from_shape_vec((before.len(), 1), before)
            .expect("one column of as many values as there are");
        let mut session = Session::empty(
            &language.model,
            1,
            window,
            language.temperature,
            language.tolerance,
        )?;
        session.extend(&before, 0..0)?;
        for depth in 0..apart {
            session = session.fork(states, apart - depth)?;
            let batch = session.batch();
            let values: Vec<Bin> = (0..batch).map(|path| bin(path % states)).collect();
            session.advance(&values)?;
        }
        for mass in session.next_densities()?.chunks(BIN_COUNT) {
            let density = BinnedDensity::new(axis, mass).ok_or(AnalysisError::NoDensity)?;
            laws.extend(law_of_states(&density, states).iter().map(|&p| p as f32));
        }
        progress((beginning + 1) as f64 / beginnings as f64);
    }
    let laws = Array2::from_shape_vec((count, states), laws).expect("a law a window");
    WindowChain::new(window, laws)
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::codec::builtin_formats;
    use crate::forecast::{Temperature, Tolerance};
    use crate::model::{Device, Model, ModelSource, Precision};

    /// Sharing beginnings changes nothing: every law is that of its window read alone.
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
            let bins = spelled(number, states, window);
            let bins = bins.map(|state| Bin::quantise(axis.position(state as f64)).bin);
            let context = Array2::from_shape_vec((window, 1), bins.collect()).unwrap();
            let (temperature, tolerance) = (Temperature::default(), Tolerance::default());
            let started = Session::start(&model, &context, temperature, tolerance, 0..0);
            let mass = started.unwrap().0.next_densities().unwrap();
            let law = law_of_states(&BinnedDensity::new(axis, &mass).unwrap(), states);
            for (found, expected) in chain.laws().row(number).iter().zip(law) {
                assert!((f64::from(*found) - expected).abs() < 1e-4);
            }
        }
        let refused = chain_of_windows(&language, 10, 7, &|_| ()).unwrap_err();
        assert!(refused.to_string().contains("10^7"), "{refused}");
    }
}
