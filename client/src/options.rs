//! How an application opens a document.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use inklog_crdt::{Agent, MAX_AGENT_LEN};
use inklog_protocol::limits::USER_NAME_LEN_MAX;
use inklog_protocol::{DocId, StateFormat};

use crate::core::{Agents, CoreConfig};
use crate::error::ClientError;
use crate::storage::Storage;
use crate::text::Unit;
use crate::{Jitter, Random};

pub(crate) type Token = Box<dyn Fn() -> TokenFuture + Send + Sync>;
type TokenFuture = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

/// Which document to open, where, as whom, and how.
pub struct Options {
    pub(crate) url: String,
    pub(crate) doc: String,
    pub(crate) user: String,
    pub(crate) agent: Option<Agent>,
    pub(crate) token: Option<Token>,
    pub(crate) storage: Option<Box<dyn Storage>>,
    pub(crate) roots: Vec<Vec<u8>>,
    pub(crate) unit: Unit,
    pub(crate) patience: Option<Duration>,
    pub(crate) answer_patience: Option<Duration>,
    pub(crate) changes: bool,
    pub(crate) visible: bool,
}

impl Options {
    /// The document `doc` at `url`, edited as `user`.
    ///
    /// `url` is the API's address with its stage, such as `wss://….amazonaws.com/prod`. `doc` is 1 to 128 of
    /// `A-Z a-z 0-9 . _ ~ -`. `user` is 1 to 40 of `A-Z a-z 0-9 . _ -`; if the server demands a token, it must be the
    /// token's user. Opening the document fails with [`ClientError::Options`] if one of them is invalid.
    pub fn new(url: impl Into<String>, doc: impl Into<String>, user: impl Into<String>) -> Options {
        Options {
            url: url.into(),
            doc: doc.into(),
            user: user.into(),
            agent: None,
            token: None,
            storage: None,
            roots: Vec::new(),
            unit: Unit::default(),
            patience: None,
            answer_patience: None,
            changes: true,
            visible: true,
        }
    }

    /// A callback that returns a token. It is called before every connection: also after a refusal, and before a JWT
    /// expires; return a fresh token then. The token is sent as the second WebSocket subprotocol. If you have the token
    /// already, return `std::future::ready(…)`.
    pub fn token<F, T, E>(mut self, callback: F) -> Options
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<String, E>> + Send + 'static,
        E: fmt::Display,
    {
        self.token = Some(Box::new(move || {
            let asked = callback();
            Box::pin(async move { asked.await.map_err(|error| error.to_string()) })
        }));
        self
    }

    /// Stores edits until they are saved, for example in a [`FileStorage`](crate::FileStorage). Default: memory only. A
    /// store belongs to one document at one address.
    pub fn storage(mut self, storage: impl Storage) -> Options {
        self.storage = Some(Box::new(storage));
        self
    }

    /// Trusts these root certificates (PEM) in addition to the system's.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Options {
        self.roots.push(pem.into());
        self
    }

    /// What positions and lengths count. Default: [`Unit::Utf8`].
    pub fn unit(mut self, unit: Unit) -> Options {
        self.unit = unit;
        self
    }

    /// Ends the client with [`ClientError::Unreachable`] if the server is unreachable, or refuses the client, for
    /// longer than this. Default: it retries for ever, ever less often.
    pub fn give_up_after(mut self, patience: Duration) -> Options {
        self.patience = Some(patience);
        self
    }

    /// How long to wait for an acknowledgement before the event is sent again. Default: 10 s.
    pub fn answer_patience(mut self, patience: Duration) -> Options {
        self.answer_patience = Some(patience);
        self
    }

    /// Writes under exactly this agent. Default: the user's name and a random suffix. Nobody may ever have written under
    /// it, except with this store.
    pub fn agent(mut self, agent: Agent) -> Options {
        self.agent = Some(agent);
        self
    }

    /// Emits no [`Notice::Changed`](crate::Notice::Changed), which saves work if a document changes a lot.
    pub fn without_changes(mut self) -> Options {
        self.changes = false;
        self
    }

    /// Sends no pings, and notices a dead connection only when it is used: for a program that is idle for hours and pays
    /// for messages.
    pub fn without_pings(mut self) -> Options {
        self.visible = false;
        self
    }

    /// What the core is told; names are checked here.
    pub(crate) fn core(&self) -> Result<CoreConfig, ClientError> {
        let doc = DocId::new(&self.doc).map_err(|error| ClientError::Options(error.to_string()))?;
        let is_name = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '-');
        let is_user = (1..=USER_NAME_LEN_MAX).contains(&self.user.len()) && self.user.chars().all(is_name);
        if self.agent.is_none() && !is_user {
            let told = format!("a user is 1 to {USER_NAME_LEN_MAX} of A-Z a-z 0-9 . _ -");
            return Err(ClientError::Options(told));
        }
        let server = self.url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').to_owned();
        let mut config = CoreConfig { format: StateFormat::Binary, ..CoreConfig::new(doc, server) };
        config.changes = self.changes;
        config.visible = self.visible;
        config.answer_patience = self.answer_patience.unwrap_or(config.answer_patience);
        Ok(config)
    }

    /// Agents of the user; the first one is the one that was asked for.
    pub(crate) fn agents(&mut self, mut random: Random) -> Agents {
        let mut first = self.agent.take();
        let user = match &first {
            Some(agent) => agent.as_str().split('~').next().unwrap_or_default().to_owned(),
            None => self.user.clone(),
        };
        Box::new(move || first.take().unwrap_or_else(|| another_agent(&user, &mut random)))
    }
}

/// An agent of a user that is new: the name, `~` and a suffix.
fn another_agent(user: &str, random: &mut Random) -> Agent {
    let suffix = random.suffix();
    let user = if user.is_empty() { "again" } else { user };
    let room = MAX_AGENT_LEN - suffix.len() - 1;
    Agent::new(&format!("{}~{suffix}", &user[..user.len().min(room)])).expect("it has an agent's characters")
}

pub(crate) fn jitter(random: &mut Random) -> Jitter {
    Random::new(random.next_u64()).into_jitter()
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither a token nor what a URL carries as one.
        let url = self.url.split(['?', '#']).next();
        f.debug_struct("Options")
            .field("url", &url)
            .field("doc", &self.doc)
            .field("user", &self.user)
            .finish()
    }
}
