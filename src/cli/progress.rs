//! A bar for what takes over a second, on a terminal only.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar that appears after a second.
pub(super) struct Progress {
    started: Instant,
    label: String,
    bar: OnceLock<ProgressBar>,
}

impl Progress {
    pub(super) fn new(label: impl Into<String>) -> Self {
        Self {
            started: Instant::now(),
            label: label.into(),
            bar: OnceLock::new(),
        }
    }

    /// Shows that a share `0..=1` of the work is done.
    pub(super) fn show(&self, share: f64) {
        if self.started.elapsed() < Duration::from_secs(1) || !std::io::stderr().is_terminal() {
            return;
        }
        let bar = self.bar.get_or_init(|| {
            let bar = ProgressBar::new(1000).with_message(self.label.clone());
            if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {percent}% {eta}") {
                bar.set_style(style);
            }
            bar
        });
        bar.set_position((share * 1000.0) as u64);
    }

    /// Shows something else, above the bar.
    pub(super) fn aside<T>(&self, show: impl FnOnce() -> T) -> T {
        match self.bar.get() {
            Some(bar) => bar.suspend(show),
            None => show(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}
