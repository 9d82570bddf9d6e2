//! Arrays that say where the episodes of concatenated rows end, begin or how long they are.

use super::npy::{Header, Layout};
use super::padding::is_length;
use super::spelling::plain_field;

/// Names of arrays with the rows after the last ones of episodes, as in replay buffers.
const ENDS: [&str; 11] = [
    "episode_data_index_to",
    "episode_ends",
    "episode_end",
    "ends",
    "ep_ends",
    "ep_end",
    "end_idx",
    "end_index",
    "traj_ends",
    "trajectory_ends",
    "episode_end_idx",
];
/// Names of arrays with the first rows of episodes, and after them the number of rows where it is there.
const STARTS: [&str; 17] = [
    "indptr",
    "ptr",
    "traj_ptr",
    "episode_ptr",
    "ep_ptr",
    "episode_index",
    "traj_index",
    "episode_data_index_from",
    "episode_starts",
    "episode_start",
    "starts",
    "ep_starts",
    "start_idx",
    "start_index",
    "traj_starts",
    "trajectory_starts",
    "episode_start_idx",
];

/// Names of arrays with the first rows of all episodes but the first.
const SPLITS: [&str; 3] = ["splits", "split_points", "split_indices"];

/// What an array says of the episodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Boundaries {
    Ends,
    Starts,
    Splits,
    Lengths,
}

impl Boundaries {
    /// What an array of such a name says, if it has a value for each of fewer episodes than rows.
    pub(super) fn of(name: &str, header: &Header, rows: u64) -> Option<Self> {
        let count = episodes(header).filter(|&count| count < rows)?;
        let name = plain_field(name);
        match name.as_str() {
            name if ENDS.contains(&name) => Some(Self::Ends),
            name if STARTS.contains(&name) => Some(Self::Starts),
            name if SPLITS.contains(&name) => Some(Self::Splits),
            name if is_length(name) => Some(Self::Lengths),
            _ => None,
        }
        .filter(|_| count > 0)
    }

    /// How an array that says so is read.
    pub(super) fn layout(header: &Header) -> Option<Layout> {
        Some(Layout {
            rows: episodes(header)?,
            columns: 1,
            element: header.element.clone().ok()?,
            fortran: header.fortran,
        })
    }

    /// The rows of each episode; nothing if the values do not fit so many rows. Ends are those of slices, or the last
    /// rows themselves.
    pub(super) fn lengths(self, values: &[f64], rows: usize) -> Option<Vec<usize>> {
        let whole = |value: &f64| (0.0..=rows as f64).contains(value) && value.fract() == 0.0;
        let known = values.iter().all(whole);
        let values: Vec<usize> = values.iter().map(|&value| value as usize).collect();
        let last = *values.last().filter(|_| known)?;
        let ascend = values.windows(2).all(|pair| pair[0] <= pair[1]);
        let apart = |bounds: &[usize]| bounds.windows(2).map(|pair| pair[1] - pair[0]).collect();
        match self {
            Self::Ends if ascend && last == rows => Some(apart(&[&[0], &values[..]].concat())),
            Self::Ends if ascend && last + 1 == rows => {
                let ends: Vec<usize> = values.iter().map(|end| end + 1).collect();
                Some(apart(&[&[0], &ends[..]].concat()))
            }
            Self::Starts if ascend && values[0] == 0 && last == rows => Some(apart(&values)),
            Self::Splits if ascend && last < rows => {
                Some(apart(&[&[0], &values[..], &[rows]].concat()))
            }
            Self::Starts if ascend && values[0] == 0 && last < rows => {
                Some(apart(&[&values[..], &[rows]].concat()))
            }
            Self::Lengths => {
                let all = values.iter().try_fold(0usize, |sum, &l| sum.checked_add(l));
                (all == Some(rows)).then_some(values)
            }
            Self::Ends | Self::Starts | Self::Splits => None,
        }
    }

    /// What its array holds.
    pub(super) fn described(self) -> &'static str {
        match self {
            Self::Ends => "ends of the episodes",
            Self::Starts | Self::Splits => "starts of the episodes",
            Self::Lengths => "lengths of the episodes",
        }
    }
}

/// How many values an array of one dimension has; others of one are left over from arithmetic.
fn episodes(header: &Header) -> Option<u64> {
    match header.shape[..] {
        [count] | [count, 1] | [1, count] => Some(count),
        _ => None,
    }
}

/// How the rows of a file are cut by such an array.
#[derive(Debug)]
pub(super) struct Cuts {
    /// Name of the array.
    pub(super) name: String,
    pub(super) says: Boundaries,
    lengths: Vec<usize>,
}

impl Cuts {
    pub(super) fn new(name: String, says: Boundaries, lengths: Vec<usize>) -> Self {
        Self {
            name,
            says,
            lengths,
        }
    }

    /// Names and rows of the episodes that have any, with a row more for each in arrays of states that have one.
    pub(super) fn episodes(&self, more: bool) -> Vec<(String, usize)> {
        let named = self.lengths.iter().enumerate();
        let some = named.filter(|(_, length)| **length > 0);
        some.map(|(index, length)| (index.to_string(), length + usize::from(more)))
            .collect()
    }

    pub(super) fn note(&self) -> String {
        let episodes = self.lengths.iter().filter(|&&length| length > 0).count();
        format!("{episodes} episodes, told apart by {}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_give_lengths_only_where_they_fit() {
        use Boundaries::*;
        for (says, values, lengths) in [
            (Ends, &[3.0, 8.0, 10.0][..], Some(vec![3, 5, 2])),
            (Ends, &[2.0, 7.0, 9.0], Some(vec![3, 5, 2])),
            (Ends, &[3.0, 8.0], None),
            (Ends, &[8.0, 3.0, 10.0], None),
            (Ends, &[3.5, 10.0], None),
            (Starts, &[0.0, 3.0, 8.0], Some(vec![3, 5, 2])),
            (Starts, &[0.0, 3.0, 8.0, 10.0], Some(vec![3, 5, 2])),
            (Splits, &[3.0, 8.0], Some(vec![3, 5, 2])),
            (Starts, &[1.0, 3.0, 8.0], None),
            (Lengths, &[3.0, 5.0, 2.0], Some(vec![3, 5, 2])),
            (Lengths, &[3.0, 5.0, 3.0], None),
            (Lengths, &[], None),
        ] {
            assert_eq!(says.lengths(values, 10), lengths, "{says:?} {values:?}");
        }
    }
}
