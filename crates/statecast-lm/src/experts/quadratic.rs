//! A quadratic model of all channels and the actions.

use rand::rngs::ChaCha8Rng;

use super::channels::Channels;
use super::fits::{Fits, Setting, lagged};
use super::regression::{Prior, Regression};
use super::{Expert, Next, Past, Student};

/// Candidate prior precisions.
const RIDGES: [f64; 3] = [1e-3, 0.1, 10.0];

/// Largest number of variables in products: 300 products.
const MAX_VARIABLES: usize = 24;

/// Rows before the first selection of products; it is repeated whenever rows have doubled.
const FIRST_CHOICE: usize = 32;

/// Ridge of the linear model of the selection.
const CHOICE_RIDGE: f64 = 0.1;

/// Unit of positions in products, in which contexts extend slightly beyond 1.
const UNIT: f64 = 3.0;

/// Regresses every channel on all channels of the last row, its actions, their pairwise products
/// and an intercept.
///
/// With more than 24 variables, products use 24 of them: the first ones, and from row 32 on those
/// with the largest weights times standard deviation in a linear model, summed over channels. The
/// selection is repeated whenever the rows have doubled, and the regressions are then refitted to
/// all rows. Sampled paths keep the selection of their context.
#[derive(Debug, Clone)]
pub(super) struct Quadratic {
    channels: Channels,
    actions: usize,
    fits: Fits,
    choice: Option<Choice>,
}

/// Selection of the variables in products.
#[derive(Debug, Clone)]
struct Choice {
    /// In ascending order.
    chosen: Vec<usize>,
    /// `None` on sampled paths.
    ranking: Option<Ranking>,
}

/// Statistics of the selection.
#[derive(Debug, Clone)]
struct Ranking {
    linear: Regression,
    /// Of values, and of their squares.
    sums: Vec<(f64, f64)>,
    rows: usize,
}

impl Quadratic {
    pub(super) fn new(channels: Channels, actions: usize) -> Self {
        let variables = channels.indices().len() + actions;
        let choice = (variables > MAX_VARIABLES).then(|| Choice {
            chosen: (0..MAX_VARIABLES).collect(),
            ranking: Some(Ranking {
                linear: Regression::new(Prior::of(CHOICE_RIDGE), variables + 1, channels.count()),
                sums: vec![(0.0, 0.0); variables],
                rows: 0,
            }),
        });
        Self {
            fits: Self::fits(&channels, actions),
            channels,
            actions,
            choice,
        }
    }

    fn fits(channels: &Channels, actions: usize) -> Fits {
        let variables = channels.indices().len() + actions;
        let factors = variables.min(MAX_VARIABLES);
        let setting = |ridge| Setting {
            lags: 1,
            ridge,
            features: variables + factors * (factors + 1) / 2 + 1,
            last: 0,
        };
        Fits::new(&RIDGES.map(setting), channels)
    }

    fn features(inputs: usize, choice: Option<&Choice>, next: &Next) -> Vec<f64> {
        let mut all: Vec<f64> = lagged(next, 1).collect();
        let scaled = |v: usize| all[v] / if v < inputs { UNIT } else { 1.0 };
        let factors: Vec<f64> = match choice {
            Some(choice) => choice.chosen.iter().map(|&v| scaled(v)).collect(),
            None => (0..all.len()).map(scaled).collect(),
        };
        for (i, a) in factors.iter().enumerate() {
            all.extend(factors[i..].iter().map(|b| a * b));
        }
        all.push(1.0);
        all
    }

    fn predict_row(&mut self, next: &Next) -> Vec<Option<Student>> {
        let inputs = self.channels.indices().len();
        let features = |_| Self::features(inputs, self.choice.as_ref(), next);
        self.fits.predict(next, features)
    }

    /// Repeats the selection if it is due.
    fn choose(&mut self, past: &Past) {
        let rows = past.len();
        if rows < FIRST_CHOICE || !rows.is_power_of_two() {
            return;
        }
        let Some(choice) = &mut self.choice else {
            return;
        };
        let Some(chosen) = choice.ranking.as_ref().map(Ranking::best) else {
            return;
        };
        if chosen == choice.chosen {
            return;
        }
        choice.chosen = chosen;
        self.fits = Self::fits(&self.channels, self.actions);
        let kept = (past.first()..rows).map(|t| Next::replayed(past, t));
        for next in kept.filter(|next| next.age > 0) {
            self.predict_row(&next);
            self.fits.learn(past.values(next.t));
        }
    }
}

impl Ranking {
    fn learn(&mut self, next: &Next, row: &[f64]) {
        let features: Vec<f64> = lagged(next, 1).chain([1.0]).collect();
        self.linear.learn(&features, row);
        for (sums, x) in self.sums.iter_mut().zip(&features) {
            *sums = (sums.0 + x, sums.1 + x * x);
        }
        self.rows += 1;
    }

    fn best(&self) -> Vec<usize> {
        let rows = self.rows.max(1) as f64;
        let posterior = self.linear.posterior();
        let size = |v: usize| {
            let (mean, square) = (self.sums[v].0 / rows, self.sums[v].1 / rows);
            let weights = posterior.weights(v).iter().map(|weight| weight.abs());
            weights.sum::<f64>() * (square - mean * mean).max(0.0).sqrt()
        };
        let sizes: Vec<f64> = (0..self.sums.len()).map(size).collect();
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        order.sort_by(|&a, &b| sizes[b].total_cmp(&sizes[a]));
        order.truncate(MAX_VARIABLES);
        order.sort_unstable();
        order
    }
}

impl Expert for Quadratic {
    fn predict(&mut self, next: &Next) -> Vec<Option<Student>> {
        self.choose(next.past);
        self.predict_row(next)
    }

    fn learn(&mut self, next: &Next, row: &[f64]) {
        if next.age == 0 {
            return;
        }
        let ranking = self.choice.as_mut().and_then(|c| c.ranking.as_mut());
        if let Some(ranking) = ranking {
            ranking.learn(next, row);
        }
        self.fits.learn(row);
    }

    fn copy(&self) -> Box<dyn Expert> {
        Box::new(self.clone())
    }

    fn settle(&mut self) {
        self.fits.settle();
        if let Some(choice) = &mut self.choice {
            choice.ranking = None;
        }
    }

    fn settle_by_draw(&mut self, random: &mut ChaCha8Rng) {
        self.settle();
        self.fits.draw(random);
    }

    fn drawn_bytes(&self) -> usize {
        self.fits.drawn_bytes()
    }

    fn bytes(&self, _rows: usize) -> usize {
        let choice = self.choice.as_ref().map(|c| size_of_val(&c.chosen[..]));
        self.fits.bytes() + choice.unwrap_or(0)
    }
}
