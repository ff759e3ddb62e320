//! The client's rules, without a socket, a clock, randomness or a store. Frames, the time and what the store has
//! done go in; frames, updates and batches for the store come out.
//!
//! ```text
//!   mod.rs         what a core is, and what can be asked of it
//!   connection.rs  a connection, and what counts as lost on it
//!   send.rs        typing, and sending: one event at a time
//!   receive.rs     what the server says
//!   sync.rs        asking for what was missed; gaps
//!   state.rs       an answer in whole: merged, or a reason to begin anew
//!   renew.rs       new ids for what the log does not take; a new beginning where the server forgot
//!   presence.rs    who is here
//!   access.rs      what the server lets this client do
//!   keep.rs        what the store is to hold; record.rs its binary form, load.rs going on with it
//! ```
//!
//! What it guarantees, as long as what it hands to the store is kept and the server's log is:
//!
//! - Nothing typed is lost. An event is sent only after the store has it as it is sent, one at a time, and
//!   unchanged until the log is known to hold it.
//! - Nothing typed is doubled. On every connection the server's version is learned first, and what it covers is
//!   not sent. What the log refuses for good is offered again under new ids only once the server's state has
//!   shown that the old ones are not this client's.
//! - Everybody ends with the same text. What comes is merged in whatever order; what cannot be placed yet is a
//!   gap and leads to a sync, as silence does from time to time.
//! - A server that forgot what was durable is not gone along with: the text is put aside, and the document begun
//!   anew from what the server has.

mod access;
mod connection;
mod keep;
mod load;
mod presence;
mod receive;
mod record;
mod renew;
mod send;
mod state;
mod sync;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::time::Duration;

use inklog_crdt::{Agent, Change, Doc, Event, Version};
use inklog_protocol::{DocId, ErrorCode, LoggedEvent, StateFormat};
use serde_json::Value;

pub use self::access::Access;
pub use self::keep::{Batch, Fork};
pub use self::presence::PresenceError;
pub use self::record::JournalError;

use self::connection::Connection;
use self::keep::Keeper;
use self::presence::Presence;
use self::record::Head;
use crate::backoff::{Backoff, Jitter};
use crate::message;
use crate::outbox::Outbox;

/// Pauses before a message that was refused or lost is sent again, and between syncs while a gap stays.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const SEND_RETRY_LONGEST: Duration = Duration::from_secs(5);
const SYNC_RETRY_LONGEST: Duration = Duration::from_secs(30);
const RENEWAL_LONGEST: Duration = Duration::from_secs(5 * 60);
/// An acknowledgement that takes longer is taken for lost.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// Gives an agent that nobody has written under; the first one is the client's.
pub type Agents = Box<dyn FnMut() -> Agent + Send>;

/// A core's settings.
#[derive(Debug, Clone)]
pub struct CoreConfig {
    /// Which document.
    pub doc: DocId,
    /// The server's address; a store belongs to one address.
    pub server: String,
    /// The format in which states are requested.
    pub format: StateFormat,
    /// How long to wait for an acknowledgement; for a state, twice as long between two parts.
    pub answer_patience: Duration,
    /// Whether to emit [`Update::Changed`].
    pub changes: bool,
    /// Whether to notice a dead connection soon, by pings when it is silent.
    pub visible: bool,
}

impl CoreConfig {
    /// A client of `doc` at the address `server`.
    pub fn new(doc: DocId, server: impl Into<String>) -> CoreConfig {
        CoreConfig {
            doc,
            server: server.into(),
            format: StateFormat::Binary,
            answer_patience: ANSWER_PATIENCE,
            changes: true,
            visible: true,
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// The document has everything that the server had when it was asked.
    Synced,
    /// Others changed the text. Apply the changes in this order.
    Changed(Vec<Change>),
    /// An event of this client is on its way for the first time since the client was begun, or loaded.
    Sent(Event),
    /// An event of this client is durable.
    Saved(Event),
    /// An event of another client arrived; it may have to wait for others.
    Received(LoggedEvent),
    /// A state arrived: the document includes the events up to this version, without [`Update::Received`].
    Merged(Version),
    /// From now on, this client writes under another agent: somebody else uses the previous one, the server
    /// refused what it wrote, or the document started again. What is not saved yet has new ids.
    Agent(Agent),
    /// What another client shows; `None`: it left, or shows nothing any more.
    Presence {
        /// The other client's agent.
        agent: String,
        /// The application's JSON.
        state: Option<Value>,
    },
    /// What this client may do with the document has changed.
    Access(Access),
    /// Whether others' events wait for something that the server, asked for everything, does not have either.
    Gap(bool),
    /// The server has lost what was durable, or is another one. The document started again from the server's
    /// text, and what was never saved was typed again. The previous text is here and in [`Core::forks`].
    Forked {
        /// The previous text.
        text: String,
    },
    /// Something is wrong. The client continues, and reports each problem once until it is over.
    Problem(Problem),
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// The server refused a message.
    #[error("the server refused ({}): {message}", code_name(*.code))]
    Refused {
        /// Why.
        code: ErrorCode,
        /// The server's line.
        message: String,
    },
    /// The server refused a message, with a code that this version does not know.
    #[error("the server refused ({code}): {message}")]
    RefusedOtherwise {
        /// The code.
        code: String,
        /// The server's line.
        message: String,
    },
    /// The server sent a message that breaks the protocol.
    #[error("the server sent an invalid message: {0}")]
    Unreadable(String),
    /// The server is unreachable.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// Its address.
        url: String,
        /// Why the last attempt failed.
        reason: String,
    },
    /// The token callback failed.
    #[error("the token callback failed: {0}")]
    Token(String),
}

impl Problem {
    /// The code of a refusal, if this version knows it.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Problem::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the client solves it by itself: it tries again, or another way.
    pub fn is_retried(&self) -> bool {
        !matches!(self, Problem::Refused { code: ErrorCode::Unauthorized | ErrorCode::Forbidden, .. })
    }
}

fn code_name(code: ErrorCode) -> String {
    serde_json::to_value(code).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// What the owner of the socket must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Reconnect: the connection is dead.
    Dead,
    /// Disconnect: the server refuses this client. A fresh token may help.
    Refused,
}

/// A message that breaks the protocol.
#[derive(Debug)]
pub(crate) struct Unreadable(pub String);

/// The pauses before something is tried again.
#[derive(Debug)]
struct Retries {
    gap: Backoff,
    send: Backoff,
    sync: Backoff,
    absence: Backoff,
    renewal: Backoff,
}

/// A client of one document.
pub struct Core {
    config: CoreConfig,
    doc: Doc,
    outbox: Outbox,
    keeper: Keeper,
    presence: Presence,
    /// Where the document stands in what the server has.
    cursor: Option<String>,
    /// The agents of which something came since `cursor`.
    since_cursor: BTreeSet<Agent>,
    /// The name of the log that the durable text is from; `None`: no server has said.
    log: Option<String>,
    /// The document has what the server's state lacks: whether its log has it is asked before anything is sent.
    ahead_of: Version,
    /// The log lacks it, too: the next state is one to begin anew from.
    forgot: bool,
    /// The log has more of the agent than was ever written here.
    is_foreign: bool,
    /// The document is too large for what was sent last.
    is_full: bool,
    /// What the server lets this client do, as far as it has said; why it lets it not in; and why it did not take
    /// what was sent last.
    access: Option<Access>,
    shut_out: Option<Problem>,
    held: Option<Problem>,
    connection: Option<Connection>,
    verdict: Option<Verdict>,
    /// Numbers the requests.
    references: u64,
    /// The end of the last event that was told to be on its way.
    told_sent: u64,
    sync_pause: Duration,
    active: bool,
    /// Whether something waits for what has not come,
    gap_open: bool,
    /// something new since the last look,
    gap_grew: bool,
    /// and the server, asked for all it has, has not brought it.
    gap_stays: bool,
    retries: Retries,
    /// Problems that were told and are not over.
    told: HashSet<String>,
    agents: Agents,
    jitter: Jitter,
    frames: VecDeque<String>,
    updates: VecDeque<Update>,
}

impl Core {
    /// A client that knows nothing yet and has no store. `agents` gives the agent that it writes under, and
    /// another where that cannot be gone on with.
    pub fn new(config: CoreConfig, mut agents: Agents, jitter: Jitter) -> Core {
        let agent = agents();
        let up_to = |longest| Backoff::new(RETRY_FIRST, longest);
        let (server, doc) = (config.server.clone(), config.doc.to_string());
        let head = Head { server, doc, agent: agent.clone(), start: 0, log: None };
        Core {
            config,
            doc: Doc::new(),
            outbox: Outbox::new(agent),
            keeper: Keeper::new(false, head),
            presence: Presence::default(),
            cursor: None,
            since_cursor: BTreeSet::new(),
            log: None,
            ahead_of: Version::new(),
            forgot: false,
            is_foreign: false,
            is_full: false,
            access: None,
            shut_out: None,
            held: None,
            connection: None,
            verdict: None,
            references: 0,
            told_sent: 0,
            sync_pause: sync::SYNC_AFTER_ACTIVITY,
            active: false,
            gap_open: false,
            gap_grew: false,
            gap_stays: false,
            retries: Retries {
                gap: up_to(sync::SYNC_PAUSE_MAX).at_least(0.5),
                send: up_to(SEND_RETRY_LONGEST),
                sync: up_to(SYNC_RETRY_LONGEST),
                absence: up_to(SYNC_RETRY_LONGEST).at_least(0.5),
                renewal: up_to(RENEWAL_LONGEST),
            },
            told: HashSet::new(),
            agents,
            jitter,
            frames: VecDeque::new(),
            updates: VecDeque::new(),
        }
    }

    /// The document, as far as it came, with what was typed here.
    pub fn doc(&self) -> &Doc {
        &self.doc
    }

    /// Whom this client writes as.
    pub fn agent(&self) -> &Agent {
        self.outbox.agent()
    }

    /// Whether everything typed is known to be durable.
    pub fn is_settled(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Ids that are typed and not known to be durable: characters inserted or deleted.
    pub fn unsaved(&self) -> u64 {
        self.outbox.end() - self.outbox.start()
    }

    /// Those of them that are on their way.
    pub fn sending(&self) -> u64 {
        let sent = self.connection.as_ref().and_then(|connection| connection.in_flight);
        let event = sent.and_then(|sent| self.outbox.at(sent.after));
        event.map_or(0, |queued| queued.event.end() - queued.event.after())
    }

    /// How many closed events are not known to be durable.
    pub fn queued(&self) -> usize {
        self.outbox.closed_len()
    }

    /// The end of the last closed event.
    pub fn end(&self) -> u64 {
        self.outbox.closed_end()
    }

    /// Whether this connection has learned the server's version.
    pub fn is_synced(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.synced)
    }

    /// Whether others' events wait for something that the server, asked for all it has, has not either.
    pub fn has_gap(&self) -> bool {
        self.gap_stays
    }

    /// Whether somebody looks at the document, so that a dead connection is to be noticed soon.
    pub fn set_visible(&mut self, visible: bool) {
        self.config.visible = visible;
    }

    /// Whether there is a frame to send.
    pub fn has_frame(&self) -> bool {
        !self.frames.is_empty()
    }

    /// The next frame to send.
    pub fn next_frame(&mut self) -> Option<String> {
        self.frames.pop_front()
    }

    /// The next thing that happened.
    pub fn next_update(&mut self) -> Option<Update> {
        self.updates.pop_front()
    }

    /// What the socket's owner is to know, once.
    pub fn take_verdict(&mut self) -> Option<Verdict> {
        self.verdict.take()
    }

    /// Tells of a problem that the socket's owner met.
    pub fn meet(&mut self, problem: Problem) {
        if !problem.is_retried() {
            self.turned_away(problem.clone());
        }
        self.tell(problem);
    }

    /// The frame by which a client leaves; `None` when it is not there.
    pub fn leave(&self) -> Option<String> {
        self.is_synced().then(|| message::leave_doc(&self.config.doc))
    }
}
