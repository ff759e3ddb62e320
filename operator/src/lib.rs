//! What an operator does with documents, whatever the stores are: embedded ones, or AWS's.
//!
//! ```text
//!   jobs/       one file a job, each over one document: read, log, status, verify, rebuild, compact, who;
//!               and revoke, over a user's connections
//!   list.rs     the catalogue
//!   runner.rs   a job over many documents: pages, so many at once, a time limit, a place to go on from
//!   access.rs   who is connected, and who is let in no more
//!   aws.rs      an operator on AWS, as the environment describes it
//! ```
//!
//! The command line, the local stack's `/_inklog/…` and the snapshotter's schedule do the same jobs,
//! over many documents by the same runner. What a job returns is plain data.
#![deny(missing_docs)]

mod access;
mod aws;
mod jobs;
mod list;
mod runner;

use std::sync::Arc;
use std::time::Duration;

use inklog_protocol::limits::COMPACTION_GRACE;
use inklog_store::Clock;
use inklog_store::document::Documents;

pub use access::AccessOperator;
pub use aws::{access_operator_on_aws, operator_on_aws};
pub use jobs::{
    BaseStatus, Compacted, LIVE_LAG_MAX_MS, ListedEvent, LiveCheck, Present, Reading, Rebuilt, Revoked,
    SnapshotStatus, Source, Status, TailStatus, Verified,
};
pub use list::{AllDocs, Listed};
pub use runner::{FailedDoc, Failure, Queue, Ran, Runner, Told};

/// Does the jobs on the documents of these stores. A clone is another handle to the same.
#[derive(Clone)]
pub struct Operator {
    documents: Documents,
    clock: Arc<dyn Clock>,
    /// Events younger than this stay in the log, and floors younger than this are not acted on.
    grace: Duration,
}

impl Operator {
    /// Jobs over these stores; the clock tells all ages.
    pub fn new(documents: Documents, clock: Arc<dyn Clock>) -> Operator {
        Operator { documents, clock, grace: COMPACTION_GRACE }
    }

    /// With another grace period for compaction. Below the default, acknowledged events can be refused as
    /// conflicts when ingest functions run on an older floor: only for a stack that is otherwise stopped.
    pub fn with_grace(self, grace: Duration) -> Operator {
        Operator { grace, ..self }
    }

    /// The stores.
    pub fn documents(&self) -> &Documents {
        &self.documents
    }

    /// The clock that all ages are measured with.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}
