//! A quadratic model of all channels and the actions.

use nalgebra::DVector;

use super::fits::{Fits, Setting, lagged};
use super::regression::{Prior, Regression};
use super::{Expert, Next, Past, Student};

/// Prior precisions that are tried.
const RIDGES: [f64; 3] = [1e-3, 0.1, 10.0];

/// Most variables whose products are features: 300 products.
const MOST: usize = 24;

/// Rows after which products are chosen anew: this many, then always twice as many.
const FIRST_CHOICE: usize = 32;

/// Ridge of the linear model by which they are chosen.
const CHOICE_RIDGE: f64 = 0.1;

/// Units of positions in products: a context reaches a little beyond 1 in them.
const UNIT: f64 = 3.0;

/// Every channel on all channels of the last row, its actions, their products of two, and an
/// intercept.
///
/// Of more than 24 variables the products are those of 24: the first ones, and from row 32 on those
/// that count most in a linear model of all channels, by the size of their weights times their
/// standard deviation, summed over channels. They are chosen anew whenever the rows have doubled,
/// and the regressions are then fitted again to all rows. Sampled paths keep the choice of their
/// context.
#[derive(Debug, Clone)]
pub(super) struct Quadratic {
    channels: usize,
    actions: usize,
    fits: Fits,
    choice: Option<Choice>,
}

/// Which variables enter products, where there are too many.
#[derive(Debug, Clone)]
struct Choice {
    /// In ascending order.
    chosen: Vec<usize>,
    linear: Regression,
    sums: Vec<(f64, f64)>,
    rows: usize,
    /// False on sampled paths.
    open: bool,
}

impl Quadratic {
    pub(super) fn new(channels: usize, actions: usize) -> Self {
        let variables = channels + actions;
        let choice = (variables > MOST).then(|| Choice {
            chosen: (0..MOST).collect(),
            linear: Regression::new(Prior::of(CHOICE_RIDGE), variables + 1, channels),
            sums: vec![(0.0, 0.0); variables],
            rows: 0,
            open: true,
        });
        Self {
            channels,
            actions,
            fits: Self::fits(channels, actions),
            choice,
        }
    }

    fn fits(channels: usize, actions: usize) -> Fits {
        let variables = channels + actions;
        let factors = variables.min(MOST);
        let setting = |ridge| Setting {
            lags: 1,
            ridge,
            features: variables + factors * (factors + 1) / 2 + 1,
            last: 0,
        };
        Fits::new(&RIDGES.map(setting), channels)
    }

    fn features(&self, next: &Next) -> DVector<f64> {
        let mut all: Vec<f64> = lagged(next, 1).collect();
        let unit = |v: usize| if v < self.channels { UNIT } else { 1.0 };
        let scaled: Vec<f64> = (0..all.len()).map(|v| all[v] / unit(v)).collect();
        let factors: Vec<f64> = match &self.choice {
            Some(choice) => choice.chosen.iter().map(|&v| scaled[v]).collect(),
            None => scaled,
        };
        for (i, a) in factors.iter().enumerate() {
            all.extend(factors[i..].iter().map(|b| a * b));
        }
        all.push(1.0);
        DVector::from_vec(all)
    }

    /// Chooses the variables of products anew, if it is time to.
    fn choose(&mut self, past: &Past) {
        let Some(choice) = &mut self.choice else {
            return;
        };
        let rows = past.len();
        if !choice.open || rows < FIRST_CHOICE || !rows.is_power_of_two() {
            return;
        }
        let chosen = choice.best();
        if chosen == choice.chosen {
            return;
        }
        choice.chosen = chosen;
        self.fits = Self::fits(self.channels, self.actions);
        for t in (0..rows).filter(|&t| past.age(t) > 0) {
            let features = self.features(&Next::replayed(past, t));
            self.fits
                .predict(&Next::replayed(past, t), |_| features.clone());
            self.fits.learn(past.values(t));
        }
    }
}

impl Choice {
    fn learn(&mut self, variables: &[f64], row: &[f64]) {
        let mut features = variables.to_vec();
        features.push(1.0);
        self.linear.learn(&DVector::from_vec(features), row);
        for (sums, x) in self.sums.iter_mut().zip(variables) {
            *sums = (sums.0 + x, sums.1 + x * x);
        }
        self.rows += 1;
    }

    fn best(&self) -> Vec<usize> {
        let rows = self.rows.max(1) as f64;
        let size = |v: usize| {
            let (mean, square) = (self.sums[v].0 / rows, self.sums[v].1 / rows);
            let weights = self.linear.targets().iter().map(|t| t.weights[v].abs());
            weights.sum::<f64>() * (square - mean * mean).max(0.0).sqrt()
        };
        let sizes: Vec<f64> = (0..self.sums.len()).map(size).collect();
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        order.sort_by(|&a, &b| sizes[b].total_cmp(&sizes[a]));
        order.truncate(MOST);
        order.sort_unstable();
        order
    }
}

impl Expert for Quadratic {
    fn predict(&mut self, next: &Next) -> Vec<Option<Student>> {
        self.choose(next.past);
        if next.age == 0 {
            return self.fits.predict(next, |_| DVector::zeros(0));
        }
        let features = self.features(next);
        self.fits.predict(next, |_| features.clone())
    }

    fn learn(&mut self, next: &Next, row: &[f64]) {
        if next.age == 0 {
            return;
        }
        if let Some(choice) = self.choice.as_mut().filter(|c| c.open) {
            let variables: Vec<f64> = lagged(next, 1).collect();
            choice.learn(&variables, row);
        }
        self.fits.learn(row);
    }

    fn fork(&self) -> Box<dyn Expert> {
        let mut forked = self.clone();
        if let Some(choice) = &mut forked.choice {
            choice.open = false;
        }
        Box::new(forked)
    }

    fn bytes(&self) -> usize {
        let choice = self.choice.as_ref().map_or(0, |c| c.linear.bytes());
        self.fits.bytes() + choice
    }
}
