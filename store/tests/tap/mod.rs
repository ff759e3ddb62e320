//! What a tap is told, and what it can do to a call.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use inklog_crdt::Agent;
use inklog_protocol::limits::DOC_BYTES_MAX;
use inklog_protocol::{Author, DocId, UserName};
use inklog_store::audience::Audience;
use inklog_store::catalogue::memory::MemoryCatalogue;
use inklog_store::catalogue::{DocSize, Floor, Pointer, Revocation};
use inklog_store::connections::PresenceEntry;
use inklog_store::connections::memory::MemoryConnections;
use inklog_store::document::Documents;
use inklog_store::live::memory::MemoryLiveState;
use inklog_store::live::{Cursor, NewBase};
use inklog_store::log::Appended;
use inklog_store::log::memory::MemoryOpLog;
use inklog_store::objects::memory::MemoryObjects;
use inklog_store::push::memory::MemoryPush;
use inklog_store::tap::{Call, Done, Fault, Operation, Store, Tap, Tapped};
use inklog_store::{
    Clock, LogRecord, ManualClock, Objects as _, OpLog, Push, PushError, Revocations as _, StoreError,
    SystemEntropy,
};

use crate::support::{doc, event};

/// Writes down what it is told.
#[derive(Default)]
struct Notes(Mutex<Vec<Note>>);

#[derive(Debug, Clone, PartialEq)]
enum Note {
    Before(Operation, Option<DocId>, String, usize),
    After(Operation, Result<usize, String>),
}

#[async_trait]
impl Tap for Notes {
    async fn before(&self, call: &Call<'_>) -> Result<(), Fault> {
        let note = Note::Before(call.operation, call.doc.cloned(), call.key.to_owned(), call.bytes);
        self.0.lock().unwrap().push(note);
        Ok(())
    }

    async fn after(&self, call: &Call<'_>, done: &Done<'_>) -> Result<(), Fault> {
        let outcome = done.outcome.map_err(ToString::to_string);
        self.0.lock().unwrap().push(Note::After(call.operation, outcome));
        Ok(())
    }
}

impl Notes {
    fn take(&self) -> Vec<Note> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn record(n: u64) -> LogRecord {
    LogRecord { event: event(n).event, at: 1, author: None, connection: None }
}

fn agent() -> Agent {
    Agent::new("alice").unwrap()
}

fn stores(clock: &Arc<ManualClock>) -> (Documents, Audience, Arc<MemoryPush>) {
    let documents = Documents {
        log: Arc::new(MemoryOpLog::new(clock.clone())),
        catalogue: Arc::new(MemoryCatalogue::new()),
        objects: Arc::new(MemoryObjects::new()),
        live: Arc::new(MemoryLiveState::new(clock.clone())),
        entropy: Arc::new(SystemEntropy),
        doc_bytes_max: DOC_BYTES_MAX,
    };
    let (connections, push) = (Arc::new(MemoryConnections::new()), Arc::new(MemoryPush::new()));
    let audience =
        Audience { presence: connections.clone(), connections, push: push.clone(), clock: clock.clone() };
    (documents, audience, push)
}

#[tokio::test]
async fn every_operation_of_every_store_is_told_before_and_after() {
    let clock = Arc::new(ManualClock::new(0));
    let (documents, audience, push) = stores(&clock);
    let notes = Arc::new(Notes::default());
    let tap: Arc<dyn Tap> = notes.clone();
    let documents = documents.tapped(&tap, &(clock.clone() as Arc<dyn Clock>));
    let (audience, doc, agent) = (audience.tapped(&tap), doc(), agent());
    push.open("c");

    let Documents { log, catalogue, objects, live, .. } = &documents;
    log.append(&doc, &record(0)).await.unwrap();
    log.last_of(&doc, &agent, None).await.unwrap();
    log.read(&doc).await.unwrap();
    log.delete(&doc, &[(agent.clone(), 0)]).await.unwrap();

    let pointer = Pointer { snapshot: "s".into(), segment: "h".into(), at: 1, superseded: Vec::new() };
    catalogue.mark_dirty(&doc, 1, "n").await.unwrap();
    catalogue.entry(&doc).await.unwrap();
    catalogue.dirty_after(None, 1).await.unwrap();
    catalogue.move_back(&doc, 2).await.unwrap();
    catalogue.clear_dirty(&doc, "n").await.unwrap();
    catalogue.keep_sweep_place(Some(&doc)).await.unwrap();
    catalogue.sweep_place().await.unwrap();
    catalogue.docs(None, 1).await.unwrap();
    catalogue.note_size(&doc, DocSize { bytes: 1, at: 1 }).await.unwrap();
    catalogue.size(&doc).await.unwrap();
    catalogue.move_pointer(&doc, None, &pointer).await.unwrap();
    catalogue.publish_floor(&doc, &agent, Floor { end: 1, at: 1 }).await.unwrap();
    catalogue.floor(&doc, &agent).await.unwrap();
    catalogue.floors(&doc).await.unwrap();

    let revocations = Tapped::new(Arc::new(MemoryCatalogue::new()), tap.clone(), clock.clone());
    let (alice, revocation) = (UserName::new("alice").unwrap(), Revocation { doc: Some(doc.clone()), at: 1 });
    revocations.revoke(&alice, &revocation, 1).await.unwrap();
    revocations.of(&alice, 1).await.unwrap();

    let key = inklog_store::keys::objects::snapshot(&doc, 1, "n");
    objects.put(&key, vec![7]).await.unwrap();
    objects.get(&key).await.unwrap();
    objects.delete(&key).await.unwrap();

    let base =
        |name: &str| NewBase { generation: name.into(), state: vec![7], waiting: Vec::new(), aside_bytes: 0 };
    live.append(&doc, &[event(0)], "t").await.unwrap();
    live.begin_rebuild(&doc, "n").await.unwrap();
    live.commit_rebuild(&doc, "n", base("g")).await.unwrap();
    let read = live.read(&doc).await.unwrap().expect("there is a base");
    live.peek(&doc).await.unwrap();
    live.since(&doc, &Cursor { tail: "t".into(), offset: 0 }).await.unwrap();
    live.fold(&doc, &read.tag, &read.cursor, base("h")).await.unwrap();
    live.swap_rebuild(&doc, "n", base("i")).await.unwrap();
    live.end_rebuild(&doc, "n").await.unwrap();
    live.drop_doc(&doc).await.unwrap();

    let Audience { connections, presence, push, .. } = &audience;
    let entry =
        PresenceEntry { agent: agent.clone(), connection: "c".into(), state: "{}".into(), author: None };
    connections.register(&doc, "c", None, 0).await.unwrap();
    connections.list(&doc, 0).await.unwrap();
    connections.registrations(&doc, 0).await.unwrap();
    connections.of_user(&alice, 0).await.unwrap();
    connections.is_registered(&doc, "c", 0).await.unwrap();
    connections.docs_of("c").await.unwrap();
    presence.set(&doc, &entry, None, 0).await.unwrap();
    presence.all(&doc, 0).await.unwrap();
    presence.take_expired(&doc, 0).await.unwrap();
    presence.clear(&doc, "c", None).await.unwrap();
    connections.remove(&doc, "c").await.unwrap();
    push.post("c", "hello").await.unwrap();
    push.close("c").await.unwrap();

    let told = notes.take();
    let mut operations = BTreeSet::new();
    for pair in told.chunks(2) {
        let [Note::Before(operation, of, key, _), Note::After(after, outcome)] = pair else {
            panic!("before, then after: {pair:?}")
        };
        assert_eq!((operation, outcome.is_ok()), (after, true), "{pair:?}");
        let of_many = [
            Operation::CatalogueDirtyAfter,
            Operation::CatalogueSweepPlace,
            Operation::CatalogueKeepSweepPlace,
            Operation::CatalogueDocs,
            Operation::RevocationsOf,
            Operation::ConnectionsDocsOf,
            Operation::ConnectionsOfUser,
            Operation::PushPost,
            Operation::PushClose,
        ];
        assert_eq!(of.as_ref(), (!of_many.contains(operation)).then_some(&doc), "{operation:?}");
        if matches!(operation.store(), Store::Objects) {
            assert!(key.starts_with("docs/"), "{pair:?}");
        }
        assert!(operations.insert(*operation), "{operation:?} was told twice");
    }
    assert_eq!(operations.into_iter().collect::<Vec<_>>(), Operation::ALL);
}

#[tokio::test]
async fn bytes_in_and_out_and_failures_are_told() {
    let clock = Arc::new(ManualClock::new(0));
    let (documents, audience, push) = stores(&clock);
    let notes = Arc::new(Notes::default());
    let tap: Arc<dyn Tap> = notes.clone();
    let documents = documents.tapped(&tap, &(clock.clone() as Arc<dyn Clock>));
    let audience = audience.tapped(&tap);
    let bytes = record(0).event.encode().len() + 8;
    documents.log.append(&doc(), &record(0)).await.unwrap();
    assert_eq!(
        notes.take(),
        [
            Note::Before(Operation::LogAppend, Some(doc()), String::new(), bytes),
            Note::After(Operation::LogAppend, Ok(0)),
        ]
    );
    documents.log.append(&doc(), &record(1)).await.unwrap();
    notes.take();
    documents.log.read(&doc()).await.unwrap();
    assert_eq!(notes.take()[1], Note::After(Operation::LogRead, Ok(2 * bytes)));
    let author = Some(Author { user: "alice".into(), name: Some("Alice".into()) });
    let signed = LogRecord { author, connection: Some("c".into()), ..record(2) };
    documents.log.append(&doc(), &signed).await.unwrap();
    let bytes = bytes + "aliceAlicec".len();
    assert_eq!(notes.take()[0], Note::Before(Operation::LogAppend, Some(doc()), String::new(), bytes));
    documents.log.delete(&doc(), &[(agent(), 0), (agent(), 1)]).await.unwrap();
    let places = 2 * (agent().as_str().len() + 8);
    assert_eq!(notes.take()[0], Note::Before(Operation::LogDelete, Some(doc()), String::new(), places));
    audience.connections.register(&doc(), "c", None, 0).await.unwrap();
    assert_eq!(notes.take()[0], Note::Before(Operation::ConnectionsRegister, Some(doc()), "c".into(), 1));
    documents.objects.put("k", vec![7; 1_000]).await.unwrap();
    assert_eq!(notes.take()[0], Note::Before(Operation::ObjectsPut, None, "k".into(), 1_000));
    assert!(matches!(audience.push.post("c", "hello").await, Err(PushError::Gone)));
    assert_eq!(
        notes.take(),
        [
            Note::Before(Operation::PushPost, None, "c".into(), 5),
            Note::After(Operation::PushPost, Err(PushError::Gone.to_string())),
        ]
    );
    push.open("c");
    audience.push.post("c", "hello").await.unwrap();
    assert_eq!(push.take("c"), ["hello"]);
}

/// Answers in the store's place, before or after it has been asked.
struct Fails {
    before: Option<fn() -> Fault>,
    after: Option<fn() -> Fault>,
}

#[async_trait]
impl Tap for Fails {
    async fn before(&self, _: &Call<'_>) -> Result<(), Fault> {
        self.before.map_or(Ok(()), |fault| Err(fault()))
    }

    async fn after(&self, _: &Call<'_>, _: &Done<'_>) -> Result<(), Fault> {
        self.after.map_or(Ok(()), |fault| Err(fault()))
    }
}

fn lost() -> Fault {
    StoreError::unavailable("DynamoDB", "it was told to fail").into()
}

#[tokio::test]
async fn a_call_fails_before_it_happens_or_after_it_has() {
    let clock = Arc::new(ManualClock::new(0));
    let log = Arc::new(MemoryOpLog::new(clock.clone()));
    let tapped = |before, after| Tapped::new(log.clone(), Arc::new(Fails { before, after }), clock.clone());
    let before = tapped(Some(lost), None).append(&doc(), &record(0)).await;
    assert!(matches!(before, Err(StoreError::Unavailable { .. })), "{before:?}");
    assert_eq!(log.read(&doc()).await.unwrap(), [], "the log was never asked");

    let after = tapped(None, Some(lost)).append(&doc(), &record(0)).await;
    assert!(matches!(after, Err(StoreError::Unavailable { .. })), "{after:?}");
    assert_eq!(log.append(&doc(), &record(0)).await.unwrap(), Appended::Repeat, "it had happened");
}

#[tokio::test]
async fn a_fault_reads_as_one_of_the_store_that_was_called() {
    let clock = Arc::new(ManualClock::new(0));
    let push = Arc::new(MemoryPush::new());
    push.open("c");
    let post = async |fault: fn() -> Fault| {
        let tap = Arc::new(Fails { before: Some(fault), after: None });
        Tapped::new(push.clone(), tap, clock.clone()).post("c", "x").await.unwrap_err()
    };
    assert!(matches!(post(|| PushError::Gone.into()).await, PushError::Gone));
    assert!(matches!(post(|| PushError::Busy("slow".into()).into()).await, PushError::Busy(_)));
    assert!(matches!(post(lost).await, PushError::Retry(why) if why.contains("DynamoDB")));
    assert!(push.take("c").is_empty());
    let gone: Fault = PushError::Gone.into();
    assert!(matches!(StoreError::from(gone), StoreError::Unavailable { .. }));
}

/// Takes an hour before each call, and a minute after it.
struct Slow(Arc<ManualClock>);

#[async_trait]
impl Tap for Slow {
    async fn before(&self, _: &Call<'_>) -> Result<(), Fault> {
        self.0.sleep(Duration::from_secs(3_600)).await;
        Ok(())
    }

    async fn after(&self, _: &Call<'_>, done: &Done<'_>) -> Result<(), Fault> {
        assert_eq!(done.took, Duration::ZERO, "the tap's own time is not the store's");
        self.0.sleep(Duration::from_secs(60)).await;
        Ok(())
    }
}

#[tokio::test]
async fn a_call_is_held_up_in_the_clocks_time() {
    let clock = Arc::new(ManualClock::new(0));
    let log = Arc::new(MemoryOpLog::new(clock.clone()));
    let slow = Tapped::new(log, Arc::new(Slow(clock.clone())), clock.clone());
    let (doc, record) = (doc(), record(0));
    clock.run(slow.append(&doc, &record)).await.unwrap();
    assert_eq!(clock.monotonic(), Duration::from_secs(3_660));
    // The time of a store is measured by the same clock: here another tap's, further in.
    let inner = Tapped::new(Arc::new(MemoryObjects::new()), Arc::new(Slow(clock.clone())), clock.clone());
    struct Took(Mutex<Duration>);
    #[async_trait]
    impl Tap for Took {
        async fn after(&self, _: &Call<'_>, done: &Done<'_>) -> Result<(), Fault> {
            *self.0.lock().unwrap() = done.took;
            Ok(())
        }
    }
    let took = Arc::new(Took(Mutex::default()));
    let outer = Tapped::new(inner, took.clone(), clock.clone());
    clock.run(outer.get("k")).await.unwrap();
    assert_eq!(*took.0.lock().unwrap(), Duration::from_secs(3_660));
}

#[tokio::test]
async fn a_call_that_is_dropped_on_its_way_has_happened_or_not_and_that_is_all() {
    let clock = Arc::new(ManualClock::new(0));
    let log = Arc::new(MemoryOpLog::new(clock.clone()));
    let slow = Tapped::new(log.clone(), Arc::new(Slow(clock.clone())), clock.clone());
    let (doc, record) = (doc(), record(0));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut call = slow.append(&doc, &record).boxed();
    assert!(call.poll_unpin(&mut context).is_pending(), "it waits before the store is asked");
    drop(call);
    assert!(!clock.pass_to_next(), "nobody sleeps for it any more");
    assert_eq!(log.read(&doc).await.unwrap(), []);

    let mut call = slow.append(&doc, &record).boxed();
    assert!(call.poll_unpin(&mut context).is_pending());
    clock.pass_to_next();
    assert!(call.poll_unpin(&mut context).is_pending(), "it waits after the store was asked");
    drop(call);
    assert_eq!(log.append(&doc, &record).await.unwrap(), Appended::Repeat);
    assert!(matches!(slow.append(&doc, &record).boxed().poll_unpin(&mut context), Poll::Pending));
}
