//! Expectations against what the engine did.

use super::notation::{describe, describe_ip};
use super::script::{Expectation, Number, Packet};
use super::world::{Connection, Speaker, World};
use super::{counters, wire};
use std::fmt::Display;
use tc_core::Replayer;
use tc_proto::{Flags, IpFields, PacketRef, Segment};

/// Whether a packet is the expected one.
pub(crate) fn sent(world: &World, number: Number, expected: &Packet, octets: &[u8]) -> Result<(), String> {
    let actual = wire::parse_sent(octets)?;
    let connection = world.connection(number);
    let mut wanted = connection.segment(expected, Speaker::Replay, world.online());
    leave_open(&mut wanted, expected, actual.segment());
    let ip = expected_ip(expected, actual.ip());
    if wanted != *actual.segment() || ip != actual.ip() {
        let flows =
            (wanted.source, wanted.destination) != (actual.segment().source, actual.segment().destination);
        let flows = if flows { " (of another flow)" } else { "" };
        return Err(format!(
            "expected: {} {}\nactual:   {} {}{flows}",
            describe(&wanted, Speaker::Replay, connection),
            describe_ip(ip),
            describe(actual.segment(), Speaker::Replay, connection),
            describe_ip(actual.ip()),
        ));
    }
    payload(connection, &actual)
}

/// What the script does not say is not looked at.
fn leave_open(wanted: &mut Segment, expected: &Packet, actual: &Segment) {
    if expected.window.is_none() {
        wanted.window = actual.window;
    }
    if expected.options.is_none() {
        wanted.options = actual.options;
    }
    if !actual.flags.contains(Flags::ACK) && !wanted.flags.contains(Flags::ACK) {
        wanted.ack = actual.ack;
    }
}

fn expected_ip(expected: &Packet, actual: IpFields) -> IpFields {
    IpFields {
        ttl: expected.ttl.unwrap_or(actual.ttl),
        traffic_class: expected.traffic_class.unwrap_or(actual.traffic_class),
    }
}

/// Each octet is the captured one at its sequence number.
fn payload(connection: &Connection, packet: &PacketRef<'_>) -> Result<(), String> {
    let first = packet.segment().seq + usize::from(packet.segment().flags.contains(Flags::SYN));
    for (index, octet) in packet.payload().iter().enumerate() {
        let captured = connection.octet_at(first + index);
        if *octet != captured {
            return Err(format!("octet {index} of the payload is {octet:#04x}, captured was {captured:#04x}"));
        }
    }
    Ok(())
}

/// Whether the engine's state is as expected.
pub(crate) fn state(replayer: &Replayer, expected: &Expectation) -> Result<(), String> {
    match expected {
        Expectation::Nothing => Ok(()),
        Expectation::Counters(wanted) => {
            let all = counters::by_name(replayer.counters());
            wanted.iter().try_for_each(|(name, value)| compare(name, value, all.get(name)))
        }
        Expectation::Waiting(wanted) => {
            let waiting = replayer.waiting();
            let count = |name: &str| waiting.iter().find(|(reason, _)| reason.name() == name);
            wanted.iter().try_for_each(|(name, value)| compare(name, value, count(name).map(|found| &found.1)))
        }
        Expectation::Sessions(wanted) => compare("sessions", wanted, Some(&replayer.sessions())),
        Expectation::Busy(wanted) => compare("busy", wanted, Some(&replayer.busy())),
        Expectation::Octets(wanted) => compare("octets", wanted, Some(&replayer.octets())),
        Expectation::Awaits(wanted) => compare("awaits target", wanted, Some(&replayer.awaits_target())),
        Expectation::NoTimer => match replayer.poll_timeout() {
            Some((_, timer)) => Err(format!("timer {timer:?} is set")),
            None => Ok(()),
        },
    }
}

fn compare<T: PartialEq + Display>(name: &str, wanted: &T, actual: Option<&T>) -> Result<(), String> {
    match actual {
        Some(actual) if actual == wanted => Ok(()),
        Some(actual) => Err(format!("expected: {name} {wanted}\nactual:   {name} {actual}")),
        None => Err(format!("nothing is called '{name}'")),
    }
}
