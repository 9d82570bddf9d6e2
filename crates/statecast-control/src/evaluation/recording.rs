//! Recordings of simulated tasks, with the column names that readers recognise.

use std::path::Path;

use ndarray::{Array2, ArrayView2, Axis};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::EvaluationError;
use crate::environment::{Environment, StepResult};
use crate::output::{Column, NpzWriter, OutputError, Table, TableFormat, write_atomically};
use crate::policy::Policy;

/// Episodes of a policy in a simulator, one row per step.
///
/// ```
/// use statecast::environment;
/// use statecast::evaluation::SimulatedEpisodes;
/// use statecast::policy::Constant;
///
/// let mut pendulum = environment::named("pendulum")?;
/// let mut still = Constant::new(vec![0.0], 3);
/// let episodes = SimulatedEpisodes::record(&mut *pendulum, &mut still, 2, None, 0)?;
/// assert_eq!((episodes.returns.len(), episodes.steps()), (2, 400));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedEpisodes {
    /// Return of every episode.
    pub returns: Vec<f64>,
    columns: Vec<(String, Vec<f64>)>,
}

/// Integer columns.
const WHOLE: [&str; 4] = ["episode", "step", "terminated", "truncated"];

/// What acts in an environment, step by step.
pub trait Agent {
    /// An episode begins.
    fn begin(&mut self) {}

    /// Returns the action at an observation.
    ///
    /// # Errors
    /// [`EvaluationError`] if it cannot act.
    fn act(&mut self, observation: &[f64]) -> Result<Vec<f64>, EvaluationError>;

    /// Returns the log probability of that action, if it is known.
    ///
    /// # Errors
    /// [`EvaluationError`] if the agent should know it and cannot tell.
    fn log_probability(
        &self,
        _observation: &[f64],
        _action: &[f64],
    ) -> Result<Option<f64>, EvaluationError> {
        Ok(None)
    }

    /// Learns from the result of an action at an observation. The time limit of a recording is a truncation.
    ///
    /// # Errors
    /// [`EvaluationError`] if it cannot learn from it.
    fn learn(
        &mut self,
        _observation: &[f64],
        _action: &[f64],
        _step: &StepResult,
    ) -> Result<(), EvaluationError> {
        Ok(())
    }
}

/// A policy with the random numbers of an episode.
struct PolicyAgent<'p> {
    policy: &'p mut dyn Policy,
    starts: ChaCha8Rng,
    random: [ChaCha8Rng; 1],
}

impl Agent for PolicyAgent<'_> {
    fn begin(&mut self) {
        let start: u64 = self.starts.random();
        self.random = [ChaCha8Rng::seed_from_u64(start)];
    }

    fn act(&mut self, observation: &[f64]) -> Result<Vec<f64>, EvaluationError> {
        let observed = one_row(observation);
        let actions = self.policy.act(observed.view(), &mut self.random)?;
        Ok(actions.row(0).to_vec())
    }

    fn log_probability(
        &self,
        observation: &[f64],
        action: &[f64],
    ) -> Result<Option<f64>, EvaluationError> {
        let (observed, action) = (one_row(observation), one_row(action));
        log_probability(self.policy, observed.view(), action.view())
    }
}

impl SimulatedEpisodes {
    /// Runs a policy for some episodes of at most `steps` steps, or the task's time limit. The seed
    /// fixes starts and draws.
    ///
    /// # Errors
    /// [`EvaluationError::Policy`] if the policy fails, [`EvaluationError::Environment`] if the environment refuses its
    /// actions.
    pub fn record(
        environment: &mut dyn Environment,
        policy: &mut dyn Policy,
        episodes: usize,
        steps: Option<usize>,
        seed: u64,
    ) -> Result<Self, EvaluationError> {
        let mut agent = PolicyAgent {
            policy,
            starts: ChaCha8Rng::seed_from_u64(seed),
            random: [ChaCha8Rng::seed_from_u64(seed)],
        };
        Self::of_agent(environment, &mut agent, (episodes, steps), seed, &|_| ())
    }

    /// Runs an agent for some episodes of at most so many steps, or the task's time limit. The seed fixes the starts.
    /// `progress` is told how many steps were taken.
    ///
    /// # Errors
    /// What the agent reports, [`EvaluationError::Environment`] if the environment refuses its actions.
    pub fn of_agent(
        environment: &mut dyn Environment,
        agent: &mut dyn Agent,
        (episodes, steps): (usize, Option<usize>),
        seed: u64,
        progress: &dyn Fn(usize),
    ) -> Result<Self, EvaluationError> {
        let task = environment.task().clone();
        let mut starts = ChaCha8Rng::seed_from_u64(seed);
        let mut rows: Vec<Row> = Vec::new();
        let mut returns = Vec::with_capacity(episodes);
        for episode in 0..episodes {
            let mut observation = environment.reset(starts.random())?;
            agent.begin();
            let mut total = 0.0;
            for number in 0..steps.unwrap_or(task.time_limit) {
                let action = agent.act(&observation)?;
                let log_probability = agent.log_probability(&observation, &action)?;
                let mut step = environment.step(&action)?;
                step.truncated |= Some(number + 1) == steps && !step.terminated;
                agent.learn(&observation, &action, &step)?;
                let last = step.terminated || step.truncated;
                total += step.reward;
                rows.push(Row {
                    episode,
                    number,
                    observation,
                    action,
                    reward: step.reward,
                    terminated: step.terminated,
                    truncated: last && !step.terminated,
                    next: step.observation.clone(),
                    log_probability,
                });
                progress(rows.len());
                observation = step.observation;
                if last {
                    break;
                }
            }
            returns.push(total);
        }
        Ok(Self {
            returns,
            columns: columns(
                &rows,
                task.observation.iter().map(|quantity| quantity.name),
                task.action.iter().map(|quantity| quantity.name),
            ),
        })
    }

    /// Returns the observations `[steps, observations]` after the steps of all episodes.
    pub fn observations_after(&self) -> Array2<f64> {
        let next = self.columns.iter();
        let next = next.filter(|(name, _)| name.starts_with("next_obs_"));
        let next: Vec<&Vec<f64>> = next.map(|(_, values)| values).collect();
        Array2::from_shape_fn((self.steps(), next.len()), |(t, c)| next[c][t])
    }

    /// Returns those after the last step of every episode, `[episodes, observations]`.
    pub fn last_observations(&self) -> Array2<f64> {
        let column = self.columns.iter().find(|(name, _)| name == "episode");
        let episodes = column.map_or(&[][..], |(_, values)| values);
        let ends: Vec<usize> = (0..episodes.len())
            .filter(|&t| episodes.get(t + 1) != Some(&episodes[t]))
            .collect();
        self.observations_after().select(Axis(0), &ends)
    }

    /// Returns the columns by name, with a value per step.
    pub fn columns(&self) -> &[(String, Vec<f64>)] {
        &self.columns
    }

    /// Returns the number of steps of all episodes.
    pub fn steps(&self) -> usize {
        self.columns.first().map_or(0, |(_, values)| values.len())
    }

    /// Writes the recording: `.npz`, `.csv` or `.parquet` by its ending.
    ///
    /// # Errors
    /// [`OutputError`] for another ending or a file that cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), OutputError> {
        match RecordingFormat::of(path)? {
            RecordingFormat::Npz => write_atomically(path, |file| {
                let mut npz = NpzWriter::new(file);
                for (name, values) in &self.columns {
                    npz.add_f64(name, &[values.len()], values)?;
                }
                npz.finish()
            }),
            RecordingFormat::Table => {
                let columns = self.columns.iter().map(|(name, values)| {
                    let column = match WHOLE.contains(&name.as_str()) {
                        true => Column::Integer(values.iter().map(|x| *x as i64).collect()),
                        false => Column::Real(values.clone()),
                    };
                    (name.clone(), column)
                });
                Table::new(columns.collect())
                    .expect("every column has one value per row")
                    .write(path)
            }
        }
    }
}

/// Formats that recordings are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingFormat {
    /// NumPy arrays, one per column.
    Npz,
    /// CSV or Parquet.
    Table,
}

impl RecordingFormat {
    /// Returns the format for a file name extension.
    ///
    /// # Errors
    /// [`OutputError::Format`] for another ending.
    pub fn of(path: &Path) -> Result<Self, OutputError> {
        if path.extension().is_some_and(|ending| ending == "npz") {
            return Ok(Self::Npz);
        }
        match TableFormat::of(path) {
            Ok(TableFormat::Csv | TableFormat::Parquet) => Ok(Self::Table),
            _ => Err(OutputError::Format {
                path: path.to_owned(),
                supported: ".npz, .csv or .parquet",
            }),
        }
    }
}

/// A step.
struct Row {
    episode: usize,
    number: usize,
    observation: Vec<f64>,
    action: Vec<f64>,
    reward: f64,
    terminated: bool,
    truncated: bool,
    next: Vec<f64>,
    log_probability: Option<f64>,
}

fn one_row(values: &[f64]) -> Array2<f64> {
    Array2::from_shape_fn((1, values.len()), |(_, c)| values[c])
}

fn log_probability(
    policy: &dyn Policy,
    observations: ArrayView2<f64>,
    actions: ArrayView2<f64>,
) -> Result<Option<f64>, EvaluationError> {
    let known = policy.log_probabilities(observations, actions)?;
    let first = known.and_then(|known| known.first().copied());
    Ok(first.filter(|value| value.is_finite()))
}

fn columns<'n>(
    rows: &[Row],
    observation: impl Iterator<Item = &'n str>,
    action: impl Iterator<Item = &'n str>,
) -> Vec<(String, Vec<f64>)> {
    let column = |of: &dyn Fn(&Row) -> f64| rows.iter().map(of).collect::<Vec<f64>>();
    let flag = |of: fn(&Row) -> bool| column(&|row| f64::from(u8::from(of(row))));
    let observation: Vec<&str> = observation.collect();
    let mut columns = vec![
        ("episode".to_owned(), column(&|row| row.episode as f64)),
        ("step".to_owned(), column(&|row| row.number as f64)),
    ];
    for (c, name) in observation.iter().enumerate() {
        columns.push((format!("obs_{name}"), column(&|row| row.observation[c])));
    }
    for (c, name) in action.enumerate() {
        columns.push((format!("act_{name}"), column(&|row| row.action[c])));
    }
    columns.push(("reward".to_owned(), column(&|row| row.reward)));
    columns.push(("terminated".to_owned(), flag(|row| row.terminated)));
    columns.push(("truncated".to_owned(), flag(|row| row.truncated)));
    for (c, name) in observation.iter().enumerate() {
        columns.push((format!("next_obs_{name}"), column(&|row| row.next[c])));
    }
    let known: Option<Vec<f64>> = rows.iter().map(|row| row.log_probability).collect();
    columns.extend(known.map(|values| ("log_prob".to_owned(), values)));
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment;
    use crate::policy::{Constant, Uniform};
    use crate::recording::{MissingPolicy, RoleSelection, read};

    /// Recordings of all formats read back equal.
    #[test]
    fn recordings_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let selection = RoleSelection {
            transitions: true,
            ..RoleSelection::default()
        };
        let mut first = None;
        for name in ["x.npz", "x.csv", "x.parquet"] {
            let mut cart_pole = environment::named("cart-pole").unwrap();
            let space = cart_pole.task().action_space;
            let mut random = Uniform::new(space, 4);
            let made = SimulatedEpisodes::record(&mut *cart_pole, &mut random, 5, None, 3).unwrap();
            let path = folder.path().join(name);
            made.write(&path).unwrap();
            let (recording, roles) = read(&path, &selection, MissingPolicy::Error).unwrap();
            assert_eq!(recording.episodes().len(), 5, "{roles}");
            assert_eq!(recording.state_names().len(), 4, "{roles}");
            assert_eq!(recording.action_names().len(), 1, "{roles}");
            for (episode, total) in recording.episodes().iter().zip(&made.returns) {
                assert_eq!(episode.terminated().last(), Some(&true));
                assert_eq!(episode.rewards().unwrap().sum(), *total);
                assert!(episode.final_state().is_some(), "{roles}");
                assert!(episode.log_probabilities().is_some(), "{roles}");
            }
            assert_eq!(*first.get_or_insert(recording.clone()), recording, "{name}");
        }
        assert!(RecordingFormat::of(Path::new("x.json")).is_err());
    }

    #[test]
    fn shorter_episodes_are_truncated_and_seeds_differ() {
        let record = |seed| {
            let mut pendulum = environment::named("pendulum").unwrap();
            let mut still = Constant::new(vec![0.0], 3);
            SimulatedEpisodes::record(&mut *pendulum, &mut still, 2, Some(7), seed).unwrap()
        };
        let made = record(0);
        assert_eq!(made.steps(), 14);
        assert_eq!(made, record(0));
        assert_ne!(made.returns, record(1).returns);
        let of = |name: &str| {
            &made
                .columns
                .iter()
                .find(|(known, _)| known == name)
                .unwrap()
                .1
        };
        assert_eq!(of("truncated").iter().sum::<f64>(), 2.0);
        let last = made.last_observations();
        assert_eq!(last.dim(), (2, 3));
        assert_eq!(last[[0, 0]], of("next_obs_cos_theta")[6]);
        assert_eq!(last[[1, 2]], of("next_obs_theta_dot")[13]);
        assert_eq!(of("next_obs_cos_theta")[0], of("obs_cos_theta")[1]);
    }
}
