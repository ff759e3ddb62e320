//! What two replicas say of the same ids, so that a log that forgot is told from one that lags; and what was
//! typed carried over from one to the other.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use inklog_crdt::{Agent, Doc, Event, Id, Op, Origin, Span, SpanContent, Version};

/// What of `known` the other replica lacks: the agents whose chains end earlier there, with their ends
/// here.
pub(crate) fn ahead(known: &Version, theirs: &Version) -> Version {
    let further = known.iter().filter(|(agent, end)| theirs.get(agent) < *end);
    further.map(|(agent, end)| (agent.clone(), end)).collect()
}

/// Whether both have the same characters under the ids that both know, as far as neither has deleted
/// them. `known` says how far ours is durable.
pub(crate) fn agree(ours: &Doc, theirs: &Doc, known: &Version) -> bool {
    let (ours, other) = (by_agent(ours), by_agent(theirs));
    known.iter().all(|(agent, end)| {
        let limit = end.min(theirs.version().get(agent));
        let mut ours = characters(ours.get(agent), limit);
        let mut other = characters(other.get(agent), limit);
        loop {
            match (ours.next(), other.next()) {
                (None, None) => return true,
                (Some((id, char)), Some((other_id, other_char))) => {
                    let one_is_deleted = char.is_none() || other_char.is_none();
                    if id != other_id || !(one_is_deleted || char == other_char) {
                        return false;
                    }
                }
                _ => return false,
            }
        }
    })
}

type Runs = Vec<(u64, SpanContent)>;

fn by_agent(doc: &Doc) -> BTreeMap<Agent, Runs> {
    let mut all: BTreeMap<Agent, Runs> = BTreeMap::new();
    for span in doc.spans() {
        all.entry(span.id.agent).or_default().push((span.id.seq, span.content));
    }
    all.values_mut().for_each(|runs| runs.sort_unstable_by_key(|(seq, _)| *seq));
    all
}

/// Each id below `limit` that is a character, and the character unless it is deleted.
fn characters(runs: Option<&Runs>, limit: u64) -> impl Iterator<Item = (u64, Option<char>)> {
    let runs = runs.into_iter().flatten().flat_map(|(seq, content)| {
        let (text, deleted) = match content {
            SpanContent::Text(text) => (text.as_str(), 0),
            SpanContent::Deleted(len) => ("", *len),
        };
        let chars = text.chars().map(Some).chain((0..deleted).map(|_| None));
        (*seq..).zip(chars)
    });
    runs.take_while(move |(seq, _)| *seq < limit)
}

/// A document that is the server's, asked what it holds.
pub(crate) struct Holder<'a> {
    server: &'a Doc,
    /// Made once, for the first event that is asked about.
    nodes: OnceCell<Nodes>,
}

impl Holder<'_> {
    pub(crate) fn new(server: &Doc) -> Holder<'_> {
        Holder { server, nodes: OnceCell::new() }
    }

    /// Whether it holds an event, as far as one can tell: deleted text is not there any more.
    pub(crate) fn holds(&self, event: &Event) -> bool {
        let own = event.agent();
        if event.end() > self.server.version().get(own) {
            return false;
        }
        event.ops().iter().all(|op| match op {
            // All of an insert's ids are characters, and the first hangs where it says.
            Op::Insert { seq, text, origin } => {
                let there = self.range(own, *seq, op.end());
                let same = there.len() as u64 == op.end() - seq
                    && there
                        .iter()
                        .zip(text.chars())
                        .all(|(node, char)| node.char.is_none_or(|other| other == char));
                same && there.first().is_some_and(|first| first.origin == *origin)
            }
            // None of a delete's are, and what it names is deleted.
            Op::Delete { seq, target, len } => {
                let named = self.range(&target.agent, target.seq, target.seq + len);
                self.range(own, *seq, op.end()).is_empty() && named.iter().all(|node| node.char.is_none())
            }
        })
    }

    /// Whether all that an event typed is deleted there: nothing but the number of its characters, and where the
    /// first of them hang, tells it from another.
    pub(crate) fn is_gone(&self, event: &Event) -> bool {
        let mut inserts = event.ops().iter().filter(|op| matches!(op, Op::Insert { .. })).peekable();
        let is_deleted = |op: &Op| {
            let there = self.range(event.agent(), op.seq(), op.end());
            there.iter().all(|node| node.char.is_none())
        };
        inserts.peek().is_some() && inserts.all(is_deleted)
    }

    fn range(&self, agent: &Agent, from: u64, to: u64) -> Vec<Node> {
        self.nodes.get_or_init(|| Nodes::new(self.server)).range(agent, from, to)
    }
}

struct Node {
    char: Option<char>,
    origin: Origin,
}

/// The characters of a document, by agent, in the order of their ids.
struct Nodes(BTreeMap<Agent, Vec<Span>>);

impl Nodes {
    fn new(doc: &Doc) -> Nodes {
        let mut all: BTreeMap<Agent, Vec<Span>> = BTreeMap::new();
        for span in doc.spans() {
            all.entry(span.id.agent.clone()).or_default().push(span);
        }
        all.values_mut().for_each(|spans| spans.sort_unstable_by_key(|span| span.id.seq));
        Nodes(all)
    }

    fn range(&self, agent: &Agent, from: u64, to: u64) -> Vec<Node> {
        let spans = self.0.get(agent).map(Vec::as_slice).unwrap_or_default();
        let first = spans.partition_point(|span| span.id.seq + len_of(&span.content) <= from);
        let mut nodes = Vec::new();
        for span in spans[first..].iter().take_while(|span| span.id.seq < to) {
            let seqs = span.id.seq.max(from)..(span.id.seq + len_of(&span.content)).min(to);
            let mut chars = match &span.content {
                SpanContent::Text(text) => Some(text.chars().skip((seqs.start - span.id.seq) as usize)),
                SpanContent::Deleted(_) => None,
            };
            for seq in seqs {
                let origin = match seq == span.id.seq {
                    true => span.origin.clone(),
                    false => Origin::Left(Some(Id::new(agent.clone(), seq - 1))),
                };
                nodes.push(Node { char: chars.as_mut().and_then(Iterator::next), origin });
            }
        }
        nodes
    }
}

fn len_of(content: &SpanContent) -> u64 {
    match content {
        SpanContent::Text(text) => text.chars().count() as u64,
        SpanContent::Deleted(len) => *len,
    }
}

/// Of a document that is durable up to a version, the state without what `own` has typed beyond.
pub(crate) fn durable_spans(doc: &Doc, own: &Agent, durable: &Version) -> (Vec<Span>, Version) {
    let end = durable.get(own);
    let kept = |mut span: Span| {
        if span.id.agent != *own || span.id.seq + len_of(&span.content) <= end {
            return Some(span);
        }
        let room = end.checked_sub(span.id.seq).filter(|room| *room > 0)?;
        match &mut span.content {
            SpanContent::Text(text) => *text = text.chars().take(room as usize).collect(),
            SpanContent::Deleted(len) => *len = room,
        }
        Some(span)
    };
    (doc.spans().into_iter().filter_map(kept).collect(), durable.clone())
}

/// The visible text of `old` that is `own`'s from the id `typed` on, and where in `fresh` it belongs: behind the
/// nearest character before it that `fresh` shows, too. In the order of the text.
pub(crate) fn typed_in(old: &Doc, fresh: &Doc, (own, typed): (&Agent, u64)) -> Vec<(usize, String)> {
    let shown = Shown::new(fresh);
    let mut found: Vec<(usize, String)> = Vec::new();
    let text = old.text();
    let mut rest = text.chars();
    let mut at = 0;
    for (id, len) in old.visible() {
        let kept = if id.agent == *own { typed.saturating_sub(id.seq).min(len) } else { len };
        at = shown.in_range(&id, kept).last().map_or(at, |(index, len)| index + len);
        let piece: String = rest.by_ref().take(len as usize).skip(kept as usize).collect();
        match found.last_mut() {
            _ if piece.is_empty() => {}
            Some((last, text)) if *last == at => *text += &piece,
            _ => found.push((at, piece)),
        }
    }
    found
}

/// The places and lengths of what is shown of that which the deletes among `ops` name, but for what is `own`'s from
/// the id `typed` on, which may be somebody else's there. In the order of the text, each once.
pub(crate) fn places_of(doc: &Doc, ops: &[Op], (own, typed): (&Agent, u64)) -> Vec<(usize, usize)> {
    let shown = Shown::new(doc);
    let deleted = ops.iter().filter_map(|op| match op {
        Op::Delete { target, len, .. } => {
            let kept = if target.agent == *own { typed.saturating_sub(target.seq).min(*len) } else { *len };
            Some(shown.in_range(target, kept))
        }
        Op::Insert { .. } => None,
    });
    let mut places: Vec<(usize, usize)> = deleted.flatten().collect();
    places.sort_unstable();
    let mut end = 0;
    let mut once = Vec::new();
    for (index, len) in places {
        let (from, to) = (index.max(end), (index + len).max(end));
        if from < to {
            once.push((from, to - from));
        }
        end = to;
    }
    once
}

/// Where ids are in a text.
struct Shown(BTreeMap<Agent, BTreeMap<u64, (usize, u64)>>);

impl Shown {
    fn new(doc: &Doc) -> Shown {
        let mut all = Shown(BTreeMap::new());
        let mut index = 0;
        for (id, len) in doc.visible() {
            all.0.entry(id.agent).or_default().insert(id.seq, (index, len));
            index += len as usize;
        }
        all
    }

    /// The places and lengths of what is shown of `len` ids, in the order of the ids.
    fn in_range(&self, id: &Id, len: u64) -> Vec<(usize, usize)> {
        let Some(of_agent) = self.0.get(&id.agent) else { return Vec::new() };
        let end = id.seq + len;
        let before = of_agent.range(..id.seq).next_back();
        let overlapping = before.into_iter().chain(of_agent.range(id.seq..end));
        let places = overlapping.filter_map(|(seq, (index, len))| {
            let (from, to) = ((*seq).max(id.seq), (seq + len).min(end));
            (from < to).then(|| (index + (from - seq) as usize, (to - from) as usize))
        });
        places.collect()
    }
}

/// The least change of one piece that makes `after` of `before`: where, how many characters go, and
/// what comes.
pub(crate) fn difference(before: &str, after: &str) -> (usize, usize, String) {
    let common = |a: &mut dyn Iterator<Item = char>, b: &mut dyn Iterator<Item = char>| {
        a.zip(b).take_while(|(a, b)| a == b).count()
    };
    let (count, after_count) = (before.chars().count(), after.chars().count());
    let at = common(&mut before.chars(), &mut after.chars());
    let room = count.min(after_count) - at;
    let behind = common(&mut before.chars().rev(), &mut after.chars().rev()).min(room);
    let text = after.chars().skip(at).take(after_count - at - behind).collect();
    (at, count - at - behind, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str) -> Agent {
        Agent::new(name).unwrap()
    }

    fn text(name: &str, text: &str) -> Doc {
        let mut doc = Doc::new();
        doc.insert(&agent(name), 0, text).unwrap();
        doc
    }

    #[test]
    fn replicas_agree_unless_one_id_has_two_characters() {
        let ours = text("bob", "hello");
        let known = ours.version();
        assert!(agree(&ours, &ours, known));
        assert!(agree(&ours, &text("bob", "hel"), known), "less is no disagreement");
        assert!(agree(&ours, &text("bob", "hello, world"), known));
        assert!(agree(&ours, &Doc::new(), known));
        assert!(!agree(&ours, &text("bob", "help"), known));
        let mut deleted = ours.clone();
        deleted.delete(&agent("alice"), 1, 3).unwrap();
        assert!(agree(&ours, &deleted, known) && agree(&deleted, &ours, deleted.version()));
        // An id that is a character here and void there.
        let mut void = Doc::new();
        void.merge(&[], &[(agent("bob"), 5)].into_iter().collect()).unwrap();
        assert!(!agree(&ours, &void, known) && !agree(&void, &ours, void.version()));
    }

    #[test]
    fn what_is_done_again_finds_its_place_whatever_is_left_of_the_text() {
        let base = text("bob", "one two three");
        let mut old = base.clone();
        let alice = agent("alice");
        old.insert(&alice, 13, "!").unwrap();
        old.insert(&alice, 4, "and ").unwrap();
        let ops = old.delete(&alice, 0, 2).unwrap();
        assert_eq!(old.text(), "e and two three!");
        let again = |fresh: &Doc| {
            let (mut fresh, anew) = (fresh.clone(), agent("anew"));
            for (at, text) in typed_in(&old, &fresh, (&alice, 0)).into_iter().rev() {
                fresh.insert(&anew, at, &text).unwrap();
            }
            let twice: Vec<Op> = ops.iter().chain(&ops).cloned().collect();
            for (at, len) in places_of(&fresh, &twice, (&alice, 0)).into_iter().rev() {
                fresh.delete(&anew, at, len).unwrap();
            }
            fresh.text()
        };
        assert_eq!(again(&base), "e and two three!");
        assert_eq!(again(&text("bob", "one ")), "e and !");
        assert_eq!(again(&Doc::new()), "and !");
        let mut other = base.clone();
        other.delete(&agent("carol"), 1, 5).unwrap();
        assert_eq!(other.text(), "oo three");
        assert_eq!(again(&other), "and o three!");
    }

    #[test]
    fn only_what_is_not_saved_of_a_run_is_done_again() {
        let old = text("alice", "saved and not");
        let fresh = text("alice", "saved");
        assert_eq!(typed_in(&old, &fresh, (&agent("alice"), 5)), [(5, " and not".into())]);
    }

    #[test]
    fn a_difference_is_one_piece() {
        for (before, after) in
            [("", ""), ("aaa", "aa"), ("abc", "axc"), ("aé😀", "é😀b"), ("ab", "abab"), ("x", "")]
        {
            let (at, len, text) = difference(before, after);
            let kept = before.chars().take(at).chain(text.chars()).chain(before.chars().skip(at + len));
            assert_eq!(kept.collect::<String>(), after, "{before:?}");
        }
    }
}
