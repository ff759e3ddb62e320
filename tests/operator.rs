//! What an operator is told of documents: of all of them, of one, and of one that is not there.

use inklog_operator::{BaseStatus, Listed, Operator, SnapshotStatus, Source, TailStatus};
use inklog_protocol::DocId;
use inklog_store::{Clock as _, LiveState as _, logged_len};

use crate::harness::{Harness, doc, hanging, typed};

fn operator(harness: &Harness) -> Operator {
    Operator::new(harness.documents.clone(), harness.clock.clone())
}

async fn mark(harness: &Harness, doc: &DocId) {
    harness.documents.catalogue.mark_dirty(doc, harness.clock.now_ms(), "n").await.unwrap();
}

#[tokio::test]
async fn documents_are_listed_by_name() {
    let harness = Harness::start().await;
    let operator = operator(&harness);
    for name in ["b", "c", "a"] {
        harness.append(&doc(name), typed("alice", 0, "x")).await;
        mark(&harness, &doc(name)).await;
        harness.clock.pass_ms(1);
    }
    // So late that no materializer remembers its mark, and so early that nothing is to be deleted from the log.
    let begin = harness.clock.now_ms() - 3;
    let snapshot = operator.compact(&doc("c")).await.unwrap().unwrap().snapshot;
    let listed = |name: &str, passed: u64, snapshot: Option<String>| Listed {
        doc: name.to_owned(),
        created: begin + passed,
        last_edit: begin + passed,
        snapshot,
        dirty: true,
        damaged: None,
    };
    let expected = [listed("a", 2, None), listed("b", 0, None), listed("c", 1, snapshot)];
    assert_eq!(operator.docs().await.unwrap(), expected);
}

#[tokio::test]
async fn more_documents_than_a_page_are_all_listed() {
    let harness = Harness::memory();
    let docs: Vec<DocId> = (0..2_001).map(|number| doc(&format!("d{number:04}"))).collect();
    for doc in &docs {
        mark(&harness, doc).await;
    }
    let listed = operator(&harness).docs().await.unwrap();
    assert!(listed.iter().map(|listed| listed.doc.as_str()).eq(docs.iter().map(DocId::as_str)));
}

#[tokio::test]
async fn a_status_tells_base_tail_and_snapshot() {
    let harness = Harness::start().await;
    let (operator, doc) = (operator(&harness), doc("d"));
    harness.append(&doc, typed("alice", 0, "hello")).await;
    mark(&harness, &doc).await;
    harness.documents.rebuild(&doc).await.unwrap();
    let before = operator.status(&doc).await.unwrap();
    assert_eq!((before.chars, before.waiting, before.snapshot), (5, 0, None));
    assert_eq!(before.tail, TailStatus::default());

    // What comes then is in the tail, and what waits there as well.
    let later = [typed("alice", 5, "!").remove(0), hanging("bob", 0, "?", "carol-7")];
    harness.append(&doc, later.clone()).await;
    let later = later.map(|event| harness.logged(event));
    harness.live.append(&doc, &later, "tail").await.unwrap();
    let made = harness.clock.now_ms();
    let snapshot = operator.compact(&doc).await.unwrap().unwrap().snapshot.unwrap();
    harness.clock.pass_ms(1);
    let status = operator.status(&doc).await.unwrap();
    assert_eq!((status.doc.as_str(), status.chars, status.waiting, status.dirty), ("d", 6, 1, true));
    assert_eq!(status.version, [("alice".to_owned(), 6)].into());
    let live = harness.live.peek(&doc).await.unwrap().unwrap();
    assert_eq!(status.base, Some(BaseStatus { bytes: live.base.len(), generation: live.tag.generation }));
    let bytes = later.iter().map(logged_len).sum();
    assert_eq!(status.tail, TailStatus { events: 2, bytes });
    let version = status.version;
    assert_eq!(status.snapshot, Some(SnapshotStatus { key: snapshot, at: made, version }));
    assert_eq!((status.damaged, before.damaged), (None, None));
}

/// Whoever mistypes a name is told so, and nothing is made of it.
#[tokio::test]
async fn what_was_never_written_is_not_there_and_asking_leaves_nothing() {
    let harness = Harness::start().await;
    let (operator, doc) = (operator(&harness), doc("d"));
    for from in [Source::Live, Source::Log, Source::Snapshot] {
        assert_eq!(operator.read(&doc, from).await.unwrap(), None, "{from:?}");
    }
    assert_eq!(operator.rebuild(&doc).await.unwrap(), None);
    assert_eq!(operator.compact(&doc).await.unwrap(), None);
    assert_eq!(operator.verify(&doc).await.unwrap(), None);
    assert_eq!(operator.events(&doc).await.unwrap(), []);
    let status = operator.status(&doc).await.unwrap();
    assert_eq!((status.chars, status.base, status.snapshot, status.dirty), (0, None, None, false));
    assert_eq!(operator.docs().await.unwrap(), []);
    assert_eq!(harness.live.tail_end(&doc), None);
    // What only waits is something.
    harness.append(&doc, [hanging("bob", 0, "?", "carol-7")]).await;
    for from in [Source::Live, Source::Log] {
        let reading = operator.read(&doc, from).await.unwrap().expect("it was written");
        assert_eq!((reading.text.as_str(), reading.waiting), ("", 1), "{from:?}");
    }
}
