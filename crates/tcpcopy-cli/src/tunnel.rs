//! One connection to an intercept.

use mio::net::TcpStream;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use tc_core::Replayer;
use tc_proto::tunnel::{DecodeError, FrameDecoder, Message, RecordFormat, VERSION, parse_record};
use tc_sys::socket::{self, Keepalive};

/// A host that vanished is noticed after 10 + 3 × 10 s of silence.
const KEEPALIVE: Keepalive =
    Keepalive { idle: Duration::from_secs(10), interval: Duration::from_secs(10), count: 3 };
/// Routes that are not taken for this long end the connection.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// Reads of one connection before the others have their turn.
const MAX_READS: usize = 8;
/// Routes that wait for an intercept that does not read, in octets.
const MAX_WAITING: usize = 16 << 20;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("closed by intercept")]
    ByPeer,
    #[error("{}", tc_sys::error::reason(.0))]
    Failed(#[from] io::Error),
    #[error("what it sends is not understood: {0}")]
    Nonsense(#[from] DecodeError),
    #[error("it does not read its routes")]
    Stuck,
}

/// How far a connection was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// There is more to do at once.
    More,
    /// mio tells when there is more to do.
    Drained,
}

/// A connection to an intercept, perhaps not yet established.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) stream: TcpStream,
    decoder: FrameDecoder,
    /// Messages, of which the first `written` octets are out.
    out: Vec<u8>,
    written: usize,
}

impl Tunnel {
    /// A tunnel over a connection that is established, or begun.
    pub(crate) fn new(stream: TcpStream) -> Self {
        let mut tunnel =
            Self { stream, decoder: FrameDecoder::new(RecordFormat::Octets64), out: Vec::new(), written: 0 };
        tunnel.say(&Message::Version(VERSION));
        tunnel
    }

    /// Begins a connection.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        TcpStream::connect(address).map(Self::new)
    }

    /// Whether the connection is established by now, or why it never will be.
    pub(crate) fn check_established(&self) -> Result<bool, Ended> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error.into());
        }
        match self.stream.peer_addr() {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        socket::set_nodelay(self.stream.as_fd())?;
        socket::set_keepalive(self.stream.as_fd(), KEEPALIVE)?;
        socket::set_user_timeout(self.stream.as_fd(), USER_TIMEOUT)?;
        Ok(true)
    }

    /// Puts a message behind those that wait.
    pub(crate) fn say(&mut self, message: &Message) {
        if let Some(octets) = message.encode() {
            self.out.extend_from_slice(&octets);
        }
    }

    /// Sends what waits, as far as the socket takes it.
    pub(crate) fn write(&mut self) -> Result<(), Ended> {
        while self.written < self.out.len() {
            match self.stream.write(self.out.get(self.written..).unwrap_or_default()) {
                Ok(len) => self.written += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let waiting = self.out.len() - self.written;
                    return if waiting > MAX_WAITING { Err(Ended::Stuck) } else { Ok(()) };
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    /// Passes the headers that have arrived to the replayer. `malformed` counts records that are no headers.
    pub(crate) fn read(
        &mut self,
        now: Instant,
        replayer: &mut Replayer,
        buffer: &mut [u8],
        malformed: &mut u64,
    ) -> Result<Served, Ended> {
        for _ in 0..MAX_READS {
            let len = match self.stream.read(buffer) {
                Ok(0) => return Err(Ended::ByPeer),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Served::Drained),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            self.decoder.push(buffer.get(..len).unwrap_or_default());
            while let Some(record) = self.decoder.next_record()? {
                match parse_record(record) {
                    Ok(header) => replayer.handle_target_header(now, &header),
                    Err(_) => *malformed += 1,
                }
            }
        }
        Ok(Served::More)
    }
}
