//! Flags whose value is one of a few names, each with what it means.

use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::evaluation::UnknownEstimator;

/// A name with its description; `now|formerly` for one that changed.
fn named(names: &'static str, says: &'static str) -> PossibleValue {
    let mut names = names.split('|');
    let name = names.next().unwrap_or_default();
    PossibleValue::new(name).help(says).aliases(names)
}

/// A parser of names: each with its description, and the value that it stands for.
pub(super) fn choice<T, const N: usize>(
    choices: [(&'static str, &'static str, T); N],
) -> impl TypedValueParser<Value = T>
where
    T: Clone + Send + Sync + 'static,
{
    let choices = choices.map(|(names, says, value)| (named(names, says), value));
    let names = choices.clone().map(|(name, _)| name);
    PossibleValuesParser::new(names).map(move |text| {
        let chosen = choices.iter().find(|(name, _)| name.matches(&text, false));
        let (_, value) = chosen.expect("the parser lets no other name through");
        value.clone()
    })
}

/// A parser of the estimators of a command, with a description for each name.
pub(super) fn estimators<E>(
    described: &[(&'static str, &'static str)],
) -> impl TypedValueParser<Value = E>
where
    E: FromStr<Err = UnknownEstimator> + Clone + Send + Sync + 'static,
{
    let names = described.iter().map(|(names, says)| named(names, says));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<E>())
}
