//! Policy files for [`read`](super::read).

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::gaussian::LogStdBounds;
use super::{PolicyError, TanhGaussian};
use crate::output::write_atomically;

impl TanhGaussian {
    /// Writes the policy as a safetensors file (docs/policies.md).
    ///
    /// # Errors
    /// [`PolicyError::File`] if it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), PolicyError> {
        let failed = |error: &dyn std::fmt::Display| PolicyError::File {
            file: path.display().to_string(),
            reason: error.to_string(),
        };
        let bytes = self.to_safetensors().map_err(|e| failed(&e))?;
        write_atomically(path, |file| file.write_all(&bytes)).map_err(|e| failed(&e))
    }

    fn to_safetensors(&self) -> Result<Vec<u8>, safetensors::SafeTensorError> {
        let mut layers = self.network.layers();
        let actions = self.scale.len();
        let mut tensors: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
        let last = layers.pop().into_iter().flat_map(|layer| {
            // Both heads are rows of the last layer.
            let inputs = layer.weight.len() / layer.bias.len();
            let heads = layer
                .bias
                .chunks(actions)
                .zip(layer.weight.chunks(actions * inputs));
            let heads = heads.map(|(bias, weight)| (weight.to_vec(), bias.to_vec()));
            let named = ["fc_mean".to_owned(), "fc_logstd".to_owned()]
                .into_iter()
                .zip(heads);
            named.collect::<Vec<_>>()
        });
        let hidden = layers.into_iter().enumerate();
        let hidden = hidden.map(|(i, layer)| (format!("fc{}", i + 1), (layer.weight, layer.bias)));
        for (name, (weight, bias)) in hidden.chain(last) {
            let shape = vec![bias.len(), weight.len() / bias.len()];
            tensors.push((format!("{name}.weight"), shape, weight));
            tensors.push((format!("{name}.bias"), vec![bias.len()], bias));
        }
        for (name, values) in [("action_scale", &self.scale), ("action_bias", &self.bias)] {
            let values = values.iter().map(|&x| x as f32).collect();
            tensors.push((name.to_owned(), vec![actions], values));
        }
        let bytes: Vec<Vec<u8>> = tensors
            .iter()
            .map(|(_, _, values)| values.iter().flat_map(|x| x.to_le_bytes()).collect())
            .collect();
        let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
            view.map(|view| (name.as_str(), view))
        });
        let views = views.collect::<Result<Vec<_>, _>>()?;
        let bounds = self.spread.map(|bounds| match bounds {
            LogStdBounds::Squashed(low, high) => format!("tanh({low},{high})"),
            LogStdBounds::Clipped(low, high) => format!("clamp({low},{high})"),
        });
        let metadata = bounds.map(|bounds| HashMap::from([("logstd".to_owned(), bounds)]));
        safetensors::serialize(views, metadata)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::super::{Policy, PolicySource, Widths, read};
    use super::*;
    use crate::network::{Activation, Network};

    #[test]
    fn a_written_policy_reads_back_equal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pi.safetensors");
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let network = Network::new(&[3, 5, 4, 4], Activation::Relu, &mut random).unwrap();
        let (scale, bias) = (array![2.0, 0.5], array![0.0, 0.5]);
        let mut written = TanhGaussian::squashed(network, (-4.0, 1.0), scale, bias);
        written.write(&path).unwrap();
        let source: PolicySource = path.to_str().unwrap().parse().unwrap();
        let widths = Widths {
            observations: 3,
            actions: 2,
        };
        let mut again = read(&source, widths, None).unwrap();
        let seen = array![[0.3, -1.0, 0.2], [1.0, 0.0, -0.5]];
        let act = |policy: &mut dyn Policy| {
            let mut random = [1, 2].map(ChaCha8Rng::seed_from_u64);
            policy.act(seen.view(), &mut random).unwrap()
        };
        assert_eq!(act(&mut written), act(&mut *again));
        written.mean().write(&path).unwrap();
        let mean = read(&source, widths, None);
        assert!(mean.is_ok(), "{:?}", mean.err());
    }
}
