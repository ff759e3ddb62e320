//! A random session of several replicas, each a document in Rust and one in TypeScript.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use inklog_crdt::{Agent, Applied, Change, Doc, Event, Id, Op, Origin, Version, push_op};
use inklog_protocol::{WireOp, version_to_wire};
use serde_json::{Value, json};

use super::node::Node;

/// xorshift64*: good enough to choose edits, and the same everywhere.
pub struct Prng(u64);

impl Prng {
    pub fn new(seed: u64) -> Prng {
        Prng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let next = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        (((next >> 32) * end as u64) >> 32) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    fn text(&mut self, most: usize) -> String {
        let count = 1 + self.below(most);
        (0..count).map(|_| CHARS[self.below(CHARS.len())]).collect()
    }
}

/// Of every width, and line ends.
const CHARS: [&str; 12] = ["a", "b", " ", "é", "ß", "中", "\u{301}", "\u{feff}", "😀", "𝒳", "\r\n", "\n"];
/// Names that sort and split in unexpected ways.
const NAMES: [&str; 6] = ["a", "B", "a-1", "~", "x.y", "a~k3"];

struct Replica {
    agent: Agent,
    doc: Doc,
    /// What an editor shows that makes the changes that Rust reports,
    chars: Vec<char>,
    /// and one that makes those of TypeScript.
    units: Vec<u16>,
}

pub struct Session<'a> {
    prng: &'a mut Prng,
    node: &'a mut Node,
    replicas: Vec<Replica>,
    log: Vec<Event>,
}

impl Session<'_> {
    pub fn new<'a>(prng: &'a mut Prng, node: &'a mut Node, replicas: usize) -> Session<'a> {
        let mut names = NAMES;
        prng.shuffle(&mut names);
        let replicas = (0..replicas)
            .map(|at| {
                node.one(json!({"do": "load", "doc": at}));
                let agent = Agent::new(names[at]).expect("a name");
                Replica { agent, doc: Doc::new(), chars: Vec::new(), units: Vec::new() }
            })
            .collect();
        Session { prng, node, replicas, log: Vec::new() }
    }

    /// `steps` random steps, of which one in `exchange` is an exchange of whole states; then everybody hears of
    /// everything.
    pub fn run(&mut self, steps: usize, exchange: usize) {
        for _ in 0..steps {
            let at = self.prng.below(self.replicas.len());
            match self.prng.below(10) {
                0..5 => self.edit(at),
                5 => self.wild(at),
                6 if self.prng.below(exchange) == 0 => self.exchange(at),
                _ => self.deliver(at, 8),
            }
        }
        for at in 0..self.replicas.len() {
            self.deliver(at, usize::MAX);
            assert_eq!(self.replicas[at].doc.waiting().count(), 0);
            self.compare(at);
            let first = self.replicas[0].doc.encode();
            assert!(first == self.replicas[at].doc.encode(), "the replicas do not converge");
        }
    }

    /// Inserts so many characters at once.
    pub fn paste(&mut self, at: usize, chars: usize) {
        let text = (0..chars).map(|i| if i % 997 == 0 { '😀' } else { 'x' }).collect::<String>();
        let index = self.prng.below(self.replicas[at].doc.len() + 1);
        self.insert(at, index, &text);
    }

    /// The same edits by index in both, which must make the same ops.
    fn edit(&mut self, at: usize) {
        for _ in 0..1 + self.prng.below(3) {
            let len = self.replicas[at].doc.len();
            let index = self.prng.below(len + 1);
            if index < len && self.prng.chance(40) {
                let most = if self.prng.chance(5) { 600 } else { 5 };
                let count = 1 + self.prng.below((len - index).min(most));
                self.delete(at, index, count);
            } else {
                let most = if self.prng.chance(3) { 1500 } else { 4 };
                let text = self.prng.text(most);
                self.insert(at, index, &text);
            }
        }
    }

    fn insert(&mut self, at: usize, index: usize, text: &str) {
        let replica = &mut self.replicas[at];
        let units = units_before(&replica.chars, index);
        let agent = replica.agent.clone();
        let op = replica.doc.insert(&agent, index, text).expect("an edit within the text");
        replica.chars.splice(index..index, text.chars());
        replica.units.splice(units..units, text.encode_utf16());
        let command = json!({"do": "insert", "doc": at, "agent": agent.as_str(), "at": units, "text": text});
        self.made(at, vec![op], command);
    }

    fn delete(&mut self, at: usize, index: usize, count: usize) {
        let replica = &mut self.replicas[at];
        let (from, to) = (units_before(&replica.chars, index), units_before(&replica.chars, index + count));
        let agent = replica.agent.clone();
        let ops = replica.doc.delete(&agent, index, count).expect("an edit within the text");
        replica.chars.drain(index..index + count);
        replica.units.drain(from..to);
        let command =
            json!({"do": "delete", "doc": at, "agent": agent.as_str(), "at": from, "len": to - from});
        self.made(at, ops, command);
    }

    /// Has TypeScript make the edit that made `ops` here, and compares, also after composing.
    fn made(&mut self, at: usize, ops: Vec<Op>, command: Value) {
        let agent = self.replicas[at].agent.clone();
        let theirs = self.node.one(command);
        assert_eq!(ops_from(&agent, &theirs), ops);
        let mut composed = Vec::new();
        let mut end = ops[0].seq();
        for op in &ops {
            push_op(&mut composed, &mut end, &agent, op.clone());
        }
        let command = json!({"do": "compose", "agent": agent.as_str(), "ops": theirs});
        assert_eq!(ops_from(&agent, &self.node.one(command)), composed);
        let after = ops[0].seq();
        self.log.push(Event::new(agent, after, composed).expect("a local edit is an event"));
    }

    /// An event that no editor makes: with gaps, and with references to any known id, void ones too.
    fn wild(&mut self, at: usize) {
        let replica = &self.replicas[at];
        let (own, version) = (replica.agent.clone(), replica.doc.version().clone());
        let after = version.get(&own);
        let mut end = after;
        let mut ops = Vec::new();
        for _ in 0..1 + self.prng.below(3) {
            let seq = end + if self.prng.chance(30) { [1, 2, 1000][self.prng.below(3)] } else { 0 };
            let op = self.wild_op(&version, &own, seq);
            end = op.end();
            ops.push(op);
        }
        let event = Event::new(own, after, ops).expect("it keeps the rules");
        self.apply(at, &event);
        self.log.push(event);
    }

    fn wild_op(&mut self, version: &Version, own: &Agent, seq: u64) -> Op {
        let known = |agent: &Agent| if agent == own { seq } else { version.get(agent) };
        let agent = self.replicas[self.prng.below(self.replicas.len())].agent.clone();
        let end = known(&agent);
        if end == 0 {
            return Op::Insert { seq, text: self.prng.text(3), origin: Origin::Left(None) };
        }
        let id = Id::new(agent, end - 1 - self.prng.below(end.min(40) as usize) as u64);
        if self.prng.chance(30) {
            let most = (end - id.seq).min(6) as usize;
            return Op::Delete { seq, len: 1 + self.prng.below(most) as u64, target: id };
        }
        let origin = if self.prng.chance(50) { Origin::Left(Some(id)) } else { Origin::Right(id) };
        Op::Insert { seq, text: self.prng.text(3), origin }
    }

    /// Events in any order, some of them again.
    fn deliver(&mut self, at: usize, most: usize) {
        let mut events = self.log.clone();
        self.prng.shuffle(&mut events);
        for event in events.iter().take(most) {
            self.apply(at, event);
        }
    }

    fn apply(&mut self, at: usize, event: &Event) {
        let replica = &mut self.replicas[at];
        let mut changes = Vec::new();
        let applied = match replica.doc.apply_with(event, &mut changes) {
            Applied::Now => "now",
            Applied::Repeat => "repeat",
            Applied::Waits => "waits",
        };
        let theirs = self.node.one(json!({"do": "apply", "doc": at, "event": event_json(event)}));
        assert_eq!(theirs["applied"], applied, "{event:?}");
        self.follow(at, &changes, &theirs);
    }

    fn follow(&mut self, at: usize, ours: &[Change], theirs: &Value) {
        let replica = &mut self.replicas[at];
        for change in ours {
            match change {
                Change::Insert { at, text } => drop(replica.chars.splice(*at..*at, text.chars())),
                Change::Delete { at, len } => drop(replica.chars.drain(*at..*at + *len)),
            }
        }
        for change in theirs["changes"].as_array().expect("changes") {
            let number = |name: &str| change[name].as_u64().expect("a number") as usize;
            let (at, del) = (number("at"), number("del"));
            replica.units.splice(at..at + del, change["ins"].as_str().expect("text").encode_utf16());
        }
        // A large text is compared now and then only, by `compare`.
        if replica.chars.len() < 4000 {
            let ours: String = replica.chars.iter().collect();
            let same = ours.encode_utf16().eq(replica.units.iter().copied());
            assert!(same, "the editors show different texts");
        }
    }

    /// A replica goes on from the state that the other language wrote, then unites with another replica's.
    fn exchange(&mut self, at: usize) {
        let theirs = self.compare(at);
        let ours = BASE64.encode(self.replicas[at].doc.encode());
        self.node.one(json!({"do": "load", "doc": at, "bytes": ours}));
        self.replicas[at].doc = Doc::decode(&theirs).expect("what TypeScript wrote");
        let other = &self.replicas[self.prng.below(self.replicas.len())].doc;
        let (mut spans, version) = (other.spans(), other.version().clone());
        let command = if self.prng.chance(50) {
            json!({"do": "mergeState", "doc": at, "bytes": BASE64.encode(other.encode())})
        } else {
            let mut ops: Vec<Value> = spans.iter().map(|span| json!(WireOp::from_span(span))).collect();
            self.prng.shuffle(&mut ops);
            json!({"do": "mergeOps", "doc": at, "ops": ops, "version": version_to_wire(&version)})
        };
        self.prng.shuffle(&mut spans);
        let changes = self.replicas[at].doc.merge(&spans, &version).expect("states of one history unite");
        let theirs = self.node.one(command);
        self.follow(at, &changes, &theirs);
        self.compare(at);
    }

    /// Compares everything; returns the state that TypeScript wrote.
    fn compare(&mut self, at: usize) -> Vec<u8> {
        let theirs = self.node.one(json!({"do": "state", "doc": at}));
        let replica = &self.replicas[at];
        let text = replica.doc.text();
        assert!(theirs["text"] == text, "the texts differ");
        assert!(text.chars().eq(replica.chars.iter().copied()), "Rust's editor shows another text");
        assert!(text.encode_utf16().eq(replica.units.iter().copied()), "TypeScript's editor does");
        assert_eq!(theirs["version"], json!(version_to_wire(replica.doc.version())));
        assert_eq!(theirs["waiting"], replica.doc.waiting().count());
        let bytes = BASE64.decode(theirs["bytes"].as_str().expect("bytes")).expect("base64");
        assert!(bytes == replica.doc.encode(), "the encoded states differ");
        bytes
    }
}

fn units_before(chars: &[char], index: usize) -> usize {
    chars[..index].iter().map(|char| char.len_utf16()).sum()
}

fn event_json(event: &Event) -> Value {
    let ops: Vec<WireOp> = event.ops().iter().map(|op| WireOp::from_op(event.agent(), op)).collect();
    json!({"agent": event.agent().as_str(), "after": event.after(), "ops": ops})
}

fn ops_from(agent: &Agent, ops: &Value) -> Vec<Op> {
    let ops: Vec<WireOp> = serde_json::from_value(ops.clone()).expect("ops as the wire has them");
    let read = ops.into_iter().map(|op| op.into_op().expect("an op that keeps the rules"));
    read.map(|(owner, op)| {
        assert_eq!(owner, *agent);
        op
    })
    .collect()
}
