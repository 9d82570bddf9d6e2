//! A forecaster of one's own: a random walk whose steps are as large as those seen so far. It is scored beside the
//! bundled model and can be mixed with it.
//!
//!     cargo run --release --example custom_predictor

use std::error::Error;
use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array3, aview1, s};
use statecast::codec::BIN_COUNT;
use statecast::forecast::{
    Continuation, Densities, ForecastError, Forecaster, Mixture, Observed, Paths, Point, Predictor,
    Settings, Start, Variables,
};
use statecast::{ForecastSettings, Recording};

struct RandomWalk;

/// A channel's last position on its axis, and the sum of squares and the number of its steps.
#[derive(Clone, Copy, Default)]
struct Walked {
    last: Option<f64>,
    squares: f64,
    steps: f64,
}

impl Walked {
    fn see(&mut self, position: f64) {
        if let Some(last) = self.last.replace(position) {
            self.squares += (position - last).powi(2);
            self.steps += 1.0;
        }
    }

    /// Probabilities of the axis' bins: a normal density around the last position, and a little everywhere.
    fn density(&self) -> Vec<f32> {
        let std = ((self.squares + 1.0) / (self.steps + 1.0)).sqrt();
        let bell = |k: usize| match self.last {
            Some(last) => (-0.5 * (((k as f64 + 0.5) / 100.0 - last) / std).powi(2)).exp(),
            None => 1.0,
        };
        let bells: Vec<f64> = (0..BIN_COUNT).map(|k| bell(k) + 1e-6).collect();
        let total: f64 = bells.iter().sum();
        bells.iter().map(|bell| (bell / total) as f32).collect()
    }
}

/// One state a sequence; sequence `channel * paths + path`.
struct State(Vec<Walked>);

impl Predictor for RandomWalk {
    fn name(&self) -> String {
        "random walk".to_owned()
    }

    fn start(&self, start: Start) -> Result<Box<dyn Continuation>, ForecastError> {
        Ok(Box::new(State(vec![Walked::default(); start.channels()])))
    }
}

impl Continuation for State {
    fn batch(&self) -> usize {
        self.0.len()
    }

    fn observe(
        &mut self,
        rows: Observed,
        wanted: Range<usize>,
    ) -> Result<Densities, ForecastError> {
        let mut masses = Array3::zeros((wanted.len(), self.0.len(), BIN_COUNT));
        for row in 0..rows.len() {
            for (channel, walked) in self.0.iter_mut().enumerate() {
                if wanted.contains(&row) {
                    let at = s![row - wanted.start, channel, ..];
                    masses.slice_mut(at).assign(&aview1(&walked.density()));
                }
                walked.see(rows.positions[[row, channel]]);
            }
        }
        Ok(masses.into())
    }

    fn next_densities(&mut self) -> Result<Densities, ForecastError> {
        let densities = self.0.iter().flat_map(Walked::density);
        Ok(Densities::of_row(densities.collect()))
    }

    fn advance(&mut self, values: &[Point], _actions: &[f64]) -> Result<(), ForecastError> {
        for (walked, value) in self.0.iter_mut().zip(values) {
            // What is drawn says nothing about the size of the steps.
            walked.last = Some(value.position());
        }
        Ok(())
    }

    fn fork(&self, paths: Paths, _steps: usize) -> Result<Box<dyn Continuation>, ForecastError> {
        let forked = self.0.iter().flat_map(|walked| vec![*walked; paths.count]);
        Ok(Box::new(State(forked.collect())))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let recording = Recording::read("examples/half_cheetah.csv")?;
    let walk: Arc<dyn Predictor> = Arc::new(RandomWalk);
    let linear = statecast::baselines::named("linear").expect("linear is a baseline");
    let mixture: Arc<dyn Predictor> = Arc::new(Mixture::new(vec![walk.clone(), linear], 0.003)?);
    for predictor in [walk, mixture] {
        let forecaster = Forecaster::of(predictor, Settings::default());
        let episode = &recording.episodes()[0];
        let context = Variables::of(&recording, episode, forecaster.settings().method, false);
        let reading = forecaster.read(&context.slice(0..200))?;
        let score = reading.one_step().log_scores().mean().unwrap_or(f64::NAN);
        let forecast = forecaster.forecast_with(&recording, ForecastSettings::new(5), &())?;
        println!(
            "{:<12} log score {score:.3} nats; {} in 5 steps: {:.3}",
            forecaster.name(),
            forecast.names[0],
            forecast.mean()[[4, 0]]
        );
    }
    Ok(())
}
