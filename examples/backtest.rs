//! Compares forecasters with baselines, from many origins of a recording.
//!
//!     cargo run --release --example backtest

use std::error::Error;

use statecast::backtest::{BacktestSettings, Windows};
use statecast::study::{Backtest, BacktestSeries};
use statecast::{Forecaster, Recording};

fn main() -> Result<(), Box<dyn Error>> {
    let recording = Recording::read("examples/pendulum.csv")?;
    let forecasters = [
        Forecaster::builtin()?,
        Forecaster::builder().experts("linear")?.build()?,
        Forecaster::builder().experts("persistence")?.build()?,
    ];
    let windows = Windows::new(100, 10.try_into()?, 3.try_into()?)?;
    let mut series = BacktestSeries::new(windows, forecasters[0].settings().method, false);
    let episodes: Vec<_> = recording.episodes().iter().collect();
    series.add("pendulum", &recording, &episodes)?;
    let settings = BacktestSettings {
        windows,
        samples: 50.try_into()?,
        seed: 0,
    };
    let backtest = Backtest::run(&series, &forecasters, settings, &())?;
    for method in backtest.summary.methods {
        println!(
            "{:<12} CRPS along paths {:.4} of the context's standard deviation, {:.0} % in 90 % intervals",
            method.name,
            method.crps.mean,
            100.0 * method.calibration.coverage_90
        );
    }
    Ok(())
}
