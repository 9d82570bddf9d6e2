//! Short imagined branches from states of the replay buffer (Janner et al., arXiv 1906.08253).

use std::num::NonZeroUsize;

use ndarray::{Array1, Array2};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, Normal};

use super::imagination::{EpisodeSegment, reward_of, wide};
use super::recorder::{Caution, TransitionRecorder, simulate_path};
use super::{BranchSettings, LearningError, ReplayBuffer, SacActor, Transition};
use crate::dynamics::{Dynamics, Ensemble, EnsembleSettings, NormalDistributions, Steps};
use crate::environment::{Environment, EnvironmentError, Task};
use crate::forecast::{
    EpisodeControl, EpisodeSteps, Forecaster, Method, RolloutSettings, Variables,
};
use crate::network::{FitSettings, Tape};

/// A round of branches.
pub(super) struct Round<'r> {
    pub(super) replay: &'r ReplayBuffer,
    /// Transitions of the round before.
    pub(super) former: &'r ReplayBuffer,
    pub(super) task: &'r Task,
    pub(super) actor: &'r SacActor,
    pub(super) settings: BranchSettings,
    /// Transitions that the forecaster reads, the latest ones.
    pub(super) context: usize,
}

impl Round<'_> {
    /// Draws the transitions from whose first states branches start.
    fn starts(&self, random: &mut ChaCha8Rng) -> Vec<Transition> {
        let rows = self.rows();
        let former = self.former.episodes().flatten();
        let former = former.filter_map(|row| self.former.row(row));
        let former: Vec<&Transition> = former.filter(|row| !row.terminated).collect();
        let share = match former.is_empty() {
            true => 0.0,
            false => self.settings.imagined_starts,
        };
        let imagined = (share * self.settings.count as f64).round() as usize;
        let drawn = (0..self.settings.count).map(|number| match number < imagined {
            true => {
                let row = former[random.random_range(0..former.len())];
                Transition {
                    observation: row.next.clone(),
                    ..row.clone()
                }
            }
            false => rows[random.random_range(0..rows.len())].clone(),
        });
        drawn.collect()
    }

    fn rows(&self) -> Vec<&Transition> {
        let rows = self.replay.episodes().flatten();
        rows.filter_map(|row| self.replay.row(row)).collect()
    }

    /// Returns the latest transitions as a context of whole episodes, the first of which may lack
    /// its beginning.
    fn variables(&self, method: Method) -> Variables {
        let skipped = self.replay.len().saturating_sub(self.context);
        let rows = self.replay.episodes().flat_map(|episode| {
            let start = episode.start;
            episode.map(move |row| (start, row))
        });
        let mut parts: Vec<(usize, Vec<&Transition>)> = Vec::new();
        for (episode, row) in rows.skip(skipped) {
            let Some(row) = self.replay.row(row) else {
                continue;
            };
            match parts.last_mut() {
                Some((last, rows)) if *last == episode => rows.push(row),
                _ => parts.push((episode, vec![row])),
            }
        }
        let read = parts.into_iter().map(|(_, rows)| {
            let segment = EpisodeSegment {
                rows,
                task: self.task,
                actor: self.actor,
            };
            let known = segment.rows.last().is_some_and(|row| row.knows_next());
            let count = segment.rows.len() + usize::from(known);
            let mut variables = segment.variables(count, method, self.task.reward.is_none());
            variables.begins[0] = true;
            variables
        });
        Variables::joined(&read.collect::<Vec<_>>())
    }

    fn caution(&self) -> Caution {
        Caution {
            moves: self.moves(),
            max_variance: self.settings.max_variance,
            penalty: self.settings.penalty,
        }
    }

    /// Returns the mean squared step of each state.
    fn moves(&self) -> Vec<f64> {
        let mut rows = self.rows();
        rows.retain(|row| row.knows_next());
        let mut sums = vec![0.0; self.task.observation.len()];
        for row in &rows {
            let steps = row.next.iter().zip(&row.observation);
            for (sum, (next, before)) in sums.iter_mut().zip(steps) {
                *sum += f64::from(next - before).powi(2) / rows.len() as f64;
            }
        }
        sums
    }

    /// Branches in a forecaster that has read the replay buffer.
    pub(super) fn forecast(
        &self,
        forecaster: &Forecaster,
        random: &mut ChaCha8Rng,
    ) -> Result<Vec<Transition>, LearningError> {
        let settings = self.settings;
        let context = self.variables(forecaster.settings().method);
        let reading = forecaster.read_last(&context, 0)?;
        let starts = self.starts(random);
        let seed = random.random();
        let mut control = EpisodeControl {
            starts: first_states(starts.iter()),
            reward: reward_of(&context),
            steps: TransitionRecorder::new(self.task, self.actor, starts.len(), random)
                .with_caution(self.caution()),
        };
        let rollout = RolloutSettings {
            // One row more than steps: the last row is the state after the last step.
            horizon: NonZeroUsize::MIN.saturating_add(settings.steps),
            samples: NonZeroUsize::new(starts.len()).unwrap_or(NonZeroUsize::MIN),
            seed,
            paths_at_once: None,
            max_steps: None,
        };
        reading.rollout_with_policy(&rollout, &mut control, &|_| ())?;
        Ok(control.steps.imagined)
    }

    /// Branches in an ensemble of networks. Every step of a path is drawn from a network of its own,
    /// and states stay within the recorded ones, widened by a tenth.
    pub(super) fn in_networks(
        &self,
        ensemble: &Ensemble,
        random: &mut ChaCha8Rng,
    ) -> Result<Vec<Transition>, LearningError> {
        let starts = self.starts(random);
        let mut states = first_states(starts.iter());
        let limits = self.limits();
        let paths = 0..starts.len();
        let recorder = TransitionRecorder::new(self.task, self.actor, starts.len(), random);
        let mut recorder = recorder.with_caution(self.caution());
        for step in 0..self.settings.steps {
            let actions = recorder.act(step, paths.clone(), states.view())?;
            let members = 0..ensemble.members();
            let members = members.map(|m| ensemble.distributions(m, states.view(), actions.view()));
            let members: Vec<NormalDistributions> = members.collect();
            recorder.spread(paths.clone(), total_std(&members).view());
            let mut rewards = Array1::zeros(starts.len());
            for path in paths.clone() {
                let member = &members[recorder.random.random_range(0..members.len())];
                let mut draw = |column: usize| {
                    // Level 0 would be minus infinity.
                    let level = recorder.random.random::<f64>().max(f64::EPSILON);
                    let z = Normal::standard().inverse_cdf(level);
                    member.mean[[path, column]] + z * member.std[[path, column]]
                };
                for (column, &(low, high)) in limits.iter().enumerate() {
                    states[[path, column]] = draw(column).clamp(low, high);
                }
                rewards[path] = draw(limits.len());
            }
            recorder.arrive(paths.clone(), states.view(), Some(rewards.view()));
        }
        Ok(recorder.imagined)
    }

    /// Returns the range of each state, widened by a tenth.
    fn limits(&self) -> Vec<(f64, f64)> {
        let mut limits = vec![(f64::INFINITY, f64::NEG_INFINITY); self.task.observation.len()];
        for row in self.rows() {
            for (limits, &x) in limits.iter_mut().zip(&row.next) {
                let x = f64::from(x);
                *limits = (limits.0.min(x), limits.1.max(x));
            }
        }
        let wider = |(low, high): (f64, f64)| {
            let margin = 0.1 * (high - low);
            (low - margin, high + margin)
        };
        limits.into_iter().map(wider).collect()
    }

    /// Branches in the simulator itself, from the exact states of the buffer.
    pub(super) fn simulate(
        &self,
        simulator: &mut dyn Environment,
        random: &mut ChaCha8Rng,
    ) -> Result<Vec<Transition>, LearningError> {
        let mut imagined = Vec::new();
        let mut tape = Tape::default();
        for start in self.starts(random) {
            let mut act =
                |observation: &[f32]| self.actor.draw(observation, &mut tape, random).actions;
            let steps = self.settings.steps;
            match simulate_path(simulator, &start, steps, &mut act, &mut imagined) {
                // A speed at its bound does not tell the state: no branch starts there.
                Err(LearningError::Environment(EnvironmentError::Unobserved { .. })) => {}
                other => other?,
            }
        }
        Ok(imagined)
    }
}

fn first_states<'t>(starts: impl ExactSizeIterator<Item = &'t Transition>) -> Array2<f64> {
    let count = starts.len();
    let rows: Vec<f64> = starts.flat_map(|start| wide(&start.observation)).collect();
    let width = rows.len() / count.max(1);
    Array2::from_shape_vec((count, width), rows).expect("rows of one task have one width")
}

/// Returns the standard deviations of the members' mixture, with the reward last.
fn total_std(members: &[NormalDistributions]) -> Array2<f64> {
    let count = members.len() as f64;
    let shape = members.first().map_or((0, 0), |first| first.mean.dim());
    Array2::from_shape_fn(shape, |at| {
        let mean = members.iter().map(|m| m.mean[at]).sum::<f64>() / count;
        let squares = members
            .iter()
            .map(|m| m.std[at].powi(2) + (m.mean[at] - mean).powi(2));
        (squares.sum::<f64>() / count).sqrt()
    })
}

/// Fits an ensemble to the transitions of a replay buffer.
pub(super) fn fit_networks(replay: &ReplayBuffer, members: usize, seed: u64) -> Ensemble {
    let mut run = Vec::new();
    let mut rows = Vec::new();
    for (number, episode) in replay.episodes().enumerate() {
        for row in episode.filter_map(|row| replay.row(row)) {
            run.push(number);
            rows.push(row);
        }
    }
    let first = rows.first();
    let widths = first.map_or((0, 0), |row| (row.observation.len(), row.action.len()));
    let steps = Steps {
        states: first_states(rows.iter().copied()),
        actions: Array2::from_shape_fn((rows.len(), widths.1), |(t, a)| {
            f64::from(rows[t].action[a])
        }),
        changes: Array2::from_shape_fn((rows.len(), widths.0 + 1), |(t, c)| {
            let row = rows[t];
            f64::from(match row.next.get(c) {
                // Where a terminal state is not known, nor is the step to it.
                Some(_) if !row.knows_next() => f32::NAN,
                Some(next) => next - row.observation[c],
                None => row.reward,
            })
        }),
        run,
    };
    let settings = EnsembleSettings {
        members,
        fit: FitSettings::for_rows(rows.len()),
        seed,
    };
    Ensemble::fit(&steps, settings, &|_| ())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::offline::{replay_of, tests::recorded};
    use super::*;
    use crate::baselines;
    use crate::environment::{ActionSpace, named};
    use crate::forecast::Settings;

    fn actor() -> SacActor {
        let space = ActionSpace::Box {
            low: &[-2.0],
            high: &[2.0],
        };
        SacActor::new(3, space, 8, &mut ChaCha8Rng::seed_from_u64(1)).unwrap()
    }

    fn settings() -> BranchSettings {
        BranchSettings {
            steps: 4,
            count: 50,
            ..BranchSettings::default()
        }
    }

    /// Branches from a buffer of 400 transitions in a linear model, the simulator and networks.
    fn imagined(settings: BranchSettings) -> [Vec<Transition>; 3] {
        let task = Task::named("pendulum").unwrap();
        let replay = replay_of(&recorded("pendulum", 400), task).unwrap();
        let actor = actor();
        let former = ReplayBuffer::new(1);
        let round = Round {
            replay: &replay,
            former: &former,
            task,
            actor: &actor,
            settings,
            context: 300,
        };
        let random = || ChaCha8Rng::seed_from_u64(0);
        let linear = Forecaster::of(baselines::named("linear").unwrap(), Settings::default());
        let networks = fit_networks(&replay, 2, 0);
        [
            round.forecast(&linear, &mut random()).unwrap(),
            round
                .simulate(&mut *named("pendulum").unwrap(), &mut random())
                .unwrap(),
            round.in_networks(&networks, &mut random()).unwrap(),
        ]
    }

    #[test]
    fn branches_start_at_recorded_states_and_follow_the_dynamics() {
        let recorded = recorded("pendulum", 400);
        let starts = recorded.runs[0].states.clone();
        let is_recorded = |t: &Transition| {
            let state = wide(&t.observation);
            let off = |row: ndarray::ArrayView1<f64>| {
                row.iter().zip(&state).all(|(a, b)| (a - b).abs() < 1e-5)
            };
            starts.rows().into_iter().any(off)
        };
        let [linear, truth, networks] = imagined(settings());
        for found in [&linear, &truth, &networks] {
            assert_eq!(found.len(), 200);
        }
        // The simulator's branches come one by one, the others in lockstep.
        assert!(truth.chunks(4).all(|branch| is_recorded(&branch[0])));
        assert!(linear[..50].iter().chain(&networks[..50]).all(is_recorded));
        let mut simulator = named("pendulum").unwrap();
        let mut error = |found: &[Transition]| -> f32 {
            let off = found.iter().map(|t| {
                simulator
                    .restore_observation(&wide(&t.observation))
                    .unwrap();
                let step = simulator.step(&wide(&t.action)).unwrap();
                (step.observation[2] as f32 - t.next[2]).abs()
            });
            off.sum::<f32>() / found.len() as f32
        };
        assert!(error(&truth) < 1e-4, "{}", error(&truth));
        assert!(error(&networks) < 0.2, "{}", error(&networks));
        assert!(error(&linear) < 0.5, "{}", error(&linear));
    }

    /// Fault: forecasters imagined branches only where a rule tells the reward.
    #[test]
    fn unknown_rewards_are_predicted_with_the_states() {
        let known = Task::named("pendulum").unwrap();
        let task = Task {
            reward: None,
            ..known.clone()
        };
        let round = Round {
            replay: &replay_of(&recorded("pendulum", 400), &task).unwrap(),
            former: &ReplayBuffer::new(1),
            task: &task,
            actor: &actor(),
            settings: settings(),
            context: 400,
        };
        let experts = baselines::named("fourier").unwrap();
        let experts = Forecaster::of(experts, Settings::default());
        let found = round.forecast(&experts, &mut ChaCha8Rng::seed_from_u64(0));
        let found = found.unwrap();
        assert_eq!(found.len(), 200);
        let rule = known.reward.as_ref().unwrap();
        // All branches advance together, so that those of the next step stand 50 transitions later.
        let off = |steps: usize| {
            let pairs = found.iter().zip(&found[50 * steps..]);
            let off = pairs.map(|(t, later)| {
                let earned = rule.of_step(&wide(&t.observation), &wide(&t.action), &wide(&t.next));
                (earned - f64::from(later.reward)).abs()
            });
            off.sum::<f64>() / (found.len() - 50 * steps) as f64
        };
        assert!(off(0) < 0.2, "{}", off(0));
        assert!(off(0) < 0.5 * off(1), "{} {}", off(0), off(1));
    }

    #[test]
    fn branches_stop_at_the_variance_limit() {
        let counts = |max_variance| {
            imagined(BranchSettings {
                max_variance: Some(max_variance),
                ..settings()
            })
            .map(|found| found.len())
        };
        // The simulator has no variance.
        assert_eq!(counts(1e-12), [0, 200, 0]);
        assert_eq!(counts(1e12), [200, 200, 200]);
    }

    #[test]
    fn uncertain_steps_earn_less() {
        let penalised = imagined(BranchSettings {
            penalty: 3.0,
            ..settings()
        });
        let plain = imagined(settings());
        for (number, (penalised, plain)) in penalised.iter().zip(&plain).enumerate() {
            let costs = plain
                .iter()
                .zip(penalised)
                .map(|(a, b)| a.reward - b.reward);
            let costs: Vec<f32> = costs.collect();
            match number {
                1 => assert!(costs.iter().all(|&cost| cost == 0.0)),
                _ => assert!(costs.iter().all(|&cost| cost > 0.0)),
            }
        }
    }

    #[test]
    fn branches_go_on_from_the_round_before() {
        let task = Task::named("pendulum").unwrap();
        let replay = replay_of(&recorded("pendulum", 50), task).unwrap();
        let mut former = ReplayBuffer::new(10);
        let mut row = replay.row(0).unwrap().clone();
        row.next = vec![1.0, 0.0, 7.5];
        former.push(row, true);
        let actor = actor();
        let started = |imagined_starts| {
            let round = Round {
                replay: &replay,
                former: &former,
                task,
                actor: &actor,
                settings: BranchSettings {
                    imagined_starts,
                    ..settings()
                },
                context: 50,
            };
            let mut random = ChaCha8Rng::seed_from_u64(0);
            let mut simulator = named("pendulum").unwrap();
            let found = round.simulate(&mut *simulator, &mut random).unwrap();
            let starts = found.iter().step_by(4);
            starts.filter(|t| t.observation[2] == 7.5).count()
        };
        assert_eq!([0.0, 0.5, 1.0].map(started), [0, 25, 50]);
    }
}
