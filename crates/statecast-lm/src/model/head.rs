//! The output head over the symbols that write numbers.

use candle_core::{Result, Tensor};

use super::linear::Matrix;
use super::{Decoder, ModelError};
use crate::codec::Place;

/// The rows of the output head that belong to numbers: 1000 products a position, or ten for a
/// digit, instead of one for every word of the vocabulary.
pub struct NumberHead {
    /// Rows `[symbols, hidden_size]`, one matrix a place.
    places: Vec<Matrix>,
}

impl NumberHead {
    /// Selects the rows of the symbols.
    ///
    /// # Errors
    /// [`ModelError::Vocabulary`] if a token is outside the model's vocabulary.
    pub fn new(decoder: &Decoder, places: &[Place]) -> std::result::Result<Self, ModelError> {
        check_vocabulary(places, decoder.config().vocab_size)?;
        let places = places
            .iter()
            .map(|place| decoder.head_rows(&place.symbols))
            .collect::<Result<_>>()?;
        Ok(Self { places })
    }

    /// Logits `[rows, symbols]` in F32 of the symbols at a place, of hidden states
    /// `[rows, hidden_size]`.
    ///
    /// # Errors
    /// If memory runs out.
    pub fn logits(&self, decoder: &Decoder, hidden: &Tensor, place: usize) -> Result<Tensor> {
        decoder.logits(hidden, &self.places[place])
    }
}

/// Refuses symbols outside a vocabulary.
pub(super) fn check_vocabulary(
    places: &[Place],
    vocabulary: usize,
) -> std::result::Result<(), ModelError> {
    let mut ids = places.iter().flat_map(|place| &place.symbols);
    match ids.find(|&&id| id as usize >= vocabulary) {
        Some(&token) => Err(ModelError::Vocabulary { token, vocabulary }),
        None => Ok(()),
    }
}
