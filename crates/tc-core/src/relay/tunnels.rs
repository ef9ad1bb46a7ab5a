//! The tunnels: what arrived of a message, and which headers wait.

use super::wire::{Batch, Wire};
use super::{RelayConfig, TunnelId};
use crate::table::Table;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tc_proto::tunnel::auth::{Challenge, Nonce};
use tc_proto::tunnel::{DecodeError, Message, MessageDecoder, Reply, Response, TargetDatagram, Times};

/// Octets that are written at once, whole frames and messages of them.
const BATCH_OCTETS: usize = 64 << 10;
/// What the last header of a batch may take beyond that.
const LAST_OCTETS: usize = 4 << 10;

/// What became of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    /// It waits for [`Tunnels::write`].
    Waits,
    /// The tunnel is gone.
    NoTunnel,
    /// Too many octets wait already.
    Overflow {
        /// How many.
        octets: usize,
    },
}

/// One tunnel.
#[derive(Debug)]
pub(super) struct Tunnel {
    decoder: MessageDecoder,
    pub(super) wire: Wire,
    /// Octets of each response's payload that it gets.
    pub(super) payload: u16,
    /// Whether it gets the times at which responses are seen, and the latest that it was told.
    pub(super) times: Times,
    told: Option<Duration>,
    pub(super) standing: Standing,
    /// Full batches, oldest first, and the one that grows.
    batches: VecDeque<Batch>,
    growing: Batch,
    /// Octets in all of them.
    pending: usize,
    notice: Notice,
    /// Until when the hand-shake must be over.
    deadline: Instant,
    /// Our half of the challenge.
    pub(super) nonce: Nonce,
    /// The peer's half, once it has come.
    pub(super) peer_nonce: Option<Nonce>,
}

/// How far a tunnel's hand-shake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has not said its version, or not proved that it knows the key.
    HalfOpen,
    /// It may announce routes.
    Ready,
}

/// Whether the driver knows that something waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notice {
    Due,
    Given,
}

impl Tunnel {
    fn new(nonce: Nonce, deadline: Instant) -> Self {
        Self {
            decoder: MessageDecoder::new(),
            wire: Wire::default(),
            payload: 0,
            times: Times::Unwanted,
            told: None,
            standing: Standing::HalfOpen,
            batches: VecDeque::new(),
            growing: Batch::default(),
            pending: 0,
            notice: Notice::Due,
            deadline,
            nonce,
            peer_nonce: None,
        }
    }

    /// Both nonces, once both are there.
    pub(super) fn challenge(&self) -> Option<Challenge> {
        self.peer_nonce.map(|tcpcopy| Challenge { intercept: self.nonce, tcpcopy })
    }

    fn pending_headers(&self) -> u64 {
        self.batches.iter().chain([&self.growing]).map(|batch| batch.headers).sum()
    }

    fn push(&mut self, write: impl FnOnce(&mut Batch)) {
        let before = self.growing.octets.len();
        write(&mut self.growing);
        self.pending += self.growing.octets.len() - before;
        if self.growing.octets.len() >= BATCH_OCTETS {
            let next = Batch::with_room(BATCH_OCTETS + LAST_OCTETS);
            self.batches.push_back(std::mem::replace(&mut self.growing, next));
        }
    }

    /// The same for what needs room for so many octets, of `max` that may wait.
    fn push_within(&mut self, max: usize, octets: usize, write: impl FnOnce(&mut Batch)) -> Queued {
        if self.pending + octets > max {
            return Queued::Overflow { octets: self.pending };
        }
        self.push(write);
        Queued::Waits
    }

    /// Appends one batch and says how many frames it was.
    fn write_batch(&mut self, per_frame: usize, out: &mut Vec<u8>) -> Option<u64> {
        let mut batch = match self.batches.pop_front() {
            Some(full) => full,
            None if self.growing.octets.is_empty() => {
                self.notice = Notice::Due;
                return None;
            }
            None => std::mem::take(&mut self.growing),
        };
        self.pending -= batch.octets.len();
        let frames = self.wire.write(&batch, per_frame, out);
        if self.growing.octets.capacity() == 0 {
            batch.clear();
            self.growing = batch;
        }
        Some(frames)
    }
}

/// All tunnels.
#[derive(Debug)]
pub(super) struct Tunnels {
    by_id: Table<TunnelId, Tunnel>,
    ready: VecDeque<TunnelId>,
    /// Tunnels whose hand-shake is not over, the oldest first.
    half_open: VecDeque<TunnelId>,
    /// Octets that wait for all of them.
    pending: usize,
    max_pending: usize,
    max_pending_of_all: usize,
    records_per_frame: usize,
    handshake_limit: Duration,
}

impl Tunnels {
    pub(super) fn new(config: &RelayConfig) -> Self {
        Self {
            by_id: Table::default(),
            ready: VecDeque::new(),
            half_open: VecDeque::new(),
            pending: 0,
            max_pending: config.max_pending,
            max_pending_of_all: config.max_pending_of_all,
            records_per_frame: config.records_per_frame,
            handshake_limit: config.handshake_limit,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn half_open_len(&self) -> usize {
        self.half_open.len()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.half_open.front().and_then(|id| self.by_id.get(id)).map(|oldest| oldest.deadline)
    }

    pub(super) fn insert(&mut self, now: Instant, id: TunnelId, nonce: Nonce) {
        self.by_id.insert(id, Tunnel::new(nonce, now + self.handshake_limit));
        self.half_open.push_back(id);
    }

    pub(super) fn get_mut(&mut self, id: TunnelId) -> Option<&mut Tunnel> {
        self.by_id.get_mut(&id)
    }

    /// Forgets a tunnel and says how many headers waited for it.
    pub(super) fn remove(&mut self, id: TunnelId) -> Option<u64> {
        let tunnel = self.by_id.remove(&id)?;
        self.half_open.retain(|other| *other != id);
        self.pending -= tunnel.pending;
        Some(tunnel.pending_headers())
    }

    /// The next tunnel whose hand-shake took too long.
    pub(super) fn pop_silent(&mut self, now: Instant) -> Option<TunnelId> {
        self.next_deadline().filter(|deadline| *deadline <= now)?;
        self.half_open.pop_front()
    }

    /// The tunnel whose hand-shake has lasted longest.
    pub(super) fn pop_half_open(&mut self) -> Option<TunnelId> {
        self.half_open.pop_front()
    }

    pub(super) fn push(&mut self, id: TunnelId, octets: &[u8]) {
        if let Some(tunnel) = self.by_id.get_mut(&id) {
            tunnel.decoder.push(octets);
        }
    }

    pub(super) fn next_message(&mut self, id: TunnelId) -> Result<Option<Message>, DecodeError> {
        self.by_id.get_mut(&id).map_or(Ok(None), |tunnel| tunnel.decoder.next())
    }

    /// The hand-shake is over.
    pub(super) fn set_ready(&mut self, id: TunnelId) {
        if let Some(tunnel) = self.by_id.get_mut(&id) {
            tunnel.standing = Standing::Ready;
            self.half_open.retain(|other| *other != id);
        }
    }

    pub(super) fn is_ready(&self, id: TunnelId) -> bool {
        self.by_id.get(&id).is_some_and(|tunnel| tunnel.standing == Standing::Ready)
    }

    /// The most octets of payload that any tunnel gets.
    pub(super) fn payload(&self) -> u16 {
        let ready = self.by_id.values().filter(|tunnel| tunnel.standing == Standing::Ready);
        ready.map(|tunnel| tunnel.payload).max().unwrap_or(0)
    }

    /// Whether any tunnel gets the times at which responses are seen.
    pub(super) fn times(&self) -> Times {
        let mut ready = self.by_id.values().filter(|tunnel| tunnel.standing == Standing::Ready);
        if ready.any(|tunnel| tunnel.times == Times::Wanted) { Times::Wanted } else { Times::Unwanted }
    }

    /// Queues what is no header: a part of the hand-shake.
    pub(super) fn queue(&mut self, id: TunnelId, write: impl FnOnce(&mut Vec<u8>)) {
        self.queue_for(id, |tunnel, _| {
            tunnel.push(|batch| write(&mut batch.octets));
            Queued::Waits
        });
    }

    /// Queues a header that was seen at this time of our clock.
    pub(super) fn queue_header(
        &mut self,
        id: TunnelId,
        seen: Duration,
        response: &Response<'_>,
        mss: usize,
    ) -> Queued {
        self.queue_for(id, |tunnel, max| {
            let (wire, payload) = (tunnel.wire, tunnel.payload);
            let news = tunnel.times == Times::Wanted && tunnel.told.replace(seen) != Some(seen);
            tunnel.push_within(max, wire.least(payload), |batch| {
                if news {
                    Reply::write_time(u64::try_from(seen.as_micros()).unwrap_or(u64::MAX), &mut batch.octets);
                }
                wire.queue(response, payload, mss, batch);
            })
        })
    }

    /// Version 2 has datagrams, and nobody asks for them in version 1.
    pub(super) fn queue_datagram(&mut self, id: TunnelId, datagram: &TargetDatagram) -> Queued {
        self.queue_for(id, |tunnel, max| {
            tunnel.push_within(max, TargetDatagram::MAX_LEN, |batch| {
                datagram.write(&mut batch.octets);
                batch.headers += 1;
            })
        })
    }

    /// Queues something for a tunnel, which is then named to the driver. `push` gets the octets that may wait.
    fn queue_for(&mut self, id: TunnelId, push: impl FnOnce(&mut Tunnel, usize) -> Queued) -> Queued {
        let Some(tunnel) = self.by_id.get_mut(&id) else { return Queued::NoTunnel };
        let before = tunnel.pending;
        let queued = push(tunnel, self.max_pending);
        self.pending += tunnel.pending - before;
        if queued == Queued::Waits && std::mem::replace(&mut tunnel.notice, Notice::Given) == Notice::Due {
            self.ready.push_back(id);
        }
        queued
    }

    /// If more waits for all tunnels together than may: the one for which most does, and how many octets that are.
    pub(super) fn slowest(&self) -> Option<(TunnelId, usize)> {
        if self.pending <= self.max_pending_of_all {
            return None;
        }
        let pending = self.by_id.iter().map(|(id, tunnel)| (*id, tunnel.pending));
        pending.max_by_key(|(_, octets)| *octets)
    }

    pub(super) fn poll_ready(&mut self) -> Option<TunnelId> {
        loop {
            let id = self.ready.pop_front()?;
            if self.by_id.contains_key(&id) {
                return Some(id);
            }
        }
    }

    pub(super) fn write(&mut self, id: TunnelId, out: &mut Vec<u8>) -> Option<u64> {
        let tunnel = self.by_id.get_mut(&id)?;
        let before = tunnel.pending;
        let frames = tunnel.write_batch(self.records_per_frame, out);
        self.pending -= before - tunnel.pending;
        frames
    }
}
