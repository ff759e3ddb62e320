//! The live state, made anew.

use inklog_protocol::DocId;
use inklog_store::StoreError;
use serde::{Deserialize, Serialize};

use crate::Operator;

/// What `rebuild` did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rebuilt {
    /// Which document.
    pub doc: String,
    /// Events read from the log.
    pub events: usize,
    /// Characters of the text.
    pub chars: usize,
}

impl Operator {
    /// Makes the live state anew from the log; the one there is stays until the log is read. `None` when
    /// there is no such document.
    pub async fn rebuild(&self, doc: &DocId) -> Result<Option<Rebuilt>, StoreError> {
        Ok(self.documents.remake(doc).await?.map(|replayed| Rebuilt {
            doc: doc.to_string(),
            events: replayed.records.len(),
            chars: replayed.doc.len(),
        }))
    }
}
