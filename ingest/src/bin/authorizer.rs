//! The Lambda before `$connect`.

use std::sync::Arc;

use inklog_ingest::Authorizer;
use inklog_ingest::authorizer::settings;
use inklog_store::SystemClock;
use inklog_store::config::{StoreFactory, environment};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    inklog_store::config::log_json();
    let verifier = settings::verifier(|name| std::env::var(name).ok()).await?;
    let stores = StoreFactory::new(&environment).await;
    let function = Authorizer::new(verifier, stores.catalogue()?, Arc::new(SystemClock));
    run(service_fn(async |event: LambdaEvent<_>| function.handle(event.payload).await)).await
}
