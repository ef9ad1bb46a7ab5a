//! One connection to an intercept.

use crate::greeting::{Greeting, Reach};
use crate::peer_clock::PeerClock;
use mio::net::TcpStream;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use tc_core::Replayer;
use tc_proto::tunnel::{DecodeError, Message, Reply, ReplyDecoder};
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

/// No full segment is smaller where the MTU is that of IPv6 at least (RFC 8200, section 5; headers and timestamps taken off). More of its
/// answer is likely to follow.
const FULL_SEGMENT: usize = 1280 - 40 - 20 - 12;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("closed by intercept, whose log may say why")]
    ByPeer,
    #[error("closed by intercept when it saw the proof of our key; give both the same --key-file")]
    KeyRefused,
    #[error("{}", tc_sys::error::reason(.0))]
    Failed(#[from] io::Error),
    #[error("what it sends is not understood: {0}")]
    Nonsense(#[from] DecodeError),
    #[error("it does not read its routes")]
    Stuck,
    #[error("it wants the proof of a key; give --key-file, the same as intercept's")]
    KeyWanted,
    #[error("it has no key; give it the same --key-file")]
    NoKey,
    #[error("it did not prove that it knows the key: it is a C program, or an older one, or has another key")]
    NoProof,
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
    decoder: ReplyDecoder,
    /// When the answers were seen that come next, on our clock, if intercept tells.
    seen: Option<Instant>,
    greeting: Greeting,
    /// Whether the last read brought a full segment.
    amid_answer: bool,
    /// Messages, of which the first `written` octets are out.
    out: Vec<u8>,
    written: usize,
}

impl Tunnel {
    /// A tunnel over a connection that is established, or begun.
    pub(crate) fn new(stream: TcpStream, greeting: Greeting) -> Self {
        let mut out = Vec::new();
        greeting.begin(&mut out);
        Self { stream, decoder: ReplyDecoder::new(), seen: None, greeting, amid_answer: false, out, written: 0 }
    }

    /// Begins a connection.
    pub(crate) fn connect(address: SocketAddr, greeting: Greeting) -> io::Result<Self> {
        Ok(Self::new(TcpStream::connect(address)?, greeting))
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

    /// Which flows it serves by now.
    pub(crate) const fn reach(&self) -> Reach {
        self.greeting.reach()
    }

    /// Whether intercept tells when it saw the answers, so that they may be read late.
    pub(crate) const fn tells_times(&self) -> bool {
        self.seen.is_some()
    }

    /// Whether the last read brought a full segment: more of its answer may follow.
    pub(crate) const fn is_amid_answer(&self) -> bool {
        self.amid_answer
    }

    /// Puts a message behind those that wait.
    pub(crate) fn say(&mut self, message: &Message) {
        self.greeting.write(message, &mut self.out);
    }

    /// Whether something waits to be sent.
    pub(crate) const fn has_output(&self) -> bool {
        !self.out.is_empty()
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

    /// Passes the headers that have arrived to the replayer; `clock` is that of all tunnels to this intercept. `malformed` counts records that are no headers.
    pub(crate) fn read(
        &mut self,
        now: Instant,
        replayer: &mut Replayer,
        clock: &mut PeerClock,
        buffer: &mut [u8],
        malformed: &mut u64,
    ) -> Result<Served, Ended> {
        self.amid_answer = false;
        for _ in 0..MAX_READS {
            let len = match self.stream.read(buffer) {
                Ok(0) => return Err(self.greeting.on_end()),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Served::Drained),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Err(self.greeting.on_end()),
                Err(error) => return Err(error.into()),
            };
            // The times of intercept count from here, wherever in the turn that is.
            let read = if self.greeting.wants_times() { Instant::now() } else { now };
            self.decoder.push(buffer.get(..len).unwrap_or_default());
            while let Some(reply) = self.decoder.next()? {
                match reply {
                    Reply::Response(header, payload) => {
                        self.greeting.check_proved()?;
                        self.amid_answer |= header.0.payload_len >= FULL_SEGMENT;
                        let at = self.seen.unwrap_or(now);
                        replayer.handle_target_answer_of(now, at, &header, payload);
                    }
                    Reply::Datagram(datagram) => {
                        self.greeting.check_proved()?;
                        replayer.handle_target_datagram(now, &datagram);
                    }
                    // Only a check asks for one.
                    Reply::Sighting(_) => {}
                    Reply::Time(micros) => {
                        let told = clock.tell(micros, read);
                        replayer.handle_clock_moved(told.moved);
                        self.seen = Some(told.at);
                    }
                    Reply::Malformed => *malformed += 1,
                    Reply::Hello(hello) => self.greeting.on_hello(&hello, &mut self.out)?,
                    Reply::Proof(proof) => self.greeting.on_proof(&proof)?,
                }
            }
            if len < buffer.len() {
                // The socket had no more, and mio tells of what comes from here on.
                return Ok(Served::Drained);
            }
        }
        Ok(Served::More)
    }
}
