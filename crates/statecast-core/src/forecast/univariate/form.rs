//! What is regressed on what.

use std::sync::Arc;

use super::calendar::Known;
use super::component::Component;
use super::seasons::Season;
use super::smoothing::Gains;

/// Numbers of last differences, or values, that are regressed on.
const ORDERS: [usize; 2] = [1, 3];

/// What is regressed on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Differences to the last value, on such differences before: `ari`.
    Ari,
    /// Differences to the value one season before, once one is found, beside those to the last value: `sari`.
    Sari,
    /// Those of logarithms, where all values lie above zero and not close to it: growth and seasons that multiply; `log-sari`.
    LogSari,
    /// Values, on the last ones and on the season's harmonics: what varies around a mean that has a season; `harmonic`.
    Harmonic,
    /// Those of logarithms: `log-harmonic`.
    LogHarmonic,
    /// Differences to the last value, on such differences before and on the season's harmonics: a season around a level that
    /// moves; `harmonic-ari`.
    HarmonicAri,
    /// Those of logarithms: `log-harmonic-ari`.
    LogHarmonicAri,
    /// Values around an exponentially smoothed level, slope and season: `ets`.
    Ets,
    /// Those of logarithms: `log-ets`.
    LogEts,
    /// Values, on the last ones, those of the same time of the day, week or year before and what the calendar says of the row:
    /// its time of the day, day of the week and so on; `calendar`.
    Calendar,
    /// Those of logarithms: `log-calendar`.
    LogCalendar,
    /// Differences to the last value, on such differences before and how what the calendar says changes: `calendar-ari`.
    CalendarAri,
    /// Those of logarithms: `log-calendar-ari`.
    LogCalendarAri,
}

impl Form {
    /// All.
    pub const ALL: [Self; 13] = [
        Self::Ari,
        Self::Sari,
        Self::LogSari,
        Self::Harmonic,
        Self::LogHarmonic,
        Self::HarmonicAri,
        Self::LogHarmonicAri,
        Self::Ets,
        Self::LogEts,
        Self::Calendar,
        Self::LogCalendar,
        Self::CalendarAri,
        Self::LogCalendarAri,
    ];

    /// Name of a forecaster of this form.
    ///
    /// ```
    /// assert_eq!(statecast::forecast::Form::LogSari.name(), "log-sari");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ari => "ari",
            Self::Sari => "sari",
            Self::LogSari => "log-sari",
            Self::Harmonic => "harmonic",
            Self::LogHarmonic => "log-harmonic",
            Self::HarmonicAri => "harmonic-ari",
            Self::LogHarmonicAri => "log-harmonic-ari",
            Self::Ets => "ets",
            Self::LogEts => "log-ets",
            Self::Calendar => "calendar",
            Self::LogCalendar => "log-calendar",
            Self::CalendarAri => "calendar-ari",
            Self::LogCalendarAri => "log-calendar-ari",
        }
    }

    /// Whether a season is looked for.
    pub fn is_seasonal(self) -> bool {
        self != Self::Ari && !self.reads_calendar()
    }

    pub(super) fn reads_calendar(self) -> bool {
        matches!(
            self,
            Self::Calendar | Self::LogCalendar | Self::CalendarAri | Self::LogCalendarAri
        )
    }

    pub(super) fn is_of_logarithms(self) -> bool {
        matches!(
            self,
            Self::LogSari
                | Self::LogHarmonic
                | Self::LogHarmonicAri
                | Self::LogEts
                | Self::LogCalendar
                | Self::LogCalendarAri
        )
    }

    /// Untrained regressions of a channel with some seasons and the calendar of its rows, if it is known.
    pub(super) fn regressions(
        self,
        seasons: &[Season],
        known: Option<&Arc<Known>>,
    ) -> Vec<Component> {
        match self {
            Self::Ari | Self::Sari | Self::LogSari => {
                let steps = ORDERS.map(Component::of_steps);
                let of_season = |&season: &Season| {
                    let of =
                        move |first| ORDERS.map(|order| Component::of_season(order, season, first));
                    [0.0, 1.0].into_iter().flat_map(of)
                };
                let seasonal = seasons.iter().flat_map(of_season);
                steps.into_iter().chain(seasonal).collect()
            }
            Self::Harmonic | Self::LogHarmonic => of_waves(seasons, Component::of_values),
            Self::HarmonicAri | Self::LogHarmonicAri => of_waves(seasons, Component::of_waves),
            Self::Ets | Self::LogEts => {
                let of_season = |season: Option<Season>| {
                    let gains = Gains::all(season.is_some());
                    gains.map(move |gains| Component::of_smoothing(gains, season))
                };
                let seasonal = seasons.iter().map(|&season| Some(season));
                [None]
                    .into_iter()
                    .chain(seasonal)
                    .flat_map(of_season)
                    .collect()
            }
            Self::Calendar | Self::LogCalendar => match known {
                Some(known) => ORDERS
                    .map(|order| Component::of_calendar(order, known))
                    .to_vec(),
                None => of_waves(&[], Component::of_values),
            },
            Self::CalendarAri | Self::LogCalendarAri => match known {
                Some(known) => {
                    let of = |order| Component::of_calendar_steps(order, known);
                    ORDERS.map(of).to_vec()
                }
                None => of_waves(&[], Component::of_waves),
            },
        }
    }
}

/// Those of every season, or one without.
fn of_waves(seasons: &[Season], of: fn(usize, Option<Season>) -> Component) -> Vec<Component> {
    let of_season = |season| ORDERS.map(|order| of(order, season));
    match seasons {
        [] => of_season(None).to_vec(),
        found => found
            .iter()
            .flat_map(|&season| of_season(Some(season)))
            .collect(),
    }
}
