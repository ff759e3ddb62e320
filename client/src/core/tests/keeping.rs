//! What a store has to have, and what is made of it when the program was killed.

use super::*;
use crate::core::JournalError;

#[test]
fn nothing_is_sent_before_the_store_has_it() {
    let mut server = Server::default();
    let mut alice = Alice::kept().joins(&mut server);
    alice.core.edit(0, 0, "a", alice.now).unwrap();
    assert_eq!(alice.frame(), None);
    assert!(!alice.core.is_kept());
    let batch = alice.core.take_batch().unwrap();
    alice.core.tick(alice.now);
    assert_eq!((alice.frame(), alice.core.take_batch()), (None, None));
    alice.core.stored(batch.number);
    alice.core.tick(alice.now);
    assert!(alice.frame().unwrap().contains("SEND_OP") && alice.core.is_kept());
}

#[test]
fn what_was_typed_offline_is_there_after_a_kill_and_sent() {
    let mut server = Server::default();
    server.writes(&bob(&["one ", "two "]));
    let mut alice = Alice::kept().joins(&mut server);
    alice.types("three ");
    alice.talk(&mut server);
    server.writes(&bob(&["one ", "two ", "four "])[2..]);
    alice.hears(&remote(&bob(&["one ", "two ", "four "])[2..]));
    alice.core.disconnected();
    // On what only a broadcast brought.
    alice.types("five ");
    alice.core.edit(0, 4, "", alice.now).unwrap();
    alice.stores();
    let text = alice.core.doc().text();
    for _ in 0..3 {
        alice.is_killed();
        assert_eq!(alice.core.doc().text(), text);
    }
    alice.talk(&mut server);
    assert!(alice.core.is_settled());
    assert_eq!((server.text(), alice.core.agent()), (text, &agent("alice")));
}

#[test]
fn an_event_that_was_sent_is_sent_again_unchanged_after_a_kill() {
    let mut server = Server::default();
    let mut alice = Alice::kept().joins(&mut server);
    alice.types("a");
    let lost = alice.frame().unwrap();
    alice.types("b");
    for reaches in [false, true] {
        if reaches {
            server.take(&lost);
        }
        alice.is_killed();
        let join = alice.frame().unwrap();
        assert_eq!(alice.frame(), None);
        server.take(&join).iter().for_each(|answer| alice.hears(answer));
        let next = unnumbered(alice.frame());
        match reaches {
            false => assert_eq!(next, unnumbered(Some(lost.clone()))),
            true => assert_eq!(next["after"], 1),
        }
    }
    alice.reconnects();
    alice.talk(&mut server);
    assert_eq!((server.text().as_str(), server.log.len()), ("ab", 2));
}

#[test]
fn what_is_cut_at_other_places_after_a_kill_is_kept_whole() {
    let text: String = ('\u{4e00}'..).take(30_000).collect();
    let mut server = Server::default();
    let mut alice = Alice::kept();
    alice.types(&text);
    alice.core.connected(alice.now);
    while !alice.core.is_settled() {
        // One more event is on its way, and kept as it was sent.
        alice.is_killed();
        assert!(alice.core.doc().text() == text);
        while let Some(frame) = alice.frame() {
            let is_event = frame.contains("SEND_OP");
            server.take(&frame).iter().for_each(|answer| alice.hears(answer));
            if is_event {
                break;
            }
        }
    }
    assert!(server.text() == text);
}

#[test]
fn what_goes_on_its_way_after_a_kill_is_told_once() {
    let mut server = Server::default();
    let mut alice = Alice::kept().joins(&mut server);
    // One may have been sent, the other was not.
    alice.types("a");
    alice.frame();
    alice.types("b");
    alice.is_killed();
    assert_eq!((alice.core.unsaved(), alice.core.sending()), (2, 0));
    alice.talk(&mut server);
    alice.types("c");
    alice.talk(&mut server);
    let mut told = Vec::new();
    for update in alice.updates() {
        match update {
            Update::Sent(event) => told.push(("sent", event.after())),
            Update::Saved(event) => told.push(("saved", event.after())),
            _ => {}
        }
    }
    let each = (0..3).flat_map(|after| [("sent", after), ("saved", after)]);
    assert_eq!(told, each.collect::<Vec<_>>());
}

#[test]
fn killed_between_any_two_writes_nothing_is_lost_or_doubled() {
    let mut random = crate::Random::new(11);
    for _ in 0..60 {
        let mut server = Server::default();
        server.writes(&bob(&["bob "]));
        let mut alice = Alice::kept();
        alice.core.connected(alice.now);
        let mut typed = String::new();
        for n in 0..40 {
            match random.next_u64() % 8 {
                0..3 => {
                    typed += &format!("{n} ");
                    alice.types(&format!("{n} "));
                }
                3 => {
                    alice.frame();
                }
                4 => {
                    if let Some(frame) = alice.frame() {
                        let answers = server.take(&frame);
                        if !random.next_u64().is_multiple_of(3) {
                            answers.iter().for_each(|answer| alice.hears(answer));
                        }
                    }
                }
                5 => alice.is_killed(),
                6 => alice.reconnects(),
                _ => drop(alice.talk(&mut server)),
            }
        }
        alice.is_killed();
        alice.talk(&mut server);
        assert!(alice.core.is_settled());
        let mut expected: Vec<&str> = typed.split_whitespace().chain(["bob"]).collect();
        let text = server.text();
        let mut found: Vec<&str> = text.split_whitespace().collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!(alice.core.doc().text(), text);
    }
}

#[test]
fn new_ids_change_places_with_the_old_in_one_write() {
    let mut server = Server::default();
    let mut alice = Alice::kept().joins(&mut server);
    let mut twin = Alice::joined(&mut server);
    twin.types("other ");
    twin.talk(&mut server);
    alice.types("mine ");
    alice.talk(&mut server);
    let before = alice.store.clone();
    while alice.core.agent() == &agent("alice") {
        alice.waits();
        alice.talk(&mut server);
    }
    assert!(alice.core.is_settled());
    // Killed before any of the writes that followed.
    let after = alice.store.clone();
    for written in before.len()..=after.len() {
        alice.store = after[..written].to_vec();
        alice.is_killed();
        for _ in 0..20 {
            alice.talk(&mut server);
            if alice.core.is_settled() {
                break;
            }
            alice.waits();
        }
        assert_eq!(server.text().matches("other ").count(), 1);
        assert!(server.text().contains("mine "));
        assert_eq!(alice.core.doc().text(), server.text());
    }
}

#[test]
fn a_state_that_lags_takes_nothing_away_of_what_is_kept() {
    let mut server = Server::default();
    server.writes(&bob(&["one ", "two "]));
    let mut alice = Alice::kept().joins(&mut server);
    alice.types("three ");
    alice.talk(&mut server);
    // What is not in the live state yet is not in its base either, and somebody has written since.
    let mut server = Server { lag: 2, ..server.restarted() };
    let folded = server.log.remove(0);
    server.base.apply(&folded.event);
    server.base.insert(&agent("dan"), 4, "since ").unwrap();
    alice.reconnects();
    alice.talk(&mut server);
    let text = alice.core.doc().text();
    assert!(text.contains("two ") && text.contains("three ") && text.contains("since "), "{text}");
    alice.is_killed();
    assert_eq!((alice.core.doc().text(), alice.core.unsaved()), (text, 0));
}

#[test]
fn a_client_that_only_follows_stores_what_comes_in_time() {
    let mut server = Server::default();
    let mut alice = Alice::kept().joins(&mut server);
    alice.hears(&remote(&bob(&["one "])));
    let heard_at = alice.now;
    alice.is_killed();
    assert_eq!(alice.core.doc().text(), "", "not at once");
    alice.talk(&mut server);
    alice.hears(&remote(&bob(&["one "])));
    while alice.now - heard_at < Duration::from_secs(5) {
        alice.waits();
        alice.talk(&mut server);
    }
    alice.is_killed();
    assert_eq!(alice.core.doc().text(), "one ");
}

#[test]
fn a_journal_does_not_outgrow_its_document() {
    let mut server = Server::default();
    let mut alice = Alice::kept().joins(&mut server);
    let line = "a line of text that is typed and saved\n";
    let mut largest = 0;
    for n in 0..3_000 {
        alice.types(line);
        alice.core.edit(0, if n % 2 == 0 { 10 } else { 0 }, "", alice.now).unwrap();
        alice.talk(&mut server);
        alice.stores();
        largest = largest.max(alice.store.iter().map(Vec::len).sum());
    }
    let base = alice.core.doc().encode().len();
    assert!(largest < 3 * base.max(64 * 1024), "{largest} bytes for a base of {base}");
    let text = alice.core.doc().text();
    alice.is_killed();
    assert_eq!(alice.core.doc().text(), text);
}

#[test]
fn what_was_put_aside_stays_until_it_is_given_up() {
    let mut old = Server::default();
    let mut alice = Alice::kept().joins(&mut old);
    alice.types("on the old");
    alice.talk(&mut old);
    let mut new = Server { log_name: Some("new"), tail: 9, ..Server::default() };
    alice.reconnects();
    alice.talk(&mut new);
    alice.types("on the new");
    alice.talk(&mut new);
    alice.is_killed();
    let forks: Vec<_> = alice.core.forks().map(|fork| (fork.text.clone(), fork.log.clone())).collect();
    assert_eq!(forks, [("on the old".to_owned(), Some("log".to_owned()))]);
    assert_eq!(alice.core.doc().text(), "on the new");
    alice.core.discard_forks();
    alice.stores();
    alice.is_killed();
    assert_eq!(alice.core.forks().len(), 0);
}

#[test]
fn what_was_typed_for_one_log_is_never_sent_to_another_after_a_restart() {
    let mut old = Server::default();
    let mut alice = Alice::kept().joins(&mut old);
    alice.types("saved ");
    alice.talk(&mut old);
    alice.core.disconnected();
    alice.types("for the old");
    alice.is_killed();
    let mut new = Server { log_name: Some("new"), tail: 9, ..Server::default() };
    alice.talk(&mut new);
    assert_eq!(new.text(), "");
    let forks: Vec<_> = alice.core.forks().map(|fork| fork.text.clone()).collect();
    assert_eq!(forks, ["saved for the old"]);
}

#[test]
fn a_journal_of_elsewhere_or_a_damaged_one_is_refused_in_one_line() {
    let mut alice = Alice::kept().joins(&mut Server::default());
    alice.types("a");
    let load = |config: CoreConfig, store: &[Vec<u8>]| {
        Core::load(config, store, agents(&alice.agents), jitter()).err().expect("it is refused")
    };
    let other = CoreConfig { doc: DocId::new("other").unwrap(), ..config() };
    assert!(matches!(load(other, &alice.store), JournalError::Elsewhere { .. }));
    let other = CoreConfig { server: "ws://other/dev".into(), ..config() };
    let told = load(other, &alice.store).to_string();
    assert_eq!(told, "it holds what was typed in the document d at ws://server/dev: use another one here");
    for len in 2..alice.store[0].len() {
        let cut = [alice.store[0][..len].to_vec()];
        // At the end of a record, all of it may be there, but for the last.
        if let Err(error) = Core::load(config(), &cut, agents(&alice.agents), jitter()) {
            assert!(matches!(error, JournalError::Damaged(_)), "{error}");
        }
    }
    assert_eq!(load(config(), &[vec![9, 9]]), JournalError::Newer);
}

#[test]
fn a_journal_that_lacks_what_something_was_typed_on_is_a_damaged_one() {
    let mut alice = Alice::kept().joins(&mut Server::default());
    alice.hears(&remote(&bob(&["one "])));
    let before = alice.store.len();
    alice.types_at(0, "x");
    let heard = alice.store.len();
    alice.types("on it");
    let load = |store: &[Vec<u8>]| Core::load(config(), store, agents(&alice.agents), jitter());
    assert_eq!(load(&alice.store).unwrap().doc().text(), "xone on it");
    let gap = [&alice.store[..before], &alice.store[heard..]].concat();
    let told = load(&gap).err().expect("it is refused").to_string();
    assert_eq!(told, "it is damaged (alice stands at 0 of 6): put it aside, and begin a new one");
}
