//! The keys in S3.
//!
//! | key | value | mutable |
//! |---|---|---|
//! | `docs/<doc>/snapshots/<at, 16 digits>-<nonce>` | [`crate::objects::Snapshot`] | no |
//! | `docs/<doc>/segments/<at, 16 digits>-<nonce>` | [`crate::objects::Segment`] | no |
//! | `set-aside/<doc>/<sequence>` | JSON: what is known about an undecodable stream record | no |
//! | `aws/lambda/…` | batches that an event source mapping gave up on, written by AWS | no |
//!
//! A snapshot is deleted some time after newer ones have superseded it, a segment never.

use inklog_protocol::DocId;

/// Key of a snapshot made at `at` (ms since the epoch).
pub fn snapshot(doc: &DocId, at: u64, nonce: &str) -> String {
    format!("docs/{doc}/snapshots/{at:016}-{nonce}")
}

/// Key of a history segment made at `at` (ms since the epoch).
pub fn segment(doc: &DocId, at: u64, nonce: &str) -> String {
    format!("docs/{doc}/segments/{at:016}-{nonce}")
}

/// The document that a key is of.
pub(crate) fn doc_of(key: &str) -> Option<DocId> {
    let name = key.strip_prefix("docs/").or_else(|| key.strip_prefix("set-aside/"))?;
    DocId::new(name.split_once('/')?.0).ok()
}

/// Whether a snapshot and a segment were written together, judging by their keys.
pub(crate) fn is_pair(snapshot: &str, segment: &str) -> bool {
    snapshot.replace("/snapshots/", "/segments/") == segment
}

/// Key of a note about an undecodable stream record.
pub fn set_aside(doc: &DocId, sequence: &str) -> String {
    format!("set-aside/{doc}/{sequence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_together_is_a_pair() {
        let doc = DocId::new("d").unwrap();
        let mine = snapshot(&doc, 7, "n");
        assert!(is_pair(&mine, &segment(&doc, 7, "n")));
        let other = DocId::new("e").unwrap();
        for another in [segment(&doc, 8, "n"), segment(&doc, 7, "m"), segment(&other, 7, "n"), mine.clone()] {
            assert!(!is_pair(&mine, &another), "{another}");
        }
    }

    #[test]
    fn a_key_tells_its_document() {
        let doc = DocId::new("d~1").unwrap();
        for key in [snapshot(&doc, 1, "n"), segment(&doc, 1, "n"), set_aside(&doc, "7")] {
            assert_eq!(doc_of(&key).as_ref(), Some(&doc), "{key}");
        }
        for key in ["aws/lambda/x/y", "docs/d", "docs/ /x", ""] {
            assert_eq!(doc_of(key), None, "{key}");
        }
    }
}
