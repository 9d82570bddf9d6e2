//! Layer normalisation and dropout of a hidden layer's sums.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// Added to the variance of a row, as PyTorch does.
const EPSILON: f32 = 1e-5;

/// What a forward pass did to a layer's sums, for the backward pass.
#[derive(Debug, Clone, Default)]
pub(super) struct Regularised {
    /// Normalised sums `[rows, width]`; empty without layer normalisation.
    normal: Vec<f32>,
    /// One over the standard deviation of each row.
    scales: Vec<f32>,
    /// Elements that were dropped, in ascending order.
    dropped: Vec<usize>,
    /// Factor of the others; 1 without dropout.
    kept: f32,
}

impl Regularised {
    /// Drops sums `[rows, width]`, then normalises each row.
    pub(super) fn apply(
        &mut self,
        sums: &mut [f32],
        width: usize,
        layer_norm: bool,
        dropout: Option<(f32, &mut ChaCha8Rng)>,
    ) {
        self.dropped.clear();
        self.normal.clear();
        self.scales.clear();
        self.kept = 1.0;
        if let Some((rate, random)) = dropout {
            self.kept = 1.0 / (1.0 - rate);
            draw(rate, sums.len(), random, &mut self.dropped);
            self.drop_from(sums);
        }
        if layer_norm {
            for row in sums.chunks_exact_mut(width) {
                self.scales.push(normalise(row));
            }
            self.normal.extend_from_slice(sums);
        }
    }

    /// Turns the gradient with respect to the results `[rows, width]` into that of the sums.
    pub(super) fn descend(&self, gradient: &mut [f32], width: usize) {
        let rows = gradient
            .chunks_exact_mut(width)
            .zip(self.normal.chunks_exact(width));
        for ((gradient, normal), scale) in rows.zip(&self.scales) {
            let share = 1.0 / width as f32;
            let mean = share * gradient.iter().sum::<f32>();
            let along = gradient.iter().zip(normal).map(|(g, x)| g * x);
            let along = share * along.sum::<f32>();
            for (g, x) in gradient.iter_mut().zip(normal) {
                *g = scale * (*g - mean - along * x);
            }
        }
        self.drop_from(gradient);
    }

    fn drop_from(&self, values: &mut [f32]) {
        if self.kept != 1.0 {
            values.iter_mut().for_each(|x| *x *= self.kept);
        }
        self.dropped.iter().for_each(|&i| values[i] = 0.0);
    }
}

/// Subtracts the mean and divides by the standard deviation; returns one over it.
fn normalise(row: &mut [f32]) -> f32 {
    let share = 1.0 / row.len() as f32;
    let mean = share * row.iter().sum::<f32>();
    let variance = share * row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>();
    let scale = 1.0 / (variance + EPSILON).sqrt();
    row.iter_mut().for_each(|x| *x = (*x - mean) * scale);
    scale
}

/// Draws which of `count` elements are dropped. Gaps between them are geometric, so that low rates
/// take few random numbers.
fn draw(rate: f32, count: usize, random: &mut ChaCha8Rng, dropped: &mut Vec<usize>) {
    let log_kept = (-f64::from(rate)).ln_1p();
    let mut next = 0.0;
    loop {
        let level = 1.0 - random.random::<f64>();
        next += (level.ln() / log_kept).floor();
        if next >= count as f64 {
            return;
        }
        dropped.push(next as usize);
        next += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::{Activation, Network, Tape};
    use super::*;

    /// Fault: a rate below the precision of numbers near one never came to an end.
    #[test]
    fn the_smallest_rates_drop_nothing_and_end() {
        let mut dropped = Vec::new();
        let mut random = ChaCha8Rng::seed_from_u64(0);
        draw(1e-20, 1_000, &mut random, &mut dropped);
        assert!(dropped.is_empty());
    }

    #[test]
    fn the_rate_is_the_share_of_dropped_elements() {
        let mut random = ChaCha8Rng::seed_from_u64(0);
        for rate in [0.01f32, 0.2, 0.7] {
            let mut dropped = Vec::new();
            draw(rate, 200_000, &mut random, &mut dropped);
            let share = dropped.len() as f32 / 200_000.0;
            assert!((share - rate).abs() < 0.05 * rate, "{share} {rate}");
            assert!(dropped.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn rows_are_normal() {
        let mut row = [1.0, 2.0, 3.0, 6.0];
        normalise(&mut row);
        let mean: f32 = row.iter().sum::<f32>() / 4.0;
        let square: f32 = row.iter().map(|x| x * x).sum::<f32>() / 4.0;
        assert!(mean.abs() < 1e-6 && (square - 1.0).abs() < 1e-4);
    }

    /// Central differences of a weighted sum of outputs, with the same draws of dropout.
    #[test]
    fn gradients_with_layer_norm_and_dropout_match_finite_differences() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        // A smooth activation: finite differences are wrong at kinks.
        let plain = Network::new(&[3, 12, 12, 2], Activation::Silu, &mut random).unwrap();
        let input: Vec<f32> = (0..9).map(|i| (0.7 * i as f32).sin()).collect();
        let weights: Vec<f32> = (0..6).map(|i| (1.3 * i as f32).cos()).collect();
        for (rate, network) in [(0.0, plain.clone().with_layer_norm()), (0.2, plain.clone())]
            .into_iter()
            .chain([(0.2, plain.with_layer_norm())])
        {
            let loss = |network: &Network, input: &[f32], tape: &mut Tape| -> f64 {
                let mut random = ChaCha8Rng::seed_from_u64(9);
                let output = network.forward_with_dropout(input, rate, &mut random, tape);
                let terms = output.iter().zip(&weights);
                terms.map(|(y, w)| f64::from(y * w)).sum()
            };
            let mut tape = Tape::default();
            loss(&network, &input, &mut tape);
            let mut gradients = vec![0.0; network.parameters().len()];
            let by_input = network.backward_both(&mut tape, &weights, &mut gradients);
            let by_input = by_input.to_vec();
            let step = 1e-2;
            let close = |slope: f64, found: f32, i: usize| {
                let found = f64::from(found);
                assert!(
                    (slope - found).abs() < 4e-3 * (1.0 + slope.abs()),
                    "{i}: {slope} {found}"
                );
            };
            for (i, &found) in gradients.iter().enumerate() {
                let at = |step: f32| {
                    let mut moved = network.clone();
                    moved.parameters_mut()[i] += step;
                    loss(&moved, &input, &mut Tape::default())
                };
                let slope = (at(step) - at(-step)) / f64::from(2.0 * step);
                close(slope, found, i);
            }
            for (i, &found) in by_input.iter().enumerate() {
                let at = |step: f32| {
                    let mut moved = input.clone();
                    moved[i] += step;
                    loss(&network, &moved, &mut Tape::default())
                };
                let slope = (at(step) - at(-step)) / f64::from(2.0 * step);
                close(slope, found, i);
            }
        }
    }

    #[test]
    fn a_rate_of_zero_is_no_dropout() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let network = Network::new(&[2, 6, 1], Activation::Relu, &mut random).unwrap();
        let mut other = ChaCha8Rng::seed_from_u64(5);
        Network::new(&[2, 6, 1], Activation::Relu, &mut other).unwrap();
        let (mut tape, mut plain) = (Tape::default(), Tape::default());
        let found = network.forward_with_dropout(&[0.3, -1.0], 0.0, &mut random, &mut tape);
        assert_eq!(found, network.forward(&[0.3, -1.0], &mut plain));
        assert_eq!(random.random::<u64>(), other.random::<u64>());
    }
}
