//! How many requests a forecast may take.

use crate::codec::TokenTable;
use crate::model::Work;

/// Most requests that a server may get for a context.
///
/// ```
/// use statecast_lm::codec::builtin_formats;
/// use statecast_lm::model::{Device, Model, ModelSource, MostRequests, Precision, Work};
/// let formats = builtin_formats()?;
/// let model = Model::load(&ModelSource::Builtin, &formats, Precision::Auto, Device::Cpu)?;
/// let work = Work { channels: 2, rows: 10, paths: 5, horizon: 3 };
/// let most = MostRequests::of(model.tokens(), false, work);
/// assert_eq!((most.densities, most.paths), (20, 30)); // one token a number: nothing to refine
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MostRequests {
    /// For the densities of its rows.
    pub densities: usize,
    /// For all paths after it.
    pub paths: usize,
}

impl MostRequests {
    /// Counts the requests of a forecast by a tokenizer; `contexts` if one request covers a whole
    /// context.
    pub fn of(tokens: &TokenTable, contexts: bool, work: Work) -> Self {
        let places = tokens.places().len();
        // After every first digit, and after every first and second.
        let refined: usize = (1..places).map(|digits| 10usize.pow(digits as u32)).sum();
        let read = if contexts { 0 } else { places };
        let rows = work.rows * (read + refined) + usize::from(contexts);
        Self {
            densities: work.channels * rows,
            paths: work.channels * work.paths * work.horizon * places,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::builtin_formats;

    #[test]
    fn requests_are_counted_for_densities_and_paths() {
        let json = include_bytes!("../../../models/builtin/tokenizer.json");
        let tokenizer = tokenizers::Tokenizer::from_bytes(json).unwrap();
        let tokens = TokenTable::choose(&tokenizer, &builtin_formats().unwrap()).unwrap();
        let work = Work {
            channels: 2,
            rows: 10,
            paths: 5,
            horizon: 3,
        };
        let of = |contexts| {
            let most = MostRequests::of(&tokens, contexts, work);
            (most.densities, most.paths)
        };
        assert_eq!([of(false), of(true)], [(20, 30), (2, 30)]);
    }
}
