//! yrs, the Rust port of Yjs: messages are updates in format v1, as Yjs's providers send them.

use yrs::updates::decoder::Decode;
use yrs::{
    ClientID, Doc, GetString, OffsetKind, Options, ReadTxn, StateVector, Text, TextRef, Transact, Update,
};

use super::Subject;
use crate::trace::{Edit, Unit};

pub struct Yrs {
    doc: Doc,
    text: TextRef,
}

impl Yrs {
    fn apply(&self, txn: &mut yrs::TransactionMut, edit: &Edit) {
        if edit.deleted > 0 {
            self.text.remove_range(txn, edit.at as u32, edit.deleted as u32);
        }
        if !edit.inserted.is_empty() {
            self.text.insert(txn, edit.at as u32, &edit.inserted);
        }
    }
}

impl Subject for Yrs {
    const NAME: &'static str = "yrs";
    const UNIT: Unit = Unit::Bytes;

    fn new(author: usize) -> Yrs {
        let doc = Doc::with_options(Options {
            client_id: ClientID::new(author as u64 + 1),
            offset_kind: OffsetKind::Bytes,
            ..Options::default()
        });
        let text = doc.get_or_insert_text("text");
        Yrs { doc, text }
    }

    fn edit(&mut self, edit: &Edit) {
        self.apply(&mut self.doc.transact_mut(), edit);
    }

    fn edit_and_send(&mut self, edit: &Edit) -> Vec<u8> {
        let mut txn = self.doc.transact_mut();
        self.apply(&mut txn, edit);
        txn.encode_update_v1()
    }

    fn receive(&mut self, message: &[u8]) {
        let update = Update::decode_v1(message).expect("it was encoded here");
        self.doc.transact_mut().apply_update(update).expect("it fits");
    }

    fn text(&self) -> String {
        self.text.get_string(&self.doc.transact())
    }

    fn state(&self) -> Vec<u8> {
        self.doc.transact().encode_state_as_update_v1(&StateVector::default())
    }

    fn load(author: usize, state: &[u8]) -> Yrs {
        let mut new = Yrs::new(author);
        new.receive(state);
        new
    }

    fn small_states(&self) -> Vec<Vec<u8>> {
        vec![self.state(), self.doc.transact().encode_state_as_update_v2(&StateVector::default())]
    }

    fn histories(&self, _: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, &'static str> {
        Err("it drops deleted text, and keeps no order of edits")
    }
}
