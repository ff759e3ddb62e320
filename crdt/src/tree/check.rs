//! Invariants of every tree; for tests.

use std::collections::BTreeMap;

use super::recent::Place;
use super::run::{Lv, Run, START, Side};
use super::{At, FIRST, MAX_RUNS, MAX_TEXT, NONE, Tree};

/// The largest document that is checked node by node: beyond that, it takes too long.
pub(crate) const NAIVE_NODES: u32 = 10_000;

impl Tree {
    /// Panics unless the B-tree is sound and every depth and gap follows from the parents. `nodes` is the
    /// number of nodes.
    pub fn assert_invariants(&self, nodes: u32) {
        let mut tree = self.clone();
        tree.count_all();
        tree.assert_links();
        tree.assert_remembered();
        tree.assert_runs(nodes);
        tree.assert_depths_and_gaps(nodes);
    }

    fn assert_links(&self) {
        let mut in_order = Vec::new();
        let mut stack = vec![(self.root, NONE)];
        while let Some((at, parent)) = stack.pop() {
            let node = &self.nodes[at as usize];
            assert_eq!(node.parent, parent, "node {at}'s parent");
            for (slot, child) in node.children().iter().copied().enumerate().rev() {
                if !node.above_leaves {
                    assert_eq!(node.sum_at(slot), self.nodes[child as usize].sum(), "sum of node {child}");
                    stack.push((child, at));
                }
            }
            if node.above_leaves {
                for (slot, child) in node.children().iter().copied().enumerate() {
                    assert_eq!(self.leaf(child).parent, at, "leaf {child}'s parent");
                    assert_eq!(node.sum_at(slot), self.leaf(child).sum(), "sum of leaf {child}");
                    in_order.push(child);
                }
            }
        }
        assert_eq!(in_order.len(), self.leaves.len(), "every leaf is listed");
        assert_eq!(in_order.first(), Some(&FIRST), "the first leaf");
        assert_eq!(in_order.last(), Some(&self.last), "the last leaf");
        for (i, leaf) in in_order.iter().enumerate() {
            let neighbour = |i: Option<usize>| i.and_then(|i| in_order.get(i)).copied().unwrap_or(NONE);
            assert_eq!(self.leaf(*leaf).prev, neighbour(i.checked_sub(1)), "before leaf {leaf}");
            assert_eq!(self.leaf(*leaf).next, neighbour(Some(i + 1)), "after leaf {leaf}");
        }
    }

    fn assert_remembered(&mut self) {
        if let Some((leaf, start)) = self.start {
            assert_eq!(self.index_of(At { leaf, run: 0, off: 0 }), start, "what is before leaf {leaf}");
        }
        let places: Vec<Place> = self.recent.places().copied().collect();
        for (i, Place { leaf, run, before, open, .. }) in places.iter().copied().enumerate() {
            assert!(places[..i].iter().all(|other| other.leaf != leaf), "leaf {leaf} is there twice");
            let runs = &self.leaf(leaf).runs;
            assert_eq!(self.leaf(leaf).before(run.min(runs.len())), before, "the text before a place");
            let Some(open) = open else { continue };
            assert!(runs[run].end() == open && !runs[run].deleted, "{open} goes on with {:?}", runs[run]);
            let last = At { leaf, run, off: runs[run].len - 1 };
            let next = self.node_after(last).map_or(0, |next| self.gap_before(next));
            assert!(next <= self.depth_of(last), "something hangs on the right of the node before {open}");
        }
    }

    fn assert_runs(&self, nodes: u32) {
        let mut chars = 0;
        let mut count = 0;
        let mut covered: BTreeMap<Lv, Lv> = BTreeMap::new();
        for (number, leaf) in self.leaves.iter().enumerate() {
            assert!(!leaf.runs.is_empty() || nodes == 0, "only an empty document has an empty leaf");
            assert!(leaf.runs.len() <= MAX_RUNS && leaf.text.len() <= MAX_TEXT, "leaf {number} is overfull");
            let mut byte = 0;
            for (i, run) in leaf.runs.iter().enumerate() {
                assert!(run.len > 0, "{run:?} is empty");
                let text = &leaf.text[byte..byte + usize::from(run.bytes)];
                assert_eq!(text.chars().count() as u32, run.chars(), "text of {run:?}");
                byte += usize::from(run.bytes);
                chars += run.chars() as usize;
                count += run.len;
                assert!(covered.insert(run.lv, run.end()).is_none(), "{run:?} is there twice");
                assert_eq!(self.index.leaf_of(run.lv) as usize, number, "index of {run:?}");
                assert_eq!(self.index.leaf_of(run.end() - 1) as usize, number, "index of the end of {run:?}");
                let could_join = |before: &Run| {
                    (run.lv, run.side, run.deleted) == (before.end(), Side::Right, before.deleted)
                        && run.parent == before.end() - 1
                };
                assert!(
                    i == 0 || !could_join(&leaf.runs[i - 1]),
                    "{run:?} should be one with the run before it"
                );
            }
            assert_eq!(byte, leaf.text.len(), "all text belongs to a run");
            assert_eq!(
                leaf.chars,
                leaf.runs.iter().map(Run::chars).sum::<u32>(),
                "characters of leaf {number}"
            );
        }
        assert_eq!(chars, self.chars, "visible characters");
        let mut next = 0;
        for (start, end) in covered {
            assert!(start >= next, "node {start} is in two runs");
            next = end;
        }
        assert_eq!(count, nodes, "every node is in a run");
    }

    /// Climbs the Fugue tree itself, so only while that is cheap.
    fn assert_depths_and_gaps(&self, nodes: u32) {
        if nodes > NAIVE_NODES {
            return;
        }
        let mut parents = vec![START; self.runs().map(|run| run.end() as usize).max().unwrap_or(0)];
        for run in self.runs() {
            for lv in run.lv..run.end() {
                parents[lv as usize] = if lv == run.lv { run.parent } else { lv - 1 };
            }
        }
        let ancestors = |lv: Lv| {
            let mut path = vec![lv];
            while let Some(last) = path.last().copied().filter(|last| *last != START) {
                assert!(path.len() <= nodes as usize + 1, "the parents of {lv} go round in a circle");
                path.push(parents[last as usize]);
            }
            path.reverse();
            path
        };
        let mut before = vec![START];
        for run in self.runs() {
            let path = ancestors(run.lv);
            assert_eq!(run.depth as usize, path.len() - 1, "depth of {run:?}");
            let common = before.iter().zip(&path).take_while(|(a, b)| a == b).count();
            assert_eq!(run.gap as usize, common, "gap of {run:?}");
            before = ancestors(run.end() - 1);
        }
        self.assert_sides(&parents);
    }

    fn assert_sides(&self, parents: &[Lv]) {
        let mut place = vec![0; parents.len()];
        for (at, lv) in self.runs().flat_map(|run| run.lv..run.end()).enumerate() {
            place[lv as usize] = at;
        }
        for Run { lv, parent, side, .. } in self.runs().filter(|run| run.parent != START) {
            let is_left = place[*lv as usize] < place[*parent as usize];
            assert_eq!(is_left, *side == Side::Left, "node {lv} and its parent {parent}");
        }
    }
}
