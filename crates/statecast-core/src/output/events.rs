//! Event files, which TensorBoard reads: scalars against steps.

use std::io::{self, Write};

use prost::Message;

/// `tensorflow/core/util/event.proto`, as far as scalars need it.
#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

/// `tensorflow/core/framework/summary.proto`.
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<SummaryValue>,
}

#[derive(Clone, PartialEq, Message)]
struct SummaryValue {
    #[prost(string, tag = "1")]
    tag: String,
    /// One of several kinds of values, so that a zero is written, too.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

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
    let version = Event {
        wall_time: events.first().map_or(0.0, |event| event.time),
        file_version: Some("brain.Event:2".to_owned()),
        ..Event::default()
    };
    record(out, &version)?;
    for event in events {
        let value = event.scalars.iter().map(|(name, value)| SummaryValue {
            tag: name.clone(),
            simple_value: Some(*value as f32),
        });
        let message = Event {
            wall_time: event.time,
            step: i64::try_from(event.step).unwrap_or(i64::MAX),
            summary: Some(Summary {
                value: value.collect(),
            }),
            ..Event::default()
        };
        record(out, &message)?;
    }
    Ok(())
}

fn record(out: &mut dyn Write, event: &Event) -> io::Result<()> {
    let message = event.encode_to_vec();
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
        assert!(written == include_bytes!("../../../../tests/golden/events.bin"));
    }
}
