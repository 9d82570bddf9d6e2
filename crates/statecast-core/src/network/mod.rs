//! Small multilayer perceptrons, trained on the CPU in F32: critics, actors, policies from files
//! and dynamics models.
//!
//! Forward and backward passes are written directly, because the tensor library's differentiation
//! computes both gradients of every product and allocates each of them; for layers of 64 to 256
//! units that takes most of the time. Everything runs on the calling thread and gives the same
//! numbers for the same batch on the same processor.
//!
//! The parameters of a [`Network`] are one flat slice, and so are their gradients, so that
//! [`Adam`],
//! [`clip_norm`] and [`polyak`] are loops over slices; they also serve a single parameter, such as
//! SAC's entropy coefficient. The order is that of PyTorch's `parameters()`: `weight [out, in]` by
//! rows and `bias [out]`, layer by layer. Several heads on a common trunk are one network whose
//! last layer holds the rows of all of them.

mod activation;
mod adam;
mod normal;
mod passes;
mod product;
mod regularisation;
mod tensors;

use std::ops::Range;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

pub use activation::Activation;
pub use adam::{Adam, AdamSettings, AdamState, clip_norm, polyak};
pub use normal::{FitSettings, NormalNetwork};
pub use passes::Tape;
pub use tensors::NamedTensor;

/// Errors of networks and optimizers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// Fewer than one layer, or a layer without inputs or outputs.
    #[error("a network needs an input and an output of at least one unit, not the widths {0:?}")]
    Sizes(Vec<usize>),
    /// The layer's weight has other than `inputs * outputs` elements.
    #[error("layer {layer}: {found} weights for {inputs} inputs and {outputs} outputs")]
    Weight {
        /// From 0.
        layer: usize,
        /// Units of the layer before, or columns of the first weight.
        inputs: usize,
        /// Elements of the bias.
        outputs: usize,
        /// Elements of the weight.
        found: usize,
    },
    /// A parameter is infinite or not a number.
    #[error("layer {layer} has a parameter that is not finite")]
    NotFinite {
        /// From 0.
        layer: usize,
    },
    /// No tensor has this name.
    #[error("there is no tensor '{0}'")]
    Missing(String),
    /// A tensor has another rank than a weight or bias, or its shape does not hold its values.
    #[error("the tensor '{name}' of shape {shape:?} is not a {expected} of a dense layer")]
    Tensor {
        /// Name of the tensor.
        name: String,
        /// Its stated shape.
        shape: Vec<usize>,
        /// `weight` or `bias`.
        expected: &'static str,
    },
    /// An optimizer's stored moments do not belong to as many parameters.
    #[error("the optimizer's state has {first} and {second} moments for {parameters} parameters")]
    State {
        /// Elements of the first moment.
        first: usize,
        /// Elements of the second moment.
        second: usize,
        /// Number of optimized parameters.
        parameters: usize,
    },
}

/// Parameters of a dense layer `y = W x + b`.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// `[out, in]`, by rows.
    pub weight: Vec<f32>,
    /// `[out]`
    pub bias: Vec<f32>,
}

/// A multilayer perceptron: dense layers, an [`Activation`] after all but the last.
///
/// # Examples
///
/// Learns the sum of two numbers:
///
/// ```
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
/// use statecast::network::{Activation, Adam, AdamSettings, Network, Tape};
///
/// let mut random = ChaCha8Rng::seed_from_u64(1);
/// let mut network = Network::new(&[2, 16, 1], Activation::Relu, &mut random)?;
/// let mut adam = Adam::new(network.parameters().len(), AdamSettings::with_rate(0.01));
/// let (mut tape, mut gradients) = (Tape::default(), vec![0.0; network.parameters().len()]);
///
/// let inputs = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.5, 0.2]; // [5, 2]
/// let sums = [0.0, 1.0, 1.0, 2.0, 0.7]; // [5, 1]
/// for _ in 0..500 {
///     let found = network.forward(&inputs, &mut tape);
///     let error: Vec<f32> = found.iter().zip(sums).map(|(y, sum)| 2.0 * (y - sum) / 5.0).collect();
///     network.backward(&mut tape, &error, &mut gradients);
///     adam.step(network.parameters_mut(), &gradients);
/// }
/// let found = network.forward(&[0.4, 0.8], &mut tape);
/// assert!((found[0] - 1.2).abs() < 0.1);
/// # Ok::<(), statecast::network::NetworkError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    layers: Vec<Dense>,
    activation: Activation,
    parameters: Vec<f32>,
    layer_norm: bool,
}

/// Ranges of a layer's parameters within those of the network.
#[derive(Debug, Clone, PartialEq)]
struct Dense {
    inputs: usize,
    outputs: usize,
    weight: Range<usize>,
    bias: Range<usize>,
}

/// Lays out consecutive layers between these widths.
fn lay_out(sizes: &[usize]) -> Result<Vec<Dense>, NetworkError> {
    if sizes.len() < 2 || sizes.contains(&0) {
        return Err(NetworkError::Sizes(sizes.to_vec()));
    }
    let mut from = 0;
    let layer = |pair: &[usize]| {
        let (inputs, outputs) = (pair[0], pair[1]);
        let weight = from..from + inputs * outputs;
        let bias = weight.end..weight.end + outputs;
        from = bias.end;
        Dense {
            inputs,
            outputs,
            weight,
            bias,
        }
    };
    Ok(sizes.windows(2).map(layer).collect())
}

impl Network {
    /// Creates a network with layers of these widths, the input's first, and PyTorch's default
    /// initialisation: weights and biases uniform within 1/√in of zero.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Sizes`] if there are fewer than two widths or one is zero.
    pub fn new(
        sizes: &[usize],
        activation: Activation,
        random: &mut ChaCha8Rng,
    ) -> Result<Self, NetworkError> {
        let layers = lay_out(sizes)?;
        let mut parameters = Vec::new();
        for layer in &layers {
            let bound = 1.0 / (layer.inputs as f32).sqrt();
            let count = layer.outputs * (layer.inputs + 1);
            parameters.extend((0..count).map(|_| random.random_range(-bound..bound)));
        }
        Ok(Self {
            layers,
            activation,
            parameters,
            layer_norm: false,
        })
    }

    /// Normalises the sums of every hidden layer over its units before its bias (Ba et al., arXiv
    /// 1607.06450). The bias shifts what is normalised; there is no gain, because the layer above
    /// has it in its weights. The number of parameters stays the same.
    #[must_use]
    pub fn with_layer_norm(self) -> Self {
        Self {
            layer_norm: true,
            ..self
        }
    }

    /// A network of these layers, the one at the input first.
    ///
    /// # Errors
    ///
    /// If there is no layer or an empty one, a layer does not fit to the one before, or a parameter
    /// is not finite.
    pub fn from_layers(layers: &[Layer], activation: Activation) -> Result<Self, NetworkError> {
        let outputs = layers.iter().map(|layer| layer.bias.len());
        let inputs = layers.first().map_or(0, |first| {
            first
                .weight
                .len()
                .checked_div(first.bias.len())
                .unwrap_or(0)
        });
        let sizes: Vec<usize> = std::iter::once(inputs).chain(outputs).collect();
        let places = lay_out(&sizes)?;
        for (i, (layer, place)) in layers.iter().zip(&places).enumerate() {
            if layer.weight.len() != place.weight.len() {
                return Err(NetworkError::Weight {
                    layer: i,
                    inputs: place.inputs,
                    outputs: place.outputs,
                    found: layer.weight.len(),
                });
            }
            if !layer
                .weight
                .iter()
                .chain(&layer.bias)
                .all(|x| x.is_finite())
            {
                return Err(NetworkError::NotFinite { layer: i });
            }
        }
        let parameters = layers.iter().flat_map(|l| l.weight.iter().chain(&l.bias));
        Ok(Self {
            parameters: parameters.copied().collect(),
            layers: places,
            activation,
            layer_norm: false,
        })
    }

    /// Units of the input.
    pub fn inputs(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.inputs)
    }

    /// Units of the output.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs)
    }

    /// What follows every layer but the last.
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// All parameters, in the order of PyTorch's `parameters()`.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// All parameters, to be changed in place.
    pub fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// Copies of the layers, the one at the input first.
    pub fn layers(&self) -> Vec<Layer> {
        let copy = |layer: &Dense| Layer {
            weight: self.parameters[layer.weight.clone()].to_vec(),
            bias: self.parameters[layer.bias.clone()].to_vec(),
        };
        self.layers.iter().map(copy).collect()
    }
}

#[cfg(test)]
mod tests;
