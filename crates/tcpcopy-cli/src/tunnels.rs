//! The connections to all intercepts: opened, used, and opened again for as long as the program runs.

mod datagrams;
mod slot;

use crate::config::{Config, Intercept, Unreachable};
use crate::greeting::{Greeting, Reach, Terms};
use crate::peer_clock::PeerClock;
use crate::snapshot::TunnelCounts;
use crate::tunnel::{Ended, Served, Tunnel};
use mio::event::Event;
use mio::{Interest, Registry, Token};
use slot::{Slot, State, Unread};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};
use tc_core::Replayer;
use tc_proto::tunnel::{DatagramRoute, Message, TUNNEL_VERSION, Times};
use tc_proto::{Flow, PortShare};
use tc_sys::program::RateLimit;
use tc_sys::{Families, SysError};
use tracing::{info, warn};

/// How long an intercept may take to accept.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long an intercept may take to prove that it knows the key.
const PROOF_LIMIT: Duration = Duration::from_secs(5);
/// The pause before the first new attempt; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const READ_BUFFER: usize = 256 << 10;
/// What the target sends when it got an acknowledgment is here after this time: round trip, and naps of intercept and ours.
const NEXT_FLIGHT: Duration = Duration::from_millis(16);

/// All connections to all intercepts.
pub(crate) struct Tunnels {
    slots: Vec<Slot>,
    /// Slots of one intercept, all next to each other.
    per_intercept: usize,
    /// Of each intercept.
    clocks: Vec<PeerClock>,
    first_token: usize,
    terms: Terms,
    targets: Families,
    /// Of which datagrams each intercept is to tell.
    datagram_routes: Vec<DatagramRoute>,
    buffer: Box<[u8]>,
    lines: RateLimit,
    /// Records that were no headers.
    malformed: u64,
    /// Until when more of an answer is likely to come, which waits for acknowledgments.
    amid_answer: Instant,
    /// Connections that were lost.
    lost: u64,
}

impl Tunnels {
    /// Finds the intercepts and connects to them, for a worker with this share of the ports.
    pub(crate) fn open(
        config: &Config,
        terms: &Terms,
        share: PortShare,
        now: Instant,
        first_token: usize,
    ) -> Result<Self, SysError> {
        let mut slots = Vec::new();
        for intercept in &config.intercepts {
            let address = resolve(intercept)?;
            for _ in 0..config.connections {
                let state = match (connect(address, terms), config.unreachable) {
                    (Ok(tunnel), _) => State::Connecting(tunnel, now + CONNECT_LIMIT),
                    (Err(cause), Unreachable::Fail) => return Err(unreachable(address, cause)),
                    (Err(_), Unreachable::Wait) => State::Down(now + FIRST_PAUSE),
                };
                slots.push(Slot::new(now, address, intercept.scope, state));
            }
        }
        Ok(Self {
            slots,
            clocks: config.intercepts.iter().map(|_| PeerClock::default()).collect(),
            per_intercept: config.connections,
            first_token,
            terms: terms.clone(),
            targets: config.targets,
            datagram_routes: datagrams::routes(&config.mappings, share),
            buffer: vec![0; READ_BUFFER].into_boxed_slice(),
            lines: RateLimit::new(now),
            malformed: 0,
            amid_answer: now,
            lost: 0,
        })
    }

    /// How many connections there are, and what they came to.
    pub(crate) fn counts(&self) -> TunnelCounts {
        TunnelCounts {
            up: self.slots.iter().filter(|slot| slot.is_up()).count(),
            wanted: self.slots.len(),
            lost: self.lost,
            malformed: self.malformed,
        }
    }

    /// Makes the connections that were opened at the start known to mio.
    pub(crate) fn register(&mut self, now: Instant, registry: &Registry, replayer: &mut Replayer) {
        for index in 0..self.slots.len() {
            if let Some(Slot { state: State::Connecting(tunnel, _), .. }) = self.slots.get_mut(index)
                && let Err(error) = register(registry, tunnel, self.first_token + index)
            {
                self.fail(now, index, &error.into(), replayer);
                continue;
            }
            self.try_establish(now, index, replayer);
        }
    }

    /// Notes what mio says of a connection.
    pub(crate) fn handle_readiness(&mut self, event: &Event) {
        let index = event.token().0.wrapping_sub(self.first_token);
        if let Some(slot) = self.slots.get_mut(index) {
            slot.dirty |= event.is_writable();
            let told = if event.is_read_closed() {
                Unread::All
            } else if event.is_readable() || event.is_error() {
                Unread::Something
            } else {
                Unread::Nothing
            };
            slot.unread = slot.unread.max(told);
        }
    }

    /// Whether replay may begin: an intercept is there, and of each it is known whether it tells what only version 2 can.
    pub(crate) fn is_ready(&self, now: Instant) -> bool {
        let known =
            |slot: &Slot| !slot.is_up() || slot.speaks_version_2() || now >= slot.established + PROOF_LIMIT;
        let asks = !self.datagram_routes.is_empty() || self.terms.times == Times::Wanted;
        self.counts().up > 0 && (!asks || self.slots.iter().all(known))
    }

    /// Whether each intercept tells when it saw the answers, so that they may be read late.
    pub(crate) fn tell_times(&self) -> bool {
        self.slots.iter().all(|slot| match &slot.state {
            State::Up(tunnel) => tunnel.tells_times(),
            State::Down(_) | State::Connecting(..) | State::Proving(..) => true,
        })
    }

    /// Whether there is something to read, or a connection that may be established, which mio will not announce again.
    pub(crate) fn is_unread(&self) -> bool {
        self.slots.iter().any(|slot| slot.unread > Unread::Nothing || slot.dirty && slot.is_connecting())
    }

    /// Whether more of an answer is likely to come, which waits for acknowledgments.
    pub(crate) fn is_amid_answer(&self, now: Instant) -> bool {
        now < self.amid_answer
    }

    /// Whether there is something to send, which mio will not announce again.
    pub(crate) fn has_output(&self) -> bool {
        self.slots.iter().any(|slot| slot.dirty && !slot.is_connecting())
    }

    /// When the next attempt begins or ends.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let deadlines = self.slots.iter().filter_map(|slot| match &slot.state {
            State::Down(deadline) | State::Connecting(_, deadline) | State::Proving(_, deadline) => {
                Some(*deadline)
            }
            State::Up(_) => slot.hello_due,
        });
        deadlines.min()
    }

    /// Begins the attempts that are due and ends those that took too long.
    pub(crate) fn handle_timeout(&mut self, now: Instant, registry: &Registry, replayer: &mut Replayer) {
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(index) else { continue };
            match &slot.state {
                State::Down(deadline) if *deadline <= now => self.connect(now, index, registry, replayer),
                State::Connecting(_, deadline) if *deadline <= now => {
                    let error = io::Error::from(io::ErrorKind::TimedOut);
                    self.fail(now, index, &error.into(), replayer);
                }
                State::Proving(_, deadline) if *deadline <= now => {
                    self.fail(now, index, &Ended::NoProof, replayer);
                }
                State::Up(_) if slot.hello_due.is_some_and(|due| due <= now) => {
                    slot.hello_due = None;
                    warn!(
                        "intercept at {} is a C program or an older one, which knows no IPv6: connections to IPv6 \
                         targets wait; replace it",
                        slot.address
                    );
                }
                State::Down(_) | State::Connecting(..) | State::Proving(..) | State::Up(_) => {}
            }
        }
    }

    fn connect(&mut self, now: Instant, index: usize, registry: &Registry, replayer: &mut Replayer) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let attempt = Greeting::new(&self.terms).and_then(|greeting| {
            let mut tunnel = Tunnel::connect(slot.address, greeting)?;
            register(registry, &mut tunnel, self.first_token + index)?;
            Ok(tunnel)
        });
        match attempt {
            Ok(tunnel) => slot.state = State::Connecting(tunnel, now + CONNECT_LIMIT),
            Err(error) => self.fail(now, index, &error.into(), replayer),
        }
    }

    fn try_establish(&mut self, now: Instant, index: usize, replayer: &mut Replayer) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let State::Connecting(tunnel, _) = &slot.state else { return };
        match tunnel.check_established() {
            Ok(false) => {}
            Ok(true) => {
                slot.establish(now);
                // It may be another program than before, with another clock.
                if let Some(clock) = self.clocks.get_mut(index / self.per_intercept.max(1)) {
                    *clock = PeerClock::default();
                }
                slot.hello_due = self.targets.has_ipv6().then_some(now + PROOF_LIMIT);
                slot.extend(now, replayer);
                self.ask_for_datagrams();
            }
            Err(ended) => self.fail(now, index, &ended, replayer),
        }
    }

    /// Reads from each connection that has something, a bounded amount.
    pub(crate) fn read(&mut self, now: Instant, replayer: &mut Replayer) {
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(index) else { continue };
            if slot.is_connecting() && (slot.dirty || slot.unread > Unread::Nothing) {
                self.try_establish(now, index, replayer);
            }
            self.read_one(now, index, replayer);
        }
    }

    fn read_one(&mut self, now: Instant, index: usize, replayer: &mut Replayer) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let (State::Up(tunnel) | State::Proving(tunnel, _)) = &mut slot.state else { return };
        let unread = std::mem::replace(&mut slot.unread, Unread::Nothing);
        if unread == Unread::Nothing {
            return;
        }
        let Some(clock) = self.clocks.get_mut(index / self.per_intercept.max(1)) else { return };
        let before = tunnel.reach();
        match tunnel.read(now, replayer, clock, &mut self.buffer, &mut self.malformed) {
            Ok(served) => {
                if tunnel.reach() == Reach::All && before != Reach::All {
                    info!("intercept at {} speaks version {TUNNEL_VERSION}", slot.address);
                }
                slot.unread = match (unread, served) {
                    // Until reading finds the end, or an error.
                    (Unread::All, _) => Unread::All,
                    (_, Served::More) => Unread::Something,
                    (_, Served::Drained) => Unread::Nothing,
                };
                if tunnel.is_amid_answer() {
                    self.amid_answer = now + NEXT_FLIGHT;
                }
                slot.dirty |= tunnel.has_output();
                slot.extend(now, replayer);
                self.ask_for_datagrams();
            }
            Err(ended) => self.fail(now, index, &ended, replayer),
        }
    }

    /// Announces a flow to each intercept that serves it, over one of its connections.
    pub(crate) fn announce(&mut self, flow: &Flow) {
        self.say(flow, &Message::AddRoute(*flow));
    }

    /// Takes the announcement of a flow back.
    pub(crate) fn withdraw(&mut self, flow: &Flow) {
        self.say(flow, &Message::RemoveRoute(*flow));
    }

    /// The same connection says everything about a flow, for as long as all are there.
    fn say(&mut self, flow: &Flow, message: &Message) {
        let pick = hash(flow);
        for slots in self.slots.chunks_mut(self.per_intercept) {
            let count = slots.iter().filter(|slot| slot.covers(flow)).count().max(1);
            if let Some(slot) = slots.iter_mut().filter(|slot| slot.covers(flow)).nth(pick % count)
                && let State::Up(tunnel) = &mut slot.state
            {
                tunnel.say(message);
                slot.dirty = true;
            }
        }
    }

    /// Sends what waits.
    pub(crate) fn write(&mut self, now: Instant, replayer: &mut Replayer) {
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(index) else { continue };
            let (State::Up(tunnel) | State::Proving(tunnel, _)) = &mut slot.state else { continue };
            if !std::mem::take(&mut slot.dirty) {
                continue;
            }
            if let Err(ended) = tunnel.write() {
                self.fail(now, index, &ended, replayer);
            }
        }
    }

    /// The connection has ended, or did not come about: there will be another attempt.
    fn fail(&mut self, now: Instant, index: usize, ended: &Ended, replayer: &mut Replayer) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let was_up = slot.is_up();
        let served = std::mem::take(&mut slot.serves);
        if was_up && now.saturating_duration_since(slot.established) >= LONGEST_PAUSE {
            slot.pause = FIRST_PAUSE;
        }
        slot.hello_due = None;
        slot.tells_datagrams = false;
        let (address, pause) = (slot.address, slot.pause);
        slot.state = State::Down(now + pause);
        slot.pause = (pause * 2).min(LONGEST_PAUSE);
        slot.unread = Unread::Nothing;
        slot.dirty = false;
        let what = if was_up { "lost" } else { "not established" };
        if let Some(left_out) = self.lines.admit(now) {
            warn!("tunnel to {address} {what}: {ended}; next attempt in {} ms{left_out}", pause.as_millis());
        }
        self.lost += u64::from(was_up);
        for scope in served {
            if self.slots.iter().any(|slot| slot.serves.contains(&scope)) {
                // What went over the lost connection goes over another.
                replayer.handle_tunnel_up(scope);
            } else {
                replayer.handle_tunnel_down(scope);
            }
        }
        self.ask_for_datagrams();
    }
}

fn register(registry: &Registry, tunnel: &mut Tunnel, token: usize) -> io::Result<()> {
    registry.register(&mut tunnel.stream, Token(token), Interest::READABLE | Interest::WRITABLE)
}

/// Connects and waits for it: at the start, nothing else is to be done.
fn connect(address: SocketAddr, terms: &Terms) -> io::Result<Tunnel> {
    let stream = TcpStream::connect_timeout(&address, CONNECT_LIMIT)?;
    stream.set_nonblocking(true)?;
    Ok(Tunnel::new(mio::net::TcpStream::from_std(stream), Greeting::new(terms)?))
}

fn resolve(intercept: &Intercept) -> Result<SocketAddr, SysError> {
    let failed = |cause| {
        SysError::new("find the address of intercept's host", format!("'{}'", intercept.host), cause)
            .with_hint("give -s a name that this host can resolve, or an address")
    };
    let addresses = (intercept.host.as_str(), intercept.port).to_socket_addrs().map_err(failed)?;
    // Of a name with addresses of both versions the IPv4 one: a C intercept listens on no other.
    let first = addresses.min_by_key(SocketAddr::is_ipv6);
    first.ok_or_else(|| failed(io::Error::other("it has no address")))
}

fn unreachable(address: SocketAddr, cause: io::Error) -> SysError {
    SysError::new("connect to intercept at", address.to_string(), cause)
        .with_hint("start intercept there first, name its host with -s, or wait for it with -L")
}

#[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
fn hash(flow: &Flow) -> usize {
    let mut hasher = DefaultHasher::new();
    flow.hash(&mut hasher);
    hasher.finish() as usize
}
