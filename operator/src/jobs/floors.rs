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
/// held by `kept` (the snapshot that the replay began with), and not among those that overlap.
pub(super) fn due_for_deletion(
    records: &[LogRecord],
    kept: &Doc,
    published: &[(Agent, Floor)],
    published_by: u64,
    overlapping: &BTreeSet<(Agent, u64)>,
) -> Vec<(Agent, u64)> {
    let holds = |floor: &Floor| floor.at <= published_by || planted(Bug::FloorsHoldAtOnce);
    // Ascending: of an agent's, the highest that is old enough.
    let floors: BTreeMap<&Agent, u64> =
        published.iter().filter(|(_, f)| holds(f)).map(|(agent, f)| (agent, f.end)).collect();
    records
        .iter()
        .map(|record| &record.event)
        .filter(|event| floors.get(event.agent()).is_some_and(|floor| event.after() < *floor))
        .filter(|event| kept.version().covers(event))
        .map(|event| (event.agent().clone(), event.after()))
        .filter(|place| !overlapping.contains(place))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use inklog_crdt::{Op, Origin};

    const GRACE_MS: u64 = 800;
    const NOW: u64 = 10_000;

    fn agent(name: &str) -> Agent {
        Agent::new(name).unwrap()
    }

    /// One character of an agent, which ingest took then.
    fn typed(name: &str, after: u64, at: u64) -> LogRecord {
        let op = Op::Insert { seq: after, text: "x".to_owned(), origin: Origin::Left(None) };
        let event = Event::new(agent(name), after, vec![op]).unwrap();
        LogRecord { event, at, author: None, connection: None }
    }

    fn holding(records: &[LogRecord]) -> Doc {
        let mut doc = Doc::new();
        records.iter().for_each(|record| {
            doc.apply(&record.event);
        });
        doc
    }

    fn floor(name: &str, end: u64, at: u64) -> (Agent, Floor) {
        (agent(name), Floor { end, at })
    }

    #[test]
    fn a_floor_comes_before_the_first_event_that_is_young_or_not_kept() {
        let old = NOW - GRACE_MS;
        for (ats, kept, end) in [
            ([old, old, old], 3, Some(3)),
            ([old, old, old + 1], 3, Some(2)),
            // Clocks differ: what is behind a young event stays, however old it says it is.
            ([old, old + 1, old], 3, Some(1)),
            ([old + 1, old, old], 3, None),
            ([old, old, old], 2, Some(2)),
            ([old, old, old], 0, None),
        ] {
            let records: Vec<LogRecord> =
                ats.iter().zip(0..).map(|(at, after)| typed("ann", after, *at)).collect();
            let found = to_publish(&records, &holding(&records[..kept]), &[], NOW, GRACE_MS);
            let expected: Vec<_> = end.map(|end| floor("ann", end, NOW)).into_iter().collect();
            assert_eq!(found, expected, "{ats:?}, {kept} kept");
        }
    }

    #[test]
    fn a_floor_rises_and_not_too_soon_after_the_one_before_it() {
        let records = [typed("ann", 0, 0), typed("ann", 1, 0)];
        let share = GRACE_MS / APART;
        for (published, rises) in [
            (vec![], true),
            (vec![floor("ann", 1, NOW - share)], true),
            (vec![floor("ann", 1, NOW - share + 1)], false),
            (vec![floor("ann", 2, 0)], false),
            (vec![floor("ann", 3, 0)], false),
            // The newest decides.
            (vec![floor("ann", 0, 0), floor("ann", 1, NOW - 1)], false),
            // Another's says nothing.
            (vec![floor("bob", 2, NOW)], true),
        ] {
            let found = to_publish(&records, &holding(&records), &published, NOW, GRACE_MS);
            assert_eq!(!found.is_empty(), rises, "{published:?}");
        }
    }

    #[test]
    fn what_is_below_an_old_floor_and_in_the_snapshot_may_go() {
        let records = [typed("ann", 0, 0), typed("ann", 1, 0), typed("ann", 2, 0), typed("bob", 0, 0)];
        for (published, kept, due) in [
            (vec![], 3, 0),
            (vec![floor("ann", 2, NOW)], 3, 2),
            (vec![floor("ann", 2, NOW + 1)], 3, 0),
            // A newer floor does not hold up an older one.
            (vec![floor("ann", 1, NOW), floor("ann", 3, NOW + 1)], 3, 1),
            (vec![floor("ann", 1, NOW - 1), floor("ann", 3, NOW)], 3, 3),
            (vec![floor("ann", 3, NOW)], 2, 2),
            (vec![floor("ann", 3, NOW)], 0, 0),
        ] {
            let found =
                due_for_deletion(&records, &holding(&records[..kept]), &published, NOW, &BTreeSet::new());
            let expected: Vec<_> = (0..due).map(|after| (agent("ann"), after)).collect();
            assert_eq!(found, expected, "{published:?}, {kept} kept");
        }
    }
}
