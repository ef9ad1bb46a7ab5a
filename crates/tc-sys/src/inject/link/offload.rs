//! Segmentation offload: segments of one connection that follow each other leave as one frame. The device cuts it, or the
//! kernel does right before the device, into exactly what the segments were (`linux/virtio_net.h`, and `tcp_offload.c`
//! for what the cuts have in common).

use std::ops::Range;

use tc_proto::Transport;
use tc_proto::checksum::Sum;

use super::super::PacketBatch;
use crate::syscall::transmit::{FrameHeader, MOST_PARTS};

/// `struct virtio_net_hdr` of `linux/virtio_net.h`: flags, type, and four numbers of 16 bits.
pub(super) const VNET_HEADER: usize = 10;
const NEEDS_CSUM: u8 = 1;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;

const IPV6_HEADER: usize = 40;
/// Where the checksum is in a TCP header.
const TCP_CHECKSUM: usize = 16;
const ACK: u8 = 0x10;
const PSH: u8 = 0x08;

/// Packets of a batch that leave in one frame: one, or segments that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Which packets of the batch.
    pub(super) packets: Range<usize>,
    /// Octets of headers of each; all but the first one's are left out.
    headers: Headers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Headers {
    ip: usize,
    all: usize,
}

impl Run {
    /// One packet.
    pub(super) const fn of_one(index: usize) -> Self {
        Self { packets: index..index + 1, headers: Headers { ip: 0, all: 0 } }
    }

    /// The packet at this place and those behind it that can go with it.
    pub(super) fn from(batch: &PacketBatch, start: usize) -> Self {
        let alone = Self::of_one(start);
        let Some(first) = batch.octets_of(start) else { return alone };
        let Some(headers) = headers(first) else { return alone };
        let (mut last, mut end, mut octets) = (first, start + 1, first.len());
        while let Some(next) = batch.octets_of(end) {
            octets += next.len().saturating_sub(headers.all);
            let fits = u16::try_from(octets).is_ok() && end - start < MOST_PARTS - 1;
            if !fits || last.len() != first.len() || !follows(last, next, headers) {
                break;
            }
            (last, end) = (next, end + 1);
        }
        if end == start + 1 { alone } else { Self { packets: start..end, headers } }
    }

    /// How many packets.
    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    /// What of each packet goes behind the head.
    pub(super) fn parts<'a>(&self, batch: &'a PacketBatch) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let skipped = self.headers.all;
        self.packets.clone().filter_map(move |index| batch.octets_of(index)?.get(skipped..))
    }

    /// Appends the head of the frame: the headers of the first packet, made to speak of all.
    pub(super) fn write_head(&self, batch: &PacketBatch, link: &FrameHeader, head: &mut Vec<u8>) {
        let (first, last) = (batch.octets_of(self.packets.start), batch.octets_of(self.packets.end - 1));
        let (Some(first), Some(last)) = (first, last) else { return };
        let Headers { ip, all } = self.headers;
        let (size, payload) = (first.len() - all, self.parts(batch).map(<[u8]>::len).sum::<usize>());
        let gso = if ip == IPV6_HEADER { GSO_TCPV6 } else { GSO_TCPV4 };
        head.extend_from_slice(&[NEEDS_CSUM, gso]);
        for number in [link.len() + all, size, link.len() + ip, TCP_CHECKSUM] {
            head.extend_from_slice(&u16::try_from(number).unwrap_or(u16::MAX).to_ne_bytes());
        }
        head.extend_from_slice(link);
        let start = head.len();
        head.extend_from_slice(first.get(..all).unwrap_or_default());
        let Some((ip, tcp)) = head.get_mut(start..).and_then(|octets| octets.split_at_mut_checked(ip)) else {
            return;
        };
        let text = all - ip.len() + payload;
        let addresses = if ip.len() == IPV6_HEADER {
            put(ip, 4, u16::try_from(text).unwrap_or(0));
            Sum::of(&ip[8..])
        } else {
            put(ip, 2, u16::try_from(ip.len() + text).unwrap_or(0));
            put(ip, 10, 0);
            put(ip, 10, Sum::of(ip).checksum());
            Sum::of(&ip[12..])
        };
        tcp[13] |= last.get(ip.len() + 13).copied().unwrap_or(0) & PSH;
        put(tcp, TCP_CHECKSUM, addresses.and(Sum::of_protocol(Transport::Tcp, text)).folded());
    }
}

/// The headers of a TCP segment that others may follow: it has text, and no flag but ACK.
fn headers(packet: &[u8]) -> Option<Headers> {
    let (ip, protocol) = match packet.first()? {
        0x45 => (20, packet.get(9)?),
        first if first >> 4 == 6 => (IPV6_HEADER, packet.get(6)?),
        _ => return None,
    };
    let tcp = packet.get(ip..).filter(|_| *protocol == Transport::Tcp.protocol())?;
    let all = ip + usize::from(tcp.get(12)? >> 4) * 4;
    (*tcp.get(13)? == ACK && all >= ip + 20 && packet.len() > all).then_some(Headers { ip, all })
}

/// Whether `next` is what the kernel would make of the rest of a frame behind `last`.
fn follows(last: &[u8], next: &[u8], headers: Headers) -> bool {
    let Headers { ip, all } = headers;
    if next.len() <= all || next.len() > last.len() || last.get(ip + 13) != Some(&ACK) {
        return false;
    }
    let same = |range: Range<usize>| last.get(range.clone()) == next.get(range);
    let same_ip = if ip == IPV6_HEADER {
        same(0..4) && same(6..ip)
    } else {
        let identification = |packet| number(packet, 4);
        same(0..2)
            && same(6..10)
            && same(12..ip)
            && identification(next) == identification(last).wrapping_add(1)
    };
    let sequence = |packet| u32::from(number(packet, ip + 4)) << 16 | u32::from(number(packet, ip + 6));
    let text = u32::try_from(last.len() - all).unwrap_or(0);
    same_ip
        && same(ip..ip + 4)
        && sequence(next) == sequence(last).wrapping_add(text)
        && same(ip + 8..ip + 13)
        && next.get(ip + 13).is_some_and(|flags| flags & !PSH == ACK)
        && same(ip + 14..ip + TCP_CHECKSUM)
        && same(ip + 18..all)
}

fn number(octets: &[u8], at: usize) -> u16 {
    octets.get(at..at + 2).map_or(0, |pair| u16::from_be_bytes([pair[0], pair[1]]))
}

fn put(octets: &mut [u8], at: usize, number: u16) {
    octets[at..at + 2].copy_from_slice(&number.to_be_bytes());
}

#[cfg(test)]
mod tests;
