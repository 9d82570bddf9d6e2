//! The page of estimated values of policies.

use maud::{Markup, html};

use super::{About, page};
use crate::evaluation::{Recommended, Standing, Value, leading};
use crate::output::{number, numbers};
use crate::plot::{PlotError, colour};

/// Estimated values of policies, and the true ones as far as they are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// Names of the policies.
    pub policies: Vec<String>,
    /// Names of the estimators.
    pub estimators: Vec<String>,
    /// Estimates `[estimator][policy]`; none where an estimator lacks what it needs.
    pub values: Vec<Vec<Option<Value>>>,
    /// True values, one a policy; with the interval of a simulation if they are one.
    pub truth: Vec<Option<Value>>,
    /// The recordings that they were estimated from.
    pub recorded: Vec<Recorded>,
}

/// What a recorded policy earned, and what estimators say of it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Recorded {
    /// Name of the recording.
    pub name: String,
    /// What it earned, from its own starts and in the steps that it tells about.
    pub earned: Value,
    /// Steps, at most, in which it earned that.
    pub steps: usize,
    /// Estimates of the same, one an estimator; none of those that say nothing of other starts.
    pub imagined: Vec<Option<Value>>,
}

impl Evaluated {
    /// The estimator that is nearest to what the recorded policies earned.
    pub fn recommended(&self) -> Option<Recommended> {
        let earned: Vec<Value> = self.recorded.iter().map(|r| r.earned).collect();
        let said: Vec<_> = self.recorded.iter().map(|r| r.imagined.clone()).collect();
        Recommended::of(&earned, &said)
    }

    /// One line about whom to trust, and one about the best policy by it.
    pub fn verdict(&self) -> Vec<String> {
        let Some(found) = self.recommended() else {
            return vec![
                "No estimator says what the recorded policies earned: none is recommended."
                    .to_owned(),
            ];
        };
        let name = &self.estimators[found.estimator];
        let Some(guess) = found.guess else {
            return vec![format!(
                "No estimator is recommended: one recording is too little to judge by. The nearest, {name}, is off by {} about it.",
                number(found.off, 1)
            )];
        };
        let [off, guess] = numbers([found.off, guess], 1);
        if !found.is_fit() {
            return vec![format!(
                "No estimator is fit: the nearest, {name}, is off by {off} about what the recorded policies earned, a guess by {guess}."
            )];
        }
        let mut lines = vec![format!(
            "Recommended: {name}, off by {off} about what the recorded policies earned (a guess by {guess})."
        )];
        if let Some((best, alike)) = leading(&self.values[found.estimator])
            && self.policies.len() > 1
        {
            let alike: Vec<&str> = alike.iter().map(|&i| self.policies[i].as_str()).collect();
            let best = &self.policies[best];
            lines.push(match alike.is_empty() {
                true => format!("By it, {best} is the best policy."),
                false => format!(
                    "By it, {best} is worth most, but cannot be told apart from {}: their intervals overlap.",
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

/// The page.
///
/// # Errors
/// [`PlotError`] if a figure cannot be drawn.
pub fn values(
    about: &About,
    table: &Evaluated,
    standings: &[(String, Standing)],
) -> Result<String, PlotError> {
    let of = format!("{} policies", table.policies.len());
    let body = html! {
        p { (table.verdict().join(" ")) }
        h2 { "Estimated mean returns" }
        p.note { "With 90 % intervals. Policies in the order of their truth, or of the first estimator." }
        (estimates(table))
        div.charts { @for policy in order(table) { (intervals(table, policy)) } }
        @if table.recorded.iter().any(|r| r.imagined.iter().any(Option::is_some)) {
            h2 { "What the recorded policies earned" }
            p.note {
                "And what the estimators say of them. The intervals above are widened by how far these differ: who is "
                "off about the recordings is off about other policies, too."
            }
            (recorded_table(table))
        }
        @if !standings.is_empty() {
            h2 { "Against the truth" }
            p.note {
                "Error: mean absolute error. Regret: what choosing by the estimates costs, as a share of the "
                "range of the true values."
            }
            (standing_table(standings))
        }
    };
    Ok(page(about, &of, &body))
}

/// Policies, best first.
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
            tr { th { "recording" } th { "steps" } th { "earned" } @for name in &table.estimators { th { (name) } } }
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

/// One policy's estimates as points with their intervals, all policies on one scale.
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

fn standing_table(standings: &[(String, Standing)]) -> Markup {
    html! {
        div.wide { table {
            tr {
                th { "estimator" } th { "error" } th { "of range" } th { "Spearman" } th { "regret@1" }
                th { "regret@3" } th { "in 90 %" }
            }
            @for (name, s) in standings {
                tr {
                    td { (name) } td { (number(s.error, 2)) } td { (number(s.relative, 3)) }
                    td { (number(s.spearman, 2)) } td { (number(s.regret_1, 3)) }
                    td { (number(s.regret_3, 3)) } td { (s.covered) " of " (s.policies) }
                }
            }
        } }
    }
}
