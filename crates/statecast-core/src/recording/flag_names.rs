//! Names of flags of episodes and what they say.

use super::conventions::Convention;
use super::spelling::plain;

/// What a flag that is set says of its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// The system ended.
    Ended,
    /// The same beside a flag of time limits; alone it may be one.
    EndedBesideLimits,
    /// The episode is over, by itself or by a time limit.
    Over,
    /// The episode is not over.
    GoesOn,
    /// The system did not end: it is set at a time limit.
    NotEnded,
    /// The recording stopped and the system went on.
    CutOff,
    /// An episode begins.
    Begins,
}

/// When a name is believed to be that of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Always,
    /// Beside something called like an action or a reward.
    OfControl,
    /// Beside an action and a reward.
    OfSteps,
}

/// The names, the first of which wins where a file has several of one role.
const FLAGS: &[(Says, Trust, &[&str])] = &[
    (
        Says::Ended,
        Trust::Always,
        &["terminated", "term", "terms", "terminateds", "terminations"],
    ),
    (
        Says::EndedBesideLimits,
        Trust::Always,
        &["terminal", "terminals"],
    ),
    (
        Says::Ended,
        Trust::Always,
        &["is_terminal", "is_terminated", "absorbing", "is_absorbing"],
    ),
    (
        Says::Over,
        Trust::Always,
        &[
            "done",
            "dones",
            "next.done",
            "is_done",
            "done_flag",
            "is_last",
            "dones_float",
            "done_float",
            "episode_done",
            "ep_done",
            "episode_end",
            "end_of_episode",
            "game_over",
        ],
    ),
    (
        Says::GoesOn,
        Trust::Always,
        &[
            "not_done",
            "not_dones",
            "nonterminal",
            "nonterminals",
            "non_terminal",
            "non_terminals",
        ],
    ),
    (
        Says::Over,
        Trust::OfControl,
        &["last", "end", "final", "finished"],
    ),
    (Says::GoesOn, Trust::OfSteps, &["continue", "continues"]),
    // The values of states after a step are multiplied by them.
    (
        Says::NotEnded,
        Trust::OfSteps,
        &["mask", "masks", "discount", "discounts"],
    ),
    (
        Says::CutOff,
        Trust::Always,
        &[
            "truncated",
            "trunc",
            "truncs",
            "truncateds",
            "truncations",
            "timeout",
            "timeouts",
            "is_truncated",
            "episode_terminals",
        ],
    ),
    (
        Says::Begins,
        Trust::Always,
        &[
            "restart",
            "reset",
            "is_first",
            "episode_start",
            "episode_starts",
            "new_episode",
            "is_new_episode",
        ],
    ),
    (Says::Begins, Trust::OfControl, &["first"]),
];

impl Says {
    fn role(self) -> Convention {
        match self {
            Self::CutOff => Convention::Truncated,
            Self::Begins => Convention::Restart,
            _ => Convention::Terminated,
        }
    }
}

fn found(name: &str) -> Option<(Says, Trust)> {
    let known = FLAGS.iter().find(|(.., names)| names.contains(&name))?;
    Some((known.0, known.1))
}

/// What a flag of such a name, as the lists have it, says.
pub(super) fn says(plain_name: &str) -> Option<Says> {
    found(plain_name).map(|(says, _)| says)
}

/// The role of a flag whose name, as the lists have it, nothing else has.
pub(super) fn role(plain_name: &str) -> Option<Convention> {
    let (says, trust) = found(plain_name)?;
    (trust == Trust::Always).then(|| says.role())
}

/// The role of a flag that is believed beside actions and rewards, or one of these.
pub(super) fn role_beside(name: &str, action: bool, reward: bool) -> Option<Convention> {
    let (says, trust) = found(&plain(name))?;
    let believed = match trust {
        Trust::Always => says == Says::GoesOn && action && reward,
        Trust::OfControl => action || reward,
        Trust::OfSteps => action && reward,
    };
    believed.then(|| says.role())
}

/// Whether a flag is set where an episode is over, by itself or by a time limit.
pub(super) fn is_end_of_episode(name: &str) -> bool {
    says(&plain(name)) == Some(Says::Over)
}

/// Whether a flag is set in steps after which the run continues.
pub(super) fn is_continuation(name: &str) -> bool {
    matches!(says(&plain(name)), Some(Says::GoesOn | Says::NotEnded))
}

/// Whether a name of such a flag may also be that of other numbers, as `discount`.
pub(super) fn is_vague_continuation(name: &str) -> bool {
    found(&plain(name)).is_some_and(|(_, trust)| trust == Trust::OfSteps)
}

/// Whether a name of a flag may also be that of a quantity, as `term` of a bond and `last` of a price.
pub(super) fn is_vague_flag(name: &str) -> bool {
    let name = plain(name);
    let of_control = found(&name).is_some_and(|(_, trust)| trust == Trust::OfControl);
    of_control || matches!(name.as_str(), "term" | "terms" | "trunc" | "truncs")
}

/// Position of a name among those of its role.
pub(super) fn rank(plain_name: &str) -> usize {
    let mut names = FLAGS.iter().flat_map(|(.., names)| names.iter());
    names
        .position(|known| *known == plain_name)
        .unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault: usual names of ends and beginnings were of no use.
    #[test]
    fn flags_are_known_by_their_names() {
        use Convention::*;
        for (name, flag) in [
            ("absorbing", Some(Terminated)),
            ("is_done", Some(Terminated)),
            ("is_terminated", Some(Terminated)),
            ("episode_end", Some(Terminated)),
            ("game_over", Some(Terminated)),
            ("done_flag", Some(Terminated)),
            ("not_done", Some(Terminated)),
            ("new_episode", Some(Restart)),
            ("timeouts", Some(Truncated)),
            ("last", None),
            ("mask", None),
        ] {
            assert_eq!(role(name), flag, "{name}");
        }
        for (name, alone, both) in [
            ("last", Some(Terminated), Some(Terminated)),
            ("end", Some(Terminated), Some(Terminated)),
            ("final", Some(Terminated), Some(Terminated)),
            ("first", Some(Restart), Some(Restart)),
            ("mask", None, Some(Terminated)),
        ] {
            assert_eq!(role_beside(name, true, false), alone, "{name}");
            assert_eq!(role_beside(name, true, true), both, "{name}");
            assert_eq!(role_beside(name, false, false), None, "{name}");
        }
    }
}
