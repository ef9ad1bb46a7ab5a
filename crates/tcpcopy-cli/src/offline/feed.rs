//! What of the files goes to the replayer now.

use super::OfflineConfig;
use super::error::FileError;
use super::reader::{Batch, Delivery, Packet};
use super::sieve::{Sender, Tally};
use super::timeline::{FileClock, Speed, Timeline};
use super::valve::{Load, Valve};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

/// A packet that is due so soon goes at once: to sleep takes longer.
const EARLY: Duration = Duration::from_micros(20);

/// What comes next.
#[derive(Debug)]
pub(super) enum Next<'a> {
    /// A client's packet is due, which was captured at this moment of the files.
    Packet(Instant, &'a [u8]),
    /// The online server's answer to packets that were taken before, captured at this moment of the files.
    Answer(Instant, &'a [u8]),
    /// Nothing until then. Without a time, the reader or the sessions tell.
    Wait(Option<Instant>),
    Failed(FileError),
    /// All files were read once.
    Over(Tally),
}

/// The replayer's end of the reader.
#[derive(Debug)]
pub(super) struct Feed {
    receiver: Receiver<Delivery>,
    batch: Batch,
    index: usize,
    timeline: Timeline,
    clock: FileClock,
    valve: Valve,
    /// When the packet that comes next is due.
    due: Option<Instant>,
    /// When the latest packet was captured.
    pub(super) at: Option<Duration>,
}

impl Feed {
    /// What comes through `receiver`, the first packet at once.
    pub(super) fn new(
        receiver: Receiver<Delivery>,
        config: &OfflineConfig,
        max_octets: usize,
        now: Instant,
    ) -> Self {
        let valve = match config.speed {
            Speed::Unlimited => Valve::for_target(max_octets, now),
            Speed::Thousandths(_) => Valve::for_memory(max_octets, now),
        };
        let timeline = Timeline::new(config.speed, config.longest_gap);
        Self {
            receiver,
            batch: Batch::default(),
            index: 0,
            timeline,
            clock: FileClock::default(),
            valve,
            due: None,
            at: None,
        }
    }

    /// What comes next, for sessions that have so much to do.
    pub(super) fn next(&mut self, now: Instant, load: Load) -> Next<'_> {
        while self.batch.get(self.index).is_none() {
            match self.receiver.try_recv() {
                Ok(Delivery::Packets(batch)) => (self.batch, self.index) = (batch, 0),
                Ok(Delivery::Failed(error)) => return Next::Failed(error),
                Ok(Delivery::Over(tally)) => {
                    self.timeline.restart();
                    return Next::Over(tally);
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Next::Wait(None),
            }
        }
        let Some(Packet { at, sender, octets }) = self.batch.get(self.index) else { return Next::Wait(None) };
        // Nothing is sent for an answer: it goes with the packet before it.
        if sender == Sender::Server {
            self.index += 1;
            return Next::Answer(self.clock.moment(now, at), octets);
        }
        let due = *self.due.get_or_insert_with(|| self.timeline.due(now, at));
        if due > now + EARLY {
            return Next::Wait(Some(due));
        }
        if !self.valve.is_open(now, load) {
            return Next::Wait(Some(self.valve.deadline()));
        }
        self.due = None;
        self.at = Some(at);
        self.index += 1;
        Next::Packet(self.clock.moment(now, at), octets)
    }
}
