//! Flags that cannot take effect beside the others: an error that says why.

use std::path::Path;

use anyhow::bail;
use clap::ArgMatches;
use clap::parser::ValueSource;

use super::experts::is_language;
use crate::forecast::Method;
use crate::model::{ModelSource, ServerAddress};

/// What is given on the command line of a command.
struct Given<'m> {
    command: &'m str,
    matches: &'m ArgMatches,
}

/// A flag of some commands, and why it has no effect there.
struct Rule {
    flag: &'static str,
    commands: &'static [&'static str],
    reason: fn(&Given) -> Option<String>,
}

/// Commands whose forecasters are those of --experts, or else the model.
const SINGLE: &[&str] = &["forecast", "density", "calibrate", "markov"];
/// Commands whose forecasters are listed.
const LISTED: &[&str] = &["backtest", "training-run"];
/// Commands with estimators.
const ESTIMATING: &[&str] = &["evaluate", "replay"];
const FORECASTING: &[&str] = &[
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
        flag: "share",
        commands: SINGLE,
        reason: no_mixture,
    },
    Rule {
        flag: "share",
        commands: LISTED,
        reason: no_mixture,
    },
    Rule {
        flag: "experts",
        commands: LISTED,
        reason: no_mixture,
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
            (given.word("relabellings") == "0")
                .then(|| "it draws permutations, and --relabellings is 0".to_owned())
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
            let values = ["fqe", "dr"];
            let imagines = given.imagines() || given.estimates(&values);
            (!imagines).then(|| "no estimator imagines paths".to_owned())
        },
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
        flag: "duplicates",
        commands: FORECASTING,
        reason: |given| {
            (given.word("time") == "none")
                .then(|| "with --time none no two rows are of one time".to_owned())
        },
    },
];

/// Refuses the first flag that is given and cannot take effect.
///
/// # Errors
/// The flag and why.
pub(super) fn refuse(matches: &ArgMatches) -> anyhow::Result<()> {
    let Some((command, matches)) = matches.subcommand() else {
        return Ok(());
    };
    let given = Given { command, matches };
    for rule in RULES {
        if !rule.commands.contains(&command) || !given.is(rule.flag) {
            continue;
        }
        if let Some(reason) = (rule.reason)(&given) {
            bail!("--{} has no effect: {reason}", rule.flag.replace('_', "-"));
        }
    }
    given.refuse_own_recording()
}

impl Given<'_> {
    /// Other recordings are those of other runs: a forecast that has read what it is compared with is none.
    fn refuse_own_recording(&self) -> anyhow::Result<()> {
        let place = |name: &String| Path::new(name).canonicalize().ok();
        let words = |flags: [&str; 2]| flags.map(|flag| self.words(flag)).concat();
        let recordings: Vec<_> = words(["file", "files"]).iter().filter_map(place).collect();
        for flag in ["also", "train"] {
            let values = self.words(flag);
            let values = values.iter().flat_map(|value| value.split(','));
            for file in values.map(str::to_owned) {
                if place(&file).is_some_and(|file| recordings.contains(&file)) {
                    bail!(
                        "--{flag} {file}: is the recording itself; it takes recordings of other runs"
                    );
                }
            }
        }
        Ok(())
    }

    fn knows(&self, flag: &str) -> bool {
        self.matches.ids().any(|id| id == flag)
    }

    /// Whether a flag is on the command line.
    fn is(&self, flag: &str) -> bool {
        self.knows(flag) && self.matches.value_source(flag) == Some(ValueSource::CommandLine)
    }

    /// The values of a flag, given or by default.
    fn words(&self, flag: &str) -> Vec<String> {
        let values = match self.knows(flag) {
            true => self.matches.get_raw(flag),
            false => None,
        };
        let values = values.into_iter().flatten();
        values
            .map(|word| word.to_string_lossy().into_owned())
            .collect()
    }

    /// The only value of a flag, empty without one.
    fn word(&self, flag: &str) -> String {
        self.words(flag).into_iter().next().unwrap_or_default()
    }

    /// The mixture is one of the forecasters.
    fn mixes(&self) -> bool {
        match self.command {
            "backtest" => self.words("models").iter().any(|name| name == "mixture"),
            "training-run" => self.listed_runs().iter().any(|name| name == "mixture"),
            _ => self.words("experts").len() > 1,
        }
    }

    /// Forecasters of training runs, without the members of a mixture.
    fn listed_runs(&self) -> Vec<String> {
        let usual: &[&str] = match self.is("minima") {
            true => &["builtin", "mixture"],
            false => &["pool", "builtin"],
        };
        let mut names = self.words("models");
        if !self.is("models") {
            names = usual.iter().map(|&name| name.to_owned()).collect();
        }
        if names.iter().any(|name| name == "pool") {
            let members = self.words("pool").into_iter();
            let name = |member: String| member.split('=').next().unwrap_or_default().to_owned();
            names.extend(members.map(name));
        }
        names
    }

    /// All forecasters that take part.
    fn forecasters(&self) -> Vec<String> {
        let mut names = match self.command {
            "backtest" => self.words("models"),
            "training-run" => self.listed_runs(),
            _ => self.words("experts"),
        };
        if LISTED.contains(&self.command) && self.mixes() {
            names.extend(self.words("experts"));
        }
        if SINGLE.contains(&self.command) && names.is_empty() {
            names.push(self.word("model"));
        }
        names
    }

    /// Whether one of some estimators is asked for.
    fn estimates(&self, names: &[&str]) -> bool {
        let estimators = self.words("estimators");
        estimators
            .iter()
            .any(|estimator| names.contains(&estimator.as_str()))
    }

    /// Whether a language model or a learned one is asked for.
    fn imagines(&self) -> bool {
        self.reads() || self.estimates(&["linear", "mlp", "on-policy"])
    }

    /// Whether a language model takes part.
    fn reads(&self) -> bool {
        if ESTIMATING.contains(&self.command) {
            let languages = ["mixture", "builtin", "vicl", "dicl-s", "dicl-sa"];
            let estimators = self.words("estimators");
            return estimators.iter().any(|e| languages.contains(&e.as_str()));
        }
        !self.languages().is_empty()
    }

    /// Language models that take part.
    fn languages(&self) -> Vec<String> {
        let names = match ESTIMATING.contains(&self.command) {
            true => vec![self.word("model")],
            false => self.forecasters(),
        };
        let curves = ["power-law", "exponential", "trend", "last", "pool"];
        let language = |name: &String| is_language(name) && !curves.contains(&name.as_str());
        names.into_iter().filter(language).collect()
    }

    /// The method by which variables are read.
    fn method(&self) -> Method {
        let suits = || match self.word("model").parse::<ModelSource>() {
            Ok(source) if source.reads_hints() => Method::Residual,
            _ => Method::Vicl,
        };
        match self.command {
            "markov" | "training-run" => Method::Vicl,
            _ => self.word("method").parse().unwrap_or_else(|_| suits()),
        }
    }
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
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn refusal(line: &str) -> Option<String> {
        let words = std::iter::once("statecast").chain(line.split_whitespace());
        let matches = crate::cli::Arguments::command().try_get_matches_from(words);
        let matches = matches.unwrap_or_else(|fault| panic!("{line}: {fault}"));
        refuse(&matches).err().map(|fault| fault.to_string())
    }

    /// Fault: `backtest --model X` did nothing unless X was in --models, and others alike.
    #[test]
    fn flags_without_effect_are_refused() {
        for (line, flag) in [
            ("backtest a.csv --model org/name", "--model"),
            ("backtest a.csv --models ar --model builtin", "--model"),
            (
                "forecast a.csv --experts ar,knn --model org/name",
                "--model",
            ),
            ("training-run a.csv --until 9 --model org/name", "--model"),
            (
                "evaluate a.csv --policy random --estimators fqe --model x/y",
                "--model",
            ),
            (
                "backtest a.csv --models ar --temperature 2",
                "--temperature",
            ),
            (
                "forecast a.csv --experts ar --precision bf16",
                "--precision",
            ),
            (
                "density a.csv -o d.npz --experts ar --prompt digit",
                "--prompt",
            ),
            ("backtest a.csv --models ar,knn --device cpu", "--device"),
            ("calibrate a.csv --experts ar --exact", "--exact"),
            ("forecast a.csv --tolerance 0.1", "--tolerance"),
            ("forecast a.csv --components 2", "--components"),
            (
                "forecast a.csv --method vicl --components 2",
                "--components",
            ),
            ("markov a.csv --components 2", "--components"),
            ("forecast a.csv --share 0.1", "--share"),
            ("calibrate a.csv --share 0.1", "--share"),
            ("backtest a.csv --models builtin --share 0.1", "--share"),
            (
                "backtest a.csv --models builtin --experts ar,knn",
                "--experts",
            ),
            ("training-run a.csv --until 9 --experts ar,knn", "--experts"),
            (
                "forecast a.csv --experts ar --recalibrate online",
                "--recalibrate",
            ),
            (
                "backtest a.csv --models ar,knn --recalibrate online",
                "--recalibrate",
            ),
            ("forecast a.csv --origins 5", "--origins"),
            ("backtest a.csv --origins 5", "--origins"),
            ("forecast a.csv --train b.csv", "--train"),
            ("backtest a.csv --train b.csv", "--train"),
            ("replay a.csv --estimators vicl --train b.csv", "--train"),
            ("markov a.csv --with-reward", "--with-reward"),
            (
                "training-run a.csv --until 9 --with-reward",
                "--with-reward",
            ),
            (
                "evaluate a.csv --policy random --with-reward",
                "--with-reward",
            ),
            ("replay a.csv --with-reward", "--with-reward"),
            (
                "evaluate a.csv --policy random --estimators is,behaviour --paths 9",
                "--paths",
            ),
            (
                "evaluate a.csv --policy random --estimators fqe --contexts 2",
                "--contexts",
            ),
            (
                "evaluate a.csv --policy random --estimators linear,fqe --context 50",
                "--context",
            ),
            (
                "evaluate a.csv --policy random --estimators mlp --scale none",
                "--scale",
            ),
            (
                "replay a.csv --estimators vicl,rules --method residual",
                "--method",
            ),
            ("markov a.csv --relabellings 0 --seed 3", "--seed"),
            ("training-run a.csv --minima x --metric loss", "--metric"),
            ("training-run a.csv --minima x --blocks 9", "--blocks"),
            ("training-run a.csv --minima x --level 0.5", "--level"),
            ("training-run a.csv --minima x --pool ar", "--pool"),
            (
                "training-run a.csv --until 9 --models ar --pool ar",
                "--pool",
            ),
            (
                "training-run --simulate quadratic --minima x --floor 1",
                "--floor",
            ),
            (
                "forecast a.csv --time none --duplicates last",
                "--duplicates",
            ),
        ] {
            let refusal = refusal(line).unwrap_or_else(|| panic!("{line}: accepted"));
            assert!(
                refusal.starts_with(&format!("{flag} has no effect: ")),
                "{line}: {refusal}"
            );
        }
    }

    #[test]
    fn flags_with_effect_are_accepted() {
        for line in [
            "backtest a.csv --model builtin",
            "backtest a.csv --models org/name --model org/name",
            "backtest a.csv --experts org/name,ar --model org/name",
            "backtest a.csv --models mlp,ar --train b.csv",
            "backtest a.csv --models mixture --share 0.1 --experts mlp,ar --train b.csv",
            "forecast a.csv --model org/name --method dicl-s --components 2",
            "forecast a.csv --experts builtin,ar --share 0.1 --recalibrate online --origins 5",
            "forecast a.csv --experts ar,knn --recalibrate online",
            "calibrate a.csv --origins 5",
            "markov a.csv --model org/name --temperature 2",
            "training-run a.csv --until 9 --models mixture --experts ar,knn --share 0.1",
            "training-run a.csv --minima x --experts ar,knn",
            "training-run a.csv --until 9 --pool ar,trend",
            "evaluate a.csv --policy random --model org/name --components 2",
            "replay a.csv --train b.csv",
            "forecast a.csv --duplicates last",
        ] {
            assert_eq!(refusal(line), None, "{line}");
        }
    }
}
