//! The rows that experts have seen.

use std::rc::Rc;

/// Rows of a recording, or of a path that goes on from one: values, actions, and how far each row
/// is from the first of its episode. What a path goes on from is shared, not copied.
#[derive(Debug, Clone, Default)]
pub struct Past {
    before: Option<Rc<Past>>,
    rows: Vec<Row>,
}

#[derive(Debug, Clone)]
struct Row {
    values: Vec<f64>,
    actions: Vec<f64>,
    age: usize,
}

impl Past {
    /// Bytes of a row beside its values and actions.
    pub(super) const ROW_BYTES: usize = size_of::<Row>();

    /// Adds a row to a past that others may share: theirs stays as it is.
    pub(super) fn push(past: &mut Rc<Self>, values: Vec<f64>, actions: Vec<f64>, begins: bool) {
        let age = past.next_age(begins);
        let row = Row {
            values,
            actions,
            age,
        };
        match Rc::get_mut(past) {
            Some(own) => own.rows.push(row),
            None => {
                *past = Rc::new(Self {
                    before: Some(Rc::clone(past)),
                    rows: vec![row],
                });
            }
        }
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.shared() + self.rows.len()
    }

    /// True if there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shared(&self) -> usize {
        self.before.as_ref().map_or(0, |before| before.len())
    }

    fn row(&self, t: usize) -> &Row {
        match t.checked_sub(self.shared()) {
            Some(own) => &self.rows[own],
            None => self
                .before
                .as_ref()
                .expect("a row below the shared count is one of the rows before")
                .row(t),
        }
    }

    /// Values of the channels in row `t`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn values(&self, t: usize) -> &[f64] {
        &self.row(t).values
    }

    /// Actions taken in row `t`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn actions(&self, t: usize) -> &[f64] {
        &self.row(t).actions
    }

    /// Rows between `t` and the first of its episode.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn age(&self, t: usize) -> usize {
        self.row(t).age
    }

    /// That of the row that comes next.
    pub(super) fn next_age(&self, begins: bool) -> usize {
        match self.len().checked_sub(1) {
            Some(last) if !begins => self.age(last) + 1,
            _ => 0,
        }
    }
}
