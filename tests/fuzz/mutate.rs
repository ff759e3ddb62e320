//! Bytes, changed: flipped, cut, spliced, with numbers at their limits and counts that lie.

use arbitrary::{Result, Unstructured};

use crate::made::{EDGES, number};

/// Changes the bytes from `from` on, some times; in one of a few, not at all.
pub fn mutate(choices: &mut Unstructured, bytes: &mut Vec<u8>, from: usize) -> Result<()> {
    let times = *choices.choose(&[0, 1, 1, 1, 2, 2, 3, 5])?;
    for _ in 0..times {
        if bytes.len() <= from {
            break;
        }
        let at = choices.int_in_range(from..=bytes.len() - 1)?;
        let to = (at + choices.int_in_range(1..=16)?).min(bytes.len());
        match choices.int_in_range(0..=9)? {
            0 => bytes[at] ^= 1 << choices.int_in_range(0..=7)?,
            1 => bytes[at] = *choices.choose(&[0, 1, 0x7f, 0x80, 0xff, b'"'])?,
            2 => bytes[at] = bytes[at].wrapping_add(*choices.choose(&[1, 0xff])?),
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..to)),
            5 => {
                let piece = bytes[at..to].to_vec();
                let there = choices.int_in_range(from..=bytes.len())?;
                bytes.splice(there..there, piece);
            }
            // A LEB128 number in the place of another.
            6 => {
                let len = bytes[at..].iter().take_while(|byte| **byte >= 0x80).count() + 1;
                let end = (at + len).min(bytes.len());
                bytes.splice(at..end, varint(number(choices)?));
            }
            // A fixed number.
            7 => {
                let value = (*choices.choose(&EDGES)? as u32).to_le_bytes();
                let end = (at + 4).min(bytes.len());
                bytes.splice(at..end, value);
            }
            8 => {
                let piece = choices.bytes(choices.len().min(8))?.to_vec();
                bytes.splice(at..at, piece);
            }
            // One thing many times.
            _ => {
                let times = choices.int_in_range(2..=200)?;
                let piece = bytes[at..to].repeat(times);
                bytes.splice(at..at, piece);
            }
        }
    }
    Ok(())
}

/// The beginning of one, and the end of another.
pub fn splice(choices: &mut Unstructured, one: &mut Vec<u8>, other: &[u8]) -> Result<()> {
    let keep = choices.int_in_range(0..=one.len())?;
    let from = choices.int_in_range(0..=other.len())?;
    one.truncate(keep);
    one.extend(&other[from..]);
    Ok(())
}

/// An unsigned LEB128 number.
pub fn varint(value: u64) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), value);
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out
}
