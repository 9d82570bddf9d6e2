//! The role of a column by the name people give it.
//!
//! Names of Gymnasium recordings, D4RL files, training loggers, control data loggers and tables of
//! series. Names of times are in `time_names`, of flags in `flag_names`, how names are spelled alike in `spelling`.

use super::flag_names;
use super::spelling::{field, plain};
use super::time_names::{has_other_unit, is_ambiguous, part_of_stamp, time_place};

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Convention {
    /// Part of the state.
    State,
    /// Part of the action.
    Action,
    /// The reward.
    Reward,
    /// Label of the episode or of the series.
    Episode,
    /// What may tell series apart: it does where the time would go back otherwise.
    Series,
    /// Flag: the run ended for good.
    Terminated,
    /// Flag: the recording stopped, the system went on.
    Truncated,
    /// Flag: an episode starts in this row.
    Restart,
    /// Time: a clock, a date, a counter of steps or rows.
    Time,
    /// State after the step: the next row has it.
    Successor,
    /// Log density with which the recorded policy took the action.
    LogProbability,
    /// Kept by the recorder, not part of the system.
    Bookkeeping,
}

// The first name of a list wins where a file has several of them.
const REWARD: &[&str] = &["reward", "rewards", "rew", "rews", "next.reward"];
const EPISODE: &[&str] = &[
    "episode",
    "episode_id",
    "episode_index",
    "episode_idx",
    "episode_number",
    "episode_num",
    "episode_no",
    "eps_id",
    "ep_id",
    "unique_id",
    "item_id",
    "series_id",
    "trajectory_id",
    "traj_id",
    "traj_idx",
    "traj_index",
    "traj_no",
    "trajectory_idx",
    "trajectory_index",
    "trajectory_no",
    "rollout_idx",
    "rollout_index",
    "ep_idx",
    "ep_index",
    "episode_ids",
    "traj_ids",
    "run_id",
    "rollout_id",
    "trial_id",
    "experiment_id",
    "session_id",
    "sequence_id",
    "subject_id",
    "vehicle_id",
    "unit_number",
    "engine_id",
    "trial_num",
    "subject_no",
];
/// Names of episodes that may also be those of quantities.
const VAGUE_EPISODE: &[&str] = &[
    "ep",
    "trajectory",
    "traj",
    "series",
    "series_name",
    "run",
    "run_name",
    "rollout",
    "trial",
    "experiment",
    "session",
    "subject",
    "vehicle",
];
const SERIES: &[&str] = &[
    "id",
    "agent_index",
    "agent",
    "env_index",
    "worker_index",
    "machine",
    "device",
    "unit",
];
/// Things of which several run at once, each with episodes of its own.
const ENVIRONMENTS: &[&str] = &[
    "env",
    "env_id",
    "env_idx",
    "env_index",
    "env_num",
    "env_no",
    "env_number",
    "environment",
    "environment_id",
    "worker",
    "worker_id",
    "worker_idx",
    "worker_index",
    "actor_id",
    "actor_idx",
    "actor_index",
    "agent",
    "agent_id",
    "agent_idx",
    "agent_index",
];
const LOG_PROBABILITY: &[&str] = &[
    "log_prob",
    "log_probs",
    "logp",
    "action_log_prob",
    "action_log_probs",
    "action_logp",
    "action_logprob",
    "logprob",
    "logprobs",
    "log_pi",
    "old_log_prob",
    "behavior_log_prob",
    "behaviour_log_prob",
];
/// Names of probabilities of the actions taken.
const PROBABILITY: &[&str] = &[
    "action_prob",
    "action_probability",
    "prob",
    "propensity",
    "propensity_score",
    "pscore",
    "behavior_prob",
    "behaviour_prob",
];
const BOOKKEEPING: &[&str] = &[
    "seed",
    "seeds",
    "initial_state",
    "info",
    "infos",
    "vf_preds",
    "advantage",
    "advantages",
    "value_targets",
    "unroll_id",
    "task",
    "task_id",
    "task_index",
    "next.success",
    "prev_action",
    "prev_actions",
    "prev_reward",
    "prev_rewards",
    "batch_indexes",
    "total_steps",
    "neglogp",
    "neglogpac",
    "time_this_iter_s",
    "pad_mask",
    "padding_mask",
    "is_pad",
    "is_padding",
    "is_padded",
    "discount",
    "discounts",
];
const ACTIONS: &[&str] = &["act", "acts"];
/// Names of actions that measured quantities may have too.
const BARE_ACTIONS: &[&str] = &[
    "u", "torque", "torques", "tau", "throttle", "ctrl", "cmd", "command", "commands",
];
/// What is said of actions without being one.
const ABOUT_ACTIONS: &[&str] = &[
    "prob",
    "probs",
    "probability",
    "probabilities",
    "dist",
    "logits",
    "mask",
    "masks",
    "entropy",
    "pad",
    "is_pad",
    "value",
    "values",
    "space",
];

/// What `name` stands for, if it follows a convention.
pub(super) fn convention(name: &str) -> Option<Convention> {
    use Convention::*;
    let other_unit = has_other_unit(name);
    let name = plain(name);
    let name = name.as_str();
    let is_time = time_place(name).is_some() && !(other_unit && is_ambiguous(name));
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    let singles = [
        (REWARD, Reward),
        (EPISODE, Episode),
        (VAGUE_EPISODE, Episode),
        (LOG_PROBABILITY, LogProbability),
        (BOOKKEEPING, Bookkeeping),
        (SERIES, Series),
        (ACTIONS, Action),
        (BARE_ACTIONS, Action),
    ];
    let single = |name: &str| {
        let known = singles.iter().find(|(names, _)| names.contains(&name));
        known
            .map(|(_, role)| *role)
            .or_else(|| flag_names::role(name))
    };
    if let Some(role) = single(name) {
        return Some(role);
    }
    // Fields of structs and of objects, such as `run.reward`.
    if let Some(role @ (Reward | Terminated | Truncated)) = single(field(name)) {
        return Some(role);
    }
    // A frame of reference, not one of a film.
    if name.ends_with("header.frame_id") {
        return Some(Bookkeeping);
    }
    let is_stamp = || part_of_stamp(name).is_some_and(|(_, of)| of.ends_with("stamp."));
    if is_time || name.ends_with("_-__step") || is_stamp() {
        return Some(Time);
    }
    if starts(&["next_", "next.", "new_obs"]) {
        return Some(Successor);
    }
    if starts(&["state_in", "state_out"]) || ends(&["__min", "__max"]) {
        return Some(Bookkeeping);
    }
    if matches!(name, "obs" | "state" | "states")
        || starts(&[
            "obs_",
            "obs.",
            "obs/",
            "observation",
            "state_",
            "state.",
            "state/",
        ])
        || ["obs", "s"].iter().any(|prefix| numbered(name, prefix))
    {
        return Some(State);
    }
    if is_about_actions(name) {
        return Some(Bookkeeping);
    }
    if starts(&["act_", "action", "u_", "ctrl_", "cmd_"])
        || ends(&["_cmd", "_ctrl"])
        || numbered(name, "a")
        || is_numbered_action(name)
    {
        return Some(Action);
    }
    name.ends_with("_id").then_some(Series)
}

/// `action_prob`, `action_dist_inputs`: what is said of actions.
fn is_about_actions(name: &str) -> bool {
    let about = ["action_", "actions_", "act_"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix));
    about.is_some_and(|about| {
        ABOUT_ACTIONS.iter().any(|word| {
            let rest = about.strip_prefix(word);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        })
    })
}

/// `u1`, `torque_2`: an action of several.
fn is_numbered_action(name: &str) -> bool {
    BARE_ACTIONS.iter().any(|known| {
        numbered(name, known) || name.strip_prefix(known).is_some_and(|r| numbered(r, "_"))
    })
}

/// Whether an action is called as a measured quantity may be too, such as `u` or `torque`.
pub(super) fn is_bare_action(name: &str) -> bool {
    let name = plain(name);
    BARE_ACTIONS.contains(&name.as_str()) || is_numbered_action(&name)
}

/// Whether a column says of itself that it tells episodes apart.
pub(super) fn is_called_episode(name: &str) -> bool {
    plain(name).starts_with("ep")
}

/// Whether a column has the seed of a run.
pub(super) fn is_seed(name: &str) -> bool {
    matches!(plain(name).as_str(), "seed" | "seeds")
}

/// Whether a column is called like the probability of the action taken.
pub(super) fn is_probability(name: &str) -> bool {
    PROBABILITY.contains(&plain(name).as_str())
}

/// Whether a name of episodes may also be that of a quantity, as `trial`.
pub(super) fn is_vague_episode(name: &str) -> bool {
    VAGUE_EPISODE.contains(&plain(name).as_str())
}

/// Whether a column is called like the number of an environment, or of what acts in one.
pub(super) fn is_environment(name: &str) -> bool {
    ENVIRONMENTS.contains(&plain(name).as_str())
}

/// Position of `name` among the names for a single-column role: lower is more usual.
pub(super) fn rank(role: Convention, name: &str) -> usize {
    let name = plain(name);
    let names = match role {
        Convention::Reward => REWARD,
        Convention::Episode => EPISODE,
        Convention::Terminated | Convention::Truncated | Convention::Restart => {
            return flag_names::rank(&name);
        }
        Convention::LogProbability => LOG_PROBABILITY,
        _ => return 0,
    };
    let vague = || names.len() + VAGUE_EPISODE.iter().take_while(|n| **n != name).count();
    names
        .iter()
        .position(|known| *known == name)
        .unwrap_or_else(vague)
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
            ("fake_ts", Some(Time)),
            ("epoch_id", Some(Time)),
            ("Timestamp", Some(Time)),
            ("next_obs", Some(Successor)),
            ("action_log_prob", Some(LogProbability)),
            ("traj_idx", Some(Episode)),
            ("trajectory_index", Some(Episode)),
            ("term", Some(Terminated)),
            ("trunc", Some(Truncated)),
            ("padding_mask", Some(Bookkeeping)),
            ("seed", Some(Bookkeeping)),
            ("gear_id", Some(Series)),
        ];
        for (name, role) in cases {
            assert_eq!(convention(name), role, "{name}");
        }
    }

    #[test]
    fn what_is_said_of_actions_is_no_action() {
        use Convention::*;
        for (name, role) in [
            ("action_prob", Bookkeeping),
            ("action_dist", Bookkeeping),
            ("action_dist_inputs", Bookkeeping),
            ("action_mask", Bookkeeping),
            ("action_logits", Bookkeeping),
            ("action_logp", LogProbability),
            ("action_log_probs", LogProbability),
            ("action_masking_tape", Action),
            ("action_is_pad", Bookkeeping),
            ("action_x", Action),
        ] {
            assert_eq!(convention(name), Some(role), "{name}");
        }
    }

    #[test]
    fn names_of_inputs_are_actions() {
        for name in [
            "u",
            "u1",
            "u_2",
            "torque",
            "tau",
            "tau_1",
            "throttle",
            "ctrl",
            "ctrl_left",
            "cmd",
            "steer_cmd",
            "acts",
            "actions",
        ] {
            assert_eq!(convention(name), Some(Convention::Action), "{name}");
        }
    }

    #[test]
    fn names_of_quantities_are_left_alone() {
        for name in [
            "speed",
            "sun",
            "a",
            "uEst",
            "area",
            "CO2%",
            "x_position",
            "accel",
            "obstacle",
            "s",
            "status",
            "torque_sensor",
            "runs",
            "GasRate(ft3/min)",
        ] {
            assert_eq!(convention(name), None, "{name}");
        }
    }

    #[test]
    fn the_more_usual_name_ranks_first() {
        assert!(rank(Convention::Episode, "episode") < rank(Convention::Episode, "Unique_ID"));
        assert!(rank(Convention::Episode, "unique_id") < rank(Convention::Episode, "trial"));
        assert!(rank(Convention::Terminated, "terminated") < rank(Convention::Terminated, "done"));
    }
}
