//! Convergence of optimisation runs: where a metric settles ([`SettlingStudy`]), and which minimum
//! runs reach ([`MinimaStudy`]).
//!
//! Runs are read from a log ([`TrainingLog`]) or simulated ([`Simulation`]).

mod error;
mod forecasters;
mod log;
mod minima;
mod runs;
mod settings;
mod settled;
mod settling;
mod simulation;

pub use error::ConvergenceStudyError;
pub use forecasters::{NamedForecaster, POOL_MEMBERS, PoolMember, SettlingForecasters};
pub use log::{LogSelection, TrainingLog};
pub use minima::{Minima, MinimaScore, MinimaSettings, MinimaStart, MinimaStudy, TRUE_RUNS};
pub use runs::{OptimisationRun, OptimisationRuns};
pub use settings::{MAX_SAMPLES, MIN_SAMPLES, SettlingSettings};
pub use settled::{
    BlockBand, BlockForecast, BlockMeans, Settling, SettlingForecast, SettlingScore,
};
pub use settling::SettlingStudy;
pub use simulation::{SimulatedRuns, Simulation};
