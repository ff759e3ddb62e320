//! Who is connected to which document.

use inklog_protocol::limits::{CONNECTION_TTL, DOCS_PER_CONNECTION_MAX};
use inklog_protocol::{Author, DocId, Right, UserName};
use inklog_store::connections::{Holder, Registration};

use super::{Harness, holder};
use crate::support::doc;

const NOW_MS: u64 = 1_700_000_000_000;
const TTL_MS: u64 = CONNECTION_TTL.as_millis() as u64;

async fn list(harness: &Harness, now_ms: u64) -> Vec<String> {
    let mut connections = harness.store.list(&doc(), now_ms).await.unwrap();
    connections.sort();
    connections
}

fn other_doc() -> DocId {
    DocId::new("other").unwrap()
}

pub async fn who_is_registered_is_listed(harness: Harness) {
    assert!(list(&harness, NOW_MS).await.is_empty());
    assert!(harness.store.docs_of("a=").await.unwrap().is_empty());
    for connection in ["a=", "b/+", "a="] {
        harness.store.register(&doc(), connection, None, NOW_MS).await.unwrap();
    }
    harness.store.register(&other_doc(), "a=", None, NOW_MS).await.unwrap();
    assert_eq!(list(&harness, NOW_MS).await, ["a=", "b/+"]);
    assert!(harness.store.is_registered(&doc(), "b/+", NOW_MS).await.unwrap());
    assert!(!harness.store.is_registered(&other_doc(), "b/+", NOW_MS).await.unwrap());
    let mut docs = harness.store.docs_of("a=").await.unwrap();
    docs.sort();
    assert_eq!(docs, [doc(), other_doc()]);
    assert_eq!(harness.store.docs_of("b/+").await.unwrap(), [doc()]);
}

pub async fn a_connection_lapses_unless_it_is_renewed(harness: Harness) {
    harness.store.register(&doc(), "a", None, NOW_MS).await.unwrap();
    harness.store.register(&doc(), "b", None, NOW_MS).await.unwrap();
    harness.store.register(&doc(), "b", None, NOW_MS + 10).await.unwrap();
    assert_eq!(list(&harness, NOW_MS + TTL_MS).await, ["a", "b"], "at the limit it is still there");
    assert!(harness.store.is_registered(&doc(), "a", NOW_MS + TTL_MS).await.unwrap());

    let later = NOW_MS + TTL_MS + 1;
    assert!(!harness.store.is_registered(&doc(), "a", later).await.unwrap());
    assert!(harness.store.is_registered(&doc(), "b", later).await.unwrap());
    assert_eq!(list(&harness, later).await, ["b"]);
    // It was removed on the way, not only left out.
    assert_eq!(list(&harness, NOW_MS).await, ["b"]);
    assert!(list(&harness, later + 10).await.is_empty());
}

pub async fn a_connection_joins_so_many_documents_and_one_that_it_left_makes_room(harness: Harness) {
    let numbered = |n: usize| DocId::new(&format!("many{n}")).unwrap();
    for n in 0..DOCS_PER_CONNECTION_MAX {
        assert!(harness.store.register(&numbered(n), "a", None, NOW_MS).await.unwrap());
    }
    let one_more = numbered(DOCS_PER_CONNECTION_MAX);
    assert!(!harness.store.register(&one_more, "a", None, NOW_MS).await.unwrap());
    assert!(!harness.store.is_registered(&one_more, "a", NOW_MS).await.unwrap());
    assert!(harness.store.register(&numbered(0), "a", None, NOW_MS).await.unwrap(), "renewing adds none");
    assert!(harness.store.register(&one_more, "b", None, NOW_MS).await.unwrap());
    harness.store.remove(&numbered(0), "a").await.unwrap();
    assert!(harness.store.register(&one_more, "a", None, NOW_MS).await.unwrap());
    assert!(!harness.store.register(&numbered(0), "a", None, NOW_MS + TTL_MS).await.unwrap());
    assert!(
        harness.store.register(&numbered(0), "a", None, NOW_MS + TTL_MS + 1).await.unwrap(),
        "all have lapsed"
    );
}

pub async fn a_removed_connection_is_gone_from_that_document_only(harness: Harness) {
    harness.store.register(&doc(), "a", None, NOW_MS).await.unwrap();
    harness.store.register(&other_doc(), "a", None, NOW_MS).await.unwrap();
    for _ in 0..2 {
        harness.store.remove(&doc(), "a").await.unwrap();
    }
    assert!(list(&harness, NOW_MS).await.is_empty());
    assert!(!harness.store.is_registered(&doc(), "a", NOW_MS).await.unwrap());
    assert!(harness.store.is_registered(&other_doc(), "a", NOW_MS).await.unwrap());
    assert_eq!(harness.store.docs_of("a").await.unwrap(), [other_doc()]);
}

pub async fn whose_a_connection_is_comes_back_whole(harness: Harness) {
    let name = Some("Ann \"A\" \u{0}Ångström".to_owned());
    let ann = Holder { author: Author { user: "ann".into(), name }, right: Right::Manage, ..holder("") };
    let register = async |connection: &str, holder: Option<&Holder>| {
        harness.store.register(&doc(), connection, holder, NOW_MS).await.unwrap();
    };
    register("a=", Some(&ann)).await;
    register("b", Some(&holder("bob"))).await;
    register("c", None).await;
    let all = async |now_ms: u64| {
        let mut all = harness.store.registrations(&doc(), now_ms).await.unwrap();
        all.sort_by(|one, other| one.connection.cmp(&other.connection));
        all
    };
    let registration =
        |connection: &str, holder: Option<Holder>| Registration { connection: connection.into(), holder };
    let expected =
        [registration("a=", Some(ann)), registration("b", Some(holder("bob"))), registration("c", None)];
    assert_eq!(all(NOW_MS).await, expected);
    assert_eq!(all(NOW_MS + TTL_MS + 1).await, []);
    // Whoever registers again is who it is now.
    register("b", None).await;
    harness.store.remove(&doc(), "a=").await.unwrap();
    assert_eq!(all(NOW_MS).await, [registration("b", None), registration("c", None)]);
    assert_eq!(harness.store.registrations(&other_doc(), NOW_MS).await.unwrap(), []);
}

pub async fn a_users_connections_are_found_in_all_documents(harness: Harness) {
    let of_user = async |user: &str, now_ms: u64| {
        let mut found = harness.store.of_user(&UserName::new(user).unwrap(), now_ms).await.unwrap();
        found.sort();
        found
    };
    for (doc, connection, user) in
        [(doc(), "a 1", "ann"), (other_doc(), "a 1", "ann"), (doc(), "a2", "ann"), (doc(), "b", "ann-2")]
    {
        harness.store.register(&doc, connection, Some(&holder(user)), NOW_MS).await.unwrap();
    }
    harness.store.register(&doc(), "c", None, NOW_MS).await.unwrap();
    let all = [(doc(), "a 1".to_owned()), (doc(), "a2".to_owned()), (other_doc(), "a 1".to_owned())];
    assert_eq!(of_user("ann", NOW_MS + TTL_MS).await, all);
    assert_eq!(of_user("ann", NOW_MS + TTL_MS + 1).await, []);
    assert_eq!(of_user("an", NOW_MS).await, []);
    harness.store.remove(&doc(), "a 1").await.unwrap();
    // Whoever has left may still be found; whoever is there must be.
    assert!(of_user("ann", NOW_MS).await.ends_with(&all[1..]));
    assert_eq!(of_user("ann-2", NOW_MS).await, [(doc(), "b".to_owned())]);
}

pub async fn a_registration_ends_with_its_token(harness: Harness) {
    let ends_s = NOW_MS / 1_000 + 100;
    let ends_ms = ends_s * 1_000;
    let ann = Holder { expires_at: ends_s, ..holder("ann") };
    let is_there = async |now_ms: u64| {
        let listed = !list(&harness, now_ms).await.is_empty();
        let user = UserName::new("ann").unwrap();
        let found = !harness.store.of_user(&user, now_ms).await.unwrap().is_empty();
        let told = !harness.store.registrations(&doc(), now_ms).await.unwrap().is_empty();
        let registered = harness.store.is_registered(&doc(), "a", now_ms).await.unwrap();
        assert_eq!((found, told, registered), (listed, listed, listed), "{now_ms}");
        listed
    };
    // However late it is renewed, and though it would lapse long after.
    for seen_ms in [NOW_MS, ends_ms - 1, ends_ms, ends_ms + 1] {
        harness.store.register(&doc(), "a", Some(&ann), seen_ms).await.unwrap();
        for (now_ms, expected) in
            [(ends_ms - 1_000, true), (ends_ms - 1, true), (ends_ms, false), (ends_ms + 1, false)]
        {
            assert_eq!(is_there(now_ms).await, expected, "seen at {seen_ms}, asked at {now_ms}");
        }
    }
    // A token that lives long changes nothing; one that has no moment to live is no registration.
    let long = Holder { expires_at: u64::MAX, ..holder("ann") };
    harness.store.register(&doc(), "a", Some(&long), NOW_MS).await.unwrap();
    assert!(is_there(NOW_MS + TTL_MS).await && !is_there(NOW_MS + TTL_MS + 1).await);
    let past = Holder { expires_at: 1, ..holder("ann") };
    harness.store.register(&doc(), "a", Some(&past), NOW_MS).await.unwrap();
    assert!(!is_there(NOW_MS).await);
}
