//! Random histories against the oracle.

use std::collections::BTreeMap;

use inklog_crdt::{
    Agent, Applied, Change, Doc, Draft, Event, Id, Op, Origin, Span, SpanContent, Version, decode_events,
    encode_events, push_op,
};

use crate::json::agent;
use crate::oracle::Oracle;
use crate::prng::{Prng, for_seeds};

/// Of every UTF-8 width, and some that join what is before them.
const CHARS: [char; 12] = ['a', 'b', 'Z', '0', ' ', '\n', 'é', 'ß', '中', '\u{301}', '😀', '𝒳'];
/// Names that sort and split in unexpected ways.
const NAMES: [&str; 8] = ["a", "B", "a-1", "-", "~", "x.y", "a~k3", "_0"];

pub(crate) fn random_text(prng: &mut Prng, most: usize) -> String {
    let ascii = prng.chance(50);
    let count = 1 + prng.below(most);
    (0..count).map(|_| CHARS[prng.below(if ascii { 6 } else { CHARS.len() })]).collect()
}

/// What kind of events a history has.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Style {
    /// Anything that is allowed: gaps, void references, origins anywhere.
    Odd,
    /// Few origins, so that there are many siblings.
    Crowded,
}

/// Events in causal order.
pub(crate) struct History {
    pub(crate) events: Vec<Event>,
}

impl History {
    pub(crate) fn random(prng: &mut Prng, count: usize, style: Style) -> History {
        let mut names = NAMES;
        prng.shuffle(&mut names);
        let agents: Vec<Agent> = names[..2 + prng.below(4)].iter().map(|name| agent(name)).collect();
        let mut version = Version::new();
        let mut events = Vec::new();
        for _ in 0..count {
            let agent = prng.pick(&agents).clone();
            let after = version.get(&agent);
            let mut end = after;
            let mut ops = Vec::new();
            for _ in 0..1 + prng.below(3) {
                let seq = end + if prng.chance(15) { *prng.pick(&[1, 2, 3, 1000]) } else { 0 };
                let op = random_op(prng, &agents, &version, &agent, seq, style);
                end = op.end();
                ops.push(op);
            }
            let event = Event::new(agent, after, ops).unwrap();
            version.advance(event.agent(), event.end());
            events.push(event);
        }
        History { events }
    }

    /// The events in any order, some of them more than once.
    pub(crate) fn shuffled(&self, prng: &mut Prng) -> Vec<Event> {
        let mut events = self.events.clone();
        for _ in 0..prng.below(self.events.len()) {
            events.push(prng.pick(&self.events).clone());
        }
        if prng.chance(80) {
            prng.shuffle(&mut events);
        }
        events
    }
}

fn random_op(
    prng: &mut Prng,
    agents: &[Agent],
    version: &Version,
    own: &Agent,
    seq: u64,
    style: Style,
) -> Op {
    let known = |agent: &Agent| if agent == own { seq } else { version.get(agent) };
    let mut reference = || {
        let agent = prng.pick(agents).clone();
        let end = known(&agent);
        (end > 0).then(|| {
            let far = if style == Style::Crowded { end.min(3) } else { end };
            let seq = if prng.chance(70) {
                end - 1 - prng.below(far.min(8) as usize) as u64
            } else {
                prng.below(far as usize) as u64
            };
            Id::new(agent, seq)
        })
    };
    let (first, second) = (reference(), reference());
    match (first, second) {
        (_, Some(target)) if prng.chance(25) => {
            let most = (known(&target.agent) - target.seq).min(6);
            Op::Delete { seq, len: 1 + prng.below(most as usize) as u64, target }
        }
        (Some(id), _) if prng.chance(90) => {
            let origin = if prng.chance(50) { Origin::Left(Some(id)) } else { Origin::Right(id) };
            Op::Insert { seq, text: random_text(prng, 4), origin }
        }
        _ => Op::Insert { seq, text: random_text(prng, 4), origin: Origin::Left(None) },
    }
}

/// An editor: follows a document by its changes alone.
#[derive(Default, Clone)]
pub(crate) struct Editor(Vec<char>);

impl Editor {
    pub(crate) fn follow(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Insert { at, text } => {
                    self.0.splice(*at..*at, text.chars());
                }
                Change::Delete { at, len } => {
                    self.0.drain(*at..*at + *len);
                }
            }
        }
    }

    pub(crate) fn text(&self) -> String {
        self.0.iter().collect()
    }
}

#[test]
fn documents_do_what_the_oracle_does() {
    for_seeds(250, |prng| {
        let style = if prng.chance(30) { Style::Crowded } else { Style::Odd };
        let count = 2 + prng.below(60);
        let history = History::random(prng, count, style);
        let columns = encode_events(&history.events);
        assert_eq!(decode_events(&columns, history.events.len()).as_ref(), Ok(&history.events));
        let (mut doc, mut oracle, mut editor) = (Doc::new(), Oracle::default(), Editor::default());
        let mut encoded = Doc::new();
        for event in history.shuffled(prng) {
            let was_known = doc.version().covers(&event);
            let mut changes = Vec::new();
            let applied = doc.apply_with(&event, &mut changes);
            oracle.receive(&event);
            editor.follow(&changes);
            doc.assert_invariants();
            assert_eq!(doc.text(), oracle.text());
            assert_eq!(editor.text(), oracle.text());
            assert_eq!(*doc.version(), oracle.version());
            assert_eq!(doc.waiting().cloned().collect::<Vec<_>>(), oracle.waiting());
            let expected = match (was_known, doc.version().covers(&event)) {
                (true, _) => Applied::Repeat,
                (false, true) => Applied::Now,
                (false, false) => Applied::Waits,
            };
            assert_eq!(applied, expected);
            assert_eq!(encoded.apply(&Event::decode(&event.encode()).unwrap()), expected);
            encoded.assert_invariants();
            assert_eq!(encoded.encode(), doc.encode());
            assert!(encoded.waiting().eq(doc.waiting()));
        }
        assert_eq!(doc.waiting().count(), 0);
    });
}

/// Enough runs for a tree of several levels, whose nodes split too.
#[test]
fn long_histories_do_what_the_oracle_does() {
    for_seeds(4, |prng| {
        let style = if prng.chance(50) { Style::Crowded } else { Style::Odd };
        let history = History::random(prng, 1500, style);
        let (mut doc, mut oracle, mut editor) = (Doc::new(), Oracle::default(), Editor::default());
        let mut changes = Vec::new();
        for (i, event) in history.events.iter().enumerate() {
            doc.apply_with(event, &mut changes);
            oracle.receive(event);
            if i % 100 == 99 {
                doc.assert_invariants();
                assert_eq!(doc.text(), oracle.text());
            }
        }
        editor.follow(&changes);
        assert_eq!(editor.text(), oracle.text());
        let state = doc.encode();
        let mut shuffled = Doc::new();
        history.shuffled(prng).iter().for_each(|event| {
            shuffled.apply(event);
        });
        shuffled.assert_invariants();
        assert_eq!(shuffled.encode(), state);
        // Read back, it is packed differently, and goes on all the same.
        let half: Vec<Event> = history.events[..750].to_vec();
        let mut again = Doc::new();
        half.iter().for_each(|event| assert_eq!(again.apply(event), Applied::Now));
        let mut again = Doc::decode(&again.encode()).unwrap();
        again.assert_invariants();
        history.events.iter().for_each(|event| {
            again.apply(event);
        });
        again.assert_invariants();
        assert_eq!(again.encode(), state);
    });
}

/// A replica with a writer of its own.
struct Replica {
    agent: Agent,
    doc: Doc,
    oracle: Oracle,
    editor: Editor,
    cursor: usize,
}

impl Replica {
    fn new(name: &str) -> Replica {
        let (doc, oracle) = (Doc::new(), Oracle::default());
        Replica { agent: agent(name), doc, oracle, editor: Editor::default(), cursor: 0 }
    }

    /// Types, deletes and moves about, and makes one event of it.
    fn edit(&mut self, prng: &mut Prng, longest: usize) -> Event {
        let after = self.doc.version().get(&self.agent);
        let (mut ops, mut end) = (Vec::new(), 0);
        let steps = 1 + prng.below(4);
        for _ in 0..steps {
            let len = self.doc.len();
            self.cursor = if prng.chance(40) { prng.below(len + 1) } else { self.cursor.min(len) };
            let mut new = Vec::new();
            match prng.below(4) {
                0 if self.cursor > 0 => {
                    let count = 1 + prng.below(self.cursor.min(5));
                    self.cursor -= count;
                    new = self.doc.delete(&self.agent, self.cursor, count).unwrap();
                    self.editor.follow(&[Change::Delete { at: self.cursor, len: count }]);
                }
                1 if self.cursor < len => {
                    let count = 1 + prng.below((len - self.cursor).min(5));
                    new = self.doc.delete(&self.agent, self.cursor, count).unwrap();
                    self.editor.follow(&[Change::Delete { at: self.cursor, len: count }]);
                }
                _ => {
                    let text = random_text(prng, longest);
                    new.push(self.doc.insert(&self.agent, self.cursor, &text).unwrap());
                    self.editor.follow(&[Change::Insert { at: self.cursor, text: text.clone() }]);
                    if prng.chance(70) {
                        self.cursor += text.chars().count();
                    }
                }
            }
            for op in new {
                if prng.chance(50) {
                    push_op(&mut ops, &mut end, &self.agent, op);
                } else {
                    end = op.end();
                    ops.push(op);
                }
            }
        }
        let event = Event::new(self.agent.clone(), after, ops).unwrap();
        assert_eq!(event.end(), self.doc.version().get(&self.agent));
        self.oracle.receive(&event);
        Event::decode(&event.encode()).unwrap()
    }

    fn receive(&mut self, event: &Event) {
        let mut changes = Vec::new();
        self.doc.apply_with(event, &mut changes);
        self.editor.follow(&changes);
        self.oracle.receive(event);
    }

    /// Takes over what another replica has, as a client does on joining.
    fn merge(&mut self, state: &Doc, log: &[Event], prng: &mut Prng) {
        let mut spans = state.spans();
        if prng.chance(50) {
            prng.shuffle(&mut spans);
        }
        let changes = self.doc.merge(&spans, state.version()).unwrap();
        self.editor.follow(&changes);
        log.iter().filter(|event| state.version().covers(event)).for_each(|event| self.oracle.receive(event));
    }

    /// Comes back from its own bytes; what waited is delivered again.
    fn reload(&mut self) {
        let bytes = self.doc.encode();
        let mut again = Doc::decode(&bytes).unwrap();
        assert_eq!(again.encode(), bytes);
        self.doc.waiting().for_each(|event| assert_eq!(again.apply(event), Applied::Waits));
        self.doc = again;
    }

    fn check(&self) {
        self.doc.assert_invariants();
        let text = self.oracle.text();
        assert_eq!(self.doc.text(), text);
        assert_eq!(self.editor.text(), text);
        assert_eq!(self.doc.len(), text.chars().count());
        assert_eq!(*self.doc.version(), self.oracle.version());
        assert_eq!(self.doc.waiting().cloned().collect::<Vec<_>>(), self.oracle.waiting());
    }
}

#[test]
fn replicas_converge() {
    for_seeds(120, |prng| {
        let mut names = NAMES;
        prng.shuffle(&mut names);
        let mut replicas: Vec<Replica> =
            names[..2 + prng.below(4)].iter().map(|name| Replica::new(name)).collect();
        // The log is in causal order: an event is made where all that it refers to is applied.
        let mut log: Vec<Event> = Vec::new();
        let longest = if prng.chance(10) { 3000 } else { 8 };
        let steps = if longest > 8 { 25 } else { 20 + prng.below(100) };
        for _ in 0..steps {
            let who = prng.below(replicas.len());
            match prng.below(10) {
                0..4 => log.push(replicas[who].edit(prng, longest)),
                4..8 if !log.is_empty() => {
                    // Mostly what it lacks.
                    let lacking: Vec<&Event> =
                        log.iter().filter(|event| !replicas[who].doc.version().covers(event)).collect();
                    let event = if lacking.is_empty() { prng.pick(&log) } else { *prng.pick(&lacking) };
                    let event = event.clone();
                    replicas[who].receive(&event);
                }
                8 => {
                    let state = replicas[prng.below(replicas.len())].doc.clone();
                    replicas[who].merge(&state, &log, prng);
                }
                _ => replicas[who].reload(),
            }
            replicas[who].check();
        }
        let mut all = Oracle::default();
        log.iter().for_each(|event| all.receive(event));
        for replica in &mut replicas {
            let mut rest = log.clone();
            prng.shuffle(&mut rest);
            rest.iter().for_each(|event| replica.receive(event));
            replica.check();
            assert_eq!(replica.doc.text(), all.text());
        }
        let state = replicas[0].doc.encode();
        assert!(replicas.iter().all(|replica| replica.doc.encode() == state));
        assert!(replicas.iter().all(|replica| replica.doc.spans() == replicas[0].doc.spans()));
        assert!(replicas.iter().all(|replica| text_by_ids(&replica.doc) == all.text()));
    });
}

/// The text, each character found by its id in the state.
fn text_by_ids(doc: &Doc) -> String {
    let mut chars = BTreeMap::new();
    for Span { id, content, .. } in doc.spans() {
        let SpanContent::Text(text) = content else { continue };
        let ids = (id.seq..).map(|seq| (id.agent.clone(), seq));
        chars.extend(ids.zip(text.chars()));
    }
    let ids =
        doc.visible().flat_map(|(id, len)| (id.seq..id.seq + len).map(move |seq| (id.agent.clone(), seq)));
    ids.map(|id| chars[&id]).collect()
}

/// What a draft says is what single ops say, composed.
#[test]
fn a_draft_is_the_ops_composed() {
    for_seeds(200, |prng| {
        let (ann, bob) = (agent("ann"), agent("bob"));
        let mut typed = Doc::new();
        // Something of another's to delete and to type into.
        typed.insert(&bob, 0, &random_text(prng, 40)).unwrap();
        let (mut drafted, mut told) = (typed.clone(), typed.clone());
        let (mut ops, mut end, mut draft) = (Vec::new(), 0, Draft::new(ann.clone(), 0));
        let mut cursor = 0;
        for _ in 0..1 + prng.below(60) {
            let len = typed.len();
            if prng.chance(25) {
                cursor = prng.below(len + 1);
            }
            let deleted = if prng.chance(30) { prng.below((len - cursor).min(3) + 1) } else { 0 };
            let backspaces = if prng.chance(30) { prng.below(cursor.min(3) + 1) } else { 0 };
            cursor -= backspaces;
            let inserted = if prng.chance(60) { random_text(prng, 3) } else { String::new() };
            drafted.edit(&mut draft, cursor, backspaces + deleted, &inserted).unwrap();
            for op in typed.delete(&ann, cursor, backspaces + deleted).unwrap() {
                push_op(&mut ops, &mut end, &ann, op);
            }
            if !inserted.is_empty() {
                push_op(&mut ops, &mut end, &ann, typed.insert(&ann, cursor, &inserted).unwrap());
            }
            cursor += inserted.chars().count();
            drafted.assert_invariants();
            assert_eq!(drafted.text(), typed.text());
        }
        assert_eq!(draft.ops(), ops);
        assert_eq!(drafted.encode(), typed.encode());
        if let Ok(event) = draft.finish() {
            assert_eq!(told.apply(&event), Applied::Now);
        }
        assert_eq!(told.encode(), typed.encode());
        let before = drafted.encode();
        let mut draft = Draft::new(ann, 0);
        assert!(drafted.edit(&mut draft, 1, drafted.len(), "x").is_err());
        assert_eq!((drafted.encode(), draft.ops().len()), (before, 0));
    });
}

/// Several people type at once, a character or a few at a time, each where their cursor is: a server
/// gets all of it as it comes, and each of them what they lacked now and then.
#[test]
fn what_is_typed_at_once_converges() {
    for_seeds(12, |prng| {
        let writers = 2 + prng.below(5);
        let mut replicas: Vec<(Agent, Doc)> =
            NAMES[..writers].iter().map(|name| (agent(name), Doc::new())).collect();
        let mut cursors = vec![0; writers];
        let mut received = vec![0; writers];
        let (mut server, mut oracle) = (Doc::new(), Oracle::default());
        let mut log: Vec<Event> = Vec::new();
        for step in 0..1500 {
            let who = prng.below(writers);
            let (agent, doc) = &mut replicas[who];
            if prng.chance(20) {
                for event in &log[std::mem::replace(&mut received[who], log.len())..] {
                    assert_ne!(doc.apply(event), Applied::Waits);
                }
            }
            let cursor = &mut cursors[who];
            *cursor = if prng.chance(5) { prng.below(doc.len() + 1) } else { (*cursor).min(doc.len()) };
            let mut draft = Draft::new(agent.clone(), doc.version().get(agent));
            if *cursor > 0 && prng.chance(15) {
                *cursor -= 1;
                doc.edit(&mut draft, *cursor, 1, "").unwrap();
            } else {
                let text = random_text(prng, 3);
                doc.edit(&mut draft, *cursor, 0, &text).unwrap();
                *cursor += text.chars().count();
            }
            let event = draft.finish().unwrap();
            oracle.receive(&event);
            log.push(Event::decode(&event.encode()).unwrap());
            assert_eq!(server.apply(&log[step]), Applied::Now);
            if step % 100 == 99 {
                server.assert_invariants();
                doc.assert_invariants();
                assert_eq!(server.text(), oracle.text());
                match prng.below(4) {
                    0 => server = Doc::decode(&server.encode()).unwrap(),
                    1 => {
                        doc.merge(&server.spans(), server.version()).unwrap();
                    }
                    _ => {}
                }
            }
        }
        for ((_, doc), received) in replicas.iter_mut().zip(received) {
            log[received..].iter().for_each(|event| assert_ne!(doc.apply(event), Applied::Waits));
            doc.assert_invariants();
            assert_eq!(doc.encode(), server.encode());
        }
    });
}
