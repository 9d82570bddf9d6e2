//! Which part of the path of an array names its episode, in files that have a group for each.

use std::collections::{BTreeMap, BTreeSet};

use super::conventions::{Convention, convention};

/// Names of groups that are an episode each, even where there is only one.
const EPISODES: [&str; 7] = [
    "episode",
    "ep",
    "demo",
    "traj",
    "trajectory",
    "rollout",
    "run",
];

/// The names of a path that come before those of an episode, and before those of its arrays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    parent: Vec<String>,
    below: usize,
}

impl Place {
    /// Where episodes are in the paths of arrays: groups that are numbered alike, or hold arrays of the same names.
    pub(super) fn of(paths: &[Vec<String>]) -> Option<Self> {
        let parent = numbered_parent(paths).or_else(|| alike_parent(paths))?;
        let start = parent.len();
        let mut place = Self {
            below: start + 1,
            parent,
        };
        // Groups of episodes, such as tasks, may have one group an episode again.
        let inside: Vec<&Vec<String>> = paths.iter().filter(|path| place.holds(path)).collect();
        let again = |path: &&Vec<String>| is_episode(&path[start + 1..]);
        if inside.iter().all(again) {
            place.below += 1;
        }
        Some(place)
    }

    fn holds(&self, path: &[String]) -> bool {
        path.len() > self.below && path.starts_with(&self.parent)
    }

    /// The episode and the name of an array.
    pub(super) fn split(&self, path: &[String]) -> (Option<String>, String) {
        match self.holds(path) {
            true => (
                Some(path[self.parent.len()..self.below].join("/")),
                path[self.below..].join("/"),
            ),
            false => (None, path.join("/")),
        }
    }

    /// What puts episodes in order: by their numbers, or else by their names.
    pub(super) fn order(&self, path: &[String]) -> Vec<(Option<u64>, String)> {
        let names = path.get(self.parent.len()..self.below).unwrap_or_default();
        let key = |name: &String| (numbered(name).map(|(_, number)| number), name.clone());
        names.iter().map(key).collect()
    }
}

/// Whether a path begins with the numbered group of an episode.
fn is_episode(path: &[String]) -> bool {
    let stem = path.first().and_then(|name| numbered(name));
    let known = |(stem, _): (&str, u64)| EPISODES.contains(&stem.to_ascii_lowercase().as_str());
    path.len() > 1 && stem.is_some_and(known)
}

/// The path of groups that are numbered alike, with a state or an action in one of them or called like episodes.
fn numbered_parent(paths: &[Vec<String>]) -> Option<Vec<String>> {
    /// Stems of the names of some groups, none where a name has no number; whether one holds what is known.
    type Stems<'p> = (Vec<Option<&'p str>>, bool);
    let mut parents: BTreeMap<(usize, &[String]), Stems> = BTreeMap::new();
    for path in paths {
        for depth in 0..path.len() - 1 {
            let (stems, known) = parents.entry((depth, &path[..depth])).or_default();
            stems.push(numbered(&path[depth]).map(|(stem, _)| stem));
            let role = convention(&path[depth + 1]);
            *known |= matches!(role, Some(Convention::State | Convention::Action))
                || is_episode(&path[depth + 1..]);
        }
    }
    let is_parent = |(stems, known): &Stems| {
        let first = stems.first().copied().flatten();
        let alike = first.is_some() && stems.iter().all(|stem| *stem == first);
        let named =
            first.is_some_and(|stem| EPISODES.contains(&stem.to_ascii_lowercase().as_str()));
        alike && (*known || named)
    };
    let mut parents = parents.iter().filter(|(_, stems)| is_parent(stems));
    parents.next().map(|((_, path), _)| path.to_vec())
}

/// The path of two groups or more that hold arrays of the same names, one of them that of a state, an action or a reward.
fn alike_parent(paths: &[Vec<String>]) -> Option<Vec<String>> {
    type Groups<'p> = BTreeMap<&'p String, BTreeSet<&'p [String]>>;
    let mut parents: BTreeMap<(usize, &[String]), Groups> = BTreeMap::new();
    for path in paths {
        for depth in 0..path.len() - 1 {
            let groups = parents.entry((depth, &path[..depth])).or_default();
            groups
                .entry(&path[depth])
                .or_default()
                .insert(&path[depth + 1..]);
        }
    }
    let is_known = |path: &&[String]| {
        use Convention::{Action, Reward, State};
        matches!(convention(&path[0]), Some(State | Action | Reward))
    };
    let is_parent = |groups: &Groups| {
        let mut members = groups.values();
        let Some(first) = members.next() else {
            return false;
        };
        groups.len() > 1 && members.all(|other| other == first) && first.iter().any(is_known)
    };
    let mut parents = parents.iter().filter(|(_, groups)| is_parent(groups));
    parents.next().map(|((_, path), _)| path.to_vec())
}

/// `demo_12` as its stem and its number.
fn numbered(name: &str) -> Option<(&str, u64)> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = name[stem.len()..].parse().ok()?;
    Some((stem.trim_end_matches(['_', '-', ' ']), number))
}

/// Where episodes are among the keys of a file without groups, and these as paths: `run_a/obs`, `ep0_obs`, and
/// `episode_3` alone for the states of an episode.
pub(super) fn of_keys<'k>(
    keys: impl Iterator<Item = &'k str>,
) -> Option<(Place, Vec<Vec<String>>)> {
    let paths: Vec<Vec<String>> = keys.map(path_of_key).collect();
    let place = Place::of(&paths)?;
    let named: BTreeSet<String> = paths
        .iter()
        .filter_map(|path| place.split(path).0)
        .collect();
    (named.len() > 1).then_some((place, paths))
}

fn path_of_key(key: &str) -> Vec<String> {
    if key.contains('/') {
        return key.split('/').map(str::to_owned).collect();
    }
    let is_prefix = |prefix: &str| {
        let stem = numbered(prefix).map(|(stem, _)| stem.to_ascii_lowercase());
        stem.is_some_and(|stem| EPISODES.contains(&stem.as_str()))
    };
    if is_prefix(key) {
        return vec![key.to_owned(), "state".to_owned()];
    }
    let mut splits = key.match_indices('_').map(|(at, _)| key.split_at(at));
    match splits.find(|(prefix, _)| is_prefix(prefix)) {
        Some((prefix, rest)) => vec![prefix.to_owned(), rest[1..].to_owned()],
        None => vec![key.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault: episodes of groups of any name became columns side by side, those of tasks other arrays.
    #[test]
    fn groups_of_the_same_arrays_are_episodes() {
        for (keys, episodes) in [
            (
                &["left/obs", "left/actions", "right/obs", "right/actions"][..],
                &["left", "right"][..],
            ),
            (
                &[
                    "task_0/traj_0/obs",
                    "task_0/traj_1/obs",
                    "task_1/traj_0/obs",
                ],
                &["task_0/traj_0", "task_0/traj_1", "task_1/traj_0"],
            ),
            (
                &["ep0_obs", "ep0_act", "ep1_obs", "ep1_act"],
                &["ep0", "ep1"],
            ),
            (&["episode_0", "episode_1"], &["episode_0", "episode_1"]),
            (&["obs/left", "obs/right", "action/left"], &[]),
            (&["obs", "actions"], &[]),
            (&["run1", "pressure"], &[]),
        ] {
            let found = of_keys(keys.iter().copied()).into_iter();
            let named = found.flat_map(|(place, paths)| {
                let of_path = |path: &Vec<String>| place.split(path).0;
                paths.iter().filter_map(of_path).collect::<Vec<_>>()
            });
            let mut named: Vec<String> = named.collect();
            named.dedup();
            assert_eq!(named, episodes, "{keys:?}");
        }
    }
}
