//! The state as chains of characters, in the order of their ids.

use crate::tree::{Lv, Run, START, Side};
use crate::version::AgentNumber;
use crate::{Doc, Id, Origin};

/// What a [`Span`] holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpanContent {
    /// Visible characters.
    Text(String),
    /// This many deleted characters.
    Deleted(u64),
}

/// A run of characters of one agent with ascending ids, each the right child of the one before: the
/// form in which a document's state travels as ops (an insert, with `len` instead of `text` if deleted).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The first character's id.
    pub id: Id,
    /// Text or tombstones.
    pub content: SpanContent,
    /// The first character's origin.
    pub origin: Origin,
}

/// A maximal run of nodes with consecutive ids, each the right child of the one before. They need not
/// be adjacent in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chain {
    pub agent: AgentNumber,
    pub seq: u64,
    pub len: u64,
    /// The first one's parent and side.
    pub parent: Lv,
    pub side: Side,
}

/// A part of a run with consecutive ids.
#[derive(Debug, Clone, Copy)]
struct Piece<'a> {
    chain: Chain,
    lv: Lv,
    deleted: bool,
    text: &'a str,
}

impl Piece<'_> {
    fn continues(&self, before: &Piece) -> bool {
        let last = before.lv + (before.chain.len as u32 - 1);
        self.chain.agent == before.chain.agent
            && self.chain.seq == before.chain.seq + before.chain.len
            && self.chain.parent == last
            && self.chain.side == Side::Right
    }
}

impl Doc {
    /// The whole state as spans, each after the one with its origin: as few as possible, and identical
    /// wherever the same events were applied.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut parents: Vec<Lv> = Vec::new();
        // Which span each piece went to, by the piece's local numbers.
        let mut owners: Vec<(Lv, usize)> = Vec::new();
        let mut before: Option<Piece> = None;
        for piece in self.pieces() {
            let joins =
                before.is_some_and(|before| piece.continues(&before) && piece.deleted == before.deleted);
            match spans.last_mut().filter(|_| joins).map(|span| &mut span.content) {
                Some(SpanContent::Text(text)) => text.push_str(piece.text),
                Some(SpanContent::Deleted(len)) => *len += piece.chain.len,
                None => {
                    spans.push(self.span(&piece));
                    parents.push(piece.chain.parent);
                }
            }
            owners.push((piece.lv, spans.len() - 1));
            before = Some(piece);
        }
        owners.sort_unstable();
        let owner = |lv: Lv| owners[owners.partition_point(|(start, _)| *start <= lv) - 1].1;
        let mut below: Vec<(usize, usize)> = Vec::new();
        let mut ready: Vec<usize> = Vec::new();
        for (span, parent) in parents.into_iter().enumerate() {
            match parent {
                START => ready.push(span),
                parent => below.push((owner(parent), span)),
            }
        }
        below.sort_unstable();
        ready.reverse();
        let mut ordered = Vec::with_capacity(spans.len());
        let mut spans: Vec<Option<Span>> = spans.into_iter().map(Some).collect();
        while let Some(span) = ready.pop() {
            ordered.extend(spans[span].take());
            let from = below.partition_point(|(above, _)| *above < span);
            let to = below.partition_point(|(above, _)| *above <= span);
            ready.extend(below[from..to].iter().rev().map(|(_, span)| *span));
        }
        ordered
    }

    /// The visible characters in the order of the text, as runs with consecutive ids: the first one's
    /// id, and how many they are.
    pub fn visible(&self) -> impl Iterator<Item = (Id, u64)> {
        let runs = self.tree.leaves().flat_map(|leaf| &leaf.runs).filter(|run| !run.deleted);
        runs.flat_map(move |run| {
            let mut lv = run.lv;
            std::iter::from_fn(move || {
                let left = run.end() - lv;
                let (agent, seq, more) = (left > 0).then(|| self.ids.id_of(lv))?;
                let len = left.min(more);
                lv += len;
                Some((Id::new(self.version().name(agent).clone(), seq), u64::from(len)))
            })
        })
    }

    fn span(&self, piece: &Piece) -> Span {
        let Chain { agent, seq, len, parent, side } = piece.chain;
        let content = match piece.deleted {
            true => SpanContent::Deleted(len),
            false => SpanContent::Text(piece.text.to_owned()),
        };
        let origin = match (parent, side) {
            (START, _) => Origin::Left(None),
            (lv, Side::Right) => Origin::Left(Some(self.ids.id(lv))),
            (lv, Side::Left) => Origin::Right(self.ids.id(lv)),
        };
        Span { id: Id::new(self.version().name(agent).clone(), seq), content, origin }
    }

    /// The chains in the order of their ids.
    pub(crate) fn chains(&self) -> Vec<Chain> {
        let mut chains: Vec<Chain> = Vec::new();
        let mut before: Option<Piece> = None;
        for piece in self.pieces() {
            match chains.last_mut() {
                Some(chain) if before.is_some_and(|before| piece.continues(&before)) => {
                    chain.len += piece.chain.len;
                }
                _ => chains.push(piece.chain),
            }
            before = Some(piece);
        }
        chains
    }

    /// All nodes, in the order of their ids.
    fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let mut runs: Vec<(&Run, &str)> = Vec::new();
        for leaf in self.tree.leaves() {
            let mut text = leaf.text.as_str();
            for run in &leaf.runs {
                let (this, rest) = text.split_at(usize::from(run.bytes));
                runs.push((run, this));
                text = rest;
            }
        }
        runs.sort_unstable_by_key(|(run, _)| run.lv);
        let ranges = self
            .ids
            .version()
            .numbers()
            .flat_map(|agent| self.ids.ranges(agent).iter().map(move |range| (agent, *range)));
        ranges.flat_map(move |(agent, range)| {
            let end = range.lv + range.len;
            let from = runs.partition_point(|(run, _)| run.end() <= range.lv);
            let to = from + runs[from..].partition_point(|(run, _)| run.lv < end);
            let inside: Vec<Piece> = runs[from..to]
                .iter()
                .map(|(run, text)| {
                    let (lv, piece_end) = (run.lv.max(range.lv), run.end().min(end));
                    let is_first = lv == run.lv;
                    let chain = Chain {
                        agent,
                        seq: range.seq + u64::from(lv - range.lv),
                        len: u64::from(piece_end - lv),
                        parent: if is_first { run.parent } else { lv - 1 },
                        side: if is_first { run.side } else { Side::Right },
                    };
                    let text =
                        if run.deleted { "" } else { slice(text, run, lv - run.lv, piece_end - run.lv) };
                    Piece { chain, lv, deleted: run.deleted, text }
                })
                .collect();
            inside
        })
    }
}

/// The characters `from..to` of a run's text.
fn slice<'a>(text: &'a str, run: &Run, from: u32, to: u32) -> &'a str {
    let byte = |at: u32| match at {
        0 => 0,
        at if at == run.len => text.len(),
        at if text.len() == run.len as usize => at as usize,
        at => text.char_indices().nth(at as usize).map_or(text.len(), |(byte, _)| byte),
    };
    &text[byte(from)..byte(to)]
}
