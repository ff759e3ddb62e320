//! A stand-in of Lambda's Runtime API: hands events to a function's process and takes its answers.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

/// What a function made of an event: its response, or the error that it reported.
pub type Answer = Result<Value, Value>;

struct Invocation {
    id: String,
    event: String,
    answer: oneshot::Sender<Answer>,
}

struct Shared {
    function: String,
    timeout: Duration,
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    /// Invocations that the function works on. A std mutex: never held across an await.
    under_way: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
}

/// The API of one function.
pub struct RuntimeApi {
    pub address: SocketAddr,
    invocations: AtomicU64,
    events: mpsc::UnboundedSender<Invocation>,
}

impl RuntimeApi {
    /// Serves a function that has `timeout` for each event, for as long as the test runs.
    pub async fn serve(function: &str, timeout: Duration) -> RuntimeApi {
        let (events, receiver) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            function: function.to_owned(),
            timeout,
            events: tokio::sync::Mutex::new(receiver),
            under_way: Mutex::default(),
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .with_state(shared);
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        RuntimeApi { address, invocations: AtomicU64::new(0), events }
    }

    /// Queues an event; the answer comes when the function has one.
    pub fn invoke(&self, event: &Value) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        let number = self.invocations.fetch_add(1, Ordering::Relaxed);
        let id = format!("8476a536-e9f4-11e8-9739-{number:012}");
        let invocation = Invocation { id, event: event.to_string(), answer };
        assert!(self.events.send(invocation).is_ok(), "the Runtime API has ended");
        answered
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    let mut events = shared.events.lock().await;
    let Some(Invocation { id, event, answer }) = events.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline = SystemTime::now() + shared.timeout;
    let deadline = deadline.duration_since(SystemTime::UNIX_EPOCH).expect("the clock is right").as_millis();
    let arn = format!("arn:aws:lambda:us-east-1:123456789012:function:{}", shared.function);
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", id.clone()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", arn),
        (
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419".to_owned(),
        ),
    ];
    shared.under_way.lock().expect("no holder panics").insert(id, answer);
    (headers, event).into_response()
}

async fn response(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    shared.answer(&id, &body, Ok)
}

async fn error(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    shared.answer(&id, &body, Err)
}

impl Shared {
    fn answer(&self, id: &str, body: &[u8], kind: impl Fn(Value) -> Answer) -> StatusCode {
        let Some(answer) = self.under_way.lock().expect("no holder panics").remove(id) else {
            return StatusCode::BAD_REQUEST;
        };
        let Ok(body) = serde_json::from_slice(body) else { return StatusCode::BAD_REQUEST };
        // A test that no longer waits has failed already.
        let _ = answer.send(kind(body));
        StatusCode::ACCEPTED
    }
}
