//! Served models: larger than this machine, or shared.
//!
//! A sequence is the list of its tokens. The server is queried only for the probabilities of
//! symbols after prefixes that need a prediction. Its own prefix cache is left to it; requests come
//! in an order that suits such caches.

mod answers;
mod client;
mod completions;
mod error;
mod llama_cpp;
mod openai;
mod pieces;
mod probe;
mod protocol;
mod requests;
mod server;
mod sglang;
mod tokenizer;
mod vllm;
mod workers;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use candle_core::{Device, Tensor};

use super::network::{LanguageModel, Sequences, Wanted};
use super::{Branch, ModelError, ServerAddress};
use crate::codec::Place;
use answers::{Answers, Key};
use client::Client;
pub use error::ServedError;
use pieces::Pieces;
use probe::Found;
use protocol::{Query, SymbolLogits};
pub use requests::MostRequests;
pub use server::{Server, ServerInfo};

/// Missing probability of the symbols above which the server is queried again with more effort.
const TOLERATED: f32 = 1e-5;

/// Largest number of probabilities per request.
const AT_ONCE: usize = 1 << 17;

/// Tokens that the request of a whole context must save another request to delay it.
const WORTH_WAITING: usize = 64;

/// A served model.
pub struct Served {
    address: ServerAddress,
    client: Client,
    found: Found,
    pieces: Option<Pieces>,
    places: Vec<Place>,
    in_flight: usize,
    window: usize,
    answers: Mutex<Answers>,
    /// Bits of the largest share of the symbols' probability that an answer lacked; shares are not
    /// negative, so that the bits are in the order of the shares.
    largest_missing: AtomicU32,
}

/// A query for the next symbol after a prefix of a sequence.
struct Question<'s> {
    key: Key,
    ids: &'s [u32],
    place: usize,
}

impl Served {
    /// Creates the model of a server, with symbols at some positions.
    fn new(server: Server, places: &[Place], pieces: Option<Pieces>) -> Self {
        let (in_flight, window) = (server.in_flight(), server.window());
        Self {
            address: server.address,
            client: server.client,
            found: server.found,
            pieces,
            places: places.to_vec(),
            in_flight,
            window,
            answers: Mutex::default(),
            largest_missing: AtomicU32::new(0),
        }
    }

    /// Returns its server.
    pub fn address(&self) -> &ServerAddress {
        &self.address
    }

    /// Returns the number of requests, including repetitions.
    pub fn requests(&self) -> u64 {
        self.client.requests()
    }

    /// True if one request covers a whole context.
    pub fn scores_contexts(&self) -> bool {
        self.found.protocol.scores_contexts()
    }

    /// Returns the largest missing probability of the symbols, 0 to 1.
    pub fn largest_missing(&self) -> f64 {
        f64::from(f32::from_bits(self.largest_missing.load(Ordering::Relaxed)))
    }

    /// Returns logits of the next symbols, queried unless known.
    fn answered(
        &self,
        questions: &[Question],
    ) -> Result<HashMap<Key, Arc<SymbolLogits>>, ModelError> {
        let mut answered = HashMap::new();
        let mut open: Vec<&Question> = Vec::new();
        {
            let known = self.answers.lock().unwrap_or_else(|lock| lock.into_inner());
            for question in questions {
                match known.get(&question.key) {
                    Some(answer) => {
                        answered.insert(question.key, answer);
                    }
                    None => open.push(question),
                }
            }
        }
        // The longest first, followed by those with the same prefix.
        open.sort_by(|a, b| b.ids.cmp(a.ids).then(a.place.cmp(&b.place)));
        open.dedup_by_key(|question| question.key);
        for effort in 0..self.found.protocol.efforts() {
            let jobs = self.jobs(&open, effort);
            let got = Mutex::new(Vec::new());
            let first = usize::from(self.worth_waiting(&jobs));
            // Neighbours among the slots are neighbours among the jobs: paths find theirs again, as
            // their order is that of the digits that they began with.
            let slot = |number: usize| number as f64 / jobs.len() as f64;
            let ask = |job: &Vec<&Question>, number: usize| {
                for (question, answer) in self.ask(job, effort, slot(number))? {
                    let mut known = self.answers.lock().unwrap_or_else(|lock| lock.into_inner());
                    known.keep(question.key, answer.clone());
                    got.lock()
                        .unwrap_or_else(|lock| lock.into_inner())
                        .push((question.key, answer));
                }
                Ok::<(), ServedError>(())
            };
            workers::run(&jobs[..first], 1, ask)?;
            workers::run(&jobs[first..], self.in_flight, ask)?;
            answered.extend(got.into_inner().unwrap_or_else(|lock| lock.into_inner()));
            open.retain(|question| {
                answered
                    .get(&question.key)
                    .is_none_or(|answer| answer.missing > TOLERATED)
            });
        }
        let missing = answered.values().map(|answer| answer.missing);
        let missing = missing.fold(0.0f32, f32::max);
        self.largest_missing
            .fetch_max(missing.to_bits(), Ordering::Relaxed);
        Ok(answered)
    }

    /// Groups queries into requests, those of one sequence together if the server supports it.
    fn jobs<'q, 's>(&self, open: &[&'q Question<'s>], effort: usize) -> Vec<Vec<&'q Question<'s>>> {
        let together = effort == 0 && self.scores_contexts();
        let most = AT_ONCE / self.places[0].symbols.len();
        let mut jobs: Vec<Vec<&Question>> = Vec::new();
        for &question in open {
            match jobs.last_mut() {
                Some(job)
                    if together && job.len() < most && job[0].ids.starts_with(question.ids) =>
                {
                    job.push(question);
                }
                _ => jobs.push(vec![question]),
            }
        }
        jobs
    }

    /// True if the others can continue from the prefix that the server has read for the first.
    fn worth_waiting(&self, jobs: &[Vec<&Question>]) -> bool {
        let [first, second, ..] = jobs else {
            return false;
        };
        let pairs = first[0].ids.iter().zip(second[0].ids);
        let shared = pairs.take_while(|(a, b)| a == b).count();
        self.found.protocol.slots().is_none() && shared >= WORTH_WAITING
    }

    /// Makes one request.
    fn ask<'q, 's>(
        &self,
        job: &[&'q Question<'s>],
        effort: usize,
        slot: f64,
    ) -> Result<Vec<(&'q Question<'s>, Arc<SymbolLogits>)>, ServedError> {
        let mut lengths: Vec<usize> = job.iter().map(|question| question.ids.len()).collect();
        lengths.sort_unstable();
        lengths.dedup();
        let mut symbols: Vec<u32> = job
            .iter()
            .flat_map(|question| &self.places[question.place].symbols)
            .copied()
            .collect();
        symbols.sort_unstable();
        symbols.dedup();
        let query = Query {
            ids: job[0].ids,
            lengths: &lengths,
            symbols: &symbols,
            effort,
            slot,
            pieces: self.pieces.as_ref(),
        };
        let next = self.found.protocol.next_tokens(&self.client, &query)?;
        let answers = job.iter().filter_map(|&question| {
            let at = lengths.binary_search(&question.ids.len()).ok()?;
            let logits = next.get(at)?.symbols(&self.places[question.place].symbols);
            Some((question, Arc::new(logits)))
        });
        Ok(answers.collect())
    }
}

impl LanguageModel for Served {
    fn sequences(
        self: Arc<Self>,
        batch: usize,
        _capacity: usize,
    ) -> Result<Box<dyn Sequences>, ModelError> {
        Ok(Box::new(ServedSequences {
            served: self,
            read: vec![Vec::new(); batch],
        }))
    }

    fn vocabulary_logits(&self, _ids: &[u32]) -> Result<Tensor, ModelError> {
        Err(ServedError::NoWeights {
            server: self.client.server(),
            what: "the probability of all tokens",
        })?
    }

    fn window(&self) -> usize {
        self.window
    }

    fn bytes_a_position(&self) -> usize {
        size_of::<u32>()
    }

    fn tokens_at_once(&self) -> usize {
        // The number of requests does not depend on the chunks of a read.
        usize::MAX
    }
}

/// Tokens of sequences that were read.
struct ServedSequences {
    served: Arc<Served>,
    read: Vec<Vec<u32>>,
}

impl Sequences for ServedSequences {
    fn batch(&self) -> usize {
        self.read.len()
    }

    fn read(&mut self, ids: &[u32], wanted: &[Wanted]) -> Result<Vec<Tensor>, ModelError> {
        let length = ids.len() / self.batch().max(1);
        let before: Vec<usize> = self.read.iter().map(Vec::len).collect();
        let mut longer = self.read.clone();
        for (read, ids) in longer.iter_mut().zip(ids.chunks(length.max(1))) {
            read.extend_from_slice(ids);
        }
        let mut questions = Vec::new();
        for Wanted { place, positions } in wanted {
            for (read, before) in longer.iter().zip(&before) {
                for &position in positions {
                    let end = before + position as usize + 1;
                    let ids = read.get(..end).ok_or_else(no_such_position)?;
                    questions.push(Question {
                        key: Key::of(ids, *place),
                        ids,
                        place: *place,
                    });
                }
            }
        }
        let answered = self.served.answered(&questions)?;
        let mut questions = questions.iter();
        let tensors = wanted.iter().map(|Wanted { place, positions }| {
            let rows = positions.len() * longer.len();
            let mut logits: Vec<f32> = Vec::new();
            for question in questions.by_ref().take(rows) {
                let answer = answered.get(&question.key).ok_or_else(no_such_position)?;
                logits.extend_from_slice(&answer.logits);
            }
            let symbols = self.served.places[*place].symbols.len();
            Ok(Tensor::from_vec(logits, (rows, symbols), &Device::Cpu)?)
        });
        let tensors = tensors.collect::<Result<_, ModelError>>()?;
        self.read = longer;
        Ok(tensors)
    }

    fn fork(
        &self,
        branches: &[Branch],
        _capacity: usize,
    ) -> Result<Box<dyn Sequences>, ModelError> {
        let beginning = |branch: &Branch| {
            let read = self.read.get(branch.sequence);
            let read = read.and_then(|read| read.get(..branch.position));
            read.map(<[u32]>::to_vec).ok_or_else(no_such_position)
        };
        Ok(Box::new(ServedSequences {
            served: self.served.clone(),
            read: branches.iter().map(beginning).collect::<Result<_, _>>()?,
        }))
    }

    fn forget(&mut self, count: usize) -> Result<(), ModelError> {
        for read in &mut self.read {
            read.truncate(read.len().saturating_sub(count));
        }
        Ok(())
    }
}

fn no_such_position() -> ModelError {
    candle_core::Error::msg("no such sequence or position").into()
}
