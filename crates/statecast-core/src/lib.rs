//! Recordings, forecasts, baselines, metrics, backtests and studies: the middle of statecast.
//!
//! The data flows one way: [`recording`], which has [`impute`] fill what is missing, [`disentangle`], [`forecast`], [`forecasters`], [`study`]. Models are in
//! `statecast-lm`, policies and agents in `statecast-control`; the crate `statecast` shows all of them under the same
//! names.

pub mod analysis;
pub mod backtest;
pub mod baselines;
mod builder;
pub mod convergence;
pub mod disentangle;
pub mod dynamics;
mod error;
pub mod expression;
pub mod forecast;
pub mod forecasters;
pub mod impute;
pub mod metrics;
pub mod network;
pub mod output;
pub mod recording;
pub mod resample;
pub mod study;

#[doc(no_inline)]
pub use statecast_lm::{codec, decode, density, experts, model};
use statecast_lm::{guard, kernel, stand_in};

pub use builder::Builder;
pub use error::Error;
