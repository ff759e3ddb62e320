//! The errors that a client receives.
//!
//! | code | meaning | retry |
//! |---|---|---|
//! | `bad_json` | the frame is not a JSON object | no |
//! | `unknown_action` | no `action`, or one that this server does not know | no |
//! | `bad_request` | a field of the message is missing or malformed | no |
//! | `bad_op` | an op is invalid in itself: empty text, foreign id, overlapping ids, … | no |
//! | `bad_chain` | an op's ids are below the event's `after` | no |
//! | `too_large` | something exceeds a limit: a frame, a presence state, or the whole document, which is full | no |
//! | `conflict` | the log holds another event at this place of the agent's chain, or the place is compacted | no |
//! | `not_joined` | the connection has not joined the document | no |
//! | `unauthorized` | there is no valid identity | no |
//! | `forbidden` | the identity may not do this | no |
//! | `rate_limited` | too much at once | yes |
//! | `unavailable` | a store is unavailable; the change may or may not have happened | yes |
//! | `internal` | a bug in Inklog | yes |
//!
//! `retry: true` means: send the same message again after a pause. `rate_limited` says after how long, in
//! `retryAfterMs`. After `conflict`, read the document's state before anything is offered again under new ids: it
//! may hold the event.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ServerMessage;
use crate::limits::REFUSAL_CHARS_MAX;

/// The code of an `ERROR`; the table is in the module's documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the table above says it once
pub enum ErrorCode {
    BadJson,
    UnknownAction,
    BadRequest,
    BadOp,
    BadChain,
    TooLarge,
    Conflict,
    NotJoined,
    Unauthorized,
    Forbidden,
    RateLimited,
    Unavailable,
    Internal,
}

impl ErrorCode {
    /// All codes, in the order of the table.
    pub const ALL: [ErrorCode; 13] = [
        ErrorCode::BadJson,
        ErrorCode::UnknownAction,
        ErrorCode::BadRequest,
        ErrorCode::BadOp,
        ErrorCode::BadChain,
        ErrorCode::TooLarge,
        ErrorCode::Conflict,
        ErrorCode::NotJoined,
        ErrorCode::Unauthorized,
        ErrorCode::Forbidden,
        ErrorCode::RateLimited,
        ErrorCode::Unavailable,
        ErrorCode::Internal,
    ];

    /// Whether the same message may succeed after a pause.
    pub fn retry(self) -> bool {
        matches!(self, ErrorCode::RateLimited | ErrorCode::Unavailable | ErrorCode::Internal)
    }
}

/// An `ERROR` being built: what is wrong with a message, and the fields that identify the message.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The code.
    pub code: ErrorCode,
    /// One line for people: what happened and what to do.
    pub message: String,
    /// The message's `ref`, if it had one.
    pub reference: Option<Value>,
    /// The document's name, as the client wrote it.
    pub doc_id: Option<String>,
    /// For `rate_limited`: when the same message would pass, in ms from now.
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    /// A refusal without `ref` and document. `message` may quote long input: it is truncated.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Refusal {
        let mut message = message.into();
        if let Some((cut, _)) = message.char_indices().nth(REFUSAL_CHARS_MAX) {
            message.truncate(cut);
            message.push('…');
        }
        Refusal { code, message, reference: None, doc_id: None, retry_after_ms: None }
    }

    /// The message to send.
    pub fn into_message(self) -> ServerMessage {
        ServerMessage::Error {
            code: self.code,
            retry: self.code.retry(),
            message: self.message,
            doc_id: self.doc_id,
            retry_after_ms: self.retry_after_ms,
            reference: self.reference,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_refusal_quotes_is_cut() {
        let op = format!(r#"{{"type":"{}"}}"#, "é".repeat(9_000));
        let send = format!(r#"{{"action":"SEND_OP","docId":"d","agent":"a","after":0,"ops":[{op}]}}"#);
        let refusal = crate::Request::parse(&send).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::BadOp);
        assert_eq!(refusal.message.chars().count(), REFUSAL_CHARS_MAX + 1);
        let whole = "é".repeat(REFUSAL_CHARS_MAX);
        assert_eq!(Refusal::new(ErrorCode::BadOp, whole.clone()).message, whole);
    }

    #[test]
    fn the_table_lists_every_code_with_its_retry() {
        let source = include_str!("error.rs");
        for code in ErrorCode::ALL {
            let name = serde_json::to_value(code).unwrap();
            let name = name.as_str().unwrap();
            let row = source.lines().find(|line| line.starts_with(&format!("//! | `{name}` |")));
            let row = row.unwrap_or_else(|| panic!("{name} is not in the table"));
            assert_eq!(row.ends_with("| yes |"), code.retry(), "{name}");
        }
    }
}
