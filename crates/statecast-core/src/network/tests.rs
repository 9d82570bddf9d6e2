use proptest::prelude::*;
use rand::SeedableRng;

use super::*;

/// A reference in double precision: the sum of `factors` `[rows, outputs]` times the outputs.
fn loss(network: &Network, parameters: &[f64], input: &[f64], factors: &[f32]) -> f64 {
    let rows = input.chunks(network.inputs()).map(|row| {
        let mut x = row.to_vec();
        for (i, layer) in network.layers.iter().enumerate() {
            let weight = parameters[layer.weight.clone()].chunks(layer.inputs);
            let outputs = weight.zip(&parameters[layer.bias.clone()]).map(|(w, b)| {
                let sum = b + w.iter().zip(&x).map(|(w, x)| w * x).sum::<f64>();
                match network.activation {
                    _ if i + 1 == network.layers.len() => sum,
                    Activation::Relu => sum.max(0.0),
                    Activation::Silu => sum / (1.0 + (-sum).exp()),
                    Activation::Tanh => sum.tanh(),
                    Activation::Identity => sum,
                }
            });
            x = outputs.collect();
        }
        x
    });
    rows.flatten()
        .zip(factors)
        .map(|(y, &f)| y * f64::from(f))
        .sum()
}

/// Central differences of a function of many variables.
fn differences(at: &[f64], function: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    const STEP: f64 = 1e-6;
    let mut x = at.to_vec();
    let mut slope = |i: usize| {
        x[i] = at[i] + STEP;
        let above = function(&x);
        x[i] = at[i] - STEP;
        let below = function(&x);
        x[i] = at[i];
        (above - below) / (2.0 * STEP)
    };
    (0..at.len()).map(&mut slope).collect()
}

fn assert_close(found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (i, (&found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs();
        assert!(
            error < 2e-5 * (1.0 + expected.abs()),
            "{i}: {found}, not {expected}"
        );
    }
}

fn draws(count: usize, random: &mut ChaCha8Rng) -> Vec<f32> {
    (0..count).map(|_| random.random_range(-2.0..2.0)).collect()
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn gradients_match_finite_differences(
        sizes in prop::collection::vec(1..9usize, 2..5), rows in 1..6usize, seed: u64,
        activation in prop::sample::select(&[
            Activation::Relu, Activation::Silu, Activation::Tanh, Activation::Identity,
        ][..]),
    ) {
        let random = &mut ChaCha8Rng::seed_from_u64(seed);
        let network = Network::new(&sizes, activation, random).expect("positive widths");
        let input = draws(rows * network.inputs(), random);
        let factors = draws(rows * network.outputs(), random);
        let (parameters, wide) = (widen(network.parameters()), widen(&input));
        let of_parameters = differences(&parameters, |p| loss(&network, p, &wide, &factors));
        let of_input = differences(&wide, |x| loss(&network, &parameters, x, &factors));

        let mut tape = Tape::default();
        // Contents from other batches and networks are overwritten.
        let other = Network::new(&[3, 70, 70, 70, 2], activation, random).expect("positive widths");
        other.forward(&draws(30, random), &mut tape);
        let mut gradients = vec![f32::NAN; parameters.len()];
        let output: f64 = network.forward(&input, &mut tape).iter().zip(&factors)
            .map(|(&y, &f)| f64::from(y) * f64::from(f)).sum();
        assert_close(&[output as f32], &[loss(&network, &parameters, &wide, &factors)]);
        network.backward(&mut tape, &factors, &mut gradients);
        assert_close(&gradients, &of_parameters);
        assert_close(network.backward_input(&mut tape, &factors), &of_input);
        let mut again = vec![f32::NAN; parameters.len()];
        assert_close(network.backward_both(&mut tape, &factors, &mut again), &of_input);
        prop_assert_eq!(again, gradients);
    }
}

#[test]
fn initial_parameters_are_within_their_bounds_and_seeded() {
    let network = |seed| {
        let random = &mut ChaCha8Rng::seed_from_u64(seed);
        Network::new(&[4, 100, 1], Activation::Relu, random).expect("positive widths")
    };
    let layers = network(5).layers();
    let largest = |layer: &Layer| {
        let all = layer.weight.iter().chain(&layer.bias);
        all.fold(0f32, |largest, x| largest.max(x.abs()))
    };
    assert!((0.45..=0.5).contains(&largest(&layers[0])));
    assert!((0.09..=0.1).contains(&largest(&layers[1])));
    assert_eq!(network(5), network(5));
    assert_ne!(network(5), network(6));
}

#[test]
fn inconsistent_layers_are_errors() {
    let layer = |weights: usize, outputs: usize| Layer {
        weight: vec![0.5; weights],
        bias: vec![0.0; outputs],
    };
    let build = |layers: &[Layer]| Network::from_layers(layers, Activation::Relu);
    let network = build(&[layer(6, 2), layer(2, 1)]).expect("3 - 2 - 1");
    assert_eq!((network.inputs(), network.outputs()), (3, 1));
    assert_eq!(network.layers(), [layer(6, 2), layer(2, 1)]);

    assert!(matches!(build(&[]), Err(NetworkError::Sizes(_))));
    assert!(matches!(build(&[layer(3, 0)]), Err(NetworkError::Sizes(_))));
    assert!(matches!(build(&[layer(0, 3)]), Err(NetworkError::Sizes(_))));
    let odd = build(&[layer(7, 2)]);
    assert!(matches!(odd, Err(NetworkError::Weight { layer: 0, .. })));
    let narrow = build(&[layer(6, 2), layer(3, 1)]);
    assert!(matches!(narrow, Err(NetworkError::Weight { layer: 1, .. })));
    let mut broken = layer(6, 2);
    broken.bias[1] = f32::NAN;
    assert_eq!(build(&[broken]), Err(NetworkError::NotFinite { layer: 0 }));
}

#[test]
fn invalid_tensors_are_errors() {
    let random = &mut ChaCha8Rng::seed_from_u64(1);
    let network = Network::new(&[2, 3, 1], Activation::Silu, random).expect("positive widths");
    let tensors = network.to_tensors(&["a"]);
    let names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["a.weight", "a.bias", "1.weight", "1.bias"]);
    let read =
        |tensors: &[NamedTensor]| Network::from_tensors(tensors, &["a", "1"], Activation::Silu);
    assert_eq!(read(&tensors), Ok(network));
    let missing = read(&tensors[..3]);
    assert_eq!(missing, Err(NetworkError::Missing("1.bias".to_owned())));
    // Transposed, of another rank, of a shape whose size overflows.
    for shape in [vec![2, 3], vec![6], vec![usize::MAX, 2]] {
        let mut tensors = tensors.clone();
        tensors[0].shape = shape;
        assert!(matches!(read(&tensors), Err(NetworkError::Tensor { .. })));
    }
}

#[test]
fn an_empty_batch_has_no_output_and_no_gradient() {
    let random = &mut ChaCha8Rng::seed_from_u64(1);
    let network = Network::new(&[2, 8, 5], Activation::Relu, random).expect("positive widths");
    let (mut tape, mut gradients) = (Tape::default(), vec![f32::NAN; network.parameters().len()]);
    assert!(network.forward(&[], &mut tape).is_empty());
    assert!(
        network
            .backward_both(&mut tape, &[], &mut gradients)
            .is_empty()
    );
    assert!(gradients.iter().all(|&g| g == 0.0));
}
