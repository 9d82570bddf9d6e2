//! Forward and backward passes.

use rand::rngs::ChaCha8Rng;

use super::product::{self, Extents};
use super::regularisation::Regularised;
use super::{Dense, Network};

/// Activations of a forward pass for the backward pass, and buffers of both. A reused tape does not
/// allocate for batches that are no larger.
#[derive(Debug, Clone, Default)]
pub struct Tape {
    rows: usize,
    /// Input of every layer, then the output: `[rows, width]` each.
    values: Vec<Vec<f32>>,
    /// Derivatives of the activations after every layer but the last: `[rows, width]` each.
    slopes: Vec<Vec<f32>>,
    /// Normalisation and dropout after every layer but the last.
    regularised: Vec<Regularised>,
    /// Gradient with respect to the current layer's preactivations, `[rows, outputs]`.
    gradient: Vec<f32>,
    /// Gradient with respect to those of the layer below.
    below: Vec<f32>,
}

impl Tape {
    /// Returns the output of the last forward pass, `[rows, outputs]` by rows; empty before the
    /// first.
    pub fn output(&self) -> &[f32] {
        self.values.last().map_or(&[], Vec::as_slice)
    }

    fn prepare(&mut self, layers: &[Dense], rows: usize) {
        self.rows = rows;
        self.values.resize_with(layers.len() + 1, Vec::new);
        self.slopes.resize_with(layers.len() - 1, Vec::new);
        self.regularised
            .resize_with(layers.len() - 1, Regularised::default);
        for (values, layer) in self.values[1..].iter_mut().zip(layers) {
            values.resize(rows * layer.outputs, 0.0);
        }
        for (slopes, layer) in self.slopes.iter_mut().zip(layers) {
            slopes.resize(rows * layer.outputs, 0.0);
        }
    }
}

impl Dense {
    fn extents(&self, rows: usize) -> Extents {
        Extents {
            rows,
            inputs: self.inputs,
            outputs: self.outputs,
        }
    }
}

impl Network {
    /// Computes the output `[rows, outputs]` for an input `[rows, inputs]`, both by rows.
    ///
    /// # Panics
    ///
    /// If the input is not whole rows.
    pub fn forward<'t>(&self, input: &[f32], tape: &'t mut Tape) -> &'t [f32] {
        self.ascend(input, tape, None)
    }

    /// Computes the output as [`forward`](Self::forward) does, with dropout of the sums of every
    /// hidden layer: each is zero with probability `rate`, and the others are divided by
    /// `1 - rate`. A rate of zero draws nothing and equals `forward`. A backward pass on the tape is
    /// that of the same draws.
    ///
    /// # Panics
    ///
    /// If the input is not whole rows, or the rate is not from 0 to below 1.
    pub fn forward_with_dropout<'t>(
        &self,
        input: &[f32],
        rate: f32,
        random: &mut ChaCha8Rng,
        tape: &'t mut Tape,
    ) -> &'t [f32] {
        assert!((0.0..1.0).contains(&rate), "a dropout rate of {rate}");
        match rate > 0.0 {
            true => self.ascend(input, tape, Some((rate, random))),
            false => self.ascend(input, tape, None),
        }
    }

    fn ascend<'t>(
        &self,
        input: &[f32],
        tape: &'t mut Tape,
        mut dropout: Option<(f32, &mut ChaCha8Rng)>,
    ) -> &'t [f32] {
        assert!(
            input.len().is_multiple_of(self.inputs()),
            "{} values are not whole rows of {}",
            input.len(),
            self.inputs()
        );
        let rows = input.len() / self.inputs();
        tape.prepare(&self.layers, rows);
        tape.values[0].clear();
        tape.values[0].extend_from_slice(input);
        for (i, layer) in self.layers.iter().enumerate() {
            let (before, after) = tape.values.split_at_mut(i + 1);
            let (x, y) = (&before[i], &mut after[0]);
            let weight = &self.parameters[layer.weight.clone()];
            let bias = &self.parameters[layer.bias.clone()];
            product::outputs(x, weight, layer.extents(rows), y);
            match tape.slopes.get_mut(i) {
                Some(slopes) => {
                    let dropout = dropout
                        .as_mut()
                        .map(|(rate, random)| (*rate, &mut **random));
                    tape.regularised[i].apply(y, layer.outputs, self.layer_norm, dropout);
                    self.activation.apply(y, bias, slopes);
                }
                None => add_bias(y, bias),
            }
        }
        tape.output()
    }

    /// Overwrites `gradients` with the gradients with respect to the parameters, after a
    /// [`forward`](Self::forward) pass of this network on `tape`.
    ///
    /// `output_gradient` `[rows, outputs]` is the gradient of the loss with respect to the output;
    /// `gradients` has the order of [`parameters`](Self::parameters).
    ///
    /// # Panics
    ///
    /// If the gradients have other lengths, or the tape is that of a network of another shape.
    pub fn backward(&self, tape: &mut Tape, output_gradient: &[f32], gradients: &mut [f32]) {
        self.descend(tape, output_gradient, Some(gradients), false);
    }

    /// Returns the gradient with respect to the input, `[rows, inputs]`, without those of the
    /// parameters. Otherwise like [`backward`](Self::backward).
    ///
    /// # Panics
    ///
    /// Where `backward` does.
    pub fn backward_input<'t>(&self, tape: &'t mut Tape, output_gradient: &[f32]) -> &'t [f32] {
        self.descend(tape, output_gradient, None, true);
        &tape.gradient
    }

    /// Computes the gradients with respect to the parameters, like [`backward`](Self::backward),
    /// and returns those with respect to the input, `[rows, inputs]`.
    ///
    /// # Panics
    ///
    /// Where `backward` does.
    pub fn backward_both<'t>(
        &self,
        tape: &'t mut Tape,
        output_gradient: &[f32],
        gradients: &mut [f32],
    ) -> &'t [f32] {
        self.descend(tape, output_gradient, Some(gradients), true);
        &tape.gradient
    }

    /// Propagates from the output down; with `to_input`, leaves the gradient of the input in
    /// `tape.gradient`.
    fn descend(
        &self,
        tape: &mut Tape,
        output_gradient: &[f32],
        mut gradients: Option<&mut [f32]>,
        to_input: bool,
    ) {
        let widths = tape.values.iter().skip(1).map(Vec::len);
        let expected = self.layers.iter().map(|layer| tape.rows * layer.outputs);
        assert!(
            widths.eq(expected) && tape.values[0].len() == tape.rows * self.inputs(),
            "the tape holds a forward pass of this network"
        );
        assert_eq!(
            output_gradient.len(),
            tape.output().len(),
            "elements of the output gradient"
        );
        if let Some(gradients) = &gradients {
            let (found, expected) = (gradients.len(), self.parameters.len());
            assert_eq!(found, expected, "elements of the gradient by parameters");
        }
        tape.gradient.clear();
        tape.gradient.extend_from_slice(output_gradient);
        for (i, layer) in self.layers.iter().enumerate().rev() {
            let extents = layer.extents(tape.rows);
            if let Some(gradients) = &mut gradients {
                product::bias_gradient(&tape.gradient, &mut gradients[layer.bias.clone()]);
            }
            if let Some(regularised) = tape.regularised.get(i) {
                regularised.descend(&mut tape.gradient, layer.outputs);
            }
            if let Some(gradients) = &mut gradients {
                let weight = &mut gradients[layer.weight.clone()];
                product::weight_gradient(&tape.gradient, &tape.values[i], extents, weight);
            }
            if i == 0 && !to_input {
                return;
            }
            tape.below.resize(tape.rows * layer.inputs, 0.0);
            let weight = &self.parameters[layer.weight.clone()];
            product::input_gradient(&tape.gradient, weight, extents, &mut tape.below);
            if i > 0 {
                let slopes = &tape.slopes[i - 1];
                tape.below.iter_mut().zip(slopes).for_each(|(g, s)| *g *= s);
            }
            std::mem::swap(&mut tape.gradient, &mut tape.below);
        }
    }
}

fn add_bias(rows: &mut [f32], bias: &[f32]) {
    for row in rows.chunks_exact_mut(bias.len()) {
        row.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias);
    }
}
