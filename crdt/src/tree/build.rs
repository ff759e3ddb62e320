//! Building a whole tree at once from its runs in document order.

use super::leaf::Leaf;
use super::node::{FANOUT, Node, Sum};
use super::run::{Lv, Run};
use super::{MAX_RUNS, MAX_TEXT, NONE, Tree};

/// Leaves and nodes are left a quarter empty, so that the first edits don't split every one of them.
const RUNS: usize = MAX_RUNS / 4 * 3;
const TEXT: usize = MAX_TEXT / 4 * 3;
const CHILDREN: usize = FANOUT / 4 * 3;

/// Takes runs in document order.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    leaves: Vec<Leaf>,
    /// What the leaf that is being filled holds so far. It gets just the memory that it needs.
    runs: Vec<Run>,
    text: String,
    /// First number and leaf of every run.
    starts: Vec<(Lv, u32)>,
    nodes: Lv,
}

impl Builder {
    /// Appends a run, whose depth and gap are right and whose text, unless it is deleted, is `text`.
    pub fn push(&mut self, run: Run, text: &str) {
        let (mut run, mut rest) = (run, text);
        loop {
            let room = TEXT.saturating_sub(self.text.len());
            if rest.len() <= room {
                run.bytes = rest.len() as u16;
                return self.push_piece(run, rest);
            }
            let room = if room < TEXT / 4 { TEXT } else { room };
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
        self.nodes += run.len;
        if self.text.len() + text.len() <= TEXT {
            if let Some(before) = self.runs.last_mut()
                && run.continues(before)
            {
                before.len += run.len;
                before.bytes += run.bytes;
                self.text.push_str(text);
                return;
            }
        } else {
            self.finish_leaf();
        }
        if self.runs.len() == RUNS {
            self.finish_leaf();
        }
        self.starts.push((run.lv, self.leaves.len() as u32));
        self.runs.push(run);
        self.text.push_str(text);
    }

    fn finish_leaf(&mut self) {
        if self.runs.is_empty() {
            return;
        }
        let this = self.leaves.len() as u32;
        let (prev, next) = (this.checked_sub(1).unwrap_or(NONE), this + 1);
        self.leaves.push(Leaf::of(self.runs.clone(), self.text.clone(), NONE, prev, next));
        self.runs.clear();
        self.text.clear();
    }

    /// The tree.
    pub fn finish(mut self) -> Tree {
        self.finish_leaf();
        let mut tree = Tree::default();
        let Some(last) = self.leaves.last_mut() else { return tree };
        last.next = NONE;
        tree.leaves = self.leaves;
        tree.last = tree.leaves.len() as u32 - 1;
        tree.nodes.clear();
        sort_by_number(&mut self.starts, self.nodes);
        tree.index.fill(self.starts.into_iter(), self.nodes);
        let mut level: Vec<(u32, Sum)> = (0..).zip(tree.leaves.iter().map(Leaf::sum)).collect();
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

/// Sorts pairs by their numbers, which are all below `end`: by digits, the lowest first, since the
/// numbers are dense and a document has many.
fn sort_by_number(pairs: &mut Vec<(Lv, u32)>, end: Lv) {
    const BITS: u32 = 11;
    if pairs.len() < 1 << BITS {
        return pairs.sort_unstable();
    }
    let mut sorted = vec![(0, 0); pairs.len()];
    for shift in (0..u32::BITS - end.leading_zeros()).step_by(BITS as usize) {
        let digit = |lv: Lv| (lv >> shift) as usize & ((1 << BITS) - 1);
        let mut places = [0; 1 << BITS];
        pairs.iter().for_each(|(lv, _)| places[digit(*lv)] += 1);
        let mut next = 0;
        for place in &mut places {
            next += std::mem::replace(place, next);
        }
        for pair in pairs.iter() {
            let place = &mut places[digit(pair.0)];
            sorted[*place] = *pair;
            *place += 1;
        }
        std::mem::swap(pairs, &mut sorted);
    }
}
