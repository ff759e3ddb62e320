//! When a token ends. It is not verified here: that is the server's business.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// Seconds since the epoch, by the clock of whoever made the token.
#[derive(Deserialize)]
struct Times {
    iat: f64,
    exp: f64,
}

/// How long a JWT lives from when it was made; `None`: it does not say, or it is no JWT. This client's clock, which
/// may be wrong, plays no part.
pub(crate) fn lifetime_of(token: &str) -> Option<Duration> {
    let payload = token.split('.').nth(1)?;
    let json = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let Times { iat, exp } = serde_json::from_slice(&json).ok()?;
    Duration::try_from_secs_f64(exp - iat).ok().filter(|lifetime| !lifetime.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn a_jwt_says_how_long_it_lives_and_nothing_else_does() {
        let seconds = |payload: &str| lifetime_of(&jwt(payload)).map(|lifetime| lifetime.as_secs_f64());
        assert_eq!(seconds(r#"{"sub":"alice","iat":1700000000,"exp":1700003600}"#), Some(3600.0));
        assert_eq!(seconds(r#"{"iat":1.5,"exp":2}"#), Some(0.5));
        for payload in [
            r#"{"exp":1700003600}"#,
            r#"{"iat":5,"exp":5}"#,
            r#"{"iat":5,"exp":4}"#,
            r#"{"iat":"5","exp":"9"}"#,
            r#"{"iat":0,"exp":1e300}"#,
            "[]",
            "no JSON",
        ] {
            assert_eq!(seconds(payload), None, "{payload}");
        }
        for opaque in ["", "opaque", "a.b", "a.%.c", "..."] {
            assert_eq!(lifetime_of(opaque), None, "{opaque}");
        }
    }
}
