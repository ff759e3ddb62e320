//! Merges another replica's state into this one: checks it as a whole first, then applies it.

use crate::change::Changes;
use crate::tree::{Lv, Numbers, START, Side};
use crate::{Change, Doc, Id, MAX_SEQ, Origin, Span, SpanContent, Version};

use super::ids::MAX_NODES;

/// A state that cannot be part of any document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// A span's origin is a character that is neither here nor among the spans.
    #[error("span {span} has the origin {origin}, which does not exist")]
    NoOrigin {
        /// The span.
        span: Id,
        /// Its origin.
        origin: Id,
    },
    /// A span is empty, reaches beyond the version that came with it, or overlaps another.
    #[error("span {0} is empty, overlaps another or is not covered by the version")]
    BadSpan(Id),
    /// A span is its own origin, directly or through others.
    #[error("span {0} is its own origin")]
    Circle(Id),
    /// A span has characters at ids that are void here: the two states do not come from the same events.
    #[error("span {0} contradicts this replica")]
    Contradiction(Id),
    /// More characters than a document can hold.
    #[error("the document would have more than {MAX_NODES} characters, including deleted ones")]
    TooLarge,
}

/// A checked span.
struct Part<'a> {
    span: &'a Span,
    count: u64,
    /// How many of its first characters are already here.
    known: u64,
    /// The local number of the first character that is not.
    lv: Lv,
}

impl<'a> Part<'a> {
    fn end(&self) -> u64 {
        self.span.id.seq + self.count
    }

    fn is_new(&self) -> bool {
        self.known < self.count
    }

    /// The text of the unknown characters, unless they are deleted.
    fn new_text(&self) -> Option<&'a str> {
        match &self.span.content {
            SpanContent::Deleted(_) => None,
            SpanContent::Text(text) => {
                let from = text.char_indices().nth(self.known as usize).map_or(text.len(), |(at, _)| at);
                Some(&text[from..])
            }
        }
    }
}

/// Parts by id, and an order in which the new ones can be inserted.
struct Plan<'a> {
    parts: Vec<Part<'a>>,
    order: Vec<usize>,
}

impl Doc {
    /// Merges another replica's state into this one: nodes, tombstones and versions. The spans may be in
    /// any order. Events that waited for any of it are applied too. On an error nothing changes.
    pub fn merge(&mut self, spans: &[Span], version: &Version) -> Result<Vec<Change>, MergeError> {
        let Plan { mut parts, order } = self.plan(spans, version)?;
        let mut out = Vec::new();
        let changes = &mut Changes::into(&mut out);
        for part in &mut parts {
            let agent = self.ids.find_or_add(&part.span.id.agent, self.recent);
            self.remember(agent);
            if part.is_new() {
                part.lv =
                    self.ids.push(agent, part.span.id.seq + part.known, (part.count - part.known) as u32);
            }
            if part.known > 0 && matches!(part.span.content, SpanContent::Deleted(_)) {
                let seq = part.span.id.seq;
                self.delete_ids(agent, seq, seq + part.known, changes);
            }
        }
        for part in order {
            let part = &parts[part];
            let (parent, side) = match part.known {
                0 => self.parent(&part.span.origin).unwrap_or((START, Side::Right)),
                known => {
                    let agent = self.ids.find_or_add(&part.span.id.agent, self.recent);
                    let before = self.ids.lv_of(agent, part.span.id.seq + known - 1);
                    (before.unwrap_or(START), Side::Right)
                }
            };
            self.put(
                part.lv,
                (part.count - part.known) as u32,
                part.new_text(),
                parent,
                side,
                Numbers::Given,
                changes,
            );
        }
        let moved: Vec<_> = version.iter().filter(|(agent, end)| self.version().get(agent) < *end).collect();
        for (agent, end) in &moved {
            let number = self.ids.find_or_add(agent, self.recent);
            self.ids.advance(number, *end);
        }
        for (agent, _) in moved {
            self.release(agent, changes);
        }
        Ok(out)
    }

    /// Checks everything, changing nothing.
    fn plan<'a>(&self, spans: &'a [Span], version: &Version) -> Result<Plan<'a>, MergeError> {
        let mut parts = Vec::with_capacity(spans.len());
        for span in spans {
            parts.push(self.look_at(span, version)?);
        }
        parts.sort_unstable_by(|a, b| a.span.id.cmp(&b.span.id));
        for pair in parts.windows(2) {
            if pair[0].span.id.agent == pair[1].span.id.agent && pair[0].end() > pair[1].span.id.seq {
                return Err(MergeError::BadSpan(pair[1].span.id.clone()));
            }
        }
        let new = parts.iter().try_fold(0u64, |sum, part| sum.checked_add(part.count - part.known));
        if new.is_none_or(|new| new > u64::from(self.ids.left())) {
            return Err(MergeError::TooLarge);
        }
        let order = self.order(&parts)?;
        Ok(Plan { parts, order })
    }

    fn look_at<'a>(&self, span: &'a Span, version: &Version) -> Result<Part<'a>, MergeError> {
        let Id { agent, seq } = &span.id;
        let count = match &span.content {
            SpanContent::Text(text) => text.chars().count() as u64,
            SpanContent::Deleted(len) => *len,
        };
        let bad = || MergeError::BadSpan(span.id.clone());
        let end = seq.checked_add(count).ok_or_else(bad)?;
        if count == 0 || end > version.get(agent) || end > MAX_SEQ {
            return Err(bad());
        }
        if span.origin.id().is_some_and(|origin| origin.agent == *agent && origin.seq >= *seq) {
            return Err(MergeError::Circle(span.id.clone()));
        }
        let known = self.version().get(agent).saturating_sub(*seq).min(count);
        if known > 0 {
            let number = self.version().find(agent, self.recent).expect("an agent with a version is listed");
            let nodes: u64 =
                self.ids.lvs_of(number, *seq, seq + known).map(|range| u64::from(range.len)).sum();
            if nodes < known {
                return Err(MergeError::Contradiction(span.id.clone()));
            }
        }
        Ok(Part { span, count, known, lv: START })
    }

    /// An order in which every new part comes after its parent.
    fn order(&self, parts: &[Part]) -> Result<Vec<usize>, MergeError> {
        let mut order = Vec::new();
        let mut below: Vec<(usize, usize)> = Vec::new();
        for (i, part) in parts.iter().enumerate().filter(|(_, part)| part.is_new()) {
            match (part.known, &part.span.origin) {
                (0, Origin::Left(Some(id)) | Origin::Right(id)) if !self.has_node(id) => {
                    let at = parts.partition_point(|part| part.span.id <= *id).checked_sub(1);
                    let above =
                        at.filter(|at| parts[*at].span.id.agent == id.agent && id.seq < parts[*at].end());
                    let (span, origin) = (&part.span.id, id);
                    below.push((
                        above.ok_or_else(|| MergeError::NoOrigin {
                            span: span.clone(),
                            origin: origin.clone(),
                        })?,
                        i,
                    ));
                }
                _ => order.push(i),
            }
        }
        below.sort_unstable();
        let mut next = 0;
        while next < order.len() {
            let above = order[next];
            let from = below.partition_point(|(part, _)| *part < above);
            let to = below.partition_point(|(part, _)| *part <= above);
            order.extend(below[from..to].iter().map(|(_, part)| *part));
            next += 1;
        }
        let mut placed = vec![false; parts.len()];
        order.iter().for_each(|part| placed[*part] = true);
        match parts.iter().zip(placed).find(|(part, placed)| part.is_new() && !placed) {
            Some((part, _)) => Err(MergeError::Circle(part.span.id.clone())),
            None => Ok(order),
        }
    }

    /// Whether an id is a node here.
    fn has_node(&self, id: &Id) -> bool {
        let agent = self.version().find(&id.agent, self.recent);
        agent.is_some_and(|agent| self.ids.lv_of(agent, id.seq).is_some())
    }
}
