//! What must hold in the end, when all have agreed and the log has given to history what it can.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use inklog_protocol::DocId;
use inklog_protocol::limits::{FOLD_BYTES_MIN, FRAME_BYTES_MAX, TAIL_KEPT_BYTES, WAITING_KEPT_BYTES};
use inklog_store::Catalogue as _;
use inklog_store::catalogue::FLOORS_KEPT;

use super::client::{Client, Seen, Start};
use super::executor;
use super::faults::Fault;
use super::model::{self, Checked, Expected};
use super::run::Simulation;

impl Simulation {
    pub async fn check_all(&mut self) -> Result<(), String> {
        self.read_all().await?;
        let texts = self.check_documents().await?;
        self.check_clients(&texts)?;
        self.check_chars(&texts)?;
        self.check_log_is_empty().await?;
        self.check_newcomers(&texts).await
    }

    /// Somebody reads each document: a base that is damaged goes when it is read.
    async fn read_all(&self) -> Result<(), String> {
        let documents = self.world.documents();
        for doc in self.world.docs() {
            documents.open(&doc).await.map_err(|error| format!("{doc}: {error}"))?;
        }
        Ok(())
    }

    /// The texts of all documents, after they were held against the model.
    async fn check_documents(&self) -> Result<Vec<String>, String> {
        self.breach()?;
        let world = &self.world;
        let documents = world.documents();
        let keys = world.objects.keys();
        let fired = world.faults.fired();
        let deadly = [
            Fault::KilledBefore,
            Fault::KilledAfter,
            Fault::Slow,
            Fault::SlowJob,
            Fault::Throttled,
            Fault::CallFails,
            Fault::FailedAfter,
            Fault::ObjectDamaged,
            Fault::SnapshotLost,
            Fault::SnapshotDamaged,
        ];
        let garbage_max = match world.restored() {
            0 => 2 * deadly.iter().map(|fault| fired[*fault as usize] as usize).sum::<usize>(),
            // What the tables of before led to is nobody's any more.
            _ => usize::MAX,
        };
        let mut texts = Vec::new();
        for doc in world.docs() {
            let expected = Expected { live_must_be_complete: true, keys: &keys, garbage_max };
            let acknowledged = world.acknowledged.lock().expect("no holder panics").clone();
            let checked = model::check(&documents, &doc, &acknowledged, expected).await?;
            self.check_verified(&doc).await?;
            self.check_growth(&doc, &checked).await?;
            world.trace(format_args!("{doc}: {} events, {} segments", checked.events, checked.segments));
            texts.push(checked.text);
        }
        Ok(texts)
    }

    /// What is kept of a document is bounded by the document.
    async fn check_growth(&self, doc: &DocId, checked: &Checked) -> Result<(), String> {
        let live = self.world.live.bytes(doc);
        // The base is as large as the document was before what is in the tail, which is no larger.
        let parts = [TAIL_KEPT_BYTES, WAITING_KEPT_BYTES, FOLD_BYTES_MIN, FRAME_BYTES_MAX];
        let live_max = (2 * checked.history_bytes + parts.iter().sum::<usize>()) as u64;
        if live > live_max {
            return Err(format!("{doc}: its live state has {live} bytes, at most {live_max} were expected"));
        }
        let floors = self.world.catalogue.floors(doc).await.expect("it is in memory");
        let (floors, floors_max) = (floors.len(), (FLOORS_KEPT + 1) * checked.agents);
        if floors > floors_max {
            return Err(format!("{doc}: {floors} floors, at most {floors_max} were expected"));
        }
        Ok(())
    }

    async fn check_verified(&self, doc: &DocId) -> Result<(), String> {
        let verified = self.functions.operator.call(async |operator| operator.verify(doc).await).await;
        match verified {
            Some(Ok(Some(verified))) if verified.ok => {}
            // Poison stays where it is.
            Some(Ok(Some(verified))) if verified.damaged.iter().all(|what| what.contains("poison~")) => {}
            Some(Ok(None)) => {}
            other => return Err(format!("{doc}: verify says {other:?}")),
        }
        let entry = self.world.catalogue.entry(doc).await.expect("it is in memory");
        match entry.and_then(|entry| entry.dirty) {
            Some(_)
                if self
                    .world
                    .documents()
                    .replay(doc)
                    .await
                    .is_ok_and(|replayed| replayed.waiting().is_empty() && replayed.damaged.is_empty()) =>
            {
                Err(format!("{doc}: it stays dirty"))
            }
            _ => Ok(()),
        }
    }

    fn check_clients(&self, texts: &[String]) -> Result<(), String> {
        for (at, seen) in &self.clients {
            let seen = seen.lock().expect("no holder panics");
            if !seen.is_full() && !texts[*at].chars().eq(seen.text.iter().copied()) {
                return Err(format!("{} shows another text than log and snapshot", seen.agent));
            }
        }
        Ok(())
    }

    /// Nothing typed is doubled, and nothing is gone that nobody deleted.
    fn check_chars(&self, texts: &[String]) -> Result<(), String> {
        let chars = self.world.chars.lock().expect("no holder panics");
        let mut times: BTreeMap<char, usize> = BTreeMap::new();
        for char in texts.iter().flat_map(|text| text.chars()).filter(|char| chars.typed.contains(char)) {
            *times.entry(char).or_default() += 1;
        }
        if let Some((char, times)) =
            times.iter().find(|(char, times)| **times > 1 && !chars.may_be_doubled.contains(char))
        {
            return Err(format!("{char:?} was typed once, and is in the text {times} times"));
        }
        let mut kept: BTreeSet<char> = BTreeSet::new();
        for (_, seen) in &self.clients {
            let seen = seen.lock().expect("no holder panics");
            kept.extend(seen.put_aside.chars().chain(seen.unsent().iter().copied()));
        }
        let is_known =
            |char: &char| times.contains_key(char) || chars.may_be_gone.contains(char) || kept.contains(char);
        let gone = chars.typed.iter().find(|char| !is_known(char));
        match gone {
            Some(char) => Err(format!("{char:?} was typed, and nobody deleted it, but it is gone")),
            None => Ok(()),
        }
    }

    /// The log does not grow for ever: what can be applied and is old is in history.
    async fn check_log_is_empty(&self) -> Result<(), String> {
        for doc in self.world.docs() {
            let replayed = self.world.documents().replay(&doc).await.map_err(|error| error.to_string())?;
            let mut applied =
                replayed.records.iter().filter(|record| replayed.doc.version().covers(&record.event));
            if let Some(record) = applied.next() {
                let (agent, after) = (record.event.agent(), record.event.after());
                return Err(format!("{doc}: {agent} after {after} stays in the log"));
            }
        }
        Ok(())
    }

    /// Somebody who comes now sees the same.
    async fn check_newcomers(&mut self, texts: &[String]) -> Result<(), String> {
        for at in 0..texts.len() {
            let seen = Arc::new(Mutex::new(Seen::default()));
            let start = Start {
                user: format!("newcomer{at}"),
                doc: self.world.docs()[at].clone(),
                disk: None,
                seen: seen.clone(),
                edits: 0,
            };
            executor::spawn(Client::start(&self.gateway, start).run());
            self.clients.push((at, seen));
        }
        self.converge().await.map_err(|why| format!("a newcomer: {why}"))?;
        self.check_clients(texts)?;
        self.breach()
    }
}
