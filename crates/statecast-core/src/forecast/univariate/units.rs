//! What regressions read of a position.

use crate::experts::CENTRE;

/// Least value, as a share of the largest, of a channel whose logarithms are taken: nearer to zero they are all that
/// counts.
const NEAR_ZERO: f64 = 0.02;

/// Largest logarithm of a path: its exponential is far off any axis.
const MAX_LOG: f64 = 100.0;

/// Positions themselves, or logarithms of the distance to the value zero. These are in units of the axis' middle, around
/// which both change alike, so that one prior serves both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Units {
    Positions,
    Logarithms {
        /// Position of zero.
        zero: f64,
        /// Distance of the axis' middle to it.
        unit: f64,
        /// Distance below which none is read.
        least: f64,
    },
}

impl Units {
    /// Logarithms, if all positions lie between the least and the largest and these are not close to zero.
    pub(super) fn logarithms(zero: f64, least: f64, largest: f64) -> Option<Self> {
        let unit = CENTRE - zero;
        let far = least - zero > NEAR_ZERO * (largest - zero);
        (far && unit > 0.0).then_some(Self::Logarithms {
            zero,
            unit,
            least: NEAR_ZERO * (least - zero),
        })
    }

    pub(super) fn read(self, position: f64) -> f64 {
        match self {
            Self::Positions => position,
            Self::Logarithms { zero, unit, least } => {
                unit * ((position - zero).max(least) / unit).ln()
            }
        }
    }

    /// What the middle of the axis is read as.
    pub(super) fn middle(self) -> f64 {
        match self {
            Self::Positions => CENTRE,
            Self::Logarithms { .. } => 0.0,
        }
    }

    /// The position that is read as a value.
    pub(super) fn position(self, value: f64) -> f64 {
        match self {
            Self::Positions => value,
            Self::Logarithms { zero, unit, .. } => zero + unit * (value / unit).min(MAX_LOG).exp(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault: the noise of the prior was a thousandth of a logarithm, which is most of a channel far from zero.
    #[test]
    fn logarithms_change_as_positions_do_around_the_middle() {
        let units = Units::logarithms(-1e4, 1.5, 8.5).unwrap();
        assert!((units.read(5.2) - units.read(5.0) - 0.2).abs() < 1e-4);
        for position in [1.5, 5.0, 8.5, 20.0] {
            assert!((units.position(units.read(position)) - position).abs() < 1e-8);
        }
        assert_eq!(Units::logarithms(1.4, 1.5, 8.5), None);
        assert_eq!(Units::logarithms(9.0, 1.5, 8.5), None);
    }
}
