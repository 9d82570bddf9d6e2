//! Forecasters of convergence by name.

use std::str::FromStr;

use super::ConvergenceStudyError;
use crate::convergence::Decay;
use crate::forecasters::ForecasterName;

/// Name of the pool.
pub(super) const POOL: &str = "pool";

/// Forecasters of settling values, the main one first.
const SETTLING: [&str; 8] = [
    POOL,
    "builtin",
    "power-law",
    "exponential",
    "trend",
    "ar",
    "persistence",
    "last",
];

/// Forecasters of minima, the main one first.
const MINIMA: [&str; 6] = ["builtin", "mixture", "ar", "linear", "knn", "persistence"];

/// What is pooled: names, those of less weight with it.
pub const POOL_MEMBERS: &str = "builtin,ar,power-law,exponential,trend=0.5";

/// A predictor, with the text that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedForecaster {
    /// What it is called in results.
    pub label: String,
    /// What it is.
    pub name: ForecasterName,
}

impl NamedForecaster {
    /// The forecasters of minima of some texts, the usual ones without any. A mixture that names no
    /// members is that of the `experts`.
    ///
    /// # Errors
    /// [`ConvergenceStudyError::SettlingOnly`] for the name of a curve or of the pool,
    /// [`ConvergenceStudyError::Name`] for a text that names nothing.
    ///
    /// ```
    /// use statecast::forecasters::ForecasterName;
    /// use statecast::study::convergence::NamedForecaster;
    /// let experts = ForecasterName::list("ar,knn")?;
    /// let mixed = NamedForecaster::list(Some(&["mixture".to_owned()]), &experts)?;
    /// assert_eq!((mixed[0].label.as_str(), mixed[0].name.members().len()), ("mixture", 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn list(
        texts: Option<&[String]>,
        experts: &[ForecasterName],
    ) -> Result<Vec<Self>, ConvergenceStudyError> {
        let texts = texts.map_or_else(|| owned(&MINIMA), <[String]>::to_vec);
        let curve = |text: &&String| text.as_str() == POOL || Curve::of(text).is_some();
        if let Some(text) = texts.iter().find(curve) {
            return Err(ConvergenceStudyError::SettlingOnly(text.clone()));
        }
        let texts = texts.iter();
        texts.map(|text| Self::parse(text, experts)).collect()
    }

    fn parse(text: &str, experts: &[ForecasterName]) -> Result<Self, ConvergenceStudyError> {
        let name = text.parse().map_err(|source| ConvergenceStudyError::Name {
            text: text.to_owned(),
            source,
        })?;
        let name = match name {
            ForecasterName::Mixture(members) if members.is_empty() => {
                ForecasterName::mixture(experts.to_vec())
            }
            name => name,
        };
        Ok(Self {
            label: text.to_owned(),
            name,
        })
    }
}

/// A forecaster of settling values that is no predictor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    Fitted(Decay),
    Trend,
    LastValue,
}

impl Curve {
    fn of(text: &str) -> Option<Self> {
        match text {
            "power-law" => Some(Self::Fitted(Decay::PowerLaw)),
            "exponential" => Some(Self::Fitted(Decay::Exponential)),
            "trend" => Some(Self::Trend),
            "last" => Some(Self::LastValue),
            _ => None,
        }
    }
}

/// What forecasts a settling value by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Single {
    Curve(Curve),
    Predictor(NamedForecaster),
}

/// Which of the results stands where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Pool,
    /// Number among the forecasters that are made.
    Single(usize),
}

/// A forecaster of the pool with its weight.
///
/// ```
/// use statecast::study::convergence::PoolMember;
/// let trend: PoolMember = "trend=0.5".parse()?;
/// assert_eq!((trend.name.as_str(), trend.weight), ("trend", 0.5));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PoolMember {
    /// Its name.
    pub name: String,
    /// Its weight, above 0 and at most 1.
    pub weight: f64,
}

/// Parses `NAME` or `NAME=WEIGHT`; text after the last `=` that is not a number belongs to the
/// name.
impl FromStr for PoolMember {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let weighted = text.rsplit_once('=').and_then(|(name, weight)| {
            let weight = weight.parse::<f64>().ok()?;
            Some((name, weight))
        });
        let (name, weight) = weighted.unwrap_or((text, 1.0));
        match weight > 0.0 && weight <= 1.0 && !name.is_empty() {
            true => Ok(Self {
                name: name.to_owned(),
                weight,
            }),
            false => {
                Err("needs a name, or a name=weight with a weight above 0, at most 1".to_owned())
            }
        }
    }
}

impl PoolMember {
    /// The members of the usual pool, [`POOL_MEMBERS`].
    pub fn usual() -> Vec<Self> {
        let members = POOL_MEMBERS.split(',').map(str::parse);
        members.filter_map(Result::ok).collect()
    }

    /// Checks that a pool has members, none of which is the pool.
    ///
    /// # Errors
    /// [`ConvergenceStudyError::Pool`].
    pub fn check(pool: &[Self]) -> Result<(), ConvergenceStudyError> {
        match pool.is_empty() || pool.iter().any(|member| member.name == POOL) {
            true => Err(ConvergenceStudyError::Pool),
            false => Ok(()),
        }
    }
}

/// Forecasters of settling values: `pool`, the curves `power-law` and `exponential`, `trend`,
/// `last`, and predictors by their names.
///
/// ```
/// use statecast::study::convergence::SettlingForecasters;
/// let names = ["pool", "ar"].map(str::to_owned);
/// let pool = ["ar", "trend=0.5"].map(str::parse).into_iter().collect::<Result<Vec<_>, _>>()?;
/// let forecasters = SettlingForecasters::new(Some(&names), &pool, &[])?;
/// assert_eq!(forecasters.names().len(), 1); // `ar` is made once
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SettlingForecasters {
    pub(super) shown: Vec<Place>,
    /// Each once, those of the pool too, with the text that names it.
    pub(super) singles: Vec<(String, Single)>,
    /// Numbers and weights of those that are pooled.
    pub(super) pool: Vec<(usize, f64)>,
}

impl SettlingForecasters {
    /// The forecasters of some texts, the main one first; the usual ones without any. The members
    /// of the pool matter where `pool` is among them; a mixture that names no members is that of
    /// the `experts`.
    ///
    /// # Errors
    /// [`ConvergenceStudyError::Pool`] for a pool of itself or nothing,
    /// [`ConvergenceStudyError::Name`] for a text that names nothing.
    pub fn new(
        texts: Option<&[String]>,
        pool: &[PoolMember],
        experts: &[ForecasterName],
    ) -> Result<Self, ConvergenceStudyError> {
        let texts = texts.map_or_else(|| owned(&SETTLING), <[String]>::to_vec);
        let mut forecasters = Self {
            shown: Vec::new(),
            singles: Vec::new(),
            pool: Vec::new(),
        };
        for text in &texts {
            let place = match text.as_str() {
                POOL => Place::Pool,
                _ => Place::Single(forecasters.add(text, experts)?),
            };
            forecasters.shown.push(place);
        }
        if forecasters.pools() {
            PoolMember::check(pool)?;
            for member in pool {
                let single = forecasters.add(&member.name, experts)?;
                forecasters.pool.push((single, member.weight));
            }
        }
        Ok(forecasters)
    }

    /// The usual forecasters: the pool, its members, persistence and the last value.
    ///
    /// ```
    /// use statecast::study::convergence::SettlingForecasters;
    /// let names = SettlingForecasters::usual()?.names();
    /// let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    /// assert_eq!(names, ["builtin", "ar", "persistence"]);
    /// # Ok::<(), statecast::study::ConvergenceStudyError>(())
    /// ```
    ///
    /// # Errors
    /// None: the names are known.
    pub fn usual() -> Result<Self, ConvergenceStudyError> {
        Self::new(None, &PoolMember::usual(), &[])
    }

    /// Returns the predictors among them, each once: the names of which forecasters are to be made.
    pub fn names(&self) -> Vec<ForecasterName> {
        let singles = self.singles.iter();
        let name = |(_, single): &(String, Single)| match single {
            Single::Predictor(named) => Some(named.name.clone()),
            Single::Curve(_) => None,
        };
        singles.filter_map(name).collect()
    }

    /// Returns whether the pool is among them.
    pub(super) fn pools(&self) -> bool {
        self.shown.contains(&Place::Pool)
    }

    /// The number of a forecaster that is made.
    fn add(
        &mut self,
        text: &str,
        experts: &[ForecasterName],
    ) -> Result<usize, ConvergenceStudyError> {
        if let Some(place) = self.singles.iter().position(|(known, _)| known == text) {
            return Ok(place);
        }
        let single = match Curve::of(text) {
            Some(curve) => Single::Curve(curve),
            None => Single::Predictor(NamedForecaster::parse(text, experts)?),
        };
        self.singles.push((text.to_owned(), single));
        Ok(self.singles.len() - 1)
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_follow_names() {
        let member = |text: &str| text.parse::<PoolMember>().map(|m| (m.name, m.weight));
        assert_eq!(member("ar"), Ok(("ar".to_owned(), 1.0)));
        assert_eq!(member("trend=0.5"), Ok(("trend".to_owned(), 0.5)));
        assert_eq!(member("/a=b/model"), Ok(("/a=b/model".to_owned(), 1.0)));
        for text in ["", "=0.5", "ar=0", "ar=-1", "ar=2", "ar=nan", "ar=inf"] {
            assert!(member(text).is_err(), "{text}");
        }
        assert_eq!(PoolMember::usual().len(), POOL_MEMBERS.split(',').count());
    }

    #[test]
    fn members_of_the_pool_are_made_once_and_only_for_it() {
        let texts = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let texts = |names: &[&str]| -> Vec<String> { texts(names) };
        let pool: Vec<PoolMember> = ["ar", "trend=0.5"].map(|t| t.parse().unwrap()).into();
        let of = |names: &[&str]| SettlingForecasters::new(Some(&texts(names)), &pool, &[]);
        let pooled = of(&["last", "pool", "ar", "ar"]).unwrap();
        let singles = pooled.singles.iter().map(|(text, _)| text.as_str());
        assert_eq!(singles.collect::<Vec<_>>(), ["last", "ar", "trend"]);
        assert_eq!(pooled.pool, [(1, 1.0), (2, 0.5)]);
        assert_eq!(
            pooled.shown[1..],
            [Place::Pool, Place::Single(1), Place::Single(1)]
        );
        assert_eq!(of(&["last"]).unwrap().singles.len(), 1);
        let itself: PoolMember = "pool".parse().unwrap();
        let refused = SettlingForecasters::new(None, &[itself], &[]).unwrap_err();
        assert!(matches!(refused, ConvergenceStudyError::Pool));
        let refused = NamedForecaster::list(Some(&texts(&["ar", "trend"])), &[]).unwrap_err();
        assert!(refused.to_string().contains("`models=trend`"), "{refused}");
    }
}
