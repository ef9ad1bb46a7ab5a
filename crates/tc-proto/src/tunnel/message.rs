//! Messages from tcpcopy to intercept.

use super::auth::{Nonce, Proof};
use super::body::{Fields, write_message};
use super::{DatagramRoute, DecodeError, MAGIC, VERSION};
use crate::Flow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};

const ADD_ROUTE: u16 = 1;
const REMOVE_ROUTE: u16 = 2;

const WANTS_TIMES: u16 = 1;

/// Types of version 2.
mod kind {
    pub(super) const HELLO: u16 = 1;
    pub(super) const PROOF: u16 = 2;
    pub(super) const ADD_ROUTE: u16 = 16;
    pub(super) const REMOVE_ROUTE: u16 = 17;
    pub(super) const ADD_DATAGRAM_ROUTE: u16 = 18;
    pub(super) const TRACE: u16 = 32;
}

/// What tcpcopy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// The first message of a C program: the version of tcpcopy.
    Version(u16),
    /// The first message of ours: [`VERSION`], and the highest version of the tunnel that it speaks, in fields that
    /// the C programs ignore.
    Offer(u16),
    /// What follows is in version 2.
    Switch,
    /// Version 2: what tcpcopy wants.
    Hello(TcpcopyHello),
    /// Version 2: that tcpcopy knows the key.
    Proof(Proof),
    /// Responses of this flow go to this connection from here on.
    AddRoute(Flow),
    /// The flow has ended. The C programs never send it and ignore it.
    RemoveRoute(Flow),
    /// Version 2: these datagrams of the target are told to this connection from here on.
    AddDatagramRoute(DatagramRoute),
    /// Version 2: look for packets of this flow for a moment, and say what you [saw](super::Sighting).
    Trace(Flow),
}

/// The first message of tcpcopy in version 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpcopyHello {
    /// Octets of each response's payload that it wants.
    pub payload: u16,
    /// Whether it wants to know when responses were seen.
    pub times: Times,
    /// Its half of the challenge.
    pub nonce: Nonce,
}

/// Whether tcpcopy wants to know when intercept saw the responses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Times {
    /// It does not ask.
    #[default]
    Unwanted,
    /// [`Reply::Time`](super::Reply::Time) comes before the responses that were seen at that time.
    Wanted,
}

impl Message {
    /// Octets of each message of version 1.
    pub const LEN: usize = 14;

    /// The type of [`Switch`](Self::Switch) in version 1.
    pub(super) const SWITCH: u16 = 3;

    /// The message's octets in version 1, or `None` if only version 2 has it: an IPv6 flow, a hello, a proof, a
    /// route of datagrams, a trace.
    #[must_use]
    pub fn encode(&self) -> Option<[u8; Self::LEN]> {
        let unspecified = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
        let (client, kind, target) = match *self {
            Self::Version(version) => (unspecified, version, unspecified),
            Self::Offer(offered) => (unspecified, VERSION, SocketAddrV4::new(MAGIC.into(), offered)),
            Self::Switch => (unspecified, Self::SWITCH, unspecified),
            Self::AddRoute(flow) => (v4(flow.client)?, ADD_ROUTE, v4(flow.target)?),
            Self::RemoveRoute(flow) => (v4(flow.client)?, REMOVE_ROUTE, v4(flow.target)?),
            Self::Hello(_) | Self::Proof(_) | Self::AddDatagramRoute(_) | Self::Trace(_) => return None,
        };
        let mut octets = [0; Self::LEN];
        octets[..4].copy_from_slice(&client.ip().octets());
        octets[4..6].copy_from_slice(&client.port().to_be_bytes());
        octets[6..8].copy_from_slice(&kind.to_be_bytes());
        octets[8..12].copy_from_slice(&target.ip().octets());
        octets[12..].copy_from_slice(&target.port().to_be_bytes());
        Some(octets)
    }

    /// Appends the message's octets in version 2 to `out`; nothing for what only version 1 has.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Version(_) | Self::Offer(_) | Self::Switch => {}
            Self::Hello(hello) => write_message(kind::HELLO, out, |out| {
                out.extend_from_slice(&hello.payload.to_be_bytes());
                out.extend_from_slice(&hello.nonce);
                let flags = if hello.times == Times::Wanted { WANTS_TIMES } else { 0 };
                out.extend_from_slice(&flags.to_be_bytes());
            }),
            Self::Proof(proof) => write_message(kind::PROOF, out, |out| out.extend_from_slice(proof)),
            Self::AddRoute(flow) => write_message(kind::ADD_ROUTE, out, |out| write_flow(flow, out)),
            Self::RemoveRoute(flow) => write_message(kind::REMOVE_ROUTE, out, |out| write_flow(flow, out)),
            Self::AddDatagramRoute(route) => {
                write_message(kind::ADD_DATAGRAM_ROUTE, out, |out| route.write_body(out));
            }
            Self::Trace(flow) => write_message(kind::TRACE, out, |out| write_flow(flow, out)),
        }
    }

    /// Reads a message of version 1 that is not the first.
    pub(super) fn from_v1(octets: [u8; Self::LEN]) -> Result<Self, DecodeError> {
        let (flow, kind) = fields(octets);
        match kind {
            ADD_ROUTE => Ok(Self::AddRoute(flow)),
            REMOVE_ROUTE => Ok(Self::RemoveRoute(flow)),
            Self::SWITCH => Ok(Self::Switch),
            unknown => Err(DecodeError::MessageType(unknown)),
        }
    }

    /// Reads the first message.
    pub(super) fn first(octets: [u8; Self::LEN]) -> Result<Self, DecodeError> {
        let (Flow { target, .. }, version) = fields(octets);
        if octets[..6] != [0; 6] {
            return Err(DecodeError::NoVersion);
        }
        let offers = target.ip() == IpAddr::from(MAGIC);
        Ok(if offers { Self::Offer(target.port()) } else { Self::Version(version) })
    }

    /// Whether version 2 has this type.
    pub(super) const fn is_known(kind: u16) -> bool {
        matches!(
            kind,
            kind::HELLO
                | kind::PROOF
                | kind::ADD_ROUTE
                | kind::REMOVE_ROUTE
                | kind::ADD_DATAGRAM_ROUTE
                | kind::TRACE
        )
    }

    /// Reads a message of version 2.
    pub(super) fn from_body(kind: u16, body: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(kind, body);
        match kind {
            kind::HELLO => read_hello(&mut fields).map(Self::Hello),
            kind::PROOF => fields.array().map(Self::Proof),
            kind::ADD_ROUTE => read_flow(&mut fields).map(Self::AddRoute),
            kind::REMOVE_ROUTE => read_flow(&mut fields).map(Self::RemoveRoute),
            kind::ADD_DATAGRAM_ROUTE => DatagramRoute::read(&mut fields).map(Self::AddDatagramRoute),
            kind::TRACE => read_flow(&mut fields).map(Self::Trace),
            _ => Err(fields.error()),
        }
    }
}

fn read_hello(fields: &mut Fields<'_>) -> Result<TcpcopyHello, DecodeError> {
    let (payload, nonce) = (fields.u16()?, fields.array()?);
    // Those who do not know of flags do not send them.
    let flags = fields.u16().unwrap_or(0);
    let times = if flags & WANTS_TIMES != 0 { Times::Wanted } else { Times::Unwanted };
    Ok(TcpcopyHello { payload, times, nonce })
}

fn v4(address: SocketAddr) -> Option<SocketAddrV4> {
    match address {
        SocketAddr::V4(v4) => Some(v4),
        SocketAddr::V6(_) => None,
    }
}

fn fields(octets: [u8; Message::LEN]) -> (Flow, u16) {
    let number = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
    let address =
        |at: usize| Ipv4Addr::from_octets([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
    let flow = Flow { client: (address(0), number(4)).into(), target: (address(8), number(12)).into() };
    (flow, number(6))
}

/// The IP version in one octet and a zero, the ports, the addresses: the client's first.
pub(super) fn write_flow(flow: &Flow, out: &mut Vec<u8>) {
    out.extend_from_slice(&[if flow.target.is_ipv4() { 4 } else { 6 }, 0]);
    out.extend_from_slice(&flow.client.port().to_be_bytes());
    out.extend_from_slice(&flow.target.port().to_be_bytes());
    write_address(flow.client.ip(), out);
    write_address(flow.target.ip(), out);
}

pub(super) fn read_flow(fields: &mut Fields<'_>) -> Result<Flow, DecodeError> {
    let [version, _] = fields.array()?;
    let (client, target) = (fields.u16()?, fields.u16()?);
    let client = (read_address(version, fields)?, client).into();
    Ok(Flow { client, target: (read_address(version, fields)?, target).into() })
}

pub(super) fn write_address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(v4) => out.extend_from_slice(&v4.octets()),
        IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()),
    }
}

pub(super) fn read_address(version: u8, fields: &mut Fields<'_>) -> Result<IpAddr, DecodeError> {
    match version {
        4 => fields.array::<4>().map(|octets| Ipv4Addr::from(octets).into()),
        6 => fields.array::<16>().map(|octets| Ipv6Addr::from(octets).into()),
        _ => Err(fields.error()),
    }
}
