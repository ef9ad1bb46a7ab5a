//! The listening socket.

use mio::net::TcpListener;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use tc_sys::process::port_holder;
use tc_sys::{SysError, socket};

/// Listens on an address, or on all for none; or says what is in the way.
pub(crate) fn open(address: Option<IpAddr>, port: u16) -> Result<TcpListener, SysError> {
    let listener = match address {
        Some(address) => socket::listen((address, port).into()),
        None => socket::listen_on_all(port),
    };
    listener.map(TcpListener::from_std).map_err(|cause| {
        let remedy = remedy(cause.kind(), port);
        let address = SocketAddr::new(address.unwrap_or(Ipv6Addr::UNSPECIFIED.into()), port);
        let error = SysError::new("listen on", address.to_string(), cause);
        match remedy {
            Some(remedy) => error.with_hint(remedy),
            None => error,
        }
    })
}

fn remedy(kind: ErrorKind, port: u16) -> Option<String> {
    if kind == ErrorKind::AddrInUse {
        Some(in_use(port))
    } else if kind == ErrorKind::AddrNotAvailable {
        Some("give an address of this host to -b".to_owned())
    } else if kind == ErrorKind::PermissionDenied {
        Some("ports below 1024 need CAP_NET_BIND_SERVICE: run with sudo, or choose another with -p".to_owned())
    } else {
        None
    }
}

fn in_use(port: u16) -> String {
    let holder = port_holder(port).map_or_else(|| "another program".to_owned(), |holder| holder.to_string());
    format!("port {port} is held by {holder}; stop it or choose another port with -p")
}
