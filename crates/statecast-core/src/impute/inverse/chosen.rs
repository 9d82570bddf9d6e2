//! Which regression labels each action, by held-out episodes, and what it says of steps.

use std::sync::Arc;

use nalgebra::DMatrix;
use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;

use super::action::{self, Action};
use super::regression::{Fitted, InverseMethod, Predicted, Scales, evenly};
use super::{
    ActionLabels, ActionScore, Density, Inputs, InverseError, InverseSettings, KnownSteps,
};

/// Held-out steps that scores and shapes rest on at most.
const MAX_HELD: usize = 4000;

/// Steps that are labelled at once.
const AT_ONCE: usize = 1000;

/// What was learned from steps with actions.
///
/// ```
/// use ndarray::{Array2, array};
/// use statecast::impute::{InverseDynamics, InverseSettings, KnownSteps};
///
/// // A cart whose speed changes by a tenth of the push.
/// let push = |t: usize| (1.3 * t as f64).sin();
/// let states = Array2::from_shape_fn((200, 1), |(t, _)| (0..t).map(|t| 0.1 * push(t)).sum());
/// let known = KnownSteps {
///     next: Array2::from_shape_fn((200, 1), |(t, _)| states[[t, 0]] + 0.1 * push(t)),
///     states,
///     actions: Array2::from_shape_fn((200, 1), |(t, _)| push(t)),
///     episodes: (0..200).map(|t| t / 50).collect(),
/// };
/// let dynamics = InverseDynamics::learn(&known, InverseSettings::default())?;
/// assert!(dynamics.scores()[0].is_informed());
/// let labels = dynamics.label(array![[0.3]].view(), array![[0.35]].view())?;
/// assert!((labels.label(0, 0) - 0.5).abs() < 0.01);
/// # Ok::<(), statecast::impute::InverseError>(())
/// ```
#[derive(Debug)]
pub struct InverseDynamics {
    inputs: Inputs,
    actions: Vec<ChosenAction>,
    /// Regressions of all targets that some action takes.
    fitted: Vec<(InverseMethod, Fitted)>,
}

/// What labels an action.
#[derive(Debug)]
struct ChosenAction {
    action: Action,
    /// Places of its targets.
    targets: std::ops::Range<usize>,
    score: ActionScore,
    /// Of any number, sorted errors in spreads; of levels the temperature.
    errors: Arc<Vec<f64>>,
    temperature: f64,
}

/// What a regression says of held-out steps.
struct Held {
    predicted: Predicted,
    /// Steps, fold by fold.
    steps: Vec<usize>,
    folds: Vec<usize>,
}

impl InverseDynamics {
    /// Learns from steps whose actions are known.
    ///
    /// # Errors
    /// [`InverseError`] for a setting out of its range, arrays that do not belong together, values that are no finite
    /// numbers, and fewer than 20 steps.
    pub fn learn(known: &KnownSteps, settings: InverseSettings) -> Result<Self, InverseError> {
        settings.check()?;
        known.check()?;
        let raw = Inputs::raw(known.states.view(), known.next.view());
        let standard = Inputs::of(&raw);
        let inputs = standard.standardised(&raw);
        let actions = known.actions.axis_iter(Axis(1)).map(Action::of);
        let actions: Vec<Action> = actions.collect();
        let targets = targets(&actions, known.actions.view());
        let folds = known.folds(settings.folds);
        let scales = Scales::chosen(&inputs, &targets, &folds, settings.folds);
        let held_out = |method: &InverseMethod| {
            Held::of(*method, (&inputs, &targets), &folds, scales, settings)
        };
        let held: Vec<Held> = InverseMethod::ALL.par_iter().map(held_out).collect();
        let mut first = 0;
        let mut chosen = Vec::new();
        for (action, values) in actions.into_iter().zip(known.actions.axis_iter(Axis(1))) {
            let own = first..first + action.targets();
            first = own.end;
            chosen.push(ChosenAction::of(action, own, &values.to_vec(), &held));
        }
        let taken = InverseMethod::ALL.into_iter();
        let taken = taken.filter(|&method| chosen.iter().any(|c| c.score.method == method));
        let all: Vec<usize> = (0..inputs.nrows()).collect();
        let fit = |method| {
            let data = (&inputs, &targets);
            let fitted = Fitted::of(method, data, &all, scales, settings.kernel_steps);
            (method, fitted)
        };
        Ok(Self {
            fitted: taken.map(fit).collect(),
            inputs: standard,
            actions: chosen,
        })
    }

    /// How well each action is labelled where its episodes were held out.
    pub fn scores(&self) -> Vec<ActionScore> {
        self.actions.iter().map(|chosen| chosen.score).collect()
    }

    /// What is known of the actions between states `[steps, states]` and the states after them.
    ///
    /// # Errors
    /// [`InverseError::Invalid`] for other numbers of states, and for values that are no finite numbers.
    pub fn label(
        &self,
        states: ArrayView2<f64>,
        next: ArrayView2<f64>,
    ) -> Result<ActionLabels, InverseError> {
        if states.dim() != next.dim() || 2 * states.ncols() != self.inputs.means.len() {
            return Err(InverseError::Invalid(
                "the states are others than those learned from",
            ));
        }
        if states.iter().chain(next).any(|x| !x.is_finite()) {
            return Err(InverseError::Invalid("a state is unknown"));
        }
        let inputs = self.inputs.standardised(&Inputs::raw(states, next));
        let predicted = self.fitted.iter().map(|(method, fitted)| {
            let starts: Vec<usize> = (0..inputs.nrows()).step_by(AT_ONCE).collect();
            let part = |&start: &usize| {
                let count = AT_ONCE.min(inputs.nrows() - start);
                fitted.predict(&inputs.rows(start, count).into_owned())
            };
            (
                *method,
                starts.par_iter().map(part).collect::<Vec<Predicted>>(),
            )
        });
        let predicted: Vec<(InverseMethod, Vec<Predicted>)> = predicted.collect();
        let density = |chosen: &ChosenAction| {
            let own = predicted
                .iter()
                .find(|(method, _)| *method == chosen.score.method);
            chosen.density(own.map_or(&[], |(_, parts)| parts))
        };
        Ok(ActionLabels {
            densities: self.actions.iter().map(density).collect(),
            actions: self
                .actions
                .iter()
                .map(|chosen| chosen.action.clone())
                .collect(),
        })
    }
}

/// What is regressed of all actions, `[steps, targets]`.
fn targets(actions: &[Action], values: ArrayView2<f64>) -> DMatrix<f64> {
    let rows = values.rows().into_iter().flat_map(|row| {
        let of = |(action, &value): (&Action, &f64)| action.target(value);
        actions.iter().zip(&row).flat_map(of).collect::<Vec<f64>>()
    });
    let width = actions.iter().map(Action::targets).sum();
    DMatrix::from_row_iterator(values.nrows(), width, rows)
}

impl Held {
    fn of(
        method: InverseMethod,
        data: (&DMatrix<f64>, &DMatrix<f64>),
        folds: &[usize],
        scales: Scales,
        settings: InverseSettings,
    ) -> Self {
        let all: Vec<usize> = (0..folds.len()).collect();
        let scored = evenly(&all, MAX_HELD);
        let of_fold = |fold: usize| {
            let known: Vec<usize> = all.iter().copied().filter(|&s| folds[s] != fold).collect();
            let held: Vec<usize> = scored
                .iter()
                .copied()
                .filter(|&s| folds[s] == fold)
                .collect();
            let fitted = Fitted::of(method, data, &known, scales, settings.kernel_steps);
            let predicted = fitted.predict(&data.0.select_rows(&held));
            (held, predicted)
        };
        let found: Vec<(Vec<usize>, Predicted)> =
            (0..settings.folds).into_par_iter().map(of_fold).collect();
        let steps: Vec<usize> = found.iter().flat_map(|(held, _)| held.clone()).collect();
        let parts = found
            .iter()
            .flat_map(|(_, predicted)| predicted.locations.row_iter());
        let rows: Vec<_> = parts.collect();
        Self {
            folds: steps.iter().map(|&step| folds[step]).collect(),
            predicted: Predicted {
                locations: DMatrix::from_rows(&rows),
                spreads: found.iter().flat_map(|(_, p)| p.spreads.clone()).collect(),
            },
            steps,
        }
    }
}

/// A regression's loss, its hits, and what makes densities of it.
struct Judged {
    loss: f64,
    hit: f64,
    errors: Vec<f64>,
    temperature: f64,
}

impl ChosenAction {
    /// Takes the regression with the lowest loss.
    fn of(action: Action, targets: std::ops::Range<usize>, values: &[f64], held: &[Held]) -> Self {
        let judged: Vec<Judged> = InverseMethod::ALL
            .into_iter()
            .zip(held)
            .map(|(method, held)| match action.levels() {
                Some(_) => judge_levels(method, &action, &targets, values, held),
                None => judge_reals(&action, targets.start, values, held),
            })
            .collect();
        let losses = judged.iter().map(|judged| judged.loss).enumerate();
        let best = losses
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map_or(0, |(i, _)| i);
        let place = |method| {
            InverseMethod::ALL
                .iter()
                .position(|&m| m == method)
                .unwrap_or(0)
        };
        let loss = |method| judged[place(method)].loss;
        Self {
            score: ActionScore {
                method: InverseMethod::ALL[best],
                is_level: action.levels().is_some(),
                loss: judged[best].loss,
                loss_of_mean: loss(InverseMethod::Mean),
                loss_of_neighbours: loss(InverseMethod::Neighbours),
                hit: judged[best].hit,
            },
            errors: Arc::new(judged[best].errors.clone()),
            temperature: judged[best].temperature,
            action,
            targets,
        }
    }

    fn density(&self, parts: &[Predicted]) -> Density {
        let rows = || parts.iter().flat_map(|part| part.locations.row_iter());
        if self.action.levels().is_none() {
            let locations = rows().map(|row| self.action.value(row[self.targets.start]));
            let unit = self.action.unit();
            let spreads = parts.iter().flat_map(|part| &part.spreads);
            return Density::Real {
                locations: locations.collect(),
                spreads: spreads.map(|spread| unit * spread).collect(),
                errors: Arc::clone(&self.errors),
            };
        }
        let temperature = match self.score.method {
            InverseMethod::Mean => None,
            _ => Some(self.temperature),
        };
        let of = |row: Vec<f64>| probabilities(&self.action, &row, temperature);
        let own = rows().map(|row| self.targets.clone().map(|t| row[t]).collect());
        Density::Levels(own.map(of).collect())
    }
}

/// Probabilities of levels; their frequencies without a temperature.
fn probabilities(action: &Action, targets: &[f64], temperature: Option<f64>) -> Vec<f64> {
    match (temperature, action) {
        (None, Action::Level { frequencies, .. }) => frequencies.clone(),
        (temperature, _) => action.probabilities(targets, temperature.unwrap_or(1.0)),
    }
}

/// Errors in spreads; each fold is scored with those of the others.
fn judge_reals(action: &Action, target: usize, values: &[f64], held: &Held) -> Judged {
    let unit = action.unit();
    let steps = held.steps.iter().enumerate();
    let errors = steps.map(|(row, &step)| {
        let location = action.value(held.predicted.locations[(row, target)]);
        (values[step] - location) / (unit * held.predicted.spreads[row])
    });
    let errors: Vec<f64> = errors.collect();
    let sorted = |fold: Option<usize>| {
        let all = errors.iter().zip(&held.folds);
        let kept = all.filter(|(_, own)| Some(**own) != fold);
        let mut kept: Vec<f64> = kept.map(|(error, _)| *error).collect();
        kept.sort_by(f64::total_cmp);
        kept
    };
    let (mut loss, mut hits) = (0.0, 0.0);
    for fold in held.folds.chunk_by(|a, b| a == b).map(|own| own[0]) {
        let shape = sorted(Some(fold));
        for (row, &step) in held.steps.iter().enumerate() {
            if held.folds[row] != fold {
                continue;
            }
            let location = action.value(held.predicted.locations[(row, target)]);
            let spread = unit * held.predicted.spreads[row];
            let quantile =
                |level| action.bounded(location + spread * action::quantile(&shape, level));
            loss += action::crps(quantile, values[step]) / unit;
            let inside = quantile(0.1) <= values[step] && values[step] <= quantile(0.9);
            hits += f64::from(u8::from(inside));
        }
    }
    let count = errors.len() as f64;
    Judged {
        loss: loss / count,
        hit: hits / count,
        errors: sorted(None),
        temperature: 1.0,
    }
}

fn judge_levels(
    method: InverseMethod,
    action: &Action,
    targets: &std::ops::Range<usize>,
    values: &[f64],
    held: &Held,
) -> Judged {
    let row = |row: usize| {
        targets
            .clone()
            .map(move |t| held.predicted.locations[(row, t)])
    };
    let rows: Vec<Vec<f64>> = (0..held.steps.len()).map(|r| row(r).collect()).collect();
    let taken: Vec<f64> = held.steps.iter().map(|&step| values[step]).collect();
    let temperature = action.temperature(&rows, &taken);
    let stated = (method != InverseMethod::Mean).then_some(temperature);
    let (mut loss, mut hits) = (0.0, 0.0);
    for (row, &value) in rows.iter().zip(&taken) {
        let probabilities = probabilities(action, row, stated);
        let place = action.place(value);
        loss += action::brier(&probabilities, place);
        hits += f64::from(u8::from(action::likeliest(&probabilities) == place));
    }
    let count = taken.len() as f64;
    Judged {
        loss: loss / count,
        hit: hits / count,
        errors: Vec::new(),
        temperature,
    }
}
