//! An object in S3, with its zstd frame: `Snapshot::decode` and `Segment::decode`, given frames that are damaged, lie
//! about their content, or hold very much of very little.

use std::io::Read as _;

use arbitrary::{Result, Unstructured};
use inklog_store::objects::{Segment, Snapshot};

use super::segment;
use crate::driver::{Target, unsealed};
use crate::made::{history, number, rarely};
use crate::meter::{Bound, Meter};
use crate::mutate::mutate;

/// What a frame of a bomb unpacks to.
const BOMB_BYTES: usize = 4 << 20;

pub const TARGET: Target = Target { name: "object", inputs: 3_000, make, check, seal: unsealed };
/// For each byte of what the frame really holds, as far as it can be unpacked. What it says counts for nothing.
const BOUND: Bound = Bound { each: 768, base: 256 * 1024 };

fn make(choices: &mut Unstructured) -> Result<Vec<u8>> {
    let mut object = match choices.int_in_range(0..=3)? {
        0 => Snapshot::encode(&history(choices)?.0),
        1 => segment::any(choices)?.encode(),
        _ => framed(choices)?,
    };
    if rarely(choices, 3)? {
        let said = number(choices)?;
        say_size(&mut object, said);
    }
    let from = if rarely(choices, 4)? { 0 } else { 4 };
    mutate(choices, &mut object, from)?;
    Ok(object)
}

/// A frame as another program might write it.
fn framed(choices: &mut Unstructured) -> Result<Vec<u8>> {
    let magic = choices.choose(&[b"ISNP\x01", b"ISEG\x04", b"ISEG\x02", b"ISEG\x05", b"XXXX\x01"])?;
    let len = if rarely(choices, 40)? { BOMB_BYTES } else { choices.int_in_range(0..=300)? };
    let byte: u8 = choices.arbitrary()?;
    let mut plain = magic.to_vec();
    plain.extend(std::iter::repeat_n(byte, len));
    let mut encoder = zstd::bulk::Compressor::new(*choices.choose(&[1, 3])?).expect("the level exists");
    encoder.include_checksum(choices.arbitrary()?).expect("a setting");
    encoder.include_contentsize(choices.ratio(5, 6)?).expect("a setting");
    let mut object = encoder.compress(&plain).expect("in memory");
    match choices.int_in_range(0..=9)? {
        0 => object = object.repeat(2),
        // A frame to be skipped, before or behind.
        1 => drop(object.splice(0..0, *b"\x50\x2a\x4d\x18\x01\0\0\0x")),
        2 => object.extend(*b"\x50\x2a\x4d\x18\x01\0\0\0x"),
        _ => {}
    }
    Ok(object)
}

/// Writes a content size of eight bytes into the header of a frame, in place of what it says.
fn say_size(object: &mut Vec<u8>, size: u64) {
    let Some(descriptor) = object.get(4).copied() else { return };
    let is_single = descriptor & 0x20 != 0;
    let said = match (descriptor >> 6, is_single) {
        (0, true) => 1,
        (0, false) => 0,
        (flag, _) => 1 << flag,
    };
    let from = if is_single { 5 } else { 6 };
    if object.len() >= from + said {
        object[4] = descriptor | 0xc0;
        object.splice(from..from + said, size.to_le_bytes());
    }
}

/// What a frame holds, as far as it can be unpacked.
pub fn unpacked(object: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    if let Ok(decoder) = zstd::Decoder::with_buffer(object) {
        // What is damaged ends it.
        let _ = decoder.take(BOMB_BYTES as u64 * 2).read_to_end(&mut plain);
    }
    plain
}

/// A frame around something.
pub fn packed(plain: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(plain, 1).expect("in memory")
}

fn check(input: &[u8], meter: &mut Meter) {
    let size = unpacked(input).len().max(input.len());
    let segment = meter.run(size, BOUND, || Segment::decode(input));
    let snapshot = meter.run(size, BOUND, || Snapshot::decode(input));
    assert!(segment.is_err() || snapshot.is_err(), "one object is both");
    meter.read += u64::from(segment.is_ok() || snapshot.is_ok());
}
