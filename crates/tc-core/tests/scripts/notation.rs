//! From packets of a run back to the notation, for people.

use super::world::{Connection, Speaker};
use std::fmt::Write;
use tc_proto::{Flags, IpFields, Segment, SeqNum, TcpOptions};

/// A segment in relative numbers.
pub(crate) fn describe(segment: &Segment, speaker: Speaker, connection: &Connection) -> String {
    let (own, other) = connection.origins(speaker);
    let seq = relative(segment.seq, own);
    let len = i64::try_from(segment.payload_len).unwrap_or(i64::MAX);
    let mut text = format!("{} {seq}:{}({len})", segment.flags, seq + len);
    if segment.flags.contains(Flags::ACK) {
        append(&mut text, format_args!(" ack {}", relative(segment.ack, other)));
    }
    append(&mut text, format_args!(" win {}", segment.window.field()));
    if segment.urgent > 0 {
        append(&mut text, format_args!(" urg {}", segment.urgent));
    }
    let options = options(&segment.options, other);
    if !options.is_empty() {
        append(&mut text, format_args!(" <{}>", options.join(",")));
    }
    text
}

/// Fields of the IP header.
pub(crate) fn describe_ip(ip: IpFields) -> String {
    format!("ttl {} tos {}", ip.ttl, ip.traffic_class)
}

fn options(options: &TcpOptions, other: SeqNum) -> Vec<String> {
    let mut list = Vec::new();
    list.extend(options.mss.map(|mss| format!("mss {mss}")));
    list.extend(options.sack_permitted.then(|| "sackOK".to_owned()));
    list.extend(options.timestamps.map(|stamps| format!("TS val {} ecr {}", stamps.value, stamps.echo)));
    list.extend(options.window_scale.map(|scale| format!("wscale {scale}")));
    let blocks = options.sack.as_slice().iter();
    let blocks: Vec<_> = blocks
        .map(|block| format!("{}:{}", relative(block.start, other), relative(block.end, other)))
        .collect();
    if !blocks.is_empty() {
        list.push(format!("sack {}", blocks.join(" ")));
    }
    list
}

fn relative(seq: SeqNum, origin: SeqNum) -> i64 {
    i64::from(seq.distance_from(origin))
}

fn append(text: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = text.write_fmt(part);
}
