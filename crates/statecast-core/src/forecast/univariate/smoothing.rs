//! Exponential smoothing of level, slope and season.

use super::component::Lags;
use super::seasons::Season;

/// Rows from which states begin where there is no season; otherwise it is two seasons.
const FIRST_ROWS: usize = 8;

/// Shares of an error that move the level.
const LEVEL: [f64; 5] = [0.02, 0.1, 0.3, 0.6, 0.9];

/// Shares of what moves the level that move the slope, and shares of the slope that are kept from row to row; without a
/// slope none is.
const SLOPE: [(f64, f64); 4] = [(0.0, 0.0), (0.01, 1.0), (0.1, 0.98), (0.3, 0.9)];

/// Shares of the rest of an error that move the season.
const SEASON: [f64; 3] = [0.02, 0.1, 0.4];

/// What an error moves, and how a slope fades (Gardner & McKenzie 1985).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gains {
    level: f64,
    slope: f64,
    kept: f64,
    season: f64,
}

impl Gains {
    /// The settings that are tried with a season, or without.
    pub(super) fn all(seasonal: bool) -> impl Iterator<Item = Self> {
        let seasons = match seasonal {
            true => &SEASON[..],
            false => &[0.0],
        };
        LEVEL.into_iter().flat_map(move |level| {
            SLOPE.into_iter().flat_map(move |(slope, kept)| {
                seasons.iter().map(move |season| Self {
                    level,
                    slope: level * slope,
                    kept,
                    season: season * (1.0 - level),
                })
            })
        })
    }
}

/// Additive exponential smoothing (Holt 1957, Winters 1960) at fixed gains; of two seasons as of Taylor (2003).
#[derive(Debug, Clone)]
pub(super) struct Smoother {
    gains: Gains,
    /// Rows of the seasons, the shorter one first.
    periods: Vec<usize>,
    state: Option<State>,
}

/// What is known after some rows.
#[derive(Debug, Clone)]
struct State {
    level: f64,
    slope: f64,
    /// What the rows of each season are above all else, by their number.
    seasons: Vec<Vec<f64>>,
}

impl Smoother {
    pub(super) fn new(gains: Gains, season: Option<Season>) -> Self {
        let periods = |season: Season| season.within.into_iter().chain([season.period]);
        Self {
            gains,
            periods: season.into_iter().flat_map(periods).collect(),
            state: None,
        }
    }

    /// Rows of which the first state is estimated.
    pub(super) fn first_rows(&self) -> usize {
        let seasons = self.periods.last();
        seasons.map_or(FIRST_ROWS, |rows| rows.saturating_mul(2))
    }

    /// The next value is of another run.
    pub(super) fn begin(&mut self) {
        self.state = None;
    }

    /// What is expected at a row; `None` before the first state.
    pub(super) fn expected(&self, row: usize) -> Option<f64> {
        self.state.as_ref().map(|state| {
            let seasons = state
                .seasons
                .iter()
                .map(|season| season[row % season.len()]);
            state.level + self.gains.kept * state.slope + seasons.sum::<f64>()
        })
    }

    /// Learns the value after some. Once they are enough, the first state is estimated of all.
    pub(super) fn learn(&mut self, lags: &Lags, value: f64) {
        if self.state.is_some() {
            self.move_on(lags.rows(), value);
        } else if lags.rows() + 1 == self.first_rows() {
            let values: Vec<f64> = lags.values().chain([value]).collect();
            self.state = Some(self.first_state(&values));
            for (row, value) in values.into_iter().enumerate() {
                self.move_on(row, value);
            }
        }
    }

    fn move_on(&mut self, row: usize, value: f64) {
        let error = self.expected(row).map(|expected| value - expected);
        if let (Some(error), Some(state)) = (error, &mut self.state) {
            let kept = self.gains.kept * state.slope;
            state.level += kept + self.gains.level * error;
            state.slope = kept + self.gains.slope * error;
            for season in &mut state.seasons {
                let rows = season.len();
                season[row % rows] += self.gains.season * error;
            }
        }
    }

    /// State before the first of some rows: their line, and around it what the seasons have in common, of each what the
    /// shorter ones leave over.
    fn first_state(&self, values: &[f64]) -> State {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let half = values.len() / 2;
        let slope = match self.gains.kept > 0.0 {
            true => (mean(&values[half..]) - mean(&values[..half])) / half as f64,
            false => 0.0,
        };
        let level = mean(values) - slope * (values.len() + 1) as f64 / 2.0;
        let line = |row: usize| level + slope * (row + 1) as f64;
        let around = values.iter().enumerate().map(|(row, x)| x - line(row));
        let mut rest: Vec<f64> = around.collect();
        let mut seasons = Vec::with_capacity(self.periods.len());
        for &rows in &self.periods {
            let of = |row: usize| {
                let alike: Vec<f64> = rest.iter().skip(row).step_by(rows).copied().collect();
                mean(&alike)
            };
            let season: Vec<f64> = (0..rows).map(of).collect();
            for (row, x) in rest.iter_mut().enumerate() {
                *x -= season[row % rows];
            }
            seasons.push(season);
        }
        State {
            level,
            slope,
            seasons,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::units::Units;
    use super::*;

    /// A line with a week of days, at all gains with a slope that does not fade.
    #[test]
    fn lines_with_two_seasons_are_continued() {
        let week = Season {
            period: 28,
            within: Some(4),
        };
        let value =
            |t: usize| 0.01 * t as f64 + [0.0, 1.0, 3.0, 1.5][t % 4] + 0.1 * (t % 28 / 4) as f64;
        let values: Vec<f64> = (0..100).map(value).collect();
        let lags = |rows: usize| Lags {
            forgotten: 0,
            past: &values[..rows],
            own: &[],
            units: Units::Positions,
            row: rows,
        };
        let lasting = Gains::all(true).filter(|gains| gains.kept == 1.0);
        for gains in lasting {
            let mut smoother = Smoother::new(gains, Some(week));
            for (t, &value) in values.iter().enumerate() {
                let expected = smoother.expected(t);
                assert_eq!(expected.is_some(), t >= 56);
                if t > 70 {
                    let error = expected.unwrap() - value;
                    assert!(error.abs() < 0.02, "{gains:?}, row {t}: {error}");
                }
                smoother.learn(&lags(t), value);
            }
            smoother.begin();
            assert_eq!(smoother.expected(0), None);
        }
    }
}
