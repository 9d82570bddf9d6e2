//! HTML report of policy values.

use maud::{Markup, html};

use super::{About, page};
use crate::evaluation::{RankingMetrics, RecommendedEstimator, Value, leading};
use crate::output::{number, numbers};
use crate::plot::{PlotError, colour};

/// Estimated values of policies, with known true values.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// Names of the policies.
    pub policies: Vec<String>,
    /// Names of the estimators.
    pub estimators: Vec<String>,
    /// Estimates `[estimator][policy]`; `None` where an estimator is not applicable.
    pub values: Vec<Vec<Option<Value>>>,
    /// True values per policy, with an interval if simulated.
    pub truth: Vec<Option<Value>>,
    /// Recorded policies.
    pub recorded: Vec<Recorded>,
}

/// Actual and estimated returns of a recorded policy.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Recorded {
    /// Name of the recording.
    pub name: String,
    /// Actual return from its own starts over `steps` steps.
    pub earned: Value,
    /// Horizon of the return, in steps.
    pub steps: usize,
    /// Estimates of the return, one per estimator; `None` where not applicable.
    pub imagined: Vec<Option<Value>>,
}

impl Evaluated {
    /// Returns the estimator with the smallest error for the recorded policies.
    pub fn recommended(&self) -> Option<RecommendedEstimator> {
        let earned: Vec<Value> = self.recorded.iter().map(|r| r.earned).collect();
        let said: Vec<_> = self.recorded.iter().map(|r| r.imagined.clone()).collect();
        RecommendedEstimator::of(&earned, &said)
    }

    /// States the recommended estimator and the best policy by it, one line each.
    pub fn verdict(&self) -> Vec<String> {
        let Some(found) = self.recommended() else {
            return vec![
                "No estimator is recommended: none has estimates for all recorded policies."
                    .to_owned(),
            ];
        };
        let name = &self.estimators[found.estimator];
        let Some(baseline) = found.baseline else {
            return vec![format!(
                "No estimator is recommended: one recording does not suffice. The smallest error, of {name}, is {}.",
                number(found.error, 1)
            )];
        };
        let [error, baseline] = numbers([found.error, baseline], 1);
        if !found.is_reliable() {
            return vec![format!(
                "No estimator is recommended: the smallest error for the recorded policies, of {name}, is {error}; that of the mean is {baseline}."
            )];
        }
        let mut lines = vec![format!(
            "Recommended: {name}, with an error of {error} for the recorded policies ({baseline} for the mean)."
        )];
        if let Some((best, alike)) = leading(&self.values[found.estimator])
            && self.policies.len() > 1
        {
            let alike: Vec<&str> = alike.iter().map(|&i| self.policies[i].as_str()).collect();
            let best = &self.policies[best];
            lines.push(match alike.is_empty() {
                true => format!("By its estimates, {best} is the best policy."),
                false => format!(
                    "By its estimates, {best} has the highest value, but its interval overlaps with {}.",
                    alike.join(", ")
                ),
            });
        }
        lines
    }
}

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
    table: &Evaluated,
    rankings: &[(String, RankingMetrics)],
) -> Result<String, PlotError> {
    let of = format!("{} policies", table.policies.len());
    let body = html! {
        p { (table.verdict().join(" ")) }
        h2 { "Estimated mean returns" }
        p.note { "With 90 % intervals. Policies are ordered by true value, or by the first estimator." }
        (estimates(table))
        div.charts { @for policy in order(table) { (intervals(table, policy)) } }
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
            (ranking_table(rankings))
        }
    };
    Ok(page(about, &of, &body))
}

/// Returns the policies, best first.
fn order(table: &Evaluated) -> Vec<usize> {
    let known = table.truth.iter().all(Option::is_some);
    let first = table.values.first().unwrap_or(&table.truth);
    let by = if known { &table.truth } else { first };
    let worth = |policy: usize| by[policy].map_or(f64::NEG_INFINITY, |value| value.mean);
    let mut order: Vec<usize> = (0..table.policies.len()).collect();
    order.sort_by(|&a, &b| worth(b).total_cmp(&worth(a)));
    order
}

fn estimates(table: &Evaluated) -> Markup {
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
                    @for values in &table.values {
                        td { (interval(&values[policy])) }
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

fn recorded_table(table: &Evaluated) -> Markup {
    html! {
        div.wide { table {
            tr { th { "recording" } th { "steps" } th { "actual" } @for name in &table.estimators { th { (name) } } }
            @for recorded in &table.recorded {
                tr {
                    td { (recorded.name) }
                    td { (recorded.steps) }
                    td { (interval(&Some(recorded.earned))) }
                    @for imagined in &recorded.imagined { td { (interval(imagined)) } }
                }
            }
        } }
    }
}

/// Draws one policy's estimates as points with intervals, all policies on one scale.
fn intervals(table: &Evaluated, policy: usize) -> Markup {
    let means = table
        .values
        .iter()
        .flatten()
        .chain(&table.truth)
        .flatten()
        .map(|v| v.mean);
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
            @for (row, (name, values)) in table.estimators.iter().zip(&table.values).enumerate() {
                text x=(LEFT - 8.0) y=(y(row) + 4.0) text-anchor="end" { (name) }
                @if let Some(value) = values[policy] {
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

fn ranking_table(rankings: &[(String, RankingMetrics)]) -> Markup {
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
