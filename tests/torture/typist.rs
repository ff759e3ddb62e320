//! A client of the published crate: it types, deletes, shows where it is, and now and then dies and begins again
//! from its store.

use std::path::Path;
use std::time::{Duration, Instant};

use inklog_client::{FileStorage, Link, Options, Problem, Update};
use serde_json::json;
use tokio::time::sleep;

use crate::Outcome;
use crate::load::{Pace, Standing, Task};

/// Between two edits, at most.
const PAUSE_MAX_MS: usize = 400;
/// An acknowledgement that takes longer is taken for lost.
const ANSWER_PATIENCE: Duration = Duration::from_secs(3);
/// How long a store of before may take to be let go.
const STORE_MAX: Duration = Duration::from_secs(10);

pub async fn typist(mut task: Task) -> Outcome {
    let mut link = open(&task).await?;
    let mut last_word = None;
    loop {
        let pace = *task.pace.borrow_and_update();
        match pace {
            Pace::Gone => return link.close().await.map_err(|error| error.to_string()),
            Pace::Typing => last_word = None,
            Pace::Settling(round) if last_word != Some(round) => {
                edit(&mut link, &mut task)?;
                last_word = Some(round);
            }
            Pace::Settling(_) => {}
        }
        let pause = Duration::from_millis(1 + task.prng.below(PAUSE_MAX_MS) as u64);
        let key = sleep(pause);
        tokio::pin!(key);
        loop {
            take_updates(&mut link, &task);
            let settled = last_word.filter(|_| link.core().is_settled());
            let mut now = Standing { settled, ..Standing::default() };
            if last_word.is_some() {
                (now.text, now.version) = (link.core().doc().text(), link.core().doc().version().clone());
            }
            task.standing.send_if_modified(|standing| {
                let differs = *standing != now;
                *standing = now;
                differs
            });
            tokio::select! {
                turned = link.turn() => turned.map_err(|error| error.to_string())?,
                changed = task.pace.changed() => {
                    changed.map_err(|error| error.to_string())?;
                    break;
                }
                () = &mut key, if pace == Pace::Typing => {
                    if task.outbox.is_some() && task.prng.chance(1) {
                        take_updates(&mut link, &task);
                        drop(link);
                        link = open(&task).await?;
                    }
                    edit(&mut link, &mut task)?;
                    break;
                }
            }
        }
    }
}

async fn open(task: &Task) -> Outcome<Link> {
    let mut options = Options::new(&task.url, &task.doc, &task.user).answer_patience(ANSWER_PATIENCE);
    if let Some(outbox) = &task.outbox {
        options = options.storage(store(outbox).await?);
    }
    Link::start(options).await.map_err(|error| error.to_string())
}

/// The store, once whoever had it before has written its last.
async fn store(outbox: &Path) -> Outcome<FileStorage> {
    let begun = Instant::now();
    loop {
        match FileStorage::open(outbox) {
            Ok(store) => return Ok(store),
            Err(error) if begun.elapsed() > STORE_MAX => return Err(error.to_string()),
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

fn edit(link: &mut Link, task: &mut Task) -> Outcome {
    let prng = &mut task.prng;
    let len = link.core().doc().len();
    let (at, deleted, inserted) = match prng.below(100) {
        0..30 if len > 0 => {
            let at = prng.below(len);
            (at, prng.deleted().min(len - at), String::new())
        }
        _ => (prng.below(len + 1), 0, prng.text()),
    };
    let now = Instant::now();
    link.core_mut().edit(at, deleted, &inserted, now).map_err(|error| error.to_string())?;
    link.core_mut().show_presence(json!({ "at": at }), now).map_err(|error| error.to_string())
}

fn take_updates(link: &mut Link, task: &Task) {
    let (doc, model) = (&task.doc, &task.model);
    while let Some(update) = link.core_mut().next_update() {
        match update {
            Update::Sent(event) => model.offer(doc, &event),
            Update::Saved(event) => {
                // It may have been told of before its death only.
                model.offer(doc, &event);
                model.acknowledge(doc, event.agent().as_str(), event.after(), event.end());
            }
            Update::Forked { .. } => model.is_wrong(format!("{doc}: {} is told of a fork", task.user)),
            Update::Agent(agent) => model.is_wrong(format!("{doc}: {} has to write as {agent}", task.user)),
            Update::Problem(problem) if !problem.is_retried() => {
                model.is_wrong(format!("{doc}: {} is told: {problem}", task.user));
            }
            Update::Problem(Problem::Unreadable(what)) => {
                model.is_wrong(format!("{doc}: {} cannot read: {what}", task.user));
            }
            _ => {}
        }
    }
}
