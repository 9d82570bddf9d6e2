//! The language model as a forecaster of channels.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, Array3, s};

use super::{
    Continuation, Densities, ForecastError, Form, Hinted, Knowledge, Method, Observed, Online,
    Paths, Point, Predictor, Residual, Session, Settings, Stacked, Start, Temperature, Tolerance,
    Univariate,
};
use crate::codec::{BIN_COUNT, Bin, Grid};
use crate::experts::ExpertKind;
use crate::model::Model;

/// A language model and how its probabilities are read.
#[derive(Clone)]
pub struct Language {
    /// The model.
    pub model: Model,
    /// Divisor of its logits.
    pub temperature: Temperature,
    /// Probability that may stay unrefined.
    pub tolerance: Tolerance,
}

impl Language {
    /// A model with the settings' temperature and tolerance.
    pub fn of(model: &Model, settings: Settings) -> Self {
        Self {
            model: model.clone(),
            temperature: settings.temperature,
            tolerance: settings.tolerance,
        }
    }

    /// A language model as the settings say that it is read, as [`as_method`](Self::as_method) does, with
    /// paths as [`stacked`](Self::stacked) has them.
    pub fn as_set(model: &Model, settings: Settings) -> Arc<dyn Predictor> {
        let language = Self::of(model, settings);
        let read = language.as_method(settings.method, &Knowledge::default());
        language.stacked(settings.method, read, Vec::new(), &Knowledge::default())
    }

    /// What was made of the model's reading by a method, with paths that are pooled with those of digits, of
    /// experts by themselves, of regressions on a channel's own past where there are no actions, and of more forecasters if the
    /// model reads hints ([`Stacked`]); any other is left as it is.
    pub fn stacked(
        &self,
        method: Method,
        read: Arc<dyn Predictor>,
        more: Vec<Arc<dyn Predictor>>,
        knowledge: &Knowledge,
    ) -> Arc<dyn Predictor> {
        match self.others(method) {
            Some(others) => {
                let stacked = Stacked::new(read, others).with("digits", Arc::new(self.clone()));
                let stacked = stacked.with_undriven(undriven(knowledge));
                let add = |stacked: Stacked, other: Arc<dyn Predictor>| {
                    stacked.with(&other.name(), other)
                };
                Arc::new(more.into_iter().fold(stacked, add))
            }
            None => read,
        }
    }

    /// A mixture with the paths of its members. If the model, member `own`, reads hints, they are pooled with
    /// all that [`stacked`](Self::stacked) pools its own with, and the mixture's own paths are left out.
    pub fn stacked_in(
        &self,
        method: Method,
        mixture: Arc<dyn Predictor>,
        members: Vec<Arc<dyn Predictor>>,
        own: usize,
        knowledge: &Knowledge,
    ) -> Arc<dyn Predictor> {
        let Some(mut others) = self.others(method) else {
            return Arc::new(Stacked::new(mixture, members));
        };
        let names: Vec<String> = members.iter().map(|member| member.name()).collect();
        let mut undriven = undriven(knowledge);
        others.retain(|other| !names.contains(&other.name()));
        undriven.retain(|other| !names.contains(&other.name()));
        let others = members.into_iter().chain(others).collect();
        let stacked = Stacked::new(mixture, others).with_paths_of_others(own);
        let stacked = stacked.with_undriven(undriven);
        Arc::new(stacked.with("digits", Arc::new(self.clone())))
    }

    /// As [`stacked`](Self::stacked) for paths along actions that another policy takes than the context's: without digits,
    /// which do not see actions and are right in a context as far as its policy goes on, but with more
    /// forecasters.
    pub fn stacked_for_policies(
        &self,
        method: Method,
        read: Arc<dyn Predictor>,
        more: Vec<Arc<dyn Predictor>>,
    ) -> Arc<dyn Predictor> {
        match self.others(method) {
            Some(mut others) => {
                others.extend(more);
                Arc::new(Stacked::new(read, others).for_policies())
            }
            None => read,
        }
    }

    /// Whether a method has its paths pooled with those of others.
    pub fn pools(&self, method: Method) -> bool {
        method == Method::Residual && self.model.hinted().is_some()
    }

    /// The experts whose paths are pooled with those of a model that reads hints.
    fn others(&self, method: Method) -> Option<Vec<Arc<dyn Predictor>>> {
        const SMOOTH: [ExpertKind; 2] = [ExpertKind::Fourier, ExpertKind::Quadratic];
        self.pools(method).then(|| {
            let others: [Arc<dyn Predictor>; 3] = [
                Arc::new(Online::first("linear", &[ExpertKind::Linear])),
                Arc::new(Online::first("fourier", &SMOOTH)),
                Arc::new(Online::scales()),
            ];
            others.to_vec()
        })
    }

    /// The same, as a method reads it. With [`Method::Residual`] a model that was trained to read
    /// hints reads them ([`Hinted`]), any other reads residuals as digits ([`Residual`]), both with
    /// experts that know something about the system.
    pub fn as_method(&self, method: Method, knowledge: &Knowledge) -> Arc<dyn Predictor> {
        if method != Method::Residual {
            return Arc::new(self.clone());
        }
        match Hinted::new(self.clone()) {
            Some(hinted) => Arc::new(hinted.knowing(knowledge.clone())),
            None => Arc::new(Residual::new(Arc::new(self.clone())).knowing(knowledge.clone())),
        }
    }
}

/// Forecasters of channels that no action drives: what has a trend, a season, a level that moves.
fn undriven(knowledge: &Knowledge) -> Vec<Arc<dyn Predictor>> {
    let of = |form| Univariate::of(form).with_period(knowledge.period());
    let all = Form::ALL.map(of);
    // Errors of a regression's weights are the same at every step of a path.
    let quadratic = Online::first("quadratic", &[ExpertKind::Quadratic]);
    let fourier = Online::first("fourier", &[ExpertKind::Fourier, ExpertKind::Quadratic]);
    let drawn = [
        quadratic.by_draw("quadratic drawn once"),
        fourier.by_draw("fourier drawn once"),
    ];
    let drawn = drawn.map(|one| Arc::new(one) as Arc<dyn Predictor>);
    let all = all.map(|one| Arc::new(one) as Arc<dyn Predictor>);
    all.into_iter().chain(drawn).collect()
}

impl Predictor for Language {
    fn name(&self) -> String {
        self.model.source().to_string()
    }

    fn start(&self, start: Start) -> Result<Box<dyn Continuation>, ForecastError> {
        let session = Session::empty(
            &self.model,
            start.channels(),
            start.rows,
            self.temperature,
            self.tolerance,
        )?;
        Ok(Box::new(session))
    }

    fn window(&self) -> usize {
        // Of the last value, only what its last symbol follows is read.
        self.longest_context(1) + 1
    }

    fn longest_context(&self, horizon: usize) -> usize {
        let tokens = self.model.tokens();
        let window = self.model.window().saturating_sub(tokens.draw_length());
        tokens
            .rows_in(window)
            .saturating_sub(horizon.saturating_sub(1))
    }

    fn check(&self, context: usize, horizon: usize) -> Result<(), ForecastError> {
        let table = self.model.tokens();
        // Of the last value, only what its last symbol follows is read.
        let tokens = table.tokens(context + horizon.saturating_sub(1)) + table.draw_length();
        if tokens <= self.model.window() {
            return Ok(());
        }
        Err(ForecastError::Window {
            context,
            horizon,
            tokens,
            window: self.model.window(),
        })
    }
}

impl Continuation for Session {
    fn batch(&self) -> usize {
        Session::batch(self)
    }

    fn observe(
        &mut self,
        rows: Observed,
        wanted: Range<usize>,
    ) -> Result<Densities, ForecastError> {
        let bins: Array2<Bin> = rows.positions.mapv(|y| Bin::quantise(y).bin);
        let mut masses = Array3::zeros((wanted.len(), self.batch(), BIN_COUNT));
        let mut start = 0;
        while start < bins.nrows() {
            let mut room = self.room();
            if room == 0 {
                self.begin_again(self.rows() / 2)?;
                room = self.room().max(1);
            }
            let end = bins.nrows().min(start + room);
            let part = wanted.start.clamp(start, end)..wanted.end.clamp(start, end);
            let rows = bins.slice(s![start..end, ..]).to_owned();
            let read = self.extend(&rows, part.start - start..part.end - start)?;
            if !part.is_empty() {
                let to = part.start - wanted.start..part.end - wanted.start;
                masses.slice_mut(s![to, .., ..]).assign(&read);
            }
            start = end;
        }
        Ok(masses.into())
    }

    fn pass(&mut self, _rows: Observed) -> Result<(), ForecastError> {
        Ok(self.begin_again(0)?)
    }

    fn next_densities(&mut self) -> Result<Densities, ForecastError> {
        Ok(Densities::of_row(Session::next_densities(self)?))
    }

    fn draw(&mut self, levels: &[f64]) -> Result<Vec<Point>, ForecastError> {
        let drawn = Session::draw(self, levels)?;
        let point = |(bin, fraction)| Point::on(Grid::Digits, bin, fraction);
        Ok(drawn.into_iter().map(point).collect())
    }

    fn advance(&mut self, values: &[Point], _actions: &[f64]) -> Result<(), ForecastError> {
        let bins = values.iter().map(|point| point.quantise(Grid::Digits).bin);
        let bins: Vec<Bin> = bins.collect();
        Ok(Session::advance(self, &bins)?)
    }

    fn fork(&self, paths: Paths, steps: usize) -> Result<Box<dyn Continuation>, ForecastError> {
        let room = self.most_rows().saturating_sub(steps);
        if self.rows() <= room {
            return Ok(Box::new(Session::fork(self, paths.count, steps)?));
        }
        let later = self.later(room)?;
        Ok(Box::new(later.fork(paths.count, steps)?))
    }

    fn paths_at_once(&self, steps: usize) -> usize {
        Session::paths_at_once(self, steps)
    }
}
