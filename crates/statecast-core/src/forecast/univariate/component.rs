//! One regression of a channel on its own past.

use std::f64::consts::TAU;
use std::sync::Arc;

use super::calendar::Known;
use super::seasons::Season;
use super::smoothing::{Gains, Smoother};
use super::units::Units;
use crate::experts::{Prior, Regression, Student};

/// Intercept of the regressions: small, so that a drift has to be seen in many rows.
const INTERCEPT: f64 = 0.1;

const PRIOR: Prior = Prior {
    ridge: 0.1,
    noise: Prior::NOISE,
};

/// Harmonics of a season that are regressed on at most.
const HARMONICS: usize = 8;

/// Positions as regressions read them, the last of them first.
pub(super) struct Lags<'l> {
    /// Positions before these, which are forgotten.
    pub(super) forgotten: usize,
    pub(super) past: &'l [f64],
    pub(super) own: &'l [f64],
    pub(super) units: Units,
    /// Number of the next row among all that were read.
    pub(super) row: usize,
}

impl Lags<'_> {
    /// Rows before the next, with those that are forgotten.
    pub(super) fn rows(&self) -> usize {
        self.forgotten + self.known()
    }

    /// Lags that there are.
    pub(super) fn known(&self) -> usize {
        self.past.len() + self.own.len()
    }

    /// The values that are known, the first of them first.
    pub(super) fn values(&self) -> impl Iterator<Item = f64> {
        let positions = self.past.iter().chain(self.own);
        positions.map(|&position| self.units.read(position))
    }

    /// The value so many rows before the next.
    fn get(&self, lag: usize) -> f64 {
        let position = match self.own.len().checked_sub(lag) {
            Some(i) => self.own[i],
            None => self.past[self.known() - lag],
        };
        self.units.read(position)
    }
}

/// What the next value is a difference to.
#[derive(Clone)]
enum Base {
    /// The axis' middle.
    Middle,
    /// The value so many rows before.
    Earlier(usize),
    /// What smoothing expects.
    Smoothed(Smoother),
}

/// A regression of differences to an earlier value, to what smoothing expects, or of values themselves.
#[derive(Clone)]
pub(super) struct Component {
    base: Base,
    /// Lags of such differences that are regressed on.
    lags: Vec<usize>,
    /// Lags that have to exist in a row that is learned.
    needed: usize,
    /// Rows of the season whose harmonics are regressed on.
    wave: Option<usize>,
    /// The calendar that is regressed on.
    known: Option<Arc<Known>>,
    pub(super) regression: Regression,
    pub(super) score: f64,
}

impl Component {
    /// Of differences to the last value.
    pub(super) fn of_steps(order: usize) -> Self {
        Self::new(Base::Earlier(1), (1..=order).collect(), None, 0.0)
    }

    /// Of differences to the last value, on the last ones and the season's harmonics.
    pub(super) fn of_waves(order: usize, season: Option<Season>) -> Self {
        Self::new(
            Base::Earlier(1),
            (1..=order).collect(),
            season.map(|s| s.period),
            0.0,
        )
    }

    /// Of differences to the last season, also on those of the seasons in it. `first` is the expected weight of the last lag.
    pub(super) fn of_season(order: usize, season: Season, first: f64) -> Self {
        let seasons = season.within.into_iter().chain([season.period]);
        let lags = (1..=order).chain(seasons).collect();
        Self::new(Base::Earlier(season.period), lags, None, first)
    }

    /// Of values, on the last ones, those one and two seasons before and the season's harmonics; on the last ones alone
    /// without a season.
    pub(super) fn of_values(order: usize, season: Option<Season>) -> Self {
        let shortest = season.map(|season| season.within.unwrap_or(season.period));
        let seasonal = shortest
            .into_iter()
            .flat_map(|rows| [rows, rows.saturating_mul(2)]);
        let mut lags: Vec<usize> = (1..=order).chain(seasonal).collect();
        lags.extend(season.filter(|s| s.within.is_some()).map(|s| s.period));
        Self::new(Base::Middle, lags, shortest, 0.0)
    }

    /// Of differences to what smoothing expects, on nothing: noise alone.
    pub(super) fn of_smoothing(gains: Gains, season: Option<Season>) -> Self {
        let smoother = Smoother::new(gains, season);
        Self {
            needed: smoother.first_rows() - 1,
            base: Base::Smoothed(smoother),
            lags: Vec::new(),
            wave: None,
            known: None,
            regression: Regression::new(PRIOR, 0, 1),
            score: 0.0,
        }
    }

    /// Of values, on the last ones, those of the same time of a cycle before, and what the calendar says of the row.
    pub(super) fn of_calendar(order: usize, known: &Arc<Known>) -> Self {
        let [features, alike] = known.count();
        Self::new(Base::Middle, (1..=order).collect(), None, 0.0).knowing(known, features + alike)
    }

    /// Of differences to the last value, on the last ones and how the calendar's features change.
    pub(super) fn of_calendar_steps(order: usize, known: &Arc<Known>) -> Self {
        let [features, _] = known.count();
        Self::of_steps(order).knowing(known, features)
    }

    fn knowing(self, known: &Arc<Known>, features: usize) -> Self {
        let expected = vec![0.0; self.lags.len() + 1 + features];
        Self {
            known: Some(known.clone()),
            regression: Regression::around(PRIOR, expected, 1),
            ..self
        }
    }

    fn new(base: Base, lags: Vec<usize>, wave: Option<usize>, first: f64) -> Self {
        let waves = wave.map_or(0, |rows| waves(rows, 0).count());
        let mut expected = vec![0.0; lags.len() + 1 + waves];
        expected[0] = first;
        // Farther lags may be missing: what is learned meanwhile is worth more than the little that they distort.
        let most = match (&base, wave) {
            (Base::Middle, Some(rows)) => rows,
            (Base::Earlier(2..), _) => base.rows() - 1,
            _ => usize::MAX,
        };
        let needed = lags.iter().filter(|&&lag| lag <= most).max();
        Self {
            needed: needed.copied().unwrap_or(0),
            base,
            lags,
            wave,
            known: None,
            regression: Regression::around(PRIOR, expected, 1),
            score: 0.0,
        }
    }

    /// Rows before a row that the regression learns.
    pub(super) fn needs(&self) -> usize {
        let needed = self.needed.saturating_add(1);
        self.base.rows().saturating_add(needed)
    }

    /// What smoothing knows after the rows that were learned.
    pub(super) fn smoother(&self) -> Option<&Smoother> {
        match &self.base {
            Base::Smoothed(smoother) => Some(smoother),
            _ => None,
        }
    }

    /// The next value is of another run.
    pub(super) fn begin(&mut self) {
        if let Base::Smoothed(smoother) = &mut self.base {
            smoother.begin();
        }
    }

    /// Learns the next value after some.
    pub(super) fn learn(&mut self, lags: &Lags, value: f64) {
        if lags.known() >= self.needs()
            && let Some((base, features)) = self.features(lags, self.smoother())
        {
            self.regression.learn(&features, &[value - base]);
        }
        if let Base::Smoothed(smoother) = &mut self.base {
            smoother.learn(lags, value);
        }
    }

    /// What the next value is a difference to, and the features of that difference; lags that do not exist are zero.
    pub(super) fn features(
        &self,
        lags: &Lags,
        smoother: Option<&Smoother>,
    ) -> Option<(f64, Vec<f64>)> {
        if let Some(smoother) = smoother {
            return Some((smoother.expected(lags.rows())?, Vec::new()));
        }
        let rows = self.base.rows();
        if lags.known() < rows {
            return None;
        }
        let middle = lags.units.middle();
        let to = |lag: usize| match rows {
            0 => middle,
            rows => lags.get(lag + rows),
        };
        let difference = |&lag: &usize| match lag.saturating_add(rows) <= lags.known() {
            true => lags.get(lag) - to(lag),
            false => 0.0,
        };
        let mut features: Vec<f64> = self.lags.iter().map(difference).collect();
        features.push(INTERCEPT);
        if let Some(rows) = self.wave {
            features.extend(waves(rows, lags.rows()));
        }
        if let Some(known) = &self.known {
            let row = known.row(lags.row)?;
            match rows {
                0 => {
                    let alike = |lag: Option<usize>| lag.map_or(0.0, |lag| difference(&lag));
                    features.extend(&row.features);
                    features.extend(row.alike.iter().map(|&lag| alike(lag)));
                }
                rows => {
                    let before = known.row(lags.row.checked_sub(rows)?)?;
                    let pairs = row.features.iter().zip(&before.features);
                    features.extend(pairs.map(|(now, before)| now - before));
                }
            }
        }
        Some((to(0), features))
    }

    pub(super) fn predict(&self, lags: &Lags, smoother: Option<&Smoother>) -> Option<Student> {
        let (base, features) = self.features(lags, smoother)?;
        let known = self.regression.observations() > 0;
        known.then(|| {
            let student = self.regression.predict(&features)[0];
            Student {
                location: base + student.location,
                ..student
            }
        })
    }
}

impl Base {
    /// Rows before the next value that have to be there.
    fn rows(&self) -> usize {
        match self {
            Self::Earlier(rows) => *rows,
            Self::Middle | Self::Smoothed(_) => 0,
        }
    }
}

/// Harmonics of a season of so many rows, at a row.
fn waves(rows: usize, row: usize) -> impl Iterator<Item = f64> {
    let phase = (row % rows) as f64 / rows as f64;
    let harmonics = 1..=HARMONICS.min(rows / 2);
    harmonics.flat_map(move |harmonic| {
        let (sin, cos) = (TAU * harmonic as f64 * phase).sin_cos();
        [cos, sin]
    })
}
