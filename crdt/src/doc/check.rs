//! Invariants of every document; for tests.

use crate::Doc;
use crate::tree::{Lv, NAIVE_NODES, START, Side};

impl Doc {
    /// Panics if an internal invariant is broken; for tests. Takes time proportional to the document,
    /// and more for a small one, whose tree is checked node by node.
    pub fn assert_invariants(&self) {
        self.tree.assert_invariants(self.ids.nodes());
        self.ids.assert_blocks();
        self.assert_ids();
        self.assert_siblings();
        for event in self.waiting.iter() {
            assert!(event.after() >= self.version().get(event.agent()), "{event:?} is covered, but waits");
        }
    }

    fn assert_ids(&self) {
        let mut count = 0;
        for agent in self.version().numbers() {
            let (name, end) = (self.version().name(agent), self.version().end(agent));
            let (mut known, mut above) = (0, 0);
            for range in self.ids.ranges(agent) {
                let ascends = range.seq >= known && range.lv >= above;
                assert!(ascends && range.len > 0, "{range:?} is out of order");
                (known, above) = (range.end_seq(), range.lv + range.len);
                count += range.len;
                for off in [0, range.len / 2, range.len - 1] {
                    let id = (agent, range.seq + u64::from(off));
                    assert_eq!(self.ids.lv_of(id.0, id.1), Some(range.lv + off), "number of {id:?}");
                    let (agent, seq, _) = self.ids.id_of(range.lv + off);
                    assert_eq!((agent, seq), id, "id of {}", range.lv + off);
                }
            }
            assert!(known <= end, "{name} has nodes beyond its end");
        }
        assert_eq!(count, self.ids.nodes(), "every node has an id");
    }

    /// Rebuilds all sets of siblings from the parents, and compares.
    fn assert_siblings(&self) {
        if self.ids.nodes() > NAIVE_NODES {
            return;
        }
        let mut children: Vec<((Lv, Side), crate::Id, Lv)> = Vec::new();
        let mut place = vec![0; self.ids.end_lv() as usize];
        let mut count = 0;
        for run in self.tree.runs() {
            for lv in run.lv..run.end() {
                let parent = if lv == run.lv { (run.parent, run.side) } else { (lv - 1, Side::Right) };
                children.push((parent, self.ids.id(lv), lv));
                place[lv as usize] = count;
                count += 1;
            }
        }
        children.sort();
        let mut sets: Vec<(Lv, Side, Vec<Lv>)> = Vec::new();
        for ((parent, side), _, lv) in children {
            match sets.last_mut() {
                Some(set) if (set.0, set.1) == (parent, side) => set.2.push(lv),
                _ => sets.push((parent, side, vec![lv])),
            }
        }
        for (parent, side, set) in &sets {
            let at = |lv: Lv| place[lv as usize];
            assert!(set.is_sorted_by_key(|lv| at(*lv)), "children of {parent} on the {side:?}: {set:?}");
            let right = set.iter().all(|lv| *parent == START || at(*lv) > at(*parent));
            let left = set.iter().all(|lv| *parent != START && at(*lv) < at(*parent));
            assert!(
                if *side == Side::Right { right } else { left },
                "children of {parent} are on the {side:?}"
            );
        }
        sets.retain(|(_, _, set)| set.len() > 1);
        assert_eq!(sets, self.siblings.iter().collect::<Vec<_>>(), "sets of siblings");
    }
}
