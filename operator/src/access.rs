//! Who is connected, and who is let in no more.

use std::sync::Arc;

use inklog_store::Revocations;
use inklog_store::audience::Audience;

/// Does the jobs on connections and their users. A clone is another handle to the same.
#[derive(Clone)]
pub struct AccessOperator {
    pub(crate) revocations: Arc<dyn Revocations>,
    pub(crate) audience: Audience,
}

impl AccessOperator {
    /// Jobs over these stores; the audience's clock tells what is void from when on.
    pub fn new(revocations: Arc<dyn Revocations>, audience: Audience) -> AccessOperator {
        AccessOperator { revocations, audience }
    }
}
