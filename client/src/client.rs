//! What an application uses: a document to read, edit and follow.

use std::collections::VecDeque;
use std::time::Instant;

use inklog_crdt::Agent;
use serde_json::Value;

use crate::core::{Access, Core, Fork, PresenceError, Problem, Update};
use crate::text::{Text, TextChange};
use crate::{ClientError, Link, Options, TextError};

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// Others changed the text. Apply the changes in this order; each position refers to the text after the changes
    /// before it.
    Changed(Vec<TextChange>),
    /// The document has everything that the server had when it was asked.
    Synced,
    /// Everything typed here is durable.
    Saved,
    /// What another client shows; `None`: it left, or shows nothing any more.
    Presence {
        /// The other client's agent: a user's name, or the name, `~` and a suffix.
        agent: String,
        /// The JSON that its application shows.
        state: Option<Value>,
    },
    /// Whether others' edits cannot be placed because they need edits that the server does not have.
    Gap(bool),
    /// The server has lost what was saved, or is another one. The document started again from the server's text, and
    /// what was not saved yet was typed again. The previous text is here and in [`Client::forks`].
    Forked {
        /// The previous text.
        text: String,
    },
    /// What this client may do with the document has changed ([`Client::access`]).
    Access(Access),
    /// From now on, this client writes under another agent.
    Agent(Agent),
    /// Something is wrong. The client continues.
    Problem(Problem),
}

/// A client of one document.
///
/// It works only while the program waits for it: call [`Client::next`] in a loop, or in `tokio::select!` next to other
/// futures. Edits show at once; they are stored and sent while the program waits.
pub struct Client {
    link: Link,
    text: Text,
    notices: VecDeque<Notice>,
}

impl Client {
    /// Connects, and returns once the server's text is here. Fails if the first attempt to connect fails, if the
    /// options are invalid, or if the store cannot be read. A connection that is lost later is not an error.
    pub async fn open(options: Options) -> Result<Client, ClientError> {
        let unit = options.unit;
        Ok(Client::on(Link::open(options).await?, unit))
    }

    /// Returns with the text in the store, without waiting for the server: the document can be edited offline. Fails if
    /// the options are invalid or the store cannot be read.
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

    /// The text, with all edits made here and received so far.
    pub fn text(&self) -> String {
        self.link.core().doc().text()
    }

    /// The text's length, in the client's unit.
    pub fn len(&self) -> usize {
        self.text.len(self.link.core().doc())
    }

    /// Whether the text is empty.
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

    /// Deletes `len` from a position, both in the client's unit.
    pub fn delete(&mut self, at: usize, len: usize) -> Result<(), TextError> {
        self.replace(at, len, "")
    }

    /// Replaces `len` from a position with `text`. Positions refer to [`Client::text`] as it is now, including changes
    /// whose notices you have not taken yet. An error changes nothing.
    pub fn replace(&mut self, at: usize, len: usize, text: &str) -> Result<(), TextError> {
        let doc = self.link.core().doc();
        let from = self.text.char_at(at, doc)?;
        let deleted = self.text.char_at(at.saturating_add(len), doc)? - from;
        self.link.core_mut().edit(from, deleted, text, Instant::now())?;
        self.text.edit(from, deleted, text);
        self.take_updates();
        Ok(())
    }

    /// Waits for the next notice. You can drop the future at any point, as `tokio::select!` does; nothing is lost.
    pub async fn next(&mut self) -> Result<Notice, ClientError> {
        loop {
            if let Some(notice) = self.notices.pop_front() {
                return Ok(notice);
            }
            self.turn().await?;
        }
    }

    /// The next notice, if one is here already.
    pub fn try_next(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Waits until all edits are durable on the server. Notices of what happens meanwhile stay for [`Client::next`].
    /// Without a right to write, that may take for ever: see [`Client::held`].
    pub async fn saved(&mut self) -> Result<(), ClientError> {
        while !self.is_saved() {
            self.turn().await?;
        }
        Ok(())
    }

    /// Waits until all edits are in the store.
    pub async fn kept(&mut self) -> Result<(), ClientError> {
        while !self.link.core().is_kept() {
            self.turn().await?;
        }
        Ok(())
    }

    /// Whether all edits are durable on the server.
    pub fn is_saved(&self) -> bool {
        self.link.core().is_settled()
    }

    /// How many characters, inserted or deleted here, are not known to be durable.
    pub fn unsaved(&self) -> u64 {
        self.link.core().unsaved()
    }

    /// Whether the client is connected and has synced on this connection.
    pub fn is_online(&self) -> bool {
        self.link.is_online()
    }

    /// Whether others' edits cannot be placed, see [`Notice::Gap`].
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

    /// The agent under which this client writes.
    pub fn agent(&self) -> &Agent {
        self.link.core().agent()
    }

    /// Shows a state to the others until the next call: a JSON object of at most 4,096 bytes, or `null` for nothing.
    /// An error changes nothing.
    pub fn show(&mut self, state: Value) -> Result<(), PresenceError> {
        self.link.core_mut().show_presence(state, Instant::now())
    }

    /// Who else is here, by agent, and what they show.
    pub fn others(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.link.core().others()
    }

    /// Texts that the server has lost, the oldest first.
    pub fn forks(&self) -> impl ExactSizeIterator<Item = &Fork> {
        self.link.core().forks()
    }

    /// Deletes the texts of [`Client::forks`].
    pub fn discard_forks(&mut self) {
        self.link.core_mut().discard_forks();
    }

    /// The state beneath, for what this type does not offer.
    pub fn core(&self) -> &Core {
        self.link.core()
    }

    /// Stores what is due, tells the others that this client leaves, and disconnects. The next client on the same store
    /// sends what is not saved yet. Without a store it is lost: wait for [`Client::saved`] first.
    pub async fn close(self) -> Result<(), ClientError> {
        self.link.close().await
    }

    async fn turn(&mut self) -> Result<(), ClientError> {
        let turned = self.link.turn().await;
        self.take_updates();
        turned
    }

    /// In order: each change's positions refer to the text after the ones before.
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
