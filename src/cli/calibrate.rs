//! `statecast calibrate`: forecast calibration, before and after recalibration.

use std::sync::Arc;

use clap::Args;

use super::experts::{BandArguments, NameArguments, TrainArguments, finish, load, with_system};
use super::input::ModelArguments;
use super::outputs::Ending;
use super::windowed::{Study, WindowArguments, aligned};
use crate::backtest::{BacktestSummary, Results};
use crate::forecast::{Forecaster, Recalibrated};
use crate::forecasters::{Combining, ForecasterName};
use crate::metrics::{Calibration, Pit};
use crate::output::{number, percent};

/// Steps ahead in the table, in addition to the last one.
const STEPS: [usize; 6] = [1, 2, 5, 10, 20, 50];

/// Coverage of 90 % intervals below and above which densities count as too narrow or too wide.
const NARROW: f64 = 0.88;
const WIDE: f64 = 0.92;

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
    #[arg(long, default_value_t = 0.003, value_name = "ALPHA")]
    share: f64,
    #[command(flatten)]
    bands: BandArguments,
    #[command(flatten)]
    training: TrainArguments,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let windows = arguments.windowed.windows()?;
    let settings = arguments.model.settings(arguments.model.method())?;
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
    let combining = Combining::default().with_alpha(arguments.share);
    let combining = arguments.bands.of(combining);
    let plain = forecasters.predictor(&name, settings, combining)?;
    let recalibrated = match name {
        ForecasterName::Mixture(_) => forecasters.predictor(&name, settings, combining.online())?,
        _ => Arc::new(Recalibrated::new(plain.clone())),
    };
    let recalibrated = forecasters.informed(Forecaster::of(recalibrated, settings))?;
    let methods = [
        forecasters.informed(Forecaster::of(plain, settings))?,
        recalibrated.with_origins(combining.origins),
    ];
    let windowed = &arguments.windowed;
    let found = windowed.run("calibrate", &series, &methods)?;
    finish(&forecasters)?;
    let study = Study {
        command: "calibrate",
        experts: name.members(),
        settings,
        found: &found,
    };
    let mut ending = Ending::new(arguments.windowed.output());
    windowed.write(&study, None, &mut ending);
    ending.show(&text(&found.results, &found.summary))
}

fn text(results: &Results, summary: &BacktestSummary) -> String {
    let [before, after] = summary.methods.as_slice() else {
        return String::new();
    };
    let (one, two) = (&before.one_step_calibration, &after.one_step_calibration);
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
        row("KS", &|c| number(c.ks, 3)),
        row("p of KS", &|c| number(c.p_value, 3)),
        row("ECE", &|c| number(c.ece, 3)),
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
    text += &aligned(&channels(results));
    text += "\n";
    text += &verdict("One-step", one, two);
    text += &verdict("Multi-step", &before.calibration, &after.calibration);
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
fn channels(results: &Results) -> Vec<[String; 5]> {
    let titles = ["channel", "in 90 %", "KS", "recalibrated", "KS"];
    let mut rows = vec![titles.map(str::to_owned)];
    for (channel, name) in results.channels.iter().enumerate() {
        let calibration = |method: usize| {
            let mut pit = Pit::new();
            let of = results.one_step.iter();
            of.filter(|s| s.method == method && s.channel == channel)
                .for_each(|s| pit.push(s.pit));
            pit.calibration()
        };
        let (a, b) = (calibration(0), calibration(1));
        if a.outcomes > 0 {
            rows.push([
                name.clone(),
                percent(a.coverage_90, 1),
                number(a.ks, 3),
                percent(b.coverage_90, 1),
                number(b.ks, 3),
            ]);
        }
    }
    rows
}

fn verdict(what: &str, before: &Calibration, after: &Calibration) -> String {
    let covered = percent(before.coverage_90, 1);
    let finding = match before.coverage_90 {
        share if share < NARROW => {
            format!("too narrow: 90 % intervals cover {covered} of the observations")
        }
        share if share > WIDE => {
            format!("too wide: 90 % intervals cover {covered} of the observations")
        }
        _ => format!("well calibrated: 90 % intervals cover {covered} of the observations"),
    };
    let after = percent(after.coverage_90, 1);
    format!("{what} densities are {finding}; {after} after recalibration.\n")
}
