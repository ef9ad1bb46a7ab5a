//! One tunnel's socket.

use mio::net::TcpStream;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use tc_core::relay::{Relay, TunnelId};
use tc_sys::socket::{self, Keepalive};

/// A peer host that vanished is noticed after 10 + 3 × 10 s of silence.
const KEEPALIVE: Keepalive =
    Keepalive { idle: Duration::from_secs(10), interval: Duration::from_secs(10), count: 3 };
/// Headers that the peer does not take for this long end the connection.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// Reads, and writes, of one connection before the others have their turn.
const MAX_STEPS: usize = 16;

/// How far a connection was served.
#[derive(Debug)]
pub(crate) enum Served {
    /// There is more to do at once.
    More,
    /// mio tells when there is more to do.
    Drained,
    /// The connection has ended: the peer closed it, or this went wrong.
    Ended(Option<io::Error>),
}

/// A connected tcpcopy.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    /// Frames, of which the first `written` octets are out.
    out: Vec<u8>,
    written: usize,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, peer: SocketAddr) -> io::Result<Self> {
        socket::set_nodelay(stream.as_fd())?;
        socket::set_keepalive(stream.as_fd(), KEEPALIVE)?;
        socket::set_user_timeout(stream.as_fd(), USER_TIMEOUT)?;
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        Ok(Self { stream, peer, out: Vec::new(), written: 0 })
    }

    /// Passes what has arrived to the relay.
    pub(crate) fn read(&mut self, now: Instant, id: TunnelId, relay: &mut Relay, buffer: &mut [u8]) -> Served {
        for _ in 0..MAX_STEPS {
            match self.stream.read(buffer) {
                Ok(0) => return Served::Ended(None),
                Ok(len) => relay.handle_tunnel_octets(now, id, buffer.get(..len).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Served::Drained,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Served::Ended(Some(error)),
            }
        }
        Served::More
    }

    /// Sends what waits in the relay, as far as the socket takes it.
    pub(crate) fn write(&mut self, id: TunnelId, relay: &mut Relay) -> Served {
        for _ in 0..MAX_STEPS {
            if self.written == self.out.len() {
                self.out.clear();
                self.written = 0;
                if relay.poll_tunnel_write(id, &mut self.out).is_none() {
                    return Served::Drained;
                }
            }
            match self.stream.write(self.out.get(self.written..).unwrap_or_default()) {
                Ok(len) => self.written += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Served::Drained,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Served::Ended(Some(error)),
            }
        }
        Served::More
    }
}
