//! One item of the op log, as stored in DynamoDB and its stream.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use inklog_crdt::planted::{Bug, planted};
use inklog_crdt::{Agent, DecodeError, Event};
use inklog_protocol::{Author, DocId};

use super::{Appended, LogItem};
use crate::keys::log::{AT, CONNECTION, DOC, END, NAME, OPS, SORT_KEY, USER, place_of, sort_key};
use crate::{LogRecord, StoreError};

/// An item of the SDK, by attribute.
pub(super) type Item = HashMap<String, AttributeValue>;

/// Writes an item.
pub(super) fn to_item(doc: &DocId, record: &LogRecord) -> Item {
    let event = &record.event;
    let mut item = HashMap::from([
        (DOC.to_owned(), AttributeValue::S(doc.as_str().to_owned())),
        (SORT_KEY.to_owned(), AttributeValue::S(sort_key(event.agent(), event.after()))),
        (OPS.to_owned(), AttributeValue::B(Blob::new(event.encoded()))),
        (END.to_owned(), AttributeValue::N(event.end().to_string())),
        (AT.to_owned(), AttributeValue::N(record.at.to_string())),
    ]);
    let user = record.author.as_ref().map(|author| &author.user);
    let name = record.author.as_ref().and_then(|author| author.name.as_ref());
    for (name, value) in [(USER, user), (NAME, name), (CONNECTION, record.connection.as_ref())] {
        if let Some(value) = value {
            item.insert(name.to_owned(), AttributeValue::S(value.clone()));
        }
    }
    item
}

/// Reads an item.
pub(super) fn from_item(item: &Item) -> Result<LogRecord, DecodeError> {
    let string = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    let fields = Fields {
        sort_key: string(SORT_KEY),
        ops: item.get(OPS).and_then(|value| value.as_b().ok()).map(|blob| blob.as_ref()),
        at: item.get(AT).and_then(|value| value.as_n().ok()).map(String::as_str),
        user: string(USER),
        name: string(NAME),
        connection: string(CONNECTION),
    };
    fields.into_record()
}

/// Reads an item among those of its document.
pub(super) fn log_item(doc: &DocId, item: &Item) -> Result<LogItem, StoreError> {
    match from_item(item) {
        Ok(record) => Ok(LogItem::Record(record)),
        Err(error) => {
            let key = item.get(SORT_KEY).and_then(|key| key.as_s().ok()).cloned().unwrap_or_default();
            match StoreError::undecodable(format!("item {key} of {doc}"), error.clone()) {
                newer @ StoreError::Newer { .. } => Err(newer),
                _ => Ok(LogItem::Damaged { key, error }),
            }
        }
    }
}

/// The outcome of an append whose place is taken.
pub(super) fn met(doc: &DocId, old: &Item, record: &LogRecord) -> Result<Appended, StoreError> {
    // The same event, compared decoded, is a repeat: its bytes may be of an older encoding.
    match from_item(old) {
        Ok(old) if old.event == record.event || planted(Bug::ConflictIsRepeat) => Ok(Appended::Repeat),
        Err(error @ DecodeError::Newer { .. }) => {
            Err(StoreError::undecodable(format!("an event of {doc}"), error))
        }
        _ => Ok(Appended::Conflict),
    }
}

/// Reads the image of an item in a record of the log's stream: the document, and the record or why
/// it cannot be read. `None` when not even the document can be told.
pub fn record_from_image(image: &serde_dynamo::Item) -> Option<(DocId, Result<LogRecord, DecodeError>)> {
    use serde_dynamo::AttributeValue as Value;
    let image: &HashMap<String, Value> = image;
    let string = |name: &str| match image.get(name) {
        Some(Value::S(value)) => Some(value.clone()),
        _ => None,
    };
    let doc = DocId::new(&string(DOC)?).ok()?;
    let fields = Fields {
        sort_key: string(SORT_KEY),
        ops: match image.get(OPS) {
            Some(Value::B(bytes)) => Some(bytes),
            _ => None,
        },
        at: match image.get(AT) {
            Some(Value::N(number)) => Some(number),
            _ => None,
        },
        user: string(USER),
        name: string(NAME),
        connection: string(CONNECTION),
    };
    Some((doc, fields.into_record()))
}

/// Which event an item holds, from its attributes alone: the ops are not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its document.
    pub doc: DocId,
    /// Its agent.
    pub agent: Agent,
    /// The end of the agent's previous event.
    pub after: u64,
    /// The last id used plus one.
    pub end: u64,
    /// When ingest took it, ms since the epoch.
    pub at: u64,
}

/// Reads the place from an image in the log's stream; `None` if an attribute is invalid.
pub fn place_from_image(image: &serde_dynamo::Item) -> Option<Place> {
    use serde_dynamo::AttributeValue as Value;
    let image: &HashMap<String, Value> = image;
    let string = |name: &str| match image.get(name) {
        Some(Value::S(value)) => Some(value),
        _ => None,
    };
    let number = |name: &str| match image.get(name) {
        Some(Value::N(value)) => value.parse().ok(),
        _ => None,
    };
    let (agent, after) = place_of(string(SORT_KEY)?)?;
    Some(Place { doc: DocId::new(string(DOC)?).ok()?, agent, after, end: number(END)?, at: number(AT)? })
}

struct Fields<'a> {
    sort_key: Option<String>,
    ops: Option<&'a [u8]>,
    at: Option<&'a str>,
    user: Option<String>,
    name: Option<String>,
    connection: Option<String>,
}

impl Fields<'_> {
    fn into_record(self) -> Result<LogRecord, DecodeError> {
        let damaged = |what| DecodeError::Damaged { offset: 0, what };
        let event = Event::decode(self.ops.ok_or(damaged("no ops"))?)?;
        if self.sort_key.as_deref() != Some(&sort_key(event.agent(), event.after())) {
            return Err(damaged("the item's key does not match its event"));
        }
        let at = self.at.and_then(|at| at.parse().ok()).ok_or(damaged("no time"))?;
        let author = self.user.map(|user| Author { user, name: self.name });
        Ok(LogRecord { event, at, author, connection: self.connection })
    }
}
