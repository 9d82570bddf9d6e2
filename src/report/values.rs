//! HTML report of policy values.

use maud::{Markup, html};

use super::{About, page};
use crate::evaluation::{PolicyValues, RankingMetrics, Selection, Value};
use crate::output::{number, numbers, percent};
use crate::plot::{PlotError, colour};

/// Sizes of a chart of intervals, in pixels.
const LEFT: f64 = 96.0;
const WIDTH: f64 = 250.0;
const ROW: f64 = 20.0;

/// Renders the report.
///
/// # Errors
/// [`PlotError`] if a figure cannot be drawn.
pub fn values(
    about: &About,
    table: &PolicyValues,
    selection: Option<&Selection>,
) -> Result<String, PlotError> {
    let of = format!("{} policies", table.policies.len());
    let rankings = table.rankings();
    let body = html! {
        p { (table.verdict().join(" ")) }
        h2 { "Estimated mean returns" }
        p.note { "With 90 % intervals. Policies are ordered by true value, or by the first estimator." }
        (estimates(table))
        div.charts { @for policy in order(table) { (intervals(table, policy)) } }
        @if let Some(selection) = selection {
            h2 { "Better than " (selection.incumbent) }
            p.note {
                "Differences with 90 % intervals; selected at a false discovery rate of "
                (percent(selection.false_discovery_rate, 0)) "."
            }
            (differences(selection))
        }
        @if !table.distributions().is_empty() {
            h2 { "Single returns" }
            p.note {
                "Of single episodes, with 90 % intervals: what 10 % fall short of, the median, the mean of the worst 10 %, "
                "and the probabilities of termination" @if table.failures_are_known() { " and of a failure" }
                " before the horizon"
                @if table.true_returns.iter().any(Option::is_some) { "; what the simulator gave in brackets" } "."
            }
            (distributions(table))
        }
        @if table.recorded.iter().any(|r| r.imagined.iter().any(Option::is_some)) {
            h2 { "Recorded policies" }
            p.note {
                "Actual and estimated returns. The intervals above are widened by the differences: an estimator that "
                "is wrong about the recorded policies is also wrong about others."
            }
            (recorded_table(table))
        }
        @if !rankings.is_empty() {
            h2 { "Comparison with true values" }
            p.note {
                "Error: mean absolute error. Regret: the loss from choosing by the estimates, relative to the range of "
                "the true values."
            }
            (ranking_table(&rankings))
        }
    };
    Ok(page(about, &of, &body))
}

/// Returns the policies, best first.
fn order(table: &PolicyValues) -> Vec<usize> {
    let known = table.truth.iter().all(Option::is_some);
    let by = match known || table.estimators.is_empty() {
        true => table.truth.clone(),
        false => table.of(0),
    };
    let worth = |policy: usize| by[policy].map_or(f64::NEG_INFINITY, |value| value.mean);
    let mut order: Vec<usize> = (0..table.policies.len()).collect();
    order.sort_by(|&a, &b| worth(b).total_cmp(&worth(a)));
    order
}

fn differences(selection: &Selection) -> Markup {
    html! {
        div.wide { table {
            tr { th { "policy" } th { "difference" } th { "p" } th { "better" } }
            @for difference in &selection.differences {
                tr {
                    td { (difference.policy) }
                    td { (interval(&difference.value)) }
                    td { (difference.p_value.map_or(String::new(), |p| number(p, 3))) }
                    td { (if difference.is_better { "yes" } else { "" }) }
                }
            }
        } }
    }
}

fn simulated(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| format!(" ({})", number(value, 1)))
}

fn probability(value: Value, truth: Option<f64>) -> Markup {
    html! {
        @let [mean, low, high] = [value.mean, value.low, value.high].map(|share| percent(share, 0));
        (mean) " " span.interval { "[" (low) ", " (high) "]" }
        @if let Some(truth) = truth { " (" (percent(truth, 0)) ")" }
    }
}

fn distributions(table: &PolicyValues) -> Markup {
    html! {
        div.wide { table {
            tr { th { "policy" } th { "10 %" } th { "median" } th { "worst 10 %" } th { "termination" }
                @if table.failures_are_known() { th { "failure" } } }
            @for (policy, found, truth) in table.distributions() {
                tr {
                    td { (policy) }
                    td { (interval(&Some(found.quantile_10))) (simulated(truth.map(|t| t.quantile_10))) }
                    td { (interval(&Some(found.median))) (simulated(truth.map(|t| t.median))) }
                    td { (interval(&Some(found.cvar_10))) (simulated(truth.map(|t| t.cvar_10))) }
                    td { (probability(found.termination, truth.map(|t| t.termination))) }
                    @if let Some(failure) = found.failure {
                        td { (probability(failure, truth.and_then(|t| t.failure))) }
                    }
                }
            }
        } }
    }
}

fn estimates(table: &PolicyValues) -> Markup {
    html! {
        div.wide { table {
            tr { th { "policy" } @if table.truth.iter().any(Option::is_some) { th { "truth" } }
                @for name in &table.estimators { th { (name) } } }
            @for policy in order(table) {
                tr {
                    td { (table.policies[policy]) }
                    @if table.truth.iter().any(Option::is_some) {
                        td { (table.truth[policy].map_or(String::new(), |t| number(t.mean, 1))) }
                    }
                    @for estimator in 0..table.estimators.len() {
                        td { (interval(&table.of(estimator)[policy])) }
                    }
                }
            }
        } }
    }
}

fn interval(value: &Option<Value>) -> Markup {
    html! {
        @match value {
            Some(v) if !v.has_interval() => { (number(v.mean, 1)) " [–]" },
            Some(v) => {
                @let [mean, low, high] = numbers([v.mean, v.low, v.high], 1);
                (mean) " " span.interval { "[" (low) ", " (high) "]" }
            },
            None => "–",
        }
    }
}

fn recorded_table(table: &PolicyValues) -> Markup {
    html! {
        div.wide { table {
            tr { th { "recording" } th { "steps" } th { "actual" } @for name in &table.estimators { th { (name) } } }
            @for recorded in &table.recorded {
                tr {
                    td { (recorded.name) }
                    td { (recorded.steps) }
                    td { (interval(&Some(recorded.actual))) }
                    @for imagined in &recorded.imagined { td { (interval(imagined)) } }
                }
            }
        } }
    }
}

/// Draws one policy's estimates as points with intervals, all policies on one scale.
fn intervals(table: &PolicyValues, policy: usize) -> Markup {
    let estimates = table.estimates.iter().map(|estimate| estimate.value);
    let means = estimates.chain(table.truth.iter().copied());
    let means = means.flatten().map(|v| v.mean);
    let (low, high) = means.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), mean| {
        (mean.min(low), mean.max(high))
    });
    let margin = 0.15 * (high - low).max(1e-9);
    let (low, high) = (low - margin, high + margin);
    let x = |value: f64| LEFT + WIDTH * ((value - low) / (high - low)).clamp(0.0, 1.0);
    let y = |row: usize| 34.0 + ROW * row as f64;
    let bottom = y(table.estimators.len());
    html! {
        svg width=(LEFT + WIDTH + 16.0) height=(bottom + 24.0) role="img" aria-label=(table.policies[policy])
            fill="currentColor" font-size="12" {
            text x=(LEFT) y="16" font-weight="bold" { (table.policies[policy]) }
            line x1=(LEFT) x2=(LEFT + WIDTH) y1=(bottom) y2=(bottom) stroke="currentColor" stroke-opacity="0.4" {}
            text x=(LEFT) y=(bottom + 16.0) opacity="0.7" { (format!("{low:.0}")) }
            text x=(LEFT + WIDTH) y=(bottom + 16.0) opacity="0.7" text-anchor="end" { (format!("{high:.0}")) }
            @if let Some(truth) = table.truth[policy] {
                line x1=(x(truth.mean)) x2=(x(truth.mean)) y1="22" y2=(bottom) stroke="currentColor"
                    stroke-dasharray="3 3" {}
            }
            @for (row, name) in table.estimators.iter().enumerate() {
                text x=(LEFT - 8.0) y=(y(row) + 4.0) text-anchor="end" { (name) }
                @if let Some(value) = table.of(row)[policy] {
                    @if value.has_interval() {
                        line x1=(x(value.low)) x2=(x(value.high)) y1=(y(row)) y2=(y(row)) stroke=(colour(row))
                            stroke-width="3" stroke-opacity="0.5" {}
                    }
                    circle cx=(x(value.mean)) cy=(y(row)) r="4" fill=(colour(row)) {}
                }
            }
        }
    }
}

fn ranking_table(rankings: &[(&'static str, RankingMetrics)]) -> Markup {
    html! {
        div.wide { table {
            tr {
                th { "estimator" } th { "error" } th { "of range" } th { "Spearman" } th { "regret@1" }
                th { "regret@3" } th { "in 90 %" }
            }
            @for (name, s) in rankings {
                tr {
                    td { (name) } td { (number(s.error, 2)) } td { (number(s.relative, 3)) }
                    td { (number(s.spearman, 2)) } td { (number(s.regret_1, 3)) }
                    td { (number(s.regret_3, 3)) } td { (s.covered) " of " (s.policies) }
                }
            }
        } }
    }
}
