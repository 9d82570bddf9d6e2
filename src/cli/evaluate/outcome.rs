//! Output of an evaluation.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use serde::Serialize;

use super::estimators::PolicyEstimate;
use super::{Arguments, Candidate};
use crate::cli::outputs::Ending;
use crate::cli::terminal::tell;
use crate::cli::windowed::aligned_rows;
use crate::environment::Task;
use crate::evaluation::{
    RankingMetrics, RecommendedEstimator, RolloutSpec, Value, ranking_metrics,
};
use crate::output::{Bundle, Column, Manifest, Table, number, numbers, write_atomically};
use crate::report::{self, Evaluated, Recorded};

/// A finished evaluation.
pub(super) struct Outcome<'o> {
    pub(super) arguments: &'o Arguments,
    pub(super) task: Option<&'static Task>,
    pub(super) spec: &'o RolloutSpec,
    pub(super) candidates: &'o [Candidate],
    pub(super) table: Evaluated,
    pub(super) estimates: Vec<PolicyEstimate>,
    /// True if no recorded episode covers the horizon.
    pub(super) is_short: bool,
    pub(super) rankings: Vec<(String, RankingMetrics)>,
}

#[derive(Serialize)]
struct Run<'a> {
    inputs: Vec<String>,
    policies: Vec<(String, String)>,
    task: Option<&'static str>,
    horizon: usize,
    discount: f64,
    paths: usize,
    context: usize,
    contexts: usize,
    seed: u64,
    estimates: &'a [PolicyEstimate],
    truth: &'a [Option<Value>],
    recorded: &'a [Recorded],
    /// Name of the estimator with the smallest error for the recorded policies, if it is reliable.
    recommended: Option<&'a str>,
    #[serde(rename = "standings")]
    rankings: &'a [(String, RankingMetrics)],
    seconds: f64,
}

impl Outcome<'_> {
    /// Formats the tables for a terminal.
    pub(super) fn text(&self) -> String {
        let table = &self.table;
        let mut text = aligned_rows(&estimate_rows(table));
        text += "\nEstimated mean returns with 90 % intervals; [-]: no interval from one episode; -: the estimator is not applicable.\n";
        if table
            .recorded
            .iter()
            .any(|r| r.imagined.iter().any(Option::is_some))
        {
            text += "\n";
            text += &aligned_rows(&recorded_rows(table));
            text += "\nActual and estimated returns of the recorded policies over the stated steps; the differences widen the intervals \
                     above.\n";
        }
        text += "\n";
        for line in table.verdict() {
            text += &line;
            text += "\n";
        }
        if !self.rankings.is_empty() {
            text += "\n";
            text += &aligned_rows(&ranking_rows(&self.rankings));
            text += "\nError: mean |estimate - truth|; regret relative to the range of the true values.\n";
        }
        text
    }

    fn recommended(&self) -> Option<&str> {
        let found = self
            .table
            .recommended()
            .filter(RecommendedEstimator::is_reliable)?;
        Some(&self.table.estimators[found.estimator])
    }

    /// Notes why importance sampling has no values, and clipped values on the paths.
    pub(super) fn warn(&self) {
        for estimate in self.estimates.iter().filter(|e| e.value.is_none()) {
            let (name, policy) = (estimate.estimator, &estimate.policy);
            if let Some(ratio) = estimate.too_small_ratio {
                tell!(
                    "note: {name} of {policy}: no value: the mean probability ratio of the recorded actions is {} instead of \
                     1; the policy takes actions without recorded support, such as actions on narrower limits, or the \
                     recorded log probabilities are wrong",
                    number(ratio, 2)
                );
                continue;
            }
            match (
                estimate.effective_runs,
                estimate.is_weighted && !self.is_short,
            ) {
                (Some(effective), true) => tell!(
                    "note: {name} of {policy}: no value: the effective number of episodes is {}, below 2; its actions differ \
                     from the recorded ones",
                    number(effective, 1)
                ),
                (None, true) => tell!(
                    "note: {name} of {policy}: no value: action probabilities of the policy or the recordings are unknown \
                     (--behaviour, or a column such as log_prob)"
                ),
                _ => {}
            }
        }
        for estimate in &self.estimates {
            if let Some(clipped @ 1..) = estimate.clipped {
                tell!(
                    "note: {} of {}: {clipped} value(s) were clipped to the range of the recordings",
                    estimate.estimator,
                    estimate.policy
                );
            }
        }
    }

    /// Writes the requested report, table and manifest.
    pub(super) fn write(&self, started: Instant, ending: &mut Ending) {
        if let Some(path) = &self.arguments.report {
            ending.write(|| self.write_report(path));
        }
        if let Some(output) = &self.arguments.output {
            ending.write(|| self.write_table(output, started));
        }
    }

    fn write_report(&self, path: &Path) -> anyhow::Result<()> {
        let settings = [
            ("task", self.task.map_or("unknown", |t| t.name).to_owned()),
            ("horizon", self.spec.horizon.to_string()),
            ("discount", self.spec.discount.to_string()),
            ("paths", self.spec.paths.to_string()),
        ];
        let about = report::About {
            title: "Policy values".to_owned(),
            settings: settings
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
        };
        let page = report::values(&about, &self.table, &self.rankings)?;
        write_atomically(path, |file| file.write_all(page.as_bytes()))?;
        tell!("report: {}", path.display());
        Ok(())
    }

    fn write_table(&self, output: &Path, started: Instant) -> anyhow::Result<()> {
        let arguments = self.arguments;
        let mut bundle = Bundle::new();
        bundle.add_table(output, &estimates_table(&self.estimates)?)?;
        let sources = self
            .candidates
            .iter()
            .filter_map(|c| Some((c.name.clone(), c.source.as_ref()?.to_string())));
        let run = Run {
            inputs: arguments
                .files
                .iter()
                .map(|file| file.display().to_string())
                .collect(),
            policies: sources.collect(),
            task: self.task.map(|task| task.name),
            horizon: self.spec.horizon,
            discount: self.spec.discount,
            paths: self.spec.paths,
            context: arguments.context,
            contexts: arguments.contexts.get(),
            seed: arguments.seed,
            estimates: &self.estimates,
            truth: &self.table.truth,
            recorded: &self.table.recorded,
            recommended: self.recommended(),
            rankings: &self.rankings,
            seconds: started.elapsed().as_secs_f64(),
        };
        Ok(bundle.finish(output, &Manifest::new("evaluate", &run))?)
    }
}

/// Computes the ranking metrics of each estimator, if two or more true values are known.
pub(super) fn rankings(table: &Evaluated) -> Vec<(String, RankingMetrics)> {
    let of = |(name, values): (&String, &Vec<Option<Value>>)| {
        let pairs = values.iter().zip(&table.truth);
        let pairs: Vec<(Value, f64)> = pairs
            .filter_map(|(value, truth)| Some(((*value)?, truth.as_ref()?.mean)))
            .collect();
        let range: Vec<f64> = table
            .truth
            .iter()
            .flatten()
            .map(|truth| truth.mean)
            .collect();
        ranking_metrics(&pairs, &range).map(|ranking_metrics| (name.clone(), ranking_metrics))
    };
    table
        .estimators
        .iter()
        .zip(&table.values)
        .filter_map(of)
        .collect()
}

fn shown(value: &Option<Value>) -> String {
    match value {
        Some(value) if !value.has_interval() => format!("{} [-]", number(value.mean, 1)),
        Some(value) => {
            let [mean, low, high] = numbers([value.mean, value.low, value.high], 1);
            format!("{mean} [{low}, {high}]")
        }
        None => "-".to_owned(),
    }
}

fn estimate_rows(table: &Evaluated) -> Vec<Vec<String>> {
    let known = table.truth.iter().any(Option::is_some);
    let mut heads = vec!["policy".to_owned()];
    heads.extend(known.then(|| "truth".to_owned()));
    heads.extend(table.estimators.iter().cloned());
    let mut rows = vec![heads];
    for (i, policy) in table.policies.iter().enumerate() {
        let mut row = vec![policy.clone()];
        if known {
            let truth = &table.truth[i];
            row.push(truth.as_ref().map_or("-".to_owned(), |t| number(t.mean, 1)));
        }
        row.extend(table.values.iter().map(|values| shown(&values[i])));
        rows.push(row);
    }
    rows
}

fn recorded_rows(table: &Evaluated) -> Vec<Vec<String>> {
    let mut heads = ["recording", "steps", "actual"].map(str::to_owned).to_vec();
    heads.extend(table.estimators.iter().cloned());
    let row = |recorded: &Recorded| {
        let mut row = vec![
            recorded.name.clone(),
            recorded.steps.to_string(),
            shown(&Some(recorded.earned)),
        ];
        row.extend(recorded.imagined.iter().map(shown));
        row
    };
    std::iter::once(heads)
        .chain(table.recorded.iter().map(row))
        .collect()
}

fn ranking_rows(rankings: &[(String, RankingMetrics)]) -> Vec<Vec<String>> {
    let heads = [
        "estimator",
        "error",
        "/ range",
        "Spearman",
        "regret@1",
        "regret@3",
        "in 90 %",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for (name, s) in rankings {
        rows.push(vec![
            name.clone(),
            number(s.error, 2),
            number(s.relative, 3),
            number(s.spearman, 2),
            number(s.regret_1, 3),
            number(s.regret_3, 3),
            format!("{} of {}", s.covered, s.policies),
        ]);
    }
    rows
}

fn estimates_table(estimates: &[PolicyEstimate]) -> anyhow::Result<Table> {
    let real = |of: &dyn Fn(&PolicyEstimate) -> Option<f64>| {
        Column::Real(
            estimates
                .iter()
                .map(|e| of(e).unwrap_or(f64::NAN))
                .collect(),
        )
    };
    let value = |of: fn(Value) -> f64| real(&move |e: &PolicyEstimate| e.value.map(of));
    let columns = [
        (
            "policy",
            Column::Text(estimates.iter().map(|e| e.policy.clone()).collect()),
        ),
        (
            "estimator",
            Column::Text(estimates.iter().map(|e| e.estimator.to_owned()).collect()),
        ),
        ("value", value(|v| v.mean)),
        ("standard_error", value(|v| v.error)),
        ("low", value(|v| v.low)),
        ("high", value(|v| v.high)),
        ("length", real(&|e| e.length)),
        ("saturated", real(&|e| e.clipped.map(|s| s as f64))),
        ("effective_runs", real(&|e| e.effective_runs)),
        ("doubt", real(&|e| e.misspecification_error)),
        ("seconds", real(&|e| Some(e.seconds))),
    ];
    let columns = columns
        .into_iter()
        .map(|(name, column)| (name.to_owned(), column));
    Table::new(columns.collect()).context("the table's columns differ in length")
}
