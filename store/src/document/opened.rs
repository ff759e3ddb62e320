//! A document, opened for reading.

use inklog_crdt::planted::{Bug, planted};
use inklog_crdt::{DecodeError, Doc, Version};
use inklog_protocol::LoggedEvent;

use super::{Replayed, waiting};
use crate::live::{BaseTag, Cursor, LiveDoc};

/// A document read from the live state or, if that is impossible, from log and snapshot.
#[derive(Debug)]
pub struct Opened {
    /// The base.
    pub base: Base,
    /// What is beyond the base.
    pub beyond: Beyond,
    /// Which base and tail this is; `None` if it is kept nowhere.
    pub tag: Option<BaseTag>,
}

/// A base in the form in which it was found. The other one is made when it is asked for: an answer that is
/// made of events alone, or of the encoded state, needs no decoded document.
#[derive(Debug)]
pub enum Base {
    /// What the live state keeps. The checksum is right; what it covers has not been read.
    Encoded(Vec<u8>),
    /// What a replay made.
    Decoded(Box<Doc>),
}

/// A live state, as somebody who only looks finds it.
#[derive(Debug)]
pub enum Peeked {
    /// There is none.
    Missing,
    /// Its base cannot be read, and why.
    Damaged(String),
    /// A sound one.
    Sound {
        /// As it is kept.
        live: Box<LiveDoc>,
        /// The document that all of it shows.
        state: Box<Doc>,
    },
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

impl Base {
    /// The document. Fails where the bytes are damaged although their checksum is right.
    pub fn decode(self) -> Result<Doc, DecodeError> {
        match self {
            Base::Encoded(bytes) => Doc::decode(&bytes),
            Base::Decoded(doc) => Ok(*doc),
        }
    }

    /// What [`Doc::encode`] writes of it.
    pub fn encode(self) -> Vec<u8> {
        match self {
            Base::Encoded(bytes) => bytes,
            Base::Decoded(doc) => doc.encode(),
        }
    }
}

impl Opened {
    pub(super) fn live(live: LiveDoc) -> Result<Opened, DecodeError> {
        let LiveDoc { tag, base, events, cursor, .. } = live;
        let version = Doc::decode_version(&base)?;
        let beyond = Beyond { base: version, events, cursor: Some(cursor), older: None };
        Ok(Opened { base: Base::Encoded(base), beyond, tag: Some(tag) })
    }

    pub(super) fn replayed(replayed: Replayed) -> Opened {
        let (events, _) = waiting::newest(replayed.waiting());
        // There is nothing in it that a sync could want again.
        let cursor = replayed.is_new().then(|| Cursor { tail: "none".to_owned(), offset: 0 });
        let Replayed { doc, records, snapshot, .. } = replayed;
        let applied = records.into_iter().map(crate::LogRecord::logged);
        let applied = applied.filter(|logged| doc.version().covers(&logged.event));
        let since = applied.chain(events.iter().cloned()).collect();
        let older = Some((snapshot.version().clone(), since));
        let beyond = Beyond { base: doc.version().clone(), events, cursor, older };
        Opened { base: Base::Decoded(Box::new(doc)), beyond, tag: None }
    }
}

impl Beyond {
    /// What a client with this version lacks: a base that it has completely, and the events beyond it.
    /// `None` if only the whole state will do.
    pub fn since(&self, version: &Version) -> Option<(&Version, Vec<LoggedEvent>)> {
        let older = self.older.as_ref().map(|(base, events)| (base, events));
        let known = [Some((&self.base, &self.events)), older].into_iter().flatten();
        let mut known = known.filter(|(base, _)| version.includes(base) || planted(Bug::ReplaySkipsBase));
        known.next().map(|(base, events)| (base, events.clone()))
    }
}
