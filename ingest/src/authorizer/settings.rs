//! What the authorizer is told by its environment.

use std::fmt;
use std::time::Duration;

use inklog_access::{KeySource, LiveVerifier, Rules, SourceError};
use inklog_protocol::Right;

use super::keys_in_secret;

/// The environment variables. Each must be there; those that may be empty say so.
pub mod vars {
    /// `https://` address of the key set (JWKS); empty if the keys are in a secret.
    pub const JWKS_URL: &str = "INKLOG_JWKS_URL";
    /// ARN of the secret that holds the key set; empty if an address serves it.
    pub const JWKS_SECRET_ARN: &str = "INKLOG_JWKS_SECRET_ARN";
    /// What `aud` must be.
    pub const AUDIENCE: &str = "INKLOG_AUDIENCE";
    /// What `iss` must be; empty: anybody who has a key.
    pub const ISSUER: &str = "INKLOG_ISSUER";
    /// The right that a token without Inklog's claim gives to every document: `none`, `read`, `write` or `manage`.
    pub const DEFAULT_ACCESS: &str = "INKLOG_DEFAULT_ACCESS";
}

/// Why there can be no authorizer.
#[derive(thiserror::Error)]
pub enum SettingsError {
    /// A variable is not there, which is more than empty.
    #[error("the environment variable {0} is not set; template.yaml shows what it should hold")]
    Missing(&'static str),
    /// No keys, or which?
    #[error(
        "set one of {} and {}: without keys, nobody could connect",
        vars::JWKS_URL,
        vars::JWKS_SECRET_ARN
    )]
    Keys,
    /// No right.
    #[error("{name} is none, read, write or manage, not {0:?}", name = vars::DEFAULT_ACCESS)]
    DefaultAccess(String),
    /// The keys cannot be had, or used.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// What a function that does not start prints.
impl fmt::Debug for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The verifier that the environment describes, its keys loaded: a mistake shows when the function starts.
/// `lookup` gives a variable, also an empty one.
pub async fn verifier(lookup: impl Fn(&str) -> Option<String>) -> Result<LiveVerifier, SettingsError> {
    let setting = |name: &'static str| lookup(name).ok_or(SettingsError::Missing(name));
    let (url, secret) = (setting(vars::JWKS_URL)?, setting(vars::JWKS_SECRET_ARN)?);
    let audience = setting(vars::AUDIENCE)?;
    if audience.is_empty() {
        return Err(SettingsError::Missing(vars::AUDIENCE));
    }
    let issuer = issuer(setting(vars::ISSUER)?);
    let default_access = default_access(&setting(vars::DEFAULT_ACCESS)?)?;
    let source = match (url.is_empty(), secret.is_empty()) {
        (false, true) => KeySource::url(&url)?,
        (true, false) => keys_in_secret::source(secret).await,
        _ => return Err(SettingsError::Keys),
    };
    let verifier = LiveVerifier::new(source, Rules { audience, issuer, default_access });
    verifier.check(Duration::ZERO).await?;
    Ok(verifier)
}

/// No name is no condition.
fn issuer(name: String) -> Option<String> {
    Some(name).filter(|name| !name.is_empty())
}

/// `none` is a word here, so that nobody gives a right by leaving one out.
fn default_access(word: &str) -> Result<Option<Right>, SettingsError> {
    match word {
        "none" => Ok(None),
        word => word.parse().map(Some).map_err(|_| SettingsError::DefaultAccess(word.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// The environment with some variables changed or, with `None`, removed.
    async fn verifier_with(changes: &[(&'static str, Option<&str>)]) -> Result<LiveVerifier, SettingsError> {
        let mut environment = BTreeMap::from([
            (vars::JWKS_URL, ""),
            (vars::JWKS_SECRET_ARN, ""),
            (vars::AUDIENCE, "inklog"),
            (vars::ISSUER, ""),
            (vars::DEFAULT_ACCESS, "none"),
        ]);
        for (name, value) in changes {
            match value {
                Some(value) => environment.insert(name, value),
                None => environment.remove(name),
            };
        }
        verifier(|name| environment.get(name).map(|value| (*value).to_owned())).await
    }

    #[tokio::test]
    async fn without_keys_there_is_no_authorizer() {
        let url = ("INKLOG_JWKS_URL", Some("https://idp.example/jwks"));
        let secret = ("INKLOG_JWKS_SECRET_ARN", Some("arn:aws:secretsmanager:us-east-1:1:secret:keys"));
        for changes in [&[][..], &[url, secret]] {
            let error = verifier_with(changes).await.unwrap_err();
            assert!(matches!(error, SettingsError::Keys), "{error}");
        }
        let elsewhere = ("INKLOG_JWKS_URL", Some("http://idp.example/jwks"));
        let error = verifier_with(&[elsewhere]).await.unwrap_err();
        assert!(error.to_string().contains("https://"), "{error}");
        // Nobody listens there.
        let error = verifier_with(&[("INKLOG_JWKS_URL", Some("http://127.0.0.1:9/jwks"))]).await.unwrap_err();
        assert!(matches!(error, SettingsError::Source(_)), "{error}");
    }

    #[tokio::test]
    async fn nothing_is_assumed() {
        let url = (vars::JWKS_URL, Some("http://127.0.0.1:9/jwks"));
        for name in
            [vars::JWKS_URL, vars::JWKS_SECRET_ARN, vars::AUDIENCE, vars::ISSUER, vars::DEFAULT_ACCESS]
        {
            let error = verifier_with(&[url, (name, None)]).await.unwrap_err();
            assert!(matches!(error, SettingsError::Missing(missing) if missing == name), "{error}");
        }
        // What a function that does not start prints is for people.
        let error = verifier_with(&[url, (vars::ISSUER, None)]).await.unwrap_err();
        assert_eq!(format!("{error:?}"), error.to_string());
        assert!(error.to_string().contains(vars::ISSUER), "{error}");
        let error = verifier_with(&[url, (vars::AUDIENCE, Some(""))]).await.unwrap_err();
        assert!(matches!(error, SettingsError::Missing(vars::AUDIENCE)), "{error}");
        for word in ["", "None", "admin", "read,write"] {
            let error = verifier_with(&[url, (vars::DEFAULT_ACCESS, Some(word))]).await.unwrap_err();
            assert!(matches!(error, SettingsError::DefaultAccess(_)), "{word}: {error}");
        }
        assert_eq!(issuer("idp".to_owned()).as_deref(), Some("idp"));
        assert_eq!(issuer(String::new()), None);
        assert_eq!(default_access("none").unwrap(), None);
        assert_eq!(default_access("write").unwrap(), Some(Right::Write));
    }
}
