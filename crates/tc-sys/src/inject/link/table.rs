//! The kernel's routing and neighbour tables, asked over rtnetlink (rtnetlink(7)).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};

use tc_proto::MacAddr;

use crate::netlink::{Message, Messages, messages};
use crate::syscall::{options, receive, socket};

/// The next hop of a route, of any family (`linux/rtnetlink.h`; not every C library has it).
const RTA_VIA: libc::c_int = 18;

/// `struct rtmsg` and `struct ndmsg`.
const FIXED: usize = 12;
/// States in which the address of a neighbour is known (`NUD_VALID`, `net/neighbour.h`).
const VALID: u16 = libc::NUD_PERMANENT
    | libc::NUD_NOARP
    | libc::NUD_REACHABLE
    | libc::NUD_PROBE
    | libc::NUD_STALE
    | libc::NUD_DELAY;
/// States in which nobody needs to ask.
const CONFIRMED: u16 = libc::NUD_PERMANENT | libc::NUD_NOARP | libc::NUD_REACHABLE;
/// The discard service (RFC 863), to which an empty datagram makes the kernel ask for a neighbour.
const DISCARD: u16 = 9;

/// What the kernel knows of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Neighbour {
    pub(super) address: MacAddr,
    /// Whether it was heard lately.
    pub(super) confirmed: bool,
}

/// Both tables, as far as one device goes.
#[derive(Debug)]
pub(super) struct RouteTable {
    netlink: OwnedFd,
    ipv4: Option<UdpSocket>,
    ipv6: Option<UdpSocket>,
    index: u32,
}

impl RouteTable {
    pub(super) fn open(device: &str, index: u32) -> io::Result<Self> {
        let netlink = socket::open(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
        let prober = |address: IpAddr| -> io::Result<UdpSocket> {
            let socket = UdpSocket::bind((address, 0))?;
            options::bind_to_device(socket.as_fd(), device)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let ipv4 = prober(Ipv4Addr::UNSPECIFIED.into()).ok();
        let ipv6 = prober(Ipv6Addr::UNSPECIFIED.into()).ok();
        Ok(Self { netlink, ipv4, ipv6, index })
    }

    /// Where packets to this destination go first, over the device: a router, or the destination itself.
    pub(super) fn next_hop(&self, destination: IpAddr) -> io::Result<IpAddr> {
        let address = octets(destination);
        let mut fixed = [0; FIXED];
        fixed[0] = family(destination);
        fixed[1] = if destination.is_ipv4() { 32 } else { 128 };
        let mut request = Messages::default();
        request.begin_plain(libc::RTM_GETROUTE, 0, &fixed);
        request.attribute(libc::RTA_DST.into(), &address);
        request.attribute(libc::RTA_OIF.into(), &self.index.to_ne_bytes());
        self.ask(&request, libc::RTM_NEWROUTE, |route| {
            if route.fixed::<FIXED>().is_some_and(|fixed| fixed[7] == libc::RTN_LOCAL) {
                return Err(io::Error::other("it is this host itself; leave -o out"));
            }
            let gateway = route.attributes_behind(FIXED).find_map(|(kind, value)| match kind {
                kind if kind == libc::c_int::from(libc::RTA_GATEWAY) => address_of(value),
                // An IPv4 route by an IPv6 router: a family, then the address.
                kind if kind == RTA_VIA => address_of(value.get(2..)?),
                _ => None,
            });
            Ok(gateway.unwrap_or(destination))
        })
    }

    /// What the kernel knows of a neighbour on the device; `None` while it knows nothing.
    pub(super) fn neighbour(&self, hop: IpAddr) -> io::Result<Option<Neighbour>> {
        let mut request = Messages::default();
        request.begin_plain(libc::RTM_GETNEIGH, 0, &self.neighbour_header(hop, 0));
        request.attribute(libc::NDA_DST.into(), &octets(hop));
        let found = self.ask(&request, libc::RTM_NEWNEIGH, |message| {
            let state = message.fixed::<FIXED>().map_or(0, |fixed| u16::from_ne_bytes([fixed[8], fixed[9]]));
            let address = message.attributes_behind(FIXED).find_map(|(kind, value)| {
                let address = MacAddr::from(*value.first_chunk::<6>()?);
                (kind == libc::c_int::from(libc::NDA_LLADDR)).then_some(address)
            });
            let confirmed = state & CONFIRMED != 0;
            Ok(address.filter(|_| state & VALID != 0).map(|address| Neighbour { address, confirmed }))
        });
        match found {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            found => found,
        }
    }

    /// Makes the kernel ask for a neighbour, or whether it is still there.
    pub(super) fn solicit(&self, hop: IpAddr) {
        // With CAP_NET_ADMIN no packet but the question itself leaves.
        let mut request = Messages::default();
        let flags = libc::NLM_F_CREATE | libc::NLM_F_REPLACE | libc::NLM_F_ACK;
        request.begin_plain(libc::RTM_NEWNEIGH, flags, &self.neighbour_header(hop, libc::NTF_USE));
        request.attribute(libc::NDA_DST.into(), &octets(hop));
        if self.ask(&request, libc::RTM_NEWNEIGH, |_| Ok(())).is_ok() {
            return;
        }
        let (socket, address) = match hop {
            IpAddr::V4(hop) => (&self.ipv4, SocketAddr::from((hop, DISCARD))),
            IpAddr::V6(hop) => (&self.ipv6, SocketAddrV6::new(hop, DISCARD, 0, self.index).into()),
        };
        // What cannot be sent now is sent at the next time.
        let _sent = socket.as_ref().map(|socket| socket.send_to(&[], address));
    }

    /// `struct ndmsg`: family, device, state, flags, type.
    fn neighbour_header(&self, hop: IpAddr, flags: u8) -> [u8; FIXED] {
        let mut fixed = [0; FIXED];
        fixed[0] = family(hop);
        fixed[4..8].copy_from_slice(&self.index.to_ne_bytes());
        fixed[10] = flags;
        fixed
    }

    /// Sends a request and gives what `read` makes of the answer of this kind. What came late to an earlier request is
    /// thrown away first. An answer without content, to a request that wants none, is read from an empty message.
    fn ask<T>(
        &self,
        request: &Messages,
        kind: u16,
        read: impl Fn(Message<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut buffer = [0; 8192];
        while socket::receive(self.netlink.as_fd(), &mut buffer).is_ok() {}
        receive::send(self.netlink.as_fd(), request.as_bytes())?;
        // The kernel has answered when the call above returns.
        let length = socket::receive(self.netlink.as_fd(), &mut buffer)?;
        for message in messages(buffer.get(..length).unwrap_or(&buffer)) {
            match message.answer() {
                Some(0) => return read(message),
                Some(errno) => return Err(io::Error::from_raw_os_error(errno)),
                None if message.kind() == kind => return read(message),
                None => {}
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }
}

fn family(address: IpAddr) -> u8 {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    u8::try_from(family).unwrap_or(0)
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn address_of(octets: &[u8]) -> Option<IpAddr> {
    match *octets {
        [a, b, c, d] => Some(Ipv4Addr::new(a, b, c, d).into()),
        _ => Some(Ipv6Addr::from(*octets.first_chunk::<16>().filter(|_| octets.len() == 16)?).into()),
    }
}
