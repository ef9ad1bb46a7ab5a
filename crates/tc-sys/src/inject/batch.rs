//! Packets that wait to be sent, in one piece of memory.

use std::net::IpAddr;

/// Whole IP packets with the addresses to send them to. Cleared and filled again, it allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct PacketBatch {
    octets: Vec<u8>,
    packets: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    destination: IpAddr,
    end: usize,
}

impl PacketBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch with room for `packets` packets of `octets` in all.
    #[must_use]
    pub fn with_capacity(packets: usize, octets: usize) -> Self {
        Self { octets: Vec::with_capacity(octets), packets: Vec::with_capacity(packets) }
    }

    /// Forgets all packets and keeps the memory.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.packets.clear();
    }

    /// How many packets wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// How many octets the packets have in all.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.octets.len()
    }

    /// Lets `build` append one packet, from its IP header on, and say where it goes; whether there was one.
    ///
    /// `build` only appends. What it appended is forgotten when it returns `None`; and no octet is no packet.
    ///
    /// ```
    /// # use tc_sys::inject::PacketBatch;
    /// # fn poll_transmit(buf: &mut Vec<u8>) -> Option<std::net::IpAddr> { None }
    /// let mut batch = PacketBatch::new();
    /// while batch.len() < 64 && batch.push_with(|buf| poll_transmit(buf)) {}
    /// ```
    pub fn push_with(&mut self, build: impl FnOnce(&mut Vec<u8>) -> Option<IpAddr>) -> bool {
        let start = self.octets.len();
        match build(&mut self.octets) {
            Some(destination) if self.octets.len() > start => {
                self.packets.push(Entry { destination, end: self.octets.len() });
                true
            }
            _ => {
                self.octets.truncate(start);
                false
            }
        }
    }

    /// Copies a packet.
    pub fn push(&mut self, destination: IpAddr, packet: &[u8]) -> bool {
        self.push_with(|octets| {
            octets.extend_from_slice(packet);
            Some(destination)
        })
    }

    /// Where the packet at this place goes.
    pub(super) fn destination_of(&self, index: usize) -> Option<IpAddr> {
        self.packets.get(index).map(|entry| entry.destination)
    }

    /// The packet at this place.
    pub(super) fn octets_of(&self, index: usize) -> Option<&[u8]> {
        let end = self.packets.get(index)?.end;
        let start =
            index.checked_sub(1).and_then(|before| self.packets.get(before)).map_or(0, |entry| entry.end);
        self.octets.get(start..end)
    }

    /// The packets in their order, with where they go.
    pub fn iter(&self) -> impl Iterator<Item = (IpAddr, &[u8])> + Clone {
        let mut start = 0;
        self.packets.iter().map(move |entry| {
            let packet = self.octets.get(start..entry.end).unwrap_or_default();
            start = entry.end;
            (entry.destination, packet)
        })
    }
}
