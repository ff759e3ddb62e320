//! The Lambda behind `$default` and `PING`.

use inklog_ingest::Fallback;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    inklog_store::config::log_json();
    run(service_fn(async |event: LambdaEvent<_>| Ok::<_, Error>(Fallback.handle(event.payload).await))).await
}
