//! What takes part in a command, by what is given on its command line.

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::{ESTIMATING, LISTED, SINGLE};
use crate::forecast::Method;
use crate::forecasters::ForecasterName;
use crate::model::ModelSource;

/// What is given on the command line of a command.
pub(super) struct Given<'m> {
    pub(super) command: &'m str,
    pub(super) matches: &'m ArgMatches,
}

impl Given<'_> {
    fn knows(&self, flag: &str) -> bool {
        self.matches.ids().any(|id| id == flag)
    }

    /// Whether a flag is on the command line.
    pub(super) fn is(&self, flag: &str) -> bool {
        self.knows(flag) && self.matches.value_source(flag) == Some(ValueSource::CommandLine)
    }

    /// The values of a flag, given or by default.
    pub(super) fn words(&self, flag: &str) -> Vec<String> {
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
    pub(super) fn word(&self, flag: &str) -> String {
        self.words(flag).into_iter().next().unwrap_or_default()
    }

    /// The names of forecasters that a flag has.
    pub(super) fn names(&self, flag: &str) -> Vec<ForecasterName> {
        let words = self.words(flag);
        let names = words
            .iter()
            .filter_map(|word| ForecasterName::list(word).ok());
        names.flatten().collect()
    }

    /// A mixture without members of its own is one of the forecasters.
    pub(super) fn mixes_experts(&self) -> bool {
        match self.command {
            "backtest" => {
                let bare = ForecasterName::Mixture(Vec::new());
                self.names("models").contains(&bare)
            }
            _ => self.mixes(),
        }
    }

    /// The mixture is one of the forecasters.
    pub(super) fn mixes(&self) -> bool {
        match self.command {
            "backtest" => self.names("models").iter().any(ForecasterName::is_mixture),
            "training-run" => self.listed_runs().iter().any(|name| name == "mixture"),
            _ => {
                let experts = self.names("experts");
                experts.len() > 1 || experts.iter().any(ForecasterName::is_mixture)
            }
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
    pub(super) fn forecasters(&self) -> Vec<String> {
        let single = |names: Vec<ForecasterName>| {
            let members = names.iter().flat_map(|name| match name.members() {
                [] => vec![name.to_string()],
                members => members.iter().map(ToString::to_string).collect(),
            });
            members.collect::<Vec<String>>()
        };
        let mut names = match self.command {
            "backtest" => single(self.names("models")),
            "training-run" => self.listed_runs(),
            _ => single(self.names("experts")),
        };
        if LISTED.contains(&self.command) && self.mixes_experts() {
            names.extend(single(self.names("experts")));
        }
        if SINGLE.contains(&self.command) && names.is_empty() {
            names.push(self.word("model"));
        }
        names
    }

    /// Whether one of some estimators is asked for.
    pub(super) fn estimates(&self, names: &[&str]) -> bool {
        let estimators = self.words("estimators");
        estimators
            .iter()
            .any(|estimator| names.contains(&estimator.as_str()))
    }

    /// Whether a language model or a learned one is asked for.
    pub(super) fn imagines(&self) -> bool {
        self.reads() || self.estimates(&["linear", "mlp", "on-policy"])
    }

    /// Whether a language model takes part.
    pub(super) fn reads(&self) -> bool {
        if ESTIMATING.contains(&self.command) {
            let languages = ["mixture", "builtin", "vicl", "dicl-s", "dicl-sa"];
            let estimators = self.words("estimators");
            return estimators.iter().any(|e| languages.contains(&e.as_str()));
        }
        !self.languages().is_empty()
    }

    /// Language models that take part.
    pub(super) fn languages(&self) -> Vec<String> {
        let names = match ESTIMATING.contains(&self.command) {
            true => vec![self.word("model")],
            false => self.forecasters(),
        };
        let curves = ["power-law", "exponential", "trend", "last", "pool"];
        let language = |name: &String| is_language(name) && !curves.contains(&name.as_str());
        names.into_iter().filter(language).collect()
    }

    /// The method by which variables are read.
    pub(super) fn method(&self) -> Method {
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

fn is_language(name: &str) -> bool {
    name.parse()
        .is_ok_and(|name: ForecasterName| name.is_language())
}
