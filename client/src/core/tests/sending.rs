use super::*;

#[test]
fn one_event_is_in_flight_and_what_is_typed_meanwhile_is_the_next() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    alice.types("a");
    let first = alice.frame().unwrap();
    alice.types("b");
    alice.types("c");
    assert_eq!(alice.frame(), None);
    for answer in server.take(&first) {
        alice.hears(&answer);
    }
    alice.talk(&mut server);
    let ends: Vec<u64> = server.log.iter().map(|logged| logged.event.end()).collect();
    assert_eq!(ends, [1, 3]);
    assert!(alice.core.is_settled());
    assert_eq!(alice.acked(), 2);
}

#[test]
fn nothing_is_sent_before_the_servers_version_is_known() {
    let mut alice = Alice::new();
    alice.types("offline");
    alice.core.connected(alice.now);
    assert!(alice.frame().unwrap().contains("JOIN_DOC"));
    assert_eq!(alice.frame(), None);
}

#[test]
fn an_event_whose_ack_was_lost_is_not_sent_again() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    alice.types("a");
    server.take(&alice.frame().unwrap());
    alice.types("b");
    alice.reconnects();
    alice.talk(&mut server);
    assert_eq!(server.log.len(), 2);
    assert!(alice.core.is_settled());
    assert_eq!(alice.acked(), 2);
}

#[test]
fn an_event_that_was_lost_is_sent_again_unchanged() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    alice.types("a");
    let lost = alice.frame().unwrap();
    alice.types("b");
    alice.reconnects();
    let sync = alice.frame().unwrap();
    assert_eq!(alice.frame(), None);
    for answer in server.take(&sync) {
        alice.hears(&answer);
    }
    assert_eq!(unnumbered(alice.frame()), unnumbered(Some(lost)));
}

#[test]
fn an_ack_that_does_not_come_is_asked_for_again() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    alice.types("a");
    let sent = alice.frame().unwrap();
    let mut again = None;
    while again.is_none() {
        alice.waits();
        match alice.frame() {
            Some(frame) if frame.contains("SEND_OP") => again = Some(frame),
            Some(frame) => server.take(&frame).iter().for_each(|answer| alice.hears(answer)),
            None => {}
        }
    }
    assert_eq!(unnumbered(again), unnumbered(Some(sent)));
    let sent = alice.updates().iter().filter(|update| matches!(update, Update::Sent(_))).count();
    assert_eq!(sent, 1);
}

#[test]
fn repeats_change_nothing() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    let events = bob(&["one "]);
    alice.types("x");
    let answers = server.take(&alice.frame().unwrap());
    for _ in 0..3 {
        alice.hears(&answers[0]);
        alice.hears(&remote(&events));
    }
    let updates = alice.updates();
    let count = |wanted: fn(&Update) -> bool| updates.iter().filter(|update| wanted(update)).count();
    assert_eq!(count(|update| matches!(update, Update::Saved(_))), 1);
    assert_eq!(count(|update| matches!(update, Update::Received(_))), 1);
    assert_eq!(alice.core.doc().len(), 5);
}

#[test]
fn ops_made_on_another_replica_show_when_their_event_is_closed() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    let mut view = Doc::new();
    for (i, letter) in ["a", "b", "c"].into_iter().enumerate() {
        let op = view.insert(&agent("alice"), i, letter).unwrap();
        alice.core.queue(op);
    }
    assert_eq!(alice.core.doc().text(), "");
    alice.core.close_event();
    assert_eq!(alice.core.doc().text(), "abc");
    alice.core.tick(alice.now);
    alice.talk(&mut server);
    assert!(alice.core.is_settled());
    assert_eq!(server.log.len(), 1);
}
