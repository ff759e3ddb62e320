//! Verifying with keys that change: rotated by their owner, and at times out of reach.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;

use crate::{Identity, Jwks, KeySource, KeysError, Rules, SourceError, TokenError, TokenVerifier};

/// Keys are loaded at most this often, whatever tokens come.
const LOAD_INTERVAL: Duration = Duration::from_secs(60);
/// As long as there are none at all: after this, then twice this, up to [`LOAD_INTERVAL`].
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// For how long keys are used that could not be loaded again: whoever withdraws one must not have to reach us.
const STALE_MAX: Duration = Duration::from_secs(60 * 60);

/// A verifier whose keys follow their source: loaded at the first token, again when they are old, and again when
/// a token names a key that is not there. A source that is out of reach, or in disorder, leaves the keys that there
/// are for an hour; one without any key has withdrawn them.
#[derive(Debug)]
pub struct LiveVerifier {
    source: KeySource,
    rules: Rules,
    kept: Mutex<Kept>,
    /// Held while loading.
    loading: AsyncMutex<()>,
}

#[derive(Debug, Default)]
struct Kept {
    keys: Option<Arc<Jwks>>,
    loaded_at: Duration,
    tried_at: Option<Duration>,
    failures: u32,
    error: Option<SourceError>,
}

/// Why nobody is let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LiveError {
    /// The token is refused.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// There are no keys: nothing is known of the token.
    #[error(transparent)]
    Keys(#[from] SourceError),
}

impl LiveVerifier {
    /// Nothing is loaded yet.
    pub fn new(source: KeySource, rules: Rules) -> LiveVerifier {
        LiveVerifier { source, rules, kept: Mutex::default(), loading: AsyncMutex::new(()) }
    }

    /// Makes sure that there are keys, so that a mistake shows at the start and not at the first token.
    /// `monotonic` is as in [`LiveVerifier::verify`].
    pub async fn check(&self, monotonic: Duration) -> Result<(), SourceError> {
        self.keys(monotonic).await.map(|_| ())
    }

    /// Who the token's bearer is. `now_s` is in seconds since the epoch; `monotonic` is the age of a moment that
    /// stays the same, and never jumps.
    pub async fn verify(&self, token: &str, now_s: u64, monotonic: Duration) -> Result<Identity, LiveError> {
        let keys = self.keys(monotonic).await?;
        let verify =
            |keys: &Arc<Jwks>| TokenVerifier::new(keys.clone(), self.rules.clone()).verify(token, now_s);
        match verify(&keys) {
            // A set that grew tells by its tokens, too, which suddenly need a `kid`; those have one.
            Err(TokenError::UnknownKid) => {
                let newer = self.newer(&keys, monotonic).await;
                Ok(verify(&newer)?)
            }
            verified => Ok(verified?),
        }
    }

    /// The keys, loaded again if they are old. Only whoever loads them waits for that.
    async fn keys(&self, now: Duration) -> Result<Arc<Jwks>, SourceError> {
        let (keys, is_due) = {
            let kept = self.kept();
            (kept.keys.clone(), kept.is_due(now, self.source.age_max()))
        };
        match (keys, is_due) {
            (Some(keys), false) => Ok(keys),
            (Some(keys), true) => {
                if let Ok(_loading) = self.loading.try_lock() {
                    self.load_if_due(now, self.source.age_max()).await;
                }
                // Whoever loads them now still has these.
                let kept = self.kept();
                match (&kept.keys, &kept.error) {
                    (Some(keys), _) => Ok(keys.clone()),
                    (None, Some(error)) => Err(error.clone()),
                    (None, None) => Ok(keys),
                }
            }
            (None, _) => {
                let _loading = self.loading.lock().await;
                self.load_if_due(now, self.source.age_max()).await;
                let kept = self.kept();
                kept.keys.clone().ok_or_else(|| kept.error.clone().expect("without keys, loading has failed"))
            }
        }
    }

    /// Other keys than these, if the source has any.
    async fn newer(&self, known: &Arc<Jwks>, now: Duration) -> Arc<Jwks> {
        let _loading = self.loading.lock().await;
        let is_known = self.kept().keys.as_ref().is_none_or(|keys| Arc::ptr_eq(keys, known));
        if is_known {
            self.load_if_due(now, Duration::ZERO).await;
        }
        self.kept().keys.clone().unwrap_or_else(|| known.clone())
    }

    /// To be called by whoever holds `loading`.
    async fn load_if_due(&self, now: Duration, age_max: Duration) {
        {
            let mut kept = self.kept();
            if !kept.is_due(now, age_max) {
                return;
            }
            // Before loading: a caller that is gone half-way has tried.
            kept.tried_at = Some(now);
            kept.failures = kept.failures.saturating_add(1);
        }
        let loaded = self.source.load().await;
        let mut kept = self.kept();
        match loaded {
            Ok(keys) => {
                for skipped in keys.skipped() {
                    tracing::debug!(source = %self.source, "{skipped}");
                }
                let tried_at = kept.tried_at;
                *kept = Kept { keys: Some(Arc::new(keys)), loaded_at: now, tried_at, ..Kept::default() };
            }
            Err(error) => {
                let is_withdrawn = matches!(&error, SourceError::Keys { error: KeysError::NoneUsable, .. });
                let is_stale = now.saturating_sub(kept.loaded_at) >= STALE_MAX;
                if is_withdrawn || is_stale {
                    tracing::error!("{error}; nobody is let in until there are keys again");
                    kept.keys = None;
                } else if kept.keys.is_some() {
                    tracing::warn!("{error}; the keys from before are still used");
                }
                kept.error = Some(error);
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Whether keys are to be loaded if they must be younger than `age_max`.
    fn is_due(&self, now: Duration, age_max: Duration) -> bool {
        let interval = match self.keys {
            Some(_) => LOAD_INTERVAL,
            None => LOAD_INTERVAL.min(FIRST_RETRY * (1 << self.failures.saturating_sub(1).min(6))),
        };
        let may_try = self.tried_at.is_none_or(|tried_at| now.saturating_sub(tried_at) >= interval);
        may_try && (self.keys.is_none() || now.saturating_sub(self.loaded_at) >= age_max)
    }
}
