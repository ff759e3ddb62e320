//! Who may do what. Every message passes here before its function does anything else.
//!
//! | action | right to the document |
//! |---|---|
//! | `JOIN_DOC`, `SYNC_STATE`, `PRESENCE` | read |
//! | `SEND_OP` | write |
//! | `LEAVE_DOC`, `PING`, and what cannot be read | none, but an identity |
//!
//! An identity is what the authorizer says of a connection; without its whole context, after the token's end,
//! and once it was revoked, there is none. What was revoked is cached for a minute ([`REVOCATION_CACHE_TTL`]):
//! only whoever registers a connection looks again, afterwards ([`Gate::confirm`]).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use inklog_access::{AuthMode, AuthModeError, Identity};
use inklog_crdt::Agent;
use inklog_crdt::planted::{Bug, planted};
use inklog_protocol::limits::REVOCATION_CACHE_TTL;
use inklog_protocol::{Author, ClientMessage, DocId, ErrorCode, Refusal, Right, UserName};
use inklog_store::catalogue::Revocation;
use inklog_store::config::{ConfigError, StoreFactory};
use inklog_store::connections::Holder;
use inklog_store::{Clock, Revocations, StoreError, SystemClock};

use crate::rates::{Rates, Work, Worker};
use crate::request::refuse_store;

/// Maximum number of users whose revocations a warm function caches.
const USERS_MAX: usize = 10_000;

/// Decides on every message. A clone shares what is cached and counted.
#[derive(Clone)]
pub struct Gate {
    /// `None`: everybody may do everything.
    guarded: Option<Arc<Guarded>>,
    /// `None`: as much as they like.
    rates: Option<Arc<Rates>>,
}

struct Guarded {
    revocations: Arc<dyn Revocations>,
    clock: Arc<dyn Clock>,
    /// Revocations read lately. A std mutex: it is never held across an await.
    known: Mutex<HashMap<UserName, ReadLately>>,
}

/// What was revoked from a user when it was read.
#[derive(Clone)]
struct ReadLately {
    revoked: Arc<[Revocation]>,
    at_ms: u64,
}

/// Why there is no gate, and so no function.
#[derive(thiserror::Error)]
pub enum GateError {
    /// The mode.
    #[error(transparent)]
    Mode(#[from] AuthModeError),
    /// Another setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// A function that does not start shows its error like this, and it should be a line for people.
impl fmt::Debug for GateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Somebody who may go on.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Who it is; `None` where access is open.
    pub identity: Option<Identity>,
    /// The highest right to the message's document; `None` without a document, or without any right where
    /// none is needed.
    pub right: Option<Right>,
}

impl Caller {
    /// Who writes; `None` where access is open.
    pub fn author(&self) -> Option<Author> {
        let identity = self.identity.as_ref()?;
        Some(Author { user: identity.user.as_str().to_owned(), name: identity.name.clone() })
    }

    /// Whose a connection is, as it is registered; `None` where access is open.
    pub fn holder(&self) -> Option<Holder> {
        let expires_at = self.identity.as_ref()?.expires_at;
        Some(Holder { author: self.author()?, right: self.right?, expires_at })
    }
}

/// Somebody, and what was revoked from them.
pub(crate) struct Known {
    pub identity: Identity,
    revoked: Arc<[Revocation]>,
}

/// What a message is about, and what it needs.
struct Row<'a> {
    doc: Option<&'a DocId>,
    agent: Option<&'a Agent>,
    right: Option<Right>,
}

/// The table. An action that has no row here does not compile.
fn row(message: &ClientMessage) -> Row<'_> {
    match message {
        ClientMessage::JoinDoc { doc, .. } | ClientMessage::SyncState { doc, .. } => {
            Row { doc: Some(doc), agent: None, right: Some(Right::Read) }
        }
        ClientMessage::Presence { doc, agent, .. } => {
            Row { doc: Some(doc), agent: Some(agent), right: Some(Right::Read) }
        }
        ClientMessage::SendEvent { doc, event } => {
            Row { doc: Some(doc), agent: Some(event.agent()), right: Some(Right::Write) }
        }
        ClientMessage::SendOp { doc, agent, .. } => {
            Row { doc: Some(doc), agent: Some(agent), right: Some(Right::Write) }
        }
        ClientMessage::LeaveDoc { doc } => Row { doc: Some(doc), agent: None, right: None },
        ClientMessage::Ping => Row { doc: None, agent: None, right: None },
    }
}

/// The document that a message is about.
pub(crate) fn doc_of(message: &ClientMessage) -> Option<&DocId> {
    row(message).doc
}

/// Whether the identity's token is void, for the document or (with `None`) for all, by what is revoked now.
pub async fn is_revoked(
    revocations: &dyn Revocations,
    identity: &Identity,
    doc: Option<&DocId>,
    now_s: u64,
) -> Result<bool, StoreError> {
    let all = revocations.of(&identity.user, now_s).await?;
    Ok(all.iter().any(|revocation| revocation.voids(identity.issued_at, doc)))
}

impl Gate {
    /// A gate that demands what the mode says. The clock tells when tokens end.
    pub fn new(mode: AuthMode, revocations: Arc<dyn Revocations>, clock: Arc<dyn Clock>) -> Gate {
        match mode {
            AuthMode::Open => Gate::open(),
            AuthMode::Jwt => {
                let guarded = Guarded { revocations, clock, known: Mutex::default() };
                Gate { guarded: Some(Arc::new(guarded)), rates: None }
            }
        }
    }

    /// Everybody may do everything, under any name.
    pub fn open() -> Gate {
        Gate { guarded: None, rates: None }
    }

    /// With limits on what a connection and a user may ask for, by this clock.
    pub fn limited(self, clock: Arc<dyn Clock>) -> Gate {
        Gate { rates: Some(Arc::new(Rates::new(clock))), ..self }
    }

    /// As the environment says, which must say it: a function does not start without it.
    pub fn configured(stores: &StoreFactory<'_>) -> Result<Gate, GateError> {
        let clock = Arc::new(SystemClock);
        Ok(Gate::new(AuthMode::from_env()?, stores.catalogue()?, clock.clone()).limited(clock))
    }

    /// Who sent an event; `None` where access is open.
    pub(crate) async fn identify(
        &self,
        event: &ApiGatewayWebsocketProxyRequest,
    ) -> Result<Option<Known>, Refusal> {
        let Some(guarded) = &self.guarded else { return Ok(None) };
        let fields = &event.request_context.authorizer.fields;
        if fields.is_empty() && planted(Bug::StrangersPass) {
            return Ok(None);
        }
        let identity = Identity::from_context(|name| fields.get(name).and_then(|value| value.as_str()))
            .map_err(|error| {
                tracing::error!(%error, "an event without an identity: is the API's authorizer missing?");
                unauthorized("there is no identity; connect with a token")
            })?;
        if guarded.clock.now_ms() / 1_000 >= identity.expires_at && !planted(Bug::ExpiredPass) {
            return Err(unauthorized("the token has expired; connect again with a fresh one"));
        }
        let revoked = guarded.revoked(&identity.user).await?;
        let known = Known { identity, revoked };
        match known.is_void(None) {
            true => Err(revoked_access()),
            false => Ok(Some(known)),
        }
    }

    /// Takes work from the buckets of a connection and of its user, or says when they would hold enough.
    pub(crate) fn spend(
        &self,
        identity: Option<&Identity>,
        connection: &str,
        work: Work,
    ) -> Result<(), Refusal> {
        let Some(rates) = &self.rates else { return Ok(()) };
        rates.take(
            Worker { connection: Some(connection), user: identity.map(|identity| &identity.user) },
            work,
        )
    }

    /// The same from the user's buckets alone, for what the connection has paid already.
    pub(crate) fn spend_of_user(&self, identity: Option<&Identity>, work: Work) -> Result<(), Refusal> {
        let Some(rates) = &self.rates else { return Ok(()) };
        rates.take(Worker { connection: None, user: identity.map(|identity| &identity.user) }, work)
    }

    /// Whether somebody may do what a message asks for.
    pub(crate) fn admit(&self, known: Option<Known>, message: &ClientMessage) -> Result<Caller, Refusal> {
        let row = row(message);
        let Some(known) = known else {
            return match self.guarded {
                Some(_) if !planted(Bug::StrangersPass) => {
                    Err(unauthorized("there is no identity; connect with a token"))
                }
                _ => Ok(Caller { identity: None, right: Some(Right::Manage) }),
            };
        };
        let right = row.doc.and_then(|doc| known.identity.right(doc));
        if let Some(needed) = row.right {
            if known.is_void(row.doc) {
                return Err(revoked_access());
            }
            match right {
                // The same whether the document exists or not.
                None => return Err(forbidden("you have no access to this document")),
                Some(right) if right < needed && !planted(Bug::ReadersWrite) => {
                    return Err(forbidden("you can read this document, but not change it"));
                }
                Some(_) => {}
            }
        }
        let Known { identity, .. } = known;
        match row.agent {
            Some(agent) if !identity.user.owns(agent) => {
                Err(forbidden(format!("agent {agent} does not belong to {}", identity.user)))
            }
            _ => Ok(Caller { identity: Some(identity), right }),
        }
    }

    /// Looks again, whatever is cached, whether a caller's access to the document was revoked. To be asked
    /// after a connection is registered: a revocation is written before the registrations are read that it
    /// removes, so that it finds this one, or this finds it.
    pub(crate) async fn confirm(&self, caller: &Caller, doc: &DocId) -> Result<(), Refusal> {
        let (Some(guarded), Some(identity)) = (&self.guarded, &caller.identity) else { return Ok(()) };
        let revoked = guarded.read(&identity.user).await?;
        match revoked.iter().any(|revocation| revocation.voids(identity.issued_at, Some(doc))) {
            true => Err(revoked_access()),
            false => Ok(()),
        }
    }
}

impl Known {
    fn is_void(&self, doc: Option<&DocId>) -> bool {
        self.revoked.iter().any(|revocation| revocation.voids(self.identity.issued_at, doc))
    }
}

impl Guarded {
    /// What was revoked from a user, at most [`REVOCATION_CACHE_TTL`] ago unless it is in here.
    async fn revoked(&self, user: &UserName) -> Result<Arc<[Revocation]>, Refusal> {
        let now_ms = self.clock.now_ms();
        let cached = self.known.lock().expect("no holder panics").get(user).cloned();
        match cached {
            Some(read) if now_ms.saturating_sub(read.at_ms) < REVOCATION_CACHE_TTL.as_millis() as u64 => {
                Ok(read.revoked)
            }
            _ => self.read(user).await,
        }
    }

    async fn read(&self, user: &UserName) -> Result<Arc<[Revocation]>, Refusal> {
        // Taken before the read, so that the entry is never younger than it says.
        let now_ms = self.clock.now_ms();
        let revoked: Arc<[Revocation]> =
            self.revocations.of(user, now_ms / 1_000).await.map_err(refuse_store)?.into();
        let mut known = self.known.lock().expect("no holder panics");
        if known.len() >= USERS_MAX {
            known.clear();
        }
        known.insert(user.clone(), ReadLately { revoked: revoked.clone(), at_ms: now_ms });
        Ok(revoked)
    }
}

fn unauthorized(message: &str) -> Refusal {
    Refusal::new(ErrorCode::Unauthorized, message)
}

fn revoked_access() -> Refusal {
    unauthorized("access was revoked")
}

fn forbidden(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::Forbidden, message)
}
