//! The tunnels: what arrived of a message, and which records wait.

use super::deadlines::Deadlines;
use super::{RelayConfig, TunnelId};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};
use tc_proto::PacketRef;
use tc_proto::tunnel::{
    DecodeError, MAX_RECORDS_PER_FRAME, Message, MessageDecoder, RecordFormat, write_frames, write_record,
};

/// Records that are written at once, whole frames of them.
const BATCH_RECORDS: usize = 64 * MAX_RECORDS_PER_FRAME;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    /// It waits for [`Tunnels::write_frames`].
    Waits,
    /// The tunnel is gone.
    NoTunnel,
    /// Too many octets wait already.
    Overflow {
        /// How many.
        octets: usize,
    },
}

#[derive(Debug)]
struct Tunnel {
    decoder: MessageDecoder,
    format: RecordFormat,
    /// Full batches of records, oldest first, and the one that grows.
    batches: VecDeque<Vec<u8>>,
    growing: Vec<u8>,
    /// Octets in all of them.
    pending: usize,
    notice: Notice,
    /// Until when it must say its version.
    deadline: Instant,
}

/// Whether the driver knows that records wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notice {
    Due,
    Given,
}

impl Tunnel {
    fn pending_records(&self) -> u64 {
        (self.pending / self.format.size()) as u64
    }

    fn push(&mut self, packet: &PacketRef<'_>) {
        let before = self.growing.len();
        write_record(self.format, packet, &mut self.growing);
        self.pending += self.growing.len() - before;
        if self.growing.len() >= BATCH_RECORDS * self.format.size() {
            self.batches.push_back(std::mem::take(&mut self.growing));
        }
    }

    /// Appends the frames of one batch and says how many frames they are.
    fn write_batch(&mut self, out: &mut Vec<u8>) -> Option<u64> {
        let mut batch = match self.batches.pop_front() {
            Some(full) => full,
            None if self.growing.is_empty() => {
                self.notice = Notice::Due;
                return None;
            }
            None => std::mem::take(&mut self.growing),
        };
        write_frames(self.format, &batch, out);
        self.pending -= batch.len();
        let frames = batch.len().div_ceil(MAX_RECORDS_PER_FRAME * self.format.size());
        if self.growing.capacity() == 0 {
            batch.clear();
            self.growing = batch;
        }
        Some(frames as u64)
    }
}

/// All tunnels.
#[derive(Debug)]
pub(super) struct Tunnels {
    by_id: HashMap<TunnelId, Tunnel>,
    ready: VecDeque<TunnelId>,
    silent: Deadlines<TunnelId>,
    max_pending: usize,
    version_timeout: Duration,
}

impl Tunnels {
    pub(super) fn new(config: &RelayConfig) -> Self {
        Self {
            by_id: HashMap::new(),
            ready: VecDeque::new(),
            silent: Deadlines::new(),
            max_pending: config.max_pending,
            version_timeout: config.version_timeout,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.silent.next()
    }

    pub(super) fn insert(&mut self, now: Instant, id: TunnelId) {
        let deadline = now + self.version_timeout;
        let tunnel = Tunnel {
            decoder: MessageDecoder::new(),
            format: RecordFormat::default(),
            batches: VecDeque::new(),
            growing: Vec::new(),
            pending: 0,
            notice: Notice::Due,
            deadline,
        };
        self.by_id.insert(id, tunnel);
        self.silent.set(deadline, id);
    }

    /// Forgets a tunnel and says how many records waited for it.
    pub(super) fn remove(&mut self, id: TunnelId) -> Option<u64> {
        let tunnel = self.by_id.remove(&id)?;
        self.silent.stop(tunnel.deadline, id);
        Some(tunnel.pending_records())
    }

    /// The next tunnel that has not said its version in time.
    pub(super) fn pop_silent(&mut self, now: Instant) -> Option<TunnelId> {
        self.silent.pop_due(now)
    }

    pub(super) fn push(&mut self, id: TunnelId, octets: &[u8]) {
        if let Some(tunnel) = self.by_id.get_mut(&id) {
            tunnel.decoder.push(octets);
        }
    }

    pub(super) fn next_message(&mut self, id: TunnelId) -> Result<Option<Message>, DecodeError> {
        self.by_id.get_mut(&id).map_or(Ok(None), |tunnel| tunnel.decoder.next())
    }

    /// The tunnel has said its version.
    pub(super) fn set_format(&mut self, id: TunnelId, format: RecordFormat) {
        if let Some(tunnel) = self.by_id.get_mut(&id) {
            tunnel.format = format;
            self.silent.stop(tunnel.deadline, id);
        }
    }

    pub(super) fn queue_record(&mut self, id: TunnelId, packet: &PacketRef<'_>) -> Queued {
        let Some(tunnel) = self.by_id.get_mut(&id) else { return Queued::NoTunnel };
        if tunnel.pending + tunnel.format.size() > self.max_pending {
            return Queued::Overflow { octets: tunnel.pending };
        }
        tunnel.push(packet);
        if tunnel.notice == Notice::Due {
            tunnel.notice = Notice::Given;
            self.ready.push_back(id);
        }
        Queued::Waits
    }

    pub(super) fn poll_ready(&mut self) -> Option<TunnelId> {
        loop {
            let id = self.ready.pop_front()?;
            if self.by_id.contains_key(&id) {
                return Some(id);
            }
        }
    }

    pub(super) fn write_frames(&mut self, id: TunnelId, out: &mut Vec<u8>) -> Option<u64> {
        self.by_id.get_mut(&id)?.write_batch(out)
    }
}
