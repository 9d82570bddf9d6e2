//! What a recorded end of a run can be believed to be.

use super::flag_names::{Says, says};
use super::spelling::plain_field;

/// What the flag means that is set in the step after which a run ended.
///
/// Recorders before Gymnasium had one flag, `done`, for the end of a system and for the time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EndFlag {
    /// The system ended: it is called `terminated`, or stands beside a flag of time limits.
    #[default]
    Terminated,
    /// The system ended, or was cut off where the flag of time limits beside it is set, too.
    DoneOrTruncated,
    /// The system ended or was cut off; nothing says which.
    Done,
}

impl EndFlag {
    /// What a flag of such a name means, with or without a flag of time limits beside it.
    pub(super) fn called(name: &str, beside_truncated: bool) -> Self {
        match (says(&plain_field(name)), beside_truncated) {
            (Some(Says::Ended | Says::NotEnded), _) | (Some(Says::EndedBesideLimits), true) => {
                Self::Terminated
            }
            (_, true) => Self::DoneOrTruncated,
            (_, false) => Self::Done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_called_so_or_stands_beside_a_limit_is_believed() {
        for (name, beside, flag) in [
            ("terminated", false, EndFlag::Terminated),
            ("Terminations", false, EndFlag::Terminated),
            ("info.terminated", false, EndFlag::Terminated),
            ("terminals", true, EndFlag::Terminated),
            ("terminals", false, EndFlag::Done),
            ("terminal", false, EndFlag::Done),
            ("done", false, EndFlag::Done),
            ("next.done", false, EndFlag::Done),
            ("masks", true, EndFlag::Terminated),
            ("not_done", false, EndFlag::Done),
            ("dones", true, EndFlag::DoneOrTruncated),
        ] {
            assert_eq!(EndFlag::called(name, beside), flag, "{name}");
        }
    }
}
