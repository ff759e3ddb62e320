//! The Lambda behind `JOIN_DOC`, `SYNC_STATE` and `LEAVE_DOC`.

use inklog_ingest::Sync;
use inklog_store::config::{StoreFactory, environment};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    inklog_store::config::log_json();
    let stores = StoreFactory::new(&environment).await;
    let function = Sync::new(stores.documents().await?, stores.audience().await?, stores.log_short_name()?);
    run(service_fn(async |event: LambdaEvent<_>| Ok::<_, Error>(function.handle(event.payload).await))).await
}
