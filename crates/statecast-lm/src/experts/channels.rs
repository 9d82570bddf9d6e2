//! Channels that are predicted, and those among them from which others follow.

use std::borrow::Cow;
use std::sync::Arc;

/// Channels of a panel. From its inputs the next row follows; from the others, its outcomes, nothing does.
#[derive(Debug, Clone)]
pub(super) struct Channels {
    count: usize,
    /// In ascending order.
    inputs: Arc<[usize]>,
}

impl Channels {
    /// Returns channels of which some are outcomes.
    pub(super) fn new(count: usize, outcomes: &[usize]) -> Self {
        let is_input = |channel: &usize| !outcomes.contains(channel);
        Self {
            count,
            inputs: (0..count).filter(is_input).collect(),
        }
    }

    /// Returns the number of channels.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Returns the indices of the inputs.
    pub(super) fn indices(&self) -> &[usize] {
        &self.inputs
    }

    /// Returns whether all channels are inputs.
    pub(super) fn are_inputs(&self) -> bool {
        self.inputs.len() == self.count
    }

    /// Returns the inputs of a row; borrowed if all channels are.
    pub(super) fn inputs<'r>(&self, row: &'r [f64]) -> Cow<'r, [f64]> {
        match self.are_inputs() {
            true => Cow::Borrowed(row),
            false => self.inputs.iter().map(|&channel| row[channel]).collect(),
        }
    }
}
