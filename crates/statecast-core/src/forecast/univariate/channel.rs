//! The regressions of a channel, and what they have learned of its past.

use std::sync::Arc;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::calendar::Known;
use super::component::{Component, Lags};
use super::form::Form;
use super::seasons::Season;
use super::smoothing::Smoother;
use super::units::Units;
use crate::codec::BIN_COUNT;
use crate::density::{Mass, normal_quantile};
use crate::experts::{Sampled, Student};

/// What is kept of a score with every row, and rows after the first that all regressions predict until one counts.
const KEPT: f64 = 0.99;
const UNSCORED: usize = 4;

/// Rows from which on a period is looked for, and growth of the rows since from which on it is looked for anew.
const FIRST_SEARCH: usize = 16;
const GROWTH: f64 = 1.25;

/// Positions that are kept at least of a run, and the same in known seasons.
const POSITIONS: usize = 1 << 13;
const SEASONS: usize = 4;

/// Positions of a run that are kept at least, where a season is given or none; more are forgotten once they are twice as
/// many.
pub(super) fn kept_positions(given: Option<usize>) -> usize {
    POSITIONS.max(given.unwrap_or(0).saturating_mul(SEASONS))
}

/// Positions that are kept at most.
pub(super) fn most_positions(given: Option<usize>) -> usize {
    kept_positions(given).saturating_mul(2)
}

/// Share of a density below which a regression is left out of it.
const NEGLIGIBLE: f64 = 1e-6;

/// Size of steps of a channel of which two positions were not seen, in axis units.
const UNKNOWN_STEP: f64 = 1.0;

/// One channel by itself.
#[derive(Clone)]
pub(super) struct Channel {
    form: Form,
    /// Position of the value zero, where values have logarithms.
    zero: Option<f64>,
    /// Rows of a season that is known beforehand.
    given: Option<usize>,
    /// The calendar of the rows, if it is known.
    known: Option<Arc<Known>>,
    /// Rows of all runs.
    rows: usize,
    /// The last positions since the present run began, and how many before these are forgotten.
    past: Arc<Vec<f64>>,
    forgotten: usize,
    /// Of all positions.
    least: f64,
    largest: f64,
    /// Sum of the squares of all steps, and their number.
    steps: (f64, usize),
    /// The seasons that were found, and rows of the run in which they were.
    seasons: Vec<Season>,
    searched: usize,
    /// Those of the form and the seasons.
    regressions: Vec<Component>,
}

/// The regression that a path follows, with parameters drawn once.
#[derive(Clone)]
pub(super) struct Path {
    component: Option<(usize, Sampled)>,
    /// What smoothing knows along the path, if the regression is around it.
    smoother: Option<Smoother>,
    /// Positions after those that the channel knows.
    own: Vec<f64>,
    /// Whether nothing before its own positions is its past.
    begun: bool,
    /// Rows that it went on by.
    steps: usize,
}

impl Channel {
    pub(super) fn new(form: Form, zero: Option<f64>, given: Option<usize>) -> Self {
        let mut channel = Self {
            form,
            zero,
            given,
            known: None,
            rows: 0,
            past: Arc::default(),
            forgotten: 0,
            least: f64::INFINITY,
            largest: f64::NEG_INFINITY,
            steps: (0.0, 0),
            seasons: given
                .filter(|_| form.is_seasonal())
                .map(Season::of)
                .into_iter()
                .collect(),
            searched: 0,
            regressions: Vec::new(),
        };
        channel.forget();
        channel
    }

    /// The same, whose regressions read a calendar.
    pub(super) fn knowing(mut self, known: Option<Arc<Known>>) -> Self {
        self.known = known;
        self.forget();
        self
    }

    /// Untrained regressions of the present season. They number rows from the first position that is kept on.
    fn forget(&mut self) {
        self.forgotten = 0;
        self.searched = self.searched.min(self.past.len());
        self.regressions = self.form.regressions(&self.seasons, self.known.as_ref());
    }

    fn units(&self) -> Units {
        let zero = self.zero.filter(|_| self.form.is_of_logarithms());
        let logarithms = zero.and_then(|zero| Units::logarithms(zero, self.least, self.largest));
        logarithms.unwrap_or(Units::Positions)
    }

    fn lags<'l>(&'l self, rows: usize, own: &'l [f64]) -> Lags<'l> {
        Lags {
            forgotten: self.forgotten,
            past: &self.past[..rows],
            own,
            units: self.units(),
            row: self.rows - (self.past.len() - rows),
        }
    }

    /// Learns the next position.
    pub(super) fn learn(&mut self, position: f64, begins: bool) {
        let logarithms = self.units() != Units::Positions;
        self.least = self.least.min(position);
        self.largest = self.largest.max(position);
        if begins {
            self.past = Arc::default();
            self.forgotten = 0;
            self.regressions.iter_mut().for_each(Component::begin);
        }
        if let Some(last) = self.past.last() {
            self.steps.0 += (position - last).powi(2);
            self.steps.1 += 1;
        }
        if self.past.len() >= most_positions(self.given) {
            let old = self.past.len() - kept_positions(self.given);
            self.past = Arc::new(self.past[old..].to_vec());
            self.forgotten += old;
        }
        Arc::make_mut(&mut self.past).push(position);
        self.rows += 1;
        let lost = logarithms && self.units() == Units::Positions;
        if lost {
            self.searched = 0;
        }
        // What was learned of other seasons or units says nothing of these; earlier runs are not kept.
        if self.finds_another_season() || lost {
            self.forget();
            (0..self.past.len()).for_each(|row| self.learn_row(row));
        } else {
            self.learn_row(self.past.len() - 1);
        }
    }

    /// Looks for a season if it is time to; true if it is another one than before.
    fn finds_another_season(&mut self) -> bool {
        let rows = self.forgotten + self.past.len();
        let due = rows >= FIRST_SEARCH && rows as f64 >= GROWTH * self.searched as f64;
        if !self.form.is_seasonal() || !due {
            return false;
        }
        self.searched = rows;
        let units = self.units();
        let values: Vec<f64> = self.past.iter().map(|&y| units.read(y)).collect();
        let found = Season::find(&values, self.given);
        let another = found != self.seasons;
        self.seasons = found;
        another
    }

    /// Learns a row of the run from those before it.
    fn learn_row(&mut self, row: usize) {
        let mut regressions = std::mem::take(&mut self.regressions);
        let lags = self.lags(row, &[]);
        let x = lags.units.read(self.past[row]);
        let all = regressions.iter().map(Component::needs).max();
        if all.is_some_and(|all| row >= all.saturating_add(UNSCORED)) {
            for component in &mut regressions {
                let predicted = component.predict(&lags, component.smoother());
                let score = predicted.map_or(0.0, |student| student.log_density(x));
                component.score = KEPT * component.score + score;
            }
        }
        for component in &mut regressions {
            component.learn(&lags, x);
        }
        self.regressions = regressions;
    }

    /// Regressions that predict the next value of a path, or of the context, with their weights, which sum to one.
    fn weighted(&self, path: Option<&Path>) -> Vec<(usize, Student, f64)> {
        let lags = self.lags_of(path);
        let predict = |component: &Component| {
            let smoother = component.smoother();
            let led = path
                .zip(smoother)
                .map(|(path, smoother)| self.led(smoother, path));
            component.predict(&lags, led.as_ref().or(smoother))
        };
        let all = self.regressions.iter().enumerate();
        let found: Vec<(usize, Student)> = all
            .filter_map(|(i, component)| Some((i, predict(component)?)))
            .collect();
        let scores = found.iter().map(|&(i, _)| self.regressions[i].score);
        let best = scores.fold(f64::NEG_INFINITY, f64::max);
        let weight = |i: usize| (self.regressions[i].score - best).exp();
        let total: f64 = found.iter().map(|&(i, _)| weight(i)).sum();
        let with_weight = |(i, student)| (i, student, weight(i) / total);
        found.into_iter().map(with_weight).collect()
    }

    /// Density of the next position of a path, or of the context.
    pub(super) fn density(&self, path: Option<&Path>) -> Vec<f32> {
        let mut mass = Mass::default();
        let lags = self.lags_of(path);
        let weighted = self.weighted(path).into_iter();
        for (_, student, weight) in weighted.filter(|(.., weight)| *weight > NEGLIGIBLE) {
            match lags.units {
                Units::Positions => {
                    mass.add_student(weight, student.location, student.scale, student.freedom);
                }
                Units::Logarithms { zero, .. } => {
                    mass.add(weight, 0..BIN_COUNT, |position| match position > zero {
                        true => student.cdf(lags.units.read(position)),
                        false => 0.0,
                    });
                }
            }
        }
        mass.density().collect()
    }

    /// A smoother of the context after a path's own positions.
    fn led(&self, smoother: &Smoother, path: &Path) -> Smoother {
        let mut smoother = smoother.clone();
        if path.begun {
            smoother.begin();
        }
        for (i, &position) in path.own.iter().enumerate() {
            let lags = self.lags_up_to(path, i);
            smoother.learn(&lags, lags.units.read(position));
        }
        smoother
    }

    fn lags_up_to<'l>(&'l self, path: &'l Path, own: usize) -> Lags<'l> {
        let (past, forgotten) = match path.begun {
            true => (0, 0),
            false => (self.past.len(), self.forgotten),
        };
        Lags {
            forgotten,
            row: self.rows + path.steps - (path.own.len() - own),
            ..self.lags(past, &path.own[..own])
        }
    }

    fn lags_of<'l>(&'l self, path: Option<&'l Path>) -> Lags<'l> {
        match path {
            Some(path) => self.lags_up_to(path, path.own.len()),
            None => self.lags(self.past.len(), &[]),
        }
    }

    /// A path that follows one of the regressions, from where another is if there is one.
    pub(super) fn path(&self, random: &mut ChaCha8Rng, before: Option<&Path>) -> Path {
        let weighted = self.weighted(None);
        let level: f64 = random.random();
        let mut below = 0.0;
        let reached = |&&(_, _, weight): &&(usize, Student, f64)| {
            below += weight;
            below > level
        };
        let chosen = weighted.iter().find(reached).or(weighted.last());
        let chosen = chosen.map(|&(i, _, _)| (i, &self.regressions[i]));
        let smoother = chosen.and_then(|(_, component)| component.smoother());
        Path {
            component: chosen.map(|(i, component)| (i, component.regression.sample(0, random))),
            smoother: smoother.map(|smoother| match before {
                Some(path) => self.led(smoother, path),
                None => smoother.clone(),
            }),
            own: before.map_or_else(Vec::new, |path| path.own.clone()),
            begun: before.is_some_and(|path| path.begun),
            steps: before.map_or(0, |path| path.steps),
        }
    }

    /// Goes on with the next position of a path.
    pub(super) fn advance(&self, path: &mut Path, position: f64) {
        if let Some(mut smoother) = path.smoother.take() {
            let lags = self.lags_of(Some(path));
            smoother.learn(&lags, lags.units.read(position));
            path.smoother = Some(smoother);
        }
        path.own.push(position);
        path.steps += 1;
    }

    /// The next position of a path at a level of its distribution; `None` if nothing is known.
    pub(super) fn draw(&self, path: &Path, level: f64) -> Option<f64> {
        let lags = self.lags_of(Some(path));
        let of_regression = path.component.as_ref().and_then(|(component, sampled)| {
            let component = &self.regressions[*component];
            let (base, features) = component.features(&lags, path.smoother.as_ref())?;
            Some(lags.units.position(base + sampled.value(&features, level)))
        });
        of_regression.or_else(|| {
            // No regression knows such a past: on from the last position by a step as large as others were.
            let last = path.own.last().or(lags.past.last())?;
            let step = match self.steps {
                (_, 0) => UNKNOWN_STEP,
                (squares, count) => (squares / count as f64).sqrt(),
            };
            Some(last + step * normal_quantile(level))
        })
    }
}

impl Path {
    /// Says that the next position does not follow from those before.
    pub(super) fn begin(&mut self) {
        self.begun = true;
        self.own.clear();
        if let Some(smoother) = &mut self.smoother {
            smoother.begin();
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn learned(form: Form, positions: impl IntoIterator<Item = f64>) -> Channel {
        let mut channel = Channel::new(form, Some(0.0), None);
        for (t, position) in positions.into_iter().enumerate() {
            channel.learn(position, t == 0);
        }
        channel
    }

    /// Mean over paths of the next position's median; all draws are finite.
    fn next(channel: &Channel) -> f64 {
        let median = |seed| {
            let path = channel.path(&mut ChaCha8Rng::seed_from_u64(seed), None);
            let draws = [0.001, 0.5, 0.999].map(|level| channel.draw(&path, level).unwrap());
            assert!(draws.iter().all(|y| y.is_finite()), "{draws:?}");
            draws[1]
        };
        (0..100).map(median).sum::<f64>() / 100.0
    }

    /// Growth by a share is that of logarithms, until a value has none: then everything is learned anew.
    #[test]
    fn a_value_at_zero_ends_logarithms() {
        let growing: Vec<f64> = (0..60).map(|t| 1.03f64.powi(t)).collect();
        let mut channel = learned(Form::LogSari, growing.iter().copied());
        let expected = 1.03f64.powi(60);
        assert!((next(&channel) / expected - 1.0).abs() < 1e-3);
        channel.learn(0.0, false);
        assert_eq!(channel.units(), Units::Positions);
        let anew = learned(Form::Sari, growing.into_iter().chain([0.0]));
        assert_eq!(channel.regressions.len(), anew.regressions.len());
        assert_eq!(next(&channel), next(&anew));
    }

    /// After a season that was far higher than all before, values are expected around the mean again, or one above it for as
    /// long as it lasts: a season of differences goes on from there.
    #[test]
    fn harmonics_return_to_the_mean() {
        let noise = |t: usize| 0.1 * ((t * t) as f64 * 7.3).sin();
        let season = |t: usize| 4.0 + (t as f64 * std::f64::consts::TAU / 12.0).sin() + noise(t);
        let lifted = |t: usize| season(t) + if t >= 180 { 2.0 } else { 0.0 };
        let ahead = |form| {
            let channel = learned(form, (0..184).map(lifted));
            let mut path = channel.path(&mut ChaCha8Rng::seed_from_u64(1), None);
            for _ in 0..24 {
                let next = channel.draw(&path, 0.5).unwrap();
                channel.advance(&mut path, next);
            }
            channel.draw(&path, 0.5).unwrap() - season(208)
        };
        assert!(ahead(Form::Harmonic).abs() < 0.6);
        assert!(ahead(Form::Sari) > 1.0 && ahead(Form::HarmonicAri) > 1.0);
    }

    #[test]
    fn of_a_season_of_any_length_nothing_is_known() {
        for form in Form::ALL {
            let mut channel = Channel::new(form, Some(0.0), Some(usize::MAX));
            (0..40).for_each(|t| channel.learn(2.0 + f64::from(t % 3), t == 0));
            let path = channel.path(&mut ChaCha8Rng::seed_from_u64(1), None);
            assert!(channel.draw(&path, 0.5).unwrap().is_finite());
        }
    }

    #[test]
    fn a_run_that_begins_has_no_past() {
        let season = [2.0, 5.0, 3.0, 7.0];
        let mut channel = learned(Form::Sari, (0..80).map(|t| season[t % 4]));
        assert!((next(&channel) - season[0]).abs() < 0.01);
        channel.learn(4.0, true);
        assert_eq!(channel.lags_of(None).rows(), 1);
        let mut path = channel.path(&mut ChaCha8Rng::seed_from_u64(1), None);
        path.begin();
        assert_eq!(channel.draw(&path, 0.5), None);
        channel.advance(&mut path, 6.0);
        assert!(channel.draw(&path, 0.5).unwrap().is_finite());
    }

    /// A density is that of the paths that are drawn from it.
    #[test]
    fn draws_of_paths_are_of_the_density() {
        let noise = |t: usize| ((t * t * 7919 + t * 104_729) % 1000) as f64 / 1000.0;
        let values = (0..100).map(|t| 3.0 + (t % 7) as f64 * 0.4 + 0.5 * noise(t));
        let channel = learned(Form::LogSari, values);
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let draws = (0..4000).map(|_| {
            let path = channel.path(&mut random, None);
            channel.draw(&path, random.random()).unwrap()
        });
        let draws: Vec<f64> = draws.collect();
        let mass = channel.density(None);
        for edge in [300, 400, 450, 500] {
            let below: f32 = mass[..edge].iter().sum();
            let share = draws.iter().filter(|y| **y < edge as f64 / 100.0).count() as f64 / 4000.0;
            assert!(
                (share - f64::from(below)).abs() < 0.03,
                "{edge}: {share} {below}"
            );
        }
    }

    /// Season and growth are found again in what is kept, and paths go on in the season's right row.
    #[test]
    fn a_stream_keeps_its_season_in_constant_memory() {
        let season = [2.0, 5.0, 3.0, 7.0, 4.0];
        for form in [Form::Sari, Form::Harmonic, Form::HarmonicAri, Form::Ets] {
            let mut channel = learned(form, []);
            for t in 0..40_003 {
                channel.learn(season[t % 5], t == 0);
                assert!(channel.past.len() <= 2 * POSITIONS);
            }
            assert!(channel.forgotten > 0);
            assert!((next(&channel) - season[3]).abs() < 0.05, "{form:?}");
            channel.forget();
            (0..channel.past.len()).for_each(|row| channel.learn_row(row));
            assert!((next(&channel) - season[3]).abs() < 0.05, "{form:?}");
        }
    }
}
