//! Networks as named tensors, in PyTorch's naming and layout.

use serde::{Deserialize, Serialize};

use super::{Activation, Layer, Network, NetworkError};

/// A tensor of a checkpoint, in row-major order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedTensor {
    /// Name, such as `fc1.weight`.
    pub name: String,
    /// Extents, slowest first.
    pub shape: Vec<usize>,
    /// Values, in row-major order.
    pub values: Vec<f32>,
}

impl Network {
    /// Returns the parameters as tensors `NAME.weight` `[out, in]` and `NAME.bias` `[out]`, where
    /// layers take the names in turn; a layer beyond the names is named by its number from 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use rand::{SeedableRng, rngs::ChaCha8Rng};
    /// use statecast::network::{Activation, Network};
    ///
    /// let mut random = ChaCha8Rng::seed_from_u64(1);
    /// let network = Network::new(&[3, 64, 2], Activation::Relu, &mut random)?;
    /// let tensors = network.to_tensors(&["fc1", "mean"]);
    /// assert_eq!((tensors[2].name.as_str(), &tensors[2].shape[..]), ("mean.weight", &[2, 64][..]));
    /// let again = Network::from_tensors(&tensors, &["fc1", "mean"], Activation::Relu)?;
    /// assert_eq!(again, network);
    /// # Ok::<(), statecast::network::NetworkError>(())
    /// ```
    pub fn to_tensors(&self, names: &[&str]) -> Vec<NamedTensor> {
        let tensors = |(i, layer): (usize, Layer)| {
            let name = names
                .get(i)
                .map_or_else(|| i.to_string(), |&n| n.to_owned());
            let outputs = layer.bias.len();
            let weight = NamedTensor {
                name: format!("{name}.weight"),
                shape: vec![outputs, layer.weight.len() / outputs],
                values: layer.weight,
            };
            let bias = NamedTensor {
                name: format!("{name}.bias"),
                shape: vec![outputs],
                values: layer.bias,
            };
            [weight, bias]
        };
        self.layers()
            .into_iter()
            .enumerate()
            .flat_map(tensors)
            .collect()
    }

    /// Builds the network from the layers with these names, in their order; ignores other tensors.
    ///
    /// # Errors
    ///
    /// [`NetworkError`] if a tensor is missing or is not a weight or bias, or [`from_layers`](Self::from_layers) refuses the
    /// layers.
    pub fn from_tensors(
        tensors: &[NamedTensor],
        names: &[&str],
        activation: Activation,
    ) -> Result<Self, NetworkError> {
        let layer = |name: &&str| {
            let weight = find(tensors, name, "weight", 2)?;
            let bias = find(tensors, name, "bias", 1)?;
            if weight.shape[0] != bias.shape[0] {
                return Err(refusal(weight, "weight"));
            }
            Ok(Layer {
                weight: weight.values.clone(),
                bias: bias.values.clone(),
            })
        };
        let layers: Result<Vec<Layer>, NetworkError> = names.iter().map(layer).collect();
        Self::from_layers(&layers?, activation)
    }
}

fn find<'a>(
    tensors: &'a [NamedTensor],
    layer: &str,
    kind: &'static str,
    rank: usize,
) -> Result<&'a NamedTensor, NetworkError> {
    let name = format!("{layer}.{kind}");
    let Some(tensor) = tensors.iter().find(|tensor| tensor.name == name) else {
        return Err(NetworkError::Missing(name));
    };
    let mut extents = tensor.shape.iter();
    let count = extents.try_fold(1usize, |product, &extent| product.checked_mul(extent));
    match tensor.shape.len() == rank && count == Some(tensor.values.len()) {
        true => Ok(tensor),
        false => Err(refusal(tensor, kind)),
    }
}

fn refusal(tensor: &NamedTensor, expected: &'static str) -> NetworkError {
    NetworkError::Tensor {
        name: tensor.name.clone(),
        shape: tensor.shape.clone(),
        expected,
    }
}
