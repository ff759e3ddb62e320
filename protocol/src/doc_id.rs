//! A document's name.

use std::fmt;
use std::sync::Arc;

use crate::limits::DOC_ID_LEN_MAX;

/// 1–128 of `[A-Za-z0-9._~-]`, not `.` or `..`: safe in a path, a key and a URL. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocId(Arc<str>);

/// The name is not a legal document id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a docId is 1 to {DOC_ID_LEN_MAX} of A-Z a-z 0-9 . _ ~ -, and not . or ..")]
pub struct DocIdError;

impl DocId {
    /// Validates a name.
    pub fn new(name: &str) -> Result<DocId, DocIdError> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-');
        let fits = !name.is_empty() && name.len() <= DOC_ID_LEN_MAX && name.bytes().all(legal);
        if !fits || name == "." || name == ".." {
            return Err(DocIdError);
        }
        Ok(DocId(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DocId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DocId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for DocId {
    type Err = DocIdError;
    fn from_str(s: &str) -> Result<DocId, DocIdError> {
        DocId::new(s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_at_the_limit_pass_and_odd_ones_do_not() {
        assert!(DocId::new(&"x".repeat(128)).is_ok());
        for bad in ["", ".", "..", "a/b", "a b", "é", &"x".repeat(129)] {
            assert!(DocId::new(bad).is_err(), "{bad}");
        }
        assert!(DocId::new("...").is_ok());
    }
}
