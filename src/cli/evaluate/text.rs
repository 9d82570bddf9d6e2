//! Tables of policies' values, for a terminal.

use crate::cli::windowed::aligned_rows;
use crate::evaluation::{PolicyValues, RankingMetrics, RecordedPolicy, Value};
use crate::output::{number, numbers};

/// Formats the tables.
pub(super) fn of(values: &PolicyValues, rankings: &[(&'static str, RankingMetrics)]) -> String {
    let mut text = aligned_rows(&estimate_rows(values));
    text += "\nEstimated mean returns with 90 % intervals; [-]: no interval from one episode; -: the estimator is not applicable.\n";
    let mut recorded = values.recorded.iter();
    if recorded.any(|r| r.imagined.iter().any(Option::is_some)) {
        text += "\n";
        text += &aligned_rows(&recorded_rows(values));
        text += "\nActual and estimated returns of the recorded policies over the stated steps; the differences widen the intervals \
                 above.\n";
    }
    text += "\n";
    for line in values.verdict() {
        text += &line;
        text += "\n";
    }
    if !rankings.is_empty() {
        text += "\n";
        text += &aligned_rows(&ranking_rows(rankings));
        text +=
            "\nError: mean |estimate - truth|; regret relative to the range of the true values.\n";
    }
    text
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

fn estimate_rows(values: &PolicyValues) -> Vec<Vec<String>> {
    let known = values.truth.iter().any(Option::is_some);
    let mut heads = vec!["policy".to_owned()];
    heads.extend(known.then(|| "truth".to_owned()));
    heads.extend(values.estimators.iter().map(ToString::to_string));
    let mut rows = vec![heads];
    let estimators = 0..values.estimators.len();
    let columns: Vec<_> = estimators.map(|e| values.of(e)).collect();
    for (i, policy) in values.policies.iter().enumerate() {
        let mut row = vec![policy.clone()];
        if known {
            let truth = &values.truth[i];
            row.push(truth.as_ref().map_or("-".to_owned(), |t| number(t.mean, 1)));
        }
        row.extend(columns.iter().map(|of| shown(&of[i])));
        rows.push(row);
    }
    rows
}

fn recorded_rows(values: &PolicyValues) -> Vec<Vec<String>> {
    let mut heads = ["recording", "steps", "actual"].map(str::to_owned).to_vec();
    heads.extend(values.estimators.iter().map(ToString::to_string));
    let row = |recorded: &RecordedPolicy| {
        let mut row = vec![
            recorded.name.clone(),
            recorded.steps.to_string(),
            shown(&Some(recorded.actual)),
        ];
        row.extend(recorded.imagined.iter().map(shown));
        row
    };
    std::iter::once(heads)
        .chain(values.recorded.iter().map(row))
        .collect()
}

fn ranking_rows(rankings: &[(&'static str, RankingMetrics)]) -> Vec<Vec<String>> {
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
            (*name).to_owned(),
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
