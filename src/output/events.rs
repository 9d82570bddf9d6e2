//! Event files, which TensorBoard reads: scalars against steps.

use std::io::{self, Write};

use protobuf::{Message, RepeatedField};
use tensorboard_proto::event::Event;
use tensorboard_proto::summary::{Summary, Summary_Value};

/// Scalars of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalarEvent {
    /// The step.
    pub step: usize,
    /// Seconds since 1970.
    pub time: f64,
    /// Names and values.
    pub scalars: Vec<(String, f64)>,
}

/// Writes an event file: records of the length, its checksum, a message, its checksum (TensorFlow's
/// `tensorflow/core/lib/io/record_writer.h`), the first of which tells the version. A name that
/// TensorBoard finds has `tfevents` in it.
///
/// ```
/// use statecast::output::{ScalarEvent, write_events};
///
/// let event = ScalarEvent { step: 3, time: 1.5, scalars: vec![("return".to_owned(), -150.0)] };
/// let mut file = Vec::new();
/// write_events(&mut file, &[event])?;
/// assert_eq!(&file[..8], 24u64.to_le_bytes());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// What the writer reports.
pub fn write_events(out: &mut dyn Write, events: &[ScalarEvent]) -> io::Result<()> {
    let mut version = Event::new();
    version.set_wall_time(events.first().map_or(0.0, |event| event.time));
    version.set_file_version("brain.Event:2".to_owned());
    record(out, &version)?;
    for event in events {
        let values = event.scalars.iter().map(|(name, value)| {
            let mut scalar = Summary_Value::new();
            scalar.set_tag(name.clone());
            scalar.set_simple_value(*value as f32);
            scalar
        });
        let mut summary = Summary::new();
        summary.set_value(RepeatedField::from_vec(values.collect()));
        let mut message = Event::new();
        message.set_wall_time(event.time);
        message.set_step(i64::try_from(event.step).unwrap_or(i64::MAX));
        message.set_summary(summary);
        record(out, &message)?;
    }
    Ok(())
}

fn record(out: &mut dyn Write, event: &Event) -> io::Result<()> {
    let message = event.write_to_bytes().map_err(io::Error::other)?;
    let length = (message.len() as u64).to_le_bytes();
    out.write_all(&length)?;
    out.write_all(&masked(&length).to_le_bytes())?;
    out.write_all(&message)?;
    out.write_all(&masked(&message).to_le_bytes())
}

/// The checksum of a record, turned and shifted so that it differs from that of data with a
/// checksum inside.
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by tests/golden/make_events.py with TensorBoard's own writer.
    #[test]
    fn bytes_are_those_of_tensorboard() {
        let scalars = |values: [f64; 2]| {
            ["return/mean", "overestimation"]
                .map(str::to_owned)
                .into_iter()
                .zip(values)
                .collect()
        };
        let events = [
            ScalarEvent {
                step: 500,
                time: 1.5,
                scalars: scalars([-1200.25, 3.0]),
            },
            ScalarEvent {
                step: 1000,
                time: 2.75,
                scalars: scalars([-150.125, -0.1]),
            },
        ];
        let mut written = Vec::new();
        write_events(&mut written, &events).unwrap();
        assert!(written == include_bytes!("../../tests/golden/events.bin"));
    }
}
