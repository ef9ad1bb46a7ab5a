//! The answer's way: rule, queue, and who takes from it.

use super::application::{AS_ROOT, READ, UNREADABLE, removal};
use super::{Subject, is_intercept};
use std::collections::BTreeSet;
use tc_sys::firewall::{Fate, Firewall, Packet, Way};
use tc_sys::program::{Finding, Report};
use tc_sys::queue::{self, QueueStatistics};

const RULE: &str = "rule";
const QUEUE: &str = "queue";
const LISTED: &str = "read /proc/net/netfilter/nfnetlink_queue";

/// Follows an answer of each port.
pub(super) fn look(ports: &BTreeSet<u16>, subject: &Subject, report: &mut Report) {
    match &subject.firewall {
        Some(firewall) => {
            for port in ports {
                report.add(look_at_rule(*port, subject, firewall));
            }
            look_at_old_rules(firewall, subject.queues.first, report);
        }
        None => report.add(Finding::unknown(RULE, UNREADABLE, READ, AS_ROOT)),
    }
    for queue in subject.queues.numbers() {
        look_at_queue(queue, report);
    }
}

fn look_at_rule(port: u16, subject: &Subject, firewall: &Firewall) -> Finding {
    let queues = subject.queues;
    let option = if queues.first == queues.last { "--queue-num" } else { "--queue-balance" };
    let insertion = format!("iptables -I OUTPUT -p tcp --sport {port} -j NFQUEUE {option} {queues}");
    let packet = Packet {
        way: Way::Out,
        source: None,
        destination: subject.client,
        source_port: Some(port),
        destination_port: None,
    };
    match firewall.fate(&packet) {
        Fate::Queued { numbers: (first, last), .. } if queues.first <= first && last <= queues.last => {
            Finding::good(RULE, format!("answers of port {port} go to queue {queues}"), READ)
        }
        Fate::Queued { numbers: (first, _), rule } => {
            let found = format!("answers of port {port} go to queue {first}, not to {queues}: {rule}");
            Finding::bad(
                RULE,
                found,
                READ,
                format!("{insertion}; {}; or intercept --queue {first}", removal(&rule)),
            )
        }
        Fate::Lost(rule) => {
            let found = format!("answers of port {port} are dropped before any queue by: {rule}");
            Finding::bad(RULE, found, READ, insertion)
        }
        Fate::Passes if firewall.foreign_queues().contains(&queues.first) => {
            Finding::good(RULE, format!("a rule of nft feeds queue {}", queues.first), "read nft list ruleset")
        }
        Fate::Passes => {
            let found = format!("no rule hands the answers of port {port} to a queue: clients would get them");
            Finding::bad(RULE, found, READ, insertion)
        }
        Fate::Doubtful(rule) => {
            let found = format!("answers of port {port} may be dropped before any queue by: {rule}");
            Finding::unknown(RULE, found, READ, insertion)
        }
    }
}

fn look_at_old_rules(firewall: &Firewall, queue: u16, report: &mut Report) {
    for rule in firewall.rules_to("QUEUE") {
        let found = format!("a rule of the old ip_queue takes answers away: {rule}");
        let remedy = format!("{}; use -j NFQUEUE --queue-num {queue} in its place", removal(rule));
        report.add(Finding::bad(RULE, found, READ, remedy));
    }
}

fn look_at_queue(number: u16, report: &mut Report) {
    report.add(match queue::owner(number) {
        Err(error) if error.cause.kind() == std::io::ErrorKind::PermissionDenied => {
            Finding::unknown(QUEUE, "the list of queues cannot be read", LISTED, AS_ROOT)
        }
        Err(error) if error.cause.kind() == std::io::ErrorKind::NotFound => {
            let found = "the kernel has no list of queues: nfnetlink_queue is not loaded";
            Finding::bad(QUEUE, found, LISTED, "modprobe nfnetlink_queue; start intercept")
        }
        Err(error) => Finding::unknown(QUEUE, error.to_string(), LISTED, AS_ROOT),
        Ok(None) => {
            let found = format!("nobody takes from queue {number}: the kernel drops what goes there");
            Finding::bad(QUEUE, found, LISTED, format!("start intercept --queue {number}"))
        }
        Ok(Some((owner, _)))
            if owner.process.as_ref().is_some_and(|process| !is_intercept(&process.command)) =>
        {
            let found = format!("queue {number} is held by {owner}");
            let remedy = "stop that program, or choose another number with --queue and in the rule";
            Finding::bad(QUEUE, found, LISTED, remedy)
        }
        Ok(Some((owner, statistics))) => judge_counters(&owner.to_string(), number, &statistics),
    });
}

fn judge_counters(owner: &str, number: u16, counters: &QueueStatistics) -> Finding {
    let QueueStatistics { length, kernel_dropped, user_dropped, sequence, .. } = counters;
    if kernel_dropped + user_dropped == 0 {
        let found = format!("{owner} has queue {number}: {sequence} answers so far, {length} wait, none lost");
        return Finding::good(QUEUE, found, LISTED);
    }
    let found = format!(
        "queue {number} of {owner} lost {kernel_dropped} answers when it was full and {user_dropped} in its socket"
    );
    let remedy = "intercept -q makes it longer; if that does not help, this host is too slow";
    Finding::bad(QUEUE, found, LISTED, remedy)
}
