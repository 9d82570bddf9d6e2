//! Figures of forecasts as SVG or PNG.

mod chart;
mod drawing;
mod forecast;
mod layout;
mod matrices;
mod studies;

use std::path::PathBuf;

pub use chart::{Chart, Curve, colour};
pub use forecast::{ForecastFigure, ForecastPanel, OneStepPoint, PlottedFuture, RolloutPoint};
pub use layout::context_shown;
pub use matrices::{MatrixFigure, NamedCurve, NamedMatrix};

/// Why a figure cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// A file name that ends neither in .svg nor in .png.
    #[error("{}: figures are written as .svg or .png", .0.display())]
    Extension(PathBuf),
    /// The drawing library failed.
    #[error("figure: {0}")]
    Draw(String),
    /// The file cannot be written.
    #[error(transparent)]
    Output(#[from] crate::output::OutputError),
}
