//! A document, opened for reading.

use inklog_crdt::{Doc, Version};
use inklog_protocol::LoggedEvent;

use super::{Replayed, waiting};
use crate::live::{BaseTag, Cursor, LiveDoc};

/// A document read from the live state or, if that is impossible, from log and snapshot.
#[derive(Debug)]
pub struct Opened {
    /// The base.
    pub base: Doc,
    /// The encoded base ([`Doc::encode`]), if available.
    pub encoded: Option<Vec<u8>>,
    /// What is beyond the base.
    pub beyond: Beyond,
    /// Which base and tail this is; `None` if it is kept nowhere.
    pub tag: Option<BaseTag>,
    /// Bytes of the events that wait as well, and are in the log only.
    pub aside_bytes: u64,
}

/// A live state, as somebody who only looks finds it.
#[derive(Debug)]
pub enum Peeked {
    /// There is none.
    Missing,
    /// Its base cannot be read, and why.
    Damaged(String),
    /// A sound one.
    Sound(Box<Opened>),
}

/// The events after a base.
#[derive(Debug)]
pub struct Beyond {
    /// The base's version.
    pub base: Version,
    /// Events beyond the base. Some may still wait (the newest of those that do), some may be repeats.
    pub events: Vec<LoggedEvent>,
    /// The end of the tail; `None` if the state is kept nowhere.
    pub cursor: Option<Cursor>,
    /// An older state, and the events since, if the log was read.
    older: Option<(Version, Vec<LoggedEvent>)>,
}

impl Opened {
    pub(super) fn live(live: LiveDoc, base: Doc) -> Opened {
        let LiveDoc { tag, base: encoded, events, aside_bytes, cursor } = live;
        let beyond = Beyond { base: base.version().clone(), events, cursor: Some(cursor), older: None };
        Opened { base, encoded: Some(encoded), beyond, tag: Some(tag), aside_bytes }
    }

    pub(super) fn replayed(replayed: Replayed) -> Opened {
        let (events, aside_bytes) = waiting::newest(replayed.waiting());
        // There is nothing in it that a sync could want again.
        let cursor = replayed.is_new().then(|| Cursor { tail: "none".to_owned(), offset: 0 });
        let Replayed { doc, records, snapshot, .. } = replayed;
        let applied = records.into_iter().map(crate::LogRecord::logged);
        let applied = applied.filter(|logged| doc.version().covers(&logged.event));
        let since = applied.chain(events.iter().cloned()).collect();
        let older = Some((snapshot.version().clone(), since));
        let beyond = Beyond { base: doc.version().clone(), events, cursor, older };
        Opened { base: doc, encoded: None, beyond, tag: None, aside_bytes }
    }

    /// The document that all of this shows.
    pub fn into_doc(self) -> Doc {
        let mut doc = self.base;
        for logged in &self.beyond.events {
            doc.apply(&logged.event);
        }
        doc
    }
}

impl Beyond {
    /// What a client with this version lacks: a base that it has completely, and the events beyond it.
    /// `None` if only the whole state will do.
    pub fn since(&self, version: &Version) -> Option<(&Version, Vec<LoggedEvent>)> {
        let older = self.older.as_ref().map(|(base, events)| (base, events));
        let known = [Some((&self.base, &self.events)), older].into_iter().flatten();
        let mut known = known.filter(|(base, _)| version.includes(base));
        known.next().map(|(base, events)| (base, events.clone()))
    }
}
