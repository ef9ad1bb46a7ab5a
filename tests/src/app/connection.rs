//! One client of the application.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;

use super::Options;
use super::log::RecordLog;
use crate::http::{Request, RequestReader, write_answer};
use crate::records::Kind;

const READ_SIZE: usize = 16 * 1024;
const SLOW_READ_PAUSE: Duration = Duration::from_millis(10);

/// When to drive a connection again.
pub(super) enum Next {
    /// When its socket is ready.
    Ready,
    /// Then, or when its socket is ready.
    At(Instant),
    /// Never.
    Closed,
}

/// A client, what it sent and what it has yet to get.
pub(super) struct Connection {
    stream: TcpStream,
    reader: RequestReader,
    waiting: VecDeque<(Instant, Request)>,
    output: Vec<u8>,
    written: usize,
    input: Input,
    read_again: Option<Instant>,
}

enum Input {
    Open,
    Ended,
    Refused,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, options: &Options) -> Self {
        let output =
            if options.greet { format!("220 {} is ready\r\n", options.name).into_bytes() } else { Vec::new() };
        Self {
            stream,
            reader: RequestReader::default(),
            waiting: VecDeque::new(),
            output,
            written: 0,
            input: Input::Open,
            read_again: None,
        }
    }

    /// Reads, answers and writes what can be read, answered and written now.
    pub(super) fn drive(&mut self, now: Instant, options: &Options, log: &mut RecordLog) -> io::Result<Next> {
        if self.read(now, options, log).is_err() {
            self.record_partial(log)?;
            return Ok(Next::Closed);
        }
        self.answer_due(now, options);
        if self.write().is_err() || self.is_finished() {
            self.record_partial(log)?;
            return Ok(Next::Closed);
        }
        let due = self.waiting.front().map(|(due, _)| *due);
        Ok(match (due, self.read_again) {
            (Some(one), Some(other)) => Next::At(one.min(other)),
            (Some(one), None) | (None, Some(one)) => Next::At(one),
            (None, None) => Next::Ready,
        })
    }

    /// Writes down a request that is not complete.
    pub(super) fn record_partial(&self, log: &mut RecordLog) -> io::Result<()> {
        match self.reader.partial() {
            Some(_) if matches!(self.input, Input::Refused) => Ok(()),
            Some(partial) => log.add(Kind::Partial, partial, Instant::now()),
            None => Ok(()),
        }
    }

    fn read(&mut self, now: Instant, options: &Options, log: &mut RecordLog) -> io::Result<()> {
        if self.read_again.is_some_and(|at| now < at) {
            return Ok(());
        }
        self.read_again = None;
        let mut buffer = [0; READ_SIZE];
        let mut left = options.slow_read.unwrap_or(usize::MAX);
        while matches!(self.input, Input::Open) && left > 0 {
            match self.stream.read(&mut buffer[..left.min(READ_SIZE)]) {
                Ok(0) => self.input = Input::Ended,
                Ok(len) => {
                    self.take(&buffer[..len], now, options, log)?;
                    left -= len;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if options.slow_read.is_some_and(|allowed| left < allowed) {
            self.read_again = Some(now + SLOW_READ_PAUSE);
        }
        Ok(())
    }

    fn take(&mut self, octets: &[u8], now: Instant, options: &Options, log: &mut RecordLog) -> io::Result<()> {
        let mut requests = Vec::new();
        if self.reader.read(octets, &mut requests).is_err() {
            self.input = Input::Refused;
            let rest = self.reader.partial();
            rest.map_or(Ok(()), |rest| log.add(Kind::Malformed, rest, now))?;
        }
        let due = now + Duration::from_millis(options.delay_ms);
        for request in requests {
            log.add(Kind::Whole, request.clone(), now)?;
            self.waiting.push_back((due, request));
        }
        Ok(())
    }

    fn answer_due(&mut self, now: Instant, options: &Options) {
        let connection = if options.close_each { "close" } else { "keep-alive" };
        while self.waiting.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, request)) = self.waiting.pop_front() else {
                break;
            };
            self.output.extend_from_slice(&write_answer(
                &request,
                options.status(&request),
                &options.name,
                connection,
            ));
            if options.close_each {
                self.input = Input::Refused;
                self.waiting.clear();
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(len) => self.written += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    fn is_finished(&self) -> bool {
        !matches!(self.input, Input::Open) && self.waiting.is_empty() && self.output.is_empty()
    }
}
