//! The bundled model as a forecaster: it reads every channel's values beside what online experts say
//! of the next one.
//!
//! Experts bring other channels, actions, trends and resolution; the model brings what they do not
//! know. Its answer to a row is a [`Distribution`]: a mixture of the bins of digits, the bins of the residual
//! `(value - location) / scale` of the best hint and normals around the two best hints, with weights
//! that the context has taught ([`Gate`]). Densities are given on the bins of the residual; what is
//! learned from a value, and what is drawn, is the mixture itself.

mod copula;
mod distribution;
mod gate;
mod mixed;
mod normal;
mod window;

use std::ops::Range;

use ndarray::{Array3, aview1, s};

use super::expert_paths::{ExpertPaths, grid_of};
use super::long_context::{check_window, longest_context};
use super::mixture::mixed;
use super::{
    Clipped, Continuation, Densities, ForecastError, Knowledge, Language, Observed, Paths, Point,
    Predictor, Start, Temperature,
};
use crate::codec::BIN_COUNT;
use crate::experts::{Hint, Leadership};
use crate::model::{Answer, Answers, HintedModel, RowBefore, RowInput, paths_that_fit};

use copula::{Copula, Scores};
use distribution::Distribution;
use gate::Gate;
use window::Window;

/// Share of the weights that moves between the two readings of a lone channel at every row.
const SHARE: f64 = 0.003;

/// A model that reads hints, with experts of its own.
///
/// A channel that comes alone, without actions, is also read as digits, as the same model reads a
/// series without hints: the two err differently, and on the held-out families their Bayesian
/// mixture is better than either by 0.1 nats.
pub struct Hinted {
    model: HintedModel,
    language: Language,
    knowledge: Knowledge,
}

impl Hinted {
    /// The model, if it was trained to read hints.
    pub fn new(language: Language) -> Option<Self> {
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

    fn state(&self, start: Start) -> Result<State, ForecastError> {
        let channels = start.channels();
        let components = 2 + 2 * self.model.spreads().len();
        let gate = Gate::new(components, self.model.share(), self.model.trust());
        Ok(State {
            model: self.model.clone(),
            temperature: self.language.temperature,
            experts: ExpertPaths::start(&start, &self.knowledge)?,
            window: Window::new(self.model.clone(), channels, start.rows)?,
            channels,
            before: vec![None; channels],
            gates: vec![gate; channels],
            answers: None,
            scores: Scores::new(channels),
            copula: None,
            clipped: Clipped::new(channels),
        })
    }
}

impl Predictor for Hinted {
    fn name(&self) -> String {
        self.language.name()
    }

    fn start(&self, start: Start) -> Result<Box<dyn Continuation>, ForecastError> {
        let hinted = Box::new(self.state(start)?);
        if start.channels() > 1 || start.taken() > 0 {
            return Ok(hinted);
        }
        let digits = self.language.start(start)?;
        Ok(mixed(vec![hinted, digits], SHARE, 1))
    }

    fn window(&self) -> usize {
        self.model.window().min(self.language.window())
    }

    fn longest_context(&self, horizon: usize) -> usize {
        longest_context(self.window(), horizon)
    }

    fn check(&self, context: usize, horizon: usize) -> Result<(), ForecastError> {
        check_window(self.window(), context, horizon)
    }

    fn needs_actions(&self) -> bool {
        true
    }

    fn is_bounded(&self) -> bool {
        false
    }
}

struct State {
    model: HintedModel,
    temperature: Temperature,
    experts: ExpertPaths,
    window: Window,
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
    clipped: Clipped,
}

impl State {
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
        self.window.read(&inputs)
    }

    /// The distribution of a sequence's next value, at a temperature of 1.
    fn distribution<'a>(
        &self,
        answers: &'a Answers,
        sequence: usize,
        path: usize,
        channel: usize,
    ) -> Distribution<'a> {
        let answer = answers.row(sequence);
        Distribution::new(
            answer,
            self.experts.hint(path, channel),
            self.model.spreads(),
            self.gates[sequence].log_weights(answer.gate),
        )
    }

    /// The same as it is asked for.
    fn tempered<'a>(
        &self,
        answers: &'a Answers,
        sequence: usize,
        path: usize,
        channel: usize,
    ) -> Distribution<'a> {
        let distribution = self.distribution(answers, sequence, path, channel);
        distribution.tempered(self.temperature)
    }

    /// Forgets what was answered to a next row that is going to be another.
    fn retract(&mut self) {
        if self.answers.take().is_some() {
            self.window.forget_last();
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

    /// Reads rows at once, and learns from them. `each` is given the distributions of their values, row by
    /// row, channel by channel.
    fn read(
        &mut self,
        rows: Observed,
        mut each: impl FnMut(usize, usize, &Distribution),
    ) -> Result<(), ForecastError> {
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
            false => self.window.read(&unread)?,
        };
        for (t, hints) in hints.chunks(self.channels).enumerate() {
            let mut places = Vec::with_capacity(self.channels);
            for (c, hint) in hints.iter().enumerate() {
                let answer = match &before {
                    Some(before) if t == 0 => before.row(c),
                    _ => behind.row(c * (rows.len() - answered) + t - answered),
                };
                let x = rows.positions[[t, c]];
                let distribution = self.judged(c, answer, hint, (!rows.begins[t]).then_some(x));
                if self.channels > 1 {
                    places.push(distribution.cdf(x));
                }
                each(t, c, &distribution);
            }
            if self.channels > 1 && !rows.begins[t] {
                self.scores.learn(&places);
            }
        }
        Ok(())
    }

    /// The same for any number of rows, as many at once as are best.
    fn read_all(
        &mut self,
        rows: Observed,
        mut each: impl FnMut(usize, usize, &Distribution),
    ) -> Result<(), ForecastError> {
        self.clipped.observe(rows.positions);
        for chunk in chunks(rows.len(), self.window.rows_at_once()) {
            let start = chunk.start;
            self.read(rows.rows(chunk), |t, c, distribution| {
                each(start + t, c, distribution)
            })?;
        }
        Ok(())
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
                let clipped = grid_of(hint).quantise(position).clipped;
                self.clipped.read(hint.known && clipped);
                hints.push(*hint);
                self.before[c] = self.gone_to(0, c, position);
            }
            self.experts
                .learn_row(rows.positions.row(t), rows.actions.row(t));
        }
        Ok((inputs, hints))
    }

    /// The distribution of a value of a channel, from which the gate learns if it is known where it lies and
    /// that it follows from the rows before. It learns at a temperature of 1.
    fn judged<'a>(
        &mut self,
        c: usize,
        answer: Answer<'a>,
        hint: &Hint,
        position: Option<f64>,
    ) -> Distribution<'a> {
        let gate = &mut self.gates[c];
        let weights = gate.log_weights(answer.gate);
        let distribution = Distribution::new(answer, hint, self.model.spreads(), weights);
        if let Some(position) = position {
            gate.observe(answer.gate, &distribution.parts(position));
        }
        distribution.tempered(self.temperature)
    }
}

impl Continuation for State {
    fn batch(&self) -> usize {
        self.window.batch()
    }

    fn observe(
        &mut self,
        rows: Observed,
        wanted: Range<usize>,
    ) -> Result<Densities, ForecastError> {
        let mut densities: Densities =
            Array3::zeros((wanted.len(), self.channels, BIN_COUNT)).into();
        self.read_all(rows, |t, c, distribution| {
            if wanted.contains(&t) {
                put(&mut densities, t - wanted.start, c, distribution);
            }
        })?;
        Ok(densities)
    }

    fn pass(&mut self, rows: Observed) -> Result<(), ForecastError> {
        self.answers = None;
        self.window.forget_all()?;
        self.clipped.observe(rows.positions);
        self.experts.pass(true);
        for chunk in chunks(rows.len(), self.window.rows_at_once()) {
            self.read_experts(rows.rows(chunk))?;
        }
        self.experts.pass(false);
        Ok(())
    }

    fn next_densities(&mut self) -> Result<Densities, ForecastError> {
        let answers = self.answer()?;
        let mut densities = Array3::zeros((1, self.batch(), BIN_COUNT)).into();
        for (i, (path, c)) in self.experts.sequences().enumerate() {
            put(&mut densities, 0, i, &self.tempered(&answers, i, path, c));
        }
        self.answers = Some(answers);
        Ok(densities)
    }

    fn couple(&self, levels: &mut [f64]) {
        if let Some(copula) = &self.copula {
            copula.couple(levels);
        }
    }

    fn draw(&mut self, levels: &[f64]) -> Result<Vec<Point>, ForecastError> {
        let answers = self.answer()?;
        self.clipped.draw();
        let mut drawn = Vec::with_capacity(levels.len());
        for (i, (path, c)) in self.experts.sequences().enumerate() {
            let position = self.tempered(&answers, i, path, c).draw(levels[i]);
            let held = self.clipped.hold(i, c, position);
            drawn.push(Point::at(held.unwrap_or(position)));
        }
        self.answers = Some(answers);
        Ok(drawn)
    }

    fn advance(&mut self, values: &[Point], actions: &[f64]) -> Result<(), ForecastError> {
        let answers = self.answer()?;
        let positions: Vec<f64> = values.iter().map(|value| value.position()).collect();
        for (i, (path, c)) in self.experts.sequences().enumerate() {
            let known = self.experts.hint(path, c).known;
            let clipped = self.experts.grid(path, c).quantise(positions[i]).clipped;
            self.clipped.advance(i, c, known && clipped);
            self.before[i] = self.gone_to(path, c, positions[i]);
            if !self.experts.begins(path) {
                let distribution = self.distribution(&answers, i, path, c);
                self.gates[i].follow(&distribution.parts(positions[i]));
            }
        }
        self.clipped.advanced();
        self.experts.learn(&positions, actions);
        Ok(())
    }

    fn fork(&self, paths: Paths, steps: usize) -> Result<Box<dyn Continuation>, ForecastError> {
        let count = paths.count;
        // The next row of a path may begin an episode, of which its context knew nothing.
        let answered = usize::from(self.answers.is_some());
        Ok(Box::new(Self {
            model: self.model.clone(),
            temperature: self.temperature,
            experts: self.experts.fork(count),
            window: self.window.fork(count, steps + 1, answered)?,
            channels: self.channels,
            before: repeated(&self.before, count),
            gates: repeated(&self.gates, count),
            answers: None,
            copula: self.scores.copula(),
            scores: self.scores.clone(),
            clipped: self.clipped.fork(),
        }))
    }

    fn discard(&mut self, sequences: &[usize]) {
        self.clipped.discard(sequences);
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
        self.clipped.count()
    }

    fn leaders(&self) -> Vec<Leadership> {
        self.experts.leaders()
    }

    fn paths_at_once(&self, steps: usize) -> usize {
        let with_cache = paths_that_fit(self.channels, steps, self.model.bytes_a_row());
        self.experts.paths_at_once(steps).min(with_cache)
    }
}

/// Writes a distribution into a row of densities, as that of a sequence.
fn put(densities: &mut Densities, row: usize, sequence: usize, distribution: &Distribution) {
    densities.grids[[row, sequence]] = distribution.grid();
    let masses = densities.masses.slice_mut(s![row, sequence, ..]);
    aview1(&distribution.masses()).assign_to(masses);
}

/// Rows in chunks of so many.
fn chunks(rows: usize, at_once: usize) -> impl Iterator<Item = Range<usize>> {
    let starts = (0..rows).step_by(at_once);
    starts.map(move |start| start..rows.min(start + at_once))
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
