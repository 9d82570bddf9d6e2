//! Which dimensions of a file's arrays count the rows of the recording.

use std::collections::HashMap;

use super::arrays::Member;
use super::chosen::matching;
use super::conventions::{Convention, convention};
use super::npy::Header;
use super::source::{Column, Kind, MAX_COLUMNS};

/// Arrays of one name, in the order of the episodes.
pub(super) struct Family {
    pub(super) name: String,
    pub(super) members: Vec<usize>,
    /// Rows of each part, where episodes have parts of their own.
    pub(super) lengths: Vec<u64>,
    /// Of the first part; its rows are those of all parts.
    pub(super) header: Header,
}

/// What counts rows: the leading dimensions of arrays, and those of arrays with a row more for each
/// episode, the state after its last step.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) shape: Vec<u64>,
    pub(super) long: Option<Vec<u64>>,
    /// Names and rows of episodes that have parts of their own; `shape` has their sum.
    pub(super) episodes: Vec<(String, u64)>,
    /// Whether the first of two dimensions counts steps and the second episodes.
    pub(super) turned: bool,
    /// Position of the array that says so among the families.
    pub(super) reference: Option<usize>,
}

impl Rows {
    /// Names and rows of the episodes that are told apart by the arrays themselves.
    pub(super) fn episodes(&self, long: bool) -> Option<Vec<(String, usize)>> {
        let more = u64::from(long && self.long.is_some());
        let rows = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
        if !self.episodes.is_empty() {
            let named = self.episodes.iter();
            return Some(
                named
                    .map(|(name, length)| (name.clone(), rows(length + more)))
                    .collect(),
            );
        }
        match self.shape.as_slice() {
            [length, episodes] if self.turned => Some(
                (0..*episodes)
                    .map(|index| (index.to_string(), rows(length + more)))
                    .collect(),
            ),
            [episodes, length] => Some(
                (0..*episodes)
                    .map(|index| (index.to_string(), rows(length + more)))
                    .collect(),
            ),
            _ => None,
        }
    }
}

/// Joins the arrays of one name of all episodes, if there is a group for each; the names of these.
pub(super) fn families(members: &[Member]) -> (Vec<Family>, Vec<String>) {
    let mut episodes: Vec<String> = Vec::new();
    for episode in members.iter().filter_map(|member| member.episode.as_ref()) {
        if episodes.last() != Some(episode) {
            episodes.push(episode.clone());
        }
    }
    let mut families: Vec<Family> = Vec::new();
    let mut places: HashMap<(&str, bool), usize> = HashMap::new();
    for (index, member) in members.iter().enumerate() {
        let rows = member.header.shape.first().copied().unwrap_or(0);
        let place = places.entry((&member.name, member.episode.is_some()));
        let place = *place.or_insert_with(|| {
            families.push(Family {
                name: member.name.clone(),
                members: Vec::new(),
                lengths: Vec::new(),
                header: member.header.clone(),
            });
            families.len() - 1
        });
        let family = &mut families[place];
        if member.episode.is_some() {
            let all = family.lengths.iter().sum::<u64>().saturating_add(rows);
            family.lengths.push(rows);
            if let Some(first) = family.header.shape.first_mut() {
                *first = all;
            }
        }
        family.members.push(index);
    }
    (families, episodes)
}

impl Family {
    /// The rows of each episode, or the leading dimensions that may count rows.
    fn counts(&self, depth: usize) -> Vec<u64> {
        match self.lengths.is_empty() {
            true => self.header.shape.iter().take(depth).copied().collect(),
            false => self.lengths.clone(),
        }
    }

    pub(super) fn is_usable(&self) -> bool {
        self.header.element.is_ok() && (1..=3).contains(&self.header.shape.len())
    }
}

/// The leading dimensions that count rows: `[rows]`, or `[episodes, rows]` where the states (or
/// without any, the most arrays) have three dimensions. Arrays of what is done or earned in a step
/// say whether the states have a row more.
pub(super) fn rows_of(families: &[Family], episodes: Vec<String>, wanted: &[String]) -> Rows {
    let usable: Vec<&Family> = families
        .iter()
        .filter(|family| family.is_usable())
        .collect();
    let grouped = !episodes.is_empty();
    let of_episodes = |family: &&&Family| family.lengths.len() == episodes.len();
    let usable: Vec<&Family> = match grouped {
        true => usable.iter().filter(of_episodes).copied().collect(),
        false => usable,
    };
    let is_wanted = |family: &Family| is_wanted(&family.name, &family.header.shape, wanted);
    let reference = usable
        .iter()
        .find(|family| is_wanted(family))
        .or_else(|| {
            usable
                .iter()
                .find(|family| convention(&family.name) == Some(Convention::State))
        })
        .or_else(|| {
            let mut votes: HashMap<u64, usize> = HashMap::new();
            for family in &usable {
                *votes.entry(family.header.shape[0]).or_default() += 1;
            }
            usable.iter().max_by_key(|family| {
                let shape = &family.header.shape;
                (votes[&shape[0]], shape[0], shape.len())
            })
        });
    let Some(reference) = reference else {
        return Rows::default();
    };
    let place = families
        .iter()
        .position(|family| std::ptr::eq(family, *reference));
    let depth = match reference.header.shape.len() == 3 {
        true => 2,
        false => 1,
    };
    let counts = reference.counts(depth);
    let shorter = usable
        .iter()
        .filter(|family| is_of_steps(&family.name))
        .find_map(|family| {
            let found = family.counts(depth);
            is_shorter(&found, &counts, grouped).then_some(found)
        });
    let (plain, long) = match shorter {
        Some(shorter) => (shorter, Some(counts)),
        None => (counts, None),
    };
    let turned = long
        .as_ref()
        .is_some_and(|long| !grouped && is_step_shorter(&plain, long));
    match grouped {
        false => Rows {
            shape: plain,
            long,
            reference: place,
            turned,
            ..Rows::default()
        },
        true => Rows {
            shape: Vec::new(),
            long,
            episodes: episodes.into_iter().zip(plain).collect(),
            reference: place,
            turned: false,
        },
    }
}

/// Whether some counts of rows are those of others without the state after the last step of each
/// episode. Without an own dimension for episodes there may be several of these.
fn is_shorter(short: &[u64], long: &[u64], grouped: bool) -> bool {
    if short.len() != long.len() {
        return false;
    }
    match (short, long) {
        (&[short], &[long]) if !grouped => {
            short > 0 && short < long && long - short <= short.div_ceil(2).max(1)
        }
        (&[episodes, rows], &[others, more]) if !grouped => {
            let is_row_shorter = episodes == others && rows.checked_add(1) == Some(more);
            is_row_shorter || is_step_shorter(short, long)
        }
        _ => short
            .iter()
            .zip(long)
            .all(|(short, long)| short.checked_add(1) == Some(*long)),
    }
}

/// Whether some `[steps, environments]` are others without the last step.
fn is_step_shorter(short: &[u64], long: &[u64]) -> bool {
    match (short, long) {
        (&[short, environments], &[long, others]) => {
            environments == others && short.checked_add(1) == Some(long)
        }
        _ => false,
    }
}

/// Whether an array holds what is done or earned in a step.
fn is_of_steps(name: &str) -> bool {
    matches!(
        convention(name),
        Some(
            Convention::Action
                | Convention::Reward
                | Convention::Terminated
                | Convention::Truncated
        )
    )
}

/// Whether a name of `wanted` is that of the array or of one of its columns.
fn is_wanted(name: &str, shape: &[u64], wanted: &[String]) -> bool {
    if wanted.is_empty() {
        return false;
    }
    let width = match shape {
        [] | [_] => 0,
        [.., width] => *width,
    };
    let column = |name: String| Column {
        name,
        array: None,
        kind: Kind::Number,
    };
    let of_array = (0..width.min(MAX_COLUMNS as u64)).map(|index| format!("{name}_{index}"));
    let columns: Vec<Column> = [name.to_owned()]
        .into_iter()
        .chain(of_array)
        .map(column)
        .collect();
    wanted
        .iter()
        .any(|pattern| matching(&columns, pattern).is_ok_and(|found| !found.is_empty()))
}
