//! Flags that cannot take effect beside the others: an error that says why.

mod given;

use std::path::Path;

use clap::ArgMatches;

use crate::baselines;
use crate::forecast::Method;
use crate::forecasters::ForecasterName;
use crate::model::ServerAddress;
use given::Given;

/// A flag of some commands, and why it has no effect there.
#[derive(Clone, Copy)]
struct Rule {
    flag: &'static str,
    commands: &'static [&'static str],
    reason: fn(&Given) -> Option<String>,
}

/// Commands whose forecasters are those of --experts, or else the model.
const SINGLE: &[&str] = &["forecast", "density", "calibrate", "markov", "train"];
/// Commands whose forecasters are listed.
const LISTED: &[&str] = &["backtest", "training-run"];
/// Commands that read series by a method.
const READING: &[&str] = &["forecast", "density", "calibrate", "backtest"];
/// Commands with estimators.
const ESTIMATING: &[&str] = &["evaluate", "replay"];
const FORECASTING: &[&str] = &[
    "train",
    "forecast",
    "density",
    "calibrate",
    "markov",
    "backtest",
    "training-run",
    "evaluate",
    "replay",
];

const RULES: &[Rule] = &[
    Rule {
        flag: "model",
        commands: FORECASTING,
        reason: unused_model,
    },
    Rule {
        flag: "prompt",
        commands: FORECASTING,
        reason: no_language,
    },
    Rule {
        flag: "precision",
        commands: FORECASTING,
        reason: nothing_computed_here,
    },
    Rule {
        flag: "device",
        commands: FORECASTING,
        reason: nothing_computed_here,
    },
    Rule {
        flag: "tokenizer",
        commands: FORECASTING,
        reason: nothing_served,
    },
    Rule {
        flag: "temperature",
        commands: FORECASTING,
        reason: no_language,
    },
    Rule {
        flag: "exact",
        commands: FORECASTING,
        reason: no_digits,
    },
    Rule {
        flag: "tolerance",
        commands: FORECASTING,
        reason: no_digits,
    },
    Rule {
        flag: "components",
        commands: FORECASTING,
        reason: no_components,
    },
    Rule {
        flag: "alpha",
        commands: &[
            "forecast",
            "density",
            "calibrate",
            "markov",
            "backtest",
            "training-run",
        ],
        reason: no_mixture,
    },
    Rule {
        flag: "experts",
        commands: LISTED,
        reason: |given| {
            let none = !given.mixes_experts();
            none.then(|| "'mixture' is not among --models".to_owned())
        },
    },
    Rule {
        flag: "recalibrate",
        commands: &["forecast", "density", "markov", "backtest", "training-run"],
        reason: nothing_to_recalibrate,
    },
    Rule {
        flag: "origins",
        commands: &["forecast", "backtest", "training-run"],
        reason: |given| {
            (given.word("recalibrate") != "online")
                .then(|| "bands are adjusted with --recalibrate online only".to_owned())
        },
    },
    Rule {
        flag: "train",
        commands: &["forecast", "density", "calibrate", "backtest"],
        reason: |given| {
            let trains = given.forecasters().iter().any(|name| name == "mlp");
            (!trains).then(|| "only mlp learns from it, and it takes no part".to_owned())
        },
    },
    Rule {
        flag: "train",
        commands: &["replay"],
        reason: |given| {
            let learns = ["linear", "mlp"].map(str::to_owned);
            let some = given.words("estimators").iter().any(|e| learns.contains(e));
            (!some).then(|| "only the estimators linear and mlp learn from it".to_owned())
        },
    },
    Rule {
        flag: "with_reward",
        commands: &["train"],
        reason: |_| Some("the reward of a task is known".to_owned()),
    },
    Rule {
        flag: "with_reward",
        commands: &["markov", "training-run"],
        reason: |_| Some("one column is forecast, and no reward beside it".to_owned()),
    },
    Rule {
        flag: "with_reward",
        commands: ESTIMATING,
        reason: |_| Some("rewards are forecast wherever --env does not know them".to_owned()),
    },
    Rule {
        flag: "seed",
        commands: &["markov"],
        reason: |given| {
            (given.word("label_permutations") == "0")
                .then(|| "it draws permutations, and --label-permutations is 0".to_owned())
        },
    },
    Rule {
        flag: "metric",
        commands: &["training-run"],
        reason: |given| {
            given
                .is("minima")
                .then(|| "--minima names the column".to_owned())
        },
    },
    Rule {
        flag: "blocks",
        commands: &["training-run"],
        reason: settles_nothing,
    },
    Rule {
        flag: "level",
        commands: &["training-run"],
        reason: settles_nothing,
    },
    Rule {
        flag: "pool",
        commands: &["training-run"],
        reason: |given| {
            let pools = given.words("models").iter().any(|name| name == "pool");
            match settles_nothing(given) {
                None => (given.is("models") && !pools)
                    .then(|| "'pool' is not among --models".to_owned()),
                reason => reason,
            }
        },
    },
    Rule {
        flag: "context_runs",
        commands: &["training-run"],
        reason: no_minima,
    },
    Rule {
        flag: "at",
        commands: &["training-run"],
        reason: no_minima,
    },
    Rule {
        flag: "samples",
        commands: &["training-run"],
        reason: |given| {
            let minima = given.is("minima");
            let minima = minima.then(|| "minima are read off kernels, not off paths".to_owned());
            minima.or_else(|| only_last(given))
        },
    },
    Rule {
        flag: "seed",
        commands: &["training-run"],
        reason: |given| {
            // It draws simulated runs, and the intervals of what is judged.
            let draws = given.is("simulate") || given.is("prefix");
            (!draws).then(|| only_last(given)).flatten()
        },
    },
    Rule {
        flag: "cuts",
        commands: &["markov"],
        reason: |given| {
            (!given.is("states"))
                .then(|| "it says where --states cuts, which is not given".to_owned())
        },
    },
    Rule {
        flag: "floor",
        commands: &["training-run"],
        reason: |given| {
            let unseen = given.is("minima") && !given.is("save");
            unseen.then(|| "it is a floor of the loss, and --minima reads a parameter".to_owned())
        },
    },
    Rule {
        flag: "paths",
        commands: &["evaluate"],
        reason: |given| {
            // They draw as many actions of every start.
            let draws = given.imagines() || given.estimates(&["fqe", "dr"]);
            (!draws).then(|| "no estimator draws paths or actions".to_owned())
        },
    },
    Rule {
        flag: "paths",
        commands: &["replay"],
        reason: only_baselines,
    },
    Rule {
        flag: "seed",
        commands: &["replay"],
        reason: only_baselines,
    },
    Rule {
        flag: "policy",
        commands: &["replay"],
        reason: only_baselines,
    },
    Rule {
        flag: "env",
        commands: &["replay"],
        reason: only_baselines,
    },
    Rule {
        flag: "behaviours",
        commands: &["evaluate"],
        reason: only_behaviour,
    },
    Rule {
        flag: "env",
        commands: &["evaluate"],
        reason: |given| {
            // The task has a time limit, and a simulator.
            let used = ["simulate", "termination"]
                .iter()
                .any(|flag| given.is(flag));
            (given.is("horizon") && !used)
                .then(|| only_behaviour(given))
                .flatten()
        },
    },
    Rule {
        flag: "seed",
        commands: &["evaluate"],
        reason: |given| {
            (!given.is("simulate"))
                .then(|| only_behaviour(given))
                .flatten()
        },
    },
    Rule {
        flag: "period",
        commands: READING,
        reason: |given| {
            let seasonal = given.forecasters().iter().any(|name| name == "seasonal");
            let reads = given.reads() || seasonal;
            (!reads)
                .then(|| "neither a language model nor seasonal is among the methods".to_owned())
        },
    },
    Rule {
        flag: "simulator",
        commands: READING,
        reason: no_language,
    },
    Rule {
        flag: "future",
        commands: &["forecast"],
        reason: nothing_acts,
    },
    Rule {
        flag: "hold_actions",
        commands: &["forecast"],
        reason: nothing_acts,
    },
    Rule {
        flag: "policy",
        commands: &["forecast"],
        reason: nothing_acts,
    },
    Rule {
        flag: "contexts",
        commands: &["evaluate"],
        reason: |given| {
            (!given.imagines()).then(|| "no estimator learns from part of the episodes".to_owned())
        },
    },
    Rule {
        flag: "context",
        commands: &["evaluate"],
        reason: no_language,
    },
    Rule {
        flag: "scale",
        commands: ESTIMATING,
        reason: no_language,
    },
    Rule {
        flag: "method",
        commands: ESTIMATING,
        reason: |given| {
            (!given.estimates(&["mixture", "builtin"]))
                .then(|| "it is that of the estimators mixture and builtin".to_owned())
        },
    },
    Rule {
        flag: "method",
        commands: &["forecast", "density", "calibrate", "backtest", "train"],
        reason: |given| {
            // Channels of the other methods are those of every forecaster; what residuals take is refused by itself.
            let alike = matches!(given.method(), Method::Vicl | Method::Residual);
            let takes = given.is("simulator") || given.is("period");
            (alike && !takes).then(|| no_language(given)).flatten()
        },
    },
    Rule {
        flag: "method",
        commands: &["markov", "training-run"],
        reason: |given| {
            let vicl = given.word("method") == "vicl";
            vicl.then(|| "one column is forecast, by itself".to_owned())
        },
    },
    Rule {
        flag: "augmented",
        commands: &["compare"],
        reason: |given| {
            let flags = ["algorithms", "arms", "every_arm"].map(|flag| given.words(flag));
            let imagines = flags.iter().flatten().any(|word| word.contains("dicl-sac"));
            (!imagines && !given.is("controls")).then(|| "no arm imagines transitions".to_owned())
        },
    },
    Rule {
        flag: "temperatures",
        commands: &["markov"],
        reason: |given| match given.word("temperatures").as_str() {
            "none" => None,
            _ => no_language(given),
        },
    },
    Rule {
        flag: "duplicates",
        commands: FORECASTING,
        reason: |given| {
            (given.word("time") == "none")
                .then(|| "with --time none no two rows are of one time".to_owned())
        },
    },
];

/// Flags of agents that imagine transitions.
const IMAGINING: &[&str] = &[
    "actions",
    "alpha",
    "components",
    "context",
    "control",
    "device",
    "exact",
    "experts",
    "llm_every",
    "llm_starts",
    "method",
    "min_context",
    "model",
    "next",
    "paths",
    "precision",
    "prompt",
    "rollout",
    "scale",
    "segments",
    "temperature",
    "tokenizer",
    "tolerance",
    "weighting",
];

/// Flags of runs that are simulated.
const SIMULATING: &[&str] = &["runs", "steps", "step_size", "noise", "floor", "save"];

/// Flags that list things, each of which counts once.
const LISTS: &[&str] = &[
    "action",
    "algorithms",
    "also",
    "estimators",
    "experts",
    "missing_value",
    "models",
    "order",
    "pool",
    "select",
    "state",
    "steps",
    "temperatures",
    "train",
];

/// What is wrong with the first flag that is given and cannot take effect.
pub(super) fn refusal(matches: &ArgMatches) -> Option<String> {
    let (mut command, mut matches) = matches.subcommand()?;
    while let Some(below) = matches.subcommand() {
        (command, matches) = below;
    }
    let given = Given { command, matches };
    let imagining = IMAGINING.iter().map(|&flag| Rule {
        flag,
        commands: &["train"],
        reason: nothing_imagined,
    });
    let simulating = SIMULATING.iter().map(|&flag| Rule {
        flag,
        commands: &["training-run"],
        reason: nothing_simulated,
    });
    let without_effect = imagining
        .chain(simulating)
        .chain(RULES.iter().copied())
        .find_map(|rule| {
            let applies = rule.commands.contains(&command) && given.is(rule.flag);
            let reason = applies.then(|| (rule.reason)(&given))??;
            Some(format!("{} has no effect: {reason}", flag_of(rule.flag)))
        });
    without_effect
        .or_else(|| named_twice(&given))
        .or_else(|| own_recording(&given))
}

/// A flag as it is written.
fn flag_of(id: &str) -> String {
    // A list of one flag a value has its name in the plural.
    let name = if id == "behaviours" { "behaviour" } else { id };
    format!("--{}", name.replace('_', "-"))
}

/// The first thing that a list names twice.
fn named_twice(given: &Given) -> Option<String> {
    LISTS.iter().filter(|flag| given.is(flag)).find_map(|flag| {
        let words = given.words(flag);
        // Members of the pool have weights.
        let name = |word: &str| match *flag {
            "pool" => word.split('=').next().unwrap_or_default().to_owned(),
            _ => word.to_owned(),
        };
        let names: Vec<String> = match *flag {
            "experts" | "models" => {
                let names = given.names(flag);
                if let Some(member) = names.iter().find_map(member_twice) {
                    return Some(member);
                }
                names.iter().map(ToString::to_string).collect()
            }
            _ => words.iter().map(|word| name(word)).collect(),
        };
        let twice = (1..names.len()).find(|&i| names[..i].contains(&names[i]))?;
        let flag = flag_of(flag);
        Some(format!("{flag} names {} twice; name it once", names[twice]))
    })
}

/// The first member that a mixture names twice.
fn member_twice(name: &ForecasterName) -> Option<String> {
    let members = name.members();
    let twice = (1..members.len()).find(|&i| members[..i].contains(&members[i]))?;
    Some(format!(
        "{name} names {} twice; name it once",
        members[twice]
    ))
}

/// Other recordings are those of other runs: a forecast that has read what it is compared with is none.
fn own_recording(given: &Given) -> Option<String> {
    let place = |name: &String| Path::new(name).canonicalize().ok();
    let words = |flags: [&str; 2]| flags.map(|flag| given.words(flag)).concat();
    let recordings: Vec<_> = words(["file", "files"]).iter().filter_map(place).collect();
    ["also", "train"].into_iter().find_map(|flag| {
        let files = given.words(flag);
        let own = |file: &&String| place(file).is_some_and(|file| recordings.contains(&file));
        let file = files.iter().find(own)?;
        Some(format!(
            "--{flag} {file}: is the recording itself; it takes recordings of other runs"
        ))
    })
}

fn unused_model(given: &Given) -> Option<String> {
    let model = given.word("model");
    if ESTIMATING.contains(&given.command) {
        return no_language(given);
    }
    let list = match LISTED.contains(&given.command) {
        true => "models",
        false => "experts",
    };
    (!given.forecasters().contains(&model))
        .then(|| format!("{model} is not among the forecasters; name it in --{list}"))
}

fn no_language(given: &Given) -> Option<String> {
    (!given.reads()).then(|| "no language model takes part".to_owned())
}

fn no_digits(given: &Given) -> Option<String> {
    let languages = given.languages();
    let bundled = !languages.is_empty() && languages.iter().all(|name| *name == "builtin");
    no_language(given)
        .or(bundled.then(|| "the bundled model writes a number as one token".to_owned()))
}

fn nothing_computed_here(given: &Given) -> Option<String> {
    let languages = given.languages();
    let served = languages.iter().all(|name| ServerAddress::is_meant(name));
    no_language(given)
        .or((!languages.is_empty() && served).then(|| "the model is served".to_owned()))
}

fn nothing_served(given: &Given) -> Option<String> {
    let languages = given.languages();
    let served = languages.iter().any(|name| ServerAddress::is_meant(name));
    no_language(given).or((!served).then(|| "no model is served".to_owned()))
}

fn no_components(given: &Given) -> Option<String> {
    let method = given.method();
    let estimators = given.words("estimators");
    let reduced = estimators.iter().any(|e| e == "dicl-s" || e == "dicl-sa");
    let reduces = matches!(method, Method::DiclS | Method::DiclSa) || reduced;
    (!reduces).then(|| format!("the method is {method}; components are of dicl-s and dicl-sa"))
}

fn no_mixture(given: &Given) -> Option<String> {
    let how = match LISTED.contains(&given.command) {
        true => "'mixture' is not among --models",
        false => "nothing is mixed; name two or more --experts",
    };
    (!given.mixes()).then(|| how.to_owned())
}

fn nothing_imagined(given: &Given) -> Option<String> {
    let imagines = given.word("algorithm") == "dicl-sac";
    (!imagines)
        .then(|| "models and imagined transitions are those of --algorithm dicl-sac".to_owned())
}

fn nothing_simulated(given: &Given) -> Option<String> {
    (!given.is("simulate")).then(|| "it is of the runs of --simulate".to_owned())
}

fn no_minima(given: &Given) -> Option<String> {
    (!given.is("minima")).then(|| "it is of --minima".to_owned())
}

fn only_last(given: &Given) -> Option<String> {
    let last = given.words("models").iter().all(|name| name == "last");
    (given.is("models") && last).then(|| "the forecaster last draws nothing".to_owned())
}

fn only_baselines(given: &Given) -> Option<String> {
    let estimators = given.words("estimators");
    let baselines = |name: &String| matches!(name.as_str(), "baselines" | "rules");
    let only = estimators.iter().all(baselines);
    only.then(|| "the estimator baselines draws nothing and reads rewards alone".to_owned())
}

fn only_behaviour(given: &Given) -> Option<String> {
    let estimators = given.words("estimators");
    let only = estimators.iter().all(|name| name == "behaviour");
    only.then(|| "the estimator behaviour is the mean of the recorded returns".to_owned())
}

/// Actions to come act on language models that read them and on some baselines.
fn nothing_acts(given: &Given) -> Option<String> {
    let sees = |name: &String| baselines::named(name).is_none_or(|known| known.needs_actions());
    let acts = given.method() == Method::DiclSa || given.forecasters().iter().any(sees);
    (!acts).then(|| {
        "actions act on the methods residual and dicl-sa and on experts such as linear, and none of them takes part"
            .to_owned()
    })
}

fn nothing_to_recalibrate(given: &Given) -> Option<String> {
    let online = given.word("recalibrate") == "online";
    (online && !given.reads() && !given.mixes())
        .then(|| "language models and mixtures are recalibrated, and none takes part".to_owned())
}

fn settles_nothing(given: &Given) -> Option<String> {
    given
        .is("minima")
        .then(|| "it is for settling values, and --minima asks for minima".to_owned())
}

#[cfg(test)]
mod tests;
