//! One job over many documents.

use std::collections::VecDeque;
use std::fmt::Display;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use futures::stream::{FuturesOrdered, StreamExt as _};
use inklog_protocol::DocId;
use inklog_store::{Clock, SystemClock};
use serde::{Deserialize, Serialize};

/// Documents under way at once, unless told otherwise: of each, log, snapshot and live state are in memory.
const AT_ONCE: usize = 4;
/// Failures that an outcome names.
const FAILURES_NAMED: usize = 20;

/// The documents to be done, in their order.
pub trait Queue {
    /// Why they cannot be read, or a place not be kept.
    type Error;

    /// The next of them; none at the end.
    fn page(&mut self) -> impl Future<Output = Result<Vec<DocId>, Self::Error>> + Send;

    /// Told of each document in the queue's order, when it and all before it are done, well or badly: a
    /// place to go on from.
    fn done(&mut self, _doc: &DocId) -> impl Future<Output = Result<(), Self::Error>> + Send {
        async { Ok(()) }
    }
}

/// How a job is done over many documents.
#[derive(Clone)]
pub struct Runner {
    /// Documents under way at once.
    pub at_once: usize,
    /// No document is begun after this.
    pub time: Option<Duration>,
    /// A document that takes longer is given up, and the others go on.
    pub time_of_one: Option<Duration>,
    /// What the time is measured with.
    pub clock: Arc<dyn Clock>,
}

impl Default for Runner {
    /// All of them, whatever time it takes.
    fn default() -> Runner {
        Runner { at_once: AT_ONCE, time: None, time_of_one: None, clock: Arc::new(SystemClock) }
    }
}

/// Why a document was not done.
#[derive(Debug)]
pub enum Failure<E> {
    /// The job failed.
    Job(E),
    /// It took too long.
    TooLong(Duration),
}

impl<E: Display> Display for Failure<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Job(error) => error.fmt(f),
            Failure::TooLong(limit) => write!(f, "given up after {} s", limit.as_secs_f32()),
        }
    }
}

/// What is told while a run goes on.
pub enum Told<'a, T, E> {
    /// So many more documents are to be done.
    Found(usize),
    /// What came of one, in the queue's order.
    Done(&'a DocId, Result<T, Failure<E>>),
}

/// A document that was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedDoc {
    /// Which document.
    pub doc: String,
    /// Why, in one line.
    pub error: String,
}

/// What came of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    /// Documents begun.
    pub docs: usize,
    /// How many of them could not be done.
    pub failed: usize,
    /// The first of those.
    pub failures: Vec<FailedDoc>,
    /// Whether time ran out before the documents did.
    pub out_of_time: bool,
}

impl Runner {
    /// Does a job on each document of the queue. One that fails ends nothing; an error of the queue, or of
    /// whoever is told, ends the run.
    pub async fn run<Q, J, F, T, E, R>(
        &self,
        queue: &mut Q,
        job: J,
        mut tell: impl FnMut(Told<'_, T, E>) -> Result<(), R>,
    ) -> Result<Ran, R>
    where
        Q: Queue,
        J: Fn(DocId) -> F,
        F: Future<Output = Result<T, E>>,
        E: Display,
        R: From<Q::Error>,
    {
        let deadline = self.time.map(|time| self.clock.monotonic() + time);
        let mut ran = Ran::default();
        let (mut to_do, mut is_at_end) = (VecDeque::new(), false);
        let mut under_way = FuturesOrdered::new();
        loop {
            while under_way.len() < self.at_once.max(1) && !ran.out_of_time && !is_at_end {
                let Some(doc) = to_do.pop_front() else {
                    to_do = queue.page().await?.into();
                    is_at_end = to_do.is_empty();
                    tell(Told::Found(to_do.len()))?;
                    continue;
                };
                match deadline {
                    Some(deadline) if self.clock.monotonic() >= deadline => ran.out_of_time = true,
                    _ => {
                        ran.docs += 1;
                        under_way.push_back(self.one(doc, &job));
                    }
                }
            }
            let Some((doc, outcome)) = under_way.next().await else { return Ok(ran) };
            if let Err(failure) = &outcome {
                ran.failed += 1;
                if ran.failures.len() < FAILURES_NAMED {
                    let error = failure.to_string();
                    ran.failures.push(FailedDoc { doc: doc.to_string(), error });
                }
            }
            tell(Told::Done(&doc, outcome))?;
            queue.done(&doc).await?;
        }
    }

    async fn one<F, T, E>(&self, doc: DocId, job: &impl Fn(DocId) -> F) -> (DocId, Result<T, Failure<E>>)
    where
        F: Future<Output = Result<T, E>>,
    {
        let doing = job(doc.clone());
        let outcome = match self.time_of_one {
            None => doing.await.map_err(Failure::Job),
            Some(limit) => match select(pin!(doing), pin!(self.clock.sleep(limit))).await {
                Either::Left((outcome, _)) => outcome.map_err(Failure::Job),
                Either::Right(_) => Err(Failure::TooLong(limit)),
            },
        };
        (doc, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    use inklog_store::ManualClock;

    /// Numbered documents, in pages; keeps what it is told.
    struct Numbers {
        pages: VecDeque<Vec<DocId>>,
        done: Vec<DocId>,
    }

    impl Numbers {
        fn new(pages: &[usize]) -> Numbers {
            let mut numbers = 0..;
            let page = |of: &usize| numbers.by_ref().take(*of).map(numbered).collect();
            Numbers { pages: pages.iter().map(page).collect(), done: Vec::new() }
        }
    }

    impl Queue for Numbers {
        type Error = String;

        async fn page(&mut self) -> Result<Vec<DocId>, String> {
            Ok(self.pages.pop_front().unwrap_or_default())
        }

        async fn done(&mut self, doc: &DocId) -> Result<(), String> {
            self.done.push(doc.clone());
            Ok(())
        }
    }

    fn numbered(number: usize) -> DocId {
        DocId::new(&number.to_string()).unwrap()
    }

    fn number(doc: &DocId) -> u64 {
        doc.as_str().parse().unwrap()
    }

    #[tokio::test]
    async fn all_pages_are_done_so_many_at_once_and_told_in_order() {
        let (under_way, most) = (Cell::new(0), Cell::new(0));
        let (found, told) = (Cell::new(0), RefCell::new(Vec::new()));
        let mut queue = Numbers::new(&[5, 1, 3]);
        let job = async |doc: DocId| {
            under_way.set(under_way.get() + 1);
            most.set(most.get().max(under_way.get()));
            // The earlier, the slower.
            for _ in number(&doc)..10 {
                tokio::task::yield_now().await;
            }
            under_way.set(under_way.get() - 1);
            Ok::<_, String>(number(&doc))
        };
        let runner = Runner { at_once: 3, ..Runner::default() };
        let ran = runner.run(&mut queue, job, |what| {
            match what {
                Told::Found(more) => found.set(found.get() + more),
                Told::Done(_, outcome) => told.borrow_mut().push(outcome.unwrap()),
            }
            Ok::<_, String>(())
        });
        assert_eq!(ran.await.unwrap(), Ran { docs: 9, ..Ran::default() });
        assert_eq!((most.get(), found.get()), (3, 9));
        assert_eq!(*told.borrow(), (0..9).collect::<Vec<_>>());
        assert_eq!(queue.done, (0..9).map(numbered).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn one_that_fails_or_hangs_ends_nothing() {
        let mut queue = Numbers::new(&[30]);
        let job = async |doc: DocId| match number(&doc) {
            7 => std::future::pending().await,
            number if number > 7 => Err("odd".to_owned()),
            _ => Ok(()),
        };
        let clock = Arc::new(ManualClock::new(0));
        let time_of_one = Some(Duration::from_millis(50));
        let runner = Runner { time_of_one, clock: clock.clone(), ..Runner::default() };
        let ran = clock.run(runner.run(&mut queue, job, |_| Ok::<_, String>(()))).await.unwrap();
        assert_eq!((ran.docs, ran.failed, ran.failures.len()), (30, 23, FAILURES_NAMED));
        let failed = |doc: &str, error: &str| FailedDoc { doc: doc.to_owned(), error: error.to_owned() };
        assert_eq!(ran.failures[..2], [failed("7", "given up after 0.05 s"), failed("8", "odd")]);
        assert_eq!(queue.done.len(), 30, "the place moves past them");
    }

    #[tokio::test]
    async fn when_time_is_up_none_is_begun_and_those_under_way_are_ended() {
        // Two of them take all the time: when there are no more, it was enough.
        for (there, is_out_of_time) in [(2, false), (3, true)] {
            let mut queue = Numbers::new(&[there]);
            let time = Duration::from_millis(300);
            let clock = Arc::new(ManualClock::new(0));
            let job = async |_| {
                clock.sleep(time).await;
                Ok::<_, String>(())
            };
            let runner = Runner { at_once: 2, time: Some(time), clock: clock.clone(), ..Runner::default() };
            let ran = clock.run(runner.run(&mut queue, job, |_| Ok::<_, String>(()))).await.unwrap();
            assert_eq!((ran.docs, ran.out_of_time), (2, is_out_of_time));
            assert_eq!(queue.done.len(), 2);
        }
    }

    #[tokio::test]
    async fn who_is_told_may_end_it() {
        let mut queue = Numbers::new(&[3]);
        let runner = Runner::default();
        let ran = runner.run(
            &mut queue,
            async |_| Ok::<_, String>(()),
            |what| match what {
                Told::Done(..) => Err("enough".to_owned()),
                Told::Found(_) => Ok(()),
            },
        );
        assert_eq!(ran.await, Err("enough".to_owned()));
        assert!(queue.done.is_empty());
    }
}
