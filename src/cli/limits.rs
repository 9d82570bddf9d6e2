//! Largest counts that a command takes. What is beyond them would end for want of memory or never.

use clap::error::ErrorKind;
use clap::{ArgMatches, Command};

/// Flags that count something, by the largest value that makes sense of them.
const LIMITS: &[(u64, &[&str])] = &[
    // Files of more rows, and runs of more steps, take longer than anyone waits.
    (
        1_000_000_000,
        &[
            "policy_frequency",
            "context",
            "evaluate_every",
            "last",
            "learning_starts",
            "llm_every",
            "llm_starts",
            "period",
            "prefix",
            "min_context",
            "steps",
            "until",
            "update_every",
            "branch_every",
        ],
    ),
    (20_000_000, &["capacity"]),
    (
        100_000,
        &[
            "evaluation_episodes",
            "horizon",
            "branches",
            "paths",
            "rollout",
            "runs",
            "samples",
            "context_runs",
            "simulate",
            "windows",
        ],
    ),
    (
        10_000,
        &[
            "blocks",
            "candidates",
            "contexts",
            "draws",
            "episodes",
            "iterations",
            "origins",
            "seeds",
            "segments",
        ],
    ),
    (65_536, &["batch"]),
    (4_096, &["hidden"]),
    (1_024, &["at_once", "threads"]),
    (
        1_000,
        &[
            "label_permutations",
            "states",
            "window",
            "updates_per_step",
            "branch",
            "critics",
        ],
    ),
    (100, &["ensemble"]),
];

/// Values of a variable that the sample paths of a forecast hold together: 160 MB.
const LARGEST_PATHS: u64 = 20_000_000;

/// Ends with a usage error if a count on the command line is beyond its limit.
pub(super) fn check(command: &mut Command, matches: &ArgMatches) -> Result<(), clap::Error> {
    let mut below = matches;
    while let Some((_, matches)) = below.subcommand() {
        below = matches;
    }
    let fault = faults(below).next();
    match fault.or_else(|| too_many_paths(below)) {
        Some(said) => Err(command.error(ErrorKind::ValueValidation, said)),
        None => Ok(()),
    }
}

/// The numbers that a flag was given.
fn numbers(matches: &ArgMatches, flag: &str) -> Vec<u64> {
    let values = matches.try_get_raw(flag).ok().flatten();
    let texts = values
        .into_iter()
        .flatten()
        .filter_map(|value| value.to_str());
    texts.filter_map(|text| text.parse().ok()).collect()
}

fn faults(matches: &ArgMatches) -> impl Iterator<Item = String> {
    let limits = LIMITS.iter();
    let flags = limits.flat_map(|&(most, flags)| flags.iter().map(move |&flag| (most, flag)));
    flags.filter_map(move |(most, flag)| {
        let beyond = numbers(matches, flag)
            .into_iter()
            .find(|&count| count > most)?;
        let flag = flag.replace('_', "-");
        Some(format!("--{flag} {beyond}: at most {most}"))
    })
}

fn too_many_paths(matches: &ArgMatches) -> Option<String> {
    let horizon = *numbers(matches, "horizon").first()?;
    ["samples", "paths"].into_iter().find_map(|flag| {
        let count = *numbers(matches, flag).first()?;
        (count.saturating_mul(horizon) > LARGEST_PATHS).then(|| {
            let most = (LARGEST_PATHS / horizon.max(1)).max(1);
            format!("--{flag} {count} --horizon {horizon}: at most {most} paths of {horizon} steps")
        })
    })
}

#[cfg(test)]
mod tests {
    use std::any::TypeId;
    use std::num::NonZeroUsize;

    use clap::{Command, CommandFactory};

    use super::LIMITS;

    fn counts(command: &Command, found: &mut Vec<(String, String)>) {
        let kinds = [
            TypeId::of::<usize>(),
            TypeId::of::<u64>(),
            TypeId::of::<NonZeroUsize>(),
        ];
        for argument in command.get_arguments() {
            let kind = argument.get_value_parser().type_id();
            if kinds.iter().any(|of| kind == *of) {
                found.push((command.get_name().to_owned(), argument.get_id().to_string()));
            }
        }
        command
            .get_subcommands()
            .for_each(|below| counts(below, found));
    }

    /// Fault: counts of 1e8 aborted for want of memory. No flag that counts is without a limit.
    #[test]
    fn every_count_has_a_limit() {
        let mut found = Vec::new();
        counts(&super::super::Arguments::command(), &mut found);
        assert!(found.len() > 30);
        for (command, flag) in found {
            let limited = LIMITS
                .iter()
                .any(|(_, flags)| flags.contains(&flag.as_str()));
            assert!(limited || flag == "seed", "{command} --{flag}");
        }
    }
}
