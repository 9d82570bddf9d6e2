//! The rows that experts have seen.

use std::borrow::Cow;
use std::sync::Arc;

use super::channels::Channels;

/// Rows that are kept at least; more are forgotten once they are twice as many, so that a stream takes constant memory.
const KEPT: usize = 1 << 14;

/// Pasts that follow one another, from which on they become one: every path that was forked in between began another.
const MAX_CHAIN: usize = 32;

/// The last rows of a recording, or of a path that continues one: values, actions, and how far each row
/// is from the first of its episode. The common past of paths is shared, not copied.
#[derive(Debug, Clone)]
pub struct Past {
    before: Option<Arc<Past>>,
    /// Rows of what is before, kept or not.
    shared: usize,
    /// The first row that is kept.
    first: usize,
    /// Pasts before this one.
    chain: usize,
    /// Rows that are kept at least.
    kept: usize,
    /// `[row][channel]`.
    values: Vec<f64>,
    /// `[row][input]`; empty if all channels are inputs.
    inputs: Vec<f64>,
    /// `[row][action]`.
    actions: Vec<f64>,
    ages: Vec<usize>,
}

impl Default for Past {
    fn default() -> Self {
        Self::keeping(0)
    }
}

impl Past {
    /// No rows, of which so many are going to be kept at least.
    pub(super) fn keeping(rows: usize) -> Self {
        Self {
            before: None,
            shared: 0,
            first: 0,
            chain: 0,
            kept: rows.max(KEPT),
            values: Vec::new(),
            inputs: Vec::new(),
            actions: Vec::new(),
            ages: Vec::new(),
        }
    }

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
        let is_shared = Arc::get_mut(past).is_none();
        if past.len() - past.first >= past.kept.saturating_mul(2)
            || is_shared && past.chain >= MAX_CHAIN
        {
            *past = Arc::new(past.alone());
        } else if is_shared {
            *past = Arc::new(Self {
                shared: past.len(),
                first: past.first,
                chain: past.chain + 1,
                before: Some(Arc::clone(past)),
                ..Self::keeping(past.kept)
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

    /// The rows that are kept, without any that others share.
    fn alone(&self) -> Self {
        let first = self.first.max(self.len().saturating_sub(self.kept));
        let mut alone = Self {
            shared: first,
            first,
            ..Self::keeping(self.kept)
        };
        for t in first..self.len() {
            let (holder, row) = self.holder(t);
            alone.values.extend(self.values(t));
            if !holder.inputs.is_empty() {
                alone.inputs.extend(self.inputs(t));
            }
            alone.actions.extend(self.actions(t));
            alone.ages.push(holder.ages[row]);
        }
        alone
    }

    /// Rows, with those that were forgotten.
    pub fn len(&self) -> usize {
        self.shared + self.ages.len()
    }

    /// The first row that is kept.
    pub fn first(&self) -> usize {
        self.first
    }

    /// True if there was no row.
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
    /// If there is no such row, or it was forgotten.
    pub fn values(&self, t: usize) -> &[f64] {
        let (holder, row) = self.holder(t);
        numbers(&holder.values, holder.ages.len(), row)
    }

    /// Values in row `t` of the channels from which the next row follows.
    ///
    /// # Panics
    /// If there is no such row, or it was forgotten.
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
    /// If there is no such row, or it was forgotten.
    pub fn actions(&self, t: usize) -> &[f64] {
        let (holder, row) = self.holder(t);
        numbers(&holder.actions, holder.ages.len(), row)
    }

    /// Rows between `t` and the first of its episode.
    ///
    /// # Panics
    /// If there is no such row, or it was forgotten.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault: a past grew with every row, and a chain of pasts with every path that was forked, whose end took more stack than
    /// there is.
    #[test]
    fn a_stream_takes_constant_memory() {
        let channels = Channels::new(1, &[]);
        let mut past = Arc::<Past>::default();
        let mut forked = Arc::clone(&past);
        for t in 0..100_000 {
            if t % 3 == 0 {
                forked = Arc::clone(&past);
            }
            Past::push(&mut past, &channels, &[t as f64], &[-(t as f64)], t == 0);
            assert!(past.len() - past.first() <= 2 * KEPT && past.chain <= MAX_CHAIN);
        }
        assert_eq!(past.len(), 100_000);
        assert!(forked.len() < past.len());
        for t in [past.first(), past.first() + 1, 99_990, 99_999] {
            assert_eq!(past.values(t), [t as f64]);
            assert_eq!(past.actions(t), [-(t as f64)]);
            assert_eq!(past.age(t), t);
        }
        assert!(past.first() + KEPT <= past.len());
    }
}
