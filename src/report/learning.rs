//! HTML report of training arms.

use maud::{Markup, PreEscaped, html};

use super::{About, key, page};
use crate::learning::{Arm, ArmSummary, Comparison};
use crate::metrics::Estimate;
use crate::output::numbers;
use crate::plot::{Chart, Curve, PlotError};

/// Width and height of a chart of all arms, and of one of an arm's runs, in pixels.
const LARGE: (u32, u32) = (520, 340);
const SMALL: (u32, u32) = (330, 240);

/// Renders the report: summaries of arms in their order, and the flags of each.
///
/// # Errors
/// [`PlotError`] if a figure cannot be drawn.
pub fn learning(
    about: &About,
    comparison: &Comparison,
    flags: &[(String, String)],
) -> Result<String, PlotError> {
    let Comparison {
        arms, summaries, ..
    } = comparison;
    let seeds = arms.first().map_or(0, |arm| arm.runs.len());
    let of = format!("{} arms, {seeds} seeds each", arms.len());
    let first = summaries.first().map_or("", |arm| arm.name.as_str());
    let body = html! {
        (verdict(summaries, seeds))
        h2 { "Learning curves" }
        p.note {
            "Interquartile means over seeds of the evaluations' mean returns, with 95 % bootstrap intervals over "
            "seeds. All arms have the same episode starts and the same evaluations."
        }
        (key(summaries.iter().map(|arm| &arm.name).enumerate()))
        div.charts {
            (PreEscaped(curves(summaries, "Return", |p| p.returns)?))
            (PreEscaped(curves(summaries, "Overestimation", |p| p.overestimation)?))
        }
        h2 { "Returns and steps to the threshold" }
        p.note {
            "Mean return: over all evaluations. Diff vs " (first) ": the difference in mean return, paired by seed, "
            "with the interval of the mean; an interval that contains 0 shows no difference. Steps to the threshold: "
            "the median, and the number of seeds that reach it. Overestimation: the critics' value of the first steps "
            "of the last evaluation minus the discounted return, entropy bonus included, until the time limit."
        }
        (table(summaries))
        h2 { "Individual runs" }
        div.charts { @for (number, arm) in arms.iter().enumerate() { (PreEscaped(runs(number, arm)?)) } }
        h2 { "Flags" }
        div.wide { table {
            tr { th { "arm" } th { "flags of statecast train" } }
            @for (name, flags) in flags { tr { td { (name) } td { code { (flags) } } } }
        } }
    };
    Ok(page(about, &of, &body))
}

/// Fewest seeds for a statement about differences between arms: bootstrap intervals of fewer are
/// much too narrow.
const MIN_SEEDS: usize = 5;

fn verdict(arms: &[ArmSummary], seeds: usize) -> Markup {
    if seeds < MIN_SEEDS {
        return html! { p { "Too few seeds to compare arms: at least " (MIN_SEEDS) " are needed." } };
    }
    let better: Vec<&str> = arms
        .iter()
        .filter(|arm| arm.gain.low > 0.0)
        .map(|arm| arm.name.as_str())
        .collect();
    let worse = arms.iter().filter(|arm| arm.gain.high < 0.0);
    let worse: Vec<&str> = worse.map(|arm| arm.name.as_str()).collect();
    let first = arms.first().map_or("", |arm| arm.name.as_str());
    html! {
        p {
            @if better.is_empty() {
                "No arm has a significantly higher mean return than " b { (first) } "."
            } @else {
                "Significantly higher mean return than " b { (first) } ": " b { (better.join(", ")) } "."
            }
            @if !worse.is_empty() { " Significantly lower: " b { (worse.join(", ")) } "." }
        }
    }
}

fn interval(estimate: Estimate) -> Markup {
    let [mean, low, high] = numbers([estimate.mean, estimate.low, estimate.high], 1);
    html! { (mean) " " @if !estimate.mean.is_nan() { span.interval { "[" (low) ", " (high) "]" } } }
}

fn table(arms: &[ArmSummary]) -> Markup {
    let best = arms.iter().map(|arm| arm.mean.mean);
    let best = best.fold(f64::NEG_INFINITY, f64::max);
    html! {
        div.wide { table {
            tr {
                th { "arm" } th { "final return" } th { "mean return" }
                th { "diff vs " (arms.first().map_or("", |arm| &arm.name)) }
                th { "steps to threshold" } th { "overestimation" } th { "seconds" }
            }
            @for arm in arms {
                tr {
                    td { (arm.name) } td { (interval(arm.last)) }
                    td class=(if arm.mean.mean == best { "best" } else { "" }) { (interval(arm.mean)) }
                    td { (interval(arm.gain)) }
                    td {
                        @match arm.steps_to_threshold() {
                            Some(steps) => (format!("{steps:.0}")),
                            None => "never",
                        }
                        " " span.interval { (arm.reached.iter().flatten().count()) "/" (arm.reached.len()) }
                    }
                    td { (interval(arm.overestimation)) } td { (format!("{:.0}", arm.seconds)) }
                }
            }
        } }
    }
}

fn curves(
    arms: &[ArmSummary],
    title: &str,
    of: fn(&crate::learning::CurvePoint) -> Estimate,
) -> Result<String, PlotError> {
    let curve = |(number, arm): (usize, &ArmSummary)| {
        let points = || arm.curve.iter().map(|p| (p.step as f64, of(p)));
        Curve {
            number,
            points: points().map(|(step, e)| (step, e.mean)).collect(),
            band: points().map(|(step, e)| (step, e.low, e.high)).collect(),
        }
    };
    let chart = Chart {
        title: title.to_owned(),
        x: "steps".to_owned(),
        curves: arms.iter().enumerate().map(curve).collect(),
        ideal: vec![],
        y_range: None,
        bars: false,
        size: LARGE,
    };
    chart.svg()
}

/// Draws the returns of every run of an arm.
fn runs(number: usize, arm: &Arm) -> Result<String, PlotError> {
    let curves = arm.runs.iter().map(|run| Curve {
        number,
        points: run.iter().map(|e| (e.step as f64, e.mean)).collect(),
        band: vec![],
    });
    let chart = Chart {
        title: arm.name.clone(),
        x: "steps".to_owned(),
        curves: curves.collect(),
        ideal: vec![],
        y_range: None,
        bars: false,
        size: SMALL,
    };
    chart.svg()
}
