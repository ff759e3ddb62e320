//! The errors of the stores.

use aws_credential_types::provider::error::CredentialsError;
use inklog_crdt::DecodeError;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store failed or did not answer. The call **may have happened**; repeating it is safe, because
    /// every step of Inklog is idempotent.
    #[error("{}", unavailable(store, &**source))]
    Unavailable {
        /// Which store: "DynamoDB", "Redis", "S3".
        store: &'static str,
        /// The client's error.
        #[source]
        source: Source,
    },
    /// The store refused: it is full, or does not allow this. Nothing was done.
    #[error("{store} refuses: {reason}")]
    Refused {
        /// Which store.
        store: &'static str,
        /// Its message.
        reason: String,
    },
    /// Something was written by a newer Inklog: hold, and retry after an upgrade.
    #[error("{what}: {error}")]
    Newer {
        /// Which item.
        what: String,
        /// Which versions.
        error: DecodeError,
    },
    /// A stored item cannot be read.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// Which item or object.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What is wrong with a store, or, if something else is wrong, what to do.
fn unavailable(store: &str, source: &(dyn std::error::Error + 'static)) -> String {
    // A list of the places that were tried helps nobody who meant none of them.
    let mut chain = std::iter::successors(Some(source), |error| error.source());
    if chain.any(|error| error.is::<CredentialsError>()) {
        return format!(
            "cannot use {store}: there are no AWS credentials; set AWS_PROFILE, or AWS_ACCESS_KEY_ID \
             and AWS_SECRET_ACCESS_KEY"
        );
    }
    format!("{store} is unavailable: {}", reasons(source))
}

/// An error and its sources: the SDK's own message stops at "unhandled error".
fn reasons(error: &(dyn std::error::Error + 'static)) -> String {
    let mut reasons: Vec<String> = Vec::new();
    for reason in std::iter::successors(Some(error), |error| error.source()) {
        let reason = reason.to_string();
        // Some errors' messages already include their source.
        if !reasons.iter().any(|said| said.contains(&reason)) {
            reasons.push(reason);
        }
    }
    reasons.join(": ")
}

impl StoreError {
    /// A store is unavailable.
    pub fn unavailable(store: &'static str, source: impl Into<Source>) -> StoreError {
        StoreError::Unavailable { store, source: source.into() }
    }

    /// A stored item does not decode.
    pub fn undecodable(what: impl Into<String>, error: DecodeError) -> StoreError {
        match error {
            DecodeError::Newer { .. } => StoreError::Newer { what: what.into(), error },
            error => StoreError::Damaged { what: what.into(), reason: error.to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<Layer>>);

    #[test]
    fn missing_credentials_are_called_so() {
        let missing = CredentialsError::not_loaded("no providers in chain provided credentials");
        let said = StoreError::unavailable("DynamoDB", missing).to_string();
        assert!(said.contains("no AWS credentials") && said.contains("AWS_PROFILE"), "{said}");
        assert!(!said.contains("is unavailable"), "{said}");
    }

    #[test]
    fn every_reason_is_said_once() {
        let refused = Layer("connection refused", None);
        let named = Layer("cannot connect: connection refused", Some(Box::new(refused)));
        let error = StoreError::unavailable("S3", Layer("unhandled error", Some(Box::new(named))));
        let said = "S3 is unavailable: unhandled error: cannot connect: connection refused";
        assert_eq!(error.to_string(), said);
    }
}
