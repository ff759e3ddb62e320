//! What an operator asks for: `docs`, `cat`, `log`, on one document or on all `verify`, `rebuild`, `compact`, and
//! of users `who` and `revoke`.

mod access;
mod any;
mod http;
mod show;
mod stopped;

use std::io;

use inklog_operator::{Compacted, FailedDoc, Reading, Runner, Source, Told};
use inklog_protocol::{DocId, UserName};
use serde::Serialize;

use access::AnyAccess;
pub use any::{AnyOperator, JobError, Target};
pub use http::{HttpBase, HttpError};

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
    /// List who is connected to a document.
    Who(DocId),
    /// Make a user's tokens void, for one document or for all.
    Revoke(UserName, Option<DocId>),
}

/// One document, or all.
#[derive(Debug, Clone, PartialEq)]
pub enum Which {
    /// This one.
    One(DocId),
    /// All of the catalogue.
    All,
}

/// Why a job failed.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// It was not done.
    #[error(transparent)]
    Job(#[from] JobError),
    /// It was done on some of several documents; the failed ones have been reported.
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
        /// Where it was sought.
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

/// Does the job and prints the results. Returns whether all is well.
pub async fn run(job: &Job, target: &Target, json: bool) -> Result<bool, OperatorError> {
    let needs_live = match job {
        Job::Docs | Job::Log(_) => false,
        Job::Cat(_, from) => *from == Source::Live,
        Job::Verify(_) | Job::Rebuild(_) | Job::Compact(_) => true,
        Job::Who(_) | Job::Revoke(..) => return run_on_access(job, target, json).await,
    };
    let operator = AnyOperator::open(target, needs_live).await?;
    let result = run_on(job, &operator, json).await;
    operator.close().await;
    result
}

/// A job on connections and their users.
async fn run_on_access(job: &Job, target: &Target, json: bool) -> Result<bool, OperatorError> {
    let operator = AnyAccess::open(target).await?;
    let result = match job {
        Job::Who(doc) => operator.who(doc).await.map(|present| {
            output::print(json, &present, || show::present(doc, &present))?;
            Ok(true)
        }),
        Job::Revoke(user, doc) => operator.revoke(user, doc.as_ref()).await.map(|revoked| {
            output::print(json, &revoked, || show::revoked(&revoked))?;
            Ok(revoked.failed.is_empty())
        }),
        _ => unreachable!("the others are jobs on documents"),
    };
    operator.close().await;
    result?
}

async fn run_on(job: &Job, operator: &AnyOperator, json: bool) -> Result<bool, OperatorError> {
    match job {
        Job::Docs => {
            let docs = operator.docs().await?;
            output::print(json, &docs, || show::docs(&docs))?;
        }
        Job::Cat(doc, from) => {
            let reading = read(operator, doc, *from).await?;
            output::print(json, &reading, || reading.text.clone())?;
        }
        Job::Log(doc) => {
            let events = operator.events(doc).await?;
            if events.is_empty() {
                return Err(no_document(doc, "log", String::new()));
            }
            output::print(json, &events, || show::events(&events))?;
        }
        Job::Verify(which) => {
            let verify = async |doc| operator.verify(&doc).await;
            return each(operator, which, json, verify, show::verified, |verified| verified.ok).await;
        }
        Job::Rebuild(which) => {
            let rebuild = async |doc| operator.rebuild(&doc).await;
            return each(operator, which, json, rebuild, show::rebuilt, |_| true).await;
        }
        Job::Compact(which) => {
            let compact = async |doc: DocId| {
                let compacted = operator.compact(&doc).await?;
                Ok(compacted.map(|compacted| CompactedDoc { doc: doc.to_string(), compacted }))
            };
            let line = |done: &CompactedDoc| show::compacted(&done.doc, &done.compacted);
            return each(operator, which, json, compact, line, |_| true).await;
        }
        Job::Who(_) | Job::Revoke(..) => unreachable!("they are no jobs on documents"),
    }
    Ok(true)
}

async fn read(operator: &AnyOperator, doc: &DocId, from: Source) -> Result<Reading, OperatorError> {
    let (place, hint) = match from {
        Source::Live => ("live state", String::new()),
        Source::Log => ("log", String::new()),
        Source::Snapshot => ("snapshots", format!("; `inklog compact {doc}` writes one")),
    };
    operator.read(doc, from).await?.ok_or_else(|| no_document(doc, place, hint))
}

fn no_document(doc: &DocId, place: &'static str, hint: String) -> OperatorError {
    OperatorError::NoDocument { doc: doc.clone(), place, hint }
}

/// Does a job on one document, or, with a progress bar, on each. Each result is printed as it arrives. A
/// document that fails stops nothing: a line on stderr reports it, and the outcome says how many failed. Says
/// whether all that was done is well.
async fn each<T, F>(
    operator: &AnyOperator,
    which: &Which,
    json: bool,
    job: impl Fn(DocId) -> F,
    line: impl Fn(&T) -> String,
    is_well: impl Fn(&T) -> bool,
) -> Result<bool, OperatorError>
where
    T: Serialize,
    F: Future<Output = Result<Option<T>, JobError>>,
{
    if let Which::One(doc) = which {
        let done = job(doc.clone()).await?.ok_or_else(|| OperatorError::Unknown(doc.clone()))?;
        output::print(json, &done, || line(&done) + "\n")?;
        return Ok(is_well(&done));
    }
    let bar = progress::bar(0, "documents");
    let (mut list, mut all_well) = (output::List::new(json), true);
    let tell = |told: Told<'_, Option<T>, JobError>| -> Result<(), OperatorError> {
        let (doc, outcome) = match told {
            Told::Found(more) => {
                bar.inc_length(more as u64);
                return Ok(());
            }
            Told::Done(doc, outcome) => (doc, outcome),
        };
        bar.inc(1);
        bar.suspend(|| match &outcome {
            Ok(Some(done)) => {
                all_well &= is_well(done);
                list.print(done, || line(done) + "\n")
            }
            // It has gone since it was listed.
            Ok(None) => Ok(()),
            Err(error) => {
                eprintln!("inklog: {doc}: {error}");
                list.print(&FailedDoc { doc: doc.to_string(), error: error.to_string() }, String::new)
            }
        })?;
        Ok(())
    };
    let ran = Runner::default().run(&mut operator.all_docs(), job, tell).await?;
    bar.finish_and_clear();
    list.end()?;
    match ran.failed {
        0 => Ok(all_well),
        failed => Err(OperatorError::Some { failed, all: ran.docs }),
    }
}
