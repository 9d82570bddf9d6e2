//! Names of forecasters.

use std::fmt;
use std::str::FromStr;

use crate::baselines::NAMES;
use crate::forecast::Form;
use crate::model::{AddressError, ModelSource};

/// Reasons why a text names no forecaster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing between two commas, or a mixture of nothing.
    #[error("'{0}' has an empty name")]
    Empty(String),
    /// The address of a server that is none.
    #[error(transparent)]
    Address(#[from] AddressError),
}

/// Word for a mixture.
const MIXTURE: &str = "mixture";

/// Names of the baselines that a known season is told to.
pub fn seasonal() -> Vec<&'static str> {
    let forms = Form::ALL.into_iter().filter(|form| form.is_seasonal());
    ["seasonal"]
        .into_iter()
        .chain(forms.map(Form::name))
        .collect()
}

/// The baseline that other recordings train.
pub(super) const MLP: &str = "mlp";

/// A forecaster by its name.
///
/// ```
/// use statecast::forecasters::ForecasterName;
/// let name: ForecasterName = "mixture(builtin, ar)".parse()?;
/// assert_eq!(name.language_models().len(), 1);
/// assert_eq!(name.to_string(), "mixture(builtin,ar)");
/// # Ok::<(), statecast::forecasters::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForecasterName {
    /// One of [`baselines::NAMES`](crate::baselines::NAMES).
    Baseline(&'static str),
    /// A language model.
    Language(ModelSource),
    /// A mixture of others; without any, of those that a study names as its experts.
    Mixture(Vec<Self>),
}

impl ForecasterName {
    /// The mixture of some forecasters, or the only one.
    pub fn mixture(mut members: Vec<Self>) -> Self {
        match members.len() {
            1 => members.remove(0),
            _ => Self::Mixture(members),
        }
    }

    /// Whether it is a language model.
    pub fn is_language(&self) -> bool {
        matches!(self, Self::Language(_))
    }

    /// Whether it is a mixture.
    pub fn is_mixture(&self) -> bool {
        matches!(self, Self::Mixture(_))
    }

    /// The members of a mixture, or the only forecaster itself.
    pub fn members(&self) -> &[Self] {
        match self {
            Self::Mixture(members) => members,
            single => std::slice::from_ref(single),
        }
    }

    /// The sources of the language models that it needs.
    pub fn language_models(&self) -> Vec<&ModelSource> {
        match self {
            Self::Baseline(_) => Vec::new(),
            Self::Language(source) => vec![source],
            Self::Mixture(members) => members.iter().flat_map(Self::language_models).collect(),
        }
    }

    /// Whether it is or has among its members one of some baselines.
    pub(super) fn has(&self, baselines: &[&str]) -> bool {
        match self {
            Self::Baseline(name) => baselines.contains(name),
            Self::Language(_) => false,
            Self::Mixture(members) => members.iter().any(|member| member.has(baselines)),
        }
    }

    /// The names in a list, separated by commas outside of parentheses.
    ///
    /// ```
    /// use statecast::forecasters::ForecasterName;
    /// let names = ForecasterName::list("linear,mixture(builtin,ar)")?;
    /// assert_eq!(names.len(), 2);
    /// # Ok::<(), statecast::forecasters::NameError>(())
    /// ```
    ///
    /// # Errors
    /// [`NameError`] if one is empty or the address of a server that is none.
    pub fn list(text: &str) -> Result<Vec<Self>, NameError> {
        let mut depth = 0;
        let mut separated = text.split(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            c == ',' && depth <= 0
        });
        separated.try_fold(Vec::new(), |mut names, name| match name.trim() {
            "" => Err(NameError::Empty(text.to_owned())),
            name => {
                names.push(name.parse()?);
                Ok(names)
            }
        })
    }
}

impl FromStr for ForecasterName {
    type Err = NameError;

    /// A baseline, `mixture` or `mixture(NAMES)`, or else a model's source.
    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == MIXTURE {
            return Ok(Self::Mixture(Vec::new()));
        }
        if let Some(members) = text
            .strip_prefix(MIXTURE)
            .and_then(|rest| rest.strip_prefix('(')?.strip_suffix(')'))
        {
            return Ok(Self::mixture(Self::list(members)?));
        }
        match NAMES.into_iter().find(|name| *name == text) {
            Some(name) => Ok(Self::Baseline(name)),
            None => Ok(Self::Language(text.parse()?)),
        }
    }
}

impl fmt::Display for ForecasterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Baseline(name) => f.write_str(name),
            Self::Language(source) => write!(f, "{source}"),
            Self::Mixture(members) if members.is_empty() => f.write_str(MIXTURE),
            Self::Mixture(members) => {
                let members: Vec<String> = members.iter().map(Self::to_string).collect();
                write!(f, "{MIXTURE}({})", members.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault: `mixture(ar)` was no mixture, but not recalibrated as `ar` is; nothing between commas was a folder.
    #[test]
    fn mixtures_of_one_are_that_one_and_names_are_not_empty() {
        let of = |text: &str| text.parse::<ForecasterName>();
        assert_eq!(of("mixture(ar)").unwrap(), of("ar").unwrap());
        for text in ["ar,", "", "mixture()", "ar,,knn"] {
            let error = ForecasterName::list(text).unwrap_err();
            assert!(matches!(error, NameError::Empty(_)), "{text}: {error}");
        }
        let names = ForecasterName::list("mixture(ar, mixture(knn,mean)),linear").unwrap();
        assert_eq!(names.len(), 2);
        assert!(names[0].has(&["mean"]));
    }
}
