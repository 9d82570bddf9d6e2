//! `statecast calibrate`: forecast calibration, before and after recalibration.

use clap::Args;

use super::experts::{BandArguments, NameArguments, TrainArguments, finish, load, with_system};
use super::model_arguments::ModelArguments;
use super::outputs::Ending;
use super::windowed::{Study, WindowArguments, aligned};
use crate::backtest::BacktestSummary;
use crate::cli::terminal::Terminal;
use crate::forecasters::Combining;
use crate::metrics::{Calibration, Evidence};
use crate::output::{number, percent};
use crate::study::{CalibrationSettings, CalibrationStudy, ROWS_TO_FALSE_ALARM, Verdict};

/// Steps ahead in the table, in addition to the last one.
const STEPS: [usize; 6] = [1, 2, 5, 10, 20, 50];

/// Measure forecast calibration, before and after recalibration
///
/// Forecasts recordings from many origins twice: with the original densities, and recalibrated
/// online from their past PIT values (--recalibrate online of the other commands). Reports the
/// coverage of intervals one step and several steps ahead.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    statecast calibrate run.csv\n  \
    statecast calibrate run.csv --experts builtin,ar,knn --report calibration.html\n  \
    statecast calibrate a.npz b.npz --context 500 --horizon 50 --output calibration.json")]
pub(super) struct Arguments {
    #[command(flatten)]
    windowed: WindowArguments,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    experts: NameArguments,
    /// Fixed-share alpha of the mixture: fraction of the weights that is shared evenly at every
    /// step
    #[arg(long, alias = "share", default_value_t = 0.003, value_name = "ALPHA")]
    alpha: f64,
    #[command(flatten)]
    bands: BandArguments,
    #[command(flatten)]
    training: TrainArguments,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let windows = arguments.windowed.windows()?;
    let settings = arguments.model.settings(arguments.model.method())?;
    let settings = arguments.windowed.calendar.of(settings);
    let with_reward = arguments.model.with_reward;
    let series = arguments.windowed.series(settings, windows, with_reward)?;
    let name = arguments.experts.name(&arguments.model);
    let work = arguments.windowed.work(series.all()?);
    let forecasters = arguments.training.teach(
        load(std::slice::from_ref(&name), &arguments.model, work)?,
        &arguments.windowed.columns,
        settings,
        with_reward,
        &series.all()?[0].1,
    )?;
    let forecasters = with_system(forecasters, arguments.windowed.system(&series)?)?;
    let windowed = &arguments.windowed;
    let mut calibration = CalibrationSettings::new(windowed.settings(&series));
    calibration.forecaster = name.clone();
    calibration.forecast = settings;
    let combining = Combining::default().with_alpha(arguments.alpha);
    calibration.combining = arguments.bands.of(combining);
    let read = forecasters.forecaster(&name, settings, calibration.combining)?;
    arguments.windowed.tell_cycles(&series, &[read])?;
    let terminal = Terminal::new("calibrate");
    let study = CalibrationStudy::run(&series, &forecasters, &calibration, &terminal)?;
    drop(terminal);
    finish(&forecasters)?;
    let made = Study {
        command: "calibrate",
        experts: name.members(),
        settings,
        found: &study.backtest,
        evidence: Some(study.evidence()),
    };
    let mut ending = Ending::new(arguments.windowed.output());
    windowed.write(&made, None, &mut ending);
    ending.show(&text(&study))
}

fn text(study: &CalibrationStudy) -> String {
    let (before, after) = (study.plain(), study.recalibrated());
    let summary = &study.backtest.summary;
    let (one, two) = (&before.one_step_calibration, &after.one_step_calibration);
    let evidence = study.evidence();
    let mut text = format!(
        "{}, {} outcomes one step ahead in {} windows\n\n",
        before.name, one.outcomes, summary.windows
    );
    let row = |name: &str, of: &dyn Fn(&Calibration) -> String| [name.to_owned(), of(one), of(two)];
    text += &aligned(&[
        ["one step ahead", "original", "recalibrated"].map(str::to_owned),
        row("in 50 %", &|c| percent(c.coverage_50, 1)),
        row("in 80 %", &|c| percent(c.coverage_80, 1)),
        row("in 90 %", &|c| percent(c.coverage_90, 1)),
        row("in 99 %", &|c| {
            percent(c.coverage_99.unwrap_or(f64::NAN), 1)
        }),
        row("in 99.9 %", &|c| {
            percent(c.coverage_999.unwrap_or(f64::NAN), 1)
        }),
        row("KS", &|c| number(c.ks, 3)),
        row("p of KS", &|c| number(c.p_value, 3)),
        row("ECE", &|c| number(c.ece, 3)),
        [
            "p at any time".to_owned(),
            number(evidence[0].p_value, 3),
            number(evidence[1].p_value, 3),
        ],
        [
            "log score".to_owned(),
            number(before.log_score.mean, 3),
            number(after.log_score.mean, 3),
        ],
        [
            "standard deviation".to_owned(),
            number(before.sharpness, 3),
            number(after.sharpness, 3),
        ],
    ]);
    text += "\n";
    text += &aligned(&steps_ahead(summary));
    text += "\n";
    text += &aligned(&channels(study));
    text += "\n";
    text += &verdict("One-step", one, two);
    text += &verdict("Multi-step", &before.calibration, &after.calibration);
    text += &alarms(study, evidence);
    text
}

/// Returns the coverage and width of 90 % intervals by steps ahead.
fn steps_ahead(summary: &BacktestSummary) -> Vec<[String; 5]> {
    let mut rows =
        vec![["steps ahead", "in 90 %", "width", "adjusted", "width"].map(str::to_owned)];
    let last = summary.methods[0].by_step.len();
    let wanted = STEPS.into_iter().filter(|&step| step < last);
    for step in wanted.chain([last]) {
        let [a, b] = [0, 1].map(|method| summary.methods[method].by_step[step - 1]);
        rows.push([
            step.to_string(),
            percent(a.coverage_90, 1),
            number(a.width, 3),
            percent(b.coverage_90, 1),
            number(b.width, 3),
        ]);
    }
    rows
}

/// Returns the calibration of every channel's one-step densities.
fn channels(study: &CalibrationStudy) -> Vec<[String; 5]> {
    let titles = ["channel", "in 90 %", "KS", "recalibrated", "KS"];
    let rows = study.channels().into_iter().map(|channel| {
        let (a, b) = (channel.plain, channel.recalibrated);
        [
            channel.name,
            percent(a.coverage_90, 1),
            number(a.ks, 3),
            percent(b.coverage_90, 1),
            number(b.ks, 3),
        ]
    });
    [titles.map(str::to_owned)]
        .into_iter()
        .chain(rows)
        .collect()
}

/// Says from where on a test finds one-step densities off.
fn alarms(study: &CalibrationStudy, evidence: [Evidence; 2]) -> String {
    let names = ["One-step densities", "Recalibrated ones"].into_iter();
    let alarms = names.zip(evidence).filter_map(|(name, found)| {
        let alarm = found.alarm?;
        Some(format!(
            "{name} are off from row {} of the {} tested ones on, most of all of {}: a test by betting says so at row {}. Of calibrated ones \
             it does at most once in {ROWS_TO_FALSE_ALARM} rows on average.\n",
            alarm.since + 1,
            found.rows,
            study.backtest.results.channels[alarm.channel],
            alarm.row + 1,
        ))
    });
    alarms.collect()
}

fn verdict(what: &str, before: &Calibration, after: &Calibration) -> String {
    let covered = percent(before.coverage_90, 1);
    let finding = match Verdict::of(before) {
        Verdict::TooNarrow => "too narrow",
        Verdict::TooWide => "too wide",
        Verdict::WellCalibrated => "well calibrated",
    };
    let after = percent(after.coverage_90, 1);
    format!(
        "{what} densities are {finding}: 90 % intervals cover {covered} of the observations; {after} after \
         recalibration.\n"
    )
}
