//! `GET /_inklog/pipeline?doc=NAME`: passages, as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::stream;
use inklog_protocol::DocId;
use serde::Deserialize;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::{Numbered, Pipeline};

/// How often to send a keep-alive on an idle connection, which also detects watchers that are gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The route.
pub(crate) fn router(pipeline: Pipeline) -> Router {
    Router::new().route("/_inklog/pipeline", get(watch)).with_state(pipeline)
}

#[derive(Deserialize)]
struct Watch {
    doc: String,
}

/// Sends the document's newest passages, then each new one. A browser that reconnects names the last one
/// it got, and continues from there.
async fn watch(
    State(pipeline): State<Pipeline>,
    Query(Watch { doc }): Query<Watch>,
    headers: HeaderMap,
) -> Response {
    let doc = match DocId::new(&doc) {
        Ok(doc) => doc,
        Err(error) => {
            let error = Json(serde_json::json!({ "error": error.to_string() }));
            return (StatusCode::BAD_REQUEST, error).into_response();
        }
    };
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse::<u64>().ok());
    let (first, receiver) = pipeline.watch(&doc, last.map_or(0, |last| last.saturating_add(1)));
    let watcher = Watcher { doc, first: first.into(), receiver };
    let events = stream::unfold(watcher, async |mut watcher| {
        let event = to_event(&watcher.next().await?);
        Some((Ok::<_, Infallible>(event), watcher))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

struct Watcher {
    doc: DocId,
    first: VecDeque<Numbered>,
    receiver: Option<broadcast::Receiver<Numbered>>,
}

impl Watcher {
    /// `None` once the stack stops.
    async fn next(&mut self) -> Option<Numbered> {
        if let Some(first) = self.first.pop_front() {
            return Some(first);
        }
        loop {
            match self.receiver.as_mut()?.recv().await {
                Ok(numbered) if numbered.1.doc == self.doc.as_str() => return Some(numbered),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn to_event((number, passage): &Numbered) -> Event {
    let data = serde_json::to_string(&**passage).expect("a passage is plain JSON");
    Event::default().id(number.to_string()).data(data)
}
