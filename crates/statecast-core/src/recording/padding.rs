//! Arrays of episodes that are padded to one length, and the array that says how long each is.

use std::ops::Range;

use super::npy::{Header, Layout};
use super::spelling::plain_field;

/// Names of arrays with the length of each episode.
const LENGTHS: [&str; 22] = [
    "seqlens",
    "traj_lens",
    "n_steps",
    "lengths",
    "length",
    "lens",
    "seq_len",
    "seq_lens",
    "seq_length",
    "seq_lengths",
    "sequence_length",
    "sequence_lengths",
    "episode_length",
    "episode_lengths",
    "ep_len",
    "ep_lens",
    "ep_length",
    "ep_lengths",
    "traj_len",
    "traj_lengths",
    "trajectory_lengths",
    "path_lengths",
];
/// Names of arrays that are 1 in rows of data and 0 after or before them.
const MASKS: [&str; 8] = [
    "mask",
    "masks",
    "valid",
    "valid_mask",
    "attention_mask",
    "loss_mask",
    "seq_mask",
    "episode_mask",
];

/// Names of arrays that are 1 in rows of padding, or the other way round.
const PADS: [&str; 9] = [
    "padding_mask",
    "pad_mask",
    "is_pad",
    "is_padding",
    "is_padded",
    "action_is_pad",
    "pads",
    "padded",
    "key_padding_mask",
];

/// Whether arrays of such a name, as the lists have it, hold lengths of episodes.
pub(super) fn is_length(plain_name: &str) -> bool {
    LENGTHS.contains(&plain_name)
}

/// Whether a column of such a name is 1 in rows of padding.
pub(super) fn is_padding(name: &str) -> bool {
    PADS.contains(&plain_field(name).as_str())
}

/// What an array says of the lengths of episodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// A number an episode.
    Lengths,
    /// A flag a row of data.
    Mask,
    /// A flag a row of padding.
    Pads,
}

impl Says {
    /// What an array of such a name and shape says of episodes that are padded to some rows.
    pub(super) fn of(name: &str, header: &Header, episodes: u64, rows: u64) -> Option<Self> {
        let name = plain_field(name);
        let mut shape = header.shape.clone();
        // A dimension of one is left over from arithmetic, or put there by MATLAB.
        while shape.len() > 1 && shape.last() == Some(&1) {
            shape.pop();
        }
        let is_row = matches!(shape[..], [1, all] if all == episodes);
        match () {
            () if LENGTHS.contains(&name.as_str()) && (shape == [episodes] || is_row) => {
                Some(Self::Lengths)
            }
            () if MASKS.contains(&name.as_str()) && shape == [episodes, rows] => Some(Self::Mask),
            () if PADS.contains(&name.as_str()) && shape == [episodes, rows] => Some(Self::Pads),
            () => None,
        }
    }

    /// What an array of such a name and shape says of environments that stand one after another in rows of steps.
    pub(super) fn across(
        name: &str,
        header: &Header,
        steps: u64,
        environments: u64,
    ) -> Option<Self> {
        let is_square = steps == environments;
        let shape = |says: &Self| match says {
            Self::Lengths => !is_square,
            Self::Mask | Self::Pads => header.shape.starts_with(&[steps, environments]),
        };
        let turned = Header {
            shape: match header.shape.starts_with(&[steps, environments]) {
                true => vec![environments, steps],
                false => header.shape.clone(),
            },
            ..header.clone()
        };
        Self::of(name, &turned, environments, steps).filter(shape)
    }

    /// How an array that says so is read.
    pub(super) fn layout(self, header: &Header, episodes: u64, rows: u64) -> Option<Layout> {
        Some(Layout {
            rows: match self {
                Self::Lengths => episodes,
                Self::Mask | Self::Pads => episodes.checked_mul(rows)?,
            },
            columns: 1,
            element: header.element.clone().ok()?,
            fortran: header.fortran,
        })
    }

    /// The rows of each episode that are data by the values of the array, in the ways to read them, the likeliest
    /// first; none if these are no lengths, as the length of a pole, or a mask with holes.
    pub(super) fn readings(self, values: &[f64], rows: usize) -> Vec<Vec<Range<u64>>> {
        let of = |flag| [in_front(values, rows, flag), behind(values, rows, flag)];
        match self {
            Self::Lengths => {
                let whole = |value: &f64| (0.0..1e15).contains(value) && value.fract() == 0.0;
                let all = values.iter().all(whole);
                let range = |&value: &f64| 0..value as u64;
                all.then(|| values.iter().map(range).collect())
                    .into_iter()
                    .collect()
            }
            Self::Mask => of(1.0).into_iter().flatten().collect(),
            // Some that are called so are 1 in rows of data.
            Self::Pads => {
                let some = |ranges: &Vec<Range<u64>>| ranges.iter().any(|range| !range.is_empty());
                let all = of(0.0).into_iter().chain(of(1.0)).flatten();
                let mut found: Vec<Vec<Range<u64>>> = all.filter(some).collect();
                // Padding is after the data unless its values say otherwise.
                found.sort_by_key(|ranges| ranges.iter().any(|range| range.start > 0));
                found
            }
        }
    }
}

/// The rows of each episode up to those that do not have a flag; nothing if some after them have it.
fn in_front(flags: &[f64], rows: usize, value: f64) -> Option<Vec<Range<u64>>> {
    let range = |of: &[f64]| {
        let data = of.iter().take_while(|&&flag| flag == value).count();
        let rest = of[data..].iter().all(|&flag| flag == 1.0 - value);
        rest.then_some(0..data as u64)
    };
    flags.chunks_exact(rows.max(1)).map(range).collect()
}

/// The rows of each episode after those that do not have a flag.
fn behind(flags: &[f64], rows: usize, value: f64) -> Option<Vec<Range<u64>>> {
    let padding = in_front(flags, rows, 1.0 - value)?;
    let rest = padding.into_iter().map(|range| range.end..rows as u64);
    Some(rest.collect())
}

/// How many rows of each episode are data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Padding {
    /// Name of the array that says so.
    pub(super) name: String,
    /// Rows of each episode with its padding.
    rows: usize,
    data: Vec<Range<usize>>,
    /// Rows of data before each episode, and episodes with data.
    before: Vec<(usize, usize)>,
}

impl Padding {
    /// The data of episodes that are padded to some rows; the first that is longer is the error.
    pub(super) fn new(
        name: String,
        rows: usize,
        data: &[Range<u64>],
    ) -> Result<Self, (usize, u64)> {
        let beyond = data.iter().position(|range| range.end > rows as u64);
        if let Some(episode) = beyond {
            return Err((episode, data[episode].end));
        }
        let of = |range: &Range<u64>| range.start as usize..range.end as usize;
        let data: Vec<Range<usize>> = data.iter().map(of).collect();
        let (mut all, mut some) = (0, 0);
        let before = data.iter().map(|range| {
            let before = (all, some);
            all += range.len();
            some += usize::from(!range.is_empty());
            before
        });
        Ok(Self {
            before: before.collect(),
            name,
            rows,
            data,
        })
    }

    /// The row of the recording that a row of an array is, which may have a row more for each episode
    /// than others; nothing for padding.
    pub(super) fn row(&self, row: usize, is_long: bool) -> Option<usize> {
        let more = usize::from(is_long);
        let (episode, step) = (row / (self.rows + more), row % (self.rows + more));
        let data = self.data.get(episode)?;
        let (rows, episodes) = self.before[episode];
        let is_data = !data.is_empty() && (data.start..data.end + more).contains(&step);
        is_data.then(|| rows + more * episodes + step - data.start)
    }

    /// Names and rows of the episodes with data.
    pub(super) fn episodes(&self, is_long: bool) -> Vec<(String, usize)> {
        let more = usize::from(is_long);
        let named = self.data.iter().enumerate();
        let some = named.filter(|(_, data)| !data.is_empty());
        some.map(|(index, data)| (index.to_string(), data.len() + more))
            .collect()
    }

    /// The same of a replay buffer, whose rows after the last one written are left out.
    pub(super) fn note_of_buffer(&self) -> String {
        let data = self.data.first().map_or(0, Range::len);
        format!(
            "{} says that {data} of {} rows of the buffer are filled; the others are left out",
            self.name, self.rows
        )
    }

    /// What the user should know, if anything is left out.
    pub(super) fn note(&self) -> Option<String> {
        let data: usize = self.data.iter().map(Range::len).sum();
        let all = self.rows * self.data.len();
        let padding = all - data;
        (padding > 0).then(|| {
            format!(
                "episodes are padded to {} rows; by {}, {padding} of {all} rows are padding and are left out",
                self.rows, self.name
            )
        })
    }
}
