//! What a user may do with a document.

use serde::{Deserialize, Serialize};

/// A right includes those below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// See the document, who edits it and where they are.
    Read,
    /// Change its text.
    Write,
    /// Name versions, delete, restore for all.
    Manage,
}

impl Right {
    /// The word on the wire and in tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Right::Read => "read",
            Right::Write => "write",
            Right::Manage => "manage",
        }
    }
}

/// The word names no right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a right is read, write or manage")]
pub struct RightError;

impl std::str::FromStr for Right {
    type Err = RightError;
    fn from_str(word: &str) -> Result<Right, RightError> {
        [Right::Read, Right::Write, Right::Manage]
            .into_iter()
            .find(|right| right.as_str() == word)
            .ok_or(RightError)
    }
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_has_one_word_wherever_it_is_written() {
        for (right, word) in [(Right::Read, "read"), (Right::Write, "write"), (Right::Manage, "manage")] {
            assert_eq!(right.to_string(), word);
            assert_eq!(serde_json::to_value(right).unwrap(), word);
            assert_eq!(word.parse(), Ok(right));
        }
        assert_eq!("Read".parse::<Right>(), Err(RightError));
    }
}
