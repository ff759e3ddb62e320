//! Local edits at their limits: the last ids of an agent, and ids that others have waited for.

use inklog_crdt::{Agent, Applied, Doc, Draft, EditError, Event, Id, MAX_SEQ, Op, Origin, Version};

use crate::json::agent;

/// A document with text, of which `ann` has used up all ids but this many.
fn with_ids_left(left: u64) -> Doc {
    let mut doc = Doc::new();
    doc.insert(&agent("bob"), 0, "text").unwrap();
    let version: Version = [(agent("ann"), MAX_SEQ - left)].into_iter().collect();
    doc.merge(&[], &version).unwrap();
    doc
}

#[test]
fn the_last_id_can_be_used_and_none_beyond() {
    let ann = agent("ann");
    let used_up = EditError::IdsUsedUp(ann.clone());
    for count in 1..=3 {
        let text = "x".repeat(count);
        for left in [0, 1, 2, 3, 4] {
            let fits = if count as u64 <= left { Ok(()) } else { Err(used_up.clone()) };
            let mut doc = with_ids_left(left);
            let before = doc.encode();
            let mut inserted = doc.clone();
            assert_eq!(inserted.insert(&ann, 4, &text).map(drop), fits, "{count} of {left}");
            let mut deleted = doc.clone();
            assert_eq!(deleted.delete(&ann, 0, count).map(drop), fits, "{count} of {left}");
            let mut draft = Draft::new(ann.clone(), MAX_SEQ - left);
            assert_eq!(doc.edit(&mut draft, 4, 0, &text), fits, "{count} of {left}");
            for doc in [inserted, deleted, doc] {
                doc.assert_invariants();
                assert_eq!(doc.encode() == before, fits.is_err(), "a refused edit changes nothing");
            }
            // The same where the draft goes on with what it typed last.
            let mut doc = with_ids_left(left + 1);
            let mut draft = Draft::new(ann.clone(), MAX_SEQ - left - 1);
            doc.edit(&mut draft, 4, 0, "a").unwrap();
            assert_eq!(doc.edit(&mut draft, 5, 0, &text), fits, "{count} of {left}, typed on");
            doc.assert_invariants();
            assert_eq!(draft.finish().map(|event| doc.version().get(&ann) == event.end()), Ok(true));
        }
    }
}

/// Only somebody who knew an id in advance can have made such events; still, none waits for ever.
#[test]
fn an_edit_releases_what_waited_for_its_ids() {
    let ann = agent("ann");
    let reply = |n: u64, to: Id| {
        let op = Op::Insert { seq: n, text: n.to_string(), origin: Origin::Left(Some(to)) };
        Event::new(agent("bob"), n, vec![op]).unwrap()
    };
    type Edit = fn(&mut Doc, &mut Draft, &Agent);
    let edits: [Edit; 4] = [
        |doc, _, ann| drop(doc.insert(ann, 0, "a").unwrap()),
        |doc, draft, _| doc.edit(draft, 1, 0, "b").unwrap(),
        |doc, draft, _| doc.edit(draft, 2, 0, "c").unwrap(),
        |doc, _, ann| drop(doc.delete(ann, 0, 1).unwrap()),
    ];
    let (mut doc, mut draft) = (Doc::new(), Draft::new(ann.clone(), 1));
    for (n, edit) in (0..).zip(edits) {
        assert_eq!(doc.apply(&reply(n, Id::new(ann.clone(), n))), Applied::Waits);
        edit(&mut doc, &mut draft, &ann);
        doc.assert_invariants();
        assert_eq!((doc.waiting().count(), doc.version().get(&agent("bob"))), (0, n + 1), "edit {n}");
    }
}
