//! How many bytes go into a store and come back: near enough to price a call, and no more than that.

use inklog_crdt::Agent;
use inklog_protocol::{Author, DocId, LoggedEvent, UserName};

use crate::catalogue::{DirtyDoc, DirtyMark, DocEntry, DocSize, Floor, Pointer, Revocation};
use crate::connections::{Holder, PresenceEntry, Registration};
use crate::live::{BaseTag, Cursor, LiveDoc, NewBase, TailStatus};
use crate::log::{Appended, LogItem};
use crate::{LogRecord, logged_len};

/// A number, a time, a truth.
const WORD: usize = 8;

/// What is handed over has a size.
pub(super) trait Measured {
    fn bytes(&self) -> usize;
}

macro_rules! measured {
    ($($type:ty: |$value:ident| $bytes:expr;)*) => {
        $(impl Measured for $type {
            fn bytes(&self) -> usize {
                let $value = self;
                $bytes
            }
        })*
    };
}

measured! {
    (): |_value| 0;
    bool: |_value| 1;
    u8: |_value| 1;
    u64: |_value| WORD;
    str: |text| text.len();
    String: |text| text.len();
    DocId: |doc| doc.as_str().len();
    Author: |author| author.user.len() + author.name.bytes();
    UserName: |user| user.as_str().len();
    Agent: |agent| agent.as_str().len();
    LoggedEvent: |logged| logged_len(logged);
    LogRecord: |record| record.event.encoded().len() + WORD + record.author.bytes() + record.connection.bytes();
    Appended: |_value| 0;
    Cursor: |cursor| cursor.tail.len() + WORD;
    TailStatus: |_value| 5 * WORD;
    BaseTag: |tag| tag.generation.len() + tag.folded.bytes();
    LiveDoc: |live| live.tag.bytes() + live.base.len() + live.events.bytes() + WORD + live.cursor.bytes();
    NewBase: |base| base.generation.len() + base.state.len() + base.waiting.bytes() + WORD;
    Floor: |_floor| 2 * WORD;
    DocSize: |_size| 2 * WORD;
    Revocation: |revocation| revocation.doc.bytes() + WORD;
    DirtyMark: |mark| WORD + mark.nonce.len();
    DirtyDoc: |dirty| dirty.doc.bytes() + WORD;
    Pointer: |pointer| {
        let superseded = pointer.superseded.iter().map(|snapshot| snapshot.snapshot.len() + WORD);
        pointer.snapshot.len() + pointer.segment.len() + WORD + superseded.sum::<usize>()
    };
    DocEntry: |entry| entry.doc.bytes() + 2 * WORD + entry.pointer.bytes() + entry.dirty.bytes() + entry.size.bytes();
    PresenceEntry: |entry| {
        entry.agent.bytes() + entry.connection.len() + entry.state.len() + entry.author.bytes()
    };
    Holder: |holder| holder.author.bytes() + holder.right.as_str().len() + WORD;
    Registration: |one| one.connection.len() + one.holder.bytes();
}

impl Measured for LogItem {
    fn bytes(&self) -> usize {
        match self {
            LogItem::Record(record) => record.bytes(),
            LogItem::Damaged { key, .. } => key.len(),
        }
    }
}

impl<T: Measured> Measured for [T] {
    fn bytes(&self) -> usize {
        self.iter().map(T::bytes).sum()
    }
}

impl<T: Measured> Measured for Vec<T> {
    fn bytes(&self) -> usize {
        self.as_slice().bytes()
    }
}

impl<T: Measured> Measured for Option<T> {
    fn bytes(&self) -> usize {
        self.as_ref().map_or(0, T::bytes)
    }
}

impl<T: Measured, U: Measured> Measured for (T, U) {
    fn bytes(&self) -> usize {
        self.0.bytes() + self.1.bytes()
    }
}
