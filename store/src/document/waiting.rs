//! Events that wait for others: all of them are in the log, the newest in the live state as well.
//!
//! What waits for long waits for what a log has forgotten, or was made up; a reader has no use for it, and
//! a fold should not carry it. Should it become ready after all, the live state lacks it, and is dropped
//! for that by the next compaction, like any that lacks an old event; a rebuild then applies it.

use std::cmp::Reverse;
use std::collections::HashMap;

use inklog_crdt::{Agent, Doc, Event};
use inklog_protocol::limits::WAITING_KEPT_BYTES;
use inklog_protocol::{Author, LoggedEvent};

use crate::logged_len;

/// The events that wait in `doc`, each with its time and its author from `known`.
pub(super) fn logged<'a>(
    doc: &Doc,
    known: impl Iterator<Item = (&'a Event, u64, &'a Option<Author>)>,
) -> Vec<LoggedEvent> {
    let mut waiting = doc.waiting().peekable();
    if waiting.peek().is_none() {
        return Vec::new();
    }
    let known: HashMap<(&Agent, u64), (u64, &Option<Author>)> =
        known.map(|(event, at, author)| ((event.agent(), event.after()), (at, author))).collect();
    waiting
        .map(|event| {
            let (at, author) = known.get(&(event.agent(), event.after())).copied().unwrap_or((0, &None));
            LoggedEvent { event: event.clone(), at, author: author.clone() }
        })
        .collect()
}

/// Bytes of events with their times, encoded.
pub(super) fn bytes_of(events: &[LoggedEvent]) -> u64 {
    events.iter().map(|logged| logged_len(logged) as u64).sum()
}

/// The newest of the events, [`WAITING_KEPT_BYTES`] of them, and how many bytes the others have.
pub(super) fn newest(mut events: Vec<LoggedEvent>) -> (Vec<LoggedEvent>, u64) {
    events.sort_by_key(|logged| Reverse(logged.at));
    let (mut kept, mut bytes) = (0, 0);
    for logged in &events {
        bytes += logged_len(logged);
        if bytes > WAITING_KEPT_BYTES {
            break;
        }
        kept += 1;
    }
    let aside = events.split_off(kept);
    (events, bytes_of(&aside))
}

#[cfg(test)]
mod tests {
    use inklog_crdt::{Op, Origin};

    use super::*;

    /// An event of `bytes`, encoded with its time.
    fn event(at: u64, bytes: usize) -> LoggedEvent {
        let text = |len: usize| {
            let op = Op::Insert { seq: at, text: "x".repeat(len), origin: Origin::Left(None) };
            let event = Event::new(Agent::new("ann").unwrap(), at, vec![op]).unwrap();
            LoggedEvent { event, at, author: None }
        };
        // Near enough that its length takes as many bytes.
        let near = bytes - 40;
        let event = text(bytes - (logged_len(&text(near)) - near));
        assert_eq!(crate::encode_logged(&event).len(), bytes);
        event
    }

    #[test]
    fn the_newest_are_kept_up_to_the_limit() {
        let half = WAITING_KEPT_BYTES / 2;
        let times = |events: &[LoggedEvent]| events.iter().map(|logged| logged.at).collect::<Vec<_>>();
        for (second, kept, aside) in
            [(half - 1, vec![9, 7], 100), (half, vec![9, 7], 100), (half + 1, vec![9], half + 101)]
        {
            let (newest, aside_bytes) = newest(vec![event(1, 100), event(9, half), event(7, second)]);
            assert_eq!((times(&newest), aside_bytes), (kept, aside as u64), "{second}");
        }
        assert_eq!(newest(Vec::new()), (Vec::new(), 0));
        assert_eq!(newest(vec![event(1, 100)]).0.len(), 1);
    }
}
