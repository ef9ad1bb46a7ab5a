//! Packets that cost little to make.

use std::net::{IpAddr, SocketAddr};
use tc_proto::{Flags, PacketSpec, SeqNum, TcpOptions, Timestamps, Window, WindowScale};

/// A packet of TCP over IPv4 that comes again and again with other addresses and numbers. Its checksums are those of the
/// first, as on a host whose network card computes them.
#[derive(Clone, Debug)]
pub struct Template(Vec<u8>);

impl Template {
    /// A packet with these flags and this payload, and the options of a Linux host.
    #[must_use]
    pub fn new(flags: Flags, payload: &[u8]) -> Self {
        let syn = flags.contains(Flags::SYN);
        let spec = PacketSpec {
            flags,
            window: Window::new(29_200),
            options: TcpOptions {
                mss: syn.then_some(1460),
                window_scale: syn.then(|| WindowScale::new(7)),
                sack_permitted: syn,
                timestamps: Some(Timestamps { value: 1, echo: 0 }),
                ..TcpOptions::default()
            },
            payload: [payload, &[]],
            ..PacketSpec::between(crate::client(0), crate::ONLINE)
        };
        Self(spec.octets())
    }

    /// The packet between these ends, with these numbers.
    #[must_use]
    pub fn with(&mut self, source: SocketAddr, destination: SocketAddr, seq: SeqNum, ack: SeqNum) -> &[u8] {
        let (IpAddr::V4(from), IpAddr::V4(to)) = (source.ip(), destination.ip()) else { return &self.0 };
        self.0[12..16].copy_from_slice(&from.octets());
        self.0[16..20].copy_from_slice(&to.octets());
        self.0[20..22].copy_from_slice(&source.port().to_be_bytes());
        self.0[22..24].copy_from_slice(&destination.port().to_be_bytes());
        self.0[24..28].copy_from_slice(&seq.value().to_be_bytes());
        self.0[28..32].copy_from_slice(&ack.value().to_be_bytes());
        &self.0
    }
}
