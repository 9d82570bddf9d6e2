//! What is written beside a result.

use serde::Serialize;

/// Manifest of a result: the program, its version, the command that made it, and how it was made.
///
/// ```
/// let manifest = statecast::output::Manifest::new("forecast", serde_json::json!({"seed": 1}));
/// let json = serde_json::to_value(&manifest)?;
/// assert_eq!(json["program"], "statecast");
/// assert_eq!(json["seed"], 1);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct Manifest<T> {
    program: &'static str,
    version: &'static str,
    command: &'static str,
    #[serde(flatten)]
    run: T,
}

impl<T: Serialize> Manifest<T> {
    /// Manifest of a command and how it was run.
    pub fn new(command: &'static str, run: T) -> Self {
        Self {
            program: "statecast",
            version: env!("CARGO_PKG_VERSION"),
            command,
            run,
        }
    }
}
