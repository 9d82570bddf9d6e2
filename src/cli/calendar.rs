//! Whether forecasters read the calendar.

use clap::builder::TypedValueParser;
use clap::{ArgAction, Args};

use super::choices::choice;
use crate::cli::terminal::tell;
use crate::forecast::{Forecaster, Irregular, Settings, Variables};

#[derive(Debug, Args)]
#[command(next_help_heading = "Model and method")]
pub(super) struct CalendarArguments {
    /// Times of the day, days of the week and of the month, months and times of the year, as further inputs of forecasts without actions
    #[arg(long, value_parser = readings(), action = ArgAction::Set, default_value = "auto")]
    calendar: bool,
    /// How rows are read whose steps of time vary
    #[arg(long, value_parser = irregular(), default_value = "even")]
    irregular: Irregular,
}

fn irregular() -> impl TypedValueParser<Value = Irregular> {
    choice([
        (
            "even",
            "Paths that no action drives are drawn from rows a median step apart, read off between the recorded ones; else as 'known'",
            Irregular::Even,
        ),
        (
            "known",
            "The time from a row to the next is known as an action is; rows ahead are a median step apart",
            Irregular::Known,
        ),
        ("none", "As if all steps were equal", Irregular::None),
    ])
}

fn readings() -> impl TypedValueParser<Value = bool> {
    choice([
        (
            "auto",
            "Where rows have dates whose steps are of a quarter of an hour to a month, and show two such cycles",
            true,
        ),
        ("none", "Read no calendar", false),
    ])
}

impl CalendarArguments {
    /// Settings of forecasters that read the calendar as wanted.
    pub(super) fn of(&self, settings: Settings) -> Settings {
        Settings {
            calendar: self.calendar,
            irregular: self.irregular,
            ..settings
        }
    }
}

/// Says which cycles any of some forecasters reads in a context.
pub(super) fn tell_cycles(forecasters: &[Forecaster], context: &Variables) {
    if let Some(cycles) = forecasters.iter().find_map(|one| one.cycles(context)) {
        tell_of(&cycles.to_string());
    }
}

/// Says which cycles are read.
pub(super) fn tell_of(cycles: &str) {
    tell!("calendar: {cycles}");
}
