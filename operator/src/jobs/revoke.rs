//! Making a user's tokens void.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt as _};
use inklog_protocol::limits::BROADCAST_CONCURRENCY;
use inklog_protocol::{DocId, UserName};
use inklog_store::catalogue::Revocation;
use inklog_store::{PushError, StoreError};
use serde::{Deserialize, Serialize};

use crate::AccessOperator;

/// What came of a revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// Whose tokens are void.
    pub user: String,
    /// For which document; `None` for all.
    pub doc: Option<String>,
    /// Tokens issued up to this second since the epoch are.
    pub at: u64,
    /// How many connections were closed.
    pub closed: usize,
    /// What could not be done, a line each. The tokens are void all the same, and repeating it does the rest.
    pub failed: Vec<String>,
}

impl AccessOperator {
    /// Makes the tokens void that the user has now, for one document or for all; ends the registrations and
    /// the presence of the user's connections there, and closes them. Nobody connects with such a token from
    /// now on. Functions that are running notice within a minute what they have cached.
    pub async fn revoke(&self, user: &UserName, doc: Option<&DocId>) -> Result<Revoked, StoreError> {
        let audience = &self.audience;
        let now_ms = audience.clock.now_ms();
        let at = now_ms / 1_000;
        // First of all: whoever registers from here on finds this, and whoever has done so is found below.
        self.revocations.revoke(user, &Revocation { doc: doc.cloned(), at }, at).await?;
        let mut failed = Vec::new();
        let mut found = match audience.connections.of_user(user, now_ms).await {
            Ok(found) => found,
            Err(error) => {
                failed.push(format!("the connections cannot be found: {error}"));
                Vec::new()
            }
        };
        found.retain(|(of, _)| doc.is_none_or(|doc| doc == of));
        let connections: BTreeSet<String> = found.iter().map(|(_, connection)| connection.clone()).collect();

        // Then nothing is sent to them any more, though closing may fail.
        let leaving = stream::iter(found).map(async |(doc, connection)| {
            let left = audience.leave(&doc, &connection).await;
            left.err().map(|error| format!("connection {connection} stays registered with {doc}: {error}"))
        });
        failed.extend(
            leaving
                .buffer_unordered(BROADCAST_CONCURRENCY)
                .filter_map(async |line| line)
                .collect::<Vec<_>>()
                .await,
        );

        let closing = stream::iter(connections)
            .map(async |connection| (audience.push.close(&connection).await, connection))
            .buffer_unordered(BROADCAST_CONCURRENCY);
        let mut closing = std::pin::pin!(closing);
        let mut closed = 0;
        while let Some((outcome, connection)) = closing.next().await {
            match outcome {
                Ok(()) => closed += 1,
                // It has left by itself.
                Err(PushError::Gone) => {}
                Err(error) => failed.push(format!("connection {connection} is not closed: {error}")),
            }
        }
        Ok(Revoked { user: user.to_string(), doc: doc.map(DocId::to_string), at, closed, failed })
    }
}
