//! Loaded models.

use std::sync::Arc;

use candle_nn::ops::softmax_last_dim;

#[cfg(feature = "foreign")]
use super::foreign::Foreign;
use super::hinted::HintsNetwork;
use super::network::{LanguageModel, Own};
use super::{
    Architecture, Checkpoint, Decoder, Device, ForeignConfig, HintedModel, ModelError, ModelSource,
    ModelWeights, NumberHead, Precision, ServerAddress,
};
#[cfg(feature = "served")]
use super::{Served, Server};
use crate::codec::{Bin, PromptFormat, TokenTable, builtin_formats};

/// Most values of the sine on which the off-grammar probability is measured.
const SINE_ROWS: usize = 64;

/// Description of a model in results.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ModelInfo {
    /// Name as given by the user.
    pub id: String,
    /// SHA-256 of the weights files; 'unknown' for a served model.
    pub sha256: String,
    /// Name of the prompt format that its tokenizer supports.
    pub prompt: String,
    /// Window in tokens.
    pub window: usize,
}

/// A language model with its number tokens. A clone is another handle of the same weights.
#[derive(Clone)]
pub struct Model(Arc<Loaded>);

struct Loaded {
    source: ModelSource,
    /// `None` for a served model.
    weights: Option<ModelWeights>,
    tokens: TokenTable,
    network: Network,
}

enum Network {
    Own(Arc<Own>, Option<Arc<HintsNetwork>>),
    #[cfg(feature = "foreign")]
    Foreign(Arc<Foreign>),
    #[cfg(feature = "served")]
    Served(Arc<Served>),
}

impl Model {
    /// Loads the bundled model in the precision of its file, on the CPU.
    ///
    /// # Errors
    /// [`ModelError`] if memory runs out.
    pub fn builtin() -> Result<Self, ModelError> {
        let (source, formats) = (ModelSource::Builtin, builtin_formats()?);
        Self::load(&source, &formats, Precision::Auto, Device::Cpu)
    }

    /// Loads a model and selects the first prompt format that its tokenizer supports.
    ///
    /// # Errors
    /// Any [`ModelError`]; the message names the file.
    ///
    /// ```
    /// use statecast_lm::codec::builtin_formats;
    /// use statecast_lm::model::{Device, Model, ModelSource, Precision};
    ///
    /// let formats = builtin_formats()?;
    /// let model = Model::load(&ModelSource::Builtin, &formats, Precision::F32, Device::Cpu)?;
    /// assert_eq!(model.tokens().stride(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn load(
        source: &ModelSource,
        formats: &[PromptFormat],
        precision: Precision,
        device: Device,
    ) -> Result<Self, ModelError> {
        if let ModelSource::Served(address) = source {
            return served(address, formats);
        }
        let checkpoint = Checkpoint::open(source, precision, device)?;
        let tokens = checkpoint.tokens(formats)?;
        Self::of(checkpoint, tokens)
    }

    /// Returns the model of a server (feature `served`), read by the tokens of an audited format.
    ///
    /// # Errors
    /// [`ModelError::Served`] if the server cannot read them.
    #[cfg(feature = "served")]
    pub fn served(server: Server, tokens: TokenTable) -> Result<Self, ModelError> {
        let served = server.model(&tokens)?;
        Ok(Self(Arc::new(Loaded {
            source: ModelSource::Served(served.address().clone()),
            weights: None,
            tokens,
            network: Network::Served(Arc::new(served)),
        })))
    }

    /// Loads an opened checkpoint, read by the tokens of an audited format.
    ///
    /// # Errors
    /// Any [`ModelError`]; the message names the file.
    pub fn of(checkpoint: Checkpoint, tokens: TokenTable) -> Result<Self, ModelError> {
        let network = match &checkpoint.architecture {
            Architecture::Described(config) => {
                let decoder = Decoder::load((**config).clone(), &checkpoint.weights)?;
                let head = NumberHead::new(&decoder, tokens.places())?;
                let hints = checkpoint.hints;
                let hints = hints.map(|hints| hints.load(&decoder, &tokens, &checkpoint.weights));
                let hints = hints.transpose()?.map(Arc::new);
                Network::Own(Arc::new(Own { decoder, head }), hints)
            }
            Architecture::Foreign(config) => foreign(config, &checkpoint, &tokens)?,
        };
        Ok(Self(Arc::new(Loaded {
            source: checkpoint.source,
            weights: Some(checkpoint.weights),
            tokens,
            network,
        })))
    }

    /// Returns the source of the model.
    pub fn source(&self) -> &ModelSource {
        &self.0.source
    }

    /// Returns the description of the model for results. Reads the weights again to hash them.
    ///
    /// # Errors
    /// [`ModelError::Read`] if the weights can no longer be read.
    pub fn info(&self) -> Result<ModelInfo, ModelError> {
        let weights = self.all_weights();
        Ok(ModelInfo {
            id: self.0.source.to_string(),
            sha256: match weights.is_empty() {
                true => "unknown".to_owned(),
                false => ModelWeights::sha256_of(&weights)?,
            },
            prompt: self.0.tokens.format().name.clone(),
            window: self.window(),
        })
    }

    /// Returns the [off-grammar probability](Self::off_grammar_mass) of a sine, and the number of its values: 64, or as
    /// many as fit into the window.
    ///
    /// # Errors
    /// [`ModelError`] if the model fails or memory runs out.
    pub fn off_grammar_mass_of_sine(&self) -> Result<(f64, usize), ModelError> {
        let rows = self.tokens().rows_in(self.window()).min(SINE_ROWS);
        let value = |t: usize| 5.0 + 3.5 * (0.3 * t as f64).sin();
        let sine: Vec<Bin> = (0..rows).map(|t| Bin::quantise(value(t)).bin).collect();
        Ok((self.off_grammar_mass(&sine)?, rows))
    }

    /// Returns the mean off-grammar probability: that of other tokens where a symbol of a number is
    /// expected in this series.
    ///
    /// # Errors
    /// [`ModelError`] if the model fails or memory runs out.
    pub fn off_grammar_mass(&self, series: &[Bin]) -> Result<f64, ModelError> {
        let mut ids = self.0.tokens.prefix().to_vec();
        series
            .iter()
            .for_each(|&bin| self.0.tokens.push(&mut ids, bin));
        let logits = self.network().vocabulary_logits(&ids)?;
        let (mut outside, mut count) = (0.0, 0);
        for t in 0..series.len() {
            for (place, symbols) in self.0.tokens.places().iter().enumerate() {
                let Some(position) = self.0.tokens.read_position(t, place) else {
                    continue;
                };
                let row = logits.narrow(0, position, 1)?;
                let mass: Vec<f32> = softmax_last_dim(&row)?.flatten_all()?.to_vec1()?;
                let inside: f64 = symbols
                    .symbols
                    .iter()
                    .map(|&id| f64::from(mass[id as usize]))
                    .sum();
                if !inside.is_finite() {
                    return Err(ModelError::NotFinite);
                }
                outside += 1.0 - inside;
                count += 1;
            }
        }
        // Rounding can make it slightly negative.
        Ok((outside / f64::from(count.max(1))).max(0.0))
    }

    /// Returns the weights of the digits' decoder and, if separate, of the hints' decoder.
    fn all_weights(&self) -> Vec<&ModelWeights> {
        let hints = match &self.0.network {
            Network::Own(_, Some(hints)) => hints.weights(),
            _ => None,
        };
        self.0.weights.iter().chain(hints).collect()
    }

    /// Returns the bytes of the weights in memory.
    pub fn bytes(&self) -> u64 {
        let weights = self.all_weights();
        weights.iter().map(|of| of.bytes_in_memory()).sum()
    }

    /// Returns the window in tokens, for prompt and forecast together.
    pub fn window(&self) -> usize {
        self.network().window()
    }

    /// Returns the number tokens of this model.
    pub fn tokens(&self) -> &TokenTable {
        &self.0.tokens
    }

    /// Returns its backend.
    pub fn network(&self) -> Arc<dyn LanguageModel> {
        match &self.0.network {
            Network::Own(own, _) => own.clone(),
            #[cfg(feature = "foreign")]
            Network::Foreign(foreign) => foreign.clone(),
            #[cfg(feature = "served")]
            Network::Served(served) => served.clone(),
        }
    }

    /// Returns its server, if it is served (feature `served`).
    #[cfg(feature = "served")]
    pub fn server(&self) -> Option<&Served> {
        match &self.0.network {
            Network::Served(served) => Some(served),
            _ => None,
        }
    }

    /// Returns the decoder, if it is the built-in implementation.
    pub fn decoder(&self) -> Option<&Decoder> {
        match &self.0.network {
            Network::Own(own, _) => Some(&own.decoder),
            #[cfg(any(feature = "foreign", feature = "served"))]
            _ => None,
        }
    }

    /// Returns the model for hints, if it was trained with them.
    pub fn hinted(&self) -> Option<HintedModel> {
        match &self.0.network {
            Network::Own(own, Some(hints)) => Some(HintedModel::new(own.clone(), hints.clone())),
            _ => None,
        }
    }
}

/// Returns the model at an address.
#[cfg(feature = "served")]
fn served(address: &ServerAddress, formats: &[PromptFormat]) -> Result<Model, ModelError> {
    let server = Server::connect(address, None)?;
    let tokens = server.tokens(formats)?;
    Model::served(server, tokens)
}

#[cfg(not(feature = "served"))]
fn served(address: &ServerAddress, _: &[PromptFormat]) -> Result<Model, ModelError> {
    Err(not_served(address))
}

/// The error of a program that does not talk to servers.
#[cfg(not(feature = "served"))]
pub(super) fn not_served(address: &ServerAddress) -> ModelError {
    ModelError::Feature {
        model: address.to_string(),
        what: "a server computes it",
        feature: "served",
    }
}

/// Returns the network of an architecture that the decoder does not describe.
#[cfg(feature = "foreign")]
fn foreign(
    config: &ForeignConfig,
    checkpoint: &Checkpoint,
    tokens: &TokenTable,
) -> Result<Network, ModelError> {
    let foreign = Foreign::load(config, &checkpoint.weights, tokens.places())?;
    Ok(Network::Foreign(Arc::new(foreign)))
}

#[cfg(not(feature = "foreign"))]
fn foreign(
    _: &ForeignConfig,
    checkpoint: &Checkpoint,
    _: &TokenTable,
) -> Result<Network, ModelError> {
    Err(ModelError::Feature {
        model: checkpoint.source.to_string(),
        what: "its architecture is read by candle-transformers",
        feature: "foreign",
    })
}
