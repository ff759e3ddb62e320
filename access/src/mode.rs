//! Whether access is demanded.

use std::str::FromStr;

/// Names the mode, as one of its words.
pub const AUTH_MODE_VARIABLE: &str = "INKLOG_AUTH_MODE";

/// Who is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// Who holds a valid token, within its rights.
    Jwt,
    /// Everybody, with every right.
    Open,
}

/// The mode is not known. There is no default: a deployment that forgot to say is not open to strangers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{AUTH_MODE_VARIABLE} must be jwt (a token is demanded) or open (everybody may do everything)")]
pub struct AuthModeError;

impl AuthMode {
    /// Reads `INKLOG_AUTH_MODE`.
    pub fn from_env() -> Result<AuthMode, AuthModeError> {
        std::env::var(AUTH_MODE_VARIABLE).map_err(|_| AuthModeError)?.parse()
    }

    /// The word in the variable.
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
        [AuthMode::Jwt, AuthMode::Open].into_iter().find(|mode| mode.as_str() == word).ok_or(AuthModeError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_words_are_modes() {
        assert_eq!("jwt".parse(), Ok(AuthMode::Jwt));
        assert_eq!("open".parse(), Ok(AuthMode::Open));
        for bad in ["", "Open", "OPEN", " open", "none", "jwt,open"] {
            assert_eq!(bad.parse::<AuthMode>(), Err(AuthModeError), "{bad:?}");
        }
    }
}
