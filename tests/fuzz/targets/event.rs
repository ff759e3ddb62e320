//! An event: `Event::decode`, its ops, and a document that gets it.

use arbitrary::{Result, Unstructured};
use inklog_crdt::{Agent, Doc, Event};

use crate::driver::{Target, unsealed};
use crate::made::{agent, history, number, odd_event, rarely};
use crate::meter::{Bound, Meter};
use crate::mutate::{mutate, splice};

pub const TARGET: Target = Target { name: "event", inputs: 30_000, make, check, seal: unsealed };
/// An op of two bytes is a struct of some 80, twice while it is read, in lists that double.
const BOUND: Bound = Bound { each: 128, base: 16 * 1024 };

fn make(choices: &mut Unstructured) -> Result<Vec<u8>> {
    let mut bytes = encoded(choices)?;
    if rarely(choices, 8)? {
        let other = encoded(choices)?;
        splice(choices, &mut bytes, &other)?;
    }
    mutate(choices, &mut bytes, 0)?;
    Ok(bytes)
}

/// Some event's bytes.
pub fn encoded(choices: &mut Unstructured) -> Result<Vec<u8>> {
    Ok(any(choices)?.map_or_else(Vec::new, |event| event.encode()))
}

/// Some event.
pub fn any(choices: &mut Unstructured) -> Result<Option<Event>> {
    match choices.arbitrary()? {
        true => Ok(history(choices)?.1.pop()),
        false => {
            let (agent, after) = (agent(choices)?, number(choices)?);
            odd_event(choices, agent, after)
        }
    }
}

fn check(input: &[u8], meter: &mut Meter) {
    let event = meter.run(input.len(), BOUND, || {
        let event = Event::decode(input)?;
        event.ops();
        Ok::<_, inklog_crdt::DecodeError>(event)
    });
    let Ok(event) = event else { return };
    meter.read += 1;
    assert_eq!(event.encoded(), input, "it carries its bytes");
    same_as_its_ops(&event);
    meter.run(input.len(), Bound { base: 64 * 1024, ..BOUND }, || applied(&event)).assert_invariants();
}

/// An event is what its ops make, and has one canonical form.
pub fn same_as_its_ops(event: &Event) {
    let made = Event::new(event.agent().clone(), event.after(), event.ops().to_vec());
    let made = made.expect("an event that was read is valid");
    assert_eq!(made.end(), event.end());
    assert_eq!(made, *event);
    let canonical = made.encode();
    assert_eq!(Event::decode(&canonical).expect("what was encoded can be decoded"), *event);
    assert_eq!(event.encode(), canonical);
}

/// A document with some text, once it has the event and whatever stands before it in its chain.
fn applied(event: &Event) -> Doc {
    let mut doc = Doc::new();
    for name in ["a", "alice~k3", "Z"] {
        doc.insert(&Agent::new(name).expect("legal"), 0, "hello").expect("there is room");
    }
    doc.apply(event);
    doc.apply(event);
    doc
}
