//! The keys in S3.
//!
//! | key | value | mutable |
//! |---|---|---|
//! | `docs/<doc>/snapshots/<at, 16 digits>-<nonce>` | [`crate::objects::Snapshot`] | no |
//! | `docs/<doc>/segments/<at, 16 digits>-<nonce>` | [`crate::objects::Segment`] | no |
//! | `set-aside/<doc>/<sequence>` | JSON: what is known of a stream record that cannot be decoded | no |
//! | `aws/lambda/…` | what an event source mapping gave up on, written by AWS | no |
//!
//! A snapshot is deleted some time after newer ones have taken its place, a segment never.

use inklog_protocol::DocId;

/// Key of a snapshot made at `at` (ms since the epoch).
pub fn snapshot(doc: &DocId, at: u64, nonce: &str) -> String {
    format!("docs/{doc}/snapshots/{at:016}-{nonce}")
}

/// Key of a history segment made at `at` (ms since the epoch).
pub fn segment(doc: &DocId, at: u64, nonce: &str) -> String {
    format!("docs/{doc}/segments/{at:016}-{nonce}")
}

/// Whether a snapshot and a segment were made together, which their keys tell.
pub(crate) fn is_pair(snapshot: &str, segment: &str) -> bool {
    snapshot.replace("/snapshots/", "/segments/") == segment
}

/// Key of a note about a stream record that cannot be decoded.
pub fn set_aside(doc: &DocId, sequence: &str) -> String {
    format!("set-aside/{doc}/{sequence}")
}
