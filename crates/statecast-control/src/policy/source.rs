//! Policies by name: files, rules and programs.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::file::of_file;
use super::{Constant, Policy, PolicyError, Program, ProgramSettings, Uniform, Widths};
use crate::environment::ActionSpace;

/// Source of a policy.
///
/// ```
/// use statecast::policy::PolicySource;
/// for text in ["pi.safetensors", "mean:pi.json", "constant:0.5,-1", "random", "command:./act --fast"] {
///     assert_eq!(text.parse::<PolicySource>()?.to_string(), text);
/// }
/// # Ok::<(), statecast::policy::PolicyError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum PolicySource {
    /// A file, `.safetensors` or `.json`.
    File {
        /// The file.
        path: PathBuf,
        /// True for the policy's mean action instead of a draw (`mean:` before the path).
        mean: bool,
    },
    /// A constant action (`constant:1,0.5`).
    Constant(Vec<f64>),
    /// Uniform actions within the limits (`random`).
    Random,
    /// An external program (`command:python act.py`).
    Program(String),
}

impl FromStr for PolicySource {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let fail = || PolicyError::Source(text.to_owned());
        if text == "random" {
            return Ok(Self::Random);
        }
        if let Some(command) = text.strip_prefix("command:") {
            let empty = command.trim().is_empty();
            return (!empty)
                .then(|| Self::Program(command.to_owned()))
                .ok_or_else(fail);
        }
        if let Some(numbers) = text.strip_prefix("constant:") {
            let numbers = numbers.split(',').map(|n| n.trim().parse::<f64>());
            let numbers: Vec<f64> = numbers.collect::<Result<_, _>>().map_err(|_| fail())?;
            let finite = numbers.iter().all(|n| n.is_finite());
            return finite.then_some(Self::Constant(numbers)).ok_or_else(fail);
        }
        let (path, mean) = match text.strip_prefix("mean:") {
            Some(path) => (path, true),
            None => (text, false),
        };
        let path = PathBuf::from(path);
        let known = |ending: &std::ffi::OsStr| ending == "safetensors" || ending == "json";
        match path.extension().is_some_and(known) {
            true => Ok(Self::File { path, mean }),
            false => Err(fail()),
        }
    }
}

impl fmt::Display for PolicySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, mean } => {
                let mean = if *mean { "mean:" } else { "" };
                write!(f, "{mean}{}", path.display())
            }
            Self::Constant(action) => {
                let numbers: Vec<String> = action.iter().map(f64::to_string).collect();
                write!(f, "constant:{}", numbers.join(","))
            }
            Self::Random => f.write_str("random"),
            Self::Program(command) => write!(f, "command:{command}"),
        }
    }
}

/// Reads the policy of a source, for a system with these widths and, if known, action space.
///
/// # Errors
/// [`PolicyError`] if it is missing, damaged or inconsistent with the system.
pub fn read(
    source: &PolicySource,
    system: Widths,
    space: Option<ActionSpace>,
) -> Result<Box<dyn Policy>, PolicyError> {
    let policy: Box<dyn Policy> = match source {
        PolicySource::File { path, mean } => of_file(path, *mean, space)?,
        PolicySource::Constant(action) => match (space, &action[..]) {
            (Some(ActionSpace::Discrete(choices)), &[action]) => {
                let chosen = (0..choices).find(|&choice| choice as f64 == action);
                let chosen = chosen.ok_or(PolicyError::Choice { action, choices })?;
                Box::new(Constant::of_choice(chosen, system.observations))
            }
            _ => Box::new(Constant::new(action.clone(), system.observations)),
        },
        PolicySource::Random => {
            let space = space.ok_or(PolicyError::NoLimits)?;
            Box::new(Uniform::new(space, system.observations))
        }
        PolicySource::Program(command) => {
            Box::new(Program::start(command, system, ProgramSettings::default())?)
        }
    };
    match policy.widths() == system {
        true => Ok(policy),
        false => Err(PolicyError::Widths {
            policy: policy.widths(),
            system,
        }),
    }
}
