//! An update of SAC's critics: twin networks of two hidden layers on a batch of observations with
//! actions of 4 numbers together.
//!
//!     cargo bench --bench network
//!
//! `bench/critics.py` runs the same update with PyTorch.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use statecast::network::{Activation, Adam, AdamSettings, Network, Tape, polyak};

const INPUTS: usize = 4;

/// A critic with its target and all that an update needs.
struct Critic {
    network: Network,
    target: Network,
    adam: Adam,
    gradients: Vec<f32>,
    tape: Tape,
    target_tape: Tape,
}

impl Critic {
    fn new(hidden: usize, random: &mut ChaCha8Rng) -> Self {
        let sizes = [INPUTS, hidden, hidden, 1];
        let network = Network::new(&sizes, Activation::Relu, random).expect("widths are not zero");
        let parameters = network.parameters().len();
        Self {
            target: network.clone(),
            network,
            adam: Adam::new(parameters, AdamSettings::with_rate(3e-4)),
            gradients: vec![0.0; parameters],
            tape: Tape::default(),
            target_tape: Tape::default(),
        }
    }

    fn descend(&mut self, inputs: &[f32], returns: &[f32], errors: &mut Vec<f32>) {
        let scale = 2.0 / returns.len() as f32;
        let values = self.network.forward(inputs, &mut self.tape);
        errors.clear();
        errors.extend(values.iter().zip(returns).map(|(q, y)| scale * (q - y)));
        self.network
            .backward(&mut self.tape, errors, &mut self.gradients);
        self.adam
            .step(self.network.parameters_mut(), &self.gradients);
        polyak(
            self.target.parameters_mut(),
            self.network.parameters(),
            0.005,
        );
    }
}

fn critic_update(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("critic_update");
    for (hidden, batch) in [(256, 256), (64, 256), (64, 64)] {
        let random = &mut ChaCha8Rng::seed_from_u64(1);
        let mut draws = |count: usize| -> Vec<f32> {
            (0..count).map(|_| random.random_range(-1.0..1.0)).collect()
        };
        let (inputs, next) = (draws(batch * INPUTS), draws(batch * INPUTS));
        let rewards = draws(batch);
        let mut twins = [(); 2].map(|()| Critic::new(hidden, random));
        let (mut returns, mut errors) = (Vec::new(), Vec::new());
        let id = BenchmarkId::from_parameter(format!("{hidden}x{hidden}_batch_{batch}"));
        group.bench_function(id, |b| {
            b.iter(|| {
                let [first, second] = &mut twins;
                let worth = first.target.forward(&next, &mut first.target_tape);
                let other = second.target.forward(&next, &mut second.target_tape);
                let worth = worth.iter().zip(other).map(|(a, b)| a.min(*b));
                returns.clear();
                returns.extend(rewards.iter().zip(worth).map(|(r, worth)| r + 0.99 * worth));
                for critic in &mut twins {
                    critic.descend(&inputs, &returns, &mut errors);
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, critic_update);
criterion_main!(benches);
