//! Densities of a context's rows, each given the rows before it.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

use serde::Serialize;

use super::forecast::warn_of_clipped;
use super::{Observer, note_contexts};
use crate::codec::{BIN_COUNT, Grid};
use crate::forecast::{ForecastError, Forecaster, OneStep, Variables};
use crate::output::{Bundle, NpzWriter, OutputError, write_atomically};
use crate::recording::{Episode, Recording};

/// Rows whose densities are held together.
const ROWS_AT_ONCE: usize = 256;

/// Which rows of an episode get densities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DensitySettings {
    /// Most rows of context, the last ones of the episode; by default all that the forecaster can
    /// read.
    pub context: Option<usize>,
    /// Whether the reward gets densities, too.
    pub with_reward: bool,
}

/// Densities of the rows of an episode, written row by row.
///
/// The NPZ file holds `density` float32 `[rows, channels, 1000]`, the probabilities of the bins;
/// `low` and `high` `[channels]`, the ends of each channel's axis in its units; `observed` int32
/// `[rows, channels]`, the observed bins; `log_score` float64 `[rows, channels]`, in nats, of the
/// density per unit of the axis [0, 10); `resolution` `[channels]`, the step in which a channel is
/// read, on its axis, if that is coarser than the bins, else 0; and `channel`, the names. Where
/// bins are those of residuals, `centre` and `scale` `[rows, channels]`, on the axis, say where
/// they lie.
///
/// ```
/// use statecast::study::{DensitySettings, DensityStudy};
/// use statecast::{Forecaster, Recording};
/// let recording = Recording::read("examples/pendulum.csv")?;
/// let forecaster = Forecaster::builder().experts("linear")?.build()?;
/// let mut settings = DensitySettings::default();
/// settings.context = Some(50);
/// let episode = &recording.episodes()[0];
/// let study = DensityStudy::new(&forecaster, &recording, episode, settings, &());
/// let folder = tempfile::tempdir()?;
/// let written = study.write(folder.path().join("densities.npz"), &())?;
/// assert_eq!((written.rows, written.channels.len()), (50, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DensityStudy<'s> {
    forecaster: &'s Forecaster,
    episode: &'s str,
    context: Variables,
    first_row: usize,
}

/// Which densities were written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DensitySummary {
    /// Label of the episode.
    pub episode: String,
    /// First row of the context, of those of the episode.
    pub first_row: usize,
    /// Rows of the context.
    pub rows: usize,
    /// Names of the channels.
    pub channels: Vec<String>,
    /// Values of the context outside of what the method can read.
    pub clipped: usize,
}

/// Reasons why densities cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DensityStudyError {
    /// A failure of the forecaster.
    #[error(transparent)]
    Forecast(#[from] ForecastError),
    /// A stream that cannot be written.
    #[error("cannot write: {0}")]
    Stream(#[from] io::Error),
    /// A file that cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Writes to a file.
type WriteTo<'w> = dyn FnMut(&mut BufWriter<&mut File>) -> io::Result<()> + 'w;

impl<'s> DensityStudy<'s> {
    /// Chooses the rows. Where they are not those that were asked for, the observer is told.
    pub fn new(
        forecaster: &'s Forecaster,
        recording: &Recording,
        episode: &'s Episode,
        settings: DensitySettings,
        observer: &dyn Observer,
    ) -> Self {
        let method = forecaster.settings().method;
        let all = Variables::of(recording, episode, method, settings.with_reward);
        let longest = forecaster.longest_context(1);
        note_contexts(settings.context, &[all.rows()], longest, observer);
        let rows = settings.context.unwrap_or(all.rows());
        let first_row = all.rows() - rows.min(all.rows()).min(longest);
        Self {
            forecaster,
            episode: episode.name(),
            context: all.slice(first_row..all.rows()),
            first_row,
        }
    }

    /// Writes the densities to a file, which appears once it is whole.
    ///
    /// # Errors
    /// [`DensityStudyError`] if the forecaster fails or the file cannot be written.
    pub fn write(
        &self,
        path: impl AsRef<Path>,
        observer: &dyn Observer,
    ) -> Result<DensitySummary, DensityStudyError> {
        self.write_by(observer, |write| write_atomically(path.as_ref(), write))
    }

    /// Writes the densities to a file of a bundle, which appears with the others.
    ///
    /// # Errors
    /// [`DensityStudyError`] if the forecaster fails or the file cannot be written.
    pub fn add_to(
        &self,
        bundle: &mut Bundle,
        path: impl AsRef<Path>,
        observer: &dyn Observer,
    ) -> Result<DensitySummary, DensityStudyError> {
        self.write_by(observer, |write| bundle.add(path.as_ref(), write))
    }

    /// Writes the densities by a function of files. A failure of the forecaster is returned instead
    /// of that of the file that it ends.
    fn write_by(
        &self,
        observer: &dyn Observer,
        write: impl FnOnce(&mut WriteTo) -> Result<(), OutputError>,
    ) -> Result<DensitySummary, DensityStudyError> {
        let mut summary = Err(io::Error::other("nothing was written").into());
        let written = write(&mut |file| {
            summary = self.write_to(file, observer);
            match &mut summary {
                Ok(_) => Ok(()),
                Err(DensityStudyError::Stream(error)) => {
                    Err(std::mem::replace(error, io::ErrorKind::Other.into()))
                }
                Err(_) => Err(io::Error::other("no density")),
            }
        });
        match (written, summary) {
            (_, Err(error @ DensityStudyError::Forecast(_))) => Err(error),
            (Err(error), _) => Err(error.into()),
            (Ok(()), summary) => summary,
        }
    }

    /// Writes the densities to a stream.
    ///
    /// # Errors
    /// [`DensityStudyError`] if the forecaster fails or the stream cannot be written.
    pub fn write_to<W: Write + Seek>(
        &self,
        to: W,
        observer: &dyn Observer,
    ) -> Result<DensitySummary, DensityStudyError> {
        let mut reading = self.forecaster.begin(&self.context)?;
        let (rows, channels) = (self.context.rows(), reading.encoding().axes().len());
        let shape = [rows, channels];
        let mut beside = Rows::default();
        let mut npz = NpzWriter::new(to);
        npz.begin_f32("density", &[rows, channels, BIN_COUNT])?;
        for start in (0..rows).step_by(ROWS_AT_ONCE) {
            let end = rows.min(start + ROWS_AT_ONCE);
            let one_step = reading.observe(&self.context.slice(start..end))?;
            npz.push_f32(one_step.masses())?;
            beside.add(&one_step);
            observer.progress(end as f64 / rows as f64);
        }
        let axes = reading.encoding().axes();
        let low: Vec<f64> = axes.iter().map(|axis| axis.low()).collect();
        let high: Vec<f64> = axes.iter().map(|axis| axis.high()).collect();
        npz.add_f64("low", &[channels], &low)?;
        npz.add_f64("high", &[channels], &high)?;
        npz.add_i32("observed", &shape, beside.observed)?;
        npz.add_f64("log_score", &shape, &beside.log_scores)?;
        npz.add_f64("resolution", &[channels], reading.encoding().resolutions())?;
        let grids = &beside.grids;
        if grids.iter().any(|&grid| grid != Grid::Digits) {
            let of = |of: fn(Grid) -> f64| grids.iter().map(|&g| of(g)).collect::<Vec<_>>();
            npz.add_f64("centre", &shape, &of(|grid| residual(grid).0))?;
            npz.add_f64("scale", &shape, &of(|grid| residual(grid).1))?;
        }
        npz.add_texts("channel", reading.encoding().channel_names())?;
        npz.finish()?;
        let method = self.forecaster.settings().method;
        warn_of_clipped(self.episode, &reading, method, observer);
        Ok(DensitySummary {
            episode: self.episode.to_owned(),
            first_row: self.first_row,
            rows,
            channels: reading.encoding().channel_names().to_vec(),
            clipped: reading.clipped(),
        })
    }
}

/// What there is of every row beside its densities, `[rows, channels]`.
#[derive(Default)]
struct Rows {
    grids: Vec<Grid>,
    observed: Vec<i32>,
    log_scores: Vec<f64>,
}

impl Rows {
    fn add(&mut self, one_step: &OneStep) {
        self.grids.extend(one_step.grids());
        let observed = one_step.observed().iter();
        self.observed.extend(observed.map(|bin| bin.index() as i32));
        self.log_scores.extend(&one_step.log_scores());
    }
}

/// Centre and scale of a residual's bins; not a number for those of digits.
fn residual(grid: Grid) -> (f64, f64) {
    match grid {
        Grid::Residual { centre, scale } => (centre, scale),
        Grid::Digits => (f64::NAN, f64::NAN),
    }
}
