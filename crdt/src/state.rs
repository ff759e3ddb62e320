//! The binary form of a document's state. It is canonical: a function of the events applied, the same
//! bytes whatever their order of arrival and whichever implementation encodes. Version 1:
//!
//! ```text
//! 4 bytes   "INKS"
//! byte      format version: 1
//! 4 bytes   CRC-32 (as in zip) of all that follows, lowest byte first
//! varint    number of agents
//!   each    a byte with the name's length, the name in ASCII, varint its end (at least 1);
//!           ascending by name
//! varints   per agent: how many chains it has
//! varints   per chain: how far its first number lies beyond the end of the agent's chain before it
//!           (beyond 0, for the first)
//! varints   per chain: its length minus 1
//! varints   per chain: where it hangs, if that is near; else 0
//! varints   per chain with a 0 there: 0 when it hangs at the start of the document, else the number
//!           of the agent whose node it hangs at, from 1
//! varints   per chain with an agent there: where it hangs
//! varints   in document order, how many nodes are visible, then how many deleted, then visible, …,
//!           until they add up to the length of all chains; only the first may be 0
//! bytes     the visible text in UTF-8, to the end
//! ```
//!
//! A varint is an unsigned LEB128 number in its shortest form. A *chain* is a run of nodes of one agent
//! with consecutive numbers, each the right child of the one before, visible or not, and as long as can
//! be; chains come by agent, then by number. *Where it hangs* is the side (0 left, 1 right) plus twice
//! the zigzag (0, -1, 1, -2, … as 0, 1, 2, 3, …) of the distance of the parent's number from a guess:
//!
//! - near: the parent is the agent's own, and the guess is the end of its chain before, less the
//!   distance to this one. (That is right when the last thing done between them was to delete that
//!   many characters backwards from that end.) What is written is one more, so that 0 is free; it is
//!   near when that is at most 127. The chain before the first one ends at 0.
//! - else the guess is the parent's number of the last chain here, not near, that hung at the same
//!   agent's; 0 for the first.
//!
//! A far number can be as high as 2^55, since ids go up to 2^53.
//!
//! General compressors work best on columns of similar numbers. A reader must check that parents exist,
//! that a parent in a chain's own agent has a lower number, and that every chain is reachable from the
//! start of the document. Nothing else can be wrong with a tree written this way, because its order
//! follows from it.

use crc32fast::hash as crc32;

use crate::codec::{DecodeError, Reader, put_varint};
use crate::doc::ids::Ids;
use crate::doc::{Chain, NO_CHAIN, NumberedChain, Skeleton};
use crate::tree::{Lv, START, Side};
use crate::version::AgentNumber;
use crate::{Agent, Doc, MAX_SEQ, Version};

const MAGIC: &[u8] = b"INKS";
/// The newest version of the format.
const VERSION: u8 = 1;
const HEADER: usize = MAGIC.len() + 1 + 4;
/// The highest number for a near parent: what fits a byte.
const NEAR: u64 = 127;

impl Doc {
    /// The canonical encoding of the applied state: the same bytes for the same set of events.
    /// Waiting events are not part of it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(MAGIC);
        out.push(VERSION);
        out.extend_from_slice(&[0; 4]);
        // An agent that is listed without an end has done nothing.
        let version = self.version();
        let agents: Vec<AgentNumber> = version.numbers().filter(|agent| version.end(*agent) > 0).collect();
        put_varint(&mut out, agents.len() as u64);
        for agent in &agents {
            let name = version.name(*agent).as_str();
            out.push(name.len() as u8);
            out.extend_from_slice(name.as_bytes());
            put_varint(&mut out, version.end(*agent));
        }
        self.put_chains(&mut out, &agents);
        let mut visibility = vec![0u64];
        for run in self.tree.runs() {
            if run.deleted == (visibility.len() % 2 == 1) {
                visibility.push(0);
            }
            *visibility.last_mut().expect("it starts with one") += u64::from(run.len);
        }
        if visibility != [0] {
            visibility.into_iter().for_each(|len| put_varint(&mut out, len));
        }
        self.tree.leaves().for_each(|leaf| out.extend_from_slice(leaf.text.as_bytes()));
        let sum = crc32(&out[HEADER..]);
        out[HEADER - 4..HEADER].copy_from_slice(&sum.to_le_bytes());
        out
    }

    fn put_chains(&self, out: &mut Vec<u8>, agents: &[AgentNumber]) {
        let chains = self.chains();
        // By the order of arrival here; the encoding counts agents by name.
        let mut rank = vec![0; agents.len() + 1];
        for (place, agent) in agents.iter().enumerate() {
            if rank.len() <= *agent as usize {
                rank.resize(*agent as usize + 1, 0);
            }
            rank[*agent as usize] = place;
        }
        let mut counts = vec![0; agents.len()];
        let (mut gaps, mut lens) = (Vec::new(), Vec::new());
        let (mut near, mut whose, mut far) = (Vec::new(), Vec::new(), Vec::new());
        let mut last_far = vec![0; agents.len()];
        let mut before: Option<Chain> = None;
        for chain in chains {
            let agent = rank[chain.agent as usize];
            counts[agent] += 1;
            let end = before
                .filter(|before| before.agent == chain.agent)
                .map_or(0, |before| before.seq + before.len);
            put_varint(&mut gaps, chain.seq - end);
            put_varint(&mut lens, chain.len - 1);
            before = Some(chain);
            if chain.parent == START {
                near.push(0);
                whose.push(0);
                continue;
            }
            let (owner, seq, _) = self.ids.id_of(chain.parent);
            let distance = hangs(seq, near_guess(end, chain.seq), chain.side);
            if owner == chain.agent && distance < NEAR {
                near.push(distance as u8 + 1);
                continue;
            }
            let owner = rank[owner as usize];
            near.push(0);
            put_varint(&mut whose, owner as u64 + 1);
            put_varint(&mut far, hangs(seq, last_far[owner] as i64, chain.side));
            last_far[owner] = seq;
        }
        counts.into_iter().for_each(|count| put_varint(out, count));
        [gaps, lens, near, whose, far].into_iter().for_each(|column| out.extend_from_slice(&column));
    }

    /// Reads what [`Doc::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Doc, DecodeError> {
        let reader = &mut open(bytes)?;
        let mut ids = read_agents(reader)?;
        let chains = read_chains(reader, &mut ids)?;
        let (visibility, visible) = read_visibility(reader, ids.nodes())?;
        let Ok(text) = std::str::from_utf8(reader.take(reader.left())?) else {
            return Err(reader.damaged("text is not UTF-8"));
        };
        if text.chars().count() as u64 != visible {
            return Err(reader.damaged("the text is not as long as it should be"));
        }
        let skeleton = Skeleton { chains: &chains, visibility: &visibility, text };
        skeleton.build(ids).ok_or_else(|| reader.damaged("chains hang at each other"))
    }

    /// The version of an encoded state, read from its beginning. The checksum of all of it is verified;
    /// nothing else of the document is.
    pub fn decode_version(bytes: &[u8]) -> Result<Version, DecodeError> {
        Ok(read_agents(&mut open(bytes)?)?.version().clone())
    }
}

/// Checks format, version and checksum; the reader stands after them.
fn open(bytes: &[u8]) -> Result<Reader<'_>, DecodeError> {
    if bytes.len() < HEADER || !bytes.starts_with(MAGIC) {
        return Err(DecodeError::NotThisFormat("an Inklog document state"));
    }
    match bytes[MAGIC.len()] {
        VERSION => {}
        found if found > VERSION => return Err(DecodeError::Newer { found, known: VERSION }),
        _ => return Err(DecodeError::NotThisFormat("an Inklog document state")),
    }
    if bytes[HEADER - 4..HEADER] != crc32(&bytes[HEADER..]).to_le_bytes() {
        return Err(DecodeError::Checksum);
    }
    Ok(Reader::new(bytes, HEADER))
}

/// Where a chain hangs, as a number.
fn hangs(seq: u64, guess: i64, side: Side) -> u64 {
    let distance = seq as i64 - guess;
    let zigzag = ((distance << 1) ^ (distance >> 63)) as u64;
    zigzag << 1 | u64::from(side == Side::Right)
}

/// The parent's number and the side again; `None` when no id has that number.
fn hangs_at(value: u64, guess: i64) -> Option<(u64, Side)> {
    let zigzag = value >> 1;
    let distance = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
    let seq = u64::try_from(guess + distance).ok().filter(|seq| *seq < MAX_SEQ)?;
    Some((seq, if value & 1 == 1 { Side::Right } else { Side::Left }))
}

fn near_guess(end_before: u64, seq: u64) -> i64 {
    2 * end_before as i64 - seq as i64
}

fn read_agents(reader: &mut Reader) -> Result<Ids, DecodeError> {
    let mut ids = Ids::default();
    let mut before: Option<Agent> = None;
    for _ in 0..reader.count()? {
        let len = usize::from(reader.byte()?);
        let name = std::str::from_utf8(reader.take(len)?).ok().and_then(|name| Agent::new(name).ok());
        let agent = match name {
            Some(name) if before.is_none_or(|before| before < name) => name,
            _ => return Err(reader.damaged("a name is not an agent's, or out of order")),
        };
        let end = reader.varint()?;
        if end == 0 || end > MAX_SEQ {
            return Err(reader.damaged("an agent's end is 0 or over 2^53"));
        }
        let number = ids.find_or_add(&agent, [AgentNumber::MAX; 2]);
        ids.advance(number, end);
        before = Some(agent);
    }
    Ok(ids)
}

/// A chain's ids: the first number, and the end of the agent's chain before it.
#[derive(Clone, Copy)]
struct Seqs {
    first: u64,
    before: u64,
}

/// Reads the chains, gives their nodes numbers, and finds their parents.
fn read_chains(reader: &mut Reader, ids: &mut Ids) -> Result<Vec<NumberedChain>, DecodeError> {
    // Agents were added by name, so they are numbered as they are encoded; and so are chains.
    let mut ends: Vec<usize> = Vec::new();
    let mut count = 0u64;
    for _ in ids.version().numbers() {
        count = count.saturating_add(reader.varint()?);
        if count > reader.left() as u64 {
            return Err(reader.damaged("there are fewer bytes than chains"));
        }
        ends.push(count as usize);
    }
    let count = count as usize;
    let gaps = reader.varints(count)?;
    let mut chains: Vec<NumberedChain> = Vec::with_capacity(count);
    let mut seqs: Vec<Seqs> = Vec::with_capacity(count);
    for (agent, to) in (0..).zip(&ends) {
        let mut before = 0;
        while chains.len() < *to {
            let first = gaps[chains.len()].saturating_add(before);
            let len = reader.varint()?;
            let end = first.saturating_add(len).saturating_add(1);
            if end > ids.version().end(agent) {
                return Err(reader.damaged("a chain goes beyond its agent's end"));
            }
            if len >= u64::from(ids.left()) {
                return Err(reader.damaged("there are more characters than a document can hold"));
            }
            let len = len as u32 + 1;
            let lv = ids.push(agent, first, len);
            chains.push(NumberedChain { lv, len, above: NO_CHAIN, node: 0, side: Side::Right });
            seqs.push(Seqs { first, before });
            before = end;
        }
    }
    // What is near takes a byte.
    let near = reader.take(count)?;
    if near.iter().any(|near| u64::from(*near) > NEAR) {
        return Err(reader.damaged("a near parent is written as too far away"));
    }
    let whose = reader.varints(near.iter().filter(|near| **near == 0).count())?;
    let mut whose = whose.into_iter();
    // Per agent, the last far parent: its number, and its chain.
    let mut last_far = vec![(0, 0); ends.len()];
    let (mut agent, mut begin) = (0, 0);
    for i in 0..count {
        while i >= ends[agent] {
            (agent, begin) = (agent + 1, ends[agent]);
        }
        let Seqs { first, before } = seqs[i];
        let near_guess = near_guess(before, first);
        let (owner, found, from, to, hint) = match near[i] {
            0 => {
                let whose = whose.next().unwrap_or(0);
                if whose == 0 {
                    continue;
                }
                let owner = usize::try_from(whose - 1).ok().filter(|owner| *owner < ends.len());
                let owner = owner.ok_or_else(|| reader.damaged("a chain hangs at nobody's"))?;
                let (last, hint) = last_far[owner];
                let from = if owner == 0 { 0 } else { ends[owner - 1] };
                (owner, hangs_at(reader.varint()?, last), from, ends[owner], hint)
            }
            // It hangs at the agent's own, below itself.
            near => (agent, hangs_at(u64::from(near) - 1, near_guess), begin, i, i),
        };
        let (seq, side) = found.ok_or_else(|| reader.damaged("a chain hangs at no id"))?;
        if near[i] == 0 && owner == agent && hangs(seq, near_guess, side) < NEAR {
            return Err(reader.damaged("a near parent is written as a far one"));
        }
        let above = chain_with(&seqs[from..to], seq, hint.saturating_sub(from)).map(|above| from + above);
        let above = above.filter(|above| {
            seq - seqs[*above].first < u64::from(chains[*above].len) && (owner != agent || *above < i)
        });
        let above = above.ok_or_else(|| reader.damaged("a chain hangs at nothing, or at itself"))?;
        if near[i] == 0 {
            last_far[owner] = (seq as i64, above);
        }
        let node = (seq - seqs[above].first) as u32;
        // A chain is as long as can be: else there would be a second encoding of the same state.
        let is_end = above + 1 == i && first == before && node + 1 == chains[above].len;
        if is_end && owner == agent && side == Side::Right {
            return Err(reader.damaged("a chain should be part of the one before it"));
        }
        let chain = &mut chains[i];
        (chain.above, chain.node, chain.side) = (above as u32, node, side);
    }
    Ok(chains)
}

/// The last of the chains that begins at `seq` or before, looked for from `hint` on in ever larger steps:
/// it is rarely far away.
fn chain_with(chains: &[Seqs], seq: u64, hint: usize) -> Option<usize> {
    let is_below = |at: usize| chains[at].first <= seq;
    let (mut low, mut high) = (hint.min(chains.len()), hint.min(chains.len()));
    let mut step = 1;
    while high < chains.len() && is_below(high) {
        (low, high) = (high, chains.len().min(high + step));
        step *= 2;
    }
    while low > 0 && !is_below(low.min(chains.len() - 1)) {
        (high, low) = (low, low.saturating_sub(step));
        step *= 2;
    }
    let below = chains.get(low..high)?.partition_point(|chain| chain.first <= seq);
    (low + below).checked_sub(1)
}

/// How many nodes are visible, then how many deleted, and so on; and how many are visible in all.
fn read_visibility(reader: &mut Reader, nodes: Lv) -> Result<(Vec<u64>, u64), DecodeError> {
    let (mut visibility, mut visible) = (Vec::new(), 0);
    let mut left = u64::from(nodes);
    while left > 0 {
        let len = reader.varint()?;
        if len > left || (len == 0 && !visibility.is_empty()) {
            return Err(reader.damaged("visible and deleted characters do not add up"));
        }
        left -= len;
        visible += if visibility.len().is_multiple_of(2) { len } else { 0 };
        visibility.push(len);
    }
    Ok((visibility, visible))
}
