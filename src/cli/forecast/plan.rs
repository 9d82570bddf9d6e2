//! What an episode is forecast with: the forecaster, the actions ahead, the derived quantities.

use std::cell::RefCell;

use ndarray::Array2;

use crate::cli::actions::{Future, Held, actions_ahead, actions_to_come};
use crate::evaluation::PolicyControl;
use crate::forecast::{
    Derivation, ForecastError, Forecaster, Futures, KnownFuture, RolloutSettings, Rollouts,
    Variables,
};
use crate::policy::Policy;
use crate::recording::{Episode, Recording};

/// What is the same for all episodes.
pub(super) struct Plan<'p> {
    pub(super) forecaster: &'p Forecaster,
    pub(super) recording: &'p Recording,
    pub(super) futures: &'p [Future],
    /// Actions that are taken all the time.
    pub(super) held: Option<Held>,
    /// A policy that acts.
    pub(super) policy: Option<RefCell<Box<dyn Policy>>>,
    pub(super) derivation: Derivation,
}

/// Actions of the steps ahead of an episode.
pub(super) struct Ahead {
    /// Name of the future among several.
    pub(super) name: Option<String>,
    /// Those that the forecast takes, if it takes any.
    pub(super) taken: Option<KnownFuture>,
    /// What quantities are derived from, `[horizon, actions]`.
    pub(super) actions: Array2<f64>,
}

impl Plan<'_> {
    /// The futures of an episode, one or several.
    pub(super) fn futures_of(
        &self,
        episode: &Episode,
        (rows, first): (&Variables, usize),
        end: usize,
        horizon: usize,
    ) -> anyhow::Result<Vec<Ahead>> {
        let ahead = |given: Option<&Future>| {
            let known = given.map(|future| future.ahead(episode, end, horizon));
            let known = known.transpose()?;
            let taken = actions_to_come(
                self.forecaster,
                known,
                self.held,
                rows,
                end - first,
                horizon,
            );
            Ok(Ahead {
                name: given.and_then(|future| future.name.clone()),
                actions: actions_ahead(taken.as_ref(), rows, end - first, horizon),
                taken,
            })
        };
        match self.futures {
            [] => Ok(vec![ahead(None)?]),
            futures => futures.iter().map(|future| ahead(Some(future))).collect(),
        }
    }

    /// Whether a future takes other actions than those that were recorded.
    pub(super) fn differs(
        &self,
        futures: &[Ahead],
        (rows, at): (&Variables, usize),
        horizon: usize,
    ) -> bool {
        let recorded = actions_ahead(None, rows, at, horizon);
        // Files have as many digits as people write.
        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-6 * b.abs().max(1.0);
        let same = |future: &Ahead| future.actions.iter().zip(&recorded).all(near);
        at + horizon <= rows.rows() && !futures.iter().all(same)
    }

    /// Reads a context once and continues it under each future.
    pub(super) fn forked(
        &self,
        context: &Variables,
        scored: usize,
        paths: &RolloutSettings,
        futures: &[Ahead],
        progress: &dyn Fn(f64),
    ) -> Result<Rollouts, ForecastError> {
        if let Some(policy) = &self.policy {
            let policy = &mut **policy.borrow_mut();
            let mut follower = PolicyControl::new(policy, paths.samples.get(), paths.seed);
            let policy_random = Futures::Controlled(&mut follower);
            return self
                .forecaster
                .rollouts(context, scored, paths, policy_random, progress);
        }
        let known: Vec<KnownFuture> = futures.iter().filter_map(|f| f.taken.clone()).collect();
        let futures = match known.is_empty() {
            true => Futures::Unknown,
            false => Futures::Known(&known),
        };
        self.forecaster
            .rollouts(context, scored, paths, futures, progress)
    }
}
