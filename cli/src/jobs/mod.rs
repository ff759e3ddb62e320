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
    /// It was not done on one of several documents.
    #[error("{doc}: {error}")]
    JobOn {
        /// Which document.
        doc: DocId,
        /// Why.
        error: JobError,
    },
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
    let jobs = Jobs::open(target).await?;
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
            let all = each(jobs, which, async |doc| jobs.verify(doc).await).await?;
            print_each(json, which, &all, show::verified)?;
            return Ok(all.iter().all(|verified| verified.ok));
        }
        Job::Rebuild(which) => {
            let all = each(jobs, which, async |doc| jobs.rebuild(doc).await).await?;
            print_each(json, which, &all, show::rebuilt)?;
        }
        Job::Compact(which) => {
            let compact = async |doc: &DocId| {
                let compacted = jobs.compact(doc).await?;
                Ok(CompactedDoc { doc: doc.to_string(), compacted })
            };
            let all = each(jobs, which, compact).await?;
            print_each(json, which, &all, |done| show::compacted(&done.doc, &done.compacted))?;
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

/// Does a job on one document, or, under a progress bar, on each.
async fn each<T>(
    jobs: &Jobs,
    which: &Which,
    job: impl AsyncFn(&DocId) -> Result<T, JobError>,
) -> Result<Vec<T>, JobsError> {
    let docs = match which {
        Which::One(doc) => return Ok(vec![job(doc).await?]),
        Which::All => jobs.docs().await?,
    };
    let bar = progress::bar(docs.len() as u64, "documents");
    let mut done = Vec::with_capacity(docs.len());
    for listed in docs {
        // The catalogue holds only names that were checked.
        let Ok(doc) = DocId::new(&listed.doc) else { continue };
        done.push(job(&doc).await.map_err(|error| JobsError::JobOn { doc, error })?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(done)
}

/// One object for one document, a list for all.
fn print_each<T: Serialize>(
    json: bool,
    which: &Which,
    all: &[T],
    line: impl Fn(&T) -> String,
) -> io::Result<()> {
    let text = || all.iter().map(|one| line(one) + "\n").collect();
    match (which, all) {
        (Which::One(_), [one]) => output::print(json, one, text),
        _ => output::print(json, all, text),
    }
}
