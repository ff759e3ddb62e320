//! What is in a history segment: `Segment::decode`, given the bytes within the zstd frame.

use arbitrary::{Result, Unstructured};
use inklog_crdt::encode_events;
use inklog_store::LogRecord;
use inklog_store::objects::Segment;

use super::{history, object};
use crate::driver::{Target, unsealed};
use crate::made::{logged, rarely};
use crate::meter::{Bound, Meter};
use crate::mutate::mutate;

pub const TARGET: Target = Target { name: "segment", inputs: 8_000, make, check, seal: unsealed };
/// A record takes a byte of a time at least, and is some 500 in memory.
const BOUND: Bound = Bound { each: 768, base: 64 * 1024 };

fn make(choices: &mut Unstructured) -> Result<Vec<u8>> {
    let segment = any(choices)?;
    let mut plain = object::unpacked(&segment.encode());
    if rarely(choices, 10)? {
        // Another's events, with their own length.
        let events = encode_events(&history::by_agent(choices)?);
        plain.splice(
            5.min(plain.len())..,
            [&[0; 4][..], &(events.len() as u32).to_le_bytes(), &events].concat(),
        );
    }
    let from = if rarely(choices, 10)? { 0 } else { 5 };
    mutate(choices, &mut plain, from)?;
    Ok(plain)
}

/// Some segment.
pub fn any(choices: &mut Unstructured) -> Result<Segment> {
    let mut records = Vec::new();
    for event in history::by_agent(choices)? {
        let logged = logged(choices, event)?;
        let connection = choices.ratio(1, 2)?.then(|| "L0SM9cOFvHcCIhw=".to_owned());
        records.push(LogRecord { event: logged.event, at: logged.at, author: logged.author, connection });
    }
    let earlier = (0..choices.int_in_range(0..=3)?).map(|n| format!("docs/d/segments/{n}")).collect();
    Ok(Segment { earlier, records })
}

fn check(input: &[u8], meter: &mut Meter) {
    let object = object::packed(input);
    let Ok(segment) = meter.run(input.len(), BOUND, || Segment::decode(&object)) else { return };
    meter.read += 1;
    let again = Segment::decode(&segment.encode()).expect("what was encoded can be decoded");
    // Long names of users and connections are cut when they are written, and those that are read are not longer.
    assert_eq!(again, segment);
}
