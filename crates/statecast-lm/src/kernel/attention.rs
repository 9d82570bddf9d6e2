//! Attention of many queries over keys that several of them share.
//!
//! For every key head, queries go in tiles against blocks of keys with an online softmax (Milakov
//! and Gimelshein 2018, arXiv 1805.02867), so that nothing larger than a tile of scores is ever
//! kept. Sequences that continue the same context read its keys together.

use std::ops::Range;

use super::keys::{KeyBlock, ValueRows};
use super::packed::{PackedRows, Panels};
use super::parallel::{for_each, threads_for};
use super::tiles::{LANES, PANEL, TILE, Unit, cap_scores, mix, mix_bf16, round_pairs, weigh};
use super::{Features, features};

/// Keys of a block: few enough that they, their values and a tile's scores stay in the second-level
/// cache.
const BLOCK: usize = 256;

/// Queries of a piece of work: enough to read keys seldom, few enough for every thread to have
/// some.
const QUERIES: usize = 192;

/// Heads must be whole registers wide.
pub(crate) fn supports(head_dim: usize) -> bool {
    head_dim.is_multiple_of(LANES)
}

/// Heads of BF16 must be whole registers of pairs wide.
pub(crate) fn supports_bf16(head_dim: usize) -> bool {
    features() >= Features::Bf16 && head_dim.is_multiple_of(2 * LANES)
}

/// Which positions of which row of a block a sequence sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Visible {
    pub(crate) row: usize,
    pub(crate) len: usize,
}

/// A block of keys and values, and what each sequence sees of it. Of the last block, also its own
/// new positions, which follow.
pub(crate) struct Keys<'a> {
    pub(crate) block: &'a KeyBlock,
    pub(crate) visible: &'a [Visible],
}

/// Attention of `batch` sequences, each with `new` positions after what it sees.
pub(crate) struct Attention {
    pub(crate) batch: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) new: usize,
    /// Factor of the scores.
    pub(crate) scale: f32,
    /// Positions that a query sees, its own included.
    pub(crate) sliding_window: Option<usize>,
    /// `c tanh(s / c)` of the scores.
    pub(crate) cap: Option<f32>,
}

impl Attention {
    /// Mixed values `[batch, new, heads, head_dim]` for queries `[batch, heads, new, head_dim]`.
    /// The keys of the new positions stand in the last block.
    pub(crate) fn attend(&self, queries: &[f32], blocks: &[Keys]) -> Vec<f32> {
        let group = self.heads / self.kv_heads;
        let tokens = (QUERIES / group).clamp(1, self.new);
        let rows = (QUERIES / (group * tokens)).max(1);
        let mut pieces = Vec::new();
        for row in (0..self.batch).step_by(rows) {
            for token in (0..self.new).step_by(tokens) {
                for head in 0..self.kv_heads {
                    pieces.push(Piece {
                        attention: self,
                        head,
                        rows: row..self.batch.min(row + rows),
                        tokens: token..self.new.min(token + tokens),
                        mixed: Vec::new(),
                    });
                }
            }
        }
        let seen: usize = (0..self.batch)
            .map(|row| {
                blocks
                    .iter()
                    .map(|block| block.visible[row].len)
                    .sum::<usize>()
                    + self.new
            })
            .sum();
        let threads = threads_for(2 * seen * self.new * self.heads * self.head_dim);
        for_each(threads, &mut pieces, |piece| piece.attend(queries, blocks));
        let mut out = vec![0.0; self.batch * self.new * self.heads * self.head_dim];
        for piece in &pieces {
            let width = group * self.head_dim;
            for (query, mixed) in piece.row_tokens().zip(piece.mixed.chunks(width)) {
                let at = (query * self.heads + piece.head * group) * self.head_dim;
                out[at..at + width].copy_from_slice(mixed);
            }
        }
        out
    }
}

/// The queries of one key head for some positions of some sequences, ordered by sequence, position
/// and head.
struct Piece<'a> {
    attention: &'a Attention,
    head: usize,
    rows: Range<usize>,
    tokens: Range<usize>,
    /// `[queries, head_dim]`.
    mixed: Vec<f32>,
}

/// The online softmax of a query.
#[derive(Clone, Copy)]
struct Softmax {
    max: f32,
    sum: f32,
}

impl Piece<'_> {
    /// Sequences and positions, as rows of `[batch, new]`.
    fn row_tokens(&self) -> impl Iterator<Item = usize> {
        let (new, tokens) = (self.attention.new, self.tokens.clone());
        self.rows
            .clone()
            .flat_map(move |row| tokens.clone().map(move |token| row * new + token))
    }

    fn queries_a_row(&self) -> usize {
        self.tokens.len() * self.attention.heads / self.attention.kv_heads
    }

    fn attend(&mut self, queries: &[f32], blocks: &[Keys]) {
        let Attention { head_dim, .. } = *self.attention;
        let count = self.rows.len() * self.queries_a_row();
        let begin = Softmax {
            max: f32::NEG_INFINITY,
            sum: 0.0,
        };
        let mut softmax = vec![begin; count];
        let mut mixed = vec![0.0; count * head_dim];
        // Positions of each sequence before the block.
        let mut before = vec![0; self.rows.len()];
        let mut scratch = Scratch::new();
        for (i, block) in blocks.iter().enumerate() {
            let visible = &block.visible[self.rows.clone()];
            let own = i + 1 == blocks.len();
            let mut first = 0;
            for run in visible.chunk_by(|a, b| a.row == b.row) {
                let rows = first..first + run.len();
                let queries_of = rows.start * self.queries_a_row()..rows.end * self.queries_a_row();
                let limits = self.limits(run, &before[rows.clone()], blocks, own, rows.start);
                let scaled = self.scaled(queries, rows.clone());
                let tiles = scaled.chunks(TILE * head_dim);
                let tiles: Vec<PackedRows> = tiles
                    .map(|tile| block.block.keys.pack_rows(tile, head_dim))
                    .collect();
                let state = State {
                    softmax: &mut softmax[queries_of.clone()],
                    mixed: &mut mixed[queries_of.start * head_dim..queries_of.end * head_dim],
                };
                self.over_block(
                    block.block,
                    run[0].row,
                    &limits,
                    &tiles,
                    state,
                    &mut scratch,
                );
                first = rows.end;
            }
            for (before, visible) in before.iter_mut().zip(visible) {
                *before += visible.len;
            }
        }
        for (mixed, softmax) in mixed.chunks_mut(head_dim).zip(&softmax) {
            let factor = 1.0 / softmax.sum;
            mixed.iter_mut().for_each(|value| *value *= factor);
        }
        self.mixed = mixed;
    }

    /// Which of a block's positions each query sees.
    fn limits(
        &self,
        run: &[Visible],
        before: &[usize],
        blocks: &[Keys],
        own: bool,
        first: usize,
    ) -> Vec<Range<usize>> {
        let group = self.attention.heads / self.attention.kv_heads;
        let mut limits = Vec::with_capacity(run.len() * self.queries_a_row());
        for (i, (visible, &before)) in run.iter().zip(before).enumerate() {
            let row = self.rows.start + first + i;
            let read: usize = blocks.iter().map(|block| block.visible[row].len).sum();
            for token in self.tokens.clone() {
                let end = visible.len + if own { token + 1 } else { 0 };
                let window = self.attention.sliding_window.unwrap_or(usize::MAX);
                let start = (read + token + 1)
                    .saturating_sub(window)
                    .saturating_sub(before);
                limits.extend(std::iter::repeat_n(start.min(end)..end, group));
            }
        }
        limits
    }

    /// The queries of some of the piece's sequences, scaled, `[queries, head_dim]`.
    fn scaled(&self, queries: &[f32], rows: Range<usize>) -> Vec<f32> {
        let Attention {
            heads,
            kv_heads,
            head_dim,
            new,
            scale,
            ..
        } = *self.attention;
        let group = heads / kv_heads;
        let rows = self.rows.start + rows.start..self.rows.start + rows.end;
        let mut scaled = Vec::with_capacity(rows.len() * self.queries_a_row() * head_dim);
        for row in rows {
            for token in self.tokens.clone() {
                for head in self.head * group..(self.head + 1) * group {
                    let from = ((row * heads + head) * new + token) * head_dim;
                    let query = &queries[from..from + head_dim];
                    scaled.extend(query.iter().map(|x| x * scale));
                }
            }
        }
        scaled
    }

    /// Adds what the queries see of a block's row.
    fn over_block(
        &self,
        block: &KeyBlock,
        row: usize,
        limits: &[Range<usize>],
        tiles: &[PackedRows],
        state: State,
        scratch: &mut Scratch,
    ) {
        let width = self.attention.head_dim;
        let head = row * self.attention.kv_heads + self.head;
        let start = limits.iter().map(|limit| limit.start).min().unwrap_or(0);
        let end = limits.iter().map(|limit| limit.end).max().unwrap_or(0);
        for start in (start / PANEL * PANEL..end).step_by(BLOCK) {
            let range = start..end.min(start + BLOCK);
            let values = block.values(head, range.start, range.len());
            let tiles_of = limits
                .chunks(TILE)
                .zip(state.softmax.chunks_mut(TILE))
                .zip(state.mixed.chunks_mut(TILE * width))
                .zip(tiles);
            for (((limits, softmax), mixed), tile) in tiles_of {
                let sees =
                    |limit: &Range<usize>| limit.start < range.end && limit.end > range.start;
                if limits.iter().any(sees) {
                    let panel = block.panel(head, range.start);
                    scratch.score(tile, &block.keys, panel, range.len(), width);
                    if let Some(cap) = self.attention.cap {
                        cap_scores(&mut scratch.scores[..limits.len() * BLOCK], cap);
                    }
                    let factors = scratch.weigh(limits, &range, softmax);
                    scratch.mix(values, width, &factors[..limits.len()], mixed);
                }
            }
        }
    }
}

/// What has been found for some queries.
struct State<'a> {
    softmax: &'a mut [Softmax],
    mixed: &'a mut [f32],
}

/// Calls a mixing loop for each register of columns, four at a time.
macro_rules! mix_rows {
    ($n:literal $mix:ident, $weights:ident, $stride:expr, $values:ident, $width:ident, $factors:ident, $mixed:ident) => {{
        let weights =
            std::array::from_fn::<_, $n, _>(|r| &$weights[r * $stride..(r + 1) * $stride]);
        let factors = std::array::from_fn::<_, $n, _>(|r| $factors[r]);
        let mut column = 0;
        while column < $width {
            let registers = (($width - column) / LANES).min(4);
            match registers {
                4 => $mix::<$n, 4>(weights, $values, $width, column, factors, $mixed),
                3 => $mix::<$n, 3>(weights, $values, $width, column, factors, $mixed),
                2 => $mix::<$n, 2>(weights, $values, $width, column, factors, $mixed),
                _ => $mix::<$n, 1>(weights, $values, $width, column, factors, $mixed),
            }
            column += registers * LANES;
        }
    }};
}

/// Room that is used again and again.
struct Scratch {
    /// Scores, then weights, of a tile: `[TILE, BLOCK]`.
    scores: Vec<f32>,
    /// The weights in pairs of positions `[TILE, BLOCK / 2]`, for values of BF16.
    pairs: Vec<u32>,
}

impl Scratch {
    fn new() -> Self {
        Self {
            scores: vec![0.0; TILE * BLOCK],
            pairs: vec![0; TILE * BLOCK / 2],
        }
    }

    /// Scores of a tile of queries against `count` keys from a panel on.
    fn score(
        &mut self,
        tile: &PackedRows,
        keys: &Panels,
        first: usize,
        count: usize,
        width: usize,
    ) {
        let mut sums = [[0.0; PANEL]; TILE];
        let mut unit = Unit::new();
        for panel in 0..count.div_ceil(PANEL) {
            keys.tile(&mut unit, tile, width, first + panel, &mut sums);
            for (row, sums) in self.scores.chunks_mut(BLOCK).zip(&sums) {
                row[panel * PANEL..][..PANEL].copy_from_slice(sums);
            }
        }
    }

    /// Turns scores into weights; the factors of what was mixed before.
    fn weigh(
        &mut self,
        limits: &[Range<usize>],
        range: &Range<usize>,
        softmax: &mut [Softmax],
    ) -> [f32; TILE] {
        let mut factors = [1.0; TILE];
        let padded = range.len().next_multiple_of(PANEL);
        let rows = self.scores.chunks_mut(BLOCK).zip(limits).zip(softmax);
        for (((row, limit), softmax), factor) in rows.zip(&mut factors) {
            let from = limit.start.saturating_sub(range.start).min(range.len());
            let to = limit.end.saturating_sub(range.start).min(range.len());
            let row = &mut row[..padded];
            if from >= to {
                row.fill(0.0);
            } else {
                let (max, sum) = weigh(row, from, to, softmax.max);
                *factor = (softmax.max - max).exp();
                softmax.sum = softmax.sum * *factor + sum;
                softmax.max = max;
            }
        }
        factors
    }

    /// Adds the weighted values to what was mixed, multiplied by the factors.
    fn mix(&mut self, values: ValueRows, width: usize, factors: &[f32], mixed: &mut [f32]) {
        const ROWS: usize = 6;
        let Self { scores, pairs } = self;
        if let ValueRows::Bf16(values) = values {
            let padded = (2 * values.len() / width).next_multiple_of(PANEL);
            let rows = scores.chunks(BLOCK).zip(pairs.chunks_mut(BLOCK / 2));
            for (row, pairs) in rows.take(factors.len()) {
                round_pairs(&row[..padded], pairs);
            }
        }
        let rows = factors.chunks(ROWS).zip(mixed.chunks_mut(ROWS * width));
        for (i, (factors, mixed)) in rows.enumerate() {
            macro_rules! of_rows {
                ($($n:literal)*) => {
                    match (factors.len(), values) {
                        $(($n, ValueRows::F32(values)) => {
                            let weights = &scores[i * ROWS * BLOCK..];
                            mix_rows!($n mix, weights, BLOCK, values, width, factors, mixed)
                        })*
                        $(($n, ValueRows::Bf16(values)) => {
                            let weights = &pairs[i * ROWS * BLOCK / 2..];
                            mix_rows!($n mix_bf16, weights, BLOCK / 2, values, width, factors, mixed)
                        })*
                        _ => unreachable!("half a tile has 1 to 6 queries"),
                    }
                };
            }
            of_rows!(1 2 3 4 5 6)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::keys::KeyPrecision;
    use super::*;

    #[derive(Debug, Clone)]
    struct Case {
        group: usize,
        kv_heads: usize,
        registers: usize,
        new: usize,
        window: Option<usize>,
        cap: Option<f32>,
        /// Rows and capacity of the shared block, and what each sequence sees of it.
        shared: Vec<(usize, usize)>,
        read: usize,
        rounded: bool,
        seed: u32,
    }

    fn case() -> impl Strategy<Value = Case> {
        (
            (1..4usize, 1..3usize, 1..6usize, 1..40usize),
            prop::option::of(1..400usize),
            prop::option::of(1.0..20f32),
            prop::collection::vec((0..3usize, 0..600usize), 1..6),
            (0..20usize, any::<bool>(), 1..u32::MAX),
        )
            .prop_map(
                |(
                    (group, kv_heads, registers, new),
                    window,
                    cap,
                    mut shared,
                    (read, rounded, seed),
                )| {
                    shared.sort();
                    Case {
                        group,
                        kv_heads,
                        registers,
                        new,
                        window,
                        cap,
                        shared,
                        read,
                        rounded,
                        seed,
                    }
                },
            )
    }

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed | 1;
        (0..count)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                state as f32 / u32::MAX as f32 * 4.0 - 2.0
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn attention_equals_its_definition(case in case()) {
            if features() < Features::F32 { return Ok(()); }
            let (width, batch) = (case.registers * LANES, case.shared.len());
            let (heads, capacity) = (case.group * case.kv_heads, case.read + case.new);
            let block = |rows: usize, capacity: usize, seed| {
                numbers(rows * case.kv_heads * capacity * width, seed)
            };
            let shared = (block(3, 600, case.seed), block(3, 600, case.seed ^ 0x1111));
            let own = (block(batch, capacity, case.seed ^ 0x22), block(batch, capacity, case.seed ^ 0x333));
            let queries = numbers(batch * heads * case.new * width, case.seed ^ 0x4444);
            let shared_visible: Vec<Visible> =
                case.shared.iter().map(|&(row, len)| Visible { row, len }).collect();
            let own_visible: Vec<Visible> =
                (0..batch).map(|row| Visible { row, len: case.read }).collect();
            let attention = Attention {
                batch, heads, kv_heads: case.kv_heads, head_dim: width, new: case.new,
                scale: 0.5, sliding_window: case.window, cap: case.cap,
            };
            let precision = match case.rounded && supports_bf16(width) {
                true => KeyPrecision::Bf16,
                false => KeyPrecision::F32,
            };
            let tolerance = if precision == KeyPrecision::F32 { 1e-4 } else { 0.1 };
            // Written in two pieces, as caches are.
            let packed = |rows: usize, capacity: usize, (keys, values): &(Vec<f32>, Vec<f32>)| {
                let mut block = KeyBlock::new(precision, rows * case.kv_heads, capacity, width);
                let first = capacity / 3;
                for part in [0..first, first..capacity] {
                    let of_part = |numbers: &[f32]| -> Vec<f32> {
                        let heads = numbers.chunks(capacity * width);
                        heads.flat_map(|head| &head[part.start * width..part.end * width]).copied().collect()
                    };
                    block.write(part.start, &of_part(keys), &of_part(values));
                }
                block
            };
            let (shared_block, own_block) = (packed(3, 600, &shared), packed(batch, capacity, &own));
            let blocks = [
                Keys { block: &shared_block, visible: &shared_visible },
                Keys { block: &own_block, visible: &own_visible },
            ];
            let found = attention.attend(&queries, &blocks);
            for (sequence, seen) in shared_visible.iter().enumerate() {
                for head in 0..heads {
                    for token in 0..case.new {
                        let query = &queries[((sequence * heads + head) * case.new + token) * width..][..width];
                        let position = seen.len + case.read + token;
                        let first = (position + 1).saturating_sub(case.window.unwrap_or(usize::MAX));
                        let vector = |position: usize, shared: &[f32], own: &[f32]| {
                            let kv_head = head / case.group;
                            if position < seen.len {
                                shared[((seen.row * case.kv_heads + kv_head) * 600 + position) * width..][..width].to_vec()
                            } else {
                                let at = (sequence * case.kv_heads + kv_head) * capacity + position - seen.len;
                                own[at * width..][..width].to_vec()
                            }
                        };
                        let scores: Vec<f64> = (first..=position).map(|p| {
                            let key = vector(p, &shared.0, &own.0);
                            let s: f64 = 0.5 * query.iter().zip(&key).map(|(&q, &k)| f64::from(q) * f64::from(k)).sum::<f64>();
                            case.cap.map_or(s, |cap| f64::from(cap) * (s / f64::from(cap)).tanh())
                        }).collect();
                        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                        let weights: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
                        let sum: f64 = weights.iter().sum();
                        for c in 0..width {
                            let expected: f64 = weights.iter().zip(first..).map(|(w, p)| {
                                w / sum * f64::from(vector(p, &shared.1, &own.1)[c])
                            }).sum();
                            let got = found[((sequence * case.new + token) * heads + head) * width + c];
                            prop_assert!(
                                (f64::from(got) - expected).abs() < tolerance,
                                "sequence {sequence} head {head} token {token} column {c}: {got} {expected}"
                            );
                        }
                    }
                }
            }
        }
    }
}
