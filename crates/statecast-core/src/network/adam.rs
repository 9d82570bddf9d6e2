//! Optimisation: Adam, gradient clipping and Polyak averaging.

use serde::{Deserialize, Serialize};

use super::NetworkError;

/// Settings of [`Adam`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdamSettings {
    /// Step size.
    pub learning_rate: f64,
    /// Decay of the mean of gradients per step.
    pub beta1: f64,
    /// Decay of the mean of squared gradients per step.
    pub beta2: f64,
    /// Added to the root of the mean of squares.
    pub epsilon: f64,
    /// Decoupled weight decay (AdamW), relative to `learning_rate`; 0 is Adam.
    pub weight_decay: f64,
}

impl AdamSettings {
    /// Returns the usual settings (0.9, 0.999, 1e-8, no weight decay) with this learning rate.
    pub fn with_rate(learning_rate: f64) -> Self {
        Self {
            learning_rate,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
        }
    }
}

/// State of [`Adam`], to be stored with the parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdamState {
    /// Steps so far.
    pub steps: u64,
    /// Means of gradients, one per parameter.
    pub first: Vec<f32>,
    /// Means of squared gradients, one per parameter.
    pub second: Vec<f32>,
}

/// Adam (Kingma and Ba, arXiv 1412.6980) with decoupled weight decay (Loshchilov and Hutter, arXiv
/// 1711.05101), as `torch.optim.AdamW` computes it.
///
/// # Examples
///
/// ```
/// use statecast::network::{Adam, AdamSettings};
///
/// let mut adam = Adam::new(1, AdamSettings::with_rate(0.1));
/// let mut parameter = [1.0];
/// adam.step(&mut parameter, &[2.5]);
/// // The length of the first step is the learning rate, for any gradient.
/// assert!((parameter[0] - 0.9).abs() < 1e-6);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    /// May be changed between steps.
    pub settings: AdamSettings,
    state: AdamState,
}

impl Adam {
    /// Creates the optimizer of a number of parameters.
    pub fn new(parameters: usize, settings: AdamSettings) -> Self {
        let state = AdamState {
            steps: 0,
            first: vec![0.0; parameters],
            second: vec![0.0; parameters],
        };
        Self { settings, state }
    }

    /// Resumes from a stored state.
    ///
    /// # Errors
    ///
    /// [`NetworkError::State`] if the state has another number of parameters.
    pub fn resume(
        parameters: usize,
        settings: AdamSettings,
        state: AdamState,
    ) -> Result<Self, NetworkError> {
        let (first, second) = (state.first.len(), state.second.len());
        if (first, second) != (parameters, parameters) {
            return Err(NetworkError::State {
                first,
                second,
                parameters,
            });
        }
        Ok(Self { settings, state })
    }

    /// Returns the state to store.
    pub fn state(&self) -> &AdamState {
        &self.state
    }

    /// Takes one step against the gradients.
    ///
    /// # Panics
    ///
    /// If the number of parameters or gradients differs from the optimizer's.
    pub fn step(&mut self, parameters: &mut [f32], gradients: &[f32]) {
        let AdamState {
            steps,
            first,
            second,
        } = &mut self.state;
        assert_eq!(parameters.len(), first.len(), "parameters of the optimizer");
        assert_eq!(gradients.len(), first.len(), "gradients of the optimizer");
        *steps += 1;
        let settings = self.settings;
        let steps = *steps as f64;
        // Bias correction: the means start at zero.
        let first_share = 1.0 - settings.beta1.powf(steps);
        let second_share = 1.0 - settings.beta2.powf(steps);
        let step = (settings.learning_rate / first_share) as f32;
        let root_share = (1.0 / second_share.sqrt()) as f32;
        let kept = (1.0 - settings.learning_rate * settings.weight_decay) as f32;
        let (new1, beta2) = ((1.0 - settings.beta1) as f32, settings.beta2 as f32);
        let (new2, epsilon) = ((1.0 - settings.beta2) as f32, settings.epsilon as f32);
        let moments = first.iter_mut().zip(second);
        for ((parameter, &g), (m, v)) in parameters.iter_mut().zip(gradients).zip(moments) {
            *m += (g - *m) * new1;
            *v = *v * beta2 + g * g * new2;
            *parameter = *parameter * kept - step * *m / (v.sqrt() * root_share + epsilon);
        }
    }
}

/// Scales gradients down to a norm of `limit` if theirs is larger, as
/// `torch.nn.utils.clip_grad_norm_` does; returns the norm before.
pub fn clip_norm(gradients: &mut [f32], limit: f32) -> f32 {
    let squares = gradients.iter().map(|&g| f64::from(g).powi(2));
    let norm = squares.sum::<f64>().sqrt() as f32;
    let factor = limit / (norm + 1e-6);
    if factor < 1.0 {
        gradients.iter_mut().for_each(|g| *g *= factor);
    }
    norm
}

/// Polyak averaging: `target = tau source + (1 - tau) target`.
///
/// # Panics
///
/// If the lengths differ.
pub fn polyak(target: &mut [f32], source: &[f32], tau: f32) {
    assert_eq!(target.len(), source.len(), "parameters of both networks");
    for (target, source) in target.iter_mut().zip(source) {
        *target = *target * (1.0 - tau) + source * tau;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand, with betas of 1/2 and 3/4: the means after three gradients 2, -4, 1 are (1, -1.5,
    /// -0.25) and (1, 4.75, 3.8125); without their bias 2, -2, -2/7 and 4, 76/7, 244/37.
    #[test]
    fn three_steps_by_hand() {
        let settings = AdamSettings {
            beta1: 0.5,
            beta2: 0.75,
            ..AdamSettings::with_rate(0.1)
        };
        let mut adam = Adam::new(1, settings);
        let mut x = [1.0];
        let mut expected = 1.0;
        let moments: [(f64, f64); 3] = [(2.0, 4.0), (-2.0, 76.0 / 7.0), (-2.0 / 7.0, 244.0 / 37.0)];
        for (g, (first, second)) in [2.0, -4.0, 1.0].into_iter().zip(moments) {
            adam.step(&mut x, &[g]);
            expected -= 0.1 * first / second.sqrt();
            assert!((f64::from(x[0]) - expected).abs() < 1e-6, "{}", x[0]);
        }
    }

    #[test]
    fn a_resumed_optimizer_equals_an_uninterrupted_one() {
        let mut adam = Adam::new(2, AdamSettings::with_rate(0.01));
        let mut x = [1.0, -1.0];
        adam.step(&mut x, &[0.3, 0.1]);
        let stored = serde_json::to_string(adam.state()).expect("finite numbers");
        let state: AdamState = serde_json::from_str(&stored).expect("what was stored");
        let mut again = Adam::resume(2, adam.settings, state.clone()).expect("its own state");
        let mut y = x;
        adam.step(&mut x, &[0.1, 0.1]);
        again.step(&mut y, &[0.1, 0.1]);
        assert_eq!(x, y);
        let refused = Adam::resume(3, adam.settings, state).expect_err("a parameter more");
        assert!(refused.to_string().contains("for 3 parameters"));
    }

    #[test]
    fn clipping_keeps_small_gradients_and_shortens_large_ones() {
        let mut gradients = [3.0, 4.0];
        assert_eq!(clip_norm(&mut gradients, 10.0), 5.0);
        assert_eq!(gradients, [3.0, 4.0]);
        assert_eq!(clip_norm(&mut gradients, 1.0), 5.0);
        assert!((gradients[0] - 0.6).abs() < 1e-6 && (gradients[1] - 0.8).abs() < 1e-6);
    }

    #[test]
    fn polyak_is_a_convex_combination() {
        let mut target = [0.0, 8.0];
        polyak(&mut target, &[4.0, 0.0], 0.25);
        assert_eq!(target, [1.0, 6.0]);
        polyak(&mut target, &[4.0, 0.0], 1.0);
        assert_eq!(target, [4.0, 0.0]);
    }
}
