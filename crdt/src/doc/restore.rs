//! Builds a document from its chains, in one walk of the Fugue tree in document order.

use std::ops::Range;

use crate::Doc;
use crate::tree::{Builder, Lv, Run, START, Side, sort_by_number};

use super::ids::Ids;
use super::order::Siblings;

/// Stands for the start of the document, in place of a chain's index.
pub(crate) const NO_CHAIN: u32 = u32::MAX;

/// Nodes `lv … lv+len-1`, each the right child of the one before. Together the chains hold every
/// number once, in ascending order. Because agents are ordered by name and seqs ascend, numbers are
/// in the order of ids.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NumberedChain {
    pub lv: Lv,
    pub len: u32,
    /// The parent's chain, or [`NO_CHAIN`]; the parent's place in it, and the side.
    pub above: u32,
    pub node: u32,
    pub side: Side,
}

/// The structure of a state's tree, and which nodes are visible.
pub(crate) struct Skeleton<'a> {
    pub chains: &'a [NumberedChain],
    /// In document order, how many nodes are visible, then how many are deleted, and so on. They add up
    /// to all nodes, and the visible ones to the characters of `text`.
    pub visibility: &'a [u64],
    pub text: &'a str,
}

/// A part of [`Walk::hanging`].
type Hanging = Range<u32>;

/// A pending step of the walk.
enum Step {
    /// The chains below one node on one side, and their depth.
    Siblings { hanging: Hanging, depth: u32 },
    /// A chain from this node on, which has this depth and begins a subtree, and the node's children.
    Subtree { chain: u32, node: u32, depth: u32, hanging: Hanging },
    /// The same, after the node's left children.
    Rest { chain: u32, node: u32, depth: u32, hanging: Hanging },
}

struct Walk<'a> {
    chains: &'a [NumberedChain],
    /// Chains by parent node, then by side and id.
    hanging: Vec<u32>,
    /// By chain, where its children begin in `hanging`; the last part is the children of the start.
    begin: Vec<u32>,
    todo: Vec<Step>,
    /// The depth of the topmost subtree that begins at the next node, if any does.
    begins: u32,
    reached: u64,
    /// The nodes with siblings on their side.
    siblings: Vec<(Lv, Side, Vec<Lv>)>,
    builder: Builder<'a>,
    visibility: std::slice::Iter<'a, u64>,
    /// How many nodes of the current stretch are left, and whether they are deleted.
    stretch: (u64, bool),
}

impl Skeleton<'_> {
    /// The document; `None` if the chains form a cycle.
    pub fn build(self, ids: Ids) -> Option<Doc> {
        let chains = self.chains;
        let (hanging, begin) = by_parent(chains, ids.end_lv());
        let mut visibility = self.visibility.iter();
        let stretch = (visibility.next().copied().unwrap_or(0), false);
        let mut walk = Walk {
            chains,
            hanging,
            begin,
            todo: Vec::new(),
            begins: u32::MAX,
            reached: 0,
            siblings: Vec::new(),
            builder: Builder::new(self.text, chains.len()),
            visibility,
            stretch,
        };
        let roots = walk.begin[chains.len()]..chains.len() as u32;
        walk.note_siblings(START, Side::Right, roots.clone(), None);
        if !roots.is_empty() {
            walk.todo.push(Step::Siblings { hanging: roots, depth: 1 });
        }
        while let Some(step) = walk.todo.pop() {
            walk.take(step);
        }
        if walk.reached != u64::from(ids.nodes()) {
            return None;
        }
        let mut siblings = Siblings::default();
        for (parent, side, nodes) in walk.siblings {
            siblings.put((parent, side), &nodes, &ids);
        }
        let tree = walk.builder.finish(chains.iter().map(|chain| chain.lv), ids.end_lv());
        Some(Doc { tree, ids, siblings, ..Doc::default() })
    }
}

/// Chains in the order of their parents, and where each chain's children begin among them. All numbers
/// are below `end`.
fn by_parent(chains: &[NumberedChain], end: Lv) -> (Vec<u32>, Vec<u32>) {
    let key = |chain: &NumberedChain| match chains.get(chain.above as usize) {
        Some(above) => (above.lv + chain.node) * 2 + u32::from(chain.side == Side::Right),
        None => end * 2,
    };
    let mut hanging: Vec<(u32, u32)> = chains.iter().map(key).zip(0..).collect();
    sort_by_number(&mut hanging, end * 2 + 1);
    let mut begin = Vec::with_capacity(chains.len() + 1);
    let mut at = 0;
    for first in chains.iter().map(|chain| chain.lv).chain([end]) {
        while hanging.get(at).is_some_and(|(parent, _)| *parent < first * 2) {
            at += 1;
        }
        begin.push(at as u32);
    }
    (hanging.into_iter().map(|(_, chain)| chain).collect(), begin)
}

impl Walk<'_> {
    fn take(&mut self, step: Step) {
        match step {
            Step::Siblings { hanging, depth } => {
                let chain = self.hanging[hanging.start as usize];
                if hanging.len() > 1 {
                    self.todo.push(Step::Siblings { hanging: hanging.start + 1..hanging.end, depth });
                }
                let hanging = self.begin[chain as usize]..self.begin[chain as usize + 1];
                self.begins = self.begins.min(depth);
                self.pass(chain, 0, depth, hanging);
            }
            Step::Subtree { chain, node, depth, hanging } => {
                self.begins = self.begins.min(depth);
                self.pass(chain, node, depth, hanging);
            }
            Step::Rest { chain, node, depth, hanging } => self.pass(chain, node, depth, hanging),
        }
    }

    /// Emits the nodes up to the first one with other children, and schedules those.
    fn pass(&mut self, chain: u32, node: u32, depth: u32, hanging: Hanging) {
        let NumberedChain { lv, len, .. } = self.chains[chain as usize];
        if hanging.is_empty() {
            return self.emit(chain, node, len, depth);
        }
        let first = self.hanging[hanging.start as usize];
        let NumberedChain { node: at, side, .. } = self.chains[first as usize];
        let at_depth = depth + (at - node);
        let end = self.end_of(&hanging, at, side);
        let here = hanging.start..end;
        let rest = end..hanging.end;
        if side == Side::Left {
            if at > node {
                self.emit(chain, node, at, depth);
                self.begins = at_depth;
            }
            self.note_siblings(lv + at, Side::Left, here.clone(), None);
            self.todo.push(Step::Rest { chain, node: at, depth: at_depth, hanging: rest });
            self.todo.push(Step::Siblings { hanging: here, depth: at_depth + 1 });
            return;
        }
        self.emit(chain, node, at + 1, depth);
        let next = (at + 1 < len).then_some(lv + at + 1);
        self.note_siblings(lv + at, Side::Right, here.clone(), next);
        // The chain's own next node is one of the right children, at its place among them.
        let lower = |other: &u32| next.is_none_or(|next| self.chains[*other as usize].lv < next);
        let among = &self.hanging[here.start as usize..here.end as usize];
        let own = here.start + among.partition_point(lower) as u32;
        let depth = at_depth + 1;
        if own < here.end {
            self.todo.push(Step::Siblings { hanging: own..here.end, depth });
        }
        if next.is_some() {
            self.todo.push(Step::Subtree { chain, node: at + 1, depth, hanging: rest });
        }
        if here.start < own {
            self.todo.push(Step::Siblings { hanging: here.start..own, depth });
        }
    }

    /// Where a node's children on one side end. The first one is among them.
    fn end_of(&self, hanging: &Hanging, node: u32, side: Side) -> u32 {
        let is_there = |other: &u32| {
            let other = &self.chains[self.hanging[*other as usize] as usize];
            (other.node, other.side) == (node, side)
        };
        (hanging.start + 1..hanging.end).find(|other| !is_there(other)).unwrap_or(hanging.end)
    }

    #[inline]
    fn note_siblings(&mut self, parent: Lv, side: Side, hanging: Hanging, own: Option<Lv>) {
        if hanging.len() + usize::from(own.is_some()) > 1 {
            self.put_siblings(parent, side, hanging, own);
        }
    }

    #[cold]
    fn put_siblings(&mut self, parent: Lv, side: Side, hanging: Hanging, own: Option<Lv>) {
        let hanging = hanging.start as usize..hanging.end as usize;
        let others = self.hanging[hanging].iter().map(|chain| self.chains[*chain as usize].lv);
        let set = others.chain(own).collect();
        self.siblings.push((parent, side, set));
    }

    #[inline]
    /// Appends the nodes `from..to` of a chain to the document, cut where visible and deleted ones meet.
    fn emit(&mut self, chain: u32, from: u32, to: u32, depth: u32) {
        let NumberedChain { lv, above, node, side, .. } = self.chains[chain as usize];
        let (parent, side) = match (from, above) {
            (0, NO_CHAIN) => (START, side),
            (0, above) => (self.chains[above as usize].lv + node, side),
            _ => (lv + from - 1, Side::Right),
        };
        // If no subtree begins here, the previous node is in this one's subtree, on the left.
        let gap = if self.begins == u32::MAX { depth + 1 } else { self.begins };
        self.begins = u32::MAX;
        self.reached += u64::from(to - from);
        let mut run =
            Run { lv: lv + from, len: to - from, depth, gap, parent, bytes: 0, side, deleted: false };
        loop {
            while self.stretch.0 == 0 {
                let len = self.visibility.next().expect("they add up to all nodes");
                self.stretch = (*len, !self.stretch.1);
            }
            let (left, deleted) = self.stretch;
            run.deleted = deleted;
            let tail = (u64::from(run.len) > left).then(|| run.split_off(left as u32, 0));
            self.stretch.0 -= u64::from(run.len);
            self.builder.push(chain, run);
            match tail {
                Some(tail) => run = tail,
                None => return,
            }
        }
    }
}
