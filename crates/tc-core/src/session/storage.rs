//! Memory for captured data, which sessions lend each other.

use super::Session;
use super::captured::Captured;
use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use tc_proto::SeqNum;

/// So many segments are looked at one by one before all of them are searched.
const NEAR: usize = 4;
/// Larger storage is not kept for another session: an upload that had to wait.
const MAX_STORAGE_OCTETS: usize = 2 << 20;
/// Octets that the pool keeps.
const MAX_POOL_OCTETS: usize = 4 << 20;

/// Captured data in order: its octets, and the segments they came in.
#[derive(Debug)]
pub(super) struct Data {
    pub(super) octets: VecDeque<u8>,
    pub(super) segments: VecDeque<Captured>,
}

impl Data {
    const EMPTY: Self = Self { octets: VecDeque::new(), segments: VecDeque::new() };
}

/// The captured data of a session, and the memory for it where there is any: most sessions wait, and have none.
#[derive(Debug, Default)]
pub(super) struct Storage(Option<Box<Data>>);

impl Deref for Storage {
    type Target = Data;

    fn deref(&self) -> &Data {
        static EMPTY: Data = Data::EMPTY;
        self.0.as_deref().unwrap_or(&EMPTY)
    }
}

impl DerefMut for Storage {
    fn deref_mut(&mut self) -> &mut Data {
        self.0.get_or_insert_with(|| Box::new(Data::EMPTY))
    }
}

impl Storage {
    /// Octets of memory in use, with data or without.
    pub(super) fn memory(&self) -> usize {
        self.0.as_ref().map_or(0, |data| size_of::<Data>() + data.allocated())
    }
}

impl Data {
    fn allocated(&self) -> usize {
        self.octets.capacity() + self.segments.capacity() * size_of::<Captured>()
    }

    /// Lets go of the first octets, so many. What is left begins at `base`.
    pub(super) fn discard(&mut self, count: usize, base: SeqNum) {
        self.octets.drain(..count);
        while self.segments.front().is_some_and(|first| first.end().at_or_before(base)) {
            self.segments.pop_front();
        }
        if let Some(first) = self.segments.front_mut() {
            let cut = base.octets_since(first.seq);
            first.begins &= cut == 0;
            first.seq += cut;
            first.len -= cut;
        }
    }

    /// The segment that holds the octet at `seq`: nearly always one of the first, however many there are.
    pub(super) fn segment_at(&self, seq: SeqNum) -> Option<&Captured> {
        let first = self.segments.iter().take(NEAR).position(|segment| segment.end().after(seq));
        let search = || self.segments.partition_point(|segment| segment.end().at_or_before(seq));
        self.segments.get(first.unwrap_or_else(search)).filter(|segment| segment.seq.at_or_before(seq))
    }

    /// `len` octets from `start` on, as far as there are so many.
    pub(super) fn octets_at(&self, start: usize, len: usize) -> [&[u8]; 2] {
        let start = start.min(self.octets.len());
        let end = (start + len).min(self.octets.len());
        let (front, back) = self.octets.as_slices();
        let part = |slice: &[u8], offset: usize| {
            let within = |at: usize| at.saturating_sub(offset).min(slice.len());
            within(start)..within(end)
        };
        let (in_front, in_back) = (part(front, 0), part(back, front.len()));
        [front.get(in_front).unwrap_or_default(), back.get(in_back).unwrap_or_default()]
    }
}

/// Storage that no session uses. The next that has data gets what was used last, which is still in the processor's caches.
#[derive(Debug, Default)]
pub(crate) struct StoragePool {
    free: Vec<Storage>,
    octets: usize,
}

impl StoragePool {
    pub(super) fn take(&mut self) -> Storage {
        let storage = self.free.pop().unwrap_or_default();
        self.octets -= storage.memory();
        storage
    }

    /// Keeps storage without data for another session, as far as there is room.
    pub(super) fn give_back(&mut self, storage: Storage) {
        let octets = storage.memory();
        if octets <= MAX_STORAGE_OCTETS && self.octets + octets <= MAX_POOL_OCTETS {
            self.octets += octets;
            self.free.push(storage);
        }
    }
}

impl Session {
    /// Gets memory for captured data that comes.
    pub(crate) fn take_storage(&mut self, pool: &mut StoragePool) {
        self.stream.take_storage(pool);
    }

    /// Keeps no memory for captured data while there is none.
    pub(crate) fn give_back_storage(&mut self, pool: &mut StoragePool) {
        self.stream.give_back_storage(pool);
    }
}
