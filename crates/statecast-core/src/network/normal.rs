//! Networks with normal output distributions.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::{Activation, Adam, AdamSettings, Network, Tape};

/// Soft bounds of the log standard deviation, in units of the target's standard deviation.
const LOG_STD: (f32, f32) = (-6.0, 1.0);

/// Initial fraction of a training that fits the means alone, by least squares: with a wide standard
/// deviation the likelihood hardly moves the mean (Seitzer et al., ICLR 2022).
const MEAN_WARM_UP: f64 = 0.2;

/// Settings of a [`NormalNetwork`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitSettings {
    /// Units of each of the two hidden layers.
    pub width: usize,
    /// Training steps.
    pub updates: usize,
    /// Rows per step.
    pub batch: usize,
    /// Initial learning rate; it decays to zero.
    pub rate: f64,
}

impl FitSettings {
    /// Returns settings for a number of rows: about a thousand epochs, within bounds.
    ///
    /// ```
    /// use statecast::network::FitSettings;
    /// assert_eq!(FitSettings::for_rows(1000).updates, 8_000);
    /// assert_eq!(FitSettings::for_rows(1_000_000).updates, 24_000);
    /// ```
    pub fn for_rows(rows: usize) -> Self {
        Self {
            updates: rows.saturating_mul(8).clamp(2_000, 24_000),
            ..Self::default()
        }
    }
}

impl Default for FitSettings {
    fn default() -> Self {
        Self {
            width: 128,
            updates: 24_000,
            batch: 128,
            rate: 2e-3,
        }
    }
}

/// A network with two hidden layers of swish units, from standardised inputs to means and standard
/// deviations of independent normal distributions, trained by maximum likelihood.
///
/// ```
/// use ndarray::Array2;
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
/// use statecast::network::{FitSettings, NormalNetwork};
///
/// let inputs = Array2::from_shape_fn((200, 1), |(i, _)| i as f32 / 100.0 - 1.0);
/// let targets = inputs.mapv(|x| 3.0 * x * x);
/// let settings = FitSettings { width: 16, updates: 1000, ..FitSettings::default() };
/// let mut random = ChaCha8Rng::seed_from_u64(0);
/// let network = NormalNetwork::fit(&inputs, &targets, settings, &mut random, &|_| ());
/// let (mean, _) = network.distributions(&ndarray::array![[0.5f32]]);
/// assert!((mean[[0, 0]] - 0.75).abs() < 0.1);
/// ```
#[derive(Debug, Clone)]
pub struct NormalNetwork {
    network: Network,
    inputs: Standard,
    outputs: Standard,
}

/// Means and standard deviations of columns.
#[derive(Debug, Clone)]
struct Standard {
    mean: Array1<f32>,
    std: Array1<f32>,
}

impl Standard {
    fn of(values: &Array2<f32>) -> Self {
        let known = values.mapv(|x| f32::from(u8::from(!x.is_nan())));
        let rows = known.sum_axis(Axis(0)).mapv(|count| count.max(1.0));
        let or_zero = |x: f32| if x.is_nan() { 0.0 } else { x };
        let mean = values.mapv(or_zero).sum_axis(Axis(0)) / &rows;
        let squares = (values - &mean).mapv(|x| or_zero(x * x)).sum_axis(Axis(0)) / &rows;
        Self {
            mean,
            std: squares.mapv(|v| if v > 0.0 { v.sqrt() } else { 1.0 }),
        }
    }

    fn apply(&self, values: &Array2<f32>) -> Array2<f32> {
        (values - &self.mean) / &self.std
    }
}

impl NormalNetwork {
    /// Fits inputs `[rows, inputs]` and targets `[rows, targets]`, NaN where unknown; `progress`
    /// receives the finished fraction.
    ///
    /// # Panics
    /// If there is no row, input, target or hidden unit, or the numbers of rows differ.
    pub fn fit(
        inputs: &Array2<f32>,
        targets: &Array2<f32>,
        settings: FitSettings,
        random: &mut ChaCha8Rng,
        progress: &dyn Fn(f64),
    ) -> Self {
        assert_eq!(inputs.nrows(), targets.nrows());
        let (of_inputs, of_outputs) = (Standard::of(inputs), Standard::of(targets));
        let (inputs, targets) = (of_inputs.apply(inputs), of_outputs.apply(targets));
        let (width, outputs) = (settings.width, 2 * targets.ncols());
        let widths = [inputs.ncols(), width, width, outputs];
        let mut network = Network::new(&widths, Activation::Silu, random)
            .expect("the caller has inputs, hidden units and targets");
        let parameters = network.parameters().len();
        let mut adam = Adam::new(parameters, AdamSettings::with_rate(settings.rate));
        let (mut tape, mut gradients) = (Tape::default(), vec![0.0; parameters]);
        for step in 0..settings.updates {
            let done = step as f64 / settings.updates as f64;
            adam.settings.learning_rate = settings.rate * (1.0 - done);
            let picked: Vec<usize> = (0..settings.batch)
                .map(|_| random.random_range(0..inputs.nrows()))
                .collect();
            let shown: Vec<f32> = inputs.select(Axis(0), &picked).into_iter().collect();
            let wanted = targets.select(Axis(0), &picked);
            let output = network.forward(&shown, &mut tape);
            let gradient = match done < MEAN_WARM_UP {
                true => squares_gradient(output, &wanted),
                false => likelihood_gradient(output, &wanted),
            };
            network.backward(&mut tape, &gradient, &mut gradients);
            adam.step(network.parameters_mut(), &gradients);
            if step % 100 == 0 {
                progress(done);
            }
        }
        Self {
            network,
            inputs: of_inputs,
            outputs: of_outputs,
        }
    }

    /// Returns means and standard deviations `[rows, targets]` at inputs `[rows, inputs]`.
    pub fn distributions(&self, inputs: &Array2<f32>) -> (Array2<f64>, Array2<f64>) {
        let rows = inputs.nrows();
        let inputs: Vec<f32> = self.inputs.apply(inputs).into_iter().collect();
        let width = self.outputs.mean.len();
        let mut tape = Tape::default();
        let output = self.network.forward(&inputs, &mut tape);
        let output = ArrayView2::from_shape((rows, 2 * width), output)
            .expect("a network has as many outputs as it was made with");
        let mean = &output.slice(s![.., ..width]) * &self.outputs.std + &self.outputs.mean;
        let spread = output.slice(s![.., width..]);
        let std = spread.mapv(|raw| log_std(raw).0.exp()) * &self.outputs.std;
        (mean.mapv(f64::from), std.mapv(f64::from))
    }
}

/// Returns the log standard deviation of a raw output, and its derivative.
fn log_std(raw: f32) -> (f32, f32) {
    let (low, high) = LOG_STD;
    let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
    let bent = ((raw - middle) / half).tanh();
    (middle + half * bent, 1.0 - bent * bent)
}

/// Returns the gradient of half of the mean squared error of the means; standard deviations stay.
fn squares_gradient(output: &[f32], targets: &Array2<f32>) -> Vec<f32> {
    let (rows, width) = targets.dim();
    let mut gradient = vec![0.0; output.len()];
    let share = 1.0 / (rows * width) as f32;
    for ((row, c), &target) in targets.indexed_iter() {
        let at = 2 * row * width + c;
        if !target.is_nan() {
            gradient[at] = share * (output[at] - target);
        }
    }
    gradient
}

/// Returns the gradient of the mean negative log likelihood of the targets `[rows, targets]` with
/// respect to outputs `[rows, 2 targets]`, row by row.
fn likelihood_gradient(output: &[f32], targets: &Array2<f32>) -> Vec<f32> {
    let (rows, width) = targets.dim();
    let mut gradient = vec![0.0; output.len()];
    let share = 1.0 / (rows * width) as f32;
    for row in 0..rows {
        for c in (0..width).filter(|&c| !targets[[row, c]].is_nan()) {
            let (at, at_spread) = (2 * row * width + c, (2 * row + 1) * width + c);
            let (log, slope) = log_std(output[at_spread]);
            let precision = (-2.0 * log).exp();
            let error = output[at] - targets[[row, c]];
            gradient[at] = share * precision * error;
            gradient[at_spread] = share * slope * (1.0 - precision * error * error);
        }
    }
    gradient
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_matches_finite_differences() {
        let output = [0.3f32, -0.5, 0.2, -1.0];
        let target = ndarray::array![[0.1f32, 0.4]];
        let loss = |output: &[f32]| -> f64 {
            let terms = (0..2).map(|c| {
                let (log, _) = log_std(output[2 + c]);
                let error = f64::from(output[c] - target[[0, c]]);
                f64::from(log) + 0.5 * error * error * f64::from((-2.0 * log).exp())
            });
            terms.sum::<f64>() / 2.0
        };
        let gradient = likelihood_gradient(&output, &target);
        for c in 0..4 {
            let at = |step: f32| {
                let mut moved = output;
                moved[c] += step;
                loss(&moved)
            };
            let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
            let found = f64::from(gradient[c]);
            assert!(
                (slope - found).abs() < 2e-3 * (1.0 + slope.abs()),
                "{c}: {slope} {found}"
            );
        }
    }
}
