//! Forecast the next states of a dynamical system, and how sure to be of them, without training: a
//! pretrained language model reads the trajectory as digits, and its next-token probabilities are
//! the forecast's density.
//!
//! The data flows one way, and the modules stand in its order:
//!
//! 1. [`recording`]: files to episodes of states, actions and rewards;
//! 2. [`disentangle`]: correlated variables to channels;
//! 3. [`codec`]: values to bins, digits and token ids;
//! 4. [`model`]: token ids to probabilities;
//! 5. [`density`]: probabilities to moments, quantiles and draws;
//! 6. [`forecast`]: one-step densities and rollouts, the loop that everything else uses;
//! 7. [`evaluation`]: what control policies are worth, by what was recorded;
//! 8. [`learning`]: agents that learn to control;
//!    [`analysis`]: Markov chains, as models infer them; [`convergence`]: where optimisation runs settle;
//! 9. [`output`]: tables, arrays and manifests for the user; `cli`: the program.
//!
//! Beside it stand [`environment`], control tasks and simulators of them, [`policy`], what acts in
//! them, and what learns from recordings instead of reading them: [`baselines`], and [`dynamics`] on
//! small [`network`]s.
//!
//! [`forecast::Forecaster`] has an example that runs. The method is DICL (Benechehab et al.,
//! arXiv 2410.11711) on the density reading of Liu et al. (arXiv 2402.00795).

pub mod analysis;
pub mod backtest;
pub mod baselines;
pub mod cli;
pub mod codec;
pub mod convergence;
pub mod density;
pub mod disentangle;
pub mod dynamics;
pub mod environment;
pub mod evaluation;
pub mod experts;
pub mod forecast;
pub mod forecasters;
mod guard;
mod kernel;
pub mod learning;
pub mod metrics;
pub mod model;
pub mod network;
pub mod output;
mod pipe;
pub mod plot;
pub mod policy;
pub mod recording;
pub mod report;
mod stand_in;
