//! What the rules of iptables do with a packet, worked out from what `iptables-save` prints.
//!
//! Rules that were made with `nft` itself are not followed; [`Firewall::foreign_queues`] finds those that feed queues,
//! [`Firewall::foreign_reverse_path`] one that drops by the route back.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use crate::process::output_within;

mod matching;

use matching::{Answer, matches, words};

/// A TCP packet, as far as rules look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Which hooks it passes.
    pub way: Way,
    /// Its source, if known.
    pub source: Option<IpAddr>,
    /// Its destination, if known.
    pub destination: Option<IpAddr>,
    /// Its source port, if known.
    pub source_port: Option<u16>,
    /// Its destination port, if known.
    pub destination_port: Option<u16>,
}

/// The way of a packet through the hooks of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To a program of this host: the SYN of a connection.
    In,
    /// From a program of this host: the answer to a SYN.
    Out,
}

impl Way {
    /// Tables and chains in their order.
    const fn chains(self) -> [(&'static str, &'static str); 4] {
        match self {
            Self::In => {
                [("raw", "PREROUTING"), ("mangle", "PREROUTING"), ("mangle", "INPUT"), ("filter", "INPUT")]
            }
            Self::Out => {
                [("raw", "OUTPUT"), ("mangle", "OUTPUT"), ("filter", "OUTPUT"), ("mangle", "POSTROUTING")]
            }
        }
    }
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It passes.
    Passes,
    /// It is dropped or refused, by this rule or policy.
    Lost(String),
    /// It goes to one of these queues, by this rule.
    Queued {
        /// The first and the last number.
        numbers: (u16, u16),
        /// The rule.
        rule: String,
    },
    /// It depends on something that is not known here; the rule that may drop it.
    Doubtful(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Chain {
    policy: Option<String>,
    rules: Vec<String>,
}

/// What rules may do that look at something unknown.
#[derive(Debug, Default)]
struct Doubts {
    /// The first that may drop the packet.
    lost: Option<String>,
    /// Whether one may let it pass.
    spared: bool,
}

/// The rules of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firewall {
    chains: BTreeMap<(String, String), Chain>,
    foreign_queues: Vec<u16>,
    foreign_reverse_path: Option<String>,
}

impl Firewall {
    /// Reads the rules for a version of IP; `None` if they cannot be read (only root may).
    #[must_use]
    pub fn current(version: &IpAddr) -> Option<Self> {
        let run = |program: &str, arguments: &[&str]| {
            output_within(Command::new(program).args(arguments), Duration::from_secs(2))
        };
        let save = if version.is_ipv4() { "iptables-save" } else { "ip6tables-save" };
        let mut firewall = Self::parse(&run(save, &[])?);
        let native = run("nft", &["list", "ruleset"]).unwrap_or_default();
        firewall.foreign_queues = native.lines().filter_map(native_queue).collect();
        firewall.foreign_reverse_path = native.lines().find_map(native_reverse_path);
        Some(firewall)
    }

    /// Takes apart what `iptables-save` prints.
    #[must_use]
    pub fn parse(save: &str) -> Self {
        let mut firewall = Self::default();
        let mut table = String::new();
        for line in save.lines() {
            if let Some(name) = line.strip_prefix('*') {
                name.clone_into(&mut table);
            } else if let Some((chain, policy)) = line.strip_prefix(':').and_then(|rest| rest.split_once(' ')) {
                let policy = policy.split(' ').next().filter(|policy| *policy != "-").map(str::to_owned);
                firewall.chain(&table, chain).policy = policy;
            } else if let Some(chain) = line.strip_prefix("-A ").and_then(|rest| rest.split(' ').next()) {
                firewall.chain(&table, chain).rules.push(line.to_owned());
            }
        }
        firewall
    }

    fn chain(&mut self, table: &str, chain: &str) -> &mut Chain {
        self.chains.entry((table.to_owned(), chain.to_owned())).or_default()
    }

    /// Whether a rule made with `nft` itself feeds this queue.
    #[must_use]
    pub fn foreign_queues(&self) -> &[u16] {
        &self.foreign_queues
    }

    /// A rule made with `nft` itself that drops packets whose route back is another, as firewalld makes one for IPv6.
    #[must_use]
    pub fn foreign_reverse_path(&self) -> Option<&str> {
        self.foreign_reverse_path.as_deref()
    }

    /// Follows a packet through all hooks of its way. A doubt is what is said if nothing certain follows it.
    #[must_use]
    pub fn fate(&self, packet: &Packet) -> Fate {
        let mut doubts = Doubts::default();
        for (table, chain) in packet.way.chains() {
            let outcome = self.follow(table, chain, packet, &mut doubts, 0);
            let policy = || self.policy(table, chain);
            match outcome.or_else(policy) {
                None | Some(Fate::Passes) => {}
                Some(Fate::Lost(rule)) if doubts.spared => return Fate::Doubtful(rule),
                Some(fate) => return fate,
            }
        }
        doubts.lost.map_or(Fate::Passes, Fate::Doubtful)
    }

    fn policy(&self, table: &str, chain: &str) -> Option<Fate> {
        let policy = self.chains.get(&(table.to_owned(), chain.to_owned()))?.policy.as_deref()?;
        (policy == "DROP").then(|| Fate::Lost(format!("the policy of chain {chain} of table {table}: DROP")))
    }

    /// What a chain decides; nothing if it comes to its end.
    fn follow(
        &self,
        table: &str,
        chain: &str,
        packet: &Packet,
        doubts: &mut Doubts,
        depth: u8,
    ) -> Option<Fate> {
        const DEEPEST: u8 = 16;
        let rules = &self.chains.get(&(table.to_owned(), chain.to_owned()))?.rules;
        for rule in rules.iter().take_while(|_| depth < DEEPEST) {
            let words = words(rule);
            let answer = matches(&words, packet);
            if answer == Answer::No {
                continue;
            }
            let target = value_of(&words, "-j").or_else(|| value_of(&words, "-g"));
            let fate = match target {
                Some("ACCEPT") => Some(Fate::Passes),
                Some("DROP" | "REJECT") => Some(Fate::Lost(rule.clone())),
                Some("NFQUEUE") => Some(Fate::Queued { numbers: queue_numbers(&words), rule: rule.clone() }),
                Some("QUEUE") => Some(Fate::Queued { numbers: (0, 0), rule: rule.clone() }),
                Some("RETURN") if answer == Answer::Yes => return None,
                Some(other) => self.follow(table, other, packet, doubts, depth + 1),
                None => None,
            };
            match (answer, fate) {
                (Answer::Yes, Some(fate)) => return Some(fate),
                // A rule for some answers is there for those to replayed requests.
                (Answer::Perhaps, Some(queued @ Fate::Queued { .. })) => return Some(queued),
                (Answer::Perhaps, Some(Fate::Lost(rule))) => {
                    doubts.lost.get_or_insert(rule);
                }
                (Answer::Perhaps, Some(Fate::Passes)) => doubts.spared = true,
                _ => {}
            }
        }
        None
    }

    /// The rules of a way through this host that name one of these targets, whatever packets they are for.
    pub fn rules_to(&self, target: &str) -> impl Iterator<Item = &str> {
        let rules = self.chains.values().flat_map(|chain| &chain.rules);
        rules.map(String::as_str).filter(move |rule| value_of(&words(rule), "-j") == Some(target))
    }

    /// The rule of OUTPUT that drops what conntrack takes for invalid, as it does when it sees one side of a connection.
    #[must_use]
    pub fn invalid_dropped(&self) -> Option<&str> {
        let output = self.chains.get(&("filter".to_owned(), "OUTPUT".to_owned()))?;
        let drops = |rule: &&String| {
            rule.contains("INVALID") && matches!(value_of(&words(rule), "-j"), Some("DROP" | "REJECT"))
        };
        output.rules.iter().find(drops).map(String::as_str)
    }
}

pub(crate) fn value_of<'a>(words: &[&'a str], option: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| *word == option)?;
    words.get(at + 1).copied()
}

fn queue_numbers(words: &[&str]) -> (u16, u16) {
    let number = |text: &str| text.parse().ok();
    let balanced = || {
        let (first, last) = value_of(words, "--queue-balance")?.split_once(':')?;
        Some((number(first)?, number(last)?))
    };
    let single = value_of(words, "--queue-num").and_then(number).unwrap_or(0);
    balanced().unwrap_or((single, single))
}

/// The number in `queue to 3`, `queue num 3`, `queue flags bypass to 3`.
fn native_queue(line: &str) -> Option<u16> {
    let words: Vec<_> = line.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "queue")?;
    let rest = words.get(at + 1..)?;
    let number = value_of(rest, "to").or_else(|| value_of(rest, "num")).unwrap_or("0");
    number.split('-').next()?.parse().ok()
}

/// The rule, if it looks at the route to the source and drops.
fn native_reverse_path(line: &str) -> Option<String> {
    let words: Vec<_> = line.split_whitespace().collect();
    let looks = value_of(&words, "fib").is_some_and(|value| value.starts_with("saddr"));
    (looks && words.contains(&"drop")).then(|| line.trim().to_owned())
}

#[cfg(test)]
mod tests;
