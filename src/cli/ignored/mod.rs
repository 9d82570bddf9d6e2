//! Flags that cannot take effect beside the others: an error that says why.

mod given;

use std::path::Path;

use clap::ArgMatches;

use crate::baselines;
use crate::forecast::Method;
use crate::forecasters::{ForecasterName, ForecastersError, seasonal};
use crate::model::ServerAddress;
use given::Given;

/// Flags of some commands, and why they have no effect there.
struct Rule {
    flags: &'static [&'static str],
    commands: &'static [&'static str],
    reason: fn(&Given) -> Option<String>,
}

const fn rule(
    flags: &'static [&'static str],
    commands: &'static [&'static str],
    reason: fn(&Given) -> Option<String>,
) -> Rule {
    Rule {
        flags,
        commands,
        reason,
    }
}

/// Commands whose forecasters are those of --experts, or else the model.
const SINGLE: &[&str] = &["forecast", "density", "calibrate", "markov", "train"];
/// Commands whose forecasters are listed.
const LISTED: &[&str] = &["backtest", "training-run"];
/// Commands that read series by a method.
const READING: &[&str] = &["forecast", "density", "calibrate", "backtest"];
/// Commands whose forecasters may read the calendar of rows.
const WITH_CALENDAR: &[&str] = &["forecast", "calibrate", "backtest"];
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
    rule(
        &[
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
        ],
        &["train"],
        nothing_imagined,
    ),
    rule(
        &["runs", "steps", "step_size", "noise", "floor", "save"],
        &["training-run"],
        nothing_simulated,
    ),
    rule(&["model"], FORECASTING, unused_model),
    rule(&["prompt", "temperature"], FORECASTING, no_language),
    rule(&["precision", "device"], FORECASTING, nothing_computed_here),
    rule(&["tokenizer"], FORECASTING, nothing_served),
    rule(&["exact", "tolerance"], FORECASTING, no_digits),
    rule(&["components"], FORECASTING, no_components),
    rule(
        &["alpha"],
        &[
            "forecast",
            "density",
            "calibrate",
            "markov",
            "backtest",
            "training-run",
        ],
        no_mixture,
    ),
    rule(&["experts"], LISTED, |given| {
        let none = !given.mixes_experts();
        none.then(|| "'mixture' is not among --models".to_owned())
    }),
    rule(
        &["recalibrate"],
        &["forecast", "density", "markov", "backtest", "training-run"],
        nothing_to_recalibrate,
    ),
    rule(
        &["origins"],
        &["forecast", "backtest", "training-run"],
        |given| {
            (given.word("recalibrate") != "online")
                .then(|| "bands are adjusted with --recalibrate online only".to_owned())
        },
    ),
    rule(
        &["train"],
        &["forecast", "density", "calibrate", "backtest"],
        |given| {
            let trains = given.forecasters().iter().any(|name| name == "mlp");
            (!trains).then(|| "only mlp learns from it, and it takes no part".to_owned())
        },
    ),
    rule(&["train"], &["replay"], |given| {
        let learns = ["linear", "mlp"].map(str::to_owned);
        let some = given.words("estimators").iter().any(|e| learns.contains(e));
        (!some).then(|| "only the estimators linear and mlp learn from it".to_owned())
    }),
    rule(&["with_reward"], &["train"], |_| {
        Some("rewards are known, or predicted where they have to be".to_owned())
    }),
    rule(&["with_reward"], &["markov", "training-run"], |_| {
        Some("one column is forecast, and no reward beside it".to_owned())
    }),
    rule(&["with_reward"], ESTIMATING, |_| {
        Some("rewards are forecast wherever --env does not know them".to_owned())
    }),
    rule(&["seed"], &["markov"], |given| {
        (given.word("label_permutations") == "0")
            .then(|| "it draws permutations, and --label-permutations is 0".to_owned())
    }),
    rule(&["metric"], &["training-run"], |given| {
        given
            .is("minima")
            .then(|| "--minima names the column".to_owned())
    }),
    rule(&["blocks", "level"], &["training-run"], settles_nothing),
    rule(&["pool"], &["training-run"], |given| {
        let pools = given.words("models").iter().any(|name| name == "pool");
        match settles_nothing(given) {
            None => {
                (given.is("models") && !pools).then(|| "'pool' is not among --models".to_owned())
            }
            reason => reason,
        }
    }),
    rule(&["context_runs", "at"], &["training-run"], no_minima),
    rule(&["samples"], &["training-run"], |given| {
        let minima = given.is("minima");
        let minima = minima.then(|| "minima are read off kernels, not off paths".to_owned());
        minima.or_else(|| only_last(given))
    }),
    rule(&["seed"], &["training-run"], |given| {
        // It draws simulated runs, and the intervals of what is judged.
        let draws = given.is("simulate") || given.is("prefix");
        (!draws).then(|| only_last(given)).flatten()
    }),
    rule(&["cuts"], &["markov"], |given| {
        (!given.is("states")).then(|| "it says where --states cuts, which is not given".to_owned())
    }),
    rule(&["floor"], &["training-run"], |given| {
        let unseen = given.is("minima") && !given.is("save");
        unseen.then(|| "it is a floor of the loss, and --minima reads a parameter".to_owned())
    }),
    rule(&["paths"], &["evaluate"], |given| {
        // They draw as many actions of every start.
        let draws = given.imagines() || given.estimates(&["fqe", "dr"]);
        (!draws).then(|| "no estimator draws paths or actions".to_owned())
    }),
    rule(
        &["paths", "seed", "policy", "env"],
        &["replay"],
        only_baselines,
    ),
    rule(&["behaviours"], &["evaluate"], only_behaviour),
    rule(&["env"], &["evaluate"], |given| {
        // The task has a time limit, and a simulator.
        let used = ["simulate", "termination"]
            .iter()
            .any(|flag| given.is(flag));
        (given.is("horizon") && !used)
            .then(|| only_behaviour(given))
            .flatten()
    }),
    rule(&["seed"], &["evaluate"], |given| {
        (!given.is("simulate"))
            .then(|| only_behaviour(given))
            .flatten()
    }),
    rule(&["period"], READING, |given| {
        let takes = |name: &String| seasonal().contains(&&name[..]);
        let reads = given.reads() || given.forecasters().iter().any(takes);
        (!reads).then(|| ForecastersError::NoReaderOfPeriod.to_string())
    }),
    rule(&["calendar"], WITH_CALENDAR, |given| {
        let takes = |name: &String| name.contains("calendar");
        let reads = given.reads() || given.forecasters().iter().any(takes);
        (!reads).then(|| "no forecaster reads the calendar".to_owned())
    }),
    rule(&["simulator"], READING, no_language),
    rule(
        &["future", "hold_actions", "policy"],
        &["forecast"],
        nothing_acts,
    ),
    rule(&["contexts"], &["evaluate"], |given| {
        (!given.imagines()).then(|| "no estimator learns from part of the episodes".to_owned())
    }),
    rule(&["context"], &["evaluate"], no_language),
    rule(&["scale"], ESTIMATING, no_language),
    rule(&["method"], ESTIMATING, |given| {
        (!given.estimates(&["mixture", "builtin"]))
            .then(|| "it is that of the estimators mixture and builtin".to_owned())
    }),
    rule(
        &["method"],
        &["forecast", "density", "calibrate", "backtest", "train"],
        |given| {
            // Channels of the other methods are those of every forecaster; what residuals take is refused by itself.
            let alike = matches!(given.method(), Method::Vicl | Method::Residual);
            let takes = given.is("simulator") || given.is("period");
            (alike && !takes).then(|| no_language(given)).flatten()
        },
    ),
    rule(&["method"], &["markov", "training-run"], |given| {
        let vicl = given.word("method") == "vicl";
        vicl.then(|| "one column is forecast, by itself".to_owned())
    }),
    rule(&["augmented"], &["compare"], |given| {
        let flags = ["algorithms", "arms", "every_arm"].map(|flag| given.words(flag));
        let imagines = flags.iter().flatten().any(|word| word.contains("dicl-sac"));
        (!imagines && !given.is("controls")).then(|| "no arm imagines transitions".to_owned())
    }),
    rule(&["temperatures"], &["markov"], |given| {
        match given.word("temperatures").as_str() {
            "none" => None,
            _ => no_language(given),
        }
    }),
    rule(&["missing"], &["impute"], |_| {
        Some("missing values are what it fills".to_owned())
    }),
    rule(&["duplicates"], FORECASTING, |given| {
        (given.word("time") == "none")
            .then(|| "with --time none no two rows are of one time".to_owned())
    }),
];

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
    let without_effect = RULES.iter().find_map(|rule| {
        let flag = rule.flags.iter().find(|flag| given.is(flag))?;
        let applies = rule.commands.contains(&command);
        let reason = applies.then(|| (rule.reason)(&given))??;
        Some(format!("{} has no effect: {reason}", flag_of(flag)))
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
