//! The buffers of a message of an Arrow file, unpacked within bounds.

use std::io::{Read, Seek, SeekFrom};

use super::RecordingError;
use super::arrow::{ArrowSource, Message};
use super::arrow_data::{Data, Field, Type};
use super::arrow_schema::damaged;
use super::flat::{Flat, Items};

/// The buffers of a batch, taken in the order of its fields.
pub(super) struct Body<'s, 'm> {
    source: &'s ArrowSource,
    message: &'m Message,
    pub(super) rows: usize,
    nodes: Items<'m>,
    buffers: Items<'m>,
    views: Items<'m>,
    /// The compression of buffers: 0 LZ4, 1 zstd.
    codec: Option<u8>,
    node: usize,
    buffer: usize,
    view: usize,
    unpacked: u64,
}

impl<'s, 'm> Body<'s, 'm> {
    pub(super) fn new(
        source: &'s ArrowSource,
        message: &'m Message,
        batch: Flat<'m>,
    ) -> Result<Self, RecordingError> {
        let of = || {
            Some(Self {
                source,
                message,
                rows: usize::try_from(batch.long(0).unwrap_or(0)).ok()?,
                nodes: batch.items(1, 16)?,
                buffers: batch.items(2, 16)?,
                views: batch.items(4, 8)?,
                codec: batch
                    .table(3)
                    .map(|compression| compression.byte(0).unwrap_or(0)),
                node: 0,
                buffer: 0,
                view: 0,
                unpacked: 0,
            })
        };
        of().ok_or_else(|| source.corrupt(damaged()))
    }

    pub(super) fn take(&mut self, field: &Field, used: bool) -> Result<Data, RecordingError> {
        let rows = self
            .nodes
            .number(self.node, 2, 0)
            .filter(|_| self.node < self.nodes.count);
        let rows = rows.and_then(|rows| usize::try_from(rows).ok());
        let mut data = Data {
            rows: rows.ok_or_else(|| self.source.corrupt(damaged()))?,
            ..Data::default()
        };
        self.node += 1;
        let mut count = field.buffers();
        if field.of == Type::TextView && field.dictionary.is_none() {
            let more = self
                .views
                .number(self.view, 1, 0)
                .filter(|_| self.view < self.views.count);
            self.view += 1;
            let more = more.and_then(|more| usize::try_from(more).ok());
            let more = more.filter(|&more| more <= self.buffers.count);
            count += more.ok_or_else(|| self.source.corrupt(damaged()))?;
        }
        for _ in 0..count {
            let buffer = match used {
                true => self.unpacked_buffer()?,
                false => Vec::new(),
            };
            data.buffers.push(buffer);
            self.buffer += 1;
        }
        if field.dictionary.is_none() {
            for child in &field.children {
                let child = self.take(child, used)?;
                data.children.push(child);
            }
        }
        Ok(data)
    }

    fn unpacked_buffer(&mut self) -> Result<Vec<u8>, RecordingError> {
        let damaged = || self.source.corrupt(damaged());
        if self.buffer >= self.buffers.count {
            return Err(damaged());
        }
        let part = |which| {
            let number = self.buffers.number(self.buffer, 2, which);
            number
                .and_then(|number| u64::try_from(number).ok())
                .ok_or_else(damaged)
        };
        let (offset, length) = (part(0)?, part(1)?);
        let end = offset
            .checked_add(length)
            .filter(|&end| end <= self.message.body_bytes);
        end.ok_or_else(damaged)?;
        let io = |source| RecordingError::Io {
            file: self.source.name.clone(),
            source,
        };
        let mut file = &self.source.file;
        file.seek(SeekFrom::Start(self.message.body + offset))
            .map_err(io)?;
        let mut packed = Vec::new();
        file.take(length).read_to_end(&mut packed).map_err(io)?;
        let (Some(codec), false) = (self.codec, packed.is_empty()) else {
            return Ok(packed);
        };
        let (claim, packed) = packed.split_at_checked(8).ok_or_else(damaged)?;
        let claim = claim
            .try_into()
            .map(i64::from_le_bytes)
            .map_err(|_| damaged())?;
        // Buffers that would not become smaller are stored as they are.
        if claim == -1 {
            return Ok(packed.to_vec());
        }
        let bytes = u64::try_from(claim).map_err(|_| damaged())?;
        self.unpacked = self.unpacked.saturating_add(bytes);
        if self.unpacked > self.source.bounds.bytes() {
            return Err(self.source.bounds.too_many_bytes(&self.source.name));
        }
        let mut unpacked = Vec::new();
        let read = match codec {
            0 => lz4_flex::frame::FrameDecoder::new(packed)
                .take(bytes)
                .read_to_end(&mut unpacked),
            1 => zstd::Decoder::with_buffer(packed)
                .and_then(|decoder| decoder.take(bytes).read_to_end(&mut unpacked)),
            _ => {
                return Err(self
                    .source
                    .corrupt("its compression is not known".to_owned()));
            }
        };
        match read {
            Ok(read) if read as u64 == bytes => Ok(unpacked),
            _ => Err(self
                .source
                .corrupt("a compressed buffer is damaged".to_owned())),
        }
    }
}
