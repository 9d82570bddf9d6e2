//! The transition kernel that a context implies: what would follow values that did not come.

use ndarray::{Array2, aview1};

use super::{ForecastError, Paths, Reading};
use crate::codec::{BIN_COUNT, Grid};
use crate::density::point_mass;

impl Reading {
    /// Probabilities `[values, 1000]` of the bins of digits of what follows the context and one more value, for each of some
    /// values of its only variable. None of them is learned from.
    ///
    /// # Errors
    /// [`ForecastError::OneVariable`] unless there is one variable, [`ForecastError::Window`] where no room is left for
    /// a value, and what the predictor reports.
    pub fn next_behind(&self, values: &[f64]) -> Result<Array2<f32>, ForecastError> {
        let variables = self.encoding.disentangler().variables();
        if variables != 1 || !self.units.is_empty() {
            return Err(ForecastError::OneVariable(variables + self.units.len()));
        }
        self.predictor.check(self.rows(), 2)?;
        let Some(continuation) = &self.continuation else {
            let point = point_mass();
            return Ok(Array2::from_shape_fn(
                (values.len(), BIN_COUNT),
                |(_, k)| point[k],
            ));
        };
        let paths = Paths {
            first: 0,
            count: values.len(),
            seed: 0,
        };
        let mut forked = continuation.fork(paths, 2)?;
        let mut points = Vec::with_capacity(values.len());
        for value in values {
            points.extend(self.active_points(aview1(&[*value])).0);
        }
        forked.advance(&points, &[])?;
        let next = forked.next_densities()?;
        let mut masses = Array2::zeros((values.len(), BIN_COUNT));
        for (i, mut row) in masses.rows_mut().into_iter().enumerate() {
            let mass = Grid::Digits.project(&next.mass(0, i), next.grids[[0, i]]);
            row.assign(&aview1(&mass));
        }
        Ok(masses)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use crate::baselines;
    use crate::density::BinnedDensity;
    use crate::forecast::{Forecaster, Role, Settings, Variables};

    /// A rule that says `x / 2`, learned from a context that does so.
    #[test]
    fn what_follows_a_value_depends_on_it() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut x: f64 = 1.0;
        let values = Array2::from_shape_fn((200, 1), |_| {
            x = x / 2.0 + random.random::<f64>() - 0.5;
            x
        });
        let variables = Variables::new(vec!["x".to_owned()], vec![Role::State], values);
        let ar = baselines::named("ar").unwrap();
        let reading = Forecaster::of(ar, Settings::default())
            .read(&variables)
            .unwrap();
        let laws = reading.next_behind(&[-1.0, 1.0]).unwrap();
        let axis = reading.encoding().axes()[0];
        let means: Vec<f64> = laws
            .outer_iter()
            .map(|law| {
                BinnedDensity::new(axis, law.as_slice().unwrap())
                    .unwrap()
                    .mean()
            })
            .collect();
        // Half of the difference of 2, or what is learned of that.
        assert!((means[1] - means[0] - 1.0).abs() < 0.3, "{means:?}");
        // The context stays as it was.
        assert_eq!(reading.next_behind(&[-1.0, 1.0]).unwrap(), laws);
    }
}
