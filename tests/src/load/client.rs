//! One connection of a load.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::{Options, Summary};
use crate::content::Content;
use crate::http::{AnswerReader, write_request};

/// What a connection waits for.
pub(super) enum Wait {
    /// Its socket.
    Ready,
    /// A time.
    Until(Instant),
    /// The end of the hold.
    Hold,
    /// Nothing any more.
    Finished,
}

/// Whether connections that hold may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    Closed,
    Released,
}

/// A connection and how far it is.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    number: usize,
    next_request: usize,
    phase: Phase,
    random: Content,
}

enum Phase {
    Connecting,
    Greeting,
    Thinking(Instant),
    Asking(Exchange),
    Ending,
}

struct Exchange {
    id: String,
    request: Vec<u8>,
    written: usize,
    answer: AnswerReader,
}

/// Why a connection stopped.
pub(super) enum Fault {
    /// An answer was wrong.
    Wrong(String),
    /// The connection failed.
    Failed(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Client {
    /// Begins the connection with this number.
    pub(super) fn connect(number: usize, options: &Options) -> io::Result<Self> {
        let family = if options.to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        rustix::net::bind(&socket, &SocketAddr::new(options.from.nth(number), 0))?;
        match rustix::net::connect(&socket, &options.to) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Self {
            stream: TcpStream::from_std(socket.into()),
            number,
            next_request: 0,
            phase: Phase::Connecting,
            random: Content::new(number as u64),
        })
    }

    /// Whether the connection is not established yet.
    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.phase, Phase::Connecting)
    }

    /// Goes on as far as possible now.
    pub(super) fn drive(
        &mut self,
        now: Instant,
        hold: Hold,
        options: &Options,
        summary: &mut Summary,
    ) -> Result<Wait, Fault> {
        loop {
            let going_on = match &self.phase {
                Phase::Connecting => self.established(options)?,
                Phase::Greeting => self.greeted()?,
                Phase::Thinking(until) if now < *until => return Ok(Wait::Until(*until)),
                Phase::Thinking(_) if self.holds(hold, options) => return Ok(Wait::Hold),
                Phase::Thinking(_) => self.ask(options, summary),
                Phase::Asking(_) => self.exchange(now, options, summary)?,
                Phase::Ending => {
                    return Ok(if self.ended()? { Wait::Finished } else { Wait::Ready });
                }
            };
            if !going_on {
                return Ok(Wait::Ready);
            }
        }
    }

    fn holds(&self, hold: Hold, options: &Options) -> bool {
        hold == Hold::Closed && options.hold_after == Some(self.next_request)
    }

    fn established(&mut self, options: &Options) -> Result<bool, Fault> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error.into());
        }
        match self.stream.peer_addr() {
            Ok(_) => {
                self.stream.set_nodelay(true)?;
                self.phase = if options.greet { Phase::Greeting } else { Phase::Thinking(Instant::now()) };
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn greeted(&mut self) -> Result<bool, Fault> {
        let mut octets = [0; 512];
        let Some(len) = self.read(&mut octets)? else {
            return Ok(false);
        };
        if octets[..len].ends_with(b"\n") {
            self.phase = Phase::Thinking(Instant::now());
        }
        Ok(true)
    }

    fn ask(&mut self, options: &Options, summary: &mut Summary) -> bool {
        let id = format!("{}-{}-{}", options.tag, self.number, self.next_request);
        let request = write_request(&id, &options.server, options.answer, options.post);
        summary.requests += 1;
        self.next_request += 1;
        self.phase = Phase::Asking(Exchange { answer: AnswerReader::new(&request), id, request, written: 0 });
        true
    }

    fn exchange(&mut self, now: Instant, options: &Options, summary: &mut Summary) -> Result<bool, Fault> {
        let Phase::Asking(exchange) = &mut self.phase else {
            return Ok(false);
        };
        while exchange.written < exchange.request.len() {
            match self.stream.write(&exchange.request[exchange.written..]) {
                Ok(len) => exchange.written += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        let mut octets = [0; 16 * 1024];
        let Some(len) = read(&mut self.stream, &mut octets)? else {
            return Ok(false);
        };
        if len == 0 {
            return Err(Fault::Failed(format!("{}: the connection ended", exchange.id)));
        }
        match exchange.answer.read(&octets[..len], &options.server, &exchange.id) {
            None => {}
            Some(Err(wrong)) => return Err(Fault::Wrong(format!("{}: {wrong}", exchange.id))),
            Some(Ok(())) => {
                summary.answered += 1;
                self.after_answer(now, options)?;
            }
        }
        Ok(true)
    }

    fn after_answer(&mut self, now: Instant, options: &Options) -> Result<(), Fault> {
        self.phase = if self.next_request == options.requests {
            self.stream.shutdown(Shutdown::Write)?;
            Phase::Ending
        } else {
            Phase::Thinking(now + self.pause(options.pause_ms))
        };
        Ok(())
    }

    /// Half to one and a half of the average, so that the clients do not march in step.
    fn pause(&mut self, average_ms: u64) -> Duration {
        let spread = (average_ms * 1000).max(1);
        Duration::from_micros(spread / 2 + self.random.next_word() % spread)
            .min(Duration::from_millis(average_ms * 2))
    }

    fn ended(&mut self) -> Result<bool, Fault> {
        match self.read(&mut [0; 512])? {
            None => Ok(false),
            Some(0) => Ok(true),
            Some(_) => Err(Fault::Wrong("octets after the last answer".to_owned())),
        }
    }

    fn read(&mut self, octets: &mut [u8]) -> io::Result<Option<usize>> {
        read(&mut self.stream, octets)
    }
}

/// What can be read now, if anything.
fn read(stream: &mut TcpStream, octets: &mut [u8]) -> io::Result<Option<usize>> {
    match stream.read(octets) {
        Ok(len) => Ok(Some(len)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
