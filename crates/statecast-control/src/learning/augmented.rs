//! Imagined transitions of a training run.

use super::branches::{Round, fit_networks};
use super::imagination::EpisodeSegment;
use super::training::{Purpose, random};
use super::{
    AugmentationSettings, AugmentationSource, Imagination, ImaginedActions, LearningError,
    ReplayBuffer, Training, Transition,
};
use crate::forecast::Forecaster;

impl Training {
    /// Replaces the imagined transitions by a new round of branches every so many steps.
    pub(super) fn branch_if_due(
        &mut self,
        forecaster: Option<&Forecaster>,
    ) -> Result<(), LearningError> {
        let Some(augmentation) = &self.settings.augmentation else {
            return Ok(());
        };
        let Some(settings) = augmentation.branches() else {
            return Ok(());
        };
        let starts = match self.settings.offline {
            Some(_) => 0,
            None => self.settings.learning_starts,
        };
        let first = augmentation.start_step.max(starts);
        let since = self.step.checked_sub(first);
        if !since.is_some_and(|since| since.is_multiple_of(settings.every))
            || self.replay.len() < augmentation.min_context
        {
            return Ok(());
        }
        if let AugmentationSource::Networks(members) = augmentation.source {
            let seed = self.settings.seed;
            let fit = || fit_networks(&self.replay, members, seed);
            self.networks.get_or_insert_with(fit);
        }
        let mut branching = random(self.settings.seed, Purpose::Branch, self.step);
        let round = Round {
            replay: &self.replay,
            former: &self.imagined,
            task: &self.task,
            actor: self.agent.actor(),
            settings,
            context: augmentation.context,
        };
        let imagined = match (&augmentation.source, forecaster) {
            (AugmentationSource::Truth, _) => match &mut self.evaluator {
                Some(simulator) => round.simulate(&mut **simulator, &mut branching)?,
                None => Vec::new(),
            },
            (AugmentationSource::Networks(_), _) => match &self.networks {
                Some(networks) => round.in_networks(networks, &mut branching)?,
                None => Vec::new(),
            },
            (_, Some(forecaster)) => round.forecast(forecaster, &mut branching)?,
            (_, None) => return Err(LearningError::NoForecaster),
        };
        self.imagined = ReplayBuffer::new(self.settings.capacity);
        for transition in imagined.into_iter().filter(is_finite) {
            self.imagined.push(transition, false);
        }
        Ok(())
    }

    /// True if an episode is long enough for a segment.
    pub(super) fn has_segment(&self, settings: &AugmentationSettings) -> bool {
        let mut episodes = self.replay.episodes();
        episodes.any(|episode| episode.len() >= settings.min_context)
    }

    /// Imagines transitions from segments of the replay buffer, if an episode is long enough.
    pub(super) fn imagine(
        &mut self,
        settings: &AugmentationSettings,
        forecaster: Option<&Forecaster>,
    ) -> Result<(), LearningError> {
        if settings.source == AugmentationSource::Replay {
            return Ok(());
        }
        let mut imagination = random(self.settings.seed, Purpose::Imagine, self.agent.updates);
        let (shortest, longest) = (settings.min_context, settings.context);
        for _ in 0..settings.segments {
            let replay = &self.replay;
            let Some(window) = replay.sample_segment(shortest, longest, &mut imagination) else {
                return Ok(());
            };
            let segment = EpisodeSegment {
                rows: window.filter_map(|row| self.replay.row(row)).collect(),
                task: &self.task,
                actor: self.agent.actor(),
            };
            let imagined = match (&settings.source, forecaster) {
                (AugmentationSource::Truth, _) => match &mut self.evaluator {
                    Some(simulator) => {
                        segment.simulate(&mut **simulator, settings, &mut imagination)?
                    }
                    None => Vec::new(),
                },
                (_, Some(forecaster)) => {
                    segment.forecast(forecaster, settings, &mut imagination)?
                }
                (_, None) => return Err(LearningError::NoForecaster),
            };
            for transition in imagined.into_iter().filter(is_finite) {
                self.imagined.push(transition, false);
            }
        }
        Ok(())
    }

    /// Checks that a forecaster can serve these settings.
    ///
    /// # Errors
    /// [`LearningError::Augmentation`] if it cannot read segments of the context's length, or would
    /// ignore the policy's actions.
    pub fn check_forecaster(
        settings: &AugmentationSettings,
        forecaster: &Forecaster,
    ) -> Result<(), LearningError> {
        let steps = match settings.imagination {
            Imagination::OneStep => 0,
            Imagination::Rollouts { steps, .. } => steps + 1,
            Imagination::Branches(branches) => branches.steps + 1,
        };
        if forecaster.longest_context(steps) <= settings.context {
            return Err(LearningError::Augmentation(
                "the model's window is shorter than the context",
            ));
        }
        if steps > 0 && !forecaster.sees_actions() {
            return Err(LearningError::Augmentation(
                "this forecaster does not see actions: its rollouts do not depend on the policy (try \
                 `method=dicl-sa` or `experts=linear`)",
            ));
        }
        let other_actions = settings.actions == ImaginedActions::Policy;
        if steps == 0 && other_actions && forecaster.sees_actions() {
            return Err(LearningError::Augmentation(
                "this forecaster's next states depend on the recorded actions: other actions need \
                 rollouts (`rollout=1`)",
            ));
        }
        Ok(())
    }
}

fn is_finite(transition: &Transition) -> bool {
    transition.reward.is_finite() && transition.next.iter().all(|x| x.is_finite())
}
