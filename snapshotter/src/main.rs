//! The scheduled Lambda that compacts the log. The schedule's detail `{"sweep":true}` asks for all
//! documents instead of the dirty ones.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use inklog_operator::Operator;
use inklog_snapshotter::Snapshotter;
use inklog_store::SystemClock;
use inklog_store::config::{StoreFactory, environment};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

/// Reserved at the end of the function's time for the document in progress.
const RESERVE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<(), Error> {
    inklog_store::config::log_json();
    let stores = StoreFactory::new(&environment).await;
    let function = Snapshotter::new(Operator::new(stores.documents().await?, Arc::new(SystemClock)));
    run(service_fn(async |event: LambdaEvent<serde_json::Value>| {
        let left = event.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        let time = left.saturating_sub(RESERVE);
        let sweep = event.payload["detail"]["sweep"] == true;
        let run = function.scheduled(sweep, time).await?;
        tracing::info!(?run, sweep, "finished a run");
        Ok::<_, Error>(run)
    }))
    .await
}
