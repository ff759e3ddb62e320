//! A document's state: `Doc::decode`, `Doc::decode_version`, and what is merged from it.

use arbitrary::{Result, Unstructured};
use inklog_crdt::Doc;

use crate::driver::Target;
use crate::made::{history, number, rarely};
use crate::meter::{Bound, Meter};
use crate::mutate::{mutate, splice, varint};

/// Magic, version and checksum.
const HEADER: usize = 9;

pub const TARGET: Target = Target { name: "state", inputs: 20_000, make, check, seal: |state| seal(state) };
/// An agent of a single letter takes three bytes, and some 130 of memory.
const BOUND: Bound = Bound { each: 128, base: 16 * 1024 };

fn make(choices: &mut Unstructured) -> Result<Vec<u8>> {
    let mut state = history(choices)?.0.encode();
    match choices.int_in_range(0..=9)? {
        0 => {
            let other = history(choices)?.0.encode();
            splice(choices, &mut state, &other[HEADER..])?;
        }
        // Nothing but numbers.
        1 => {
            state.truncate(HEADER);
            for _ in 0..choices.int_in_range(1..=40)? {
                state.extend(varint(number(choices)?));
            }
        }
        _ => {}
    }
    let from = if rarely(choices, 20)? { 0 } else { HEADER };
    mutate(choices, &mut state, from)?;
    if !rarely(choices, 20)? {
        seal(&mut state);
    }
    Ok(state)
}

/// Puts the right checksum in.
pub fn seal(state: &mut [u8]) {
    if state.len() >= HEADER {
        let sum = crc32fast::hash(&state[HEADER..]);
        state[HEADER - 4..HEADER].copy_from_slice(&sum.to_le_bytes());
    }
}

fn check(input: &[u8], meter: &mut Meter) {
    let version = meter.run(input.len(), BOUND, || Doc::decode_version(input));
    let Ok(doc) = meter.run(input.len(), BOUND, || Doc::decode(input)) else { return };
    meter.read += 1;
    assert_eq!(version.as_ref(), Ok(doc.version()));
    sound(&doc);
    assert!(doc.encode() == input, "two encodings of one state");
}

/// A document that can be gone on with: its parts fit, and others can be brought to its state.
pub fn sound(doc: &Doc) {
    doc.assert_invariants();
    let mut copy = Doc::new();
    copy.merge(&doc.spans(), doc.version()).expect("a document's own spans");
    copy.assert_invariants();
    let bytes = doc.encode();
    assert!(copy.encode() == bytes, "a merged copy is another document");
    let again = Doc::decode(&bytes).expect("what was encoded can be decoded");
    assert!(again.encode() == bytes, "it changes with each encoding");
}
