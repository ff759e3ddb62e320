//! How much one connection and one user may ask of a warm function.
//!
//! Each has a token bucket for each kind of work (GCRA, by the `governor` crate). A bucket that is full
//! again is forgotten: it is the same as none.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use inklog_protocol::limits::{
    MESSAGE_KIB, MESSAGES, NEW_DOCUMENTS, PRESENCE, RATES_MAX, Rate, STATE_KIB, USER_RATE_FACTOR,
};
use inklog_protocol::{ErrorCode, Refusal, UserName};
use inklog_store::Clock;

/// A kind of work, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// A message of so many bytes.
    Message(usize),
    /// A presence state.
    Presence,
    /// A document's state of so many bytes, sent to the connection.
    State(usize),
    /// A document that did not exist.
    NewDocument,
}

/// The buckets of all connections and users.
pub(crate) struct Rates {
    messages: Buckets,
    message_kib: Buckets,
    presence: Buckets,
    state_kib: Buckets,
    new_documents: Buckets,
}

/// Whose work it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Worker<'a> {
    /// `None` where the connection has paid already.
    pub connection: Option<&'a str>,
    /// `None` where nobody is asked who they are, or nobody knows it yet.
    pub user: Option<&'a UserName>,
}

impl Rates {
    pub fn new(clock: Arc<dyn Clock>) -> Rates {
        let buckets = |rate| Buckets::new(rate, &clock);
        Rates {
            messages: buckets(MESSAGES),
            message_kib: buckets(MESSAGE_KIB),
            presence: buckets(PRESENCE),
            state_kib: buckets(STATE_KIB),
            new_documents: buckets(NEW_DOCUMENTS),
        }
    }

    /// Takes the work from the worker's buckets, or says when they would hold enough.
    pub fn take(&self, worker: Worker<'_>, work: Work) -> Result<(), Refusal> {
        match work {
            Work::Message(bytes) => {
                self.messages.take(worker, 1, "messages")?;
                self.message_kib.take(worker, kib(bytes), "bytes")
            }
            Work::Presence => self.presence.take(worker, 1, "presence states"),
            Work::State(bytes) => self.state_kib.take(worker, kib(bytes), "states of documents"),
            Work::NewDocument => self.new_documents.take(worker, 1, "new documents"),
        }
    }
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}

/// One kind of work.
struct Buckets {
    connections: Keyed,
    users: Keyed,
}

impl Buckets {
    fn new(rate: Rate, clock: &Arc<dyn Clock>) -> Buckets {
        let Rate { per_second, burst } = rate;
        let (users_per_second, users_burst) = (per_second * USER_RATE_FACTOR, burst * USER_RATE_FACTOR);
        let users = Rate { per_second: users_per_second, burst: users_burst };
        Buckets { connections: Keyed::new(rate, clock.clone()), users: Keyed::new(users, clock.clone()) }
    }

    fn take(&self, worker: Worker<'_>, amount: u32, of: &str) -> Result<(), Refusal> {
        if let Some(connection) = worker.connection {
            self.connections.take(connection, amount).map_err(|wait| refusal("this connection", of, wait))?;
        }
        match worker.user {
            Some(user) => {
                self.users.take(user.as_str(), amount).map_err(|wait| refusal(user.as_str(), of, wait))
            }
            None => Ok(()),
        }
    }
}

fn refusal(who: &str, of: &str, wait: Duration) -> Refusal {
    // Rounded up, so that who waits this long is not a moment too early.
    let retry_after_ms = wait.as_micros().div_ceil(1000).max(1) as u64;
    let message = format!("{who} sent or asked for too many {of} at once; try again in {retry_after_ms} ms");
    Refusal { retry_after_ms: Some(retry_after_ms), ..Refusal::new(ErrorCode::RateLimited, message) }
}

/// Buckets by the id of a connection, or by the name of a user.
struct Keyed {
    quota: Quota,
    burst: u32,
    clock: Monotonic,
    // Held for single steps.
    limiter: Mutex<Limiter>,
}

type Limiter = RateLimiter<String, HashMapStateStore<String>, Monotonic, NoOpMiddleware<Nanos>>;

impl Keyed {
    fn new(rate: Rate, clock: Arc<dyn Clock>) -> Keyed {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(rate.per_second)).allow_burst(at_least_one(rate.burst));
        let clock = Monotonic(clock);
        let limiter = Mutex::new(RateLimiter::hashmap_with_clock(quota, clock.clone()));
        Keyed { quota, burst: rate.burst, clock, limiter }
    }

    /// What is larger than the bucket empties it.
    fn take(&self, key: &str, amount: u32) -> Result<(), Duration> {
        let Some(amount) = NonZeroU32::new(amount.min(self.burst)) else { return Ok(()) };
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        if limiter.len() >= RATES_MAX {
            limiter.retain_recent();
        }
        // So many at once come from many clients; the API's own throttling bounds those.
        if limiter.len() >= RATES_MAX {
            *limiter = RateLimiter::hashmap_with_clock(self.quota, self.clock.clone());
        }
        match limiter.check_key_n(&key.to_owned(), amount).expect("it is no more than the bucket holds") {
            Ok(()) => Ok(()),
            Err(not_until) => Err(not_until.wait_time_from(self.clock.now())),
        }
    }
}

/// The stores' clock, as `governor` reads it.
#[derive(Clone)]
struct Monotonic(Arc<dyn Clock>);

impl GovernorClock for Monotonic {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.monotonic().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use inklog_store::ManualClock;

    const ALONE: Worker<'_> = Worker { connection: Some("c"), user: None };

    fn rates() -> (Arc<ManualClock>, Rates) {
        let clock = Arc::new(ManualClock::new(0));
        (clock.clone(), Rates::new(clock))
    }

    fn taken(rates: &Rates, worker: Worker<'_>, work: Work) -> u32 {
        (0..).take_while(|_| rates.take(worker, work).is_ok()).count() as u32
    }

    #[test]
    fn a_burst_passes_then_so_many_a_second_and_the_refusal_says_when() {
        for (work, rate) in [
            (Work::Message(1), MESSAGES),
            (Work::Presence, PRESENCE),
            (Work::State(1024 * 1024), Rate { per_second: 1, burst: 64 }),
            (Work::NewDocument, NEW_DOCUMENTS),
        ] {
            let (clock, rates) = rates();
            assert_eq!(taken(&rates, ALONE, work), rate.burst, "{work:?}");
            let refused = rates.take(ALONE, work).unwrap_err();
            assert_eq!(refused.code, ErrorCode::RateLimited);
            let wait = refused.retry_after_ms.unwrap();
            clock.pass_ms(wait - 1);
            assert!(rates.take(ALONE, work).is_err(), "{work:?}");
            clock.pass_ms(1);
            assert_eq!(rates.take(ALONE, work), Ok(()), "{work:?}");
            clock.pass_ms(10_000);
            assert_eq!(taken(&rates, ALONE, work), (10 * rate.per_second).min(rate.burst), "{work:?}");
        }
    }

    #[test]
    fn bytes_count_as_well_as_messages_and_what_is_larger_than_a_bucket_empties_it() {
        let (clock, rates) = rates();
        assert_eq!(taken(&rates, ALONE, Work::Message(128 * 1024)), MESSAGE_KIB.burst / 128);
        let wait = rates.take(ALONE, Work::Message(1024)).unwrap_err().retry_after_ms.unwrap();
        assert!(wait <= 4, "{wait}");
        clock.pass(Duration::from_secs(3600));
        assert_eq!(rates.take(ALONE, Work::State(usize::MAX)), Ok(()));
        assert!(rates.take(ALONE, Work::State(1)).is_err());
    }

    #[test]
    fn one_connection_does_not_use_up_anothers_but_a_user_has_a_bound_with_all() {
        let (_, rates) = rates();
        let alice = UserName::new("alice").unwrap();
        let names: Vec<String> = (0..=USER_RATE_FACTOR).map(|n| format!("c{n}")).collect();
        let of = |n: usize| Worker { connection: Some(&names[n]), user: Some(&alice) };
        for n in 0..USER_RATE_FACTOR as usize {
            assert_eq!(taken(&rates, of(n), Work::Presence), PRESENCE.burst);
        }
        assert_eq!(taken(&rates, of(USER_RATE_FACTOR as usize), Work::Presence), 0);
        assert_eq!(taken(&rates, ALONE, Work::Presence), PRESENCE.burst);
    }

    #[test]
    fn memory_is_bounded_and_buckets_that_are_full_again_are_forgotten_first() {
        let (clock, rates) = rates();
        let known = || rates.presence.connections.limiter.lock().unwrap().len();
        let take = |n: usize| {
            let connection = format!("c{n}");
            rates.take(Worker { connection: Some(&connection), user: None }, Work::Presence)
        };
        (0..RATES_MAX).for_each(|n| take(n).unwrap());
        assert_eq!(known(), RATES_MAX);
        clock.pass_ms(1_000);
        assert_eq!(taken(&rates, ALONE, Work::Presence), PRESENCE.burst);
        assert_eq!(known(), 1);
        (1..RATES_MAX).for_each(|n| take(n).unwrap());
        assert_eq!(known(), RATES_MAX);
        assert!(
            rates.take(ALONE, Work::Presence).is_ok() && known() == 1,
            "none was full: all are forgotten"
        );
    }
}
