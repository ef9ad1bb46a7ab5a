//! Packets in packetdrill's notation: `P. 1:101(100) ack 1 win 512 <mss 1460,sackOK,nop,wscale 7>`.

use super::super::script::{Manner, Options, Packet};
use super::number;
use std::str::SplitWhitespace;
use tc_proto::Flags;

const FLAGS: [(char, Flags); 8] = [
    ('F', Flags::FIN),
    ('S', Flags::SYN),
    ('R', Flags::RST),
    ('P', Flags::PSH),
    ('.', Flags::ACK),
    ('U', Flags::URG),
    ('E', Flags::ECE),
    ('W', Flags::CWR),
];

/// A packet to which nothing special happens.
pub(super) fn parse_plain(text: &str) -> Result<Packet, String> {
    let (packet, manner) = parse(text)?;
    if manner == Manner::Whole { Ok(packet) } else { Err("'as' is for captured packets".to_owned()) }
}

/// A packet, and in which manner it was captured.
pub(super) fn parse(text: &str) -> Result<(Packet, Manner), String> {
    let (text, options) = split_options(text)?;
    let mut words = text.split_whitespace();
    let flags = flags(words.next().unwrap_or_default())?;
    let (seq, len) = range(words.next().unwrap_or_default())?;
    let mut packet =
        Packet { flags, seq, len, ack: None, window: None, urgent: 0, ttl: None, traffic_class: None, options };
    let mut manner = Manner::Whole;
    while let Some(word) = words.next() {
        if word == "as" {
            manner = self::manner(&mut words)?;
        } else {
            field(&mut packet, word, words.next().unwrap_or_default())?;
        }
    }
    if packet.ack.is_some() == flags.contains(Flags::ACK) {
        Ok((packet, manner))
    } else {
        Err("the flag '.' and a number behind 'ack' go together".to_owned())
    }
}

fn field(packet: &mut Packet, name: &str, value: &str) -> Result<(), String> {
    match name {
        "ack" => packet.ack = Some(number(value)?),
        "win" => packet.window = Some(number(value)?),
        "urg" => packet.urgent = number(value)?,
        "ttl" => packet.ttl = Some(number(value)?),
        "tos" => packet.traffic_class = Some(number(value)?),
        _ => return Err(format!("'{name}' is no field of a packet")),
    }
    Ok(())
}

fn manner(words: &mut SplitWhitespace<'_>) -> Result<Manner, String> {
    let word = words.next().unwrap_or_default();
    Ok(match word {
        "cut" => Manner::Cut(number(words.next().unwrap_or_default())?),
        "fragment" => Manner::Fragment,
        "pieces" => Manner::Pieces(piece_len(words.next().unwrap_or_default())?),
        "piece" => piece(&[(); 3].map(|()| words.next().unwrap_or_default()))?,
        "udp" => Manner::Udp,
        "unmapped" => Manner::Unmapped,
        "replayed" => Manner::Replayed,
        "padded" => Manner::Padded,
        "ip-options" => Manner::IpOptions,
        "fast-open" => Manner::FastOpen,
        "offloaded" => Manner::Offloaded,
        _ => return Err(format!("no packet is captured as '{word}'")),
    })
}

fn piece(words: &[&str; 3]) -> Result<Manner, String> {
    match *words {
        [place, "of", len] => Ok(Manner::Piece(number(place)?, piece_len(len)?)),
        _ => Err("write 'piece 2 of 64': the second fragment of 64 octets".to_owned()),
    }
}

fn piece_len(text: &str) -> Result<usize, String> {
    let len: usize = number(text)?;
    if len > 0 && len.is_multiple_of(8) {
        Ok(len)
    } else {
        Err("a fragment has a multiple of 8 octets".to_owned())
    }
}

fn flags(text: &str) -> Result<Flags, String> {
    let mut flags = Flags::NONE;
    if text == "none" {
        return Ok(flags);
    }
    for letter in text.chars() {
        let known = FLAGS.iter().find(|(name, _)| *name == letter);
        flags |= known.ok_or_else(|| format!("'{letter}' is no flag"))?.1;
    }
    if text.is_empty() { Err("a packet has flags".to_owned()) } else { Ok(flags) }
}

/// `begin:end(octets)`; a FIN or SYN is not counted, as in tcpdump.
fn range(text: &str) -> Result<(i64, usize), String> {
    let wrong = || format!("'{text}' is no range of sequence numbers; write begin:end(octets)");
    let (begin, rest) = text.split_once(':').ok_or_else(wrong)?;
    let (end, len) = rest.strip_suffix(')').and_then(|rest| rest.split_once('(')).ok_or_else(wrong)?;
    let (begin, end, len): (i64, i64, u32) = (number(begin)?, number(end)?, number(len)?);
    let fits = begin + i64::from(len) == end;
    if fits { Ok((begin, len as usize)) } else { Err(wrong()) }
}

fn split_options(text: &str) -> Result<(String, Option<Options>), String> {
    let Some((before, rest)) = text.split_once('<') else {
        return Ok((text.to_owned(), Some(Options::default())));
    };
    let (list, after) = rest.split_once('>').ok_or("'<' without '>'")?;
    let rest = format!("{before} {after}");
    if list == "..." {
        return Ok((rest, None));
    }
    let mut options = Options::default();
    for item in list.split(',') {
        option(&mut options, item.trim())?;
    }
    Ok((rest, Some(options)))
}

fn option(options: &mut Options, item: &str) -> Result<(), String> {
    let words: Vec<_> = item.split_whitespace().collect();
    match *words.as_slice() {
        ["nop" | "eol"] => {}
        ["sackOK"] => options.sack_permitted = true,
        ["mss", mss] => options.mss = Some(number(mss)?),
        ["wscale", shift] => options.window_scale = Some(number(shift)?),
        ["TS", "val", value, "ecr", echo] => options.timestamps = Some((number(value)?, number(echo)?)),
        ["sack", ref blocks @ ..] => {
            for block in blocks {
                let (start, end) = block.split_once(':').ok_or("a block is begin:end")?;
                options.sack.push((number(start)?, number(end)?));
            }
        }
        _ => return Err(format!("'{item}' is no option")),
    }
    Ok(())
}
