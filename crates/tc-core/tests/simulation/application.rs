//! The application on the target: it reads requests, answers them, and closes.

use super::plan::{Closes, Plan, Reads};
use smoltcp::socket::tcp::{Socket, State};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// What an application got over one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    /// Where in the client's stream the connection begins.
    pub(crate) from: usize,
    /// Octets.
    pub(crate) octets: usize,
    /// Whether all of them were those of the client.
    pub(crate) right: bool,
    /// Whether the client closed behind them.
    pub(crate) closed: bool,
    /// Whether the connection was accepted.
    pub(crate) accepted: bool,
    /// When the last octet came.
    pub(crate) last: Duration,
}

/// One connection's part of the application.
#[derive(Debug)]
pub(crate) struct Application {
    plan: Rc<Plan>,
    pub(crate) received: Received,
    /// The request that is read next.
    request: usize,
    /// Answers that are to be given, and when.
    due: VecDeque<(Duration, usize)>,
    /// Octets of answers that are to be written.
    writing: usize,
    answered: usize,
    greeted: bool,
    read_again: Duration,
    closed: bool,
}

impl Application {
    /// The application of a connection whose first octet is this one of the plan's.
    pub(crate) fn new(plan: Rc<Plan>, from: usize) -> Self {
        let request = (0..plan.requests.len())
            .find(|index| plan.request(*index).start >= from)
            .unwrap_or(plan.requests.len());
        Self {
            plan,
            received: Received { from, right: true, ..Received::default() },
            request,
            due: VecDeque::new(),
            writing: 0,
            answered: 0,
            greeted: from > 0,
            read_again: Duration::ZERO,
            closed: false,
        }
    }

    /// Does what can be done, and says when there is more to do.
    pub(crate) fn run(&mut self, now: Duration, socket: &mut Socket<'_>) -> Option<Duration> {
        match socket.state() {
            State::Closed | State::Listen | State::SynSent | State::SynReceived => return None,
            State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => {}
        }
        if !self.received.accepted {
            self.received.accepted = true;
            self.greet(now);
        }
        // An application that is gone reads nothing: the host resets (RFC 9293, section 3.6.1).
        if self.closed && socket.recv_queue() > 0 {
            socket.abort();
            return None;
        }
        self.read(now, socket);
        self.write(now, socket);
        self.close(socket);
        let reads = (socket.recv_queue() > 0).then_some(self.read_again);
        let writes = self.due.front().map(|(at, _)| *at).filter(|_| !self.closed);
        [reads, writes].into_iter().flatten().min()
    }

    fn greet(&mut self, now: Duration) {
        if let (false, Some(greeting)) = (self.greeted, self.plan.greeting) {
            self.due.push_back((now + greeting.delay, greeting.len));
        }
        self.greeted = true;
    }

    fn read(&mut self, now: Duration, socket: &mut Socket<'_>) {
        match self.plan.conduct.reads {
            Reads::Eagerly => while self.read_some(now, socket, usize::MAX) > 0 {},
            Reads::Slowly(_, _) if now < self.read_again => {}
            Reads::Slowly(octets, pause) => {
                if self.read_some(now, socket, octets) > 0 {
                    self.read_again = now + pause;
                }
            }
        }
        if !socket.may_recv() && socket.recv_queue() == 0 {
            self.received.closed = socket.state() != State::Closed;
        }
    }

    fn read_some(&mut self, now: Duration, socket: &mut Socket<'_>, limit: usize) -> usize {
        if !socket.can_recv() {
            return 0;
        }
        let (plan, received) = (&self.plan, &mut self.received);
        let read = socket.recv(|octets| {
            let octets = &octets[..octets.len().min(limit)];
            let from = received.from + received.octets;
            let right = |(place, octet): (usize, &u8)| plan.octet(from + place) == *octet;
            received.right &= octets.iter().enumerate().all(right);
            (octets.len(), octets.len())
        });
        let read = read.unwrap_or(0);
        received.octets += read;
        received.last = now;
        self.take_requests(now);
        read
    }

    fn take_requests(&mut self, now: Duration) {
        let at = self.received.from + self.received.octets;
        while self.request < self.plan.requests.len() && self.plan.request(self.request).end <= at {
            let answer = self.plan.requests[self.request].target;
            // Answers come in the order of their requests.
            let earliest = self.due.back().map_or(now, |(before, _)| now.max(*before));
            self.due.push_back((earliest + answer.delay, answer.len));
            self.request += 1;
        }
    }

    fn write(&mut self, now: Duration, socket: &mut Socket<'_>) {
        while let Some((at, len)) = self.due.front().copied()
            && at <= now
            && !self.closed
        {
            self.due.pop_front();
            self.writing += len;
            self.answered += 1;
        }
        while self.writing > 0 && socket.can_send() {
            let room = socket.send(|buffer| {
                let len = buffer.len().min(self.writing);
                (len, len)
            });
            match room {
                Ok(written) if written > 0 => self.writing -= written,
                Ok(_) | Err(_) => break,
            }
        }
    }

    fn close(&mut self, socket: &mut Socket<'_>) {
        let done = self.writing == 0;
        let closes = match self.plan.conduct.closes {
            Closes::AfterClient => {
                done && self.due.is_empty() && !socket.may_recv() && socket.recv_queue() == 0
            }
            Closes::AfterAnswers(answers) => {
                done && (self.answered >= answers || (self.due.is_empty() && !socket.may_recv()))
            }
            Closes::Never => false,
        };
        if closes && !self.closed {
            socket.close();
            self.closed = true;
        }
    }
}
