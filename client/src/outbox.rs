//! Typed text that is not known to be durable: closed events, in order, and the one being filled.
//!
//! An event keeps its boundaries from the moment it is closed. It is closed when it is about to be
//! sent, when it would outgrow a frame, or when the caller says so.

use std::collections::VecDeque;

use inklog_crdt::{Agent, Anchor, Event, Id, Op, push_op};

/// An event is closed before its ops outgrow this many bytes of JSON: a frame takes 32 KB.
pub const EVENT_JSON_BYTES_MAX: usize = 24 * 1024;
/// What an op takes besides its text and agents' names: field names, two numbers, punctuation.
const OP_ENVELOPE_BYTES: usize = 110;

/// The outbox of one agent in one document.
#[derive(Debug)]
pub struct Outbox {
    agent: Agent,
    closed: VecDeque<Event>,
    open: Vec<Op>,
    open_bytes: usize,
    /// The last id of `open` plus one.
    open_end: u64,
    /// Where the next event goes on.
    end: u64,
}

impl Outbox {
    /// An empty outbox; the agent's chain begins at 0.
    pub fn new(agent: Agent) -> Outbox {
        Outbox { agent, closed: VecDeque::new(), open: Vec::new(), open_bytes: 0, open_end: 0, end: 0 }
    }

    /// Adds the agent's next op; a giant insert becomes several.
    pub fn push(&mut self, op: Op) {
        let room = EVENT_JSON_BYTES_MAX - self.envelope(&op);
        match op {
            Op::Insert { seq, text, anchor } if json_bytes(&text) > room => {
                let (mut seq, mut anchor) = (seq, anchor);
                for piece in pieces(&text, room) {
                    let chars = piece.chars().count() as u64;
                    self.push_small(Op::Insert { seq, text: piece.to_owned(), anchor });
                    // Each further character is the right child of the one before.
                    seq += chars;
                    anchor = Anchor::Left(Some(Id::new(self.agent.clone(), seq - 1)));
                }
            }
            op => self.push_small(op),
        }
    }

    fn push_small(&mut self, op: Op) {
        let text_bytes = match &op {
            Op::Insert { text, .. } => json_bytes(text),
            Op::Delete { .. } => 0,
        };
        let bytes = self.envelope(&op) + text_bytes;
        if self.open_bytes + bytes > EVENT_JSON_BYTES_MAX {
            self.close();
        }
        let ops = self.open.len();
        push_op(&mut self.open, &mut self.open_end, &self.agent, op);
        self.open_bytes += if self.open.len() == ops { text_bytes } else { bytes };
    }

    fn envelope(&self, op: &Op) -> usize {
        let reference = match op {
            Op::Insert { anchor, .. } => anchor.id(),
            Op::Delete { target, .. } => Some(target),
        };
        let reference_bytes = reference.map_or(0, |id| id.agent.as_str().len());
        OP_ENVELOPE_BYTES + self.agent.as_str().len() + reference_bytes
    }

    /// Ends the event being filled, if there is anything in it.
    pub fn close(&mut self) {
        if self.open.is_empty() {
            return;
        }
        self.open_bytes = 0;
        let ops = std::mem::take(&mut self.open);
        let event = Event::new(self.agent.clone(), self.end, ops)
            .unwrap_or_else(|error| panic!("a replica's own ops do not make an event: {error}"));
        self.end = event.end();
        self.closed.push_back(event);
    }

    /// The event to send next; the one being filled is closed when there is no other.
    pub fn to_send(&mut self) -> Option<&Event> {
        if self.closed.is_empty() {
            self.close();
        }
        self.closed.front()
    }

    /// The closed events, oldest first.
    pub fn closed(&self) -> impl Iterator<Item = &Event> {
        self.closed.iter()
    }

    /// The closed event at this place of the chain.
    pub fn at(&self, after: u64) -> Option<&Event> {
        let index = self.closed.binary_search_by_key(&after, Event::after).ok()?;
        self.closed.get(index)
    }

    /// The closed events from this end of the chain on, oldest first.
    pub fn closed_from(&self, end: u64) -> impl Iterator<Item = &Event> {
        self.closed.range(self.closed.partition_point(|event| event.after() < end)..)
    }

    /// All ops that are not known to be durable, oldest first.
    pub fn ops(&self) -> impl Iterator<Item = &Op> {
        self.closed.iter().flat_map(Event::ops).chain(&self.open)
    }

    /// How many events are closed and not covered.
    pub fn closed_len(&self) -> usize {
        self.closed.len()
    }

    /// Whether everything is known to be durable.
    pub fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.open.is_empty()
    }

    /// The end of the last closed event.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Takes out the oldest event, if the log covers it.
    pub fn take_covered(&mut self, end: u64) -> Option<Event> {
        self.closed.pop_front_if(|event| event.after() < end)
    }
}

/// Bytes of the text inside a JSON string.
fn json_bytes(text: &str) -> usize {
    text.chars().map(json_char_bytes).sum()
}

fn json_char_bytes(char: char) -> usize {
    match char {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        char => char.len_utf8(),
    }
}

/// Cuts a text into pieces of at most `bytes` of JSON.
fn pieces(text: &str, bytes: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut filled) = (0, 0);
    for (at, char) in text.char_indices() {
        let more = json_char_bytes(char);
        if filled + more > bytes {
            pieces.push(&text[start..at]);
            (start, filled) = (at, 0);
        }
        filled += more;
    }
    pieces.push(&text[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::send_op;
    use inklog_crdt::Doc;
    use inklog_protocol::limits::FRAME_BYTES_MAX;
    use inklog_protocol::{DocId, Request};

    fn agent() -> Agent {
        Agent::new(&"a".repeat(64)).unwrap()
    }

    /// Every frame is legal, and a replica that gets them shows the same text.
    fn check(outbox: &mut Outbox, text: &str) -> usize {
        outbox.close();
        let doc = DocId::new(&"d".repeat(128)).unwrap();
        let mut copy = Doc::new();
        for event in outbox.closed() {
            let frame = send_op(&doc, event);
            assert!(frame.len() <= FRAME_BYTES_MAX, "{}", frame.len());
            Request::parse(&frame).unwrap();
            copy.apply(event);
        }
        assert_eq!(copy.text(), text);
        outbox.closed_len()
    }

    #[test]
    fn a_giant_insert_becomes_events_that_fit() {
        for unit in ["x", "\u{1}", "\"\\\n", "😀é "] {
            let (mut doc, mut outbox) = (Doc::new(), Outbox::new(agent()));
            outbox.push(doc.insert(&agent(), 0, &unit.repeat(50_000)).unwrap());
            outbox.push(doc.insert(&agent(), 7, "in the middle").unwrap());
            assert!(check(&mut outbox, &doc.text()) > 1);
        }
    }

    #[test]
    fn text_of_any_length_around_a_cut_becomes_events_that_fit() {
        let other = Agent::new(&"b".repeat(64)).unwrap();
        for unit in ["x", "é", "中", "😀", "\"", "\u{1}"] {
            // Hung on another's character, by the longest of names.
            let events = |count: usize| {
                let (mut doc, mut outbox) = (Doc::new(), Outbox::new(agent()));
                let before = doc.insert(&other, 0, "b").unwrap();
                let op = doc.insert(&agent(), 1, &unit.repeat(count)).unwrap();
                outbox.push(op);
                outbox.close();
                let mut copy = Doc::new();
                copy.apply(&Event::new(other.clone(), 0, vec![before]).unwrap());
                for event in outbox.closed() {
                    let frame = send_op(&DocId::new(&"d".repeat(128)).unwrap(), event);
                    assert!(frame.len() <= FRAME_BYTES_MAX, "{}", frame.len());
                    Request::parse(&frame).unwrap();
                    copy.apply(event);
                }
                assert!(copy.text() == doc.text(), "{count} times {unit:?}");
                outbox.closed_len()
            };
            let room = EVENT_JSON_BYTES_MAX / json_bytes(unit);
            let (mut low, mut high) = (1, 2 * room);
            while high - low > 1 {
                let middle = (low + high) / 2;
                *(if events(middle) == 1 { &mut low } else { &mut high }) = middle;
            }
            assert!(high > room * 9 / 10, "events are filled");
            assert_eq!((events(low), events(high)), (1, 2));
            for count in low - 8..high + 8 {
                assert_eq!(events(count), if count < high { 1 } else { 2 });
            }
        }
    }

    #[test]
    fn many_small_edits_become_events_that_fit() {
        let (mut doc, mut outbox) = (Doc::new(), Outbox::new(agent()));
        for i in 0..4_000 {
            outbox.push(doc.insert(&agent(), (i * 7) % (doc.len() + 1), "é").unwrap());
            if i % 3 == 2 {
                for op in doc.delete(&agent(), i % doc.len(), 1).unwrap() {
                    outbox.push(op);
                }
            }
        }
        assert!(check(&mut outbox, &doc.text()) > 3);
    }

    #[test]
    fn typing_is_one_op_and_boundaries_stay() {
        let (mut doc, mut outbox) = (Doc::new(), Outbox::new(agent()));
        for (i, letter) in ["a", "b", "c"].into_iter().enumerate() {
            outbox.push(doc.insert(&agent(), i, letter).unwrap());
        }
        let first = outbox.to_send().unwrap().clone();
        assert_eq!((first.ops().len(), first.end()), (1, 3));
        outbox.push(doc.insert(&agent(), 3, "d").unwrap());
        assert_eq!(outbox.to_send().unwrap(), &first);
        assert_eq!(outbox.take_covered(0), None);
        assert_eq!(outbox.take_covered(3), Some(first));
        assert_eq!(outbox.take_covered(3), None);
        assert_eq!(outbox.to_send().unwrap().after(), 3);
        assert!(!outbox.is_empty());
    }
}
