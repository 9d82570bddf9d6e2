//! Flags of environments, and of rewards and ends by expression.

use clap::Args;

use crate::environment::{EnvironmentSource, RewardExpression, TerminationExpression};

/// Rewards and ends in place of those of the environment or the recordings.
#[derive(Debug, Args)]
pub(super) struct RuleArguments {
    /// Reward of a step in place of the recorded or the environment's one: an expression of the columns, such as
    /// '-(theta^2 + 0.1*theta_dot^2 + 0.001*u^2)'; next_NAME is the observation after the step
    #[arg(long, value_name = "EXPRESSION", allow_hyphen_values = true)]
    pub(super) reward_expr: Option<RewardExpression>,
    /// Observations that end an episode, in place of the recorded or the environment's ones, such as 'abs(theta) > 0.2'
    /// ('0' for none)
    #[arg(long, value_name = "EXPRESSION", allow_hyphen_values = true)]
    pub(super) terminated_expr: Option<TerminationExpression>,
}

impl RuleArguments {
    /// The environment with these rules.
    pub(super) fn of(&self, environment: &EnvironmentSource) -> EnvironmentSource {
        let environment = environment.clone();
        environment.with_rules(self.reward_expr.clone(), self.terminated_expr.clone())
    }
}
