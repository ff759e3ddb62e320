use super::*;

fn shown(alice: &mut Alice) -> Vec<serde_json::Value> {
    let frames = std::iter::from_fn(|| alice.frame());
    let frames = frames.map(|frame| serde_json::from_str::<serde_json::Value>(&frame).unwrap());
    frames.filter(|frame| frame["action"] == "PRESENCE").map(|frame| frame["state"].clone()).collect()
}

#[test]
fn the_newest_is_shown_at_most_five_times_a_second_and_again_before_it_lapses() {
    let mut server = Server::default();
    let mut alice = Alice::joined(&mut server);
    for n in 0..10 {
        alice.core.show_presence(serde_json::json!({ "n": n }), alice.now).unwrap();
    }
    assert_eq!(shown(&mut alice), [serde_json::json!({ "n": 0 })]);
    assert_eq!(alice.waits(), Duration::from_millis(200));
    assert_eq!(shown(&mut alice), [serde_json::json!({ "n": 9 })]);
    let begin = alice.now;
    let again = loop {
        alice.waits();
        let again = shown(&mut alice);
        if !again.is_empty() {
            break again;
        }
    };
    assert_eq!((again, alice.now - begin), (vec![serde_json::json!({ "n": 9 })], Duration::from_secs(40)));
    // A new connection knows nothing.
    alice.reconnects();
    let join = alice.frame().unwrap();
    server.take(&join).iter().for_each(|answer| alice.hears(answer));
    alice.waits();
    assert_eq!(shown(&mut alice), [serde_json::json!({ "n": 9 })]);
    alice.core.show_presence(serde_json::Value::Null, alice.now).unwrap();
    alice.waits();
    assert_eq!(shown(&mut alice), [serde_json::Value::Null]);
}

#[test]
fn others_are_here_until_they_leave_or_fall_silent() {
    let mut alice = Alice::joined(&mut Server::default());
    let state = serde_json::json!({ "at": 1 });
    let remote = |agent: &str, state: &serde_json::Value| {
        format!(r#"{{"action":"REMOTE_PRESENCE","docId":"d","agent":"{agent}","state":{state}}}"#)
    };
    alice.hears(&remote("bob", &state));
    alice.hears(&remote("carol", &state));
    alice.hears(&remote("alice", &state));
    assert_eq!(alice.core.others().map(|(agent, _)| agent).collect::<Vec<_>>(), ["bob", "carol"]);
    alice.hears(&remote("bob", &serde_json::Value::Null));
    alice.updates();
    let begin = alice.now;
    alice.core.disconnected();
    assert_eq!(alice.waits(), Duration::from_secs(75));
    assert_eq!(alice.updates(), [Update::Presence { agent: "carol".into(), state: None }]);
    assert_eq!((alice.core.others().count(), alice.now - begin), (0, Duration::from_secs(75)));
}

#[test]
fn what_is_no_object_or_too_large_is_refused_and_what_was_shown_stays() {
    let mut alice = Alice::joined(&mut Server::default());
    let fits = serde_json::json!({ "x": "é".repeat((4096 - 8) / 2) });
    assert_eq!(fits.to_string().len(), 4096);
    alice.core.show_presence(fits.clone(), alice.now).unwrap();
    let large = serde_json::json!({ "x": "é".repeat((4096 - 8) / 2) + "x" });
    assert_eq!(alice.core.show_presence(large, alice.now), Err(crate::PresenceError::TooLarge(4097)));
    assert_eq!(alice.core.show_presence(1.into(), alice.now), Err(crate::PresenceError::NoObject));
    assert_eq!(shown(&mut alice), [fits]);
}
