//! What is in a bucket.

use inklog_store::StoreError;
use inklog_store::keys::objects as keys;

use super::Harness;
use crate::harness::doc;

pub async fn what_is_put_comes_back(harness: Harness) {
    let odd = doc(&format!("~._-{}", "x".repeat(124)));
    let large: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect();
    let objects = [
        (keys::snapshot(&doc("d"), 0, "n"), Vec::new()),
        (keys::snapshot(&doc("d"), 1, "n"), vec![0]),
        (keys::segment(&doc("d"), 1, "n"), (0..=255).collect()),
        (keys::segment(&odd, u64::MAX / 2, "0123456789abcdef"), large),
        (keys::set_aside(&doc("d"), "100000000000000000001"), b"{}".to_vec()),
    ];
    for (key, bytes) in &objects {
        harness.objects.put(key, bytes.clone()).await.unwrap();
    }
    for (key, bytes) in &objects {
        for _ in 0..2 {
            assert!(harness.objects.get(key).await.unwrap().as_ref() == Some(bytes), "{key}");
        }
    }
}

pub async fn of_nothing_there_is_nothing(harness: Harness) {
    let key = |at| keys::snapshot(&doc("d"), at, "n");
    assert_eq!(harness.objects.get(&key(1)).await.unwrap(), None);
    harness.objects.delete(&key(1)).await.unwrap();
    harness.objects.put(&key(1), vec![1]).await.unwrap();
    assert_eq!(harness.objects.get(&key(11)).await.unwrap(), None);
}

pub async fn what_is_there_is_never_written_over(harness: Harness) {
    let key = keys::snapshot(&doc("d"), 1, "n");
    harness.objects.put(&key, vec![1, 2]).await.unwrap();
    harness.objects.put(&key, vec![1, 2]).await.expect("the same again is the same put");
    for other in [vec![], vec![1], vec![1, 3], vec![1, 2, 3]] {
        let refused = harness.objects.put(&key, other).await;
        assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    }
    assert_eq!(harness.objects.get(&key).await.unwrap(), Some(vec![1, 2]));
}

pub async fn what_is_deleted_is_gone_and_nothing_else(harness: Harness) {
    let key = |at| keys::snapshot(&doc("d"), at, "n");
    for at in [1, 2] {
        harness.objects.put(&key(at), vec![at as u8]).await.unwrap();
    }
    for _ in 0..2 {
        harness.objects.delete(&key(1)).await.unwrap();
        assert_eq!(harness.objects.get(&key(1)).await.unwrap(), None);
    }
    assert_eq!(harness.objects.get(&key(2)).await.unwrap(), Some(vec![2]));
    harness.objects.put(&key(1), vec![9]).await.expect("the key is free");
    assert_eq!(harness.objects.get(&key(1)).await.unwrap(), Some(vec![9]));
}
