//! One run of a script.

use super::check;
use super::script::{Action, Line, Manner, Number, Packet, Pool, Script, When};
use super::world::{Speaker, Variant, World};
use super::{counters, fragments, notation, wire};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tc_core::{ClientPool, LinkAddresses, Mapping, Replayer};
use tc_proto::{Flow, TargetHeader, Transport};

/// Packets of one wake-up beyond which the engine is taken to run in a circle.
const MANY: usize = 100_000;
/// What stands in the buffer before the engine appends to it.
const BEFORE: [u8; 3] = [0xee; 3];

/// Something that the engine gave.
#[derive(Debug)]
pub(crate) enum Output {
    Route(Flow),
    Packet(Vec<u8>),
}

/// One run of a script.
pub(crate) struct Run<'a> {
    script: &'a Script,
    world: World,
    replayer: Replayer,
    started: Instant,
    now: Instant,
    /// What was given and not expected yet.
    outputs: VecDeque<Output>,
    /// What happened so far, for the report.
    trace: Vec<String>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(script: &'a Script, variant: Variant) -> Self {
        let world = World::new(variant);
        let mapping = Mapping {
            transport: Transport::Tcp,
            online: None,
            port: world.online().port(),
            target: world.target(),
            link: LinkAddresses::default(),
        };
        let address = match script.settings.pool {
            Pool::None => None,
            Pool::One => Some(world.pool()),
            Pool::Target => Some(world.target().ip()),
        };
        let pool =
            address.map_or_else(ClientPool::default, |address| address.to_string().parse().unwrap_or_default());
        let mut replayer = Replayer::new(script.settings.config, vec![mapping], pool);
        if script.settings.tunnel {
            replayer.handle_tunnel_up(tc_core::RouteScope::All);
        }
        let now = start();
        Self { script, world, replayer, started: now, now, outputs: VecDeque::new(), trace: Vec::new() }
    }

    /// Runs all lines.
    pub(crate) fn run(mut self) -> Result<(), String> {
        let mut together = self.script.lines.iter().skip(1).map(|line| line.when == When::Together);
        for line in &self.script.lines {
            let drains = !together.next().unwrap_or(false);
            self.step(line, drains).map_err(|problem| self.report(line, &problem))?;
        }
        let Some(last) = self.script.lines.last() else { return Err("the script is empty".to_owned()) };
        self.expect_silence()
            .map_err(|problem| self.report(last, &format!("at the end of the script, {problem}")))
    }

    fn report(&self, line: &Line, problem: &str) -> String {
        format!("{}\n{problem}\nall so far:\n{}", line.place, self.trace.join("\n"))
    }

    fn step(&mut self, line: &Line, drains: bool) -> Result<(), String> {
        let after = match line.when {
            When::After(after) => after,
            When::Together => Duration::ZERO,
        };
        if let Action::Sent(..) | Action::Route(..) = line.action {
            self.wait_for_output(after)?;
            return self.expect(&line.action);
        }
        self.expect_silence()?;
        self.advance(after)?;
        self.act(&line.action)?;
        if drains {
            self.drain()?;
        }
        counters::miscounted(self.replayer.counters()).map_or(Ok(()), Err)
    }

    fn act(&mut self, action: &Action) -> Result<(), String> {
        let target = self.world.target().ip();
        match action {
            Action::Captured(number, packet, manner) => self.capture(*number, packet, *manner),
            Action::Header(number, packet) => self.take_header(*number, packet),
            Action::TunnelUp(scope) => self.replayer.handle_tunnel_up(scope.of(target)),
            Action::TunnelDown(scope) => self.replayer.handle_tunnel_down(scope.of(target)),
            Action::ClientsGone => self.replayer.handle_clients_gone(self.now),
            Action::LimitHoles(limit) => self.replayer.limit_holes(self.now, *limit),
            Action::Client(number, change) => self.world.change(*number, *change),
            Action::NewTarget(number) => self.world.renew_target(*number),
            Action::Sent(..) | Action::Route(..) => {}
            Action::Expect(expectation) => return check::state(&self.replayer, expectation),
        }
        Ok(())
    }

    fn capture(&mut self, number: Number, packet: &Packet, manner: Manner) {
        let connection = self.world.connection(number);
        let (segment, octets) = wire::captured(connection, packet, manner, self.world.online());
        let mut text = notation::describe(&segment, Speaker::Client, connection);
        if manner != Manner::Whole {
            text = format!("{text} as {manner:?}");
        }
        self.note("c>", &segment.source.port().to_string(), &text);
        for packet in fragments::of(octets, manner) {
            self.replayer.handle_client_packet(self.now, &packet);
        }
    }

    fn take_header(&mut self, number: Number, packet: &Packet) {
        let connection = self.world.connection(number);
        let segment = connection.segment(packet, Speaker::Target, self.world.online());
        let text = notation::describe(&segment, Speaker::Target, connection);
        self.note("t>", &segment.destination.port().to_string(), &text);
        self.replayer.handle_target_header(self.now, &TargetHeader(segment));
    }

    /// Lets the clock jump from deadline to deadline; nothing may be sent on the way.
    fn advance(&mut self, after: Duration) -> Result<(), String> {
        let until = self.now + after;
        while let Some(deadline) = self.due(until) {
            self.wake_up(deadline)?;
            self.expect_silence()?;
        }
        self.now = until;
        Ok(())
    }

    /// Lets the clock jump until something is sent, which must be then and not before.
    fn wait_for_output(&mut self, after: Duration) -> Result<(), String> {
        let tolerance = self.script.settings.tolerance;
        let (earliest, latest) = (self.now + after.saturating_sub(tolerance), self.now + after + tolerance);
        if after.is_zero() {
            return if self.outputs.is_empty() { Err("nothing was sent".to_owned()) } else { Ok(()) };
        }
        self.expect_silence()?;
        while let Some(deadline) = self.due(latest) {
            self.wake_up(deadline)?;
            if !self.outputs.is_empty() && self.now < earliest {
                return Err("this was sent too early".to_owned());
            }
            if !self.outputs.is_empty() {
                return Ok(());
            }
        }
        let next =
            self.replayer.poll_timeout().map(|(at, timer)| (at.saturating_duration_since(self.started), timer));
        Err(format!("nothing was sent until {:?}; next timer: {next:?}", latest - self.started))
    }

    fn due(&self, until: Instant) -> Option<Instant> {
        self.replayer.poll_timeout().map(|(deadline, _)| deadline).filter(|deadline| *deadline <= until)
    }

    fn wake_up(&mut self, deadline: Instant) -> Result<(), String> {
        self.now = self.now.max(deadline);
        self.replayer.handle_timeout(self.now);
        self.drain()
    }

    /// Takes everything that the engine has to give: routes first, as the driver does.
    fn drain(&mut self) -> Result<(), String> {
        while let Some(flow) = self.replayer.poll_route() {
            self.note(">r", &flow.client.port().to_string(), &flow.to_string());
            self.outputs.push_back(Output::Route(flow));
        }
        for _ in 0..MANY {
            let mut buffer = BEFORE.to_vec();
            let Some(transmit) = self.replayer.poll_transmit(self.now, &mut buffer) else {
                return self.check_timers();
            };
            let octets = buffer.split_off(BEFORE.len());
            if buffer != BEFORE || transmit.len != octets.len() {
                return Err(format!("{transmit:?} is not what was appended: {} octets", octets.len()));
            }
            self.note_sent(&octets, transmit.destination)?;
            self.outputs.push_back(Output::Packet(octets));
        }
        Err("the engine does not stop sending".to_owned())
    }

    /// After everything was taken, the next deadline lies ahead.
    fn check_timers(&self) -> Result<(), String> {
        match self.replayer.poll_timeout() {
            Some((deadline, timer)) if deadline <= self.now => {
                Err(format!("timer {timer:?} is due after everything was done"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn note_sent(&mut self, octets: &[u8], destination: std::net::IpAddr) -> Result<(), String> {
        let sent = wire::parse_sent(octets)?;
        let segment = *sent.segment();
        let flow = Flow { client: segment.source, target: segment.destination };
        let known = self.world.by_flow(&flow).unwrap_or_else(|| self.world.connection(1));
        let text = notation::describe(&segment, Speaker::Replay, known);
        self.note(">t", &segment.source.port().to_string(), &text);
        if destination == segment.destination.ip() {
            Ok(())
        } else {
            Err(format!("a packet to {} was to be sent to {destination}", segment.destination))
        }
    }

    fn expect_silence(&self) -> Result<(), String> {
        match self.outputs.len() {
            0 => Ok(()),
            count => Err(format!("the last {count} of what was sent is not expected here")),
        }
    }

    fn expect(&mut self, expected: &Action) -> Result<(), String> {
        match (expected, self.outputs.pop_front()) {
            (Action::Route(number, facts), Some(Output::Route(flow))) => {
                self.world.route(*number, *facts, flow)
            }
            (Action::Sent(number, packet), Some(Output::Packet(octets))) => {
                check::sent(&self.world, *number, packet, &octets)
            }
            (_, Some(Output::Route(flow))) => Err(format!("expected: a packet\nactual:   the route {flow}")),
            (_, Some(Output::Packet(_))) => {
                Err("expected: a route\nactual:   a packet, see the last line".to_owned())
            }
            (_, None) => Err("nothing was sent".to_owned()),
        }
    }

    fn note(&mut self, party: &str, port: &str, text: &str) {
        let time = (self.now - self.started).as_secs_f64();
        self.trace.push(format!("{time:>10.4} {party} [{port}] {text}"));
    }
}

/// A point in time to count from.
#[expect(clippy::disallowed_methods, reason = "an Instant cannot be made otherwise; nothing is measured")]
fn start() -> Instant {
    Instant::now()
}
