//! What only a real Redis can show: restarts, lost and foreign keys, damaged bytes, silence.

use std::time::{Duration, Instant};

use inklog_protocol::limits::{BASE_PIECE_BYTES_MAX, TAIL_KEPT_BYTES};
use inklog_store::live::redis::RedisLiveState;
use inklog_store::live::{Cursor, LiveDoc};
use inklog_store::{LiveState, RedisClient, StoreError, encode_logged};
use inklog_tests::{RedisName, RedisServer};

use super::harness::{LOG, Redis, base, base_of, common_deadline_ms};
use crate::support::{doc, event, event_of, events};

/// With the short name of [`LOG`].
const RECORD: &str = "inklog:{doc~1.x}:e56993cdf015a6ec";
const TAIL: &str = "inklog:{doc~1.x}:e56993cdf015a6ec:t";

/// A base, a tail of three events, and what a reader sees.
async fn begun(live: &RedisLiveState) -> LiveDoc {
    live.append(&doc(), &events(0..3), "fresh").await.unwrap();
    rebuild(live, "g1").await;
    live.read(&doc()).await.unwrap().unwrap()
}

async fn rebuild(live: &RedisLiveState, generation: &str) {
    live.begin_rebuild(&doc(), "nonce").await.unwrap();
    assert!(live.commit_rebuild(&doc(), "nonce", base(generation)).await.unwrap());
}

async fn assert_all_is_a_miss(live: &RedisLiveState, cursor: &Cursor) {
    assert!(live.read(&doc()).await.unwrap().is_none());
    assert!(live.since(&doc(), cursor).await.unwrap().is_none());
    let back = Cursor { offset: 0, ..cursor.clone() };
    assert!(live.since(&doc(), &back).await.unwrap().is_none());
}

async fn assert_append_begins_anew(live: &RedisLiveState, old: &Cursor) {
    let status = live.append(&doc(), &events(7..9), "second").await.unwrap();
    assert!(!status.has_base);
    assert!(live.since(&doc(), old).await.unwrap().is_none());
    let start = Cursor { tail: "second".into(), offset: 0 };
    assert_eq!(live.since(&doc(), &start).await.unwrap().unwrap().0, events(7..9));
}

#[tokio::test]
async fn a_restarted_server_serves_nothing_old() {
    let mut redis = Redis::start().await;
    let live = redis.live();
    let read = begun(&live).await;
    live.begin_rebuild(&doc(), "before").await.unwrap();
    redis.server.save();
    // Lost with the process, though readers have seen it.
    live.append(&doc(), &events(3..5), "fresh").await.unwrap();

    redis.server.restart();
    let raw = crate::support::RawRedis::connect(&redis.server.url()).await;
    assert!(raw.keys().await.contains(&RECORD.to_owned()), "the dump was loaded: something is tested");
    assert_all_is_a_miss(&live, &read.cursor).await;
    assert!(!live.commit_rebuild(&doc(), "before", base("g2")).await.unwrap());
    assert!(!live.fold(&doc(), &read.tag, &read.cursor, base("g3")).await.unwrap());
    assert_append_begins_anew(&live, &read.cursor).await;
    assert_eq!(raw.keys().await, [RECORD, TAIL], "no piece of the old base is left");
    rebuild(&live, "g4").await;
    assert_eq!(live.read(&doc()).await.unwrap().unwrap().events, events(7..9));
}

#[tokio::test]
async fn another_log_serves_nothing() {
    let redis = Redis::start().await;
    let live = redis.live();
    let read = begun(&live).await;
    let other = RedisLiveState::new(redis.client.clone(), "another-oplog");
    assert_all_is_a_miss(&other, &read.cursor).await;
    assert!(!other.commit_rebuild(&doc(), "nonce", base("g2")).await.unwrap());
    assert_append_begins_anew(&other, &read.cursor).await;
    other.drop_doc(&doc()).await.unwrap();
    assert_eq!(live.read(&doc()).await.unwrap().unwrap().events, events(0..3), "two may share a Redis");
    // Should their names ever be short for the same, the whole name still tells them apart.
    let _: i64 = redis.raw.run(&["HSET", RECORD, "log", "another-oplog"]).await;
    assert_all_is_a_miss(&live, &read.cursor).await;
}

#[tokio::test]
async fn a_lost_piece_is_a_miss_and_the_tail_lives_on() {
    let redis = Redis::start().await;
    let live = redis.live();
    live.append(&doc(), &events(0..3), "fresh").await.unwrap();
    live.begin_rebuild(&doc(), "nonce").await.unwrap();
    let large = base_of("g1", vec![7; 3 * BASE_PIECE_BYTES_MAX], Vec::new());
    assert!(live.commit_rebuild(&doc(), "nonce", large).await.unwrap());
    let read = live.read(&doc()).await.unwrap().unwrap();

    let _: i64 = redis.raw.run(&["DEL", &format!("{RECORD}:b:g1:1")]).await;
    assert!(live.read(&doc()).await.unwrap().is_none());
    live.append(&doc(), &events(3..4), "other").await.unwrap();
    let (since, _) = live.since(&doc(), &read.cursor).await.unwrap().unwrap();
    assert_eq!(since, events(3..4), "the tail is whole");

    live.begin_rebuild(&doc(), "second").await.unwrap();
    assert_eq!(redis.raw.keys().await, [RECORD, TAIL], "the rest of the base is dropped");
    assert!(!live.append(&doc(), &[], "other").await.unwrap().has_base);
    assert!(live.commit_rebuild(&doc(), "second", base("g2")).await.unwrap());
    assert_eq!(live.read(&doc()).await.unwrap().unwrap().events, events(0..4));
}

#[tokio::test]
async fn a_piece_lost_during_a_rebuild_is_replaced() {
    let redis = Redis::start().await;
    let live = redis.live();
    begun(&live).await;
    live.begin_rebuild(&doc(), "second").await.unwrap();
    let _: i64 = redis.raw.run(&["DEL", &format!("{RECORD}:b:g1:0")]).await;
    assert!(live.commit_rebuild(&doc(), "second", base("g2")).await.unwrap());
    assert_eq!(live.read(&doc()).await.unwrap().unwrap().base, b"state of g2");
}

#[tokio::test]
async fn a_rebuild_that_a_fold_overtook_is_over_even_if_the_base_is_lost() {
    let redis = Redis::start().await;
    let live = redis.live();
    begun(&live).await;
    // It has read the log by now, without what comes next, which the fold trims.
    live.begin_rebuild(&doc(), "second").await.unwrap();
    let long = "x".repeat(2 * TAIL_KEPT_BYTES);
    live.append(&doc(), &[event_of("bob", 0, &long)], "fresh").await.unwrap();
    let read = live.read(&doc()).await.unwrap().unwrap();
    assert!(live.fold(&doc(), &read.tag, &read.cursor, base("g2")).await.unwrap());
    let _: i64 = redis.raw.run(&["DEL", &format!("{RECORD}:b:g2:0")]).await;
    assert!(!live.commit_rebuild(&doc(), "second", base("g3")).await.unwrap());
    assert!(live.read(&doc()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_lost_tail_is_a_miss() {
    let redis = Redis::start().await;
    let live = redis.live();
    let read = begun(&live).await;
    live.begin_rebuild(&doc(), "second").await.unwrap();
    let _: i64 = redis.raw.run(&["DEL", TAIL]).await;
    assert_all_is_a_miss(&live, &read.cursor).await;
    assert!(!live.fold(&doc(), &read.tag, &read.cursor, base("g2")).await.unwrap());
    assert!(!live.commit_rebuild(&doc(), "second", base("g3")).await.unwrap());
    assert_append_begins_anew(&live, &read.cursor).await;
}

#[tokio::test]
async fn a_lost_record_is_a_miss() {
    let redis = Redis::start().await;
    let live = redis.live();
    let read = begun(&live).await;
    let _: i64 = redis.raw.run(&["DEL", RECORD]).await;
    assert_all_is_a_miss(&live, &read.cursor).await;
    assert_append_begins_anew(&live, &read.cursor).await;
}

#[tokio::test]
async fn pieces_of_no_use_are_deleted_and_all_keys_end_together() {
    let redis = Redis::start().await;
    let live = redis.live();
    let read = begun(&live).await;
    assert_eq!(redis.raw.keys().await, [RECORD, &format!("{RECORD}:b:g1:0"), TAIL]);
    common_deadline_ms(&redis.raw).await;

    assert!(live.fold(&doc(), &read.tag, &read.cursor, base("g2")).await.unwrap());
    assert!(!live.fold(&doc(), &read.tag, &read.cursor, base("lost")).await.unwrap());
    assert!(!live.commit_rebuild(&doc(), "none", base("lost too")).await.unwrap());
    assert_eq!(redis.raw.keys().await, [RECORD, &format!("{RECORD}:b:g2:0"), TAIL]);
    // The pieces' own short life has been replaced.
    let deadline_ms = common_deadline_ms(&redis.raw).await;

    live.append(&doc(), &events(3..5), "fresh").await.unwrap();
    live.read(&doc()).await.unwrap().unwrap();
    assert_eq!(common_deadline_ms(&redis.raw).await, deadline_ms, "not renewed while it is young");
    live.drop_doc(&doc()).await.unwrap();
    assert_eq!(redis.raw.keys().await, [""; 0]);
}

#[tokio::test]
async fn offsets_are_exact_up_to_two_to_the_53() {
    let redis = Redis::start().await;
    let live = redis.live();
    begun(&live).await;
    // As if all but three of very many events had been folded and trimmed.
    let near = (1_u64 << 53) - 9;
    let at = |back: u64| (near - back).to_string();
    let fields = ["HSET", RECORD, "first", &at(3), "folded", &at(3), "next", &at(0)];
    let _: i64 = redis.raw.run(&fields).await;

    for n in 0..4 {
        live.append(&doc(), &[event(10 + n)], "fresh").await.unwrap();
        let read = live.read(&doc()).await.unwrap().unwrap();
        assert_eq!(read.cursor.offset, near + n + 1);
        let before = Cursor { offset: near + n, ..read.cursor.clone() };
        let (since, end) = live.since(&doc(), &before).await.unwrap().unwrap();
        assert_eq!((since, end), (vec![event(10 + n)], read.cursor.clone()));
        let beyond = Cursor { offset: near + n + 2, ..read.cursor.clone() };
        assert!(live.since(&doc(), &beyond).await.unwrap().is_none());
        assert!(live.fold(&doc(), &read.tag, &read.cursor, base(&format!("g{n}"))).await.unwrap());
        assert_eq!(live.read(&doc()).await.unwrap().unwrap().tag.folded.offset, near + n + 1);
    }
    let next: String = redis.raw.run(&["HGET", RECORD, "next"]).await;
    assert_eq!(next, (near + 4).to_string());
}

/// Puts other bytes in the place of the tail's last event.
async fn spoil_tail(redis: &Redis, bytes: &[u8]) {
    let mut set = redis::cmd("LSET");
    set.arg(TAIL).arg(-1).arg(bytes);
    let client = redis::Client::open(redis.server.url()).unwrap();
    let () = set.query_async(&mut client.get_multiplexed_async_connection().await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_damaged_tail_is_dropped() {
    for by_cursor in [false, true] {
        let redis = Redis::start().await;
        let live = redis.live();
        let read = begun(&live).await;
        let whole = encode_logged(&event(2));
        spoil_tail(&redis, &whole[..whole.len() - 1]).await;
        if by_cursor {
            let start = Cursor { offset: 0, ..read.cursor };
            assert!(live.since(&doc(), &start).await.unwrap().is_none());
        } else {
            assert!(live.read(&doc()).await.unwrap().is_none());
        }
        assert_eq!(redis.raw.keys().await, [""; 0]);
    }
}

#[tokio::test]
async fn a_damaged_base_is_dropped() {
    let redis = Redis::start().await;
    let live = redis.live();
    live.begin_rebuild(&doc(), "nonce").await.unwrap();
    let waiting = base_of("g1", b"state".to_vec(), vec![event_of("bob", 5, "waits")]);
    assert!(live.commit_rebuild(&doc(), "nonce", waiting).await.unwrap());
    // The length of the waiting event, which now ends elsewhere.
    let _: i64 = redis.raw.run(&["SETRANGE", &format!("{RECORD}:b:g1:0"), "5", "\u{7f}"]).await;
    assert!(live.read(&doc()).await.unwrap().is_none());
    assert_eq!(redis.raw.keys().await, [""; 0]);
}

#[tokio::test]
async fn what_a_newer_inklog_wrote_is_kept() {
    let redis = Redis::start().await;
    let live = redis.live();
    let read = begun(&live).await;
    let mut newer = encode_logged(&event(2));
    // The event's version follows its time.
    newer[8] += 1;
    spoil_tail(&redis, &newer).await;
    let start = Cursor { offset: 0, ..read.cursor };
    assert!(matches!(live.read(&doc()).await, Err(StoreError::Newer { .. })));
    assert!(matches!(live.since(&doc(), &start).await, Err(StoreError::Newer { .. })));
    assert_eq!(redis.raw.keys().await.len(), 3);
}

#[tokio::test]
async fn what_another_has_put_there_is_a_miss_and_is_replaced() {
    let redis = Redis::start().await;
    let live = redis.live();
    let foreign: [&[&str]; 4] =
        [&["SET", RECORD, "x"], &["SET", TAIL, "x"], &["HSET", TAIL, "f", "x"], &["RPUSH", RECORD, "x"]];
    for set in foreign {
        let read = begun(&live).await;
        let _: redis::Value = redis.raw.run(&["DEL", set[1]]).await;
        let _: redis::Value = redis.raw.run(set).await;
        assert_all_is_a_miss(&live, &read.cursor).await;
        assert_append_begins_anew(&live, &read.cursor).await;
        rebuild(&live, "g2").await;
        assert_eq!(live.read(&doc()).await.unwrap().unwrap().events, events(7..9));
        let _: redis::Value = redis.raw.run(&["DEL", set[1]]).await;
        let _: redis::Value = redis.raw.run(set).await;
        live.drop_doc(&doc()).await.unwrap();
        let _: redis::Value = redis.raw.run(&["FLUSHALL"]).await;
    }
    // A piece of a base.
    begun(&live).await;
    let piece = format!("{RECORD}:b:g1:0");
    let _: i64 = redis.raw.run(&["DEL", &piece]).await;
    let _: i64 = redis.raw.run(&["RPUSH", &piece, "x"]).await;
    assert!(live.read(&doc()).await.unwrap().is_none());
    rebuild(&live, "g1").await;
    assert_eq!(live.read(&doc()).await.unwrap().unwrap().base, b"state of g1");
}

#[tokio::test]
async fn a_base_without_room_is_refused_and_leaves_none_of_it() {
    for tells in [true, false] {
        let redis = Redis::start_with(&["--maxmemory", "8mb"]).await;
        if !tells {
            // Where INFO is not allowed, writing finds it out.
            let _: String = redis.raw.run(&["ACL", "SETUSER", "default", "-info"]).await;
        }
        let live = redis.live();
        live.append(&doc(), &events(0..3), "fresh").await.unwrap();
        live.begin_rebuild(&doc(), "nonce").await.unwrap();
        let large = base_of("g1", vec![7; 12 * BASE_PIECE_BYTES_MAX], Vec::new());
        let refused = live.commit_rebuild(&doc(), "nonce", large).await;
        assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
        assert_eq!(redis.raw.keys().await, [RECORD, TAIL], "others have the room");
        live.drop_doc(&doc()).await.unwrap();
    }
}

/// A base that does not fit would first take the room of all others.
#[tokio::test]
async fn a_base_without_room_is_refused_before_any_of_it_is_written() {
    const MB: usize = 1024 * 1024;
    // A server that evicts makes room, but not for more than half of all that it has.
    for (policy, others, bytes, fits) in [
        ("allkeys-lru", 0, 8 * MB, true),
        ("allkeys-lru", 0, 8 * MB + 1, false),
        ("allkeys-lru", 11, 6 * MB, true),
        ("noeviction", 0, 8 * MB, true),
        ("noeviction", 0, 8 * MB + 1, false),
        ("noeviction", 11, 6 * MB, false),
    ] {
        let redis = Redis::start_with(&["--maxmemory", "16mb", "--maxmemory-policy", policy]).await;
        for other in 0..others {
            let _: String = redis.raw.run(&["SET", &format!("other {other}"), &"x".repeat(MB)]).await;
        }
        let _: String = redis.raw.run(&["CONFIG", "RESETSTAT"]).await;
        let live = redis.live();
        live.begin_rebuild(&doc(), "nonce").await.unwrap();
        let base = base_of("g1", vec![7; bytes], Vec::new());
        // What makes room may evict the rebuild itself: then the base is not put in.
        let answer = live.commit_rebuild(&doc(), "nonce", base).await;
        let is_refused = matches!(answer, Err(StoreError::Refused { .. }));
        assert_eq!((answer.is_ok(), is_refused), (fits, !fits), "{policy}, {others} MB, {bytes}");
        let ran: String = redis.raw.run(&["INFO", "commandstats"]).await;
        assert_eq!(ran.contains("cmdstat_set:"), fits, "{policy}, {others} MB, {bytes}");
    }
}

#[tokio::test]
async fn dropping_needs_no_memory() {
    let redis = Redis::start().await;
    let live = redis.live();
    begun(&live).await;
    let _: String = redis.raw.run(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let _: String = redis.raw.run(&["SCRIPT", "FLUSH"]).await;
    let refused = live.append(&doc(), &events(3..4), "fresh").await;
    assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
    assert_eq!(live.read(&doc()).await.unwrap().unwrap().events, events(0..3), "reading needs none either");
    live.drop_doc(&doc()).await.unwrap();
    assert_eq!(redis.raw.keys().await, [""; 0]);
}

#[tokio::test]
async fn it_works_where_info_is_not_allowed() {
    let redis = Redis::start().await;
    let _: String =
        redis.raw.run(&["ACL", "SETUSER", "app", "on", ">secret", "~inklog*", "+@all", "-info"]).await;
    let url = redis.server.url().replace("redis://", "redis://app:secret@");
    let live = RedisLiveState::connect(&url, LOG).await.unwrap();
    begun(&live).await;
    assert!(live.append(&doc(), &events(3..4), "other").await.unwrap().has_base);
    assert_eq!(live.read(&doc()).await.unwrap().unwrap().events, events(0..4));
}

/// The call fails as it should, and soon.
async fn assert_unavailable<T>(call: impl Future<Output = Result<T, StoreError>>) {
    let begun = Instant::now();
    let answer = call.await.map(|_| ());
    assert!(matches!(answer, Err(StoreError::Unavailable { store: "Redis", .. })), "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "after {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_stopped_server_is_unavailable_until_it_is_back() {
    let mut redis = Redis::start().await;
    let live = redis.live();
    live.append(&doc(), &events(0..1), "fresh").await.unwrap();
    redis.server.stop();
    for _ in 0..2 {
        assert_unavailable(live.append(&doc(), &events(1..2), "fresh")).await;
        assert_unavailable(live.read(&doc())).await;
    }
    assert_unavailable(RedisClient::connect(&redis.server.url())).await;
    redis.server.restart();
    // At once, and without a hand: the scripts, too, are unknown to the new process.
    live.append(&doc(), &events(0..1), "fresh").await.unwrap();
    rebuild(&live, "g1").await;
    assert_eq!(live.read(&doc()).await.unwrap().unwrap().events, events(0..1));
}

#[tokio::test]
async fn the_first_call_after_a_restart_succeeds() {
    let mut redis = Redis::start().await;
    let live = redis.live();
    live.append(&doc(), &events(0..1), "fresh").await.unwrap();
    redis.server.restart();
    live.append(&doc(), &events(0..1), "fresh").await.unwrap();
}

#[tokio::test]
async fn a_server_that_became_a_replica_is_left_for_the_new_primary() {
    let (before, after) = (RedisServer::start(), RedisServer::start());
    let name = RedisName::of(before.addr()).await.unwrap();
    let live = RedisLiveState::connect(&name.url(), LOG).await.unwrap();
    live.append(&doc(), &events(0..1), "fresh").await.unwrap();
    before.run(&format!("REPLICAOF 127.0.0.1 {}", after.addr().port()));
    // The name leads to nothing else yet: nobody can write.
    assert_unavailable(live.append(&doc(), &events(1..2), "fresh")).await;
    name.stands_for(after.addr());
    // The old connection is still open.
    live.append(&doc(), &events(0..1), "fresh").await.unwrap();
    rebuild(&live, "g1").await;
    assert_eq!(live.read(&doc()).await.unwrap().unwrap().events, events(0..1));
    assert_eq!(after.info("role").as_deref(), Some("master"));
    assert_eq!(before.info("role").as_deref(), Some("slave"));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_unavailable() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    assert_unavailable(RedisClient::connect(&url)).await;
    let live = RedisLiveState::new(RedisClient::open(&url).unwrap(), LOG);
    assert_unavailable(live.append(&doc(), &events(0..1), "fresh")).await;
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left_for_a_new_connection() {
    let server = RedisServer::start();
    let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", proxy.local_addr().unwrap());
    let addr = server.addr();
    // The first connection is passed on until `silence`, the second for good.
    let (silence, mut silenced) = tokio::sync::oneshot::channel::<()>();
    let proxying = tokio::spawn(async move {
        let (mut first, _) = proxy.accept().await.unwrap();
        let mut to_server = tokio::net::TcpStream::connect(addr).await.unwrap();
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut first, &mut to_server) => {}
            _ = &mut silenced => {}
        }
        let (mut second, _) = proxy.accept().await.unwrap();
        let mut to_server = tokio::net::TcpStream::connect(addr).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut second, &mut to_server).await;
        drop(first);
    });
    let live = RedisLiveState::connect(&url, LOG).await.unwrap();
    live.append(&doc(), &events(0..1), "fresh").await.unwrap();
    silence.send(()).unwrap();
    assert_unavailable(live.append(&doc(), &events(1..2), "fresh")).await;
    live.append(&doc(), &events(1..2), "fresh").await.unwrap();
    proxying.abort();
}

#[tokio::test]
async fn a_cluster_is_refused_in_one_line() {
    let server = RedisServer::start_with(&["--cluster-enabled", "yes"]);
    let Err(refused) = RedisClient::connect(&server.url()).await else { panic!("it is a cluster") };
    assert!(matches!(refused, StoreError::Refused { .. }));
    let said = refused.to_string();
    assert!(said.contains("cluster mode off") && !said.contains('\n'), "{said}");
    // A function that started without asking says the same.
    let live = RedisLiveState::new(RedisClient::open(&server.url()).unwrap(), LOG);
    let refused = live.append(&doc(), &events(0..1), "fresh").await.unwrap_err().to_string();
    assert!(refused.contains("cluster mode off"), "{refused}");
}

#[tokio::test]
async fn a_url_that_is_none_is_refused() {
    assert!(RedisClient::open("http://127.0.0.1").is_err());
    // TLS is there.
    assert!(RedisClient::open("rediss://127.0.0.1").is_ok());
}
