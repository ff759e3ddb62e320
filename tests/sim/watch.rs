//! What must hold at every moment, and not only in the end, when much has been put right by itself.
//!
//! - An event that the materializer has taken is in the live state, as long as there is one.
//! - It is in the index of dirty documents, until it has left the log.
//! - A batch is tried again only if something failed for all.
//! - An event stays in the log for two grace periods.
//! - Whoever joins is given all that the materializer had taken before.
//! - Who is let in, to do what, until when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lambda_events::event::dynamodb::EventRecord;
use inklog_access::Identity;
use inklog_crdt::Doc;
use inklog_protocol::limits::{COMPACTION_GRACE, INTEGRATION_TIMEOUT, REVOCATION_CACHE_TTL};
use inklog_protocol::{DocId, Right};
use inklog_store::document::Peeked;
use inklog_store::live::Cursor;
use inklog_store::log::{LogItem, place_from_image};
use inklog_store::{Catalogue as _, Clock as _, LiveState as _, OpLog as _, Revocations as _, StoreError};

use super::faults::Fault;
use super::model::{Place, place};
use super::world::World;

/// Between a decision and what comes of it, a function may run into its time limit, and messages are on their way.
const LEEWAY: Duration = INTEGRATION_TIMEOUT.saturating_add(Duration::from_secs(31));

/// What a broadcast takes at most, where no store is slow: some calls, and some posts one after the other.
const BROADCAST_MAX: Duration = Duration::from_secs(15);

#[derive(Default)]
pub struct Watch {
    /// What the materializer has taken.
    taken: Mutex<BTreeMap<DocId, BTreeSet<Place>>>,
    /// Where a tail ended before an append.
    tail: Mutex<Option<Cursor>>,
    /// What logs had before events left them, and when it came.
    logged: Mutex<BTreeMap<DocId, BTreeMap<Place, u64>>>,
    /// How often a store did not answer, or a process died.
    failures: AtomicU64,
}

/// What the materializer had taken at a moment.
pub struct Due {
    log: u64,
    events: BTreeSet<Place>,
}

impl Watch {
    /// The log is another one now.
    pub fn forget(&self) {
        self.taken.lock().expect("no holder panics").clear();
        self.logged.lock().expect("no holder panics").clear();
    }

    pub fn note_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}

impl World {
    /// Whether processes may be wrong about the time.
    fn clocks_are_right(&self) -> bool {
        !self.can_happen(Fault::ClockOff) && !self.can_happen(Fault::ClockJump)
    }

    fn can_happen(&self, fault: Fault) -> bool {
        self.faults.possible().any(|possible| possible == fault)
    }

    /// The materializer has taken these records of a batch.
    pub async fn check_taken(&self, batch: &[EventRecord]) {
        let mut docs = BTreeSet::new();
        let inserts = batch.iter().filter(|record| record.event_name == "INSERT");
        for of in inserts.filter_map(|record| place_from_image(&record.change.new_image)) {
            let mut taken = self.watch.taken.lock().expect("no holder panics");
            taken.entry(of.doc.clone()).or_default().insert((of.agent.to_string(), of.after));
            docs.insert(of.doc);
        }
        for doc in docs {
            self.check_live(&doc).await;
            self.check_mark(&doc).await;
        }
    }

    fn taken(&self, doc: &DocId) -> BTreeSet<Place> {
        self.watch.taken.lock().expect("no holder panics").get(doc).cloned().unwrap_or_default()
    }

    /// What was taken is there, and stays there.
    pub async fn check_live(&self, doc: &DocId) {
        let (live, state) = match self.documents().peek(doc).await {
            Ok(Peeked::Sound { live, state }) => (live, state),
            Ok(Peeked::Missing) => return,
            // Whoever reads it finds that.
            Ok(Peeked::Damaged(_)) if self.can_happen(Fault::BaseDamaged) => return,
            Err(StoreError::Newer { .. }) if self.can_happen(Fault::BaseNewer) => return,
            other => return self.fail(format_args!("{doc}: the live state: {other:?}")),
        };
        // What waits for long is in the log only.
        if live.aside_bytes > 0 {
            return;
        }
        if let Some((agent, after)) = missing(&self.taken(doc), &state) {
            self.fail(format_args!("{doc}: {agent} after {after}: taken, and not in the live state"));
        }
    }

    /// What whoever joins now will be given at least, and of which log. What waits for long is in the log only.
    pub async fn due_to_joiner(&self, doc: &DocId) -> Due {
        let is_aside = match self.live.peek(doc).await {
            Ok(Some(live)) => live.aside_bytes > 0,
            _ => false,
        };
        let events = if is_aside { BTreeSet::new() } else { self.taken(doc) };
        Due { log: self.restored(), events }
    }

    /// Somebody who has joined has what was due.
    pub fn check_joined(&self, who: &str, due: &Due, doc: &Doc) {
        if due.log != self.restored() {
            return;
        }
        if let Some((agent, after)) = missing(&due.events, doc) {
            self.fail(format_args!(
                "{who} has joined, and lacks {agent} after {after}, which was there before"
            ));
        }
    }

    /// A document is marked as long as its log has what could be compacted.
    pub async fn check_mark(&self, doc: &DocId) {
        let entry = self.catalogue.entry(doc).await.expect("it is in memory");
        if entry.is_some_and(|entry| entry.dirty.is_some()) || !self.clocks_are_right() {
            return;
        }
        // An object that is lost, or a newer record, hides the rest.
        let Ok(replayed) = self.documents().replay(doc).await else { return };
        let taken = self.taken(doc);
        let applied = replayed.records.iter().filter(|record| replayed.doc.version().covers(&record.event));
        if let Some(record) = applied.map(|record| place(&record.event)).find(|place| taken.contains(place)) {
            self.fail(format_args!(
                "{doc}: not marked, though {} after {} is in its log",
                record.0, record.1
            ));
        }
    }

    /// Events are about to be appended to a tail.
    pub fn note_tail(&self, doc: &DocId) {
        *self.watch.tail.lock().expect("no holder panics") = self.live.tail_end(doc);
    }

    /// They were, whatever else there is.
    pub fn check_tail(&self, doc: &DocId) {
        let before = self.watch.tail.lock().expect("no holder panics").take();
        let after = self.live.tail_end(doc);
        if after.as_ref().is_none_or(|after| after.offset == 0) || after == before {
            self.fail(format_args!("{doc}: an append left the tail as it was"));
        }
    }

    /// Events are about to leave a log.
    pub async fn note_log(&self, doc: &DocId) {
        let logged = self.logged(doc).await;
        self.watch.logged.lock().expect("no holder panics").insert(doc.clone(), logged);
    }

    /// Those that have left it were old enough.
    pub async fn check_log(&self, doc: &DocId) {
        let before = self.watch.logged.lock().expect("no holder panics").remove(doc).unwrap_or_default();
        let after = self.logged(doc).await;
        let now_ms = self.clock.now_ms();
        let is_young =
            |at: u64| self.clocks_are_right() && at + 2 * COMPACTION_GRACE.as_millis() as u64 > now_ms;
        if let Some(((agent, after), _)) =
            before.into_iter().find(|(place, at)| !after.contains_key(place) && is_young(*at))
        {
            self.fail(format_args!("{doc}: {agent} after {after} left the log too early"));
        }
    }

    /// The sound events of a log, and when each came.
    async fn logged(&self, doc: &DocId) -> BTreeMap<Place, u64> {
        let items = self.log.read(doc).await.unwrap_or_default();
        let sound = items.iter().filter_map(|item| match item {
            LogItem::Record(record) => Some((place(&record.event), record.at)),
            LogItem::Damaged { .. } => None,
        });
        sound.collect()
    }

    /// A broadcast waits for no connection.
    pub fn check_pace(&self, took: Duration) {
        if took > BROADCAST_MAX && !self.can_happen(Fault::Slow) {
            self.fail(format_args!("a broadcast took {took:?}"));
        }
    }

    /// Whoever sent it may write there.
    pub async fn check_writer(&self, identity: Option<&Identity>, doc: &DocId) {
        if self.plan.token_life_s.is_none() {
            return;
        }
        let Some(identity) = identity else {
            return self.fail(format_args!("{doc}: somebody without a token has written"));
        };
        if identity.right(doc).is_none_or(|right| right < Right::Write) {
            self.fail(format_args!("{doc}: {} has written, and may only read", identity.user));
        }
        self.check_valid(identity, doc).await;
    }

    /// Nobody gets anything for a token that has ended.
    pub fn check_not_ended(&self, identity: Option<&Identity>) {
        let Some(identity) = identity.filter(|_| self.clocks_are_right()) else { return };
        if self.clock.now_ms() / 1_000 > identity.expires_at + LEEWAY.as_secs() {
            self.fail(format_args!("{}'s token has ended", identity.user));
        }
    }

    /// A token that is used neither has ended nor was revoked a while ago.
    pub async fn check_valid(&self, identity: &Identity, doc: &DocId) {
        if !self.clocks_are_right() {
            return;
        }
        self.check_not_ended(Some(identity));
        let past_s = (self.clock.now_ms() / 1_000).saturating_sub(LEEWAY.as_secs());
        let revoked = self.catalogue.of(&identity.user, 0).await.expect("it is in memory");
        let is_void = |at: u64| identity.issued_at <= at && at + REVOCATION_CACHE_TTL.as_secs() < past_s;
        if revoked.iter().any(|of| of.doc.as_ref().is_none_or(|of| of == doc) && is_void(of.at)) {
            self.fail(format_args!("{doc}: {}'s token was revoked", identity.user));
        }
    }
}

/// The first of these events that a document neither shows nor keeps waiting.
fn missing<'a>(events: &'a BTreeSet<Place>, doc: &Doc) -> Option<&'a Place> {
    let waiting: BTreeSet<Place> = doc.waiting().map(place).collect();
    let ends: BTreeMap<&str, u64> = doc.version().iter().map(|(agent, end)| (agent.as_str(), end)).collect();
    let is_there = |place: &Place| {
        ends.get(place.0.as_str()).is_some_and(|end| place.1 < *end) || waiting.contains(place)
    };
    events.iter().find(|place| !is_there(place))
}
