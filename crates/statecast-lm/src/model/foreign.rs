//! Architectures that our decoder does not describe, through candle-transformers.
//!
//! Its models return the logits of the last position only and keep their memory to themselves, and
//! some of them read one sequence only. So they read token by token, and every sequence has a model
//! of its own that shares the weights and nothing else. That is slow; what it is good for is to try
//! such a model at all.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models;

use super::head::check_vocabulary;
use super::network::{LanguageModel, Sequences, Wanted};
use super::{Branch, ForeignConfig, ModelError, ModelWeights};
use crate::codec::Place;
use crate::guard;

/// Positions kept for a way back.
const SNAPSHOTS: usize = 4;

/// A model with its memory of the sequence read so far.
trait Stepper: Send + Sync {
    /// Logits of one more token `[1, 1]`, in any shape of `vocab_size` elements.
    fn step(&mut self, ids: &Tensor, position: usize) -> Result<Tensor>;
    /// The same weights and memory, to be continued by itself.
    fn copy(&self) -> Box<dyn Stepper>;
}

/// One more token; a panic in the library is an error.
fn stepped(model: &mut dyn Stepper, ids: &Tensor, position: usize) -> Result<Tensor> {
    guard::catch(|| model.step(ids, position)).map_err(candle_core::Error::msg)?
}

/// Models whose `forward` takes the tokens and the position.
macro_rules! with_position {
    ($($model:ty),*) => {$(
        impl Stepper for $model {
            fn step(&mut self, ids: &Tensor, position: usize) -> Result<Tensor> {
                self.forward(ids, position)
            }
            fn copy(&self) -> Box<dyn Stepper> {
                Box::new(self.clone())
            }
        }
    )*};
}

/// Models that count positions themselves.
macro_rules! without_position {
    ($($model:ty),*) => {$(
        impl Stepper for $model {
            fn step(&mut self, ids: &Tensor, _: usize) -> Result<Tensor> {
                self.forward(ids)
            }
            fn copy(&self) -> Box<dyn Stepper> {
                Box::new(self.clone())
            }
        }
    )*};
}

with_position!(
    models::mixtral::Model,
    models::qwen2_moe::Model,
    models::qwen3_moe::ModelForCausalLM,
    models::starcoder2::Model,
    models::olmo::Model,
    models::glm4_new::ModelForCausalLM
);
without_position!(models::falcon::Falcon, models::phi::Model);

/// A model whose memory is a value of its own.
struct Recurrent<M: RecurrentModel> {
    model: Arc<M>,
    state: M::State,
}

trait RecurrentModel: Send + Sync + 'static {
    type State: Send + Sync;
    fn step(&self, ids: &Tensor, state: &mut Self::State) -> Result<Tensor>;
    fn copy(state: &Self::State) -> Self::State;
}

impl<M: RecurrentModel> Stepper for Recurrent<M> {
    fn step(&mut self, ids: &Tensor, _: usize) -> Result<Tensor> {
        self.model.step(ids, &mut self.state)
    }

    fn copy(&self) -> Box<dyn Stepper> {
        Box::new(Self {
            model: self.model.clone(),
            state: M::copy(&self.state),
        })
    }
}

impl RecurrentModel for models::mamba::Model {
    type State = models::mamba::State;

    fn step(&self, ids: &Tensor, state: &mut Self::State) -> Result<Tensor> {
        self.forward(&ids.flatten_all()?, state)
    }

    fn copy(state: &Self::State) -> Self::State {
        models::mamba::State {
            hs: state.hs.clone(),
            prev_xs: state.prev_xs.clone(),
            pos: state.pos,
        }
    }
}

impl RecurrentModel for models::mamba2::Model {
    type State = models::mamba2::State;

    fn step(&self, ids: &Tensor, state: &mut Self::State) -> Result<Tensor> {
        self.forward(&ids.flatten_all()?, state)
    }

    fn copy(state: &Self::State) -> Self::State {
        models::mamba2::State {
            hs: state.hs.clone(),
            conv_states: state.conv_states.clone(),
            pos: state.pos,
        }
    }
}

fn copy_rwkv(state: &models::rwkv_v5::State) -> models::rwkv_v5::State {
    let copy = |layer: &models::rwkv_v5::StatePerLayer| models::rwkv_v5::StatePerLayer {
        extract_key_value: layer.extract_key_value.clone(),
        linear_attention: layer.linear_attention.clone(),
        feed_forward: layer.feed_forward.clone(),
    };
    models::rwkv_v5::State {
        per_layer: state.per_layer.iter().map(copy).collect(),
        pos: state.pos,
    }
}

impl RecurrentModel for models::rwkv_v5::Model {
    type State = models::rwkv_v5::State;

    fn step(&self, ids: &Tensor, state: &mut Self::State) -> Result<Tensor> {
        self.forward(ids, state)
    }

    fn copy(state: &Self::State) -> Self::State {
        copy_rwkv(state)
    }
}

impl RecurrentModel for models::rwkv_v6::Model {
    type State = models::rwkv_v5::State;

    fn step(&self, ids: &Tensor, state: &mut Self::State) -> Result<Tensor> {
        self.forward(ids, state)
    }

    fn copy(state: &Self::State) -> Self::State {
        copy_rwkv(state)
    }
}

fn recurrent<M: RecurrentModel>(model: M, state: M::State) -> Box<dyn Stepper> {
    let model = Arc::new(model);
    Box::new(Recurrent { model, state })
}

impl ForeignConfig {
    fn size(&self, names: &[&str]) -> Option<usize> {
        let value = names.iter().find_map(|name| self.json.get(name)?.as_u64());
        value.and_then(|size| usize::try_from(size).ok())
    }
}

/// A model of candle-transformers.
pub(super) struct Foreign {
    fresh: Box<dyn Stepper>,
    /// Ids of the symbols, one tensor a place.
    symbols: Vec<Tensor>,
    window: usize,
    vocabulary: usize,
    device: Device,
}

impl Foreign {
    pub(super) fn load(
        config: &ForeignConfig,
        weights: &ModelWeights,
        places: &[Place],
    ) -> std::result::Result<Self, ModelError> {
        let missing = || ModelError::Config {
            file: "config.json".to_owned(),
            reason: "vocab_size is missing".to_owned(),
        };
        let vocabulary = config.size(&["vocab_size"]).ok_or_else(missing)?;
        check_vocabulary(places, vocabulary)?;
        let device = weights.device().clone();
        let mut tensors: HashMap<String, Tensor> = weights.all()?;
        if config.family == "mamba"
            && let Some(table) = tensors.remove("backbone.embeddings.weight")
        {
            // Hugging Face's name, and that of the original repository.
            tensors.insert("backbone.embedding.weight".to_owned(), table);
        }
        // These read the embedding table as the head, whatever config.json says.
        let tied = ["starcoder2", "mamba", "mamba2"].contains(&config.family.as_str());
        if tied && tensors.contains_key("lm_head.weight") {
            return Err(weights.refuse("lm_head.weight", "an untied head is not supported here"));
        }
        let mut config = config.clone();
        if tensors.contains_key("lm_head.weight") && config.json["tie_word_embeddings"] == true {
            // A head in the file counts, whatever config.json says.
            config.json["tie_word_embeddings"] = false.into();
        }
        let builder = VarBuilder::from_tensors(tensors, weights.dtype(), &device);
        let symbols = places
            .iter()
            .map(|place| Tensor::from_slice(&place.symbols, place.symbols.len(), &device))
            .collect::<Result<_>>()?;
        Ok(Self {
            fresh: guard::catch(|| stepper(&config, builder))
                .map_err(|said| weights.refuse("any", said))??,
            symbols,
            // What has no window remembers as much as it can.
            window: config
                .size(&["max_position_embeddings", "n_positions"])
                .unwrap_or(1 << 20)
                .min(if config.family == "falcon" {
                    2048
                } else {
                    1 << 20
                }),
            vocabulary,
            device,
        })
    }
}

fn parsed<T: serde::de::DeserializeOwned>(
    config: &ForeignConfig,
) -> std::result::Result<T, ModelError> {
    serde_json::from_value(config.json.clone()).map_err(|e| ModelError::Config {
        file: "config.json".to_owned(),
        reason: format!("{}: {e}", config.family),
    })
}

fn stepper(
    config: &ForeignConfig,
    weights: VarBuilder,
) -> std::result::Result<Box<dyn Stepper>, ModelError> {
    let (device, dtype) = (weights.device().clone(), weights.dtype());
    Ok(match config.family.as_str() {
        "mixtral" => Box::new(models::mixtral::Model::new(&parsed(config)?, weights)?),
        "qwen2_moe" => Box::new(models::qwen2_moe::Model::new(&parsed(config)?, weights)?),
        "qwen3_moe" => Box::new(models::qwen3_moe::ModelForCausalLM::new(
            &parsed(config)?,
            weights,
        )?),
        "starcoder2" => Box::new(models::starcoder2::Model::new(&parsed(config)?, weights)?),
        "olmo" => Box::new(models::olmo::Model::new(&parsed(config)?, weights)?),
        "falcon" => Box::new(models::falcon::Falcon::load(weights, parsed(config)?)?),
        "phi" => Box::new(models::phi::Model::new(&parsed(config)?, weights)?),
        "glm4" => Box::new(models::glm4_new::ModelForCausalLM::new(
            &parsed(config)?,
            weights,
        )?),
        "mamba" => {
            let parsed: models::mamba::Config = parsed(config)?;
            let state = models::mamba::State::new(1, &parsed, dtype, &device)?;
            let weights = weights.pp("backbone");
            recurrent(models::mamba::Model::new(&parsed, weights)?, state)
        }
        "mamba2" => {
            let parsed: models::mamba2::Config = parsed(config)?;
            let state = models::mamba2::State::new(1, &parsed, dtype, &device)?;
            let weights = weights.pp("backbone");
            recurrent(models::mamba2::Model::new(&parsed, weights)?, state)
        }
        "rwkv5" => {
            let parsed: models::rwkv_v5::Config = parsed(config)?;
            let state = models::rwkv_v5::State::new(1, &parsed, &device)?;
            recurrent(models::rwkv_v5::Model::new(&parsed, weights)?, state)
        }
        "rwkv6" => {
            let parsed: models::rwkv_v5::Config = parsed(config)?;
            let state = models::rwkv_v5::State::new(1, &parsed, &device)?;
            recurrent(models::rwkv_v6::Model::new(&parsed, weights)?, state)
        }
        other => {
            return Err(ModelError::Config {
                file: "config.json".to_owned(),
                reason: format!("model type '{other}' is not supported"),
            });
        }
    })
}

impl LanguageModel for Foreign {
    fn sequences(
        self: Arc<Self>,
        batch: usize,
        _capacity: usize,
    ) -> std::result::Result<Box<dyn Sequences>, ModelError> {
        Ok(Box::new(ForeignSequences {
            models: (0..batch).map(|_| self.fresh.copy()).collect(),
            model: self,
            read: vec![Vec::new(); batch],
            snapshots: Vec::new(),
        }))
    }

    fn vocabulary_logits(&self, ids: &[u32]) -> std::result::Result<Tensor, ModelError> {
        let mut model = self.fresh.copy();
        let rows = ids
            .iter()
            .enumerate()
            .map(|(position, &id)| {
                let id = Tensor::from_slice(&[id], (1, 1), &self.device)?;
                let logits = stepped(model.as_mut(), &id, position)?;
                logits.reshape((1, self.vocabulary))?.to_dtype(DType::F32)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Tensor::cat(&rows, 0)?)
    }

    fn window(&self) -> usize {
        self.window
    }

    fn bytes_a_position(&self) -> usize {
        // Not known; what a mid-sized model takes.
        1 << 17
    }

    fn tokens_at_once(&self) -> usize {
        // They read token by token.
        usize::MAX
    }
}

/// Sequences of a foreign model, each read by a model of its own.
struct ForeignSequences {
    model: Arc<Foreign>,
    models: Vec<Box<dyn Stepper>>,
    /// Tokens read of every sequence.
    read: Vec<Vec<u32>>,
    snapshots: Vec<(usize, Vec<Box<dyn Stepper>>)>,
}

impl ForeignSequences {
    /// Reads one token of every sequence and returns the logits `[batch, vocab_size]`.
    fn step(&mut self, token: impl Fn(usize) -> u32) -> Result<Tensor> {
        let mut logits = Vec::with_capacity(self.models.len());
        for (sequence, model) in self.models.iter_mut().enumerate() {
            let id = token(sequence);
            let position = self.read[sequence].len();
            self.read[sequence].push(id);
            let id = Tensor::from_slice(&[id], (1, 1), &self.model.device)?;
            let out = stepped(model.as_mut(), &id, position)?;
            logits.push(out.reshape((1, self.model.vocabulary))?);
        }
        Tensor::cat(&logits, 0)?.to_dtype(DType::F32)
    }
}

impl ForeignSequences {
    /// Models that have read what the branches continue. There is no way back into their memory: a
    /// sequence of which an earlier position is continued is read once more.
    fn continued(&self, branches: &[Branch]) -> Result<Vec<Box<dyn Stepper>>> {
        let mut models: Vec<Option<Box<dyn Stepper>>> = branches.iter().map(|_| None).collect();
        for (sequence, read) in self.read.iter().enumerate() {
            let mut wanted: Vec<usize> = (0..branches.len())
                .filter(|&i| branches[i].sequence == sequence)
                .collect();
            wanted.sort_by_key(|&i| branches[i].position);
            let mut again = (self.model.fresh.copy(), 0);
            for i in wanted {
                let position = branches[i].position;
                if position == read.len() {
                    models[i] = Some(self.models[sequence].copy());
                    continue;
                }
                let tokens = read.get(again.1..position).unwrap_or_default();
                for (at, &id) in (again.1..).zip(tokens) {
                    let id = Tensor::from_slice(&[id], (1, 1), &self.model.device)?;
                    stepped(again.0.as_mut(), &id, at)?;
                }
                again.1 = position;
                models[i] = Some(again.0.copy());
            }
        }
        let missing = || candle_core::Error::msg("no such sequence or position");
        models
            .into_iter()
            .map(|model| model.ok_or_else(missing))
            .collect()
    }
}

impl Sequences for ForeignSequences {
    fn batch(&self) -> usize {
        self.read.len()
    }

    fn read(
        &mut self,
        ids: &[u32],
        wanted: &[Wanted],
    ) -> std::result::Result<Vec<Tensor>, ModelError> {
        let length = ids.len() / self.batch();
        let copies = self.models.iter().map(|model| model.copy()).collect();
        self.snapshots.push((self.read[0].len(), copies));
        if self.snapshots.len() > SNAPSHOTS {
            self.snapshots.remove(0);
        }
        let mut kept: Vec<Vec<Tensor>> = vec![Vec::new(); wanted.len()];
        for t in 0..length {
            let logits = self.step(|sequence| ids[sequence * length + t])?;
            for (wanted, kept) in wanted.iter().zip(&mut kept) {
                for _ in wanted.positions.iter().filter(|&&p| p as usize == t) {
                    kept.push(logits.index_select(&self.model.symbols[wanted.place], 1)?);
                }
            }
        }
        kept.iter()
            .map(|kept| Ok(Tensor::stack(kept, 1)?.flatten_to(1)?))
            .collect()
    }

    fn fork(
        &self,
        branches: &[Branch],
        _capacity: usize,
    ) -> std::result::Result<Box<dyn Sequences>, ModelError> {
        let models = self.continued(branches)?;
        Ok(Box::new(ForeignSequences {
            model: self.model.clone(),
            read: branches
                .iter()
                .map(|b| self.read[b.sequence][..b.position].to_vec())
                .collect(),
            models,
            snapshots: Vec::new(),
        }))
    }

    fn forget(&mut self, count: usize) -> std::result::Result<(), ModelError> {
        let position = self.read[0].len().saturating_sub(count);
        let at = self.snapshots.iter().position(|(at, _)| *at == position);
        self.models = match at {
            Some(at) => self.snapshots.swap_remove(at).1,
            None => {
                let branches: Vec<Branch> = (0..self.batch())
                    .map(|sequence| Branch {
                        sequence,
                        position: self.read[sequence].len().saturating_sub(count),
                    })
                    .collect();
                self.continued(&branches)?
            }
        };
        self.snapshots.clear();
        for read in &mut self.read {
            read.truncate(read.len().saturating_sub(count));
        }
        Ok(())
    }
}
