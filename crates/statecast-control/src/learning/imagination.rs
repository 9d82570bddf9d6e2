//! Imagined transitions: predicted by a forecaster or by the simulator.

use std::num::NonZeroUsize;

use ndarray::{Array1, Array2, ArrayView1, Axis, s};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::augmentation::{
    AugmentationSettings, Imagination, ImaginedActions, NextState, SampleWeighting,
};
use super::recorder::{TransitionRecorder, simulate_path};
use super::{LearningError, SacActor, Transition};
use crate::environment::{Environment, Task};
use crate::forecast::{
    ChannelParts, EpisodeControl, Forecaster, Method, RewardRow, Role, RolloutSettings, Variables,
};
use crate::network::Tape;

/// An episode segment, and the actor of rollouts from it.
pub(super) struct EpisodeSegment<'s> {
    pub(super) rows: Vec<&'s Transition>,
    pub(super) task: &'s Task,
    pub(super) actor: &'s SacActor,
}

pub(super) fn narrow(values: impl IntoIterator<Item = f64>) -> Vec<f32> {
    values.into_iter().map(|x| x as f32).collect()
}

pub(super) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

fn matrix<'r>(rows: impl Iterator<Item = &'r Vec<f32>>) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = rows.map(|row| wide(row)).collect();
    let width = rows.first().map_or(0, Vec::len);
    Array2::from_shape_vec((rows.len(), width), rows.concat())
        .expect("rows of one task have one width")
}

/// Returns the column of the reward, if it is a variable.
pub(super) fn reward_of(context: &Variables) -> Option<usize> {
    context.of_role(Role::Outcome).first().copied()
}

impl EpisodeSegment<'_> {
    /// Returns the first `count` observations as a context, at most one more than there are
    /// transitions. The observation after the last transition repeats the last action: no other is
    /// known. With `with_reward`, the reward of the transition to an observation is one of its
    /// variables.
    pub(super) fn variables(&self, count: usize, method: Method, with_reward: bool) -> Variables {
        let row = |t: usize| self.rows[t.min(self.rows.len() - 1)];
        let states = matrix((0..count).map(|t| self.observation(t)));
        let actions = matrix((0..count).map(|t| &row(t).action));
        let named = |prefix: &str, count: usize| -> Vec<String> {
            (0..count).map(|i| format!("{prefix} {i}")).collect()
        };
        let rewards = self.rows.iter().map(|row| f64::from(row.reward));
        let rewards: Array1<f64> = rewards.collect();
        let parts = ChannelParts {
            state_names: &named("state", states.ncols()),
            states: states.view(),
            action_names: &named("action", actions.ncols()),
            actions: actions.view(),
            reward: with_reward.then_some(("reward", rewards.view(), RewardRow::OfNextState)),
        };
        Variables::of_parts(parts, method)
    }

    /// Returns the observation before transition `t`, or after the last one.
    fn observation(&self, t: usize) -> &Vec<f32> {
        match self.rows.get(t) {
            Some(row) => &row.observation,
            None => &self.rows[self.rows.len() - 1].next,
        }
    }

    /// Returns the transitions that a forecaster predicts.
    pub(super) fn forecast(
        &self,
        forecaster: &Forecaster,
        settings: &AugmentationSettings,
        random: &mut ChaCha8Rng,
    ) -> Result<Vec<Transition>, LearningError> {
        match settings.imagination {
            Imagination::Rollouts { steps, count } => {
                self.forecast_paths(forecaster, settings.min_context, (steps, count), random)
            }
            _ => self.forecast_rows(forecaster, settings, random),
        }
    }

    fn forecast_rows(
        &self,
        forecaster: &Forecaster,
        settings: &AugmentationSettings,
        random: &mut ChaCha8Rng,
    ) -> Result<Vec<Transition>, LearningError> {
        let context = self.variables(self.rows.len() + 1, forecaster.settings().method, false);
        let reading = forecaster.read_last(&context, self.rows.len())?;
        let (means, stds) = reading.one_step_moments();
        let states = self.rows[0].observation.len();
        let nexts = match settings.next {
            NextState::Mean => means,
            NextState::Sampled => reading.one_step_draw(random),
        };
        let relative_variances = relative_variances(
            context.values.slice(s![.., ..states]).to_owned(),
            &stds.slice(s![.., ..states]).to_owned(),
        );
        let mut tape = Tape::default();
        let mut imagined = Vec::with_capacity(self.rows.len());
        for (t, row) in self.rows.iter().enumerate() {
            let next = nexts.slice(s![t, ..states]).to_vec();
            let action = match settings.actions {
                ImaginedActions::Recorded => row.action.clone(),
                ImaginedActions::Policy => {
                    self.actor.draw(&row.observation, &mut tape, random).actions
                }
            };
            // Without a reward function, `check` admits recorded actions only: their rewards are
            // kept.
            let reward = match &self.task.reward {
                Some(rule) => rule.of_step(&wide(&row.observation), &wide(&action), &next) as f32,
                None => row.reward,
            };
            imagined.push(Transition {
                observation: row.observation.clone(),
                action,
                reward,
                // As the reward: what is not known by a rule is as it was recorded.
                terminated: match &self.task.terminated {
                    Some(rule) => rule.ends(&next),
                    None => row.terminated,
                },
                next: narrow(next),
                weight: match settings.weighting {
                    SampleWeighting::Weighted => (1.0 / (1.0 + relative_variances[t])) as f32,
                    SampleWeighting::Uniform | SampleWeighting::LowVarianceHalf => 1.0,
                },
                state: Vec::new(),
            });
        }
        if settings.weighting != SampleWeighting::LowVarianceHalf {
            return Ok(imagined);
        }
        let mut order: Vec<usize> = (0..imagined.len()).collect();
        order.sort_by(|&a, &b| relative_variances[a].total_cmp(&relative_variances[b]));
        order.truncate(imagined.len().div_ceil(2));
        order.sort_unstable();
        Ok(order.into_iter().map(|t| imagined[t].clone()).collect())
    }

    fn forecast_paths(
        &self,
        forecaster: &Forecaster,
        min_context: usize,
        (steps, count): (usize, usize),
        random: &mut ChaCha8Rng,
    ) -> Result<Vec<Transition>, LearningError> {
        // Rollouts start where the context ends: elsewhere the context would not be their history.
        let start = random.random_range(min_context.min(self.rows.len())..=self.rows.len());
        let method = forecaster.settings().method;
        let context = self.variables(start, method, self.task.reward.is_none());
        let reading = forecaster.read_last(&context, 0)?;
        let observation = Array1::from(wide(self.observation(start)));
        let starts = observation.broadcast((count, observation.len()));
        let mut control = EpisodeControl {
            starts: starts.expect("rows are repeated").to_owned(),
            reward: reward_of(&context),
            steps: TransitionRecorder::new(self.task, self.actor, count, random),
        };
        let settings = RolloutSettings {
            // One row more than steps: the last row is the state after the last step.
            horizon: NonZeroUsize::MIN.saturating_add(steps),
            samples: NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN),
            seed: control.steps.random.random(),
            paths_at_once: None,
            max_steps: None,
        };
        reading.rollout_with_policy(&settings, &mut control, &|_| ())?;
        Ok(control.steps.imagined)
    }

    /// Returns the transitions that the simulator computes.
    pub(super) fn simulate(
        &self,
        simulator: &mut dyn Environment,
        settings: &AugmentationSettings,
        random: &mut ChaCha8Rng,
    ) -> Result<Vec<Transition>, LearningError> {
        let mut imagined = Vec::new();
        let (starts, steps): (Vec<usize>, usize) = match settings.imagination {
            Imagination::Rollouts { steps, count } => {
                let starts = (0..count).map(|_| random.random_range(0..self.rows.len()));
                (starts.collect(), steps)
            }
            _ => ((0..self.rows.len()).collect(), 1),
        };
        let mut tape = Tape::default();
        for start in starts {
            let row = self.rows[start];
            let mut act = |observation: &[f32]| match settings.actions {
                ImaginedActions::Recorded => row.action.clone(),
                ImaginedActions::Policy => self.actor.draw(observation, &mut tape, random).actions,
            };
            simulate_path(simulator, row, steps, &mut act, &mut imagined)?;
        }
        Ok(imagined)
    }
}

/// Variances of one-step densities relative to the mean squared step of the states
/// `[rows + 1, states]`, averaged over the state variables, `[rows]`. Persistence with the right
/// standard deviation has 1.
fn relative_variances(states: Array2<f64>, stds: &Array2<f64>) -> Array1<f64> {
    let steps = &states.slice(s![1.., ..]) - &states.slice(s![..-1, ..]);
    let rows = steps.nrows() as f64;
    let moves = steps.map_axis(Axis(0), |column| column.dot(&column) / rows);
    let of_row = |row: ArrayView1<f64>| {
        let shares = row.iter().zip(&moves).filter(|&(_, &moves)| moves > 0.0);
        let shares: Vec<f64> = shares.map(|(d, moves)| d * d / moves).collect();
        shares.iter().sum::<f64>() / shares.len().max(1) as f64
    };
    stds.map_axis(Axis(1), of_row)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::AugmentationSource;
    use super::*;
    use crate::baselines;
    use crate::environment::{ActionSpace, named};
    use crate::forecast::Settings;

    /// A pendulum's episode under random torques: 200 steps, as many as its time limit allows.
    fn episode() -> Vec<Transition> {
        let mut pendulum = named("pendulum").unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let mut observation = narrow(pendulum.reset(4).unwrap());
        let step = |_| {
            let action = vec![random.random_range(-2.0f32..2.0)];
            let state = pendulum.state().unwrap();
            let step = pendulum.step(&wide(&action)).unwrap();
            let next = narrow(step.observation);
            Transition {
                observation: std::mem::replace(&mut observation, next.clone()),
                action,
                reward: step.reward as f32,
                next,
                terminated: step.terminated,
                weight: 1.0,
                state,
            }
        };
        (0..200).map(step).collect()
    }

    fn actor() -> SacActor {
        let space = ActionSpace::Box {
            low: &[-2.0],
            high: &[2.0],
        };
        SacActor::new(3, space, 8, &mut ChaCha8Rng::seed_from_u64(1)).unwrap()
    }

    fn settings() -> AugmentationSettings {
        AugmentationSettings::of_task("pendulum", AugmentationSource::Truth)
    }

    fn segment<'s>(episode: &'s [Transition], actor: &'s SacActor) -> EpisodeSegment<'s> {
        EpisodeSegment {
            rows: episode.iter().collect(),
            task: Task::named("pendulum").unwrap(),
            actor,
        }
    }

    fn linear(episode: &[Transition], settings: &AugmentationSettings) -> Vec<Transition> {
        let predictor = baselines::named("linear").unwrap();
        let forecaster = Forecaster::of(predictor, Settings::default());
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let actor = actor();
        segment(episode, &actor)
            .forecast(&forecaster, settings, &mut random)
            .unwrap()
    }

    fn earned(t: &Transition) -> f32 {
        let reward = Task::named("pendulum").unwrap().reward.as_ref().unwrap();
        reward.of_step(&wide(&t.observation), &wide(&t.action), &wide(&t.next)) as f32
    }

    /// Fault of the published code: its rows were one step off. An imagined transition differs from
    /// the real one in the next state only, which is closer to the actual one than the state before
    /// it.
    #[test]
    fn one_step_transitions_differ_in_the_next_state_only() {
        let episode = episode();
        let imagined = linear(&episode, &settings());
        assert_eq!(imagined.len(), episode.len());
        let apart =
            |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum() };
        let (mut off, mut moved) = (0.0, 0.0);
        for (imagined, real) in imagined.iter().zip(&episode) {
            assert_eq!(imagined.observation, real.observation);
            assert_eq!(imagined.action, real.action);
            assert!((imagined.reward - real.reward).abs() < 1e-5);
            assert_eq!(imagined.weight, 1.0);
        }
        for (imagined, real) in imagined.iter().zip(&episode).skip(100) {
            off += apart(&imagined.next, &real.next);
            moved += apart(&real.observation, &real.next);
        }
        assert!(off < 0.2 * moved, "{off} {moved}");
    }

    #[test]
    fn draws_are_wider_than_means() {
        let episode = episode();
        let sampled = AugmentationSettings {
            next: NextState::Sampled,
            ..settings()
        };
        let (means, draws) = (linear(&episode, &settings()), linear(&episode, &sampled));
        let off = |imagined: &[Transition]| -> f32 {
            // Early rows have little context: errors of means are as large there.
            let pairs = imagined.iter().zip(&episode).skip(20);
            pairs
                .map(|(i, real)| (i.next[2] - real.next[2]).powi(2))
                .sum()
        };
        let (draws, means) = (off(&draws), off(&means));
        assert!(draws > 1.2 * means, "{draws} {means}");
    }

    /// Fault of the published code: a reward was paired with an action that did not earn it.
    #[test]
    fn rewards_match_their_actions() {
        let episode = episode();
        let actor = actor();
        let policy = AugmentationSettings {
            actions: ImaginedActions::Policy,
            ..settings()
        };
        let model = baselines::named("ar").unwrap();
        let forecaster = Forecaster::of(model, Settings::default());
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let imagined = segment(&episode, &actor)
            .forecast(&forecaster, &policy, &mut random)
            .unwrap();
        let others = imagined
            .iter()
            .zip(&episode)
            .filter(|(i, r)| i.action != r.action);
        assert!(others.count() > 190);
        for transition in &imagined {
            assert_eq!(transition.reward, earned(transition));
        }
    }

    #[test]
    fn uncertainty_weights_samples_or_drops_half() {
        let episode = episode();
        let weighting = |weighting| {
            linear(
                &episode,
                &AugmentationSettings {
                    weighting,
                    ..settings()
                },
            )
        };
        let weighted = weighting(SampleWeighting::Weighted);
        assert!(weighted.iter().all(|t| t.weight > 0.0 && t.weight < 1.0));
        // Variance is high while the context is short.
        assert!(weighted[2].weight < weighted[150].weight);
        let half = weighting(SampleWeighting::LowVarianceHalf);
        assert_eq!(half.len(), 100);
        let early = half
            .iter()
            .filter(|t| episode[..5].iter().any(|e| e.observation == t.observation));
        assert!(early.count() < 5);
    }

    /// A standard deviation equal to the constant step size has relative variance 1.
    #[test]
    fn variance_is_relative_to_the_mean_squared_step() {
        let states = Array2::from_shape_fn(
            (5, 2),
            |(t, v)| if v == 0 { 2.0 * (t % 2) as f64 } else { 7.0 },
        );
        let stds = Array2::from_shape_fn((4, 2), |(t, _)| t as f64);
        assert_eq!(
            relative_variances(states, &stds).to_vec(),
            [0.0, 0.25, 1.0, 2.25]
        );
    }

    #[test]
    fn rollouts_are_chained_and_follow_the_policy() {
        let episode = episode();
        let paths = AugmentationSettings {
            imagination: Imagination::Rollouts { steps: 3, count: 4 },
            actions: ImaginedActions::Policy,
            next: NextState::Sampled,
            ..settings()
        };
        let actor = actor();
        let mut simulator = named("pendulum").unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let simulated = segment(&episode, &actor)
            .simulate(&mut *simulator, &paths, &mut random)
            .unwrap();
        let forecast = linear(&episode, &paths);
        assert_eq!((simulated.len(), forecast.len()), (12, 12));
        // Fault: paths began at other states than the one that their context led to.
        let start = episode
            .iter()
            .position(|e| e.observation == forecast[0].observation);
        assert!(start.is_none_or(|start| start >= paths.min_context));
        assert!(
            forecast[..4]
                .iter()
                .all(|t| t.observation == forecast[0].observation)
        );
        let is_recorded = |t: &Transition| episode.iter().any(|e| e.observation == t.observation);
        for path in 0..4 {
            // The forecaster's rollouts advance in lockstep, the simulator's one by one.
            let forecast: Vec<&Transition> = (0..3).map(|k| &forecast[4 * k + path]).collect();
            let simulated: Vec<&Transition> = (0..3).map(|k| &simulated[3 * path + k]).collect();
            for steps in [forecast, simulated] {
                assert!(is_recorded(steps[0]));
                assert!(
                    steps
                        .windows(2)
                        .all(|pair| pair[0].next == pair[1].observation)
                );
                assert!(steps.iter().all(|t| (t.reward - earned(t)).abs() < 1e-5));
            }
        }
    }

    #[test]
    fn the_simulator_reproduces_recorded_transitions() {
        let episode = episode();
        let actor = actor();
        let mut simulator = named("pendulum").unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let imagined = segment(&episode, &actor)
            .simulate(&mut *simulator, &settings(), &mut random)
            .unwrap();
        for (imagined, real) in imagined.iter().zip(&episode) {
            assert_eq!((&imagined.next, imagined.reward), (&real.next, real.reward));
        }
    }
}
