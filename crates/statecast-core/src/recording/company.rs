//! What names stand for beside others: `s2` beside `s`, `a` and `r` is the next state, `u` in front of `v` is wind.

use std::collections::HashSet;

use super::conventions::{Convention, convention, is_bare_action};
use super::flag_names::{is_vague_continuation, role_beside};
use super::source::{Column, Kind};

/// Letters of steps, which stand for something only where state, action and reward are all there.
const LETTERS: [(&str, Convention); 5] = [
    ("s", Convention::State),
    ("o", Convention::State),
    ("a", Convention::Action),
    ("r", Convention::Reward),
    ("d", Convention::Terminated),
];
/// What stands before the name of a state that is not the next one.
const CURRENT: [&str; 3] = ["cur_", "curr_", "current_"];

/// What an observation was made at.
const TIMES: [&str; 4] = ["time", "date", "datetime", "timestamp"];
/// What else is said of observations.
const ABOUT: [&str; 10] = [
    "count", "no", "nr", "num", "number", "id", "quality", "flag", "code", "status",
];

/// What the name of each column stands for beside the others.
pub(super) fn conventions_of(columns: &[Column]) -> Vec<Option<Convention>> {
    let mut called: Vec<Option<Convention>> = columns
        .iter()
        .map(|column| convention(column.family()))
        .collect();
    let names: Vec<String> = columns.iter().map(|c| lower(c.family())).collect();
    take_letters(&names, &mut called);
    take_next_states(&names, &mut called);
    take_flags_of_steps(&names, &mut called);
    for index in vague(columns, &names, &called) {
        let is_time = about_observations(&names[index]).is_some_and(|rest| TIMES.contains(&rest));
        called[index] = is_time.then_some(Convention::Time);
    }
    called
}

/// What stands after `obs_` where it says something of an observation.
fn about_observations(name: &str) -> Option<&str> {
    let mut prefixes = ["obs_", "observation_"].iter();
    let rest = prefixes.find_map(|prefix| name.strip_prefix(prefix))?;
    (TIMES.contains(&rest) || ABOUT.contains(&rest)).then_some(rest)
}

/// Names of columns that would be states or actions, were there anything else of a recording of control, so that
/// every number is a state.
pub(super) fn set_aside(columns: &[Column], called: &[Option<Convention>]) -> Vec<String> {
    let own = |column: &Column| convention(column.family());
    let roles = [Some(Convention::State), Some(Convention::Action)];
    columns
        .iter()
        .zip(called)
        .filter(|(column, called)| {
            column.kind == Kind::Number && called.is_none() && roles.contains(&own(column))
        })
        .map(|(column, _)| column.name.clone())
        .collect()
}

fn lower(name: &str) -> String {
    name.trim().to_ascii_lowercase()
}

/// `obs_3` as `obs` and `_3`.
fn component(name: &str) -> (&str, &str) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    match stem.strip_suffix('_') {
        Some(stem) if !stem.is_empty() && stem.len() + 1 < name.len() => name.split_at(stem.len()),
        _ => (name, ""),
    }
}

fn take_letters(names: &[String], called: &mut [Option<Convention>]) {
    let role = |name: &str| {
        let (letter, _) = component(name);
        let known = LETTERS.iter().find(|(known, _)| *known == letter);
        known.map(|(_, role)| *role)
    };
    let roles: Vec<Option<Convention>> = names.iter().map(|name| role(name)).collect();
    let needed = [Convention::State, Convention::Action, Convention::Reward];
    if !needed.iter().all(|need| roles.contains(&Some(*need))) {
        return;
    }
    for (called, role) in called.iter_mut().zip(roles) {
        *called = role.or(*called);
    }
}

fn take_next_states(names: &[String], called: &mut [Option<Convention>]) {
    for (name, called) in names.iter().zip(&mut *called) {
        let current = CURRENT.iter().find_map(|prefix| name.strip_prefix(prefix));
        if current.is_some_and(|rest| convention(rest) == Some(Convention::State)) {
            *called = Some(Convention::State);
        }
    }
    let is_control = called
        .iter()
        .any(|role| matches!(role, Some(Convention::Action | Convention::Reward)));
    let states: HashSet<String> = names
        .iter()
        .zip(&*called)
        .filter(|(_, role)| **role == Some(Convention::State))
        .flat_map(|(name, _)| spellings(name))
        .collect();
    for (name, called) in names.iter().zip(called) {
        let known = |(state, sure): &(String, bool)| {
            (*sure || is_control) && *state != *name && states.contains(state)
        };
        if followed(name).iter().any(known) {
            *called = Some(Convention::Successor);
        }
    }
}

/// Flags are believed under names like `masks` and `last` beside actions and rewards only.
fn take_flags_of_steps(names: &[String], called: &mut [Option<Convention>]) {
    let [action, reward] =
        [Convention::Action, Convention::Reward].map(|role| called.contains(&Some(role)));
    let mut masked = false;
    for (name, called) in names.iter().zip(&mut *called) {
        if let Some(role) = role_beside(name, action, reward) {
            masked |= is_vague_continuation(name);
            *called = Some(role);
        } else if name == "step_type" && action && reward {
            *called = Some(Convention::Restart);
        }
    }
    // Beside a mask of true ends they have those of time limits, too.
    for (name, called) in names.iter().zip(called) {
        if masked && matches!(name.as_str(), "dones_float" | "done_float") {
            *called = Some(Convention::Truncated);
        }
    }
}

/// Columns whose names prove nothing alone: wind, counts of observations, numbers beside actual ones.
fn vague(columns: &[Column], names: &[String], called: &[Option<Convention>]) -> Vec<usize> {
    use Convention::*;
    let all = || columns.iter().zip(names).zip(called).enumerate();
    let is_recording = all().any(|(_, ((column, name), role))| match role {
        Some(Action) => !is_bare_action(name) && !matches!(name.as_str(), "act" | "acts"),
        Some(State) => column.array.is_some(),
        Some(Reward | Episode | Terminated | Truncated | Restart | Successor | LogProbability) => {
            true
        }
        _ => false,
    });
    if is_recording {
        return Vec::new();
    }
    let is_wind = |index: usize| {
        let rest = names[index].strip_prefix('u');
        let beside = names.get(index + 1).and_then(|name| name.strip_prefix('v'));
        rest.is_some() && rest == beside
    };
    let mut found: Vec<usize> = (0..names.len()).filter(|&index| is_wind(index)).collect();
    let states: Vec<usize> = all()
        .filter(|(_, (_, role))| **role == Some(State))
        .map(|(index, _)| index)
        .collect();
    let has_actions =
        all().any(|(index, (_, role))| *role == Some(Action) && !found.contains(&index));
    let others =
        all().any(|(_, ((column, _), role))| column.kind == Kind::Number && role.is_none());
    if states.is_empty() && others {
        let acts = all().filter(|(_, ((_, name), _))| matches!(name.as_str(), "act" | "acts"));
        found.extend(acts.map(|(index, _)| index));
    }
    let is_vague = |&index: &usize| {
        let name = names[index].as_str();
        let rest = name.strip_prefix("state_").unwrap_or_default();
        let of_something = rest.starts_with(|c: char| c.is_ascii_alphabetic());
        let numbered = |prefix: &str| {
            name.strip_prefix(prefix)
                .is_some_and(|rest| rest.parse::<u32>().is_ok())
        };
        matches!(name, "obs" | "state" | "observation")
            || of_something
            || numbered("s")
            || numbered("obs")
            || about_observations(name).is_some()
    };
    if !has_actions && others && states.iter().all(is_vague) {
        found.extend(states);
    }
    found
}

/// Names of states that are spelled so.
pub(super) fn spellings(state: &str) -> Vec<String> {
    let state = lower(state);
    let without = ["obs_", "state_", "observation_"].iter().chain(&CURRENT);
    let without = without.filter_map(|prefix| state.strip_prefix(prefix));
    let mut all: Vec<String> = without.map(str::to_owned).collect();
    all.insert(0, state);
    all
}

/// The states that one of such a name may follow, and whether its name says so by itself.
pub(super) fn followed(name: &str) -> Vec<(String, bool)> {
    let name = lower(name);
    let (stem, component) = component(&name);
    let sure = [
        stem.strip_prefix("next_"),
        stem.strip_prefix("new_"),
        stem.strip_suffix("_next"),
        stem.strip_suffix("_prime"),
    ];
    let letter = |stem: &&str| matches!(*stem, "s" | "o");
    let unsure = [
        stem.strip_suffix('2'),
        stem.strip_suffix('\''),
        stem.strip_suffix('_'),
        stem.strip_suffix('p').filter(letter),
    ];
    let of = |stems: [Option<&str>; 4], sure: bool| {
        stems
            .into_iter()
            .flatten()
            .filter(|stem| !stem.is_empty())
            .map(move |stem| (format!("{stem}{component}"), sure))
            .collect::<Vec<_>>()
    };
    [of(sure, true), of(unsure, false)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(names: &[&str]) -> Vec<Option<Convention>> {
        let columns = names.iter().map(|name| Column {
            name: (*name).to_owned(),
            array: None,
            kind: Kind::Number,
        });
        conventions_of(&columns.collect::<Vec<_>>())
    }

    /// Fault: next states under other usual names became states.
    #[test]
    fn next_states_are_those_beside_states() {
        for names in [
            ["obs", "act", "rew", "obs2"],
            ["obs", "act", "rew", "obs_next"],
            ["obs_0", "act", "rew", "obs2_0"],
            ["s", "a", "r", "s2"],
            ["s", "a", "r", "sp"],
            ["s", "a", "r", "s_next"],
            ["s_0", "a_0", "r", "s'_0"],
            ["o", "a", "r", "o2"],
            ["cur_state", "action", "reward", "new_state"],
            ["state", "action", "reward", "state_next"],
            ["states", "actions", "rewards", "states_"],
            ["observation", "action", "reward", "observation_next"],
        ] {
            use Convention::*;
            let roles = [State, Action, Reward, Successor].map(Some);
            assert_eq!(called(&names), roles, "{names:?}");
        }
        assert_eq!(called(&["s", "a", "b"]), [None, None, None]);
        assert_eq!(
            called(&["obs_0", "obs_1", "obs_2"]),
            [Some(Convention::State); 3]
        );
    }

    /// Fault: wind became an action, and a count of observations the only state.
    #[test]
    fn vague_names_prove_nothing_alone() {
        for names in [
            &["u10", "v10", "t2m"][..],
            &["u", "v", "temp"],
            &["act", "pred"],
            &["obs", "mean", "sd"],
            &["state", "power", "temp"],
            &["s1", "s2", "temp"],
            &["state_of_charge", "current"],
            &["obs_count", "temp"],
            &["Observation", "temp"],
        ] {
            assert!(called(names).iter().all(Option::is_none), "{names:?}");
        }
        assert_eq!(called(&["obs_time", "temp"])[0], Some(Convention::Time));
        assert_eq!(called(&["obs_time", "obs_x"])[0], Some(Convention::State));
        assert_eq!(called(&["x", "v", "u"])[2], Some(Convention::Action));
        assert_eq!(called(&["u", "v", "reward"])[0], Some(Convention::Action));
        assert_eq!(called(&["s1", "s2"])[0], Some(Convention::State));
    }
}
