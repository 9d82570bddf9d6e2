//! Language models that read numbers as digits, on candle: the lower half of statecast.
//!
//! The data flows one way, and the modules stand in its order:
//!
//! 1. [`experts`]: what simple rules say of the next row, which the bundled model reads as hints;
//! 2. [`codec`]: values to bins, digits and token ids;
//! 3. [`density`]: probabilities to moments, quantiles and draws;
//! 4. [`model`]: token ids to probabilities: the bundled model, open models in many formats, models of servers;
//! 5. [`decode`]: sessions that read a context once and continue it along many paths.
//!
//! Cargo features, on by default: `foreign`, architectures that the decoder does not describe, by candle-transformers; `hub`, models
//! downloaded from the Hugging Face hub; `served`, models that a server computes.
//!
//! Forecasts of recordings are in `statecast-core`. The crate `statecast` shows these modules under the same names;
//! modules hidden here serve the other crates of the workspace.

pub mod codec;
pub mod decode;
pub mod density;
pub mod experts;
#[doc(hidden)]
pub mod guard;
#[doc(hidden)]
pub mod kernel;
pub mod model;
#[doc(hidden)]
pub mod pipe;
#[doc(hidden)]
pub mod stand_in;
