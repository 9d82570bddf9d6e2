//! Forecast origins.

use std::num::NonZeroUsize;

/// Rolling windows: a context, then a horizon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Rows of context, at least 2.
    pub context: usize,
    /// Rows to forecast.
    pub horizon: NonZeroUsize,
    /// Largest number of windows per series.
    pub count: NonZeroUsize,
}

/// A context that is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a context of {0} row(s): a forecast needs at least 2")]
pub struct WindowsError(usize);

impl Windows {
    /// Creates checked windows.
    ///
    /// # Errors
    /// [`WindowsError`] for a context of fewer than two rows.
    pub fn new(
        context: usize,
        horizon: NonZeroUsize,
        count: NonZeroUsize,
    ) -> Result<Self, WindowsError> {
        match context {
            0 | 1 => Err(WindowsError(context)),
            _ => Ok(Self {
                context,
                horizon,
                count,
            }),
        }
    }

    /// Returns the first forecast rows of a series, evenly spaced from one context after the start
    /// to one horizon before the end; none if the series is too short.
    ///
    /// ```
    /// use statecast::backtest::Windows;
    /// let windows = Windows::new(100, 20.try_into()?, 3.try_into()?)?;
    /// assert_eq!(windows.origins(200), [100, 140, 180]);
    /// assert_eq!(windows.origins(120), [100]);
    /// assert!(windows.origins(119).is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn origins(&self, rows: usize) -> Vec<usize> {
        let Some(room) = rows.checked_sub(self.context + self.horizon.get()) else {
            return Vec::new();
        };
        let count = self.count.get().min(room + 1);
        let place = |i: usize| match count {
            1 => self.context,
            _ => self.context + (i * room + (count - 1) / 2) / (count - 1),
        };
        (0..count).map(place).collect()
    }

    /// Returns the number of neighbouring windows with overlapping horizons: the block length of a
    /// bootstrap.
    pub fn block(&self, rows: usize) -> usize {
        let origins = self.origins(rows);
        match origins.as_slice() {
            [a, b, ..] => self.horizon.get().div_ceil(b - a),
            _ => 1,
        }
    }
}
