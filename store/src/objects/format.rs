//! The bytes of snapshots and segments.
//!
//! Either is one zstd frame around: magic (4 bytes), format version (1 byte), body. A snapshot's body
//! is [`Doc::encode`]'s bytes. A segment's body is the previous segment's key (length as u32, UTF-8,
//! length 0 for none), then each record as a length (u32) and: user and connection (a length byte and
//! UTF-8 each, 255 for none), then [`crate::encode_logged`]'s bytes. All numbers little-endian. The
//! zstd frame carries a checksum of the content.

use inklog_crdt::{DecodeError, Doc};

use crate::record::{LogRecord, decode_logged, encode_logged};

const SNAPSHOT_MAGIC: &[u8; 4] = b"ISNP";
const SEGMENT_MAGIC: &[u8; 4] = b"ISEG";
const VERSION: u8 = 1;
/// zstd's level: beyond it, time grows and size hardly shrinks.
const LEVEL: i32 = 9;
/// An unpacked object over this is taken for damage rather than memory for it.
const UNPACKED_MAX: usize = 1 << 31;

/// A document's state at some version.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The state; nothing waits in it.
    pub doc: Doc,
}

/// The events between two snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Key of the segment before this.
    pub previous: Option<String>,
    /// The records, by agent and `after`.
    pub records: Vec<LogRecord>,
}

impl Snapshot {
    /// The object's bytes.
    pub fn encode(doc: &Doc) -> Vec<u8> {
        pack(SNAPSHOT_MAGIC, &doc.encode())
    }

    /// Reads an object's bytes.
    pub fn decode(bytes: &[u8]) -> Result<Snapshot, DecodeError> {
        Ok(Snapshot { doc: Doc::decode(&unpack(SNAPSHOT_MAGIC, "a snapshot", bytes)?)? })
    }
}

impl Segment {
    /// The object's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let previous = self.previous.as_deref().unwrap_or("");
        put_u32(&mut body, previous.len());
        body.extend(previous.as_bytes());
        for record in &self.records {
            let mut bytes = Vec::new();
            put_name(&mut bytes, record.user.as_deref());
            put_name(&mut bytes, record.connection.as_deref());
            bytes.extend(encode_logged(&record.clone().logged()));
            put_u32(&mut body, bytes.len());
            body.extend(bytes);
        }
        pack(SEGMENT_MAGIC, &body)
    }

    /// Reads an object's bytes.
    pub fn decode(bytes: &[u8]) -> Result<Segment, DecodeError> {
        let body = unpack(SEGMENT_MAGIC, "a history segment", bytes)?;
        let mut reader = Reader { bytes: &body, at: 0 };
        let previous = reader.sized()?;
        let previous = (!previous.is_empty()).then(|| text(previous)).transpose()?;
        let mut records = Vec::new();
        while reader.at < body.len() {
            let mut record = Reader { bytes: reader.sized()?, at: 0 };
            let user = record.name()?;
            let connection = record.name()?;
            let logged = decode_logged(&record.bytes[record.at..])?;
            records.push(LogRecord { event: logged.event, at: logged.at, user, connection });
        }
        Ok(Segment { previous, records })
    }
}

fn pack(magic: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut plain = magic.to_vec();
    plain.push(VERSION);
    plain.extend(body);
    let mut encoder = zstd::bulk::Compressor::new(LEVEL).expect("the level exists");
    encoder.include_checksum(true).expect("a checksum can be asked for");
    encoder.compress(&plain).expect("compressing in memory does not fail")
}

fn unpack(magic: &[u8; 4], name: &'static str, bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let size = match zstd::zstd_safe::get_frame_content_size(bytes) {
        Ok(Some(size)) if size <= UNPACKED_MAX as u64 => size as usize,
        _ => return Err(DecodeError::NotThisFormat(name)),
    };
    let mut plain = zstd::bulk::decompress(bytes, size).map_err(|_| DecodeError::Checksum)?;
    match plain.get(..5) {
        Some(head) if head[..4] == magic[..] && head[4] > VERSION => {
            Err(DecodeError::Newer { found: head[4], known: VERSION })
        }
        Some(head) if head[..4] == magic[..] && head[4] == VERSION => Ok(plain.split_off(5)),
        _ => Err(DecodeError::NotThisFormat(name)),
    }
}

fn put_u32(out: &mut Vec<u8>, number: usize) {
    out.extend(u32::try_from(number).expect("objects are far below 4 GB").to_le_bytes());
}

fn put_name(out: &mut Vec<u8>, name: Option<&str>) {
    match name {
        Some(name) => {
            let cut = name.floor_char_boundary(name.len().min(254));
            out.push(cut as u8);
            out.extend(&name.as_bytes()[..cut]);
        }
        None => out.push(255),
    }
}

fn text(bytes: &[u8]) -> Result<String, DecodeError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| DecodeError::Damaged { at: 0, what: "not UTF-8" })
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(DecodeError::Damaged { at: self.at, what: "ends early" })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn sized(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = u32::from_le_bytes(self.take(4)?.try_into().expect("four bytes were taken"));
        self.take(len as usize)
    }

    fn name(&mut self) -> Result<Option<String>, DecodeError> {
        match self.take(1)?[0] {
            255 => Ok(None),
            len => self.take(len as usize).and_then(text).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use inklog_crdt::{Agent, Anchor, Event, Op};

    fn record(seq: u64, user: Option<&str>) -> LogRecord {
        let op = Op::Insert { seq, text: "é😀".into(), anchor: Anchor::Left(None) };
        LogRecord {
            event: Event::new(Agent::new("a").unwrap(), seq, vec![op]).unwrap(),
            at: 1_700_000_000_000,
            user: user.map(str::to_owned),
            connection: Some("L0SM9cOFvHcCIhw=".into()),
        }
    }

    #[test]
    fn segments_and_snapshots_come_back() {
        for previous in [None, Some("docs/d/history/1".to_owned())] {
            let segment = Segment { previous, records: vec![record(0, None), record(2, Some("alice"))] };
            assert_eq!(Segment::decode(&segment.encode()).unwrap(), segment);
        }
        let mut doc = Doc::new();
        doc.insert(&Agent::new("a").unwrap(), 0, "hello").unwrap();
        assert_eq!(Snapshot::decode(&Snapshot::encode(&doc)).unwrap().doc.text(), "hello");
    }

    #[test]
    fn damage_and_newer_formats_are_told_apart() {
        let bytes = Segment { previous: None, records: vec![record(0, None)] }.encode();
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x55;
            assert!(Segment::decode(&bad).is_err(), "byte {at}");
        }
        assert!(Snapshot::decode(&bytes).is_err());
        let mut newer = SEGMENT_MAGIC.to_vec();
        newer.push(VERSION + 1);
        let newer = zstd::bulk::compress(&newer, 1).unwrap();
        assert_eq!(Segment::decode(&newer), Err(DecodeError::Newer { found: 2, known: 1 }));
    }
}
