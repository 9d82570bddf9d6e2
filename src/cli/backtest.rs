//! `statecast backtest`: forecasts from many origins, scored against baselines.

use clap::Args;

use super::experts::{
    BandArguments, ExpertArguments, NameList, TrainArguments, finish, load, names, with_system,
};
use super::model_arguments::ModelArguments;
use super::outputs::Ending;
use super::windowed::{Study, WindowArguments, aligned};
use crate::backtest::WeightHistory;
use crate::backtest::{BacktestSummary, MethodSummary};
use crate::forecast::{Forecaster, Settings};
use crate::forecasters::{ForecasterName, Forecasters};
use crate::output::{estimate, number, percent};
use crate::report;
use crate::study::backtest::{BacktestSeries, expert_weights};

/// Forecast from many origins of recordings and compare the scores with those of baselines
///
/// Every method reads the same contexts, continues each along sampled paths, and predicts the same
/// rows one by one as they are observed. All methods receive the recorded actions.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    statecast backtest run.csv --context 300 --horizon 20 --windows 50\n  \
    statecast backtest a.npz b.npz --models builtin,mixture,linear --recalibrate online\n  \
    statecast backtest run.csv --method residual --models builtin,scales,linear\n  \
    statecast backtest run.csv --method residual --simulator 'python model.py'\n  \
    statecast backtest run.csv --report report.html\n  \
    statecast backtest run.csv --output scores.parquet     # one row per score")]
pub(super) struct Arguments {
    #[command(flatten)]
    windowed: WindowArguments,
    #[command(flatten)]
    model: ModelArguments,
    /// Methods: persistence, mean, ar, ari, sari, log-sari, harmonic, log-harmonic, harmonic-ari, log-harmonic-ari, ets, log-ets,
    /// calendar, log-calendar, calendar-ari, log-calendar-ari, linear, quadratic, fourier, smoothing, seasonal, analogue, scales,
    /// knn, mlp, mixture, builtin or any other model's source
    #[arg(
        long,
        value_name = "NAMES",
        default_value = "builtin,mixture,ar,linear,knn,persistence,mean"
    )]
    models: Vec<NameList>,
    /// Members of the mixture
    #[arg(long, value_name = "NAMES", default_value = "builtin,ar,linear,knn")]
    experts: Vec<NameList>,
    #[command(flatten)]
    uncertainty: ExpertArguments,
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
    let work = arguments.windowed.work(series.all()?);
    let names = arguments.names();
    let forecasters = arguments.training.teach(
        load(&names, &arguments.model, work)?,
        &arguments.windowed.columns,
        settings,
        with_reward,
        &series.all()?[0].1,
    )?;
    let forecasters = with_system(forecasters, arguments.windowed.system(&series)?)?;
    let combining = arguments.bands.of(arguments.uncertainty.combining());
    let methods = forecasters.all(&names, settings, combining)?;
    let found = arguments.windowed.run("backtest", &series, &methods)?;
    let mixed = arguments.mixed(&names);
    let weights = match arguments.windowed.reports() && !mixed.is_empty() {
        true => Some(arguments.weights(&series, &forecasters, mixed, settings)?),
        false => None,
    };
    finish(&forecasters)?;
    let study = Study {
        command: "backtest",
        experts: mixed,
        settings,
        evidence: None,
        found: &found,
    };
    let mut ending = Ending::new(arguments.windowed.output());
    arguments
        .windowed
        .write(&study, weights.as_ref(), &mut ending);
    ending.show(&text(&found.summary))
}

impl Arguments {
    /// Returns the methods; a mixture without named members gets the experts.
    fn names(&self) -> Vec<ForecasterName> {
        let mut methods = names(&self.models);
        for method in &mut methods {
            if *method == ForecasterName::Mixture(Vec::new()) {
                *method = ForecasterName::mixture(names(&self.experts));
            }
        }
        methods
    }

    /// Returns the members of the first mixture among the methods, if any.
    fn mixed<'n>(&self, methods: &'n [ForecasterName]) -> &'n [ForecasterName] {
        let members = methods.iter().find_map(|method| match method {
            ForecasterName::Mixture(members) => Some(&members[..]),
            _ => None,
        });
        members.unwrap_or(&[])
    }

    /// Returns the weights of a mixture's members over the last context of the first series.
    fn weights(
        &self,
        series: &BacktestSeries,
        forecasters: &Forecasters,
        members: &[ForecasterName],
        settings: Settings,
    ) -> anyhow::Result<WeightHistory> {
        let (name, values) = &series.all()?[0];
        let end = values.rows() - self.windowed.horizon.get();
        let context = values.slice(end - self.windowed.context..end);
        let combining = self.uncertainty.combining();
        let members = forecasters
            .members(members, settings, combining)?
            .into_iter();
        let members: Vec<_> = members.map(|of| Forecaster::of(of, settings)).collect();
        let of = format!("the last context of {name}");
        Ok(expert_weights(&members, &context, combining.alpha, of)?)
    }
}

/// Formats the summary.
fn text(summary: &BacktestSummary) -> String {
    let difference_head = report::difference_head(summary);
    let mut rows = vec![
        [
            "one step ahead",
            "log score",
            &difference_head,
            "CRPS",
            "in 90 %",
            "KS",
        ]
        .map(str::to_owned),
    ];
    for m in &summary.methods {
        let MethodSummary {
            log_score,
            log_score_difference: difference,
            one_step_crps,
            one_step_calibration: calibration,
            ..
        } = m;
        rows.push([
            m.name.clone(),
            estimate(log_score, 3),
            estimate(difference, 3),
            number(one_step_crps.mean, 4),
            percent(calibration.coverage_90, 1),
            number(calibration.ks, 3),
        ]);
    }
    let mut text = aligned(&rows);
    text += "\n";
    text += &tails(summary);
    let mut rows = vec![
        [
            "paths",
            "nCRPS",
            &difference_head,
            "energy",
            "in 90 %",
            "MASE",
        ]
        .map(str::to_owned),
    ];
    for m in &summary.methods {
        rows.push([
            m.name.clone(),
            estimate(&m.crps, 3),
            estimate(&m.crps_difference, 3),
            number(m.energy.mean, 3),
            percent(m.calibration.coverage_90, 1),
            number(m.mase, 3),
        ]);
    }
    text += "\n";
    text += &aligned(&rows);
    if summary.is_joint() {
        text += "\n";
        text += &joint(summary);
    }
    text += &format!(
        "\n{} windows; means with 95 % intervals; differences are paired by window. nCRPS: CRPS of the paths over\n\
         the standard deviation of the context. Log scores: nats per unit of the context's axis, higher is better;\n\
         CRPS, energy and variogram: lower.\n",
        summary.windows
    );
    for m in summary
        .methods
        .iter()
        .filter(|m| m.residuals.matter())
        .take(1)
    {
        if let Some((a, b, r)) = m.residuals.largest {
            text += &format!(
                "Residuals of {} and {} are correlated ({r:.2} for {}): per-variable intervals are \
                 valid; intervals for sums or differences may not be{}.\n",
                summary.channels[a],
                summary.channels[b],
                m.name,
                if summary.mixed {
                    ""
                } else {
                    "; try --method dicl-s"
                }
            );
        }
    }
    text
}

/// Formats how many outcomes one step ahead lie in wide intervals, where there are enough to tell.
fn tails(summary: &BacktestSummary) -> String {
    let known = summary.methods.iter().map(|m| &m.one_step_calibration);
    if known.clone().all(|c| c.coverage_99.is_none()) {
        return String::new();
    }
    let mut rows = vec![["one step ahead", "in 99 %", "in 99.9 %"].map(str::to_owned)];
    for (m, c) in summary.methods.iter().zip(known) {
        rows.push([
            m.name.clone(),
            percent(c.coverage_99.unwrap_or(f64::NAN), 1),
            percent(c.coverage_999.unwrap_or(f64::NAN), 1),
        ]);
    }
    aligned(&rows) + "\n"
}

/// Formats joint scores, and those of the same paths with independent variables.
fn joint(summary: &BacktestSummary) -> String {
    let mut rows = vec![
        [
            "joint",
            "energy",
            "if independent",
            "variogram",
            "if independent",
        ]
        .map(str::to_owned),
    ];
    for m in &summary.methods {
        let scores = [
            &m.energy,
            &m.independent_energy,
            &m.variogram,
            &m.independent_variogram,
        ];
        let [a, b, c, d] = scores.map(|score| number(score.mean, 4));
        rows.push([m.name.clone(), a, b, c, d]);
    }
    aligned(&rows)
}
