//! Traffic that no program should be hurt by.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SendFlags, SocketType, ipproto};

use crate::content::Content;
use crate::lab::Host;

const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// Connections to the tunnel's port that say nonsense; the ones that say half of something stay open.
#[derive(Default)]
pub struct TunnelNoise {
    open: Vec<TcpStream>,
    random: u64,
}

impl TunnelNoise {
    /// Sends each kind of nonsense once, from `host`. Whether the other end takes it is up to the other end.
    pub fn make(&mut self, host: &Host, tunnel: SocketAddr) {
        self.random += 1;
        let mut octets = [0; 4096];
        Content::new(self.random).fill(&mut octets);
        let version = [0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0];
        let half_route = [&version[..], &[10, 198, 1, 1, 0x9c, 0x40, 0]].concat();
        let broken_off: [&[u8]; 4] = [&octets, b"GET / HTTP/1.1\r\n\r\n", &[0xff; 1400], b""];
        let kept: [&[u8]; 4] = [&[0], &half_route, &octets[..13], b""];
        for message in broken_off {
            drop(say(host, tunnel, message));
        }
        self.open.extend(kept.into_iter().filter_map(|message| say(host, tunnel, message)));
    }
}

fn say(host: &Host, to: SocketAddr, message: &[u8]) -> Option<TcpStream> {
    let mut stream = host.inside(|| TcpStream::connect_timeout(&to, CONNECT_LIMIT)).ok()?;
    // The other end may have closed already, which is its right.
    let _ = stream.write_all(message);
    Some(stream)
}

/// Segments that are none: cut off, with offsets and options that lie.
#[must_use]
pub fn malformed_segments(port: u16) -> Vec<Vec<u8>> {
    let segment = |words: u8, flags: u8, rest: &[u8]| {
        let [high, low] = port.to_be_bytes();
        let mut octets = vec![0x9c, 0x41, high, low, 0, 0, 0, 1, 0, 0, 0, 0];
        octets.extend_from_slice(&[words << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
        octets.extend_from_slice(rest);
        octets
    };
    let (syn, ack) = (0x02, 0x18);
    let whole = segment(5, syn, &[]);
    vec![
        whole[..4].to_vec(),
        whole[..10].to_vec(),
        whole[..19].to_vec(),
        segment(0, syn, &[]),
        segment(4, ack, b"data"),
        segment(15, syn, &[]),
        segment(15, ack, b"data"),
        segment(6, syn, &[3, 0, 0, 0]),
        segment(6, syn, &[8, 0, 1, 1]),
        segment(6, syn, &[2, 255, 1, 1]),
        segment(6, syn, &[8, 10, 0, 0]),
        segment(5, 0xff, b"everything at once"),
        segment(5, 0, &[]),
    ]
}

/// Sends segments as they are, from `host` to an address.
///
/// # Panics
///
/// They cannot be sent.
pub fn send_segments(host: &Host, to: Ipv4Addr, segments: &[Vec<u8>]) {
    host.inside(|| {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::TCP));
        let socket = socket.expect("a raw socket can be had");
        for segment in segments {
            let to = SocketAddrV4::new(to, 0);
            rustix::net::sendto(&socket, segment, SendFlags::empty(), &to).expect("a raw packet can be sent");
        }
    });
}
