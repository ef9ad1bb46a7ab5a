//! One client connection and its replay: a TCP sender towards the target, always the active opener.
//!
//! Three sequence spaces meet here. The client's sequence numbers pass unchanged to the target. A captured
//! acknowledgment counts octets of the *online* server ([`OnlineAck`]); an acknowledgment that is sent counts
//! octets of the *target* ([`Receiver`]). The types keep the last two apart.
//!
//! A header of the target is first classified ([`classify`]), then applied ([`apply`]). What may be sent is
//! decided in [`admit`]; [`transmit`] sends it.

mod ack_pace;
mod admit;
mod apply;
mod captured;
mod classify;
mod closing;
mod emitter;
mod held;
mod measure;
mod ranges;
mod receiver;
mod rtt;
mod sender;
mod storage;
mod stream;
mod timeouts;
mod transmit;

use crate::compare::Meter;
use crate::counters::Counters;
use crate::timer::{Timer, TimerTable};
use crate::{CloseReason, ReplayConfig, Waiting};
use ack_pace::AckPace;
use admit::Wait;
pub(crate) use captured::Offered;
use captured::{EndKind, Turn};
use emitter::{Clock, Emitter, Opening};
use receiver::Receiver;
use rtt::RttEstimator;
use sender::Sender;
use std::time::{Duration, Instant};
pub(crate) use storage::StoragePool;
use stream::ClientStream;
use tc_proto::{Flow, IpFields, PacketRef, SeqNum};

/// How long a closed session is remembered: the other side may repeat its last words (TIME-WAIT of RFC 9293 is
/// four minutes; nothing but a repeated FIN is expected here).
const LINGER: Duration = Duration::from_secs(2);

/// Timeouts in a row after which the target is given up (R2 of RFC 9293, section 3.8.3).
const MAX_TIMEOUTS: u32 = 12;

/// What the methods of a session work with.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) config: &'a ReplayConfig,
    pub(crate) counters: &'a mut Counters,
}

/// An open connection to the target.
#[derive(Debug)]
struct Synchronized {
    snd: Sender,
    rcv: Receiver,
    /// The turn of the latest data sent, and where its request begins.
    sent_turn: Option<(Turn, SeqNum)>,
    /// Requests of turns up to this one may go: the target has begun to answer what was before.
    answered: Turn,
    /// Whether the target has said anything behind its SYN-ACK: then it has our acknowledgment of that.
    confirmed: bool,
    /// Whether an acknowledgment must go out at once.
    ack_now: bool,
    /// How long acknowledgments may wait.
    ack_pace: AckPace,
    /// What the target has said since the latest request.
    said: Said,
    /// What the next captured octets wait for.
    wait: Option<Wait>,
    /// Whether one octet goes into a closed window.
    probe: bool,
    /// When something was last sent or heard.
    active: Instant,
}

/// What of the target holds up a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lag {
    /// Nothing: all that was captured went out.
    #[default]
    None,
    /// The next step waits for its word, as the client waited for the online server's: the replay is not behind.
    Step,
    /// An acknowledgment: an upload fills the window. Windows grow with what they are too small for.
    Window,
    /// An answer, or the acknowledgment of an upload that had losses: its window grows with round trips, not with what fits.
    Answer,
}

impl Lag {
    /// How many there are.
    pub(crate) const COUNT: usize = 4;
}

/// What the target has said since some moment.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    octets: usize,
    /// Whether the last of them were pushed.
    pushed: bool,
    /// Whether any text acknowledged a part of the request: the text of the answer itself, though it be ahead of a gap.
    answers: bool,
}

impl Synchronized {
    /// Whether the target has not begun to answer the latest request.
    fn awaits_answer(&self) -> bool {
        self.sent_turn.is_some_and(|(turn, _)| self.answered <= turn)
    }
}

/// A SYN on its way.
#[derive(Debug)]
struct SynSent {
    due: bool,
    attempts: u32,
    rtt: RttEstimator,
    /// When the SYN was sent, unless it was sent again.
    sent: Option<Instant>,
}

/// Where the connection to the target stands.
#[derive(Debug)]
enum State {
    /// There is none. The next request of the client opens one.
    Idle,
    /// Its route is to be announced to intercept.
    Routing,
    /// SYN-SENT of RFC 9293.
    SynSent(SynSent),
    /// All the states behind it, until both sides are closed.
    Synchronized(Box<Synchronized>),
    /// Over; repeated last words are still answered.
    Lingering {
        /// What the answer says.
        seq: SeqNum,
        ack: SeqNum,
        ack_now: bool,
    },
    /// Over, nothing is left to do.
    Closed,
}

/// A RST to be sent.
#[derive(Clone, Copy, Debug)]
struct Reset {
    seq: SeqNum,
    ack: Option<SeqNum>,
}

/// One client connection and its replay.
#[derive(Debug)]
pub(crate) struct Session {
    state: State,
    stream: ClientStream,
    /// Packets of the connection to the target, once there was one.
    emitter: Option<Emitter>,
    /// The client's SYN, when it was captured.
    syn: Option<CapturedSyn>,
    ip: IpFields,
    timers: TimerTable,
    reset: Option<Reset>,
    /// Where the request begins for whose sake another connection was opened.
    retried: Option<SeqNum>,
    /// The turn with which the connection begins.
    first_turn: Turn,
    /// Whether there is data for which a connection must be opened.
    wants_flow: bool,
    /// Whether the session timeout has passed, and the keep-alive timeout runs.
    rested: bool,
    /// Follows requests and answers, where they are compared.
    meter: Option<Box<Meter>>,
}

/// The client's own SYN.
#[derive(Clone, Copy, Debug)]
struct CapturedSyn {
    iss: SeqNum,
    opening: Opening,
}

impl Session {
    /// The session of a captured SYN.
    pub(crate) fn from_syn(cx: &Context<'_>, packet: &PacketRef<'_>) -> Self {
        let segment = packet.segment();
        let opening = Opening::captured(segment, packet.ip());
        let mut session = Self::new(cx, ClientStream::following(segment.seq + 1), packet.ip());
        session.syn = Some(CapturedSyn { iss: segment.seq, opening });
        session.wants_flow = true;
        if !packet.payload().is_empty() {
            session.stream.offer(packet);
        }
        session
    }

    /// The session of a connection that was open already: it joins at its next request.
    pub(crate) fn from_open_connection(cx: &Context<'_>, packet: &PacketRef<'_>) -> Self {
        Self::new(cx, ClientStream::seeking(), packet.ip())
    }

    fn new(cx: &Context<'_>, stream: ClientStream, ip: IpFields) -> Self {
        let mut timers = TimerTable::default();
        timers.set(Timer::Idle, cx.now + cx.config.session_timeout);
        Self {
            state: State::Idle,
            stream,
            emitter: None,
            syn: None,
            ip,
            timers,
            reset: None,
            retried: None,
            first_turn: 0,
            wants_flow: false,
            rested: false,
            meter: None,
        }
    }

    /// The flow of the replayed connection, once there was one.
    pub(crate) fn flow(&self) -> Option<Flow> {
        self.emitter.as_ref().map(|emitter| emitter.flow)
    }

    /// Whether the session waits for a flow, to be given by [`open`](Self::open).
    pub(crate) const fn wants_flow(&self) -> bool {
        self.wants_flow
    }

    /// Whether the session has a connection to the target, or is about to.
    pub(crate) const fn is_live(&self) -> bool {
        matches!(self.state, State::Routing | State::SynSent(_) | State::Synchronized(_))
    }

    /// Whether it is kept only to know where the client stands: there is no connection to the target and nothing to send.
    pub(crate) fn is_silent(&self) -> bool {
        let idle = matches!(self.state, State::Idle) && self.reset.is_none() && !self.wants_flow;
        idle && self.stream.is_following() && self.stream.first_turn().is_none()
    }

    /// Whether nothing of the session needs to be kept.
    pub(crate) const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed) && self.reset.is_none()
    }

    /// The initial sequence number of a client whose SYN was captured.
    pub(crate) fn iss(&self) -> Option<SeqNum> {
        self.syn.map(|syn| syn.iss)
    }

    /// Octets of memory in use for captured data.
    pub(crate) fn memory(&self) -> usize {
        self.stream.memory() + self.meter.as_ref().map_or(0, |meter| meter.memory())
    }

    /// What the session waits for, if it has something that it cannot send.
    pub(crate) fn waiting(&self) -> Option<Waiting> {
        let wait = match &self.state {
            State::Routing => Some(Waiting::Route),
            State::SynSent(_) => Some(Waiting::Handshake),
            State::Synchronized(sync) => sync.wait.map(Wait::reason),
            State::Idle | State::Lingering { .. } | State::Closed => None,
        };
        wait.or_else(|| self.stream.has_hole().then_some(Waiting::Hole))
    }

    /// What of the target holds up the replay.
    pub(crate) fn lag(&self) -> Lag {
        let sync = match &self.state {
            State::Synchronized(sync) => sync,
            State::SynSent(_) => return Lag::Step,
            State::Idle | State::Routing | State::Lingering { .. } | State::Closed => return Lag::None,
        };
        match sync.wait {
            Some(Wait::Answer(turn)) if self.stream.last_turn().is_some_and(|last| last > turn) => Lag::Answer,
            Some(Wait::CongestionWindow) if sync.snd.had_losses() => Lag::Answer,
            Some(Wait::Window | Wait::CongestionWindow) => Lag::Window,
            Some(Wait::Answer(_) | Wait::Delivery | Wait::Quiet(_)) => Lag::Step,
            None => Lag::None,
        }
    }

    /// Whether the session has something to send, or waits: for the target's acknowledgment, for an answer to its latest
    /// request, for what fills a hole.
    pub(crate) fn is_busy(&self) -> bool {
        let opens_or_sends = match &self.state {
            State::Routing | State::SynSent(_) => true,
            State::Synchronized(sync) => sync.awaits_answer() || sync.wait.is_some() || sync.snd.flight() > 0,
            State::Idle | State::Lingering { .. } | State::Closed => self.wants_flow,
        };
        opens_or_sends || self.stream.has_hole()
    }

    /// The next deadline and its reason.
    pub(crate) fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        self.timers.next_timeout()
    }

    /// Begins a connection to the target under this flow. Its SYN goes out once the route is announced.
    pub(crate) fn open(&mut self, cx: &mut Context<'_>, flow: Flow) {
        self.wants_flow = false;
        let first = self.emitter.is_none();
        let own_syn = self.syn.filter(|syn| syn.iss + 1 == self.stream.base());
        let opening =
            own_syn.map_or_else(|| Opening::synthesized(cx.config, &flow, self.ip), |syn| syn.opening);
        // Behind the client's own SYN a server that speaks first is waited for.
        self.first_turn = if own_syn.is_some() { 0 } else { self.stream.first_turn().unwrap_or(0) };
        let sessions = &mut cx.counters.sessions;
        sessions.opened += 1;
        sessions.joined += u64::from(first && own_syn.is_none());
        sessions.reopened += u64::from(!first);
        // TSval must not run back from one connection of a flow to the next (RFC 7323, section 5.3).
        let clock =
            self.emitter.as_ref().map_or_else(|| Clock::starting_from(&opening, cx.now), Emitter::clock);
        self.emitter = Some(Emitter::new(flow, opening, clock));
        self.state = State::Routing;
        self.restart_idle_timer(cx);
    }

    /// The route is announced.
    pub(crate) fn handle_routed(&mut self, config: &ReplayConfig) {
        if matches!(self.state, State::Routing) {
            let rtt = RttEstimator::new(config.initial_rtt);
            self.state = State::SynSent(SynSent { due: true, attempts: 0, rtt, sent: None });
        }
    }

    /// Takes a packet of the client that is no SYN and was captured `at` some moment, and tells what became of it.
    pub(crate) fn handle_client_packet(
        &mut self,
        cx: &mut Context<'_>,
        at: Instant,
        packet: &PacketRef<'_>,
    ) -> Offered {
        self.restart_idle_timer(cx);
        let offered = self.stream.offer(packet);
        self.measure_captured(cx.now, at);
        cx.counters.requests.captured += self.stream.take_begun();
        match offered {
            Offered::Data => {
                // What is missing now is missing since now.
                self.timers.set(Timer::Hole, cx.now + cx.config.hole_limit);
                self.on_client_data(cx);
            }
            Offered::End => self.on_client_end(cx),
            Offered::Held => self.timers.set_if_unset(Timer::Hole, cx.now + cx.config.hole_limit),
            Offered::Overflow => self.close(cx, CloseReason::Overflow),
            Offered::Ack | Offered::Retransmission | Offered::NotJoined | Offered::OutOfWindow => {}
        }
        if self.memory() > cx.config.max_session_octets {
            self.close(cx, CloseReason::Overflow);
        }
        if !self.stream.has_hole() {
            self.timers.stop(Timer::Hole);
        }
        offered
    }

    /// The client has gone without a word: its port has a new owner.
    pub(crate) fn handle_client_gone(&mut self, cx: &mut Context<'_>) {
        if self.stream.end().is_none() {
            self.stream.finish(EndKind::Reset, false);
            self.on_client_end(cx);
        }
    }

    fn on_client_data(&mut self, cx: &mut Context<'_>) {
        match &self.state {
            State::Idle => self.want_flow_for_next_request(cx),
            State::Synchronized(_) => self.leave_closed_target(cx),
            State::Routing | State::SynSent(_) | State::Lingering { .. } | State::Closed => {}
        }
        if self.stream.end().is_some() {
            self.on_client_end(cx);
        }
    }

    fn on_client_end(&mut self, cx: &mut Context<'_>) {
        if matches!(self.state, State::Idle) && !self.wants_flow {
            self.linger_without_answer(cx);
        }
    }

    fn want_flow_for_next_request(&mut self, cx: &mut Context<'_>) {
        cx.counters.requests.given_up += self.stream.skip_to_request(self.stream.base());
        self.wants_flow = self.stream.first_turn().is_some();
    }
}
