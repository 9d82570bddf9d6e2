//! JSON as many programs write it: with `NaN` and `Infinity`, which JSON does not have.

use std::io::{self, Read};

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 13;
/// Longest word that is looked at.
const LONGEST: usize = "-Infinity".len();

/// Reads JSON in which `NaN`, `Infinity` and `-Infinity` stand as `null`.
pub(super) struct Words<R> {
    inner: R,
    ready: Vec<u8>,
    given: usize,
    /// The word outside of texts that has begun.
    word: Vec<u8>,
    in_text: bool,
    escaped: bool,
    ended: bool,
}

impl<R: Read> Words<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            ready: Vec::new(),
            given: 0,
            word: Vec::new(),
            in_text: false,
            escaped: false,
            ended: false,
        }
    }

    fn take(&mut self, byte: u8) {
        if self.in_text {
            self.ready.push(byte);
            self.in_text = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
            return;
        }
        if (byte.is_ascii_alphabetic() || byte == b'-') && self.word.len() < LONGEST {
            self.word.push(byte);
            return;
        }
        self.end_word();
        self.ready.push(byte);
        self.in_text = byte == b'"';
    }

    fn end_word(&mut self) {
        match self.word.as_slice() {
            b"NaN" | b"Infinity" | b"-Infinity" => self.ready.extend_from_slice(b"null"),
            word => self.ready.extend_from_slice(word),
        }
        self.word.clear();
    }
}

impl<R: Read> Read for Words<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.given == self.ready.len() && !self.ended {
            self.ready.clear();
            self.given = 0;
            let mut chunk = [0; CHUNK];
            let count = self.inner.read(&mut chunk)?;
            chunk[..count].iter().for_each(|&byte| self.take(byte));
            if count == 0 {
                self.end_word();
                self.ended = true;
            }
        }
        let left = &self.ready[self.given..];
        let count = left.len().min(to.len());
        to[..count].copy_from_slice(&left[..count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_none_are_null() {
        let text = r#"{"NaN": [NaN, -Infinity,1e-5, -2E3, true], "a \" NaN": "Infinity\\", "b":Infinity}NaN"#;
        let mut read = String::new();
        Words::new(text.as_bytes())
            .read_to_string(&mut read)
            .unwrap();
        let expected =
            r#"{"NaN": [null, null,1e-5, -2E3, true], "a \" NaN": "Infinity\\", "b":null}null"#;
        assert_eq!(read, expected);
    }
}
