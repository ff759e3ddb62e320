//! An operator on AWS.

use std::sync::Arc;

use inklog_protocol::limits::DOC_BYTES_MAX;
use inklog_store::config::{ConfigError, StoreFactory, environment};
use inklog_store::document::Documents;
use inklog_store::live::memory::MemoryLiveState;
use inklog_store::{SystemClock, SystemEntropy};

use crate::{AccessOperator, Operator};

/// The operator of the stores on AWS that the environment's `INKLOG_…` variables describe. Jobs that need
/// no live state need no Redis: an empty one in memory takes its place.
pub async fn operator_on_aws(needs_live: bool) -> Result<Operator, ConfigError> {
    let factory = StoreFactory::new(&environment).await;
    let documents = match needs_live {
        true => factory.documents().await?,
        false => Documents {
            log: factory.op_log()?,
            catalogue: factory.catalogue()?,
            objects: factory.objects()?,
            live: Arc::new(MemoryLiveState::new(Arc::new(SystemClock))),
            entropy: Arc::new(SystemEntropy),
            doc_bytes_max: DOC_BYTES_MAX,
        },
    };
    Ok(Operator::new(documents, Arc::new(SystemClock)))
}

/// The same for connections and their users.
pub async fn access_operator_on_aws() -> Result<AccessOperator, ConfigError> {
    let factory = StoreFactory::new(&environment).await;
    Ok(AccessOperator::new(factory.catalogue()?, factory.audience().await?))
}
