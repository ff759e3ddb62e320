//! Splits what may outgrow a message into parts under [`PART_BYTES_MAX`].
//!
//! A part is assembled from the JSON of its entries, so that nothing is serialized twice.

use base64::Engine as _;
use inklog_crdt::{Doc, Id, Origin, Span, SpanContent, Version};
use serde_json::{Value, json};

use crate::limits::{PART_BYTES_MAX, PROTOCOL_VERSION, STATE_OP_TEXT_BYTES_MAX};
use crate::{DocId, LoggedEvent, Right, StateFormat, VersionMap, WireEvent, WireOp};

/// Room for a part's envelope: action, ids, cursor, what is one client's own, and `ref` at their limits, with
/// some to spare.
const ENVELOPE_BYTES: usize = 2_000;
/// One slice of a state's base64. Whole groups of four, so that a slice also reads on its own.
const SLICE_BYTES: usize = (PART_BYTES_MAX - 2 * ENVELOPE_BYTES) / 4 * 4;

/// The fields that are filled with entries, in the order in which they are written: name, opening,
/// what stands between two entries, closing. A state's slices are one string.
const FIELDS: [(&str, &str, &str, &str); 4] = [
    ("ops", "[", ",", "]"),
    ("version", "{", ",", "}"),
    ("state", "\"", "", "\""),
    ("events", "[", ",", "]"),
];

/// What all parts of an answer share, and what its last part carries.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// Which document.
    pub doc: &'a DocId,
    /// The log's short name, in every part.
    pub log: &'a str,
    /// The answer's cursor, in the last part; `None` if the state is kept nowhere.
    pub cursor: Option<&'a str>,
    /// What is one client's own, in the last part; `None` for parts that several share.
    pub own: Option<Own<'a>>,
    /// The request's `ref`, in every part.
    pub reference: Option<&'a Value>,
}

/// What the last part tells one client only.
#[derive(Debug, Clone, Copy)]
pub struct Own<'a> {
    /// What the log lacks of the requested version; omitted if empty.
    pub missing: &'a VersionMap,
    /// What the connection may do with the document.
    pub access: Right,
    /// The user under whose name it writes, if it has an identity.
    pub user: Option<&'a str>,
}

impl Own<'_> {
    fn write(&self, part: &mut String) {
        if !self.missing.is_empty() {
            part.push_str(&format!(r#","missing":{}"#, to_json(self.missing)));
        }
        part.push_str(&format!(r#","access":{}"#, to_json(&self.access)));
        if let Some(user) = self.user {
            part.push_str(&format!(r#","user":{}"#, to_json(user)));
        }
    }
}

/// The base of a `DOC_STATE`.
pub enum StateBody<'a> {
    /// Sent as ops and a version.
    Ops(&'a Doc),
    /// Sent as the bytes of [`Doc::encode`].
    Binary(&'a [u8]),
}

/// A `DOC_STATE` in parts: the base, then the events beyond it, the cursor in the last part.
pub fn doc_state(
    answer: Answer<'_>,
    state_id: &str,
    body: StateBody<'_>,
    events: &[LoggedEvent],
) -> Vec<String> {
    let mut packer = Packer::default();
    let format = match body {
        StateBody::Ops(base) => {
            for span in base.spans() {
                for piece in cut_span(span) {
                    packer.add("ops", to_json(&WireOp::from_span(&piece)));
                }
            }
            add_version(&mut packer, base.version());
            StateFormat::Ops
        }
        StateBody::Binary(state) => {
            let text = base64::engine::general_purpose::STANDARD.encode(state);
            for slice in text.as_bytes().chunks(SLICE_BYTES) {
                packer.add("state", String::from_utf8_lossy(slice).into_owned());
            }
            StateFormat::Binary
        }
    };
    for event in events {
        packer.add("events", to_json(&WireEvent::new(event)));
    }
    let envelope = json!({
        "action": "DOC_STATE", "protocol": PROTOCOL_VERSION, "docId": answer.doc.as_str(),
        "log": answer.log, "stateId": state_id, "format": format,
    });
    packer.finish(envelope, answer)
}

/// An `OP_REPLAY` in parts; at least one, also without events.
pub fn op_replay(answer: Answer<'_>, events: &[LoggedEvent]) -> Vec<String> {
    let mut packer = Packer { always: &["events"], ..Packer::default() };
    for event in events {
        packer.add("events", to_json(&WireEvent::new(event)));
    }
    let envelope = json!({
        "action": "OP_REPLAY", "protocol": PROTOCOL_VERSION, "docId": answer.doc.as_str(), "log": answer.log,
    });
    packer.finish(envelope, answer)
}

/// `REMOTE_OP`s that together hold the events, given as JSON that [`event_json`] wrote.
pub fn remote_op<'a>(doc: &DocId, events: impl Iterator<Item = &'a str>) -> Vec<String> {
    let open = format!(r#"{{"action":"REMOTE_OP","docId":"{doc}","events":["#);
    let mut messages: Vec<String> = Vec::new();
    for event in events {
        match messages.last_mut() {
            Some(last) if last.len() + event.len() + 3 <= PART_BYTES_MAX => {
                last.push(',');
                last.push_str(event);
            }
            _ => messages.push(format!("{open}{event}")),
        }
    }
    for message in &mut messages {
        message.push_str("]}");
    }
    messages
}

/// The JSON of one event, for [`remote_op`].
pub fn event_json(event: &LoggedEvent) -> String {
    to_json(&WireEvent::new(event))
}

/// Turns a shared part into one client's own: adds what it alone is told (in the last part only), and its
/// `ref`.
pub fn made_own(part: &str, told: Option<Own<'_>>, reference: Option<&Value>) -> String {
    let mut own = part.strip_suffix('}').expect("a part is an object").to_owned();
    if let Some(told) = told {
        told.write(&mut own);
    }
    if let Some(reference) = reference {
        own.push_str(&format!(r#","ref":{reference}"#));
    }
    own.push('}');
    own
}

fn to_json(value: &(impl serde::Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("messages hold nothing that JSON cannot")
}

fn add_version(packer: &mut Packer, version: &Version) {
    for (agent, end) in version.iter() {
        packer.add("version", format!(r#""{agent}":{end}"#));
    }
}

/// Splits a long run of text; each further piece is the right child of the character before it.
fn cut_span(span: Span) -> Vec<Span> {
    let text = match &span.content {
        SpanContent::Text(text) if text.len() > STATE_OP_TEXT_BYTES_MAX => text,
        _ => return vec![span],
    };
    let mut pieces = Vec::new();
    let (mut rest, mut seq, mut origin) = (text.as_str(), span.id.seq, span.origin.clone());
    while !rest.is_empty() {
        let cut = rest.floor_char_boundary(STATE_OP_TEXT_BYTES_MAX.min(rest.len()));
        let (piece, after) = rest.split_at(cut);
        let id = Id::new(span.id.agent.clone(), seq);
        seq += piece.chars().count() as u64;
        let next = Origin::Left(Some(Id::new(span.id.agent.clone(), seq - 1)));
        pieces.push(Span { id, content: SpanContent::Text(piece.to_owned()), origin });
        (rest, origin) = (after, next);
    }
    pieces
}

/// Fills parts with entries, each of which belongs to a field of the message.
#[derive(Default)]
struct Packer {
    parts: Vec<Vec<(&'static str, String)>>,
    /// Bytes in the last part.
    filled: usize,
    /// Fields that are written even when empty.
    always: &'static [&'static str],
}

impl Packer {
    fn add(&mut self, field: &'static str, entry: String) {
        let bytes = entry.len() + 1;
        if self.parts.is_empty() || self.filled + bytes > PART_BYTES_MAX - ENVELOPE_BYTES {
            self.parts.push(Vec::new());
            self.filled = 0;
        }
        self.filled += bytes;
        self.parts.last_mut().expect("a part was just there").push((field, entry));
    }

    /// Closes the parts; `envelope` is what all have in common.
    fn finish(mut self, envelope: Value, answer: Answer<'_>) -> Vec<String> {
        if self.parts.is_empty() {
            self.parts.push(Vec::new());
        }
        let count = self.parts.len();
        let head = envelope.to_string();
        let head = head.strip_suffix('}').expect("an envelope is an object");
        let mut messages = Vec::with_capacity(count);
        for (i, entries) in self.parts.into_iter().enumerate() {
            let mut text = format!(r#"{head},"part":{},"parts":{count}"#, i + 1);
            for (field, open, between, close) in FIELDS {
                let of_field = entries.iter().filter(|(name, _)| *name == field);
                let of_field: Vec<&str> = of_field.map(|(_, entry)| entry.as_str()).collect();
                if !of_field.is_empty() || self.always.contains(&field) {
                    text.push_str(&format!(r#","{field}":{open}{}{close}"#, of_field.join(between)));
                }
            }
            if i + 1 == count {
                if let Some(cursor) = answer.cursor {
                    text.push_str(&format!(r#","cursor":{}"#, Value::from(cursor)));
                }
                if let Some(own) = answer.own {
                    own.write(&mut text);
                }
            }
            if let Some(reference) = answer.reference {
                text.push_str(&format!(r#","ref":{reference}"#));
            }
            text.push('}');
            messages.push(text);
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServerMessage;
    use inklog_crdt::{Agent, Event, Op};

    fn doc() -> DocId {
        DocId::new("d").unwrap()
    }

    fn answer<'a>(doc: &'a DocId, reference: Option<&'a Value>) -> Answer<'a> {
        Answer { doc, log: "0123456789abcdef", cursor: Some("c-1"), own: None, reference }
    }

    fn event(seq: u64, text: &str) -> LoggedEvent {
        let op = Op::Insert { seq, text: text.into(), origin: Origin::Left(None) };
        let event = Event::new(Agent::new("a").unwrap(), seq, vec![op]).unwrap();
        LoggedEvent { event, at: 7, author: None }
    }

    #[test]
    fn a_large_state_is_cut_and_comes_together_again() {
        let mut base = Doc::new();
        let agent = Agent::new("alice").unwrap();
        base.insert(&agent, 0, &"wörd 😀 ".repeat(40_000)).unwrap();
        base.delete(&agent, 10, 1_000).unwrap();
        let events = [event(0, "x"), event(1, "y")];
        for binary in [false, true] {
            let bytes = base.encode();
            let body = || if binary { StateBody::Binary(&bytes) } else { StateBody::Ops(&base) };
            let (doc, reference) = (doc(), Value::from(9));
            let missing = VersionMap::from([("bob".to_owned(), 3)]);
            let told = Own { missing: &missing, access: Right::Write, user: Some("ann") };
            let whole = Answer { own: Some(told), ..answer(&doc, Some(&reference)) };
            let parts = doc_state(whole, "s1", body(), &events);
            let shared = doc_state(answer(&doc, None), "s1", body(), &events);
            let own = |(part, n): (&String, usize)| {
                made_own(part, (n == shared.len()).then_some(told), Some(&reference))
            };
            assert_eq!(shared.iter().zip(1..).map(own).collect::<Vec<_>>(), parts);
            assert!(parts.len() > 2 && parts.iter().all(|part| part.len() <= PART_BYTES_MAX));
            let mut spans = Vec::new();
            let (mut version, mut base64, mut seen) = (Version::new(), String::new(), 0);
            for part in &parts {
                let ServerMessage::DocState {
                    log,
                    ops,
                    version: slice,
                    state,
                    events,
                    cursor,
                    part,
                    parts,
                    access,
                    user,
                    ..
                } = ServerMessage::parse(part).unwrap()
                else {
                    panic!("not a DOC_STATE")
                };
                spans.extend(ops.into_iter().map(|op| op.into_span().unwrap()));
                version.unite(&crate::version_from_wire(&slice).unwrap());
                base64 += state.as_deref().unwrap_or("");
                seen += events.len();
                assert_eq!(cursor.is_some(), part == parts);
                assert_eq!(access, (part == parts).then_some(Right::Write));
                assert_eq!(user.as_deref(), (part == parts).then_some("ann"));
                assert_eq!(log.as_deref(), Some("0123456789abcdef"), "in every part");
            }
            assert_eq!(seen, 2);
            let mut copy = Doc::new();
            if binary {
                let bytes = base64::engine::general_purpose::STANDARD.decode(base64).unwrap();
                copy = Doc::decode(&bytes).unwrap();
            } else {
                copy.merge(&spans, &version).unwrap();
            }
            assert_eq!(copy.encode(), base.encode());
        }
    }

    #[test]
    fn an_empty_replay_is_one_part_with_a_cursor() {
        let parts = op_replay(answer(&doc(), None), &[]);
        assert_eq!(parts.len(), 1);
        let ServerMessage::OpReplay { events, cursor, log: Some(_), part: 1, parts: 1, .. } =
            ServerMessage::parse(&parts[0]).unwrap()
        else {
            panic!("not an OP_REPLAY")
        };
        assert!(events.is_empty() && cursor.as_deref() == Some("c-1"));
    }

    #[test]
    fn many_events_share_a_message_up_to_the_limit() {
        let events: Vec<String> =
            (0..20).map(|i| event_json(&event(i * 30_000, &"z".repeat(30_000)))).collect();
        let messages = remote_op(&doc(), events.iter().map(String::as_str));
        assert_eq!(messages.len(), 7);
        let mut seen = 0;
        for message in &messages {
            assert!(message.len() <= PART_BYTES_MAX);
            let ServerMessage::RemoteOp { events, .. } = ServerMessage::parse(message).unwrap() else {
                panic!("not a REMOTE_OP")
            };
            for event in events {
                event.into_event().unwrap();
                seen += 1;
            }
        }
        assert_eq!(seen, 20);
    }
}
