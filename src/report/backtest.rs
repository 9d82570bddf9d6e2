//! HTML report of a backtest.

use maud::{Markup, PreEscaped, html};

use super::{About, figures, key, page};
use crate::backtest::{BacktestSummary, MethodSummary, Results, WeightHistory};
use crate::metrics::Estimate;
use crate::output::{number, numbers, percent};
use crate::plot::PlotError;

/// Longest name of a method in a column head, in bytes.
const LONGEST_NAME: usize = 16;

/// Renders the report.
///
/// # Errors
/// [`PlotError`] if a figure cannot be drawn.
pub fn backtest(
    about: &About,
    results: &Results,
    summary: &BacktestSummary,
    weights: Option<&WeightHistory>,
) -> Result<String, PlotError> {
    let of = format!(
        "{} windows of {} series",
        summary.windows,
        results.series.len()
    );
    let body = html! {
        (verdict(summary))
        h2 { "One step ahead" }
        p.note {
            "Densities of every row of the horizons, given all rows before it. Log score: nats per unit of "
            "the context's axis, whose range is 7 units; higher is better. CRPS and sharpness (standard "
            "deviation) in units of the axis. Differences are paired, with 95 % intervals."
        }
        (one_step_table(summary))
        (legend(summary))
        div.charts { (PreEscaped(figures::reliability(summary, true)?)) (PreEscaped(figures::histograms(summary, true)?)) }
        h2 { "Sampled forecasts" }
        p.note {
            "Scores of the sample paths over all steps, in standard deviations of the context (nCRPS for the CRPS). "
            "MASE: absolute error of the median over that of one-step persistence. Valid steps: until the error of "
            "the median is 0.4 standard deviations."
        }
        (paths_table(summary))
        div.charts { (PreEscaped(figures::horizons(summary)?)) }
        div.charts { (PreEscaped(figures::reliability(summary, false)?)) (PreEscaped(figures::histograms(summary, false)?)) }
        h2 { "Variables" }
        p.note { "CRPS in standard deviations of the context (nCRPS), and coverage of 90 % intervals." }
        (variables_table(summary))
        @if let Some(weights) = weights {
            @let colours = colours_of_experts(weights, summary);
            h2 { "Expert weights over time" }
            p.note { "Weights of the mixture's experts over the rows of " (weights.of) "." }
            (experts_legend(weights, &colours))
            div.charts { (PreEscaped(figures::weights(weights, &colours)?)) }
        }
        (joint(summary))
    };
    Ok(page(about, &of, &body))
}

fn verdict(summary: &BacktestSummary) -> Markup {
    let one_step = summary
        .methods
        .iter()
        .max_by(|a, b| a.log_score.mean.total_cmp(&b.log_score.mean));
    let paths = summary
        .methods
        .iter()
        .min_by(|a, b| a.crps.mean.total_cmp(&b.crps.mean));
    html! {
        @if let (Some(one_step), Some(paths)) = (one_step, paths) {
            p {
                "Best one step ahead: " b { (one_step.name) } ". Best sampled forecasts: " b { (paths.name) } "."
            }
        }
        @if summary.clipped > 0 {
            p.warn {
                (summary.clipped) " value(s) were clipped to the axis of their context where densities were scored."
            }
        }
    }
}

/// Returns the head of a column of differences to the first method.
pub(crate) fn difference_head(summary: &BacktestSummary) -> String {
    match summary.methods.first() {
        Some(first) if first.name.len() <= LONGEST_NAME => format!("diff vs {}", first.name),
        _ => "diff vs first".to_owned(),
    }
}

fn estimate(e: &Estimate) -> Markup {
    let [mean, low, high] = numbers([e.mean, e.low, e.high], 3);
    html! { (mean) " " @if !e.mean.is_nan() { span.interval { "[" (low) ", " (high) "]" } } }
}

/// Returns the CSS class of the best value.
fn best(
    methods: &[MethodSummary],
    value: impl Fn(&MethodSummary) -> f64,
    m: &MethodSummary,
) -> &'static str {
    let best = methods.iter().map(&value).fold(f64::NEG_INFINITY, f64::max);
    match value(m) == best {
        true => "best",
        false => "",
    }
}

fn one_step_table(summary: &BacktestSummary) -> Markup {
    let all = &summary.methods;
    html! {
        div.wide { table {
            tr {
                th { "method" } th { "log score" } th { (difference_head(summary)) } th { "CRPS" } th { "sharpness" }
                th { "in 50 %" } th { "in 80 %" } th { "in 90 %" } th { "in 99 %" } th { "in 99.9 %" }
                th { "KS" } th { "p" } th { "ECE" }
            }
            @for m in all {
                @let c = &m.one_step_calibration;
                tr {
                    td { (m.name) }
                    td class=(best(all, |m| m.log_score.mean, m)) { (estimate(&m.log_score)) }
                    td { (estimate(&m.log_score_difference)) }
                    td class=(best(all, |m| -m.one_step_crps.mean, m)) { (number(m.one_step_crps.mean, 4)) }
                    td { (number(m.sharpness, 3)) }
                    td { (percent(c.coverage_50, 1)) } td { (percent(c.coverage_80, 1)) } td { (percent(c.coverage_90, 1)) }
                    td { (percent(c.coverage_99.unwrap_or(f64::NAN), 1)) } td { (percent(c.coverage_999.unwrap_or(f64::NAN), 1)) }
                    td class=(best(all, |m| -m.one_step_calibration.ks, m)) { (number(c.ks, 3)) }
                    td { (number(c.p_value, 2)) }
                    td { (number(c.ece, 3)) }
                }
            }
        } }
    }
}

fn paths_table(summary: &BacktestSummary) -> Markup {
    let all = &summary.methods;
    html! {
        div.wide { table {
            tr {
                th { "method" } th { "nCRPS" } th { (difference_head(summary)) } th { "energy score" }
                th { "interval score" } th { "in 90 %" } th { "KS" } th { "MASE" } th { "sMAPE" }
                th { "valid steps" } th { "seconds" }
            }
            @for m in all {
                tr {
                    td { (m.name) }
                    td class=(best(all, |m| -m.crps.mean, m)) { (estimate(&m.crps)) }
                    td { (estimate(&m.crps_difference)) }
                    td class=(best(all, |m| -m.energy.mean, m)) { (number(m.energy.mean, 3)) }
                    td class=(best(all, |m| -m.interval_score.mean, m)) { (number(m.interval_score.mean, 3)) }
                    td { (percent(m.calibration.coverage_90, 1)) }
                    td { (number(m.calibration.ks, 3)) }
                    td { (number(m.mase, 3)) }
                    td { (number(m.smape, 1)) }
                    td { (estimate(&m.valid_steps)) }
                    td { (number(m.seconds, 1)) }
                }
            }
        } }
    }
}

fn variables_table(summary: &BacktestSummary) -> Markup {
    html! {
        div.wide { table {
            tr { th { "variable" } @for m in &summary.methods { th { (m.name) } } }
            @for (v, name) in summary.variables.iter().enumerate() {
                @let least = summary.methods.iter().map(|m| m.by_variable[v]).fold(f64::INFINITY, f64::min);
                tr {
                    td { (name) }
                    @for m in &summary.methods {
                        td class=(if m.by_variable[v] == least { "best" } else { "" }) {
                            (number(m.by_variable[v], 3)) " "
                            span.interval { (percent(m.coverage_by_variable[v], 0)) }
                        }
                    }
                }
            }
        } }
    }
}

fn legend(summary: &BacktestSummary) -> Markup {
    key(summary.methods.iter().map(|m| &m.name).enumerate())
}

fn experts_legend(weights: &WeightHistory, colours: &[usize]) -> Markup {
    key(colours.iter().copied().zip(&weights.experts))
}

/// Returns the colours of the experts: those of the methods with their names, new ones for others.
fn colours_of_experts(weights: &WeightHistory, summary: &BacktestSummary) -> Vec<usize> {
    let of_expert = |(number, expert): (usize, &String)| {
        let method = summary.methods.iter().position(|m| m.name == *expert);
        method.unwrap_or(summary.methods.len() + number)
    };
    weights.experts.iter().enumerate().map(of_expert).collect()
}

/// Renders the correlations of the first method's residuals: blue above zero, orange below.
fn matrix(summary: &BacktestSummary) -> Markup {
    let correlations = &summary.methods[0].residuals.correlations;
    let cell = |r: f64| {
        let share = if r.is_finite() { r.abs().min(1.0) } else { 0.0 };
        let hue = if r < 0.0 {
            "225, 100, 10"
        } else {
            "0, 130, 200"
        };
        format!("background: rgba({hue}, {share:.2})")
    };
    html! {
        div.wide { table.matrix {
            tr { th {} @for b in 1..=correlations.len() { th { (b) } } }
            @for (a, row) in correlations.iter().enumerate() {
                tr {
                    th { (summary.channels[a]) " " (a + 1) }
                    @for (b, &r) in row.iter().enumerate() {
                        @if a == b { td {} } @else {
                            td style=(cell(r)) title={ (summary.channels[a]) ", " (summary.channels[b]) } {
                                (format!("{}", (100.0 * r).round() + 0.0))
                            }
                        }
                    }
                }
            }
        } }
        p.note { "Values are multiplied by 100." }
    }
}

/// Renders joint scores, and those of the same paths with independent variables.
fn joint_scores(summary: &BacktestSummary) -> Markup {
    let all = &summary.methods;
    html! {
        p.note {
            "Joint scores of sampled paths, in standard deviations of the context; lower is better. \"If "
            "independent\" scores the same paths with independently drawn variables: where it is no higher, the "
            "paths carry no information on dependence."
        }
        div.wide { table {
            tr {
                th { "method" } th { "energy score" } th { "if independent" } th { "variogram score" }
                th { "if independent" }
            }
            @for m in all {
                tr {
                    td { (m.name) }
                    td class=(best(all, |m| -m.energy.mean, m)) { (estimate(&m.energy)) }
                    td { (number(m.independent_energy.mean, 3)) }
                    td class=(best(all, |m| -m.variogram.mean, m)) { (estimate(&m.variogram)) }
                    td { (number(m.independent_variogram.mean, 3)) }
                }
            }
        } }
    }
}

/// Renders the dependence between channels.
fn joint(summary: &BacktestSummary) -> Markup {
    html! {
        @if summary.channels.len() > 1 {
            h2 { "Dependence between channels" }
            p.note {
                "One-step densities are those of each channel alone. The largest correlation of two channels' one-step "
                "residuals measures what they miss: per-variable intervals are valid; intervals for sums, "
                "differences or joint events may not be. The energy score above scores the joint forecast."
            }
            div.wide { table {
                tr { th { "method" } th { "largest residual correlation" } th { "of" } }
                @for m in &summary.methods {
                    @if let Some((a, b, r)) = m.residuals.largest {
                        tr {
                            td { (m.name) } td { (format!("{r:+.2}")) }
                            td { (summary.channels[a]) " and " (summary.channels[b]) }
                        }
                    }
                }
            } }
            @if summary.is_joint() { (joint_scores(summary)) }
            p.note { "All pairs for " (summary.methods[0].name) ":" }
            (matrix(summary))
            @if summary.methods[0].residuals.matter() {
                p.warn {
                    "The correlation is large: try "
                    @if !summary.mixed { "principal components (--method dicl-s) or " } "the linear expert."
                }
            }
        }
    }
}
