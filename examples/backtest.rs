//! Compares forecasters with baselines, from many origins of a recording.
//!
//!     cargo run --release --example backtest

use std::error::Error;
use std::num::NonZeroUsize;

use statecast::backtest::{BacktestSettings, Windows, run, summarise};
use statecast::forecast::Variables;
use statecast::{Forecaster, Recording};

fn main() -> Result<(), Box<dyn Error>> {
    let recording = Recording::read("examples/pendulum.csv")?;
    let forecasters = [
        Forecaster::builtin()?,
        Forecaster::builder().experts("linear")?.build()?,
        Forecaster::builder().experts("persistence")?.build()?,
    ];
    let method = forecasters[0].settings().method;
    let series: Vec<(String, Variables)> = recording
        .episodes()
        .iter()
        .map(|episode| {
            let values = Variables::of(&recording, episode, method, false);
            (episode.name().to_owned(), values)
        })
        .collect();
    let count = |n| NonZeroUsize::new(n).expect("it is above 0");
    let windows = Windows::new(100, count(10), count(3))?;
    let settings = BacktestSettings {
        windows,
        samples: count(50),
        seed: 0,
    };
    let results = run(&series, &forecasters, &settings, &|_| ())?;
    for method in summarise(&results, &windows, 0).methods {
        println!(
            "{:<12} CRPS along paths {:.4} of the context's standard deviation, {:.0} % in 90 % intervals",
            method.name,
            method.crps.mean,
            100.0 * method.calibration.coverage_90
        );
    }
    Ok(())
}
