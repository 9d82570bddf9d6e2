//! The program: arguments to checked settings, a library call, output. One file a command.

mod actions;
mod backtest;
mod calendar;
mod calibrate;
mod choices;
mod control;
mod density;
mod endings;
mod evaluate;
mod experts;
mod forecast;
mod ignored;
mod impute;
mod input;
mod limits;
mod markov;
mod model_arguments;
mod models;
mod outputs;
mod process;
mod progress;
mod replay;
mod residual;
mod rules;
mod served;
mod shell;
mod simulate;
mod terminal;
mod train;
mod training_run;
mod windowed;

use std::ffi::OsString;
use std::io;
use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use self::terminal::tell;

pub use process::prepare_process;

/// Forecast the next states of a dynamical system with calibrated uncertainty, without training.
///
/// A pretrained language model reads the trajectory as digits; its next-token probabilities are the
/// forecast's density.
#[derive(Debug, Parser)]
#[command(
    name = "statecast",
    version,
    after_help = "Exit codes: 0 success, 1 error, 2 wrong usage."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Threads to compute with [default: RAYON_NUM_THREADS, or one for each core]
    #[arg(long, global = true, value_name = "COUNT")]
    threads: Option<NonZeroUsize>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Forecast(forecast::Arguments),
    Backtest(backtest::Arguments),
    Calibrate(calibrate::Arguments),
    Evaluate(Box<evaluate::Arguments>),
    Replay(Box<replay::Arguments>),
    Control(Box<control::Arguments>),
    Train(Box<train::Arguments>),
    Markov(Box<markov::Arguments>),
    TrainingRun(Box<training_run::Arguments>),
    Density(density::Arguments),
    Impute(impute::Arguments),
    Simulate(simulate::Arguments),
    Models(models::Arguments),
    Completions(shell::Completions),
    Man(shell::Man),
}

/// Exit code of wrong usage, as that of the parser.
const WRONG_USAGE: u8 = 2;

/// Exit code of an error.
const ERROR: u8 = 1;

/// Runs the program on the process' arguments. Errors are one line on standard error with exit code
/// 1, wrong usage ends with 2, a closed pipe ends quietly.
pub fn run() -> ExitCode {
    ExitCode::from(run_with(std::env::args_os()))
}

/// The same on other arguments, the first of which is the program's name; returns the exit code. Wrong usage and help end the
/// process.
pub fn run_with(arguments: impl IntoIterator<Item: Into<OsString> + Clone>) -> u8 {
    let mut command = Arguments::command();
    let matches = command.try_get_matches_from_mut(arguments);
    let matches = matches.unwrap_or_else(|fault| fault.exit());
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|fault| fault.exit());
    let environment = process::check_environment()
        .map_err(|said| command.error(ErrorKind::ValueValidation, said));
    limits::check(&mut command, &matches)
        .and(environment)
        .unwrap_or_else(|fault| fault.exit());
    prepare_process(arguments.threads);
    if let Some(said) = ignored::refusal(&matches) {
        tell!("error: {said}");
        return WRONG_USAGE;
    }
    let outcome = outputs::check(&matches).and_then(|()| execute(arguments.command));
    match outcome {
        Ok(()) => 0,
        Err(error) if is_closed_pipe(&error) => 0,
        Err(error) => {
            tell!("error: {}", one_line(&error));
            ERROR
        }
    }
}

fn execute(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Forecast(arguments) => forecast::run(arguments),
        Command::Backtest(arguments) => backtest::run(arguments),
        Command::Calibrate(arguments) => calibrate::run(arguments),
        Command::Evaluate(arguments) => evaluate::run(*arguments),
        Command::Replay(arguments) => replay::run(*arguments),
        Command::Control(arguments) => control::run(&arguments),
        Command::Train(arguments) => train::run(*arguments),
        Command::Markov(arguments) => markov::run(*arguments),
        Command::TrainingRun(arguments) => training_run::run(*arguments),
        Command::Density(arguments) => density::run(arguments),
        Command::Impute(arguments) => impute::run(arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Models(arguments) => models::run(arguments),
        Command::Completions(arguments) => shell::completions(&arguments),
        Command::Man(arguments) => shell::man(&arguments),
    }
}

/// An error and its causes, as far as the error does not name them itself.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !line.contains(&cause) {
            let colon = if line.is_empty() { "" } else { ": " };
            line = format!("{line}{colon}{cause}");
        }
    }
    shortened(&line.replace('\n', " "))
}

/// Longest error that is printed, in characters: some repeat what a file holds.
const LONGEST_ERROR: usize = 2000;

/// A line of bearable length: its two ends.
fn shortened(line: &str) -> String {
    let length = line.chars().count();
    if length <= LONGEST_ERROR {
        return line.to_owned();
    }
    let start: String = line.chars().take(LONGEST_ERROR / 2).collect();
    let end: String = line.chars().skip(length - LONGEST_ERROR / 2).collect();
    format!("{start} … {end}")
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    /// Fault: the system's message stood in the line twice.
    #[test]
    fn causes_are_named_once() {
        let error = anyhow::anyhow!("no such file").context("x.csv: cannot be read (no such file)");
        assert_eq!(
            super::one_line(&error),
            "x.csv: cannot be read (no such file)"
        );
        let error = anyhow::anyhow!("no such file").context("x.csv: cannot be read");
        assert_eq!(
            super::one_line(&error),
            "x.csv: cannot be read: no such file"
        );
    }

    /// Fault: an error repeated a name of millions of characters that a file had given.
    #[test]
    fn errors_are_of_bearable_length() {
        let error = anyhow::anyhow!("column '{}' is no number", "x".repeat(5_000_000));
        let line = super::one_line(&error);
        assert!(line.starts_with("column 'x") && line.ends_with("x' is no number"));
        assert!(line.chars().count() <= super::LONGEST_ERROR + 3);
    }

    #[test]
    fn arguments_are_consistent() {
        super::Arguments::command().debug_assert();
    }
}
