//! Loro: messages are what `subscribe_local_update` gives, as its guide says to send them.

use std::sync::{Arc, Mutex};

use loro::{ExportMode, LoroDoc, LoroText, Subscription};

use super::Subject;
use crate::trace::{Edit, Unit};

pub struct Loro {
    doc: LoroDoc,
    text: LoroText,
    sending: Option<(Subscription, Arc<Mutex<Vec<u8>>>)>,
}

impl Loro {
    fn around(doc: LoroDoc, author: usize) -> Loro {
        doc.set_peer_id(author as u64 + 1).expect("no transaction is open");
        let text = doc.get_text("text");
        Loro { doc, text, sending: None }
    }
}

impl Subject for Loro {
    const NAME: &'static str = "loro";
    const UNIT: Unit = Unit::CodePoints;

    fn new(author: usize) -> Loro {
        Loro::around(LoroDoc::new(), author)
    }

    fn edit(&mut self, edit: &Edit) {
        if edit.deleted > 0 {
            self.text.delete(edit.at, edit.deleted).expect("the range is in the document");
        }
        if !edit.inserted.is_empty() {
            self.text.insert(edit.at, &edit.inserted).expect("the place is in the document");
        }
    }

    fn edit_and_send(&mut self, edit: &Edit) -> Vec<u8> {
        if self.sending.is_none() {
            let sent = Arc::new(Mutex::new(Vec::new()));
            let copy = sent.clone();
            let subscription = self.doc.subscribe_local_update(Box::new(move |bytes: &Vec<u8>| {
                *copy.lock().expect("nobody panics") = bytes.clone();
                true
            }));
            self.sending = Some((subscription, sent));
        }
        self.edit(edit);
        self.doc.commit();
        let (_, sent) = self.sending.as_ref().expect("just subscribed");
        std::mem::take(&mut *sent.lock().expect("nobody panics"))
    }

    fn receive(&mut self, message: &[u8]) {
        self.doc.import(message).expect("it was encoded here");
    }

    fn text(&self) -> String {
        self.text.to_string()
    }

    fn state(&self) -> Vec<u8> {
        self.doc.export(ExportMode::Snapshot).expect("it can be exported")
    }

    fn load(author: usize, state: &[u8]) -> Loro {
        Loro::around(LoroDoc::from_snapshot(state).expect("it was encoded here"), author)
    }

    fn small_states(&self) -> Vec<Vec<u8>> {
        vec![self.state(), self.doc.export(ExportMode::all_updates()).expect("it can be exported")]
    }

    fn histories(&self, _: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, &'static str> {
        Ok(self.small_states())
    }
}
