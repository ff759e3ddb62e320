//! What becomes of posts.

use inklog_protocol::limits::MESSAGE_BYTES_MAX;
use inklog_store::PushError;

use super::Harness;

pub async fn posts_arrive_in_order(harness: Harness) {
    let (mut one, mut other) = (harness.connect("one").await, harness.connect("other").await);
    let messages: Vec<String> = (0..50).map(|n| format!("{{\"n\":{n},\"text\":\"é😀\"}}")).collect();
    for message in &messages {
        harness.push.post(&one.name, message).await.unwrap();
        harness.push.post(&one.name, message).await.unwrap();
    }
    harness.push.post(&other.name, "{}").await.unwrap();
    let twice: Vec<&String> = messages.iter().flat_map(|message| [message, message]).collect();
    assert_eq!(one.take(100).await.iter().collect::<Vec<_>>(), twice, "each as often as it was posted");
    assert_eq!(other.take(1).await, ["{}"]);
}

pub async fn who_is_not_there_is_gone(harness: Harness) {
    let stays = harness.connect("stays").await;
    let gone = harness.connect("gone").await.close().await;
    for name in ["nobody=", &gone] {
        for _ in 0..2 {
            let posted = harness.push.post(name, "{}").await;
            assert!(matches!(posted, Err(PushError::Gone)), "{name}: {posted:?}");
        }
    }
    harness.push.post(&stays.name, "{}").await.unwrap();
}

pub async fn a_message_has_a_greatest_size(harness: Harness) {
    let mut client = harness.connect("c").await;
    let largest = "x".repeat(MESSAGE_BYTES_MAX);
    let refused = harness.push.post(&client.name, &format!("{largest}x")).await;
    assert!(matches!(refused, Err(PushError::Refused(_))), "{refused:?}");
    harness.push.post(&client.name, &largest).await.unwrap();
    assert!(client.take(1).await == [largest]);
}

pub async fn who_reads_nothing_is_busy_until_it_reads(harness: Harness) {
    // More than the sockets of any machine hold for a client.
    const POSTS_MAX: usize = 1_000;
    let mut client = harness.connect("c").await;
    let message = |n: usize| format!("{n:05}{}", "x".repeat(100_000));
    let mut taken = 0;
    let refused = loop {
        assert!(taken < POSTS_MAX, "somebody keeps it all");
        match harness.push.post(&client.name, &message(taken)).await {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, PushError::Busy(_)), "{refused:?}");
    assert!(taken >= 10, "a megabyte waits for everyone: {taken}");
    let read = client.take(taken).await;
    assert!(read.len() == taken && read.iter().enumerate().all(|(n, read)| *read == message(n)), "{taken}");
    harness.push.post(&client.name, "more").await.expect("there is room again");
    assert_eq!(client.take(1).await, ["more"]);
}

pub async fn who_is_closed_is_gone_and_the_others_stay(harness: Harness) {
    let mut stays = harness.connect("stays").await;
    let mut goes = harness.connect("goes").await;
    harness.push.close(&goes.name).await.unwrap();
    assert!(goes.is_closed().await);
    for name in ["nobody=", &goes.name] {
        let closed = harness.push.close(name).await;
        assert!(matches!(closed, Err(PushError::Gone)), "{name}: {closed:?}");
        assert!(matches!(harness.push.post(name, "{}").await, Err(PushError::Gone)), "{name}");
    }
    harness.push.post(&stays.name, "still here").await.unwrap();
    assert_eq!(stays.take(1).await, ["still here"]);
}
