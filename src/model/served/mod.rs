//! Models that a server computes: larger than this machine, or shared.
//!
//! A sequence is the list of its tokens. Only where symbols are to be predicted is the server asked,
//! for the probabilities of the symbols after each of these beginnings; what it remembers of
//! beginnings that it has read is its own affair, and requests come in an order that suits it.

mod address;
mod answers;
mod client;
mod completions;
mod error;
mod llama_cpp;
mod openai;
mod pieces;
mod probe;
mod protocol;
mod sglang;
mod tokenizer;
mod vllm;
mod workers;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use candle_core::{Device, Tensor};

use super::network::{LanguageModel, Sequences, Wanted};
use super::{Branch, ModelError, tokenizer_file};
use crate::codec::{CodecError, Place, PromptFormat, TextTokenizer, TokenTable};
pub use address::ServerAddress;
use answers::{Answers, Key};
use client::Client;
pub use error::{AddressError, ServedError};
use pieces::Pieces;
use probe::{Found, probe};
use protocol::{Query, SymbolLogits};
use tokenizer::ServerTokenizer;

/// Tokens of a model whose server does not say how many it reads.
const UNTOLD_WINDOW: usize = 2048;

/// Share of the symbols' probability that may be missing before the server is asked again, with more
/// effort.
const TOLERATED: f32 = 1e-5;

/// Probabilities that one request may ask for.
const AT_ONCE: usize = 1 << 17;

/// Tokens that the request of a whole context must spare another to be waited for.
const WORTH_WAITING: usize = 64;

/// A server that was asked what it is.
pub struct Server {
    address: ServerAddress,
    client: Client,
    found: Found,
    tokenizer: Option<tokenizers::Tokenizer>,
}

/// What a server was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// Kind of the server.
    pub server: &'static str,
    /// Its version, if it says.
    pub version: Option<String>,
    /// Name of the model.
    pub model: String,
    /// Tokens of a prompt that it reads, if it says.
    pub window: Option<usize>,
    /// Whether its probabilities are exact.
    pub accuracy: String,
    /// Most requests at a time.
    pub in_flight: usize,
    /// Where its tokenizer was audited: the server or a file.
    pub tokenizer: &'static str,
}

impl Server {
    /// Asks a server what it is. A tokenizer.json or GGUF file stands for the server's own
    /// tokenizer if one is given.
    ///
    /// # Errors
    /// [`ServedError`] if it cannot be reached or is of no known kind, and errors of the file.
    pub fn connect(address: &ServerAddress, tokenizer: Option<&Path>) -> Result<Self, ModelError> {
        let tokenizer = tokenizer.map(tokenizer_file::of_any_kind).transpose()?;
        let client = Client::from_env(address)?;
        let found = probe(&client)?;
        Ok(Self {
            address: address.clone(),
            client,
            found,
            tokenizer,
        })
    }

    /// What it was found to be.
    pub fn info(&self) -> ServerInfo {
        let found = &self.found;
        ServerInfo {
            server: found.protocol.server(),
            version: found.version.clone(),
            model: found.model.clone(),
            window: found.window,
            accuracy: found.protocol.accuracy(),
            in_flight: self.in_flight(),
            tokenizer: match (&self.tokenizer, &found.dialect) {
                (Some(_), _) => "the file",
                (None, Some(_)) => "the server's own",
                (None, None) => "not known",
            },
        }
    }

    fn in_flight(&self) -> usize {
        let slots = self.found.protocol.slots().unwrap_or(usize::MAX);
        self.client.in_flight().min(slots)
    }

    /// Audits its tokenizer on a prompt format.
    ///
    /// # Errors
    /// [`ModelError::Codec`] if it does not fit, [`ServedError::NoTokenizer`] if it cannot be asked.
    pub fn audit(&self, format: &PromptFormat) -> Result<TokenTable, ModelError> {
        let audited = |tokenizer: &dyn TextTokenizer| TokenTable::audit(tokenizer, format);
        Ok(match (&self.tokenizer, &self.found.dialect) {
            (Some(tokenizer), _) => audited(tokenizer)?,
            (None, Some(dialect)) => audited(&ServerTokenizer {
                client: &self.client,
                dialect: dialect.clone(),
            })?,
            (None, None) => Err(ServedError::NoTokenizer {
                server: self.client.server(),
            })?,
        })
    }

    /// The tokens that write numbers, by the first of the formats that the tokenizer supports.
    ///
    /// # Errors
    /// As [`audit`](Self::audit).
    pub fn tokens(&self, formats: &[PromptFormat]) -> Result<TokenTable, ModelError> {
        let mut reasons = Vec::new();
        for format in formats {
            match self.audit(format) {
                Ok(table) => return Ok(table),
                Err(ModelError::Codec(CodecError::Audit { format, reason })) => {
                    reasons.push(format!("{format}: {reason}"));
                }
                Err(other) => return Err(other),
            }
        }
        Err(CodecError::NoFormat(reasons).into())
    }

    /// The model behind it, which reads numbers by these tokens.
    ///
    /// # Errors
    /// [`ServedError::Text`] if the server takes text only and the tokens do not join to text.
    pub fn model(self, tokens: &TokenTable) -> Result<Served, ModelError> {
        let pieces = self.tokenizer.as_ref();
        let mut pieces = pieces.and_then(|tokenizer| Pieces::of(tokenizer, tokens));
        if self.found.wants_text {
            pieces = pieces.and_then(|pieces| pieces.joined(tokens));
            if pieces.is_none() {
                Err(ServedError::Text {
                    server: self.client.server(),
                    reason: "the tokens of numbers do not join to their text".to_owned(),
                })?;
            }
        }
        let in_flight = self.in_flight();
        // One token is asked for after the prompt.
        let window = self.found.window.map_or(UNTOLD_WINDOW, |window| window.saturating_sub(1));
        Ok(Served {
            address: self.address,
            client: self.client,
            found: self.found,
            pieces,
            places: tokens.places().to_vec(),
            in_flight,
            window,
            answers: Mutex::default(),
            largest_missing: AtomicU32::new(0),
        })
    }
}

/// A model that a server computes.
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

/// The next symbol of a beginning of a sequence, which is asked for.
struct Question<'s> {
    key: Key,
    ids: &'s [u32],
    place: usize,
}

impl Served {
    /// Where it is served.
    pub fn address(&self) -> &ServerAddress {
        &self.address
    }

    /// Requests that were made, repetitions among them.
    pub fn requests(&self) -> u64 {
        self.client.requests()
    }

    /// True if one request answers for a whole context.
    pub fn scores_contexts(&self) -> bool {
        self.found.protocol.scores_contexts()
    }

    /// The largest share of a symbol's probability that the server has not given, 0 to 1.
    pub fn largest_missing(&self) -> f64 {
        f64::from(f32::from_bits(self.largest_missing.load(Ordering::Relaxed)))
    }

    /// Logits of the next symbols, which are asked for unless they are known.
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
        // The longest first, and beside it those that begin as it does.
        open.sort_by(|a, b| b.ids.cmp(a.ids).then(a.place.cmp(&b.place)));
        open.dedup_by_key(|question| question.key);
        for effort in 0..self.found.protocol.efforts() {
            let jobs = self.jobs(&open, effort);
            let got = Mutex::new(Vec::new());
            let ask = |job: &Vec<&Question>, worker: usize| {
                for (question, answer) in self.ask(job, effort, worker)? {
                    let mut known = self.answers.lock().unwrap_or_else(|lock| lock.into_inner());
                    known.keep(question.key, answer.clone());
                    got.lock().unwrap_or_else(|lock| lock.into_inner()).push((question.key, answer));
                }
                Ok::<(), ServedError>(())
            };
            let first = usize::from(self.worth_waiting(&jobs));
            workers::run(&jobs[..first], 1, ask)?;
            workers::run(&jobs[first..], self.in_flight, ask)?;
            answered.extend(got.into_inner().unwrap_or_else(|lock| lock.into_inner()));
            open.retain(|question| {
                answered.get(&question.key).is_none_or(|answer| answer.missing > TOLERATED)
            });
        }
        let missing = answered.values().map(|answer| answer.missing);
        let missing = missing.fold(0.0f32, f32::max);
        self.largest_missing.fetch_max(missing.to_bits(), Ordering::Relaxed);
        Ok(answered)
    }

    /// Questions that one request answers each, those of one sequence together if the server takes
    /// them together.
    fn jobs<'q, 's>(
        &self,
        open: &[&'q Question<'s>],
        effort: usize,
    ) -> Vec<Vec<&'q Question<'s>>> {
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

    /// True if the others can go on from what the server has read for the first.
    fn worth_waiting(&self, jobs: &[Vec<&Question>]) -> bool {
        let [first, second, ..] = jobs else {
            return false;
        };
        let pairs = first[0].ids.iter().zip(second[0].ids);
        let shared = pairs.take_while(|(a, b)| a == b).count();
        self.found.protocol.slots().is_none() && shared >= WORTH_WAITING
    }

    /// One request.
    fn ask<'q, 's>(
        &self,
        job: &[&'q Question<'s>],
        effort: usize,
        worker: usize,
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
            worker,
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
        &self,
        batch: usize,
        _capacity: usize,
    ) -> Result<Box<dyn Sequences<'_> + '_>, ModelError> {
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
        // A read costs as many requests however it is cut.
        usize::MAX
    }
}

/// Tokens that were read of some sequences.
struct ServedSequences<'m> {
    served: &'m Served,
    read: Vec<Vec<u32>>,
}

impl<'m> Sequences<'m> for ServedSequences<'m> {
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
    ) -> Result<Box<dyn Sequences<'m> + 'm>, ModelError> {
        let beginning = |branch: &Branch| {
            let read = self.read.get(branch.sequence);
            let read = read.and_then(|read| read.get(..branch.position));
            read.map(<[u32]>::to_vec).ok_or_else(no_such_position)
        };
        Ok(Box::new(ServedSequences {
            served: self.served,
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
