//! What an application holds: a document that can be read and edited at once.

use std::collections::VecDeque;
use std::time::Instant;

use inklog_crdt::Agent;
use serde_json::Value;

use crate::core::{Access, Core, Fork, PresenceError, Problem, Update};
use crate::text::{Text, TextChange};
use crate::{ClientError, Link, Options, TextError};

/// What an application is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// Others changed the text. Positions count on the text before the first change; each change is made on what the
    /// ones before made of it.
    Changed(Vec<TextChange>),
    /// The document has what the server had when it was asked.
    Synced,
    /// Everything typed here is durable.
    Saved,
    /// What another client shows; `None`: nothing any more.
    Presence {
        /// Whose: a user's name, or that, `~` and a suffix.
        agent: String,
        /// What its application shows.
        state: Option<Value>,
    },
    /// Whether others' edits have come that cannot be placed, because what they need is nowhere to be had.
    Gap(bool),
    /// The server forgot what was saved, or is another one. The document was begun anew from what it has, and what was
    /// not saved yet was typed again. Before, the document showed this text; it is also among [`Client::forks`].
    Forked {
        /// The text before.
        text: String,
    },
    /// What this client may do with the document is another ([`Client::access`]).
    Access(Access),
    /// This client writes under another agent from now on.
    Agent(Agent),
    /// Something is wrong. The client goes on.
    Problem(Problem),
}

/// A client of one document.
///
/// It does something only while it is waited for: call [`Client::next`] in a loop, beside whatever else the program waits
/// for (`tokio::select!`). Edits show at once and are sent, and kept in the store, while the program waits.
pub struct Client {
    link: Link,
    text: Text,
    notices: VecDeque<Notice>,
}

impl Client {
    /// Connects, and comes back when the server's text is here. A server that cannot be reached at the first attempt is
    /// an error; one that is lost later is not.
    pub async fn open(options: Options) -> Result<Client, ClientError> {
        let unit = options.unit;
        Ok(Client::on(Link::open(options).await?, unit))
    }

    /// Begins with what the store has and does not wait for the server: the document can be edited offline.
    pub async fn start(options: Options) -> Result<Client, ClientError> {
        let unit = options.unit;
        Ok(Client::on(Link::start(options).await?, unit))
    }

    fn on(link: Link, unit: crate::Unit) -> Client {
        let text = Text::new(unit, link.core().doc());
        let mut client = Client { link, text, notices: VecDeque::new() };
        // What came before anybody could listen is in the text.
        while let Some(update) = client.link.core_mut().next_update() {
            if !matches!(update, Update::Changed(_)) {
                client.notice(update);
            }
        }
        client
    }

    /// The text, with everything typed here and everything that has come.
    pub fn text(&self) -> String {
        self.link.core().doc().text()
    }

    /// The text's length, in the client's unit.
    pub fn len(&self) -> usize {
        self.text.len(self.link.core().doc())
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.link.core().doc().is_empty()
    }

    /// Inserts text at a position.
    pub fn insert(&mut self, at: usize, text: &str) -> Result<(), TextError> {
        self.replace(at, 0, text)
    }

    /// Inserts text at the end.
    pub fn append(&mut self, text: &str) -> Result<(), TextError> {
        self.replace(self.len(), 0, text)
    }

    /// Deletes `len` from a position on.
    pub fn delete(&mut self, at: usize, len: usize) -> Result<(), TextError> {
        self.replace(at, len, "")
    }

    /// Replaces `len` from a position on by `text`. Positions count on [`Client::text`] as it is now, whatever notices
    /// have not been taken yet. On an error nothing has changed.
    pub fn replace(&mut self, at: usize, len: usize, text: &str) -> Result<(), TextError> {
        let doc = self.link.core().doc();
        let from = self.text.char_at(at, doc)?;
        let deleted = self.text.char_at(at.saturating_add(len), doc)? - from;
        self.link.core_mut().edit(from, deleted, text, Instant::now())?;
        self.text.edit(from, deleted, text);
        self.take_updates();
        Ok(())
    }

    /// What happened next. May be dropped at any point, as in `tokio::select!`; nothing is lost by that.
    pub async fn next(&mut self) -> Result<Notice, ClientError> {
        loop {
            if let Some(notice) = self.notices.pop_front() {
                return Ok(notice);
            }
            self.turn().await?;
        }
    }

    /// What has happened and was not told yet.
    pub fn try_next(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Waits until everything typed is durable on the server. What happens meanwhile is told by [`Client::next`] later.
    pub async fn saved(&mut self) -> Result<(), ClientError> {
        while !self.is_saved() {
            self.turn().await?;
        }
        Ok(())
    }

    /// Waits until everything typed is in the store.
    pub async fn kept(&mut self) -> Result<(), ClientError> {
        while !self.link.core().is_kept() {
            self.turn().await?;
        }
        Ok(())
    }

    /// Whether everything typed is durable on the server.
    pub fn is_saved(&self) -> bool {
        self.link.core().is_settled()
    }

    /// How many characters, inserted or deleted, are not known to be durable.
    pub fn unsaved(&self) -> u64 {
        self.link.core().unsaved()
    }

    /// Whether the connection is there, and the text up to date when it was asked.
    pub fn is_online(&self) -> bool {
        self.link.is_online()
    }

    /// Whether others' edits have come that cannot be placed.
    pub fn has_gap(&self) -> bool {
        self.link.core().has_gap()
    }

    /// What this client may do with the document; `None`: the server has not said.
    ///
    /// Where it may not write, edits are refused with [`TextError::ReadOnly`]. What was typed before is kept, and sent
    /// when it may write again.
    pub fn access(&self) -> Option<Access> {
        self.link.core().access()
    }

    /// Why the server does not let this client in; `None`: it does. The client tries again with a fresh token, ever less
    /// often.
    pub fn shut_out(&self) -> Option<&Problem> {
        self.link.core().shut_out()
    }

    /// Why the server does not take what was typed; `None`: it does, or everything is saved.
    pub fn held(&self) -> Option<Problem> {
        self.link.core().held()
    }

    /// Whom this client writes as.
    pub fn agent(&self) -> &Agent {
        self.link.core().agent()
    }

    /// Shows the others a state, until it is replaced: a JSON object of at most 4,096 bytes; `null` shows nothing.
    pub fn show(&mut self, state: Value) -> Result<(), PresenceError> {
        self.link.core_mut().show_presence(state, Instant::now())
    }

    /// The others who are here, by agent, and what they show.
    pub fn others(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.link.core().others()
    }

    /// Texts that were put aside because the server forgot them, oldest first.
    pub fn forks(&self) -> impl ExactSizeIterator<Item = &Fork> {
        self.link.core().forks()
    }

    /// Gives up the texts that were put aside.
    pub fn discard_forks(&mut self) {
        self.link.core_mut().discard_forks();
    }

    /// The rules beneath, for what is not offered here.
    pub fn core(&self) -> &Core {
        self.link.core()
    }

    /// Ends: what can be kept is, and the others see this client leave. What is not saved is sent by whoever opens the
    /// store next; without a store it is lost, so wait for [`Client::saved`] first.
    pub async fn close(self) -> Result<(), ClientError> {
        self.link.close().await
    }

    async fn turn(&mut self) -> Result<(), ClientError> {
        let turned = self.link.turn().await;
        self.take_updates();
        turned
    }

    /// The positions of what comes later count on what came before.
    fn take_updates(&mut self) {
        while let Some(update) = self.link.core_mut().next_update() {
            self.notice(update);
        }
    }

    fn notice(&mut self, update: Update) {
        let notice = match update {
            Update::Changed(changes) => Notice::Changed(self.text.follow(changes)),
            Update::Synced => Notice::Synced,
            Update::Saved(_) if self.is_saved() => Notice::Saved,
            Update::Presence { agent, state } => Notice::Presence { agent, state },
            Update::Gap(stays) => Notice::Gap(stays),
            Update::Forked { text } => Notice::Forked { text },
            Update::Access(access) => Notice::Access(access),
            Update::Agent(agent) => Notice::Agent(agent),
            Update::Problem(problem) => Notice::Problem(problem),
            Update::Saved(_) | Update::Sent(_) | Update::Received(_) | Update::Merged(_) => return,
        };
        self.notices.push_back(notice);
    }
}
