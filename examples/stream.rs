//! Forecasts each row of a stream before it is observed.
//!
//!     cargo run --release --example stream

use std::error::Error;

use statecast::forecast::Variables;
use statecast::{Forecaster, Recording};

fn main() -> Result<(), Box<dyn Error>> {
    let recording = Recording::read("examples/half_cheetah.csv")?;
    let forecaster = Forecaster::builtin()?;
    let method = forecaster.settings().method;
    let rows = Variables::of(&recording, &recording.episodes()[0], method, false);
    let mut reading = forecaster.read_last(&rows.slice(0..300), 0)?;
    let mut inside = 0;
    for row in 300..330 {
        let next = reading.next_row()?;
        let velocity = next.density(8);
        let (low, high) = (velocity.quantile(0.05), velocity.quantile(0.95));
        let observed = rows.values[[row, 8]];
        inside += usize::from((low..=high).contains(&observed));
        reading.observe(&rows.slice(row..row + 1))?;
    }
    println!(
        "{}: {inside} of 30 rows in their 90 % intervals",
        rows.names[8]
    );
    Ok(())
}
