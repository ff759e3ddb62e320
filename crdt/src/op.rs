//! One insert or delete. An op's ids all belong to the agent of the event that holds it.

use crate::Id;

/// The maximum number of ids that one delete may target.
pub const MAX_DELETE_LEN: u64 = 100_000;

/// The character an insert hangs at in the tree, and on which side.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// `left: X`: a right child of X; `None` is the start of the document.
    Left(Option<Id>),
    /// `right: Y`: a left child of Y.
    Right(Id),
}

impl Origin {
    /// The node named, unless it is the start of the document.
    pub fn id(&self) -> Option<&Id> {
        match self {
            Origin::Left(id) => id.as_ref(),
            Origin::Right(id) => Some(id),
        }
    }
}

/// One edit. An op of n characters uses up the ids `seq … seq+n-1` of its event's agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Op {
    /// Inserts `text` at `origin`; each further character is the right child of the one before.
    Insert {
        /// The first character's number.
        seq: u64,
        /// Never empty.
        text: String,
        /// Where the first character goes.
        origin: Origin,
    },
    /// Marks `target … target+len-1` of one agent as deleted.
    Delete {
        /// The number of the first id that the delete itself uses up.
        seq: u64,
        /// The first id deleted.
        target: Id,
        /// How many, 1 to [`MAX_DELETE_LEN`].
        len: u64,
    },
}

impl Op {
    /// The first id's number.
    pub fn seq(&self) -> u64 {
        match self {
            Op::Insert { seq, .. } | Op::Delete { seq, .. } => *seq,
        }
    }

    /// How many ids the op uses up: characters inserted, or ids targeted by a delete.
    pub fn id_count(&self) -> u64 {
        match self {
            Op::Insert { text, .. } => text.chars().count() as u64,
            Op::Delete { len, .. } => *len,
        }
    }

    /// The last id's number plus one.
    pub fn end(&self) -> u64 {
        self.seq() + self.id_count()
    }
}
