//! After a round: everybody has the same text, and it is what was acknowledged, wherever it is read from.

use std::time::{Duration, Instant};

use inklog_crdt::Doc;
use inklog_operator::{ListedEvent, LiveCheck, Reading, Verified};
use inklog_protocol::version_from_wire;
use tokio::time::timeout_at;

use crate::Outcome;
use crate::load::Load;
use crate::model::Model;
use crate::processes::Jobs;
use crate::wire::read_anew;

/// How long it may take, from the end of all faults, until everybody shows the same. Usually it is some seconds. But
/// a client whose connection could not be registered, as in a Redis that was full, hears of nothing until it syncs: five
/// minutes later at most, and it may have to ask twice.
pub const CONVERGENCE_MAX: Duration = Duration::from_secs(11 * 60);

/// What a round's checks came to.
#[derive(Default)]
pub struct Checked {
    /// Numbers of acknowledged events that are nowhere.
    pub lost: Vec<u64>,
    pub wrong: Vec<String>,
    /// Documents of which a snapshot was read.
    pub snapshots: usize,
}

/// Waits until every client has its last edit acknowledged and shows all that was acknowledged to anybody.
pub async fn converge(load: &mut Load, model: &Model, round: usize) -> Outcome<Duration> {
    let begun = Instant::now();
    let deadline = (begun + CONVERGENCE_MAX).into();
    for worker in &mut load.workers {
        let settled = worker.standing.wait_for(|standing| standing.settled == Some(round));
        if timeout_at(deadline, settled).await.is_err() {
            return Err(format!("what {} typed into {} is not acknowledged", worker.user, worker.doc));
        }
    }
    for doc in load.docs() {
        let expected = model.document(&doc, None);
        let text = expected.text();
        for worker in load.workers.iter_mut().filter(|worker| worker.doc == doc) {
            let converged = worker.standing.wait_for(|standing| standing.text == text);
            if timeout_at(deadline, converged).await.is_err() {
                let shown = worker.standing.borrow().clone();
                let lengths = (shown.text.chars().count(), expected.len());
                let lacks: Vec<String> = expected
                    .version()
                    .iter()
                    .filter(|(agent, end)| shown.version.get(agent) < *end)
                    .map(|(agent, end)| format!("{agent} {}..{end}", shown.version.get(agent)))
                    .collect();
                let who = format!("{} of {doc}", worker.user);
                return Err(format!("{who} shows another text: {lengths:?} characters; it lacks {lacks:?}"));
            }
        }
    }
    Ok(begun.elapsed())
}

/// Holds a document's stores against the model.
pub async fn check(jobs: &Jobs, ws_url: &str, model: &Model, doc: &str) -> Outcome<Checked> {
    let mut checked = Checked::default();
    let listed: Vec<ListedEvent> = jobs.read(&["log", doc]).await?;
    let compared = model.compare(doc, listed);
    checked.lost = compared.lost;
    checked.wrong = compared.wrong;

    let expected = model.document(doc, None);
    for source in ["log", "live"] {
        let reading: Reading = jobs.read(&["cat", doc, "--from", source]).await?;
        checked.wrong.extend(differs(&reading, &expected));
    }
    let output = jobs.run(&["cat", doc, "--from", "snapshot"]).await?;
    if output.status.success() {
        let reading: Reading =
            serde_json::from_slice(&output.stdout).map_err(|error| format!("{doc}: {error}"))?;
        let version = version_from_wire(&reading.version).map_err(|error| error.to_string())?;
        checked.wrong.extend(differs(&reading, &model.document(doc, Some(&version))));
        checked.snapshots = 1;
    }
    for format in ["ops", "binary"] {
        if read_anew(ws_url, doc, format).await? != expected.text() {
            checked.wrong.push(format!("{doc}: a new reader ({format}) is given another text"));
        }
    }
    let verified: Verified = jobs.read(&["verify", doc]).await?;
    if !verified.ok || verified.live != LiveCheck::Equal || verified.waiting > 0 {
        checked.wrong.push(format!("{doc}: verify says {verified:?}"));
    }
    Ok(checked)
}

fn differs(reading: &Reading, expected: &Doc) -> Option<String> {
    let Reading { doc, from, text, version, waiting } = reading;
    let version = version_from_wire(version).ok()?;
    let same = *text == expected.text() && version == *expected.version() && *waiting == 0;
    (!same).then(|| {
        let lengths = (text.chars().count(), expected.len());
        format!("{doc}: {from:?} is not what was acknowledged: {lengths:?} characters, {waiting} events wait")
    })
}
