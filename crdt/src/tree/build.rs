//! Building a whole tree at once from its runs in document order.

use super::leaf::Leaf;
use super::node::{FANOUT, Node, Sum};
use super::run::Run;
use super::{MAX_RUNS, MAX_TEXT, NONE, Tree};

/// Leaves and nodes are left a quarter empty, so that the first edits don't split every one of them.
const RUNS: usize = MAX_RUNS / 4 * 3;
const TEXT: usize = MAX_TEXT / 4 * 3;
const CHILDREN: usize = FANOUT / 4 * 3;

/// Takes runs in document order.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    leaves: Vec<Leaf>,
}

impl Builder {
    /// Appends a run, whose depth and gap are right and whose text, unless it is deleted, is `text`.
    pub fn push(&mut self, run: Run, text: &str) {
        let (mut run, mut rest) = (run, text);
        loop {
            let room = self.leaves.last().map_or(0, |leaf| TEXT.saturating_sub(leaf.text.len()));
            let room = if rest.len() <= room || room < TEXT / 4 { TEXT } else { room };
            let (piece, tail) = rest.split_at(rest.floor_char_boundary(room));
            let mut this = Run { bytes: piece.len() as u16, ..run };
            let is_all = tail.is_empty();
            if !is_all {
                run = this.split_off(piece.chars().count() as u32, this.bytes);
            }
            self.push_piece(this, piece);
            if is_all {
                return;
            }
            rest = tail;
        }
    }

    fn push_piece(&mut self, run: Run, text: &str) {
        if let Some(leaf) = self.leaves.last_mut()
            && leaf.text.len() + text.len() <= TEXT
        {
            if let Some(before) = leaf.runs.last_mut()
                && run.continues(before)
            {
                before.len += run.len;
                before.bytes += run.bytes;
                leaf.text.push_str(text);
                return;
            }
            if leaf.runs.len() < RUNS {
                leaf.runs.push(run);
                leaf.text.push_str(text);
                return;
            }
        }
        let this = self.leaves.len() as u32;
        let prev = this.checked_sub(1).unwrap_or(NONE);
        if let Some(last) = self.leaves.last_mut() {
            last.next = this;
        }
        let mut leaf = Leaf::new(NONE, prev, NONE);
        leaf.runs.push(run);
        leaf.text.push_str(text);
        self.leaves.push(leaf);
    }

    /// The tree.
    pub fn finish(self) -> Tree {
        let mut tree = Tree::default();
        if self.leaves.is_empty() {
            return tree;
        }
        tree.leaves = self.leaves;
        tree.last = tree.leaves.len() as u32 - 1;
        tree.nodes.clear();
        let mut runs: Vec<(u32, u32, u32)> = Vec::new();
        let mut level: Vec<(u32, Sum)> = Vec::new();
        for (no, leaf) in (0..).zip(&tree.leaves) {
            runs.extend(leaf.runs.iter().map(|run| (run.lv, run.end(), no)));
            level.push((no, leaf.sum()));
        }
        runs.sort_unstable();
        tree.index.fill(runs.into_iter());
        let mut above_leaves = true;
        loop {
            let mut upper = Vec::with_capacity(level.len() / CHILDREN + 1);
            for children in level.chunks(CHILDREN) {
                let no = tree.nodes.len() as u32;
                let mut node = Node::new(NONE, above_leaves);
                for (slot, (child, sum)) in children.iter().enumerate() {
                    node.insert(slot, *child, *sum);
                    match above_leaves {
                        true => tree.leaves[*child as usize].parent = no,
                        false => tree.nodes[*child as usize].parent = no,
                    }
                }
                upper.push((no, node.sum()));
                tree.nodes.push(node);
            }
            above_leaves = false;
            level = upper;
            if let [(root, sum)] = level[..] {
                tree.root = root;
                tree.chars = sum.chars as usize;
                return tree;
            }
        }
    }
}
