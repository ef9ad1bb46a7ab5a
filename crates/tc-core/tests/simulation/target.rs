//! The target host: a TCP that is not ours (smoltcp), one socket for each connection.
//!
//! Where smoltcp departs from RFC 9293, the host makes up for it, since a kernel would not depart:
//! - a SYN to an open connection is passed over; here it gets the challenge acknowledgment (RFC 5961, section 4.2);
//! - a SYN that comes again is passed over while its SYN-ACK waits for an answer; here that is sent again;
//! - a SYN to a connection in TIME-WAIT is passed over; here it opens the next (RFC 9293, section 3.6.1);
//! - initial sequence numbers cannot be chosen; here they are moved.

use super::application::{Application, Received};
use super::device::Queues;
use super::plan::Plan;
use super::wire::{self, Facts};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tc_proto::{Flags, IpFields, PacketSpec, SeqNum, TcpOptions, Window};

/// Octets that the target may have on the way.
pub(crate) const SEND_BUFFER: usize = 32 * 1024;

/// When the target gives up a client that does not answer: later than any session does.
const PATIENCE: smoltcp::time::Duration = smoltcp::time::Duration::from_secs(3600);

thread_local! {
    /// The clock of the timestamps option, in milliseconds.
    static CLOCK: Cell<u32> = const { Cell::new(0) };
}

/// One connection of the target.
pub(crate) struct Connection {
    pub(crate) plan: usize,
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    device: Queues,
    pub(crate) application: Application,
    /// What is added to the sequence numbers of the socket, once they are known.
    shift: Option<u32>,
    /// Where the sequence numbers are to begin.
    iss: Option<u32>,
    /// SND.NXT and RCV.NXT, as they were last said.
    said: (SeqNum, SeqNum),
    /// The SYN-ACK.
    syn_ack: Option<Vec<u8>>,
    /// When something is to be done.
    pub(crate) wake: Option<Duration>,
}

impl Connection {
    /// A socket that listens for the connection of a client.
    pub(crate) fn listening(now: Duration, plan: &Rc<Plan>, from: usize, seed: u64) -> Self {
        let mut device = Queues::new(plan.conduct.mtu);
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut device, instant(now));
        assign(&mut interface, plan.target);
        let buffer = |octets| SocketBuffer::new(vec![0; octets]);
        let mut socket = Socket::new(buffer(plan.conduct.receive_buffer), buffer(SEND_BUFFER));
        socket.set_tsval_generator(Some(|| CLOCK.get()));
        socket.set_nagle_enabled(false);
        socket.set_timeout(Some(PATIENCE));
        socket.listen(plan.target.port()).unwrap();
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        Self {
            plan: plan.id,
            interface,
            sockets,
            handle,
            device,
            application: Application::new(Rc::clone(plan), from),
            shift: None,
            // Once: the next connection has other numbers (RFC 9293, section 3.4.1), and what comes late of this one is old there.
            iss: (plan.conduct.wraps && from == 0).then(|| u32::MAX - u32::try_from(seed % 3000).unwrap()),
            said: (SeqNum::default(), SeqNum::default()),
            syn_ack: None,
            wake: None,
        }
    }

    pub(crate) fn state(&self) -> State {
        self.sockets.get::<Socket<'_>>(self.handle).state()
    }

    /// Whether a new connection may take the place of this one.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state(), State::Closed | State::Listen | State::TimeWait)
    }

    pub(crate) fn received(&self) -> Received {
        self.application.received
    }

    /// A packet comes.
    pub(crate) fn receive(&mut self, facts: &Facts, packet: &[u8]) {
        if facts.syn && !matches!(self.state(), State::Listen | State::SynReceived) {
            self.challenge(facts);
            return;
        }
        if let Some(syn_ack) = self.syn_ack.as_ref().filter(|_| facts.syn && facts.seq + 1 == self.said.1) {
            self.device.leaving.push_back(syn_ack.clone());
            return;
        }
        let mut packet = packet.to_vec();
        wire::shift(&mut packet, 0, self.shift.unwrap_or(0).wrapping_neg());
        self.device.arrived.push_back(packet);
    }

    /// RFC 5961, section 4.2.
    fn challenge(&mut self, facts: &Facts) {
        let mut octets = Vec::new();
        let spec = PacketSpec {
            source: facts.destination,
            destination: facts.source,
            ip: IpFields::default(),
            identification: 0,
            seq: self.said.0 - self.shift.unwrap_or(0) as usize,
            ack: self.said.1,
            flags: Flags::ACK,
            window: Window::new(1000),
            urgent: 0,
            options: TcpOptions::default(),
            payload: [&[], &[]],
        };
        spec.emit(&mut octets);
        self.device.leaving.push_back(octets);
    }

    /// Does what is due, and returns the packets that leave.
    pub(crate) fn run(&mut self, now: Duration) -> Vec<Vec<u8>> {
        CLOCK.set(u32::try_from(now.as_millis() + 1000).unwrap());
        let mut application;
        let mut rounds = 0;
        loop {
            self.interface.poll(instant(now), &mut self.device, &mut self.sockets);
            let socket = self.sockets.get_mut::<Socket<'_>>(self.handle);
            let before = (socket.state(), socket.recv_queue(), socket.send_queue());
            application = self.application.run(now, socket);
            rounds += 1;
            if before == (socket.state(), socket.recv_queue(), socket.send_queue()) || rounds > 100 {
                break;
            }
        }
        // The window that reading opened is announced.
        self.interface.poll(instant(now), &mut self.device, &mut self.sockets);
        let soon = now + Duration::from_micros(100);
        let stack = self.interface.poll_at(instant(now), &self.sockets);
        let stack = stack.map(|at| Duration::from_micros(at.total_micros().cast_unsigned()));
        self.wake = [application, stack].into_iter().flatten().min().map(|at| at.max(soon));
        let leaving: Vec<_> = self.device.leaving.drain(..).collect();
        leaving.into_iter().map(|packet| self.leave(packet)).collect()
    }

    /// Moves the sequence numbers of a packet that leaves.
    fn leave(&mut self, mut packet: Vec<u8>) -> Vec<u8> {
        let facts = wire::read(&packet).unwrap();
        if facts.syn && self.shift.is_none() {
            self.syn_ack = Some(packet.clone());
            let own = facts.seq.value();
            self.shift = Some(self.iss.unwrap_or(own).wrapping_sub(own));
        }
        let shift = self.shift.unwrap_or(0);
        if shift != 0 {
            wire::shift(&mut packet, shift, 0);
        }
        let end = facts.end() + shift as usize;
        let nxt = if self.shift.is_some() && !facts.syn { self.said.0.latest(end) } else { end };
        self.said = (nxt, facts.ack.unwrap_or(self.said.1));
        packet
    }
}

/// The answer of a host on which nothing listens.
pub(crate) fn refuse(now: Duration, facts: &Facts, packet: &[u8]) -> Vec<Vec<u8>> {
    let mut device = Queues::new(1500);
    let mut interface = Interface::new(Config::new(HardwareAddress::Ip), &mut device, instant(now));
    assign(&mut interface, facts.destination);
    device.arrived.push_back(packet.to_vec());
    interface.poll(instant(now), &mut device, &mut SocketSet::new(Vec::new()));
    device.leaving.into_iter().collect()
}

fn assign(interface: &mut Interface, address: SocketAddr) {
    let address = IpAddress::from(address.ip());
    let prefix = if matches!(address, IpAddress::Ipv4(_)) { 32 } else { 128 };
    interface.update_ip_addrs(|addresses| addresses.push(IpCidr::new(address, prefix)).unwrap());
}

fn instant(now: Duration) -> Instant {
    Instant::from_micros(i64::try_from(now.as_micros()).unwrap())
}
