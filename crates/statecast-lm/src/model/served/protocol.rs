//! The languages that servers speak, behind one trait.

use std::collections::HashMap;

use super::ServedError;
use super::client::Client;
use super::pieces::Pieces;

/// One request: the token after some beginnings of a sequence.
pub(super) struct Query<'a> {
    /// The sequence up to the end of its longest beginning.
    pub(super) ids: &'a [u32],
    /// Lengths of the beginnings, ascending, none of them empty.
    pub(super) lengths: &'a [usize],
    /// Tokens whose probabilities are wanted.
    pub(super) symbols: &'a [u32],
    /// How often these were asked for before, with an answer that left too much open.
    pub(super) effort: usize,
    /// Slot of the server that is best asked, from 0 to 1 of all of them.
    pub(super) slot: f64,
    /// The tokens as text, for servers that take no tokens.
    pub(super) pieces: Option<&'a Pieces>,
}

/// How to ask a server for the probabilities of tokens.
pub(super) trait Protocol: Send + Sync {
    /// The server's name.
    fn server(&self) -> &'static str;

    /// Whether its probabilities are exact, in words.
    fn accuracy(&self) -> String;

    /// True if one request answers for many beginnings of a sequence.
    fn scores_contexts(&self) -> bool {
        false
    }

    /// How often it is worth asking for the same with more effort.
    fn efforts(&self) -> usize {
        1
    }

    /// Slots of the server, each of which remembers the sequence that it read last; `None` if all
    /// that was read is shared.
    fn slots(&self) -> Option<usize> {
        None
    }

    /// Asks for what follows each of the beginnings, in their order.
    fn next_tokens(&self, client: &Client, query: &Query) -> Result<Vec<NextToken>, ServedError>;
}

/// What a server says of the token that comes next.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NextToken {
    known: HashMap<u32, f64>,
    /// Logarithm of the probability that no other token exceeds.
    bound: f64,
}

/// Logits of symbols, and how much of their probability is a guess.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SymbolLogits {
    pub(super) logits: Vec<f32>,
    /// Share of the symbols' probability that the server has not given, 0 to 1.
    pub(super) missing: f32,
}

/// Logits of what is all but impossible.
const MIN_LOGIT: f64 = -100.0;

/// Most by which rounding makes a probability's logarithm exceed 0.
const ROUNDING: f64 = 1e-2;

impl NextToken {
    /// From the `asked` likeliest tokens; the one that was drawn may come on top of them.
    pub(super) fn likeliest(
        listed: impl IntoIterator<Item = (u32, f64)>,
        asked: usize,
    ) -> Option<Self> {
        let mut next = Self::requested(listed)?;
        let mut sorted: Vec<f64> = next.known.values().copied().collect();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let last = sorted.get(asked.saturating_sub(1)).or(sorted.last());
        next.bound = *last?;
        Some(next)
    }

    /// From tokens that were asked for by name; `None` if a value is no logarithm of a probability,
    /// or all are those of zero: what is no number is written like an infinity.
    pub(super) fn requested(listed: impl IntoIterator<Item = (u32, f64)>) -> Option<Self> {
        let known: HashMap<u32, f64> = listed.into_iter().collect();
        let sound = |&value: &f64| !value.is_nan() && value <= ROUNDING;
        let some = known.is_empty() || known.values().any(|value| value.is_finite());
        (some && known.values().all(sound)).then_some(Self { known, bound: 0.0 })
    }

    /// Logits of some symbols. What was not given is spread over the symbols that are missing, to
    /// each no more than the bound.
    pub(super) fn symbols(&self, symbols: &[u32]) -> SymbolLogits {
        let given: f64 = self.known.values().map(|value| value.exp()).sum();
        let of = |id: &u32| self.known.get(id).copied();
        let inside: f64 = symbols.iter().filter_map(of).map(f64::exp).sum();
        let absent = symbols.iter().filter(|id| of(id).is_none()).count();
        let each = (1.0 - given).max(0.0) / absent.max(1) as f64;
        let each = each.min(self.bound.min(0.0).exp());
        let guessed = each * absent as f64;
        let logit = |id| of(id).unwrap_or(each.ln()).max(MIN_LOGIT) as f32;
        SymbolLogits {
            logits: symbols.iter().map(logit).collect(),
            missing: match absent {
                _ if inside <= 0.0 => 1.0,
                0 => 0.0,
                _ => (guessed / (guessed + inside)) as f32,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f32, b: f64) -> bool {
        (f64::from(a) - b).abs() < 1e-6
    }

    #[test]
    fn missing_symbols_get_what_is_left_and_no_more_than_the_bound() {
        let listed = [(1, 0.5f64.ln()), (2, 0.3f64.ln()), (9, 0.1f64.ln())];
        // 0.1 is left for two symbols: 0.05 each, which is below the bound of 0.1.
        let next = NextToken::likeliest(listed, 3).unwrap();
        let of = next.symbols(&[1, 2, 3, 4]);
        assert!(close(of.logits[2], 0.05f64.ln()) && close(of.missing, 0.1 / 0.9));
        // One that was drawn beside the two likeliest does not lower the bound to 0.01.
        let listed = [(1, 0.2f64.ln()), (2, 0.1f64.ln()), (9, 0.01f64.ln())];
        let next = NextToken::likeliest(listed, 2).unwrap();
        assert!(close(next.symbols(&[1, 5]).logits[1], 0.1f64.ln()));
    }

    #[test]
    fn all_symbols_known_leave_nothing_missing() {
        let next = NextToken::requested([(1, -1.0), (2, f64::NEG_INFINITY)]).unwrap();
        let of = next.symbols(&[2, 1]);
        assert_eq!(
            (of.logits.as_slice(), of.missing),
            ([-100.0, -1.0].as_slice(), 0.0)
        );
        assert_eq!(next.symbols(&[7]).missing, 1.0);
        assert_eq!(NextToken::requested([(1, 0.7)]), None);
        assert_eq!(NextToken::requested([(1, f64::NAN)]), None);
    }
}
