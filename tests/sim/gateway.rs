//! The gateway: connections, and their messages on the way to functions and back.
//!
//! Two messages of one connection may run at the same time, as on AWS. To a client, messages come in the order in
//! which they were posted, unless a fault decides otherwise.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use aws_lambda_events::encodings::Body;
use inklog_access::Identity;
use inklog_crdt::Event;
use inklog_ingest::is_revoked;
use inklog_protocol::{ClientMessage, Request};
use inklog_store::Clock as _;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::executor::{self, Instant};
use super::faults::Fault;
use super::functions::Functions;
use super::world::World;

/// What reaches a client from outside.
#[derive(Debug)]
pub enum Arrival {
    Frame(String, String),
    /// The connection is no more.
    Ended(String),
    /// Its store has written a batch.
    Stored(u64),
}

pub type Inbox = UnboundedSender<Arrival>;

struct Open {
    inbox: Inbox,
    identity: Option<Identity>,
    /// Nothing arrives before what was posted before it.
    arrives_at: Instant,
}

pub struct Gateway {
    pub world: Arc<World>,
    pub functions: Arc<Functions>,
    open: Mutex<BTreeMap<String, Open>>,
}

impl Gateway {
    pub fn new(world: &Arc<World>, functions: &Arc<Functions>) -> Arc<Gateway> {
        let gateway = Gateway { world: world.clone(), functions: functions.clone(), open: Mutex::default() };
        Arc::new(gateway)
    }

    /// Opens a connection; `None` if it is refused or fails.
    pub async fn connect(&self, identity: Option<Identity>, inbox: Inbox) -> Option<String> {
        let world = &self.world;
        world.latency().await;
        let id = format!("c{:04}", world.number());
        // What the authorizer decides.
        if let Some(identity) = &identity {
            let now_s = world.clock.now_ms() / 1_000;
            let is_revoked = is_revoked(&*world.catalogue, identity, None, now_s).await;
            if now_s >= identity.expires_at || is_revoked.expect("it is in memory") {
                return None;
            }
        }
        let event = self.event(&id, identity.as_ref(), "$connect", "CONNECT", None);
        let status = self.functions.route("$connect", event).await?.status_code;
        world.trace(format_args!("{id} connects: {status}"));
        if status != 200 {
            return None;
        }
        world.push.open(&id);
        let arrives_at = Instant::now();
        self.open.lock().expect("no holder panics").insert(id.clone(), Open { inbox, identity, arrives_at });
        Some(id)
    }

    /// Takes a client's message.
    pub fn take(self: &Arc<Self>, id: &str, frame: String) {
        let times = match () {
            () if self.world.fires(Fault::FrameLost) => 0,
            () if self.world.fires(Fault::FrameRepeated) => 2,
            () => 1,
        };
        for _ in 0..times {
            let (gateway, id, frame) = (self.clone(), id.to_owned(), frame.clone());
            executor::spawn(async move { gateway.handle(&id, &frame).await });
        }
    }

    async fn handle(self: &Arc<Self>, id: &str, frame: &str) {
        self.world.latency().await;
        if self.world.fires(Fault::Late) {
            let ms = self.world.draw().between(500, 40_000);
            executor::sleep(Duration::from_millis(ms)).await;
        }
        let identity = match self.open.lock().expect("no holder panics").get(id) {
            Some(open) => open.identity.clone(),
            None => return,
        };
        let action = serde_json::from_str::<Value>(frame).ok();
        let action = action.and_then(|message| message["action"].as_str().map(str::to_owned));
        let route = action.unwrap_or_else(|| "$default".to_owned());
        if identity.is_some() && self.world.fires(Fault::Stranger) {
            self.try_stranger(&route, frame).await;
        }
        let event = self.event(id, identity.as_ref(), &route, "MESSAGE", Some(frame));
        let log = self.world.restored();
        let answer = match self.functions.route(&route, event).await {
            Some(response) => response.body.map(|body| match body {
                Body::Text(text) => text,
                other => panic!("a body that is no text: {other:?}"),
            }),
            // As API Gateway says it.
            None => Some(format!(
                r#"{{"message": "Internal server error", "connectionId":"{id}", "requestId":"x"}}"#
            )),
        };
        let Some(answer) = answer else { return };
        if self.world.restored() != log {
            return;
        }
        self.note_ack(identity.as_ref(), frame, &answer).await;
        self.world.latency().await;
        if !self.world.fires(Fault::AnswerLost) {
            self.deliver(id, answer);
        }
    }

    /// The same message, past the authorizer.
    async fn try_stranger(&self, route: &str, frame: &str) {
        let event = self.event("stranger", None, route, "MESSAGE", Some(frame));
        let body = self.functions.route(route, event).await.and_then(|response| response.body);
        // Who sends too much is told so before anything else.
        let is_refused = |text: &str| text.contains("unauthorized") || text.contains("rate_limited");
        if let Some(Body::Text(answer)) =
            body.filter(|body| !matches!(body, Body::Text(text) if is_refused(text)))
        {
            self.world.fail(format_args!("somebody without a token was answered: {answer}"));
        }
    }

    /// What is acknowledged, is acknowledged: whether the client hears of it or not.
    async fn note_ack(&self, identity: Option<&Identity>, frame: &str, answer: &str) {
        if !answer.starts_with(r#"{"action":"OP_ACK""#) {
            return;
        }
        let answer: Value = serde_json::from_str(answer).expect("JSON");
        let after = answer["after"].as_u64().expect("a place");
        let (doc, event) = match Request::parse(frame).map(|request| request.message) {
            Ok(ClientMessage::SendEvent { doc, event }) => (doc, event),
            Ok(ClientMessage::SendOp { doc, agent, op }) => {
                (doc, Event::new(agent, after, vec![op]).expect("it was acknowledged"))
            }
            other => return self.world.fail(format_args!("{other:?} was acknowledged")),
        };
        self.world.check_writer(identity, &doc).await;
        if event.after() != after || answer["end"] != event.end() {
            return self.world.fail(format_args!("{answer} acknowledges {event:?}"));
        }
        self.world.trace(format_args!("acknowledged {doc} {} {after}", event.agent()));
        let noted = self.world.acknowledged.lock().expect("no holder panics").note(&doc, &event);
        if let Err(breach) = noted {
            self.world.fail(breach);
        }
    }

    /// Sends what was posted.
    pub async fn send_posts(self: Arc<Self>) {
        loop {
            let posted = std::mem::take(&mut *self.world.posted.lock().expect("no holder panics"));
            for id in posted {
                for message in self.world.push.take(&id) {
                    if !self.world.fires(Fault::PushLost) {
                        self.deliver(&id, message);
                    }
                }
            }
            self.world.kicked.notified().await;
        }
    }

    /// Has a message arrive, a little later.
    fn deliver(&self, id: &str, message: String) {
        let world = &self.world;
        let times = if world.fires(Fault::PushRepeated) { 2 } else { 1 };
        for _ in 0..times {
            let pause = Duration::from_millis(world.draw().between(0, world.plan.latency_ms));
            let overtakes = world.fires(Fault::PushReordered);
            let mut open = self.open.lock().expect("no holder panics");
            let Some(connection) = open.get_mut(id) else { return };
            if message.starts_with(r#"{"action":"REMOTE_OP""#) {
                world.check_not_ended(connection.identity.as_ref());
            }
            let arrival = Arrival::Frame(id.to_owned(), message.clone());
            let mut at = Instant::now() + pause;
            if !overtakes {
                at = at.max(connection.arrives_at);
                connection.arrives_at = at;
            }
            let inbox = connection.inbox.clone();
            if at <= Instant::now() {
                let _ = inbox.send(arrival);
                continue;
            }
            executor::spawn(async move {
                executor::sleep_until(at).await;
                // Whoever has gone needs nothing.
                let _ = inbox.send(arrival);
            });
        }
    }

    /// Ends a connection. With `told`, `$disconnect` is called.
    pub fn end(self: &Arc<Self>, id: &str, told: bool) {
        let Some(open) = self.open.lock().expect("no holder panics").remove(id) else { return };
        self.world.trace(format_args!("{id} ends, told: {told}"));
        self.world.push.hang_up(id);
        let _ = open.inbox.send(Arrival::Ended(id.to_owned()));
        if told {
            let event = self.event(id, open.identity.as_ref(), "$disconnect", "DISCONNECT", None);
            let gateway = self.clone();
            executor::spawn(async move { _ = gateway.functions.route("$disconnect", event).await });
        }
    }

    /// Ends connections now and then.
    pub async fn end_some(self: Arc<Self>) {
        while self.world.faults.are_on() {
            executor::sleep(self.world.plan.lasts / 20).await;
            let ids: Vec<String> = self.open.lock().expect("no holder panics").keys().cloned().collect();
            for id in ids {
                if self.world.fires(Fault::Cut) {
                    self.end(&id, false);
                } else if self.world.fires(Fault::Closed) {
                    self.end(&id, true);
                }
            }
        }
    }

    /// Ends all connections, and tells nobody.
    pub fn end_all(self: &Arc<Self>) {
        let ids: Vec<String> = self.open.lock().expect("no holder panics").keys().cloned().collect();
        ids.iter().for_each(|id| self.end(id, false));
    }

    pub fn is_open(&self, id: &str) -> bool {
        self.open.lock().expect("no holder panics").contains_key(id)
    }

    fn event(
        &self,
        id: &str,
        identity: Option<&Identity>,
        route: &str,
        kind: &str,
        body: Option<&str>,
    ) -> ApiGatewayWebsocketProxyRequest {
        let mut event = ApiGatewayWebsocketProxyRequest::default();
        event.request_context.connection_id = Some(id.to_owned());
        event.request_context.event_type = Some(kind.to_owned());
        event.request_context.route_key = Some(route.to_owned());
        if let Some(identity) = identity {
            let fields = identity.to_context().into_iter();
            event.request_context.authorizer.fields =
                fields.map(|(name, value)| (name, Value::String(value))).collect();
        }
        event.body = body.map(str::to_owned);
        event
    }
}
