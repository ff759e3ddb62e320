//! The Lambda on the log's stream that maintains the live state.

use std::sync::Arc;

use inklog_materializer::Materializer;
use inklog_store::SystemClock;
use inklog_store::config::{StoreFactory, environment};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    inklog_store::config::log_json();
    let stores = StoreFactory::new(&environment).await;
    let function = Materializer::new(stores.documents().await?, Arc::new(SystemClock));
    run(service_fn(async |event: LambdaEvent<_>| Ok::<_, Error>(function.handle(event.payload).await))).await
}
