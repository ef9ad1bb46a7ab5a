//! Whether packets of one connection arrive at an interface of this host.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use tc_proto::Flow;

use super::filter::Filter;
use super::socket::{ETH_P_IP, ETH_P_IPV6};
use crate::SysError;
use crate::syscall::{options, socket};

/// The type of frames of local experiments (IEEE 802): what a socket is bound to that is to see nothing. Protocol 0 does not
/// take a socket back that was bound to another one, on every kernel.
const NO_PROTOCOL: u16 = 0x88b5;

/// Looks for packets of one connection as they arrive: before the reverse path filter, conntrack and all rules.
///
/// The kernel counts them, nothing is read. While none is looked for, no packet passes the socket, so it costs nothing.
#[derive(Debug)]
pub struct ArrivalWatch {
    socket: OwnedFd,
}

impl ArrivalWatch {
    /// A watch that looks for nothing yet. It needs `CAP_NET_RAW` now, and no privilege later.
    ///
    /// # Errors
    ///
    /// A missing privilege.
    pub fn open() -> Result<Self, SysError> {
        let failed = |cause| SysError::new("open", "a packet socket", cause).with_privilege_hint();
        let socket = socket::open(libc::AF_PACKET, libc::SOCK_DGRAM, 0).map_err(failed)?;
        options::attach_filter(socket.as_fd(), Filter::nothing().instructions()).map_err(failed)?;
        Ok(Self { socket })
    }

    /// Looks for packets that this client sends to this target, from now on.
    ///
    /// # Errors
    ///
    /// What setsockopt(2) and bind(2) report.
    pub fn begin(&self, flow: &Flow) -> io::Result<()> {
        let protocol = if flow.target.is_ipv4() { ETH_P_IP } else { ETH_P_IPV6 };
        options::attach_filter(self.socket.as_fd(), Filter::of_flow(flow).instructions())?;
        // What was counted for another flow is taken off.
        options::packet_statistics(self.socket.as_fd())?;
        socket::bind_packet(self.socket.as_fd(), protocol, 0)
    }

    /// Looks for nothing any more; how many packets came.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin).
    pub fn end(&self) -> io::Result<u32> {
        options::attach_filter(self.socket.as_fd(), Filter::nothing().instructions())?;
        socket::bind_packet(self.socket.as_fd(), NO_PROTOCOL, 0)?;
        let (packets, _) = options::packet_statistics(self.socket.as_fd())?;
        Ok(packets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{in_namespace, run};
    use rustix::net::{self, AddressFamily, SocketType};
    use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

    /// A socket that has its port already, and is not connected.
    fn client(address: IpAddr) -> (OwnedFd, SocketAddr) {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = net::socket(family, SocketType::STREAM, None).expect("a socket");
        net::bind(&socket, &SocketAddr::new(address, 0)).expect("a port");
        let name = net::getsockname(&socket).expect("its name");
        (socket, name.try_into().expect("of IP"))
    }

    #[test]
    fn packets_of_the_flow_are_counted_and_no_others_while_they_are_looked_for() {
        in_namespace(|| {
            run("ip address add 2001:db8::1 dev lo nodad");
            for address in ["127.0.0.1", "2001:db8::1"].map(|text| text.parse::<IpAddr>().expect("an address"))
            {
                let listener = TcpListener::bind((address, 0)).expect("a port");
                let target = listener.local_addr().expect("an address");
                let watch = ArrivalWatch::open().expect("needs root: a packet socket");
                assert_eq!(watch.end().expect("counted"), 0);
                let (socket, client) = client(address);
                watch.begin(&Flow { client, target }).expect("it looks");
                let other = TcpStream::connect(target).expect("connected");
                assert_eq!(watch.end().expect("counted"), 0, "another client of the same target");
                watch.begin(&Flow { client, target }).expect("it looks");
                net::connect(&socket, &target).expect("connected");
                assert_eq!(watch.end().expect("counted"), 2, "a SYN and the acknowledgment of its answer");
                drop(socket);
                assert_eq!(watch.end().expect("counted"), 0, "a FIN that nobody looked for");
                drop(other);
            }
        });
    }
}
