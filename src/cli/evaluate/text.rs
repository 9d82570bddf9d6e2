//! Tables of policies' values, for a terminal.

use crate::cli::windowed::aligned_rows;
use crate::evaluation::{PolicyValues, RankingMetrics, RecordedPolicy, Selection, Value};
use crate::output::{number, numbers, percent};

/// Formats the tables.
pub(super) fn of(values: &PolicyValues) -> String {
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
    let distributions = distribution_rows(values);
    if distributions.len() > 1 {
        text += "\n";
        text += &aligned_rows(&distributions);
        text += "\nSingle episodes: 10 % quantile, median and mean of the worst 10 % of their returns, ";
        text += match values.failures_are_known() {
            true => "probabilities of termination and of a failure before the horizon",
            false => "probability of termination before the horizon",
        };
        text += match values.true_returns.iter().any(Option::is_some) {
            true => "; simulated ones in brackets.\n",
            false => ".\n",
        };
    }
    text
}

/// Formats the differences from the incumbent and the policies that are better.
pub(super) fn selected(selection: &Selection) -> String {
    let incumbent = &selection.incumbent;
    let mut rows = vec![vec![
        "policy".to_owned(),
        format!("minus {incumbent}"),
        "p".to_owned(),
    ]];
    rows.extend(selection.differences.iter().map(|difference| {
        vec![
            difference.policy.clone(),
            shown(&difference.value),
            difference
                .p_value
                .map_or("-".to_owned(), |p| match p < 0.001 {
                    true => "<0.001".to_owned(),
                    false => number(p, 3),
                }),
        ]
    }));
    let better: Vec<&str> = selection.better().collect();
    let rate = percent(selection.false_discovery_rate, 0);
    let verdict = match better.is_empty() {
        true => {
            format!("No policy is better than {incumbent} at a false discovery rate of {rate}.")
        }
        false => format!(
            "Better than {incumbent} at a false discovery rate of {rate}: {}.",
            better.join(", ")
        ),
    };
    format!(
        "\n{}\nDifferences with 90 % intervals, paired where estimators imagine the same starts. {verdict}\n",
        aligned_rows(&rows)
    )
}

/// Formats the comparison with true values, as the protocol of DOPE has it or with all metrics.
pub(super) fn compared(rankings: &[(&'static str, RankingMetrics)], dope: bool) -> String {
    match (rankings.is_empty(), dope) {
        (true, _) => String::new(),
        (false, true) => format!(
            "\n{}\nAbsolute error and regret of returns that are normalised to 0 to 1 by the true values.\n",
            aligned_rows(&dope_rows(rankings))
        ),
        (false, false) => format!(
            "\n{}\nError: mean |estimate - truth|; regret relative to the range of the true values; Sharpe@3: gain of the \
             best of the three highest over the recordings, per standard deviation.\n",
            aligned_rows(&ranking_rows(rankings))
        ),
    }
}

fn dope_rows(rankings: &[(&'static str, RankingMetrics)]) -> Vec<Vec<String>> {
    let heads = [
        "estimator",
        "absolute error",
        "rank correlation",
        "regret@1",
        "regret@5",
    ];
    let row = |(name, s): &(&'static str, RankingMetrics)| {
        let numbers = [s.relative, s.spearman, s.regret_1, s.regret_5];
        let mut row = vec![(*name).to_owned()];
        row.extend(numbers.map(|value| number(value, 3)));
        row
    };
    let heads = heads.map(str::to_owned).to_vec();
    std::iter::once(heads)
        .chain(rankings.iter().map(row))
        .collect()
}

/// Rows of the distributions by the first estimator that has them.
fn distribution_rows(values: &PolicyValues) -> Vec<Vec<String>> {
    let mut heads = ["policy", "10 %", "median", "worst 10 %", "termination"]
        .map(str::to_owned)
        .to_vec();
    heads.extend(values.failures_are_known().then(|| "failure".to_owned()));
    let mut rows = vec![heads];
    for (policy, found, truth) in values.distributions() {
        let returns = [found.quantile_10, found.median, found.cvar_10];
        let mut row = vec![policy.to_owned()];
        let known = truth.map(|t| [t.quantile_10, t.median, t.cvar_10]);
        row.extend(returns.iter().enumerate().map(|(i, value)| {
            let truth = known.map(|truth| format!(" ({})", number(truth[i], 1)));
            shown(&Some(*value)) + &truth.unwrap_or_default()
        }));
        row.push(probability(found.termination, truth.map(|t| t.termination)));
        let failure = found.failure;
        row.extend(failure.map(|p| probability(p, truth.and_then(|t| t.failure))));
        rows.push(row);
    }
    rows
}

/// Formats a probability with its interval and the simulated one.
fn probability(value: Value, truth: Option<f64>) -> String {
    let [mean, low, high] = [value.mean, value.low, value.high].map(|share| percent(share, 0));
    let truth = truth.map(|share| format!(" ({})", percent(share, 0)));
    format!("{mean} [{low}, {high}]{}", truth.unwrap_or_default())
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
        "Sharpe@3",
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
            number(s.sharpe_3, 2),
            format!("{} of {}", s.covered, s.policies),
        ]);
    }
    rows
}
