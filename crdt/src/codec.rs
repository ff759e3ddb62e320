//! The parts that the binary formats share: LEB128 numbers, and a reader that never trusts a length.

/// Why bytes could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Written by a newer Inklog than this one: hold and retry after an upgrade; nothing is wrong
    /// with the bytes.
    #[error("format version {found} is newer than {known}, the newest this program reads; upgrade it")]
    Newer {
        /// The version in the bytes.
        found: u8,
        /// The newest that can be read.
        known: u8,
    },
    /// The bytes do not start like this format.
    #[error("not {0}")]
    NotThisFormat(&'static str),
    /// The checksum does not match.
    #[error("the checksum does not match: the bytes are damaged")]
    Checksum,
    /// The bytes end early, or a field has an impossible value.
    #[error("damaged at byte {offset}: {what}")]
    Damaged {
        /// Offset of the field.
        offset: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Appends an unsigned LEB128 number: seven bits per byte, the lowest first.
pub(crate) fn put_varint(out: &mut Vec<u8>, value: u64) {
    let mut rest = value;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Reads fields in sequence.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], offset: usize) -> Reader<'a> {
        Reader { bytes, offset }
    }

    /// What is wrong with the last field read; its offset is approximate.
    #[cold]
    pub fn damaged(&self, what: &'static str) -> DecodeError {
        DecodeError::Damaged { offset: self.offset, what }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.offset
    }

    #[cold]
    fn early(&self) -> DecodeError {
        self.damaged("the bytes end early")
    }

    #[inline]
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        let Some(byte) = self.peek() else { return Err(self.early()) };
        self.offset += 1;
        Ok(byte)
    }

    /// The next byte, without consuming it.
    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.offset).copied()
    }

    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let Some(bytes) = self.bytes.get(self.offset..).and_then(|rest| rest.get(..len)) else {
            return Err(self.early());
        };
        self.offset += len;
        Ok(bytes)
    }

    /// A number in its shortest form; each value has one encoding only.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let first = self.byte()?;
        if first < 0x80 { Ok(u64::from(first)) } else { self.varint_after(first) }
    }

    /// The rest of a number of several bytes.
    fn varint_after(&mut self, first: u8) -> Result<u64, DecodeError> {
        let mut value = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte == 0 {
                return Err(self.damaged("a number is not in its shortest form"));
            }
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.damaged("a number has more than 64 bits"))
    }

    /// A column of `count` numbers.
    pub fn varints(&mut self, count: usize) -> Result<Vec<u64>, DecodeError> {
        // Each takes at least a byte, so it is safe to allocate room for them.
        let mut column = Vec::with_capacity(count.min(self.left()));
        for _ in 0..count {
            column.push(self.varint()?);
        }
        Ok(column)
    }

    /// A number of items that take at least a byte each, so that it is safe to allocate room for them.
    pub fn count(&mut self) -> Result<usize, DecodeError> {
        let count = self.varint()?;
        match usize::try_from(count) {
            Ok(count) if count <= self.left() => Ok(count),
            _ => Err(self.damaged("there are fewer bytes than items")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_encoding() {
        for value in [0, 1, 127, 128, 300, (1 << 53) - 1, 1 << 53, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(Reader::new(&bytes, 0).varint(), Ok(value));
            bytes.pop();
            assert!(Reader::new(&bytes, 0).varint().is_err());
        }
        assert!(Reader::new(&[0x80, 0], 0).varint().is_err());
        assert!(Reader::new(&[0xff; 10], 0).varint().is_err());
        // Ten bytes hold 70 bits: of the last byte, only one belongs to the number.
        let mut bytes = [0xff; 10];
        for (last, number) in [(1, Some(u64::MAX)), (0, None), (2, None), (0x7f, None), (0x81, None)] {
            bytes[9] = last;
            assert_eq!(Reader::new(&bytes, 0).varint().ok(), number, "{last}");
        }
    }

    /// Whoever allocates room for them needs no more than the bytes took.
    #[test]
    fn there_are_no_more_items_than_bytes() {
        assert_eq!(Reader::new(&[2, 7, 7], 0).count(), Ok(2));
        assert!(Reader::new(&[3, 7, 7], 0).count().is_err());
    }
}
