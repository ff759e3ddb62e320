//! What goes wrong by itself: with Redis, with the catalogue's index, with objects, with records, and with tokens.

use std::sync::Arc;
use std::time::Duration;

use inklog_crdt::{Agent, Event, Op, Origin};
use inklog_protocol::{DocId, UserName};
use inklog_store::live::memory::Dump;
use inklog_store::{Catalogue as _, Clock as _, LiveState as _, LogRecord, Objects as _, OpLog as _};

use super::executor::{self, Instant};
use super::faults::Fault;
use super::functions::Functions;
use super::world::World;

/// A format version of tomorrow.
pub const NEWER: u8 = 99;
/// Where an encoded state has its format version: after four bytes that are always the same.
pub const BASE_VERSION_AT: usize = 4;

pub struct Chaos {
    pub world: Arc<World>,
    pub functions: Arc<Functions>,
    dump: Dump,
}

impl Chaos {
    pub fn new(world: &Arc<World>, functions: &Arc<Functions>) -> Chaos {
        Chaos { world: world.clone(), functions: functions.clone(), dump: Dump::default() }
    }

    /// Steps in now and then, until faults stop.
    pub async fn run(mut self) {
        while self.world.faults.are_on() {
            let ms = self.world.plan.lasts.as_millis() as u64 / 10;
            let pause = self.world.draw().between(0, ms);
            executor::sleep(Duration::from_millis(pause.max(1))).await;
            self.step().await;
        }
    }

    async fn step(&mut self) {
        let world = self.world.clone();
        let docs = world.docs();
        let doc = {
            let mut draw = world.draw();
            docs[draw.below(docs.len())].clone()
        };
        self.redis(&doc).await;
        self.index();
        self.objects(&doc).await;
        self.records(&doc).await;
        if world.plan.token_life_s.is_some() && world.fires(Fault::Revoked) {
            let number = world.draw().below(world.plan.clients + 1);
            let name = if number == 0 { "bot".to_owned() } else { format!("user{}", number - 1) };
            let user = UserName::new(&name).expect("a name");
            let revoked = self.functions.access.call(async |access| access.revoke(&user, None).await).await;
            world.trace(format_args!("revoked {user}: {revoked:?}"));
        }
    }

    fn index(&self) {
        if self.world.fires(Fault::IndexLags) {
            self.world.catalogue.lag(true);
            // Some runs of the snapshotter.
            let ms = self.world.draw().between(100, 15 * 60_000);
            let world = self.world.clone();
            executor::spawn(async move {
                executor::sleep(Duration::from_millis(ms)).await;
                world.catalogue.lag(false);
            });
        }
    }

    async fn redis(&mut self, doc: &DocId) {
        let world = &self.world;
        let until = || {
            let ms = world.draw().between(100, 60_000);
            Some(Instant::now() + Duration::from_millis(ms))
        };
        if world.fires(Fault::RedisAway) {
            world.redis.lock().expect("no holder panics").away_until = until();
        }
        if world.fires(Fault::RedisFull) {
            world.redis.lock().expect("no holder panics").full_until = until();
        }
        if world.fires(Fault::RedisEmptied) {
            world.live.clear();
            world.connections.clear();
        }
        if world.fires(Fault::RedisOldDump) {
            world.live.restart(std::mem::take(&mut self.dump));
            world.connections.clear();
        }
        if world.draw().chance(0.5) {
            self.dump = world.live.dump();
        }
        if world.fires(Fault::RedisEvicted) {
            world.live.drop_doc(doc).await.expect("it is in memory");
        }
        if world.fires(Fault::BaseEvicted) {
            world.live.evict_base(doc);
        }
        if world.fires(Fault::BaseDamaged) {
            let at = world.draw().below(1 << 20);
            world.live.alter_base(doc, |base| {
                // Another version would be a newer one's.
                let at = (at % base.len()).max(BASE_VERSION_AT + 1);
                base[at] ^= 1;
            });
        }
        if world.fires(Fault::BaseNewer) {
            world.live.alter_base(doc, |base| base[BASE_VERSION_AT] = NEWER);
            self.upgrade_later();
        }
    }

    async fn objects(&self, doc: &DocId) {
        let world = &self.world;
        let entry = world.catalogue.entry(doc).await.expect("it is in memory");
        let Some(pointer) = entry.and_then(|entry| entry.pointer) else { return };
        if world.fires(Fault::SnapshotLost) {
            world.objects.delete(&pointer.snapshot).await.expect("it is in memory");
        }
        if world.fires(Fault::SnapshotDamaged) {
            let at = world.draw().below(1 << 20);
            world.objects.damage(&pointer.snapshot, at);
        }
    }

    /// Records that cannot be read, or not yet.
    async fn records(&self, doc: &DocId) {
        let world = &self.world;
        let agent = |kind: &str| Agent::new(&format!("{kind}~{}", world.number())).expect("a name");
        if world.fires(Fault::Poison) {
            world.log.put_bytes(doc, &agent("poison"), 0, b"\x01 no event".to_vec());
            world.appended.iter().for_each(|appended| appended.notify_one());
        }
        if world.fires(Fault::Newer) {
            let op = Op::Insert { seq: 0, text: "newer".to_owned(), origin: Origin::Left(None) };
            let event = Event::new(agent("newer"), 0, vec![op]).expect("an event");
            world.acknowledged.lock().expect("no holder panics").note(doc, &event).expect("its agent is new");
            let record = LogRecord { event, at: world.clock.now_ms(), author: None, connection: None };
            world.log.append(doc, &record).await.expect("it is in memory");
            world.log.set_version(doc, record.event.agent(), 0, NEWER);
            world.newer.lock().expect("no holder panics").push((doc.clone(), record.event, false));
            world.appended.iter().for_each(|appended| appended.notify_one());
            self.upgrade_later();
        }
    }

    fn upgrade_later(&self) {
        let (world, ms) = (self.world.clone(), self.world.draw().between(1_000, 120_000));
        executor::spawn(async move {
            executor::sleep(Duration::from_millis(ms)).await;
            world.upgrade();
        });
    }
}
