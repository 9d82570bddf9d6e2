//! Minima that runs reach from unseen starts.

use anyhow::{Context, ensure};
use serde::Serialize;

use super::source::{Function, Series};
use super::{Arguments, CURVES};
use crate::cli::experts::finish;
use crate::cli::outputs::Ending;
use crate::cli::progress::Progress;
use crate::cli::terminal::tell;
use crate::cli::windowed::aligned_rows;
use crate::convergence::{TransitionKernel, minima_of_ends, nearest};
use crate::forecast::Method;
use crate::metrics::{Estimate, block_bootstrap};
use crate::output::{estimate, number};

/// Rows of a run in the context of a forecaster.
const CONTEXT: usize = 100;

/// Simulated runs per unseen start, for the true distribution.
const TRUE_RUNS: usize = 400;

/// Largest number of steps over all of them.
const MAX_STEPS: usize = 500_000_000;

/// Largest number of unseen starts in the printed list.
const MAX_SHOWN: usize = 12;

/// An unseen start.
#[derive(Serialize)]
struct Start {
    run: String,
    start: f64,
    /// Fraction of the runs from there that end at each minimum: over many simulated ones, or of
    /// the logged one.
    #[serde(rename = "came")]
    actual: Vec<f64>,
    /// Forecast probabilities per forecaster.
    forecast: Vec<Vec<f64>>,
}

#[derive(Serialize)]
struct ForecasterScore {
    name: String,
    /// Mean total variation from the actual fractions.
    total_variation: Estimate,
    /// Mean log probability of the reached minimum, in nats.
    log_score: Estimate,
}

#[derive(Serialize)]
struct Output {
    parameter: String,
    minima: Vec<f64>,
    shown: usize,
    /// Rows of the log per step of the kernels.
    stride: usize,
    rows: usize,
    starts: Vec<Start>,
    judged: Vec<ForecasterScore>,
}

pub(super) fn run(arguments: &Arguments, all: &[Series], parameter: &str) -> anyhow::Result<()> {
    ensure!(
        arguments.shown > 0 && arguments.shown < all.len(),
        "--shown {}: {} runs; needs context runs and runs to forecast",
        arguments.shown,
        all.len()
    );
    ensure!(
        arguments.figure.is_none(),
        "--figure: not available for --minima; --output writes all numbers"
    );
    let (shown, others) = all.split_at(arguments.shown);
    let shown: Vec<Vec<f64>> = shown.iter().map(|series| series.values.clone()).collect();
    let finite = |series: &&Series| series.values.iter().all(|x| x.is_finite());
    let unseen: Vec<&Series> = others.iter().filter(finite).collect();
    if unseen.len() < others.len() {
        tell!(
            "warning: {} unseen run(s) diverge and are left out",
            others.len() - unseen.len()
        );
    }
    let work = TRUE_RUNS
        .saturating_mul(unseen.len())
        .saturating_mul(arguments.source.steps);
    ensure!(
        arguments.source.simulate.is_none() || work <= MAX_STEPS,
        "{} unseen starts of {} steps: the true distribution takes {TRUE_RUNS} runs each; choose fewer --runs or --steps",
        unseen.len(),
        arguments.source.steps
    );
    let minima = arguments.minima_of(&shown, parameter)?;
    let names: Vec<String> = arguments.names();
    if let Some(curve) = names.iter().find(|name| CURVES.contains(&name.as_str())) {
        anyhow::bail!("--models {curve}: forecasts settling values only");
    }
    let forecasters = arguments.load(CONTEXT, 2)?;
    let combining = arguments.uncertainty.combining();
    let settings = arguments.model.settings(Method::Vicl)?;
    let progress = Progress::new("training-run");
    let mut kernels = Vec::new();
    for name in &names {
        let predictor = forecasters.predictor(&arguments.forecaster(name)?, settings, combining)?;
        kernels.push(TransitionKernel::infer(
            &predictor, settings, &shown, CONTEXT,
        )?);
        progress.show(kernels.len() as f64 / (names.len() + 1) as f64);
    }
    let mut starts = Vec::new();
    for series in &unseen {
        let (Some(&start), Some(&end)) = (series.values.first(), series.values.last()) else {
            continue;
        };
        let rows = series.values.len() - 1;
        let actual = match arguments.source.simulate {
            Some(function) => {
                let number = series.name.parse().context("simulated runs are numbered")?;
                arguments.true_shares(function, parameter, number, &minima)?
            }
            None => {
                let mut actual = vec![0.0; minima.len()];
                actual[nearest(end, &minima)] = 1.0;
                actual
            }
        };
        let forecast = kernels
            .iter()
            .map(|kernel| kernel.minima(start, rows, &minima));
        starts.push(Start {
            run: series.name.clone(),
            start,
            actual,
            forecast: forecast.collect(),
        });
    }
    drop(progress);
    ensure!(!starts.is_empty(), "no run is left to forecast");
    let judge = |(number, name): (usize, &String)| {
        let of = |score: &dyn Fn(&[f64], &[f64]) -> f64| {
            let scores = starts
                .iter()
                .map(|start| score(&start.forecast[number], &start.actual));
            block_bootstrap(&scores.collect::<Vec<_>>(), 1, arguments.seed)
        };
        let surprise = |said: &[f64], actual: &[f64]| -> f64 {
            let each = said.iter().zip(actual);
            each.map(|(p, share)| share * p.max(1e-9).ln()).sum()
        };
        ForecasterScore {
            name: name.clone(),
            total_variation: of(&crate::analysis::total_variation),
            log_score: of(&surprise),
        }
    };
    let judged = names.iter().enumerate().map(judge).collect();
    let found = Output {
        parameter: parameter.to_owned(),
        shown: arguments.shown,
        stride: kernels.first().map_or(1, TransitionKernel::stride),
        rows: unseen
            .iter()
            .map(|series| series.values.len())
            .max()
            .unwrap_or(0),
        minima,
        starts,
        judged,
    };
    let mut ending = Ending::new(arguments.output.as_ref());
    finish(&forecasters)?;
    ending.write(|| arguments.write(&forecasters, &found));
    ending.show(&text(&found))
}

impl Arguments {
    /// Returns the minima of the parameter.
    fn minima_of(&self, shown: &[Vec<f64>], parameter: &str) -> anyhow::Result<Vec<f64>> {
        let mut places = match self.source.simulate {
            _ if !self.at.is_empty() => self.at.clone(),
            Some(function) => {
                let landscape = function.landscape();
                let index = landscape
                    .parameters()
                    .iter()
                    .position(|name| *name == parameter);
                let index = index.with_context(|| format!("{parameter}: no parameter"))?;
                landscape
                    .minima()
                    .iter()
                    .map(|minimum| minimum[index])
                    .collect()
            }
            None => minima_of_ends(shown),
        };
        ensure!(
            !places.is_empty() && places.iter().all(|place| place.is_finite()),
            "--at: needs finite positions"
        );
        places.sort_by(f64::total_cmp);
        Ok(places)
    }

    /// Returns the fractions of runs from the start of a simulated one that end at each minimum.
    fn true_shares(
        &self,
        function: Function,
        parameter: &str,
        run: u64,
        minima: &[f64],
    ) -> anyhow::Result<Vec<f64>> {
        let descent = self.source.descent(function)?;
        let names = descent.landscape.parameters();
        let index = names.iter().position(|name| *name == parameter);
        let index = index.with_context(|| format!("{parameter}: no parameter"))?;
        let start = descent.start(self.seed, run);
        let mut shares = vec![0.0; minima.len()];
        for other in 0..TRUE_RUNS as u64 {
            let number = run * TRUE_RUNS as u64 + other;
            let end = descent.end(&start, self.seed.wrapping_add(1), number)[index];
            ensure!(end.is_finite(), "run {run}: runs from its start diverge");
            shares[nearest(end, minima)] += 1.0 / TRUE_RUNS as f64;
        }
        Ok(shares)
    }
}

fn text(found: &Output) -> String {
    let places: Vec<String> = found
        .minima
        .iter()
        .map(|place| format!("{place:.3}"))
        .collect();
    let mut text = format!(
        "context of {} of {} runs, every {}th row; minima of {} at {}; {} unseen starts\n\n",
        found.shown,
        found.shown + found.starts.len(),
        found.stride,
        found.parameter,
        places.join(", "),
        found.starts.len()
    );
    let shares = |shares: &[f64]| -> String {
        let shares: Vec<String> = shares.iter().map(|p| format!("{p:.2}")).collect();
        shares.join(" ")
    };
    let mut head = vec!["run".to_owned(), "start".to_owned(), "actual".to_owned()];
    head.extend(found.judged.iter().map(|judged| judged.name.clone()));
    let mut rows = vec![head];
    for start in found.starts.iter().take(MAX_SHOWN) {
        let mut row = vec![
            start.run.clone(),
            number(start.start, 3),
            shares(&start.actual),
        ];
        row.extend(start.forecast.iter().map(|p| shares(p)));
        rows.push(row);
    }
    text += &aligned_rows(&rows);
    if found.starts.len() > MAX_SHOWN {
        text += "…\n";
    }
    let mut rows = vec![
        ["forecaster", "TV", "log score"]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.extend(found.judged.iter().map(|judged| {
        vec![
            judged.name.clone(),
            estimate(&judged.total_variation, 3),
            estimate(&judged.log_score, 3),
        ]
    }));
    format!("{text}\n{}", aligned_rows(&rows))
}
