//! One run: faults, then none, then everything is held against the model.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use inklog_operator::LiveCheck;
use inklog_protocol::DocId;
use inklog_protocol::limits::{
    COMPACTION_GRACE, FOLD_BYTES_MIN, FRAME_BYTES_MAX, TAIL_KEPT_BYTES, WAITING_KEPT_BYTES,
};
use inklog_snapshotter::Snapshotter;
use inklog_store::Catalogue as _;
use inklog_store::catalogue::FLOORS_KEPT;

use super::bots::Bot;
use super::chaos::Chaos;
use super::client::{Client, Disk, Seen, Start};
use super::draw::Draw;
use super::executor::{self, Instant};
use super::faults::{Fault, Faults};
use super::functions::Functions;
use super::gateway::Gateway;
use super::model::{self, Checked, Expected};
use super::plan::Plan;
use super::streams::{Consumer, Place, Stream};
use super::world::World;

/// Everybody has the same text so long after the last fault and the last edit.
const CONVERGED_WITHIN: Duration = Duration::from_secs(10 * 60);
const LOOK_EVERY: Duration = Duration::from_secs(5);
const SNAPSHOTTER_EVERY: Duration = Duration::from_secs(60);
const JOB_EVERY_MAX: Duration = Duration::from_secs(10 * 60);
const SNAPSHOTTER_TIME: Duration = Duration::from_secs(14 * 60);
/// Makes another generator of the seed, for the order of tasks.
const ORDER: u64 = 0x0bde_5000;

/// What a run says of itself.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// What must hold and did not.
    pub breach: Option<String>,
    /// The trace as a number, and its length in lines.
    pub trace: (u64, u64),
    pub fired: Vec<u64>,
    pub acknowledged: usize,
    pub simulated: Duration,
    pub converged_after: Duration,
}

/// What a shrunk run leaves out.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub without: Vec<Fault>,
    pub clients: Option<usize>,
    pub edits: Option<usize>,
    pub bots: Option<usize>,
    pub lasts_s: Option<u64>,
}

/// What a seed and its overrides make.
pub fn prepare(seed: u64, overrides: &Overrides) -> (Plan, Faults, Draw) {
    let mut draw = Draw::new(seed);
    let mut plan = Plan::drawn(&mut draw);
    let mut faults = Faults::drawn(&mut draw);
    if plan.dense {
        [Fault::BatchTwice, Fault::BatchSplit, Fault::Slow, Fault::Cut]
            .into_iter()
            .for_each(|fault| faults.force(fault));
    }
    if plan.calm {
        faults.force(Fault::SlowJob);
    }
    overrides.without.iter().for_each(|fault| faults.forbid(*fault));
    plan.clients = overrides.clients.unwrap_or(plan.clients);
    plan.edits = overrides.edits.unwrap_or(plan.edits);
    plan.bots = overrides.bots.unwrap_or(plan.bots);
    plan.lasts = overrides.lasts_s.map_or(plan.lasts, Duration::from_secs);
    (plan, faults, draw)
}

thread_local! {
    /// Why something on this thread has panicked.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Panics of a run end up in its outcome.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|info| {
        PANIC.with_borrow_mut(|panic| _ = panic.get_or_insert_with(|| info.to_string()));
    }));
}

pub fn run(seed: u64, overrides: &Overrides, shown: bool) -> Outcome {
    PANIC.take();
    let (plan, faults, draw) = prepare(seed, overrides);
    let order = Draw::new(seed ^ ORDER);
    let simulation = async move {
        let world = World::new(plan, faults, draw, shown);
        let mut simulation = Simulation::start(&world);
        let ended = simulation.run_to_the_end().await;
        let simulated = world.begin.elapsed();
        (world, ended.err(), simulation.converged_after, simulated)
    };
    let ran = catch_unwind(AssertUnwindSafe(|| executor::run(order, simulation)));
    let Ok((world, breach, converged_after, simulated)) = ran else {
        return Outcome { breach: PANIC.take(), ..Outcome::default() };
    };
    Outcome {
        breach: PANIC.take().or(breach),
        trace: world.traced(),
        fired: world.faults.fired(),
        acknowledged: world.acknowledged.lock().expect("no holder panics").len(),
        simulated,
        converged_after,
    }
}

struct Simulation {
    world: Arc<World>,
    functions: Arc<Functions>,
    gateway: Arc<Gateway>,
    /// What is seen of each client, and which document it has.
    clients: Vec<(usize, Arc<Mutex<Seen>>)>,
    streams: Vec<Arc<Place>>,
    converged_after: Duration,
}

impl Simulation {
    fn start(world: &Arc<World>) -> Simulation {
        let functions = Arc::new(Functions::new(world));
        let gateway = Gateway::new(world, &functions);
        executor::spawn(gateway.clone().send_posts());
        executor::spawn(gateway.clone().end_some());
        executor::spawn(Chaos::new(world, &functions).run());
        let mut streams = Vec::new();
        for consumer in [Consumer::Materializer, Consumer::Broadcaster] {
            let place = Arc::new(Place::default());
            streams.push(place.clone());
            let stream = Stream { world: world.clone(), functions: functions.clone(), consumer, place };
            executor::spawn(stream.run());
        }
        executor::spawn(restore(world.clone(), gateway.clone()));
        executor::spawn(snapshots(world.clone(), functions.clone()));
        executor::spawn(jobs(world.clone(), functions.clone()));
        let mut simulation = Simulation {
            world: world.clone(),
            functions,
            gateway,
            clients: Vec::new(),
            streams,
            converged_after: Duration::ZERO,
        };
        for number in 0..world.plan.clients {
            simulation.add_client(number);
        }
        for _ in 0..world.plan.bots {
            let bot = Bot { gateway: simulation.gateway.clone(), docs: world.docs(), ends: BTreeMap::new() };
            executor::spawn(bot.run());
        }
        simulation
    }

    fn add_client(&mut self, number: usize) {
        let world = &self.world;
        let at = number % world.plan.docs;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let disk = world.plan.stored.then(Disk::default);
        let start = Start {
            user: format!("user{number}"),
            doc: world.docs()[at].clone(),
            disk: disk.clone(),
            seen: seen.clone(),
            edits: world.plan.edits,
        };
        executor::spawn(Client::start(&self.gateway, start).run());
        self.clients.push((at, seen.clone()));
        if let Some(disk) = disk
            && world.fires(Fault::Copied)
        {
            executor::spawn(copy(self.gateway.clone(), self.copy_later(number, at, disk, seen)));
        }
    }

    /// A second client with what the first one has stored by then.
    fn copy_later(&mut self, number: usize, at: usize, disk: Disk, first: Arc<Mutex<Seen>>) -> Copy {
        let seen = Arc::new(Mutex::new(Seen::default()));
        self.clients.push((at, seen.clone()));
        let start = Start {
            user: format!("user{number}"),
            doc: self.world.docs()[at].clone(),
            disk: Some(disk),
            seen,
            edits: self.world.plan.edits / 2,
        };
        Copy { first, start, after: self.world.plan.lasts / 3 }
    }

    async fn run_to_the_end(&mut self) -> Result<(), String> {
        let world = self.world.clone();
        executor::sleep(world.plan.lasts).await;
        world.trace("faults stop");
        world.faults.stop();
        world.upgrade();
        *world.redis.lock().expect("no holder panics") = Default::default();
        self.converged_after = self.converge().await?;
        // What a run publishes, a later one acts on.
        for _ in 0..3 {
            executor::sleep(COMPACTION_GRACE + SNAPSHOTTER_EVERY * 2).await;
        }
        self.read_all().await?;
        let texts = self.check().await?;
        self.check_clients(&texts)?;
        self.check_chars(&texts)?;
        self.check_log_is_empty().await?;
        self.check_newcomers(&texts).await
    }

    fn breach(&self) -> Result<(), String> {
        let panic = PANIC.with_borrow(Option::clone);
        panic.or_else(|| self.world.failure()).map_or(Ok(()), Err)
    }

    /// Waits until every client has saved all and shows the same as the others of its document. Answers how
    /// long that took after the last edit.
    async fn converge(&self) -> Result<Duration, String> {
        let mut since = Instant::now();
        loop {
            self.breach()?;
            let is_typing = self.clients.iter().any(|(_, seen)| !seen.lock().expect("no holder panics").done);
            if is_typing {
                since = Instant::now();
            }
            let Some(waits_for) = self.waits_for() else { return Ok(since.elapsed()) };
            if since.elapsed() > CONVERGED_WITHIN {
                return Err(format!("no agreement after {:?}: {waits_for}", since.elapsed()));
            }
            executor::sleep(LOOK_EVERY).await;
        }
    }

    /// What is missing for everybody to agree.
    fn waits_for(&self) -> Option<String> {
        let (_, newest) = self.world.log.stream(u64::MAX, 0);
        if let Some(place) = self.streams.iter().find(|place| place.get() < newest) {
            return Some(format!("a stream is at {} of {newest}", place.get()));
        }
        let mut texts: BTreeMap<usize, (String, String)> = BTreeMap::new();
        for (at, seen) in &self.clients {
            let seen = seen.lock().expect("no holder panics").clone();
            // Whoever has no room waits for it, but goes on typing.
            if seen.done && seen.is_full() {
                continue;
            }
            if !seen.done || !seen.settled || !seen.synced {
                let Seen { done, settled, synced, held, .. } = &seen;
                return Some(format!(
                    "{}: done {done}, settled {settled}, synced {synced}, held {held:?}",
                    seen.agent
                ));
            }
            let first = texts.entry(*at).or_insert_with(|| (seen.agent.clone(), seen.text.clone()));
            if first.1 != seen.text {
                return Some(format!("{} and {} show different texts", first.0, seen.agent));
            }
        }
        None
    }

    /// Somebody reads each document: a base that is damaged goes when it is read.
    async fn read_all(&self) -> Result<(), String> {
        let documents = self.world.documents();
        for doc in self.world.docs() {
            documents.open(&doc).await.map_err(|error| format!("{doc}: {error}"))?;
        }
        Ok(())
    }

    /// The texts of all documents, after they were held against the model.
    async fn check(&self) -> Result<Vec<String>, String> {
        self.breach()?;
        let world = &self.world;
        let documents = world.documents();
        let keys = world.objects.keys();
        let fired = world.faults.fired();
        let deadly = [
            Fault::KilledBefore,
            Fault::KilledAfter,
            Fault::Slow,
            Fault::SlowJob,
            Fault::Throttled,
            Fault::CallFails,
            Fault::FailedAfter,
            Fault::ObjectDamaged,
            Fault::SnapshotLost,
            Fault::SnapshotDamaged,
        ];
        let garbage_max = match world.restored() {
            0 => 2 * deadly.iter().map(|fault| fired[*fault as usize] as usize).sum::<usize>(),
            // What the tables of before led to is nobody's any more.
            _ => usize::MAX,
        };
        let mut texts = Vec::new();
        for doc in world.docs() {
            let expected = Expected { live_must_be_complete: true, keys: &keys, garbage_max };
            let acknowledged = world.acknowledged.lock().expect("no holder panics").clone();
            let checked = model::check(&documents, &doc, &acknowledged, expected).await?;
            self.check_verified(&doc).await?;
            self.check_growth(&doc, &checked).await?;
            world.trace(format_args!("{doc}: {} events, {} segments", checked.events, checked.segments));
            texts.push(checked.text);
        }
        Ok(texts)
    }

    /// What is kept of a document is bounded by the document.
    async fn check_growth(&self, doc: &DocId, checked: &Checked) -> Result<(), String> {
        let live = self.world.live.bytes(doc);
        // The base is as large as the document was before what is in the tail, which is no larger.
        let parts = [TAIL_KEPT_BYTES, WAITING_KEPT_BYTES, FOLD_BYTES_MIN, FRAME_BYTES_MAX];
        let live_max = (2 * checked.history_bytes + parts.iter().sum::<usize>()) as u64;
        if live > live_max {
            return Err(format!("{doc}: its live state has {live} bytes, at most {live_max} were expected"));
        }
        let floors = self.world.catalogue.floors(doc).await.expect("it is in memory");
        let (floors, floors_max) = (floors.len(), (FLOORS_KEPT + 1) * checked.agents);
        if floors > floors_max {
            return Err(format!("{doc}: {floors} floors, at most {floors_max} were expected"));
        }
        Ok(())
    }

    async fn check_verified(&self, doc: &DocId) -> Result<(), String> {
        let verified = self.functions.operator.call(async |operator| operator.verify(doc).await).await;
        match verified {
            Some(Ok(Some(verified))) if verified.ok => {}
            // Poison stays where it is.
            Some(Ok(Some(verified))) if verified.damaged.iter().all(|what| what.contains("poison~")) => {}
            Some(Ok(None)) => {}
            other => return Err(format!("{doc}: verify says {other:?}")),
        }
        let entry = self.world.catalogue.entry(doc).await.expect("it is in memory");
        match entry.and_then(|entry| entry.dirty) {
            Some(_)
                if self
                    .world
                    .documents()
                    .replay(doc)
                    .await
                    .is_ok_and(|replayed| replayed.waiting().is_empty() && replayed.damaged.is_empty()) =>
            {
                Err(format!("{doc}: it stays dirty"))
            }
            _ => Ok(()),
        }
    }

    fn check_clients(&self, texts: &[String]) -> Result<(), String> {
        for (at, seen) in &self.clients {
            let seen = seen.lock().expect("no holder panics");
            if !seen.is_full() && seen.text != texts[*at] {
                return Err(format!("{} shows another text than log and snapshot", seen.agent));
            }
        }
        Ok(())
    }

    /// Nothing typed is doubled, and nothing is gone that nobody deleted.
    fn check_chars(&self, texts: &[String]) -> Result<(), String> {
        let chars = self.world.chars.lock().expect("no holder panics");
        let mut times: BTreeMap<char, usize> = BTreeMap::new();
        for char in texts.iter().flat_map(|text| text.chars()).filter(|char| chars.typed.contains(char)) {
            *times.entry(char).or_default() += 1;
        }
        if let Some((char, times)) =
            times.iter().find(|(char, times)| **times > 1 && !chars.may_be_doubled.contains(char))
        {
            return Err(format!("{char:?} was typed once, and is in the text {times} times"));
        }
        let mut kept: BTreeSet<char> = BTreeSet::new();
        for (_, seen) in &self.clients {
            let seen = seen.lock().expect("no holder panics");
            kept.extend(seen.put_aside.chars().chain(seen.unsent().chars()));
        }
        let is_known =
            |char: &char| times.contains_key(char) || chars.may_be_gone.contains(char) || kept.contains(char);
        let gone = chars.typed.iter().find(|char| !is_known(char));
        match gone {
            Some(char) => Err(format!("{char:?} was typed, and nobody deleted it, but it is gone")),
            None => Ok(()),
        }
    }

    /// The log does not grow for ever: what can be applied and is old is in history.
    async fn check_log_is_empty(&self) -> Result<(), String> {
        for doc in self.world.docs() {
            let replayed = self.world.documents().replay(&doc).await.map_err(|error| error.to_string())?;
            let mut applied =
                replayed.records.iter().filter(|record| replayed.doc.version().covers(&record.event));
            if let Some(record) = applied.next() {
                let (agent, after) = (record.event.agent(), record.event.after());
                return Err(format!("{doc}: {agent} after {after} stays in the log"));
            }
        }
        Ok(())
    }

    /// Somebody who comes now sees the same.
    async fn check_newcomers(&mut self, texts: &[String]) -> Result<(), String> {
        for at in 0..texts.len() {
            let seen = Arc::new(Mutex::new(Seen::default()));
            let start = Start {
                user: format!("newcomer{at}"),
                doc: self.world.docs()[at].clone(),
                disk: None,
                seen: seen.clone(),
                edits: 0,
            };
            executor::spawn(Client::start(&self.gateway, start).run());
            self.clients.push((at, seen));
        }
        self.converge().await.map_err(|why| format!("a newcomer: {why}"))?;
        self.check_clients(texts)?;
        self.breach()
    }
}

struct Copy {
    first: Arc<Mutex<Seen>>,
    start: Start,
    after: Duration,
}

/// Somebody copies a client's files, and both go on.
async fn copy(gateway: Arc<Gateway>, Copy { first, start, after }: Copy) {
    executor::sleep(after).await;
    {
        let seen = first.lock().expect("no holder panics");
        gateway.world.chars.lock().expect("no holder panics").may_be_doubled.extend(seen.unsaved.chars());
    }
    let batches = start.disk.as_ref().expect("it is a copy").lock().expect("no holder panics").clone();
    let disk = Some(Arc::new(Mutex::new(batches)));
    Client::start(&gateway, Start { disk, ..start }).run().await;
}

/// The log is restored from a backup that is somewhat old.
async fn restore(world: Arc<World>, gateway: Arc<Gateway>) {
    executor::sleep(world.plan.lasts / 4).await;
    let backup = world.backup();
    executor::sleep(world.plan.lasts / 4).await;
    if world.fires(Fault::Restored) {
        world.restore(backup);
        gateway.end_all();
    }
}

/// The schedule.
async fn snapshots(world: Arc<World>, functions: Arc<Functions>) {
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
    let run = async |function: Arc<Snapshotter>| function.scheduled(sweep, SNAPSHOTTER_TIME).await;
    let ran = functions.snapshotter.call(run).await;
    world.trace(format_args!("snapshotter: {ran:?}"));
}

/// What operators do at any time.
async fn jobs(world: Arc<World>, functions: Arc<Functions>) {
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
