//! The kernel's filter: a classic BPF program (linux/filter.h, "socket filtering") built from the capture rules.
//!
//! It runs on packet sockets of type `SOCK_DGRAM`, so offsets count from the IP header. What it takes:
//!
//! - packets for this host (`PACKET_HOST`), or on request for any host, no broadcast, no multicast, nothing outgoing;
//! - one transport, TCP or UDP;
//! - **IPv4**: header options honoured;
//! - **IPv6**: the transport right after the header or a fragment header, by its ports. With other extension headers (hop-by-hop
//!   0, routing 43, destination options 60) every packet is taken and the program decides: classic BPF cannot walk the
//!   chain;
//! - fragments other than the first carry no ports: those of the transport to an address of any rule are taken, and the program
//!   forgets those whose first fragment does not come;
//! - the whole packet, never cut.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tc_proto::{PortShare, Transport};

use super::CaptureRule;

mod answers;
mod assemble;
mod flow;
mod shape;

pub(crate) use answers::Answers;

use assemble::{
    accept, branch, branch_on_bits, give_accumulator, jump, load_byte, load_half, load_half_indexed,
    load_header_length, load_word, multiply, refuse, shift_right,
};

/// One instruction of classic BPF.
pub(crate) type Instruction = libc::sock_filter;

/// The kernel takes no longer program (`BPF_MAXINSNS`, `linux/bpf_common.h`).
pub const MAX_INSTRUCTIONS: usize = 4096;

/// The octets of a packet that the filter lets through: more than any packet has.
pub const SNAP: u32 = 0x4_0000;

const IPV6_EXTENSIONS: [u32; 3] = [0, 43, 60];
const IPV6_FRAGMENT: u32 = 44;
const FRAGMENT_OFFSET: u32 = 0x1fff;
const IPV6_FRAGMENT_OFFSET: u32 = 0xfff8;
/// More instructions than this are not spent on the addresses of fragments.
const MAX_FRAGMENT_TESTS: usize = 256;

/// Rules that do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot build the {family} capture filter: {rules} rules and exclusions need {instructions} instructions and the \
     kernel takes {MAX_INSTRUCTIONS}; name fewer addresses, or ports without addresses"
)]
pub struct FilterError {
    /// "IPv4" or "IPv6".
    pub family: &'static str,
    /// Rules and exclusions of that family.
    pub rules: usize,
    /// Instructions they need.
    pub instructions: usize,
}

/// A program for one socket.
#[derive(Clone, Debug)]
pub struct Filter {
    program: Vec<Instruction>,
}

impl Filter {
    /// The program for a socket that gets IPv4 packets of this transport; `None` when no rule applies to them.
    ///
    /// # Errors
    ///
    /// When it has more than [`MAX_INSTRUCTIONS`].
    pub fn ipv4(
        transport: Transport,
        rules: &[CaptureRule],
        exclude: &[SocketAddr],
    ) -> Result<Option<Self>, FilterError> {
        Self::build::<Ipv4Addr>(transport, rules, exclude)
    }

    /// The program for a socket that gets IPv6 packets of this transport; `None` when no rule applies to them.
    ///
    /// # Errors
    ///
    /// When it has more than [`MAX_INSTRUCTIONS`].
    pub fn ipv6(
        transport: Transport,
        rules: &[CaptureRule],
        exclude: &[SocketAddr],
    ) -> Result<Option<Self>, FilterError> {
        Self::build::<Ipv6Addr>(transport, rules, exclude)
    }

    /// The program that takes no packet.
    pub(crate) fn nothing() -> Self {
        Self { program: vec![refuse()] }
    }

    /// The program of somebody else. What it takes is taken whole.
    #[cfg(feature = "pcap")]
    pub(crate) fn of_instructions(mut program: Vec<Instruction>) -> Self {
        for instruction in &mut program {
            if u32::from(instruction.code) == libc::BPF_RET | libc::BPF_K && instruction.k != 0 {
                *instruction = accept();
            }
        }
        Self { program }
    }

    /// The program that gives the hash of [`PortShare`] of the client's port, in packets of this protocol
    /// (`linux/if_ether.h`), or zero where neither TCP nor UDP follows right after the IP header.
    pub(crate) fn pick_member(protocol: u16) -> Self {
        let (multiplier, shift) = PortShare::HASH;
        let (protocol_at, port) = if protocol == super::socket::ETH_P_IPV6 {
            (6, vec![load_half(40)])
        } else {
            (9, vec![load_header_length(), load_half_indexed(0)])
        };
        let [tcp, udp] = Transport::ALL.map(|transport| transport.protocol().into());
        let mut program = vec![load_byte(protocol_at), branch(tcp, 2, 0), branch(udp, 1, 0), refuse()];
        program.extend(port);
        program.extend([multiply(multiplier), shift_right(shift), give_accumulator()]);
        Self { program }
    }

    /// How many instructions it has.
    #[must_use]
    pub fn instruction_count(&self) -> usize {
        self.program.len()
    }

    pub(crate) fn instructions(&self) -> &[Instruction] {
        &self.program
    }

    fn build<A: Address>(
        transport: Transport,
        rules: &[CaptureRule],
        exclude: &[SocketAddr],
    ) -> Result<Option<Self>, FilterError> {
        let ports = by_port::<A>(transport, rules, exclude);
        if ports.is_empty() {
            return Ok(None);
        }
        let mut program = for_this_host();
        // What the program decides must come from one socket only.
        let undecided = match transport {
            Transport::Udp if !by_port::<A>(Transport::Tcp, rules, exclude).is_empty() => refuse(),
            Transport::Tcp | Transport::Udp => accept(),
        };
        program.extend(A::find_port(transport.protocol().into(), undecided, &fragment_tests(&ports)));
        for (port, wanted) in &ports {
            program.extend(on_port(*port, &wanted.tests()));
        }
        program.push(refuse());
        if program.len() > MAX_INSTRUCTIONS {
            let rules = ports.values().map(Wanted::count).sum();
            return Err(FilterError { family: A::NAME, rules, instructions: program.len() });
        }
        Ok(Some(Self { program }))
    }
}

/// What is wanted of one port.
struct Wanted<A> {
    addresses: BTreeSet<A>,
    excluded: BTreeSet<A>,
    any_address: bool,
}

impl<A: Address> Wanted<A> {
    fn nothing() -> Self {
        Self { addresses: BTreeSet::new(), excluded: BTreeSet::new(), any_address: false }
    }

    fn count(&self) -> usize {
        self.addresses.len() + self.excluded.len() + usize::from(self.any_address)
    }

    /// Decides a packet to this port by its destination; every path ends in a return.
    fn tests(&self) -> Vec<Instruction> {
        if self.any_address && self.excluded.is_empty() {
            return vec![accept()];
        }
        let mut tests = A::load();
        for address in &self.excluded {
            tests.extend(address.when_equal(refuse()));
        }
        if self.any_address {
            tests.push(accept());
            return tests;
        }
        for address in self.addresses.difference(&self.excluded) {
            tests.extend(address.when_equal(accept()));
        }
        tests.push(refuse());
        tests
    }
}

fn by_port<A: Address>(
    transport: Transport,
    rules: &[CaptureRule],
    exclude: &[SocketAddr],
) -> BTreeMap<u16, Wanted<A>> {
    let mut ports = BTreeMap::new();
    for rule in rules.iter().filter(|rule| rule.transport == transport) {
        let address = rule.destination.map(|address| A::of(address.to_canonical()));
        if address == Some(None) {
            continue;
        }
        let wanted = ports.entry(rule.port).or_insert_with(Wanted::nothing);
        wanted.any_address |= address.is_none();
        wanted.addresses.extend(address.flatten());
    }
    for target in exclude {
        if let Some(wanted) = ports.get_mut(&target.port()) {
            wanted.excluded.extend(A::of(target.ip().to_canonical()));
        }
    }
    ports
}

/// Decides a fragment that has no ports, by its destination; every path ends in a return.
fn fragment_tests<A: Address>(ports: &BTreeMap<u16, Wanted<A>>) -> Vec<Instruction> {
    let mut wanted = Wanted::<A>::nothing();
    for of_port in ports.values() {
        wanted.any_address |= of_port.any_address;
        wanted.addresses.extend(&of_port.addresses);
    }
    let tests = wanted.tests();
    if tests.len() > MAX_FRAGMENT_TESTS { vec![accept()] } else { tests }
}

/// The tests, run only when the accumulator has one of these bits.
fn on_bits(mask: u32, tests: &[Instruction]) -> Vec<Instruction> {
    let mut program = vec![branch_on_bits(mask, 1, 0), jump(tests.len())];
    program.extend_from_slice(tests);
    program
}

fn for_this_host() -> Vec<Instruction> {
    // SKF_AD_OFF is negative; as an offset it is taken modulo 2^32.
    let packet_type = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE).cast_unsigned();
    vec![load_byte(packet_type), branch(u32::from(libc::PACKET_HOST), 1, 0), refuse()]
}

/// The tests, run only for `port`; the port is in the accumulator before and, when it is another one, after.
fn on_port(port: u16, tests: &[Instruction]) -> Vec<Instruction> {
    let mut program = match u8::try_from(tests.len()) {
        Ok(over) => vec![branch(u32::from(port), 0, over)],
        // A conditional jump has 8 bits, an unconditional one 32.
        Err(_) => vec![branch(u32::from(port), 1, 0), jump(tests.len())],
    };
    program.extend_from_slice(tests);
    program
}

/// What differs between the two versions of IP.
trait Address: Copy + Ord {
    const NAME: &'static str;

    /// Where the source address stands in the header.
    const SOURCE: u32;

    /// The address in words of 32 bits.
    fn words(self) -> Vec<u32>;

    /// The address, if it is one of this version.
    fn of(address: IpAddr) -> Option<Self>;

    /// Refuses what is of another protocol, gives what cannot be decided its end, lets `fragments` decide what has no
    /// port, and leaves the destination port of all else in the accumulator.
    fn find_port(protocol: u32, undecided: Instruction, fragments: &[Instruction]) -> Vec<Instruction>;

    /// What must run once before [`Address::when_equal`].
    fn load() -> Vec<Instruction>;

    /// The instruction, run when the packet goes to this address.
    fn when_equal(self, action: Instruction) -> Vec<Instruction>;
}

impl Address for Ipv4Addr {
    const NAME: &'static str = "IPv4";
    const SOURCE: u32 = 12;

    fn words(self) -> Vec<u32> {
        vec![self.to_bits()]
    }

    fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        }
    }

    fn find_port(protocol: u32, _: Instruction, fragments: &[Instruction]) -> Vec<Instruction> {
        let mut program = vec![load_byte(9), branch(protocol, 1, 0), refuse(), load_half(6)];
        program.extend(on_bits(FRAGMENT_OFFSET, fragments));
        program.extend([load_header_length(), load_half_indexed(2)]);
        program
    }

    fn load() -> Vec<Instruction> {
        vec![load_word(16)]
    }

    fn when_equal(self, action: Instruction) -> Vec<Instruction> {
        vec![branch(self.to_bits(), 0, 1), action]
    }
}

impl Address for Ipv6Addr {
    const NAME: &'static str = "IPv6";
    const SOURCE: u32 = 8;

    fn words(self) -> Vec<u32> {
        [self.to_bits() >> 64, self.to_bits() & u128::from(u64::MAX)].into_iter().flat_map(words).collect()
    }

    fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V6(address) => Some(address),
            IpAddr::V4(_) => None,
        }
    }

    fn find_port(protocol: u32, undecided: Instruction, fragments: &[Instruction]) -> Vec<Instruction> {
        let extended = IPV6_EXTENSIONS.into_iter().flat_map(|header| [branch(header, 0, 1), undecided]);
        let mut fragment = vec![load_byte(40)];
        fragment.extend(extended.clone());
        fragment.extend([branch(protocol, 1, 0), refuse(), load_half(42)]);
        fragment.extend(on_bits(IPV6_FRAGMENT_OFFSET, fragments));
        fragment.push(load_half(50));
        let mut program = vec![load_byte(6)];
        program.extend(extended);
        program.extend([branch(protocol, 0, 2), load_half(42), jump(2 + fragment.len())]);
        program.extend([branch(IPV6_FRAGMENT, 1, 0), refuse()]);
        program.extend(fragment);
        program
    }

    fn load() -> Vec<Instruction> {
        Vec::new()
    }

    fn when_equal(self, action: Instruction) -> Vec<Instruction> {
        let [[a, b], [c, d]] = [self.to_bits() >> 64, self.to_bits() & u128::from(u64::MAX)].map(words);
        let mut program = Vec::with_capacity(9);
        for (offset, word, over) in [(24, a, 7), (28, b, 5), (32, c, 3), (36, d, 1)] {
            program.extend([load_word(offset), branch(word, 0, over)]);
        }
        program.push(action);
        program
    }
}

/// The two 32-bit words of the low half of `value`.
fn words(value: u128) -> [u32; 2] {
    let word = |shift: u32| u32::try_from((value >> shift) & u128::from(u32::MAX)).unwrap_or(0);
    [word(32), word(0)]
}

#[cfg(test)]
mod tests;
