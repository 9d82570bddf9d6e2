//! Fitted Q evaluation on recorded transitions.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::{CriticValues, EvaluationError, Logged, Path, RolloutSpec, Transitions, Value};
use crate::network::{Activation, Adam, AdamSettings, Network, Tape, polyak};
use crate::policy::Policy;

/// Policy actions drawn per state.
const DRAWS: usize = 8;

/// Settings of the fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FittedSettings {
    /// Number of value functions.
    pub members: usize,
    /// Units of each of the two hidden layers.
    pub width: usize,
    /// Training steps.
    pub updates: usize,
    /// Transitions per training step.
    pub batch: usize,
    /// Learning rate.
    pub rate: f64,
    /// Polyak coefficient of the target.
    pub tau: f32,
}

impl Default for FittedSettings {
    fn default() -> Self {
        Self {
            members: 3,
            width: 128,
            updates: 12_000,
            batch: 128,
            rate: 1e-3,
            tau: 0.05,
        }
    }
}

/// Fitted Q evaluation (Le et al., ICML 2019) over a finite horizon. The value functions take the
/// fraction of remaining steps as an input and are zero at the horizon. Truncation is not
/// termination.
pub struct FittedQ {
    members: Vec<ValueFunction>,
    spec: RolloutSpec,
}

impl FittedQ {
    /// Fits the value functions of a policy, each on runs drawn with replacement.
    ///
    /// # Errors
    /// [`EvaluationError::Policy`] if the policy fails, [`EvaluationError::TooFew`].
    pub fn fit(
        logged: &Logged,
        policy: &mut dyn Policy,
        spec: &RolloutSpec,
        settings: FittedSettings,
        progress: &dyn Fn(f64),
    ) -> Result<Self, EvaluationError> {
        let mut fits = Vec::with_capacity(settings.members);
        for member in 0..settings.members {
            let mut random = ChaCha8Rng::seed_from_u64(spec.seed);
            random.set_stream(member as u64);
            let runs = logged.runs.len();
            let drawn: Vec<usize> = (0..runs).map(|_| random.random_range(0..runs)).collect();
            let transitions = logged.transitions(|run| drawn.contains(&run));
            let times = |run: &usize| drawn.iter().filter(|d| *d == run).count();
            let rows = transitions.run.iter().enumerate();
            let rows: Vec<usize> = rows.flat_map(|(row, run)| vec![row; times(run)]).collect();
            if rows.is_empty() {
                return Err(EvaluationError::TooFew(0, 1));
            }
            let function = ValueFunction::new(&transitions, spec, settings, &mut random);
            let actions = drawn_actions(&transitions.next, policy, &mut random)?;
            fits.push(Fit {
                function,
                transitions,
                rows,
                actions,
                random,
            });
        }
        side_by_side(&mut fits, progress);
        let members = fits.into_iter().map(|fit| fit.function).collect();
        Ok(Self {
            members,
            spec: spec.clone(),
        })
    }

    /// Returns the policy's value at the starts of the spec.
    ///
    /// # Errors
    /// [`EvaluationError::Policy`] if the policy fails.
    pub fn value(&self, policy: &mut dyn Policy) -> Result<Value, EvaluationError> {
        Ok(Value::of_paths(&self.paths(policy)?))
    }

    /// Returns the policy's values at the starts of the spec by each value function.
    ///
    /// # Errors
    /// [`EvaluationError::Policy`] if the policy fails.
    pub fn paths(&self, policy: &mut dyn Policy) -> Result<Vec<Path>, EvaluationError> {
        let starts = self.spec.starts.nrows();
        // Every start gets the same number of action draws.
        let paths = self.spec.paths.max(starts);
        let index: Vec<usize> = (0..paths).map(|i| i % starts).collect();
        let states = self.spec.starts.select(Axis(0), &index);
        let mut policy_random = self.spec.policy_random(0..paths);
        let actions = policy.act(states.view(), &mut policy_random)?;
        let left = Array1::ones(paths);
        let of_member = |(model, member): (usize, &ValueFunction)| {
            let values = member.values(&member.network, states.view(), actions.view(), &left);
            let paths = index.iter().zip(values).map(|(&start, value)| Path {
                model,
                start,
                value: f64::from(value),
            });
            paths.collect::<Vec<_>>()
        };
        let paths = self.members.iter().enumerate().flat_map(of_member);
        Ok(paths.collect())
    }

    /// Returns the policy's values at states `[rows, states]`, with all steps of the horizon left. All states have the same
    /// random numbers, so that they can be compared. Values are held to what the recorded rewards allow.
    ///
    /// # Errors
    /// [`EvaluationError::Policy`] if the policy fails.
    pub fn state_values(
        &self,
        states: ArrayView2<f64>,
        policy: &mut dyn Policy,
        seed: u64,
    ) -> Result<Vec<f64>, EvaluationError> {
        self.values_with_left(states, policy, self.spec.horizon, seed)
    }

    /// Returns the same with so many steps left.
    pub(super) fn values_with_left(
        &self,
        states: ArrayView2<f64>,
        policy: &mut dyn Policy,
        steps: usize,
        seed: u64,
    ) -> Result<Vec<f64>, EvaluationError> {
        let rows = states.nrows();
        let mut random: Vec<ChaCha8Rng> =
            (0..rows).map(|_| ChaCha8Rng::seed_from_u64(seed)).collect();
        let actions = policy.act(states, &mut random)?;
        let left = Array1::from_elem(rows, steps as f64 / self.spec.horizon as f64);
        let mut mean = vec![0.0; rows];
        for member in &self.members {
            let (low, high) = member.bounds(steps as f64);
            let values = member.values(&member.network, states, actions.view(), &left);
            for (mean, value) in mean.iter_mut().zip(values) {
                *mean += f64::from(value).clamp(low, high) / self.members.len() as f64;
            }
        }
        Ok(mean)
    }

    /// Returns the values of recorded states and state-action pairs under the policy for the
    /// remaining horizon.
    ///
    /// # Errors
    /// [`EvaluationError::Policy`] if the policy fails.
    pub fn critic(
        &self,
        logged: &Logged,
        policy: &mut dyn Policy,
    ) -> Result<CriticValues, EvaluationError> {
        let horizon = self.spec.horizon;
        let mut policy_random = ChaCha8Rng::seed_from_u64(self.spec.seed);
        let mut critic = CriticValues {
            q: Vec::with_capacity(logged.runs.len()),
            v: Vec::with_capacity(logged.runs.len()),
        };
        for run in &logged.runs {
            let steps = run.steps().min(horizon);
            let states = run.states.slice(s![..steps, ..]).to_owned();
            let taken = run.actions.slice(s![..steps, ..]);
            let left = Array1::from_shape_fn(steps, |t| (horizon - t) as f64 / horizon as f64);
            let worth = |actions: ArrayView2<f64>| {
                let mut mean = vec![0.0; steps];
                for member in &self.members {
                    let of_member = member.values(&member.network, states.view(), actions, &left);
                    for (mean, value) in mean.iter_mut().zip(of_member) {
                        *mean += f64::from(value) / self.members.len() as f64;
                    }
                }
                mean
            };
            let mut v = vec![0.0; steps];
            for actions in drawn_actions(&states, policy, &mut policy_random)? {
                let of_draw = worth(actions.view());
                v.iter_mut()
                    .zip(of_draw)
                    .for_each(|(v, q)| *v += q / DRAWS as f64);
            }
            critic.q.push(worth(taken));
            critic.v.push(v);
        }
        Ok(critic)
    }
}

/// Draws a policy's actions at states `[rows, states]` several times in advance: drawing in every
/// training step would cost more than the training.
fn drawn_actions(
    states: &Array2<f64>,
    policy: &mut dyn Policy,
    random: &mut ChaCha8Rng,
) -> Result<Vec<Array2<f64>>, EvaluationError> {
    let mut policy_random = generators(random, states.nrows());
    (0..DRAWS)
        .map(|_| Ok(policy.act(states.view(), &mut policy_random)?))
        .collect()
}

fn generators(random: &mut ChaCha8Rng, count: usize) -> Vec<ChaCha8Rng> {
    (0..count)
        .map(|_| ChaCha8Rng::seed_from_u64(random.random()))
        .collect()
}

/// A value function of state, action and fraction of remaining steps.
struct ValueFunction {
    network: Network,
    target: Network,
    horizon: usize,
    discount: f64,
    settings: FittedSettings,
    mean: Array1<f64>,
    std: Array1<f64>,
    /// Scale of the learned values.
    unit: f32,
    /// Smallest and largest recorded reward: bounds of a step.
    rewards: (f64, f64),
}

impl ValueFunction {
    fn new(
        transitions: &Transitions,
        spec: &RolloutSpec,
        settings: FittedSettings,
        random: &mut ChaCha8Rng,
    ) -> Self {
        let all = concatenate(
            Axis(1),
            &[transitions.states.view(), transitions.actions.view()],
        )
        .expect("states and actions of the same rows");
        let rows = all.nrows() as f64;
        let mean = all.sum_axis(Axis(0)) / rows;
        let squares = (&all - &mean).mapv(|x| x * x).sum_axis(Axis(0)) / rows;
        let steps = discount_sum(spec.discount, spec.horizon as f64);
        let reward = transitions.rewards.mapv(f64::abs).mean().unwrap_or(0.0);
        let widths = [all.ncols() + 1, settings.width, settings.width, 1];
        let network = Network::new(&widths, Activation::Relu, random).expect("no layer is empty");
        Self {
            target: network.clone(),
            network,
            horizon: spec.horizon,
            discount: spec.discount,
            settings,
            mean,
            std: squares.mapv(|v| if v > 0.0 { v.sqrt() } else { 1.0 }),
            unit: if reward > 0.0 {
                (reward * steps) as f32
            } else {
                1.0
            },
            rewards: transitions
                .rewards
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &r| {
                    (r.min(low), r.max(high))
                }),
        }
    }

    /// The least and the greatest value of so many steps.
    fn bounds(&self, steps: f64) -> (f64, f64) {
        let steps = discount_sum(self.discount, steps);
        (
            self.rewards.0.min(0.0) * steps,
            self.rewards.1.max(0.0) * steps,
        )
    }

    fn inputs(
        &self,
        states: ArrayView2<f64>,
        actions: ArrayView2<f64>,
        left: &Array1<f64>,
    ) -> Vec<f32> {
        let all =
            concatenate(Axis(1), &[states, actions]).expect("states and actions of the same rows");
        let all = (all - &self.mean) / &self.std;
        let left = (2.0 * left - 1.0).insert_axis(Axis(1));
        let all = concatenate(Axis(1), &[all.view(), left.view()])
            .expect("one fraction of remaining steps per row");
        all.iter().map(|&x| x as f32).collect()
    }

    fn values(
        &self,
        network: &Network,
        states: ArrayView2<f64>,
        actions: ArrayView2<f64>,
        left: &Array1<f64>,
    ) -> Vec<f32> {
        let mut tape = Tape::default();
        let output = network.forward(&self.inputs(states, actions, left), &mut tape);
        output.iter().map(|q| q * self.unit).collect()
    }
}

/// Runs fits beside each other. The first tells the progress of all, which belongs to this thread; where that unwinds, the
/// others stop.
fn side_by_side(fits: &mut [Fit], progress: &dyn Fn(f64)) {
    struct StopOthers<'s>(&'s AtomicBool);
    impl Drop for StopOthers<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                self.0.store(true, Ordering::Relaxed);
            }
        }
    }
    let all: usize = fits.iter().map(|fit| fit.function.settings.updates).sum();
    let (stop, done) = (&AtomicBool::new(false), &AtomicUsize::new(0));
    let Some((first, others)) = fits.split_first_mut() else {
        return;
    };
    rayon::in_place_scope(|scope| {
        let _stop_others = StopOthers(stop);
        for other in others {
            scope.spawn(move |_| {
                other.run(&|updates| {
                    done.fetch_add(updates, Ordering::Relaxed);
                    !stop.load(Ordering::Relaxed)
                });
            });
        }
        first.run(&|updates| {
            let done = done.fetch_add(updates, Ordering::Relaxed) + updates;
            progress(done as f64 / all as f64);
            true
        });
    });
}

/// Training steps between reports of progress.
const REPORT_EVERY: usize = 100;

/// What a value function is fitted to.
struct Fit {
    function: ValueFunction,
    transitions: Transitions,
    /// Transitions, those of runs that were drawn several times as often.
    rows: Vec<usize>,
    /// The policy's actions at the next states, several draws.
    actions: Vec<Array2<f64>>,
    random: ChaCha8Rng,
}

impl Fit {
    /// Trains the value function, as long as what is told of the steps that were done says so.
    fn run(&mut self, goes_on: &dyn Fn(usize) -> bool) {
        let Self {
            function,
            transitions,
            rows,
            actions: drawn,
            random,
        } = self;
        let settings = function.settings;
        let horizon = function.horizon as f64;
        let parameters = function.network.parameters().len();
        let mut adam = Adam::new(parameters, AdamSettings::with_rate(settings.rate));
        let (mut tape, mut gradients) = (Tape::default(), vec![0.0; parameters]);
        for step in 0..settings.updates {
            let remaining = 1.0 - step as f64 / settings.updates as f64;
            adam.settings.learning_rate = settings.rate * remaining.max(0.1);
            let picked: Vec<usize> = (0..settings.batch)
                .map(|_| rows[random.random_range(0..rows.len())])
                .collect();
            // The dynamics do not depend on time, so any number of steps may be left.
            let left: Array1<f64> = (0..settings.batch)
                .map(|_| random.random_range(1..=function.horizon) as f64 / horizon)
                .collect();
            let next = transitions.next.select(Axis(0), &picked);
            let actions = drawn[random.random_range(0..drawn.len())].select(Axis(0), &picked);
            let after = left.mapv(|l| l - 1.0 / horizon);
            let ahead = function.values(&function.target, next.view(), actions.view(), &after);
            let target = |(i, &row): (usize, &usize)| {
                let ends = transitions.terminated[row] || after[i] < 0.5 / horizon;
                let ahead = match ends {
                    true => 0.0,
                    // Without bounds, bootstrapping amplifies impossible values.
                    false => {
                        let (low, high) = function.bounds(after[i] * horizon);
                        f64::from(ahead[i]).clamp(low, high)
                    }
                };
                (transitions.rewards[row] + function.discount * ahead) as f32 / function.unit
            };
            let targets: Vec<f32> = picked.iter().enumerate().map(target).collect();
            let states = transitions.states.select(Axis(0), &picked);
            let taken = transitions.actions.select(Axis(0), &picked);
            let inputs = function.inputs(states.view(), taken.view(), &left);
            let found = function
                .network
                .forward(&inputs, &mut tape)
                .iter()
                .zip(&targets);
            let share = 2.0 / settings.batch as f32;
            let gradient: Vec<f32> = found.map(|(q, target)| share * (q - target)).collect();
            function
                .network
                .backward(&mut tape, &gradient, &mut gradients);
            adam.step(function.network.parameters_mut(), &gradients);
            polyak(
                function.target.parameters_mut(),
                function.network.parameters(),
                settings.tau,
            );
            if (step + 1) % REPORT_EVERY == 0 && !goes_on(REPORT_EVERY) {
                return;
            }
        }
    }
}

/// Returns the sum of the discounts over a number of steps.
fn discount_sum(discount: f64, steps: f64) -> f64 {
    match discount < 1.0 {
        true => (1.0 - discount.powf(steps)) / (1.0 - discount),
        false => steps,
    }
}
