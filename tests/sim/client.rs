//! A client: the core on a connection and a store, and somebody who types.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use inklog_access::Identity;
use inklog_client::core::Verdict;
use inklog_client::{Agents, Backoff, Core, CoreConfig, Jitter, Random, Update};
use inklog_crdt::{Agent, Change};
use inklog_protocol::limits::{FOLD_BYTES_MIN, FRAME_BYTES_MAX, STATE_OP_TEXT_BYTES_MAX};
use inklog_protocol::{DocId, Right, StateFormat};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::executor::{self, Instant};
use super::faults::Fault;
use super::gateway::{Arrival, Gateway};
use super::watch::Due;
use super::world::World;

const VISIT: Duration = Duration::from_secs(8);
const VISIT_EVERY_MS_MAX: u64 = 600;

/// What a client has stored, and whether it goes on.
pub type Disk = Arc<Mutex<Vec<Vec<u8>>>>;

/// What can be seen of a client.
#[derive(Default)]
pub struct Seen {
    /// What an application shows: what the core said of the text, change by change.
    pub text: Vec<char>,
    pub settled: bool,
    pub synced: bool,
    pub agent: String,
    pub done: bool,
    /// What was typed and is not known to be saved.
    pub unsaved: Vec<char>,
    /// The texts that it has put aside, because the server forgot them.
    pub put_aside: String,
    pub held: Option<String>,
}

impl Seen {
    /// Whether the document is too large for what this client has to send. It says so, and keeps it.
    pub fn is_full(&self) -> bool {
        self.held.as_ref().is_some_and(|why| why.contains("too_large"))
    }

    /// What is kept here only.
    pub fn unsent(&self) -> &[char] {
        if self.is_full() { &self.text } else { &[] }
    }

    /// Answers what is gone.
    fn show(&mut self, change: &Change) -> Vec<char> {
        match change {
            Change::Insert { at, text } => self.text.splice(at..at, text.chars()).collect(),
            Change::Delete { at, len } => self.text.drain(*at..at + len).collect(),
        }
    }
}

/// People look in, one after the other, and are gone soon: each joins while something else is under way.
pub async fn visitors(gateway: Arc<Gateway>) {
    let world = gateway.world.clone();
    while world.faults.are_on() {
        let (ms, doc) = {
            let mut draw = world.draw();
            (draw.between(0, VISIT_EVERY_MS_MAX), draw.below(world.plan.docs))
        };
        executor::sleep(Duration::from_millis(ms)).await;
        let doc = world.docs()[doc].clone();
        let start = Start { user: "visitor".to_owned(), doc, disk: None, seen: Arc::default(), edits: 0 };
        let (visit, leaves_at) = (Client::start(&gateway, start).run(), Instant::now() + VISIT);
        executor::spawn(async move { _ = executor::timeout_at(leaves_at, visit).await });
    }
}

pub struct Client {
    world: Arc<World>,
    gateway: Arc<Gateway>,
    user: String,
    doc: DocId,
    disk: Option<Disk>,
    seen: Arc<Mutex<Seen>>,
    core: Core,
    inbox: UnboundedReceiver<Arrival>,
    outside: UnboundedSender<Arrival>,
    connection: Option<String>,
    /// The log that the connection leads to.
    log: u64,
    connect_at: Option<Instant>,
    backoff: Backoff,
    jitter: Jitter,
    edits_left: usize,
    edit_at: Instant,
    renew_at: Option<Instant>,
    token: Option<Identity>,
    token_until: Option<Instant>,
    /// Whether the server's version is known since this connection was made.
    has_learned: bool,
    /// What was there when this connection was made.
    due: Option<Due>,
    /// Characters that this client has typed since its store was asked last.
    unstored: Vec<char>,
}

/// A client to start.
pub struct Start {
    pub user: String,
    pub doc: DocId,
    pub disk: Option<Disk>,
    pub seen: Arc<Mutex<Seen>>,
    pub edits: usize,
}

impl Client {
    pub fn start(gateway: &Arc<Gateway>, start: Start) -> Client {
        let world = gateway.world.clone();
        let (outside, inbox) = unbounded_channel();
        let jitter = Random::new(world.draw().next()).into_jitter();
        let mut client = Client {
            core: core(&world, &start.user, &start.doc, start.disk.as_ref()),
            gateway: gateway.clone(),
            user: start.user,
            doc: start.doc,
            disk: start.disk,
            seen: start.seen,
            inbox,
            outside,
            connection: None,
            log: 0,
            connect_at: Some(Instant::now()),
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(30)),
            jitter,
            edits_left: start.edits,
            edit_at: Instant::now(),
            renew_at: None,
            token: None,
            token_until: None,
            has_learned: false,
            due: None,
            unstored: Vec::new(),
            world,
        };
        client.show_all();
        client.plan_edit();
        client
    }

    pub async fn run(mut self) {
        loop {
            if self.turn() && self.disk.is_some() && self.world.fires(Fault::Restart) {
                self.restart();
            }
            let deadline = [self.core.deadline().map(Instant::from_std), self.connect_at, self.renew_at];
            let edit_at = (self.edits_left > 0).then_some(self.edit_at);
            let deadline = deadline.into_iter().chain([edit_at]).flatten().min();
            let arrival = match deadline {
                None => self.inbox.recv().await,
                Some(at) => executor::timeout_at(at, self.inbox.recv()).await.flatten(),
            };
            match arrival {
                Some(Arrival::Frame(id, text)) if self.connection.as_ref() == Some(&id) => {
                    self.world.trace(format_args!("{} hears {}", self.core.agent(), head(&text)));
                    self.core.received(&text, now());
                }
                Some(Arrival::Ended(id)) if self.connection.as_ref() == Some(&id) => self.lost(),
                Some(Arrival::Stored(number)) => self.core.stored(number),
                Some(_) | None => {}
            }
            if self.connect_at.is_some_and(|at| at <= Instant::now()) {
                self.connect().await;
            }
            if self.renew_at.is_some_and(|at| at <= Instant::now()) {
                self.renew_at = None;
                self.reconnect(Duration::ZERO);
            }
            if self.edits_left > 0 && self.edit_at <= Instant::now() {
                self.edits_left -= 1;
                self.plan_edit();
                if self.world.fires(Fault::Asleep) {
                    let ms = self.world.draw().between(1_000, 20 * 60_000);
                    executor::sleep(Duration::from_millis(ms)).await;
                }
                if self.disk.is_some() && self.world.fires(Fault::Restart) {
                    self.restart();
                }
                self.edit();
            }
        }
    }

    /// Does what is due, and shows it. Answers whether an event was sent.
    fn turn(&mut self) -> bool {
        self.core.tick(now());
        match self.core.take_verdict() {
            Some(Verdict::Dead) => self.reconnect(Duration::ZERO),
            Some(Verdict::Refused) => self.lost(),
            None => {}
        }
        self.has_learned |= self.core.is_synced();
        if self.has_learned
            && let Some(due) = self.due.take()
        {
            self.world.check_joined(self.core.agent().as_str(), &due, self.core.doc());
        }
        let mut has_sent = false;
        while let Some(frame) = self.core.next_frame() {
            if let Some(connection) = &self.connection {
                let sends = frame.starts_with(r#"{"action":"SEND_OP""#);
                has_sent |= sends;
                if sends && !self.has_learned {
                    self.world.fail(format_args!("{} sends before it learns the version", self.core.agent()));
                }
                self.world.trace(format_args!("{} sends {}", self.core.agent(), head(&frame)));
                self.gateway.take(connection, frame);
            }
        }
        self.take_updates();
        if let Some(disk) = &self.disk {
            if let Some(batch) = self.core.take_batch() {
                let disk = disk.clone();
                let (outside, ms) =
                    (self.outside.clone(), self.world.draw().between(0, self.world.plan.disk_ms));
                let at = Instant::now() + Duration::from_millis(ms);
                executor::spawn(async move {
                    executor::sleep_until(at).await;
                    // A program that has ended writes nothing more.
                    if outside.is_closed() {
                        return;
                    }
                    {
                        let mut disk = disk.lock().expect("no holder panics");
                        if batch.replaces {
                            disk.clear();
                        }
                        disk.push(batch.bytes);
                    }
                    let _ = outside.send(Arrival::Stored(batch.number));
                });
            }
            if self.core.is_kept() {
                self.unstored.clear();
            }
        }
        let mut seen = self.seen();
        if self.core.is_settled() {
            seen.unsaved.clear();
        }
        seen.settled = self.core.is_settled();
        seen.synced = self.core.is_synced();
        seen.agent = self.core.agent().to_string();
        seen.done = self.edits_left == 0;
        seen.put_aside = self.core.forks().map(|fork| &*fork.text).collect();
        seen.held = self.core.held().map(|problem| problem.to_string());
        drop(seen);
        has_sent
    }

    fn take_updates(&mut self) {
        while let Some(update) = self.core.next_update() {
            match update {
                Update::Changed(changes) => changes.iter().for_each(|change| self.show(change)),
                // Of a client whose files were copied, the other one may have saved the same text in another event.
                Update::Saved(_) if self.world.faults.fired()[Fault::Copied as usize] > 0 => {}
                // What a log says that is not there any more has reached the client late.
                Update::Saved(_) if self.log != self.world.restored() => {}
                Update::Saved(event) => {
                    let mut acknowledged = self.world.acknowledged.lock().expect("no holder panics");
                    if let Err(breach) = acknowledged.note(&self.doc, &event) {
                        drop(acknowledged);
                        self.world.fail(breach);
                    }
                }
                Update::Problem(problem) => {
                    self.world.trace(format_args!("{} has a problem: {problem}", self.core.agent()));
                }
                Update::Forked { text } => {
                    self.world.trace(format_args!("{} forked with {} bytes", self.core.agent(), text.len()));
                }
                _ => {}
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no holder panics")
    }

    fn show(&self, change: &Change) {
        let mut seen = self.seen();
        let gone = seen.show(change);
        if self.world.faults.fired()[Fault::Copied as usize] > 0 {
            // Others deleted what a copy has under the same ids.
            let unsaved = gone.iter().filter(|char| seen.unsaved.contains(char));
            self.world.chars.lock().expect("no holder panics").may_be_gone.extend(unsaved);
        }
    }

    fn show_all(&self) {
        self.seen().text = self.core.doc().text().chars().collect();
    }

    async fn connect(&mut self) {
        self.connect_at = None;
        // A token is used until it is refused, or old.
        if self.token_until.is_none_or(|until| until <= Instant::now()) {
            self.token = self.world.identity(&self.user, Right::Write);
            let life = self.world.plan.token_life_s.map(Duration::from_secs);
            self.token_until = life.map(|life| Instant::now() + life * 7 / 10);
        }
        self.renew_at = self.token_until;
        match self.gateway.connect(self.token.clone(), self.outside.clone()).await {
            Some(connection) => {
                self.connection = Some(connection);
                self.log = self.world.restored();
                self.has_learned = false;
                self.due = Some(self.world.due_to_joiner(&self.doc).await);
                self.core.connected(now());
            }
            None => {
                self.token_until = None;
                self.lost();
            }
        }
    }

    fn reconnect(&mut self, pause: Duration) {
        if let Some(connection) = self.connection.take() {
            self.gateway.end(&connection, false);
        }
        self.core.disconnected();
        self.renew_at = None;
        self.connect_at = Some(Instant::now() + pause);
    }

    fn lost(&mut self) {
        if self.core.is_synced() {
            self.backoff.reset();
        }
        let pause = self.backoff.pause(&mut self.jitter);
        self.reconnect(pause);
    }

    /// The program ends, and starts again.
    fn restart(&mut self) {
        self.world.trace(format_args!("{} restarts", self.core.agent()));
        let (outside, inbox) = unbounded_channel();
        (self.outside, self.inbox) = (outside, inbox);
        self.world.chars.lock().expect("no holder panics").may_be_gone.extend(self.unstored.drain(..));
        self.reconnect(Duration::ZERO);
        self.core = core(&self.world, &self.user, &self.doc, self.disk.as_ref());
        self.show_all();
    }

    fn plan_edit(&mut self) {
        let plan = &self.world.plan;
        let left = plan.lasts.saturating_sub(self.world.begin.elapsed()) + Duration::from_secs(2);
        let most = (plan.lasts * 2 / (plan.edits as u32 + 1)).min(left);
        let ms = self.world.draw().between(0, most.as_millis() as u64);
        self.edit_at = Instant::now() + Duration::from_millis(ms);
    }

    fn edit(&mut self) {
        let world = self.world.clone();
        // Somebody edits what is shown, and that is all that the core knows.
        self.take_updates();
        let length = self.seen().text.len();
        let (at, deleted, inserted) = {
            let mut draw = world.draw();
            let at = match draw.below(4) {
                0 => 0,
                1 => length,
                _ => draw.below(length + 1),
            };
            let deleted = match draw.below(4) {
                0 => draw.below((length - at).min(20) + 1),
                // A text that stays short is folded often.
                1 if draw.chance(if world.plan.is_dense() { 0.9 } else { 0.1 }) => length - at,
                _ => 0,
            };
            let inserted = match world.plan.large
                && draw.chance(if world.plan.is_dense() { 0.6 } else { 0.3 })
            {
                true => {
                    // Mostly what leads to a fold.
                    let fold = FOLD_BYTES_MIN;
                    draw.around(&[fold, fold, fold, fold, FRAME_BYTES_MAX, STATE_OP_TEXT_BYTES_MAX, 70_000])
                        / 3
                }
                false if deleted > 0 && draw.chance(0.5) => 0,
                false => draw.pick(&[1, 1, 1, 2, 3, 8, 40]),
            };
            (at, deleted, inserted)
        };
        let mut chars = world.chars.lock().expect("no holder panics");
        let inserted: String = (0..inserted).map(|_| chars.fresh()).collect();
        let done = self.core.edit(at, deleted, &inserted, now());
        world.trace(format_args!(
            "{} edits at {at}: -{deleted} +{}: {}",
            self.core.agent(),
            inserted.chars().count(),
            done.is_ok()
        ));
        if done.is_err() {
            return;
        }
        let mut seen = self.seen();
        chars.may_be_gone.extend(seen.text.splice(at..at + deleted, inserted.chars()));
        chars.typed.extend(inserted.chars());
        seen.unsaved.extend(inserted.chars());
        drop(seen);
        if self.disk.is_some() {
            self.unstored.extend(inserted.chars());
        }
    }
}

/// A core that goes on with what is stored.
fn core(world: &Arc<World>, user: &str, doc: &DocId, disk: Option<&Disk>) -> Core {
    let mut random = Random::new(world.draw().next());
    let jitter = Random::new(random.next_u64()).into_jitter();
    let name = user.to_owned();
    let agents: Agents =
        Box::new(move || Agent::new(&format!("{name}~{}", random.suffix())).expect("an agent's name"));
    let mut config = CoreConfig::new(doc.clone(), "ws://simulated");
    config.visible = world.draw().chance(0.2);
    config.format = world.draw().pick(&[StateFormat::Ops, StateFormat::Binary]);
    match disk {
        None => Core::new(config, agents, jitter),
        Some(disk) => {
            let batches = disk.lock().expect("no holder panics").clone();
            match Core::load(config.clone(), &batches, agents, jitter) {
                Ok(core) => core,
                Err(error) => {
                    world.fail(format_args!("{user} cannot read what it has stored: {error}"));
                    let agents: Agents = Box::new(|| Agent::new("lost").expect("a name"));
                    Core::new(config, agents, Random::new(0).into_jitter())
                }
            }
        }
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// The beginning of a frame, for the trace.
fn head(text: &str) -> &str {
    let end = text.char_indices().map(|(at, _)| at).find(|at| *at >= 160).unwrap_or(text.len());
    &text[..end]
}
