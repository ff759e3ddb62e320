//! `inklog play`: a recorded session, played back through WebSocket clients.
//!
//! One client per author ([`author`]), each typing on exactly what the trace ([`trace`]) says it had
//! seen, and an observer when there is only one author. In the end all clients and all stores must
//! show the trace's text ([`report`]).

mod author;
mod board;
pub mod report;
pub mod trace;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inklog_crdt::{Agent, IdError, Version};
use inklog_operator::Source;
use inklog_protocol::{DocId, DocIdError, version_from_wire};
use tokio::task::JoinSet;

use self::author::{Author, Client};
use self::board::Board;
use self::report::{Compared, PlayReport, compare};
use self::trace::{Trace, TraceError};
use crate::arrivals::Arrivals;
use crate::operator::{AnyOperator, JobError};
use crate::progress;
use crate::server::{Server, ServerError};
use crate::stats::percentiles;
use inklog_client::{Link, Options, Random, ws_url_of};

pub use author::PlayError as ClientStopped;

/// The live state may be this far behind the clients.
const LIVE_PATIENCE: Duration = Duration::from_secs(30);
/// How often it is read meanwhile.
const LIVE_PAUSE: Duration = Duration::from_millis(20);

/// What to play, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Play {
    /// The trace's file.
    pub trace: PathBuf,
    /// A running stack; `None` for one of its own, in memory.
    pub url: Option<String>,
    /// Which document; a fresh one when left out.
    pub doc: Option<DocId>,
    /// An author's event holds at most this many edits.
    pub edits_per_event: usize,
    /// How long the server may stay away.
    pub patience: Duration,
}

/// Why a run has no report.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The trace.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A client.
    #[error(transparent)]
    Client(#[from] ClientStopped),
    /// Reading the document back.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Something was there before.
    #[error("document {0} is not empty: choose another with --doc")]
    NotEmpty(DocId),
    /// A name made from the trace's.
    #[error(transparent)]
    Doc(#[from] DocIdError),
    /// An agent's name.
    #[error(transparent)]
    Agent(#[from] IdError),
}

/// Plays.
pub async fn play(wanted: &Play) -> Result<PlayReport, PlayError> {
    let trace = Trace::read(&wanted.trace)?;
    let server = Server::find_or_start(wanted.url.as_deref()).await?;
    let report = play_on(wanted, trace, server.http_url()).await;
    server.stop().await;
    report
}

async fn play_on(wanted: &Play, trace: Trace, http_url: &str) -> Result<PlayReport, PlayError> {
    let suffix = Random::from_system().suffix();
    let doc = match &wanted.doc {
        Some(doc) => doc.clone(),
        None => DocId::new(&format!("play-{suffix}"))?,
    };
    let Trace { authors, end_content, edits } = trace;
    let width = authors.len().saturating_sub(1).to_string().len();
    let agents: Vec<Agent> = (0..authors.len())
        .map(|number| Agent::new(&format!("author{number:0width$}~{suffix}")))
        .collect::<Result<_, _>>()?;
    let board = Arc::new(Board::new(agents));
    let bar = progress::bar(edits as u64, "edits");

    let mut clients = Vec::new();
    let count = authors.len();
    for (number, steps) in authors.into_iter().enumerate() {
        let author = Author::new(number, count, steps, wanted.edits_per_event);
        clients.push((format!("author {number}"), board.agents[number].clone(), Some(author)));
    }
    // With one author only, somebody must be on the other side.
    if count < 2 {
        clients.push(("observer".to_owned(), Agent::new(&format!("observer~{suffix}"))?, None));
    }
    let mut opened = Vec::new();
    for (name, agent, author) in clients {
        let options = Options::new(ws_url_of(http_url), doc.as_str(), "play").agent(agent);
        let options = options.give_up_after(wanted.patience).without_changes();
        let link = Link::open(options).await.map_err(ClientStopped::from)?;
        if !link.core().doc().version().is_empty() {
            return Err(PlayError::NotEmpty(doc));
        }
        let (board, progress, patience) = (board.clone(), bar.clone(), wanted.patience);
        let arrivals = Arrivals::default();
        opened.push(Client { name, link, author, board, progress, patience, arrivals });
    }
    if count == 0 {
        board.nobody_types();
    }

    let begin = Instant::now();
    let mut running = JoinSet::new();
    for (place, client) in opened.into_iter().enumerate() {
        running.spawn(async move { client.run().await.map(|client| (place, client)) });
    }
    let mut clients = Vec::new();
    while let Some(client) = running.join_next().await {
        clients.push(client.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?);
    }
    let seconds = begin.elapsed().as_secs_f64();
    bar.finish_and_clear();
    clients.sort_by_key(|(place, _)| *place);

    let mut report = PlayReport {
        doc: doc.to_string(),
        authors: count,
        clients: clients.len(),
        edits,
        events: 0,
        seconds,
        ack: None,
        receipt: None,
        reconnects: 0,
        texts: Vec::new(),
        ok: false,
    };
    let mut last = Version::new();
    for (_, client) in clients {
        let core = client.link.core();
        last.unite(core.doc().version());
        report.texts.push(compare(client.name, &end_content, Some(&core.doc().text())));
        report.reconnects += client.link.reconnects();
        client.link.close().await.map_err(ClientStopped::from)?;
    }
    let measured = board.measured();
    report.events = measured.events;
    report.ack = percentiles(measured.acks);
    report.receipt = percentiles(measured.receipts);
    report
        .texts
        .extend(compare_stores(&AnyOperator::of_running(http_url)?, &doc, &end_content, &last).await?);
    report.ok = report.texts.iter().all(|text| text.equal);
    Ok(report)
}

/// The live state, the log and a fresh snapshot.
async fn compare_stores(
    operator: &AnyOperator,
    doc: &DocId,
    expected: &str,
    last: &Version,
) -> Result<Vec<Compared>, JobError> {
    let mut texts = Vec::new();
    wait_for_live(operator, doc, last).await?;
    operator.compact(doc).await?;
    for (name, from) in [("live state", Source::Live), ("log", Source::Log), ("snapshot", Source::Snapshot)] {
        let reading = operator.read(doc, from).await?;
        let text = reading.as_ref().map(|reading| reading.text.as_str());
        // A document that nobody ever wrote to is nowhere, and that is right.
        let text = text.or((expected.is_empty() && last.is_empty()).then_some(""));
        texts.push(compare(name.to_owned(), expected, text));
    }
    Ok(texts)
}

/// The materializer may be a little behind the clients. If it stays behind, the comparison shows it.
async fn wait_for_live(operator: &AnyOperator, doc: &DocId, last: &Version) -> Result<(), JobError> {
    let begin = Instant::now();
    while begin.elapsed() < LIVE_PATIENCE {
        let version =
            operator.read(doc, Source::Live).await?.map(|reading| reading.version).unwrap_or_default();
        if version_from_wire(&version).is_ok_and(|version| version.includes(last)) {
            return Ok(());
        }
        tokio::time::sleep(LIVE_PAUSE).await;
    }
    Ok(())
}
