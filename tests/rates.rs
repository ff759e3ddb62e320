//! Who asks for too much is told when to come again, and nothing is done for it.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use aws_lambda_events::encodings::Body;
use inklog_access::{AuthMode, Identity};
use inklog_crdt::{Event, Op, Origin};
use inklog_ingest::{Fallback, Gate, SendOp, Sync};
use inklog_protocol::UserName;
use inklog_protocol::limits::{MESSAGE_KIB, MESSAGES, NEW_DOCUMENTS, STATE_KIB, USER_RATE_FACTOR};
use inklog_store::Clock;
use inklog_store::audience::Audience;
use inklog_store::catalogue::memory::MemoryCatalogue;
use inklog_store::connections::memory::MemoryConnections;
use inklog_store::push::memory::MemoryPush;
use serde_json::{Value, json};

use crate::harness::{Harness, agent, doc};

fn event(frame: &Value) -> ApiGatewayWebsocketProxyRequest {
    let mut event = ApiGatewayWebsocketProxyRequest::default();
    event.request_context.connection_id = Some("c".to_owned());
    event.body = Some(frame.to_string());
    event
}

fn frame(response: ApiGatewayProxyResponse) -> Value {
    let Some(Body::Text(text)) = response.body else { panic!("there is an answer") };
    serde_json::from_str(&text).expect("JSON")
}

/// Asks until it is refused: how often it was answered, and the refusal.
async fn until_refused(mut ask: impl AsyncFnMut(u64) -> Value) -> (u64, Value) {
    for count in 0.. {
        let answer = ask(count).await;
        if answer["action"] == "ERROR" {
            return (count, answer);
        }
    }
    unreachable!("it counts for ever");
}

fn check(refusal: &Value) -> Duration {
    assert_eq!((&refusal["code"], &refusal["retry"]), (&json!("rate_limited"), &json!(true)), "{refusal}");
    Duration::from_millis(refusal["retryAfterMs"].as_u64().expect("it says when to come again"))
}

fn limited(harness: &Harness) -> Gate {
    Gate::open().limited(harness.clock.clone())
}

fn send_op(harness: &Harness) -> SendOp {
    let (log, catalogue) = (harness.documents.log.clone(), harness.documents.catalogue.clone());
    SendOp::new(limited(harness), log, catalogue, harness.clock.clone())
}

fn typed(doc: &str, seq: u64, text: &str) -> Value {
    let left = seq.checked_sub(1).map(|last| format!("ann-{last}"));
    let op = json!({"type": "insert", "id": format!("ann-{seq}"), "text": text, "left": left});
    json!({"action": "SEND_OP", "docId": doc, "agent": "ann", "after": seq, "ops": [op], "ref": seq})
}

#[tokio::test]
async fn messages_pass_again_when_the_refusal_says_so() {
    let harness = Harness::memory();
    let fallback = Fallback::new(limited(&harness));
    let ping = async || frame(fallback.handle(event(&json!({"action": "PING", "ref": "r"}))).await);
    let (answered, refusal) = until_refused(async |_| ping().await).await;
    assert_eq!((answered, &refusal["ref"]), (u64::from(MESSAGES.burst), &json!("r")));
    harness.clock.pass(check(&refusal));
    assert_eq!(ping().await["action"], "PONG");
    check(&ping().await);
}

#[tokio::test]
async fn whoever_has_no_identity_is_slowed_down_as_well() {
    let harness = Harness::memory();
    let gate = Gate::new(AuthMode::Jwt, Arc::new(MemoryCatalogue::new()), harness.clock.clone());
    let fallback = Fallback::new(gate.limited(harness.clock.clone()));
    let ping = async || frame(fallback.handle(event(&json!({"action": "PING"}))).await);
    for _ in 0..MESSAGES.burst {
        assert_eq!(ping().await["code"], "unauthorized");
    }
    check(&ping().await);
}

#[tokio::test]
async fn a_user_over_many_connections_may_do_so_many_times_what_one_may() {
    let harness = Harness::memory();
    let gate = Gate::new(AuthMode::Jwt, Arc::new(MemoryCatalogue::new()), harness.clock.clone());
    let fallback = Fallback::new(gate.limited(harness.clock.clone()));
    let ping = async |user: &str, connection: u64| {
        let now_s = harness.clock.now_ms() / 1_000;
        let identity = Identity {
            user: UserName::new(user).unwrap(),
            name: None,
            grants: serde_json::from_str(r#"{"d":"read"}"#).unwrap(),
            issued_at: now_s,
            expires_at: now_s + 3_600,
        };
        let mut event = event(&json!({"action": "PING"}));
        event.request_context.connection_id = Some(format!("{user}-{connection}"));
        for (name, value) in identity.to_context() {
            event.request_context.authorizer.fields.insert(name, json!(value));
        }
        frame(fallback.handle(event).await)
    };
    let (answered, refusal) = until_refused(async |count| ping("alice", count % 10).await).await;
    assert_eq!(answered, u64::from(USER_RATE_FACTOR * MESSAGES.burst));
    assert_eq!(ping("bob", 0).await["action"], "PONG", "another's is another bucket");
    harness.clock.pass(check(&refusal));
    assert_eq!(ping("alice", 1).await["action"], "PONG");
}

#[tokio::test]
async fn what_is_refused_is_not_in_the_log_and_is_taken_later() {
    let harness = Harness::memory();
    let send_op = send_op(&harness);
    let text = "x".repeat(30_000);
    let send = async |n: u64| frame(send_op.handle(event(&typed("d", n * 30_000, &text))).await);
    // As many as the bucket of bytes holds: each takes 30 KiB with its envelope.
    let (taken, refusal) = until_refused(send).await;
    assert_eq!(taken, u64::from(MESSAGE_KIB.burst / 30));
    let end =
        harness.documents.log.last_of(&doc("d"), &agent("ann"), None).await.unwrap().unwrap().event.end();
    assert_eq!(end, taken * 30_000, "nothing of it is in the log");
    harness.clock.pass(check(&refusal));
    assert_eq!(send(taken).await["action"], "OP_ACK");
}

#[tokio::test]
async fn a_connection_begins_so_many_documents_and_goes_on_in_those_there_are() {
    let harness = Harness::memory();
    let send_op = send_op(&harness);
    let begin = async |n: u64| frame(send_op.handle(event(&typed(&format!("d{n}"), 0, "x"))).await);
    let (begun, refusal) = until_refused(begin).await;
    assert_eq!(begun, u64::from(NEW_DOCUMENTS.burst));
    let refused = harness.documents.log.last_of(&doc(&format!("d{begun}")), &agent("ann"), None).await;
    assert_eq!(refused.unwrap(), None);
    assert_eq!(frame(send_op.handle(event(&typed("d0", 1, "y"))).await)["action"], "OP_ACK");
    harness.clock.pass(check(&refusal));
    assert_eq!(begin(begun).await["action"], "OP_ACK");
}

#[tokio::test]
async fn large_states_are_sent_so_often() {
    let harness = Harness::memory();
    let op = Op::Insert { seq: 0, text: "x".repeat(100_000), origin: Origin::Left(None) };
    harness.append(&doc("d"), [Event::new(agent("ann"), 0, vec![op]).unwrap()]).await;
    let (connections, push) = (Arc::new(MemoryConnections::new()), Arc::new(MemoryPush::new()));
    push.open("c");
    let clock: Arc<dyn Clock> = harness.clock.clone();
    let audience = Audience { presence: connections.clone(), connections, push, clock };
    let sync = Sync::new(limited(&harness), harness.documents.clone(), audience, "log".to_owned());
    let join = json!({"action": "JOIN_DOC", "docId": "d", "format": "ops"});
    let (sent, refusal) = until_refused(async |_| frame(sync.handle(event(&join)).await)).await;
    let each_kib = u64::from(STATE_KIB.burst) / sent;
    assert!((98..104).contains(&each_kib), "{sent} states of 100,000 characters");
    harness.clock.pass(check(&refusal));
    assert_eq!(frame(sync.handle(event(&join)).await)["action"], "DOC_STATE");
}
