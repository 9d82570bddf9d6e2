//! Estimators by name, as values of a flag.

use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::evaluation::UnknownEstimator;

/// Names that changed: now, and formerly.
const FORMER: [(&str, &str); 1] = [("baselines", "rules")];

/// A parser of the estimators of a command, with a description for each name.
pub(super) fn estimators<E>(
    described: &[(&'static str, &'static str)],
) -> impl TypedValueParser<Value = E>
where
    E: FromStr<Err = UnknownEstimator> + Clone + Send + Sync + 'static,
{
    let values = described.iter();
    let values = values.map(|(name, says)| {
        let former = FORMER.iter().filter(|(now, _)| now == name);
        let former = former.map(|(_, former)| *former);
        PossibleValue::new(*name).help(*says).aliases(former)
    });
    PossibleValuesParser::new(values).try_map(|name| name.parse::<E>())
}
