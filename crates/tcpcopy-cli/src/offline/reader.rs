//! A thread that reads the files ahead of the replay, a bounded amount: decompressing takes time, and a pipe may keep its
//! reader waiting.

use super::error::{FileError, Problem};
use super::input::{Input, OpenInput};
use super::merge::Merge;
use super::records::{Records, Step};
use super::sieve::{Sender, Sieve, Tally};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SendError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;
use tc_core::Mapping;
use tc_sys::SysError;
use tracing::warn;

/// Octets that are handed over at once.
const BATCH_OCTETS: usize = 256 << 10;
/// Packets that are handed over at once.
const BATCH_PACKETS: usize = 4096;
/// Batches that wait to be taken.
const AHEAD: usize = 4;

/// What the reader hands over.
#[derive(Debug)]
pub(super) enum Delivery {
    Packets(Batch),
    /// A file is over before its end.
    Failed(FileError),
    /// All files are over, and are read again if that is wanted.
    Over(Tally),
}

/// Some packets, in their order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    octets: Vec<u8>,
    packets: Vec<Position>,
}

/// Where a packet of a batch is.
#[derive(Clone, Copy, Debug)]
struct Position {
    at: Duration,
    sender: Sender,
    /// Behind its last octet.
    end: usize,
}

/// A packet out of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    /// When it was captured.
    pub(super) at: Duration,
    pub(super) sender: Sender,
    /// Beginning at its IP header.
    pub(super) octets: &'a [u8],
}

impl Batch {
    fn push(&mut self, packet: Packet<'_>) {
        let Packet { at, sender, octets } = packet;
        self.octets.extend_from_slice(octets);
        self.packets.push(Position { at, sender, end: self.octets.len() });
    }

    fn is_full(&self) -> bool {
        self.octets.len() >= BATCH_OCTETS || self.packets.len() >= BATCH_PACKETS
    }

    /// A packet.
    pub(super) fn get(&self, index: usize) -> Option<Packet<'_>> {
        let start =
            index.checked_sub(1).and_then(|before| self.packets.get(before)).map_or(0, |before| before.end);
        let Position { at, sender, end } = *self.packets.get(index)?;
        Some(Packet { at, sender, octets: self.octets.get(start..end)? })
    }
}

/// What is read of the files.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// What `-x` says.
    pub(super) mappings: Vec<Mapping>,
    /// How often they are read.
    pub(super) passes: u32,
    /// Whether the online server's packets are wanted too.
    pub(super) answers: bool,
}

/// Files that were opened and looked at.
#[derive(Debug)]
pub(super) struct Recording {
    inputs: Vec<OpenInput>,
    /// Octets of all files that were read.
    read: Arc<AtomicU64>,
    /// Octets of all files, unless some are pipes.
    pub(super) octets: Option<u64>,
}

impl Recording {
    /// Opens the files, and looks whether each that can be read again is a capture.
    pub(super) fn open(inputs: &[Input], passes: u32) -> Result<Self, FileError> {
        let inputs = inputs.iter().map(Input::open).collect::<Result<Vec<_>, _>>()?;
        for input in &inputs {
            match input.octets {
                Some(_) => look_at(input)?,
                None if passes > 1 => return Err(FileError::new(&input.name, Problem::Once)),
                None => {}
            }
        }
        let octets = inputs.iter().map(|input| input.octets).sum();
        Ok(Self { inputs, read: Arc::default(), octets })
    }

    /// Octets that were read so far, in all passes.
    pub(super) fn octets_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Starts the thread, which calls `wake` after each delivery.
    pub(super) fn deliver(
        &mut self,
        request: Request,
        wake: impl Fn() + Send + 'static,
    ) -> Result<Receiver<Delivery>, SysError> {
        let (sender, receiver) = sync_channel(AHEAD);
        let (inputs, read) = (std::mem::take(&mut self.inputs), Arc::clone(&self.read));
        let Request { mappings, passes, answers } = request;
        let reader = Reader { inputs, answers, read, sender, wake, batch: Batch::default(), cut_told: false };
        let work = move || {
            let mut reader = reader;
            // A receiver that is gone wants nothing more.
            let _ = (0..passes).try_for_each(|_| reader.read_all(Sieve::new(mappings.clone())));
        };
        let spawned = thread::Builder::new().name("reader".to_owned()).spawn(work);
        spawned.map(|_| receiver).map_err(|cause| SysError::new("start", "the thread that reads files", cause))
    }
}

/// Whether it begins as a capture does, and its first packets are of a link type that we know.
fn look_at(input: &OpenInput) -> Result<(), FileError> {
    let mut records = Records::new(&input.name, input.read(Arc::default())?);
    while records.step()? == Step::Read {
        records.read()?;
    }
    Ok(())
}

struct Reader<W> {
    inputs: Vec<OpenInput>,
    answers: bool,
    read: Arc<AtomicU64>,
    sender: SyncSender<Delivery>,
    wake: W,
    batch: Batch,
    cut_told: bool,
}

impl<W: Fn()> Reader<W> {
    /// Reads all files once.
    fn read_all(&mut self, mut sieve: Sieve) -> Result<(), SendError<Delivery>> {
        let mut files = Vec::new();
        for input in &self.inputs {
            match input.read(Arc::clone(&self.read)) {
                Ok(contents) => files.push(Records::new(&input.name, contents)),
                Err(error) => self.hand_over(Delivery::Failed(error))?,
            }
        }
        let mut merge = Merge::new(files);
        loop {
            match merge.step() {
                Ok(Step::Take) => self.take(&mut merge, &mut sieve)?,
                Ok(Step::Read) => {
                    self.flush()?;
                    if let Err(error) = merge.read() {
                        self.hand_over(Delivery::Failed(error))?;
                    }
                }
                Ok(Step::End) => break,
                Err(error) => {
                    self.flush()?;
                    self.hand_over(Delivery::Failed(error))?;
                }
            }
        }
        self.flush()?;
        self.hand_over(Delivery::Over(sieve.tally))
    }

    fn take(&mut self, merge: &mut Merge, sieve: &mut Sieve) -> Result<(), SendError<Delivery>> {
        if let Some((head, octets)) = merge.head() {
            let sorted = sieve.sort(head, octets);
            if let Some((sender, octets)) =
                sorted.filter(|(sender, _)| self.answers || *sender == Sender::Client)
            {
                self.batch.push(Packet { at: head.at, sender, octets });
            }
            if sieve.tally.cut > 0 && !std::mem::replace(&mut self.cut_told, true) {
                warn!(
                    "the capture kept only the beginning of packets, {} octets: capture with tcpdump -s 0",
                    octets.len()
                );
            }
        }
        merge.take();
        if self.batch.is_full() { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), SendError<Delivery>> {
        if self.batch.packets.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        self.hand_over(Delivery::Packets(batch))
    }

    fn hand_over(&self, delivery: Delivery) -> Result<(), SendError<Delivery>> {
        self.sender.send(delivery)?;
        (self.wake)();
        Ok(())
    }
}
