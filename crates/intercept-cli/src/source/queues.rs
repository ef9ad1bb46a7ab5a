//! Several netfilter queues, each read and decided by a thread of its own.
//!
//! A verdict depends on the passlist alone, so a thread needs nobody to give it; the headers follow to the event loop,
//! batch by batch, over a channel that is bounded: a thread that is ahead waits, and its queue with it.

use super::queue::{QueueErrors, QueueReporter, translate};
use super::{Served, Source};
use crate::watch::Watch;
use mio::unix::pipe;
use mio::{Events, Poll, Token, Waker};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tc_core::relay::{Passlist, Relay};
use tc_proto::tunnel::Times;
use tc_sys::error::reason;
use tc_sys::program::{Figure, Readiness};
use tc_sys::queue::{Batch, Queue, QueueError, Supply};
use tracing::warn;

/// Batches that may wait for the event loop.
const WAITING: usize = 1024;
/// Batches that are taken before the other sources have their turn.
const MAX_BATCHES: usize = 8;
/// How long a thread waits for packets until it looks whether anything changed.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

const QUEUE: Token = Token(0);
const STOP: Token = Token(1);

/// All queues and their threads.
pub(crate) struct QueueThreads {
    /// Those without a thread yet.
    queues: Vec<Queue>,
    passlist: Passlist,
    threads: Vec<(JoinHandle<()>, Waker)>,
    batches: Option<Receiver<(Instant, Batch)>>,
    bell: pipe::Receiver,
    shared: Arc<Shared>,
    sender: Option<SyncSender<(Instant, Batch)>>,
    reporter: QueueReporter,
}

/// What the threads and the event loop share.
struct Shared {
    ringer: pipe::Sender,
    /// Whether the bell was rung and the event loop did not look since.
    rung: AtomicBool,
    stopping: AtomicBool,
    /// Whether the time of each packet is asked for.
    times_wanted: AtomicBool,
    receive_errors: AtomicU64,
    verdict_errors: AtomicU64,
    /// Batches to be used again.
    spare: Mutex<Vec<Batch>>,
}

impl Shared {
    /// Wakes the event loop, unless it is awake already.
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            // A full pipe is read soon anyway.
            let _ = (&self.ringer).write(&[0]);
        }
    }

    fn spare(&self) -> Batch {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_back(&self, batch: Batch) {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(batch);
    }
}

impl QueueThreads {
    /// Threads for these queues, not started yet.
    pub(crate) fn new(queues: Vec<Queue>, passlist: Passlist) -> Result<Self, QueueError> {
        let number = queues.first().map_or(0, Queue::number);
        let other = |cause| QueueError::Other { number, cause };
        let reporter = QueueReporter::new(&queues)?;
        let (ringer, bell) = pipe::new().map_err(other)?;
        let (sender, batches) = sync_channel(WAITING);
        let shared = Shared {
            ringer,
            rung: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            times_wanted: AtomicBool::new(false),
            receive_errors: AtomicU64::new(0),
            verdict_errors: AtomicU64::new(0),
            spare: Mutex::default(),
        };
        Ok(Self {
            queues,
            passlist,
            threads: Vec::new(),
            batches: Some(batches),
            bell,
            shared: Arc::new(shared),
            sender: Some(sender),
            reporter,
        })
    }
}

impl Source for QueueThreads {
    fn raw_fds(&self) -> Vec<RawFd> {
        vec![self.bell.as_raw_fd()]
    }

    fn start(&mut self) -> io::Result<()> {
        let Some(sender) = self.sender.take() else { return Ok(()) };
        for queue in std::mem::take(&mut self.queues) {
            let poll = Poll::new()?;
            let waker = Waker::new(poll.registry(), STOP)?;
            let watch = Watch::new(Instant::now(), vec![queue.as_raw_fd()], QUEUE, poll.registry())?;
            let (passlist, shared, sender) = (self.passlist.clone(), Arc::clone(&self.shared), sender.clone());
            let name = format!("queue {}", queue.number());
            let reader = Reader { queue, poll, watch, passlist, shared, sender };
            let thread = std::thread::Builder::new().name(name).spawn(move || reader.run())?;
            self.threads.push((thread, waker));
        }
        Ok(())
    }

    /// Each batch is as old as its reading by a thread, more or less.
    fn serve(&mut self, _: Instant, relay: &mut Relay) -> Served {
        if self.shared.rung.swap(false, Ordering::SeqCst) {
            let _ = self.bell.read(&mut [0; 64]);
        }
        let mut taken = 0;
        for _ in 0..MAX_BATCHES {
            let Some((read, batch)) = self.batches.as_ref().and_then(|batches| batches.try_recv().ok()) else {
                return Served::Drained(taken);
            };
            for packet in batch.packets() {
                relay.handle_response(read, packet.payload, packet.original_len);
            }
            taken += batch.len();
            self.shared.give_back(batch);
        }
        Served::More(taken)
    }

    fn give(&mut self, octets: u16) -> io::Result<()> {
        self.reporter.give(octets)
    }

    fn attend(&mut self, times: Times) {
        self.shared.times_wanted.store(times == Times::Wanted, Ordering::Relaxed);
    }

    fn warnings(&mut self) -> Vec<String> {
        self.reporter.warnings()
    }

    fn figures(&mut self) -> Vec<Figure> {
        let receive = self.shared.receive_errors.load(Ordering::Relaxed);
        let verdict = self.shared.verdict_errors.load(Ordering::Relaxed);
        self.reporter.figures(QueueErrors { receive, verdict })
    }
}

impl Drop for QueueThreads {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // A thread that waits for room in the channel goes on.
        self.batches = None;
        for (thread, waker) in self.threads.drain(..) {
            if waker.wake().is_ok() {
                let _ = thread.join();
            }
        }
    }
}

/// One thread.
struct Reader {
    queue: Queue,
    poll: Poll,
    watch: Watch,
    passlist: Passlist,
    shared: Arc<Shared>,
    sender: SyncSender<(Instant, Batch)>,
}

impl Reader {
    fn run(mut self) {
        let mut events = Events::with_capacity(4);
        let mut readiness = Readiness::Ready;
        while !self.shared.stopping.load(Ordering::SeqCst) {
            let now = Instant::now();
            if readiness.is_due(now) {
                readiness = self.take(now);
                if readiness == Readiness::Ready {
                    continue;
                }
            }
            let wait = readiness.deadline(now).map_or(LONGEST_WAIT, |deadline| deadline - now);
            // An interrupted wait is a short one.
            let _ = self.poll.poll(&mut events, Some(wait));
            if events.iter().any(|event| event.token() == QUEUE) {
                readiness = Readiness::Ready;
                self.watch.wake();
            }
        }
    }

    /// Takes a batch from the queue, decides it, and passes it on.
    fn take(&mut self, now: Instant) -> Readiness {
        let (seen, mut batch) = (self.watch.seen(now), self.shared.spare());
        let supply = match self.queue.recv(&mut batch) {
            Ok(supply) => supply,
            Err(error) => return self.failed(now, "read from", &self.shared.receive_errors, &error),
        };
        let passlist = &self.passlist;
        let decided = self.queue.decide(&batch, |packet| translate(passlist.verdict(packet.payload)));
        if let Err(error) = decided {
            return self.failed(now, "decide responses of", &self.shared.verdict_errors, &error);
        }
        let wanted = self.shared.times_wanted.load(Ordering::Relaxed);
        self.watch.attend(if wanted { Times::Wanted } else { Times::Unwanted });
        let found = batch.len();
        if found == 0 {
            self.shared.give_back(batch);
        } else if self.sender.send((seen, batch)).is_ok() {
            self.shared.ring();
        }
        match supply {
            Supply::More => self.watch.left_more(now, found),
            Supply::Drained => self.watch.drained(now, found, self.poll.registry()),
        }
    }

    fn failed(&self, now: Instant, what: &str, count: &AtomicU64, error: &io::Error) -> Readiness {
        // Told once; the statistics have the number.
        if count.fetch_add(1, Ordering::Relaxed) == 0 {
            warn!("cannot {what} queue {}: {}", self.queue.number(), reason(error));
        }
        Readiness::failed(now)
    }
}
