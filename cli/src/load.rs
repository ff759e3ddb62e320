//! `inklog load`: many clients type in one document, and each measures when it sees the others' edits.
//!
//! A sample is one (edit, receiver) pair, from the edit in the one document to its application in the
//! other. All clients live in one process, so that one clock measures both ends.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use inklog_access::{Rules, inspect};
use inklog_crdt::{Agent, Change, IdError, Version};
use inklog_operator::Source;
use inklog_protocol::{DocId, DocIdError};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::arrivals::{Arrival, Arrivals};
use crate::operator::{AnyOperator, JobError};
use crate::progress;
use crate::server::{Server, ServerError};
use crate::stats::{Percentiles, percentiles};
use inklog_client::{ClientError, Link, Options, Random, TextError, Update, ws_url_of};

/// If a client receives nothing for this long at the end, it asks.
const SILENCE: Duration = Duration::from_secs(1);

/// What to do, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// Clients.
    pub clients: usize,
    /// Characters that each types in a second.
    pub rate: f64,
    /// Seconds measured.
    pub seconds: f64,
    /// Seconds before them.
    pub warm_up: f64,
    /// A running stack; `None` for one of its own, in memory.
    pub url: Option<String>,
    /// Which document; a fresh one when left out.
    pub doc: Option<DocId>,
    /// What every client shows, where the stack demands tokens.
    pub token: Option<String>,
    /// How long the server may stay away, and how long the end is waited for.
    pub patience: Duration,
}

/// Why there are no results.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A client writes under another name now.
    #[error(
        "a client had to begin anew as {agent}: the server forgot what it had acknowledged, or refused an edit"
    )]
    Renewed {
        /// Its new name.
        agent: Agent,
    },
    /// Reading the document back.
    #[error(transparent)]
    Job(#[from] JobError),
    /// A client typed beyond its own document.
    #[error(transparent)]
    Edit(#[from] TextError),
    /// The token says nothing of a user.
    #[error("the token cannot be read: `inklog token --check TOKEN` says why")]
    Token,
    /// Something was there before.
    #[error("document {0} is not empty: choose another with --doc")]
    NotEmpty(DocId),
    /// A name.
    #[error(transparent)]
    Doc(#[from] DocIdError),
    /// An agent's name.
    #[error(transparent)]
    Agent(#[from] IdError),
}

/// The results.
#[derive(Debug, Serialize)]
pub struct LoadReport {
    /// The document.
    pub doc: String,
    /// Clients.
    pub clients: usize,
    /// Characters a second and client.
    pub rate: f64,
    /// Seconds measured.
    pub seconds: f64,
    /// Edits, those of the warm-up included.
    pub edits: u64,
    /// From the edit to its application in each other client's document, warm-up dropped.
    pub latency: Option<Percentiles>,
    /// (Edit, receiver) pairs that never came, and edits that the log lacks.
    pub lost: u64,
    /// Connections lost and made anew.
    pub reconnects: usize,
    /// Whether all clients show the same text.
    pub texts_equal: bool,
    /// Whether the log shows it, too.
    pub log_equal: bool,
    /// Whether nothing is lost and all are equal.
    pub ok: bool,
}

/// What the clients share.
struct Plan {
    /// By agent: its number.
    numbers: HashMap<Agent, usize>,
    /// By client and edit: when it was typed, in ns since `begin`. Edit n is the agent's id n.
    typed: Vec<Vec<AtomicU64>>,
    begin: Instant,
    pause: Duration,
    edits: u64,
    warm_up_edits: u64,
    /// What everybody has in the end.
    last: Version,
    patience: Duration,
    /// Of all edits, those that were typed.
    bar: ProgressBar,
}

struct Typist {
    number: usize,
    link: Link,
    plan: Arc<Plan>,
    caret: usize,
    edits: u64,
    samples: Vec<Duration>,
    arrivals: Arrivals,
}

/// Generates the load.
pub async fn load(wanted: &Load) -> Result<LoadReport, LoadError> {
    let server = Server::find_or_start(wanted.url.as_deref()).await?;
    let report = load_on(wanted, server.http_url()).await;
    server.stop().await;
    report
}

async fn load_on(wanted: &Load, http_url: &str) -> Result<LoadReport, LoadError> {
    let suffix = Random::from_system().suffix();
    let doc = match &wanted.doc {
        Some(doc) => doc.clone(),
        None => DocId::new(&format!("load-{suffix}"))?,
    };
    let user = match &wanted.token {
        Some(token) => user_of(token).ok_or(LoadError::Token)?,
        None => "load".to_owned(),
    };
    let agents: Vec<Agent> = (0..wanted.clients)
        .map(|number| Agent::new(&format!("{user}~{suffix}{number}")))
        .collect::<Result<_, _>>()?;
    let mut links = Vec::new();
    for agent in &agents {
        let mut options = Options::new(ws_url_of(http_url), doc.as_str(), &user).agent(agent.clone());
        if let Some(token) = wanted.token.clone() {
            options = options.token(move || ready(Ok::<_, Infallible>(token.clone())));
        }
        let link = Link::open(options.give_up_after(wanted.patience)).await?;
        if !link.core().doc().version().is_empty() {
            return Err(LoadError::NotEmpty(doc));
        }
        links.push(link);
    }

    let edits = (wanted.rate * (wanted.warm_up + wanted.seconds)).round() as u64;
    let plan = Arc::new(Plan {
        numbers: agents.iter().cloned().zip(0..).collect(),
        typed: agents.iter().map(|_| (0..edits).map(|_| AtomicU64::new(0)).collect()).collect(),
        begin: Instant::now(),
        pause: Duration::from_secs_f64(1.0 / wanted.rate),
        edits,
        warm_up_edits: (wanted.rate * wanted.warm_up).round() as u64,
        last: agents.iter().map(|agent| (agent.clone(), edits)).collect(),
        patience: wanted.patience,
        bar: progress::bar(edits * wanted.clients as u64, "edits"),
    });
    let mut running = JoinSet::new();
    for (number, link) in links.into_iter().enumerate() {
        let plan = plan.clone();
        let (caret, edits, samples, arrivals) = (0, 0, Vec::new(), Arrivals::default());
        running.spawn(Typist { number, link, plan, caret, edits, samples, arrivals }.run());
    }
    let mut typists = Vec::new();
    while let Some(typist) = running.join_next().await {
        typists.push(typist.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?);
    }
    plan.bar.finish_and_clear();
    report(wanted, http_url, doc, &plan, typists).await
}

/// The user that a token claims; whether it may is the server's to say.
fn user_of(token: &str) -> Option<String> {
    let identity = inspect(token, None, &Rules::default(), 0).identity?;
    Some(identity.user.as_str().to_owned())
}

async fn report(
    wanted: &Load,
    http_url: &str,
    doc: DocId,
    plan: &Plan,
    typists: Vec<Typist>,
) -> Result<LoadReport, LoadError> {
    let total = plan.edits * wanted.clients as u64;
    let (mut lost, mut reconnects, mut samples, mut texts) = (0, 0, Vec::new(), Vec::new());
    for mut typist in typists {
        let version = typist.link.core().doc().version();
        lost += plan.last.iter().map(|(agent, end)| end - version.get(agent).min(end)).sum::<u64>();
        reconnects += typist.link.reconnects();
        samples.append(&mut typist.samples);
        texts.push(typist.link.core().doc().text());
        typist.link.close().await?;
    }
    let log =
        AnyOperator::of_running(http_url)?.read(&doc, Source::Log).await?.map_or(String::new(), |r| r.text);
    lost += total - total.min(log.chars().count() as u64);
    let texts_equal = texts.windows(2).all(|pair| pair[0] == pair[1]);
    let log_equal = texts.first().is_none_or(|text| *text == log);
    Ok(LoadReport {
        doc: doc.to_string(),
        clients: wanted.clients,
        rate: wanted.rate,
        seconds: wanted.seconds,
        edits: total,
        latency: percentiles(samples),
        lost,
        reconnects,
        texts_equal,
        log_equal,
        ok: lost == 0 && texts_equal && log_equal,
    })
}

impl Typist {
    async fn run(mut self) -> Result<Typist, LoadError> {
        // In phase with nobody: each begins its own share of a pause later.
        let share = self.plan.pause.mul_f64(self.number as f64 / self.plan.typed.len() as f64);
        let first = self.plan.begin + share;
        while self.edits < self.plan.edits {
            let due = first + self.plan.pause.mul_f64(self.edits as f64);
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(due.into()) => self.type_one()?,
                turned = self.link.turn() => turned?,
            }
            self.take_updates()?;
        }
        self.wait_for_all().await?;
        Ok(self)
    }

    fn type_one(&mut self) -> Result<(), LoadError> {
        let text = match self.edits % 60 {
            59 => "\n",
            n if n % 6 == 5 => " ",
            n => &"abcdefghijklmnopqrstuvwxyz"[n as usize % 26..][..1],
        };
        let now = Instant::now();
        let nanos = (now - self.plan.begin).as_nanos() as u64;
        self.plan.typed[self.number][self.edits as usize].store(nanos, Ordering::Relaxed);
        self.link.core_mut().edit(self.caret, 0, text, now)?;
        self.caret += 1;
        self.edits += 1;
        self.plan.bar.inc(1);
        Ok(())
    }

    /// Waits until this client has everything and all of its own is durable, or patience ends.
    async fn wait_for_all(&mut self) -> Result<(), LoadError> {
        let mut quiet = tokio::time::interval(SILENCE);
        let end = tokio::time::sleep(self.plan.patience);
        tokio::pin!(end);
        while !self.link.core().is_settled() || !self.link.core().doc().version().includes(&self.plan.last) {
            tokio::select! {
                turned = self.link.turn() => turned?,
                _ = quiet.tick() => self.link.core_mut().sync_now(Instant::now()),
                () = &mut end => return Ok(()),
            }
            self.take_updates()?;
        }
        Ok(())
    }

    fn take_updates(&mut self) -> Result<(), LoadError> {
        let now = Instant::now();
        while let Some(update) = self.link.core_mut().next_update() {
            self.arrivals.notice(&update);
            match update {
                Update::Changed(changes) => changes.iter().for_each(|change| self.move_caret(change)),
                // What is measured is known by its agents' ids, and those are gone.
                Update::Agent(agent) => return Err(LoadError::Renewed { agent }),
                _ => {}
            }
        }
        for Arrival { agent, from, to } in self.arrivals.take(self.link.core()) {
            self.measure(&agent, from, to, now);
        }
        Ok(())
    }

    fn measure(&mut self, agent: &Agent, from: u64, to: u64, now: Instant) {
        let Some(number) = self.plan.numbers.get(agent) else { return };
        let now = (now - self.plan.begin).as_nanos() as u64;
        let from = from.max(self.plan.warm_up_edits);
        for edit in from..to.min(self.plan.edits) {
            let typed = self.plan.typed[*number][edit as usize].load(Ordering::Relaxed);
            self.samples.push(Duration::from_nanos(now.saturating_sub(typed)));
        }
    }

    /// The caret stays behind the client's own last character.
    fn move_caret(&mut self, change: &Change) {
        match change {
            Change::Insert { at, text } if *at < self.caret => self.caret += text.chars().count(),
            Change::Delete { at, len } if *at < self.caret => {
                self.caret -= (self.caret - at).min(*len);
            }
            _ => {}
        }
    }
}

impl LoadReport {
    /// For a person.
    pub fn to_text(&self) -> String {
        let yes = |equal: bool| if equal { "equal" } else { "DIFFERENT" };
        let latency = match &self.latency {
            Some(l) => format!(
                "p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, max {:.1} ms ({} samples)",
                l.p50_ms, l.p90_ms, l.p99_ms, l.max_ms, l.samples
            ),
            None => "no samples".into(),
        };
        format!(
            "document           {}\n\
             clients            {}, each {} characters a second for {} s\n\
             edits              {} ({} lost)\n\
             to each other      {latency}\n\
             reconnects         {}\n\
             clients' texts     {}\n\
             log                {}\n",
            self.doc,
            self.clients,
            self.rate,
            self.seconds,
            self.edits,
            self.lost,
            self.reconnects,
            yes(self.texts_equal),
            yes(self.log_equal),
        )
    }
}
