//! Which column is what: what the user chooses, and what was found.

use std::fmt;

use super::Duplicates;

/// Which columns play which role, by name or glob (`obs_*`, `q[12]`); a name that exists is never
/// read as a glob, and the name of an NPZ array stands for all its columns.
///
/// What is left empty is guessed from the names. A chosen column is never guessed to be anything
/// else.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RoleSelection {
    /// The state columns.
    pub state: Vec<String>,
    /// The action columns.
    pub action: Vec<String>,
    /// Columns of words that are states too, of at most 20 words ([`WordLevels`](super::WordLevels)).
    pub levels: Vec<String>,
    /// The reward column.
    pub reward: Option<String>,
    /// The column whose value says which rows belong together.
    pub episode: Option<String>,
    /// The column that says when rows were recorded; `none` for the order of the file.
    pub time: Option<String>,
    /// What to do with rows of one time in one episode.
    pub duplicates: Duplicates,
    /// The encoding of a text file by its label on the web, such as `latin1`; UTF-8 without one.
    pub encoding: Option<String>,
    /// Numbers that stand for missing values of states, actions and rewards, such as -999.
    pub missing_values: Vec<f64>,
    /// Labels of the episodes that [`read`](super::read) keeps; all if empty. Gaps of others are neither errors nor filled, and
    /// what fills those of the kept ones knows nothing of them.
    pub only_episodes: Vec<String>,
    /// The most states that the caller can use: more are an error before any is filled.
    pub most_states: Option<usize>,
    /// Whether to read what only the judgement and the training of policies need: the state after
    /// the last step of an episode, and the log density of each action under the policy that took it.
    pub transitions: bool,
}

/// The columns of one role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssignedRole {
    /// Names of the columns; none where the file does not have the role.
    pub columns: Vec<String>,
    /// Whether they were guessed from their names.
    pub guessed: bool,
}

/// A column that was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredColumn {
    /// Name of the column or array.
    pub name: String,
    /// Why it was left out, in a few words.
    pub reason: String,
}

/// What every column of a file was taken for.
///
/// Displayed, it is a few lines for a terminal, without a line end after the last:
///
/// ```text
/// state: obs_x, obs_x_dot (guessed)
/// action: act_push (guessed); reward: reward (guessed); episode: episode (guessed); time: t (guessed)
/// ignored: next_x, next_x_dot (next state)
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles {
    /// The states, at least one.
    pub state: AssignedRole,
    /// The actions, if any.
    pub action: AssignedRole,
    /// The reward, if any: one column.
    pub reward: AssignedRole,
    /// What tells episodes or series apart, if anything: one column, several if one is not enough.
    pub episode: AssignedRole,
    /// What orders the rows, if anything: one column.
    pub time: AssignedRole,
    /// The flag of a step that ended the run for good, if any: one column.
    pub terminated: AssignedRole,
    /// The flag of a step after which the recording stopped, if any: one column.
    pub truncated: AssignedRole,
    /// The flag of a row that starts an episode, if any: one column.
    pub restart: AssignedRole,
    /// The states after each step, if they were asked for and are there.
    pub next_state: AssignedRole,
    /// The log density of the actions, if it was asked for and is there: one column.
    pub log_probability: AssignedRole,
    /// The columns that were not read, in the order of the file.
    pub ignored: Vec<IgnoredColumn>,
    /// Gaps that repeat the value before them, under [`MissingPolicy::Hold`](super::MissingPolicy), and those of actions,
    /// rewards and words under `Model`.
    pub held: usize,
    /// Missing words among them, under [`MissingPolicy::Model`](super::MissingPolicy).
    pub held_words: usize,
    /// Missing states that were filled under [`MissingPolicy::Model`](super::MissingPolicy).
    pub filled: usize,
    /// What else the user should know about how the file was understood.
    pub notes: Vec<String>,
    /// What makes forecasts doubtful.
    pub warnings: Vec<String>,
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "state: {}", self.state)?;
        let others = [
            ("action", &self.action),
            ("reward", &self.reward),
            ("episode", &self.episode),
            ("time", &self.time),
            ("terminated", &self.terminated),
            ("truncated", &self.truncated),
            ("restart", &self.restart),
            ("next state", &self.next_state),
            ("log probability", &self.log_probability),
        ];
        let others: Vec<String> = others
            .into_iter()
            .filter(|(_, role)| !role.columns.is_empty())
            .map(|(name, role)| format!("{name}: {role}"))
            .collect();
        if !others.is_empty() {
            write!(f, "\n{}", others.join("; "))?;
        }
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for IgnoredColumn { name, reason } in &self.ignored {
            match reasons.iter_mut().find(|(known, _)| known == reason) {
                Some((_, names)) => names.push(name),
                None => reasons.push((reason, vec![name])),
            }
        }
        if !reasons.is_empty() {
            let ignored: Vec<String> = reasons
                .into_iter()
                .map(|(reason, names)| format!("{} ({reason})", shorten(&names)))
                .collect();
            write!(f, "\nignored: {}", ignored.join("; "))?;
        }
        for note in &self.notes {
            write!(f, "\nnote: {note}")?;
        }
        for warning in &self.warnings {
            write!(f, "\nwarning: {warning}")?;
        }
        Ok(())
    }
}

impl fmt::Display for AssignedRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        f.write_str(&shorten(&names))?;
        if self.guessed {
            f.write_str(" (guessed)")?;
        }
        Ok(())
    }
}

/// A list that fits a terminal line: long ones lose their middle.
fn shorten(names: &[&str]) -> String {
    match names {
        [first, second, third, .., last] if names.len() > 8 => {
            format!("{first}, {second}, {third}, … {last} [{}]", names.len())
        }
        _ => names.join(", "),
    }
}

impl Roles {
    /// What cuts and orders the rows, with the notes and warnings, to be written after the name of
    /// a column that has no role here.
    pub fn cuts(&self) -> String {
        let mut text = String::new();
        for (name, role) in [("episode", &self.episode), ("time", &self.time)] {
            if !role.columns.is_empty() {
                text += &format!("; {name}: {role}");
            }
        }
        for note in &self.notes {
            text += &format!("\nnote: {note}");
        }
        for warning in &self.warnings {
            text += &format!("\nwarning: {warning}");
        }
        text
    }

    /// What to warn of where rows with filled values are scored, learned from or compared with what a model says of them.
    ///
    /// ```
    /// use statecast::recording::Roles;
    /// assert_eq!(Roles::default().scored_fills(), None);
    /// let roles = Roles { filled: 3, ..Roles::default() };
    /// assert!(roles.scored_fills().unwrap().contains("know rows after them"));
    /// ```
    pub fn scored_fills(&self) -> Option<&'static str> {
        (self.filled > 0)
            .then_some("filled values count as if they had been observed, and know rows after them")
    }

    pub(super) fn assigned(&self) -> impl Iterator<Item = &AssignedRole> {
        [
            &self.state,
            &self.action,
            &self.reward,
            &self.episode,
            &self.time,
            &self.terminated,
            &self.truncated,
            &self.restart,
            &self.next_state,
            &self.log_probability,
        ]
        .into_iter()
    }
}
