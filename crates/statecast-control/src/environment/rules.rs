//! Rewards and ends of steps by rule: of a task, of an expression, or of a function.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{EnvironmentError, Reward, Terminated};
use crate::expression::{Expression, Program};

/// A reward from the observation before a step, the action, and the observation after it.
type RewardFunction = dyn Fn(&[f64], &[f64], &[f64]) -> f64 + Send + Sync;

/// Whether an observation is terminal.
type TerminationFunction = dyn Fn(&[f64]) -> bool + Send + Sync;

/// The reward of a step, known without simulating it.
///
/// ```
/// use statecast::environment::{RewardExpression, RewardRule};
/// let names = [vec!["theta".to_owned(), "theta_dot".to_owned()], vec!["u".to_owned()]];
/// let cost: RewardExpression = "-(theta^2 + 0.1 * theta_dot^2 + 0.001 * u^2)".parse()?;
/// let reward = cost.bind(&names[0], &names[1])?;
/// assert_eq!(reward.of_step(&[2.0, 0.0], &[0.0], &[1.9, -1.0]), -4.0);
/// let speed = RewardRule::of_function(|before, _, after| after[0] - before[0]);
/// assert_eq!(speed.of_step(&[2.0], &[0.0], &[2.5]), 0.5);
/// # Ok::<(), statecast::environment::EnvironmentError>(())
/// ```
#[derive(Clone)]
pub struct RewardRule {
    kind: RewardKind,
    replaces: bool,
}

#[derive(Clone)]
enum RewardKind {
    Task(Reward),
    Expression(Arc<Bound>),
    Function(Arc<RewardFunction>),
}

impl RewardRule {
    /// The rule of a task.
    pub const fn of_task(reward: Reward) -> Self {
        Self {
            kind: RewardKind::Task(reward),
            replaces: false,
        }
    }

    /// A function of the observation before a step, the action, and the observation after it.
    pub fn of_function(
        reward: impl Fn(&[f64], &[f64], &[f64]) -> f64 + Send + Sync + 'static,
    ) -> Self {
        Self {
            kind: RewardKind::Function(Arc::new(reward)),
            replaces: true,
        }
    }

    /// The reward of a step from `before` by `action` to `after`; NaN where an expression is not defined.
    ///
    /// # Panics
    /// If an argument is narrower than the system.
    pub fn of_step(&self, before: &[f64], action: &[f64], after: &[f64]) -> f64 {
        match &self.kind {
            RewardKind::Task(reward) => reward(before, action, after),
            RewardKind::Expression(bound) => bound.value(&[before, action, after]),
            RewardKind::Function(reward) => reward(before, action, after),
        }
    }

    /// Whether it was asked for in place of the system's own reward, so that recorded rewards are computed anew.
    pub fn replaces_recorded(&self) -> bool {
        self.replaces
    }

    /// The same as what the system itself gives, so that recorded rewards stay.
    pub(super) fn keeping_recorded(self) -> Self {
        Self {
            replaces: false,
            ..self
        }
    }
}

impl fmt::Debug for RewardRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            RewardKind::Task(_) => f.write_str("RewardRule(task)"),
            RewardKind::Expression(bound) => write!(f, "RewardRule({})", bound.text),
            RewardKind::Function(_) => f.write_str("RewardRule(function)"),
        }
    }
}

/// Whether a step ends its episode, known without simulating it.
#[derive(Clone)]
pub struct TerminationRule {
    kind: TerminationKind,
    replaces: bool,
}

#[derive(Clone)]
enum TerminationKind {
    Task(Terminated),
    Expression(Arc<Bound>),
    Function(Arc<TerminationFunction>),
}

impl TerminationRule {
    /// The rule of a task.
    pub const fn of_task(terminated: Terminated) -> Self {
        Self {
            kind: TerminationKind::Task(terminated),
            replaces: false,
        }
    }

    /// A function of the observation after a step.
    pub fn of_function(terminated: impl Fn(&[f64]) -> bool + Send + Sync + 'static) -> Self {
        Self {
            kind: TerminationKind::Function(Arc::new(terminated)),
            replaces: true,
        }
    }

    /// Whether an observation is terminal. One for which an expression is not defined is.
    ///
    /// # Panics
    /// If the observation is narrower than the system's.
    pub fn ends(&self, observation: &[f64]) -> bool {
        match &self.kind {
            TerminationKind::Task(terminated) => terminated(observation),
            TerminationKind::Expression(bound) => bound.value(&[observation]) != 0.0,
            TerminationKind::Function(terminated) => terminated(observation),
        }
    }

    /// Whether it says anything of an observation: an expression may not be defined there.
    pub fn is_defined(&self, observation: &[f64]) -> bool {
        match &self.kind {
            TerminationKind::Expression(bound) => !bound.value(&[observation]).is_nan(),
            TerminationKind::Task(_) | TerminationKind::Function(_) => true,
        }
    }

    /// Whether it was asked for in place of the system's own ends, so that recorded ends are computed anew.
    pub fn replaces_recorded(&self) -> bool {
        self.replaces
    }

    /// The same as what the system itself gives, so that recorded ends stay.
    pub(super) fn keeping_recorded(self) -> Self {
        Self {
            replaces: false,
            ..self
        }
    }
}

impl fmt::Debug for TerminationRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            TerminationKind::Task(_) => f.write_str("TerminationRule(task)"),
            TerminationKind::Expression(bound) => write!(f, "TerminationRule({})", bound.text),
            TerminationKind::Function(_) => f.write_str("TerminationRule(function)"),
        }
    }
}

/// An expression whose names are places in the rows of a step, one after another.
struct Bound {
    text: String,
    program: Program,
}

impl Bound {
    fn value(&self, parts: &[&[f64]]) -> f64 {
        self.program.value(&parts.concat())
    }
}

/// A reward that is computed of observations and actions (`-(theta^2 + 0.001 * u^2)`).
///
/// Names are those of observations and actions, with or without the prefix `obs_` or `act_`, and `next_NAME` for the
/// observation after the step. For what an expression has, see [`Expression`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RewardExpression(Expression);

/// A condition of the observation after a step that ends the episode (`abs(theta) > 0.2`).
///
/// ```
/// use statecast::environment::TerminationExpression;
/// let fallen: TerminationExpression = "abs(theta) > 0.2 or x < -1".parse()?;
/// let fallen = fallen.bind(&["obs_x".to_owned(), "obs_theta".to_owned()])?;
/// assert!(fallen.ends(&[0.0, -0.3]) && !fallen.ends(&[0.0, 0.1]));
/// # Ok::<(), statecast::environment::EnvironmentError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TerminationExpression(Expression);

/// A condition of the observation after a step that is a failure (`abs(x) > 2`), whether or not the episode goes on. Where it
/// is not defined in an imagined state, that is a failure.
///
/// ```
/// use statecast::environment::FailureExpression;
/// let fast: FailureExpression = "abs(speed) > 7".parse()?;
/// assert!(fast.bind(&["speed".to_owned()])?.ends(&[-7.5]));
/// # Ok::<(), statecast::environment::EnvironmentError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FailureExpression(Expression);

impl RewardExpression {
    /// The rule for a system with these observations and actions.
    ///
    /// # Errors
    /// [`EnvironmentError::Expression`] for a name that is none of them.
    pub fn bind(
        &self,
        observations: &[String],
        actions: &[String],
    ) -> Result<RewardRule, EnvironmentError> {
        let mut names = Names::default();
        names.add(observations, "", "obs_", 0);
        names.add(actions, "", "act_", observations.len());
        names.add(
            observations,
            "next_",
            "obs_",
            observations.len() + actions.len(),
        );
        let bound = names.bind(&self.0, "reward-expr")?;
        Ok(RewardRule {
            kind: RewardKind::Expression(Arc::new(bound)),
            replaces: true,
        })
    }
}

impl TerminationExpression {
    /// The rule for a system with these observations.
    ///
    /// # Errors
    /// [`EnvironmentError::Expression`] for a name that is none of them.
    pub fn bind(&self, observations: &[String]) -> Result<TerminationRule, EnvironmentError> {
        of_observation(&self.0, observations, "terminated-expr")
    }
}

impl FailureExpression {
    /// The rule for a system with these observations, which says that an observation is one of the failures.
    ///
    /// # Errors
    /// [`EnvironmentError::Expression`] for a name that is none of them.
    pub fn bind(&self, observations: &[String]) -> Result<TerminationRule, EnvironmentError> {
        of_observation(&self.0, observations, "failure-expr")
    }
}

/// Binds a condition of the observation after a step.
fn of_observation(
    condition: &Expression,
    observations: &[String],
    setting: &'static str,
) -> Result<TerminationRule, EnvironmentError> {
    let mut names = Names::default();
    names.add(observations, "", "obs_", 0);
    names.add(observations, "next_", "obs_", 0);
    let bound = names.bind(condition, setting)?;
    Ok(TerminationRule {
        kind: TerminationKind::Expression(Arc::new(bound)),
        replaces: true,
    })
}

/// Names of the columns of a step, the first in which a name is found counting.
#[derive(Default)]
struct Names {
    /// As the columns are called.
    own: Vec<(String, usize)>,
    /// Those of the observation after the step.
    next: Vec<(String, usize)>,
    /// Both without a prefix that they have, or with one that they do not have.
    other: Vec<(String, usize)>,
}

impl Names {
    fn add(&mut self, names: &[String], before: &str, prefix: &str, first: usize) {
        for (place, name) in names.iter().enumerate() {
            let other = match name.strip_prefix(prefix) {
                Some(bare) => bare.to_owned(),
                None => format!("{prefix}{name}"),
            };
            let names = match before.is_empty() {
                true => &mut self.own,
                false => &mut self.next,
            };
            names.push((format!("{before}{name}"), first + place));
            self.other.push((format!("{before}{other}"), first + place));
        }
    }

    /// The place of a name that only one column has. A column's own name comes before what others may be called, too.
    fn place(&self, name: &str) -> Option<usize> {
        let places = |names: &[(String, usize)]| -> Vec<usize> {
            let named = names.iter().filter(|(known, _)| known == name);
            let mut places: Vec<usize> = named.map(|(_, place)| *place).collect();
            places.dedup();
            places
        };
        let kinds = [&self.own, &self.next, &self.other];
        let found = kinds.into_iter().map(|names| places(names));
        only(&found.into_iter().find(|places| !places.is_empty())?)
    }

    /// The names to choose from: of columns that share one, the names that tell them apart.
    fn known(&self) -> Vec<String> {
        let all = self.own.iter().chain(&self.next);
        let clear = all.filter(|(name, _)| self.place(name).is_some());
        let mut known: Vec<String> = clear.map(|(name, _)| name.clone()).collect();
        let shared = self
            .own
            .iter()
            .filter(|(name, _)| self.place(name).is_none());
        for (_, place) in shared {
            let others = self.other.iter().filter(|(_, of)| of == place);
            known.extend(others.map(|(name, _)| name.clone()));
        }
        known
    }

    fn bind(
        &self,
        expression: &Expression,
        setting: &'static str,
    ) -> Result<Bound, EnvironmentError> {
        let program = expression.bind_by(&self.known(), |name| self.place(name));
        Ok(Bound {
            text: expression.to_string(),
            program: program.map_err(|source| EnvironmentError::Expression {
                setting,
                text: expression.to_string(),
                source,
            })?,
        })
    }
}

fn only(places: &[usize]) -> Option<usize> {
    match places {
        [place] => Some(*place),
        _ => None,
    }
}

fn parsed(text: &str, setting: &'static str) -> Result<Expression, EnvironmentError> {
    let expression = text.parse();
    expression.map_err(|source| EnvironmentError::Expression {
        setting,
        text: text.chars().take(200).collect(),
        source,
    })
}

macro_rules! text_of {
    ($expression:ident, $setting:literal) => {
        impl FromStr for $expression {
            type Err = EnvironmentError;

            fn from_str(text: &str) -> Result<Self, EnvironmentError> {
                parsed(text, $setting).map(Self)
            }
        }

        impl fmt::Display for $expression {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl TryFrom<String> for $expression {
            type Error = EnvironmentError;

            fn try_from(text: String) -> Result<Self, EnvironmentError> {
                text.parse()
            }
        }

        impl From<$expression> for String {
            fn from(expression: $expression) -> Self {
                expression.to_string()
            }
        }
    };
}

text_of!(RewardExpression, "reward-expr");
text_of!(TerminationExpression, "terminated-expr");
text_of!(FailureExpression, "failure-expr");

#[cfg(test)]
mod tests {
    use super::*;

    fn owned<const N: usize>(names: [&str; N]) -> Vec<String> {
        names.map(str::to_owned).into()
    }

    fn reward(text: &str) -> Result<f64, EnvironmentError> {
        let (observations, actions) = (owned(["obs_x", "v", "u"]), owned(["act_u", "w"]));
        let expression: RewardExpression = text.parse()?;
        let rule = expression.bind(&observations, &actions)?;
        assert!(rule.replaces_recorded());
        Ok(rule.of_step(&[1.0, 2.0, 3.0], &[4.0, 5.0], &[6.0, 7.0, 8.0]))
    }

    #[test]
    fn names_are_those_of_columns_with_or_without_prefix() {
        for (text, expected) in [
            ("x", 1.0),
            ("obs_x", 1.0),
            ("obs_v", 2.0),
            ("u", 3.0),
            ("act_u", 4.0),
            ("act_w - w", 0.0),
            ("next_x + next_obs_x", 12.0),
            ("next_v - v", 5.0),
        ] {
            assert_eq!(reward(text).unwrap(), expected, "{text}");
        }
        let error = reward("x + y").unwrap_err().to_string();
        assert!(
            error.starts_with(
                "`reward-expr=x + y`: position 5: no variable 'y'; there are obs_x, v, u, act_u"
            ),
            "{error}"
        );
        assert!(reward("next_w").is_err());
        assert!(reward("sqrt(-x)").unwrap().is_nan());
    }

    /// Two columns that may be called alike are not guessed between.
    #[test]
    fn what_may_be_two_columns_is_unknown() {
        let expression: RewardExpression = "u".parse().unwrap();
        for names in [["obs_u", "act_u"], ["u", "u"]] {
            let error = expression.bind(&owned([names[0]]), &owned([names[1]]));
            let error = error.unwrap_err().to_string();
            assert!(error.contains("no variable 'u'"), "{error}");
            assert!(
                error.contains("obs_u") && error.contains("act_u"),
                "{error}"
            );
        }
        let action: RewardExpression = "act_u".parse().unwrap();
        let action = action.bind(&owned(["u"]), &owned(["u"])).unwrap();
        assert_eq!(action.of_step(&[1.0], &[2.0], &[3.0]), 2.0);
        // A column that is called as what comes after another.
        let next: RewardExpression = "next_x".parse().unwrap();
        let next = next.bind(&owned(["x", "next_x"]), &[]).unwrap();
        assert_eq!(next.of_step(&[1.0, 2.0], &[], &[3.0, 4.0]), 2.0);
        // Observations before and after the step are one column where only that after it counts.
        let ended: TerminationExpression = "next_u > u".parse().unwrap();
        assert!(!ended.bind(&owned(["obs_u"])).unwrap().ends(&[1.0]));
    }

    #[test]
    fn ends_that_are_not_defined_are_ends() {
        let rule: TerminationExpression = "sqrt(x) > 2".parse().unwrap();
        let rule = rule.bind(&owned(["x"])).unwrap();
        let found = [9.0, 1.0, -1.0].map(|x| rule.ends(&[x]));
        assert_eq!(found, [true, false, true]);
        let error = "x >".parse::<TerminationExpression>().unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`terminated-expr=x >`: it ends")
        );
    }

    #[test]
    fn expressions_are_kept_as_text() {
        let rule: RewardExpression = "-(x ^ 2)".parse().unwrap();
        let text = serde_json::to_string(&rule).unwrap();
        assert_eq!(text, "\"-(x ^ 2)\"");
        assert_eq!(
            serde_json::from_str::<RewardExpression>(&text).unwrap(),
            rule
        );
        assert!(serde_json::from_str::<RewardExpression>("\"-(\"").is_err());
    }
}
