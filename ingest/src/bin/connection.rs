//! The Lambda behind `$connect` and `$disconnect`.

use inklog_ingest::{Connection, Gate};
use inklog_store::config::{self, StoreFactory, environment};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    inklog_store::config::log_json();
    let stores = StoreFactory::new(&environment).await;
    let gate = Gate::configured(&stores)?;
    let function = Connection::new(gate, stores.audience().await?);
    let function = function.with_allowed_origins(&config::allowed_origins()?);
    run(service_fn(async |event: LambdaEvent<_>| Ok::<_, Error>(function.handle(event.payload).await))).await
}
