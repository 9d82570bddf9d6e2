//! The study of settling values.

use ndarray::Array2;

use super::forecasters::{Curve, POOL, Place, Single};
use super::{
    BlockBand, BlockForecast, BlockMeans, ConvergenceStudyError, NamedForecaster, OptimisationRun,
    OptimisationRuns, Settling, SettlingForecast, SettlingForecasters, SettlingScore,
    SettlingSettings,
};
use crate::convergence::{BlockAverages, SettlingValue, Span};
use crate::forecasters::Forecasters;
use crate::study::Observer;

/// Runs that are named where some are left out.
const MAX_NAMED: usize = 3;

/// Ratio of the last to the first tenth of the blocks from which on a metric rises.
const RISES: f64 = 3.0;

/// Forecasts of where a metric of some runs settles: the mean over the last tenth of the steps
/// until an end.
///
/// ```
/// use statecast::forecasters::Forecasters;
/// use statecast::study::convergence::{LogSelection, SettlingForecasters, TrainingLog};
/// use statecast::study::{SettlingSettings, SettlingStudy};
/// let log = TrainingLog::read("examples/training.csv", "loss", &LogSelection::default())?;
/// let runs = log.select(&[])?;
/// let mut settings = SettlingSettings::new(3000);
/// settings.prefix = Some(1000);
/// let study = SettlingStudy::new(&runs, settings, &())?;
/// let names = ["pool", "ar"].map(str::to_owned);
/// let pool = ["ar", "trend"].map(str::parse).into_iter().collect::<Result<Vec<_>, _>>()?;
/// let names = SettlingForecasters::new(Some(&names), &pool, &[])?;
/// let forecasters = Forecasters::new(&names.names(), Vec::new())?;
/// let settling = study.run(&forecasters, &names, &())?;
/// let pooled = &settling.runs[0].settles[0];
/// assert!(pooled.low < pooled.median && pooled.median < pooled.high);
/// assert_eq!(settling.scores[0].name, "pool");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SettlingStudy<'r> {
    metric: String,
    settings: SettlingSettings,
    spans: Vec<RunSpan<'r>>,
}

/// A run that can be forecast.
struct RunSpan<'r> {
    run: &'r OptimisationRun,
    prefix: usize,
    until_rows: usize,
    span: Span,
    averages: BlockAverages,
}

/// A forecast with its paths `[samples, blocks]`, if it has any.
type Sampled = (SettlingValue, Option<Array2<f64>>);

impl<'r> SettlingStudy<'r> {
    /// Averages the runs over blocks. Those that cannot be forecast are left out with a warning.
    ///
    /// # Errors
    /// [`ConvergenceStudyError`] if the settings cannot be, or no run can be forecast.
    pub fn new(
        runs: &'r OptimisationRuns,
        settings: SettlingSettings,
        observer: &dyn Observer,
    ) -> Result<Self, ConvergenceStudyError> {
        settings.check()?;
        let (all, until) = (runs.runs.len(), settings.until);
        let mut left_out = Vec::new();
        let mut spans = Vec::new();
        for run in &runs.runs {
            let rows = run.values.len();
            let prefix = settings.prefix.unwrap_or(rows);
            if prefix > rows {
                left_out.push(match run.values.last() {
                    Some(last) if last.is_nan() => format!("{} diverges at row {rows}", run.name),
                    _ => format!("{} has {rows} rows", run.name),
                });
                continue;
            }
            let until_rows = run.rows_until(until);
            let span = Span::new(prefix, until_rows, settings.blocks);
            match span.and_then(|span| Ok((span, span.block_averages(&run.values)?))) {
                Ok((span, averages)) => spans.push(RunSpan {
                    run,
                    prefix,
                    until_rows,
                    span,
                    averages,
                }),
                Err(error) if all > 1 => left_out.push(format!("{}: {error}", run.name)),
                Err(source) if until_rows != until => {
                    return Err(ConvergenceStudyError::Until {
                        until,
                        row: until_rows,
                        source,
                    });
                }
                Err(error) => return Err(error.into()),
            }
        }
        if !left_out.is_empty() {
            let named = left_out.len().min(MAX_NAMED);
            observer.warning(&format!(
                "{} of {all} runs are left out: {}{}",
                left_out.len(),
                left_out[..named].join("; "),
                if left_out.len() > named { "; …" } else { "" }
            ));
        }
        match spans.is_empty() {
            true => Err(ConvergenceStudyError::NothingLeft),
            false => Ok(Self {
                metric: runs.column.clone(),
                settings,
                spans,
            }),
        }
    }

    /// Returns the largest number of blocks that are forecast.
    pub fn horizon(&self) -> usize {
        let horizons = self.spans.iter().map(|of| of.span.horizon());
        horizons.max().unwrap_or(1)
    }

    /// Forecasts the settling values of all runs; `forecasters` has the predictors among `names`.
    ///
    /// # Errors
    /// [`ConvergenceStudyError`] if a name makes no forecaster, or a forecaster fails.
    pub fn run(
        &self,
        forecasters: &Forecasters,
        names: &SettlingForecasters,
        observer: &dyn Observer,
    ) -> Result<Settling, ConvergenceStudyError> {
        let settings = &self.settings;
        let mut runs = Vec::new();
        for (number, of) in self.spans.iter().enumerate() {
            of.warn(observer);
            let seed = settings.seed.wrapping_add(number as u64);
            let mut made = Vec::new();
            for (_, single) in &names.singles {
                let (value, paths) = self.forecast(single, forecasters, &of.averages, seed)?;
                let kept = paths.filter(|_| number < settings.block_forecasts);
                made.push((value, kept));
            }
            let shown = names.shown.iter().filter_map(|place| match place {
                Place::Pool => {
                    let parts = names.pool.iter();
                    let parts: Vec<_> = parts
                        .map(|&(single, weight)| (&made[single].0, weight))
                        .collect();
                    SettlingValue::pooled(POOL.to_owned(), &parts, settings.level)
                }
                Place::Single(single) => Some(made[*single].0.clone()),
            });
            runs.push(SettlingForecast {
                run: of.run.name.clone(),
                prefix: of.prefix,
                until_rows: of.until_rows,
                actual: of.span.actual(&of.run.values),
                settles: shown.collect(),
                blocks: of.blocks(names, &made),
            });
            observer.progress((number + 1) as f64 / self.spans.len() as f64);
        }
        Ok(Settling {
            metric: self.metric.clone(),
            until: settings.until,
            level: settings.level,
            scores: SettlingScore::of(&runs, settings.level, settings.seed),
            runs,
        })
    }

    fn forecast(
        &self,
        single: &Single,
        forecasters: &Forecasters,
        averages: &BlockAverages,
        seed: u64,
    ) -> Result<Sampled, ConvergenceStudyError> {
        let SettlingSettings { samples, level, .. } = self.settings;
        let (value, paths) = match single {
            Single::Curve(Curve::Fitted(decay)) => averages
                .extrapolated(*decay, samples, seed, level)
                .ok_or(ConvergenceStudyError::TooFewBlocks)?,
            Single::Curve(Curve::Trend) => averages
                .trend(samples, seed, level)
                .ok_or(ConvergenceStudyError::TooLarge)?,
            Single::Curve(Curve::LastValue) => return Ok((averages.last_value(level), None)),
            Single::Predictor(named) => self.predicted(named, forecasters, averages, seed)?,
        };
        Ok((value, Some(paths)))
    }

    fn predicted(
        &self,
        named: &NamedForecaster,
        forecasters: &Forecasters,
        averages: &BlockAverages,
        seed: u64,
    ) -> Result<(SettlingValue, Array2<f64>), ConvergenceStudyError> {
        let SettlingSettings {
            samples,
            level,
            forecast,
            combining,
            ..
        } = self.settings;
        let predictor = forecasters.predictor(&named.name, forecast, combining)?;
        let origins = match combining.recalibrated {
            true => combining.origins,
            false => 0,
        };
        let (value, paths) =
            averages.forecast(predictor, forecast, origins, samples, seed, level)?;
        let name = named.label.clone();
        Ok((SettlingValue { name, ..value }, paths))
    }
}

impl RunSpan<'_> {
    /// Warns of a metric that rises far above its start, and of a run that diverges after its
    /// prefix.
    fn warn(&self, observer: &dyn Observer) {
        let blocks = &self.averages.blocks;
        let tenth = (blocks.len() / 10).max(1);
        let (first, last) = (
            mean(&blocks[..tenth]),
            mean(&blocks[blocks.len() - tenth..]),
        );
        let name = &self.run.name;
        if last > RISES * first.abs() && last > blocks[0] {
            observer.warning(&format!(
                "run {name} rises from {first:.4} to {last:.4}; a rising loss diverges"
            ));
        }
        let mut values = self.run.values.iter();
        if let Some(row) = values.position(|value| !value.is_finite()) {
            observer.warning(&format!("run {name} diverges at row {}", row + 1));
        }
    }

    /// The metric by blocks, with the forecast of those whose paths are kept.
    fn blocks(&self, names: &SettlingForecasters, made: &[Sampled]) -> BlockMeans {
        let (run, rows) = (self.run, self.span.block());
        let recent = self.averages.recent();
        let first = self.prefix - recent.len() * rows;
        let read = recent.iter().enumerate();
        let known = self.until_rows.min(run.values.len());
        let later = run.values.get(self.prefix..known).unwrap_or_default();
        let later = later.chunks(rows).enumerate();
        BlockMeans {
            rows,
            end: run.step_of(self.prefix),
            read: read
                .map(|(k, mean)| (run.step_of(first + k * rows), *mean))
                .collect(),
            later: later
                .map(|(k, block)| (run.step_of(self.prefix + k * rows), mean(block)))
                .collect(),
            forecast: self.block_forecast(names, made),
        }
    }

    /// The forecast by blocks: of the pool, or without it of the first forecaster with paths.
    fn block_forecast(
        &self,
        names: &SettlingForecasters,
        made: &[Sampled],
    ) -> Option<BlockForecast> {
        let paths = |single: usize| made[single].1.as_ref();
        let (name, parts): (&str, Vec<(&Array2<f64>, f64)>) = match names.pools() {
            true => {
                let members = names.pool.iter();
                let parts = members.filter_map(|&(single, weight)| Some((paths(single)?, weight)));
                (POOL, parts.collect())
            }
            false => names.shown.iter().find_map(|place| match place {
                Place::Pool => None,
                Place::Single(single) => {
                    let name = names.singles[*single].0.as_str();
                    Some((name, vec![(paths(*single)?, 1.0)]))
                }
            })?,
        };
        let band = |block: usize| {
            let at = |level: f64| {
                let columns = parts.iter().map(|(paths, weight)| {
                    let draws = paths.column(block).to_vec();
                    (SettlingValue::of(String::new(), draws, level), *weight)
                });
                let columns: Vec<(SettlingValue, f64)> = columns.collect();
                let columns: Vec<_> = columns.iter().map(|(value, w)| (value, *w)).collect();
                SettlingValue::pooled(String::new(), &columns, level)
            };
            let (inner, outer) = (at(0.5)?, at(0.9)?);
            Some(BlockBand {
                step: self.run.step_of(self.prefix + block * self.span.block()),
                median: inner.median,
                inner: (inner.low, inner.high),
                outer: (outer.low, outer.high),
            })
        };
        Some(BlockForecast {
            name: name.to_owned(),
            bands: (0..self.span.horizon()).map(band).collect::<Option<_>>()?,
        })
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Keeps what a study warns of.
    #[derive(Default)]
    struct Warnings(Mutex<Vec<String>>);

    impl Observer for Warnings {
        fn warning(&self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }

    fn runs(lengths: &[usize]) -> OptimisationRuns {
        let value = |t: usize| 1.0 + 1.0 / (t + 1) as f64;
        let runs = lengths.iter().enumerate();
        let runs = runs.map(|(number, &rows)| {
            OptimisationRun::new(number.to_string(), (0..rows).map(value).collect())
        });
        OptimisationRuns {
            column: "loss".to_owned(),
            runs: runs.collect(),
            simulation: None,
        }
    }

    fn settling(runs: &OptimisationRuns, settings: SettlingSettings, names: &[&str]) -> Settling {
        let texts: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let pool = ["ar", "trend=0.5"].map(|text| text.parse().unwrap());
        let names = SettlingForecasters::new(Some(&texts), &pool, &[]).unwrap();
        let forecasters = Forecasters::new(&names.names(), Vec::new()).unwrap();
        let study = SettlingStudy::new(runs, settings, &()).unwrap();
        study.run(&forecasters, &names, &()).unwrap()
    }

    #[test]
    fn short_runs_are_left_out_and_told() {
        let runs = runs(&[60, 8, 60, 60]);
        let mut settings = SettlingSettings::new(60);
        settings.prefix = Some(40);
        let warnings = Warnings::default();
        let study = SettlingStudy::new(&runs, settings, &warnings).unwrap();
        assert_eq!(study.spans.len(), 3);
        assert_eq!(
            *warnings.0.lock().unwrap(),
            ["1 of 4 runs are left out: 1 has 8 rows"]
        );
        let refused = SettlingStudy::new(&runs, SettlingSettings::new(50), &());
        let refused = refused.err().unwrap();
        assert!(matches!(refused, ConvergenceStudyError::NothingLeft));
    }

    #[test]
    fn blocks_are_forecast_by_the_pool_or_what_has_paths() {
        let runs = runs(&[120, 120]);
        let mut settings = SettlingSettings::new(120);
        settings.prefix = Some(80);
        settings.block_forecasts = 1;
        let name = |names: &[&str]| {
            let found = settling(&runs, settings.clone(), names);
            assert!(found.runs[1].blocks.forecast.is_none());
            let blocks = &found.runs[0].blocks;
            assert_eq!((blocks.end, blocks.later[0].0), (80, 80));
            blocks.forecast.as_ref().map(|of| of.name.clone())
        };
        assert_eq!(name(&["last", "pool"]).as_deref(), Some("pool"));
        assert_eq!(name(&["last", "ar", "trend"]).as_deref(), Some("ar"));
        assert_eq!(name(&["last"]), None);
    }

    #[test]
    fn runs_that_reach_the_end_score_every_forecaster() {
        let runs = runs(&[120, 120]);
        let mut settings = SettlingSettings::new(120);
        settings.prefix = Some(80);
        let found = settling(&runs, settings, &["pool", "last"]);
        let names: Vec<&str> = found
            .scores
            .iter()
            .map(|score| score.name.as_str())
            .collect();
        assert_eq!(names, ["pool", "last value"]);
        assert!(found.runs.iter().all(|run| run.actual.is_some()));
        let ahead = settling(&runs, SettlingSettings::new(200), &["last"]);
        assert!(ahead.scores.is_empty());
    }
}
