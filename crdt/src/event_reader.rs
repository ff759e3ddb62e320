//! Reads an event's bytes in place: nothing is copied, and the event is validated here once, whether it
//! is then applied directly or extracted as an [`Event`].

use smallvec::SmallVec;

use crate::codec::{DecodeError, Reader};
use crate::event_codec::{
    ADJACENT, DELETE, KIND, LEFT, OTHERS_MORE, OTHERS_SHIFT, RIGHT, SINGLE, START, VERSION,
};
use crate::{Agent, Event, Id, MAX_DELETE_LEN, MAX_SEQ, Op, Origin};

/// An event in its bytes. `K` is what the reader makes of an agent's name.
pub(crate) struct RawEvent<'a, K> {
    pub agent: K,
    pub after: u64,
    pub first: RawOp<'a, K>,
    /// Nearly always none.
    pub more: Vec<RawOp<'a, K>>,
}

/// An op in its bytes.
pub(crate) struct RawOp<'a, K> {
    pub seq: u64,
    /// How many ids it uses up.
    pub count: u64,
    /// What is inserted; empty for a delete.
    pub text: &'a str,
    /// Where an insert hangs, or what a delete names.
    pub target: RawTarget<K>,
}

/// An origin, or the first id that a delete names. The owner is `None` for the event's agent itself.
pub(crate) enum RawTarget<K> {
    Start,
    RightOf(Option<K>, u64),
    LeftOf(Option<K>, u64),
    Deleted(Option<K>, u64),
}

impl<'a, K: Clone> RawEvent<'a, K> {
    /// Reads what [`Event::encode`] wrote. `known` is asked for each name once, for the event's agent
    /// first, and answers `None` to what is no agent's name.
    #[inline]
    pub fn read(bytes: &'a [u8], mut known: impl FnMut(&'a [u8]) -> Option<K>) -> Result<Self, DecodeError> {
        let reader = &mut Reader::new(bytes, 0);
        match reader.byte()? {
            VERSION => {}
            found if found > VERSION => return Err(DecodeError::Newer { found, known: VERSION }),
            _ => return Err(DecodeError::NotThisFormat("an Inklog event")),
        }
        let own = name(reader)?;
        let agent = known(own).ok_or_else(|| reader.damaged("a name is not an agent's"))?;
        let after = reader.varint()?;
        let mut names = Names { own, others: SmallVec::new(), known };
        let first = read_op(reader, &mut names, after)?;
        let more = if reader.left() == 0 { Vec::new() } else { read_more(reader, &mut names, &first)? };
        Ok(RawEvent { agent, after, first, more })
    }

    pub fn ops(&self) -> impl Iterator<Item = &RawOp<'a, K>> {
        std::iter::once(&self.first).chain(&self.more)
    }

    pub fn into_ops(self) -> impl Iterator<Item = RawOp<'a, K>> {
        std::iter::once(self.first).chain(self.more)
    }
}

/// The other agents named so far.
struct Names<'a, K, F> {
    own: &'a [u8],
    others: SmallVec<[K; 2]>,
    known: F,
}

impl<'a, K: Clone, F: FnMut(&'a [u8]) -> Option<K>> Names<'a, K, F> {
    /// The agent that the upper bits of an op's first byte stand for.
    fn read(&mut self, reader: &mut Reader<'a>, bits: usize) -> Result<K, DecodeError> {
        let number = if bits == OTHERS_MORE { reader.varint()? } else { bits as u64 - 1 };
        match usize::try_from(number) {
            Ok(named) if named < self.others.len() => Ok(self.others[named].clone()),
            Ok(named) if named == self.others.len() => {
                let name = name(reader)?;
                let other = (self.known)(name).filter(|_| name != self.own);
                let other = other.ok_or_else(|| reader.damaged("a name is not another agent's"))?;
                self.others.push(other.clone());
                Ok(other)
            }
            _ => Err(reader.damaged("an agent was not named before")),
        }
    }
}

#[inline]
fn name<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let len = usize::from(reader.byte()?);
    reader.take(len)
}

/// The ops after the first.
#[inline(never)]
fn read_more<'a, K: Clone, F: FnMut(&'a [u8]) -> Option<K>>(
    reader: &mut Reader<'a>,
    names: &mut Names<'a, K, F>,
    first: &RawOp<'a, K>,
) -> Result<Vec<RawOp<'a, K>>, DecodeError> {
    let mut more = Vec::new();
    let mut end = first.seq + first.count;
    while reader.left() > 0 {
        let op = read_op(reader, names, end)?;
        end = op.seq + op.count;
        more.push(op);
    }
    Ok(more)
}

#[inline(always)]
fn read_op<'a, K: Clone, F: FnMut(&'a [u8]) -> Option<K>>(
    reader: &mut Reader<'a>,
    names: &mut Names<'a, K, F>,
    end: u64,
) -> Result<RawOp<'a, K>, DecodeError> {
    let flags = reader.byte()?;
    let (kind, single) = (flags & KIND, flags & SINGLE != 0);
    let distance = if flags & ADJACENT != 0 { 0 } else { reader.varint()? };
    let seq = end.checked_add(distance).filter(|seq| *seq < MAX_SEQ);
    let seq = seq.ok_or_else(|| reader.damaged("an id is over 2^53"))?;
    let bits = usize::from(flags >> OTHERS_SHIFT);
    if kind == START {
        if bits > 0 {
            return Err(reader.damaged("the start of the document is nobody's"));
        }
        let (text, count) = read_text(reader, single, seq)?;
        return Ok(RawOp { seq, count, text, target: RawTarget::Start });
    }
    let owner = if bits == 0 { None } else { Some(names.read(reader, bits)?) };
    let number = reader.varint()?;
    let number = if bits == 0 { seq.checked_sub(number) } else { Some(number) };
    let number = number.ok_or_else(|| reader.damaged("an id is below 0"))?;
    let (text, count) = match kind {
        DELETE => ("", if single { 1 } else { reader.varint()? }),
        _ => read_text(reader, single, seq)?,
    };
    let (target, named) = match kind {
        LEFT => (RawTarget::RightOf(owner, number), 1),
        RIGHT => (RawTarget::LeftOf(owner, number), 1),
        _ => (RawTarget::Deleted(owner, number), count),
    };
    if kind == DELETE && !(1..=MAX_DELETE_LEN).contains(&count) {
        return Err(reader.damaged("a delete names none or too many"));
    }
    let highest = if bits == 0 { seq } else { MAX_SEQ };
    if seq + count > MAX_SEQ || number.checked_add(named).is_none_or(|end| end > highest) {
        return Err(reader.damaged("an id is not below the op's own, or over 2^53"));
    }
    Ok(RawOp { seq, count, text, target })
}

/// All of ASCII, so that a single character of it, which is what typing sends, needs no check.
const ASCII: &str = {
    const BYTES: [u8; 128] = {
        let mut bytes = [0; 128];
        let mut at = 0;
        while at < bytes.len() {
            bytes[at] = at as u8;
            at += 1;
        }
        bytes
    };
    match std::str::from_utf8(&BYTES) {
        Ok(ascii) => ascii,
        Err(_) => panic!("ASCII is UTF-8"),
    }
};

/// A text and how many characters it has.
fn read_text<'a>(reader: &mut Reader<'a>, single: bool, seq: u64) -> Result<(&'a str, u64), DecodeError> {
    if single && let Some(at @ 0..0x80) = reader.peek() {
        reader.take(1)?;
        return Ok((&ASCII[usize::from(at)..=usize::from(at)], 1));
    }
    let len = match single {
        true => reader.peek().map_or(1, |first| match first {
            ..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0.. => 4,
        }),
        false => reader.count()?,
    };
    let text = std::str::from_utf8(reader.take(len)?).map_err(|_| reader.damaged("text is not UTF-8"))?;
    let count = if single { 1 } else { text.chars().count() as u64 };
    if count == 0 || seq + count > MAX_SEQ {
        return Err(reader.damaged("text is empty, or an id over 2^53"));
    }
    Ok((text, count))
}

impl Event {
    /// Reads what [`Event::encode`] wrote, checks it as [`Event::new`] does, and keeps the bytes. The ops
    /// are made when they are asked for.
    pub fn decode(bytes: &[u8]) -> Result<Event, DecodeError> {
        let raw = RawEvent::read(bytes, |name| Agent::is_legal(name).then_some(name))?;
        let agent = Agent::from_bytes(raw.agent).expect("the name is legal");
        let end = raw.ops().last().map_or(raw.after, |op| op.seq + op.count);
        Ok(Event::of_checked(agent, raw.after, end, bytes.into()))
    }

    /// The ops in bytes that were checked.
    pub(crate) fn read_ops(bytes: &[u8]) -> Vec<Op> {
        let raw = RawEvent::read(bytes, Agent::from_bytes).expect("the bytes were checked");
        let own = raw.agent.clone();
        let id = |owner: Option<Agent>, seq| Id::new(owner.unwrap_or_else(|| own.clone()), seq);
        let op = |RawOp { seq, count, text, target }: RawOp<Agent>| {
            let origin = match target {
                RawTarget::Start => Origin::Left(None),
                RawTarget::RightOf(owner, number) => Origin::Left(Some(id(owner, number))),
                RawTarget::LeftOf(owner, number) => Origin::Right(id(owner, number)),
                RawTarget::Deleted(owner, number) => {
                    return Op::Delete { seq, target: id(owner, number), len: count };
                }
            };
            Op::Insert { seq, text: text.to_owned(), origin }
        };
        raw.into_ops().map(op).collect()
    }
}
