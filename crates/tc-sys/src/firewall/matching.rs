//! Whether a rule is for a packet.

use super::{Packet, Way};
use std::net::IpAddr;

/// Whether a rule is for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    /// It looks at something that is not known here.
    Perhaps,
}

impl Answer {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Perhaps, _) | (_, Self::Perhaps) => Self::Perhaps,
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }

    fn negated(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Perhaps => Self::Perhaps,
        }
    }
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// Cuts a rule into words; what stands in quotes is one.
pub(super) fn words(rule: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = rule.trim_start();
    while !rest.is_empty() {
        let quoted = rest.strip_prefix('"').and_then(|inside| inside.split_once('"'));
        let (word, after) = quoted.or_else(|| rest.split_once(' ')).unwrap_or((rest, ""));
        words.push(word);
        rest = after.trim_start();
    }
    words
}

/// Looks at everything in front of the target.
pub(super) fn matches(words: &[&str], packet: &Packet) -> Answer {
    let mut answer = Answer::Yes;
    let mut negated = false;
    let mut rest = words.iter().copied().skip(2).peekable();
    while let Some(word) = rest.next() {
        match word {
            "-j" | "-g" => break,
            "!" => negated = true,
            _ => {
                let mut value = Vec::new();
                while let Some(next) = rest.next_if(|next| !next.starts_with('-') && *next != "!") {
                    value.push(next);
                }
                let one = option(word, &value, packet);
                answer = answer.and(if std::mem::take(&mut negated) { one.negated() } else { one });
            }
        }
    }
    answer
}

fn option(name: &str, values: &[&str], packet: &Packet) -> Answer {
    let value = values.first().copied().unwrap_or_default();
    match name {
        "-p" => matches!(value, "tcp" | "6" | "all").into(),
        "-s" => network(value, packet.source),
        "-d" => network(value, packet.destination),
        "--sport" | "--sports" => ports(value, packet.source_port),
        "--dport" | "--dports" => ports(value, packet.destination_port),
        // It would be the loopback interface.
        "-i" | "-o" if value == "lo" => Answer::No,
        "--ctstate" | "--state" => {
            let state = if packet.way == Way::In { "NEW" } else { "ESTABLISHED" };
            value.split(',').any(|one| one == state).into()
        }
        "--tcp-flags" => tcp_flags(values, packet.way),
        "-m" if matches!(value, "tcp" | "multiport" | "conntrack" | "state" | "comment") => Answer::Yes,
        "--comment" => Answer::Yes,
        _ => Answer::Perhaps,
    }
}

fn network(text: &str, address: Option<IpAddr>) -> Answer {
    let Some(address) = address else { return Answer::Perhaps };
    let network = text.parse::<ipnet::IpNet>().or_else(|_| text.parse::<IpAddr>().map(ipnet::IpNet::from));
    network.map_or(Answer::Perhaps, |network| network.contains(&address).into())
}

/// A comma list of ports and `first:last`.
fn ports(list: &str, port: Option<u16>) -> Answer {
    let Some(port) = port else { return Answer::Perhaps };
    let holds = |entry: &str| {
        let (low, high) = entry.split_once(':').unwrap_or((entry, entry));
        low.parse().is_ok_and(|low: u16| low <= port) && high.parse().is_ok_and(|high: u16| port <= high)
    };
    list.split(',').any(holds).into()
}

/// `mask set`: of the flags in the mask, just those in the set are there.
fn tcp_flags(values: &[&str], way: Way) -> Answer {
    let [mask, set] = values else { return Answer::Perhaps };
    let there = |flag: &str| flag == "SYN" || (flag == "ACK" && way == Way::Out);
    let wanted = |flag: &str| set.split(',').any(|one| one == flag);
    mask.split(',').all(|flag| there(flag) == wanted(flag)).into()
}
