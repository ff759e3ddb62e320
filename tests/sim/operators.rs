//! What is done to a stack from outside: by the schedule, by operators, and by a restore from a backup.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use inklog_operator::LiveCheck;
use inklog_protocol::DocId;
use inklog_snapshotter::Snapshotter;

use super::executor;
use super::faults::Fault;
use super::functions::Functions;
use super::gateway::Gateway;
use super::world::World;

pub const SNAPSHOTTER_EVERY: Duration = Duration::from_secs(60);
const SNAPSHOTTER_TIME: Duration = Duration::from_secs(14 * 60);
const JOB_EVERY_MAX: Duration = Duration::from_secs(10 * 60);

/// The log is restored from a backup that is somewhat old.
pub async fn restore(world: Arc<World>, gateway: Arc<Gateway>) {
    executor::sleep(world.plan.lasts / 4).await;
    let backup = world.backup();
    executor::sleep(world.plan.lasts / 4).await;
    if world.fires(Fault::Restored) {
        world.restore(backup);
        gateway.end_all();
    }
}

/// The schedule.
pub async fn snapshots(world: Arc<World>, functions: Arc<Functions>) {
    for number in 1_u64.. {
        executor::sleep(SNAPSHOTTER_EVERY).await;
        let sweep = number.is_multiple_of(10);
        if world.fires(Fault::TwoSnapshotters) {
            executor::spawn(snapshot(world.clone(), functions.clone(), sweep));
        }
        snapshot(world.clone(), functions.clone(), sweep).await;
    }
}

async fn snapshot(world: Arc<World>, functions: Arc<Functions>, sweep: bool) {
    let is_calm = !world.faults.are_on();
    let time = match world.fires(Fault::LittleTime) {
        true => Duration::from_millis(world.draw().between(0, 2_000)),
        false => SNAPSHOTTER_TIME,
    };
    let run = async |function: Arc<Snapshotter>| function.scheduled(sweep, time).await;
    let ran = functions.snapshotter.call(run).await;
    world.trace(format_args!("snapshotter: {ran:?}"));
    if sweep && is_calm {
        world.swept.notify_one();
    }
}

/// What operators do at any time.
pub async fn jobs(world: Arc<World>, functions: Arc<Functions>) {
    while world.faults.are_on() {
        let most = (world.plan.lasts / 5).min(JOB_EVERY_MAX);
        let ms = world.draw().between(1, most.as_millis() as u64);
        executor::sleep(Duration::from_millis(ms)).await;
        let docs = world.docs();
        let (doc, job) = {
            let mut draw = world.draw();
            (docs[draw.below(docs.len())].clone(), draw.below(4))
        };
        // Whatever a job says while things go wrong: what it has changed is what counts.
        match job {
            0 => _ = functions.operator.call(async |operator| operator.rebuild(&doc).await).await,
            1 => _ = functions.operator.call(async |operator| operator.compact(&doc).await).await,
            2 => verify(&world, &functions, &doc).await,
            _ => list_events(&world, &functions, &doc).await,
        }
    }
}

/// Verifies a document: what is sound is called so at any time, however long that takes.
async fn verify(world: &World, functions: &Functions, doc: &DocId) {
    let log = world.restored();
    let verified = functions.operator.call(async |operator| operator.verify(doc).await).await;
    let Some(Ok(Some(verified))) = verified else { return };
    let is_sound = verified.history_equals_snapshot && verified.live != LiveCheck::Different;
    if !is_sound && verified.damaged.is_empty() && world.restored() == log {
        world.fail(format_args!("{doc}: verify says {verified:?}"));
    }
}

/// Lists a document's events: those that were acknowledged before are among them.
async fn list_events(world: &World, functions: &Functions, doc: &DocId) {
    let log = world.restored();
    let known = world.acknowledged.lock().expect("no holder panics").of(doc).to_vec();
    let listed = functions.operator.call(async |operator| operator.events(doc).await).await;
    let Some(Ok(listed)) = listed else { return };
    let places: BTreeSet<(&str, u64)> =
        listed.iter().map(|listed| (&*listed.event.agent, listed.event.after)).collect();
    let missing = known.iter().find(|event| !places.contains(&(event.agent().as_str(), event.after())));
    if let Some(event) = missing.filter(|_| world.restored() == log) {
        let (agent, after) = (event.agent(), event.after());
        world.fail(format_args!("{doc}: {agent} after {after} is not among its events"));
    }
}
