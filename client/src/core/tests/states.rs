use super::*;

#[test]
fn a_states_parts_come_in_any_order_in_both_formats() {
    let mut server = Server::default();
    let carol = agent("carol");
    server.base.insert(&carol, 0, &"wörd 😀 ".repeat(40_000)).unwrap();
    server.base.delete(&carol, 7, 1_000).unwrap();
    for format in [StateFormat::Ops, StateFormat::Binary] {
        let config = CoreConfig { format, ..config() };
        let mut alice = Alice::with(config);
        // What was typed before stays.
        alice.types("mine");
        alice.core.connected(alice.now);
        let mut parts = server.take(&alice.frame().unwrap());
        assert!(parts.len() > 2);
        parts.reverse();
        parts.insert(1, parts[0].clone());
        for part in &parts {
            assert!(!alice.core.is_synced());
            alice.hears(part);
        }
        assert!(alice.core.is_synced());
        let text = alice.core.doc().text();
        assert!(text.contains("mine") && text.contains(&server.base.text()));
        let merged = Update::Merged(server.base.version().clone());
        assert!(alice.updates().contains(&merged));
    }
}

#[test]
fn a_state_of_any_length_around_a_parts_end_opens() {
    let carol = agent("carol");
    // In base64 a slice ends at 87,000 bytes, and the next one shares its part for some more; as ops a
    // run is cut every 16 KB, and a part is full after seven of them.
    let lengths = (86_960..87_010).chain((87_010..88_500).step_by(31)).chain(88_450..88_500);
    let lengths = lengths.chain(16_380..16_390).chain(117_200..117_300).chain(173_960..174_010);
    for length in lengths {
        let mut server = Server::default();
        server.base.insert(&carol, 0, &"x".repeat(length)).unwrap();
        for format in [StateFormat::Ops, StateFormat::Binary] {
            let config = CoreConfig { format, ..config() };
            let mut alice = Alice::with(config);
            alice.core.connected(alice.now);
            alice.talk(&mut server);
            assert!(alice.core.doc().encode() == server.base.encode(), "{length} characters as {format:?}");
        }
    }
}

#[test]
fn a_state_that_covers_the_outbox_empties_it() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    alice.types("a");
    server.take(&alice.frame().unwrap());
    // The server folded the event into its base, and the cursor is no longer good.
    server.base.apply(&server.log[0].event.clone());
    alice.core.disconnected();
    alice.core.connected(alice.now);
    let sync = alice.frame().unwrap().replace("cursor", "lost");
    server.log.clear();
    server.take(&sync).iter().for_each(|answer| alice.hears(answer));
    assert!(alice.core.is_settled());
    assert_eq!(alice.acked(), 1);
}

/// A document of some twenty parts.
fn large() -> Server {
    let mut server = Server::default();
    server.base.insert(&agent("carol"), 0, &"x".repeat(1_700_000)).unwrap();
    server
}

#[test]
fn a_state_on_a_slow_line_opens_with_one_join() {
    let mut server = large();
    let mut alice = Alice::new();
    alice.core.connected(alice.now);
    let parts = server.take(&alice.frame().unwrap());
    assert!(parts.len() > 15);
    for part in &parts {
        // Slower than the patience for all of it together, and for each part alone quick enough.
        alice.now += Duration::from_secs(15);
        alice.core.tick(alice.now);
        assert_eq!(alice.frame(), None);
        alice.hears(part);
    }
    assert!(alice.core.is_synced());
    assert_eq!(alice.core.doc().len(), 1_700_000);
}

#[test]
fn parts_that_come_late_are_used_whichever_request_they_answer() {
    let mut server = large();
    let mut alice = Alice::new();
    alice.core.connected(alice.now);
    let first = server.take(&alice.frame().unwrap());
    alice.hears(&first[0]);
    let mut waited = Duration::ZERO;
    let second = loop {
        waited += alice.waits();
        if let Some(frame) = alice.frame() {
            break frame;
        }
    };
    assert!(waited >= Duration::from_secs(20) && second.contains("JOIN_DOC"));
    server.writes(&bob(&["newer"]));
    let second = server.take(&second);
    alice.hears(&second[0]);
    first[1..].iter().for_each(|part| alice.hears(part));
    assert!(alice.core.is_synced(), "the first answer is whole");
    // What the other one has beyond it comes with the next sync; what is asked before it is answered is no
    // harm.
    second[1..].iter().for_each(|part| alice.hears(part));
    assert_eq!(alice.waits(), Duration::from_secs(2));
    alice.talk(&mut server);
    assert!(alice.core.doc().text().contains("newer"));
}

#[test]
fn what_is_never_answered_is_asked_ever_less_often_and_the_connection_given_up() {
    let mut alice = Alice::new();
    alice.core.connected(alice.now);
    let (begin, mut asked, mut dead) = (alice.now, Vec::new(), None);
    while alice.now - begin < Duration::from_secs(30 * 60) {
        if alice.frame().is_some() {
            asked.push((alice.now - begin).as_secs());
        }
        if alice.core.take_verdict() == Some(Verdict::Dead) {
            dead.get_or_insert(asked.len());
        }
        alice.waits();
    }
    assert_eq!(dead, Some(3), "three answers were lost");
    assert!(asked.len() < 20, "{asked:?}");
    let pauses: Vec<u64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses[0] >= 20 && pauses[4..].iter().all(|pause| *pause >= 160), "{pauses:?}");
}

#[test]
fn who_knows_of_too_many_agents_joins_instead() {
    let mut server = Server::default();
    for i in 0..2_000 {
        server.base.insert(&agent(&format!("agent~{i:07}")), i, "x").unwrap();
    }
    let mut alice = Alice::joined(&mut server);
    // A gap leads to a sync without the cursor, which names all agents.
    alice.hears(&remote(&bob(&["one ", "two "])[1..]));
    let mut without_cursor = None;
    while without_cursor.is_none() {
        let frame = alice.frame().unwrap();
        assert!(frame.len() <= FRAME_BYTES_MAX);
        server.take(&frame).iter().for_each(|answer| alice.hears(answer));
        without_cursor = Some(frame).filter(|frame| !frame.contains("cursor"));
        alice.waits();
    }
    assert!(without_cursor.unwrap().contains("JOIN_DOC"));
    assert_eq!(alice.core.doc().len(), 2_000);
    // As many as a frame has room for are named.
    let mut server = Server::default();
    for i in 0..1_300 {
        server.base.insert(&agent(&format!("agent~{i:07}")), i, "x").unwrap();
    }
    let mut alice = Alice::joined(&mut server);
    alice.types("x");
    alice.talk(&mut server);
    let mut server = Server { base: server.base.clone(), ..Server::default() };
    alice.reconnects();
    // The server lacks an acknowledged event: it is asked whether its log does.
    let frames: Vec<String> = std::iter::from_fn(|| {
        let frame = alice.frame()?;
        server.tail = 2;
        server.take(&frame).iter().for_each(|answer| alice.hears(answer));
        Some(frame)
    })
    .collect();
    let confirming = frames.iter().find(|frame| frame.contains("confirm")).expect("it asks");
    assert!(confirming.len() > 20_000 && confirming.contains(r#""alice":1"#));
}
