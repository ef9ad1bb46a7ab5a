//! Packets that were read together, and their verdicts.

use super::Verdict;
use crate::netlink::{Message, Messages, messages};
use crate::syscall::receive::BATCH;

/// Octets that the kernel writes beside a packet, at most: its number, interfaces, marks, times.
const METADATA: usize = 512;

/// Packets that wait for their verdicts in the kernel, read together. Made once and used again.
#[derive(Debug, Default)]
pub struct Batch {
    octets: Vec<u8>,
    slot: usize,
    places: Vec<Place>,
}

/// Where in a batch a packet is.
#[derive(Clone, Copy, Debug)]
struct Place {
    id: u32,
    start: usize,
    len: usize,
    original_len: usize,
}

/// A packet of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuedPacket<'a> {
    /// The packet from its IP header on, cut to the copy range.
    pub payload: &'a [u8],
    /// The length of the packet before the cut, in octets: also where segmentation was offloaded and the length field
    /// of the IP header says nothing.
    pub original_len: usize,
}

impl Batch {
    /// A batch without packets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many packets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The packets, in the order in which they were queued.
    pub fn packets(&self) -> impl Iterator<Item = QueuedPacket<'_>> {
        self.places.iter().map(|place| self.packet(place))
    }

    fn packet(&self, place: &Place) -> QueuedPacket<'_> {
        let payload = self.octets.get(place.start..place.start + place.len).unwrap_or_default();
        QueuedPacket { payload, original_len: place.original_len }
    }

    /// Forgets the packets and gives the room for as many messages as one call receives, and the size of each.
    pub(super) fn room(&mut self, copy_range: u16) -> (&mut [u8], usize) {
        self.places.clear();
        self.slot = (METADATA + usize::from(copy_range)).next_multiple_of(64);
        self.octets.resize(self.slot * BATCH, 0);
        (&mut self.octets, self.slot)
    }

    /// Notes the packets of the message in a slot; answers of the kernel go to `on_answer`.
    pub(super) fn add(&mut self, slot: usize, length: usize, mut on_answer: impl FnMut(i32)) {
        let start = slot * self.slot;
        let received = self.octets.get(start..start + length.min(self.slot)).unwrap_or_default();
        let base = self.octets.as_ptr().addr();
        for message in messages(received) {
            if let Some(errno) = message.answer() {
                on_answer(errno);
            } else if message.is(libc::NFNL_SUBSYS_QUEUE, libc::NFQNL_MSG_PACKET) {
                self.places.extend(place(message, base));
            }
        }
    }

    /// Writes the messages that decide all packets: one for each run of packets with the same verdict. The numbers of
    /// packets grow, and a batch verdict decides all that still wait up to a number.
    pub(super) fn write_verdicts(
        &self,
        queue: u16,
        mut decide: impl FnMut(QueuedPacket<'_>) -> Verdict,
        out: &mut Messages,
    ) {
        let mut run: Option<(Verdict, u32)> = None;
        for place in &self.places {
            let verdict = decide(self.packet(place));
            if let Some((of_run, last)) = run
                && of_run != verdict
            {
                write_verdict(queue, of_run, last, out);
            }
            run = Some((verdict, place.id));
        }
        if let Some((verdict, last)) = run {
            write_verdict(queue, verdict, last, out);
        }
    }

    /// The number of the last packet.
    pub(super) fn last(&self) -> Option<u32> {
        self.places.last().map(|place| place.id)
    }
}

/// Decides all packets that still wait up to the number `last`.
pub(super) fn write_verdict(queue: u16, verdict: Verdict, last: u32, out: &mut Messages) {
    let code: u32 = match verdict {
        Verdict::Drop => 0,   // NF_DROP
        Verdict::Accept => 1, // NF_ACCEPT
    };
    let mut value = [0; 8];
    value[..4].copy_from_slice(&code.to_be_bytes());
    value[4..].copy_from_slice(&last.to_be_bytes());
    out.begin(libc::NFNL_SUBSYS_QUEUE, libc::NFQNL_MSG_VERDICT_BATCH, 0, queue);
    out.attribute(libc::NFQA_VERDICT_HDR, &value);
}

/// The packet of a message whose octets lie behind `base`; `None` for one without a number, which nobody can decide.
fn place(message: Message<'_>, base: usize) -> Option<Place> {
    let (mut id, mut payload, mut original) = (None, &[][..], None);
    for (kind, value) in message.attributes() {
        match kind {
            libc::NFQA_PACKET_HDR => id = number(value),
            libc::NFQA_PAYLOAD => payload = value,
            libc::NFQA_CAP_LEN => original = number(value),
            _ => {}
        }
    }
    let original_len = original.map_or(payload.len(), |length| length as usize);
    let start = if payload.is_empty() { 0 } else { payload.as_ptr().addr() - base };
    Some(Place { id: id?, start, len: payload.len(), original_len })
}

fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*value.first_chunk()?))
}
