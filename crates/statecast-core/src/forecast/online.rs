//! Online experts as forecasters.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array3, ArrayView1, aview1, s};
use rand::rngs::ChaCha8Rng;

use super::{
    Clipped, Continuation, Densities, ForecastError, Observed, Paths, Point, Predictor, Start,
};
use crate::codec::BIN_COUNT;
use crate::density::Mass;
use crate::experts::{CENTRE, ExpertKind, ExpertPanel, Normal, Scales, Student};

/// Online experts by themselves, without a language model.
#[derive(Debug, Clone, Copy)]
pub struct Online {
    name: &'static str,
    sources: &'static [ExpertKind],
    mixes: bool,
    /// Whether regressions' weights are drawn once a path.
    draws: bool,
    /// Rows of a season that is known beforehand.
    period: Option<usize>,
}

impl Online {
    /// Of some experts, in this order, the first that predicts a channel.
    pub fn first(name: &'static str, sources: &'static [ExpertKind]) -> Self {
        Self {
            name,
            sources,
            mixes: false,
            draws: false,
            period: None,
        }
    }

    /// The mixture of all at several scales.
    pub fn scales() -> Self {
        Self {
            name: "scales",
            sources: &ExpertKind::ALL,
            mixes: true,
            draws: false,
            period: None,
        }
    }

    /// The same, called by another name, with weights of regressions that are drawn once a path: where they are wrong, they
    /// are so at every step. Densities of one step are the same.
    ///
    /// ```
    /// use statecast::experts::ExpertKind;
    /// use statecast::forecast::{Online, Predictor};
    /// let drawn = Online::first("fourier", &[ExpertKind::Fourier]).by_draw("fourier drawn once");
    /// assert_eq!(drawn.name(), "fourier drawn once");
    /// ```
    pub fn by_draw(self, name: &'static str) -> Self {
        Self {
            name,
            draws: true,
            ..self
        }
    }

    /// The same, with a season of so many rows.
    pub fn with_period(self, period: usize) -> Self {
        Self {
            period: Some(period),
            ..self
        }
    }
}

impl Predictor for Online {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn start(&self, start: Start) -> Result<Box<dyn Continuation>, ForecastError> {
        let channels = start.channels();
        let panel = ExpertPanel::new(self.sources, channels, start.units);
        let panel = panel.with_outcomes(start.outcomes);
        let path = Path {
            panel: match self.period {
                Some(period) => panel.with_period(period),
                None => panel,
            },
            scales: self
                .mixes
                .then(|| Scales::new(self.sources.len(), channels)),
            actions: vec![0.0; start.units.len()],
        };
        Ok(Box::new(State {
            channels,
            paths: vec![Arc::new(path)],
            clipped: Clipped::new(channels),
            draws: self.draws,
        }))
    }

    fn needs_actions(&self) -> bool {
        let acts =
            |source: &ExpertKind| !matches!(source, ExpertKind::Smoothing | ExpertKind::Seasonal);
        self.sources.iter().any(acts)
    }
}

/// One path's experts, which have predicted its next row.
#[derive(Clone)]
struct Path {
    panel: ExpertPanel,
    scales: Option<Scales>,
    /// Taken in the last row.
    actions: Vec<f64>,
}

/// Density of one channel.
enum Density {
    Student(Student),
    Mixture(Vec<Normal>),
    /// Nothing is known.
    Even,
}

impl Density {
    fn mass(&self) -> Vec<f32> {
        let mut mass = Mass::default();
        match self {
            Self::Student(s) => {
                mass.add_student(1.0, CENTRE + s.location, s.scale, s.freedom);
            }
            Self::Mixture(normals) => normals
                .iter()
                .for_each(|n| mass.add_normal(n.weight, CENTRE + n.mean, n.std)),
            Self::Even => {}
        }
        mass.density().collect()
    }

    /// The position at a level of the distribution.
    fn quantile(&self, level: f64) -> f64 {
        match self {
            Self::Student(s) => CENTRE + s.quantile(level),
            Self::Mixture(normals) => CENTRE + Normal::quantile(normals, level),
            Self::Even => 2.0 * CENTRE * level,
        }
    }
}

impl Path {
    fn density(&self, channel: usize) -> Density {
        if let Some(scales) = &self.scales {
            return Density::Mixture(scales.mixture(&self.panel, channel));
        }
        let mut predicted = self.panel.predicted().iter();
        match predicted.find_map(|expert| expert[channel]) {
            Some(student) => Density::Student(student),
            None => Density::Even,
        }
    }

    fn fork(&self) -> Self {
        Self {
            panel: self.panel.fork(),
            ..self.clone()
        }
    }

    fn fork_by_draw(&self, random: &mut ChaCha8Rng) -> Self {
        let mut panel = self.panel.fork_by_draw(random);
        // The first step, too, is of the drawn weights.
        panel.predict(false);
        Self {
            panel,
            ..self.clone()
        }
    }

    fn learn(&mut self, row: &[f64], actions: ArrayView1<f64>) {
        if let Some(scales) = &mut self.scales {
            scales.learn(&self.panel, row);
        }
        self.actions = actions.to_vec();
        self.panel.learn(row, &self.actions);
    }
}

struct State {
    channels: usize,
    draws: bool,
    paths: Vec<Arc<Path>>,
    /// Paths leave the axis as their experts do, but not these.
    clipped: Clipped,
}

impl Continuation for State {
    fn batch(&self) -> usize {
        self.channels * self.paths.len()
    }

    fn observe(
        &mut self,
        rows: Observed,
        wanted: Range<usize>,
    ) -> Result<Densities, ForecastError> {
        let mut densities = Array3::zeros((wanted.len(), self.channels, BIN_COUNT));
        self.clipped.observe(rows.positions);
        let path = Arc::make_mut(&mut self.paths[0]);
        for t in 0..rows.len() {
            path.panel.predict(rows.begins[t]);
            if wanted.contains(&t) {
                for c in 0..self.channels {
                    let mass = path.density(c).mass();
                    let to = s![t - wanted.start, c, ..];
                    densities.slice_mut(to).assign(&aview1(&mass));
                }
            }
            let row = rows.positions.row(t);
            let row: Vec<f64> = row.iter().map(|y| y - CENTRE).collect();
            path.learn(&row, rows.actions.row(t));
        }
        path.panel.predict(false);
        Ok(densities.into())
    }

    fn next_densities(&mut self) -> Result<Densities, ForecastError> {
        let mut densities = Vec::with_capacity(self.batch() * BIN_COUNT);
        for c in 0..self.channels {
            for path in &self.paths {
                densities.extend(path.density(c).mass());
            }
        }
        Ok(Densities::of_row(densities))
    }

    fn draw(&mut self, levels: &[f64]) -> Result<Vec<Point>, ForecastError> {
        self.clipped.draw();
        let count = self.paths.len();
        let drawn = levels.iter().enumerate().map(|(i, &level)| {
            let (c, path) = (i / count, &self.paths[i % count]);
            let position = path.density(c).quantile(level);
            let held = self.clipped.hold(i, c, position);
            Point::at(held.unwrap_or(position))
        });
        Ok(drawn.collect())
    }

    fn discard(&mut self, sequences: &[usize]) {
        self.clipped.discard(sequences);
    }

    fn advance(&mut self, values: &[Point], actions: &[f64]) -> Result<(), ForecastError> {
        let count = self.paths.len();
        for (i, path) in self.paths.iter_mut().enumerate() {
            let path = Arc::make_mut(path);
            let row = (0..self.channels).map(|c| values[c * count + i].position() - CENTRE);
            let row: Vec<f64> = row.collect();
            let width = path.actions.len();
            // Without actions to come those of the last row are taken to go on.
            let taken = actions.get(i * width..(i + 1) * width);
            let taken = taken.map_or_else(|| path.actions.clone(), <[f64]>::to_vec);
            path.learn(&row, aview1(&taken));
            path.panel.predict(false);
        }
        self.clipped.advanced();
        Ok(())
    }

    fn begin(&mut self, paths: &[usize]) {
        for &path in paths {
            Arc::make_mut(&mut self.paths[path]).panel.predict(true);
        }
    }

    fn clipped(&self) -> usize {
        self.clipped.count()
    }

    fn paths_at_once(&self, steps: usize) -> usize {
        let path = &self.paths[0];
        let scales = path.scales.as_ref().map_or(0, Scales::bytes);
        let drawn = match self.draws {
            true => path.panel.drawn_bytes(),
            false => 0,
        };
        path.panel.paths_at_once(steps, scales + drawn)
    }

    fn fork(&self, paths: Paths, _steps: usize) -> Result<Box<dyn Continuation>, ForecastError> {
        let path = &self.paths[0];
        let all = paths.first..paths.first + paths.count;
        let drawn = |number| Arc::new(path.fork_by_draw(&mut paths.random(number, 0)));
        let forked = match self.draws {
            true => all.map(drawn).collect(),
            false => {
                let forked = Arc::new(path.fork());
                vec![forked; paths.count]
            }
        };
        Ok(Box::new(Self {
            channels: self.channels,
            draws: self.draws,
            paths: forked,
            clipped: self.clipped.fork(),
        }))
    }
}
