//! A server that has a log, lets in whoever comes, and says what it is told to of tokens and rights.

use std::sync::{Arc, Mutex};

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

/// What happened, in order, with the number of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Opened(usize),
    Joined(usize),
    Closed(usize),
}

#[derive(Default)]
struct State {
    log: Vec<Value>,
    events: Vec<Event>,
    connections: usize,
    /// Connections up to this one may not write: their tokens are over.
    expired: usize,
    access: Option<&'static str>,
}

#[derive(Clone, Default)]
pub struct Server(Arc<Mutex<State>>);

impl Server {
    /// A server at a free port; gives its address, too.
    pub async fn start() -> (Server, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("ws://{}/dev", listener.local_addr().expect("an address"));
        let server = Server::default();
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(accepting.clone().serve(stream));
            }
        });
        (server, url)
    }

    /// The tokens of the first so many connections are over as soon as they are used to write.
    pub fn expire(&self, connections: usize) {
        self.0.lock().unwrap().expired = connections;
    }

    pub fn allow(&self, access: &'static str) {
        self.0.lock().unwrap().access = Some(access);
    }

    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().events.clone()
    }

    /// What was written, by the place of its event in the log.
    pub fn texts(&self) -> Vec<String> {
        let state = self.0.lock().unwrap();
        let text = |event: &Value| event["ops"][0]["text"].as_str().unwrap_or_default().to_owned();
        state.log.iter().map(text).collect()
    }

    async fn serve(self, stream: TcpStream) {
        let number = {
            let mut state = self.0.lock().unwrap();
            state.connections += 1;
            state.connections
        };
        let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
        self.happens(Event::Opened(number));
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else { continue };
            let answer = self.answer(number, &serde_json::from_str(&text).expect("JSON"));
            if socket.send(Message::text(answer.to_string())).await.is_err() {
                break;
            }
        }
        self.happens(Event::Closed(number));
    }

    fn happens(&self, event: Event) {
        self.0.lock().unwrap().events.push(event);
    }

    fn answer(&self, number: usize, message: &Value) -> Value {
        let mut state = self.0.lock().unwrap();
        let (doc, reference) = (&message["docId"], &message["ref"]);
        match message["action"].as_str() {
            Some("SEND_OP") if number <= state.expired => {
                json!({"action": "ERROR", "code": "unauthorized", "message": "the token has expired", "retry": false, "ref": reference})
            }
            Some("SEND_OP") => {
                let (agent, after) = (&message["agent"], &message["after"]);
                let event = json!({"agent": agent, "after": after, "ops": message["ops"], "at": 0});
                let text = event["ops"][0]["text"].as_str().expect("only inserts are sent here");
                let end = after.as_u64().expect("a number") + text.chars().count() as u64;
                let answer = json!({"action": "OP_ACK", "docId": doc, "agent": agent, "after": after, "end": end, "ref": reference});
                if !state.log.contains(&event) {
                    state.log.push(event);
                }
                answer
            }
            Some("JOIN_DOC" | "SYNC_STATE") => {
                let cursor = message["cursor"].as_str().and_then(|cursor| cursor.parse::<usize>().ok());
                let events = &state.log[cursor.unwrap_or_default()..];
                let mut answer = json!({
                    "protocol": 1, "docId": doc, "log": "A", "part": 1, "parts": 1, "events": events,
                    "cursor": state.log.len().to_string(), "ref": reference,
                });
                match cursor {
                    Some(_) => answer["action"] = "OP_REPLAY".into(),
                    None => {
                        answer["action"] = "DOC_STATE".into();
                        answer["stateId"] = "s".into();
                        answer["format"] = "binary".into();
                    }
                }
                if let Some(access) = state.access {
                    answer["access"] = access.into();
                }
                if message["action"] == "JOIN_DOC" {
                    state.events.push(Event::Joined(number));
                }
                answer
            }
            _ => json!({"action": "PONG"}),
        }
    }
}
