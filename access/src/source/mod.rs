//! Where keys come from: a file, an address, or the text itself (a secret that a function was given).

mod fetch;

use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use self::fetch::Fetcher;
use crate::{Jwks, KEYS_BYTES_MAX, KeysError};

/// One attempt to load keys takes at most this.
const LOAD_TIMEOUT: Duration = Duration::from_secs(5);
/// A file is read again after this: whoever puts a key into it, or takes one out, waits no longer.
const FILE_AGE_MAX: Duration = Duration::from_secs(60);
/// An address is asked again after this, so that a key that was withdrawn ends. A new one is asked for at once.
const URL_AGE_MAX: Duration = Duration::from_secs(10 * 60);

/// A place that keys are loaded from.
pub struct KeySource(Place);

enum Place {
    Text(Vec<u8>),
    File(PathBuf),
    Url(Fetcher),
    Other { name: String, age_max: Duration, load: Box<Load> },
}

/// Reads the key set (JSON), or says why it cannot.
type Load = dyn Fn() -> Loading + Send + Sync;
type Loading = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send>>;

/// Why there are no keys. Shows the place, and nothing of the keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// An address that is not allowed.
    #[error("{url:?} cannot be the address of a key set: {reason}")]
    Url {
        /// As written.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Nothing could be read.
    #[error("cannot load the keys from {place}: {reason}")]
    Unreachable {
        /// The source.
        place: String,
        /// What happened.
        reason: String,
    },
    /// Something was read, but it is no set of keys that can be used.
    #[error("the keys from {place} cannot be used: {error}")]
    Keys {
        /// The source.
        place: String,
        /// What is wrong with them.
        error: KeysError,
    },
}

impl KeySource {
    /// What a setting means: a key set itself (it begins with `{`), an address (`https://…`), or else a file.
    pub fn parse(setting: &str) -> Result<KeySource, SourceError> {
        if setting.trim_start().starts_with('{') {
            Ok(KeySource::text(setting))
        } else if setting.contains("://") {
            KeySource::url(setting)
        } else {
            Ok(KeySource::file(setting))
        }
    }

    /// A key set (JSON).
    pub fn text(json: impl Into<Vec<u8>>) -> KeySource {
        KeySource(Place::Text(json.into()))
    }

    /// A file with a key set.
    pub fn file(path: impl Into<PathBuf>) -> KeySource {
        KeySource(Place::File(path.into()))
    }

    /// An address that serves a key set: `https://`, or `http://` on this machine.
    pub fn url(url: &str) -> Result<KeySource, SourceError> {
        let refused = |reason| SourceError::Url { url: url.to_owned(), reason };
        Ok(KeySource(Place::Url(Fetcher::new(url).map_err(refused)?)))
    }

    /// A place of another kind, such as a store of secrets. `name` is what errors show; keys older than `age_max`
    /// are loaded again.
    pub fn other(
        name: impl Into<String>,
        age_max: Duration,
        load: impl Fn() -> Loading + Send + Sync + 'static,
    ) -> KeySource {
        KeySource(Place::Other { name: name.into(), age_max, load: Box::new(load) })
    }

    /// Loads the keys, within a few seconds.
    pub async fn load(&self) -> Result<Jwks, SourceError> {
        self.load_within(LOAD_TIMEOUT).await
    }

    async fn load_within(&self, patience: Duration) -> Result<Jwks, SourceError> {
        let unreachable = |reason| SourceError::Unreachable { place: self.to_string(), reason };
        let json = match tokio::time::timeout(patience, self.read()).await {
            Ok(read) => read.map_err(unreachable)?,
            Err(_) => return Err(unreachable(format!("no answer within {patience:?}"))),
        };
        Jwks::parse(&json).map_err(|error| SourceError::Keys { place: self.to_string(), error })
    }

    async fn read(&self) -> Result<Vec<u8>, String> {
        match &self.0 {
            Place::Text(json) => Ok(json.clone()),
            Place::File(path) => read_file(path).await.map_err(|error| error.to_string()),
            Place::Url(fetcher) => fetcher.fetch().await,
            Place::Other { load, .. } => load().await,
        }
    }

    /// Keys older than this are loaded again.
    pub(crate) fn age_max(&self) -> Duration {
        match self.0 {
            Place::Text(_) => Duration::MAX,
            Place::File(_) => FILE_AGE_MAX,
            Place::Url(_) => URL_AGE_MAX,
            Place::Other { age_max, .. } => age_max,
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Text(_) => f.write_str("the configured text"),
            Place::File(path) => write!(f, "{}", path.display()),
            Place::Url(fetcher) => write!(f, "{}", fetcher.url()),
            Place::Other { name, .. } => f.write_str(name),
        }
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySource({self})")
    }
}

async fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut json = Vec::new();
    // One byte more than is allowed tells that there is too much.
    let mut file = tokio::fs::File::open(path).await?.take(KEYS_BYTES_MAX as u64 + 1);
    file.read_to_end(&mut json).await?;
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_a_text_an_address_or_a_file() {
        let shown = |setting: &str| KeySource::parse(setting).map(|source| source.to_string());
        assert_eq!(shown(" {\"keys\": []}").as_deref(), Ok("the configured text"));
        assert_eq!(shown("keys.json").as_deref(), Ok("keys.json"));
        assert_eq!(shown("https://a.example/jwks").as_deref(), Ok("https://a.example/jwks"));
        assert!(matches!(shown("ftp://a.example/jwks"), Err(SourceError::Url { .. })));
    }

    #[tokio::test]
    async fn a_server_that_is_silent_is_given_up() {
        // The kernel takes connections, and nobody answers.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let source = KeySource::url(&url).unwrap();
        let error = source.load_within(Duration::from_millis(20)).await.unwrap_err();
        assert!(error.to_string().ends_with("no answer within 20ms"), "{error}");
    }

    #[tokio::test]
    async fn a_file_is_bounded_and_errors_name_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        let error = KeySource::file(&file).load().await.unwrap_err();
        assert!(error.to_string().contains("keys.json"), "{error}");
        let json = r#"{"keys":[{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}"#;
        for (bytes, fits) in [(KEYS_BYTES_MAX, true), (KEYS_BYTES_MAX + 1, false), (1 << 20, false)] {
            std::fs::write(&file, json.to_owned() + &" ".repeat(bytes - json.len())).unwrap();
            assert_eq!(KeySource::file(&file).load().await.is_ok(), fits, "{bytes}");
        }
    }
}
