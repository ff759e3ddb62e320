//! Many events by column: `decode_events`.

use arbitrary::{Result, Unstructured};
use inklog_crdt::{Event, decode_events, encode_events};

use super::event;
use crate::driver::{Target, unsealed};
use crate::made::{history, rarely};
use crate::meter::{Bound, Meter};
use crate::mutate::{mutate, splice};

pub const TARGET: Target = Target { name: "history", inputs: 20_000, make, check, seal: unsealed };
/// The caller says how many events there can be; here, as many as bytes. Each of them is some 300 bytes with its op.
const BOUND: Bound = Bound { each: 512, base: 16 * 1024 };

fn make(choices: &mut Unstructured) -> Result<Vec<u8>> {
    let mut bytes = encode_events(&by_agent(choices)?);
    if rarely(choices, 8)? {
        let other = encode_events(&by_agent(choices)?);
        splice(choices, &mut bytes, &other)?;
    }
    mutate(choices, &mut bytes, 0)?;
    Ok(bytes)
}

/// A history in the order in which segments have it, or not.
pub fn by_agent(choices: &mut Unstructured) -> Result<Vec<Event>> {
    let mut events = history(choices)?.1;
    if choices.arbitrary()? {
        events.sort_by(|a, b| (a.agent(), a.after()).cmp(&(b.agent(), b.after())));
    }
    Ok(events)
}

fn check(input: &[u8], meter: &mut Meter) {
    let Ok(events) = meter.run(input.len(), BOUND, || decode_events(input, input.len())) else { return };
    meter.read += 1;
    assert!(events.len() <= input.len());
    for event in &events {
        event::same_as_its_ops(event);
    }
    let canonical = encode_events(&events);
    assert_eq!(decode_events(&canonical, events.len()).expect("what was encoded can be decoded"), events);
    if let Some(fewer) = events.len().checked_sub(1) {
        assert!(decode_events(&canonical, fewer).is_err(), "there are more than there can be");
    }
}
