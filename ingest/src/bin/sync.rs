//! The Lambda behind `JOIN_DOC`, `SYNC_STATE` and `LEAVE_DOC`.

use inklog_ingest::{Gate, Sync};
use inklog_store::config::{StoreFactory, environment};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    inklog_store::config::log_json();
    let stores = StoreFactory::new(&environment).await;
    let gate = Gate::configured(&stores)?;
    let (documents, audience) = (stores.documents().await?, stores.audience().await?);
    let function = Sync::new(gate, documents, audience, stores.log_short_name()?);
    run(service_fn(async |event: LambdaEvent<_>| Ok::<_, Error>(function.handle(event.payload).await))).await
}
