//! The operator's jobs, on one document or on all: `docs`, `cat`, `log`, `verify`, `rebuild`,
//! `compact`.

mod http;
mod show;
mod target;

use std::io;

use inklog_local::operator::{Reading, Source};
use inklog_protocol::DocId;
use inklog_snapshotter::Compacted;
use serde::Serialize;

pub use http::{HttpBase, HttpError};
pub use target::{JobError, Jobs, Target};

use crate::{output, progress};

/// Which job.
#[derive(Debug, Clone, PartialEq)]
pub enum Job {
    /// List the documents.
    Docs,
    /// Print a document's text.
    Cat(DocId, Source),
    /// List a document's events.
    Log(DocId),
    /// Hold the stores against each other.
    Verify(Which),
    /// Make the live state anew.
    Rebuild(Which),
    /// Write snapshots.
    Compact(Which),
}

/// One document, or all.
#[derive(Debug, Clone, PartialEq)]
pub enum Which {
    /// This one.
    One(DocId),
    /// All of the catalogue.
    All,
}

/// Why a job ended badly.
#[derive(Debug, thiserror::Error)]
pub enum JobsError {
    /// It was not done.
    #[error(transparent)]
    Job(#[from] JobError),
    /// It was done on some of several documents; those that failed have been named.
    #[error("{failed} of {all} documents failed")]
    Some {
        /// How many were not done.
        failed: usize,
        /// Of how many.
        all: usize,
    },
    /// There is no such document.
    #[error("there is no document {0}")]
    Unknown(DocId),
    /// There is nothing to show.
    #[error("there is no document {doc} in the {place}{hint}")]
    NoDocument {
        /// Which document.
        doc: DocId,
        /// Where it was looked for.
        place: &'static str,
        /// What to do.
        hint: String,
    },
    /// What was found cannot be printed.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// What `compact` did to a document.
#[derive(Debug, Serialize)]
struct CompactedDoc {
    doc: String,
    #[serde(flatten)]
    compacted: Compacted,
}

/// Does the job and prints what came of it. Says whether all is well.
pub async fn run(job: &Job, target: &Target, json: bool) -> Result<bool, JobsError> {
    let needs_live = match job {
        Job::Docs | Job::Log(_) => false,
        Job::Cat(_, from) => *from == Source::Live,
        Job::Verify(_) | Job::Rebuild(_) | Job::Compact(_) => true,
    };
    let jobs = Jobs::open(target, needs_live).await?;
    let result = run_on(job, &jobs, json).await;
    jobs.close().await;
    result
}

async fn run_on(job: &Job, jobs: &Jobs, json: bool) -> Result<bool, JobsError> {
    match job {
        Job::Docs => {
            let docs = jobs.docs().await?;
            output::print(json, &docs, || show::docs(&docs))?;
        }
        Job::Cat(doc, from) => {
            let reading = read(jobs, doc, *from).await?;
            output::print(json, &reading, || reading.text.clone())?;
        }
        Job::Log(doc) => {
            let events = jobs.events(doc).await?;
            if events.is_empty() {
                return Err(no_document(doc, "log", String::new()));
            }
            output::print(json, &events, || show::events(&events))?;
        }
        Job::Verify(which) => {
            let mut ok = true;
            let verify = async |doc: &DocId| {
                let verified = jobs.verify(doc).await?;
                ok &= verified.as_ref().is_none_or(|verified| verified.ok);
                Ok(verified)
            };
            each(jobs, which, json, verify, show::verified).await?;
            return Ok(ok);
        }
        Job::Rebuild(which) => {
            each(jobs, which, json, async |doc| jobs.rebuild(doc).await, show::rebuilt).await?;
        }
        Job::Compact(which) => {
            let compact = async |doc: &DocId| {
                let compacted = jobs.compact(doc).await?;
                Ok(compacted.map(|compacted| CompactedDoc { doc: doc.to_string(), compacted }))
            };
            each(jobs, which, json, compact, |done| show::compacted(&done.doc, &done.compacted)).await?;
        }
    }
    Ok(true)
}

async fn read(jobs: &Jobs, doc: &DocId, from: Source) -> Result<Reading, JobsError> {
    let (place, hint) = match from {
        Source::Live => ("live state", String::new()),
        Source::Log => ("log", String::new()),
        Source::Snapshot => ("snapshots", format!("; `inklog compact {doc}` writes one")),
    };
    jobs.read(doc, from).await?.ok_or_else(|| no_document(doc, place, hint))
}

fn no_document(doc: &DocId, place: &'static str, hint: String) -> JobsError {
    JobsError::NoDocument { doc: doc.clone(), place, hint }
}

/// What a document that failed is in a list of JSON.
#[derive(Debug, Serialize)]
struct FailedDoc<'a> {
    doc: &'a str,
    error: &'a str,
}

/// Does a job on one document, or, under a progress bar, on each. Of each, what came of it is printed as
/// it comes, and one that fails ends nothing: a line on stderr says so, and the outcome how many.
async fn each<T: Serialize>(
    jobs: &Jobs,
    which: &Which,
    json: bool,
    mut job: impl AsyncFnMut(&DocId) -> Result<Option<T>, JobError>,
    line: impl Fn(&T) -> String,
) -> Result<(), JobsError> {
    let docs = match which {
        Which::All => jobs.docs().await?,
        Which::One(doc) => {
            let done = job(doc).await?.ok_or_else(|| JobsError::Unknown(doc.clone()))?;
            output::print(json, &done, || line(&done) + "\n")?;
            return Ok(());
        }
    };
    let bar = progress::bar(docs.len() as u64, "documents");
    let (mut list, mut failed) = (output::List::new(json), 0);
    for listed in &docs {
        let done = match (&listed.damaged, DocId::new(&listed.doc)) {
            (Some(reason), _) => Err(format!("its entry in the catalogue is damaged: {reason}")),
            (None, Ok(doc)) => job(&doc).await.map_err(|error| error.to_string()),
            (None, Err(error)) => Err(error.to_string()),
        };
        bar.suspend(|| match &done {
            Ok(Some(done)) => list.print(done, || line(done) + "\n"),
            // It has gone since it was listed.
            Ok(None) => Ok(()),
            Err(error) => {
                failed += 1;
                eprintln!("inklog: {}: {error}", listed.doc);
                list.print(&FailedDoc { doc: &listed.doc, error }, String::new)
            }
        })?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    list.end()?;
    match failed {
        0 => Ok(()),
        failed => Err(JobsError::Some { failed, all: docs.len() }),
    }
}
