//! One run: faults, then none, then everything is held against the model.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use inklog_protocol::limits::COMPACTION_GRACE;

use super::bots::Bot;
use super::chaos::Chaos;
use super::client::{Client, Disk, Seen, Start, visitors};
use super::draw::Draw;
use super::executor::{self, Instant};
use super::faults::{Fault, Faults};
use super::functions::Functions;
use super::gateway::Gateway;
use super::operators::{self, SNAPSHOTTER_EVERY};
use super::plan::{Pace, Plan};
use super::streams::{Consumer, Place, Stream};
use super::world::World;

/// Everybody has the same text so long after the last fault and the last edit.
const CONVERGED_WITHIN: Duration = Duration::from_secs(10 * 60);
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A call that began before faults stop may take long still; then every tenth run sweeps.
const SWEEP_WITHIN: Duration = Duration::from_secs(30 * 60);
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
    let forced: &[Fault] = match plan.pace {
        Pace::Usual => &[],
        Pace::Dense => &[Fault::BatchTwice, Fault::BatchSplit, Fault::Slow, Fault::Cut],
        Pace::Calm => &[Fault::SlowJob],
    };
    forced.iter().for_each(|fault| faults.force(*fault));
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

pub struct Simulation {
    pub world: Arc<World>,
    pub functions: Arc<Functions>,
    pub gateway: Arc<Gateway>,
    /// What is seen of each client, and which document it has.
    pub clients: Vec<(usize, Arc<Mutex<Seen>>)>,
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
        executor::spawn(operators::restore(world.clone(), gateway.clone()));
        executor::spawn(operators::snapshots(world.clone(), functions.clone()));
        executor::spawn(operators::jobs(world.clone(), functions.clone()));
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
        if world.plan.is_dense() {
            executor::spawn(visitors(simulation.gateway.clone()));
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
        world.catalogue.lag(false);
        self.converged_after = self.converge().await?;
        // What a run publishes, a later one acts on.
        for _ in 0..3 {
            executor::sleep(COMPACTION_GRACE + SNAPSHOTTER_EVERY * 2).await;
        }
        // Of an object that was lost while nobody changed the document, only a sweep learns.
        let sweep_by = executor::Instant::now() + SWEEP_WITHIN;
        if executor::timeout_at(sweep_by, world.swept.notified()).await.is_none() {
            return Err(format!("no sweep within {SWEEP_WITHIN:?}"));
        }
        self.check_all().await
    }

    /// The first breach so far.
    pub fn breach(&self) -> Result<(), String> {
        let panic = PANIC.with_borrow(Option::clone);
        panic.or_else(|| self.world.failure()).map_or(Ok(()), Err)
    }

    /// Waits until every client has saved all and shows the same as the others of its document. Answers how
    /// long that took after the last edit.
    pub async fn converge(&self) -> Result<Duration, String> {
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
        let mut texts: BTreeMap<usize, (String, Vec<char>)> = BTreeMap::new();
        for (at, seen) in &self.clients {
            let seen = seen.lock().expect("no holder panics");
            // Whoever has no room waits for it, but goes on typing.
            if seen.done && seen.is_full() {
                continue;
            }
            if !seen.done || !seen.settled || !seen.synced {
                let Seen { done, settled, synced, held, .. } = &*seen;
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
        gateway.world.chars.lock().expect("no holder panics").may_be_doubled.extend(&seen.unsaved);
    }
    let batches = start.disk.as_ref().expect("it is a copy").lock().expect("no holder panics").clone();
    let disk = Some(Arc::new(Mutex::new(batches)));
    Client::start(&gateway, Start { disk, ..start }).run().await;
}
