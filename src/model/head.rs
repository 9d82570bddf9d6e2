//! The output head over the 1000 number tokens.

use candle_core::Tensor;
use candle_nn::ops::softmax_last_dim;

use super::{Decoder, ModelError};
use crate::codec::BIN_COUNT;

/// The rows of the output head that belong to numbers: 1000 products a position instead of one for
/// every word of the vocabulary.
pub struct NumberHead {
    rows: Tensor,
}

impl NumberHead {
    /// Selects the rows of the number tokens 000 to 999.
    ///
    /// # Errors
    /// [`ModelError::Vocabulary`] if a token is outside the model's vocabulary.
    pub fn new(decoder: &Decoder, numbers: &[u32]) -> Result<Self, ModelError> {
        let vocabulary = decoder.config().vocab_size;
        if let Some(&token) = numbers.iter().find(|&&id| id as usize >= vocabulary) {
            return Err(ModelError::Vocabulary { token, vocabulary });
        }
        Ok(Self {
            rows: decoder.head_rows(numbers)?,
        })
    }

    /// Probabilities of the bins, row by row `[rows, 1000]`, of hidden states
    /// `[rows, hidden_size]`; logits are divided by `temperature` first.
    ///
    /// # Errors
    /// [`ModelError::NotFinite`] if a row's probabilities are not finite.
    pub fn probabilities(
        &self,
        decoder: &Decoder,
        hidden: &Tensor,
        temperature: f64,
    ) -> Result<Vec<f32>, ModelError> {
        let logits = decoder.logits(hidden, &self.rows)?;
        let logits = if temperature == 1.0 {
            logits
        } else {
            (logits / temperature)?
        };
        let mass: Vec<f32> = softmax_last_dim(&logits)?.flatten_all()?.to_vec1()?;
        let finite = |row: &[f32]| (row.iter().sum::<f32>() - 1.0).abs() < 1e-2;
        if mass.chunks(BIN_COUNT).all(finite) {
            Ok(mass)
        } else {
            Err(ModelError::NotFinite)
        }
    }
}
