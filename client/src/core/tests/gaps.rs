use super::*;

#[test]
fn a_gap_leads_to_a_sync_at_once_then_with_pauses_and_once_without_the_cursor() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    alice.types("x");
    alice.talk(&mut server);
    let events = bob(&["one ", "two "]);
    alice.hears(&remote(&events[1..]));
    let mut with_cursor = Vec::new();
    for _ in 0..8 {
        let sync = alice.frame().unwrap();
        assert!(is_sync(Some(sync.clone())));
        with_cursor.push(sync.contains("cursor"));
        assert_eq!(alice.frame(), None);
        // The server does not have it yet either.
        server.take(&sync).iter().for_each(|answer| alice.hears(answer));
        alice.waits();
    }
    assert_eq!(with_cursor, [true, true, true, true, false, true, true, true]);
    assert!(alice.core.has_gap() && alice.updates().contains(&Update::Gap(true)));
    server.writes(&events);
    alice.talk(&mut server);
    assert_eq!(alice.core.doc().text(), server.text());
    assert!(!alice.core.has_gap() && alice.updates().contains(&Update::Gap(false)));
    assert_eq!(alice.waits(), Duration::from_secs(30));
}

/// The syncs while carol types a letter a second for twenty minutes: in which minute, and whether with
/// a cursor.
fn syncs_while_carol_types(
    alice: &mut Alice,
    server: &mut Server,
    mut carol: Vec<Event>,
) -> Vec<(u64, bool)> {
    let (begin, mut syncs) = (alice.now, Vec::new());
    for second in 0..20 * 60 {
        let until = begin + Duration::from_secs(second);
        loop {
            while let Some(frame) = alice.frame() {
                assert!(is_sync(Some(frame.clone())), "{frame}");
                syncs.push(((alice.now - begin).as_secs() / 60, frame.contains("cursor")));
                server.take(&frame).iter().for_each(|answer| alice.hears(answer));
            }
            match alice.core.deadline() {
                Some(due) if due <= until => drop(alice.waits()),
                _ => break,
            }
        }
        alice.now = until;
        let event = carol.remove(0);
        server.writes(std::slice::from_ref(&event));
        alice.hears(&remote(&[event]));
    }
    syncs
}

#[test]
fn what_can_never_be_placed_is_asked_for_ever_less_often_also_while_others_type() {
    let carol: Vec<Event> = {
        let (mut doc, carol) = (Doc::new(), agent("carol"));
        let type_one = |at| Event::new(carol.clone(), at as u64, vec![doc.insert(&carol, at, "x").unwrap()]);
        (0..20 * 60 + 1).map(type_one).map(Result::unwrap).collect()
    };
    // One event of bob's can never be placed; or that, and all that carol types.
    for first in [0, 1] {
        let mut server = Server::default();
        let mut alice = Alice::joined(&mut server);
        alice.types("x");
        alice.talk(&mut server);
        let lost = bob(&["one ", "two "]).remove(1);
        server.writes(std::slice::from_ref(&lost));
        alice.hears(&remote(&[lost]));
        let syncs = syncs_while_carol_types(&mut alice, &mut server, carol[first..].to_vec());
        for minute in 10..20 {
            let here: Vec<_> = syncs.iter().filter(|(at, _)| *at == minute).collect();
            assert!((1..=2).contains(&here.len()), "minute {minute}: {}", here.len());
            assert!(here.iter().all(|(_, cursor)| *cursor));
        }
        assert_eq!(syncs.iter().filter(|(_, cursor)| !cursor).count(), 1, "{syncs:?}");
        assert!(alice.core.has_gap());
        assert_eq!(alice.core.doc().text().len(), if first == 0 { 1 + 20 * 60 } else { 1 });
    }
}

#[test]
fn a_missed_broadcast_without_a_gap_is_found_two_seconds_after_joining() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    server.log =
        bob(&["missed"]).into_iter().map(|event| LoggedEvent { event, at: 0, author: None }).collect();
    assert_eq!(alice.waits(), Duration::from_secs(2));
    alice.talk(&mut server);
    assert_eq!(alice.core.doc().text(), "missed");
}

#[test]
fn a_quiet_client_syncs_ever_less_often() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        pauses.push(alice.waits().as_secs());
        alice.talk(&mut server);
    }
    assert_eq!(pauses, [2, 60, 120, 240, 300, 300, 300]);
    alice.hears(&remote(&bob(&["hey"])));
    assert_eq!(alice.waits().as_secs(), 30);
    alice.talk(&mut server);
    assert_eq!(alice.waits().as_secs(), 30);
}
