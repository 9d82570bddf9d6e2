"""Writes tests/golden/events.bin with TensorBoard's own messages and record writer (tensorboard==2.20.0)."""

from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

EVENTS = [
    (500, 1.5, {"return/mean": -1200.25, "overestimation": 3.0}),
    (1000, 2.75, {"return/mean": -150.125, "overestimation": -0.1}),
]

with open(Path(__file__).with_name("events.bin"), "wb") as file:
    writer = RecordWriter(file)
    writer.write(Event(wall_time=EVENTS[0][1], file_version="brain.Event:2").SerializeToString())
    for step, time, scalars in EVENTS:
        values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        event = Event(wall_time=time, step=step, summary=Summary(value=values))
        writer.write(event.SerializeToString())
    writer.flush()
