//! A document from its chains: the Fugue tree walked once, in document order.

use std::ops::Range;

use crate::Doc;
use crate::tree::{Builder, Lv, Run, START, Side};

use super::ids::Ids;
use super::order::Siblings;

/// In place of a chain's number: the start of the document.
pub(crate) const NO_CHAIN: u32 = u32::MAX;

/// Nodes `lv … lv+len-1`, each the right child of the one before. Together the chains hold every
/// number once, in ascending order; and since agents come by name and seqs ascending, numbers are
/// ordered as ids are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NumberedChain {
    pub lv: Lv,
    pub len: u32,
    /// Where it hangs: at which node of which chain, and on which side; or [`NO_CHAIN`].
    pub above: u32,
    pub node: u32,
    pub side: Side,
}

/// What the nodes of a state hang at each other by, and which of them are visible.
pub(crate) struct Skeleton<'a> {
    pub chains: &'a [NumberedChain],
    /// In document order, how many nodes are visible, then how many deleted, and so on. They add up to
    /// all nodes, and to the characters of `text`.
    pub turns: &'a [u64],
    pub text: &'a str,
}

/// A step of the walk that is still to be taken.
enum Step {
    /// A chain with all that hangs below it, from this node of it on, which stands at this depth.
    Subtree { chain: u32, node: u32, depth: u32, hanging: Range<usize> },
    /// Chains that hang at one node on one side, as a range of [`Walk::hanging`], at a depth.
    Siblings { hanging: Range<usize>, depth: u32 },
    /// A node whose left children have been passed, as [`Step::Subtree`].
    Middle { chain: u32, node: u32, depth: u32, hanging: Range<usize> },
}

struct Walk<'a> {
    chains: &'a [NumberedChain],
    /// Chains by the chain that they hang at, and then by node, side and id.
    hanging: Vec<u32>,
    /// By chain, where its part of `hanging` begins; the last part is what hangs at the start.
    begin: Vec<u32>,
    todo: Vec<Step>,
    /// The depth of the topmost subtree that begins at the next node, if any does.
    begins: u32,
    reached: u64,
    /// The nodes that are not the only child of their parent on their side.
    siblings: Vec<(Lv, Side, Vec<Lv>)>,
    builder: Builder,
    turns: std::slice::Iter<'a, u64>,
    /// Nodes left in this turn, and whether they are deleted.
    turn: (u64, bool),
    text: &'a str,
}

impl Skeleton<'_> {
    /// The document; `None` when chains hang at each other in a circle.
    pub fn build(self, ids: Ids) -> Option<Doc> {
        let chains = self.chains;
        let (hanging, begin) = by_parent(chains);
        let mut turns = self.turns.iter();
        let turn = (turns.next().copied().unwrap_or(0), false);
        let mut walk = Walk {
            chains,
            hanging,
            begin,
            todo: Vec::new(),
            begins: u32::MAX,
            reached: 0,
            siblings: Vec::new(),
            builder: Builder::default(),
            turns,
            turn,
            text: self.text,
        };
        let roots = walk.begin[chains.len()] as usize..chains.len();
        walk.note_siblings(START, Side::Right, roots.clone(), None);
        walk.todo.push(Step::Siblings { hanging: roots, depth: 1 });
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
        Some(Doc { tree: walk.builder.finish(), ids, siblings, ..Doc::default() })
    }
}

/// Chains grouped by what they hang at, and where each group begins.
fn by_parent(chains: &[NumberedChain]) -> (Vec<u32>, Vec<u32>) {
    let group = |chain: &NumberedChain| (chain.above as usize).min(chains.len());
    let mut begin = vec![0; chains.len() + 2];
    chains.iter().for_each(|chain| begin[group(chain) + 1] += 1);
    for at in 1..begin.len() {
        begin[at] += begin[at - 1];
    }
    let mut next = begin.clone();
    let mut hanging = vec![0; chains.len()];
    for (no, chain) in (0..).zip(chains) {
        let place = &mut next[group(chain)];
        hanging[*place as usize] = no;
        *place += 1;
    }
    for group in 0..chains.len() {
        let group = &mut hanging[begin[group] as usize..begin[group + 1] as usize];
        if group.len() > 1 {
            // Stable, so that ids stay in order.
            group.sort_by_key(|chain| {
                let NumberedChain { node, side, .. } = chains[*chain as usize];
                (node, side)
            });
        }
    }
    (hanging, begin)
}

impl Walk<'_> {
    fn take(&mut self, step: Step) {
        match step {
            Step::Siblings { hanging, .. } if hanging.is_empty() => {}
            Step::Siblings { hanging, depth } => {
                let chain = self.hanging[hanging.start];
                if hanging.len() > 1 {
                    self.todo.push(Step::Siblings { hanging: hanging.start + 1..hanging.end, depth });
                }
                let hanging = self.begin[chain as usize] as usize..self.begin[chain as usize + 1] as usize;
                self.enter(chain, 0, depth, hanging);
            }
            Step::Subtree { chain, node, depth, hanging } => self.enter(chain, node, depth, hanging),
            Step::Middle { chain, node, depth, hanging } => self.leave(chain, node, depth, hanging),
        }
    }

    /// Passes the nodes up to the first one that something else hangs at, and plans what is there.
    fn enter(&mut self, chain: u32, node: u32, depth: u32, hanging: Range<usize>) {
        self.begins = self.begins.min(depth);
        let Some(first) = self.hanging[hanging.clone()].first() else {
            return self.emit(chain, node, self.chains[chain as usize].len, depth);
        };
        let NumberedChain { node: at, side, .. } = self.chains[*first as usize];
        let at_depth = depth + (at - node);
        if at > node {
            self.emit(chain, node, at, depth);
            self.begins = at_depth;
        }
        if side == Side::Right {
            return self.leave(chain, at, at_depth, hanging);
        }
        let right = self.end_of(&hanging, at, Side::Left);
        let left = hanging.start..right;
        let parent = self.chains[chain as usize].lv + at;
        self.note_siblings(parent, Side::Left, left.clone(), None);
        self.todo.push(Step::Middle { chain, node: at, depth: at_depth, hanging: right..hanging.end });
        self.todo.push(Step::Siblings { hanging: left, depth: at_depth + 1 });
    }

    /// Passes a node, and plans what is on the right of it: what hangs there, and the rest of its chain.
    fn leave(&mut self, chain: u32, node: u32, depth: u32, hanging: Range<usize>) {
        let NumberedChain { lv, len, .. } = self.chains[chain as usize];
        self.emit(chain, node, node + 1, depth);
        let end = self.end_of(&hanging, node, Side::Right);
        let next = (node + 1 < len).then_some(lv + node + 1);
        self.note_siblings(lv + node, Side::Right, hanging.start..end, next);
        // The chain's own next node is one of the right children, at its place among them.
        let lower = |other: &u32| next.is_none_or(|next| self.chains[*other as usize].lv < next);
        let own = hanging.start + self.hanging[hanging.start..end].partition_point(lower);
        let depth = depth + 1;
        if own < end {
            self.todo.push(Step::Siblings { hanging: own..end, depth });
        }
        if next.is_some() {
            self.todo.push(Step::Subtree { chain, node: node + 1, depth, hanging: end..hanging.end });
        }
        if hanging.start < own {
            self.todo.push(Step::Siblings { hanging: hanging.start..own, depth });
        }
    }

    /// Where what hangs at a node up to a side ends.
    fn end_of(&self, hanging: &Range<usize>, node: u32, side: Side) -> usize {
        let beyond = |other: &u32| {
            let other = self.chains[*other as usize];
            (other.node, other.side) > (node, side)
        };
        let here = &self.hanging[hanging.clone()];
        hanging.start + here.iter().position(beyond).unwrap_or(here.len())
    }

    fn note_siblings(&mut self, parent: Lv, side: Side, hanging: Range<usize>, own: Option<Lv>) {
        if hanging.len() + usize::from(own.is_some()) < 2 {
            return;
        }
        let others = self.hanging[hanging].iter().map(|chain| self.chains[*chain as usize].lv);
        let mut set: Vec<Lv> = others.collect();
        if let Some(own) = own {
            set.insert(set.partition_point(|lv| *lv < own), own);
        }
        self.siblings.push((parent, side, set));
    }

    /// Appends the nodes `from..to` of a chain to the document, in as many turns as they take.
    fn emit(&mut self, chain: u32, from: u32, to: u32, depth: u32) {
        let NumberedChain { lv, above, node, side, .. } = self.chains[chain as usize];
        let (parent, side) = match (from, above) {
            (0, NO_CHAIN) => (START, side),
            (0, above) => (self.chains[above as usize].lv + node, side),
            _ => (lv + from - 1, Side::Right),
        };
        // Where no subtree begins, the node before is in this one's, on the left.
        let gap = if self.begins == u32::MAX { depth + 1 } else { self.begins };
        self.begins = u32::MAX;
        self.reached += u64::from(to - from);
        let mut run =
            Run { lv: lv + from, len: to - from, depth, gap, parent, bytes: 0, side, deleted: false };
        loop {
            while self.turn.0 == 0 {
                let turn = self.turns.next().expect("the turns add up to all nodes");
                self.turn = (*turn, !self.turn.1);
            }
            let (left, deleted) = self.turn;
            let tail = (u64::from(run.len) > left).then(|| run.split_off(left as u32, 0));
            self.turn.0 -= u64::from(run.len);
            let mut chars = "";
            if !deleted {
                (chars, self.text) = split_chars(self.text, run.len as usize);
            }
            self.builder.push(Run { deleted, ..run }, chars);
            match tail {
                Some(tail) => run = tail,
                None => return,
            }
        }
    }
}

/// The first `count` characters and the others.
fn split_chars(text: &str, count: usize) -> (&str, &str) {
    // In ASCII, which is most text, characters are bytes.
    if text.as_bytes().get(..count).is_some_and(<[u8]>::is_ascii) {
        return text.split_at(count);
    }
    text.split_at(text.char_indices().nth(count).map_or(text.len(), |(at, _)| at))
}
