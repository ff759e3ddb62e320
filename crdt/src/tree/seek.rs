//! Finds places in the B-tree: by number, by visible index, and by the least depth or gap.

use super::leaf::Before;
use super::node::Node;
use super::run::{Lv, Run};
use super::{At, NONE, Tree};

/// The value that a search for a run compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Depth,
    Gap,
}

impl Column {
    fn of_run(self, run: &Run) -> u32 {
        match self {
            Column::Depth => run.depth,
            Column::Gap => run.gap,
        }
    }

    fn of_node(self, node: &Node) -> &[u32] {
        match self {
            Column::Depth => node.min_depth(),
            Column::Gap => node.min_gap(),
        }
    }
}

impl Tree {
    /// Where a node of the tree is.
    pub fn locate(&self, lv: Lv) -> At {
        let last = self.recent.first();
        if let Some(leaf) = self.leaves.get(last.leaf as usize) {
            for run in [last.run, last.run.wrapping_sub(1), last.run + 1] {
                if let Some(found) = leaf.runs.get(run)
                    && found.contains(lv)
                {
                    return At { leaf: last.leaf, run, off: lv - found.lv };
                }
            }
        }
        let leaf = self.index.leaf_of(lv);
        let run = self.leaf(leaf).run_of(lv).expect("the index names the node's leaf");
        At { leaf, run, off: lv - self.leaf(leaf).runs[run].lv }
    }

    /// The node at a visible index, which must be below [`Tree::chars`]. Remembers where it was.
    pub fn at_index(&mut self, index: usize) -> At {
        let (leaf, in_leaf) = self.leaf_at_index(index);
        self.visit(leaf);
        let runs = &self.leaves[leaf as usize].runs;
        let place = self.recent.first_mut();
        if place.before.chars > in_leaf {
            (place.run, place.before, place.open) = (0, Before::default(), None);
        }
        loop {
            let (run, off) = (&runs[place.run], in_leaf - place.before.chars);
            if off < run.chars() {
                return At { leaf, run: place.run, off };
            }
            (place.run, place.before, place.open) = (place.run + 1, place.before.after(run), None);
        }
    }

    /// The leaf that holds the character at a visible index, and which of its characters it is.
    fn leaf_at_index(&mut self, index: usize) -> (u32, u32) {
        debug_assert!(index < self.chars);
        if let Some((leaf, start)) = self.start
            && let Some(rest) = index.checked_sub(start)
            && rest < self.leaf(leaf).chars as usize
        {
            return (leaf, rest as u32);
        }
        self.count_all();
        let mut rest = index as u32;
        let mut at = self.root;
        let leaf = loop {
            let node = &self.nodes[at as usize];
            let mut slot = 0;
            while rest >= node.chars()[slot] {
                rest -= node.chars()[slot];
                slot += 1;
            }
            at = node.children()[slot];
            if node.above_leaves {
                break at;
            }
        };
        self.start = Some((leaf, index - rest as usize));
        (leaf, rest)
    }

    /// How many visible characters precede a node.
    pub fn index_of(&mut self, at: At) -> usize {
        self.count_all();
        let leaf = self.leaf(at.leaf);
        let mut index: u32 = leaf.runs[..at.run].iter().map(Run::chars).sum();
        if !leaf.runs.is_empty() && !self.run(at).deleted {
            index += at.off;
        }
        let (mut child, mut parent) = (at.leaf, leaf.parent);
        while parent != NONE {
            let node = &self.nodes[parent as usize];
            index += node.chars()[..node.slot_of(child)].iter().sum::<u32>();
            (child, parent) = (parent, node.parent);
        }
        index as usize
    }

    /// The gap after the last node.
    pub fn end(&self) -> At {
        let leaf = self.leaf(self.last);
        let off = leaf.runs.last().map_or(0, |run| run.len);
        At { leaf: self.last, run: leaf.runs.len().saturating_sub(1), off }
    }

    /// The gap before the first node.
    pub fn begin(&self) -> At {
        At { leaf: 0, run: 0, off: 0 }
    }

    /// The first run, unless there is none.
    pub fn first_run(&self) -> Option<At> {
        (!self.leaf(0).runs.is_empty()).then_some(At { leaf: 0, run: 0, off: 0 })
    }

    /// The node after the one at `at`.
    pub fn node_after(&self, at: At) -> Option<At> {
        if at.off + 1 < self.run(at).len { Some(At { off: at.off + 1, ..at }) } else { self.next_run(at) }
    }

    /// A node's number.
    pub fn lv_at(&self, at: At) -> Lv {
        self.run(at).lv + at.off
    }

    /// A node's depth.
    pub fn depth_of(&self, at: At) -> u32 {
        self.run(at).depth + at.off
    }

    /// The gap before a node, see [`Run::gap`].
    pub fn gap_before(&self, at: At) -> u32 {
        if at.off == 0 { self.run(at).gap } else { self.depth_of(at) }
    }

    /// The run after the one at `at`.
    pub fn next_run(&self, at: At) -> Option<At> {
        let leaf = self.leaf(at.leaf);
        if at.run + 1 < leaf.runs.len() {
            Some(At { leaf: at.leaf, run: at.run + 1, off: 0 })
        } else if leaf.next != NONE {
            Some(At { leaf: leaf.next, run: 0, off: 0 })
        } else {
            None
        }
    }

    /// The first run after the one at `at` whose `column` is at most `most`.
    pub fn next_at_most(&self, at: At, column: Column, most: u32) -> Option<At> {
        let low = |run: &Run| column.of_run(run) <= most;
        let leaf = self.leaf(at.leaf);
        if let Some(ahead) = leaf.runs[at.run + 1..].iter().position(low) {
            return Some(At { leaf: at.leaf, run: at.run + 1 + ahead, off: 0 });
        }
        let (mut child, mut parent) = (at.leaf, leaf.parent);
        while parent != NONE {
            let node = &self.nodes[parent as usize];
            let from = node.slot_of(child) + 1;
            if let Some(ahead) = column.of_node(node)[from..].iter().position(|least| *least <= most) {
                let leaf = self.descend(parent, from + ahead, |node| {
                    column.of_node(node).iter().position(|least| *least <= most)
                });
                let run = self.leaf(leaf).runs.iter().position(low).expect("sums hold");
                return Some(At { leaf, run, off: 0 });
            }
            (child, parent) = (parent, node.parent);
        }
        None
    }

    /// The last run before the one at `at` whose `column` is at most `most`.
    pub fn prev_at_most(&self, at: At, column: Column, most: u32) -> Option<At> {
        let low = |run: &Run| column.of_run(run) <= most;
        let leaf = self.leaf(at.leaf);
        if let Some(run) = leaf.runs[..at.run].iter().rposition(low) {
            return Some(At { leaf: at.leaf, run, off: 0 });
        }
        let (mut child, mut parent) = (at.leaf, leaf.parent);
        while parent != NONE {
            let node = &self.nodes[parent as usize];
            let until = node.slot_of(child);
            if let Some(slot) = column.of_node(node)[..until].iter().rposition(|least| *least <= most) {
                let leaf = self.descend(parent, slot, |node| {
                    column.of_node(node).iter().rposition(|least| *least <= most)
                });
                let run = self.leaf(leaf).runs.iter().rposition(low).expect("sums hold");
                return Some(At { leaf, run, off: 0 });
            }
            (child, parent) = (parent, node.parent);
        }
        None
    }

    /// Descends from a child of `node` to a leaf, by the slot that `choose` finds at each level.
    fn descend(&self, node: u32, slot: usize, choose: impl Fn(&Node) -> Option<usize>) -> u32 {
        let mut node = &self.nodes[node as usize];
        let mut slot = slot;
        while !node.above_leaves {
            node = &self.nodes[node.children()[slot] as usize];
            slot = choose(node).expect("sums hold");
        }
        node.children()[slot]
    }
}
