//! Where they are in it.

use std::collections::BTreeSet;

use inklog_crdt::Agent;
use inklog_protocol::Author;
use inklog_protocol::limits::{PRESENCE_AGENTS_PER_CONNECTION_MAX, PRESENCE_TTL};
use inklog_store::connections::PresenceEntry;

use super::Harness;
use crate::support::doc;

const NOW_MS: u64 = 1_700_000_000_000;
const TTL_MS: u64 = PRESENCE_TTL.as_millis() as u64;

fn agent(name: &str) -> Agent {
    Agent::new(name).unwrap()
}

fn entry(name: &str, connection: &str, state: &str) -> PresenceEntry {
    PresenceEntry { agent: agent(name), connection: connection.into(), state: state.into(), author: None }
}

impl Harness {
    async fn set(&self, entry: &PresenceEntry, now_ms: u64) -> bool {
        self.store.set(&doc(), entry, None, now_ms).await.unwrap()
    }

    async fn all(&self, now_ms: u64) -> Vec<PresenceEntry> {
        let mut entries = self.store.all(&doc(), now_ms).await.unwrap();
        entries.sort_by(|a, b| a.agent.cmp(&b.agent));
        entries
    }

    async fn clear(&self, connection: &str, agent: Option<&Agent>) -> Vec<String> {
        let gone = self.store.clear(&doc(), connection, agent).await.unwrap();
        let mut names: Vec<String> = gone.iter().map(Agent::to_string).collect();
        names.sort();
        names
    }
}

pub async fn what_is_set_is_shown_until_it_expires(harness: Harness) {
    assert!(harness.all(NOW_MS).await.is_empty());
    assert!(harness.set(&entry("alice", "a", "{}"), NOW_MS).await);
    assert!(harness.set(&entry("bob", "b", "1"), NOW_MS).await);
    assert!(harness.set(&entry("bob", "b", "2"), NOW_MS + 10).await);
    assert_eq!(harness.all(NOW_MS + TTL_MS).await, [entry("alice", "a", "{}"), entry("bob", "b", "2")]);
    assert_eq!(harness.all(NOW_MS + TTL_MS + 1).await, [entry("bob", "b", "2")]);
    assert_eq!(harness.all(NOW_MS + TTL_MS + 11).await, []);
    // Asking is not taking.
    assert_eq!(harness.all(NOW_MS).await.len(), 2);
}

pub async fn an_agent_belongs_to_the_connection_that_set_it_last(harness: Harness) {
    harness.set(&entry("alice", "a", "1"), NOW_MS).await;
    harness.set(&entry("alice", "b", "2"), NOW_MS).await;
    assert_eq!(harness.clear("a", None).await, [""; 0]);
    assert_eq!(harness.clear("a", Some(&agent("alice"))).await, [""; 0]);
    assert_eq!(harness.all(NOW_MS).await, [entry("alice", "b", "2")]);
    assert_eq!(harness.clear("b", Some(&agent("alice"))).await, ["alice"]);
    assert_eq!(harness.all(NOW_MS).await, []);
}

pub async fn a_connection_shows_so_many_agents_and_no_more(harness: Harness) {
    let name = |n: usize| format!("agent{n}");
    for n in 0..PRESENCE_AGENTS_PER_CONNECTION_MAX {
        assert!(harness.set(&entry(&name(n), "a", "1"), NOW_MS).await);
    }
    let one_more = entry("one-more", "a", "1");
    assert!(!harness.set(&one_more, NOW_MS).await);
    assert_eq!(harness.all(NOW_MS).await.len(), PRESENCE_AGENTS_PER_CONNECTION_MAX);
    // Those that it shows it may renew; another connection has its own number.
    assert!(harness.set(&entry(&name(0), "a", "2"), NOW_MS).await);
    assert!(harness.set(&entry("one-more", "b", "1"), NOW_MS).await);
    // Taking an agent over makes one more, too.
    assert!(!harness.set(&one_more, NOW_MS).await);
    assert_eq!(harness.clear("a", Some(&agent("agent3"))).await, ["agent3"]);
    assert!(harness.set(&one_more, NOW_MS).await);
    // What has expired counts no more, and its return counts again.
    let later = NOW_MS + TTL_MS + 1;
    for n in 10..10 + PRESENCE_AGENTS_PER_CONNECTION_MAX {
        assert!(harness.set(&entry(&name(n), "a", "1"), later).await);
    }
    assert!(!harness.set(&entry(&name(0), "a", "1"), later).await);
}

pub async fn clearing_tells_whose_presence_went(harness: Harness) {
    harness.set(&entry("alice", "a", "1"), NOW_MS).await;
    harness.set(&entry("alice~2", "a", "1"), NOW_MS).await;
    harness.set(&entry("bob", "aa", "1"), NOW_MS).await;
    assert_eq!(harness.clear("a", Some(&agent("bob"))).await, [""; 0]);
    assert_eq!(harness.clear("a", Some(&agent("carol"))).await, [""; 0]);
    assert_eq!(harness.clear("a", None).await, ["alice", "alice~2"]);
    assert_eq!(harness.clear("a", None).await, [""; 0], "told once");
    assert_eq!(harness.all(NOW_MS).await, [entry("bob", "aa", "1")]);
    assert!(harness.store.take_expired(&doc(), NOW_MS + TTL_MS).await.unwrap().is_empty());
}

pub async fn an_expired_agent_is_told_once(harness: Harness) {
    for n in 0..100 {
        harness.set(&entry(&format!("agent{n}"), &format!("c{n}"), "1"), NOW_MS + n % 2).await;
    }
    assert!(harness.store.take_expired(&doc(), NOW_MS + TTL_MS).await.unwrap().is_empty());
    let takers = (0..8).map(|_| {
        let store = harness.store.clone();
        tokio::spawn(async move { store.take_expired(&doc(), NOW_MS + TTL_MS + 1).await.unwrap() })
    });
    let mut told = Vec::new();
    for taker in takers.collect::<Vec<_>>() {
        told.extend(taker.await.unwrap());
    }
    assert_eq!(told.len(), 50, "each to one caller only");
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>().len(), 50);
    assert_eq!(harness.all(NOW_MS).await.len(), 50, "the others are still there");
    // Who comes back is told again.
    harness.set(&entry("agent0", "c0", "1"), NOW_MS + TTL_MS + 2).await;
    let again = harness.store.take_expired(&doc(), NOW_MS + 3 * TTL_MS).await.unwrap();
    assert_eq!(again.len(), 51);
}

pub async fn odd_names_and_states_come_back_whole(harness: Harness) {
    let odd = [
        entry("-", "", ""),
        entry("1", "12 3", "{\"text\":\"a b\\n\"}"),
        entry("2", "a b\nc", "\n 🖋 \r\n\u{0}"),
        entry("~._-", "7", " "),
    ];
    for entry in &odd {
        assert!(harness.set(entry, NOW_MS).await);
    }
    assert_eq!(harness.all(NOW_MS).await, odd);
    assert_eq!(harness.clear("12 3", None).await, ["1"]);
    assert_eq!(harness.clear("", None).await, ["-"]);
}

pub async fn who_shows_it_comes_back_whole(harness: Harness) {
    let by =
        |user: &str, name: Option<&str>| Some(Author { user: user.into(), name: name.map(str::to_owned) });
    let entries = [
        PresenceEntry { author: by("ann", None), ..entry("a", "1", "{\"x\":[1]}") },
        PresenceEntry { author: by("ben", Some("Ben \"]{\" Ångström")), ..entry("b", "2", "{}") },
        PresenceEntry { author: None, ..entry("c", "3", "{\"user\":\"eve\"}") },
    ];
    for entry in &entries {
        assert!(harness.set(entry, NOW_MS).await);
    }
    assert_eq!(harness.all(NOW_MS).await, entries);
}

pub async fn presence_ends_with_its_token(harness: Harness) {
    let ends_s = NOW_MS / 1_000 + 10;
    let ends_ms = ends_s * 1_000;
    let set = async |name: &str, token_ends: u64| {
        assert!(harness.store.set(&doc(), &entry(name, "c", "{}"), Some(token_ends), NOW_MS).await.unwrap());
    };
    set("soon", ends_s).await;
    set("later", u64::MAX).await;
    let shown = async |now_ms: u64| harness.all(now_ms).await.len();
    assert_eq!((shown(ends_ms - 1).await, shown(ends_ms).await, shown(ends_ms + 1).await), (2, 1, 1));
    assert_eq!((shown(NOW_MS + TTL_MS).await, shown(NOW_MS + TTL_MS + 1).await), (1, 0));
    assert!(harness.store.take_expired(&doc(), ends_ms - 1).await.unwrap().is_empty());
    assert_eq!(harness.store.take_expired(&doc(), ends_ms).await.unwrap(), [agent("soon")]);
}
