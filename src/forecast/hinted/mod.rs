//! The bundled model as a forecaster: it reads every channel's values beside what online experts say
//! of the next one.
//!
//! Experts bring other channels, actions, trends and resolution; the model brings what they do not
//! know. Its answer to a row is a [`Law`]: a mixture of the bins of digits, the bins of the residual
//! `(value - location) / scale` of the best hint and normals around the two best hints, with weights
//! that the context has taught ([`Gate`]). Densities are given on the bins of the residual; what is
//! learned from a value, and what is drawn, is the mixture itself.

mod copula;
mod gate;
mod law;
mod normal;

use std::ops::Range;

use ndarray::{Array3, aview1, s};

use super::expert_paths::{ExpertPaths, grid_of};
use super::mixture::mixed;
use super::{
    Bounds, Continuation, Densities, ForecastError, Knowledge, Language, Observed, Paths, Point,
    Predictor, Start, Temperature,
};
use crate::codec::BIN_COUNT;
use crate::experts::{Hint, Leadership};
use crate::model::{Answers, HintedModel, HintedSequences, RowBefore, RowInput};

use copula::{Copula, Scores};
use gate::Gate;
use law::{Answer, Law};

/// Fewest rows that are read at once of every channel.
const FEWEST_ROWS: usize = 16;

/// Memory that paths which advance together may take, and what a sequence takes of it beside its
/// keys and values: features, activations and answers.
const PATH_BYTES: usize = 256 << 20;
const SEQUENCE_BYTES: usize = 80 << 10;

/// Rows by which room for keys and values grows.
const ROWS_OF_ROOM: usize = 16;

/// Share of the weights that moves between the two readings of a lone channel at every row.
const SHARE: f64 = 0.003;

/// A model that reads hints, with experts of its own.
///
/// A channel that comes alone, without actions, is also read as digits, as the same model reads a
/// series without hints: the two err differently, and on the held-out families their Bayesian
/// mixture is better than either by 0.1 nats.
pub struct Hinted<'m> {
    model: HintedModel<'m>,
    language: Language<'m>,
    knowledge: Knowledge,
}

impl<'m> Hinted<'m> {
    /// The model, if it was trained to read hints.
    pub fn new(language: Language<'m>) -> Option<Self> {
        Some(Self {
            model: language.model.hinted()?,
            language,
            knowledge: Knowledge::default(),
        })
    }

    /// The same, with experts that know something about the system.
    pub fn knowing(mut self, knowledge: Knowledge) -> Self {
        self.knowledge = knowledge;
        self
    }

    fn state(&self, start: Start) -> Result<State<'m>, ForecastError> {
        let channels = start.channels();
        let components = 2 + 2 * self.model.spreads().len();
        let gate = Gate::new(components, self.model.share(), self.model.trust());
        Ok(State {
            model: self.model,
            temperature: self.language.temperature,
            experts: ExpertPaths::start(&start, &self.knowledge)?,
            sequences: self.model.sequences(channels, start.rows)?,
            channels,
            before: vec![None; channels],
            gates: vec![gate; channels],
            answers: None,
            scores: Scores::new(channels),
            copula: None,
            bounds: Bounds::new(channels),
            held: Vec::new(),
            clipped: 0,
        })
    }
}

impl<'m> Predictor<'m> for Hinted<'m> {
    fn name(&self) -> String {
        self.language.name()
    }

    fn start(&self, start: Start) -> Result<Box<dyn Continuation<'m> + 'm>, ForecastError> {
        let hinted = Box::new(self.state(start)?);
        if start.channels() > 1 || !start.units.is_empty() {
            return Ok(hinted);
        }
        let digits = self.language.start(start)?;
        Ok(mixed(vec![hinted, digits], SHARE, 1))
    }

    fn longest_context(&self, horizon: usize) -> usize {
        self.model.window().saturating_sub(horizon)
    }

    fn check(&self, context: usize, horizon: usize) -> Result<(), ForecastError> {
        let (tokens, window) = (context + horizon, self.model.window());
        match tokens <= window {
            true => Ok(()),
            false => Err(ForecastError::Window {
                context,
                horizon,
                tokens,
                window,
            }),
        }
    }

    fn needs_actions(&self) -> bool {
        true
    }

    fn is_bounded(&self) -> bool {
        false
    }
}

struct State<'m> {
    model: HintedModel<'m>,
    temperature: Temperature,
    experts: ExpertPaths,
    sequences: HintedSequences<'m>,
    channels: usize,
    /// The last row of every sequence.
    before: Vec<Option<RowBefore>>,
    /// One a sequence.
    gates: Vec<Gate>,
    /// To the next row, once it was read.
    answers: Option<Answers>,
    /// How channels go together in what was read, and from there on along sampled paths.
    scores: Scores,
    copula: Option<Copula>,
    bounds: Bounds,
    /// Sequences whose last draw was held within the bounds, and counted.
    held: Vec<usize>,
    /// Values beyond the residual's bins, and draws beyond the bounds.
    clipped: usize,
}

impl State<'_> {
    /// What a sequence shows of its next row, as the experts have predicted it.
    fn input(&self, sequence: usize, path: usize, channel: usize) -> RowInput {
        let before = self.before[sequence];
        match self.experts.begins(path) {
            true => RowInput::beginning(before),
            false => RowInput::hinted(before, self.experts.hint(path, channel)),
        }
    }

    /// The model's answers to the next row of all sequences, which the experts have predicted; they
    /// are taken out of the state.
    fn answer(&mut self) -> Result<Answers, ForecastError> {
        self.experts.predict()?;
        if let Some(answers) = self.answers.take() {
            return Ok(answers);
        }
        let sequences = self.experts.sequences().enumerate();
        let inputs = sequences.map(|(i, (path, channel))| self.input(i, path, channel));
        let inputs: Vec<RowInput> = inputs.collect();
        Ok(self.sequences.read(&inputs)?)
    }

    /// The law of a sequence's next value, at a temperature of 1.
    fn law(&self, answers: &Answers, sequence: usize, path: usize, channel: usize) -> Law {
        let answer = answers.row(sequence);
        Law::new(
            answer,
            self.experts.hint(path, channel),
            self.model.spreads(),
            self.gates[sequence].log_weights(answer.2),
        )
    }

    /// The same as it is asked for.
    fn tempered(&self, answers: &Answers, sequence: usize, path: usize, channel: usize) -> Law {
        let law = self.law(answers, sequence, path, channel);
        law.tempered(answers.row(sequence), self.temperature)
    }

    /// The laws of all sequences' next values.
    fn next_laws(&self, answers: &Answers) -> Vec<Law> {
        let sequences = self.experts.sequences().enumerate();
        sequences
            .map(|(i, (path, c))| self.tempered(answers, i, path, c))
            .collect()
    }

    /// Forgets what was answered to a next row that is going to be another.
    fn retract(&mut self) {
        if self.answers.take().is_some() {
            self.sequences.forget_last();
        }
    }

    /// What comes before the next row of a sequence that has gone on to a position.
    fn gone_to(&self, path: usize, channel: usize, position: f64) -> Option<RowBefore> {
        let bin = || self.experts.grid(path, channel).quantise(position).bin;
        Some(RowBefore {
            position,
            residual: (!self.experts.begins(path)).then(bin),
        })
    }

    /// Reads rows, and learns from them; the laws of their values, row by row.
    fn laws(&mut self, rows: Observed) -> Result<Vec<Law>, ForecastError> {
        self.bounds.observe(rows.positions);
        if rows.begins.first() == Some(&true) && !self.experts.begins(0) {
            self.retract();
        }
        let (inputs, hints) = self.read_experts(rows)?;
        let before = self.answers.take();
        // The first row may have been answered already.
        let answered = usize::from(before.is_some());
        let unread = inputs
            .into_iter()
            .flat_map(|of| of.into_iter().skip(answered));
        let unread: Vec<RowInput> = unread.collect();
        let behind = match unread.is_empty() {
            true => Answers::default(),
            false => self.sequences.read(&unread)?,
        };
        let mut laws = Vec::with_capacity(hints.len());
        for (t, hints) in hints.chunks(self.channels).enumerate() {
            for (c, hint) in hints.iter().enumerate() {
                let answer = match &before {
                    Some(before) if t == 0 => before.row(c),
                    _ => behind.row(c * (rows.len() - answered) + t - answered),
                };
                let position = (!rows.begins[t]).then(|| rows.positions[[t, c]]);
                laws.push(self.judged(c, answer, hint, position));
            }
        }
        for (t, laws) in laws.chunks(self.channels).enumerate() {
            if !rows.begins[t] {
                let places = laws.iter().zip(rows.positions.row(t));
                let places: Vec<f64> = places.map(|(law, &x)| law.cdf(x)).collect();
                self.scores.learn(&places);
            }
        }
        Ok(laws)
    }

    /// Reads rows with the experts: what every channel shows of them, and the hints, row by row.
    fn read_experts(
        &mut self,
        rows: Observed,
    ) -> Result<(Vec<Vec<RowInput>>, Vec<Hint>), ForecastError> {
        let mut inputs: Vec<Vec<RowInput>> = vec![Vec::with_capacity(rows.len()); self.channels];
        let mut hints = Vec::with_capacity(rows.len() * self.channels);
        for t in 0..rows.len() {
            self.experts.predict_row(rows.begins[t])?;
            for (c, inputs) in inputs.iter_mut().enumerate() {
                inputs.push(self.input(c, 0, c));
                let hint = self.experts.hint(0, c);
                let position = rows.positions[[t, c]];
                let saturated = grid_of(hint).quantise(position).saturated;
                self.clipped += usize::from(hint.known && saturated);
                hints.push(*hint);
                self.before[c] = self.gone_to(0, c, position);
            }
            self.experts
                .learn_row(rows.positions.row(t), rows.actions.row(t));
        }
        Ok((inputs, hints))
    }

    /// The law of a value of a channel, from which the gate learns if it is known where it lies and
    /// that it follows from the rows before. It learns at a temperature of 1.
    fn judged(&mut self, c: usize, answer: Answer, hint: &Hint, position: Option<f64>) -> Law {
        let gate = &mut self.gates[c];
        let weights = gate.log_weights(answer.2);
        let spreads = self.model.spreads();
        let law = Law::new(answer, hint, spreads, weights);
        if let Some(position) = position {
            gate.observe(answer.2, &law.parts(position));
        }
        law.tempered(answer, self.temperature)
    }
}

impl<'m> Continuation<'m> for State<'m> {
    fn batch(&self) -> usize {
        self.sequences.batch()
    }

    fn observe(
        &mut self,
        rows: Observed,
        wanted: Range<usize>,
    ) -> Result<Densities, ForecastError> {
        let mut densities: Densities =
            Array3::zeros((wanted.len(), self.channels, BIN_COUNT)).into();
        let at_once = (self.model.rows_at_once() / self.channels).max(FEWEST_ROWS);
        for start in (0..rows.len()).step_by(at_once) {
            let chunk = start..rows.len().min(start + at_once);
            let laws = self.laws(rows.rows(chunk.clone()))?;
            for (t, laws) in chunk.zip(laws.chunks(self.channels)) {
                if wanted.contains(&t) {
                    put(&mut densities, t - wanted.start, laws);
                }
            }
        }
        Ok(densities)
    }

    fn next_densities(&mut self) -> Result<Densities, ForecastError> {
        let answers = self.answer()?;
        let laws = self.next_laws(&answers);
        self.answers = Some(answers);
        let mut densities = Array3::zeros((1, self.batch(), BIN_COUNT)).into();
        put(&mut densities, 0, &laws);
        Ok(densities)
    }

    fn couple(&self, levels: &mut [f64]) {
        if let Some(copula) = &self.copula {
            copula.couple(levels);
        }
    }

    fn draw(&mut self, levels: &[f64]) -> Result<Vec<Point>, ForecastError> {
        let answers = self.answer()?;
        self.held.clear();
        let mut drawn = Vec::with_capacity(levels.len());
        for (i, (path, c)) in self.experts.sequences().enumerate() {
            let position = self.tempered(&answers, i, path, c).draw(levels[i]);
            let held = self.bounds.held(c, position);
            self.held.extend(held.map(|_| i));
            drawn.push(Point::at(held.unwrap_or(position)));
        }
        self.clipped += self.held.len();
        self.answers = Some(answers);
        Ok(drawn)
    }

    fn advance(&mut self, values: &[Point], actions: &[f64]) -> Result<(), ForecastError> {
        let answers = self.answer()?;
        let held = std::mem::take(&mut self.held);
        let positions: Vec<f64> = values.iter().map(|value| value.position()).collect();
        for (i, (path, c)) in self.experts.sequences().enumerate() {
            let known = self.experts.hint(path, c).known;
            let saturated = self.experts.grid(path, c).quantise(positions[i]).saturated;
            self.clipped += usize::from(known && saturated && !held.contains(&i));
            self.before[i] = self.gone_to(path, c, positions[i]);
            if !self.experts.begins(path) {
                let law = self.law(&answers, i, path, c);
                self.gates[i].follow(&law.parts(positions[i]));
            }
        }
        self.experts.learn(&positions, actions);
        Ok(())
    }

    fn fork(
        &self,
        paths: Paths,
        steps: usize,
    ) -> Result<Box<dyn Continuation<'m> + 'm>, ForecastError> {
        let count = paths.count;
        let mut sequences = self.sequences.fork(count, steps + 1)?;
        // The next row of a path may begin an episode, of which its context knew nothing.
        if self.answers.is_some() {
            sequences.forget_last();
        }
        Ok(Box::new(Self {
            model: self.model,
            temperature: self.temperature,
            experts: self.experts.fork(count),
            sequences,
            channels: self.channels,
            before: repeated(&self.before, count),
            gates: repeated(&self.gates, count),
            answers: None,
            copula: self.scores.copula(),
            scores: self.scores.clone(),
            bounds: self.bounds.clone(),
            held: Vec::new(),
            clipped: 0,
        }))
    }

    fn discard(&mut self, sequences: &[usize]) {
        let before = self.held.len();
        self.held.retain(|i| !sequences.contains(i));
        self.clipped -= before - self.held.len();
    }

    fn detach(&mut self, paths: &[usize]) {
        self.experts.detach(paths);
    }

    fn begin(&mut self, paths: &[usize]) {
        if paths.iter().any(|&path| !self.experts.begins(path)) {
            self.retract();
        }
        self.experts.begin(paths);
    }

    fn clipped(&self) -> usize {
        self.clipped
    }

    fn leaders(&self) -> Vec<Leadership> {
        self.experts.leaders()
    }

    fn paths_at_once(&self, steps: usize) -> usize {
        let rows = (steps + 1).next_multiple_of(ROWS_OF_ROOM);
        let sequence = rows * self.model.bytes_a_row() + SEQUENCE_BYTES;
        let with_cache = (PATH_BYTES / (self.channels * sequence)).max(1);
        self.experts.paths_at_once(steps).min(with_cache)
    }
}

/// Writes laws into a row of densities.
fn put(densities: &mut Densities, row: usize, laws: &[Law]) {
    for (i, law) in laws.iter().enumerate() {
        densities.grids[[row, i]] = law.grid();
        let masses = densities.masses.slice_mut(s![row, i, ..]);
        aview1(&law.masses()).assign_to(masses);
    }
}

/// Every item, `count` times.
fn repeated<T: Clone>(items: &[T], count: usize) -> Vec<T> {
    let repeated = items
        .iter()
        .flat_map(|item| std::iter::repeat_n(item, count));
    repeated.cloned().collect()
}

#[cfg(test)]
mod tests;
