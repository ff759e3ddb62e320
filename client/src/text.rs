//! Positions by byte, character or UTF-16 unit.

use inklog_crdt::{Change, Doc};
use ropey::Rope;

use crate::TextError;

/// What positions and lengths count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    /// Bytes of UTF-8, as Rust's strings do.
    #[default]
    Utf8,
    /// Unicode scalar values (`char`), as Inklog itself does. Needs no memory; the others keep a copy of the text.
    Char,
    /// UTF-16 units, as JavaScript and many editors do.
    Utf16,
}

/// A change: `deleted` was removed at `at`, and `inserted` was put there. Apply several in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextChange {
    /// Where, in the client's unit.
    pub at: usize,
    /// How much of the text from there on was deleted, in the client's unit.
    pub deleted: usize,
    /// What was inserted there.
    pub inserted: String,
}

/// The text of a document, by position.
pub(crate) struct Text {
    unit: Unit,
    /// The same text as the document's; without one for characters.
    rope: Option<Rope>,
}

impl Text {
    pub fn new(unit: Unit, doc: &Doc) -> Text {
        let rope = (unit != Unit::Char).then(|| Rope::from(doc.text()));
        Text { unit, rope }
    }

    pub fn len(&self, doc: &Doc) -> usize {
        match (&self.rope, self.unit) {
            (Some(rope), Unit::Utf8) => rope.len_bytes(),
            (Some(rope), Unit::Utf16) => rope.len_utf16_cu(),
            _ => doc.len(),
        }
    }

    /// The character at a position, or the end.
    pub fn char_at(&self, at: usize, doc: &Doc) -> Result<usize, TextError> {
        let len = self.len(doc);
        if at > len {
            return Err(TextError::Beyond { at, len });
        }
        let char = match (&self.rope, self.unit) {
            (Some(rope), Unit::Utf8) => rope.byte_to_char(at),
            (Some(rope), Unit::Utf16) => rope.utf16_cu_to_char(at),
            _ => at,
        };
        match self.position(char) == at {
            true => Ok(char),
            false => Err(TextError::InsideCharacter { at }),
        }
    }

    /// The position of a character.
    fn position(&self, char: usize) -> usize {
        match (&self.rope, self.unit) {
            (Some(rope), Unit::Utf8) => rope.char_to_byte(char),
            (Some(rope), Unit::Utf16) => rope.char_to_utf16_cu(char),
            _ => char,
        }
    }

    /// Follows a local edit.
    pub fn edit(&mut self, at: usize, deleted: usize, inserted: &str) {
        if let Some(rope) = &mut self.rope {
            rope.remove(at..at + deleted);
            rope.insert(at, inserted);
        }
    }

    /// Follows what others did, and says it in the unit.
    pub fn follow(&mut self, changes: Vec<Change>) -> Vec<TextChange> {
        changes.into_iter().map(|change| self.follow_one(change)).collect()
    }

    fn follow_one(&mut self, change: Change) -> TextChange {
        match change {
            Change::Insert { at, text } => {
                let position = self.position(at);
                self.edit(at, 0, &text);
                TextChange { at: position, deleted: 0, inserted: text }
            }
            Change::Delete { at, len } => {
                let (from, to) = (self.position(at), self.position(at + len));
                self.edit(at, len, "");
                TextChange { at: from, deleted: to - from, inserted: String::new() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use inklog_crdt::Agent;

    use super::*;

    const TEXT: &str = "a\r\né😀中\u{301}z";

    fn doc() -> Doc {
        let mut doc = Doc::new();
        doc.insert(&Agent::new("a").unwrap(), 0, TEXT).unwrap();
        doc
    }

    #[test]
    fn every_position_is_a_character_or_refused() {
        let doc = doc();
        for unit in [Unit::Utf8, Unit::Char, Unit::Utf16] {
            let text = Text::new(unit, &doc);
            let mut at = 0;
            for (index, char) in TEXT.chars().enumerate() {
                assert_eq!(text.char_at(at, &doc), Ok(index));
                let width = match unit {
                    Unit::Utf8 => char.len_utf8(),
                    Unit::Char => 1,
                    Unit::Utf16 => char.len_utf16(),
                };
                for inside in at + 1..at + width {
                    assert_eq!(text.char_at(inside, &doc), Err(TextError::InsideCharacter { at: inside }));
                }
                at += width;
            }
            assert_eq!(text.len(&doc), at);
            assert_eq!(text.char_at(at, &doc), Ok(doc.len()));
            assert_eq!(text.char_at(at + 1, &doc), Err(TextError::Beyond { at: at + 1, len: at }));
        }
    }

    #[test]
    fn changes_are_told_in_the_unit() {
        let changes = || vec![Change::Delete { at: 3, len: 2 }, Change::Insert { at: 4, text: "😀".into() }];
        let told = |unit| Text::new(unit, &doc()).follow(changes());
        let of = |at, deleted, inserted: &str| TextChange { at, deleted, inserted: inserted.into() };
        assert_eq!(told(Unit::Char), [of(3, 2, ""), of(4, 0, "😀")]);
        assert_eq!(told(Unit::Utf8), [of(3, 6, ""), of(6, 0, "😀")]);
        assert_eq!(told(Unit::Utf16), [of(3, 3, ""), of(4, 0, "😀")]);
    }
}
