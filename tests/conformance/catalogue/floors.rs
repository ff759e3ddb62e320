//! Floors: below which an agent's events are compacted.

use inklog_store::catalogue::{FLOORS_KEPT, Floor};

use super::Harness;
use crate::harness::{agent, doc};

impl Harness {
    async fn publish(&self, name: &str, end: u64, at: u64) {
        self.catalogue.publish_floor(&doc("d"), &agent(name), Floor { end, at }).await.unwrap();
    }

    /// Agent, end and time of each floor.
    async fn floors(&self) -> Vec<(String, u64, u64)> {
        let floors = self.catalogue.floors(&doc("d")).await.unwrap();
        floors.into_iter().map(|(agent, floor)| (agent.to_string(), floor.end, floor.at)).collect()
    }
}

pub async fn a_floor_only_rises(harness: Harness) {
    harness.publish("alice", 5, 100).await;
    for (end, at) in [(5, 200), (4, 200), (0, 200)] {
        harness.publish("alice", end, at).await;
    }
    assert_eq!(harness.floors().await, [("alice".to_owned(), 5, 100)]);
    harness.publish("alice", 6, 50).await;
    assert_eq!(harness.floors().await, [("alice".to_owned(), 5, 100), ("alice".to_owned(), 6, 50)]);
    let newest = harness.catalogue.floor(&doc("d"), &agent("alice")).await.unwrap();
    assert_eq!(newest, Some(Floor { end: 6, at: 50 }));
}

pub async fn the_floors_before_the_newest_are_kept_up_to_a_number(harness: Harness) {
    let kept = FLOORS_KEPT as u64;
    for end in 1..=kept + 3 {
        harness.publish("alice", end, 1_000 + end).await;
        let first = end.saturating_sub(kept).max(1);
        let wanted: Vec<_> = (first..=end).map(|end| ("alice".to_owned(), end, 1_000 + end)).collect();
        assert_eq!(harness.floors().await, wanted);
    }
}

pub async fn floors_are_an_agents_and_a_documents(harness: Harness) {
    for (name, end) in [("bob", 2), ("alice-2", 3), ("alice", 1), ("alice", 9), ("Bob", 4)] {
        harness.publish(name, end, 7).await;
    }
    let wanted = [("Bob", 4), ("alice", 1), ("alice", 9), ("alice-2", 3), ("bob", 2)];
    assert_eq!(harness.floors().await, wanted.map(|(name, end)| (name.to_owned(), end, 7)));
    assert_eq!(harness.catalogue.floor(&doc("d"), &agent("alic")).await.unwrap(), None);
    assert_eq!(harness.catalogue.floor(&doc("e"), &agent("alice")).await.unwrap(), None);
    assert_eq!(harness.catalogue.floors(&doc("e")).await.unwrap(), []);
    assert_eq!(harness.catalogue.entry(&doc("d")).await.unwrap(), None, "a floor makes no entry");
    assert_eq!(harness.catalogue.docs(None, 10).await.unwrap().0, []);
}
