//! Names as the lists of names have them. Matching ignores case, units in brackets and leading
//! underscores.

/// Groups that loggers put before the names of metrics.
const GROUPS: &[&str] = &["time/", "infos/", "rollout/", "train/", "data/"];

/// A name as the lists have it: in lower case, without a unit in brackets, blanks as `_`.
pub(super) fn plain(name: &str) -> String {
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

/// The last part of the name of a field, `t` of `run.t`.
pub(super) fn field(name: &str) -> &str {
    name.rsplit(['.', '/']).next().unwrap_or(name)
}

/// The last part of a name, as the lists have names.
pub(super) fn plain_field(name: &str) -> String {
    field(&plain(name)).to_owned()
}
