//! The rows that experts have seen.

use std::borrow::Cow;
use std::sync::Arc;

use super::channels::Channels;

/// Rows of a recording, or of a path that continues one: values, actions, and how far each row
/// is from the first of its episode. The common past of paths is shared, not copied.
#[derive(Debug, Clone, Default)]
pub struct Past {
    before: Option<Arc<Past>>,
    /// Rows of what is before.
    shared: usize,
    /// `[row][channel]`.
    values: Vec<f64>,
    /// `[row][input]`; empty if all channels are inputs.
    inputs: Vec<f64>,
    /// `[row][action]`.
    actions: Vec<f64>,
    ages: Vec<usize>,
}

impl Past {
    /// Bytes of a row beside its values and actions.
    pub(super) const ROW_BYTES: usize = size_of::<usize>();

    /// Adds a row to a past that others may share: theirs stays as it is.
    pub(super) fn push(
        past: &mut Arc<Self>,
        channels: &Channels,
        values: &[f64],
        actions: &[f64],
        begins: bool,
    ) {
        let age = past.next_age(begins);
        if Arc::get_mut(past).is_none() {
            *past = Arc::new(Self {
                shared: past.len(),
                before: Some(Arc::clone(past)),
                ..Self::default()
            });
        }
        let own = Arc::get_mut(past).expect("a past that was just made is not shared");
        own.values.extend(values);
        if let Cow::Owned(inputs) = channels.inputs(values) {
            own.inputs.extend(inputs);
        }
        own.actions.extend(actions);
        own.ages.push(age);
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.shared + self.ages.len()
    }

    /// True if there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The past that has row `t` itself, and the row's number in it.
    fn holder(&self, t: usize) -> (&Self, usize) {
        let mut holder = self;
        while let Some(before) = holder.before.as_deref().filter(|_| t < holder.shared) {
            holder = before;
        }
        (holder, t - holder.shared)
    }

    /// Values of the channels in row `t`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn values(&self, t: usize) -> &[f64] {
        let (holder, row) = self.holder(t);
        numbers(&holder.values, holder.ages.len(), row)
    }

    /// Values in row `t` of the channels from which the next row follows.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn inputs(&self, t: usize) -> &[f64] {
        let (holder, row) = self.holder(t);
        match holder.inputs.is_empty() {
            true => numbers(&holder.values, holder.ages.len(), row),
            false => numbers(&holder.inputs, holder.ages.len(), row),
        }
    }

    /// Actions taken in row `t`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn actions(&self, t: usize) -> &[f64] {
        let (holder, row) = self.holder(t);
        numbers(&holder.actions, holder.ages.len(), row)
    }

    /// Rows between `t` and the first of its episode.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn age(&self, t: usize) -> usize {
        let (holder, row) = self.holder(t);
        holder.ages[row]
    }

    /// That of the row that comes next.
    pub(super) fn next_age(&self, begins: bool) -> usize {
        match self.len().checked_sub(1) {
            Some(last) if !begins => self.age(last) + 1,
            _ => 0,
        }
    }
}

/// Those of one of some rows that stand one after the other.
fn numbers(all: &[f64], rows: usize, row: usize) -> &[f64] {
    let width = all.len() / rows.max(1);
    &all[row * width..][..width]
}
