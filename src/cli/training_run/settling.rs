//! Where a metric settles.

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
use crate::convergence::{Decay, Settling, Span, Thinned};
use crate::forecast::Method;
use crate::forecasters::Forecasters;
use crate::metrics::{Estimate, block_bootstrap};
use crate::output::percent;
use crate::plot::{ForecastFigure, Panel, PlottedFuture, RolloutPoint};

/// Runs that a figure shows, and runs whose forecasts are written one by one.
const MOST_SHOWN: usize = 6;

/// A run and its forecasts.
#[derive(Serialize)]
struct Forecasts {
    run: String,
    prefix: usize,
    /// Rows until the end.
    until_rows: usize,
    /// The settling value, if the log reaches that far.
    came: Option<f64>,
    settles: Vec<Settling>,
    #[serde(skip)]
    shown: Option<PlottedFuture>,
}

/// How a forecaster did over all runs whose settling value is known.
#[derive(Serialize)]
struct Judged {
    name: String,
    /// Share of intervals with the value in them.
    coverage: f64,
    /// Mean absolute error of the median.
    error: Estimate,
    /// Mean interval score: width, and what values outside cost.
    interval_score: Estimate,
}

#[derive(Serialize)]
struct Found {
    metric: String,
    until: usize,
    level: f64,
    runs: Vec<Forecasts>,
    judged: Vec<Judged>,
}

pub(super) fn run(arguments: &Arguments, all: &[Series]) -> anyhow::Result<()> {
    let until = arguments
        .until
        .context("name the step that is of interest with --until")?;
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
        match span.and_then(|span| Ok((span, span.thinned(&series.values)?))) {
            Ok((span, thinned)) => spans.push((series, prefix, span, thinned)),
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
    for (number, (series, prefix, span, thinned)) in spans.iter().enumerate() {
        warn_of_rise(&series.name, thinned);
        let mut forecasts = Forecasts {
            run: series.name.clone(),
            prefix: *prefix,
            until_rows: series.rows_until(until),
            came: came(series, span),
            settles: Vec::new(),
            shown: None,
        };
        let seed = arguments.seed.wrapping_add(number as u64);
        let mut made: Vec<Settling> = Vec::new();
        let mut sampled = Vec::new();
        for name in &needed {
            let (settling, paths) = arguments.settles(name, &forecasters, thinned, seed)?;
            made.push(settling);
            if arguments.figure.is_some() && number < MOST_SHOWN {
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
    let found = Found {
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
                "--figure: shows sampled paths, which the last value has none of"
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

/// The settling value that is known; says where a run diverges behind the rows that are.
fn came(series: &Series, span: &Span) -> Option<f64> {
    if let Some(row) = series.values.iter().position(|value| !value.is_finite()) {
        tell!("warning: run {} diverges at row {}", series.name, row + 1);
    }
    span.came(&series.values)
}

/// A metric that is far above where it began settles only if it is one that should rise.
fn warn_of_rise(run: &str, thinned: &Thinned) {
    let blocks = &thinned.blocks;
    let tenth = (blocks.len() / 10).max(1);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (first, last) = (
        mean(&blocks[..tenth]),
        mean(&blocks[blocks.len() - tenth..]),
    );
    if last > 3.0 * first.abs() && last > blocks[0] {
        tell!(
            "warning: run {run} rises from {first:.4} to {last:.4}; a loss that does so diverges"
        );
    }
}

impl Arguments {
    fn settles(
        &self,
        name: &str,
        forecasters: &Forecasters,
        thinned: &Thinned,
        seed: u64,
    ) -> anyhow::Result<(Settling, Option<Array2<f64>>)> {
        let curve = |decay| {
            let extrapolated = thinned.extrapolated(decay, self.samples, seed, self.level);
            let (settling, paths) = extrapolated.context("too few blocks for a curve")?;
            Ok((settling, Some(paths)))
        };
        if CURVES.contains(&name) {
            return match name {
                "power-law" => curve(Decay::PowerLaw),
                "exponential" => curve(Decay::Exponential),
                "trend" => {
                    let trend = thinned.trend(self.samples, seed, self.level);
                    let (settling, paths) = trend.context("the metric is too large for a trend")?;
                    Ok((settling, Some(paths)))
                }
                _ => Ok((thinned.last_value(self.level), None)),
            };
        }
        let settings = self.model.settings(Method::Vicl)?;
        let combining = self.bands.of(self.uncertainty.combining());
        let predictor = forecasters.predictor(&self.forecaster(name)?, settings, combining)?;
        let origins = match combining.recalibrated {
            true => combining.origins,
            false => 0,
        };
        let (settling, paths) =
            thinned.forecast(predictor, settings, origins, self.samples, seed, self.level)?;
        let settling = Settling {
            name: name.to_owned(),
            ..settling
        };
        Ok((settling, Some(paths)))
    }

    /// What a figure shows of a run: the pool, or if it is not asked for, the first forecaster that has paths.
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

fn judged(runs: &[Forecasts], level: f64, seed: u64) -> Vec<Judged> {
    let known: Vec<(&Forecasts, f64)> = runs
        .iter()
        .filter_map(|run| Some((run, run.came?)))
        .collect();
    let Some((first, _)) = known.first() else {
        return Vec::new();
    };
    let judge = |number: usize| {
        let of = |score: &dyn Fn(&Settling, f64) -> f64| -> Vec<f64> {
            let scores = known.iter();
            scores
                .map(|(run, came)| score(&run.settles[number], *came))
                .collect()
        };
        let covered = of(&|s, came| f64::from(u8::from(s.covers(came))));
        Judged {
            name: first.settles[number].name.clone(),
            coverage: covered.iter().sum::<f64>() / covered.len() as f64,
            error: block_bootstrap(&of(&|s, came| (s.median - came).abs()), 1, seed),
            interval_score: block_bootstrap(&of(&|s, came| s.interval_score(came, level)), 1, seed),
        }
    };
    (0..first.settles.len()).map(judge).collect()
}

fn text(found: &Found) -> String {
    let mut text = String::new();
    for run in found.runs.iter().take(MOST_SHOWN) {
        let came = run
            .came
            .map_or(String::new(), |came| format!("; came {}", number(came)));
        let label = match found.runs.len() {
            1 => String::new(),
            _ => format!("run {}: ", run.run),
        };
        let first = &run.settles[0];
        text += &format!(
            "{label}{} settles at {} ({} to {}) by step {}, from {} rows{came}\n",
            found.metric,
            number(first.median),
            number(first.low),
            number(first.high),
            found.until,
            run.prefix
        );
    }
    if found.runs.len() > MOST_SHOWN {
        text += &format!("… {} runs\n", found.runs.len());
    }
    text += "\n";
    let rows: Vec<Vec<String>> = if found.judged.is_empty() || found.runs.len() == 1 {
        let mut rows = Vec::new();
        for run in found.runs.iter().take(MOST_SHOWN) {
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
            "|median - came|".to_owned(),
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
    found: &Found,
    spans: &[(&Series, usize, Span, Thinned)],
) -> ForecastFigure {
    let mut panels = Vec::new();
    let mut end = 0;
    for (run, (series, _, span, thinned)) in found.runs.iter().zip(spans) {
        let Some(future) = &run.shown else {
            continue;
        };
        let block = span.block();
        end = end.max(series.step_of(run.prefix));
        let recent = thinned.recent();
        let first = run.prefix - recent.len() * block;
        let observed = recent.iter().enumerate();
        let later = series
            .values
            .get(run.prefix..run.until_rows.min(series.values.len()));
        let later = later.unwrap_or_default().chunks(block).enumerate();
        let mean = |rows: &[f64]| rows.iter().sum::<f64>() / rows.len() as f64;
        panels.push(Panel {
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
