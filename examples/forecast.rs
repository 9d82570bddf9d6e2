//! Forecasts how a recording continues.
//!
//!     cargo run --release --example forecast

use statecast::{Error, Forecaster, Recording};

fn main() -> Result<(), Error> {
    let recording = Recording::read("examples/half_cheetah.csv")?;
    let forecast = Forecaster::builtin()?.forecast(&recording, 20)?;
    let (low, median, high) = (
        forecast.quantile(0.05),
        forecast.quantile(0.5),
        forecast.quantile(0.95),
    );
    for (v, name) in forecast.names.iter().enumerate().take(3) {
        let at = [19, v];
        println!(
            "{name} in 20 steps: {:.3}, 90 % in [{:.3}, {:.3}]",
            median[at], low[at], high[at]
        );
    }
    forecast.write(std::env::temp_dir().join("forecast.csv"))?;
    Ok(())
}
