//! Members of the pool of settling values.

use std::str::FromStr;

/// A forecaster of the pool with its weight.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) weight: f64,
}

/// Parses `NAME` or `NAME=WEIGHT`; text after the last `=` that is not a number belongs to the
/// name.
impl FromStr for Member {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_follow_names() {
        let member = |text: &str| text.parse::<Member>().map(|m| (m.name, m.weight));
        assert_eq!(member("ar"), Ok(("ar".to_owned(), 1.0)));
        assert_eq!(member("trend=0.5"), Ok(("trend".to_owned(), 0.5)));
        assert_eq!(member("/a=b/model"), Ok(("/a=b/model".to_owned(), 1.0)));
        for text in ["", "=0.5", "ar=0", "ar=-1", "ar=2", "ar=nan", "ar=inf"] {
            assert!(member(text).is_err(), "{text}");
        }
    }
}
