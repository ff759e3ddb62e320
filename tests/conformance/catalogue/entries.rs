//! Entries, pointers, and the sweep's place.

use futures::future::join_all;
use inklog_protocol::DocId;
use inklog_store::catalogue::{DirtyMark, DocEntry, DocSize, Floor, Pointer, Superseded};

use super::{Harness, sizes_about};
use crate::harness::{agent, doc};

fn pointer(n: u64) -> Pointer {
    let superseded = (0..n.saturating_sub(1)).map(|n| Superseded { snapshot: format!("s{n}"), at: n });
    Pointer {
        snapshot: format!("s{n}"),
        segment: format!("h{n}"),
        at: 1_000 + n,
        superseded: superseded.collect(),
    }
}

impl Harness {
    async fn entry(&self, doc: &DocId) -> DocEntry {
        self.catalogue.entry(doc).await.unwrap().expect("there is an entry")
    }
}

pub async fn an_unknown_document_has_nothing(harness: Harness) {
    let (catalogue, d) = (&harness.catalogue, doc("d"));
    assert_eq!(catalogue.entry(&d).await.unwrap(), None);
    assert!(!catalogue.clear_dirty(&d, "n").await.unwrap());
    catalogue.move_back(&d, 7).await.unwrap();
    assert_eq!(catalogue.floor(&d, &agent("alice")).await.unwrap(), None);
    assert_eq!(catalogue.floors(&d).await.unwrap(), []);
    assert!(!catalogue.move_pointer(&d, Some(&pointer(1)), &pointer(2)).await.unwrap());
    assert_eq!(catalogue.entry(&d).await.unwrap(), None, "none of this has made one");
    assert_eq!(catalogue.dirty(10).await.unwrap(), []);
    assert_eq!(catalogue.docs(None, 10).await.unwrap(), (Vec::new(), None));
}

pub async fn a_mark_makes_an_entry_and_keeps_what_is_older(harness: Harness) {
    let d = doc("d");
    harness.catalogue.mark_dirty(&d, 10, "first").await.unwrap();
    let made = DocEntry {
        doc: d.clone(),
        created: 10,
        last_edit: 10,
        pointer: None,
        size: None,
        dirty: Some(DirtyMark { since: 10, nonce: "first".into() }),
        damaged: None,
    };
    assert_eq!(harness.entry(&d).await, made);
    for _ in 0..2 {
        harness.catalogue.mark_dirty(&d, 20, "second").await.unwrap();
        let dirty = Some(DirtyMark { since: 10, nonce: "second".into() });
        assert_eq!(harness.entry(&d).await, DocEntry { last_edit: 20, dirty, ..made.clone() });
    }
    assert!(harness.catalogue.clear_dirty(&d, "second").await.unwrap());
    assert_eq!(harness.entry(&d).await, DocEntry { last_edit: 20, dirty: None, ..made.clone() });
    harness.catalogue.mark_dirty(&d, 30, "third").await.unwrap();
    let dirty = Some(DirtyMark { since: 30, nonce: "third".into() });
    assert_eq!(harness.entry(&d).await, DocEntry { last_edit: 30, dirty, ..made });
}

pub async fn a_pointer_moves_only_from_what_it_was(harness: Harness) {
    let d = doc("d");
    let move_pointer = async |old: Option<u64>, new: u64| {
        let old = old.map(pointer);
        harness.catalogue.move_pointer(&d, old.as_ref(), &pointer(new)).await.unwrap()
    };
    assert!(move_pointer(None, 1).await);
    let entry = harness.entry(&d).await;
    assert_eq!((entry.created, entry.last_edit, entry.dirty), (1_001, 1_001, None), "made by the pointer");
    assert!(!move_pointer(None, 2).await);
    assert!(!move_pointer(Some(2), 3).await);
    assert!(move_pointer(Some(1), 2).await);
    assert!(!move_pointer(Some(1), 2).await, "a repeat sees that it has moved");
    assert!(move_pointer(Some(2), 3).await);
    let shorter = Pointer { superseded: Vec::new(), ..pointer(3) };
    assert!(
        !harness.catalogue.move_pointer(&d, Some(&shorter), &pointer(4)).await.unwrap(),
        "all of it counts"
    );
    let entry = harness.entry(&d).await;
    assert_eq!((entry.created, entry.last_edit, entry.pointer), (1_001, 1_001, Some(pointer(3))));
    harness.catalogue.mark_dirty(&d, 5, "n").await.unwrap();
    let entry = harness.entry(&d).await;
    assert_eq!((entry.created, entry.last_edit, entry.pointer), (1_001, 5, Some(pointer(3))));
}

pub async fn of_many_who_move_a_pointer_one_does(harness: Harness) {
    let d = doc("d");
    let old = pointer(0);
    for from in [None, Some(&old)] {
        let news: Vec<Pointer> = (0..8).map(|n| pointer(if from.is_none() { 0 } else { n + 1 })).collect();
        let moved = join_all(news.iter().map(|new| harness.catalogue.move_pointer(&d, from, new))).await;
        let moved: Vec<bool> = moved.into_iter().map(Result::unwrap).collect();
        assert_eq!(moved.iter().filter(|moved| **moved).count(), 1, "{moved:?}");
        let winner = moved.iter().position(|moved| *moved).unwrap();
        assert_eq!(harness.entry(&d).await.pointer.as_ref(), Some(&news[winner]));
    }
}

pub async fn every_document_is_on_one_page(harness: Harness) {
    const PAGE: usize = 3;
    let mut there: Vec<String> = Vec::new();
    for (size, page_size) in sizes_about(PAGE).flat_map(|size| (1..=PAGE + 1).map(move |limit| (size, limit)))
    {
        while there.len() < size {
            let name = format!("d{}", there.len());
            // Not every one is marked, or has a floor. Floors and the sweep's place are no documents, but are read.
            match there.len() % 2 {
                0 => harness.catalogue.mark_dirty(&doc(&name), 1, "n").await.unwrap(),
                _ => assert!(harness.catalogue.move_pointer(&doc(&name), None, &pointer(1)).await.unwrap()),
            }
            if there.len().is_multiple_of(4) {
                let floor = Floor { end: 1, at: 1 };
                harness.catalogue.publish_floor(&doc(&name), &agent("alice"), floor).await.unwrap();
            }
            there.push(name);
        }
        harness.catalogue.keep_sweep_place(Some(&doc("d"))).await.unwrap();
        let (mut place, mut seen, mut pages) = (None, Vec::new(), 0);
        loop {
            let (page, next) = harness.catalogue.docs(place.as_ref(), page_size).await.unwrap();
            assert!(page.len() <= page_size, "{page:?}");
            assert!(next.is_none() || next.as_ref() == page.last().map(|entry| &entry.doc), "{next:?}");
            for entry in page {
                assert_eq!(harness.entry(&entry.doc).await, entry);
                seen.push(entry.doc.to_string());
            }
            (place, pages) = (next, pages + 1);
            if place.is_none() {
                break;
            }
        }
        seen.sort();
        assert_eq!(seen, there, "by {page_size}");
        assert!(pages <= size / page_size + 1, "{pages} pages of {size}");
    }
    let all = harness.catalogue.docs(None, 1_000).await.unwrap();
    assert_eq!((all.0.len(), all.1), (there.len(), None));
}

pub async fn a_sweep_keeps_its_place(harness: Harness) {
    let catalogue = &harness.catalogue;
    assert_eq!(catalogue.sweep_place().await.unwrap(), None);
    catalogue.keep_sweep_place(None).await.unwrap();
    assert_eq!(catalogue.sweep_place().await.unwrap(), None);
    for name in ["d", "e", "e"] {
        catalogue.keep_sweep_place(Some(&doc(name))).await.unwrap();
        assert_eq!(catalogue.sweep_place().await.unwrap(), Some(doc(name)));
    }
    assert_eq!(catalogue.docs(None, 10).await.unwrap().0, []);
    for _ in 0..2 {
        catalogue.keep_sweep_place(None).await.unwrap();
        assert_eq!(catalogue.sweep_place().await.unwrap(), None);
    }
}

pub async fn an_older_reading_of_a_size_does_not_count(harness: Harness) {
    let (d, catalogue) = (doc("d"), &harness.catalogue);
    assert_eq!(catalogue.size(&d).await.unwrap(), None);
    for (bytes, at, noted) in [(9, 10, 9), (7, 9, 9), (8, 10, 8), (5, 11, 5)] {
        catalogue.note_size(&d, DocSize { bytes, at }).await.unwrap();
        assert_eq!(catalogue.size(&d).await.unwrap(), Some(noted));
    }
    let entry = harness.entry(&d).await;
    assert_eq!((entry.size, entry.created), (Some(DocSize { bytes: 5, at: 11 }), 10));
    assert_eq!(catalogue.size(&doc("e")).await.unwrap(), None);
}
