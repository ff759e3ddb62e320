//! What stands in the journal of a client, and its binary form.
//!
//! A batch is a version byte and its records, each a byte that says which kind, four with its length
//! (little-endian), and its content: JSON, an event's or a state's binary form, or text.

use inklog_crdt::{Agent, DecodeError, Event};
use serde::{Deserialize, Serialize};

use super::access::Access;
use super::keep::Fork;

const VERSION: u8 = 1;

/// Where the journal belongs to, and who wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The server's address.
    pub server: String,
    /// The document.
    pub doc: String,
    /// Who writes.
    #[serde(with = "agent_name")]
    pub agent: Agent,
    /// Where the agent's chain stands.
    pub start: u64,
    /// The name of the log that the base is from.
    pub log: Option<String>,
}

/// The document as the server knew it once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    pub state: Vec<u8>,
    pub cursor: Option<String>,
}

/// Events that were typed for a log which the server does not have any more: they are sent when it has it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unsent {
    pub log: String,
    pub agent: Agent,
    /// Where the agent's chain stands in that log.
    pub start: u64,
    pub events: Vec<Event>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    /// The journal begins.
    Head(Head),
    Base(Base),
    /// A durable event that the base lacks.
    Heard(Event),
    /// What was typed since, in the agent's order; it is no event yet.
    Typed(Event),
    /// An event that may have been sent; what was typed below its end is in it.
    Event(Event),
    /// The agent's events up to here are durable.
    Saved(u64),
    /// Another agent goes on; what the one before had not sent is not to be sent any more.
    Agent(Agent),
    Log(Option<String>),
    /// A text was put aside.
    Fork(Fork),
    /// The texts that were put aside are given up.
    NoForks,
    /// All that the server had at this cursor stands before it in the journal.
    Cursor(String),
    /// The log does not have the event that begins here, and never will.
    Refused(u64),
    /// What waits for another log.
    Unsent(Unsent),
    /// What the server lets this client do.
    Access(Access),
}

/// Why a journal cannot be gone on with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// It belongs to another document or server.
    #[error("it holds what was typed in the document {doc} at {server}: use another one here")]
    Elsewhere {
        /// The server that it belongs to.
        server: String,
        /// The document.
        doc: String,
    },
    /// A newer version of this crate wrote it.
    #[error("a newer version wrote it: use that one")]
    Newer,
    /// It is damaged.
    #[error("it is damaged ({0}): put it aside, and begin a new one")]
    Damaged(String),
}

impl From<DecodeError> for JournalError {
    fn from(error: DecodeError) -> JournalError {
        JournalError::Damaged(error.to_string())
    }
}

#[derive(Serialize, Deserialize)]
struct ForkJson {
    text: String,
    log: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct UnsentJson {
    log: String,
    #[serde(with = "agent_name")]
    agent: Agent,
    start: u64,
}

/// The bytes of a batch.
pub(super) fn encode(records: &[Record]) -> Vec<u8> {
    let mut out = vec![VERSION];
    for record in records {
        let (kind, content) = match record {
            Record::Head(head) => (0, json(head)),
            Record::Base(Base { state, cursor }) => {
                let mut content = Vec::new();
                push_sized(&mut content, &json(cursor));
                content.extend(state);
                (1, content)
            }
            Record::Heard(event) => (2, event.encode()),
            Record::Typed(event) => (3, event.encode()),
            Record::Event(event) => (4, event.encode()),
            Record::Saved(end) => (5, json(end)),
            Record::Agent(agent) => (6, agent.as_str().into()),
            Record::Log(log) => (7, json(log)),
            Record::Fork(Fork { text, log }) => (8, json(&ForkJson { text: text.clone(), log: log.clone() })),
            Record::NoForks => (9, Vec::new()),
            Record::Cursor(cursor) => (10, cursor.as_bytes().into()),
            Record::Refused(after) => (11, json(after)),
            Record::Unsent(Unsent { log, agent, start, events }) => {
                let head = UnsentJson { log: log.clone(), agent: agent.clone(), start: *start };
                let mut content = Vec::new();
                push_sized(&mut content, &json(&head));
                events.iter().for_each(|event| push_sized(&mut content, &event.encode()));
                (12, content)
            }
            Record::Access(access) => (13, access.as_str().into()),
        };
        out.push(kind);
        push_sized(&mut out, &content);
    }
    out
}

fn push_sized(out: &mut Vec<u8>, content: &[u8]) {
    out.extend((content.len() as u32).to_le_bytes());
    out.extend(content);
}

/// The records of a batch.
pub(super) fn decode(batch: &[u8]) -> Result<Vec<Record>, JournalError> {
    let cut = || JournalError::Damaged("a record is cut short".to_owned());
    let (version, mut rest) = batch.split_first().ok_or_else(cut)?;
    if *version != VERSION {
        return Err(JournalError::Newer);
    }
    let mut records = Vec::new();
    while let Some((kind, more)) = rest.split_first() {
        let (content, more) = split_sized(more).ok_or_else(cut)?;
        records.push(match kind {
            0 => Record::Head(from_json(content)?),
            1 => {
                let (cursor, state) = split_sized(content).ok_or_else(cut)?;
                Record::Base(Base { cursor: from_json(cursor)?, state: state.to_vec() })
            }
            2 => Record::Heard(Event::decode(content)?),
            3 => Record::Typed(Event::decode(content)?),
            4 => Record::Event(Event::decode(content)?),
            5 => Record::Saved(from_json(content)?),
            6 => Record::Agent(agent_name::parse(&String::from_utf8_lossy(content))?),
            7 => Record::Log(from_json(content)?),
            8 => {
                let ForkJson { text, log } = from_json(content)?;
                Record::Fork(Fork { text, log })
            }
            9 => Record::NoForks,
            10 => Record::Cursor(String::from_utf8_lossy(content).into_owned()),
            11 => Record::Refused(from_json(content)?),
            12 => {
                let (head, mut rest) = split_sized(content).ok_or_else(cut)?;
                let UnsentJson { log, agent, start } = from_json(head)?;
                let mut events = Vec::new();
                while !rest.is_empty() {
                    let (event, more) = split_sized(rest).ok_or_else(cut)?;
                    events.push(Event::decode(event)?);
                    rest = more;
                }
                Record::Unsent(Unsent { log, agent, start, events })
            }
            13 => Record::Access(Access::named(&String::from_utf8_lossy(content))),
            _ => return Err(JournalError::Newer),
        });
        rest = more;
    }
    Ok(records)
}

fn split_sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (size, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*size) as usize)
}

fn from_json<T: for<'de> Deserialize<'de>>(content: &[u8]) -> Result<T, JournalError> {
    serde_json::from_slice(content).map_err(|error| JournalError::Damaged(error.to_string()))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("a record holds nothing that JSON cannot")
}

mod agent_name {
    use inklog_crdt::Agent;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::JournalError;

    pub fn parse(name: &str) -> Result<Agent, JournalError> {
        Agent::new(name).map_err(|error| JournalError::Damaged(error.to_string()))
    }

    pub fn serialize<S: Serializer>(agent: &Agent, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(agent.as_str())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Agent, D::Error> {
        parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}
