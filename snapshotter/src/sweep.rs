//! All documents, from where the sweep before ran out of time.

use std::sync::Arc;

use inklog_operator::{AllDocs, Queue};
use inklog_protocol::DocId;
use inklog_store::{Catalogue, StoreError};

/// The place is kept each time that so many more documents are done.
const KEPT_EVERY: usize = 20;

/// All documents after the place that the catalogue keeps, which moves along.
pub(crate) struct Sweep {
    catalogue: Arc<dyn Catalogue>,
    docs: AllDocs,
    /// The last document that is done.
    place: Option<DocId>,
    done: usize,
}

impl Sweep {
    /// Goes on where the last one ended.
    pub async fn begin(catalogue: Arc<dyn Catalogue>) -> Result<Sweep, StoreError> {
        let place = catalogue.sweep_place().await?;
        Ok(Sweep { docs: AllDocs::after(catalogue.clone(), place.clone()), catalogue, place, done: 0 })
    }

    /// Keeps where the next one goes on: from here, or from the beginning.
    pub async fn end(self, is_out_of_time: bool) -> Result<(), StoreError> {
        self.catalogue.keep_sweep_place(self.place.as_ref().filter(|_| is_out_of_time)).await
    }
}

impl Queue for Sweep {
    type Error = StoreError;

    async fn page(&mut self) -> Result<Vec<DocId>, StoreError> {
        self.docs.page().await
    }

    async fn done(&mut self, doc: &DocId) -> Result<(), StoreError> {
        self.place = Some(doc.clone());
        self.done += 1;
        match self.done.is_multiple_of(KEPT_EVERY) {
            true => self.catalogue.keep_sweep_place(self.place.as_ref()).await,
            false => Ok(()),
        }
    }
}
