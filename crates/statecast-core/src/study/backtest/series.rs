//! Series to backtest on.

use super::BacktestStudyError;
use crate::backtest::Windows;
use crate::forecast::{Method, Variables};
use crate::recording::{Episode, Recording};

/// Episodes that are long enough for a window, all of the same variables.
#[derive(Debug, Clone)]
pub struct BacktestSeries {
    windows: Windows,
    method: Method,
    with_reward: bool,
    series: Vec<(String, Variables)>,
    actions: Vec<String>,
    /// Whether all recordings must have the same actions.
    same_actions: bool,
    short: usize,
}

impl BacktestSeries {
    /// No series yet, for windows and a method; with `with_reward` the reward is forecast, too.
    pub fn new(windows: Windows, method: Method, with_reward: bool) -> Self {
        Self {
            windows,
            method,
            with_reward,
            series: Vec::new(),
            actions: Vec::new(),
            same_actions: false,
            short: 0,
        }
    }

    /// Requires the same actions of all recordings, as a simulator does.
    pub fn with_same_actions(self, same_actions: bool) -> Self {
        Self {
            same_actions,
            ..self
        }
    }

    /// Adds episodes of a recording. Those with too few rows for a window are only counted.
    ///
    /// # Errors
    /// [`BacktestStudyError::NoReward`] or [`BacktestStudyError::Columns`].
    pub fn add(
        &mut self,
        name: &str,
        recording: &Recording,
        episodes: &[&Episode],
    ) -> Result<(), BacktestStudyError> {
        if self.with_reward && recording.reward_name().is_none() {
            return Err(BacktestStudyError::NoReward(name.to_owned()));
        }
        for episode in episodes {
            let values = Variables::of(recording, episode, self.method, self.with_reward);
            if self.windows.origins(values.rows()).is_empty() {
                self.short += 1;
                continue;
            }
            if let Some((first, known)) = self.series.first() {
                let other_actions = self.actions != recording.action_names();
                if known.names != values.names || self.same_actions && other_actions {
                    return Err(BacktestStudyError::Columns {
                        found: name.to_owned(),
                        first: first.clone(),
                    });
                }
            }
            self.actions = recording.action_names().to_vec();
            let label = match episodes.len() {
                1 => name.to_owned(),
                _ => format!("{name}, episode {}", episode.name()),
            };
            self.series.push((label, values));
        }
        Ok(())
    }

    /// Returns the names and values.
    ///
    /// # Errors
    /// [`BacktestStudyError::TooShort`] if there are none.
    pub fn all(&self) -> Result<&[(String, Variables)], BacktestStudyError> {
        match self.series.is_empty() {
            true => Err(BacktestStudyError::TooShort(self.rows())),
            false => Ok(&self.series),
        }
    }

    /// Rows of a window.
    pub fn rows(&self) -> usize {
        self.windows.context + self.windows.horizon.get()
    }

    /// The windows.
    pub fn windows(&self) -> Windows {
        self.windows
    }

    /// Names of the actions.
    pub fn actions(&self) -> &[String] {
        &self.actions
    }

    /// Episodes with too few rows.
    pub fn short(&self) -> usize {
        self.short
    }
}
