//! Clients at work: of the published crate and of the wire itself, and an operator who does jobs meanwhile.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use inklog_crdt::Version;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Outcome;
use crate::model::Model;
use crate::prng::Prng;
use crate::processes::{Jobs, Stack};
use crate::typist::typist;
use crate::wire::wire_client;

/// Documents that all rounds write to, and how many clients of the crate each of them has; one of the wire
/// comes to each.
const DOCS: [&str; 3] = ["minutes", "notes", "draft"];
const TYPISTS: usize = 2;

/// What the clients are to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    Typing,
    /// One more edit each, and no other until this round is over: who missed something hears of it.
    Settling(usize),
    Gone,
}

/// How a client stands, as of its last step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standing {
    /// The round of which it has made its last edit, if everything typed is acknowledged.
    pub settled: Option<usize>,
    /// Its text, from its last edit of a round on.
    pub text: String,
    /// Its version then.
    pub version: Version,
}

/// What a client is given.
pub struct Task {
    pub url: String,
    pub doc: String,
    pub user: String,
    /// Where it keeps what is not acknowledged, if anywhere.
    pub outbox: Option<PathBuf>,
    pub pace: watch::Receiver<Pace>,
    pub standing: watch::Sender<Standing>,
    pub model: Arc<Model>,
    pub prng: Prng,
}

/// A client at work.
pub struct Worker {
    pub doc: String,
    pub user: String,
    pub standing: watch::Receiver<Standing>,
    task: JoinHandle<()>,
}

pub struct Load {
    pub workers: Vec<Worker>,
    pace: watch::Sender<Pace>,
    url: String,
    model: Arc<Model>,
    folder: PathBuf,
    operator: JoinHandle<()>,
    jobs_done: watch::Receiver<u64>,
}

impl Load {
    pub fn start(stack: &Stack, model: Arc<Model>, folder: PathBuf, prng: &mut Prng) -> Load {
        let (pace, watched) = watch::channel(Pace::Typing);
        let (counted, jobs_done) = watch::channel(0);
        let operator =
            tokio::spawn(operate(Jobs::running(stack), watched, counted, model.clone(), prng.fork()));
        let workers = Vec::new();
        let mut load = Load { workers, pace, url: stack.ws_url(), model, folder, operator, jobs_done };
        for doc in DOCS {
            for number in 0..TYPISTS {
                // Every other one survives its own death.
                let outbox = (number == 0).then(|| load.folder.join(format!("{doc}.outbox")));
                let task = load.task(doc, &format!("typist{number}"), outbox, prng.fork());
                load.spawn(task, typist);
            }
            let task = load.task(doc, "wire", None, prng.fork());
            load.spawn(task, wire_client);
        }
        load
    }

    /// Types on, and begins a document that is new.
    pub fn resume(&mut self, round: usize, prng: &mut Prng) {
        self.pace.send_replace(Pace::Typing);
        let task = self.task(&format!("round{round}"), "wire", None, prng.fork());
        self.spawn(task, wire_client);
    }

    pub fn settle(&self, round: usize) {
        self.pace.send_replace(Pace::Settling(round));
    }

    /// The client of the document that was new in this round leaves.
    pub fn retire_latest(&mut self) {
        if let Some(worker) = self.workers.pop_if(|worker| worker.doc.starts_with("round")) {
            worker.task.abort();
        }
    }

    /// The documents that somebody is writing to.
    pub fn docs(&self) -> Vec<String> {
        let mut docs: Vec<String> = self.workers.iter().map(|worker| worker.doc.clone()).collect();
        docs.dedup();
        docs
    }

    pub fn jobs_done(&self) -> u64 {
        *self.jobs_done.borrow()
    }

    /// Everybody leaves.
    pub async fn stop(self) -> Outcome {
        self.pace.send_replace(Pace::Gone);
        let all = async {
            for worker in self.workers {
                worker.task.await.map_err(|error| format!("{} of {}: {error}", worker.user, worker.doc))?;
            }
            self.operator.await.map_err(|error| format!("the operator: {error}"))
        };
        tokio::time::timeout(Duration::from_secs(30), all).await.map_err(|_| "a client does not leave")?
    }

    fn task(&self, doc: &str, user: &str, outbox: Option<PathBuf>, prng: Prng) -> Task {
        Task {
            url: self.url.clone(),
            doc: doc.to_owned(),
            user: user.to_owned(),
            outbox,
            pace: self.pace.subscribe(),
            standing: watch::channel(Standing::default()).0,
            model: self.model.clone(),
            prng,
        }
    }

    fn spawn<F: Future<Output = Outcome> + Send + 'static>(&mut self, task: Task, client: fn(Task) -> F) {
        let (doc, user, standing) = (task.doc.clone(), task.user.clone(), task.standing.subscribe());
        let (model, name) = (self.model.clone(), format!("{user} of {doc}"));
        let running = client(task);
        let task = tokio::spawn(async move {
            if let Err(error) = running.await {
                model.is_wrong(format!("{name} cannot go on: {error}"));
            }
        });
        self.workers.push(Worker { doc, user, standing, task });
    }
}

/// Does one job after the other, of every kind. While something is broken, jobs may fail, but only as commands do.
async fn operate(
    jobs: Jobs,
    mut pace: watch::Receiver<Pace>,
    done: watch::Sender<u64>,
    model: Arc<Model>,
    mut prng: Prng,
) {
    while pace.wait_for(|pace| !matches!(pace, Pace::Settling(_))).await.is_ok_and(|pace| *pace != Pace::Gone)
    {
        let doc = prng.pick(&DOCS);
        let job = match prng.below(6) {
            0 | 1 => vec!["compact", doc],
            2 => vec!["rebuild", doc],
            3 => vec!["verify", doc],
            4 => vec!["cat", doc, "--from", prng.pick(&["live", "log", "snapshot"])],
            _ => vec!["who", doc],
        };
        match jobs.run(&job).await {
            Ok(output) if output.status.success() => done.send_modify(|done| *done += 1),
            Ok(_) => {}
            Err(error) => model.is_wrong(error),
        }
        let pause = Duration::from_millis(100 + prng.below(400) as u64);
        let _ = tokio::time::timeout(pause, pace.wait_for(|pace| *pace == Pace::Gone)).await;
    }
}
