//! Serialisation of a run as one safetensors file: arrays, and the rest as JSON in the header.

use std::collections::HashMap;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use super::training::EpisodeProgress;
use super::{Evaluation, ReplayBuffer, Training, TrainingSettings, Transition};
use crate::network::{Adam, AdamSettings, AdamState};

/// Everything but arrays.
#[derive(Serialize, Deserialize)]
struct State {
    settings: TrainingSettings,
    step: usize,
    updates: usize,
    #[serde(alias = "life")]
    progress: EpisodeProgress,
    evaluations: Vec<Evaluation>,
    seconds: f64,
    /// Steps of the optimizers: actor, critics, entropy coefficient.
    optimizer_steps: Vec<u64>,
    replay: BufferLayout,
    imagined: BufferLayout,
}

impl State {
    /// Checks that the counts are consistent and far from overflow.
    fn check(&self) -> Result<(), String> {
        const MAX_COUNT: u64 = 1 << 53;
        let counts = [
            self.step as u64,
            self.updates as u64,
            self.imagined.end as u64,
            self.progress.episode,
        ];
        let small = counts
            .iter()
            .chain(&self.optimizer_steps)
            .all(|&n| n < MAX_COUNT);
        let rows = match &self.settings.offline {
            Some(offline) => self.replay.end <= offline.transitions,
            None => self.replay.end == self.step,
        };
        match small && rows {
            true => Ok(()),
            false => Err("its counts are inconsistent".to_owned()),
        }
    }
}

/// Layout of a buffer's rows.
#[derive(Serialize, Deserialize)]
struct BufferLayout {
    /// Numbers of the episodes' first rows within the run.
    episodes: Vec<usize>,
    end: usize,
    open: bool,
}

impl BufferLayout {
    fn of(replay: &ReplayBuffer) -> Self {
        let episodes: Vec<std::ops::Range<usize>> = replay.episodes().collect();
        Self {
            end: episodes.last().map_or(0, |episode| episode.end),
            episodes: episodes.iter().map(|episode| episode.start).collect(),
            open: replay.is_open(),
        }
    }
}

impl Training {
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, safetensors::SafeTensorError> {
        let agent = &self.agent;
        let mut arrays: Vec<(String, Vec<f32>)> = Vec::new();
        let mut add = |name: &str, values: &[f32]| arrays.push((name.to_owned(), values.to_vec()));
        let last = 1 + agent.critics.len();
        let mut optimizer_steps = vec![0; last + 1];
        let mut moments =
            |index: usize, name: &str, adam: &Adam, add: &mut dyn FnMut(&str, &[f32])| {
                optimizer_steps[index] = adam.state().steps;
                add(&format!("{name}.first"), &adam.state().first);
                add(&format!("{name}.second"), &adam.state().second);
            };
        add("actor", agent.actor.network.parameters());
        if let Some(target) = &agent.actor_target {
            add("actor.target", target.parameters());
        }
        moments(0, "actor", &agent.actor_adam, &mut add);
        for (number, critic) in agent.critics.iter().enumerate() {
            let name = format!("critic{number}");
            add(&name, critic.network.parameters());
            add(&format!("{name}.target"), critic.target.parameters());
            moments(1 + number, &name, &critic.adam, &mut add);
        }
        add("temperature", &agent.log_entropy_coefficient);
        moments(
            last,
            "temperature",
            &agent.entropy_coefficient_adam,
            &mut add,
        );
        let states = write_rows("replay", &self.replay, &mut add);
        write_rows("imagined", &self.imagined, &mut add);
        let state = State {
            settings: self.settings.clone(),
            step: self.step,
            updates: agent.updates,
            progress: self.progress.clone(),
            evaluations: self.evaluations.clone(),
            seconds: self.seconds,
            optimizer_steps,
            replay: BufferLayout::of(&self.replay),
            imagined: BufferLayout::of(&self.imagined),
        };
        let state = serde_json::to_string(&state).expect("numbers and names are valid JSON");
        let bytes: Vec<(String, Vec<u8>)> = arrays
            .into_iter()
            .map(|(name, values)| (name, values.iter().flat_map(|x| x.to_le_bytes()).collect()))
            .collect();
        let exact: Vec<u8> = states.iter().flat_map(|x| x.to_le_bytes()).collect();
        let single = bytes
            .iter()
            .map(|(name, bytes)| (name, bytes, Dtype::F32, 4));
        let states = STATES.to_owned();
        let views =
            single
                .chain([(&states, &exact, Dtype::F64, 8)])
                .map(|(name, bytes, dtype, size)| {
                    let view = TensorView::new(dtype, vec![bytes.len() / size], bytes);
                    view.map(|view| (name.as_str(), view))
                });
        let views = views.collect::<Result<Vec<_>, _>>()?;
        let metadata = HashMap::from([("state".to_owned(), state)]);
        safetensors::serialize(views, Some(metadata))
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| text(&e))?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| text(&e))?;
        let state = header.metadata().as_ref().and_then(|m| m.get("state"));
        let state: State = serde_json::from_str(state.ok_or("no state")?).map_err(|e| text(&e))?;
        let array = |name: &str| -> Result<Vec<f32>, String> {
            let tensor = tensors.tensor(name).map_err(|e| text(&e))?;
            match tensor.dtype() {
                Dtype::F32 => {
                    let numbers = tensor.data().as_chunks::<4>().0.iter();
                    Ok(numbers.map(|&b| f32::from_le_bytes(b)).collect())
                }
                other => Err(format!("{name} is {other:?}, not F32")),
            }
        };
        let fill = |into: &mut [f32], name: &str| -> Result<(), String> {
            let values = array(name)?;
            match values.len() == into.len() {
                true => into.copy_from_slice(&values),
                false => {
                    return Err(format!(
                        "{name} has {} values, not {}",
                        values.len(),
                        into.len()
                    ));
                }
            }
            Ok(())
        };
        let optimizer = |index: usize, name: &str, count: usize, rate: f64| {
            let state = AdamState {
                steps: *state
                    .optimizer_steps
                    .get(index)
                    .ok_or("steps are missing")?,
                first: array(&format!("{name}.first"))?,
                second: array(&format!("{name}.second"))?,
            };
            Adam::resume(count, AdamSettings::with_rate(rate), state).map_err(|e| text(&e))
        };
        state.check()?;
        let mut training = Self::new(state.settings.clone()).map_err(|e| text(&e))?;
        let rates = state.settings.agent;
        let agent = &mut training.agent;
        fill(agent.actor.network.parameters_mut(), "actor")?;
        if let Some(target) = &mut agent.actor_target {
            fill(target.parameters_mut(), "actor.target")?;
        }
        let count = agent.actor.network.parameters().len();
        agent.actor_adam = optimizer(0, "actor", count, rates.actor_rate)?;
        for (number, critic) in agent.critics.iter_mut().enumerate() {
            let name = format!("critic{number}");
            fill(critic.network.parameters_mut(), &name)?;
            fill(critic.target.parameters_mut(), &format!("{name}.target"))?;
            let count = critic.network.parameters().len();
            critic.adam = optimizer(1 + number, &name, count, rates.critic_rate)?;
        }
        fill(&mut agent.log_entropy_coefficient, "temperature")?;
        let last = 1 + agent.critics.len();
        agent.entropy_coefficient_adam = optimizer(last, "temperature", 1, rates.critic_rate)?;
        agent.updates = state.updates;
        let states = match tensors.tensor(STATES) {
            Ok(tensor) if tensor.dtype() == Dtype::F64 => tensor.data().as_chunks::<8>().0,
            Ok(_) => return Err(format!("{STATES} is not F64")),
            Err(error) => return Err(text(&error)),
        };
        let states: Vec<f64> = states.iter().map(|&b| f64::from_le_bytes(b)).collect();
        let widths = {
            let actor = training.agent.actor();
            (actor.network.inputs(), actor.actions())
        };
        let capacity = state.settings.capacity;
        let rows = read_rows("replay", widths, &states, &array)?;
        // Recordings are kept whole.
        let recorded = state.settings.offline.as_ref().map(|_| rows.len().max(1));
        let held = recorded.unwrap_or(capacity);
        training.hold(restored(held, rows, &state.replay)?);
        let rows = read_rows("imagined", widths, &[], &array)?;
        training.imagined = restored(capacity, rows, &state.imagined)?;
        training.step = state.step;
        training.evaluations = state.evaluations;
        training.seconds = state.seconds;
        training
            .replay_actions(state.progress)
            .map_err(|e| text(&e))?;
        Ok(training)
    }
}

/// Name of the array of the simulator's states.
const STATES: &str = "replay.state";

/// Adds a buffer's arrays; returns the simulator's states, row by row.
fn write_rows(name: &str, replay: &ReplayBuffer, add: &mut dyn FnMut(&str, &[f32])) -> Vec<f64> {
    let rows = replay.episodes().flatten();
    let rows: Vec<&Transition> = rows.filter_map(|row| replay.row(row)).collect();
    let mut column = |part: &str, of: fn(&Transition) -> &[f32]| {
        let values: Vec<f32> = rows.iter().flat_map(|row| of(row)).copied().collect();
        add(&format!("{name}.{part}"), &values);
    };
    column("observation", |row| &row.observation);
    column("action", |row| &row.action);
    column("next", |row| &row.next);
    column("reward", |row| std::slice::from_ref(&row.reward));
    column("weight", |row| std::slice::from_ref(&row.weight));
    column(
        "terminated",
        |row| if row.terminated { &[1.0] } else { &[0.0] },
    );
    let states = rows.iter().flat_map(|row| &row.state);
    states.copied().collect()
}

/// Reads a buffer's rows, with the given numbers of observations and actions.
fn read_rows(
    name: &str,
    (observations, actions): (usize, usize),
    states: &[f64],
    array: &dyn Fn(&str) -> Result<Vec<f32>, String>,
) -> Result<Vec<Transition>, String> {
    let rewards = array(&format!("{name}.reward"))?;
    let rows = rewards.len();
    let sized = |part: &str, width: usize| -> Result<Vec<f32>, String> {
        let values = array(&format!("{name}.{part}"))?;
        match values.len() == width * rows {
            true => Ok(values),
            false => Err(format!("{name}.{part} does not have one row per reward")),
        }
    };
    if rows > 0 && !states.len().is_multiple_of(rows) {
        return Err(format!("{STATES} does not have one row per reward"));
    }
    let exact = states.len() / rows.max(1);
    let seen = sized("observation", observations)?;
    let done = sized("action", actions)?;
    let next = sized("next", observations)?;
    let ends = sized("terminated", 1)?;
    let weights = sized("weight", 1)?;
    let mut numbers = [&rewards, &seen, &done, &next, &weights]
        .into_iter()
        .flatten();
    if !numbers.all(|x| x.is_finite()) || !states.iter().all(|x| x.is_finite()) {
        return Err(format!("{name} has values that are not finite"));
    }
    let rows = (0..rows).map(|row| Transition {
        observation: seen[row * observations..(row + 1) * observations].to_vec(),
        action: done[row * actions..(row + 1) * actions].to_vec(),
        reward: rewards[row],
        next: next[row * observations..(row + 1) * observations].to_vec(),
        terminated: ends[row] != 0.0,
        weight: weights[row],
        state: states[row * exact..(row + 1) * exact].to_vec(),
    });
    Ok(rows.collect())
}

/// Restores a buffer.
fn restored(
    capacity: usize,
    rows: Vec<Transition>,
    layout: &BufferLayout,
) -> Result<ReplayBuffer, String> {
    ReplayBuffer::restored(capacity, rows, &layout.episodes, layout.end, layout.open)
        .ok_or_else(|| "its episodes do not match its rows".to_owned())
}
