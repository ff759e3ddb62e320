//! Rights by document.

use std::collections::BTreeMap;

use inklog_protocol::limits::{DOC_ID_LEN_MAX, GRANTS_MAX};
use inklog_protocol::{DocId, Right};
use serde::{Deserialize, Serialize};

/// The right that each name or pattern of documents gives. A pattern ends with `*`, which stands for any rest,
/// also an empty one. Where several match, the highest right counts: grants only add.
///
/// As JSON: `{"notes": "write", "team-a.*": "read"}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, Right>", into = "BTreeMap<String, Right>")]
pub struct Grants(BTreeMap<String, Right>);

/// Grants that no token may hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantsError {
    /// Neither a document's name nor the beginning of one with a `*` behind it.
    #[error("{0:?} is neither a document's name nor a pattern: a `*` stands at the end only")]
    Pattern(String),
    /// More than [`GRANTS_MAX`].
    #[error("a token names at most {GRANTS_MAX} documents and patterns, not {0}: use patterns")]
    TooMany(usize),
}

impl Grants {
    /// The same right to every document.
    pub fn everything(right: Right) -> Grants {
        Grants(BTreeMap::from([("*".to_owned(), right)]))
    }

    /// The right to one document, if there is any.
    pub fn right(&self, doc: &DocId) -> Option<Right> {
        let matches = |pattern: &str| match pattern.strip_suffix('*') {
            Some(start) => doc.as_str().starts_with(start),
            None => doc.as_str() == pattern,
        };
        self.0.iter().filter(|(pattern, _)| matches(pattern)).map(|(_, right)| *right).max()
    }

    /// Name or pattern, and right, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Right)> {
        self.0.iter().map(|(pattern, right)| (pattern.as_str(), *right))
    }
}

impl TryFrom<BTreeMap<String, Right>> for Grants {
    type Error = GrantsError;
    fn try_from(grants: BTreeMap<String, Right>) -> Result<Grants, GrantsError> {
        if grants.len() > GRANTS_MAX {
            return Err(GrantsError::TooMany(grants.len()));
        }
        match grants.keys().find(|pattern| !is_legal(pattern)) {
            Some(pattern) => Err(GrantsError::Pattern(pattern.chars().take(DOC_ID_LEN_MAX).collect())),
            None => Ok(Grants(grants)),
        }
    }
}

impl From<Grants> for BTreeMap<String, Right> {
    fn from(grants: Grants) -> BTreeMap<String, Right> {
        grants.0
    }
}

fn is_legal(pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        // `.` and `..` name no documents, but many names begin with them.
        Some("" | "." | "..") => true,
        Some(start) => DocId::new(start).is_ok(),
        None => DocId::new(pattern).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(json: &str) -> Result<Grants, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn the_highest_right_that_matches_counts() {
        let grants =
            grants(r#"{"notes":"write","team-a.*":"read","team-a.plan":"manage","team-a.p*":"write"}"#)
                .unwrap();
        for (doc, right) in [
            ("notes", Some(Right::Write)),
            ("notes2", None),
            ("note", None),
            ("team-a", None),
            ("team-a.", Some(Right::Read)),
            ("team-a.x", Some(Right::Read)),
            ("team-a.plan", Some(Right::Manage)),
            ("team-a.plan2", Some(Right::Write)),
            ("TEAM-A.x", None),
        ] {
            assert_eq!(grants.right(&DocId::new(doc).unwrap()), right, "{doc}");
        }
        assert_eq!(Grants::default().right(&DocId::new("x").unwrap()), None);
        assert_eq!(Grants::everything(Right::Read).right(&DocId::new("x").unwrap()), Some(Right::Read));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["a*b", "**", "*a", "", "a b", "é*", "a/*", "."] {
            assert!(grants(&serde_json::json!({ bad: "read" }).to_string()).is_err(), "{bad:?}");
        }
        for bad in [r#"{"a":"admin"}"#, r#"{"a":"READ"}"#, r#"{"a":null}"#, r#"{"a":["read"]}"#, "[]", "null"]
        {
            assert!(grants(bad).is_err(), "{bad}");
        }
        let longest = "x".repeat(DOC_ID_LEN_MAX);
        assert!(grants(&format!(r#"{{"{longest}*":"read"}}"#)).is_ok());
        assert!(grants(&format!(r#"{{"{longest}x*":"read"}}"#)).is_err());
        let many = |n: usize| (0..n).map(|i| (format!("d{i}"), Right::Read)).collect::<BTreeMap<_, _>>();
        assert!(Grants::try_from(many(GRANTS_MAX)).is_ok());
        assert_eq!(Grants::try_from(many(GRANTS_MAX + 1)), Err(GrantsError::TooMany(GRANTS_MAX + 1)));
    }
}
