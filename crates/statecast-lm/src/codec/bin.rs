//! The 1000 bins of a channel's axis.

/// Number of bins on the axis: all three-digit numbers.
pub const BIN_COUNT: usize = 1000;

/// Width of a bin in axis units.
pub const BIN_WIDTH: f64 = 0.01;

/// One of the bins `000` to `999`; bin `k` covers `[k/100, (k+1)/100)` of the axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bin(u16);

/// A value's bin, and whether the value was clipped to the axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantised {
    /// Bin of the value, or the nearest one.
    pub bin: Bin,
    /// True if the value was outside `[0, 10)`.
    pub clipped: bool,
}

impl Bin {
    /// The first bin.
    pub const MIN: Self = Self(0);

    /// Returns the bin with this number, if valid.
    ///
    /// ```
    /// use statecast_lm::codec::Bin;
    /// assert!(Bin::new(999).is_some() && Bin::new(1000).is_none());
    /// ```
    pub fn new(index: usize) -> Option<Self> {
        (index < BIN_COUNT).then_some(Self(index as u16))
    }

    /// Returns the bin `clamp(floor(100 y), 0, 999)` of a position `y` on the axis. `y` must not be
    /// NaN.
    ///
    /// ```
    /// use statecast_lm::codec::Bin;
    /// let inside = Bin::quantise(5.019);
    /// assert_eq!((inside.bin.index(), inside.clipped), (501, false));
    /// let outside = Bin::quantise(-0.2);
    /// assert_eq!((outside.bin.index(), outside.clipped), (0, true));
    /// ```
    pub fn quantise(y: f64) -> Quantised {
        debug_assert!(!y.is_nan());
        let index = (100.0 * y).floor();
        let last = (BIN_COUNT - 1) as f64;
        Quantised {
            bin: Self(index.clamp(0.0, last) as u16),
            clipped: !(0.0..=last).contains(&index),
        }
    }

    /// Returns the number of the bin, 0 to 999.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Returns the centre of the bin on the axis, `(k + 0.5) / 100`.
    pub fn centre(self) -> f64 {
        (f64::from(self.0) + 0.5) / 100.0
    }

    /// Returns the position at a fraction `0..1` of the bin, on the axis.
    pub fn within(self, fraction: f64) -> f64 {
        (f64::from(self.0) + fraction) / 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The reference's left-edge "centres" lose a bin in half of the round trips.
    #[test]
    fn centre_of_every_bin_quantises_to_that_bin() {
        for k in 0..BIN_COUNT {
            let bin = Bin::new(k).unwrap();
            let back = Bin::quantise(bin.centre());
            assert_eq!(back.bin, bin);
            assert!(!back.clipped);
        }
    }

    #[test]
    fn ends_of_the_axis_saturate() {
        assert!(!Bin::quantise(0.0).clipped);
        assert!(!Bin::quantise(9.9999).clipped);
        assert!(Bin::quantise(10.0).clipped);
        assert!(Bin::quantise(-1e-9).clipped);
        assert_eq!(Bin::quantise(f64::INFINITY).bin.index(), 999);
        assert_eq!(Bin::quantise(f64::NEG_INFINITY).bin.index(), 0);
    }

    proptest! {
        #[test]
        fn quantising_errs_by_at_most_half_a_bin(y in 0.0..10.0_f64) {
            let q = Bin::quantise(y);
            prop_assert!(!q.clipped);
            prop_assert!((q.bin.centre() - y).abs() <= 0.5 * BIN_WIDTH + 1e-12);
        }
    }
}
