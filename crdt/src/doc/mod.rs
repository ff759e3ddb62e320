//! The document: which events are applied, which wait, and the text that follows from them.
//!
//! ```text
//!   Event ──> ready? ──no──> waiting.rs ──(what it needed has arrived)───┐
//!               │ yes                                                    │
//!               ▼  <─────────────────────────────────────────────────────┘
//!   ids.rs      (agent, seq) <-> local number; each agent's end
//!   order.rs    where among its siblings does a new node go?
//!   ../tree/    the nodes in document order, as runs in a B-tree
//!
//!   edit.rs     local edits by index, turned into ops
//!   spans.rs    the state as spans, for the wire and for encoding
//!   merge.rs    another replica's state merged in
//!   restore.rs  a document from its encoding
//! ```

mod apply;
mod check;
mod edit;
pub(crate) mod ids;
mod merge;
mod order;
mod restore;
mod spans;
mod waiting;

pub(crate) use restore::{NO_CHAIN, NumberedChain, Skeleton};
pub(crate) use spans::Chain;

use crate::change::Changes;
use crate::tree::Tree;
use crate::version::{AgentNumber, Hints};
use crate::{Agent, Change, Event, Version};

use ids::Ids;
use order::Siblings;
use waiting::Waiting;

pub use edit::EditError;
pub use merge::MergeError;
pub use spans::{Span, SpanContent};

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It is part of the document now (and so may be events that waited for it).
    Now,
    /// It was already part of the document; nothing changed.
    Repeat,
    /// Its chain or its references are incomplete; it is kept.
    Waits,
}

/// A replica of one document: the text and tree of the applied events, and the events that still wait.
///
/// It holds at most 2^30 characters, including deleted ones, and panics on an event that exceeds this.
///
/// ```
/// use inklog_crdt::{Agent, Applied, Doc, Event};
///
/// let (ann, bob) = (Agent::new("ann").unwrap(), Agent::new("bob").unwrap());
/// let (mut left, mut right) = (Doc::new(), Doc::new());
/// let typed = Event::new(ann.clone(), 0, vec![left.insert(&ann, 0, "colour").unwrap()]).unwrap();
/// let cut = Event::new(ann.clone(), 6, left.delete(&ann, 4, 1).unwrap()).unwrap();
/// // Whatever the order of arrival, the replicas end up the same.
/// assert_eq!(right.apply(&cut), Applied::Waits);
/// assert_eq!(right.apply(&typed), Applied::Now);
/// assert_eq!(right.text(), "color");
/// right.insert(&bob, 5, "s").unwrap();
/// assert_eq!(right.text(), "colors");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Doc {
    pub(crate) tree: Tree,
    pub(crate) ids: Ids,
    siblings: Siblings,
    waiting: Waiting,
    /// The agents that were looked up last.
    recent: Hints,
}

impl Doc {
    /// An empty document.
    pub fn new() -> Doc {
        Doc::default()
    }

    /// Visible length in Unicode scalar values.
    pub fn len(&self) -> usize {
        self.tree.chars()
    }

    /// Whether no character is visible.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The visible text.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.tree.leaves().map(|leaf| leaf.text.len()).sum());
        text.extend(self.tree.leaves().map(|leaf| leaf.text.as_str()));
        text
    }

    /// What has been applied.
    pub fn version(&self) -> &Version {
        self.ids.version()
    }

    /// Events that cannot be applied yet, by agent and `after`.
    pub fn waiting(&self) -> impl Iterator<Item = &Event> {
        self.waiting.iter()
    }

    /// Whether events wait for ids of `agent`: its own next ones, or others' that refer to them. A local edit
    /// under that agent may let them in ([`Doc::insert`]).
    pub fn is_awaited(&self, agent: &Agent) -> bool {
        self.waiting.awaits(agent)
    }

    /// Drops all that waits: whoever has it can give it again.
    pub fn drop_waiting(&mut self) {
        self.waiting = Waiting::default();
    }

    /// Tries this agent first from now on.
    fn remember(&mut self, agent: AgentNumber) {
        if self.recent[0] != agent {
            self.recent = [agent, self.recent[0]];
        }
    }

    /// Applies an event, or keeps it until it can be. One that carries its bytes is applied from them.
    pub fn apply(&mut self, event: &Event) -> Applied {
        if let Some(bytes) = event.kept()
            && let Some(applied) = self.apply_if_ready(bytes)
        {
            return applied;
        }
        self.receive(event, &mut Changes::unwanted())
    }

    /// The same, appending the editor's changes to `changes`, including those of released events.
    pub fn apply_with(&mut self, event: &Event, changes: &mut Vec<Change>) -> Applied {
        self.receive(event, &mut Changes::into(changes))
    }
}
