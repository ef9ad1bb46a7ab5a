//! The rules that feed queues, as `iptables-save` prints them.

use std::process::Command;
use std::time::Duration;

use crate::process::output_within;

/// The rules of a firewall that concern queues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirewallRules {
    /// Rules with the target of the old `ip_queue`, as printed. Its packets go to queue 0 and to no other.
    pub old_queue: Vec<String>,
    /// The numbers of the queues that `NFQUEUE` rules feed, ascending.
    pub queues: Vec<u16>,
    /// The numbers of the groups that `NFLOG` rules feed, ascending.
    pub log_groups: Vec<u16>,
}

impl FirewallRules {
    /// Finds the rules in the output of `iptables-save` or `ip6tables-save`.
    #[must_use]
    pub fn parse(save: &str) -> Self {
        let mut rules = Self::default();
        for line in save.lines().filter(|line| line.starts_with("-A ")) {
            let words: Vec<_> = line.split_whitespace().collect();
            match value_of(&words, "-j").or_else(|| value_of(&words, "--jump")) {
                Some("QUEUE") => rules.old_queue.push(line.to_owned()),
                Some("NFQUEUE") => rules.queues.extend(numbers(&words)),
                Some("NFLOG") => rules.log_groups.push(number_of(&words, "--nflog-group")),
                _ => {}
            }
        }
        for numbers in [&mut rules.queues, &mut rules.log_groups] {
            numbers.sort_unstable();
            numbers.dedup();
        }
        rules
    }

    /// Runs `iptables-save` and `ip6tables-save` for this network namespace, each for at most two seconds. A program
    /// that is missing, fails or takes longer contributes nothing.
    #[must_use]
    pub fn current() -> Self {
        let save =
            |program| output_within(&mut Command::new(program), Duration::from_secs(2)).unwrap_or_default();
        Self::parse(&(save("iptables-save") + &save("ip6tables-save")))
    }
}

fn value_of<'a>(words: &[&'a str], option: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| *word == option)?;
    words.get(at + 1).copied()
}

fn number_of(words: &[&str], option: &str) -> u16 {
    value_of(words, option).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn numbers(words: &[&str]) -> std::ops::RangeInclusive<u16> {
    let number = |text: &str| text.parse().ok();
    let balanced = || {
        let (first, last) = value_of(words, "--queue-balance")?.split_once(':')?;
        Some(number(first)?..=number(last)?)
    };
    let single = number_of(words, "--queue-num");
    balanced().unwrap_or(single..=single)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: &str = "\
*filter
:QUEUE-LIKE - [0:0]
:OUTPUT ACCEPT [0:0]
-A OUTPUT -p tcp -m tcp --sport 80 -j QUEUE
-A OUTPUT -p tcp -m tcp --sport 81 -j NFQUEUE --queue-num 7 --queue-bypass
-A OUTPUT -p tcp -m tcp --sport 82 -j NFQUEUE --queue-balance 2:4
-A OUTPUT -p tcp -m tcp --sport 83 -j NFQUEUE
-A OUTPUT -p tcp -m tcp --sport 84 -j QUEUE-LIKE
-A OUTPUT -p tcp -m comment --comment QUEUE -j ACCEPT
-A OUTPUT -p tcp -m tcp --sport 85 -j NFLOG --nflog-group 9 --nflog-size 128
-A OUTPUT -p tcp -m tcp --sport 86 -j NFLOG
COMMIT
";

    #[test]
    fn a_rule_with_the_old_target_is_named_whole() {
        assert_eq!(FirewallRules::parse(SAVED).old_queue, ["-A OUTPUT -p tcp -m tcp --sport 80 -j QUEUE"]);
    }

    #[test]
    fn the_queues_and_groups_that_rules_feed_are_listed() {
        assert_eq!(FirewallRules::parse(SAVED).log_groups, [0, 9]);
        assert_eq!(FirewallRules::parse(SAVED).queues, [0, 2, 3, 4, 7]);
        assert_eq!(FirewallRules::parse(""), FirewallRules::default());
    }
}
