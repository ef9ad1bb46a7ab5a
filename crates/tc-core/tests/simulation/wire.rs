//! Packets as a library that is not ours sees them.

use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Packet, Ipv6Packet, TcpOption, TcpPacket};
use std::net::SocketAddr;
use tc_proto::SeqNum;

/// What stands in one TCP packet.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) seq: SeqNum,
    pub(crate) ack: Option<SeqNum>,
    pub(crate) syn: bool,
    pub(crate) fin: bool,
    pub(crate) rst: bool,
    pub(crate) mss: Option<u16>,
    pub(crate) scale: Option<u8>,
    pub(crate) stamps: Option<(u32, u32)>,
    pub(crate) options_len: usize,
    pub(crate) payload: Vec<u8>,
}

impl Facts {
    /// Octets of sequence space.
    pub(crate) fn sequence_len(&self) -> usize {
        self.payload.len() + usize::from(self.syn) + usize::from(self.fin)
    }

    /// The sequence number behind the packet.
    pub(crate) fn end(&self) -> SeqNum {
        self.seq + self.sequence_len()
    }
}

/// Reads a packet, or names what is wrong with it: each length and each checksum must be right.
pub(crate) fn read(packet: &[u8]) -> Result<Facts, &'static str> {
    if packet.first().is_some_and(|first| first >> 4 == 6) {
        let ip = Ipv6Packet::new_checked(packet).map_err(|_| "no IPv6 packet")?;
        if ip.total_len() != packet.len() || ip.next_header() != IpProtocol::Tcp {
            return Err("a wrong IPv6 header");
        }
        return read_tcp(ip.payload(), ip.src_addr().into(), ip.dst_addr().into());
    }
    let ip = Ipv4Packet::new_checked(packet).map_err(|_| "no IPv4 packet")?;
    if usize::from(ip.total_len()) != packet.len() || ip.next_header() != IpProtocol::Tcp {
        return Err("a wrong IPv4 header");
    }
    if !ip.verify_checksum() {
        return Err("a wrong IPv4 checksum");
    }
    read_tcp(ip.payload(), ip.src_addr().into(), ip.dst_addr().into())
}

fn read_tcp(segment: &[u8], source: IpAddress, destination: IpAddress) -> Result<Facts, &'static str> {
    let tcp = TcpPacket::new_checked(segment).map_err(|_| "no TCP segment")?;
    if !tcp.verify_checksum(&source, &destination) {
        return Err("a wrong TCP checksum");
    }
    let mut facts = Facts {
        source: (source, tcp.src_port()).into_socket(),
        destination: (destination, tcp.dst_port()).into_socket(),
        seq: number(tcp.seq_number()),
        ack: tcp.ack().then(|| number(tcp.ack_number())),
        syn: tcp.syn(),
        fin: tcp.fin(),
        rst: tcp.rst(),
        mss: None,
        scale: None,
        stamps: None,
        options_len: usize::from(tcp.header_len()) - 20,
        payload: tcp.payload().to_vec(),
    };
    read_options(tcp.options(), &mut facts)?;
    Ok(facts)
}

fn read_options(mut options: &[u8], facts: &mut Facts) -> Result<(), &'static str> {
    while !options.is_empty() {
        let (rest, option) = TcpOption::parse(options).map_err(|_| "a wrong TCP option")?;
        options = rest;
        match option {
            TcpOption::EndOfList => return Ok(()),
            TcpOption::MaxSegmentSize(mss) => facts.mss = Some(mss),
            TcpOption::WindowScale(shift) => facts.scale = Some(shift),
            TcpOption::TimeStamp { tsval, tsecr } => facts.stamps = Some((tsval, tsecr)),
            TcpOption::NoOperation
            | TcpOption::SackPermitted
            | TcpOption::SackRange(_)
            | TcpOption::Unknown { .. } => {}
        }
    }
    Ok(())
}

/// Moves the sequence number, or the acknowledgment, of a packet that was read.
pub(crate) fn shift(packet: &mut [u8], seq: u32, ack: u32) {
    let (header_len, source, destination) = if packet[0] >> 4 == 6 {
        let ip = Ipv6Packet::new_unchecked(&*packet);
        (40, ip.src_addr().into(), ip.dst_addr().into())
    } else {
        let ip = Ipv4Packet::new_unchecked(&*packet);
        (usize::from(ip.header_len()), IpAddress::from(ip.src_addr()), IpAddress::from(ip.dst_addr()))
    };
    let mut tcp = TcpPacket::new_unchecked(&mut packet[header_len..]);
    let moved = |number: smoltcp::wire::TcpSeqNumber, by: u32| {
        smoltcp::wire::TcpSeqNumber(number.0.wrapping_add(by.cast_signed()))
    };
    let number = moved(tcp.seq_number(), seq);
    tcp.set_seq_number(number);
    if tcp.ack() {
        let number = moved(tcp.ack_number(), ack);
        tcp.set_ack_number(number);
    }
    tcp.fill_checksum(&source, &destination);
}

fn number(seq: smoltcp::wire::TcpSeqNumber) -> SeqNum {
    SeqNum::new(seq.0.cast_unsigned())
}

trait IntoSocket {
    fn into_socket(self) -> SocketAddr;
}

impl IntoSocket for (IpAddress, u16) {
    fn into_socket(self) -> SocketAddr {
        let address: std::net::IpAddr = self.0.into();
        SocketAddr::new(address, self.1)
    }
}
