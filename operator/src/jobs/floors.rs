//! Floors: below an agent's floor, its events are compacted, and ingest accepts none.
//!
//! A run publishes the floors of what is to be deleted. A later run deletes exactly what is below them,
//! once no ingest can still use an older floor from its cache. A snapshot and a segment that the pointer
//! led to *before* the deletion hold what is deleted.
//!
//! An event inside the range of another of its agent is no part of the chain, whichever of the two is: ingest
//! does not look for that, and acknowledged both. A segment holds the one that was there when the snapshot was
//! made; the other came too late for any. So both stay in the log. Neither can be deleted before the
//! other: the later one came while the earlier was there, for below a floor ingest accepts none.
//!
//! A newer floor does not move an older one that still waits; each waits for its own time. Otherwise, in
//! a document that is edited without pause, all would stay too young forever.

use std::collections::{BTreeMap, BTreeSet};

use inklog_crdt::planted::{Bug, planted};
use inklog_crdt::{Agent, Doc, Event};
use inklog_store::LogRecord;
use inklog_store::catalogue::Floor;
use inklog_store::document::Replayed;

/// A floor follows the one before it after this share of the grace period at the earliest, so that few
/// wait at once.
const APART: u64 = 8;

/// Floors to publish: each agent's events held by `kept` (the snapshot that the pointer names now) and
/// older than the grace period, from the chain's lowest remaining one up to the first that is not.
pub(super) fn to_publish(
    records: &[LogRecord],
    kept: &Doc,
    published: &[(Agent, Floor)],
    now: u64,
    grace_ms: u64,
) -> Vec<(Agent, Floor)> {
    // Ascending, so that the newest stays.
    let published: BTreeMap<&Agent, Floor> = published.iter().map(|(agent, floor)| (agent, *floor)).collect();
    let rises = |agent: &Agent, end: u64| {
        published
            .get(agent)
            .is_none_or(|last| end > last.end && now >= last.at.saturating_add(grace_ms / APART))
    };
    let mut ends: BTreeMap<&Agent, (u64, bool)> = BTreeMap::new();
    for record in records {
        let event = &record.event;
        let (end, open) = ends.entry(event.agent()).or_insert((0, true));
        *open = *open && kept.version().covers(event) && record.at.saturating_add(grace_ms) <= now;
        if *open {
            *end = event.end();
        }
    }
    ends.into_iter()
        .filter(|(agent, (end, _))| *end > 0 && rises(agent, *end))
        .map(|(agent, (end, _))| (agent.clone(), Floor { end, at: now }))
        .collect()
}

/// Agent and `after` of the events that overlap others of their agents.
pub(super) fn overlapping(records: &[LogRecord]) -> BTreeSet<(Agent, u64)> {
    let place = |event: &Event| (event.agent().clone(), event.after());
    let mut found = BTreeSet::new();
    // The event that reaches furthest of those before. Records come by agent and `after`.
    let mut furthest: Option<&Event> = None;
    for LogRecord { event, .. } in records {
        let before = furthest.filter(|before| before.agent() == event.agent());
        if let Some(before) = before
            && event.after() < before.end()
        {
            found.extend([place(before), place(event)]);
        }
        if before.is_none_or(|before| event.end() > before.end()) {
            furthest = Some(event);
        }
    }
    found
}

/// Places of the log that may be deleted now: below a floor published by `published_by` at the latest,
/// in the snapshot that the replay began with, and not among those that overlap.
pub(super) fn due_for_deletion(
    replayed: &Replayed,
    published: &[(Agent, Floor)],
    published_by: u64,
    overlapping: &BTreeSet<(Agent, u64)>,
) -> Vec<(Agent, u64)> {
    let holds = |floor: &Floor| floor.at <= published_by || planted(Bug::FloorsHoldAtOnce);
    // Ascending: of an agent's, the highest that is old enough.
    let floors: BTreeMap<&Agent, u64> =
        published.iter().filter(|(_, f)| holds(f)).map(|(agent, f)| (agent, f.end)).collect();
    replayed
        .records
        .iter()
        .map(|record| &record.event)
        .filter(|event| floors.get(event.agent()).is_some_and(|floor| event.after() < *floor))
        .filter(|event| replayed.snapshot.version().covers(event))
        .map(|event| (event.agent().clone(), event.after()))
        .filter(|place| !overlapping.contains(place))
        .collect()
}
