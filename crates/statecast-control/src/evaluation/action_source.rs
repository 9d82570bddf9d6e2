//! Action sources of imagined paths.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::imagined::POLICY_SEED;
use crate::forecast::{Control, ForecastError};
use crate::policy::{Policy, PolicyError};
use crate::study::forecast::Acts;

/// The source of actions on imagined paths.
pub enum ActionSource<'a> {
    /// A policy, applied to the imagined states.
    Policy(&'a mut dyn Policy),
    /// Recorded actions `[steps, actions]`, the same on every path. The last one repeats after the
    /// end.
    Recorded(ArrayView2<'a, f64>),
}

impl ActionSource<'_> {
    /// Returns the actions `[paths, actions]` of a step at states `[paths, states]`.
    pub(super) fn act(
        &mut self,
        step: usize,
        states: ArrayView2<f64>,
        random: &mut [ChaCha8Rng],
    ) -> Result<Array2<f64>, PolicyError> {
        match self {
            Self::Policy(policy) => policy.act(states, random),
            Self::Recorded(actions) => {
                let row = actions.row(step.min(actions.nrows() - 1));
                let shape = (states.nrows(), row.len());
                Ok(Array2::from_shape_fn(shape, |(_, a)| row[a]))
            }
        }
    }
}

/// Control of sampled paths by a policy. Its observations are the first variables.
pub struct PolicyControl<'a> {
    policy: &'a mut dyn Policy,
    /// One generator per path.
    random: Vec<ChaCha8Rng>,
}

impl<'a> PolicyControl<'a> {
    /// Creates the control of `paths` paths; `seed` seeds the policy's draws.
    pub fn new(policy: &'a mut dyn Policy, paths: usize, seed: u64) -> Self {
        let of = |path: usize| {
            let mut random = ChaCha8Rng::seed_from_u64(seed ^ POLICY_SEED);
            random.set_stream(path as u64);
            random
        };
        Self {
            policy,
            random: (0..paths).map(of).collect(),
        }
    }
}

/// A policy along the paths of a forecast.
pub struct PolicyActions(pub Box<dyn Policy>);

impl Acts for PolicyActions {
    fn control(&mut self, paths: usize, seed: u64) -> Box<dyn Control + '_> {
        Box::new(PolicyControl::new(&mut *self.0, paths, seed))
    }
}

impl Control for PolicyControl<'_> {
    fn act(
        &mut self,
        _step: usize,
        first: usize,
        drawn: ArrayViewMut2<f64>,
    ) -> Result<Option<Array2<f64>>, ForecastError> {
        let observed = drawn.slice(s![.., ..self.policy.widths().observations]);
        let random = &mut self.random[first..first + drawn.nrows()];
        let actions = self.policy.act(observed, random);
        let actions = actions.map_err(|error| ForecastError::Control(Box::new(error)))?;
        Ok(Some(actions))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use std::num::NonZeroUsize;

    use super::*;
    use crate::baselines::named;
    use crate::forecast::{Forecaster, Futures, Role, RolloutSettings, Settings, Variables};
    use crate::policy::LinearPolicy;

    /// The system is `x' = 0.5 x + a`.
    #[test]
    fn a_policy_acts_on_drawn_states() {
        let push = |t: usize| (0.7 * t as f64).sin();
        let mut x = 0.0;
        let values = Array2::from_shape_fn((80, 1), |(t, _)| {
            let now = x;
            x = 0.5 * x + push(t);
            now
        });
        let mut context = Variables::new(vec!["x".to_owned()], vec![Role::State], values);
        context.actions = Array2::from_shape_fn((80, 1), |(t, _)| push(t));
        let settings = RolloutSettings {
            horizon: NonZeroUsize::new(20).unwrap(),
            samples: NonZeroUsize::new(4).unwrap(),
            ..RolloutSettings::default()
        };
        let limits = vec![(f64::NEG_INFINITY, f64::INFINITY)];
        // After the context, x' = 0.2 + 0.1 x.
        let mut policy = LinearPolicy::new(array![[-0.4]], array![0.2], None, limits).unwrap();
        let mut follower = PolicyControl::new(&mut policy, 4, 0);
        let forecaster = Forecaster::of(named("linear").unwrap(), Settings::default());
        let futures = Futures::Controlled(&mut follower);
        let forecast = forecaster.rollouts(&context, 0, &settings, futures, &|_| ());
        for last in forecast.unwrap().into_first().paths.slice(s![.., 19, 0]) {
            assert!((last - 0.2 / 0.9).abs() < 0.05, "{last}");
        }
    }
}
