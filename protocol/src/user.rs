//! User names, and which agents belong to a user.

use inklog_crdt::Agent;

use crate::limits::USER_NAME_LEN_MAX;

/// 1–40 of `[A-Za-z0-9._-]`, without `~`, which separates a session's suffix in an agent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(String);

/// The name is not a legal user name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a user name is 1 to {USER_NAME_LEN_MAX} of A-Z a-z 0-9 . _ -")]
pub struct UserNameError;

impl UserName {
    /// Validates a name.
    pub fn new(name: &str) -> Result<UserName, UserNameError> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if name.is_empty() || name.len() > USER_NAME_LEN_MAX || !name.bytes().all(legal) {
            return Err(UserNameError);
        }
        Ok(UserName(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the agent belongs to this user: it is the name itself, or the name, `~` and a session suffix.
    pub fn owns(&self, agent: &Agent) -> bool {
        match agent.as_str().strip_prefix(&self.0) {
            Some("") => true,
            Some(rest) => rest.len() > 1 && rest.starts_with('~'),
            None => false,
        }
    }
}

impl std::fmt::Display for UserName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_owns_the_name_and_its_sessions() {
        let alice = UserName::new("alice").unwrap();
        let owns = |agent: &str| alice.owns(&Agent::new(agent).unwrap());
        assert!(owns("alice") && owns("alice~k3"));
        assert!(!owns("alice~") && !owns("alicia") && !owns("bob") && !owns("alice-2"));
        assert!(UserName::new("a~b").is_err() && UserName::new("").is_err());
        assert_eq!((alice.as_str(), alice.to_string().as_str()), ("alice", "alice"));
    }
}
