//! The index changes that an editor makes to follow an applied event.

/// One change that an editor makes to follow the document; several apply in the given order.
/// Positions and lengths count Unicode scalar values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Insert `text` before the character at `at`.
    Insert {
        /// Index before which the text goes.
        at: usize,
        /// What was inserted.
        text: String,
    },
    /// Remove `len` characters from `at` on.
    Delete {
        /// Index of the first character removed.
        at: usize,
        /// How many.
        len: usize,
    },
}

/// Collects the changes of one call, and joins adjacent ones: a word typed in one event becomes one
/// change, and so does a deletion whose characters are in several places of the tree.
pub(crate) struct Changes<'a> {
    out: Option<&'a mut Vec<Change>>,
    /// Where the last insert of this call ends, while it is the last change.
    insert_end: Option<usize>,
    /// How many changes were there before this call; they stay as they are.
    before: usize,
}

impl<'a> Changes<'a> {
    /// For a caller that does not ask for changes.
    pub fn unwanted() -> Changes<'a> {
        Changes { out: None, insert_end: None, before: 0 }
    }

    /// Appends to `out`.
    pub fn into(out: &'a mut Vec<Change>) -> Changes<'a> {
        Changes { before: out.len(), out: Some(out), insert_end: None }
    }

    /// Whether the caller wants the changes: finding an index means climbing through the tree.
    pub fn wanted(&self) -> bool {
        self.out.is_some()
    }

    pub fn insert(&mut self, at: usize, chars: usize, new: &str) {
        let Some(out) = &mut self.out else { return };
        match out.last_mut() {
            Some(Change::Insert { text, .. }) if self.insert_end == Some(at) => text.push_str(new),
            _ => out.push(Change::Insert { at, text: new.to_owned() }),
        }
        self.insert_end = Some(at + chars);
    }

    pub fn delete(&mut self, new_at: usize, new_len: usize) {
        let Some(out) = &mut self.out else { return };
        self.insert_end = None;
        if out.len() > self.before
            && let Some(Change::Delete { at, len }) = out.last_mut()
            && (*at == new_at || new_at + new_len == *at)
        {
            *at = new_at;
            *len += new_len;
            return;
        }
        out.push(Change::Delete { at: new_at, len: new_len });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_come_as_one_change() {
        let mut out = vec![Change::Delete { at: 3, len: 1 }];
        let mut changes = Changes::into(&mut out);
        // What was there before stays as it was.
        changes.delete(3, 1);
        // Forwards, backwards, and elsewhere.
        changes.delete(3, 2);
        changes.delete(2, 1);
        changes.delete(7, 1);
        changes.insert(4, 2, "éx");
        changes.insert(6, 1, "y");
        changes.insert(6, 1, "z");
        changes.delete(6, 1);
        changes.insert(6, 1, "z");
        let insert = |at, text: &str| Change::Insert { at, text: text.to_owned() };
        let delete = |at, len| Change::Delete { at, len };
        let expected = [
            delete(3, 1),
            delete(2, 4),
            delete(7, 1),
            insert(4, "éxy"),
            insert(6, "z"),
            delete(6, 1),
            insert(6, "z"),
        ];
        assert_eq!(out, expected);
    }
}
