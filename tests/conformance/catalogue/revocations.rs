//! Which tokens are void.

use inklog_protocol::limits::{CLOCK_LEEWAY, TOKEN_LIFETIME_MAX};
use inklog_protocol::{DocId, UserName};
use inklog_store::catalogue::Revocation;

use super::Harness;
use crate::conformance::NOW_MS;
use crate::harness::doc;

const NOW_S: u64 = NOW_MS / 1_000;

fn user(name: &str) -> UserName {
    UserName::new(name).unwrap()
}

fn revocation(doc: Option<&DocId>, at: u64) -> Revocation {
    Revocation { doc: doc.cloned(), at }
}

async fn sorted(harness: &Harness, name: &str, now_s: u64) -> Vec<Revocation> {
    let mut all = harness.revocations.of(&user(name), now_s).await.unwrap();
    all.sort();
    all
}

pub async fn what_is_revoked_is_a_users_own(harness: Harness) {
    assert_eq!(sorted(&harness, "alice", NOW_S).await, []);
    let (notes, all) = (revocation(Some(&doc("notes")), NOW_S - 5), revocation(None, NOW_S));
    for one in [&notes, &all] {
        harness.revocations.revoke(&user("alice"), one, NOW_S).await.unwrap();
    }
    harness.revocations.revoke(&user("alice-2"), &notes, NOW_S).await.unwrap();
    assert_eq!(sorted(&harness, "alice", NOW_S).await, [all, notes.clone()]);
    assert_eq!(sorted(&harness, "alice-2", NOW_S).await, [notes]);
    assert_eq!(sorted(&harness, "alic", NOW_S).await, []);
    assert_eq!(harness.catalogue.docs(None, 10).await.unwrap(), (Vec::new(), None), "users are no documents");
}

pub async fn of_two_revocations_the_later_counts(harness: Harness) {
    let of = |at| revocation(None, at);
    for at in [NOW_S - 9, NOW_S, NOW_S - 5, NOW_S] {
        harness.revocations.revoke(&user("alice"), &of(at), NOW_S).await.unwrap();
    }
    assert_eq!(sorted(&harness, "alice", NOW_S).await, [of(NOW_S)]);
}

pub async fn what_is_older_than_any_token_is_forgotten(harness: Harness) {
    let lasts = (TOKEN_LIFETIME_MAX + CLOCK_LEEWAY).as_secs();
    let of = |name: &str, at| revocation(Some(&doc(name)), at);
    for one in [of("a", NOW_S), of("b", NOW_S + 1)] {
        harness.revocations.revoke(&user("alice"), &one, NOW_S + 1).await.unwrap();
    }
    let all = [of("a", NOW_S), of("b", NOW_S + 1)];
    assert_eq!(sorted(&harness, "alice", NOW_S + lasts).await, all);
    assert_eq!(sorted(&harness, "alice", NOW_S + lasts + 1).await, all[1..]);
    assert_eq!(sorted(&harness, "alice", NOW_S).await, all, "reading removes nothing");
    // The next to be written removes it, so that they cannot pile up.
    let next = of("c", NOW_S + lasts + 1);
    harness.revocations.revoke(&user("alice"), &next, NOW_S + lasts + 1).await.unwrap();
    assert_eq!(sorted(&harness, "alice", NOW_S).await, [of("b", NOW_S + 1), next]);
}
