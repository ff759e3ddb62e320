//! A process that dies between any two calls of its stores, or is told that a call has failed which has
//! happened, leaves nothing that the next one does not put right. The place of death is every one in turn.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use futures::future::{Either, select};
use inklog_ingest::{Gate, SendOp};
use inklog_materializer::Materializer;
use inklog_operator::Operator;
use inklog_store::document::{Documents, assemble};
use inklog_store::log::memory::MemoryOpLog;
use inklog_store::tap::{Call, Done, Fault, Tap};
use serde_json::json;
use tokio::sync::Notify;

use crate::compaction::{GRACE_MS, compact_all, send};
use crate::harness::{Harness, doc, hanging, typed};

/// What happens at one call of a process.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    DiesBefore,
    DiesAfter,
    /// The answer is lost; the process goes on.
    AnswerLost,
}

const ENDS: [End; 3] = [End::DiesBefore, End::DiesAfter, End::AnswerLost];

/// Ends a process at one of its calls.
struct Ending {
    how: End,
    at: usize,
    begun: AtomicUsize,
    answered: AtomicUsize,
    died: Notify,
}

impl Ending {
    fn new(how: End, at: usize) -> Arc<Ending> {
        let (begun, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Ending { how, at, begun, answered, died: Notify::new() })
    }

    async fn die(&self) -> ! {
        self.died.notify_one();
        std::future::pending().await
    }

    /// Runs a process to its end, whichever that is.
    async fn run<T>(&self, process: impl Future<Output = T>) -> Option<T> {
        match select(pin!(process), pin!(self.died.notified())).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }

    /// Whether the process made so many calls that this one was among them.
    fn came(&self) -> bool {
        self.begun.load(Ordering::SeqCst) > self.at
    }
}

#[async_trait]
impl Tap for Ending {
    async fn before(&self, _: &Call<'_>) -> Result<(), Fault> {
        let call = self.begun.fetch_add(1, Ordering::SeqCst);
        if call == self.at && self.how == End::DiesBefore {
            self.die().await;
        }
        Ok(())
    }

    async fn after(&self, call: &Call<'_>, _: &Done<'_>) -> Result<(), Fault> {
        if self.answered.fetch_add(1, Ordering::SeqCst) != self.at {
            return Ok(());
        }
        match self.how {
            End::DiesBefore => Ok(()),
            End::DiesAfter => self.die().await,
            End::AnswerLost => Err(call.unanswered("the answer was lost")),
        }
    }
}

async fn replayed_text(documents: &Documents) -> String {
    documents.replay(&doc("d")).await.unwrap().doc.text()
}

#[tokio::test]
async fn a_compaction_may_end_anywhere() {
    const TEXT: &str = "hello, world";
    for how in ENDS {
        let mut at = 0;
        loop {
            let (harness, d) = (Harness::memory(), doc("d"));
            harness.append(&d, typed("alice", 0, &TEXT[..5])).await;
            compact_all(&harness.documents, &harness.clock, &d).await;
            harness.append(&d, typed("alice", 5, &TEXT[5..])).await;
            harness.documents.catalogue.mark_dirty(&d, 1, "n").await.unwrap();
            let ending = Ending::new(how, at);
            let documents = harness.tapped(ending.clone());
            let process = async {
                for _ in 0..4 {
                    let operator = Operator::new(documents.clone(), harness.clock.clone());
                    // Who fails is called again by the schedule.
                    let _ = operator.compact(&d).await;
                    harness.clock.pass_ms(GRACE_MS);
                }
            };
            ending.run(process).await;
            let place = format!("{how:?} at call {at}");
            assert_eq!(replayed_text(&harness.documents).await, TEXT, "{place}");

            for _ in 0..2 {
                compact_all(&harness.documents, &harness.clock, &d).await;
            }
            let replayed = harness.documents.replay(&d).await.unwrap();
            assert_eq!((replayed.doc.text(), replayed.records.len()), (TEXT.to_owned(), 0), "{place}");
            let history = harness.documents.history(replayed.pointer.as_ref()).await.unwrap();
            let history: Vec<u64> = history.iter().map(|record| record.event.after()).collect();
            assert_eq!(history, (0..TEXT.len() as u64).collect::<Vec<_>>(), "{place}: each once");
            assert_eq!(harness.documents.catalogue.dirty(10).await.unwrap(), [], "{place}");
            if !ending.came() {
                break;
            }
            at += 1;
        }
        assert!(at > 20, "{how:?}: only {at} calls");
    }
}

#[tokio::test]
async fn a_materializer_may_end_anywhere() {
    const BATCH: usize = 4;
    for how in ENDS {
        let mut at = 0;
        loop {
            let mut harness = Harness::memory();
            let log = Arc::new(MemoryOpLog::new(harness.clock.clone()));
            harness.documents.log = log.clone();
            let d = doc("d");
            let ending = Ending::new(how, at);
            let documents = harness.tapped(ending.clone());
            let mut function = Materializer::new(documents, harness.clock.clone());
            let place_of_death = format!("{how:?} at call {at}");
            let (mut place, mut written, mut tries) = (0, 0, 0);
            loop {
                // Long enough to be folded now and then.
                if log.stream(place, 1).0.is_empty() {
                    if written == 5 * BATCH as u64 {
                        break;
                    }
                    let event = |n: u64| match n {
                        0 => typed("agent0", 0, "y").remove(0),
                        n => hanging(&format!("agent{n}"), 0, &"x".repeat(1_000), "agent0-0"),
                    };
                    harness.append(&d, (written..written + BATCH as u64).map(event)).await;
                    written += BATCH as u64;
                }
                let mut batch = StreamEvent::default();
                let next;
                (batch.records, next) = log.stream(place, BATCH);
                match ending.run(function.handle(batch)).await {
                    Some(answer) if answer.batch_item_failures.is_empty() => place = next,
                    Some(_) => {}
                    // The mapping hands the batch to another process.
                    None => function = Materializer::new(harness.documents.clone(), harness.clock.clone()),
                }
                tries += 1;
                assert!(tries < 50, "{place_of_death}: the batch comes again for ever");
            }
            let live = harness.documents.live.read(&d).await.unwrap();
            let live = live.map(|live| assemble(&d, &live).unwrap().text());
            let opened = harness.documents.read(&d).await.unwrap().text();
            let wanted = replayed_text(&harness.documents).await;
            assert!(live.is_none_or(|live| live == wanted), "{place_of_death}");
            assert_eq!(opened, wanted, "{place_of_death}");
            if !ending.came() {
                break;
            }
            at += 1;
        }
        assert!(at > 10, "{how:?}: only {at} calls");
    }
}

#[tokio::test]
async fn a_writer_may_end_anywhere_and_write_again() {
    let message = json!({"action": "SEND_OP", "docId": "d", "agent": "alice", "after": 0,
        "ops": [{"type": "insert", "id": "alice-0", "text": "hello", "left": null}]});
    for how in ENDS {
        let mut at = 0;
        loop {
            let harness = Harness::memory();
            let ending = Ending::new(how, at);
            let Documents { log, catalogue, .. } = harness.tapped(ending.clone());
            let function = SendOp::new(Gate::open(), log, catalogue, harness.clock.clone());
            let first = ending.run(send(&function, message.clone())).await;
            let Documents { log, catalogue, .. } = harness.documents.clone();
            let function = SendOp::new(Gate::open(), log, catalogue, harness.clock.clone());
            let again = send(&function, message.clone()).await;
            assert_eq!(again["action"], "OP_ACK", "{how:?} at call {at}: {first:?}, then {again}");
            assert_eq!(replayed_text(&harness.documents).await, "hello");
            if !ending.came() {
                break;
            }
            assert!(first.is_none_or(|answer| answer["retry"] == true), "it was not acknowledged");
            at += 1;
        }
        assert!(at >= 2, "{how:?}: only {at} calls");
    }
}
