//! The load: every request in order, a fixed number of them under way.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};

use crate::client::{Answer, Client, Failure};
use crate::workload::Workload;

/// How to load a server.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server.
    pub client: Client,
    /// Requests under way at any time.
    pub concurrency: usize,
    /// What comes before the measured requests.
    pub warm_up: WarmUp,
    /// Failed requests at which the run goes on. The reference goes on at any number; a sound run has none.
    pub failures_allowed: usize,
}

/// What comes before the measured requests, by version of the reference client. All of them ask the first prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarmUp {
    /// 2025: one request, which must succeed.
    TestRun,
    /// 2026: this many, as many under way as in the run.
    Requests(usize),
}

/// Ends a run early, from another thread.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

/// Told about each request as it ends; must be quick, since it runs between two events.
pub trait Observer {
    /// `done` of `of` requests have ended, `answer` the latest.
    fn ended(&mut self, done: usize, of: usize, answer: &Answer);
}

impl Observer for () {
    fn ended(&mut self, _: usize, _: usize, _: &Answer) {}
}

/// A measured request.
#[derive(Clone, Debug)]
pub struct Measured {
    /// From the beginning of the run until the request got its turn.
    pub begun: Duration,
    /// From the beginning of the run until it gave up its turn.
    pub ended: Duration,
    /// What came back.
    pub answer: Answer,
}

/// A run that has ended, by itself or not.
#[derive(Clone, Debug)]
pub struct Run {
    /// The workload.
    pub workload: Workload,
    /// Requests under way.
    pub concurrency: usize,
    /// The measured requests, in the workload's order.
    pub requests: Vec<Measured>,
    /// Warm-up requests that failed.
    pub warm_ups_failed: usize,
    /// From before the first measured request to after the last.
    pub duration: Duration,
    /// When the measured part began.
    pub date: Timestamp,
    /// The share of the measured time in which this client was computing: near 1 it measures itself.
    pub busy: Option<f64>,
    /// How it ended.
    pub end: End,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Every request was sent.
    Complete,
    /// More requests failed than were allowed; the rest was given up.
    TooManyFailures {
        /// The first.
        first: Failure,
    },
    /// The warm-up failed and nothing was measured.
    NoWarmUp {
        /// The failure.
        first: Failure,
    },
    /// [`Stop`] was called.
    Stopped,
}

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Stop {
    /// Ends the run; requests under way are dropped.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Whether [`Self::stop`] was called.
    #[must_use]
    pub fn stopped(&self) -> bool {
        *self.0.borrow()
    }

    async fn wait(&self) {
        // It cannot fail while `self` holds the sender.
        let _ = self.0.subscribe().wait_for(|&stopped| stopped).await;
    }
}

/// Runs a workload, on a thread of its own with one event loop, and waits for it.
///
/// One loop keeps requests in order and timestamps free of wake-ups between cores.
///
/// # Errors
/// The system's, if it gives no event loop.
///
/// # Panics
/// If `plan.concurrency` is 0.
pub fn run(
    plan: &Plan,
    workload: Workload,
    observer: &mut (dyn Observer + Send),
    stop: &Stop,
) -> std::io::Result<Run> {
    assert!(plan.concurrency > 0, "at least one request under way");
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("load".into()).spawn_scoped(scope, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(drive(plan, workload, observer, stop)))
        })?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

async fn drive(plan: &Plan, workload: Workload, observer: &mut (dyn Observer + Send), stop: &Stop) -> Run {
    let requests: Vec<_> = workload.prompts.iter().map(|p| plan.client.request(p)).collect();
    let mut run = Run {
        concurrency: plan.concurrency,
        requests: Vec::new(),
        warm_ups_failed: 0,
        duration: Duration::ZERO,
        date: Timestamp::now(),
        busy: None,
        end: End::Complete,
        workload,
    };
    let (warm_ups, must_succeed) = match plan.warm_up {
        WarmUp::TestRun => (1, true),
        WarmUp::Requests(n) => (n, false),
    };
    let first = std::iter::repeat_n(&requests[0], warm_ups);
    let warm_up = all(plan, first, usize::MAX, &mut (), stop).await;
    let failed: Vec<_> = warm_up.requests.iter().filter_map(|m| m.answer.failure.clone()).collect();
    run.warm_ups_failed = failed.len();
    match failed.into_iter().next() {
        _ if stop.stopped() => run.end = End::Stopped,
        // Where every warm-up fails, the run would too.
        Some(first) if must_succeed || run.warm_ups_failed == warm_ups => run.end = End::NoWarmUp { first },
        _ => {}
    }
    if run.end != End::Complete {
        return run;
    }
    run.date = Timestamp::now();
    let cpu = cpu_time();
    let measured = all(plan, requests.iter(), plan.failures_allowed, observer, stop).await;
    run.duration = measured.duration;
    run.busy = cpu_time().zip(cpu).map(|(after, before)| {
        (after.saturating_sub(before)).as_secs_f64() / run.duration.as_secs_f64().max(f64::MIN_POSITIVE)
    });
    run.requests = measured.requests;
    run.end = match measured.first_too_many {
        _ if stop.stopped() => End::Stopped,
        Some(first) => End::TooManyFailures { first },
        None => End::Complete,
    };
    run
}

struct All {
    requests: Vec<Measured>,
    duration: Duration,
    first_too_many: Option<Failure>,
}

struct Shared<'a> {
    measured: Vec<Option<Measured>>,
    ended: usize,
    failures: Vec<Failure>,
    observer: &'a mut (dyn Observer + Send),
}

/// Sends all requests, in order, `plan.concurrency` of them under way, and waits for the last.
async fn all<'a>(
    plan: &Plan,
    requests: impl ExactSizeIterator<Item = &'a crate::client::Request>,
    failures_allowed: usize,
    observer: &mut (dyn Observer + Send),
    stop: &Stop,
) -> All {
    let count = requests.len();
    let shared = RefCell::new(Shared {
        measured: (0..count).map(|_| None).collect(),
        ended: 0,
        failures: Vec::new(),
        observer,
    });
    let turns = Semaphore::new(plan.concurrency);
    let give_up = Stop::default();
    let start = Instant::now();
    // All are made at once and wait for their turn, which the semaphore gives in the order of asking.
    let together: FuturesUnordered<_> = requests
        .enumerate()
        .map(|(i, request)| {
            let (shared, turns, give_up) = (&shared, &turns, &give_up);
            async move {
                let Ok(_turn) = turns.acquire().await else { return };
                let begun = start.elapsed();
                let answer = plan.client.send(request).await;
                let mut shared = shared.borrow_mut();
                let shared = &mut *shared;
                shared.ended += 1;
                shared.observer.ended(shared.ended, count, &answer);
                if let Some(failure) = &answer.failure {
                    shared.failures.push(failure.clone());
                    if shared.failures.len() > failures_allowed {
                        give_up.stop();
                    }
                }
                shared.measured[i] = Some(Measured { begun, ended: start.elapsed(), answer });
            }
        })
        .collect();
    tokio::select! {
        biased;
        () = stop.wait() => {}
        () = give_up.wait() => {}
        () = together.collect() => {}
    }
    let duration = start.elapsed();
    let Shared { measured, failures, .. } = shared.into_inner();
    let not_sent = || {
        let (events, text, tokens) = (Vec::new(), String::new(), None);
        let answer = Answer { events, text, tokens, finished: false, failure: Some(Failure::NotSent) };
        Measured { begun: duration, ended: duration, answer }
    };
    let requests = measured.into_iter().map(|m| m.unwrap_or_else(not_sent)).collect();
    let first_too_many = (failures.len() > failures_allowed).then(|| failures[0].clone());
    All { requests, duration, first_too_many }
}

/// CPU time of this thread, where the system tells.
fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}
