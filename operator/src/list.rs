//! The documents of the catalogue: as a list, and as a queue for the runner.

use std::sync::Arc;

use inklog_protocol::DocId;
use inklog_store::{Catalogue, StoreError};
use serde::{Deserialize, Serialize};

use crate::{Operator, Queue};

/// Documents of a page of the catalogue.
const PAGE: usize = 1_000;

/// A document in the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// Which document.
    pub doc: String,
    /// When it was first seen, ms since the epoch.
    pub created: u64,
    /// When it was last seen to change, ms since the epoch.
    pub last_edit: u64,
    /// Key of its newest snapshot.
    pub snapshot: Option<String>,
    /// Whether it has changed since.
    pub dirty: bool,
    /// What of its entry cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<String>,
}

impl Operator {
    /// All documents of the catalogue, by name.
    pub async fn docs(&self) -> Result<Vec<Listed>, StoreError> {
        let mut docs = Vec::new();
        let mut start = None;
        loop {
            let (page, next) = self.documents.catalogue.docs(start.as_ref(), PAGE).await?;
            docs.extend(page.into_iter().map(|entry| Listed {
                doc: entry.doc.to_string(),
                created: entry.created,
                last_edit: entry.last_edit,
                snapshot: entry.pointer.map(|pointer| pointer.snapshot),
                dirty: entry.dirty.is_some(),
                damaged: entry.damaged,
            }));
            match next {
                Some(doc) => start = Some(doc),
                None => break,
            }
        }
        docs.sort_by(|a, b| a.doc.cmp(&b.doc));
        Ok(docs)
    }

    /// All documents of the catalogue, for the runner.
    pub fn all_docs(&self) -> AllDocs {
        AllDocs::after(self.documents.catalogue.clone(), None)
    }
}

/// All documents of the catalogue, in its own order.
pub struct AllDocs {
    catalogue: Arc<dyn Catalogue>,
    after: Option<DocId>,
    is_at_end: bool,
}

impl AllDocs {
    /// Those after this one.
    pub fn after(catalogue: Arc<dyn Catalogue>, after: Option<DocId>) -> AllDocs {
        AllDocs { catalogue, after, is_at_end: false }
    }
}

impl Queue for AllDocs {
    type Error = StoreError;

    async fn page(&mut self) -> Result<Vec<DocId>, StoreError> {
        if self.is_at_end {
            return Ok(Vec::new());
        }
        let (page, next) = self.catalogue.docs(self.after.as_ref(), PAGE).await?;
        self.is_at_end = next.is_none();
        self.after = next;
        Ok(page.into_iter().map(|entry| entry.doc).collect())
    }
}
