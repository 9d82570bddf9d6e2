//! Small multilayer perceptrons that are trained on the processor, in 32-bit floats.
//!
//! Written directly, forward, backward and Adam: for networks of a few hundred units most of the time
//! of a general automatic differentiation is not arithmetic.

use ndarray::{Array1, Array2, ArrayView2, Axis, Zip};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// What stands between the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x / (1 + exp(-x))`, also called swish.
    Silu,
}

impl Activation {
    fn value(self, x: f32) -> f32 {
        match self {
            Self::Relu => x.max(0.0),
            Self::Silu => x / (1.0 + (-x).exp()),
        }
    }

    fn slope(self, x: f32) -> f32 {
        match self {
            Self::Relu => f32::from(u8::from(x > 0.0)),
            Self::Silu => {
                let sigmoid = 1.0 / (1.0 + (-x).exp());
                sigmoid * (1.0 + x * (1.0 - sigmoid))
            }
        }
    }
}

/// A dense layer, or what changes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Dense {
    /// `[in, out]`.
    pub weight: Array2<f32>,
    /// `[out]`.
    pub bias: Array1<f32>,
}

/// Dense layers with an activation between them and a linear output.
///
/// ```
/// use ndarray::array;
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
/// use statecast::network::{Activation, Adam, Network};
///
/// let mut random = ChaCha8Rng::seed_from_u64(0);
/// let mut network = Network::new(&[1, 16, 1], Activation::Silu, &mut random);
/// let mut adam = Adam::new(&network, 0.01);
/// let (x, y) = (array![[-1.0], [0.0], [1.0]], array![[1.0], [0.0], [1.0]]);
/// for _ in 0..500 {
///     let tape = network.forward(x.view());
///     let gradient = (tape.output() - &y) * (2.0 / 3.0);
///     adam.step(&mut network, &tape, &gradient);
/// }
/// assert!((network.output(x.view()) - &y).iter().all(|e| e.abs() < 0.05));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    layers: Vec<Dense>,
    activation: Activation,
}

/// What a network computed, kept for the way back.
#[derive(Debug)]
pub struct Tape {
    /// Inputs of every layer, `[rows, in]`.
    inputs: Vec<Array2<f32>>,
    /// Outputs of every layer before the activation, `[rows, out]`.
    sums: Vec<Array2<f32>>,
}

impl Tape {
    /// The network's output, `[rows, outputs]`.
    pub fn output(&self) -> &Array2<f32> {
        &self.sums[self.sums.len() - 1]
    }
}

impl Network {
    /// A network of some widths, inputs first and outputs last, at least two; weights and biases are
    /// uniform within one over the root of the inputs, as PyTorch's are.
    ///
    /// # Panics
    /// If there are fewer than two widths.
    pub fn new(widths: &[usize], activation: Activation, random: &mut ChaCha8Rng) -> Self {
        assert!(widths.len() > 1, "a network has inputs and outputs");
        let layers = widths.windows(2).map(|pair| {
            let reach = 1.0 / (pair[0] as f32).sqrt();
            let mut draw = |_| reach * (2.0 * random.random::<f32>() - 1.0);
            let weight = (0..pair[0] * pair[1])
                .map(&mut draw)
                .collect::<Array1<f32>>();
            Dense {
                weight: weight
                    .into_shape_with_order((pair[0], pair[1]))
                    .expect("as many numbers as the shape has"),
                bias: (0..pair[1]).map(&mut draw).collect(),
            }
        });
        Self {
            layers: layers.collect(),
            activation,
        }
    }

    /// The layers, first to last.
    pub fn layers(&self) -> &[Dense] {
        &self.layers
    }

    /// Outputs `[rows, outputs]` of inputs `[rows, inputs]`.
    pub fn output(&self, inputs: ArrayView2<f32>) -> Array2<f32> {
        let mut tape = self.forward(inputs);
        tape.sums.pop().expect("a network has a layer")
    }

    /// The same, with what the way back needs.
    pub fn forward(&self, inputs: ArrayView2<f32>) -> Tape {
        let mut tape = Tape {
            inputs: vec![inputs.to_owned()],
            sums: Vec::new(),
        };
        for (number, layer) in self.layers.iter().enumerate() {
            let sums = tape.inputs[number].dot(&layer.weight) + &layer.bias;
            if number + 1 < self.layers.len() {
                tape.inputs.push(sums.mapv(|x| self.activation.value(x)));
            }
            tape.sums.push(sums);
        }
        tape
    }

    /// Goes a share of the way to another network of the same shape (Polyak averaging).
    pub fn follow(&mut self, other: &Self, share: f32) {
        for (own, other) in self.layers.iter_mut().zip(&other.layers) {
            let towards = |own: &mut f32, other: &f32| *own += share * (other - *own);
            own.weight.zip_mut_with(&other.weight, towards);
            own.bias.zip_mut_with(&other.bias, towards);
        }
    }

    /// Gradients of the layers, given that of the output, `[rows, outputs]`.
    pub fn backward(&self, tape: &Tape, output: &Array2<f32>) -> Vec<Dense> {
        let mut gradient = output.clone();
        let mut gradients = Vec::with_capacity(self.layers.len());
        for number in (0..self.layers.len()).rev() {
            gradients.push(Dense {
                weight: tape.inputs[number].t().dot(&gradient),
                bias: gradient.sum_axis(Axis(0)),
            });
            if number > 0 {
                gradient = gradient.dot(&self.layers[number].weight.t());
                let slope = |g: &mut f32, &x: &f32| *g *= self.activation.slope(x);
                gradient.zip_mut_with(&tape.sums[number - 1], slope);
            }
        }
        gradients.reverse();
        gradients
    }
}

/// The optimiser Adam (Kingma and Ba, arXiv 1412.6980).
#[derive(Debug, Clone)]
pub struct Adam {
    rate: f32,
    steps: i32,
    first: Vec<Dense>,
    second: Vec<Dense>,
}

const BETAS: (f32, f32) = (0.9, 0.999);
const EPSILON: f32 = 1e-8;

impl Adam {
    /// An optimiser of a network at a learning rate.
    pub fn new(network: &Network, rate: f32) -> Self {
        let zeros = network.layers.iter().map(|layer| Dense {
            weight: Array2::zeros(layer.weight.dim()),
            bias: Array1::zeros(layer.bias.dim()),
        });
        let zeros: Vec<Dense> = zeros.collect();
        Self {
            rate,
            steps: 0,
            first: zeros.clone(),
            second: zeros,
        }
    }

    /// Sets the learning rate.
    pub fn set_rate(&mut self, rate: f32) {
        self.rate = rate;
    }

    /// One step against the gradient of the output, `[rows, outputs]`.
    pub fn step(&mut self, network: &mut Network, tape: &Tape, output: &Array2<f32>) {
        let gradients = network.backward(tape, output);
        self.steps = self.steps.saturating_add(1);
        let corrected = (
            1.0 - BETAS.0.powi(self.steps),
            1.0 - BETAS.1.powi(self.steps),
        );
        let rate = self.rate / corrected.0;
        let update = |w: &mut f32, m: &mut f32, v: &mut f32, &g: &f32| {
            *m = BETAS.0 * *m + (1.0 - BETAS.0) * g;
            *v = BETAS.1 * *v + (1.0 - BETAS.1) * g * g;
            *w -= rate * *m / ((*v / corrected.1).sqrt() + EPSILON);
        };
        let moments = self.first.iter_mut().zip(&mut self.second);
        let layers = network.layers.iter_mut().zip(moments).zip(&gradients);
        for ((layer, (first, second)), gradient) in layers {
            Zip::from(&mut layer.weight)
                .and(&mut first.weight)
                .and(&mut second.weight)
                .and(&gradient.weight)
                .for_each(update);
            Zip::from(&mut layer.bias)
                .and(&mut first.bias)
                .and(&mut second.bias)
                .and(&gradient.bias)
                .for_each(update);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// Against central differences of the sum of the squared outputs.
    #[test]
    fn gradients_are_those_of_small_changes() {
        for activation in [Activation::Relu, Activation::Silu] {
            let mut random = ChaCha8Rng::seed_from_u64(3);
            let network = Network::new(&[3, 5, 4, 2], activation, &mut random);
            let inputs = Array2::from_shape_fn((7, 3), |(i, j)| ((i * 3 + j) as f32 * 0.7).sin());
            let tape = network.forward(inputs.view());
            let gradients = network.backward(&tape, &(tape.output() * 2.0));
            let loss = |network: &Network| {
                let squares = network.output(inputs.view()).mapv(|x| f64::from(x).powi(2));
                squares.sum()
            };
            for layer in 0..3 {
                let (rows, columns) = network.layers[layer].weight.dim();
                for (i, j) in [(0, 0), (rows - 1, columns - 1), (rows / 2, columns / 2)] {
                    let at = |step: f32| {
                        let mut moved = network.clone();
                        moved.layers[layer].weight[[i, j]] += step;
                        loss(&moved)
                    };
                    let slope = (at(1e-3) - at(-1e-3)) / 2e-3;
                    let found = f64::from(gradients[layer].weight[[i, j]]);
                    assert!(
                        (slope - found).abs() < 1e-3 * (1.0 + slope.abs()),
                        "{slope} {found}"
                    );
                }
            }
        }
    }
}
