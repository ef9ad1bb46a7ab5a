//! `tc-jitter`: holds each packet of a netfilter queue for a time of its own, so that packets overtake one another.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use clap::Parser;
use nfq::{Message, Queue, Verdict};

use crate::content::Content;

/// How long to sleep between looks at the queue; the queue's descriptor cannot be polled.
const TICK: Duration = Duration::from_micros(300);
/// What of a packet is copied out of the kernel; its content is not looked at.
const COPIED: u16 = 64;
const QUEUE_LENGTH: u32 = 65_536;

/// Holds each packet of a netfilter queue for a time of its own, so that packets overtake one another.
#[derive(Debug, Clone, Parser)]
#[command(name = "tc-jitter")]
pub struct Options {
    /// The number of the queue.
    #[arg(long)]
    pub queue: u16,
    /// How long a packet is held at most, in milliseconds.
    #[arg(long)]
    pub max_ms: u64,
}

/// Serves the queue until the process is ended.
///
/// # Errors
///
/// The queue cannot be had or served.
pub fn run(options: &Options) -> io::Result<()> {
    let mut queue = Queue::open()?;
    queue.bind(options.queue)?;
    queue.set_copy_range(options.queue, COPIED)?;
    queue.set_queue_max_len(options.queue, QUEUE_LENGTH)?;
    queue.set_recv_gso(options.queue, true)?;
    queue.set_nonblocking(true);
    let mut held = Held::new(Duration::from_millis(options.max_ms));
    loop {
        held.take_all(&mut queue)?;
        held.release_due(&mut queue)?;
        std::thread::sleep(TICK);
    }
}

/// Packets by the time when they go on.
struct Held {
    packets: BTreeMap<(Instant, u64), Message>,
    longest: Duration,
    random: Content,
    count: u64,
}

impl Held {
    fn new(longest: Duration) -> Self {
        Self { packets: BTreeMap::new(), longest, random: Content::new(1), count: 0 }
    }

    fn take_all(&mut self, queue: &mut Queue) -> io::Result<()> {
        loop {
            match queue.recv() {
                Ok(packet) => {
                    let micros = u64::try_from(self.longest.as_micros()).unwrap_or(u64::MAX).max(1);
                    let hold = Duration::from_micros(self.random.next_word() % micros);
                    self.count += 1;
                    self.packets.insert((Instant::now() + hold, self.count), packet);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn release_due(&mut self, queue: &mut Queue) -> io::Result<()> {
        let now = Instant::now();
        while let Some(entry) = self.packets.first_entry().filter(|entry| entry.key().0 <= now) {
            let mut packet = entry.remove();
            packet.set_verdict(Verdict::Accept);
            queue.verdict(packet)?;
        }
        Ok(())
    }
}
