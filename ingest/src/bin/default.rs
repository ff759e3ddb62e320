//! The Lambda behind `$default` and `PING`.

use inklog_ingest::{Fallback, Gate};
use inklog_store::config::{StoreFactory, environment};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    inklog_store::config::log_json();
    let stores = StoreFactory::new(&environment).await;
    let function = Fallback::new(Gate::configured(&stores)?);
    run(service_fn(async |event: LambdaEvent<_>| Ok::<_, Error>(function.handle(event.payload).await))).await
}
