//! What a forecast takes of the memory, before it takes it.

use candle_core::DType;

use super::{Checkpoint, DecoderConfig, KvCache, Weights};
use crate::codec::TokenTable;

/// The size of a forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Channels that are read.
    pub channels: usize,
    /// Rows of context.
    pub rows: usize,
    /// Paths that advance together.
    pub paths: usize,
    /// Steps of a path.
    pub horizon: usize,
}

/// An estimate of the memory that a forecast takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryNeed {
    /// Weights as they are kept.
    pub weights: u64,
    /// Keys and values of the context and of all paths.
    pub cache: u64,
    /// Intermediate results of the largest piece that is read at once.
    pub activations: u64,
}

impl MemoryNeed {
    /// The estimate for a model and the tokens of its prompt format. Of a model that our decoder
    /// does not describe, the weights only.
    pub fn of(checkpoint: &Checkpoint, tokens: &TokenTable, work: Work) -> Self {
        let hints = checkpoint.hints.as_ref().and_then(|hints| hints.weights());
        let hints = hints.map_or(0, Weights::bytes_in_memory);
        let weights = checkpoint.weights.bytes_in_memory() + hints;
        let Some(config) = checkpoint.architecture.described() else {
            return Self {
                weights,
                cache: 0,
                activations: 0,
            };
        };
        let position = {
            let format = checkpoint.weights.cache_format(config.head_dim);
            KvCache::bytes_a_position(config, format) as u64
        };
        let context = work.channels * tokens.tokens(work.rows);
        let paths = work.channels * work.paths * tokens.stride() * work.horizon;
        let at_once = tokens_at_once(config)
            .max(work.channels * work.paths)
            .min(context.max(work.channels * work.paths));
        // Residual stream, queries, keys and values, gate and up, and a copy of each.
        let width = 2
            * (config.hidden_size
                + config.query_width()
                + 2 * config.key_width()
                + 2 * config.intermediate_size);
        Self {
            weights,
            cache: position * (context + paths) as u64,
            activations: (at_once * width * DType::F32.size_in_bytes()) as u64,
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights + self.cache + self.activations
    }
}

impl std::fmt::Display for MemoryNeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "weights {}, cache {}, activations {}",
            bytes(self.weights),
            bytes(self.cache),
            bytes(self.activations)
        )
    }
}

/// Bytes of the widest intermediate result of a read: about what the second-level caches hold, and
/// little enough for the allocator to use again instead of asking the system for it.
const WIDEST: usize = 3 << 20;

/// Tokens (sequences times positions) that a decoder should read at once.
pub(super) fn tokens_at_once(config: &DecoderConfig) -> usize {
    let width = config.intermediate_size * if config.gated { 2 } else { 1 };
    (WIDEST / (width * DType::F32.size_in_bytes())).clamp(64, 4096)
}

/// A number of bytes with a unit.
///
/// ```
/// use statecast::model::bytes;
/// assert_eq!(bytes(3 << 29), "1.5 GiB");
/// assert_eq!(bytes(200 << 10), "0.2 MiB");
/// ```
pub fn bytes(count: u64) -> String {
    let (unit, name) = if count >= 1 << 30 {
        (1u64 << 30, "GiB")
    } else {
        (1 << 20, "MiB")
    };
    format!("{:.1} {name}", count as f64 / unit as f64)
}

/// Bytes of memory that are free for programs; `None` where the system does not say.
pub fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}
