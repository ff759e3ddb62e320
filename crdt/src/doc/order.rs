//! Where a new node goes: the order of siblings, decided by id.
//!
//! Children of one node on one side are ordered by id. Nearly every node has at most one child on a
//! side, which the tree itself finds; a set of siblings is kept only from the second child on. The new
//! node then goes next to its neighbour among the siblings: after the subtree of the one before it, or
//! before the subtree of the one after it.

use std::collections::BTreeMap;

use crate::Id;
use crate::planted::{Bug, planted};
use crate::tree::{At, Column, Lv, START, Side, Tree};

use super::ids::Ids;

/// Where to insert a leaf of the Fugue tree, and its values there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub at: At,
    pub depth: u32,
    /// The gap before it.
    pub gap: u32,
    /// The gap after it, if it changes.
    pub next_gap: Option<u32>,
}

/// The children of every node that has two or more on one side.
#[derive(Debug, Clone, Default)]
pub(super) struct Siblings(BTreeMap<(Lv, Side), BTreeMap<Id, Lv>>);

impl Siblings {
    /// Adds `new` beside the only child (which is asked for only if no set is kept yet) and returns the
    /// siblings before and after it.
    fn add(
        &mut self,
        parent: (Lv, Side),
        new: Lv,
        ids: &Ids,
        only_child: impl FnOnce() -> Lv,
    ) -> (Option<Lv>, Option<Lv>) {
        let set = self.0.entry(parent).or_insert_with(|| {
            let only = only_child();
            BTreeMap::from([(ids.id(only), only)])
        });
        let id = ids.id(new);
        let before = set.range(..&id).next_back().map(|(_, lv)| *lv);
        let after = set.range(&id..).next().map(|(_, lv)| *lv);
        set.insert(id, new);
        if planted(Bug::SiblingsByArrival) { (None, None) } else { (before, after) }
    }

    /// Keeps a whole set at once; for a document read from bytes.
    pub fn put(&mut self, parent: (Lv, Side), children: &[Lv], ids: &Ids) {
        self.0.insert(parent, children.iter().map(|lv| (ids.id(*lv), *lv)).collect());
    }

    /// The kept sets, for checking.
    pub fn iter(&self) -> impl Iterator<Item = (Lv, Side, Vec<Lv>)> {
        self.0.iter().map(|((lv, side), set)| (*lv, *side, set.values().copied().collect()))
    }
}

/// Decides where `new`, which has its id but is not in the tree, goes as a child of `parent`.
pub(super) fn place(
    tree: &Tree,
    siblings: &mut Siblings,
    ids: &Ids,
    new: Lv,
    parent: Lv,
    side: Side,
) -> Place {
    match side {
        Side::Right => right_child(tree, siblings, ids, new, parent),
        Side::Left => left_child(tree, siblings, ids, new, parent),
    }
}

fn right_child(tree: &Tree, siblings: &mut Siblings, ids: &Ids, new: Lv, parent: Lv) -> Place {
    let (depth, directly_after, next) = match parent {
        START => (0, tree.begin(), tree.first_run()),
        _ => {
            let at = tree.locate(parent);
            (tree.depth_of(at), At { off: at.off + 1, ..at }, tree.node_after(at))
        }
    };
    let place = |at| Place { at, depth: depth + 1, gap: depth + 1, next_gap: None };
    let next = match next {
        Some(next) if tree.gap_before(next) > depth => next,
        // The next node is outside the parent's subtree, so there is no right child yet.
        _ => return place(directly_after),
    };
    let (before, _) = siblings.add((parent, Side::Right), new, ids, || {
        // The only child's subtree is deeper than the child, and ends before the next node that is not.
        let child = match tree.depth_of(next) <= depth + 1 {
            true => Some(next),
            false => tree.next_at_most(next, Column::Depth, depth + 1),
        };
        tree.lv_at(child.expect("the subtree's topmost node is in it"))
    });
    place(match before {
        None => directly_after,
        Some(before) => {
            tree.next_at_most(tree.locate(before), Column::Gap, depth + 1).unwrap_or_else(|| tree.end())
        }
    })
}

fn left_child(tree: &Tree, siblings: &mut Siblings, ids: &Ids, new: Lv, parent: Lv) -> Place {
    let at = tree.locate(parent);
    let (depth, gap) = (tree.depth_of(at), tree.gap_before(at));
    let place = |at, gap| Place { at, depth: depth + 1, gap, next_gap: Some(depth + 1) };
    if gap <= depth {
        // The previous node is outside the parent's subtree, so there is no left child yet.
        return place(at, gap);
    }
    let (_, after) = siblings.add((parent, Side::Left), new, ids, || {
        let child = tree.prev_at_most(at, Column::Depth, depth + 1);
        tree.lv_at(child.expect("the subtree's topmost node is in it"))
    });
    let Some(after) = after else { return place(at, gap) };
    let after = tree.locate(after);
    let begin = match tree.gap_before(after) <= depth + 1 {
        true => after,
        false => tree.prev_at_most(after, Column::Gap, depth + 1).expect("the first gap of all is 1"),
    };
    place(begin, tree.gap_before(begin))
}
