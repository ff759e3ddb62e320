//! The documents that are marked dirty.

use std::collections::HashSet;
use std::sync::Arc;

use inklog_operator::Queue;
use inklog_protocol::DocId;
use inklog_store::catalogue::DirtyDoc;
use inklog_store::{Catalogue, StoreError};

/// Documents fetched at once.
const PAGE: usize = 100;

/// Each dirty document once, those marked longest ago first.
pub(crate) struct Dirty {
    catalogue: Arc<dyn Catalogue>,
    place: Option<DirtyDoc>,
    seen: HashSet<DocId>,
}

impl Dirty {
    pub fn new(catalogue: Arc<dyn Catalogue>) -> Dirty {
        Dirty { catalogue, place: None, seen: HashSet::new() }
    }
}

impl Queue for Dirty {
    type Error = StoreError;

    async fn page(&mut self) -> Result<Vec<DocId>, StoreError> {
        loop {
            let page = self.catalogue.dirty_after(self.place.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(Vec::new()) };
            self.place = Some(last.clone());
            // One that has moved back comes once more.
            let fresh = page.into_iter().map(|dirty| dirty.doc).filter(|doc| self.seen.insert(doc.clone()));
            let fresh: Vec<DocId> = fresh.collect();
            if !fresh.is_empty() {
                return Ok(fresh);
            }
        }
    }
}
