//! Contexts that are not those that were asked for.

use super::Observer;

/// Notes where contexts are shorter than `wanted`, or than the `rows` that each episode has, for a
/// forecaster that reads at most `longest`.
pub(super) fn note_contexts(
    wanted: Option<usize>,
    rows: &[usize],
    longest: usize,
    observer: &dyn Observer,
) {
    let all = rows.len();
    let most = wanted.unwrap_or(usize::MAX);
    let cut = rows.iter().filter(|&&r| r.min(most) > longest).count();
    if cut > 0 {
        observer.note(&format!(
            "the model's window leaves room for {longest} rows of context; of {cut} of {all} episode(s) only the last \
             {longest} are used"
        ));
    }
    let short = rows.iter().filter(|&&r| r < most).count();
    if wanted.is_some() && short > 0 {
        observer.note(&format!(
            "{short} of {all} episode(s) have fewer than {most} rows of context; all that they have are used"
        ));
    }
}
