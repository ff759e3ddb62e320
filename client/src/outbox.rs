//! What was typed and is not known to be durable: closed events, in order, and the one being filled.
//!
//! An event keeps its boundaries from the moment it is closed. It is closed when it is about to be
//! sent, when it would outgrow a frame, or when the caller says so.

use std::collections::VecDeque;

use inklog_crdt::{Agent, Event, Id, Op, Origin, push_op};

/// An event is closed before its ops outgrow this many bytes of JSON: a frame takes 32 KB.
pub(crate) const EVENT_JSON_BYTES_MAX: usize = 30_000;
/// What an op takes beside its text and its agents' names: field names, two numbers, punctuation.
const OP_ENVELOPE_BYTES: usize = 110;

/// An event that is not known to be durable.
#[derive(Debug, Clone)]
pub(crate) struct Queued {
    pub event: Event,
    /// It may have been sent.
    pub sent: bool,
    /// The log does not have it, and never will: it is offered again under another agent.
    pub refused: bool,
    /// The number of the batch that stored it before it is sent; 0: none.
    pub kept: u64,
    /// It was typed before this client was begun, and came from the store.
    pub loaded: bool,
}

impl Queued {
    fn new(event: Event) -> Queued {
        Queued { event, sent: false, refused: false, kept: 0, loaded: false }
    }
}

/// The outbox of one agent in one document.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    agent: Agent,
    closed: VecDeque<Queued>,
    open: Vec<Op>,
    open_bytes: usize,
    /// The last id of `open` plus one.
    open_end: u64,
    /// Where the next event goes on.
    end: u64,
    /// What was typed since [`Outbox::take_typed`]. No op of it reaches over the end of an event.
    typed: Vec<Op>,
    typed_end: u64,
}

impl Outbox {
    /// An empty outbox; the agent's chain begins at 0.
    pub fn new(agent: Agent) -> Outbox {
        Outbox {
            agent,
            closed: VecDeque::new(),
            open: Vec::new(),
            open_bytes: 0,
            open_end: 0,
            end: 0,
            typed: Vec::new(),
            typed_end: 0,
        }
    }

    /// What a store has of an agent whose chain is durable up to `start`: events that may have been sent,
    /// and what was typed after them.
    pub fn loaded(agent: Agent, start: u64, events: impl Iterator<Item = Event>, typed: Vec<Op>) -> Outbox {
        let mut outbox = Outbox { end: start, open_end: start, ..Outbox::new(agent) };
        for event in events {
            outbox.end = event.end();
            outbox.closed.push_back(Queued { sent: true, kept: 1, ..Queued::new(event) });
        }
        for op in typed {
            outbox.push(op);
        }
        outbox.close();
        outbox.typed.clear();
        outbox.closed.iter_mut().for_each(|queued| queued.loaded = true);
        outbox
    }

    /// Adds the agent's next op; a giant insert becomes several.
    pub fn push(&mut self, op: Op) {
        let envelope = self.envelope(&op);
        let room = EVENT_JSON_BYTES_MAX - envelope;
        match op {
            Op::Insert { seq, text, origin } if json_bytes(&text) > room => {
                let (mut seq, mut origin) = (seq, origin);
                for piece in pieces(&text, room) {
                    let chars = piece.chars().count() as u64;
                    self.push_small(Op::Insert { seq, text: piece.to_owned(), origin }, envelope);
                    // Each further character is the right child of the one before.
                    seq += chars;
                    origin = Origin::Left(Some(Id::new(self.agent.clone(), seq - 1)));
                }
            }
            op => self.push_small(op, envelope),
        }
    }

    fn push_small(&mut self, op: Op, envelope: usize) {
        let text_bytes = match &op {
            Op::Insert { text, .. } => json_bytes(text),
            Op::Delete { .. } => 0,
        };
        let bytes = envelope + text_bytes;
        if self.open_bytes + bytes > EVENT_JSON_BYTES_MAX {
            self.close();
        }
        let ops = self.open.len();
        push_op(&mut self.typed, &mut self.typed_end, &self.agent, op.clone());
        push_op(&mut self.open, &mut self.open_end, &self.agent, op);
        self.open_bytes += if self.open.len() == ops { text_bytes } else { bytes };
    }

    fn envelope(&self, op: &Op) -> usize {
        let reference = match op {
            Op::Insert { origin, .. } => origin.id(),
            Op::Delete { target, .. } => Some(target),
        };
        OP_ENVELOPE_BYTES + self.agent.as_str().len() + reference.map_or(0, |id| id.to_string().len())
    }

    /// Ends the event being filled, if there is anything in it.
    pub fn close(&mut self) {
        if self.open.is_empty() {
            return;
        }
        self.open_bytes = 0;
        let ops = std::mem::take(&mut self.open);
        let event = self.event_of(ops);
        self.end = event.end();
        // What is typed from now on is another op.
        self.typed_end = u64::MAX;
        self.closed.push_back(Queued::new(event));
    }

    fn event_of(&self, ops: Vec<Op>) -> Event {
        Event::new(self.agent.clone(), self.end, ops)
            .unwrap_or_else(|error| panic!("a replica's own ops do not make an event: {error}"))
    }

    /// Who writes.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The event to send next; the one being filled is closed when there is no other.
    pub fn next_to_send(&mut self) -> Option<&mut Queued> {
        if self.closed.is_empty() {
            self.close();
        }
        self.closed.front_mut()
    }

    /// The oldest closed event.
    pub fn front(&self) -> Option<&Queued> {
        self.closed.front()
    }

    /// The closed events, oldest first.
    pub fn closed(&self) -> impl Iterator<Item = &Event> {
        self.closed.iter().map(|queued| &queued.event)
    }

    /// The closed event at this place of the chain.
    pub fn at(&self, after: u64) -> Option<&Queued> {
        let index = self.closed.binary_search_by_key(&after, |queued| queued.event.after()).ok()?;
        self.closed.get(index)
    }

    /// The closed events from this end of the chain on, oldest first.
    pub fn closed_from(&self, end: u64) -> impl Iterator<Item = &Event> {
        let from = self.closed.partition_point(|queued| queued.event.after() < end);
        self.closed.range(from..).map(|queued| &queued.event)
    }

    /// The event being filled, as it is now.
    pub fn open_event(&self) -> Option<Event> {
        (!self.open.is_empty()).then(|| self.event_of(self.open.clone()))
    }

    /// All ops that are not known to be durable, oldest first.
    pub fn ops(&self) -> impl Iterator<Item = &Op> {
        self.closed().flat_map(Event::ops).chain(&self.open)
    }

    /// How many events are closed and not known to be durable.
    pub fn closed_len(&self) -> usize {
        self.closed.len()
    }

    /// Whether everything is known to be durable.
    pub fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.open.is_empty()
    }

    /// Whether any of it may have been sent.
    pub fn has_sent(&self) -> bool {
        self.closed.iter().any(|queued| queued.sent)
    }

    /// The end of what may have been sent.
    pub fn sent_end(&self) -> u64 {
        let last = self.closed.iter().rev().find(|queued| queued.sent);
        last.map_or(self.start(), |queued| queued.event.end())
    }

    /// The first id that is not known to be durable.
    pub fn start(&self) -> u64 {
        self.closed.front().map_or(self.end, |first| first.event.after())
    }

    /// The end of the last closed event.
    pub fn closed_end(&self) -> u64 {
        self.end
    }

    /// The end of all that was typed.
    pub fn end(&self) -> u64 {
        if self.open.is_empty() { self.end } else { self.open_end }
    }

    /// Where that begins which is to be typed again on another log, or on this one.
    pub fn first_typed(&self, is_other: bool) -> u64 {
        let first = self.closed.iter().find(|queued| !(queued.loaded && is_other));
        first.map_or(self.end, |queued| queued.event.after())
    }

    /// Takes out the oldest event.
    pub fn take_first(&mut self) -> Option<Event> {
        self.closed.pop_front().map(|queued| queued.event)
    }

    /// Each closed event is kept, with its boundaries, by a batch that `keep` names.
    pub fn keep_all(&mut self, mut keep: impl FnMut(&Event) -> u64) {
        self.closed.iter_mut().for_each(|queued| queued.kept = keep(&queued.event));
        self.typed.clear();
    }

    /// The log does not have this event, and never will.
    pub fn refuse(&mut self, after: u64) {
        if let Some(queued) = self.closed.iter_mut().find(|queued| queued.event.after() == after) {
            queued.refused = true;
        }
    }

    /// What was typed since the last call and is in no event that is kept before it is sent, as if it were an
    /// event.
    pub fn take_typed(&mut self) -> Option<Event> {
        let kept = self.closed.iter().rev().find(|queued| queued.kept > 0).map_or(0, |last| last.event.end());
        let mut typed = std::mem::take(&mut self.typed);
        self.typed_end = u64::MAX;
        typed.retain(|op| op.seq() >= kept);
        let after = typed.first()?.seq();
        Event::new(self.agent.clone(), after, typed).ok()
    }

    /// Whether anything was typed since [`Outbox::take_typed`].
    pub fn has_typed(&self) -> bool {
        !self.typed.is_empty()
    }

    /// Whether an op takes away what is durable, and so makes room, whatever becomes of the rest.
    fn makes_room(&self, op: &Op) -> bool {
        match op {
            Op::Insert { .. } => false,
            Op::Delete { target, len, .. } => {
                target.agent != self.agent || target.seq.saturating_add(*len) <= self.start()
            }
        }
    }

    /// Whether something that makes room waits for the oldest event, which does not, or not alone.
    pub fn room_waits(&self) -> bool {
        let Some(first) = self.front() else { return false };
        let only_makes_room = first.event.ops().iter().all(|op| self.makes_room(op));
        !only_makes_room && self.ops().any(|op| self.makes_room(op))
    }

    /// Gives everything new ids: those of `heir` from 0 on. The text comes out where it was typed, whatever
    /// has happened around it. With `room_first`, what makes room comes before all else.
    pub fn rename(&mut self, heir: Agent, room_first: bool) {
        let ahead: Vec<Op> = match room_first {
            true => self.ops().filter(|op| self.makes_room(op)).cloned().collect(),
            false => Vec::new(),
        };
        let rename = Rename::new(self.agent.clone(), self.start(), heir.clone(), &ahead);
        let closed = std::mem::take(&mut self.closed);
        let open = std::mem::take(&mut self.open);
        let open_bytes = self.open_bytes;
        *self = Outbox::new(heir);
        for op in ahead {
            if let Op::Delete { target, len, .. } = op {
                self.push(Op::Delete { seq: self.end(), target, len });
            }
        }
        self.close();
        for Queued { event, .. } in closed {
            let ops = rename.ops(event.ops());
            if ops.is_empty() {
                continue;
            }
            let event = self.event_of(ops);
            self.end = event.end();
            self.typed.extend_from_slice(event.ops());
            self.closed.push_back(Queued::new(event));
        }
        self.open = rename.ops(&open);
        self.open_bytes = if self.open.is_empty() { 0 } else { open_bytes };
        self.typed.extend_from_slice(&self.open);
        self.open_end = self.open.last().map_or(self.end, Op::end);
        self.typed_end = u64::MAX;
    }
}

/// The ids of `agent` from `from` on are those of `to`: first those that go ahead, then the others.
struct Rename {
    agent: Agent,
    from: u64,
    to: Agent,
    /// The old ids of what goes ahead: where each begins, and how many all up to its end are.
    ahead: Vec<(u64, u64)>,
}

impl Rename {
    fn new(agent: Agent, from: u64, to: Agent, ahead: &[Op]) -> Rename {
        let mut count = 0;
        let counted = |op: &Op| {
            count += op.end() - op.seq();
            (op.seq(), count)
        };
        Rename { agent, from, to, ahead: ahead.iter().map(counted).collect() }
    }

    /// The ops that do not go ahead.
    fn ops(&self, ops: &[Op]) -> Vec<Op> {
        let stays = |op: &&Op| self.ahead.binary_search_by_key(&op.seq(), |(seq, _)| *seq).is_err();
        ops.iter().filter(stays).flat_map(|op| self.op(op)).collect()
    }

    /// The new number of an old id that does not go ahead.
    fn seq(&self, old: u64) -> u64 {
        let before = self.ahead.partition_point(|(seq, _)| *seq < old);
        let skipped = before.checked_sub(1).map_or(0, |last| self.ahead[last].1);
        let all = self.ahead.last().map_or(0, |(_, count)| *count);
        all + (old - self.from) - skipped
    }

    fn op(&self, op: &Op) -> Vec<Op> {
        let seq = self.seq(op.seq());
        match op {
            Op::Insert { text, origin, .. } => {
                let origin = match origin {
                    Origin::Left(id) => Origin::Left(id.as_ref().map(|id| self.id(id))),
                    Origin::Right(id) => Origin::Right(self.id(id)),
                };
                vec![Op::Insert { seq, text: text.clone(), origin }]
            }
            Op::Delete { target, len, .. } => {
                let before = match target.agent == self.agent {
                    true => self.from.saturating_sub(target.seq).min(*len),
                    false => 0,
                };
                // A run of targets of which only the later ones have new names becomes two.
                let first = Op::Delete { seq, target: target.clone(), len: before };
                let rest = Id::new(target.agent.clone(), target.seq + before);
                let rest = Op::Delete { seq: seq + before, target: self.id(&rest), len: len - before };
                [(before, first), (len - before, rest)]
                    .into_iter()
                    .filter(|(len, _)| *len > 0)
                    .map(|(_, op)| op)
                    .collect()
            }
        }
    }

    fn id(&self, id: &Id) -> Id {
        match id.agent == self.agent && id.seq >= self.from {
            true => Id::new(self.to.clone(), self.seq(id.seq)),
            false => id.clone(),
        }
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
            let frame = send_op(&doc, event, u64::MAX);
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
                    let frame = send_op(&DocId::new(&"d".repeat(128)).unwrap(), event, u64::MAX);
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
        let first = outbox.next_to_send().unwrap().event.clone();
        assert_eq!((first.ops().len(), first.end()), (1, 3));
        outbox.push(doc.insert(&agent(), 3, "d").unwrap());
        assert_eq!(outbox.next_to_send().unwrap().event, first);
        assert_eq!(outbox.take_first(), Some(first));
        assert_eq!((outbox.start(), outbox.end()), (3, 4));
        assert_eq!(outbox.next_to_send().unwrap().event.after(), 3);
        assert!(!outbox.is_empty());
    }
}
