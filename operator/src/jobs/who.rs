//! Who is connected to a document.

use inklog_protocol::{DocId, Right};
use inklog_store::StoreError;
use serde::{Deserialize, Serialize};

use crate::AccessOperator;

/// A connection that is registered with a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// API Gateway's id of the connection.
    pub connection: String,
    /// Whose it is; `None` where access is open.
    pub user: Option<String>,
    /// What others see of them, if it is not the user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it may do with the document.
    pub right: Right,
    /// In how many seconds its token ends; `None` where access is open.
    pub expires_in: Option<u64>,
}

impl AccessOperator {
    /// The document's connections, by user. One that has gone without a goodbye is among them for a while.
    pub async fn who(&self, doc: &DocId) -> Result<Vec<Present>, StoreError> {
        let now_ms = self.audience.clock.now_ms();
        let registrations = self.audience.connections.registrations(doc, now_ms).await?;
        let mut present: Vec<Present> = registrations
            .into_iter()
            .map(|registration| match registration.holder {
                Some(holder) => Present {
                    connection: registration.connection,
                    user: Some(holder.author.user),
                    name: holder.author.name,
                    right: holder.right,
                    expires_in: Some(holder.expires_at.saturating_sub(now_ms / 1_000)),
                },
                None => Present {
                    connection: registration.connection,
                    user: None,
                    name: None,
                    right: Right::Manage,
                    expires_in: None,
                },
            })
            .collect();
        present.sort_by(|a, b| (&a.user, &a.connection).cmp(&(&b.user, &b.connection)));
        Ok(present)
    }
}
