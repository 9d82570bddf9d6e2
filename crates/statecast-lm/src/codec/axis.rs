//! The affine map between a channel's values and its axis `[0, 10)`.

use std::str::FromStr;

use super::{Bin, CodecError, Quantised};

/// Positions of the context's minimum and maximum on the axis, which leave 15 % on either side for
/// values beyond the context.
const SPAN_START: f64 = 1.5;
const SPAN_WIDTH: f64 = 7.0;
const AXIS_LENGTH: f64 = 10.0;

/// Choice of a channel's axis.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Scale {
    /// Maps the context's minimum and maximum to 1.5 and 8.5.
    #[default]
    MinMax,
    /// Maps known physical limits, in the channel's units, to 1.5 and 8.5.
    Range {
        /// Lower limit.
        low: f64,
        /// Upper limit.
        high: f64,
    },
    /// The values are positions on `[0, 10)` already.
    None,
}

impl Scale {
    /// Creates a range from two limits.
    ///
    /// # Errors
    /// [`CodecError::Scale`] unless both are finite and in order.
    pub fn range(low: f64, high: f64) -> Result<Self, CodecError> {
        if low.is_finite() && high.is_finite() && low < high && (high - low).is_finite() {
            Ok(Self::Range { low, high })
        } else {
            Err(CodecError::Scale { low, high })
        }
    }
}

impl FromStr for Scale {
    type Err = CodecError;

    /// Parses `minmax`, `none` or `LOW,HIGH`.
    fn from_str(text: &str) -> Result<Self, CodecError> {
        match text {
            "minmax" => return Ok(Self::MinMax),
            "none" => return Ok(Self::None),
            _ => {}
        }
        let ends = text
            .split_once(',')
            .and_then(|(low, high)| Some((low.trim().parse().ok()?, high.trim().parse().ok()?)));
        match ends {
            Some((low, high)) => Self::range(low, high),
            None => Err(CodecError::ScaleName(text.to_owned())),
        }
    }
}

impl std::fmt::Display for Scale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MinMax => f.write_str("minmax"),
            Self::Range { low, high } => write!(f, "{low},{high}"),
            Self::None => f.write_str("none"),
        }
    }
}

/// A channel's axis: `y = 1.5 + 7 (x - min) / (max - min)`.
///
/// ```
/// use statecast_lm::codec::{Axis, Scale};
/// let axis = Axis::fit(Scale::MinMax, [-1.0, 0.0, 3.0].into_iter())?;
/// assert_eq!(axis.position(-1.0), 1.5);
/// assert_eq!(axis.position(3.0), 8.5);
/// assert_eq!(axis.value(5.0), 1.0);
/// # Ok::<(), statecast_lm::codec::CodecError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Axis {
    /// Maps values between `min` and `max` to `[1.5, 8.5]`.
    Span {
        /// Value at 1.5.
        min: f64,
        /// Value at 8.5, above `min`.
        max: f64,
    },
    /// The values are positions on the axis.
    Identity,
    /// A constant channel: known exactly and not passed to a model.
    Constant(f64),
}

impl Axis {
    /// Fits the axis of a channel to the values of its context alone.
    ///
    /// # Errors
    /// [`CodecError::Empty`] without a value, [`CodecError::Range`] if `max - min` overflows.
    pub fn fit(scale: Scale, context: impl Iterator<Item = f64>) -> Result<Self, CodecError> {
        let (low, high) = context.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
            (low.min(x), high.max(x))
        });
        if low > high {
            return Err(CodecError::Empty);
        }
        let (min, max) = match scale {
            _ if low == high => return Ok(Self::Constant(low)),
            Scale::None => return Ok(Self::Identity),
            Scale::MinMax => (low, high),
            Scale::Range { low, high } => (low, high),
        };
        if (max - min).is_finite() {
            Ok(Self::Span { min, max })
        } else {
            Err(CodecError::Range { low, high })
        }
    }

    /// Returns the position of a value on the axis. A constant channel has its value in the middle.
    pub fn position(&self, x: f64) -> f64 {
        match *self {
            Self::Span { min, max } => SPAN_START + SPAN_WIDTH * (x - min) / (max - min),
            Self::Identity => x,
            Self::Constant(_) => AXIS_LENGTH / 2.0,
        }
    }

    /// Returns the value at a position on the axis.
    pub fn value(&self, y: f64) -> f64 {
        match *self {
            Self::Span { min, max } => min + (y - SPAN_START) / SPAN_WIDTH * (max - min),
            Self::Identity => y,
            Self::Constant(value) => value,
        }
    }

    /// Returns the bin of a value.
    pub fn quantise(&self, x: f64) -> Quantised {
        Bin::quantise(self.position(x))
    }

    /// Returns the value at the start of the axis.
    pub fn low(&self) -> f64 {
        self.value(0.0)
    }

    /// Returns the value at the end of the axis.
    pub fn high(&self) -> f64 {
        self.value(AXIS_LENGTH)
    }

    /// Returns the channel units per axis unit; zero for a constant channel.
    pub fn unit(&self) -> f64 {
        match *self {
            Self::Span { min, max } => (max - min) / SPAN_WIDTH,
            Self::Identity => 1.0,
            Self::Constant(_) => 0.0,
        }
    }

    /// True for a constant channel.
    pub fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scales_parse_and_print() {
        assert_eq!("minmax".parse::<Scale>().unwrap(), Scale::MinMax);
        assert_eq!("none".parse::<Scale>().unwrap(), Scale::None);
        let range: Scale = "-2, 2.5".parse().unwrap();
        assert_eq!(range, Scale::range(-2.0, 2.5).unwrap());
        assert_eq!(range.to_string().parse::<Scale>().unwrap(), range);
        for bad in ["", "1", "2,1", "1,1", "nan,1", "0,inf", "a,b", "1,2,3"] {
            assert!(bad.parse::<Scale>().is_err(), "{bad}");
        }
    }

    #[test]
    fn constant_channel_is_exact() {
        let axis = Axis::fit(Scale::MinMax, [4.25; 3].into_iter()).unwrap();
        assert!(axis.is_constant());
        assert_eq!((axis.low(), axis.high(), axis.unit()), (4.25, 4.25, 0.0));
        assert_eq!(axis.value(axis.quantise(4.25).bin.centre()), 4.25);
    }

    #[test]
    fn overflowing_range_is_an_error() {
        let huge = [-1.5e308, 1.5e308];
        assert!(matches!(
            Axis::fit(Scale::MinMax, huge.into_iter()),
            Err(CodecError::Range { .. })
        ));
        assert!(matches!(
            Axis::fit(Scale::MinMax, [].into_iter()),
            Err(CodecError::Empty)
        ));
    }

    proptest! {
        #[test]
        fn value_inverts_position(a in -1e6..1e6_f64, b in -1e6..1e6_f64, x in -1e6..1e6_f64) {
            prop_assume!((a - b).abs() > 1e-3);
            let axis = Axis::fit(Scale::MinMax, [a, b].into_iter()).unwrap();
            let scale = (a - b).abs() + (x - a).abs() + a.abs();
            prop_assert!((axis.value(axis.position(x)) - x).abs() <= 1e-12 * scale);
        }

        #[test]
        fn context_never_saturates(values in prop::collection::vec(-1e3..1e3_f64, 2..50)) {
            let axis = Axis::fit(Scale::MinMax, values.iter().copied()).unwrap();
            for &x in &values {
                let q = axis.quantise(x);
                prop_assert!(!q.clipped);
                let slack = 1e-12 * (1.0 + x.abs());
                prop_assert!((axis.value(q.bin.centre()) - x).abs() <= 0.005 * axis.unit() + slack);
            }
        }
    }
}
