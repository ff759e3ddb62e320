//! What is in a snapshot: `Snapshot::decode`, given the bytes within the zstd frame.

use arbitrary::{Result, Unstructured};
use inklog_store::objects::Snapshot;

use super::{object, state};
use crate::driver::Target;
use crate::made::{history, rarely};
use crate::meter::{Bound, Meter};
use crate::mutate::mutate;

/// Magic and version.
const HEADER: usize = 5;

pub const TARGET: Target = Target { name: "snapshot", inputs: 4_000, make, check, seal };
const BOUND: Bound = Bound { each: 128, base: 64 * 1024 };

fn make(choices: &mut Unstructured) -> Result<Vec<u8>> {
    let mut plain = object::unpacked(&Snapshot::encode(&history(choices)?.0));
    let from = if rarely(choices, 10)? { 0 } else { HEADER };
    mutate(choices, &mut plain, from)?;
    seal(&mut plain);
    Ok(plain)
}

fn seal(plain: &mut Vec<u8>) {
    if plain.len() > HEADER {
        let mut state = plain.split_off(HEADER);
        state::seal(&mut state);
        plain.extend(state);
    }
}

fn check(input: &[u8], meter: &mut Meter) {
    let object = object::packed(input);
    let Ok(snapshot) = meter.run(input.len(), BOUND, || Snapshot::decode(&object)) else { return };
    meter.read += 1;
    let again = Snapshot::decode(&Snapshot::encode(&snapshot.doc)).expect("what was encoded can be decoded");
    assert!(again.doc.encode() == input[HEADER..], "two encodings of one state");
}
