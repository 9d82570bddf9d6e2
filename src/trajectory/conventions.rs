//! What a column is by the name people give it.
//!
//! Names of Gymnasium recordings, D4RL files, training loggers, control data loggers and tables of
//! series. Matching ignores case, units in brackets and leading underscores.

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

/// What a column may say of the time beside others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Year,
    Quarter,
    Month,
    /// Week of the year as of ISO 8601.
    Week,
    /// Day of the year, from 1 on.
    DayOfYear,
    Day,
    Hour,
    Minute,
    Second,
}

impl Part {
    /// Those that make a date and its time of the day, from the coarsest on.
    pub(super) const CALENDAR: [Self; 6] = [
        Self::Year,
        Self::Month,
        Self::Day,
        Self::Hour,
        Self::Minute,
        Self::Second,
    ];

    /// The same of dates whose days are numbered through the year.
    pub(super) const DAYS_OF_YEARS: [Self; 5] = [
        Self::Year,
        Self::DayOfYear,
        Self::Hour,
        Self::Minute,
        Self::Second,
    ];
}

/// The part of the time that a column may be by its name.
pub(super) fn part_of_time(name: &str) -> Option<Part> {
    let names: [(&[&str], Part); 9] = [
        (&["year", "yr", "yyyy"], Part::Year),
        (&["quarter", "qtr"], Part::Quarter),
        (&["month", "mon", "mnth", "mo"], Part::Month),
        (
            &[
                "week",
                "weeknum",
                "week_number",
                "week_of_year",
                "iso_week",
                "isoweek",
            ],
            Part::Week,
        ),
        (
            &[
                "doy",
                "yday",
                "jday",
                "day_of_year",
                "dayofyear",
                "julian_day",
            ],
            Part::DayOfYear,
        ),
        (&["day", "dd", "dy", "mday", "day_of_month"], Part::Day),
        (&["hour", "hr", "hh"], Part::Hour),
        (&["minute"], Part::Minute),
        (&["second"], Part::Second),
    ];
    let name = plain(name);
    let found = names
        .iter()
        .find(|(names, _)| names.contains(&name.as_str()));
    found.map(|(_, part)| *part)
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
const TERMINATED: &[&str] = &[
    "terminated",
    "terminateds",
    "terminations",
    "terminal",
    "terminals",
    "is_terminal",
    "done",
    "dones",
    "next.done",
    "is_last",
];
const TRUNCATED: &[&str] = &[
    "truncated",
    "truncateds",
    "truncations",
    "timeout",
    "timeouts",
    "is_truncated",
    "episode_terminals",
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
const RESTART: &[&str] = &[
    "restart",
    "reset",
    "is_first",
    "episode_start",
    "episode_starts",
];
const CLOCKS: &[&str] = &[
    "timestamp",
    "timestamps",
    "datetime",
    "date",
    "ds",
    "time",
    "times",
    "t",
    "ts",
    "date_time",
    "time_stamp",
    "unix",
    "unix_time",
    "unixtime",
    "epoch_time",
    "utc",
    "utc_time",
    "local_time",
    "sim_time",
    "elapsed",
    "elapsed_time",
    "time_elapsed",
    "time_total",
    "wall_time",
    "walltime",
    "runtime",
    "relative_time",
    "tow",
    "itow",
    "gps_time",
    "gps_seconds",
    "hhmm",
    "yyyymmdd",
    "yyyymmddhh",
    "mess_datum",
    "datum",
    "fecha",
];
/// Names of texts that say when; such a column is said where it cannot be read.
const WRITTEN_TIMES: &[&str] = &[
    "period",
    "time_period",
    "quarter",
    "month",
    "week",
    "year",
    "season",
    "stamp",
    "zeit",
    "jour",
    "day",
    "日期",
    "时间",
    "日付",
    "дата",
];
const STEPS: &[&str] = &[
    "step",
    "steps",
    "timestep",
    "timesteps",
    "time_step",
    "time_steps",
    "time_idx",
    "time_index",
    "step_index",
    "step_id",
    "global_step",
    "total_timesteps",
    "timesteps_total",
    "env_step",
    "training_iteration",
    "iteration",
    "iterations",
    "iter",
    "epoch",
    "epochs",
    "epoch_id",
    "frame",
    "frame_index",
    "frame_idx",
    "frame_id",
    "frame_number",
    "tick",
    "ticks",
    "seq",
    "seqno",
    "sequence_number",
    "sample_index",
    "sample_number",
    "sample_no",
    "num_updates",
    "n_updates",
    "updates",
    "update",
    "it",
    "env_steps",
    "num_env_steps",
    "environment_steps",
    "num_steps",
    "num_timesteps",
    "time_in_cycles",
    "cycle",
];
const ROW_NUMBERS: &[&str] = &[
    "index",
    "idx",
    "row",
    "row_id",
    "row_number",
    "row_index",
    "unnamed:_0",
    "counter",
];
/// Counters that may stand still over many rows.
const COARSE: &[&str] = &[
    "epoch",
    "epochs",
    "epoch_id",
    "iteration",
    "iterations",
    "training_iteration",
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
/// Groups that loggers put before the names of metrics.
const GROUPS: &[&str] = &["time/", "infos/", "rollout/", "train/"];
const UNITS: &[&str] = &[
    "_s", "_sec", "_secs", "_seconds", "_ms", "_us", "_ns", "_min", "_h", "_hours", "_utc",
];

/// A name as the lists have it: in lower case, without a unit in brackets, blanks as `_`.
fn plain(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    let before = |text: &str, mark: &str| -> String {
        let start = text.split(mark).next().unwrap_or_default().trim();
        if start.is_empty() { text } else { start }.to_owned()
    };
    let bare = before(&before(&before(&name, "["), "("), " / ");
    let group = GROUPS.iter().find_map(|group| bare.strip_prefix(group));
    let bare = group.unwrap_or(&bare).trim_start_matches('_');
    bare.trim_matches(['<', '>']).replace(' ', "_")
}

/// Short names that are times as well as quantities.
const AMBIGUOUS: [&str; 10] = [
    "t", "ts", "step", "steps", "index", "idx", "seq", "frame", "tick", "counter",
];

/// Whether numbers under this name are a time only if they go on like one.
pub(super) fn may_be_a_quantity(name: &str) -> bool {
    AMBIGUOUS.contains(&plain(name).as_str())
}

/// Whether a unit in brackets behind a name says that it is no time, as in `T (degC)`.
fn has_other_unit(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    let unit = name.find(['[', '(']).map(|at| &name[at + 1..]);
    let unit = unit.map(|unit| unit.trim_end_matches([']', ')', ' ']).trim());
    unit.is_some_and(|unit| {
        let word = unit.split([' ', ',', '/', ':']).next().unwrap_or_default();
        !word.is_empty() && !OF_TIME.contains(&word)
    })
}

/// First words of what stands in brackets behind the name of a time.
const OF_TIME: [&str; 32] = [
    "s", "sec", "secs", "second", "seconds", "ms", "us", "\u{b5}s", "\u{3bc}s", "ns", "m", "min",
    "mins", "minute", "minutes", "h", "hr", "hrs", "hour", "hours", "d", "day", "days", "week",
    "weeks", "month", "year", "utc", "gmt", "local", "unix", "#",
];

/// The last part of the name of a field, `t` of `run.t`.
fn field(name: &str) -> &str {
    name.rsplit(['.', '/']).next().unwrap_or(name)
}

/// The last part of a name, as the lists have names.
pub(super) fn plain_field(name: &str) -> String {
    field(&plain(name)).to_owned()
}

/// Whether a column of words is called as one that says when.
pub(super) fn is_written_time(name: &str) -> bool {
    WRITTEN_TIMES.contains(&plain(name).as_str())
}

/// How near to time itself a name of time is: 0 for clocks, 1 for counters of steps, 2 for numbers
/// of rows; and its place among those. A unit behind the name does not count.
fn time_place(name: &str) -> Option<(usize, usize)> {
    let lists = [CLOCKS, STEPS, ROW_NUMBERS];
    let place = |name: &str| {
        let found = |list: &[&str]| list.iter().position(|known| *known == name);
        lists
            .iter()
            .enumerate()
            .find_map(|(class, list)| Some((class, found(list)?)))
    };
    place(name)
        .or_else(|| place(field(name)))
        .or_else(|| {
            UNITS
                .iter()
                .find_map(|unit| place(name.strip_suffix(unit)?))
        })
        .or_else(|| name.ends_with("_ts").then_some((0, CLOCKS.len())))
}

/// What `name` stands for, if it follows a convention.
pub(super) fn convention(name: &str) -> Option<Convention> {
    use Convention::*;
    let other_unit = has_other_unit(name);
    let name = plain(name);
    let name = name.as_str();
    let is_time = time_place(name).is_some() && !(other_unit && AMBIGUOUS.contains(&name));
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    let singles = [
        (REWARD, Reward),
        (EPISODE, Episode),
        (VAGUE_EPISODE, Episode),
        (TERMINATED, Terminated),
        (TRUNCATED, Truncated),
        (RESTART, Restart),
        (LOG_PROBABILITY, LogProbability),
        (BOOKKEEPING, Bookkeeping),
        (SERIES, Series),
        (ACTIONS, Action),
        (BARE_ACTIONS, Action),
    ];
    let single = |name: &str| singles.iter().find(|(names, _)| names.contains(&name));
    if let Some((_, role)) = single(name) {
        return Some(*role);
    }
    // Fields of structs and of objects, such as `run.reward`.
    if let Some((_, role @ (Reward | Terminated | Truncated))) = single(field(name)) {
        return Some(*role);
    }
    if is_time || name.ends_with("_-__step") {
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

/// Whether a name of episodes may also be that of a quantity, as `trial`.
pub(super) fn is_vague_episode(name: &str) -> bool {
    VAGUE_EPISODE.contains(&plain(name).as_str())
}

/// Whether a counter may stand still over many rows, as `epoch`.
pub(super) fn is_coarse(name: &str) -> bool {
    COARSE.contains(&plain(name).as_str())
}

/// Position of `name` among the names for a single-column role: lower is more usual.
pub(super) fn rank(role: Convention, name: &str) -> usize {
    let name = plain(name);
    let names = match role {
        Convention::Reward => REWARD,
        Convention::Episode => EPISODE,
        Convention::Terminated => TERMINATED,
        Convention::Truncated => TRUNCATED,
        Convention::Restart => RESTART,
        Convention::LogProbability => LOG_PROBABILITY,
        _ => return 0,
    };
    let vague = || names.len() + VAGUE_EPISODE.iter().take_while(|n| **n != name).count();
    names
        .iter()
        .position(|known| *known == name)
        .unwrap_or_else(vague)
}

/// The order in which names of time are tried: clocks, counters of steps, numbers of rows.
pub(super) fn time_rank(name: &str) -> (usize, usize) {
    time_place(&plain(name)).unwrap_or((0, usize::MAX))
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
            ("seed", Some(Bookkeeping)),
            ("gear_id", Some(Series)),
        ];
        for (name, role) in cases {
            assert_eq!(convention(name), role, "{name}");
        }
    }

    #[test]
    fn names_of_times_with_units_are_times() {
        for name in [
            "Time [s]",
            "time (ms)",
            "time / s",
            "time_s",
            "t_ms",
            "unix",
            "timestamp_ms",
            "Unnamed: 0",
            "frame_index",
            "seq",
            "_step",
            "_runtime",
            "Wall time",
            "time/total_timesteps",
            "run-a - _step",
        ] {
            assert_eq!(convention(name), Some(Convention::Time), "{name}");
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
        assert!(time_rank("time [s]") < time_rank("step"));
        assert!(time_rank("step") < time_rank("Unnamed: 0"));
    }
}
