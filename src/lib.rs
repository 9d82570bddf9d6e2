//! Forecast the next states of a dynamical system, and how sure to be of them, without training: a
//! pretrained language model reads the trajectory as digits, and its next-token probabilities are
//! the forecast's density.
//!
//! ```
//! use statecast::{Forecaster, Recording};
//!
//! let recording = Recording::read("examples/half_cheetah.csv")?;
//! let forecast = Forecaster::builtin()?.forecast(&recording, 5)?;
//! let (median, high) = (forecast.quantile(0.5), forecast.quantile(0.9)); // [steps, variables]
//! assert_eq!(median.dim(), (5, 17));
//! println!("{}: {:.3}, at most {:.3}", forecast.names[8], median[[4, 8]], high[[4, 8]]);
//! # let path = std::env::temp_dir().join("statecast-crate-page.csv");
//! forecast.write(&path)?;
//! # std::fs::remove_file(path).ok();
//! # Ok::<(), statecast::Error>(())
//! ```
//!
//! [`Forecaster::builder`] chooses the model, experts to mix, recalibration, device and precision;
//! [`ForecastSettings`] the actions to come, derived quantities, rows held back; an [`Observer`] is told
//! warnings and progress. The programs in `examples/` forecast, compare with baselines, add a predictor,
//! judge a policy and follow a stream.
//!
//! # The pipeline
//!
//! The data flows one way, and the modules stand in its order:
//!
//! 1. [`recording`]: files to episodes of states, actions and rewards;
//! 2. [`disentangle`]: correlated variables to channels;
//! 3. [`experts`]: what simple rules say of the next row, which the bundled model reads as hints;
//! 4. [`codec`]: values to bins, digits and token ids;
//! 5. [`density`]: probabilities to moments, quantiles and draws;
//! 6. [`model`]: token ids to probabilities; [`decode`]: contexts that are read once and continued along many paths;
//! 7. [`forecast`]: one-step densities and rollouts, the loop that everything else uses;
//!    [`forecasters`]: models, baselines and mixtures by name;
//! 8. [`backtest`] and [`metrics`]; [`analysis`]: Markov chains, as models infer them; [`convergence`]: where
//!    optimisation runs settle; [`study`]: what a command computes with these, from settings to one result;
//! 9. [`evaluation`]: values of control policies, estimated from recordings; [`learning`]: agents that learn to control;
//!    [`control`]: plans that are imagined at every step;
//! 10. [`output`], [`plot`], [`report`]: tables, arrays, figures and pages; [`cli`]: the program.
//!
//! Beside it stand [`environment`], control tasks and simulators of them, [`policy`], what acts in
//! them, and what learns from recordings instead of reading them: [`baselines`], and [`dynamics`] on
//! small [`network`]s.
//!
//! The method is DICL (Benechehab et al., arXiv 2410.11711) on the density reading of Liu et al.
//! (arXiv 2402.00795).

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "figures")]
pub mod plot;
#[cfg(feature = "figures")]
pub mod report;

#[doc(inline)]
pub use statecast_control::{control, environment, evaluation, learning, policy};
#[doc(inline)]
pub use statecast_core::{
    analysis, backtest, baselines, convergence, disentangle, dynamics, expression, forecast,
    forecasters, impute, metrics, network, output, recording, resample, study,
};
#[doc(inline)]
pub use statecast_lm::{codec, decode, density, experts, model};

#[doc(inline)]
pub use statecast_core::{Builder, Error};

#[cfg(feature = "cli")]
use statecast_lm::kernel;

pub use forecast::{Forecaster, Method, Settings};
pub use model::{Device, Precision};
pub use recording::Recording;
pub use study::{Forecast, ForecastSettings, Observer};
