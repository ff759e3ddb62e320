//! The bytes of snapshots and segments.
//!
//! Either is one zstd frame around: magic (4 bytes), format version (1 byte), body. The zstd frame
//! carries a checksum of the content. A snapshot's body (version 1) is [`Doc::encode`]'s bytes. A
//! segment's body (version 4) is stored by column, which compresses better than records do:
//!
//! ```text
//! u32          how many segments before it are named
//!   each       its key: a u32 length and UTF-8
//! u32, bytes   the events, as [`encode_events`] writes them, with their length
//! u32          how many senders there are
//!   each       user and connection: a length byte and UTF-8 each, 255 for none; and the user's name: its
//!              length plus one as a varint and UTF-8, or 0 for none
//! varints      runs of records with the same sender: its number, and how many records
//! varints      a record's time in ms, less the one's before it (0, for the first), zigzag
//! ```
//!
//! Versions 2 and 3, which are still read, have no names; version 2 names one segment before it instead of
//! the list, or none by a length of 0.
//!
//! Fixed numbers are little-endian; a varint is an unsigned LEB128 number, a zigzag one counts
//! 0, -1, 1, -2, … as 0, 1, 2, 3, ….

use std::collections::{HashMap, HashSet};
use std::io::Read as _;
use std::ops::RangeInclusive;

use inklog_crdt::{DecodeError, Doc, decode_events, encode_events};
use inklog_protocol::Author;

use crate::record::LogRecord;

const SNAPSHOT_MAGIC: &[u8; 4] = b"ISNP";
const SEGMENT_MAGIC: &[u8; 4] = b"ISEG";
const SNAPSHOT_VERSION: u8 = 1;
const SEGMENT_VERSION: u8 = 4;
/// The version without names.
const SEGMENT_VERSION_NAMELESS: u8 = 3;
/// The version that names one segment before it.
const SEGMENT_VERSION_LINKED: u8 = 2;
/// zstd's level: beyond it, time grows but size hardly shrinks.
const LEVEL: i32 = 9;
/// An unpacked object larger than this counts as damaged: 64 KB can unpack to gigabytes, and no function has the
/// memory for what is in a segment of this size.
const UNPACKED_MAX: u64 = 256 * 1024 * 1024;
/// What zstd may look back, as a power of two in bytes: twice what it does at [`LEVEL`]. A frame can ask for far more
/// memory than it then uses.
const WINDOW_LOG_MAX: u32 = 23;

/// A document's state at some version.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The state, without waiting events.
    pub doc: Doc,
}

/// The events between two snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Keys of the segments before this, newest first: all, or enough to read ahead.
    pub earlier: Vec<String>,
    /// The records, by agent and `after`.
    pub records: Vec<LogRecord>,
}

impl Snapshot {
    /// The object's bytes.
    pub fn encode(doc: &Doc) -> Vec<u8> {
        pack(SNAPSHOT_MAGIC, SNAPSHOT_VERSION, &doc.encode())
    }

    /// Reads an object's bytes.
    pub fn decode(bytes: &[u8]) -> Result<Snapshot, DecodeError> {
        let known = SNAPSHOT_VERSION..=SNAPSHOT_VERSION;
        let (_, state) = unpack(SNAPSHOT_MAGIC, known, "a snapshot", bytes)?;
        Ok(Snapshot { doc: Doc::decode(&state)? })
    }
}

impl Segment {
    /// The object's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        put_u32(&mut body, self.earlier.len());
        for key in &self.earlier {
            put_u32(&mut body, key.len());
            body.extend(key.as_bytes());
        }
        let events: Vec<_> = self.records.iter().map(|record| record.event.clone()).collect();
        let events = encode_events(&events);
        put_u32(&mut body, events.len());
        body.extend(events);
        let senders = senders(&self.records);
        let numbers: HashMap<_, _> = senders.iter().zip(0u64..).collect();
        put_u32(&mut body, senders.len());
        for (author, connection) in &senders {
            put_name(&mut body, author.map(|author| author.user.as_str()));
            put_name(&mut body, *connection);
            put_text(&mut body, author.and_then(|author| author.name.as_deref()));
        }
        for run in self.records.chunk_by(|a, b| sender(a) == sender(b)) {
            put_varint(&mut body, numbers[&sender(&run[0])]);
            put_varint(&mut body, run.len() as u64);
        }
        let mut before = 0;
        for record in &self.records {
            let later = record.at.wrapping_sub(before) as i64;
            put_varint(&mut body, ((later << 1) ^ (later >> 63)) as u64);
            before = record.at;
        }
        pack(SEGMENT_MAGIC, SEGMENT_VERSION, &body)
    }

    /// Reads an object's bytes.
    pub fn decode(bytes: &[u8]) -> Result<Segment, DecodeError> {
        let known = SEGMENT_VERSION_LINKED..=SEGMENT_VERSION;
        let (version, body) = unpack(SEGMENT_MAGIC, known, "a history segment", bytes)?;
        let mut reader = Reader { bytes: &body, offset: 0 };
        let mut earlier = Vec::new();
        let named = if version == SEGMENT_VERSION_LINKED { 1 } else { reader.u32()? };
        for _ in 0..named {
            let key = reader.sized()?;
            if !key.is_empty() {
                earlier.push(text(key)?);
            }
        }
        let events = reader.sized()?;
        // The time of each takes a byte at least.
        let events = decode_events(events, body.len() - reader.offset)?;
        let mut senders = Vec::new();
        for _ in 0..reader.u32()? {
            let (user, connection) = (reader.name()?, reader.name()?);
            let name = if version > SEGMENT_VERSION_NAMELESS { reader.text()? } else { None };
            senders.push((user.map(|user| Author { user, name }), connection));
        }
        let mut from: Vec<usize> = Vec::with_capacity(events.len());
        while from.len() < events.len() {
            let (sender, count) = (reader.varint()?, reader.varint()?);
            let left = events.len() - from.len();
            let known = usize::try_from(sender).ok().filter(|sender| *sender < senders.len());
            let count = usize::try_from(count).ok().filter(|count| (1..=left).contains(count));
            let (Some(sender), Some(count)) = (known, count) else {
                return Err(DecodeError::Damaged {
                    offset: reader.offset,
                    what: "the senders do not add up",
                });
            };
            from.extend(std::iter::repeat_n(sender, count));
        }
        let mut at = 0u64;
        let mut records = Vec::with_capacity(events.len());
        for (event, sender) in events.into_iter().zip(from) {
            let later = reader.varint()?;
            at = at.wrapping_add_signed((later >> 1) as i64 ^ -((later & 1) as i64));
            let (author, connection) = senders[sender].clone();
            records.push(LogRecord { event, at, author, connection });
        }
        match reader.offset == body.len() {
            true => Ok(Segment { earlier, records }),
            false => {
                Err(DecodeError::Damaged { offset: reader.offset, what: "there are more times than events" })
            }
        }
    }
}

type Sender<'a> = (Option<&'a Author>, Option<&'a str>);

/// Who sent a record, over which connection.
fn sender(record: &LogRecord) -> Sender<'_> {
    (record.author.as_ref(), record.connection.as_deref())
}

/// All senders, each once, in the order of their first records.
fn senders(records: &[LogRecord]) -> Vec<Sender<'_>> {
    let mut seen = HashSet::new();
    records.iter().map(sender).filter(|sender| seen.insert(*sender)).collect()
}

fn pack(magic: &[u8; 4], version: u8, body: &[u8]) -> Vec<u8> {
    let mut plain = magic.to_vec();
    plain.push(version);
    plain.extend(body);
    let mut encoder = zstd::bulk::Compressor::new(LEVEL).expect("the level exists");
    encoder.include_checksum(true).expect("a checksum can be asked for");
    encoder.compress(&plain).expect("compressing in memory does not fail")
}

/// The version of the format, which is among those known, and the body.
fn unpack(
    magic: &[u8; 4],
    known: RangeInclusive<u8>,
    name: &'static str,
    bytes: &[u8],
) -> Result<(u8, Vec<u8>), DecodeError> {
    let size = match zstd::zstd_safe::get_frame_content_size(bytes) {
        Ok(Some(size)) if size <= UNPACKED_MAX => size,
        _ => return Err(DecodeError::NotThisFormat(name)),
    };
    let mut plain = unpack_frame(bytes, size).map_err(|_| DecodeError::Checksum)?;
    match plain.get(..5) {
        Some(head) if head[..4] == magic[..] && head[4] > *known.end() => {
            Err(DecodeError::Newer { found: head[4], known: *known.end() })
        }
        Some(head) if head[..4] == magic[..] && known.contains(&head[4]) => Ok((head[4], plain.split_off(5))),
        _ => Err(DecodeError::NotThisFormat(name)),
    }
}

/// The content of a frame that is all of `bytes` and holds `size`. Memory grows with what is there: the size is the
/// frame's own word, and a few damaged bytes may say anything.
fn unpack_frame(bytes: &[u8], size: u64) -> std::io::Result<Vec<u8>> {
    let mut decoder = zstd::Decoder::with_buffer(bytes)?.single_frame();
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    let mut plain = Vec::new();
    let mut limited = decoder.take(size + 1);
    limited.read_to_end(&mut plain)?;
    let rest = limited.into_inner().finish();
    match plain.len() as u64 == size && rest.is_empty() {
        true => Ok(plain),
        false => Err(std::io::ErrorKind::InvalidData.into()),
    }
}

fn put_u32(out: &mut Vec<u8>, number: usize) {
    out.extend(u32::try_from(number).expect("objects are far below 4 GB").to_le_bytes());
}

fn put_varint(out: &mut Vec<u8>, value: u64) {
    let mut rest = value;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
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

fn put_text(out: &mut Vec<u8>, text: Option<&str>) {
    put_varint(out, text.map_or(0, |text| text.len() as u64 + 1));
    out.extend(text.unwrap_or_default().as_bytes());
}

fn text(bytes: &[u8]) -> Result<String, DecodeError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| DecodeError::Damaged { offset: 0, what: "not UTF-8" })
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.offset.checked_add(len).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(DecodeError::Damaged { offset: self.offset, what: "ends early" })?;
        let taken = &self.bytes[self.offset..end];
        self.offset = end;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into().expect("four bytes were taken")))
    }

    fn sized(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.u32()?;
        self.take(len as usize)
    }

    fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::Damaged { offset: self.offset, what: "a number has more than 64 bits" })
    }

    fn text(&mut self) -> Result<Option<String>, DecodeError> {
        let Some(len) = self.varint()?.checked_sub(1) else { return Ok(None) };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        self.take(len).and_then(text).map(Some)
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
    use inklog_crdt::{Agent, Event, Op, Origin};

    fn record(seq: u64, user: Option<&str>) -> LogRecord {
        let op = Op::Insert { seq, text: "é😀".into(), origin: Origin::Left(None) };
        LogRecord {
            event: Event::new(Agent::new("a").unwrap(), seq, vec![op]).unwrap(),
            at: 1_700_000_000_000,
            author: user.map(|user| Author { user: user.to_owned(), name: None }),
            connection: Some("L0SM9cOFvHcCIhw=".into()),
        }
    }

    /// By somebody whose name is longer than others' names are.
    fn named(seq: u64) -> LogRecord {
        let name = Some("Ångström ".repeat(30));
        LogRecord { author: Some(Author { user: "alice".into(), name }), ..record(seq, None) }
    }

    #[test]
    fn segments_and_snapshots_come_back() {
        let key = |number| format!("docs/d/segments/{number}");
        for earlier in [vec![], vec![key(1)], (1..=16).rev().map(key).collect()] {
            let mut records = vec![record(0, None), record(2, Some("alice")), named(4), record(6, None)];
            // Records come by agent, and clocks differ: times go back as well.
            for (record, later) in records.iter_mut().zip([0, 7, -70_000, 2]) {
                record.at = record.at.wrapping_add_signed(later);
            }
            let segment = Segment { earlier, records };
            assert_eq!(Segment::decode(&segment.encode()).unwrap(), segment);
        }
        let mut doc = Doc::new();
        doc.insert(&Agent::new("a").unwrap(), 0, "hello").unwrap();
        assert_eq!(Snapshot::decode(&Snapshot::encode(&doc)).unwrap().doc.text(), "hello");
    }

    #[test]
    fn damage_and_newer_formats_are_told_apart() {
        let bytes = Segment { earlier: Vec::new(), records: vec![record(0, None)] }.encode();
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x55;
            assert!(Segment::decode(&bad).is_err(), "byte {at}");
        }
        assert!(Snapshot::decode(&bytes).is_err());
        let mut newer = SEGMENT_MAGIC.to_vec();
        newer.push(SEGMENT_VERSION + 1);
        let newer = zstd::bulk::compress(&newer, 1).unwrap();
        assert_eq!(Segment::decode(&newer), Err(DecodeError::Newer { found: 5, known: 4 }));
    }

    /// The checksum is right, and what it covers is not: nobody writes that, and nobody takes it for a history.
    #[test]
    fn each_record_has_one_sender_and_one_time() {
        let segment = Segment { earlier: Vec::new(), records: vec![record(0, None), record(2, None)] };
        let (_, body) = unpack(SEGMENT_MAGIC, 0..=255, "a segment", &segment.encode()).unwrap();
        // Both are of the one sender; then come the times.
        let (runs, mut times) = ([0, 2], Vec::new());
        put_varint(&mut times, 2 * segment.records[0].at);
        times.push(0);
        let head = body.strip_suffix(&[&runs[..], &times].concat()[..]).expect("runs and times are the end");
        let read = |runs: &[u8], times: &[u8]| {
            Segment::decode(&pack(SEGMENT_MAGIC, SEGMENT_VERSION, &[head, runs, times].concat()))
        };
        assert_eq!(read(&runs, &times), Ok(segment.clone()));
        assert_eq!(read(&[0, 1, 0, 1], &times), Ok(segment.clone()));
        for bad in [&[0, 3][..], &[0, 1, 0, 2], &[0, 0, 0, 2], &[1, 2], &[0, 1, 1, 1]] {
            let read = read(bad, &times);
            let is_told = matches!(read, Err(DecodeError::Damaged { what, .. }) if what.contains("senders"));
            assert!(is_told, "{bad:?}: {read:?}");
        }
        assert!(read(&runs, &times[..times.len() - 1]).is_err(), "a time is missing");
        assert!(read(&runs, &[&times[..], &[0]].concat()).is_err(), "there is a time too many");
    }

    #[test]
    fn a_frame_is_all_there_is_and_says_how_much_it_holds() {
        let plain = [SNAPSHOT_MAGIC, &[SNAPSHOT_VERSION][..], &Doc::new().encode()].concat();
        let frame = zstd::bulk::compress(&plain, LEVEL).unwrap();
        assert!(Snapshot::decode(&frame).is_ok());
        for bad in
            [[frame.clone(), b"x".to_vec()].concat(), frame.repeat(2), frame[..frame.len() - 1].to_vec()]
        {
            assert_eq!(Snapshot::decode(&bad).unwrap_err(), DecodeError::Checksum);
        }
        let mut encoder = zstd::bulk::Compressor::new(LEVEL).unwrap();
        encoder.include_contentsize(false).unwrap();
        let silent = encoder.compress(&plain).unwrap();
        assert!(matches!(Snapshot::decode(&silent).unwrap_err(), DecodeError::NotThisFormat(_)));
        // A byte tells the size of a frame this small.
        for lie in [plain.len() - 1, plain.len() + 1, 0, 255] {
            let mut liar = frame.clone();
            assert_eq!(usize::from(liar[5]), plain.len());
            liar[5] = lie as u8;
            assert!(Snapshot::decode(&liar).is_err(), "{lie}");
        }
        let huge = zstd::bulk::compress(&vec![0; UNPACKED_MAX as usize + 1], 1).unwrap();
        assert!(matches!(Snapshot::decode(&huge).unwrap_err(), DecodeError::NotThisFormat(_)));
    }

    #[test]
    fn only_this_format_is_unpacked() {
        let packed = |head: &[u8]| zstd::bulk::compress(head, 1).unwrap();
        let foreign = Err(DecodeError::NotThisFormat("x"));
        let of = |bytes: &[u8]| unpack(b"ABCD", 2..=3, "x", bytes);
        assert_eq!(of(&packed(b"ABCD\x02body")), Ok((2, b"body".to_vec())));
        assert_eq!(of(&packed(b"ABCD\x03")), Ok((3, Vec::new())));
        assert_eq!(of(&packed(b"ABCD\x04")), Err(DecodeError::Newer { found: 4, known: 3 }));
        for other in [&b"ABCD\x01body"[..], b"ABCE\x02body", b"ABCE\x04body", b"ABCD", b""] {
            assert_eq!(of(&packed(other)), foreign, "{other:?}");
        }
        // The head of a frame that unpacks to more than any object does: there is no memory for it.
        let huge = [&[0x28, 0xb5, 0x2f, 0xfd, 0xe0][..], &(UNPACKED_MAX + 1).to_le_bytes(), &[0; 8]].concat();
        assert_eq!(of(&huge), foreign);
    }

    /// Segments as the versions before this one wrote them: of one record without a user, and one of Alice's.
    #[test]
    fn what_earlier_versions_have_written_is_read() {
        let keys =
            |numbers: &[u32]| numbers.iter().map(|n| format!("docs/d/segments/{n}")).collect::<Vec<_>>();
        for (hex, earlier) in
            [(VERSION_3, keys(&[1, 0])), (VERSION_2_FIRST, keys(&[])), (VERSION_2_LINKED, keys(&[1]))]
        {
            let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            let bytes: Vec<u8> = digits.chunks(2).map(byte).collect();
            let records = vec![record(0, None), record(2, Some("alice"))];
            assert_eq!(Segment::decode(&bytes), Ok(Segment { earlier, records }));
        }
    }

    const VERSION_3: &str = "28b52ffd248e5d0300740549534547030200000011000000646f63732f642f7365676d656e74732f31301f0000 \
             00010101610100020220200202020000c3a9f09f9880ff104c30534d39634f46764863434968773d05616c6963 \
             6580a0abfef9620006005008003a6770329b82de575615e999075f7373cb";
    const VERSION_2_FIRST: &str = "28b52ffd246495020014044953454702000000001f000000010101610100020220200202020000c3a9f09f9880 \
             ff104c30534d39634f46764863434968773d05616c69636580a0abfef9620005005008003a6770329b82be59b3 \
             0980fca15c";
    const VERSION_2_LINKED: &str = "28b52ffd24752d03006405495345470211000000646f63732f642f7365676d656e74732f311f00000001010161 \
             010002022020020000000202020000c3a9f09f9880ff104c30534d39634f46764863434968773d05616c696365 \
             80a0abfef9620004005008003a6770327bc10a149b22842a";
}
