//! Errors that end a client, and errors of edits. What a client can live with is a [`Problem`](crate::Problem).

use inklog_crdt::EditError;

use crate::StorageError;

/// Why a client ends.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A name or an address is invalid.
    #[error("{0}")]
    Options(String),
    /// The server is unreachable or refuses the client: at the first attempt, or for longer than
    /// [`Options::give_up_after`](crate::Options::give_up_after).
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// Its address.
        url: String,
        /// Why the last attempt failed.
        reason: String,
    },
    /// The store failed. What it does not have yet was in memory only, and was not sent.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why an edit failed; it changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// It reaches beyond the end of the text.
    #[error("position {at} is beyond the text, which ends at {len}")]
    Beyond {
        /// The position, in the client's unit.
        at: usize,
        /// The text's length.
        len: usize,
    },
    /// It would split a character.
    #[error("position {at} is inside a character")]
    InsideCharacter {
        /// The position, in the client's unit.
        at: usize,
    },
    /// You may not write to this document ([`Client::access`](crate::Client::access)).
    #[error("you may not change this document: ask its owner for the right to write")]
    ReadOnly,
    /// The document or the agent has reached a limit.
    #[error(transparent)]
    Edit(#[from] EditError),
}
