//! A model that is ready to read numbers.

use candle_core::Device;
use candle_nn::ops::softmax_last_dim;

use super::{Checkpoint, Decoder, ModelError, ModelSource, NumberHead, Precision, Weights};
use crate::codec::{Bin, PromptFormat, TokenTable};

/// What a result says about the model that made it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ModelInfo {
    /// As the user named it.
    pub id: String,
    /// SHA-256 of the weights files.
    pub sha256: String,
    /// Name of the prompt format that its tokenizer was found to support.
    pub prompt: String,
    /// Tokens that it can read.
    pub window: usize,
}

/// A decoder, its head over numbers, and the tokens that write numbers for it.
pub struct Model {
    source: ModelSource,
    weights: Weights,
    tokens: TokenTable,
    decoder: Decoder,
    head: NumberHead,
}

impl Model {
    /// Loads a model and audits its tokenizer on the given prompt formats, of which the first that
    /// fits is used.
    ///
    /// # Errors
    /// Any [`ModelError`]; the message names the file.
    ///
    /// ```
    /// use candle_core::Device;
    /// use statecast::codec::builtin_formats;
    /// use statecast::model::{Model, ModelSource, Precision};
    ///
    /// let formats = builtin_formats()?;
    /// let model = Model::load(&ModelSource::Builtin, &formats, Precision::F32, &Device::Cpu)?;
    /// assert_eq!(model.tokens().stride(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn load(
        source: &ModelSource,
        formats: &[PromptFormat],
        precision: Precision,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let checkpoint = Checkpoint::open(source, precision, device)?;
        let tokens = checkpoint.tokens(formats)?;
        Self::of(checkpoint, tokens)
    }

    /// Loads a checkpoint that was opened, to be read by the tokens of an audited format.
    ///
    /// # Errors
    /// Any [`ModelError`]; the message names the file.
    pub fn of(checkpoint: Checkpoint, tokens: TokenTable) -> Result<Self, ModelError> {
        let decoder = Decoder::load(checkpoint.config, &checkpoint.weights)?;
        let head = NumberHead::new(&decoder, tokens.places())?;
        Ok(Self {
            source: checkpoint.source,
            weights: checkpoint.weights,
            tokens,
            decoder,
            head,
        })
    }

    /// What a result should say about this model. Reads the weights once more to hash them.
    ///
    /// # Errors
    /// [`ModelError::Read`] if the weights can no longer be read.
    pub fn info(&self) -> Result<ModelInfo, ModelError> {
        Ok(ModelInfo {
            id: self.source.to_string(),
            sha256: self.weights.sha256()?,
            prompt: self.tokens.format().name.clone(),
            window: self.window(),
        })
    }

    /// Mean probability that the model gives, where a symbol of a number is due in this series, to
    /// tokens that are none.
    ///
    /// # Errors
    /// [`ModelError`] if the model fails or memory runs out.
    pub fn off_grammar_mass(&self, series: &[Bin]) -> Result<f64, ModelError> {
        let mut ids = self.tokens.prefix().to_vec();
        series
            .iter()
            .for_each(|&bin| self.tokens.push(&mut ids, bin));
        let mut cache = self.decoder.cache(1, ids.len())?;
        let hidden = self.decoder.forward(&ids, &mut cache)?.squeeze(0)?;
        let (mut outside, mut count) = (0.0, 0);
        for t in 0..series.len() {
            for (place, symbols) in self.tokens.places().iter().enumerate() {
                let Some(position) = self.tokens.read_position(t, place) else {
                    continue;
                };
                let row = self
                    .decoder
                    .vocabulary_logits(&hidden.narrow(0, position, 1)?)?;
                let mass: Vec<f32> = softmax_last_dim(&row)?.flatten_all()?.to_vec1()?;
                let inside: f64 = symbols
                    .symbols
                    .iter()
                    .map(|&id| f64::from(mass[id as usize]))
                    .sum();
                outside += 1.0 - inside;
                count += 1;
            }
        }
        // Rounding can leave a little less than nothing.
        Ok((outside / f64::from(count.max(1))).max(0.0))
    }

    /// Tokens that the model can read, prompt and forecast together.
    pub fn window(&self) -> usize {
        self.decoder.config().window
    }

    /// The tokens that write numbers for this model.
    pub fn tokens(&self) -> &TokenTable {
        &self.tokens
    }

    /// The decoder.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// The head over the 1000 numbers.
    pub fn head(&self) -> &NumberHead {
        &self.head
    }
}
