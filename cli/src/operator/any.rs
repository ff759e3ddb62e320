//! An operator, wherever the documents are: in a stopped stack's folder, in a running stack, or on AWS.

use std::path::PathBuf;

use inklog_operator::{
    AllDocs, Compacted, Listed, ListedEvent, Operator, Queue, Reading, Rebuilt, Source, Verified,
    operator_on_aws,
};
use inklog_protocol::DocId;
use inklog_store::StoreError;
use inklog_store::config::ConfigError;
use serde::de::DeserializeOwned;

use super::http::{HttpBase, HttpError};
use super::stopped::{OpenError, Stopped};

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

/// Why a job could not run.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The folder cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The environment does not say where the stores are.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The running stack.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The running stack knows no such job: it is another version.
    #[error("the stack at {0} does not know this job: does it run the same version of inklog?")]
    NoSuchJob(String),
}

/// Does jobs somewhere.
pub enum AnyOperator {
    /// In this process.
    Here {
        /// Over these stores,
        operator: Operator,
        /// which are a folder's, unless they are on AWS.
        stopped: Option<Stopped>,
    },
    /// In another process.
    Running(HttpBase),
}

impl AnyOperator {
    /// Opens the target; on AWS without the live state, where the job does not need it.
    pub async fn open(target: &Target, needs_live: bool) -> Result<AnyOperator, JobError> {
        Ok(match target {
            Target::Running(base) => AnyOperator::Running(base.clone()),
            Target::Aws => AnyOperator::Here { operator: operator_on_aws(needs_live).await?, stopped: None },
            Target::Stopped(dir) => {
                let stopped = Stopped::open(dir).await?;
                AnyOperator::Here { operator: stopped.operator().clone(), stopped: Some(stopped) }
            }
        })
    }

    /// The one of a running stack.
    pub fn of_running(http_url: &str) -> Result<AnyOperator, JobError> {
        Ok(AnyOperator::Running(HttpBase::parse(http_url)?))
    }

    /// Closes what was opened.
    pub async fn close(self) {
        if let AnyOperator::Here { operator, stopped: Some(stopped) } = self {
            drop(operator);
            stopped.close().await;
        }
    }

    /// All documents, by name.
    pub async fn docs(&self) -> Result<Vec<Listed>, JobError> {
        match self {
            AnyOperator::Here { operator, .. } => Ok(operator.docs().await?),
            AnyOperator::Running(base) => there(base, base.get("/_inklog/docs").await?),
        }
    }

    /// All documents, for the runner.
    pub fn all_docs(&self) -> AnyDocs<'_> {
        match self {
            AnyOperator::Here { operator, .. } => AnyDocs::Here(operator.all_docs()),
            AnyOperator::Running(_) => AnyDocs::Running(Some(self)),
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
            AnyOperator::Here { operator, .. } => Ok(operator.read(doc, from).await?),
            AnyOperator::Running(base) => Ok(base.get(&format!("/_inklog/docs/{doc}?from={name}")).await?),
        }
    }

    /// A document's events.
    pub async fn events(&self, doc: &DocId) -> Result<Vec<ListedEvent>, JobError> {
        match self {
            AnyOperator::Here { operator, .. } => Ok(operator.events(doc).await?),
            AnyOperator::Running(base) => {
                there(base, base.get(&format!("/_inklog/docs/{doc}/events")).await?)
            }
        }
    }

    /// Whether all stores agree; `None`, here and below, when there is no such document.
    pub async fn verify(&self, doc: &DocId) -> Result<Option<Verified>, JobError> {
        match self {
            AnyOperator::Here { operator, .. } => Ok(operator.verify(doc).await?),
            AnyOperator::Running(base) => post(base, doc, "verify").await,
        }
    }

    /// Makes the live state anew.
    pub async fn rebuild(&self, doc: &DocId) -> Result<Option<Rebuilt>, JobError> {
        match self {
            AnyOperator::Here { operator, .. } => Ok(operator.rebuild(doc).await?),
            AnyOperator::Running(base) => post(base, doc, "rebuild").await,
        }
    }

    /// Writes a snapshot.
    pub async fn compact(&self, doc: &DocId) -> Result<Option<Compacted>, JobError> {
        match self {
            AnyOperator::Here { operator, .. } => Ok(operator.compact(doc).await?),
            AnyOperator::Running(base) => post(base, doc, "compact").await,
        }
    }
}

async fn post<T: DeserializeOwned>(base: &HttpBase, doc: &DocId, job: &str) -> Result<Option<T>, JobError> {
    Ok(base.post(&format!("/_inklog/docs/{doc}/{job}")).await?)
}

pub(super) fn there<T>(base: &HttpBase, answer: Option<T>) -> Result<T, JobError> {
    answer.ok_or_else(|| JobError::NoSuchJob(base.url().to_owned()))
}

/// All documents, wherever they are.
pub enum AnyDocs<'a> {
    /// A page at a time.
    Here(AllDocs),
    /// A running stack's list, which is one page.
    Running(Option<&'a AnyOperator>),
}

impl Queue for AnyDocs<'_> {
    type Error = JobError;

    async fn page(&mut self) -> Result<Vec<DocId>, JobError> {
        let docs = match self {
            AnyDocs::Here(docs) => {
                let mut page = docs.page().await?;
                page.sort();
                return Ok(page);
            }
            AnyDocs::Running(of) => match of.take() {
                Some(operator) => operator.docs().await?,
                None => return Ok(Vec::new()),
            },
        };
        // A name that this version does not take can be of no job.
        Ok(docs.iter().filter_map(|listed| DocId::new(&listed.doc).ok()).collect())
    }
}
