//! Forecasts of recordings: how their episodes continue.

mod episode;
mod error;
mod futures;
mod paths_table;
mod scores;
mod settings;
mod table;

use std::time::Instant;

use ndarray::{ArrayView2, s};

pub use episode::{ChannelLeadership, ContextReading, Forecast, FutureForecast, HeldOut};
pub use error::ForecastStudyError;
pub use futures::{ActionsAhead, Acts, Held, PlannedActions};
use futures::{Ahead, Read};
pub use paths_table::paths_table;
pub use scores::{HeldOutScores, NameScores, held_out_scores};
pub use settings::ForecastSettings;
pub(crate) use table::time_column;
pub use table::{levels_by_name, table};

use super::{Observer, note_contexts};
use crate::baselines::named;
use crate::forecast::{
    Derivation, DerivedError, Forecaster, Futures, KnownFuture, Levels, Method, Reading, Role,
    Rollout, Rollouts, Variables,
};
use crate::recording::{Episode, Recording};

/// Fewest rows that a context can have.
pub const MIN_CONTEXT: usize = 2;

/// Share of a context's values beyond the bins of their residuals from which on it is worth a
/// warning: some are to be expected wherever a recording jumps.
const MANY_BEYOND: f64 = 0.01;

/// Forecasts of a recording's episodes.
///
/// ```
/// use statecast::baselines::named;
/// use statecast::forecast::{Forecaster, Settings};
/// use statecast::recording::Recording;
/// use statecast::study::{ForecastSettings, ForecastStudy};
/// let recording = Recording::read("examples/pendulum.csv")?;
/// let forecaster = Forecaster::of(named("linear").unwrap(), Settings::default());
/// let study = ForecastStudy::new(&forecaster, &recording, ForecastSettings::new(20));
/// let forecasts = study.run(&())?;
/// assert_eq!(forecasts[0].mean().dim(), (20, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ForecastStudy<'s> {
    forecaster: &'s Forecaster,
    recording: &'s Recording,
    episodes: Vec<&'s Episode>,
    settings: ForecastSettings,
}

impl<'s> ForecastStudy<'s> {
    /// Of all episodes.
    pub fn new(
        forecaster: &'s Forecaster,
        recording: &'s Recording,
        settings: ForecastSettings,
    ) -> Self {
        Self {
            forecaster,
            recording,
            episodes: recording.episodes().iter().collect(),
            settings,
        }
    }

    /// The same of some episodes.
    pub fn of_episodes(self, episodes: Vec<&'s Episode>) -> Self {
        Self { episodes, ..self }
    }

    /// Forecasts each episode. Those with too few rows are left out with a warning.
    ///
    /// # Errors
    /// [`ForecastStudyError`] if the settings do not fit the recording or the forecaster, no episode has enough
    /// rows, or the forecaster fails.
    pub fn run(&self, observer: &dyn Observer) -> Result<Vec<Forecast>, ForecastStudyError> {
        let settings = &self.settings;
        let first = self.episodes.first();
        let first = first.ok_or(ForecastStudyError::NoEpisodes)?;
        let like = self.variables(first, 0..0);
        settings.rollout()?.check(like.names.len())?;
        let actions = &settings.actions;
        self.check_actions(observer)?;
        let known = actions.are_given() || settings.holdout || self.forecaster.needs_actions();
        let known = known && !actions.acts();
        let derivation = settings.derivation(&like, self.recording, known)?;
        let (horizon, forecaster) = (settings.horizon, self.forecaster);
        let longest = forecaster.longest_context_of_paths(horizon);
        if longest < MIN_CONTEXT {
            return Err(ForecastStudyError::NoRoom);
        }
        let episodes = self.long_enough(observer)?;
        let ends: Vec<usize> = episodes.iter().map(|e| settings.end(e)).collect();
        self.note_contexts(&ends, longest, observer);
        let of_episode = |(i, episode): (usize, &&Episode)| {
            let done = |share| observer.progress((i as f64 + share) / episodes.len() as f64);
            let forecast = self.forecast(&derivation, episode, longest, observer, &done);
            forecast.map_err(|source| ForecastStudyError::Episode {
                episode: episode.name().to_owned(),
                source: Box::new(source),
            })
        };
        episodes.iter().enumerate().map(of_episode).collect()
    }

    fn variables(&self, episode: &Episode, rows: std::ops::Range<usize>) -> Variables {
        let method = self.forecaster.settings().method;
        Variables::of_rows(
            self.recording,
            episode,
            rows,
            method,
            self.settings.with_reward,
        )
    }

    /// Checks that actions to come matter where they are given, and says which are taken where they are needed,
    /// but neither given nor recorded.
    fn check_actions(&self, observer: &dyn Observer) -> Result<(), ForecastStudyError> {
        let has_actions = !self.recording.action_names().is_empty();
        match self.settings.actions.name() {
            Some(name) if !has_actions => Err(ForecastStudyError::NoActions(name)),
            Some(name) if !self.forecaster.sees_actions() => {
                Err(ForecastStudyError::ActionsUnseen(name))
            }
            None if !self.settings.holdout && has_actions && self.forecaster.needs_actions() => {
                observer.note(
                    "no actions to come are given (`future=`, `hold-actions=`, `policy=`); the last one of every \
                     episode is taken to go on",
                );
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The episodes that leave a context to read; says which are left out.
    fn long_enough(&self, observer: &dyn Observer) -> Result<Vec<&'s Episode>, ForecastStudyError> {
        let enough = |e: &&Episode| self.settings.end(e) >= MIN_CONTEXT;
        let (long, short): (Vec<_>, Vec<_>) = self.episodes.iter().copied().partition(enough);
        let too_few = ForecastStudyError::TooFewRows {
            held: match self.settings.holdout {
                true => self.settings.horizon,
                false => 0,
            },
            min: MIN_CONTEXT,
        };
        if long.is_empty() {
            return Err(too_few);
        }
        if let Some(first) = short.first() {
            observer.warning(&format!(
                "{} of {} episodes are left out, {} the first of them: {too_few}",
                short.len(),
                self.episodes.len(),
                first.name()
            ));
        }
        Ok(long)
    }

    /// Says where contexts are not those that were asked for, and what a model reads of those that are longer than
    /// its window, given the rows of every episode.
    fn note_contexts(&self, rows: &[usize], longest: usize, observer: &dyn Observer) {
        note_contexts(self.settings.context, rows, longest, observer);
        let all = rows.len();
        let wanted = self.settings.context.unwrap_or(usize::MAX);
        let shown = self.forecaster.rows_before_paths(self.settings.horizon);
        let read = rows.iter().map(|&rows| rows.min(wanted).min(longest));
        let longer = read.filter(|&rows| rows > shown).count();
        if longer > 0 {
            observer.note(&format!(
                "of contexts of more than {shown} rows ({longer} of {all}) experts read all, the model the last {shown}"
            ));
        }
    }

    fn forecast(
        &self,
        derivation: &Derivation,
        episode: &Episode,
        longest: usize,
        observer: &dyn Observer,
        progress: &dyn Fn(f64),
    ) -> Result<Forecast, ForecastStudyError> {
        let started = Instant::now();
        let settings = &self.settings;
        let forecaster = self.forecaster;
        let (end, horizon) = (settings.end(episode), settings.horizon);
        let rows = settings.context.unwrap_or(end).min(end).min(longest);
        // Rows before the context are read for the mean of all actions only.
        let first = match settings.actions.held() {
            Some(Held::Mean) => 0,
            _ => end - rows,
        };
        let all = self.variables(episode, first..(end + horizon).min(episode.rows()));
        let context = all.slice(end - rows - first..end - first);
        let read = Read {
            rows: &all,
            first,
            end,
            horizon,
        };
        let futures = read.futures(forecaster, episode, &settings.actions)?;
        if settings.holdout && read.differs(&futures) {
            observer.note(&format!(
                "episode {}: the observed rows were recorded under other actions than those of the forecast",
                episode.name()
            ));
        }
        let Rollouts {
            mut reading,
            rollouts,
            outcomes,
            path_weights,
            even_rows,
        } = self.rollouts(&context, &futures, progress)?;
        if let Some(rows) = even_rows {
            observer.note(&format!(
                "episode {}: paths are drawn from {rows} rows that are a median step apart, read off between those recorded \
                 (`irregular=even`)",
                episode.name()
            ));
        }
        if forecaster.origins() > 0 && outcomes == 0 {
            observer.warning(&format!(
                "episode {}: the context has no room for forecasts of {horizon} steps from inside of it; bands are not \
                 adjusted",
                episode.name()
            ));
        }
        warn_of_clipped(
            episode.name(),
            &reading,
            forecaster.settings().method,
            observer,
        );
        let derive = |rollout: &Rollout, actions: ArrayView2<f64>| match &settings.derived[..] {
            [] => rollout.clone(),
            _ => derivation.append_to(rollout, actions),
        };
        let held_out = match settings.holdout {
            true => {
                let persistence = self.persistence(&context, &futures[0])?;
                let actions = futures[0].actions.view();
                let truth = all.values.slice(s![end - first.., ..]);
                Some(HeldOut {
                    truth: derivation.append_to_rows(truth, actions),
                    persistence: derive(&persistence, actions),
                })
            }
            false => None,
        };
        let leaders = reading.leaders().into_iter();
        let channels = reading.encoding().channel_names().to_vec();
        let leaders: Vec<_> = leaders.map(|(c, led)| (channels[c].clone(), led)).collect();
        let next = match settings.next_row {
            true => Some(reading.next_row()?),
            false => None,
        };
        let mut about = ContextReading {
            episode: episode.name().to_owned(),
            context_first_row: end - rows,
            context_rows: rows,
            explained_variance: reading.encoding().disentangler().explained(),
            clipped_context: reading.clipped(),
            clipped_feedback: rollouts.iter().map(|r| r.clipped).sum(),
            undefined: 0,
            band_outcomes: outcomes,
            calendar: forecaster.cycles(&context).map(|found| found.to_string()),
            paths: path_weights,
            even_rows,
            experts_led: leaders
                .iter()
                .map(|(c, led)| ChannelLeadership::of(c, led))
                .collect(),
            channels,
            seconds: started.elapsed().as_secs_f64(),
        };
        let named = futures.into_iter().zip(&rollouts);
        let futures: Vec<FutureForecast> = named
            .map(|(future, rollout)| {
                let rollout = derive(rollout, future.actions.view());
                let mut band = rollout.simultaneous(settings.simultaneous);
                band.settle_on_levels(context.values.view());
                FutureForecast {
                    name: future.name,
                    band,
                    rollout,
                }
            })
            .collect();
        for future in &futures {
            about.undefined += future.rollout.undefined();
            self.warn_of_paths(episode.name(), end, future, observer);
        }
        let recorded = context.actions.view();
        Ok(Forecast {
            episode: episode.name().to_owned(),
            variables: context.names.len(),
            levels: {
                let mut levels = context.few_levels();
                levels.resize(context.names.len() + settings.derived.len(), None);
                levels
            },
            words: self.recording.word_levels().to_vec(),
            states: (0..context.names.len())
                .filter(|&v| context.roles[v] != Role::Action)
                .collect(),
            context: end - rows..end,
            times: (end..end + horizon)
                .map(|row| episode.times().and_then(|times| times.at(row)))
                .collect(),
            observed: derivation.append_to_rows(context.values.view(), recorded),
            names: [&context.names[..], derivation.names()].concat(),
            held_out,
            futures,
            leaders,
            one_step: reading.one_step().clone(),
            one_step_summary: reading.one_step_summary(&Levels::of_bands(), settings.seed),
            next,
            reading: about,
        })
    }

    /// Reads a context once and continues it under each future.
    fn rollouts(
        &self,
        context: &Variables,
        futures: &[Ahead],
        progress: &dyn Fn(f64),
    ) -> Result<Rollouts, ForecastStudyError> {
        let settings = &self.settings;
        let (paths, scored) = (settings.rollout()?, settings.scored);
        let known: Vec<KnownFuture> = futures.iter().filter_map(|f| f.taken.clone()).collect();
        let rollouts = |futures| {
            let rollouts = self
                .forecaster
                .rollouts(context, scored, &paths, futures, progress);
            Ok(rollouts?)
        };
        if let ActionsAhead::Acting(acts) = &settings.actions {
            let mut acts = acts
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut control = acts.control(paths.samples.get(), paths.seed);
            return rollouts(Futures::Controlled(&mut *control));
        }
        rollouts(match known.is_empty() {
            true => Futures::Unknown,
            false => Futures::Known(&known),
        })
    }

    /// How persistence continues the context.
    fn persistence(
        &self,
        context: &Variables,
        future: &Ahead,
    ) -> Result<Rollout, ForecastStudyError> {
        let persistence = named("persistence").expect("persistence is a baseline");
        let simple = Forecaster::of(persistence, self.forecaster.settings().of_baseline());
        let reading = simple.read_last(context, 0)?;
        Ok(reading.rollout(&self.settings.rollout()?, future.taken.as_ref(), &|_| ())?)
    }

    /// Warns about values of sampled paths that were moved, and about derived quantities that are not defined on
    /// some of them.
    fn warn_of_paths(
        &self,
        episode: &str,
        end: usize,
        future: &FutureForecast,
        observer: &dyn Observer,
    ) {
        let of = match &future.name {
            Some(name) => format!("{episode}, {name}"),
            None => episode.to_owned(),
        };
        let moved = future.rollout.clipped;
        if moved > 0 {
            observer.warning(&format!(
                "episode {of}: {moved} value(s) of sampled paths were moved to an end: of their axis, or of the \
                 context's range widened by as much on either side; the paths may run off: compare with other methods, \
                 a shorter `horizon=` or a wider `scale=`"
            ));
        }
        let paths = &future.rollout.paths;
        let variables = paths.dim().2 - self.settings.derived.len();
        for (quantity, derived) in self.settings.derived.iter().enumerate() {
            let values = paths.slice(s![.., .., variables + quantity]);
            let undefined = values.iter().filter(|x| x.is_nan()).count();
            let mut steps = values.columns().into_iter();
            if let Some(step) = steps.position(|values| values.iter().any(|x| x.is_nan())) {
                observer.warning(&format!(
                    "episode {of}: {derived} is not defined at {undefined} of {} sampled steps, the first of them step \
                     {}; they are left out of its numbers",
                    values.len(),
                    end + step
                ));
            }
        }
    }
}

impl ForecastSettings {
    /// The derived quantities of a recording's rows, which have these variables.
    ///
    /// # Errors
    /// [`ForecastStudyError::Derived`] or [`ForecastStudyError::DerivedFromPolicy`].
    pub fn derivation(
        &self,
        like: &Variables,
        recording: &Recording,
        known: bool,
    ) -> Result<Derivation, ForecastStudyError> {
        let actions = recording.action_names();
        let derivation = Derivation::new(&self.derived, &like.names, actions, known);
        derivation.map_err(|error| match error {
            DerivedError::UnknownAction { action, .. } if self.actions.acts() => {
                ForecastStudyError::DerivedFromPolicy(action)
            }
            error => error.into(),
        })
    }
}

/// Warns about values of a context that lie outside of what a method can read.
pub(super) fn warn_of_clipped(
    episode: &str,
    reading: &Reading,
    method: Method,
    observer: &dyn Observer,
) {
    let clipped = reading.clipped();
    let values = reading.rows() * reading.encoding().axes().len();
    match method {
        Method::Residual if clipped as f64 > MANY_BEYOND * values as f64 => {
            observer.warning(&format!(
                "episode {episode}: {clipped} of the context's {values} values lie more than 200 scales from the best \
                 expert's forecast; the experts do not fit: compare with `method=vicl`"
            ));
        }
        Method::Residual => {}
        _ if clipped > 0 => observer.warning(&format!(
            "episode {episode}: {clipped} value(s) of the context lay outside their axis and were moved to its end; \
             choose a wider `scale=`"
        )),
        _ => {}
    }
}
