//! A WebSocket, and the answers that come over it, whole.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{SinkExt as _, StreamExt as _};
use inklog_crdt::{Doc, Span, Version};
use inklog_protocol::{ErrorCode, ServerMessage, WireEvent, version_from_wire};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long an answer is waited for, and a connection.
const ANSWER_PATIENCE: Duration = Duration::from_secs(6);

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// The connection is gone, or silent.
    Lost,
    /// The server does not want it.
    Refused { code: Option<ErrorCode>, retry: bool, message: String },
    /// What came makes no sense.
    Unreadable(String),
}

/// A direct answer, whole.
pub enum Answer {
    Ack { agent: String, after: u64, end: u64 },
    State(State),
    Pong,
}

/// What came while an answer was awaited.
pub enum Heard {
    Answer(Answer),
    Other(Box<ServerMessage>),
}

/// A state, or a replay, whose parts are all there.
pub struct State {
    pub base: Option<(Vec<Span>, Version)>,
    pub events: Vec<WireEvent>,
    pub cursor: Option<String>,
}

pub struct Line {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    references: u64,
    /// The parts of the answer that is awaited.
    parts: BTreeMap<u32, ServerMessage>,
}

impl Line {
    /// As long as any other.
    pub const SOME_REFERENCE: &str = "r0000000";

    pub async fn connect(url: &str) -> Result<Line, Failure> {
        match timeout(ANSWER_PATIENCE, tokio_tungstenite::connect_async(url)).await {
            Ok(Ok((socket, _))) => Ok(Line { socket, references: 0, parts: BTreeMap::new() }),
            _ => Err(Failure::Lost),
        }
    }

    /// Sends a message with a reference, which is given back.
    pub async fn send(&mut self, mut message: Value) -> Result<String, Failure> {
        self.references += 1;
        let reference = format!("r{:07}", self.references);
        message["ref"] = reference.clone().into();
        match timeout(ANSWER_PATIENCE, self.socket.send(Message::text(message.to_string()))).await {
            Ok(Ok(())) => Ok(reference),
            _ => Err(Failure::Lost),
        }
    }

    /// The next message.
    pub async fn next(&mut self) -> Result<ServerMessage, Failure> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return parse(&text),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Failure::Lost),
                Some(Ok(_)) => {}
            }
        }
    }

    /// The next message: the answer to the request with this reference, once it is whole; or another.
    pub async fn answer(&mut self, reference: &str) -> Result<Heard, Failure> {
        loop {
            let message = timeout(ANSWER_PATIENCE, self.next()).await.map_err(|_| Failure::Lost)??;
            if reference_of(&message) != Some(reference) {
                return Ok(Heard::Other(Box::new(message)));
            }
            let (part, parts) = match message {
                ServerMessage::OpAck { agent, after, end, .. } => {
                    return Ok(Heard::Answer(Answer::Ack { agent, after, end }));
                }
                ServerMessage::Error { code, message, retry, .. } => {
                    self.parts.clear();
                    return Err(Failure::Refused { code: Some(code), retry, message });
                }
                ServerMessage::DocState { part, parts, .. } | ServerMessage::OpReplay { part, parts, .. } => {
                    (part, parts)
                }
                _ => return Ok(Heard::Answer(Answer::Pong)),
            };
            self.parts.insert(part, message);
            if self.parts.len() == parts as usize {
                let parts = std::mem::take(&mut self.parts).into_values();
                return whole(parts).map(|state| Heard::Answer(Answer::State(state)));
            }
        }
    }
}

fn parse(text: &str) -> Result<ServerMessage, Failure> {
    match serde_json::from_str(text) {
        Ok(message) => Ok(message),
        // The gateway's own word that a function failed, which names no request.
        Err(_) if text.contains("\"message\"") && !text.contains("\"action\"") => {
            Err(Failure::Refused { code: None, retry: true, message: text.to_owned() })
        }
        Err(error) => Err(Failure::Unreadable(format!("{error}: {text:.200}"))),
    }
}

fn reference_of(message: &ServerMessage) -> Option<&str> {
    match message {
        ServerMessage::DocState { reference, .. }
        | ServerMessage::OpReplay { reference, .. }
        | ServerMessage::OpAck { reference, .. }
        | ServerMessage::Pong { reference }
        | ServerMessage::Error { reference, .. } => reference.as_ref().and_then(Value::as_str),
        ServerMessage::RemoteOp { .. } | ServerMessage::RemotePresence { .. } => None,
    }
}

fn whole(parts: impl Iterator<Item = ServerMessage>) -> Result<State, Failure> {
    let unreadable = |error: &dyn std::fmt::Display| Failure::Unreadable(error.to_string());
    let mut whole = State { base: None, events: Vec::new(), cursor: None };
    let mut base64 = String::new();
    for part in parts {
        match part {
            ServerMessage::DocState { ops, version, state, events, cursor, .. } => {
                let (spans, known) = whole.base.get_or_insert_default();
                for op in ops {
                    spans.push(op.into_span().map_err(|error| unreadable(&error))?);
                }
                known.unite(&version_from_wire(&version).map_err(|error| unreadable(&error))?);
                base64 += state.as_deref().unwrap_or_default();
                whole.events.extend(events);
                whole.cursor = whole.cursor.or(cursor);
            }
            ServerMessage::OpReplay { events, cursor, .. } => {
                whole.events.extend(events);
                whole.cursor = whole.cursor.or(cursor);
            }
            _ => return Err(unreadable(&"an answer with parts of something else")),
        }
    }
    if !base64.is_empty() {
        let bytes = STANDARD.decode(base64).map_err(|error| unreadable(&error))?;
        let doc = Doc::decode(&bytes).map_err(|error| unreadable(&error))?;
        whole.base = Some((doc.spans(), doc.version().clone()));
    }
    Ok(whole)
}
