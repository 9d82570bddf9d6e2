//! A long stream through the bundled model: time a row and memory as the rows go by, as a table for docs/performance.md.
//!
//!     cargo run --release --example long_stream [ROWS] [CHANNELS]
//!
//! Every row's density is read before the row comes; every 50,000 rows 20 paths of 24 steps are drawn. A channel is a noisy
//! oscillation whose period and level move. Times are processor time of one thread.

use std::error::Error;
use std::time::Instant;

use ndarray::Array2;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use statecast::Forecaster;
use statecast::forecast::{Role, RolloutSettings, Variables};

const CONTEXT: usize = 300;
const FORECAST_EVERY: usize = 50_000;
const REPORTS: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let rows: usize = arguments
        .next()
        .map_or(Ok(1_000_000), |text| text.parse())?;
    let channels: usize = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let mut source = Source::new(channels);
    let forecaster = Forecaster::builtin()?;
    let settings = RolloutSettings {
        horizon: 24.try_into()?,
        samples: 20.try_into()?,
        ..RolloutSettings::default()
    };
    let mut reading = forecaster.read(&source.rows(CONTEXT))?;
    println!("| rows | ms a row | s a forecast | memory, MiB | log score |\n|---|---|---|---|---|");
    let (mut spent, mut forecasts, mut score) = (0.0, Vec::new(), 0.0);
    let every = (rows / REPORTS).max(1);
    for row in 1..=rows {
        let begun = Instant::now();
        reading.next_row()?;
        reading.observe(&source.rows(1))?;
        spent += begun.elapsed().as_secs_f64();
        score += reading.one_step().log_scores().mean().unwrap_or(f64::NAN);
        if row % FORECAST_EVERY == 0 {
            let begun = Instant::now();
            reading.rollout(&settings, None, &|_| ())?;
            forecasts.push(begun.elapsed().as_secs_f64());
        }
        if row % every == 0 {
            let mean = forecasts.iter().sum::<f64>() / forecasts.len() as f64;
            let (of, memory) = (every as f64, memory());
            println!(
                "| {row} | {:.2} | {mean:.2} | {memory} | {:.3} |",
                1e3 * spent / of,
                score / of
            );
            (spent, score) = (0.0, 0.0);
            forecasts.clear();
        }
    }
    Ok(())
}

/// Resident memory of this process in MiB; zero where the system does not tell.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kibibytes.unwrap_or(0) / 1024
}

struct Source {
    channels: usize,
    row: usize,
    phase: f64,
    random: ChaCha8Rng,
}

impl Source {
    fn new(channels: usize) -> Self {
        Self {
            channels,
            row: 0,
            phase: 0.0,
            random: ChaCha8Rng::seed_from_u64(0),
        }
    }

    fn rows(&mut self, count: usize) -> Variables {
        let names = (0..self.channels).map(|c| format!("x{c}")).collect();
        let mut values = Array2::zeros((count, self.channels));
        for mut row in values.rows_mut() {
            self.phase += 0.2 + 0.05 * (self.row as f64 / 5000.0).sin();
            let level = 0.5 * (self.row as f64 / 20_000.0).sin();
            for (c, value) in row.iter_mut().enumerate() {
                let noise: f64 = self.random.random_range(-0.1..0.1);
                *value = level + (self.phase + c as f64).sin() + noise;
            }
            self.row += 1;
        }
        Variables::new(names, vec![Role::State; self.channels], values)
    }
}
