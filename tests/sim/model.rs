//! What the documents must be, worked out naively: the rules of the design word by word, with nothing of
//! the CRDT's own but what its events say. Obviously right rather than fast.

use std::collections::{BTreeMap, BTreeSet};

use inklog_crdt::{Doc, Event, Op, Origin};
use inklog_protocol::DocId;
use inklog_store::LogRecord;
use inklog_store::catalogue::Pointer;
use inklog_store::document::{Documents, Peeked};
use inklog_store::log::LogItem;
use inklog_store::objects::{Segment, Snapshot};

/// An agent's name and a number of its own: a character's id, or the place of an event in its chain.
/// Ordered as ids are: by the name's ASCII bytes, then by the number.
pub type Place = (String, u64);

/// A document, as a set of events makes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    pub text: String,
    /// The end of each agent's chain.
    pub version: BTreeMap<String, u64>,
    /// Agent and `after` of the events that are part of it.
    pub applied: BTreeSet<Place>,
    /// The same of those that wait for others. Repeats are in neither.
    pub waiting: BTreeSet<Place>,
}

/// The document of these events, in whatever order they came. At one place of a chain, the first counts.
pub fn replay(events: &[Event]) -> Shown {
    let mut pending: BTreeMap<Place, &Event> = BTreeMap::new();
    for event in events {
        pending.entry(place(event)).or_insert(event);
    }
    let (mut shown, mut tree) = (Shown::default(), Tree::of(events));
    loop {
        let before = pending.len();
        pending.retain(|place, event| {
            let is_ready = is_ready(event, &shown.version);
            if is_ready {
                tree.apply(event);
                shown.version.insert(place.0.clone(), event.end());
                shown.applied.insert(place.clone());
            }
            !is_ready
        });
        if pending.len() == before {
            break;
        }
    }
    let waits = |(agent, after): &Place| *after >= end_of(&shown.version, agent);
    shown.waiting = pending.into_keys().filter(waits).collect();
    shown.text = tree.text();
    shown
}

pub fn place(event: &Event) -> Place {
    (event.agent().as_str().to_owned(), event.after())
}

fn end_of(version: &BTreeMap<String, u64>, agent: &str) -> u64 {
    version.get(agent).copied().unwrap_or(0)
}

/// Whether the event is its agent's next and all that it refers to is known.
fn is_ready(event: &Event, version: &BTreeMap<String, u64>) -> bool {
    let own = event.agent().as_str();
    event.after() == end_of(version, own)
        && event.ops().iter().all(|op| {
            let (agent, referred_end) = match op {
                Op::Insert { origin: Origin::Left(None), .. } => return true,
                Op::Insert { origin: Origin::Left(Some(id)) | Origin::Right(id), .. } => {
                    (id.agent.as_str(), id.seq + 1)
                }
                Op::Delete { target, len, .. } => (target.agent.as_str(), target.seq + len),
            };
            // An event refers to its own agent only below the op: to what an earlier op covers, or to a gap.
            agent == own || referred_end <= end_of(version, agent)
        })
}

/// A character's id: its agent's rank among all names, so that ids are ordered as their names are, and its number.
type Id = (usize, u64);

/// The inserted characters, and which hangs at which.
struct Tree {
    /// The names of all agents, in order.
    names: Vec<String>,
    /// Of each agent, the numbers of its characters, which grow, and where each is among the nodes.
    chars: Vec<Vec<(u64, usize)>>,
    /// The first is the start of the document.
    nodes: Vec<Node>,
}

struct Node {
    id: Id,
    /// A deleted one is `None`.
    char: Option<char>,
    left: Vec<usize>,
    right: Vec<usize>,
}

impl Tree {
    /// An empty one, for these events.
    fn of(events: &[Event]) -> Tree {
        let names: BTreeSet<&str> = events.iter().map(|event| event.agent().as_str()).collect();
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let start = Node { id: (0, 0), char: None, left: Vec::new(), right: Vec::new() };
        Tree { chars: vec![Vec::new(); names.len()], names, nodes: vec![start] }
    }

    /// `None`: nobody of that name has written anything.
    fn rank(&self, name: &str) -> Option<usize> {
        self.names.binary_search_by(|known| known.as_str().cmp(name)).ok()
    }

    /// Where an agent's first character is whose number is not below this, among its own.
    fn first_from(&self, agent: usize, seq: u64) -> usize {
        self.chars[agent].partition_point(|(known, _)| *known < seq)
    }

    fn apply(&mut self, event: &Event) {
        let own = self.rank(event.agent().as_str()).expect("it is one of the events");
        for op in event.ops() {
            match op {
                Op::Insert { seq, text, origin } => self.insert(own, *seq, text, origin),
                Op::Delete { target, len, .. } => {
                    let Some(agent) = self.rank(target.agent.as_str()) else { continue };
                    let named = self.first_from(agent, target.seq)..self.first_from(agent, target.seq + len);
                    self.chars[agent][named].iter().for_each(|(_, node)| self.nodes[*node].char = None);
                }
            }
        }
    }

    fn insert(&mut self, agent: usize, first: u64, text: &str, origin: &Origin) {
        let mut parent = match origin.id() {
            None => 0,
            Some(id) => {
                let Some(named) = self.rank(id.agent.as_str()) else { return };
                match self.chars[named].get(self.first_from(named, id.seq)) {
                    Some((seq, node)) if *seq == id.seq => *node,
                    _ => return, // The id is void.
                }
            }
        };
        for (seq, char) in (first..).zip(text.chars()) {
            let node = self.nodes.len();
            let is_left = seq == first && matches!(origin, Origin::Right(_));
            let Node { left, right, .. } = &mut self.nodes[parent];
            if is_left { left } else { right }.push(node);
            self.nodes.push(Node { id: (agent, seq), char: Some(char), left: Vec::new(), right: Vec::new() });
            self.chars[agent].push((seq, node));
            parent = node;
        }
    }

    fn text(&self) -> String {
        enum Step {
            Subtree(usize),
            Write(usize),
        }
        let mut text = String::new();
        // A stack of our own: a run of typing is as deep as it is long. What comes first lies on top.
        let mut todo = vec![Step::Subtree(0)];
        while let Some(step) = todo.pop() {
            match step {
                Step::Subtree(node) => {
                    let of = |children: &[usize]| {
                        let mut children = children.to_vec();
                        children.sort_unstable_by_key(|child| std::cmp::Reverse(self.nodes[*child].id));
                        children.into_iter().map(Step::Subtree)
                    };
                    todo.extend(of(&self.nodes[node].right));
                    todo.push(Step::Write(node));
                    todo.extend(of(&self.nodes[node].left));
                }
                Step::Write(node) => text.extend(self.nodes[node].char),
            }
        }
        text
    }
}

/// What clients were told is durable.
#[derive(Debug, Default, Clone)]
pub struct Acknowledged {
    docs: BTreeMap<DocId, Vec<Event>>,
    places: BTreeMap<(DocId, Place), usize>,
}

impl Acknowledged {
    /// Notes an acknowledged event; the same one again changes nothing. Fails if another was acknowledged at
    /// its place.
    pub fn note(&mut self, doc: &DocId, event: &Event) -> Result<(), String> {
        let events = self.docs.entry(doc.clone()).or_default();
        let at = *self.places.entry((doc.clone(), place(event))).or_insert(events.len());
        match events.get(at) {
            Some(noted) if noted != event => {
                Err(format!("{}: two different events were acknowledged", name(doc, &place(event))))
            }
            Some(_) => Ok(()),
            None => {
                events.push(event.clone());
                Ok(())
            }
        }
    }

    /// The document's, in the order in which they were first acknowledged.
    pub fn of(&self, doc: &DocId) -> &[Event] {
        self.docs.get(doc).map_or(&[], Vec::as_slice)
    }

    /// Of all documents.
    pub fn len(&self) -> usize {
        self.places.len()
    }
}

/// What a check may count on.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Faults are over and the streams are drained: a live state must show all that can be applied.
    pub live_must_be_complete: bool,
    /// The keys of all objects, of this document and others.
    pub keys: &'a [String],
    /// How many of the document's objects may be named by no pointer: what runs that died have left.
    pub garbage_max: usize,
}

/// A sound document's figures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    pub text: String,
    /// Events in log and segments, those in both once.
    pub events: usize,
    pub segments: usize,
    /// Objects of the document, garbage included.
    pub objects: usize,
    /// Bytes that all events have, each encoded by itself.
    pub history_bytes: usize,
    /// Who has written in it.
    pub agents: usize,
}

/// Holds a document's stores, read raw, against the model and what was acknowledged. An error is one line.
pub async fn check(
    documents: &Documents,
    doc: &DocId,
    acknowledged: &Acknowledged,
    expected: Expected<'_>,
) -> Result<Checked, String> {
    let failed = |error| format!("{doc}: {error}");
    // Log before pointer, as every reader must.
    let log = read_log(documents, doc).await?;
    let entry = documents.catalogue.entry(doc).await.map_err(|error| failed(error.to_string()))?;
    let pointer = entry.and_then(|entry| entry.pointer);
    let segments = read_segments(documents, doc, pointer.as_ref()).await?;
    let (past, all) = unite(doc, &segments, &log)?;
    for event in acknowledged.of(doc) {
        match all.get(&place(event)) {
            Some(kept) if kept == event => {}
            Some(_) => {
                return Err(format!("{}: another event than was acknowledged", name(doc, &place(event))));
            }
            None => return Err(format!("{}: acknowledged, and nowhere", name(doc, &place(event)))),
        }
    }

    let events: Vec<Event> = all.values().cloned().collect();
    let model = replay(&events);
    let snapshot = read_snapshot(documents, doc, pointer.as_ref()).await?;
    let past = if past.len() == events.len() { model.clone() } else { replay(&past) };
    same(doc, "the snapshot, by the segments,", &shown_by(&snapshot), &past)?;
    let mut rest = snapshot;
    log.iter().for_each(|event| _ = rest.apply(event));
    same(doc, "the snapshot plus the log", &shown_by(&rest), &model)?;
    let replayed = documents.replay(doc).await.map_err(|error| failed(error.to_string()))?;
    same(doc, "a replay", &shown_by(&replayed.doc), &model)?;
    let waiting: BTreeSet<Place> = replayed.doc.waiting().map(place).collect();
    if let Some(other) = waiting.symmetric_difference(&model.waiting).next() {
        let (is, should) = (waiting.contains(other), model.waiting.contains(other));
        return Err(format!("{}: waits in a replay: {is}, and should: {should}", name(doc, other)));
    }
    if let Some(lost) = replayed.snapshot_lost {
        return Err(failed(lost));
    }
    check_live(documents, doc, &events, &model, expected.live_must_be_complete).await?;

    let objects = check_objects(doc, pointer.as_ref(), &segments, expected)?;
    let state_bytes = rest.encode().len();
    let state_max = state_bytes_max(&model, &events);
    if state_bytes > state_max {
        return Err(failed(format!("the state has {state_bytes} bytes, at most {state_max} were expected")));
    }
    Ok(Checked {
        text: model.text,
        events: all.len(),
        segments: segments.len(),
        objects,
        history_bytes: events.iter().map(|event| event.encode().len()).sum(),
        agents: model.version.len(),
    })
}

/// The sound items. Damaged ones were never acknowledged.
async fn read_log(documents: &Documents, doc: &DocId) -> Result<Vec<Event>, String> {
    let items = documents.log.read(doc).await.map_err(|error| format!("{doc}: the log: {error}"))?;
    let sound = |item| match item {
        LogItem::Record(LogRecord { event, .. }) => Some(event),
        LogItem::Damaged { .. } => None,
    };
    Ok(items.into_iter().filter_map(sound).collect())
}

/// The segments with their keys, newest first, each found by the one after it.
async fn read_segments(
    documents: &Documents,
    doc: &DocId,
    pointer: Option<&Pointer>,
) -> Result<Vec<(String, Segment)>, String> {
    let mut segments: Vec<(String, Segment)> = Vec::new();
    let mut next = pointer.map(|pointer| pointer.segment.clone());
    while let Some(key) = next {
        if segments.iter().any(|(known, _)| *known == key) {
            return Err(format!("{doc}: segment {key} leads back to itself"));
        }
        let bytes = read_object(documents, doc, &key).await?;
        let segment = Segment::decode(&bytes).map_err(|error| format!("{doc}: segment {key}: {error}"))?;
        next = segment.earlier.first().cloned();
        segments.push((key, segment));
    }
    for (at, (key, segment)) in segments.iter().enumerate() {
        let named = segment.earlier.iter().zip(segments[at + 1..].iter().map(|(key, _)| key));
        if named.clone().count() < segment.earlier.len() || named.clone().any(|(named, is)| named != is) {
            return Err(format!("{doc}: segment {key} names others than those that lead on from it"));
        }
    }
    Ok(segments)
}

async fn read_snapshot(documents: &Documents, doc: &DocId, pointer: Option<&Pointer>) -> Result<Doc, String> {
    let Some(Pointer { snapshot: key, .. }) = pointer else { return Ok(Doc::new()) };
    let bytes = read_object(documents, doc, key).await?;
    Ok(Snapshot::decode(&bytes).map_err(|error| format!("{doc}: snapshot {key}: {error}"))?.doc)
}

async fn read_object(documents: &Documents, doc: &DocId, key: &str) -> Result<Vec<u8>, String> {
    let read = documents.objects.get(key).await.map_err(|error| format!("{doc}: {key}: {error}"))?;
    read.ok_or_else(|| format!("{doc}: {key} is missing, but the pointer leads to it"))
}

/// The events of the segments, and those of segments and log by place.
fn unite(
    doc: &DocId,
    segments: &[(String, Segment)],
    log: &[Event],
) -> Result<(Vec<Event>, BTreeMap<Place, Event>), String> {
    let mut all = BTreeMap::new();
    for (key, segment) in segments {
        for LogRecord { event, .. } in &segment.records {
            if all.insert(place(event), event.clone()).is_some() {
                return Err(format!("{}: twice in the segments, and in {key}", name(doc, &place(event))));
            }
        }
    }
    let past = all.values().cloned().collect();
    for event in log {
        if all.insert(place(event), event.clone()).is_some_and(|compacted| compacted != *event) {
            return Err(format!("{}: one event in the log, another in a segment", name(doc, &place(event))));
        }
    }
    Ok((past, all))
}

async fn check_live(
    documents: &Documents,
    doc: &DocId,
    events: &[Event],
    model: &Shown,
    must_be_complete: bool,
) -> Result<(), String> {
    let state = match documents.peek(doc).await.map_err(|error| format!("{doc}: live state: {error}"))? {
        Peeked::Missing => return Ok(()),
        Peeked::Damaged(what) => return Err(format!("{doc}: {what}")),
        Peeked::Sound { state, .. } => state,
    };
    let live = shown_by(&state);
    if must_be_complete {
        return same(doc, "the live state", &live, model);
    }
    let covered = |event: &&Event| event.after() < end_of(&live.version, event.agent().as_str());
    let covered: Vec<Event> = events.iter().filter(covered).cloned().collect();
    same(doc, "the live state, by the events that it covers,", &live, &replay(&covered))
}

/// Names a place for people.
fn name(doc: &DocId, (agent, after): &Place) -> String {
    format!("{doc}: {agent} after {after}")
}

/// What a document of the CRDT shows.
pub fn shown_by(doc: &Doc) -> Shown {
    let version = doc.version().iter().map(|(agent, end)| (agent.as_str().to_owned(), end)).collect();
    Shown { text: doc.text(), version, ..Shown::default() }
}

/// Whether two show the same text at the same version.
fn same(doc: &DocId, what: &str, found: &Shown, model: &Shown) -> Result<(), String> {
    let agents: BTreeSet<&String> = found.version.keys().chain(model.version.keys()).collect();
    for agent in agents {
        let (found, model) = (end_of(&found.version, agent), end_of(&model.version, agent));
        if found != model {
            let at = name(doc, &(agent.clone(), found.min(model)));
            return Err(format!("{at}: {what} ends at {found}, and should at {model}"));
        }
    }
    if found.text != model.text {
        let same = found.text.chars().zip(model.text.chars()).take_while(|(a, b)| a == b).count();
        let (found, model) = (found.text.chars().count(), model.text.chars().count());
        let lengths = format!("and {found} characters in place of {model}");
        return Err(format!("{doc}: {what} has another text from character {same} on, {lengths}"));
    }
    Ok(())
}

/// How many objects the document has.
fn check_objects(
    doc: &DocId,
    pointer: Option<&Pointer>,
    segments: &[(String, Segment)],
    expected: Expected<'_>,
) -> Result<usize, String> {
    let mut named: BTreeSet<&str> = segments.iter().map(|(key, _)| key.as_str()).collect();
    if let Some(pointer) = pointer {
        named.insert(&pointer.snapshot);
        named.extend(pointer.superseded.iter().map(|older| older.snapshot.as_str()));
    }
    let prefix = format!("docs/{doc}/");
    let own: Vec<&String> = expected.keys.iter().filter(|key| key.starts_with(&prefix)).collect();
    let garbage: Vec<&&String> = own.iter().filter(|key| !named.contains(key.as_str())).collect();
    if garbage.len() > expected.garbage_max {
        let (count, max) = (garbage.len(), expected.garbage_max);
        return Err(format!(
            "{doc}: {count} objects that no pointer names, at most {max} allowed: {garbage:?}"
        ));
    }
    Ok(own.len())
}

/// An encoded state may grow with its text, its agents' names, and so much an op: each splits at most two
/// runs, and adds one of its own.
pub fn state_bytes_max(model: &Shown, events: &[Event]) -> usize {
    const FIXED: usize = 128;
    const BYTES_OF_AN_AGENT: usize = 32;
    const BYTES_OF_AN_OP: usize = 64;
    let ops: usize = events.iter().map(|event| event.ops().len()).sum();
    let names: usize = model.version.keys().map(|agent| agent.len() + BYTES_OF_AN_AGENT).sum();
    FIXED + model.text.len() + names + ops * BYTES_OF_AN_OP
}
