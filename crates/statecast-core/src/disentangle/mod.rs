//! From correlated variables to channels that a model can read one by one, and back.
//!
//! A [`Disentangler`] is affine: `x = A z + b` from channels `z` to variables `x`. It is fitted on
//! the context and on nothing else. Means and covariances map exactly; quantiles of variables must
//! come from joint samples of the channels, for the ends of an interval do not survive a rotation.

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

/// Share of the total variance below which a component is rounding noise.
const NEGLIGIBLE: f64 = 1e-12;

/// Entries of an eigenvector within this factor of the largest are as large as it: two variables
/// always give entries of equal size, and rounding must not choose between them.
const TIED: f64 = 1.0 - 1e-6;

/// How many principal components are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Components {
    /// All that carry any variance.
    All,
    /// So many, at most.
    Count(usize),
    /// As few as carry this share of the standardised variance, above 0 and at most 1.
    Share(f64),
}

/// Why a disentangler cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DisentangleError {
    /// A number of components below one, or a share outside `(0, 1]`.
    #[error("components '{0}': use a count such as 3 or a share of the variance such as 0.95")]
    Components(String),
    /// More components than variables.
    #[error(
        "`components={asked}`: there are {variables} variables, and no more components than these"
    )]
    TooMany {
        /// Components asked for.
        asked: usize,
        /// Variables.
        variables: usize,
    },
    /// The variables' spread is not representable.
    #[error("variable {0} (counted from 0) varies more than a 64-bit float can hold: rescale it")]
    Overflow(usize),
}

impl std::str::FromStr for Components {
    type Err = DisentangleError;

    /// Reads `all`, a count (`3`) or a share (`0.95`; a number with a point).
    fn from_str(text: &str) -> Result<Self, DisentangleError> {
        let fail = || DisentangleError::Components(text.to_owned());
        if text == "all" {
            return Ok(Self::All);
        }
        if let Ok(count) = text.parse::<usize>() {
            return (count > 0).then_some(Self::Count(count)).ok_or_else(fail);
        }
        let share: f64 = text.parse().map_err(|_| fail())?;
        if share > 0.0 && share <= 1.0 {
            Ok(Self::Share(share))
        } else {
            Err(fail())
        }
    }
}

impl std::fmt::Display for Components {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Share(share) => write!(f, "{share:?}"),
        }
    }
}

/// An affine map between variables `x` and channels `z`: `x = A z + b`, `z = F (x - b)`.
#[derive(Debug, Clone)]
pub struct Disentangler {
    /// `A`, `[variables, channels]`.
    mixing: Array2<f64>,
    /// `F`, `[channels, variables]`.
    unmixing: Array2<f64>,
    /// `b`, one a variable.
    offset: Array1<f64>,
    /// What the kept channels leave of the context, `[rows, variables]`; `None` if nothing.
    residuals: Option<Array2<f64>>,
    /// Share of the standardised variance that the channels carry.
    share: f64,
}

impl Disentangler {
    /// Every variable is a channel.
    pub fn identity(variables: usize) -> Self {
        Self {
            mixing: Array2::eye(variables),
            unmixing: Array2::eye(variables),
            offset: Array1::zeros(variables),
            residuals: None,
            share: 1.0,
        }
    }

    /// Principal components of the standardised context `[rows, variables]`, at least one row.
    ///
    /// Variables are centred and divided by their population standard deviation (a constant one by
    /// 1). Components are those of the correlation matrix, largest variance first.
    ///
    /// # Errors
    /// [`DisentangleError::TooMany`] if more components are asked for than there are variables,
    /// [`DisentangleError::Overflow`] if a variable's variance is not finite.
    ///
    /// ```
    /// use ndarray::array;
    /// use statecast::disentangle::{Components, Disentangler};
    ///
    /// let context = array![[0.0, 1.0], [1.0, 3.0], [2.0, 5.0]];
    /// let pca = Disentangler::principal(context.view(), Components::All)?;
    /// assert_eq!(pca.channels(), 1);
    /// let z = pca.to_channels(context.view());
    /// let back = pca.to_variables(z.view());
    /// assert!((&back - &context).iter().all(|d| d.abs() < 1e-12));
    /// # Ok::<(), statecast::disentangle::DisentangleError>(())
    /// ```
    pub fn principal(
        context: ArrayView2<f64>,
        components: Components,
    ) -> Result<Self, DisentangleError> {
        let (rows, variables) = context.dim();
        if let Components::Count(asked) = components
            && asked > variables
        {
            return Err(DisentangleError::TooMany { asked, variables });
        }
        let offset = context
            .mean_axis(Axis(0))
            .unwrap_or_else(|| Array1::zeros(variables));
        let centred = &context - &offset;
        let deviation: Array1<f64> = centred
            .columns()
            .into_iter()
            .map(|column| (column.dot(&column) / rows as f64).sqrt())
            .collect();
        if let Some(bad) = deviation.iter().position(|s| !s.is_finite()) {
            return Err(DisentangleError::Overflow(bad));
        }
        let deviation = deviation.mapv(|s| if s > 0.0 { s } else { 1.0 });
        let standard = &centred / &deviation;
        let correlation = standard.t().dot(&standard) / rows as f64;
        let (values, vectors) = eigen(&correlation);
        let kept = components.kept(&values);
        let vectors = vectors.slice(ndarray::s![.., ..kept]).to_owned();
        let mixing = &vectors * &deviation.view().insert_axis(Axis(1));
        let unmixing = &vectors.t() / &deviation.view().insert_axis(Axis(0));
        let total: f64 = values.iter().sum();
        let mut pca = Self {
            mixing,
            unmixing,
            offset,
            residuals: None,
            share: if total > 0.0 {
                values[..kept].iter().sum::<f64>() / total
            } else {
                1.0
            },
        };
        if kept < Components::All.kept(&values) {
            let z = pca.to_channels(context);
            pca.residuals = Some(&context - &pca.to_variables(z.view()));
        }
        Ok(pca)
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.mixing.ncols()
    }

    /// Number of variables.
    pub fn variables(&self) -> usize {
        self.mixing.nrows()
    }

    /// Share of the context's standardised variance that the channels carry, 0 to 1.
    pub fn explained(&self) -> f64 {
        self.share
    }

    /// True if every variable is its own channel.
    pub fn is_identity(&self) -> bool {
        self.mixing == Array2::<f64>::eye(self.variables())
    }

    /// `A`, `[variables, channels]`.
    pub fn mixing(&self) -> ArrayView2<'_, f64> {
        self.mixing.view()
    }

    /// `F`, `[channels, variables]`.
    pub fn unmixing(&self) -> ArrayView2<'_, f64> {
        self.unmixing.view()
    }

    /// `b`, one a variable.
    pub fn offset(&self) -> ArrayView1<'_, f64> {
        self.offset.view()
    }

    /// What the channels leave of the context, `[rows, variables]`: as likely a deviation of any
    /// other row as theirs. `None` if the channels carry everything.
    pub fn residuals(&self) -> Option<ArrayView2<'_, f64>> {
        self.residuals.as_ref().map(|r| r.view())
    }

    /// Channels `[rows, channels]` of variables `[rows, variables]`.
    pub fn to_channels(&self, variables: ArrayView2<f64>) -> Array2<f64> {
        (&variables - &self.offset).dot(&self.unmixing.t())
    }

    /// Variables `[rows, variables]` of channels `[rows, channels]`.
    pub fn to_variables(&self, channels: ArrayView2<f64>) -> Array2<f64> {
        channels.dot(&self.mixing.t()) + &self.offset
    }

    /// Covariance of the variables, `A Σ Aᵀ` plus that of the residuals, for independent channels
    /// of the given variances.
    pub fn covariance(&self, variances: ArrayView1<f64>) -> Array2<f64> {
        let scaled = &self.mixing * &variances;
        let mut covariance = scaled.dot(&self.mixing.t());
        if let Some(residuals) = &self.residuals {
            covariance += &(residuals.t().dot(residuals) / residuals.nrows() as f64);
        }
        covariance
    }
}

impl Components {
    /// How many of the eigenvalues, largest first, are kept; at least one unless all vanish.
    fn kept(self, values: &[f64]) -> usize {
        let total: f64 = values.iter().sum();
        let real = values
            .iter()
            .take_while(|&&v| v > NEGLIGIBLE * total)
            .count();
        match self {
            Self::All => real,
            Self::Count(count) => count.min(real),
            Self::Share(share) => {
                let mut carried = 0.0;
                let enough = values.iter().position(|v| {
                    carried += v;
                    carried >= share * total * (1.0 - NEGLIGIBLE)
                });
                enough.map_or(real, |last| (last + 1).min(real))
            }
        }
    }
}

/// Eigenvalues of a symmetric matrix, largest first, and the eigenvectors in columns, each with the
/// first of its largest entries positive so that equal data give equal channels.
fn eigen(matrix: &Array2<f64>) -> (Vec<f64>, Array2<f64>) {
    let n = matrix.nrows();
    let eigen = SymmetricEigen::new(DMatrix::from_fn(n, n, |i, j| matrix[[i, j]]));
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| eigen.eigenvalues[j].total_cmp(&eigen.eigenvalues[i]));
    let values = order
        .iter()
        .map(|&i| eigen.eigenvalues[i].max(0.0))
        .collect();
    let mut vectors = Array2::from_shape_fn((n, n), |(i, j)| eigen.eigenvectors[(i, order[j])]);
    for mut column in vectors.columns_mut() {
        let largest = column.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        let leading = column.iter().find(|v| v.abs() >= TIED * largest);
        if leading.is_some_and(|&v| v < 0.0) {
            column.mapv_inplace(|v| -v);
        }
    }
    (values, vectors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    fn context() -> impl Strategy<Value = Array2<f64>> {
        (2usize..30, 1usize..6).prop_flat_map(|(rows, variables)| {
            prop::collection::vec(-1e3..1e3f64, rows * variables)
                .prop_map(move |values| Array2::from_shape_vec((rows, variables), values).unwrap())
        })
    }

    #[test]
    fn components_parse() {
        assert_eq!("3".parse(), Ok(Components::Count(3)));
        assert_eq!("0.95".parse(), Ok(Components::Share(0.95)));
        assert_eq!("all".parse(), Ok(Components::All));
        assert_eq!("1.0".parse(), Ok(Components::Share(1.0)));
        for bad in ["0", "-1", "1.5", "0.0", "nan", "x", ""] {
            assert!(bad.parse::<Components>().is_err(), "{bad}");
        }
    }

    /// Rounding noise of a dependent variable must not become a channel that spans its whole axis.
    #[test]
    fn dependent_and_constant_variables_add_no_channel() {
        let context = Array2::from_shape_fn((50, 4), |(t, v)| match v {
            0 => (t as f64 * 0.37).sin(),
            1 => 0.1 + 3.0 * (t as f64 * 0.37).sin(),
            2 => 5.0,
            _ => (t as f64 * 0.11).cos(),
        });
        let pca = Disentangler::principal(context.view(), Components::All).unwrap();
        assert_eq!(pca.channels(), 2);
        let back = pca.to_variables(pca.to_channels(context.view()).view());
        assert!((&back - &context).iter().all(|d| d.abs() < 1e-9));
    }

    /// Entries of the eigenvectors of two variables are equal in size.
    #[test]
    fn signs_of_components_do_not_depend_on_rounding() {
        for noise in [0.0, 1e-15, -1e-15, 3e-15] {
            let context = Array2::from_shape_fn((60, 2), |(t, v)| {
                let (fast, slow) = ((0.7 * t as f64).sin(), (0.23 * t as f64).cos());
                (slow + if v == 0 { fast } else { -fast }) * (1.0 + noise * v as f64)
            });
            let pca = Disentangler::principal(context.view(), Components::All).unwrap();
            assert!(pca.mixing().row(0).iter().all(|&v| v > 0.0), "{noise}");
        }
    }

    #[test]
    fn constant_context_has_no_channels_and_comes_back() {
        let context = array![[1.0, -2.0], [1.0, -2.0]];
        let pca = Disentangler::principal(context.view(), Components::All).unwrap();
        assert_eq!(pca.channels(), 0);
        assert_eq!(pca.to_variables(Array2::zeros((2, 0)).view()), context);
    }

    proptest! {
        #[test]
        fn all_components_invert(context in context()) {
            let pca = Disentangler::principal(context.view(), Components::All).unwrap();
            let back = pca.to_variables(pca.to_channels(context.view()).view());
            prop_assert!((&back - &context).iter().all(|d| d.abs() < 1e-7));
        }

        #[test]
        fn channels_are_uncorrelated_and_their_variances_give_back_the_covariance(
            context in context(), count in 1usize..6,
        ) {
            let components = Components::Count(count.min(context.ncols()));
            let pca = Disentangler::principal(context.view(), components).unwrap();
            let z = pca.to_channels(context.view());
            let rows = context.nrows() as f64;
            let covariance = z.t().dot(&z) / rows;
            for ((i, j), &c) in covariance.indexed_iter() {
                prop_assert!(i == j || c.abs() < 1e-9);
            }
            let centred = &context - &context.mean_axis(Axis(0)).unwrap();
            let expected = centred.t().dot(&centred) / rows;
            let ours = pca.covariance(covariance.diag());
            let scale = 1.0 + expected.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
            prop_assert!((&ours - &expected).iter().all(|d| d.abs() < 1e-9 * scale));
        }
    }
}
