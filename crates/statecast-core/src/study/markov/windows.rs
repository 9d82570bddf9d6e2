//! The chain of a model over windows of states, in short.

use serde::Serialize;

use crate::analysis::{Class, LongRun, WindowChain};

/// Most classes of windows that are described.
const MAX_CLASSES: usize = 100;

/// Properties of a chain over windows.
///
/// ```
/// use ndarray::array;
/// use statecast::analysis::WindowChain;
/// use statecast::study::markov::WindowSummary;
/// let chain = WindowChain::new(1, array![[0.9, 0.1], [0.3, 0.7]])?;
/// let labels = ["sun", "rain"].map(str::to_owned);
/// let summary = WindowSummary::of(&chain, &labels, 0.01);
/// assert_eq!((summary.class_count, summary.classes[0].windows), (1, 2));
/// assert!((summary.long_run.unwrap().distribution[0] - 0.75).abs() < 1e-6);
/// # Ok::<(), statecast::analysis::AnalysisError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WindowSummary {
    /// States of a window.
    pub window: usize,
    /// Number of windows.
    pub windows: usize,
    /// Sequences that are shorter than a window: left once and for all.
    pub transient: usize,
    /// Probability above which a step joins classes.
    pub least: f64,
    /// Number of classes along such steps.
    pub class_count: usize,
    /// The largest of them, at most 100.
    pub classes: Vec<WindowClass>,
    /// Classes that are never left at all.
    pub closed: usize,
    /// The long run; none if there are several such classes, or if the stationary distribution was
    /// not found.
    pub long_run: Option<LongRun>,
    /// ε: the least probability of any window after as many steps as it has states.
    pub least_passage: f64,
}

/// Windows that lead to each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WindowClass {
    /// Number of windows.
    pub windows: usize,
    /// Whether its steps above the least probability all stay in it.
    pub closed: bool,
    /// Period; 0 for a window that is never revisited.
    pub period: usize,
    /// Labels of a window of it, the oldest state first.
    pub first: Vec<String>,
}

impl WindowSummary {
    /// Describes a chain, with classes along steps of a probability above `least`.
    ///
    /// # Panics
    /// If there are fewer labels than states.
    pub fn of(chain: &WindowChain, labels: &[String], least: f64) -> Self {
        let (states, window) = (chain.states(), chain.window());
        let class = |class: &Class| WindowClass {
            windows: class.states.len(),
            closed: class.closed,
            period: class.period,
            first: spelled(chain, class.states[0], labels),
        };
        let classes = chain.classes(least);
        let closed = chain.classes(0.0);
        Self {
            window,
            windows: chain.windows(),
            transient: (0..window).map(|length| states.pow(length as u32)).sum(),
            least,
            class_count: classes.len(),
            classes: classes.iter().take(MAX_CLASSES).map(class).collect(),
            closed: closed.iter().filter(|class| class.closed).count(),
            long_run: chain
                .stationary()
                .map(|distribution| chain.long_run(&distribution)),
            least_passage: chain.least_passage(),
        }
    }
}

/// The labels of a window's states.
fn spelled(chain: &WindowChain, window: usize, labels: &[String]) -> Vec<String> {
    let states = chain.window_states(window).into_iter();
    states.map(|state| labels[state].clone()).collect()
}
