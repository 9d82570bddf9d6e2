//! Policies of files: networks, linear and threshold policies.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use ndarray::{Array1, Array2};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use super::gaussian::LogStdBounds;
use super::{
    Categorical, LinearPolicy, Policy, PolicyError, TanhGaussian, ThresholdPolicy, checked,
};
use crate::environment::ActionSpace;
use crate::network::{Activation, Layer, Network};
use crate::stand_in;

/// Largest policy file that is read, in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// Largest number of hidden layers.
const MAX_LAYERS: usize = 64;

/// Bounds of the log standard deviation where a file does not state them.
const LOG_STD_BOUNDS: LogStdBounds = LogStdBounds::Squashed(-5.0, 2.0);

/// Reads the policy of a file, `.json` or `.safetensors`, or its `mean`, for a system whose actions may be known.
pub(super) fn of_file(
    path: &Path,
    mean: bool,
    space: Option<ActionSpace>,
) -> Result<Box<dyn Policy>, PolicyError> {
    let fail = |reason: String| PolicyError::File {
        file: path.display().to_string(),
        reason,
    };
    let bytes = bytes_of(path).map_err(fail)?;
    let json = path.extension().is_some_and(|ending| ending == "json");
    let policy = match json {
        true => of_json(&bytes, mean, space),
        false => of_safetensors(&bytes, mean, space),
    };
    policy.map_err(|error| match error {
        PolicyError::File { reason, .. } => fail(reason),
        error => fail(error.to_string()),
    })
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|e| format!("cannot be read ({e})"))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| format!("cannot be read ({e})"))?;
    match stand_in::by_content(&bytes) {
        Some(found) => Err(format!("is {}; {}", found.what, found.remedy)),
        None if bytes.len() as u64 > MAX_BYTES => {
            Err(format!("is larger than {} MB", MAX_BYTES >> 20))
        }
        None => Ok(bytes),
    }
}

fn damaged(reason: impl ToString) -> PolicyError {
    PolicyError::File {
        file: String::new(),
        reason: reason.to_string(),
    }
}

/// Reads tensors of `fc1`, `fc2`, … with ReLU between, unless the metadata entry `activation` says otherwise, and of
/// `fc_mean`, `fc_logstd` (absent in deterministic policies), `action_scale` and `action_bias`, or of `fc_logits`; 32-bit
/// floats in PyTorch's layout `[out, in]`.
fn of_safetensors(
    bytes: &[u8],
    mean: bool,
    space: Option<ActionSpace>,
) -> Result<Box<dyn Policy>, PolicyError> {
    let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let layers = (1..=MAX_LAYERS).take_while(|i| tensors.tensor(&format!("fc{i}.weight")).is_ok());
    let mut input = None;
    let mut hidden = Vec::new();
    for i in layers {
        let layer = layer_of(&tensors, &format!("fc{i}"), input, None)?;
        input = Some(layer.bias.len());
        hidden.push(layer);
    }
    let stated = |entry: &str| header.metadata().as_ref().and_then(|m| m.get(entry));
    let activation = match stated("activation") {
        Some(name) => serde_json::from_value(name.clone().into()).map_err(|_| {
            damaged(format!(
                "metadata activation '{name}' is not relu, silu or tanh"
            ))
        })?,
        None => Activation::Relu,
    };
    if tensors.tensor("fc_logits.weight").is_ok() {
        hidden.push(layer_of(&tensors, "fc_logits", input, None)?);
        return categorical(&hidden, activation, mean, space);
    }
    let centre = layer_of(&tensors, "fc_mean", input, None)?;
    let actions = centre.bias.len();
    let spread = match tensors.tensor("fc_logstd.weight") {
        Ok(_) => {
            let layer = layer_of(&tensors, "fc_logstd", input, Some(actions))?;
            Some((layer, bounds_of(stated("logstd"))?))
        }
        Err(_) => None,
    };
    let vector = |name: &str| -> Result<Array1<f64>, PolicyError> {
        let (values, shape) = numbers_of(&tensors, name)?;
        Ok(checked(name, values, &shape, &[actions])?.into())
    };
    let policy = Parts {
        hidden,
        activation,
        mean: centre,
        spread,
        scale: positive("action_scale", vector("action_scale")?)?,
        bias: vector("action_bias")?,
    }
    .policy()?;
    Ok(Box::new(if mean { policy.mean() } else { policy }))
}

/// A policy of discrete actions, as many as the system has.
fn categorical(
    layers: &[Layer],
    activation: Activation,
    greedy: bool,
    space: Option<ActionSpace>,
) -> Result<Box<dyn Policy>, PolicyError> {
    let network = Network::from_layers(layers, activation).map_err(damaged)?;
    let policy = Categorical::new(network);
    match space {
        Some(ActionSpace::Discrete(choices)) if choices != policy.choices() => {
            Err(PolicyError::Shape {
                what: "logits".to_owned(),
                found: format!("of {} actions", policy.choices()),
                expected: format!("of {choices}"),
            })
        }
        Some(ActionSpace::Box { .. }) => Err(PolicyError::Shape {
            what: "logits".to_owned(),
            found: "of discrete actions".to_owned(),
            expected: "a policy of continuous ones".to_owned(),
        }),
        _ => Ok(Box::new(if greedy { policy.greedy() } else { policy })),
    }
}

/// Parses the bounds in a file's metadata.
fn bounds_of(stated: Option<&String>) -> Result<LogStdBounds, PolicyError> {
    let Some(stated) = stated else {
        return Ok(LOG_STD_BOUNDS);
    };
    if stated == "-5+3.5*(tanh(fc_logstd)+1)" {
        return Ok(LOG_STD_BOUNDS);
    }
    let numbers = |prefix: &str| -> Option<(f64, f64)> {
        let inside = stated.strip_prefix(prefix)?.strip_suffix(')')?;
        let (low, high) = inside.split_once(',')?;
        let (low, high): (f64, f64) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
        (low.is_finite() && high.is_finite() && low <= high).then_some((low, high))
    };
    let squashed = numbers("tanh(").map(|(low, high)| LogStdBounds::Squashed(low, high));
    let clipped = numbers("clamp(").map(|(low, high)| LogStdBounds::Clipped(low, high));
    squashed.or(clipped).ok_or_else(|| {
        damaged(format!(
            "metadata logstd '{stated}' is not known; write tanh(LOW,HIGH) or clamp(LOW,HIGH)"
        ))
    })
}

fn positive(what: &str, values: Array1<f64>) -> Result<Array1<f64>, PolicyError> {
    match values.iter().position(|v| *v <= 0.0) {
        Some(position) => Err(PolicyError::Weight {
            what: what.to_owned(),
            position,
            value: values[position],
        }),
        None => Ok(values),
    }
}

fn numbers_of(tensors: &SafeTensors, name: &str) -> Result<(Vec<f64>, Vec<usize>), PolicyError> {
    let tensor = tensors.tensor(name).map_err(|_| PolicyError::Shape {
        what: name.to_owned(),
        found: "missing".to_owned(),
        expected: "a tensor".to_owned(),
    })?;
    let values = match tensor.dtype() {
        Dtype::F32 => {
            let numbers = tensor.data().as_chunks::<4>().0.iter();
            numbers.map(|&b| f64::from(f32::from_le_bytes(b))).collect()
        }
        Dtype::F64 => {
            let numbers = tensor.data().as_chunks::<8>().0.iter();
            numbers.map(|&b| f64::from_le_bytes(b)).collect()
        }
        other => return Err(damaged(format!("{name} is {other:?}, not F32 or F64"))),
    };
    Ok((values, tensor.shape().to_vec()))
}

fn layer_of(
    tensors: &SafeTensors,
    name: &str,
    input: Option<usize>,
    output: Option<usize>,
) -> Result<Layer, PolicyError> {
    let (weight, shape) = numbers_of(tensors, &format!("{name}.weight"))?;
    let (bias, length) = numbers_of(tensors, &format!("{name}.bias"))?;
    layer(name, weight, shape, bias, length, input, output)
}

/// Checks a layer against the known numbers of inputs and outputs.
fn layer(
    name: &str,
    weight: Vec<f64>,
    shape: Vec<usize>,
    bias: Vec<f64>,
    length: Vec<usize>,
    input: Option<usize>,
    output: Option<usize>,
) -> Result<Layer, PolicyError> {
    let found = |axis: usize| shape.get(axis).copied().unwrap_or(0);
    let expected = [output.unwrap_or(found(0)), input.unwrap_or(found(1))];
    let weight = checked(&format!("{name}.weight"), weight, &shape, &expected)?;
    let bias = checked(&format!("{name}.bias"), bias, &length, &expected[..1])?;
    match weight.is_empty() {
        true => Err(damaged(format!("{name}.weight is empty"))),
        false => Ok(Layer {
            weight: weight.into_iter().map(|x| x as f32).collect(),
            bias: bias.into_iter().map(|x| x as f32).collect(),
        }),
    }
}

/// Layers of a policy, each checked.
struct Parts {
    hidden: Vec<Layer>,
    activation: Activation,
    mean: Layer,
    spread: Option<(Layer, LogStdBounds)>,
    scale: Array1<f64>,
    bias: Array1<f64>,
}

impl Parts {
    fn policy(self) -> Result<TanhGaussian, PolicyError> {
        // Both heads are rows of the last layer.
        let mut last = self.mean;
        if let Some((spread, _)) = &self.spread {
            last.weight.extend(&spread.weight);
            last.bias.extend(&spread.bias);
        }
        let layers: Vec<Layer> = self.hidden.into_iter().chain([last]).collect();
        Ok(TanhGaussian {
            network: Network::from_layers(&layers, self.activation).map_err(damaged)?,
            spread: self.spread.map(|(_, bounds)| bounds),
            scale: self.scale,
            bias: self.bias,
        })
    }
}

/// A JSON policy file.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Json {
    Mlp {
        #[serde(default = "relu")]
        activation: Activation,
        hidden: Vec<JsonLayer>,
        mean: JsonLayer,
        log_std: Option<JsonLayer>,
        log_std_bounds: Option<HashMap<String, (f64, f64)>>,
        action_scale: Vec<f64>,
        action_bias: Vec<f64>,
    },
    Categorical {
        #[serde(default = "relu")]
        activation: Activation,
        hidden: Vec<JsonLayer>,
        logits: JsonLayer,
    },
    Linear {
        gain: Vec<Vec<f64>>,
        bias: Vec<f64>,
        std: Option<Vec<f64>>,
        low: Option<Vec<f64>>,
        high: Option<Vec<f64>>,
    },
    Threshold {
        weights: Vec<f64>,
        #[serde(default)]
        epsilon: f64,
    },
}

fn relu() -> Activation {
    Activation::Relu
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonLayer {
    weight: Vec<Vec<f64>>,
    bias: Vec<f64>,
}

impl JsonLayer {
    fn layer(
        self,
        name: &str,
        input: Option<usize>,
        output: Option<usize>,
    ) -> Result<Layer, PolicyError> {
        let (weight, shape) = matrix(&format!("{name}.weight"), self.weight)?;
        let length = vec![self.bias.len()];
        layer(
            name,
            weight,
            shape.to_vec(),
            self.bias,
            length,
            input,
            output,
        )
    }
}

/// Concatenates rows of equal length.
fn matrix(what: &str, rows: Vec<Vec<f64>>) -> Result<(Vec<f64>, [usize; 2]), PolicyError> {
    let width = rows.first().map_or(0, Vec::len);
    match rows.iter().find(|row| row.len() != width) {
        Some(other) => Err(PolicyError::Shape {
            what: what.to_owned(),
            found: format!("a row of {}", other.len()),
            expected: format!("a row of {width}"),
        }),
        None => Ok((rows.concat(), [rows.len(), width])),
    }
}

/// Hidden layers, and the number of their outputs.
fn hidden_layers(hidden: Vec<JsonLayer>) -> Result<(Vec<Layer>, Option<usize>), PolicyError> {
    let mut input = None;
    let mut layers = Vec::new();
    for (i, layer) in hidden.into_iter().enumerate() {
        let layer = layer.layer(&format!("hidden[{i}]"), input, None)?;
        input = Some(layer.bias.len());
        layers.push(layer);
    }
    Ok((layers, input))
}

fn of_json(
    bytes: &[u8],
    mean: bool,
    space: Option<ActionSpace>,
) -> Result<Box<dyn Policy>, PolicyError> {
    Ok(match serde_json::from_slice(bytes).map_err(damaged)? {
        Json::Mlp {
            activation,
            hidden,
            mean: centre,
            log_std,
            log_std_bounds,
            action_scale,
            action_bias,
        } => {
            let (layers, input) = hidden_layers(hidden)?;
            let centre = centre.layer("mean", input, None)?;
            let actions = centre.bias.len();
            let bounds = json_bounds(log_std_bounds)?;
            let spread = log_std
                .map(|layer| Ok((layer.layer("log_std", input, Some(actions))?, bounds)))
                .transpose()?;
            let vector = |what: &str, values: Vec<f64>| -> Result<Array1<f64>, PolicyError> {
                let length = values.len();
                Ok(checked(what, values, &[length], &[actions])?.into())
            };
            let policy = Parts {
                hidden: layers,
                activation,
                mean: centre,
                spread,
                scale: positive("action_scale", vector("action_scale", action_scale)?)?,
                bias: vector("action_bias", action_bias)?,
            }
            .policy()?;
            Box::new(if mean { policy.mean() } else { policy })
        }
        Json::Categorical {
            activation,
            hidden,
            logits,
        } => {
            let (mut layers, input) = hidden_layers(hidden)?;
            layers.push(logits.layer("logits", input, None)?);
            categorical(&layers, activation, mean, space)?
        }
        Json::Linear {
            gain,
            bias,
            std,
            low,
            high,
        } => {
            let (gain, shape) = matrix("gain", gain)?;
            let gain = Array2::from_shape_vec(shape, gain).map_err(damaged)?;
            let actions = gain.nrows();
            let low = low.unwrap_or_else(|| vec![f64::NEG_INFINITY; actions]);
            let high = high.unwrap_or_else(|| vec![f64::INFINITY; actions]);
            let width = [low.len()];
            if low.len() != high.len() {
                checked("high", high.clone(), &[high.len()], &width)?;
            }
            let limits = low.into_iter().zip(high).collect();
            let policy = LinearPolicy::new(gain, bias.into(), std.map(Array1::from), limits)?;
            Box::new(if mean { policy.mean() } else { policy })
        }
        Json::Threshold { weights, epsilon } => {
            let policy = ThresholdPolicy::new(weights, epsilon)?;
            Box::new(if mean { policy.mean() } else { policy })
        }
    })
}

fn json_bounds(stated: Option<HashMap<String, (f64, f64)>>) -> Result<LogStdBounds, PolicyError> {
    let Some(stated) = stated else {
        return Ok(LOG_STD_BOUNDS);
    };
    let bounds: Vec<(String, (f64, f64))> = stated.into_iter().collect();
    match bounds.as_slice() {
        [(kind, (low, high))] if kind == "tanh" && low <= high => {
            Ok(LogStdBounds::Squashed(*low, *high))
        }
        [(kind, (low, high))] if kind == "clamp" && low <= high => {
            Ok(LogStdBounds::Clipped(*low, *high))
        }
        _ => Err(damaged(
            "log_std_bounds is {\"tanh\": [LOW, HIGH]} or {\"clamp\": [LOW, HIGH]}",
        )),
    }
}
