use super::*;

/// Alice, who has typed and sent `text`, and knows what bob wrote.
fn alice_with(server: &mut Server, words: &[&str], text: &str) -> Alice {
    server.writes(&bob(words));
    let mut alice = Alice::joined(server);
    alice.types(text);
    alice.talk(server);
    assert!(alice.core.is_settled());
    alice.updates();
    alice
}

fn forks(alice: &mut Alice) -> Vec<String> {
    let forked = alice.updates().into_iter().filter_map(|update| match update {
        Update::Forked { text } => Some(text),
        _ => None,
    });
    forked.collect()
}

#[test]
fn on_another_log_the_text_is_put_aside_and_only_what_was_never_saved_is_typed_again() {
    let mut old = Server::default();
    let mut alice = alice_with(&mut old, &["one ", "two "], "saved ");
    alice.core.disconnected();
    let at = alice.core.doc().len();
    alice.types_at(at, "unsaved");
    alice.types_at(0, "also ");
    let mut new = Server { log_name: Some("new"), tail: 9, ..Server::default() };
    new.writes(&bob(&["other"]));
    alice.core.connected(alice.now);
    // What comes before the server has said which log it has is not mixed in.
    alice.hears(&remote(&bob(&["other", "more"])[1..]));
    assert_eq!(alice.core.doc().text(), "also one two saved unsaved");
    let said = alice.talk(&mut new);
    assert!(!said.iter().any(|frame| frame.contains("confirm")), "the name says enough");
    assert_eq!(forks(&mut alice), ["also one two saved unsaved"]);
    assert!(alice.core.is_settled() && alice.core.agent() != &agent("alice"));
    assert!(alice.core.agent().as_str().starts_with("alice~"));
    let expected = new.text();
    assert!(expected.contains("also ") && expected.contains("unsaved") && !expected.contains(" saved"));
    assert!(expected.contains("other"));
    // What came early is there, too.
    new.writes(&bob(&["other", "more"])[1..]);
    assert_eq!(alice.core.doc().text(), new.text());
    // It is the new log's now: nothing is told again.
    alice.reconnects();
    alice.talk(&mut new);
    assert_eq!(forks(&mut alice), [""; 0]);
}

#[test]
fn a_copy_of_the_log_under_another_name_is_no_reason_to_tell_anything() {
    let mut old = Server::default();
    let mut alice = alice_with(&mut old, &["one ", "two "], "saved ");
    let mut copy = Server { log_name: Some("copy"), ..old.restarted() };
    // Somebody has deleted of it, and written more.
    let (mut doc, carol) = (Doc::new(), agent("carol"));
    for logged in &copy.log {
        doc.apply(&logged.event);
    }
    let mut ops = doc.delete(&carol, 0, 4).unwrap();
    ops.push(doc.insert(&carol, 0, "1 ").unwrap());
    copy.writes(&[Event::new(carol, 0, ops).unwrap()]);
    alice.core.disconnected();
    alice.types("unsaved");
    alice.core.connected(alice.now);
    alice.talk(&mut copy);
    assert_eq!(forks(&mut alice), [""; 0]);
    assert_eq!(alice.core.doc().text(), "1 two saved unsaved");
    assert_eq!((copy.text(), alice.core.agent()), ("1 two saved unsaved".into(), &agent("alice")));
    // From now on it is the copy's.
    let mut old = Server { tail: 5, ..Server::default() };
    alice.reconnects();
    let said = alice.talk(&mut old);
    assert!(!said.iter().any(|frame| frame.contains("confirm")), "the name says enough");
    assert_eq!(forks(&mut alice), ["1 two saved unsaved"]);
}

#[test]
fn what_waits_for_something_of_one_log_does_not_appear_on_its_copy() {
    let mut old = Server::default();
    let mut alice = alice_with(&mut old, &["one "], "saved ");
    let mut copy = Server { log_name: Some("copy"), ..old.restarted() };
    let words = bob(&["one ", "two ", "three "]);
    // What lies between got lost.
    alice.hears(&remote(&words[2..]));
    assert_eq!(alice.core.doc().text(), "one saved ");
    // The copy has all that she shows, and is an older one.
    copy.writes(&words[1..2]);
    alice.reconnects();
    alice.talk(&mut copy);
    assert!(copy.text().contains("two ") && !copy.text().contains("three "));
    assert_eq!(alice.core.doc().text(), copy.text());
}

#[test]
fn on_a_copy_that_goes_on_under_her_name_she_takes_another_and_loses_nothing() {
    let mut old = Server::default();
    let mut alice = alice_with(&mut old, &["one "], "saved ");
    let mut copy = Server { log_name: Some("copy"), ..old.restarted() };
    let mut doc = Doc::new();
    for logged in &copy.log {
        doc.apply(&logged.event);
    }
    let op = doc.insert(&agent("alice"), doc.len(), "more ").unwrap();
    copy.writes(&[Event::new(agent("alice"), op.seq(), vec![op]).unwrap()]);
    alice.core.disconnected();
    alice.types("unsaved");
    alice.core.connected(alice.now);
    alice.talk(&mut copy);
    assert_eq!(forks(&mut alice), [""; 0], "all that she had is there");
    assert!(alice.core.agent() != &agent("alice") && alice.core.is_settled());
    assert_eq!(alice.core.doc().text(), copy.text());
    assert!(copy.text().contains("unsaved") && copy.text().contains("more "));
}

#[test]
fn what_reached_a_log_that_then_forgot_something_else_is_not_typed_twice() {
    let mut server = Server::default();
    server.writes(&bob(&["one ", "two "]));
    let mut alice = Alice::joined(&mut server);
    alice.types_at(0, "saved ");
    alice.talk(&mut server);
    alice.types_at(0, "reached ");
    server.take(&alice.frame().unwrap());
    alice.core.disconnected();
    alice.types_at(0, "unsaved ");
    let mut server = server.restarted();
    server.log.remove(1);
    alice.core.connected(alice.now);
    alice.talk(&mut server);
    assert_eq!(forks(&mut alice), ["unsaved reached saved one two "]);
    assert_eq!(server.text(), "unsaved reached saved one ");
    assert_eq!(alice.core.doc().text(), server.text());
}

#[test]
fn a_live_state_that_lags_is_no_server_that_forgot() {
    let mut server = Server::default();
    let mut alice = alice_with(&mut server, &["one ", "two "], "saved ");
    let mut server = Server { lag: 2, ..server.restarted() };
    alice.reconnects();
    alice.types("unsaved");
    let mut confirmed = 0;
    while let Some(frame) = alice.frame() {
        assert!(confirmed > 0 || !frame.contains("SEND_OP"), "nothing is sent before that is clear");
        confirmed += usize::from(frame.contains(r#""confirm":true"#));
        server.take(&frame).iter().for_each(|answer| alice.hears(answer));
    }
    assert_eq!(confirmed, 1);
    assert_eq!(forks(&mut alice), [""; 0]);
    server.lag = 0;
    assert_eq!((server.text(), alice.core.agent()), ("one two saved unsaved".into(), &agent("alice")));
    assert_eq!(alice.core.doc().text(), server.text());
}

#[test]
fn a_log_that_was_restored_under_its_name_is_found_out_before_anything_is_sent() {
    for (keeps, folds) in [(0, false), (1, false), (2, false), (1, true)] {
        let mut server = Server::default();
        let mut alice = alice_with(&mut server, &["one ", "two "], "saved ");
        alice.core.disconnected();
        alice.types("unsaved");
        let at = alice.core.doc().len();
        alice.types_at(at - 2, "_");
        let mut server = server.restarted();
        server.log.truncate(keeps);
        if folds {
            // All is in the base, with what somebody wrote since: the answer to the question whether the
            // log has it is a state.
            for logged in server.log.drain(..) {
                server.base.apply(&logged.event);
            }
            server.base.insert(&agent("dan"), 4, "since").unwrap();
        }
        alice.core.connected(alice.now);
        alice.talk(&mut server);
        assert_eq!(forks(&mut alice), ["one two saved unsav_ed"]);
        let kept = ["", "one ", "one two "][keeps];
        let since = if folds { "since" } else { "" };
        assert_eq!(server.text(), format!("{kept}unsav_ed{since}"), "each is typed where its neighbours are");
        assert_eq!(alice.core.doc().text(), server.text());
        assert!(alice.core.is_settled());
        // Bob, who knows nothing of it, goes on from where the server is; nothing waits for what is gone.
        assert_eq!(alice.core.doc().waiting().count(), 0);
    }
}

#[test]
fn an_editor_that_makes_the_changes_follows_when_the_document_is_begun_anew() {
    let mut old = Server::default();
    old.writes(&bob(&["one ", "two ", "thrée"]));
    let config = CoreConfig { changes: true, ..config() };
    let mut alice = Alice::with(config);
    alice.core.connected(alice.now);
    alice.talk(&mut old);
    alice.types(" saved");
    alice.talk(&mut old);
    alice.core.disconnected();
    alice.types(" unsaved");
    alice.updates();
    let mut shown: Vec<char> = alice.core.doc().text().chars().collect();
    let mut new = Server { log_name: Some("new"), tail: 9, ..Server::default() };
    new.writes(&bob(&["one ", "2 "]));
    alice.core.connected(alice.now);
    alice.talk(&mut new);
    let updates = alice.updates();
    assert!(updates.iter().any(|update| matches!(update, Update::Forked { .. })));
    for update in updates {
        let Update::Changed(changes) = update else { continue };
        for change in changes {
            match change {
                Change::Insert { at, text } => drop(shown.splice(at..at, text.chars())),
                Change::Delete { at, len } => drop(shown.drain(at..at + len)),
            }
        }
    }
    assert_eq!(shown.into_iter().collect::<String>(), alice.core.doc().text());
    assert_eq!(alice.core.doc().text(), new.text());
}

#[test]
fn a_replay_that_names_another_log_or_something_missing_is_not_taken() {
    let mut server = Server::default();
    let mut alice = alice_with(&mut server, &["one "], "saved ");
    // The same cursor happens to be good there.
    let mut other = Server { log_name: Some("other"), ..Server::default() };
    other.writes(&bob(&["a", "b", "c", "d"]));
    alice.reconnects();
    let sync = alice.frame().unwrap();
    let answers = other.take(&sync);
    assert!(answers[0].contains("OP_REPLAY"));
    alice.hears(&answers[0]);
    assert_eq!(alice.core.doc().text(), "one saved ");
    let join = alice.frame().unwrap();
    assert!(join.contains("JOIN_DOC") && !join.contains("cursor"));
    other.take(&join).iter().for_each(|answer| alice.hears(answer));
    assert_eq!(forks(&mut alice), ["one saved "]);
    assert_eq!(alice.core.doc().text(), "abcd");
}

#[test]
fn other_characters_under_the_same_ids_are_another_text() {
    let mut server = Server::default();
    let mut alice = alice_with(&mut server, &["one "], "saved ");
    // Restored from before, and bob has typed something else since, with the same name and further.
    let mut server = server.restarted();
    server.log.remove(0);
    server.log.insert(0, LoggedEvent { event: bob(&["ONE TWO "]).remove(0), at: 0, author: None });
    alice.reconnects();
    alice.types("unsaved");
    alice.talk(&mut server);
    assert_eq!(forks(&mut alice), ["one saved unsaved"]);
    assert!(server.text().starts_with("ONE "));
    assert!(server.text().contains("unsaved") && server.text().contains("saved "));
    assert_eq!(alice.core.doc().text(), server.text());
}

#[test]
fn a_delete_that_was_never_saved_is_done_again_on_a_restored_log() {
    let mut server = Server::default();
    let mut alice = alice_with(&mut server, &["one ", "two "], "saved ");
    alice.core.disconnected();
    let ops = alice.core.doc().clone().delete(&agent("alice"), 0, 6).unwrap();
    ops.into_iter().for_each(|op| alice.core.queue(op));
    alice.core.close_event();
    assert_eq!(alice.core.doc().text(), "o saved ");
    let mut server = server.restarted();
    server.log.truncate(2);
    alice.core.connected(alice.now);
    alice.talk(&mut server);
    assert_eq!(forks(&mut alice), ["o saved "]);
    assert_eq!(server.text(), "o ");
    assert_eq!(alice.core.doc().text(), "o ");
}

#[test]
fn a_server_that_tells_no_log_is_never_a_reason_to_begin_anew() {
    // An older server, before or after a newer one, with and without what the client has.
    for (first, second) in [(None, None), (Some("log"), None), (None, Some("log"))] {
        let mut server = Server { log_name: first, ..Server::default() };
        let mut alice = alice_with(&mut server, &["one ", "two "], "saved ");
        let mut server = Server { log_name: second, ..server.restarted() };
        alice.reconnects();
        alice.talk(&mut server);
        assert_eq!(forks(&mut alice), [""; 0]);
        assert_eq!(alice.core.doc().text(), "one two saved ");
    }
    // It does not know of `confirm` either: that it lags is all that can be assumed.
    let mut server = Server { log_name: None, ..Server::default() };
    let mut alice = alice_with(&mut server, &["one ", "two "], "saved ");
    let mut server = server.restarted();
    server.log.truncate(1);
    alice.reconnects();
    while let Some(frame) = alice.frame() {
        let frame = frame.replace(r#""confirm":true"#, r#""unknown":true"#);
        server.take(&frame).iter().for_each(|answer| alice.hears(answer));
    }
    assert_eq!(forks(&mut alice), [""; 0]);
    assert!(alice.core.is_synced());
    assert_eq!(alice.core.doc().text(), "one two saved ");
}
