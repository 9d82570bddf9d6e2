//! Numbers as text in tables that people read.

use crate::metrics::Estimate;

/// Most decimals of a small number; smaller ones are written with an exponent.
const MAX_DECIMALS: usize = 5;

/// What stands where a number is not defined.
const UNDEFINED: &str = "-";

/// Formats a number with `decimals` decimals, or with two significant digits where these would show
/// fewer; "-" if it is not defined.
pub fn number(x: f64, decimals: usize) -> String {
    numbers([x], decimals).concat()
}

/// A mean with its interval, `0.120 [0.100, 0.140]`.
pub fn estimate(e: &Estimate, decimals: usize) -> String {
    let [mean, low, high] = numbers([e.mean, e.low, e.high], decimals);
    match mean == UNDEFINED {
        true => mean,
        false => format!("{mean} [{low}, {high}]"),
    }
}

/// A share in percent.
pub fn percent(share: f64, decimals: usize) -> String {
    match share.is_nan() {
        true => UNDEFINED.to_owned(),
        false => format!("{:.decimals$} %", 100.0 * share),
    }
}

/// Formats numbers together, at the precision of the largest: with `decimals` decimals, or more
/// where these would show fewer than two of its digits.
pub fn numbers<const N: usize>(numbers: [f64; N], decimals: usize) -> [String; N] {
    let defined = numbers.iter().filter(|x| !x.is_nan());
    let largest = defined.fold(0.0, |largest: f64, x| largest.max(x.abs()));
    let needed = match largest > 0.0 {
        true => (1.0 - largest.log10().floor()).max(0.0) as usize,
        false => 0,
    };
    numbers.map(|x| match needed.max(decimals) {
        _ if x.is_nan() => UNDEFINED.to_owned(),
        digits if digits <= MAX_DECIMALS.max(decimals) || x == 0.0 => {
            format!("{x:.*}", digits.min(MAX_DECIMALS.max(decimals)))
        }
        _ => format!("{x:.1e}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables of small errors were full of zeros.
    #[test]
    fn small_numbers_show_their_digits() {
        assert_eq!(number(0.012_34, 4), "0.0123");
        assert_eq!(number(0.000_012_34, 4), "1.2e-5");
        assert_eq!(number(-0.000_46, 3), "-0.00046");
        assert_eq!(number(0.46, 1), "0.46");
        assert_eq!(number(0.0, 3), "0.000");
        let of = |mean, low, high| Estimate { mean, low, high };
        assert_eq!(estimate(&of(0.0001, -0.2, 0.2), 3), "0.000 [-0.200, 0.200]");
        assert_eq!(
            estimate(&of(0.0001, 0.0, 0.0002), 3),
            "0.00010 [0.00000, 0.00020]"
        );
    }

    /// Scores that need two paths were printed as NaN of one.
    #[test]
    fn what_is_not_defined_is_a_dash() {
        assert_eq!(number(f64::NAN, 3), "-");
        assert_eq!(percent(f64::NAN, 1), "-");
        let (mean, low, high) = (f64::NAN, f64::NAN, f64::NAN);
        assert_eq!(estimate(&Estimate { mean, low, high }, 3), "-");
        assert_eq!(percent(0.925, 1), "92.5 %");
    }
}
