//! Where the headers of the target's responses come from.

mod device;
mod nflog;
mod queue;
mod queues;

pub(crate) use device::DeviceSource;
pub(crate) use nflog::NflogSource;
pub(crate) use queue::QueueSource;
pub(crate) use queues::QueueThreads;

use std::io;
use std::os::fd::RawFd;
use std::time::Instant;
use tc_core::relay::Relay;
use tc_proto::tunnel::Times;
use tc_sys::program::Figure;

/// A source of headers.
pub(crate) trait Source {
    /// What to wait on for readability; the same descriptors for the whole life of the source.
    fn raw_fds(&self) -> Vec<RawFd>;

    /// Begins: starts threads, if it has some.
    ///
    /// # Errors
    ///
    /// When a thread cannot be started.
    fn start(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Passes what waits, and came at this time, more or less, to the relay, a bounded amount.
    fn serve(&mut self, seen: Instant, relay: &mut Relay) -> Served;

    /// Gives at least so many octets of each packet from here on, as far as there are.
    ///
    /// # Errors
    ///
    /// The source cannot.
    fn give(&mut self, octets: u16) -> io::Result<()>;

    /// Whether the time of each packet is asked for from here on: then none waits for others.
    fn attend(&mut self, _: Times) {}

    /// What was lost on the way and not told before, one line for each reason.
    fn warnings(&mut self) -> Vec<String>;

    /// Its counters.
    fn figures(&mut self) -> Vec<Figure>;
}

/// How far a source was served, and how many responses it gave.
#[derive(Debug)]
pub(crate) enum Served {
    /// There may be more at once.
    More(usize),
    /// There is nothing until a descriptor is readable.
    Drained(usize),
    /// It failed at this: "read from the queue".
    Failed(&'static str, io::Error),
}
