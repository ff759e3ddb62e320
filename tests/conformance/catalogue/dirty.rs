//! Which documents are marked, and in which order.

use inklog_protocol::DocId;
use inklog_store::catalogue::DirtyDoc;

use super::{Harness, sizes_about};
use crate::harness::doc;

impl Harness {
    async fn mark(&self, name: &str, at: u64) {
        self.catalogue.mark_dirty(&doc(name), at, &format!("{name} at {at}")).await.unwrap();
    }

    async fn dirty(&self) -> Vec<String> {
        self.catalogue.dirty(100).await.unwrap().iter().map(DocId::to_string).collect()
    }
}

pub async fn a_mark_goes_by_its_own_nonce_only(harness: Harness) {
    let (catalogue, d) = (&harness.catalogue, doc("d"));
    catalogue.mark_dirty(&d, 1, "first").await.unwrap();
    catalogue.mark_dirty(&d, 2, "second").await.unwrap();
    assert!(!catalogue.clear_dirty(&d, "first").await.unwrap(), "it has changed since");
    assert_eq!(harness.dirty().await, ["d"]);
    assert!(catalogue.clear_dirty(&d, "second").await.unwrap());
    assert!(!catalogue.clear_dirty(&d, "second").await.unwrap(), "a repeat");
    assert_eq!(harness.dirty().await, [""; 0]);
    assert!(catalogue.entry(&d).await.unwrap().is_some(), "the entry stays");
}

pub async fn those_marked_longest_ago_come_first(harness: Harness) {
    for (name, at) in [("b", 100), ("c", 9), ("a", 1_000), ("e", 99)] {
        harness.mark(name, at).await;
    }
    assert_eq!(harness.dirty().await, ["c", "e", "b", "a"]);
    harness.mark("c", 5_000).await;
    assert_eq!(harness.dirty().await, ["c", "e", "b", "a"], "a newer mark keeps the place");
    assert!(harness.catalogue.clear_dirty(&doc("c"), "c at 5000").await.unwrap());
    harness.mark("c", 5_000).await;
    assert_eq!(harness.dirty().await, ["e", "b", "a", "c"], "a first one is the last");
    assert_eq!(harness.catalogue.dirty(1).await.unwrap(), [doc("e")]);
}

pub async fn every_marked_document_is_on_one_page(harness: Harness) {
    const PAGE: usize = 3;
    let mut there: Vec<String> = Vec::new();
    for size in sizes_about(PAGE) {
        while there.len() < size {
            let name = format!("d{}", there.len());
            // Two at a time.
            harness.mark(&name, there.len() as u64 / 2).await;
            there.push(name);
        }
        let (mut place, mut seen): (Option<DirtyDoc>, Vec<DirtyDoc>) = (None, Vec::new());
        loop {
            let page = harness.catalogue.dirty_after(place.as_ref(), PAGE).await.unwrap();
            assert!(page.len() <= PAGE && page.len() == PAGE.min(size - seen.len()), "{page:?}");
            let Some(last) = page.last() else { break };
            place = Some(last.clone());
            seen.extend(page);
        }
        assert!(seen.is_sorted_by_key(|dirty| dirty.since), "{seen:?}");
        let mut names: Vec<String> = seen.iter().map(|dirty| dirty.doc.to_string()).collect();
        names.sort();
        assert_eq!(names, there);
    }
    // A place is a place still when its document is not marked any more.
    let start = harness.catalogue.dirty_after(None, 1).await.unwrap().remove(0);
    let nonce = format!("{} at {}", start.doc, start.since);
    assert!(harness.catalogue.clear_dirty(&start.doc, &nonce).await.unwrap());
    assert_eq!(harness.catalogue.dirty_after(Some(&start), 100).await.unwrap().len(), there.len() - 1);
}

pub async fn what_is_moved_back_waits_behind_the_others(harness: Harness) {
    for (name, at) in [("a", 1), ("b", 2), ("c", 3)] {
        harness.mark(name, at).await;
    }
    let seen = harness.catalogue.dirty_after(None, 2).await.unwrap();
    harness.catalogue.move_back(&doc("a"), 10).await.unwrap();
    assert_eq!(harness.dirty().await, ["b", "c", "a"]);
    // Whoever was between pages meets it again.
    let rest = harness.catalogue.dirty_after(seen.last(), 100).await.unwrap();
    assert_eq!(rest.iter().map(|dirty| dirty.doc.to_string()).collect::<Vec<_>>(), ["c", "a"]);
    let mark = harness.catalogue.entry(&doc("a")).await.unwrap().unwrap().dirty.unwrap();
    assert_eq!((mark.since, &*mark.nonce), (10, "a at 1"), "the mark is the same");
    assert!(harness.catalogue.clear_dirty(&doc("b"), "b at 2").await.unwrap());
    harness.catalogue.move_back(&doc("b"), 11).await.unwrap();
    assert_eq!(harness.dirty().await, ["c", "a"], "what is not marked stays so");
}
