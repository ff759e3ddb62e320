//! Who wrote something.

use serde::{Deserialize, Serialize};

/// Who wrote something, as the server knows it: from the identity of a connection, never from its messages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Author {
    /// The user's name.
    pub user: String,
    /// What others see, if it is not the user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
