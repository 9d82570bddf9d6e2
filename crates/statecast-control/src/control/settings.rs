//! How a system is controlled.

use super::{ControlError, Limit, Objective, PlannerSettings};

/// How a system is controlled.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ControlSettings {
    /// What is wanted.
    pub objective: Objective,
    /// How plans are searched.
    pub planner: PlannerSettings,
    /// Paths that are drawn of every plan, at least 1.
    pub draws: usize,
    /// Standard deviations over its draws that are taken off a plan's mean return, at least 0.
    pub pessimism: f64,
    /// Discount factor per step, above 0 and at most 1.
    pub discount: f64,
    /// Bounds that plans keep.
    pub limits: Vec<Limit>,
    /// Whether the value of the policy that made the recordings, by fitted Q evaluation, is added where a plan ends.
    pub terminal_value: bool,
    /// Share of recorded steps that the model's 90 % intervals must hold, from 0.
    pub least_coverage: f64,
    /// Seed of all draws.
    pub seed: u64,
}

impl ControlSettings {
    /// Some objective with all else as it is by default.
    pub fn new(objective: Objective) -> Self {
        Self {
            objective,
            planner: PlannerSettings::default(),
            draws: 1,
            pessimism: 0.0,
            discount: 0.99,
            limits: Vec::new(),
            terminal_value: false,
            least_coverage: 0.8,
            seed: 0,
        }
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`ControlError::Setting`] outside of a range.
    pub fn check(&self) -> Result<(), ControlError> {
        let fail = |setting, value: String, range| {
            Err(ControlError::Setting {
                setting,
                value,
                range,
            })
        };
        if !(self.discount > 0.0 && self.discount <= 1.0) {
            return fail(
                "discount",
                self.discount.to_string(),
                "must be above 0 and at most 1",
            );
        }
        if !(self.pessimism >= 0.0 && self.pessimism.is_finite()) {
            return fail(
                "pessimism",
                self.pessimism.to_string(),
                "must be at least 0",
            );
        }
        if !(0.0..=1.0).contains(&self.least_coverage) {
            return fail(
                "least-coverage",
                self.least_coverage.to_string(),
                "from 0 to 1",
            );
        }
        if self.draws == 0 {
            return fail("draws", "0".to_owned(), "at least 1");
        }
        if self.pessimism > 0.0 && self.draws < 2 {
            return fail(
                "pessimism",
                self.pessimism.to_string(),
                "needs at least 2 `draws=`",
            );
        }
        let paths = self.planner.candidates.get().saturating_mul(self.draws);
        if paths.saturating_mul(self.planner.horizon.get()) > 20_000_000 {
            return fail(
                "candidates",
                self.planner.candidates.to_string(),
                "too many paths to hold",
            );
        }
        Ok(())
    }
}
