//! Why a client ends. What it can go on with is a [`Problem`](crate::Problem).

use inklog_crdt::EditError;

use crate::StorageError;

/// Why a client cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A name or an address is none.
    #[error("{0}")]
    Options(String),
    /// The server stayed away for longer than the client is patient, or does not let it in.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// What the last attempt met.
        reason: String,
    },
    /// What was typed cannot be kept. What is not in the store by now is in memory only.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why an edit was not made; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// It reaches beyond the text.
    #[error("position {at} is beyond the text, which ends at {len}")]
    Beyond {
        /// The position, in the client's unit.
        at: usize,
        /// The text's length.
        len: usize,
    },
    /// It would take a character apart.
    #[error("position {at} is inside a character")]
    InsideCharacter {
        /// The position, in the client's unit.
        at: usize,
    },
    /// The server lets this client read the document at most, or not even that.
    #[error("this document cannot be changed with the right that you have")]
    ReadOnly,
    /// The document takes no more.
    #[error(transparent)]
    Edit(#[from] EditError),
}
