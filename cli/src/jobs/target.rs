//! Where the jobs are done: on a stopped stack's folder, through a running stack, or on AWS.

use std::path::PathBuf;

use inklog_local::operator::{Listed, ListedEvent, Operator, Reading, Rebuilt, Source, Verified};
use inklog_local::{StackError, StoppedStack, open_stopped, operator_on_aws};
use inklog_protocol::DocId;
use inklog_snapshotter::Compacted;
use inklog_store::StoreError;
use serde::de::DeserializeOwned;

use super::http::{HttpBase, HttpError};

/// Where to look.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// The data folder of a stack that is not running.
    Stopped(PathBuf),
    /// A running stack.
    Running(HttpBase),
    /// AWS, as the environment describes it.
    Aws,
}

/// Why a job was not done.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The folder, or AWS, cannot be opened.
    #[error(transparent)]
    Open(#[from] StackError),
    /// A store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The running stack.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The running stack knows no such job: it is another version.
    #[error("the stack at {0} does not know this job: is it the same version of inklog?")]
    NoSuchJob(String),
}

/// Does the jobs somewhere.
pub enum Jobs {
    /// In this process.
    Here {
        /// Over these stores,
        operator: Operator,
        /// which are a folder's, unless they are on AWS.
        stopped: Option<Box<StoppedStack>>,
    },
    /// In another process.
    Running(HttpBase),
}

impl Jobs {
    /// Opens the target; on AWS without the live state, where the job does not need it.
    pub async fn open(target: &Target, needs_live: bool) -> Result<Jobs, JobError> {
        Ok(match target {
            Target::Running(base) => Jobs::Running(base.clone()),
            Target::Aws => Jobs::Here { operator: operator_on_aws(needs_live).await?, stopped: None },
            Target::Stopped(dir) => {
                let stopped = open_stopped(dir).await?;
                Jobs::Here { operator: stopped.operator().clone(), stopped: Some(Box::new(stopped)) }
            }
        })
    }

    /// On a running stack.
    pub fn on_running(http_url: &str) -> Result<Jobs, JobError> {
        Ok(Jobs::Running(HttpBase::parse(http_url)?))
    }

    /// Closes what was opened.
    pub async fn close(self) {
        if let Jobs::Here { operator, stopped: Some(stopped) } = self {
            drop(operator);
            stopped.close().await;
        }
    }

    /// All documents.
    pub async fn docs(&self) -> Result<Vec<Listed>, JobError> {
        match self {
            Jobs::Here { operator, .. } => Ok(operator.docs().await?),
            Jobs::Running(base) => there(base, base.get("/_inklog/docs").await?),
        }
    }

    /// A document's text, if there is one.
    pub async fn read(&self, doc: &DocId, from: Source) -> Result<Option<Reading>, JobError> {
        let name = match from {
            Source::Live => "live",
            Source::Log => "log",
            Source::Snapshot => "snapshot",
        };
        match self {
            Jobs::Here { operator, .. } => Ok(operator.read(doc, from).await?),
            Jobs::Running(base) => Ok(base.get(&format!("/_inklog/docs/{doc}?from={name}")).await?),
        }
    }

    /// A document's events.
    pub async fn events(&self, doc: &DocId) -> Result<Vec<ListedEvent>, JobError> {
        match self {
            Jobs::Here { operator, .. } => Ok(operator.events(doc).await?),
            Jobs::Running(base) => there(base, base.get(&format!("/_inklog/docs/{doc}/events")).await?),
        }
    }

    /// Whether all stores agree; `None`, here and below, when there is no such document.
    pub async fn verify(&self, doc: &DocId) -> Result<Option<Verified>, JobError> {
        match self {
            Jobs::Here { operator, .. } => Ok(operator.verify(doc).await?),
            Jobs::Running(base) => post(base, doc, "verify").await,
        }
    }

    /// Makes the live state anew.
    pub async fn rebuild(&self, doc: &DocId) -> Result<Option<Rebuilt>, JobError> {
        match self {
            Jobs::Here { operator, .. } => Ok(operator.rebuild(doc).await?),
            Jobs::Running(base) => post(base, doc, "rebuild").await,
        }
    }

    /// Writes a snapshot.
    pub async fn compact(&self, doc: &DocId) -> Result<Option<Compacted>, JobError> {
        match self {
            Jobs::Here { operator, .. } => Ok(operator.compact(doc).await?),
            Jobs::Running(base) => post(base, doc, "compact").await,
        }
    }
}

async fn post<T: DeserializeOwned>(base: &HttpBase, doc: &DocId, job: &str) -> Result<Option<T>, JobError> {
    Ok(base.post(&format!("/_inklog/docs/{doc}/{job}")).await?)
}

fn there<T>(base: &HttpBase, answer: Option<T>) -> Result<T, JobError> {
    answer.ok_or_else(|| JobError::NoSuchJob(base.url().to_owned()))
}
