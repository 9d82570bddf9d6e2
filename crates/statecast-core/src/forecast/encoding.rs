//! Variables to bins and back, fitted on a context.

use ndarray::{Array2, ArrayView1, ArrayView2};

use super::ForecastError;
use crate::codec::{Axis, Bin, Cell, Scale, resolution};
use crate::disentangle::Disentangler;

/// The way from variables over channels to bins, with every constant taken from the context alone.
#[derive(Debug, Clone)]
pub struct Encoding {
    disentangler: Disentangler,
    axes: Vec<Axis>,
    resolutions: Vec<f64>,
    names: Vec<String>,
}

impl Encoding {
    /// Fits one axis a channel on the context `[rows, variables]`.
    ///
    /// # Errors
    /// [`ForecastError::Channel`] if a channel's range is not representable.
    pub fn fit(
        disentangler: Disentangler,
        variables: &[String],
        scale: Scale,
        context: ArrayView2<f64>,
    ) -> Result<Self, ForecastError> {
        let names: Vec<String> = if disentangler.is_identity() {
            variables.to_vec()
        } else {
            (1..=disentangler.channels())
                .map(|i| format!("pc{i}"))
                .collect()
        };
        let channels = disentangler.to_channels(context);
        let axes: Vec<Axis> = channels
            .columns()
            .into_iter()
            .zip(&names)
            .map(|(column, name)| {
                Axis::fit(scale, column.iter().copied()).map_err(|source| ForecastError::Channel {
                    channel: name.clone(),
                    source,
                })
            })
            .collect::<Result<_, _>>()?;
        let resolutions = channels
            .columns()
            .into_iter()
            .zip(&axes)
            .map(|(column, axis)| {
                let positions: Vec<f64> = column.iter().map(|&x| axis.position(x)).collect();
                resolution(&positions)
            });
        Ok(Self {
            resolutions: resolutions.collect(),
            disentangler,
            axes,
            names,
        })
    }

    /// The map between variables and channels.
    pub fn disentangler(&self) -> &Disentangler {
        &self.disentangler
    }

    /// One axis a channel.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// Steps in which the context's channels were read, in axis units; zero for those that are read
    /// as finely as the bins are, or more so.
    pub fn resolutions(&self) -> &[f64] {
        &self.resolutions
    }

    /// What every value of variables `[rows, variables]` stands for on its channel's axis,
    /// `[rows, channels]`.
    pub fn cells(&self, variables: ArrayView2<f64>) -> Array2<Cell> {
        let channels = self.disentangler.to_channels(variables);
        Array2::from_shape_fn(channels.dim(), |(t, c)| {
            let position = self.axes[c].position(channels[[t, c]]);
            Cell::of(position, self.resolutions[c])
        })
    }

    /// One name a channel: the variable's, or `pc1`, `pc2`, ... for principal components.
    pub fn channel_names(&self) -> &[String] {
        &self.names
    }

    /// Bins `[rows, channels]` of variables `[rows, variables]`, and how many values lay outside
    /// their axis.
    pub fn bins(&self, variables: ArrayView2<f64>) -> (Array2<Bin>, usize) {
        let channels = self.disentangler.to_channels(variables);
        let mut clipped = 0;
        let bins = Array2::from_shape_fn(channels.dim(), |(t, c)| {
            let quantised = self.axes[c].quantise(channels[[t, c]]);
            clipped += usize::from(quantised.clipped);
            quantised.bin
        });
        (bins, clipped)
    }

    /// Variables of one row of channels.
    pub fn variables(&self, channels: ArrayView1<f64>) -> ndarray::Array1<f64> {
        self.disentangler.mixing().dot(&channels) + self.disentangler.offset()
    }
}
