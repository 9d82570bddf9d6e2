//! FlatBuffers, the encoding of Arrow's metadata, read with every offset checked.

/// A table of a buffer: fields by their number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flat<'b> {
    bytes: &'b [u8],
    at: usize,
}

/// The items of a vector.
#[derive(Debug, Clone, Copy)]
pub(super) struct Items<'b> {
    bytes: &'b [u8],
    at: usize,
    pub(super) count: usize,
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// Where the offset at a place leads.
fn follow(bytes: &[u8], at: usize) -> Option<usize> {
    at.checked_add(u32::from_le_bytes(array(bytes, at)?) as usize)
}

impl<'b> Flat<'b> {
    /// The table that a buffer begins with.
    pub(super) fn root(bytes: &'b [u8]) -> Option<Self> {
        let at = follow(bytes, 0)?;
        Some(Self { bytes, at })
    }

    /// Where a field is; nothing if it has its default.
    fn field(&self, number: usize) -> Option<usize> {
        let back = i64::from(i32::from_le_bytes(array(self.bytes, self.at)?));
        let vtable = usize::try_from(i64::try_from(self.at).ok()? - back).ok()?;
        let size = usize::from(u16::from_le_bytes(array(self.bytes, vtable)?));
        let place = 4 + 2 * number;
        if place + 2 > size {
            return None;
        }
        let offset = u16::from_le_bytes(array(self.bytes, vtable.checked_add(place)?)?);
        (offset != 0).then(|| self.at + usize::from(offset))
    }

    pub(super) fn byte(&self, number: usize) -> Option<u8> {
        self.bytes.get(self.field(number)?).copied()
    }

    pub(super) fn short(&self, number: usize) -> Option<i16> {
        Some(i16::from_le_bytes(array(self.bytes, self.field(number)?)?))
    }

    pub(super) fn int(&self, number: usize) -> Option<i32> {
        Some(i32::from_le_bytes(array(self.bytes, self.field(number)?)?))
    }

    pub(super) fn long(&self, number: usize) -> Option<i64> {
        Some(i64::from_le_bytes(array(self.bytes, self.field(number)?)?))
    }

    pub(super) fn table(&self, number: usize) -> Option<Self> {
        let at = follow(self.bytes, self.field(number)?)?;
        Some(Self { at, ..*self })
    }

    pub(super) fn text(&self, number: usize) -> Option<String> {
        let at = follow(self.bytes, self.field(number)?)?;
        let length = u32::from_le_bytes(array(self.bytes, at)?) as usize;
        let text = self.bytes.get(at + 4..(at + 4).checked_add(length)?)?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// A vector of items of some size, none if it is not there.
    pub(super) fn items(&self, number: usize, size: usize) -> Option<Items<'b>> {
        let Some(field) = self.field(number) else {
            return Some(Items {
                bytes: self.bytes,
                at: 0,
                count: 0,
            });
        };
        let at = follow(self.bytes, field)?;
        let count = u32::from_le_bytes(array(self.bytes, at)?) as usize;
        let end = (at + 4).checked_add(count.checked_mul(size)?)?;
        (end <= self.bytes.len()).then_some(Items {
            bytes: self.bytes,
            at: at + 4,
            count,
        })
    }
}

impl<'b> Items<'b> {
    /// The table that an item refers to.
    pub(super) fn table(&self, index: usize) -> Option<Flat<'b>> {
        let at = follow(self.bytes, self.at + 4 * index)?;
        Some(Flat {
            bytes: self.bytes,
            at,
        })
    }

    /// One of the 64-bit numbers of an item of so many.
    pub(super) fn number(&self, index: usize, of: usize, which: usize) -> Option<i64> {
        let at = self.at + 8 * (of * index + which);
        Some(i64::from_le_bytes(array(self.bytes, at)?))
    }
}
