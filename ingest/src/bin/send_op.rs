//! The Lambda behind `SEND_OP`.

use std::sync::Arc;

use inklog_ingest::{Gate, SendOp};
use inklog_store::SystemClock;
use inklog_store::config::{StoreFactory, environment};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    inklog_store::config::log_json();
    let stores = StoreFactory::new(&environment).await;
    let gate = Gate::configured(&stores)?;
    let function = SendOp::new(gate, stores.op_log()?, stores.catalogue()?, Arc::new(SystemClock));
    run(service_fn(async |event: LambdaEvent<_>| Ok::<_, Error>(function.handle(event.payload).await))).await
}
