//! A clock for tests and simulations.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;
use futures::task::AtomicWaker;

use crate::Clock;

/// A clock that stands still until it is moved, and then wakes its sleepers in the order of their moments.
pub struct ManualClock {
    begin_ms: u64,
    // Held for single steps, never while something is awaited.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    gone_by: Duration,
    /// By moment; within one moment, in order of arrival.
    sleepers: BTreeMap<(Duration, u64), Waker>,
    numbered: u64,
}

impl ManualClock {
    /// A clock that starts at this moment, in ms since the epoch.
    pub fn new(now_ms: u64) -> ManualClock {
        ManualClock { begin_ms: now_ms, state: Mutex::default() }
    }

    /// Lets this much time pass.
    pub fn pass(&self, duration: Duration) {
        let mut state = self.lock();
        state.gone_by += duration;
        let first_later = (state.gone_by + Duration::from_nanos(1), 0);
        let later = state.sleepers.split_off(&first_later);
        let due = std::mem::replace(&mut state.sleepers, later);
        drop(state);
        due.into_values().for_each(Waker::wake);
    }

    /// [`ManualClock::pass`], in milliseconds.
    pub fn pass_ms(&self, ms: u64) {
        self.pass(Duration::from_millis(ms));
    }

    /// Moves on to the next sleeper's moment. `false` if nobody sleeps.
    pub fn pass_to_next(&self) -> bool {
        let until_next = {
            let state = self.lock();
            state.sleepers.keys().next().map(|(until, _)| *until - state.gone_by)
        };
        until_next.map(|duration| self.pass(duration)).is_some()
    }

    /// Runs `future` in this clock's time: whenever it cannot continue, the clock moves on to the next
    /// sleeper. Work elsewhere, in spawned tasks or behind a socket, is not waited for.
    pub async fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            // The runtime wakes a future that has yielded to it in its next turn.
            tokio::task::yield_now().await;
            if !wakes.any() && !self.pass_to_next() {
                wakes.next().await;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.begin_ms + self.monotonic().as_millis() as u64
    }

    fn monotonic(&self) -> Duration {
        self.lock().gone_by
    }

    async fn sleep(&self, duration: Duration) {
        let place = {
            let mut state = self.lock();
            state.numbered += 1;
            (state.gone_by + duration, state.numbered)
        };
        Sleep { clock: self, place }.await;
    }
}

struct Sleep<'a> {
    clock: &'a ManualClock,
    place: (Duration, u64),
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.lock();
        if state.gone_by >= self.place.0 {
            return Poll::Ready(());
        }
        state.sleepers.insert(self.place, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        self.clock.lock().sleepers.remove(&self.place);
    }
}

/// A waker that records that it was used.
#[derive(Default)]
struct Wakes {
    woken: AtomicBool,
    outer: AtomicWaker,
}

impl Wakes {
    fn any(&self) -> bool {
        self.woken.swap(false, Ordering::SeqCst)
    }

    async fn next(&self) {
        poll_fn(|context| {
            self.outer.register(context.waker());
            if self.any() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.outer.wake();
    }
}

#[cfg(test)]
mod tests {
    use futures::future::{join3, select};

    use super::*;

    async fn note(clock: &ManualClock, seconds: u64, order: &Mutex<Vec<(u64, u64)>>) {
        clock.sleep(Duration::from_secs(seconds)).await;
        order.lock().unwrap().push((seconds, clock.now_ms()));
    }

    #[tokio::test]
    async fn sleepers_wake_in_order_and_no_time_passes_for_real() {
        let (clock, order) = (ManualClock::new(1_000), Mutex::default());
        let (hour, day) = (3_600, 86_400);
        clock
            .run(join3(note(&clock, day, &order), note(&clock, 0, &order), note(&clock, hour, &order)))
            .await;
        assert_eq!(*order.lock().unwrap(), [(0, 1_000), (hour, 3_601_000), (day, 86_401_000)]);
    }

    #[tokio::test]
    async fn who_can_go_on_goes_on_before_time_does() {
        let clock = ManualClock::new(0);
        let yielding = async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            clock.monotonic()
        };
        let (begun, ()) =
            clock.run(futures::future::join(yielding, clock.sleep(Duration::from_secs(1)))).await;
        assert_eq!((begun, clock.monotonic()), (Duration::ZERO, Duration::from_secs(1)));
    }

    #[tokio::test]
    async fn a_sleep_that_is_dropped_leaves_nothing() {
        let clock = ManualClock::new(0);
        let short = pin!(clock.sleep(Duration::from_millis(1)));
        let long = Box::pin(clock.sleep(Duration::from_secs(1)));
        drop(clock.run(select(short, long)).await);
        assert!(!clock.pass_to_next(), "nobody sleeps any more");
        assert_eq!(clock.monotonic(), Duration::from_millis(1));
    }
}
