//! Quantities computed from the variables of every sample path, such as a speed or an energy.
//!
//! The distribution of a function of several variables follows from joint draws, never from the
//! ends of the variables' bands.

use std::str::FromStr;

use ndarray::{Array2, Array3, ArrayView2, Axis, concatenate, stack};

use super::Rollout;
pub use crate::expression::ExpressionError;
use crate::expression::{Expression, Program, begins_name, goes_on_name, shortened};
use crate::recording::LARGEST;

/// Why quantities cannot be derived.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DerivedError {
    /// A text without a name and an equals sign.
    #[error("'{}': write NAME = EXPRESSION, such as 'speed = hypot(vx, vy)'", shortened(.0))]
    NoName(String),
    /// A name that is none.
    #[error(
        "'{}' is no name: use letters, digits, '_' and '.', a letter or '_' first",
        shortened(.0)
    )]
    Name(String),
    /// What is after the equals sign is wrong.
    #[error("{} = {}: {source}", shortened(name), shortened(text))]
    Expression {
        /// Name of the quantity.
        name: String,
        /// Its expression.
        text: String,
        /// What is wrong with it.
        source: ExpressionError,
    },
    /// A name that something else has.
    #[error(
        "a derived quantity cannot be called '{}': a variable, an action or another one is",
        shortened(.0)
    )]
    Taken(String),
    /// An action whose values are not known ahead.
    #[error(
        "{} = {}: '{action}' is an action, and what is forecast here does not know the actions to \
         come: use `future=`, `holdout=`, or a method that sees actions",
        shortened(name),
        shortened(text)
    )]
    UnknownAction {
        /// Name of the quantity.
        name: String,
        /// Its expression.
        text: String,
        /// Name of the action.
        action: String,
    },
}

/// A quantity by its name and the expression that computes it.
///
/// Names of an [expression](Expression) are those of variables, of known actions and of quantities before it.
///
/// ```
/// use ndarray::{Array2, array};
/// use statecast::forecast::{Derivation, Derived};
/// let speed: Derived = "speed = hypot(vx, vy)".parse()?;
/// let derivation = Derivation::new(&[speed], &["vx".to_owned(), "vy".to_owned()], &[], true)?;
/// let actions = Array2::zeros((1, 0));
/// assert_eq!(derivation.of_rows(array![[3.0, -4.0]].view(), actions.view()), array![[5.0]]);
///
/// let error = "speed = hypot(vx vy)".parse::<Derived>().unwrap_err();
/// assert!(error.to_string().contains("position 10: 'v'"));
/// # Ok::<(), statecast::forecast::DerivedError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Derived {
    name: String,
    text: String,
    expression: Expression,
}

impl Derived {
    /// Name of the quantity.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn error(&self, source: ExpressionError) -> DerivedError {
        DerivedError::Expression {
            name: self.name.clone(),
            text: self.text.clone(),
            source,
        }
    }
}

impl std::fmt::Display for Derived {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} = {}", self.name, self.text)
    }
}

impl FromStr for Derived {
    type Err = DerivedError;

    /// Reads `NAME = EXPRESSION`.
    fn from_str(text: &str) -> Result<Self, DerivedError> {
        let parts = text.split_once('=');
        let (name, text) = parts.ok_or_else(|| DerivedError::NoName(text.to_owned()))?;
        let (name, text) = (name.trim(), text.trim());
        if !(name.starts_with(begins_name) && name.chars().all(goes_on_name)) {
            return Err(DerivedError::Name(name.to_owned()));
        }
        let expression = text.parse().map_err(|source| DerivedError::Expression {
            name: name.to_owned(),
            text: text.to_owned(),
            source,
        })?;
        Ok(Self {
            name: name.to_owned(),
            text: text.to_owned(),
            expression,
        })
    }
}

/// Derived quantities of rows whose variables and actions have certain names.
#[derive(Debug, Clone, Default)]
pub struct Derivation {
    names: Vec<String>,
    programs: Vec<Program>,
}

impl Derivation {
    /// Quantities of rows of variables and actions. Where the actions of a forecast's steps are
    /// not `known`, none may be used.
    ///
    /// # Errors
    /// [`DerivedError`] for an unknown name, a name that is taken, and actions that are not known.
    pub fn new(
        derived: &[Derived],
        variables: &[String],
        actions: &[String],
        known: bool,
    ) -> Result<Self, DerivedError> {
        let mut names = [variables, actions].concat();
        let width = names.len();
        let mut programs = Vec::with_capacity(derived.len());
        for quantity in derived {
            if names.contains(&quantity.name) {
                return Err(DerivedError::Taken(quantity.name.clone()));
            }
            let bound = quantity.expression.bind(&names);
            programs.push(bound.map_err(|source| quantity.error(source))?);
            names.push(quantity.name.clone());
        }
        let bound = Self {
            names: names.split_off(width),
            programs,
        };
        match known {
            true => Ok(bound),
            false => bound.without_actions(derived, variables, actions),
        }
    }

    /// The same, if no quantity uses an action that is no variable.
    fn without_actions(
        self,
        derived: &[Derived],
        variables: &[String],
        actions: &[String],
    ) -> Result<Self, DerivedError> {
        let used = derived.iter().flat_map(|quantity| {
            let names = quantity.expression.names();
            names.map(move |name| (quantity, name))
        });
        let of_action = |&(_, name): &(&Derived, &str)| {
            !variables.iter().any(|v| v == name) && actions.iter().any(|a| a == name)
        };
        match used.into_iter().find(of_action) {
            None => Ok(self),
            Some((quantity, action)) => Err(DerivedError::UnknownAction {
                name: quantity.name.clone(),
                text: quantity.text.clone(),
                action: action.to_owned(),
            }),
        }
    }

    /// Names of the quantities.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The quantities `[rows, quantities]` of rows of variables `[rows, variables]` and actions
    /// `[rows, actions]`. Where one or a part of it is not a finite number (the root of a negative draw, a
    /// division by zero), or it is more than 1e150 in size, it is `NaN`.
    ///
    /// # Panics
    /// If the rows do not have the columns for which it was made.
    pub fn of_rows(&self, variables: ArrayView2<f64>, actions: ArrayView2<f64>) -> Array2<f64> {
        let mut derived = Array2::zeros((variables.nrows(), self.names.len()));
        let (mut row, mut stack) = (Vec::new(), Vec::new());
        for (t, mut derived) in derived.rows_mut().into_iter().enumerate() {
            row.clear();
            row.extend(variables.row(t));
            row.extend(actions.row(t));
            for (program, derived) in self.programs.iter().zip(&mut derived) {
                let value = program.value_with(&row, &mut stack);
                *derived = if value.abs() <= LARGEST {
                    value
                } else {
                    f64::NAN
                };
                row.push(*derived);
            }
        }
        derived
    }

    /// Rows of variables with the quantities after them, `[rows, variables + quantities]`.
    ///
    /// # Panics
    /// As [`of_rows`](Self::of_rows).
    pub fn append_to_rows(
        &self,
        variables: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> Array2<f64> {
        let derived = self.of_rows(variables, actions);
        concatenate(Axis(1), &[variables, derived.view()])
            .expect("of_rows gives one row of quantities a row of variables")
    }

    /// Sample paths with the quantities after the variables, given the actions `[horizon,
    /// actions]` of their steps. All paths stay, also those on which a quantity is not defined
    /// (`NaN`): [`Rollout::undefined`] counts these values.
    ///
    /// ```
    /// use ndarray::{Array2, Array3};
    /// use statecast::forecast::{Derivation, Levels, Rollout};
    /// let names = ["x".to_owned()];
    /// let derivation = Derivation::new(&["root = sqrt(x)".parse()?], &names, &[], true)?;
    /// let paths = Array3::from_shape_vec((3, 1, 1), vec![4.0, 16.0, -1.0])?;
    /// let rollout = Rollout { paths, clipped: 0 };
    /// let derived = derivation.append_to(&rollout, Array2::zeros((1, 0)).view());
    /// assert_eq!(derived.undefined(), 1);
    /// assert_eq!(derived.summary(&Levels::default()).mean[[0, 1]], 3.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// As [`of_rows`](Self::of_rows).
    pub fn append_to(&self, rollout: &Rollout, actions: ArrayView2<f64>) -> Rollout {
        let paths = rollout.paths.outer_iter();
        let paths: Vec<Array2<f64>> = paths
            .map(|path| self.append_to_rows(path, actions))
            .collect();
        let views: Vec<_> = paths.iter().map(|path| path.view()).collect();
        let (_, horizon, variables) = rollout.paths.dim();
        let paths = match views.is_empty() {
            true => Array3::zeros((0, horizon, variables + self.names.len())),
            false => stack(Axis(0), &views).expect("all paths have one shape"),
        };
        Rollout {
            paths,
            clipped: rollout.clipped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn derive(texts: &[&str], actions: &[&str], known: bool) -> Result<Derivation, DerivedError> {
        let derived: Vec<Derived> = texts.iter().map(|text| text.parse().unwrap()).collect();
        Derivation::new(&derived, &names(&["x", "v"]), &names(actions), known)
    }

    #[test]
    fn quantities_may_use_actions_and_quantities_before_them() {
        let derivation = derive(&["power = u * v", "twice = 2 * power"], &["u"], true).unwrap();
        let rows = derivation.append_to_rows(array![[1.0, 3.0]].view(), array![[5.0]].view());
        assert_eq!(rows, array![[1.0, 3.0, 15.0, 30.0]]);
    }

    #[test]
    fn names_must_be_free() {
        for taken in ["x = 1", "u = 1"] {
            let error = derive(&[taken], &["u"], true).unwrap_err();
            assert_eq!(error, DerivedError::Taken(taken[..1].to_owned()));
        }
        assert!(derive(&["e = x", "e = v"], &[], true).is_err());
    }

    #[test]
    fn actions_that_are_not_known_are_errors() {
        let error = derive(&["power = u * v"], &["u"], false).unwrap_err();
        assert!(error.to_string().contains("'u' is an action"), "{error}");
        assert!(derive(&["energy = v^2"], &["u"], false).is_ok());
    }

    #[test]
    fn texts_without_a_name_are_errors() {
        let error = |text: &str| text.parse::<Derived>().unwrap_err().to_string();
        assert!(error("hypot(vx, vy)").contains("NAME = EXPRESSION"));
        assert!(error("= x").contains("is no name"));
        assert!(error("2x = x").contains("'2x' is no name"));
        assert!(error("s = x +").contains("s = x +: it ends where"));
        let unknown = derive(&["s = x + vz"], &[], true).unwrap_err().to_string();
        assert!(
            unknown.contains("position 5: no variable 'vz'; there are x, v"),
            "{unknown}"
        );
    }

    #[test]
    fn what_is_not_finite_is_undefined() {
        let derivation = derive(&["a = 1 / x", "b = log(v)", "c = max(a, 1)"], &[], true).unwrap();
        let none = Array2::zeros((1, 0));
        let rows = derivation.of_rows(array![[0.0, -1.0]].view(), none.view());
        assert!(rows.iter().all(|x| x.is_nan()));
    }

    /// Fault: `1 / (1 / 0)` was 0, `min(1 / 0, 1)` was 1, and the squares of 1e200 made infinite spreads.
    #[test]
    fn what_has_an_undefined_part_or_overflows_is_undefined() {
        let derivation = derive(
            &[
                "a = 1 / (1 / x)",
                "b = min(1 / x, 1)",
                "c = 1e200 * v",
                "d = atan(1 / x)",
                "e = min(exp(v * 1000), 1)",
            ],
            &[],
            true,
        );
        let none = Array2::zeros((1, 0));
        let rows = derivation
            .unwrap()
            .of_rows(array![[0.0, 1.0]].view(), none.view());
        assert!(rows.iter().all(|x| x.is_nan()), "{rows}");
    }
}
