//! Runs the tasks of a simulation on one thread, in simulated time. Which of those that can go on goes on is
//! drawn; when none can, time moves to the next moment that one waits for.
//!
//! Tokio's paused clock would do for the time, but only with a feature that slows the clock of what is deployed,
//! and its order of tasks is always the same; `turmoil` and `madsim` simulate sockets, which this has none of.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::future::{Either, select};

use super::draw::Draw;

/// How often tasks may go on at one moment.
const POLLS_MAX: u32 = 1_000_000;

type Task = Pin<Box<dyn Future<Output = ()>>>;

struct State {
    now: Cell<Duration>,
    /// By moment; within one, in the order in which they began to wait.
    timers: RefCell<BTreeMap<(Duration, u64), Waker>>,
    spawned: RefCell<Vec<Task>>,
    numbered: Cell<u64>,
    /// The simulated moment 0, for those who want the standard library's.
    begin: std::time::Instant,
}

thread_local! {
    static STATE: RefCell<Option<Rc<State>>> = const { RefCell::new(None) };
}

fn state() -> Rc<State> {
    STATE.with_borrow(Clone::clone).expect("a simulation runs on this thread")
}

/// A moment of the simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(Duration);

impl Instant {
    pub fn now() -> Instant {
        Instant(state().now.get())
    }

    pub fn elapsed(self) -> Duration {
        state().now.get().saturating_sub(self.0)
    }

    pub fn into_std(self) -> std::time::Instant {
        state().begin + self.0
    }

    pub fn from_std(at: std::time::Instant) -> Instant {
        Instant(at.saturating_duration_since(state().begin))
    }
}

impl std::ops::Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant(self.0 + duration)
    }
}

/// Starts a task that nobody waits for.
pub fn spawn(task: impl Future<Output = ()> + 'static) {
    state().spawned.borrow_mut().push(Box::pin(task));
}

pub async fn sleep(duration: Duration) {
    sleep_until(Instant::now() + duration).await;
}

pub async fn sleep_until(at: Instant) {
    Sleep((at.0, number())).await;
}

fn number() -> u64 {
    let state = state();
    state.numbered.set(state.numbered.get() + 1);
    state.numbered.get()
}

/// `None`: it was not done by then.
pub async fn timeout_at<T>(at: Instant, task: impl Future<Output = T>) -> Option<T> {
    match select(pin!(task), pin!(sleep_until(at))).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

struct Sleep((Duration, u64));

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let state = state();
        if state.now.get() >= self.0.0 {
            return Poll::Ready(());
        }
        state.timers.borrow_mut().insert(self.0, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        // The simulation may be over.
        if let Some(state) = STATE.with_borrow(Clone::clone) {
            state.timers.borrow_mut().remove(&self.0);
        }
    }
}

struct TaskWaker {
    number: usize,
    is_ready: AtomicBool,
    ready: Arc<Mutex<Vec<usize>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.is_ready.swap(true, Ordering::Relaxed) {
            self.ready.lock().expect("no holder panics").push(self.number);
        }
    }
}

/// Runs a future and all tasks that are spawned until it is done.
pub fn run<T: 'static>(mut draw: Draw, main: impl Future<Output = T> + 'static) -> T {
    let state = Rc::new(State {
        now: Cell::new(Duration::ZERO),
        timers: RefCell::default(),
        spawned: RefCell::default(),
        numbered: Cell::new(0),
        begin: std::time::Instant::now(),
    });
    STATE.set(Some(state.clone()));
    let done = Rc::new(RefCell::new(None));
    let result = done.clone();
    spawn(async move { *result.borrow_mut() = Some(main.await) });
    let ready: Arc<Mutex<Vec<usize>>> = Arc::default();
    let mut tasks: Vec<Option<(Task, Arc<TaskWaker>)>> = Vec::new();
    let mut polls = 0;
    loop {
        for task in state.spawned.take() {
            let number = tasks.len();
            let waker = TaskWaker { number, is_ready: AtomicBool::new(true), ready: ready.clone() };
            ready.lock().expect("no holder panics").push(number);
            tasks.push(Some((task, Arc::new(waker))));
        }
        let next = {
            let mut ready = ready.lock().expect("no holder panics");
            (!ready.is_empty()).then(|| {
                let at = draw.below(ready.len());
                ready.swap_remove(at)
            })
        };
        let Some(number) = next else {
            let first = state.timers.borrow().keys().next().map(|(at, _)| *at);
            let first = first.expect("somebody waits for a moment");
            state.now.set(first);
            polls = 0;
            let later = state.timers.borrow_mut().split_off(&(first + Duration::from_nanos(1), 0));
            let due = state.timers.replace(later);
            due.into_values().for_each(Waker::wake);
            continue;
        };
        let Some((task, waker)) = &mut tasks[number] else { continue };
        polls += 1;
        assert!(polls < POLLS_MAX, "tasks go on and on, and no time passes");
        waker.is_ready.store(false, Ordering::Relaxed);
        let context = Waker::from(waker.clone());
        if task.as_mut().poll(&mut Context::from_waker(&context)).is_ready() {
            tasks[number] = None;
        }
        if let Some(done) = done.take() {
            drop(tasks);
            state.spawned.take();
            STATE.take();
            return done;
        }
    }
}
