//! Options of TCP sockets that the standard library does not offer (tcp(7)).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::syscall::options;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};

/// When a silent connection counts as dead: after `idle` and `count` probes `interval` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence before the first probe; whole seconds, at least one.
    pub idle: Duration,
    /// Time between probes; whole seconds, at least one.
    pub interval: Duration,
    /// Probes without an answer that end the connection.
    pub count: u8,
}

/// Connections that may wait to be accepted, as far as `net.core.somaxconn` lets them.
const BACKLOG: i32 = 1024;

/// Listens on a port of each address of this host, IPv4 and IPv6, with one socket; on a host without IPv6 on each IPv4
/// address. Non-blocking.
///
/// # Errors
///
/// What socket(2), bind(2) or listen(2) reports.
pub fn listen_on_all(port: u16) -> io::Result<TcpListener> {
    match listen((Ipv6Addr::UNSPECIFIED, port).into()) {
        Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
            listen((Ipv4Addr::UNSPECIFIED, port).into())
        }
        result => result,
    }
}

/// Listens on an address; the unspecified IPv6 address stands for those of IPv4 too. Non-blocking.
///
/// # Errors
///
/// What socket(2), bind(2) or listen(2) reports.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
    net::sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        net::sockopt::set_ipv6_v6only(&socket, false)?;
    }
    net::bind(&socket, &address)?;
    net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Sends small segments at once (`TCP_NODELAY`).
///
/// # Errors
///
/// What setsockopt(2) reports.
pub fn set_nodelay(socket: BorrowedFd<'_>) -> io::Result<()> {
    options::set(socket, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)
}

/// Finds out when the peer is gone (`SO_KEEPALIVE`, `TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`).
///
/// # Errors
///
/// What setsockopt(2) reports.
pub fn set_keepalive(socket: BorrowedFd<'_>, keepalive: Keepalive) -> io::Result<()> {
    let seconds = |time: Duration| libc::c_int::try_from(time.as_secs().max(1)).unwrap_or(libc::c_int::MAX);
    options::set(socket, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, seconds(keepalive.idle))?;
    options::set(socket, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, seconds(keepalive.interval))?;
    options::set(socket, libc::IPPROTO_TCP, libc::TCP_KEEPCNT, keepalive.count.max(1).into())?;
    options::set(socket, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1)
}

/// Ends the connection when sent data is not acknowledged for `timeout`, in milliseconds (`TCP_USER_TIMEOUT`). Zero
/// means the system's default.
///
/// # Errors
///
/// What setsockopt(2) reports.
pub fn set_user_timeout(socket: BorrowedFd<'_>, timeout: Duration) -> io::Result<()> {
    let milliseconds = libc::c_int::try_from(timeout.as_millis()).unwrap_or(libc::c_int::MAX);
    options::set(socket, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, milliseconds)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn one_socket_listens_on_the_addresses_of_both_versions() {
        crate::testing::in_namespace(|| {
            crate::testing::run("ip link set lo up");
            let listener = listen_on_all(4000).expect("a listener");
            for address in ["127.0.0.1:4000", "[::1]:4000"] {
                std::net::TcpStream::connect(address).expect("a connection");
            }
            assert_eq!(listen_on_all(4000).expect_err("one listener").kind(), io::ErrorKind::AddrInUse);
            assert_eq!(listener.local_addr().expect("an address").port(), 4000);
        });
    }

    #[test]
    fn the_kernel_has_what_was_set() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let fd = listener.as_fd();
        let keepalive = Keepalive { idle: Duration::from_secs(7), interval: Duration::from_secs(3), count: 4 };
        set_nodelay(fd).expect("no delay");
        set_keepalive(fd, keepalive).expect("keepalive");
        set_user_timeout(fd, Duration::from_millis(12_345)).expect("user timeout");
        let tcp = |name| options::integer(fd, libc::IPPROTO_TCP, name).expect("an option");
        assert_eq!(tcp(libc::TCP_NODELAY), 1);
        assert_eq!((tcp(libc::TCP_KEEPIDLE), tcp(libc::TCP_KEEPINTVL), tcp(libc::TCP_KEEPCNT)), (7, 3, 4));
        assert_eq!(tcp(libc::TCP_USER_TIMEOUT), 12_345);
        assert_eq!(options::integer(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE).expect("an option"), 1);
    }
}
