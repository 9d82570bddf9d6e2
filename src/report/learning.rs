//! The page of ways to train.

use maud::{Markup, PreEscaped, html};

use super::{About, key, page};
use crate::learning::{Arm, ArmSummary};
use crate::metrics::Estimate;
use crate::output::numbers;
use crate::plot::{Chart, Curve, PlotError};

/// Width and height of a chart of all arms, and of one of an arm's runs, in pixels.
const LARGE: (u32, u32) = (520, 340);
const SMALL: (u32, u32) = (330, 240);

/// The page: summaries of arms in their order, and the flags that each was trained with.
///
/// # Errors
/// [`PlotError`] if a figure cannot be drawn.
pub fn learning(
    about: &About,
    arms: &[Arm],
    summaries: &[ArmSummary],
    flags: &[(String, String)],
) -> Result<String, PlotError> {
    let seeds = arms.first().map_or(0, |arm| arm.runs.len());
    let of = format!("{} ways to train, {seeds} seeds each", arms.len());
    let first = summaries.first().map_or("", |arm| arm.name.as_str());
    let body = html! {
        (verdict(summaries, seeds))
        h2 { "Learning curves" }
        p.note {
            "Interquartile means over the seeds of the evaluations' mean returns, with 95 % intervals of a bootstrap "
            "over the seeds. All arms have the same starts of episodes and the same evaluations."
        }
        (key(summaries.iter().map(|arm| &arm.name).enumerate()))
        div.charts {
            (PreEscaped(curves(summaries, "Return", |p| p.returns)?))
            (PreEscaped(curves(summaries, "Values above the truth", |p| p.overestimation)?))
        }
        h2 { "How far and how soon" }
        p.note {
            "On the way: the mean over all evaluations. Less " (first) ": the same, seed by seed, with the interval of "
            "the mean; where it holds 0 these seeds show no difference. Steps to the threshold: median, and how many "
            "of the seeds came there. Values: what the critics say of the first steps of the last evaluation less what "
            "was earned until the time limit, discounted, with the entropy that the critics value."
        }
        (table(summaries))
        h2 { "Every run" }
        div.charts { @for (number, arm) in arms.iter().enumerate() { (PreEscaped(runs(number, arm)?)) } }
        h2 { "What was run" }
        div.wide { table {
            tr { th { "arm" } th { "flags of statecast train" } }
            @for (name, flags) in flags { tr { td { (name) } td { code { (flags) } } } }
        } }
    };
    Ok(page(about, &of, &body))
}

/// Fewest seeds of which differences between arms are told: the bootstrap's intervals of fewer are much too narrow.
const FEWEST_SEEDS: usize = 5;

fn verdict(arms: &[ArmSummary], seeds: usize) -> Markup {
    if seeds < FEWEST_SEEDS {
        return html! { p { "Too few seeds to tell arms apart: " (FEWEST_SEEDS) " at least." } };
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
                "No arm earns more on the way than " b { (first) } " beyond what seeds explain."
            } @else {
                "More on the way than " b { (first) } ", beyond what seeds explain: " b { (better.join(", ")) } "."
            }
            @if !worse.is_empty() { " Less: " b { (worse.join(", ")) } "." }
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
                th { "arm" } th { "return at the end" } th { "on the way" }
                th { "less " (arms.first().map_or("", |arm| &arm.name)) }
                th { "steps to threshold" } th { "values above the truth" } th { "seconds a run" }
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

/// The returns of every run of an arm.
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
