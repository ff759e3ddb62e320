//! Access on the wire: the stack as `inklog dev --auth` starts it, and the built binaries of all functions behind
//! the gateway, each asked for everything by every role.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest,
};
use inklog_access::signing::SigningKeys;
use inklog_access::{Algorithm, Rules};
use inklog_local::stack::ROUTES;
use inklog_local::{
    Auth, Authorization, Authorizer, BoxError, Data, Gateway, GatewayConfig, Routes, Stack, StackConfig,
    StackError, WebSocketFunction, serve,
};
use inklog_store::{Clock as _, ManualClock, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::harness::token;
use crate::lambda_binaries::process::Lambda;
use crate::lambda_binaries::world::World;
use crate::socket::Socket;

/// A stack that demands tokens, and what signs them.
struct Guarded {
    stack: Stack,
    keys: SigningKeys,
    clock: Arc<ManualClock>,
    /// Holds the keys' file.
    _folder: TempDir,
}

impl Guarded {
    async fn start() -> Guarded {
        let keys = SigningKeys::generate(Algorithm::EdDsa).expect("a key");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("keys.json");
        std::fs::write(&file, keys.to_json()).expect("the folder can be written");
        let auth = Auth { keys: file.display().to_string(), rules: Rules::default() };
        let clock = Arc::new(ManualClock::new(SystemClock.now_ms()));
        let config = StackConfig { port: 0, data: Data::Memory, auth: Some(auth), ..StackConfig::default() };
        let stack = Stack::start_with_clock(config, clock.clone()).await.expect("the stack starts");
        Guarded { stack, keys, clock, _folder: folder }
    }

    fn token(&self, user: &str, docs: &str) -> String {
        token(&self.keys, user, docs, self.clock.now_ms() / 1000)
    }
}

/// Opens a connection with these subprotocols; the one that was chosen, or the status that refuses it.
async fn open(url: &str, protocols: &str) -> Result<(Socket, Option<String>), u16> {
    let mut request = url.into_client_request().expect("a URL");
    if !protocols.is_empty() {
        request.headers_mut().insert("sec-websocket-protocol", protocols.parse().expect("a header"));
    }
    match Socket::open(request).await {
        Ok((socket, answer)) => {
            let chosen = answer.headers().get("sec-websocket-protocol");
            Ok((socket, chosen.map(|chosen| chosen.to_str().expect("ASCII").to_owned())))
        }
        Err(WsError::Http(answer)) => Err(answer.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

async fn with_token(url: &str, token: &str) -> Socket {
    let opened = open(url, &format!("inklog, inklog.jwt.{token}")).await;
    opened.unwrap_or_else(|status| panic!("refused with {status}")).0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_opens_with_a_good_token_only() {
    let guarded = Guarded::start().await;
    let url = guarded.stack.ws_url();
    let good = guarded.token("alice", r#"{"notes":"write"}"#);
    let foreign = token(
        &SigningKeys::generate(Algorithm::EdDsa).unwrap(),
        "alice",
        "{}",
        guarded.clock.now_ms() / 1000,
    );
    let old = token(&guarded.keys, "alice", "{}", guarded.clock.now_ms() / 1000 - 3_600);
    for protocols in [
        String::new(),
        "inklog".to_owned(),
        "inklog, inklog.jwt.".to_owned(),
        "inklog, inklog.jwt.x.y.z".to_owned(),
        format!("inklog, inklog.jwt.{foreign}"),
        format!("inklog, inklog.jwt.{old}"),
        format!("inklog, inklog.jwt.{good}, inklog.jwt.{good}"),
    ] {
        assert_eq!(open(url, &protocols).await.err(), Some(401), "{protocols}");
    }
    for query in ["?token=", "?token=x.y.z", &format!("?token={old}"), &format!("?token={good}&token={good}")]
    {
        assert_eq!(open(&format!("{url}{query}"), "").await.err(), Some(401), "{query}");
    }
    for (query, protocols, chosen) in [
        (String::new(), format!("inklog, inklog.jwt.{good}"), Some("inklog")),
        (String::new(), format!("inklog.jwt.{good},inklog"), Some("inklog")),
        (format!("?token={good}"), "inklog".to_owned(), Some("inklog")),
        (format!("?token={good}"), String::new(), None),
        ("?token=x.y.z".to_owned(), format!("inklog, inklog.jwt.{good}"), Some("inklog")),
    ] {
        let (mut socket, echoed) = open(&format!("{url}{query}"), &protocols).await.expect("it is let in");
        assert_eq!(echoed.as_deref(), chosen, "{query} {protocols}");
        assert_eq!(socket.ask(json!({"action": "PING", "ref": 1})).await["action"], "PONG");
    }
    guarded.stack.stop().await;
}

/// The roles, what their tokens say, and whether they read and write `notes`.
const ROLES: [(&str, &str, bool, bool); 6] = [
    ("nothing", "{}", false, false),
    ("elsewhere", r#"{"note":"manage","notes2":"manage","team.*":"write"}"#, false, false),
    ("reader", r#"{"no*":"read","other":"write"}"#, true, false),
    ("writer", r#"{"notes":"write"}"#, true, true),
    ("manager", r#"{"notes":"manage","*":"read"}"#, true, true),
    ("anything", r#"{"*":"write"}"#, true, true),
];

/// Asks for each action with each role.
async fn walk(url: &str, token_of: impl Fn(&str, &str) -> String) {
    // All that is in the document, so that a sync lacks nothing.
    let mut version = json!({});
    for (number, (role, docs, reads, writes)) in (0..).zip(ROLES) {
        let user = format!("user{number}");
        let agent = format!("{user}~1");
        let mut socket = with_token(url, &token_of(&user, docs)).await;
        let forbidden = |is_allowed: bool, code: &'static str| if is_allowed { code } else { "forbidden" };
        let insert = json!({"type": "insert", "id": format!("{agent}-0"), "text": "x", "left": null});
        for (message, expected) in [
            (json!({"action": "PING"}), "PONG"),
            // Whoever may show themselves has to be there first.
            (
                json!({"action": "PRESENCE", "docId": "notes", "agent": agent, "state": {}}),
                forbidden(reads, "not_joined"),
            ),
            (json!({"action": "JOIN_DOC", "docId": "notes"}), forbidden(reads, "DOC_STATE")),
            (
                json!({"action": "SYNC_STATE", "docId": "notes", "version": version}),
                forbidden(reads, "OP_REPLAY"),
            ),
            (
                json!({"action": "SEND_OP", "docId": "notes", "agent": agent, "after": 0, "ops": [insert]}),
                forbidden(writes, "OP_ACK"),
            ),
            (
                json!({"action": "SEND_OP", "docId": "notes", "agent": "someone", "after": 0, "ops": [
                    {"type": "insert", "id": "someone-0", "text": "x", "left": null},
                ]}),
                "forbidden",
            ),
            (json!({"action": "DANCE", "docId": "notes"}), "unknown_action"),
        ] {
            assert_eq!(answer(&mut socket, &message).await, expected, "{role}: {message}");
        }
        if writes {
            version[&agent] = json!(1);
        }
        // It is answered with nothing: what follows would come after a refusal.
        socket.send(json!({"action": "LEAVE_DOC", "docId": "notes", "ref": "leave"})).await;
        for _ in 0..3 {
            assert_eq!(answer(&mut socket, &json!({"action": "PING"})).await, "PONG", "{role} leaves");
        }
    }
}

/// The action of the answer or, of an error, its code.
async fn answer(socket: &mut Socket, message: &Value) -> String {
    let mut message = message.clone();
    message["ref"] = json!("asked");
    socket.send(message).await;
    loop {
        let frame = socket.next().await;
        assert_ne!(frame["ref"], "leave", "{frame}");
        if frame["ref"] == "asked" {
            let name = if frame["action"] == "ERROR" { &frame["code"] } else { &frame["action"] };
            return name.as_str().expect("a name").to_owned();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_does_on_the_wire_what_its_token_says() {
    let guarded = Guarded::start().await;
    walk(guarded.stack.ws_url(), |user, docs| guarded.token(user, docs)).await;
    guarded.stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_outlives_its_token_without_any_right() {
    let guarded = Guarded::start().await;
    let url = guarded.stack.ws_url();
    let token = guarded.token("alice", r#"{"notes":"write"}"#);
    let mut socket = with_token(url, &token).await;
    assert_eq!(answer(&mut socket, &json!({"action": "JOIN_DOC", "docId": "notes"})).await, "DOC_STATE");
    guarded.clock.pass(Duration::from_secs(600));
    for message in [json!({"action": "JOIN_DOC", "docId": "notes"}), json!({"action": "PING"})] {
        assert_eq!(answer(&mut socket, &message).await, "unauthorized", "{message}");
    }
    // Clocks differ by a little, so that the token itself is good for a minute more.
    guarded.clock.pass(Duration::from_secs(61));
    assert_eq!(open(url, &format!("inklog, inklog.jwt.{token}")).await.err(), Some(401));
    guarded.stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_keys_a_stack_does_not_start() {
    for (keys, said) in [
        ("/nowhere/keys.json", "/nowhere/keys.json"),
        ("http://idp.example/jwks", "https://"),
        ("{\"keys\":[]}", "no key"),
    ] {
        let auth = Auth { keys: keys.to_owned(), rules: Rules::default() };
        let config = StackConfig { port: 0, data: Data::Memory, auth: Some(auth), ..StackConfig::default() };
        let error = Stack::start(config).await.err().expect("it has no keys");
        assert!(matches!(error, StackError::Keys(_)) && error.to_string().contains(said), "{error}");
    }
}

/// A function's process behind the emulated gateway.
struct Binary(Mutex<Lambda>);

#[async_trait]
impl WebSocketFunction for Binary {
    async fn invoke(
        &self,
        event: ApiGatewayWebsocketProxyRequest,
    ) -> Result<ApiGatewayProxyResponse, BoxError> {
        let answer = self.0.lock().await.answer(&serde_json::to_value(event)?).await;
        Ok(serde_json::from_value(answer.map_err(|error| error.to_string())?)?)
    }
}

#[async_trait]
impl Authorizer for Binary {
    async fn authorize(
        &self,
        request: ApiGatewayCustomAuthorizerRequestTypeRequest,
    ) -> Result<Authorization, BoxError> {
        match self.0.lock().await.answer(&serde_json::to_value(request)?).await {
            Ok(allowed) => {
                assert_eq!(allowed["policyDocument"]["Statement"][0]["Effect"], "Allow");
                let principal_id = allowed["principalId"].as_str().expect("a user").to_owned();
                Ok(Authorization::Allow {
                    principal_id,
                    context: serde_json::from_value(allowed["context"].clone())?,
                })
            }
            Err(error) if error["errorMessage"] == "Unauthorized" => Ok(Authorization::Unauthorized),
            Err(error) => Err(error.to_string().into()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_does_the_same_with_the_built_binaries() {
    let world = World::start().await;
    let start = async |binary: &'static str| {
        let mut environment = world.environment(binary);
        if environment.contains_key("INKLOG_AUTH_MODE") {
            environment.insert("INKLOG_AUTH_MODE".into(), "jwt".into());
        }
        Arc::new(Binary(Mutex::new(Lambda::start_in(environment, binary).await)))
    };
    let mut running = HashMap::new();
    let mut routes = Routes::new().authorizer(start("authorizer").await, [""; 0]);
    for (key, binary) in ROUTES {
        if !running.contains_key(binary) {
            running.insert(binary, start(binary).await);
        }
        routes = match key.starts_with('$') && key != "$default" {
            true => routes.route(key, running[binary].clone()),
            false => routes.route_with_response(key, running[binary].clone()),
        };
    }
    let gateway = Gateway::new(GatewayConfig::default(), routes);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let url = format!("ws://{}/dev", listener.local_addr().expect("an address"));
    tokio::spawn(serve(listener, gateway.router(), std::future::pending()));

    assert_eq!(open(&url, "inklog").await.err(), Some(401));
    assert_eq!(open(&format!("{url}?token=x.y.z"), "inklog").await.err(), Some(401));
    walk(&url, |user, docs| token(&world.keys, user, docs, world.now() / 1000)).await;
}
