use super::*;

#[test]
fn a_refusal_for_now_is_tried_again_after_a_pause() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    alice.types("a");
    let sent = alice.frame().unwrap();
    alice.hears(&error(ErrorCode::Unavailable, reference(&sent)));
    assert_eq!(alice.frame(), None);
    assert!(alice.waits() <= Duration::from_secs(5));
    assert_eq!(unnumbered(alice.frame()), unnumbered(Some(sent)));
}

#[test]
fn the_gateways_own_word_that_something_failed_is_a_refusal_for_now() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    alice.types("a");
    let sent = alice.frame().unwrap();
    alice.hears(r#"{"message":"Internal server error","connectionId":"c","requestId":"r"}"#);
    alice.waits();
    assert_eq!(unnumbered(alice.frame()), unnumbered(Some(sent)));
    alice.updates();
    // An action of a newer server is none of its business; a broken one that it knows is.
    alice.hears(r#"{"action":"DANCE"}"#);
    assert_eq!(alice.updates(), []);
    alice.hears(r#"{"action":"OP_ACK"}"#);
    assert!(matches!(&alice.updates()[..], [Update::Problem(Problem::Unreadable(_))]));
}

#[test]
fn what_is_refused_for_good_is_offered_again_under_new_ids_once_where_it_was_typed() {
    let mut server = Server::default();
    server.writes(&bob(&["one two"]));
    let mut alice = Alice::joined(&mut server);
    alice.types_at(4, "and ");
    let refused = alice.frame().unwrap();
    alice.types_at(8, "a half ");
    alice.core.edit(0, 1, "O", alice.now).unwrap();
    alice.hears(&error(ErrorCode::BadOp, reference(&refused)));
    settles(&mut alice, &mut server);
    assert_eq!(server.text(), "One and a half two");
    assert_eq!(alice.core.agent(), &agent("alice~1"));
    assert!(server.log.iter().all(|logged| logged.event.agent() != &agent("alice")));
    let updates = alice.updates();
    assert!(updates.contains(&Update::Agent(agent("alice~1"))));
    assert!(updates.iter().any(|update| matches!(update, Update::Problem(Problem::Refused { .. }))));
}

#[test]
fn somebody_else_under_the_same_name_is_noticed() {
    // By an event of theirs; by a conflict; by the server's state.
    for how in 0..3 {
        let mut server = Server::default();
        let mut alice = Alice::joined(&mut server);
        let mut twin = Alice::joined(&mut server);
        twin.types("other ");
        twin.talk(&mut server);
        let seen = remote(&[server.log[0].event.clone()]);
        match how {
            0 => alice.hears(&seen),
            1 => alice.types("mine"),
            _ => {
                alice.core.disconnected();
                alice.types("mine");
                server = server.restarted();
                alice.core.connected(alice.now);
            }
        }
        if how == 0 {
            alice.types("mine");
        }
        settles(&mut alice, &mut server);
        assert!(server.text().contains("mine") && server.text().contains("other "), "{how}");
        assert_eq!(server.text().len(), 10);
        assert_eq!(alice.core.agent(), &agent("alice~1"));
    }
}

#[test]
fn who_is_not_let_in_keeps_what_was_typed_and_hears_of_it_once() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    alice.types("a");
    let mut told = Vec::new();
    for _ in 0..8 {
        while let Some(frame) = alice.frame() {
            match frame.contains("SEND_OP") {
                true => alice.hears(&error(ErrorCode::Forbidden, reference(&frame))),
                false => server.take(&frame).iter().for_each(|answer| alice.hears(answer)),
            }
        }
        told.extend(alice.updates().into_iter().filter(|update| matches!(update, Update::Problem(_))));
        alice.waits();
    }
    assert!(matches!(&told[..], [Update::Problem(problem)] if !problem.is_retried()), "{told:?}");
    assert_eq!((alice.core.unsaved(), alice.core.take_verdict()), (1, None));
    alice.hears(&error(ErrorCode::Unauthorized, None));
    assert_eq!(alice.core.take_verdict(), Some(Verdict::Refused));
}

#[test]
fn a_dead_connection_is_noticed_within_30_s_while_somebody_looks() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    alice.core.set_visible(true);
    let mut pings = 0;
    while pings < 20 {
        alice.waits();
        let said = alice.talk(&mut server);
        pings += said.iter().filter(|frame| frame.contains("PING")).count();
        assert_eq!(alice.core.take_verdict(), None);
    }
    let died_at = alice.now;
    while alice.core.take_verdict().is_none() {
        alice.waits();
    }
    assert!(alice.now - died_at <= Duration::from_secs(30));
    // Out of a sleep, sooner.
    alice.reconnects();
    alice.talk(&mut server);
    alice.core.set_visible(false);
    alice.core.woke(alice.now);
    assert!(alice.frame().unwrap().contains("PING"));
    let woke_at = alice.now;
    while alice.core.take_verdict().is_none() {
        alice.waits();
    }
    assert!(alice.now - woke_at <= Duration::from_secs(5));
}
