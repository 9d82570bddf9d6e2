//! What a column is by the name people give it.
//!
//! Names of Gymnasium recordings, D4RL files and control data loggers. Matching ignores case.

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Convention {
    /// Part of the state.
    State,
    /// Part of the action.
    Action,
    /// The reward.
    Reward,
    /// Label of the episode.
    Episode,
    /// Flag: the run ended for good.
    Terminated,
    /// Flag: the recording stopped, the system went on.
    Truncated,
    /// Flag: an episode starts in this row.
    Restart,
    /// Time, row number, date or identifier.
    Index,
    /// State after the step: the next row has it.
    Successor,
    /// Log density with which the recorded policy took the action.
    LogProbability,
    /// Kept by the recorder, not part of the system.
    Bookkeeping,
}

// The first name of a list wins where a file has several of them.
const REWARD: &[&str] = &["reward", "rewards", "rew"];
const EPISODE: &[&str] = &[
    "episode",
    "episode_id",
    "episode_index",
    "unique_id",
    "trajectory_id",
    "traj_id",
    "run_id",
];
const TERMINATED: &[&str] = &[
    "terminated",
    "terminations",
    "terminal",
    "terminals",
    "is_terminal",
    "done",
    "dones",
];
const TRUNCATED: &[&str] = &[
    "truncated",
    "truncations",
    "timeout",
    "timeouts",
    "is_truncated",
];
const LOG_PROBABILITY: &[&str] = &[
    "log_prob",
    "log_probs",
    "logp",
    "action_log_prob",
    "action_log_probs",
    "behavior_log_prob",
    "behaviour_log_prob",
];
const RESTART: &[&str] = &["restart", "reset", "is_first", "episode_start"];
const INDEX: &[&str] = &[
    "t",
    "ts",
    "time",
    "times",
    "timestamp",
    "timestamps",
    "timestep",
    "timesteps",
    "time_step",
    "step",
    "steps",
    "index",
    "idx",
    "row",
    "id",
    "date",
    "datetime",
];
const BOOKKEEPING: &[&str] = &["seed", "seeds", "episode_starts", "initial_state"];

/// What `name` stands for, if it follows a convention.
pub(super) fn convention(name: &str) -> Option<Convention> {
    use Convention::*;
    let name = name.trim().to_ascii_lowercase();
    let name = name.as_str();
    let singles = [
        (REWARD, Reward),
        (EPISODE, Episode),
        (TERMINATED, Terminated),
        (TRUNCATED, Truncated),
        (RESTART, Restart),
        (LOG_PROBABILITY, LogProbability),
        (INDEX, Index),
        (BOOKKEEPING, Bookkeeping),
    ];
    if let Some((_, role)) = singles.iter().find(|(names, _)| names.contains(&name)) {
        return Some(*role);
    }
    if name.starts_with("next_") {
        return Some(Successor);
    }
    if matches!(name, "obs" | "state" | "states")
        || ["obs_", "observation", "state_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        || ["obs", "s"].iter().any(|prefix| numbered(name, prefix))
    {
        return Some(State);
    }
    if matches!(name, "act")
        || ["act_", "action", "u_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        || ["a", "u"].iter().any(|prefix| numbered(name, prefix))
    {
        return Some(Action);
    }
    if name.ends_with("_ts") || name.ends_with("_id") {
        return Some(Index);
    }
    None
}

/// Position of `name` among the names for a single-column role: lower is more usual.
pub(super) fn rank(role: Convention, name: &str) -> usize {
    let names = match role {
        Convention::Reward => REWARD,
        Convention::Episode => EPISODE,
        Convention::Terminated => TERMINATED,
        Convention::Truncated => TRUNCATED,
        Convention::Restart => RESTART,
        Convention::LogProbability => LOG_PROBABILITY,
        _ => return 0,
    };
    let name = name.trim().to_ascii_lowercase();
    names
        .iter()
        .position(|known| *known == name)
        .unwrap_or(names.len())
}

fn numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|character| character.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_recordings_are_known() {
        use Convention::*;
        let cases = [
            ("obs_theta_dot", Some(State)),
            ("Observations", Some(State)),
            ("state_0", Some(State)),
            ("s12", Some(State)),
            ("act_torque", Some(Action)),
            ("actions", Some(Action)),
            ("a0", Some(Action)),
            ("u_valve", Some(Action)),
            ("rewards", Some(Reward)),
            ("unique_id", Some(Episode)),
            ("terminals", Some(Terminated)),
            ("timeouts", Some(Truncated)),
            ("restart", Some(Restart)),
            ("fake_ts", Some(Index)),
            ("epoch_id", Some(Index)),
            ("Timestamp", Some(Index)),
            ("next_obs", Some(Successor)),
            ("action_log_prob", Some(LogProbability)),
            ("seed", Some(Bookkeeping)),
        ];
        for (name, role) in cases {
            assert_eq!(convention(name), role, "{name}");
        }
    }

    #[test]
    fn names_of_quantities_are_left_alone() {
        for name in [
            "speed",
            "sun",
            "a",
            "u",
            "uEst",
            "area",
            "CO2%",
            "x_position",
            "accel",
            "obstacle",
            "s",
            "status",
        ] {
            assert_eq!(convention(name), None, "{name}");
        }
    }

    #[test]
    fn the_more_usual_name_ranks_first() {
        assert!(rank(Convention::Episode, "episode") < rank(Convention::Episode, "Unique_ID"));
        assert!(rank(Convention::Terminated, "terminated") < rank(Convention::Terminated, "done"));
    }
}
