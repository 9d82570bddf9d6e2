//! Which minimum runs reach from unseen starts.

use anyhow::{Context, ensure};
use serde::Serialize;

use super::source::{Function, Series};
use super::{Arguments, CURVES};
use crate::cli::experts::finish;
use crate::cli::outputs::Ending;
use crate::cli::progress::Progress;
use crate::cli::terminal::tell;
use crate::cli::windowed::aligned_rows;
use crate::convergence::{Kernel, minima_of_ends, nearest};
use crate::forecast::Method;
use crate::metrics::{Estimate, block_bootstrap};
use crate::output::{estimate, number};

/// Rows of a run that are shown to a forecaster.
const CONTEXT: usize = 100;

/// Simulated runs from every unseen start, for the true distribution.
const TRUE_RUNS: usize = 400;

/// Most steps of all of them.
const MOST_STEPS: usize = 500_000_000;

/// Unseen starts that are written one by one.
const MOST_SHOWN: usize = 12;

/// An unseen start.
#[derive(Serialize)]
struct Start {
    run: String,
    start: f64,
    /// Share of the runs from there that end at each minimum: of many simulated ones, or of the one that was logged.
    came: Vec<f64>,
    /// Forecast shares, one list a forecaster.
    forecast: Vec<Vec<f64>>,
}

#[derive(Serialize)]
struct Judged {
    name: String,
    /// Mean total variation from what came.
    total_variation: Estimate,
    /// Mean logarithm of the probability of the minimum that was reached, nats.
    log_score: Estimate,
}

#[derive(Serialize)]
struct Found {
    parameter: String,
    minima: Vec<f64>,
    shown: usize,
    /// Rows of the log that a step of the kernels stands for.
    stride: usize,
    rows: usize,
    starts: Vec<Start>,
    judged: Vec<Judged>,
}

pub(super) fn run(arguments: &Arguments, all: &[Series], parameter: &str) -> anyhow::Result<()> {
    ensure!(
        arguments.shown > 0 && arguments.shown < all.len(),
        "--shown {}: {} runs; some must be shown, and some be left to forecast",
        arguments.shown,
        all.len()
    );
    ensure!(
        arguments.figure.is_none(),
        "--figure: there is none of minima; --output writes all numbers"
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
        arguments.source.simulate.is_none() || work <= MOST_STEPS,
        "{} unseen starts of {} steps: the true shares take {TRUE_RUNS} runs each; choose fewer --runs or --steps",
        unseen.len(),
        arguments.source.steps
    );
    let minima = arguments.places(&shown, parameter)?;
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
        kernels.push(Kernel::infer(&predictor, settings, &shown, CONTEXT)?);
        progress.show(kernels.len() as f64 / (names.len() + 1) as f64);
    }
    let mut starts = Vec::new();
    for series in &unseen {
        let (Some(&start), Some(&end)) = (series.values.first(), series.values.last()) else {
            continue;
        };
        let rows = series.values.len() - 1;
        let came = match arguments.source.simulate {
            Some(function) => {
                let number = series.name.parse().context("simulated runs are numbered")?;
                arguments.true_shares(function, parameter, number, &minima)?
            }
            None => {
                let mut came = vec![0.0; minima.len()];
                came[nearest(end, &minima)] = 1.0;
                came
            }
        };
        let forecast = kernels
            .iter()
            .map(|kernel| kernel.minima(start, rows, &minima));
        starts.push(Start {
            run: series.name.clone(),
            start,
            came,
            forecast: forecast.collect(),
        });
    }
    drop(progress);
    ensure!(!starts.is_empty(), "no run is left to forecast");
    let judge = |(number, name): (usize, &String)| {
        let of = |score: &dyn Fn(&[f64], &[f64]) -> f64| {
            let scores = starts
                .iter()
                .map(|start| score(&start.forecast[number], &start.came));
            block_bootstrap(&scores.collect::<Vec<_>>(), 1, arguments.seed)
        };
        let surprise = |said: &[f64], came: &[f64]| -> f64 {
            let each = said.iter().zip(came);
            each.map(|(p, share)| share * p.max(1e-9).ln()).sum()
        };
        Judged {
            name: name.clone(),
            total_variation: of(&crate::analysis::total_variation),
            log_score: of(&surprise),
        }
    };
    let judged = names.iter().enumerate().map(judge).collect();
    let found = Found {
        parameter: parameter.to_owned(),
        shown: arguments.shown,
        stride: kernels.first().map_or(1, Kernel::stride),
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
    /// The minima along the parameter.
    fn places(&self, shown: &[Vec<f64>], parameter: &str) -> anyhow::Result<Vec<f64>> {
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
            "--at: needs finite places"
        );
        places.sort_by(f64::total_cmp);
        Ok(places)
    }

    /// Shares of the minima that many runs from the start of a simulated one end at.
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
            ensure!(end.is_finite(), "run {run}: others from its start diverge");
            shares[nearest(end, minima)] += 1.0 / TRUE_RUNS as f64;
        }
        Ok(shares)
    }
}

fn text(found: &Found) -> String {
    let places: Vec<String> = found
        .minima
        .iter()
        .map(|place| format!("{place:.3}"))
        .collect();
    let mut text = format!(
        "{} of {} runs shown, every {}th row; minima of {} at {}; {} unseen starts\n\n",
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
    let mut head = vec!["run".to_owned(), "start".to_owned(), "came".to_owned()];
    head.extend(found.judged.iter().map(|judged| judged.name.clone()));
    let mut rows = vec![head];
    for start in found.starts.iter().take(MOST_SHOWN) {
        let mut row = vec![
            start.run.clone(),
            number(start.start, 3),
            shares(&start.came),
        ];
        row.extend(start.forecast.iter().map(|p| shares(p)));
        rows.push(row);
    }
    text += &aligned_rows(&rows);
    if found.starts.len() > MOST_SHOWN {
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
