//! Version 2 of the tunnel as somebody says it who means harm: octet by octet, as `docs/tunnel.md` has it.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::lab::Host;
use crate::noise::connect;

/// What a connection begins with: version 6 of version 1, the offer of version 2, and the last message of version 1.
const BEGINNING: [u8; 28] = *b"\0\0\0\0\0\0\0\x06TCPR\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0";
/// Who is not heard for so long says no more.
const PATIENCE: Duration = Duration::from_secs(20);

/// The type of a hello.
pub const HELLO: u16 = 1;
/// The type of a proof.
pub const PROOF: u16 = 2;
/// The type of a message that adds a route.
pub const ADD_ROUTE: u16 = 16;

/// A connection that speaks version 2 and reads nothing.
pub struct Stranger(TcpStream);

impl Stranger {
    /// Connects from `host`, goes over to version 2, and says `octets`.
    ///
    /// # Panics
    ///
    /// Nobody accepts.
    #[must_use]
    pub fn connect(host: &Host, tunnel: SocketAddr, octets: &[u8]) -> Self {
        let mut stranger = Self(connect(host, tunnel, PATIENCE).expect("intercept accepts"));
        stranger.0.set_write_timeout(Some(PATIENCE)).expect("a time");
        stranger.say(&[&BEGINNING, octets].concat());
        stranger
    }

    /// Says something. The other end may have closed already, which is its right.
    pub fn say(&mut self, octets: &[u8]) {
        let _ = self.0.write_all(octets);
    }
}

/// A message.
#[must_use]
pub fn message(kind: u16, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).expect("a short body");
    [&kind.to_be_bytes()[..], &len.to_be_bytes(), body].concat()
}

/// A hello that asks for so many octets of each answer's payload, and for no times.
#[must_use]
pub fn hello(payload: u16) -> Vec<u8> {
    message(HELLO, &[&payload.to_be_bytes()[..], &[7; 32], &[0; 2]].concat())
}

/// Adds a route.
#[must_use]
pub fn route(client: SocketAddr, target: SocketAddr) -> Vec<u8> {
    let version = if target.is_ipv4() { 4 } else { 6 };
    let ports = [client.port().to_be_bytes(), target.port().to_be_bytes()].concat();
    let body = [&[version, 0][..], &ports, &octets_of(client.ip()), &octets_of(target.ip())].concat();
    message(ADD_ROUTE, &body)
}

/// One of many clients of a target that nobody is.
#[must_use]
pub fn somebody(target: SocketAddr, number: u32) -> SocketAddr {
    let address: IpAddr = match target {
        SocketAddr::V4(_) => Ipv4Addr::from_bits(0x0b00_0000 + number).into(),
        SocketAddr::V6(_) => Ipv6Addr::from_bits(0xfd11 << 112 | u128::from(number)).into(),
    };
    SocketAddr::new(address, 999)
}

/// A segment of a connection that does not exist, with this much payload.
#[must_use]
pub fn segment(source: u16, destination: u16, payload: usize) -> Vec<u8> {
    let ports = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    let rest = [0, 0, 0, 1, 0, 0, 0, 1, 5 << 4, 0x10, 0xff, 0xff, 0, 0, 0, 0];
    [&ports[..], &rest, &vec![b'x'; payload]].concat()
}

fn octets_of(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}
