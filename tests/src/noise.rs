//! Traffic that no program should be hurt by.

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketType, ipproto};
use rustix::process::{Resource, Rlimit};

use crate::content::Content;
use crate::lab::Host;

const CONNECT_LIMIT: Duration = Duration::from_secs(2);
const SEND_LIMIT: Duration = Duration::from_secs(5);

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

/// Opens so many connections, says some random octets on each, and closes them all when all are there.
///
/// # Panics
///
/// This process may not have as many descriptors.
pub fn flood(host: &Host, tunnel: SocketAddr, connections: usize, seed: u64) {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
        .expect("the limit of descriptors can be raised");
    let mut octets = [0; 4096];
    Content::new(seed).fill(&mut octets);
    let open: Vec<_> = (0..connections)
        .filter_map(|number| {
            let (start, len) = (number * 17 % 2000, 1 + usize::from(octets[number % 4096]));
            say(host, tunnel, &octets[start..start + len])
        })
        .collect();
    drop(open);
}

pub(crate) fn connect(host: &Host, to: SocketAddr, limit: Duration) -> std::io::Result<TcpStream> {
    host.inside(|| TcpStream::connect_timeout(&to, limit))
}

fn say(host: &Host, to: SocketAddr, message: &[u8]) -> Option<TcpStream> {
    let mut stream = connect(host, to, CONNECT_LIMIT).ok()?;
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
pub fn send_segments(host: &Host, to: IpAddr, segments: &[Vec<u8>]) {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    host.inside(|| {
        let socket = rustix::net::socket(family, SocketType::RAW, Some(ipproto::TCP));
        let socket = socket.expect("a raw socket can be had");
        for segment in segments {
            let to = SocketAddr::new(to, 0);
            let send = || rustix::net::sendto(&socket, segment, SendFlags::empty(), &to);
            let deadline = Instant::now() + SEND_LIMIT;
            // What waits in a netfilter queue takes the room of the socket.
            while let Err(error) = send() {
                assert!(
                    error == Errno::NOBUFS && Instant::now() < deadline,
                    "a raw packet cannot be sent: {error}"
                );
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
}
