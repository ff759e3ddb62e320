//! Whether a deployment demands tokens.

use std::fmt;
use std::str::FromStr;

/// Who may use a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// Whoever has a token, as far as its rights go.
    Jwt,
    /// Everybody, under any name, with every right.
    Open,
}

/// The word names no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no way to control access: it is `jwt` or `open`")]
pub struct AuthModeError(pub String);

impl AuthMode {
    /// The word in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            AuthMode::Jwt => "jwt",
            AuthMode::Open => "open",
        }
    }
}

impl FromStr for AuthMode {
    type Err = AuthModeError;
    fn from_str(word: &str) -> Result<AuthMode, AuthModeError> {
        let found = [AuthMode::Jwt, AuthMode::Open].into_iter().find(|mode| mode.as_str() == word);
        found.ok_or_else(|| AuthModeError(word.to_owned()))
    }
}

impl fmt::Display for AuthMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_exactly_its_word() {
        for mode in [AuthMode::Jwt, AuthMode::Open] {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        for bad in ["", "JWT", "open ", "none", "off"] {
            assert_eq!(bad.parse::<AuthMode>(), Err(AuthModeError(bad.to_owned())));
        }
    }
}
