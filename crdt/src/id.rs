//! Agents and ids: who typed a character, and its number among theirs.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// The maximum length of an agent's name, in bytes (ASCII characters).
pub const MAX_AGENT_LEN: usize = 64;

/// The upper bound of an id's `seq` plus the length of the op that carries it: 2^53, so that every
/// number is exact in JavaScript.
pub const MAX_SEQ: u64 = 1 << 53;

/// One writer's name: 1–64 of `[A-Za-z0-9._~-]`. Ordered by its ASCII bytes. Cheap to clone, and
/// cheap to compare with its clones.
#[derive(Clone, Eq)]
pub struct Agent(Arc<str>);

// Names are compared several times for every event, and are nearly always clones of one another.
impl PartialEq for Agent {
    #[inline]
    fn eq(&self, other: &Agent) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Hash for Agent {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Ord for Agent {
    #[inline]
    fn cmp(&self, other: &Agent) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

impl PartialOrd for Agent {
    #[inline]
    fn partial_cmp(&self, other: &Agent) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Why a name or an id is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The agent is empty, too long, or has a character outside `[A-Za-z0-9._~-]`.
    #[error("an agent's name is 1 to 64 of A-Z a-z 0-9 . _ ~ -")]
    Agent,
    /// The id is not `<agent>-<seq>` with `seq` a decimal without leading zeros, at most 2^53.
    #[error("an id is <agent>-<seq>; seq is a decimal without leading zeros, at most 2^53")]
    Id,
}

impl Agent {
    /// Validates a name and creates an agent.
    pub fn new(name: &str) -> Result<Agent, IdError> {
        if !Agent::is_legal(name.as_bytes()) {
            return Err(IdError::Agent);
        }
        Ok(Agent(name.into()))
    }

    /// Whether these bytes are an agent's name.
    pub(crate) fn is_legal(name: &[u8]) -> bool {
        let legal = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-');
        (1..=MAX_AGENT_LEN).contains(&name.len()) && name.iter().all(legal)
    }

    /// The same for bytes; `None` where [`Agent::new`] returns an error.
    pub(crate) fn from_bytes(name: &[u8]) -> Option<Agent> {
        Agent::new(std::str::from_utf8(name).ok()?).ok()
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// A name orders and compares as its text, so that lookups work with text that is not an agent.
impl Borrow<str> for Agent {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Agent {
    type Err = IdError;
    fn from_str(s: &str) -> Result<Agent, IdError> {
        Agent::new(s)
    }
}

/// Names one inserted character, or one step of a delete: `<agent>-<seq>`. Ordered by agent,
/// then by `seq` as a number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Its agent.
    pub agent: Agent,
    /// Its place in the agent's numbering, at most [`MAX_SEQ`].
    pub seq: u64,
}

impl Id {
    /// Creates an id without validation: `seq` must be at most [`MAX_SEQ`].
    pub fn new(agent: Agent, seq: u64) -> Id {
        Id { agent, seq }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.agent, self.seq)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Id {
    type Err = IdError;

    /// Splits at the last `-`, so agents may themselves contain one.
    fn from_str(s: &str) -> Result<Id, IdError> {
        let (agent, digits) = s.rsplit_once('-').ok_or(IdError::Id)?;
        let plain = !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
            && (digits == "0" || !digits.starts_with('0'));
        let seq: u64 =
            if plain { digits.parse().map_err(|_| IdError::Id)? } else { return Err(IdError::Id) };
        if seq > MAX_SEQ {
            return Err(IdError::Id);
        }
        Ok(Id { agent: Agent::new(agent).map_err(|_| IdError::Id)?, seq })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_splits_at_the_last_dash() {
        let id: Id = "user-123-170000000".parse().unwrap();
        assert_eq!((id.agent.as_str(), id.seq), ("user-123", 170_000_000));
        assert_eq!(id.to_string(), "user-123-170000000");
        let odd: Id = "--0".parse().unwrap();
        assert_eq!(odd.agent.as_str(), "-");
    }

    #[test]
    fn malformed_ids_are_refused() {
        for bad in ["", "a", "-1", "a-", "a-01", "a-+1", "a-1x", "a b-1", "é-1", "a-9007199254740993"] {
            assert!(bad.parse::<Id>().is_err(), "{bad}");
        }
        assert!("a-9007199254740992".parse::<Id>().is_ok());
        assert!(Agent::new(&"x".repeat(65)).is_err());
    }

    #[test]
    fn agents_order_by_bytes_and_seqs_by_number() {
        let id = |s: &str| s.parse::<Id>().unwrap();
        assert!(id("Z-1") < id("a-0"));
        assert!(id("a-2") < id("a-10"));
        assert!(id("a-999") < id("a-1-0"));
    }
}
