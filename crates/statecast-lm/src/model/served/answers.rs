//! What a server has answered, as far as it is kept.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::protocol::SymbolLogits;

/// Logits that are kept at most.
const KEPT: usize = 4 << 20;

/// A beginning of a sequence, and the place of the symbol that follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    digest: [u8; 16],
    place: usize,
}

impl Key {
    /// Of the place after all of the tokens.
    pub(super) fn of(ids: &[u32], place: usize) -> Self {
        let mut hash = Sha256::new();
        hash.update(bytemuck::cast_slice(ids));
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash.finalize()[..16]);
        Self { digest, place }
    }
}

/// The latest answers, bounded.
#[derive(Default)]
pub(super) struct Answers {
    kept: HashMap<Key, Arc<SymbolLogits>>,
    order: VecDeque<Key>,
    logits: usize,
}

impl Answers {
    /// What was answered.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<SymbolLogits>> {
        self.kept.get(key).cloned()
    }

    /// Keeps an answer and forgets the oldest if they are too many.
    pub(super) fn keep(&mut self, key: Key, answer: Arc<SymbolLogits>) {
        self.logits += answer.logits.len();
        match self.kept.insert(key, answer) {
            Some(old) => self.logits -= old.logits.len(),
            None => self.order.push_back(key),
        }
        while self.logits > KEPT {
            let oldest = self.order.pop_front();
            let Some(old) = oldest.and_then(|key| self.kept.remove(&key)) else {
                return;
            };
            self.logits -= old.logits.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_answers_are_forgotten() {
        let answer = Arc::new(SymbolLogits {
            logits: vec![0.0; KEPT / 4],
            missing: 0.0,
        });
        let mut answers = Answers::default();
        let key = |i: u32| Key::of(&[i], 0);
        for i in 0..6 {
            answers.keep(key(i), answer.clone());
            answers.keep(key(i), answer.clone());
        }
        let there: Vec<bool> = (0..6).map(|i| answers.get(&key(i)).is_some()).collect();
        assert_eq!(there, [false, false, true, true, true, true]);
        assert_ne!(Key::of(&[1], 0), Key::of(&[1], 1));
    }
}
