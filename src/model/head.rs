//! The output head over the symbols that write numbers.

use candle_core::Tensor;
use candle_nn::ops::softmax_last_dim;

use super::{Decoder, ModelError};
use crate::codec::Place;

/// The rows of the output head that belong to numbers: 1000 products a position, or ten for a
/// digit, instead of one for every word of the vocabulary.
pub struct NumberHead {
    /// Rows `[symbols, hidden_size]`, one tensor a place.
    places: Vec<Tensor>,
}

impl NumberHead {
    /// Selects the rows of the symbols.
    ///
    /// # Errors
    /// [`ModelError::Vocabulary`] if a token is outside the model's vocabulary.
    pub fn new(decoder: &Decoder, places: &[Place]) -> Result<Self, ModelError> {
        let vocabulary = decoder.config().vocab_size;
        let places = places
            .iter()
            .map(|place| {
                let outside = place.symbols.iter().find(|&&id| id as usize >= vocabulary);
                if let Some(&token) = outside {
                    return Err(ModelError::Vocabulary { token, vocabulary });
                }
                Ok(decoder.head_rows(&place.symbols)?)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { places })
    }

    /// Probabilities of the symbols at a place, row by row `[rows, symbols]`, of hidden states
    /// `[rows, hidden_size]`; logits are divided by `temperature` first.
    ///
    /// # Errors
    /// [`ModelError::NotFinite`] if a row's probabilities are not finite.
    pub fn probabilities(
        &self,
        decoder: &Decoder,
        hidden: &Tensor,
        place: usize,
        temperature: f64,
    ) -> Result<Vec<f32>, ModelError> {
        let rows = &self.places[place];
        let logits = decoder.logits(hidden, rows)?;
        let logits = if temperature == 1.0 {
            logits
        } else {
            (logits / temperature)?
        };
        let symbols = rows.dim(0)?;
        let mass: Vec<f32> = softmax_last_dim(&logits)?.flatten_all()?.to_vec1()?;
        let finite = |row: &[f32]| (row.iter().sum::<f32>() - 1.0).abs() < 1e-2;
        if mass.chunks(symbols).all(finite) {
            Ok(mass)
        } else {
            Err(ModelError::NotFinite)
        }
    }
}
