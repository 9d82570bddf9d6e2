//! Settling values of a metric.

use anyhow::{Context, ensure};
use ndarray::Array2;
use serde::Serialize;

use super::source::Series;
use super::{Arguments, CURVES, POOL};
use crate::cli::experts::finish;
use crate::cli::outputs::Ending;
use crate::cli::progress::Progress;
use crate::cli::terminal::tell;
use crate::cli::windowed::aligned_rows;
use crate::convergence::{BlockAverages, Decay, Settling, Span};
use crate::forecast::Method;
use crate::forecasters::Forecasters;
use crate::metrics::{Estimate, block_bootstrap};
use crate::output::percent;
use crate::plot::{ForecastFigure, ForecastPanel, PlottedFuture, RolloutPoint};

/// Largest number of runs in a figure and in the printed list.
const MAX_SHOWN: usize = 6;

/// A run and its forecasts.
#[derive(Serialize)]
struct Forecasts {
    run: String,
    prefix: usize,
    /// Rows until the end.
    until_rows: usize,
    /// Actual settling value, if the log reaches the end.
    #[serde(rename = "came")]
    actual: Option<f64>,
    settles: Vec<Settling>,
    #[serde(skip)]
    shown: Option<PlottedFuture>,
}

/// Scores of a forecaster over the runs with a known settling value.
#[derive(Serialize)]
struct ForecasterScore {
    name: String,
    /// Coverage of the intervals.
    coverage: f64,
    /// Mean absolute error of the median.
    error: Estimate,
    /// Mean interval score.
    interval_score: Estimate,
}

#[derive(Serialize)]
struct Output {
    metric: String,
    until: usize,
    level: f64,
    runs: Vec<Forecasts>,
    judged: Vec<ForecasterScore>,
}

pub(super) fn run(arguments: &Arguments, all: &[Series]) -> anyhow::Result<()> {
    let until = arguments.until.context("name the end step with --until")?;
    let mut left_out = Vec::new();
    let mut spans = Vec::new();
    for series in all {
        let rows = series.values.len();
        let prefix = arguments.prefix.unwrap_or(rows);
        if prefix > rows {
            left_out.push(match series.values.last() {
                Some(last) if last.is_nan() => format!("{} diverges at row {rows}", series.name),
                _ => format!("{} has {rows} rows", series.name),
            });
            continue;
        }
        let until_rows = series.rows_until(until);
        let span = Span::new(prefix, until_rows, arguments.blocks);
        match span.and_then(|span| Ok((span, span.block_averages(&series.values)?))) {
            Ok((span, block_averages)) => spans.push((series, prefix, span, block_averages)),
            Err(error) if all.len() > 1 => left_out.push(format!("{}: {error}", series.name)),
            Err(error) if until_rows != until => {
                return Err(error).context(format!("--until {until} is row {until_rows}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if !left_out.is_empty() {
        tell!(
            "warning: {} of {} runs are left out: {}{}",
            left_out.len(),
            all.len(),
            left_out
                .iter()
                .take(3)
                .cloned()
                .collect::<Vec<_>>()
                .join("; "),
            if left_out.len() > 3 { "; …" } else { "" }
        );
    }
    ensure!(!spans.is_empty(), "no run is left to forecast");
    let longest = spans
        .iter()
        .map(|(_, _, span, _)| span.horizon())
        .max()
        .unwrap_or(1);
    let forecasters = arguments.load(arguments.blocks.get(), longest)?;
    let (names, needed) = (arguments.names(), arguments.needed());
    let progress = Progress::new("training-run");
    let mut runs = Vec::new();
    for (number, (series, prefix, span, block_averages)) in spans.iter().enumerate() {
        warn_of_rise(&series.name, block_averages);
        let mut forecasts = Forecasts {
            run: series.name.clone(),
            prefix: *prefix,
            until_rows: series.rows_until(until),
            actual: actual(series, span),
            settles: Vec::new(),
            shown: None,
        };
        let seed = arguments.seed.wrapping_add(number as u64);
        let mut made: Vec<Settling> = Vec::new();
        let mut sampled = Vec::new();
        for name in &needed {
            let (settling, paths) = arguments.settles(name, &forecasters, block_averages, seed)?;
            made.push(settling);
            if arguments.figure.is_some() && number < MAX_SHOWN {
                sampled.extend(paths.map(|paths| (name.as_str(), paths)));
            }
        }
        forecasts.shown = arguments.future(&names, &sampled, series, span);
        let of = |name: &str| {
            let place = needed.iter().position(|known| known == name);
            place.map(|place| &made[place])
        };
        for name in &names {
            let settling = match name.as_str() {
                POOL => {
                    let parts = arguments.pool.iter();
                    let parts: Vec<(&Settling, f64)> = parts
                        .filter_map(|member| Some((of(&member.name)?, member.weight)))
                        .collect();
                    Settling::pooled(name.clone(), &parts, arguments.level)
                }
                _ => of(name).cloned(),
            };
            forecasts.settles.extend(settling);
        }
        progress.show((number + 1) as f64 / spans.len() as f64);
        runs.push(forecasts);
    }
    drop(progress);
    let found = Output {
        metric: arguments.metric.clone(),
        until,
        level: arguments.level,
        judged: judged(&runs, arguments.level, arguments.seed),
        runs,
    };
    let mut ending = Ending::new(arguments.output.as_ref());
    if let Some(path) = &arguments.figure {
        ending.write(|| {
            ensure!(
                found.runs.iter().any(|run| run.shown.is_some()),
                "--figure: needs sampled paths, which the last value does not have"
            );
            figure(arguments, &found, &spans).save(path)?;
            tell!("figure: {}", path.display());
            Ok(())
        });
    }
    finish(&forecasters)?;
    ending.write(|| arguments.write(&forecasters, &found));
    ending.show(&text(&found))
}

/// Returns the known settling value; warns where a run diverges after its prefix.
fn actual(series: &Series, span: &Span) -> Option<f64> {
    if let Some(row) = series.values.iter().position(|value| !value.is_finite()) {
        tell!("warning: run {} diverges at row {}", series.name, row + 1);
    }
    span.actual(&series.values)
}

/// Warns of metrics that rise far above their start.
fn warn_of_rise(run: &str, block_averages: &BlockAverages) {
    let blocks = &block_averages.blocks;
    let tenth = (blocks.len() / 10).max(1);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (first, last) = (
        mean(&blocks[..tenth]),
        mean(&blocks[blocks.len() - tenth..]),
    );
    if last > 3.0 * first.abs() && last > blocks[0] {
        tell!("warning: run {run} rises from {first:.4} to {last:.4}; a rising loss diverges");
    }
}

impl Arguments {
    fn settles(
        &self,
        name: &str,
        forecasters: &Forecasters,
        block_averages: &BlockAverages,
        seed: u64,
    ) -> anyhow::Result<(Settling, Option<Array2<f64>>)> {
        let curve = |decay| {
            let extrapolated = block_averages.extrapolated(decay, self.samples, seed, self.level);
            let (settling, paths) = extrapolated.context("too few blocks for a curve")?;
            Ok((settling, Some(paths)))
        };
        if CURVES.contains(&name) {
            return match name {
                "power-law" => curve(Decay::PowerLaw),
                "exponential" => curve(Decay::Exponential),
                "trend" => {
                    let trend = block_averages.trend(self.samples, seed, self.level);
                    let (settling, paths) = trend.context("the metric is too large for a trend")?;
                    Ok((settling, Some(paths)))
                }
                _ => Ok((block_averages.last_value(self.level), None)),
            };
        }
        let settings = self.model.settings(Method::Vicl)?;
        let combining = self.bands.of(self.uncertainty.combining());
        let predictor = forecasters.predictor(&self.forecaster(name)?, settings, combining)?;
        let origins = match combining.recalibrated {
            true => combining.origins,
            false => 0,
        };
        let (settling, paths) = block_averages.forecast(
            predictor,
            settings,
            origins,
            self.samples,
            seed,
            self.level,
        )?;
        let settling = Settling {
            name: name.to_owned(),
            ..settling
        };
        Ok((settling, Some(paths)))
    }

    /// Returns the forecast of a run in a figure: the pool, or without it the first forecaster with
    /// paths.
    fn future(
        &self,
        names: &[String],
        sampled: &[(&str, Array2<f64>)],
        series: &Series,
        span: &Span,
    ) -> Option<PlottedFuture> {
        let of = |name: &str| sampled.iter().find(|(known, _)| *known == name);
        let (name, parts): (&str, Vec<(&Array2<f64>, f64)>) =
            match names.iter().any(|name| name == POOL) {
                true => {
                    let members = self.pool.iter();
                    let parts = members.filter_map(|m| Some((&of(&m.name)?.1, m.weight)));
                    (POOL, parts.collect())
                }
                false => {
                    let (name, paths) = names.iter().find_map(|name| of(name))?;
                    (name, vec![(paths, 1.0)])
                }
            };
        let point = |block: usize| {
            let at = |level: f64| {
                let columns = parts.iter().map(|(paths, weight)| {
                    let draws = paths.column(block).to_vec();
                    (Settling::of(String::new(), draws, level), *weight)
                });
                let columns: Vec<(Settling, f64)> = columns.collect();
                let columns: Vec<(&Settling, f64)> = columns.iter().map(|(s, w)| (s, *w)).collect();
                Settling::pooled(String::new(), &columns, level)
            };
            let (inner, outer) = (at(0.5)?, at(0.9)?);
            Some(RolloutPoint {
                row: series.step_of(span.prefix() + block * span.block()),
                median: inner.median,
                inner: (inner.low, inner.high),
                outer: (outer.low, outer.high),
                whole: None,
            })
        };
        Some(PlottedFuture {
            name: name.to_owned(),
            points: (0..span.horizon()).map(point).collect::<Option<_>>()?,
        })
    }
}

fn judged(runs: &[Forecasts], level: f64, seed: u64) -> Vec<ForecasterScore> {
    let known: Vec<(&Forecasts, f64)> = runs
        .iter()
        .filter_map(|run| Some((run, run.actual?)))
        .collect();
    let Some((first, _)) = known.first() else {
        return Vec::new();
    };
    let judge = |number: usize| {
        let of = |score: &dyn Fn(&Settling, f64) -> f64| -> Vec<f64> {
            let scores = known.iter();
            scores
                .map(|(run, actual)| score(&run.settles[number], *actual))
                .collect()
        };
        let covered = of(&|s, actual| f64::from(u8::from(s.covers(actual))));
        ForecasterScore {
            name: first.settles[number].name.clone(),
            coverage: covered.iter().sum::<f64>() / covered.len() as f64,
            error: block_bootstrap(&of(&|s, actual| (s.median - actual).abs()), 1, seed),
            interval_score: block_bootstrap(
                &of(&|s, actual| s.interval_score(actual, level)),
                1,
                seed,
            ),
        }
    };
    (0..first.settles.len()).map(judge).collect()
}

fn text(found: &Output) -> String {
    let mut text = String::new();
    for run in found.runs.iter().take(MAX_SHOWN) {
        let actual = run.actual.map_or(String::new(), |actual| {
            format!("; actual {}", number(actual))
        });
        let label = match found.runs.len() {
            1 => String::new(),
            _ => format!("run {}: ", run.run),
        };
        let first = &run.settles[0];
        text += &format!(
            "{label}{} settles at {} ({} to {}) by step {}, from {} rows{actual}\n",
            found.metric,
            number(first.median),
            number(first.low),
            number(first.high),
            found.until,
            run.prefix
        );
    }
    if found.runs.len() > MAX_SHOWN {
        text += &format!("… {} runs\n", found.runs.len());
    }
    text += "\n";
    let rows: Vec<Vec<String>> = if found.judged.is_empty() || found.runs.len() == 1 {
        let mut rows = Vec::new();
        for run in found.runs.iter().take(MAX_SHOWN) {
            let of = match found.runs.len() {
                1 => "forecaster".to_owned(),
                _ => format!("run {}", run.run),
            };
            let head = [of.as_str(), "median", "low", "high"];
            rows.push(head.map(str::to_owned).to_vec());
            rows.extend(run.settles.iter().map(|s| {
                let numbers = [s.median, s.low, s.high].map(number);
                [vec![s.name.clone()], numbers.to_vec()].concat()
            }));
        }
        rows
    } else {
        let inside = format!("in {}", percent(found.level, 0));
        let mut rows = vec![vec![
            "forecaster".to_owned(),
            inside,
            "|median - actual|".to_owned(),
            "interval score".to_owned(),
        ]];
        let estimate =
            |e: &Estimate| format!("{} [{}, {}]", number(e.mean), number(e.low), number(e.high));
        rows.extend(found.judged.iter().map(|judged| {
            vec![
                judged.name.clone(),
                percent(judged.coverage, 0),
                estimate(&judged.error),
                estimate(&judged.interval_score),
            ]
        }));
        rows
    };
    text + &aligned_rows(&rows)
}

/// Four digits; "-" if it is not defined.
fn number(x: f64) -> String {
    match x {
        0.0 => return "0".to_owned(),
        _ if x.is_nan() => return "-".to_owned(),
        _ => {}
    }
    let digits = (3 - x.abs().log10().floor() as i32).clamp(0, 8) as usize;
    match x.abs() {
        size if !(1e-5..1e7).contains(&size) => format!("{x:.3e}"),
        _ => format!("{x:.digits$}"),
    }
}

fn figure(
    arguments: &Arguments,
    found: &Output,
    spans: &[(&Series, usize, Span, BlockAverages)],
) -> ForecastFigure {
    let mut panels = Vec::new();
    let mut end = 0;
    for (run, (series, _, span, block_averages)) in found.runs.iter().zip(spans) {
        let Some(future) = &run.shown else {
            continue;
        };
        let block = span.block();
        end = end.max(series.step_of(run.prefix));
        let recent = block_averages.recent();
        let first = run.prefix - recent.len() * block;
        let observed = recent.iter().enumerate();
        let later = series
            .values
            .get(run.prefix..run.until_rows.min(series.values.len()));
        let later = later.unwrap_or_default().chunks(block).enumerate();
        let mean = |rows: &[f64]| rows.iter().sum::<f64>() / rows.len() as f64;
        panels.push(ForecastPanel {
            name: format!("{} of run {}", found.metric, run.run),
            observed: observed
                .map(|(k, mean)| (series.step_of(first + k * block), *mean))
                .collect(),
            held_out: later
                .map(|(k, rows)| (series.step_of(run.prefix + k * block), mean(rows)))
                .collect(),
            one_step: Vec::new(),
            futures: vec![future.clone()],
        });
    }
    let block = spans.first().map_or(1, |(_, _, span, _)| span.block());
    ForecastFigure {
        title: format!("{} until step {}", found.metric, found.until),
        subtitle: format!(
            "{}; means of {block} rows, as far back as they are read",
            arguments.source.described()
        ),
        context_end: end,
        band: "90 %".to_owned(),
        inner_band: "50 %".to_owned(),
        whole_band: None,
        panels,
    }
}
