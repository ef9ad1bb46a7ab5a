//! The filter for what the online server sends: the other way of what the capture rules name.
//!
//! Outgoing packets reach sockets of all protocols only, so the program looks at the protocol itself. It takes TCP right
//! behind the IP header, from an address and port of the rules to a client of one share, with payload or with SYN, FIN or
//! RST, and of these the first octets.

use std::net::{Ipv4Addr, Ipv6Addr};

use tc_proto::{PortShare, Transport};

use super::assemble::{
    accept_first, add_index, branch, branch_greater_than_index, branch_on_bits, jump, keep_bits, load_byte,
    load_byte_indexed, load_half, load_half_indexed, load_header_length, load_index, load_length, load_word,
    move_to_index, multiply, refuse, remainder, shift_right,
};
use super::{Address, CaptureRule, Filter, FilterError, Instruction, MAX_INSTRUCTIONS, Wanted, by_port};
use crate::capture::socket::{ETH_P_IP, ETH_P_IPV6};

const TCP: u32 = 6;
/// FIN, SYN, RST.
const SPEAKING: u32 = 0b111;
const IPV6_HEADER: u32 = 40;

/// What the program for answers depends on, apart from the rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answers {
    /// Whose clients.
    pub(crate) share: PortShare,
    /// Octets of each packet.
    pub(crate) snap: u32,
}

impl Filter {
    /// The program for IPv4 packets of the online server; `None` when no rule applies to IPv4.
    pub(crate) fn answers_ipv4(rules: &[CaptureRule], answers: Answers) -> Result<Option<Self>, FilterError> {
        let protocol = [load_byte(9), branch(TCP, 1, 0), refuse(), load_half(6)];
        let unfragmented = [branch_on_bits(super::FRAGMENT_OFFSET, 0, 1), refuse()];
        let begin: Vec<_> = protocol.into_iter().chain(unfragmented).chain([load_header_length()]).collect();
        build::<Ipv4Addr>(rules, answers, ETH_P_IP, &begin, load_header_length())
    }

    /// The program for IPv6 packets of the online server; `None` when no rule applies to IPv6.
    pub(crate) fn answers_ipv6(rules: &[CaptureRule], answers: Answers) -> Result<Option<Self>, FilterError> {
        let begin = [load_byte(6), branch(TCP, 1, 0), refuse(), load_index(IPV6_HEADER)];
        build::<Ipv6Addr>(rules, answers, ETH_P_IPV6, &begin, load_index(IPV6_HEADER))
    }
}

/// `begin` refuses what is no TCP; it and `find_tcp` leave in the index register where TCP begins.
fn build<A: Address>(
    rules: &[CaptureRule],
    answers: Answers,
    protocol: u16,
    begin: &[Instruction],
    find_tcp: Instruction,
) -> Result<Option<Filter>, FilterError> {
    let ports = by_port::<A>(Transport::Tcp, rules, &[]);
    if ports.is_empty() {
        return Ok(None);
    }
    let taken = take(answers, find_tcp);
    let mut program = outgoing(protocol);
    program.extend(begin);
    program.push(load_half_indexed(0));
    for (port, wanted) in &ports {
        let tests = source_tests(wanted, &taken);
        // The tests end in a return, so that the port is still there for the next one.
        program.extend([branch(u32::from(*port), 1, 0), jump(tests.len())]);
        program.extend(tests);
    }
    program.push(refuse());
    if program.len() > MAX_INSTRUCTIONS {
        let rules = ports.values().map(Wanted::count).sum();
        return Err(FilterError { family: A::NAME, rules, instructions: program.len() });
    }
    Ok(Some(Filter { program }))
}

fn outgoing(protocol: u16) -> Vec<Instruction> {
    // SKF_AD_OFF is negative; as an offset it is taken modulo 2^32.
    let ancillary = |offset: libc::c_int| (libc::SKF_AD_OFF + offset).cast_unsigned();
    vec![
        load_byte(ancillary(libc::SKF_AD_PKTTYPE)),
        branch(u32::from(libc::PACKET_OUTGOING), 1, 0),
        refuse(),
        load_half(ancillary(libc::SKF_AD_PROTOCOL)),
        branch(u32::from(protocol), 1, 0),
        refuse(),
    ]
}

/// Goes on to `taken` for a packet from one of the addresses, and refuses all others.
fn source_tests<A: Address>(wanted: &Wanted<A>, taken: &[Instruction]) -> Vec<Instruction> {
    let mut tests = Vec::new();
    if !wanted.any_address {
        let addresses: Vec<_> = wanted.addresses.iter().map(|address| address.words()).collect();
        let each = |words: &[u32]| 2 * words.len() + 1;
        let mut left: usize = addresses.iter().map(|words| each(words)).sum();
        for words in addresses {
            left -= each(&words);
            let mut over = 2 * words.len();
            for (index, word) in words.iter().enumerate() {
                over -= 2;
                let offset = A::SOURCE + 4 * u32::try_from(index).unwrap_or(0);
                tests.extend([load_word(offset), branch(*word, 0, u8::try_from(over + 1).unwrap_or(u8::MAX))]);
            }
            // Past the other addresses and the refusal behind them.
            tests.push(jump(left + 1));
        }
        tests.push(refuse());
    }
    tests.extend_from_slice(taken);
    tests
}

/// Takes a packet of the share that says something; every path ends in a return.
fn take(answers: Answers, find_tcp: Instruction) -> Vec<Instruction> {
    let mut program = vec![find_tcp];
    if answers.share.workers() > 1 {
        let (multiplier, shift) = PortShare::HASH;
        program.extend([load_half_indexed(2), multiply(multiplier), shift_right(shift)]);
        program.extend([remainder(answers.share.workers().into())]);
        program.extend([branch(answers.share.index().into(), 1, 0), refuse()]);
    }
    program.extend([load_byte_indexed(13), branch_on_bits(SPEAKING, 0, 1), accept_first(answers.snap)]);
    // The data offset counts 32-bit words in the upper half of its octet.
    program.extend([load_byte_indexed(12), keep_bits(0xf0), shift_right(2), add_index(), move_to_index()]);
    program.extend([load_length(), branch_greater_than_index(0, 1), accept_first(answers.snap), refuse()]);
    program
}
