//! Inklog: messages are events as the op log stores them.

use inklog_crdt::{Agent, Applied, Doc, Draft, Event, encode_events};

use super::Subject;
use crate::trace::{Edit, Unit};

pub struct Inklog {
    doc: Doc,
    /// What was typed since the last message.
    draft: Draft,
}

pub fn agent(author: usize) -> Agent {
    Agent::new(&format!("author{author}")).expect("the name is legal")
}

impl Subject for Inklog {
    const NAME: &'static str = "inklog";
    const UNIT: Unit = Unit::CodePoints;

    fn new(author: usize) -> Inklog {
        Inklog { doc: Doc::new(), draft: Draft::new(agent(author), 0) }
    }

    fn edit(&mut self, edit: &Edit) {
        let edited = self.doc.edit(&mut self.draft, edit.at, edit.deleted, &edit.inserted);
        edited.expect("the place is in the document");
    }

    fn edit_and_send(&mut self, edit: &Edit) -> Vec<u8> {
        self.edit(edit);
        let agent = self.draft.agent().clone();
        let next = Draft::new(agent.clone(), self.doc.version().get(&agent));
        std::mem::replace(&mut self.draft, next).finish().expect("an edit makes an event").encode()
    }

    fn receive(&mut self, message: &[u8]) {
        let event = Event::decode(message).expect("it was encoded here");
        assert_eq!(self.doc.apply(&event), Applied::Now);
    }

    fn text(&self) -> String {
        self.doc.text()
    }

    fn state(&self) -> Vec<u8> {
        self.doc.encode()
    }

    fn load(author: usize, state: &[u8]) -> Inklog {
        let doc = Doc::decode(state).expect("it was encoded here");
        let agent = agent(author);
        let after = doc.version().get(&agent);
        Inklog { doc, draft: Draft::new(agent, after) }
    }

    fn histories(&self, messages: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, &'static str> {
        // As the history segments in S3 have them: by agent and place in the chain.
        let mut events: Vec<Event> =
            messages.iter().map(|message| Event::decode(message).expect("it was encoded here")).collect();
        events.sort_by(|a, b| (a.agent(), a.after()).cmp(&(b.agent(), b.after())));
        Ok(vec![encode_events(&events)])
    }
}
