//! The run: what a leaf of the tree holds instead of single characters.

/// A node's number, private to one replica. An agent's nodes have ascending numbers, mostly consecutive:
/// see `doc/ids.rs`.
pub(crate) type Lv = u32;

/// The start of the document, as the parent of a node. No node ever has this number.
pub(crate) const START: Lv = u32::MAX;

/// The side of its parent on which a node is. A node's left children come before it in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Left,
    Right,
}

/// Nodes with consecutive [`Lv`]s that are adjacent in the document, each the right child of the one
/// before, all visible or all deleted. Their ids need not be consecutive, so a run may continue across a
/// gap in its agent's numbering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// The first node.
    pub lv: Lv,
    /// How many nodes.
    pub len: u32,
    /// The first node's depth: 1 for a child of the start. Node k has `depth + k`.
    pub depth: u32,
    /// How many subtrees, counting the whole document, contain both the first node and the node before it
    /// in the document (the start, for the first node): the depth of their lowest common ancestor plus
    /// one. Before node k > 0 of the run, it is `depth + k`.
    pub gap: u32,
    /// The first node's parent, or [`START`].
    pub parent: Lv,
    /// Length of its text, 0 when deleted. A leaf's text is short, see [`super::MAX_TEXT`].
    pub bytes: u16,
    /// The first node's side of its parent.
    pub side: Side,
    /// Whether the nodes are tombstones.
    pub deleted: bool,
}

impl Run {
    /// The number after the last node's.
    pub fn end(&self) -> Lv {
        self.lv + self.len
    }

    /// How many of its nodes are visible.
    pub fn chars(&self) -> u32 {
        if self.deleted { 0 } else { self.len }
    }

    /// Whether `lv` is one of its nodes.
    pub fn contains(&self, lv: Lv) -> bool {
        lv.wrapping_sub(self.lv) < self.len
    }

    /// Whether it continues `before`, which directly precedes it: its number is the next one, and its parent
    /// is `before`'s last node.
    pub fn follows(&self, before: &Run) -> bool {
        self.lv == before.end() && self.parent == before.end() - 1 && self.side == Side::Right
    }

    /// Whether it may be appended to `before`, which directly precedes it.
    pub fn continues(&self, before: &Run) -> bool {
        self.follows(before) && self.deleted == before.deleted
    }

    /// Keeps the first `at` nodes, which have `bytes` bytes, and returns the others.
    pub fn split_off(&mut self, at: u32, bytes: u16) -> Run {
        debug_assert!(0 < at && at < self.len);
        let right = Run {
            lv: self.lv + at,
            len: self.len - at,
            depth: self.depth + at,
            gap: self.depth + at,
            parent: self.lv + at - 1,
            bytes: self.bytes - bytes,
            side: Side::Right,
            deleted: self.deleted,
        };
        self.len = at;
        self.bytes = bytes;
        right
    }
}
