//! Where recorded and imagined episodes end.

use std::sync::Arc;

use super::{EvaluationSettings, EvaluationStudyError, Termination};
use crate::environment::Task;
use crate::evaluation::{Logged, Rules, TerminationModel, time_limit};
use crate::recording::Recording;
use crate::study::Observer;

/// Returns the known reward and termination that apply.
pub(super) fn rules(
    task: Option<&Task>,
    settings: &EvaluationSettings,
    recordings: &[Recording],
) -> Result<Rules, EvaluationStudyError> {
    let rules = task.map_or(Rules::default(), Rules::of);
    let mut rules = rules.with(
        settings.reward.as_ref(),
        settings.terminated.as_ref(),
        recordings,
    )?;
    match settings.termination {
        Some(Termination::Task) if rules.terminated.is_none() => {
            return Err(EvaluationStudyError::NoTask);
        }
        Some(Termination::Recorded | Termination::Never) if settings.terminated.is_some() => {
            return Err(EvaluationStudyError::EndsTwice);
        }
        Some(Termination::Recorded | Termination::Never) => rules.terminated = None,
        _ => {}
    }
    Ok(rules)
}

/// Checks that the termination setting has an effect.
pub(super) fn check_termination(
    task: Option<&Task>,
    termination: Option<Termination>,
    logged: &Logged,
) -> Result<(), EvaluationStudyError> {
    let ended = logged.runs.iter().any(|run| run.terminated);
    match termination {
        Some(Termination::Recorded) if !ended => {
            Err(EvaluationStudyError::NoTermination("recorded"))
        }
        Some(Termination::Never) if !ended && task.is_none() => {
            Err(EvaluationStudyError::NoTermination("never"))
        }
        _ => Ok(()),
    }
}

/// Applies the termination setting and a detected time limit to the recorded runs.
pub(super) fn with_ends(
    logged: Logged,
    termination: Option<Termination>,
    observer: &dyn Observer,
) -> Logged {
    match (termination, time_limit(&logged)) {
        (Some(Termination::Never), _) => logged.without_terminations(),
        (None, Some(limit)) => {
            observer.note(&format!(
                "{} of {} episodes are done after {} steps, the longest, in states where others continue: they count as \
                 truncated by a time limit, shorter ones as terminated; with `termination=recorded`, or a flag called \
                 terminated, all count as terminated",
                limit.runs.len(),
                logged.runs.len(),
                limit.steps
            ));
            logged.truncated_at(&limit)
        }
        _ => logged,
    }
}

/// Returns the termination model, if imagined episodes terminate by it.
pub(super) fn termination_model(
    rules: &Rules,
    termination: Option<Termination>,
    logged: &Logged,
    observer: &dyn Observer,
) -> Option<Arc<TerminationModel>> {
    let recorded = match termination {
        Some(termination) => termination == Termination::Recorded,
        None => rules.terminated.is_none(),
    };
    let ends = recorded.then(|| TerminationModel::of(logged)).flatten()?;
    let ended = logged.runs.iter().filter(|run| run.terminated).count();
    observer.note(&format!(
        "imagined episodes terminate where recorded ones did ({ended} of {} terminated); `termination=never` disables this",
        logged.runs.len()
    ));
    Some(Arc::new(ends))
}
