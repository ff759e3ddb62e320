//! What all processes share: the stores, the time, the generator, the trace, and what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Write};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use inklog_access::{Grants, Identity};
use inklog_crdt::{Doc, Event};
use inklog_protocol::{DocId, Right, UserName};
use inklog_store::catalogue::memory::{self as catalogue, MemoryCatalogue};
use inklog_store::connections::memory::MemoryConnections;
use inklog_store::document::Documents;
use inklog_store::live::memory::{Dump, MemoryLiveState};
use inklog_store::log::memory::{self as log, MemoryOpLog};
use inklog_store::objects::memory::MemoryObjects;
use inklog_store::push::memory::MemoryPush;
use inklog_store::{Clock, Entropy};
use tokio::sync::Notify;

use super::chaos::{BASE_VERSION_AT, NEWER};
use super::draw::Draw;
use super::executor::{self, Instant};
use super::faults::{Fault, Faults};
use super::model::Acknowledged;
use super::plan::Plan;
use super::watch::Watch;

/// When every run begins, in ms since the epoch.
const BEGIN_MS: u64 = 1_700_000_000_000;

/// The time of the simulation, as one process reads it.
pub struct SimClock {
    begin: Instant,
    off_ms: AtomicI64,
}

impl SimClock {
    pub fn new(begin: Instant, off_ms: i64) -> Arc<SimClock> {
        Arc::new(SimClock { begin, off_ms: AtomicI64::new(off_ms) })
    }

    /// Is wrong by this much from now on.
    pub fn set_off(&self, ms: i64) {
        self.off_ms.store(ms, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now_ms(&self) -> u64 {
        let gone_by = self.begin.elapsed().as_millis() as u64;
        (BEGIN_MS + gone_by).saturating_add_signed(self.off_ms.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        self.begin.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        executor::sleep(duration).await;
    }
}

/// What happened, line by line: as a number, and in words where somebody reads them.
#[derive(Default)]
struct Trace {
    hash: u64,
    lines: u64,
    shown: bool,
}

impl Write for Trace {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // FNV-1a.
        for byte in text.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

/// A Redis that does not do what it should, until then.
#[derive(Default)]
pub struct Trouble {
    pub away_until: Option<Instant>,
    pub full_until: Option<Instant>,
}

pub struct World {
    pub plan: Plan,
    pub begin: Instant,
    pub clock: Arc<SimClock>,
    pub faults: Faults,
    pub log: Arc<MemoryOpLog>,
    pub catalogue: Arc<MemoryCatalogue>,
    pub objects: Arc<MemoryObjects>,
    pub live: Arc<MemoryLiveState>,
    pub connections: Arc<MemoryConnections>,
    pub push: Arc<MemoryPush>,
    pub acknowledged: Mutex<Acknowledged>,
    pub redis: Mutex<Trouble>,
    /// Connections that take nothing until then.
    busy: Mutex<BTreeMap<String, Instant>>,
    pub watch: Watch,
    /// Something was appended to the log.
    pub appended: [Notify; 2],
    /// Something was posted to a connection.
    pub posted: Mutex<Vec<String>>,
    pub kicked: Notify,
    /// All documents were swept after the last fault.
    pub swept: Notify,
    /// Events that only a newer function can read, and whether it is deployed.
    pub newer: Mutex<Vec<(DocId, Event, bool)>>,
    /// How often the log was restored from a backup: processes of before cannot reach its tables.
    restored: AtomicU64,
    /// The first breach of what must hold.
    failure: Mutex<Option<String>>,
    draw: Mutex<Draw>,
    trace: Mutex<Trace>,
    numbers: AtomicU64,
    /// Typed characters: who typed them, and what became of them.
    pub chars: Mutex<Chars>,
}

/// The tables of a moment, and what was acknowledged by then.
pub struct Backup {
    log: log::Backup,
    catalogue: catalogue::Backup,
    acknowledged: Acknowledged,
}

/// Each character that clients type is typed once in a run.
#[derive(Default)]
pub struct Chars {
    next: u32,
    /// Typed, and to be in the text unless somebody deletes them.
    pub typed: BTreeSet<char>,
    /// Typed and not saved when a client's files were copied: two programs offer them.
    pub may_be_doubled: BTreeSet<char>,
    /// Somebody has deleted them, or the program that typed them died before it stored them.
    pub may_be_gone: BTreeSet<char>,
}

impl Chars {
    pub fn fresh(&mut self) -> char {
        loop {
            let number = self.next;
            self.next += 1;
            // Three bytes of UTF-8 each for a while, then four.
            let code = if number < 20_000 { 0x4e00 + number } else { 0x2_0000 + number - 20_000 };
            if let Some(char) = char::from_u32(code) {
                return char;
            }
        }
    }
}

impl World {
    pub fn new(plan: Plan, faults: Faults, draw: Draw, shown: bool) -> Arc<World> {
        let begin = Instant::now();
        let clock = SimClock::new(begin, 0);
        Arc::new(World {
            begin,
            faults,
            log: Arc::new(MemoryOpLog::new(clock.clone())),
            catalogue: Arc::new(MemoryCatalogue::new()),
            objects: Arc::new(MemoryObjects::new()),
            live: Arc::new(MemoryLiveState::new(clock.clone())),
            connections: Arc::new(MemoryConnections::new()),
            push: Arc::new(MemoryPush::new()),
            clock,
            acknowledged: Mutex::default(),
            redis: Mutex::default(),
            busy: Mutex::default(),
            watch: Watch::default(),
            appended: [Notify::new(), Notify::new()],
            posted: Mutex::default(),
            kicked: Notify::new(),
            swept: Notify::new(),
            newer: Mutex::default(),
            restored: AtomicU64::new(0),
            failure: Mutex::default(),
            draw: Mutex::new(draw),
            trace: Mutex::new(Trace { shown, ..Trace::default() }),
            numbers: AtomicU64::new(0),
            chars: Mutex::default(),
            plan,
        })
    }

    pub fn draw(&self) -> MutexGuard<'_, Draw> {
        self.draw.lock().expect("no holder panics")
    }

    pub fn fires(&self, fault: Fault) -> bool {
        let fires = self.faults.fires(fault, &mut self.draw());
        if fires {
            self.trace(format_args!("fault {}", fault.name()));
        }
        fires
    }

    /// A number that nothing else in this run has.
    pub fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub fn trace(&self, line: impl Display) {
        let mut trace = self.trace.lock().expect("no holder panics");
        let ms = self.begin.elapsed().as_millis();
        trace.lines += 1;
        write!(trace, "{ms:>10} {line}").expect("a number takes everything");
        if trace.shown {
            println!("{ms:>10} {line}");
        }
    }

    /// The trace so far, as a number, and how many lines it has.
    pub fn traced(&self) -> (u64, u64) {
        let trace = self.trace.lock().expect("no holder panics");
        (trace.hash, trace.lines)
    }

    pub fn fail(&self, what: impl Display) {
        self.trace(format_args!("BREACH {what}"));
        self.failure.lock().expect("no holder panics").get_or_insert_with(|| what.to_string());
    }

    pub fn failure(&self) -> Option<String> {
        self.failure.lock().expect("no holder panics").clone()
    }

    /// The stores without anything in between.
    pub fn documents(&self) -> Documents {
        Documents {
            log: self.log.clone(),
            catalogue: self.catalogue.clone(),
            objects: self.objects.clone(),
            live: self.live.clone(),
            entropy: Arc::new(SimEntropy::new(0)),
            doc_bytes_max: self.plan.doc_bytes_max,
        }
    }

    pub fn docs(&self) -> Vec<DocId> {
        (0..self.plan.docs).map(|number| DocId::new(&format!("doc{number}")).expect("a name")).collect()
    }

    /// The newer functions are deployed: what they wrote can be read.
    pub fn upgrade(&self) {
        for (doc, event, is_deployed) in self.newer.lock().expect("no holder panics").iter_mut() {
            self.log.set_version(doc, event.agent(), event.after(), event.encode()[0]);
            *is_deployed = true;
        }
        let known = Doc::new().encode()[BASE_VERSION_AT];
        for doc in self.docs() {
            self.live.alter_base(&doc, |base| {
                if base[BASE_VERSION_AT] == NEWER {
                    base[BASE_VERSION_AT] = known;
                }
            });
        }
    }

    pub fn is_upgraded(&self) -> bool {
        self.newer.lock().expect("no holder panics").iter().all(|(_, _, is_deployed)| *is_deployed)
    }

    /// The log's name, which tells it from one that was restored from its backup.
    pub fn log_name(&self) -> String {
        format!("log-{}", self.restored())
    }

    pub fn restored(&self) -> u64 {
        self.restored.load(Ordering::Relaxed)
    }

    /// What a backup has.
    pub fn backup(&self) -> Backup {
        Backup {
            log: self.log.backup(),
            catalogue: self.catalogue.backup(),
            acknowledged: self.acknowledged.lock().expect("no holder panics").clone(),
        }
    }

    /// The tables are restored from a backup, and a new stack serves them. What was acknowledged since is gone.
    pub fn restore(&self, backup: Backup) {
        self.restored.fetch_add(1, Ordering::Relaxed);
        self.watch.forget();
        self.log.restore(backup.log);
        self.catalogue.restore(backup.catalogue);
        *self.acknowledged.lock().expect("no holder panics") = backup.acknowledged;
        self.live.restart(Dump::default());
        self.connections.clear();
        self.upgrade();
        self.appended.iter().for_each(Notify::notify_one);
    }

    /// What a token that is issued now says; `None` where access is not controlled.
    pub fn identity(&self, user: &str, right: Right) -> Option<Identity> {
        let life = self.plan.token_life_s?;
        let now_s = self.clock.now_ms() / 1_000;
        Some(Identity {
            user: UserName::new(user).expect("a user's name"),
            name: None,
            grants: Grants::everything(right),
            issued_at: now_s,
            expires_at: now_s + life,
        })
    }

    /// Whether a connection takes nothing now.
    pub fn is_busy(&self, connection: &str) -> bool {
        let mut busy = self.busy.lock().expect("no holder panics");
        if self.fires(Fault::Busy) {
            let ms = self.draw().between(1_000, 60_000);
            busy.insert(connection.to_owned(), Instant::now() + Duration::from_millis(ms));
        }
        self.faults.are_on() && busy.get(connection).is_some_and(|until| Instant::now() < *until)
    }

    /// A pause as it is usual between two machines.
    pub async fn latency(&self) {
        let ms = {
            let mut draw = self.draw();
            let most = self.plan.latency_ms;
            if most == 0 || draw.chance(0.3) { 0 } else { draw.between(0, most) }
        };
        if ms > 0 {
            executor::sleep(Duration::from_millis(ms)).await;
        }
    }
}

/// The nonces of one process.
pub struct SimEntropy(Mutex<Draw>);

impl SimEntropy {
    pub fn new(seed: u64) -> SimEntropy {
        SimEntropy(Mutex::new(Draw::new(seed)))
    }
}

impl Entropy for SimEntropy {
    fn next(&self) -> u64 {
        self.0.lock().expect("no holder panics").next()
    }
}
