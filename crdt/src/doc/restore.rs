//! A document from its chains: the Fugue tree walked once, in document order.

use std::ops::Range;

use crate::Doc;
use crate::tree::{Builder, Lv, Run, START, Side};

use super::ids::Ids;
use super::order::Siblings;

/// Nodes `lv … lv+len-1`, each the right child of the one before. Together the chains hold every
/// number once, in ascending order; and since agents come by name and seqs ascending, numbers are
/// ordered as ids are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NumberedChain {
    pub lv: Lv,
    pub len: u32,
    pub parent: Lv,
    pub side: Side,
}

/// All nodes in document order, each run still without its text and its tombstones.
pub(crate) struct Skeleton {
    runs: Vec<Run>,
    siblings: Vec<(Lv, Side, Vec<Lv>)>,
}

/// A step of the walk that is still to be taken.
enum Step {
    /// The rest of a chain with all that hangs below it, from the node of this run on.
    Subtree(Run),
    /// The first node of this run alone.
    Node(Run),
    /// Chains that hang at one node on one side, as a range of [`Walk::hanging`], at a depth.
    Siblings(Range<usize>, u32),
}

struct Walk<'a> {
    chains: &'a [NumberedChain],
    /// Chains by parent, side and id.
    hanging: Vec<usize>,
    runs: Vec<Run>,
    /// The depth of the topmost subtree that begins at the next node, if any does.
    begins: u32,
    todo: Vec<Step>,
}

impl Skeleton {
    /// `None` when chains hang at each other in a circle.
    pub fn new(chains: &[NumberedChain]) -> Option<Skeleton> {
        let mut hanging: Vec<usize> = (0..chains.len()).collect();
        hanging.sort_unstable_by_key(|chain| (chains[*chain].parent, chains[*chain].side, chains[*chain].lv));
        let nodes = chains.last().map_or(0, |last| last.lv + last.len);
        let mut walk = Walk { chains, hanging, runs: Vec::new(), begins: u32::MAX, todo: Vec::new() };
        let roots = walk.hanging.partition_point(|chain| chains[*chain].parent < START);
        walk.todo.push(Step::Siblings(roots..chains.len(), 1));
        while let Some(step) = walk.todo.pop() {
            walk.take(step);
        }
        let reached: u64 = walk.runs.iter().map(|run| u64::from(run.len)).sum();
        (reached == u64::from(nodes)).then(|| Skeleton { siblings: walk.siblings(), runs: walk.runs })
    }

    /// Gives the nodes their characters: in document order, `turns` are how many are visible, then how
    /// many deleted, and so on. They add up to all nodes, and to the characters of `text`.
    pub fn finish(self, ids: Ids, turns: &[u64], text: &str) -> Doc {
        let mut builder = Builder::default();
        let mut turns = turns.iter().copied();
        let (mut left, mut deleted) = (turns.next().unwrap_or(0), false);
        let mut rest = text;
        for mut run in self.runs {
            loop {
                while left == 0 {
                    left = turns.next().expect("the turns add up to all nodes");
                    deleted = !deleted;
                }
                let tail = (u64::from(run.len) > left).then(|| run.split_off(left as u32, 0));
                left -= u64::from(run.len);
                let mut chars = "";
                if !deleted {
                    (chars, rest) = split_chars(rest, run.len as usize);
                }
                builder.push(Run { deleted, ..run }, chars);
                match tail {
                    Some(tail) => run = tail,
                    None => break,
                }
            }
        }
        let mut siblings = Siblings::default();
        for (parent, side, nodes) in self.siblings {
            siblings.put((parent, side), &nodes, &ids);
        }
        let version = ids.agents().map(|agent| (ids.name(agent).clone(), ids.end(agent))).collect();
        Doc { tree: builder.finish(), ids, siblings, version, ..Doc::default() }
    }
}

impl Walk<'_> {
    fn take(&mut self, step: Step) {
        match step {
            Step::Node(run) => self.emit(run),
            Step::Siblings(range, _) if range.is_empty() => {}
            Step::Siblings(range, depth) => {
                let NumberedChain { lv, len, parent, side } = self.chains[self.hanging[range.start]];
                self.todo.push(Step::Siblings(range.start + 1..range.end, depth));
                let (bytes, deleted) = (0, false);
                self.todo.push(Step::Subtree(Run { lv, len, depth, gap: 0, parent, bytes, side, deleted }));
            }
            Step::Subtree(run) => self.enter(run),
        }
    }

    /// Passes the nodes up to the first one that something else hangs at, and plans what is there.
    fn enter(&mut self, run: Run) {
        self.begins = self.begins.min(run.depth);
        let parent_of = |chain: &usize| self.chains[*chain].parent;
        let at = self.hanging.partition_point(|chain| parent_of(chain) < run.lv);
        let node = self.hanging.get(at).map(parent_of).filter(|node| run.contains(*node));
        let Some(node) = node else { return self.emit(run) };
        let end = at + self.hanging[at..].partition_point(|chain| parent_of(chain) == node);
        let right =
            at + self.hanging[at..end].partition_point(|chain| self.chains[*chain].side == Side::Left);
        // The chain's own next node is one of the right children, at its place among them.
        let later = right + self.hanging[right..end].partition_point(|chain| self.chains[*chain].lv < node);
        let mut here = run;
        if node > run.lv {
            here = Run { lv: run.lv, ..run };
            let rest = here.split_off(node - run.lv, 0);
            self.emit(here);
            here = rest;
            self.begins = here.depth;
        }
        let next = (here.len > 1).then(|| here.split_off(1, 0));
        let below = here.depth + 1;
        self.todo.push(Step::Siblings(later..end, below));
        self.todo.extend(next.map(Step::Subtree));
        self.todo.push(Step::Siblings(right..later, below));
        self.todo.push(Step::Node(here));
        self.todo.push(Step::Siblings(at..right, below));
    }

    fn emit(&mut self, run: Run) {
        // Where no subtree begins, the node before is in this one's, on the left.
        let gap = if self.begins == u32::MAX { run.depth + 1 } else { self.begins };
        self.begins = u32::MAX;
        match self.runs.last_mut() {
            Some(last) if run.continues(last) => last.len += run.len,
            _ => self.runs.push(Run { gap, ..run }),
        }
    }

    /// The nodes that are not the only child of their parent on their side.
    fn siblings(&self) -> Vec<(Lv, Side, Vec<Lv>)> {
        let mut sets: Vec<(Lv, Side, Vec<Lv>)> = Vec::new();
        for chain in &self.hanging {
            let NumberedChain { lv, parent, side, .. } = self.chains[*chain];
            match sets.last_mut() {
                Some(set) if (set.0, set.1) == (parent, side) => set.2.push(lv),
                _ => sets.push((parent, side, vec![lv])),
            }
        }
        for (parent, side, set) in &mut sets {
            if *parent != START && *side == Side::Right {
                let own = self.chains[self.chains.partition_point(|chain| chain.lv <= *parent) - 1];
                if *parent + 1 < own.lv + own.len {
                    set.insert(set.partition_point(|lv| *lv <= *parent), *parent + 1);
                }
            }
        }
        sets.retain(|(_, _, set)| set.len() > 1);
        sets
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
