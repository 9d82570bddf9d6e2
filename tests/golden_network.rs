//! Perceptrons against PyTorch's; tests/golden/make_network.py makes the numbers.

use serde::Deserialize;
use statecast::network::{Activation, Adam, AdamSettings, Layer, Network, Tape, clip_norm};

#[derive(Deserialize)]
struct Case {
    activation: Activation,
    learning_rate: f64,
    weight_decay: f64,
    clip: Option<f32>,
    parameters: Vec<f32>,
    inputs: Vec<f32>,
    targets: Vec<f32>,
    output: Vec<f32>,
    input_gradient: Vec<f32>,
    gradients: Vec<f32>,
    steps: Vec<Vec<f32>>,
}

fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(error < 1e-6, "{what} {i}: {found}, PyTorch {expected}");
    }
}

/// The flat parameters of a 3-5-2 network as layers.
fn layers(parameters: &[f32]) -> [Layer; 2] {
    let layer = |weight: &[f32], bias: &[f32]| Layer {
        weight: weight.to_vec(),
        bias: bias.to_vec(),
    };
    let (first, second) = parameters.split_at(20);
    [
        layer(&first[..15], &first[15..]),
        layer(&second[..10], &second[10..]),
    ]
}

#[test]
fn passes_and_steps_are_those_of_pytorch() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("golden/network.json"))
        .expect("the script writes these fields");
    for case in &cases {
        let built = Network::from_layers(&layers(&case.parameters), case.activation);
        let mut network = built.expect("finite layers that fit");
        assert_eq!(network.parameters(), case.parameters);
        let settings = AdamSettings {
            weight_decay: case.weight_decay,
            ..AdamSettings::with_rate(case.learning_rate)
        };
        let mut adam = Adam::new(case.parameters.len(), settings);
        let (mut tape, mut gradients) = (Tape::default(), vec![0.0; case.parameters.len()]);
        for (step, expected) in case.steps.iter().enumerate() {
            let output = network.forward(&case.inputs, &mut tape);
            let errors = output.iter().zip(&case.targets);
            let scale = 2.0 / case.targets.len() as f32;
            let slopes: Vec<f32> = errors.map(|(y, target)| scale * (y - target)).collect();
            if step == 0 {
                assert_close(output, &case.output, "output");
            }
            let by_input = network.backward_both(&mut tape, &slopes, &mut gradients);
            if step == 0 {
                assert_close(by_input, &case.input_gradient, "gradient by the input");
                assert_close(&gradients, &case.gradients, "gradient by the parameters");
            }
            if let Some(limit) = case.clip {
                clip_norm(&mut gradients, limit);
            }
            adam.step(network.parameters_mut(), &gradients);
            let what = format!("{:?}, parameters after step {step}:", case.activation);
            assert_close(network.parameters(), expected, &what);
        }
    }
}
