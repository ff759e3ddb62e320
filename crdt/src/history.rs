//! The binary form of many events, as history segments store them: by column, because a general
//! compressor works best on similar numbers. Version 1:
//!
//! ```text
//! byte      format version: 1
//! varint    number of agents that the events name
//!   each    a byte with the name's length, the name in ASCII
//! varint    number of sections; a section is a run of consecutive events of one agent
//!   each    varint the agent's number, varint its groups
//! then six columns, each a varint with its length in bytes, and the bytes:
//!   heads   a byte a group:
//!           bits 0-2  kind: 0 insert at `left: null`, 1 insert at `left: X`, 2 insert at
//!                     `right: Y`, 3 delete backwards, 4 delete forwards
//!           bit 3     the first op belongs to the event of the op before it
//!           bit 4     `gaps` has two entries for it
//!           bit 5     `sizes` has an entry for it, else each op uses up one id
//!           bit 6     `owners` has an entry for it, else X, Y or target is the agent's own
//!   counts  a varint a group: ops minus 1
//!   gaps    zigzag varint: how far the event's `after` lies beyond the end before it; varint: how
//!           far the first op's id lies beyond the end before it (of `after`, in a new event)
//!   sizes   a varint: ids of each op
//!   owners  a varint: the agent's number
//!   places  a zigzag varint a group, not for kind 0: X, Y or target less the guess
//! bytes     all text inserted, in UTF-8, to the end
//! ```
//!
//! A varint is an unsigned LEB128 number in its shortest form, a zigzag varint one of 0, -1, 1, -2, … as
//! 0, 1, 2, 3, …. A *group* is one op, or several that are an event each and continue like typing: their
//! ids are consecutive, and each uses up the same number of them; each insert is at `left:` the last id
//! before its own, each delete targets the ids just before (backwards) or after (forwards) those of the
//! previous one.
//!
//! The *guess* is where the cursor was left, among the ids of the owner: after an insert at its last
//! character (for `left:` and deletes) or the one after; after a delete at the character before the
//! lowest one deleted (for `left:` and deletes), or at that one (for `right:`). The guess
//! for an owner whose ids were not touched yet is 0.
//!
//! There is no checksum inside: segments are compressed by zstd, which has one.

use std::collections::BTreeMap;

use crate::codec::{DecodeError, Reader, put_varint};
use crate::{Agent, Event, Id, Op, Origin};

/// The newest version of the format.
const VERSION: u8 = 1;

const KIND: u8 = 0b111;
const START: u8 = 0;
const LEFT: u8 = 1;
const RIGHT: u8 = 2;
const BACKWARDS: u8 = 3;
const FORWARDS: u8 = 4;
const JOINED: u8 = 1 << 3;
const GAP: u8 = 1 << 4;
const SIZED: u8 = 1 << 5;
const OTHERS: u8 = 1 << 6;

/// The maximum number of ops in a group, so that a few damaged bytes cannot produce a huge number of events.
const MAX_GROUP: u64 = 1 << 20;

/// The columns, in the order in which they are written.
#[derive(Debug, Clone, Copy)]
enum Column {
    Heads,
    Counts,
    Gaps,
    Sizes,
    Owners,
    Places,
}
const COLUMNS: usize = 6;

/// Where each agent's ids were last touched: the character before the cursor.
#[derive(Default)]
struct Cursors(Vec<i64>);

impl Cursors {
    fn guess(&mut self, owner: usize, kind: u8) -> i64 {
        if self.0.len() <= owner {
            self.0.resize(owner + 1, 0);
        }
        self.0[owner] + i64::from(kind == RIGHT)
    }

    fn set(&mut self, owner: usize, before: i64) {
        self.guess(owner, LEFT);
        self.0[owner] = before;
    }
}

/// An op as the columns see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    kind: u8,
    seq: u64,
    ids: u64,
    owner: usize,
    place: u64,
}

impl Step {
    /// The kind of a group that holds both ops, if `next` continues this one like typing.
    fn goes_on(&self, own: usize, kind: u8, next: &Step) -> Option<u8> {
        if next.seq != self.seq + self.ids || next.ids != self.ids {
            return None;
        }
        match kind {
            START | LEFT | RIGHT => {
                let typed = next.kind == LEFT && next.owner == own && next.place + 1 == next.seq;
                typed.then_some(kind)
            }
            _ if next.kind != BACKWARDS || next.owner != self.owner => None,
            _ if next.place + self.ids == self.place => Some(BACKWARDS),
            _ => (next.place == self.place + self.ids).then_some(FORWARDS),
        }
    }
}

/// A group under construction, and how its first op begins.
struct Group {
    first: Step,
    last: Step,
    kind: u8,
    count: u64,
    joined: bool,
    /// Distances of the event's `after` and of the op's id from the ends before them.
    gap: (i64, u64),
}

#[derive(Default)]
struct Writer<'a> {
    names: BTreeMap<&'a Agent, usize>,
    in_order: Vec<&'a Agent>,
    /// Agent and groups.
    sections: Vec<(usize, u64)>,
    columns: [Vec<u8>; COLUMNS],
    text: String,
    cursors: Cursors,
    group: Option<Group>,
}

impl<'a> Writer<'a> {
    fn number(&mut self, agent: &'a Agent) -> usize {
        let next = self.in_order.len();
        let number = *self.names.entry(agent).or_insert(next);
        if number == next {
            self.in_order.push(agent);
        }
        number
    }

    fn put(&mut self, column: Column, value: u64) {
        put_varint(&mut self.columns[column as usize], value);
    }

    fn op(&mut self, own: usize, op: &'a Op, joined: bool, gap: (i64, u64)) {
        let seq = op.seq();
        let (kind, reference, ids) = match op {
            Op::Insert { text, origin, .. } => {
                self.text.push_str(text);
                let (kind, id) = match origin {
                    Origin::Left(None) => (START, None),
                    Origin::Left(Some(id)) => (LEFT, Some(id)),
                    Origin::Right(id) => (RIGHT, Some(id)),
                };
                (kind, id, text.chars().count() as u64)
            }
            Op::Delete { target, len, .. } => (BACKWARDS, Some(target), *len),
        };
        let (owner, place) = reference.map_or((own, 0), |id| (self.number(&id.agent), id.seq));
        let step = Step { kind, seq, ids, owner, place };
        if let Some(group) = &mut self.group
            && !joined
            && !group.joined
            && gap == (0, 0)
            && group.count < MAX_GROUP
            && let Some(kind) = group.last.goes_on(own, group.kind, &step)
            && (group.count == 1 || kind == group.kind)
        {
            group.kind = kind;
            group.count += 1;
            group.last = step;
            return;
        }
        self.finish_group();
        self.group = Some(Group { first: step, last: step, kind, count: 1, joined, gap });
    }

    fn finish_group(&mut self) {
        let Some(Group { first, last, kind, count, joined, gap }) = self.group.take() else { return };
        let section = self.sections.last_mut().expect("a group is in a section");
        section.1 += 1;
        let own = section.0;
        let mut head = kind;
        let flags = [
            (joined, JOINED),
            (gap != (0, 0), GAP),
            (first.ids != 1, SIZED),
            (kind != START && first.owner != own, OTHERS),
        ];
        flags.iter().filter(|(set, _)| *set).for_each(|(_, flag)| head |= flag);
        self.columns[Column::Heads as usize].push(head);
        self.put(Column::Counts, count - 1);
        if head & GAP != 0 {
            self.put(Column::Gaps, zigzag(gap.0));
            self.put(Column::Gaps, gap.1);
        }
        if head & SIZED != 0 {
            self.put(Column::Sizes, first.ids);
        }
        if head & OTHERS != 0 {
            self.put(Column::Owners, first.owner as u64);
        }
        if kind != START {
            let guess = self.cursors.guess(first.owner, kind);
            self.put(Column::Places, zigzag(first.place as i64 - guess));
        }
        match kind {
            BACKWARDS | FORWARDS => self.cursors.set(first.owner, first.place.min(last.place) as i64 - 1),
            _ => self.cursors.set(own, (last.seq + last.ids) as i64 - 1),
        }
    }
}

/// The compact form of many events. It is smallest if the events of each agent are consecutive.
pub fn encode_events(events: &[Event]) -> Vec<u8> {
    let mut writer = Writer::default();
    let mut ends: BTreeMap<&Agent, u64> = BTreeMap::new();
    for event in events {
        let own = writer.number(event.agent());
        if writer.sections.last().is_none_or(|(agent, _)| *agent != own) {
            writer.finish_group();
            writer.sections.push((own, 0));
        }
        let before = ends.insert(event.agent(), event.end()).unwrap_or(0);
        let mut end = event.after();
        for (i, op) in event.ops().iter().enumerate() {
            let new = if i == 0 { event.after() as i64 - before as i64 } else { 0 };
            writer.op(own, op, i > 0, (new, op.seq() - end));
            end = op.end();
        }
    }
    writer.finish_group();
    let mut out = vec![VERSION];
    put_varint(&mut out, writer.in_order.len() as u64);
    for agent in &writer.in_order {
        out.push(agent.as_str().len() as u8);
        out.extend_from_slice(agent.as_str().as_bytes());
    }
    put_varint(&mut out, writer.sections.len() as u64);
    for (agent, groups) in &writer.sections {
        put_varint(&mut out, *agent as u64);
        put_varint(&mut out, *groups);
    }
    for column in &writer.columns {
        put_varint(&mut out, column.len() as u64);
        out.extend_from_slice(column);
    }
    out.extend_from_slice(writer.text.as_bytes());
    out
}

/// Reads what [`encode_events`] wrote, and validates each event as [`Event::new`] does. More than `most` events are
/// damage: a few bytes can stand for a million, so the number of events must be bounded by something else that
/// exists for each of them.
pub fn decode_events(bytes: &[u8], most: usize) -> Result<Vec<Event>, DecodeError> {
    let reader = &mut Reader::new(bytes, 0);
    match reader.byte()? {
        VERSION => {}
        found if found > VERSION => return Err(DecodeError::Newer { found, known: VERSION }),
        _ => return Err(DecodeError::NotThisFormat("a history of events")),
    }
    let mut agents = Vec::new();
    for _ in 0..reader.count()? {
        let len = usize::from(reader.byte()?);
        let name = std::str::from_utf8(reader.take(len)?).ok().and_then(|name| Agent::new(name).ok());
        agents.push(name.ok_or_else(|| reader.damaged("a name is not an agent's"))?);
    }
    let mut sections = Vec::new();
    for _ in 0..reader.count()? {
        sections.push((reader.varint()?, reader.varint()?));
    }
    let mut columns: Vec<Reader> = Vec::new();
    for _ in 0..COLUMNS {
        let len = reader.count()?;
        columns.push(Reader::new(reader.take(len)?, 0));
    }
    let text = std::str::from_utf8(reader.take(reader.left())?);
    let text = text.map_err(|_| reader.damaged("text is not UTF-8"))?;
    let mut all = Unpacker { agents, columns, text, cursors: Cursors::default(), events: Vec::new(), most };
    let mut ends = vec![0; all.agents.len()];
    for (agent, groups) in sections {
        let own = usize::try_from(agent).ok().filter(|own| *own < ends.len());
        let own = own.ok_or_else(|| reader.damaged("a section is nobody's"))?;
        ends[own] = all.section(own, groups, ends[own])?;
    }
    match all.text.is_empty() && all.columns.iter().all(|column| column.left() == 0) {
        true => Ok(all.events),
        false => Err(reader.damaged("a column is longer than it should be")),
    }
}

struct Unpacker<'a> {
    agents: Vec<Agent>,
    columns: Vec<Reader<'a>>,
    text: &'a str,
    cursors: Cursors,
    events: Vec<Event>,
    most: usize,
}

/// An event whose ops are still being read.
struct Open {
    after: u64,
    ops: Vec<Op>,
}

impl Unpacker<'_> {
    fn next(&mut self, column: Column) -> Result<u64, DecodeError> {
        self.columns[column as usize].varint()
    }

    fn damaged(&self, what: &'static str) -> DecodeError {
        self.columns[Column::Heads as usize].damaged(what)
    }

    fn close(&mut self, own: usize, open: Option<Open>) -> Result<(), DecodeError> {
        if let Some(Open { after, ops }) = open {
            if self.events.len() == self.most {
                return Err(self.damaged("there are more events than there can be"));
            }
            let event = Event::new(self.agents[own].clone(), after, ops);
            self.events.push(event.map_err(|_| self.damaged("the ops do not make an event"))?);
        }
        Ok(())
    }

    /// Reads the groups of a section; returns the end of its last event.
    fn section(&mut self, own: usize, groups: u64, end: u64) -> Result<u64, DecodeError> {
        let mut end = end;
        let mut open: Option<Open> = None;
        for _ in 0..groups {
            let head = self.columns[Column::Heads as usize].byte()?;
            let kind = head & KIND;
            let joined = head & JOINED != 0;
            let count = self.next(Column::Counts)?;
            let is_alone = !joined || (open.is_some() && count == 0);
            if kind > FORWARDS || head >> 7 != 0 || !is_alone || count >= MAX_GROUP {
                return Err(self.damaged("a group has no such head"));
            }
            let mut after = end;
            if head & GAP != 0 {
                let moved = unzigzag(self.next(Column::Gaps)?);
                let moved = end.checked_add_signed(moved).filter(|_| !joined || moved == 0);
                after = moved.ok_or_else(|| self.damaged("an event comes after nothing"))?;
                end = self
                    .next(Column::Gaps)?
                    .checked_add(after)
                    .ok_or_else(|| self.damaged("a gap is too wide"))?;
            }
            let ids = if head & SIZED != 0 { self.next(Column::Sizes)? } else { 1 };
            if ids == 0 {
                return Err(self.damaged("an op uses up no ids"));
            }
            let owner = if head & OTHERS != 0 { self.next(Column::Owners)? } else { own as u64 };
            let owner = usize::try_from(owner).ok().filter(|owner| *owner < self.agents.len());
            let owner = owner.ok_or_else(|| self.damaged("an id is nobody's"))?;
            let mut place = 0;
            if kind != START {
                let away = unzigzag(self.next(Column::Places)?);
                let at = self.cursors.guess(owner, kind).checked_add(away);
                place = at
                    .and_then(|at| u64::try_from(at).ok())
                    .ok_or_else(|| self.damaged("an id is below 0"))?;
            }
            let mut lowest = place;
            for i in 0..=count {
                let op = match kind {
                    BACKWARDS | FORWARDS => {
                        let target = Id::new(self.agents[owner].clone(), place);
                        lowest = lowest.min(place);
                        if i < count {
                            let next = if kind == FORWARDS {
                                place.checked_add(ids)
                            } else {
                                place.checked_sub(ids)
                            };
                            place = next.ok_or_else(|| self.damaged("an id is below 0"))?;
                        }
                        Op::Delete { seq: end, target, len: ids }
                    }
                    _ => {
                        let text = self.take_text(ids)?;
                        let id = || Id::new(self.agents[owner].clone(), place);
                        let origin = match kind {
                            _ if i > 0 => Origin::Left(Some(Id::new(self.agents[own].clone(), end - 1))),
                            START => Origin::Left(None),
                            LEFT => Origin::Left(Some(id())),
                            _ => Origin::Right(id()),
                        };
                        Op::Insert { seq: end, text, origin }
                    }
                };
                let op_end = end.checked_add(ids).ok_or_else(|| self.damaged("an id is over 2^53"))?;
                match &mut open {
                    Some(open) if joined => open.ops.push(op),
                    _ => {
                        let before =
                            open.replace(Open { after: if i == 0 { after } else { end }, ops: vec![op] });
                        self.close(own, before)?;
                    }
                }
                end = op_end;
            }
            match kind {
                BACKWARDS | FORWARDS => self.cursors.set(owner, lowest as i64 - 1),
                _ => self.cursors.set(own, end as i64 - 1),
            }
        }
        self.close(own, open)?;
        Ok(end)
    }

    fn take_text(&mut self, chars: u64) -> Result<String, DecodeError> {
        let chars = usize::try_from(chars).ok().filter(|chars| *chars <= self.text.len());
        let chars = chars.ok_or_else(|| self.damaged("there is not enough text"))?;
        let mut indices = self.text.char_indices().map(|(at, _)| at).chain([self.text.len()]);
        let at = indices.nth(chars).ok_or_else(|| self.damaged("there is not enough text"))?;
        let (taken, rest) = self.text.split_at(at);
        self.text = rest;
        Ok(taken.to_owned())
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id {
        text.parse().unwrap()
    }

    fn event(agent: &str, after: u64, ops: Vec<Op>) -> Event {
        Event::new(Agent::new(agent).unwrap(), after, ops).unwrap()
    }

    fn insert(seq: u64, text: &str, origin: Origin) -> Op {
        Op::Insert { seq, text: text.to_owned(), origin }
    }

    fn delete(seq: u64, target: &str, len: u64) -> Op {
        Op::Delete { seq, target: id(target), len }
    }

    fn samples() -> Vec<Event> {
        vec![
            event("ann", 3, vec![insert(3, "é", Origin::Left(None))]),
            event("ann", 4, vec![insert(4, "b", Origin::Left(Some(id("ann-3"))))]),
            event("ann", 5, vec![insert(5, "😀", Origin::Left(Some(id("ann-4"))))]),
            event("ann", 6, vec![delete(6, "ann-5", 1)]),
            event("ann", 7, vec![delete(7, "ann-4", 1)]),
            event("ann", 8, vec![delete(8, "ann-5", 1), insert(12, "xyz", Origin::Right(id("ann-4")))]),
            event("ann", 20, vec![delete(21, "bob-70", 1)]),
            event("ann", 22, vec![delete(22, "bob-71", 1)]),
            event("ann", 23, vec![delete(23, "bob-72", 1)]),
            event("bob", 0, vec![insert(0, "0123", Origin::Left(Some(id("ann-3"))))]),
            event("bob", 4, vec![insert(4, "4567", Origin::Left(Some(id("bob-3"))))]),
            event("ann", 24, vec![insert(24, "z", Origin::Left(Some(id("ann-14"))))]),
        ]
    }

    #[test]
    fn events_come_back() {
        assert_eq!(decode_events(&encode_events(&[]), 0), Ok(vec![]));
        let events = samples();
        for from in 0..events.len() {
            for to in from..=events.len() {
                let bytes = encode_events(&events[from..to]);
                assert_eq!(decode_events(&bytes, to - from).unwrap(), &events[from..to]);
            }
        }
    }

    /// Segments are persisted: these bytes stay readable, and are what is written.
    #[test]
    fn version_1_is_what_it_was() {
        let expected = [
            &b"\x01\x02\x03ann\x03bob"[..],
            // Sections: five groups of Ann's, one of Bob's, one of Ann's.
            &[3, 0, 5, 1, 1, 0, 1],
            // Heads and counts of the groups.
            &[7, START | GAP, BACKWARDS, BACKWARDS, RIGHT | JOINED | GAP | SIZED, FORWARDS | GAP | OTHERS],
            &[LEFT | SIZED | OTHERS, LEFT, 7, 2, 1, 0, 0, 2, 1, 0],
            // Gaps, sizes, owners, places.
            &[6, 6, 0, 0, 3, 10, 1, 2, 3, 4, 2, 1, 0, 7, 0, 4, 1, 140, 1, 21, 0],
            "éb😀xyz01234567z".as_bytes(),
        ];
        assert_eq!(encode_events(&samples()), expected.concat());
    }

    #[test]
    fn typing_takes_a_byte_a_character() {
        let typed = |seq| match seq {
            0 => Origin::Left(None),
            seq => Origin::Left(Some(Id::new(Agent::new("ann").unwrap(), seq - 1))),
        };
        let events: Vec<Event> =
            (0..1000).map(|seq| event("ann", seq, vec![insert(seq, "x", typed(seq))])).collect();
        assert!(encode_events(&events).len() < 1030);
    }

    #[test]
    fn a_few_bytes_do_not_make_more_events_than_there_can_be() {
        let mut events = vec![event("ann", 0, vec![delete(0, "bob-0", 1)])];
        events.extend((1..1000).map(|seq| event("ann", seq, vec![delete(seq, &format!("bob-{seq}"), 1)])));
        let bytes = encode_events(&events);
        assert!(bytes.len() < 40);
        assert_eq!(decode_events(&bytes, 1000).as_ref(), Ok(&events));
        assert!(matches!(decode_events(&bytes, 999), Err(DecodeError::Damaged { .. })));
    }

    #[test]
    fn damage_gives_errors_and_other_events() {
        let bytes = encode_events(&samples());
        for at in 0..bytes.len() {
            assert!(decode_events(&bytes[..at], 100).is_err(), "{at}");
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bad = bytes.clone();
                bad[at] = value;
                // Whatever the result, it must end without a panic.
                let _ = decode_events(&bad, 100);
            }
        }
        assert_eq!(decode_events(&[2], 1), Err(DecodeError::Newer { found: 2, known: 1 }));
        assert_eq!(decode_events(&[0], 1), Err(DecodeError::NotThisFormat("a history of events")));
    }

    #[test]
    fn nothing_may_follow_the_last_event() {
        let bytes = encode_events(&samples());
        assert!(decode_events(&[&bytes[..], b"x"].concat(), 100).is_err());
        // A column of one byte more, for the agent "a" and one group.
        let of = |counts: &[u8]| {
            let head: &[u8] = &[VERSION, 1, 1, b'a', 1, 0, 1, 1, START, counts.len() as u8];
            [head, counts, &[0, 0, 0, 0], b"x"].concat()
        };
        assert_eq!(
            decode_events(&of(&[0]), 100).unwrap(),
            [event("a", 0, vec![insert(0, "x", Origin::Left(None))])]
        );
        assert!(decode_events(&of(&[0, 0]), 100).is_err());
    }

    /// Further ops of a group of deletes take no byte: without a bound, few bytes would be any number of events.
    #[test]
    fn a_group_is_bounded() {
        let of = |more: u64| {
            let (mut counts, mut place) = (Vec::new(), Vec::new());
            put_varint(&mut counts, more);
            put_varint(&mut place, zigzag(0));
            let mut bytes = vec![VERSION, 2, 1, b'a', 1, b'b', 1, 0, 1, 1, FORWARDS | OTHERS];
            for column in [&counts[..], &[], &[], &[1], &place] {
                bytes.push(column.len() as u8);
                bytes.extend_from_slice(column);
            }
            decode_events(&bytes, usize::MAX)
        };
        assert_eq!(of(0).unwrap().len(), 1);
        let mut events = of(MAX_GROUP - 1).unwrap();
        assert_eq!(events.len() as u64, MAX_GROUP);
        assert!(of(MAX_GROUP).is_err());
        // Nor is a longer one written.
        events.push(event("a", MAX_GROUP, vec![delete(MAX_GROUP, &format!("b-{MAX_GROUP}"), 1)]));
        assert!(decode_events(&encode_events(&events), usize::MAX).unwrap() == events);
    }

    /// Ops that differ from typing, or from deleting on and on, in one thing only.
    #[test]
    fn what_is_not_quite_typing_comes_back() {
        let left = |text: &str| Origin::Left(Some(id(text)));
        for ops in [
            vec![delete(0, "bob-5", 1), delete(1, "cat-6", 1)],
            vec![delete(0, "bob-5", 1), delete(1, "cat-4", 1)],
            vec![delete(0, "bob-5", 1), delete(1, "bob-5", 1)],
            vec![delete(0, "bob-5", 1), delete(1, "bob-7", 1)],
            vec![delete(0, "bob-5", 1), delete(1, "bob-6", 2)],
            vec![delete(0, "bob-5", 1), delete(2, "bob-6", 1)],
            vec![delete(0, "bob-5", 1), delete(1, "bob-4", 1), delete(2, "bob-5", 1)],
            vec![delete(0, "bob-5", 1), insert(1, "x", left("bob-6"))],
            vec![delete(0, "bob-5", 1), insert(1, "x", left("ann-0"))],
            vec![insert(0, "x", Origin::Left(None)), insert(1, "y", Origin::Left(None))],
            vec![insert(0, "x", Origin::Left(None)), insert(1, "y", Origin::Right(id("ann-0")))],
            vec![insert(0, "x", Origin::Left(None)), insert(1, "y", left("bob-0"))],
            vec![insert(0, "x", Origin::Left(None)), insert(1, "yz", left("ann-0"))],
            vec![insert(0, "xy", Origin::Left(None)), insert(2, "zz", left("ann-0"))],
            vec![insert(0, "x", Origin::Left(None)), delete(1, "ann-0", 1)],
        ] {
            let mut end = 0;
            let mut events = Vec::new();
            for op in ops {
                let before = std::mem::replace(&mut end, op.end());
                events.push(event("ann", before, vec![op]));
            }
            assert_eq!(decode_events(&encode_events(&events), events.len()).as_ref(), Ok(&events));
        }
    }

    /// Heads, agents and owners that nothing is written with.
    #[test]
    fn groups_without_meaning_are_refused() {
        // Groups of the agent with that number, of "a" and "b".
        let read = |agent: u8, heads: &[u8], counts: &[u8], owners: &[u8], places: &[u8]| {
            let head = [VERSION, 2, 1, b'a', 1, b'b', 1, agent, heads.len() as u8];
            let columns = [heads, counts, &[], &[], owners, places];
            let columns = columns.iter().flat_map(|it| [&[it.len() as u8], *it].concat());
            let ops = heads.len() + counts.iter().map(|more| usize::from(*more)).sum::<usize>();
            let text = std::iter::repeat_n(b'x', ops);
            decode_events(&head.into_iter().chain(columns).chain(text).collect::<Vec<u8>>(), 100)
        };
        assert!(read(1, &[START], &[0], &[], &[]).is_ok());
        assert!(read(2, &[START], &[0], &[], &[]).is_err(), "nobody's section");
        assert!(read(0, &[LEFT | OTHERS], &[0], &[1], &[0]).is_ok());
        assert!(read(0, &[LEFT | OTHERS], &[0], &[2], &[0]).is_err(), "nobody's id");
        assert!(read(0, &[(FORWARDS + 1) | OTHERS], &[0], &[1], &[0]).is_err(), "no kind");
        assert!(read(0, &[START | 1 << 7], &[0], &[], &[]).is_err(), "no flag");
        assert_eq!(read(0, &[START, START | JOINED], &[0, 0], &[], &[]).unwrap()[0].ops().len(), 2);
        assert!(read(0, &[START | JOINED], &[0], &[], &[]).is_err(), "joined to nothing");
        assert!(read(0, &[START, START | JOINED], &[0, 1], &[], &[]).is_err(), "several, and joined");
    }
}
