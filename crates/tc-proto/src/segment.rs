//! The facts of one segment.

use crate::{Flags, SeqNum, TcpOptions, Window};
use std::net::SocketAddr;

/// What the headers of one TCP segment say, without its octets.
///
/// Which sequence space [`seq`](Self::seq) and [`ack`](Self::ack) belong to depends on where the segment was
/// seen; the types of tc-core keep them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Source address and port.
    pub source: SocketAddr,
    /// Destination address and port.
    pub destination: SocketAddr,
    /// SEG.SEQ.
    pub seq: SeqNum,
    /// SEG.ACK, of meaning only with [`Flags::ACK`].
    pub ack: SeqNum,
    /// The control bits.
    pub flags: Flags,
    /// SEG.WND, not scaled.
    pub window: Window,
    /// The urgent pointer, of meaning only with [`Flags::URG`].
    pub urgent: u16,
    /// The options that are understood.
    pub options: TcpOptions,
    /// Octets of payload, by the IP header.
    pub payload_len: usize,
}

impl Segment {
    /// Octets of sequence space: payload, SYN and FIN (SEG.LEN of RFC 9293).
    #[must_use]
    pub const fn sequence_len(&self) -> usize {
        self.payload_len + self.flags.sequence_len()
    }

    /// The sequence number that follows the segment.
    #[must_use]
    pub fn end(&self) -> SeqNum {
        self.seq + self.sequence_len()
    }
}
