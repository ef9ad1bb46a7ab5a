//! The threads of the program, and what the main one tells the others.
//!
//! Each worker has a capture, an injector, tunnels and a replayer of its own, and shares nothing with the others. It gets
//! orders through a channel, and answers the one for its [`Snapshot`].

use crate::error::Error;
use crate::snapshot::Snapshot;
use crate::worker::Worker;
use mio::{Registry, Token, Waker};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};
use tc_core::compare::Comparison;
use tc_sys::SysError;

/// How long all workers together may take to tell what they have counted.
const REPORT_LIMIT: Duration = Duration::from_secs(1);
/// The same for what they have compared.
const COMPARE_LIMIT: Duration = Duration::from_secs(10);

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum Order {
    /// Tell what you have counted.
    Report(SyncSender<Snapshot>),
    /// Tell what you have compared.
    Compare(SyncSender<Option<Box<Comparison>>>, Extent),
    /// End.
    Stop,
}

/// What of a comparison is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Requests that are over; it goes on.
    SoFar,
    /// All, and it ends.
    Whole,
}

/// Where a worker's orders arrive.
#[derive(Debug)]
pub(crate) struct Orders {
    receiver: Receiver<Order>,
    sender: Commander,
}

/// From where a worker gets its orders.
#[derive(Clone, Debug)]
struct Commander {
    sender: Sender<Order>,
    waker: Arc<Waker>,
}

impl Orders {
    /// Orders whose arrival mio tells by this token.
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let waker = Arc::new(Waker::new(registry, token)?);
        let (sender, receiver) = channel();
        Ok(Self { receiver, sender: Commander { sender, waker } })
    }

    /// The next order, if there is one.
    pub(crate) fn next(&self) -> Option<Order> {
        self.receiver.try_recv().ok()
    }
}

impl Commander {
    /// A worker that has ended gets no orders.
    fn tell(&self, order: Order) {
        if self.sender.send(order).is_ok() {
            let _ = self.waker.wake();
        }
    }
}

/// A running worker as the main thread sees it.
#[derive(Debug)]
struct Hand {
    commander: Commander,
    thread: JoinHandle<()>,
    /// What it told last.
    latest: Snapshot,
}

/// All running workers.
#[derive(Debug)]
pub(crate) struct Workers {
    hands: Vec<Hand>,
    failures: Receiver<Error>,
}

impl Workers {
    /// Starts a thread for each worker. When one fails, `bell` wakes the main thread.
    pub(crate) fn start(workers: Vec<Worker>, bell: &Arc<Waker>) -> Result<Self, Error> {
        let (sender, failures) = channel();
        let mut hands = Vec::with_capacity(workers.len());
        for (index, worker) in workers.into_iter().enumerate() {
            hands.push(Hand::start(index, worker, sender.clone(), bell.clone())?);
        }
        Ok(Self { hands, failures })
    }

    /// What each worker has counted. Of one that does not answer in time, what it told last.
    pub(crate) fn snapshots(&mut self) -> impl Iterator<Item = &Snapshot> {
        let answers: Vec<_> = self.hands.iter().map(Hand::ask).collect();
        let deadline = Instant::now() + REPORT_LIMIT;
        for (hand, answer) in self.hands.iter_mut().zip(answers) {
            if let Ok(snapshot) = answer.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                hand.latest = snapshot;
            }
        }
        self.hands.iter().map(|hand| &hand.latest)
    }

    /// What all workers have counted.
    pub(crate) fn snapshot(&mut self) -> Snapshot {
        self.snapshots().sum()
    }

    /// What all workers have compared, if they compare.
    pub(crate) fn comparison(&mut self, extent: Extent) -> Option<Comparison> {
        let answers: Vec<_> = self.hands.iter().map(|hand| hand.compare(extent)).collect();
        let deadline = Instant::now() + COMPARE_LIMIT;
        let told = answers.into_iter().filter_map(|answer| {
            answer.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok().flatten()
        });
        told.map(|comparison| *comparison).reduce(|mut sum, more| {
            sum.add(&more);
            sum
        })
    }

    /// Why a worker has ended.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.failures.try_recv().ok()
    }

    /// Ends all workers and waits for them.
    pub(crate) fn stop(self) {
        for hand in &self.hands {
            hand.commander.tell(Order::Stop);
        }
        for hand in self.hands {
            // A worker catches its own panics.
            let _ = hand.thread.join();
        }
    }
}

impl Hand {
    fn start(index: usize, mut worker: Worker, failed: Sender<Error>, bell: Arc<Waker>) -> Result<Self, Error> {
        let commander = worker.orders().sender.clone();
        let work = move || {
            let result = catch_unwind(AssertUnwindSafe(|| worker.run()));
            let failure = match result {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(_) => Error::Panicked,
            };
            // Nobody is left to tell when the main thread has ended.
            let _ = failed.send(failure);
            let _ = bell.wake();
        };
        let thread = Builder::new().name(format!("worker {index}")).spawn(work);
        let thread = thread.map_err(|cause| SysError::new("start", "a worker thread", cause))?;
        Ok(Self { commander, thread, latest: Snapshot::default() })
    }

    fn compare(&self, extent: Extent) -> Receiver<Option<Box<Comparison>>> {
        let (sender, receiver) = sync_channel(1);
        self.commander.tell(Order::Compare(sender, extent));
        receiver
    }

    fn ask(&self) -> Receiver<Snapshot> {
        let (sender, receiver) = sync_channel(1);
        self.commander.tell(Order::Report(sender));
        receiver
    }
}
