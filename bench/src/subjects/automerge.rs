//! Automerge: messages are its changes, one a transaction.

use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, Change, ObjId, ObjType, ROOT, ReadDoc, TextEncoding};

use super::Subject;
use crate::trace::{Edit, Unit};

pub struct Automerge {
    doc: AutoCommit,
    text: ObjId,
}

impl Subject for Automerge {
    const NAME: &'static str = "automerge";
    const UNIT: Unit = Unit::CodePoints;

    fn new(author: usize) -> Automerge {
        // The text object has to be the same one everywhere, so all replicas begin with one change.
        let mut doc =
            AutoCommit::new_with_encoding(TextEncoding::UnicodeCodePoint).with_actor(ActorId::from(vec![0]));
        let text = doc.put_object(ROOT, "text", ObjType::Text).expect("a map takes a text");
        doc.commit();
        doc.set_actor(ActorId::from(vec![1, author as u8, (author >> 8) as u8]));
        Automerge { doc, text }
    }

    fn edit(&mut self, edit: &Edit) {
        self.doc
            .splice_text(&self.text, edit.at, edit.deleted as isize, &edit.inserted)
            .expect("the range is in the document");
    }

    fn edit_and_send(&mut self, edit: &Edit) -> Vec<u8> {
        self.edit(edit);
        self.doc.commit();
        self.doc.get_last_local_change().expect("there was an edit").raw_bytes().to_vec()
    }

    fn receive(&mut self, message: &[u8]) {
        let change = Change::from_bytes(message.to_vec()).expect("it was encoded here");
        self.doc.apply_changes([change]).expect("what it depends on came before");
    }

    fn text(&self) -> String {
        self.doc.text(&self.text).expect("the text is there")
    }

    fn state(&self) -> Vec<u8> {
        self.doc.clone().save()
    }

    fn load(author: usize, state: &[u8]) -> Automerge {
        let mut doc = AutoCommit::load(state).expect("it was encoded here");
        doc.set_actor(ActorId::from(vec![1, author as u8, (author >> 8) as u8]));
        let (_, text) = doc.get(ROOT, "text").expect("it can be read").expect("the text is there");
        Automerge { doc, text }
    }

    fn small_states(&self) -> Vec<Vec<u8>> {
        vec![self.state(), self.doc.clone().save_nocompress()]
    }

    fn histories(&self, _: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, &'static str> {
        Ok(self.small_states())
    }
}
