//! Memory estimates of forecasts.

use std::ops::Range;

use candle_core::DType;

use super::{Checkpoint, DecoderConfig, KvCache, ModelWeights, RowInput};
use crate::codec::{BIN_COUNT, TokenTable};
use crate::experts::{self, ExpertKind, ExpertPanel};

/// The size of a forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Number of channels.
    pub channels: usize,
    /// Rows of context.
    pub rows: usize,
    /// Number of paths that advance together.
    pub paths: usize,
    /// Steps per path.
    pub horizon: usize,
}

/// A memory estimate of a forecast, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryNeed {
    /// Weights as stored.
    pub weights: u64,
    /// Keys and values of the context and of all paths.
    pub cache: u64,
    /// Intermediate results of the largest chunk; for a hinted model, its outputs as well.
    pub activations: u64,
    /// Online experts of the context and of all paths, for a model that reads hints.
    pub experts: u64,
}

impl MemoryNeed {
    /// Estimates the memory for a model and the tokens of its prompt format; weights only for
    /// models outside of the built-in decoder.
    pub fn of(checkpoint: &Checkpoint, tokens: &TokenTable, work: Work) -> Self {
        let hints = checkpoint.hints.as_ref().and_then(|hints| hints.weights());
        let hints = hints.map_or(0, ModelWeights::bytes_in_memory);
        let weights = checkpoint.weights.bytes_in_memory() + hints;
        let Some(config) = checkpoint.architecture.described() else {
            return Self {
                weights,
                cache: 0,
                activations: 0,
                experts: 0,
            };
        };
        let position = {
            let format = checkpoint.weights.cache_format(config.head_dim);
            KvCache::bytes_a_position(config, format)
        };
        if let Some(read) = checkpoint.hints.as_ref() {
            return Self::of_hints(weights, read.config().unwrap_or(config), position, work);
        }
        let position = position as u64;
        // Longer contexts are truncated to the window.
        let context = work.channels * tokens.tokens(work.rows).min(config.window);
        let paths = work.channels * work.paths * tokens.stride() * work.horizon;
        let at_once = tokens_at_once(config)
            .max(work.channels * work.paths)
            .min(context.max(work.channels * work.paths));
        Self {
            weights,
            cache: position * (context + paths) as u64,
            activations: (at_once * token_bytes(config)) as u64,
            experts: 0,
        }
    }

    /// Estimates the memory for a hinted model, whose keys and values take `row` bytes per row.
    fn of_hints(weights: u64, config: &DecoderConfig, row: usize, work: Work) -> Self {
        let Work {
            channels,
            rows,
            paths,
            horizon,
        } = work;
        // A single channel is read as digits as well. Multi-step paths are pooled with those of
        // digits and experts.
        let readings = if channels == 1 { 2 } else { 1 };
        let pooled = usize::from(horizon > 1);
        let paths = paths.max(pooled * TRIED_PATHS);
        let panel = ExpertPanel::new(&ExpertKind::ALL, channels, &[]);
        let path = panel.path_bytes_after(rows, horizon);
        let together = paths
            .min(paths_that_fit(channels, horizon, row))
            .min(experts::paths_that_fit(path));
        let together = match channels {
            1 => together.min(digit_paths_that_fit(weights, row * horizon)),
            _ => together,
        };
        let sequences = channels * together;
        let read = tokens_at_once(config).min(channels * rows).max(sequences);
        // Logits of both kinds of bins, and a copy of them.
        let token = token_bytes(config) + 4 * BIN_COUNT * size_of::<f32>();
        let cached = (readings + pooled) * row + size_of::<RowInput>();
        let context = rows.min(config.window) * cached + pooled * KEPT_STATES * room(0) * row;
        // The recording, its channels and positions, and what experts keep of them.
        let kept = 6 * size_of::<f64>() * rows * channels;
        let bytes = |count: usize| count as u64;
        Self {
            weights,
            cache: bytes(channels * context + readings * sequences * room(horizon) * row),
            activations: bytes(read * token),
            experts: bytes((together + 1 + pooled * (KEPT_STATES + POOLED_EXPERTS)) * path + kept),
        }
    }

    /// Returns the sum.
    pub fn total(&self) -> u64 {
        self.weights + self.cache + self.activations + self.experts
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
        )?;
        match self.experts {
            0 => Ok(()),
            experts => write!(f, ", experts {}", bytes(experts)),
        }
    }
}

/// Bytes of the intermediate results of a token: residual stream, queries, keys and values, gate
/// and up, and a copy of each.
fn token_bytes(config: &DecoderConfig) -> usize {
    let attention = config.query_width() + 2 * config.key_width();
    let width = config.hidden_size + attention + 2 * config.intermediate_size;
    2 * width * DType::F32.size_in_bytes()
}

/// Bytes of the widest intermediate result of a read: about the size of second-level caches, and
/// small enough for the allocator to reuse.
const WIDEST: usize = 3 << 20;

/// Returns the tokens (sequences times positions) that a decoder should read at once.
pub(super) fn tokens_at_once(config: &DecoderConfig) -> usize {
    let width = config.intermediate_size * if config.gated { 2 } else { 1 };
    (WIDEST / (width * DType::F32.size_in_bytes())).clamp(64, 4096)
}

/// Additional memory of pooling: states inside the context, backtest paths from each of them, and
/// forecasters of experts.
const KEPT_STATES: usize = 2;
const TRIED_PATHS: usize = 24;
const POOLED_EXPERTS: usize = 3;

/// Memory limit of the paths of a hinted model, and memory per sequence besides keys and values:
/// features, activations and outputs.
const PATH_BYTES: usize = 256 << 20;
const SEQUENCE_BYTES: usize = 80 << 10;

/// Growth of the capacity for keys and values, in rows.
const ROWS_OF_ROOM: usize = 16;

/// Returns the rows that a path of a number of steps needs.
fn room(steps: usize) -> usize {
    (steps + 1).next_multiple_of(ROWS_OF_ROOM)
}

/// Returns the number of paths of a hinted model that should advance together, given the bytes of a
/// remembered row.
pub fn paths_that_fit(channels: usize, steps: usize, bytes_a_row: usize) -> usize {
    let sequence = room(steps) * bytes_a_row + SEQUENCE_BYTES;
    (PATH_BYTES / (channels * sequence)).max(1)
}

/// Bounds of the memory of digit paths that advance together.
const DIGIT_PATH_BYTES: Range<usize> = 16 << 20..2 << 30;

/// Returns the number of paths that should advance together: they take a third of the memory of the
/// weights.
pub fn digit_paths_that_fit(weights: u64, path: usize) -> usize {
    let share = usize::try_from(weights / 3).unwrap_or(usize::MAX);
    let bytes = share.clamp(DIGIT_PATH_BYTES.start, DIGIT_PATH_BYTES.end);
    (bytes / path.max(1)).max(1)
}

/// Formats a number of bytes with a unit.
///
/// ```
/// use statecast_lm::model::bytes;
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

/// Returns the bytes of free memory; `None` if the system does not report it.
pub fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 300 channels took 12 GB one step ahead: what a path takes beside its rows was not counted.
    #[test]
    fn few_paths_of_many_channels_advance_together() {
        let sequences = |steps: usize| 300 * paths_that_fit(300, steps, 4000);
        assert!(sequences(1) * SEQUENCE_BYTES <= PATH_BYTES);
        assert!(sequences(1000) < sequences(1));
    }
}
