//! Valid material.

use arbitrary::{Result, Unstructured};
use inklog_crdt::{Agent, Doc, Draft, Event, Id, MAX_DELETE_LEN, MAX_SEQ, Op, Origin};
use inklog_protocol::{Author, LoggedEvent};

/// Lengths and values around which formats and rules change.
pub const EDGES: [u64; 24] = [
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    16_383,
    16_384,
    65_535,
    65_536,
    MAX_DELETE_LEN,
    MAX_DELETE_LEN + 1,
    1 << 20,
    1 << 30,
    (1 << 31) - 1,
    1 << 31,
    u32::MAX as u64,
    1 << 32,
    MAX_SEQ - 1,
    MAX_SEQ,
    MAX_SEQ + 1,
    i64::MAX as u64,
    u64::MAX,
];

/// Once in so many times, and not where the choices have come to their end.
pub fn rarely(choices: &mut Unstructured, times: u32) -> Result<bool> {
    Ok(choices.int_in_range(1..=times)? == times)
}

/// A number, small or at an edge.
pub fn number(choices: &mut Unstructured) -> Result<u64> {
    match choices.int_in_range(0..=3)? {
        0 => Ok(*choices.choose(&EDGES)?),
        1 => choices.arbitrary(),
        _ => choices.int_in_range(0..=40),
    }
}

/// One of a few agents, with odd names.
pub fn agent(choices: &mut Unstructured) -> Result<Agent> {
    let longest = "x".repeat(64);
    let names = ["a", "alice~k3", "-", "Z", "b.c_d-1", &longest];
    let name = choices.choose(&names)?;
    Ok(Agent::new(name).expect("a legal name"))
}

/// Some text, which is not empty.
pub fn text(choices: &mut Unstructured) -> Result<String> {
    let piece = choices.choose(&["x", "é", "😀", "\0", "\u{fffd}", "hello ", "\r\n", "\"\\", "한"])?;
    let times = match choices.int_in_range(0..=30)? {
        0 => 1_000,
        1 => 128,
        n if n < 20 => 1,
        n => n,
    };
    Ok(piece.repeat(times))
}

fn id(choices: &mut Unstructured) -> Result<Id> {
    Ok(Id::new(agent(choices)?, number(choices)?.min(MAX_SEQ)))
}

/// An event that is valid in itself, and seldom fits a document.
pub fn odd_event(choices: &mut Unstructured, agent: Agent, after: u64) -> Result<Option<Event>> {
    let mut end = after;
    let mut ops = Vec::new();
    for _ in 0..choices.int_in_range(1..=4)? {
        let seq = end.saturating_add(if rarely(choices, 3)? { number(choices)? } else { 0 });
        let op = match choices.int_in_range(0..=3)? {
            0 => Op::Delete { seq, target: id(choices)?, len: number(choices)? },
            1 => Op::Insert { seq, text: text(choices)?, origin: Origin::Left(None) },
            2 => Op::Insert { seq, text: text(choices)?, origin: Origin::Left(Some(id(choices)?)) },
            _ => Op::Insert { seq, text: text(choices)?, origin: Origin::Right(id(choices)?) },
        };
        end = op.seq().saturating_add(op.id_count());
        ops.push(op);
    }
    Ok(Event::new(agent, after, ops).ok())
}

/// A history as replicas make it, two of which edit at once and exchange what they have now and then; with odd events
/// between.
pub fn history(choices: &mut Unstructured) -> Result<(Doc, Vec<Event>)> {
    let mut replicas = [Doc::new(), Doc::new()];
    let mut seen = [0, 0];
    let mut events: Vec<Event> = Vec::new();
    let names = [["a", "alice~k3"], ["-", "Z"]];
    for _ in 0..choices.int_in_range(1..=12)? {
        let which = usize::from(choices.arbitrary::<bool>()?);
        let replica = &mut replicas[which];
        if rarely(choices, 3)? {
            events[seen[which]..].iter().for_each(|event| {
                replica.apply(event);
            });
            seen[which] = events.len();
        }
        let agent = Agent::new(choices.choose(&names[which])?).expect("a legal name");
        let after = replica.version().get(&agent);
        let event = match rarely(choices, 6)? {
            true => odd_event(choices, agent, after)?,
            false => edited(choices, replica, agent, after)?,
        };
        if let Some(event) = event {
            replica.apply(&event);
            events.push(event);
        }
    }
    let [mut doc, _] = replicas;
    events.iter().for_each(|event| {
        doc.apply(event);
    });
    Ok((doc, events))
}

fn edited(choices: &mut Unstructured, doc: &mut Doc, agent: Agent, after: u64) -> Result<Option<Event>> {
    let mut draft = Draft::new(agent, after);
    for _ in 0..choices.int_in_range(1..=4)? {
        let at = choices.int_in_range(0..=doc.len())?;
        let most = if rarely(choices, 4)? { doc.len() - at } else { 0 };
        let deleted = choices.int_in_range(0..=most)?;
        let inserted = if rarely(choices, 5)? { String::new() } else { text(choices)? };
        if doc.edit(&mut draft, at, deleted, &inserted).is_err() {
            break;
        }
    }
    Ok(draft.finish().ok())
}

/// When and from whom an event came.
pub fn logged(choices: &mut Unstructured, event: Event) -> Result<LoggedEvent> {
    let author = match choices.int_in_range(0..=2)? {
        0 => None,
        1 => Some(Author { user: "alice".into(), name: None }),
        _ => Some(Author { user: text(choices)?, name: Some(text(choices)?) }),
    };
    // The highest byte of the time tells whether there is an author.
    let at = number(choices)? & ((1 << 56) - 1);
    Ok(LoggedEvent { event, at, author })
}
