//! One suite a store: what is in memory passes it, alone and behind a tap, and so does the real client on
//! what is embedded. Those of live state, connections and presence are in `store/tests`.

mod catalogue;
mod log;
mod objects;
mod push;

use std::sync::Arc;

use inklog_local::EmbeddedDynamoDb;
use inklog_store::config;
use inklog_store::tap::{Tap, Tapped};
use inklog_store::{Clock, ManualClock};

/// When the clocks of these tests begin.
const NOW_MS: u64 = 1_700_000_000_000;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(NOW_MS))
}

/// Puts a tap before a store that only lets calls pass.
fn tapped<S: ?Sized>(store: Arc<S>) -> Arc<Tapped<S>> {
    struct LetPass;
    impl Tap for LetPass {}
    let clock: Arc<dyn Clock> = clock();
    Tapped::new(store, Arc::new(LetPass), clock)
}

/// An embedded DynamoDB, and the SDK's client of it.
async fn dynamodb() -> (EmbeddedDynamoDb, aws_sdk_dynamodb::Client) {
    let embedded = EmbeddedDynamoDb::memory().await.expect("DynamoDB starts");
    let config = config::dynamodb_config(&embedded.sdk_config(), None).build();
    (embedded, aws_sdk_dynamodb::Client::from_conf(config))
}
