//! Logits of every family against `transformers`, at all positions (`make_families.py`).

mod common;

use std::path::{Path, PathBuf};

use candle_core::Device;
use common::{array, golden};
use statecast::model::{Branch, Decoder, DecoderConfig, ModelWeights, Precision};

/// Folders of the families, at least as many as there were when this was written.
fn families() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(golden("families")).unwrap();
    let mut folders: Vec<PathBuf> = folders.map(|f| f.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 19);
    folders
}

fn load(folder: &Path, config: &str) -> Decoder {
    let json = std::fs::read(folder.join(config)).unwrap();
    let config = DecoderConfig::parse(config, &json).unwrap();
    let weights = ModelWeights::folder(folder, Precision::F32, &Device::Cpu).unwrap();
    Decoder::load(config, &weights).unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
}

struct Golden {
    /// `[2, length]`, row by row.
    ids: Vec<u32>,
    length: usize,
    /// `[2, length, vocabulary]`, row by row.
    logits: Vec<f32>,
    vocabulary: usize,
}

impl Golden {
    fn read(folder: &Path) -> Self {
        let file = folder.join("golden.npz");
        let (_, ids) = array::<i64>(&file, "ids");
        let (shape, logits) = array::<f32>(&file, "logits");
        Self {
            ids: ids.into_iter().map(|id| id as u32).collect(),
            length: shape[1],
            logits,
            vocabulary: shape[2],
        }
    }

    fn sequence(&self, i: usize) -> &[u32] {
        &self.ids[i * self.length..(i + 1) * self.length]
    }

    fn logits_of(&self, i: usize, position: usize) -> &[f32] {
        let row = i * self.length + position;
        &self.logits[row * self.vocabulary..(row + 1) * self.vocabulary]
    }
}

/// Logits `[batch * length, vocabulary]` of the last positions of a batch, read in pieces.
fn logits(decoder: &Decoder, sequences: &[&[u32]], pieces: &[usize]) -> Vec<Vec<f32>> {
    let length = sequences[0].len();
    let mut cache = decoder.cache(sequences.len(), length).unwrap();
    let mut all = vec![Vec::new(); sequences.len() * length];
    let mut start = 0;
    for &piece in pieces {
        let ids: Vec<u32> = sequences
            .iter()
            .flat_map(|ids| &ids[start..start + piece])
            .copied()
            .collect();
        let hidden = decoder.forward(&ids, &mut cache).unwrap();
        let rows = decoder
            .vocabulary_logits(&hidden.flatten_to(1).unwrap())
            .unwrap();
        let rows = rows.to_vec2::<f32>().unwrap();
        for (i, row) in rows.into_iter().enumerate() {
            all[i / piece * length + start + i % piece] = row;
        }
        start += piece;
    }
    assert_eq!(start, length);
    all
}

fn worst(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let difference = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
    difference.fold(
        0.0,
        |worst, d| if d > worst || d.is_nan() { d } else { worst },
    )
}

#[test]
fn every_family_gives_the_logits_of_transformers() {
    for folder in families() {
        let golden = Golden::read(&folder);
        for config in ["config.json", "config.old.json"] {
            let decoder = load(&folder, config);
            let mut difference = 0f32;
            for i in 0..2 {
                let ours = logits(&decoder, &[golden.sequence(i)], &[golden.length]);
                for (position, row) in ours.iter().enumerate() {
                    difference = difference.max(worst(row, golden.logits_of(i, position)));
                }
            }
            eprintln!("{} {config}: {difference:e}", folder.display());
            assert!(
                difference < 1e-4,
                "{} {config}: {difference}",
                folder.display()
            );
        }
    }
}

/// transformers uses the head of the file where config.json says that it is the embedding table.
#[test]
fn a_head_in_the_file_is_used_where_the_config_says_tied() {
    for family in ["qwen2", "granite", "gpt-neox"] {
        let folder = golden("families").join(family);
        let golden = Golden::read(&folder);
        let json = std::fs::read(folder.join("config.json")).unwrap();
        let mut json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        json["tie_word_embeddings"] = true.into();
        let json = serde_json::to_vec(&json).unwrap();
        let config = DecoderConfig::parse("config.json", &json).unwrap();
        assert!(config.tied_head, "{family}");
        let weights = ModelWeights::folder(&folder, Precision::F32, &Device::Cpu).unwrap();
        let decoder = Decoder::load(config, &weights).unwrap();
        assert!(!decoder.config().tied_head, "{family}");
        let ours = logits(&decoder, &[golden.sequence(0)], &[golden.length]);
        for (position, row) in ours.iter().enumerate() {
            let difference = worst(row, golden.logits_of(0, position));
            assert!(difference < 1e-4, "{family}: {difference}");
        }
    }
}

/// One token at a time, in uneven pieces, and both sequences as one batch.
#[test]
fn cache_and_batch_change_no_family() {
    for folder in families() {
        let golden = Golden::read(&folder);
        let decoder = load(&folder, "config.json");
        let sequences = [golden.sequence(0), golden.sequence(1)];
        let mut pieces = vec![1; golden.length - 40];
        pieces.extend([23, 17]);
        let ours = logits(&decoder, &sequences, &pieces);
        for (row, ours) in ours.iter().enumerate() {
            let theirs = golden.logits_of(row / golden.length, row % golden.length);
            let difference = worst(ours, theirs);
            assert!(
                difference < 1e-4,
                "{} {row}: {difference}",
                folder.display()
            );
        }
    }
}

/// Continuations share the cache of a context that is longer than a sliding window.
#[test]
fn shared_context_changes_no_family() {
    for folder in families() {
        let golden = Golden::read(&folder);
        let decoder = load(&folder, "config.json");
        let (context, length) = (50, golden.length);
        let ids: Vec<u32> = (0..2)
            .flat_map(|i| &golden.sequence(i)[..context])
            .copied()
            .collect();
        let mut cache = decoder.cache(2, length).unwrap();
        decoder.forward(&ids, &mut cache).unwrap();
        let branches: Vec<Branch> = (0..6)
            .map(|row| Branch {
                sequence: row / 3,
                position: context,
            })
            .collect();
        let mut paths = cache.fork(&branches, length - context).unwrap();
        for position in context..length {
            let ids: Vec<u32> = (0..6)
                .map(|row| golden.sequence(row / 3)[position])
                .collect();
            let hidden = decoder.forward(&ids, &mut paths).unwrap();
            let rows = decoder.vocabulary_logits(&hidden.flatten_to(1).unwrap());
            for (row, ours) in rows.unwrap().to_vec2::<f32>().unwrap().iter().enumerate() {
                let difference = worst(ours, golden.logits_of(row / 3, position));
                assert!(
                    difference < 1e-4,
                    "{} {position}: {difference}",
                    folder.display()
                );
            }
        }
    }
}

/// Continuations of different lengths, of continuations of different lengths: every row has its own
/// positions, masks and windows.
#[test]
fn branches_at_different_positions_change_no_family() {
    for folder in families() {
        let golden = Golden::read(&folder);
        let decoder = load(&folder, "config.json");
        let length = golden.length;
        let ids: Vec<u32> = (0..2).flat_map(|i| golden.sequence(i)).copied().collect();
        let mut cache = decoder.cache(2, length).unwrap();
        decoder.forward(&ids, &mut cache).unwrap();
        let rows = [(0, 5), (0, 30), (0, 31), (1, 2), (1, length - 4)];
        let branches = rows.map(|(sequence, position)| Branch { sequence, position });
        let mut first = cache.fork(&branches, 2).unwrap();
        let read = |cache: &mut _, rows: &[(usize, usize)], count: usize| {
            let ids: Vec<u32> = rows
                .iter()
                .flat_map(|&(i, from)| &golden.sequence(i)[from..from + count])
                .copied()
                .collect();
            let hidden = decoder.forward(&ids, cache).unwrap();
            let logits = decoder.vocabulary_logits(&hidden.flatten_to(1).unwrap());
            for (k, ours) in logits.unwrap().to_vec2::<f32>().unwrap().iter().enumerate() {
                let (sequence, from) = rows[k / count];
                let difference = worst(ours, golden.logits_of(sequence, from + k % count));
                let place = format!("{} {sequence} {from} {k}", folder.display());
                assert!(difference < 1e-4, "{place}: {difference}");
            }
        };
        read(&mut first, &rows, 2);
        let again = [0, 1, 1, 4].map(|sequence| Branch {
            sequence,
            position: rows[sequence].1 + 2 - sequence % 2,
        });
        let mut second = first.fork(&again, 1).unwrap();
        let rows = again.map(|branch| (rows[branch.sequence].0, branch.position));
        // More than there is room for.
        read(&mut second, &rows, 2);
        second.forget(1);
        read(&mut second, &rows.map(|(i, from)| (i, from + 1)), 1);
    }
}
