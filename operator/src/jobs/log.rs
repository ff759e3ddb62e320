//! A document's events, from log and history.

use std::collections::HashSet;

use inklog_crdt::Agent;
use inklog_protocol::{DocId, WireEvent};
use inklog_store::{LogRecord, StoreError};
use serde::{Deserialize, Serialize};

use crate::Operator;

/// One event and where it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListedEvent {
    /// The event.
    #[serde(flatten)]
    pub event: WireEvent,
    /// Whether it is in the log still, or only in history.
    pub compacted: bool,
}

impl Operator {
    /// Every event of the document that is kept anywhere, in order of time.
    pub async fn events(&self, doc: &DocId) -> Result<Vec<ListedEvent>, StoreError> {
        let replayed = self.documents.replay(doc).await?;
        let history = self.documents.history(replayed.pointer.as_ref()).await?;
        let places: HashSet<(Agent, u64)> = replayed.records.iter().map(place).collect();
        let compacted = history.into_iter().filter(|record| !places.contains(&place(record)));
        let mut all: Vec<(LogRecord, bool)> = compacted.map(|record| (record, true)).collect();
        all.extend(replayed.records.into_iter().map(|record| (record, false)));
        all.sort_by_key(|(record, _)| (record.at, place(record)));
        Ok(all
            .into_iter()
            .map(|(record, compacted)| ListedEvent { event: WireEvent::new(&record.logged()), compacted })
            .collect())
    }
}

fn place(record: &LogRecord) -> (Agent, u64) {
    (record.event.agent().clone(), record.event.after())
}
