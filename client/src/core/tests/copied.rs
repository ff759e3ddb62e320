//! A client's files were copied, and two programs go on from them under one name.

use super::*;
use inklog_crdt::{Op, Origin};

/// Alice, who has `x` on its way, and has typed on a character that bob typed on her twin's text, under ids that she has
/// given to hers. Nobody can put that together in the order of the events. Gives the frame that is on its way, too.
fn tangled(server: &mut Server) -> (Alice, String) {
    server.writes(&bob(&["one "]));
    let mut alice = Alice::kept().joins(server);
    let mut twin = Alice::joined(server);
    twin.types("TWIN");
    twin.talk(server);
    alice.types("x");
    let lost = alice.frame().unwrap();
    alice.types("abc");
    let origin = Origin::Left(Some("alice-2".parse().unwrap()));
    let typed = Op::Insert { seq: 4, text: "BOB".to_owned(), origin };
    let on_twins = Event::new(agent("bob"), 4, vec![typed]).unwrap();
    server.writes(std::slice::from_ref(&on_twins));
    alice.hears(&remote(&[on_twins]));
    let at = alice.core.doc().text().find("BOB").unwrap();
    alice.types_at(at + 3, "def");
    // Of bob's.
    alice.core.edit(at + 1, 2, "", alice.now).unwrap();
    alice.stores();
    (alice, lost)
}

/// Goes on, under another name, until all is saved.
fn settles_anew(alice: &mut Alice, server: &mut Server) {
    settles(alice, server);
    assert_ne!(alice.core.agent(), &agent("alice"));
    alice.core.doc().assert_invariants();
}

/// All that was typed is there, once.
fn comes_out(alice: &mut Alice, server: &mut Server) {
    settles_anew(alice, server);
    let text = server.text();
    let mut letters: Vec<char> = text.chars().collect();
    letters.sort_unstable();
    assert_eq!(letters.into_iter().collect::<String>(), " BINTWabcdeefnox", "{text}");
    for word in ["one ", "TWI", "abc", "def"] {
        assert!(text.contains(word), "{word} is torn apart in {text}");
    }
}

#[test]
fn what_hangs_on_text_that_hangs_on_its_own_ids_is_loaded_and_offered_again() {
    let mut server = Server::default();
    let (mut alice, _) = tangled(&mut server);
    let (text, unsaved) = (alice.core.doc().text(), alice.core.unsaved());
    for _ in 0..3 {
        alice.is_killed();
        assert_eq!((alice.core.doc().text(), alice.core.unsaved()), (text.clone(), unsaved));
        alice.core.doc().assert_invariants();
    }
    comes_out(&mut alice, &mut server);
}

#[test]
fn a_refusal_that_was_heard_before_a_kill_is_one_after_it() {
    for types_offline in [false, true] {
        let mut server = Server::default();
        let (mut alice, sent) = tangled(&mut server);
        alice.hears(&error(ErrorCode::BadOp, reference(&sent)));
        alice.is_killed();
        if types_offline {
            alice.core.disconnected();
            let at = alice.core.doc().text().find("def").unwrap();
            // All that is taken out was typed here.
            alice.core.edit(at + 1, 1, "e", alice.now).unwrap();
            alice.stores();
            alice.is_killed();
        }
        let join = alice.frame().unwrap();
        assert!(join.contains("JOIN_DOC") && !join.contains("cursor"), "the whole state decides");
        server.take(&join).iter().for_each(|answer| alice.hears(answer));
        comes_out(&mut alice, &mut server);
    }
}

#[test]
fn what_was_deleted_after_what_hangs_on_the_delete_is_loaded_too() {
    let mut server = Server::default();
    server.writes(&bob(&["one two "]));
    let mut alice = Alice::kept().joins(&mut server);
    let mut twin = Alice::joined(&mut server);
    twin.types("TWIN");
    twin.talk(&mut server);
    alice.types("x");
    alice.frame().unwrap();
    alice.core.edit(7, 1, "", alice.now).unwrap();
    // Bob's second hangs on the twin's second character, where there is a delete here.
    let insert = |seq, text: &str, origin| Op::Insert { seq, text: text.to_owned(), origin };
    let on = |id: &str| Origin::Left(Some(id.parse().unwrap()));
    let ops = vec![insert(8, "?", on("bob-7")), insert(9, "!", on("alice-1"))];
    let on_twins = Event::new(agent("bob"), 8, ops).unwrap();
    server.writes(std::slice::from_ref(&on_twins));
    alice.hears(&remote(&[on_twins]));
    assert_eq!(alice.core.doc().text(), "one twox?");
    alice.core.edit(8, 1, "", alice.now).unwrap();
    alice.types("yz");
    let (text, unsaved) = (alice.core.doc().text(), alice.core.unsaved());
    alice.is_killed();
    assert_eq!((alice.core.doc().text(), alice.core.unsaved()), (text.clone(), unsaved));
    // The server has a character where she has none: her text is put aside, and what she typed, typed again.
    settles_anew(&mut alice, &mut server);
    assert_eq!(alice.core.forks().map(|fork| fork.text.clone()).collect::<Vec<_>>(), [text]);
    for text in ["x", "yz", "TWIN"] {
        assert_eq!(server.text().matches(text).count(), 1, "{text}: {}", server.text());
    }
}

#[test]
fn where_the_servers_state_lags_what_is_offered_again_goes_where_its_neighbours_are() {
    let mut server = Server::default();
    let (mut alice, sent) = tangled(&mut server);
    // Nothing is live but what was there in the beginning, and what somebody has written since.
    let mut server = server.restarted();
    let folded = server.log.remove(0);
    server.base.apply(&folded.event);
    server.base.insert(&agent("dan"), 0, "1").unwrap();
    server.lag = server.log.len();
    alice.hears(&error(ErrorCode::Conflict, reference(&sent)));
    while alice.core.agent() == &agent("alice") {
        alice.waits();
        while let Some(frame) = alice.frame() {
            server.take(&frame).iter().for_each(|answer| alice.hears(answer));
        }
    }
    assert_eq!(alice.core.doc().text(), "1one xabcdef");
    alice.types("!");
    alice.is_killed();
    assert_eq!(alice.core.doc().text(), "1one xabcdef!");
    server.lag = 0;
    for _ in 0..20 {
        alice.talk(&mut server);
        alice.waits();
    }
    assert!(alice.core.is_settled());
    assert_eq!(alice.core.doc().text(), server.text());
    for text in ["TWIN", "BOB", "xabc", "def", "!"] {
        assert_eq!(server.text().matches(text).count(), 1, "{text}: {}", server.text());
    }
}

/// Alice, to whom the answer to what she typed is lost, before somebody deletes all that the log has under its ids: her
/// text, or that of her twin.
fn deleted_meanwhile(server: &mut Server, reaches: bool) -> Alice {
    let mut alice = Alice::joined(server);
    let mut twin = Alice::joined(server);
    alice.types("mine");
    let sent = alice.frame().unwrap();
    if reaches {
        server.take(&sent);
        server.writes(&[Event::new(agent("bob"), 0, vec![deletion(0)]).unwrap()]);
    } else {
        twin.types("TWIN");
        twin.core.edit(0, 4, "", twin.now).unwrap();
        twin.talk(server);
    }
    assert_eq!(server.text(), "");
    alice.core.disconnected();
    alice
}

/// Deletes the first four characters under alice's name.
fn deletion(seq: u64) -> Op {
    Op::Delete { seq, target: "alice-0".parse().unwrap(), len: 4 }
}

#[test]
fn what_another_typed_and_deleted_under_its_ids_does_not_pass_for_its_own() {
    let mut server = Server::default();
    let mut alice = deleted_meanwhile(&mut server, false);
    let mut server = server.restarted();
    alice.core.connected(alice.now);
    alice.talk(&mut server);
    assert_eq!((server.text().as_str(), alice.core.agent()), ("mine", &agent("alice~1")));
    assert!(alice.core.is_settled());
}

#[test]
fn its_own_that_somebody_deleted_before_the_answer_came_does_not_come_back() {
    let mut server = Server::default();
    let mut alice = deleted_meanwhile(&mut server, true);
    let mut server = server.restarted();
    alice.types("more");
    alice.core.connected(alice.now);
    let said = alice.talk(&mut server);
    assert_eq!(said.iter().filter(|frame| frame.contains("SEND_OP")).count(), 1, "nobody is asked");
    assert_eq!((server.text().as_str(), alice.core.agent()), ("more", &agent("alice")));
}

#[test]
fn what_both_copies_have_sent_is_there_once() {
    let mut server = Server::default();
    let mut alice = Alice::kept().joins(&mut server);
    alice.types("both");
    alice.frame().unwrap();
    let mut twin = Alice { store: alice.store.clone(), ..Alice::kept() };
    twin.is_killed();
    twin.talk(&mut server);
    twin.types("TWIN");
    twin.talk(&mut server);
    // Of a word, something is left.
    let part = Op::Delete { seq: 0, target: "alice-1".parse().unwrap(), len: 2 };
    server.writes(&[Event::new(agent("bob"), 0, vec![part]).unwrap()]);
    let mut server = server.restarted();
    alice.types(" mine");
    alice.reconnects();
    alice.talk(&mut server);
    assert!(alice.core.is_settled());
    assert_eq!(alice.core.doc().text(), server.text());
    for text in ["bh", "TWIN", " mine"] {
        assert_eq!(server.text().matches(text).count(), 1, "{text}: {}", server.text());
    }
}
