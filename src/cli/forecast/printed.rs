//! What a forecast says on standard error beside its scores.

use std::collections::BTreeMap;

use ndarray::s;

use crate::cli::windowed::aligned_rows;
use crate::experts::{ExpertKind, Leadership};
use crate::forecast::{PathWeight, Rollout};
use crate::metrics::mean_and_std;
use crate::output::{number, percent};
use crate::study::Forecast;
use crate::study::forecast::levels_by_name;

/// Channels of which the leading experts are said one by one.
const FEW_CHANNELS: usize = 6;

/// Names of a group that are said.
const FEW_NAMES: usize = 4;

/// Share of the paths from which on a sampler is named.
const MIN_SHARE: f64 = 0.01;

/// Episodes of which the futures' ends are printed.
const FEW_EPISODES: usize = 5;

/// Which experts led: one line a channel, or groups of channels where there are many. Rows are
/// summed over the episodes. Nothing if no experts are read.
pub(super) fn leaders(forecasts: &[Forecast]) -> String {
    let mut channels: Vec<(String, Leadership)> = Vec::new();
    for (name, leadership) in forecasts.iter().flat_map(|forecast| &forecast.leaders) {
        match channels.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum = joined(sum, leadership),
            None => channels.push((name.clone(), leadership.clone())),
        }
    }
    channels.retain(|(_, leadership)| leadership.hinted() > 0);
    let single = forecasts.len() == 1;
    match channels.len() {
        0 => String::new(),
        1..=FEW_CHANNELS => {
            let lines = channels.iter().map(|channel| line(channel, single));
            lines.collect()
        }
        _ => grouped(&channels, single),
    }
}

/// Variables that take few levels, with these; nothing if there are none.
pub(super) fn levels(forecasts: &[Forecast]) -> String {
    let found = levels_by_name(forecasts);
    if found.len() > FEW_CHANNELS {
        return format!("levels: {} variables take few levels\n", found.len());
    }
    let line = |(name, levels): (&str, Vec<f64>)| {
        let shown: Vec<String> = levels.iter().map(f64::to_string).collect();
        format!("levels: {name} takes {}\n", shown.join(", "))
    };
    found.into_iter().map(line).collect()
}

/// Leadership over the rows of two episodes, and at the end of the second.
fn joined(first: &Leadership, second: &Leadership) -> Leadership {
    let mut rows = first.rows.clone();
    for &(source, more) in &second.rows {
        match rows.iter_mut().find(|(known, _)| *known == source) {
            Some((_, sum)) => *sum += more,
            None => rows.push((source, more)),
        }
    }
    rows.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
    Leadership {
        rows,
        last: second.last,
    }
}

fn line((name, leadership): &(String, Leadership), single: bool) -> String {
    let hinted = leadership.hinted();
    let mut parts = leadership.rows.iter();
    let led = parts.next().map_or(String::new(), |(source, rows)| {
        format!("{} led {rows} of {hinted} rows", source.name())
    });
    let others = parts.map(|(source, rows)| format!(", {} {rows}", source.name()));
    let end = match leadership.last {
        Some(source) if single => format!("; {} at the end", source.name()),
        _ => String::new(),
    };
    format!(
        "experts: {name}: {led}{}{end}\n",
        others.collect::<String>()
    )
}

/// Channels by the expert that led most of their rows.
fn grouped(channels: &[(String, Leadership)], single: bool) -> String {
    let mut groups: BTreeMap<&str, Vec<&(String, Leadership)>> = BTreeMap::new();
    for channel in channels {
        if let Some((source, _)) = channel.1.rows.first() {
            groups.entry(source.name()).or_default().push(channel);
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, members)| std::cmp::Reverse(members.len()));
    let group = |(source, members): &(&str, Vec<&(String, Leadership)>)| {
        let rows: usize = members.iter().map(|(_, l)| l.rows[0].1).sum();
        let hinted: usize = members.iter().map(|(_, l)| l.hinted()).sum();
        let names = members.iter().take(FEW_NAMES).map(|(name, _)| &name[..]);
        let names = names.collect::<Vec<_>>().join(", ");
        let more = match members.len() > FEW_NAMES {
            true => format!(" and {} more", members.len() - FEW_NAMES),
            false => String::new(),
        };
        format!(
            "experts: {source} led most rows of {} of {} channels, {} of theirs: {names}{more}\n",
            members.len(),
            channels.len(),
            percent(rows as f64 / hinted as f64, 0)
        )
    };
    let mut text: String = groups.iter().map(group).collect();
    if single {
        text += &at_the_end(channels);
    }
    text
}

/// How many channels each expert leads at the end.
fn at_the_end(channels: &[(String, Leadership)]) -> String {
    let mut counts: Vec<(ExpertKind, usize)> = Vec::new();
    for source in channels
        .iter()
        .filter_map(|(_, leadership)| leadership.last)
    {
        match counts.iter_mut().find(|(known, _)| *known == source) {
            Some((_, count)) => *count += 1,
            None => counts.push((source, 1)),
        }
    }
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let counts = counts
        .iter()
        .map(|(source, count)| format!("{} {count}", source.name()));
    let counts: Vec<String> = counts.collect();
    format!("experts: channels led at the end: {}\n", counts.join(", "))
}

/// Whose paths were pooled, as means over the episodes; nothing if none were.
pub(super) fn paths(forecasts: &[Forecast]) -> String {
    let mut weights: Vec<PathWeight> = Vec::new();
    for weight in forecasts
        .iter()
        .flat_map(|forecast| &forecast.reading.paths)
    {
        let same =
            |w: &&mut PathWeight| (&w.forecaster, w.spread) == (&weight.forecaster, weight.spread);
        match weights.iter_mut().find(same) {
            Some(sum) => sum.weight += weight.weight,
            None => weights.push(weight.clone()),
        }
    }
    weights.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let total: f64 = weights.iter().map(|w| w.weight).sum();
    let shown: Vec<String> = weights
        .iter()
        .map(|w| (w, w.weight / total))
        .take_while(|(_, share)| *share >= MIN_SHARE)
        .map(|(w, share)| format!("{} {}", percent(share, 0), sampler(w)))
        .collect();
    match shown.is_empty() {
        true => String::new(),
        false => format!("paths: {}\n", shown.join(", ")),
    }
}

/// A forecaster and how wide its steps are drawn.
fn sampler(weight: &PathWeight) -> String {
    let name = &weight.forecaster;
    match weight.spread {
        1.0 => name.clone(),
        2.0 => format!("{name} (twice as wide)"),
        0.5 => format!("{name} (half as wide)"),
        0.2 => format!("{name} (a fifth as wide)"),
        spread => format!("{name} ({spread} times as wide)"),
    }
}

/// Means of the last step under each of several futures, variable by variable.
pub(super) fn futures(forecasts: &[Forecast]) -> String {
    let mut text = String::new();
    for forecast in forecasts.iter().take(FEW_EPISODES) {
        let last = forecast.context.end + forecast.horizon() - 1;
        let head = format!("episode {}, mean at step {last}", forecast.episode);
        let names = forecast
            .futures
            .iter()
            .filter_map(|future| future.name.clone());
        let mut rows = vec![[head].into_iter().chain(names).collect::<Vec<String>>()];
        for (v, name) in forecast.names.iter().enumerate() {
            let means = forecast
                .futures
                .iter()
                .map(|future| last_mean(&future.rollout, v));
            let means = means.map(|mean| number(mean, 4));
            rows.push([name.clone()].into_iter().chain(means).collect());
        }
        text += &aligned_rows(&rows);
    }
    if forecasts.len() > FEW_EPISODES {
        text += &format!(
            "{} more episodes: see the table\n",
            forecasts.len() - FEW_EPISODES
        );
    }
    text
}

/// Mean of a variable at the last step, where it is defined.
fn last_mean(rollout: &Rollout, variable: usize) -> f64 {
    let mut values = rollout.paths.slice(s![.., -1, variable]).to_vec();
    values.retain(|x| !x.is_nan());
    mean_and_std(&values).0
}
