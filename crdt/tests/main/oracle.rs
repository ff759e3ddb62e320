//! A naive document: the rules of the design word by word, a list of nodes and a walk.

use std::collections::BTreeMap;

use inklog_crdt::{Agent, Event, Id, Op, Origin, Version};

struct Node {
    id: Id,
    char: char,
    deleted: bool,
    origin: Origin,
}

#[derive(Default)]
pub(crate) struct Oracle {
    nodes: Vec<Node>,
    version: BTreeMap<Agent, u64>,
    waiting: Vec<Event>,
}

impl Oracle {
    pub(crate) fn receive(&mut self, event: &Event) {
        let same = |other: &Event| other.agent() == event.agent() && other.after() == event.after();
        if !self.waiting.iter().any(same) {
            self.waiting.push(event.clone());
        }
        loop {
            let end = |event: &Event| self.version.get(event.agent()).copied().unwrap_or(0);
            self.waiting.retain(|event| event.after() >= end(event));
            let Some(ready) = self.waiting.iter().position(|event| self.is_ready(event)) else { return };
            let event = self.waiting.remove(ready);
            self.perform(&event);
        }
    }

    fn is_ready(&self, event: &Event) -> bool {
        let end = |agent: &Agent| self.version.get(agent).copied().unwrap_or(0);
        event.after() == end(event.agent())
            && event.ops().iter().all(|op| {
                let (agent, reference_end) = match op {
                    Op::Insert { origin: Origin::Left(None), .. } => return true,
                    Op::Insert { origin: Origin::Left(Some(id)) | Origin::Right(id), .. } => {
                        (&id.agent, id.seq + 1)
                    }
                    Op::Delete { target, len, .. } => (&target.agent, target.seq + len),
                };
                // An own reference lies below the op: it is covered, or in a gap for ever.
                agent == event.agent() || reference_end <= end(agent)
            })
    }

    fn perform(&mut self, event: &Event) {
        for op in event.ops() {
            match op {
                Op::Insert { seq, text, origin } => {
                    if origin.id().is_some_and(|id| !self.nodes.iter().any(|node| node.id == *id)) {
                        continue;
                    }
                    let mut origin = origin.clone();
                    for (seq, char) in (*seq..).zip(text.chars()) {
                        let id = Id::new(event.agent().clone(), seq);
                        let next = Origin::Left(Some(id.clone()));
                        self.nodes.push(Node { id, char, deleted: false, origin });
                        origin = next;
                    }
                }
                Op::Delete { target, len, .. } => {
                    for node in &mut self.nodes {
                        let inside = (target.seq..target.seq + len).contains(&node.id.seq);
                        node.deleted |= node.id.agent == target.agent && inside;
                    }
                }
            }
        }
        self.version.insert(event.agent().clone(), event.end());
    }

    pub(crate) fn text(&self) -> String {
        let mut children: BTreeMap<Option<&Id>, [Vec<&Node>; 2]> = BTreeMap::new();
        for node in &self.nodes {
            let (parent, side) = match &node.origin {
                Origin::Left(parent) => (parent.as_ref(), 1),
                Origin::Right(parent) => (Some(parent), 0),
            };
            children.entry(parent).or_default()[side].push(node);
        }
        for siblings in children.values_mut().flatten() {
            siblings.sort_by(|a, b| a.id.cmp(&b.id));
        }
        // A stack of its own, since a document can be deep: a subtree to walk, or a node to write.
        let (mut text, none) = (String::new(), [Vec::new(), Vec::new()]);
        let mut todo = vec![(None, true)];
        while let Some((node, is_subtree)) = todo.pop() {
            if is_subtree {
                let [left, right] = children.get(&node.map(|node: &Node| &node.id)).unwrap_or(&none);
                todo.extend(right.iter().rev().map(|child| (Some(*child), true)));
                todo.push((node, false));
                todo.extend(left.iter().rev().map(|child| (Some(*child), true)));
            } else {
                text.extend(node.filter(|node| !node.deleted).map(|node| node.char));
            }
        }
        text
    }

    pub(crate) fn version(&self) -> Version {
        self.version.iter().map(|(agent, end)| (agent.clone(), *end)).collect()
    }

    /// By agent and `after`.
    pub(crate) fn waiting(&self) -> Vec<Event> {
        let mut waiting = self.waiting.clone();
        waiting.sort_by_key(|event| (event.agent().clone(), event.after()));
        waiting
    }
}
