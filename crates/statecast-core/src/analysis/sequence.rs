//! Sequences of states.

use super::AnalysisError;

/// A sequence of the states `0..count`, and the rows that do not follow the row before: no transition leads to them.
///
/// ```
/// use statecast::analysis::Sequence;
/// let sequence = Sequence::new(&[0, 1, 1, 0], 2)?.with_breaks(&[2]);
/// let pairs: Vec<_> = sequence.transitions().collect();
/// assert_eq!(pairs, [(1, 0, 1), (3, 1, 0)]);
/// # Ok::<(), statecast::analysis::AnalysisError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence<'s> {
    states: &'s [usize],
    count: usize,
    breaks: &'s [usize],
}

impl<'s> Sequence<'s> {
    /// Makes a sequence of the states `0..count`, every row of which follows the row before.
    ///
    /// # Errors
    /// [`AnalysisError::State`] for a state beyond them.
    pub fn new(states: &'s [usize], count: usize) -> Result<Self, AnalysisError> {
        if let Some(place) = states.iter().position(|&state| state >= count) {
            return Err(AnalysisError::State {
                state: states[place],
                place,
                states: count,
            });
        }
        Ok(Self {
            states,
            count,
            breaks: &[],
        })
    }

    /// Returns the sequence in which some rows (counted from 0) do not follow the row before.
    pub fn with_breaks(self, breaks: &'s [usize]) -> Self {
        Self { breaks, ..self }
    }

    /// Returns the states, in the order of time.
    pub fn states(&self) -> &'s [usize] {
        self.states
    }

    /// Returns the number of possible states.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the rows that do not follow the row before.
    pub fn breaks(&self) -> &'s [usize] {
        self.breaks
    }

    /// Returns whether a row follows the row before.
    pub fn follows(&self, row: usize) -> bool {
        (1..self.states.len()).contains(&row) && !self.breaks.contains(&row)
    }

    /// Returns the transitions: row, state before, state.
    pub fn transitions(self) -> impl Iterator<Item = (usize, usize, usize)> + 's {
        (1..self.states.len())
            .filter(move |&row| self.follows(row))
            .map(move |row| (row, self.states[row - 1], self.states[row]))
    }
}
