//! The filter for the packets of one client's connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tc_proto::{Flow, Transport};

use super::assemble::{
    accept, branch, load_byte, load_half_indexed, load_header_length, load_index, load_word, refuse,
};
use super::{Address, Filter, Instruction, for_this_host};

const IPV6_HEADER: u32 = 40;
/// Where the client's port and the target's stand in the TCP header.
const PORTS: [u32; 2] = [0, 2];

impl Filter {
    /// The program that takes what this client sends to this target over TCP, right behind the IP header.
    pub(crate) fn of_flow(flow: &Flow) -> Self {
        match (flow.client.ip(), flow.target.ip()) {
            (IpAddr::V4(client), IpAddr::V4(target)) => {
                build::<Ipv4Addr>(flow, client, target, 9, load_header_length())
            }
            (IpAddr::V6(client), IpAddr::V6(target)) => {
                build::<Ipv6Addr>(flow, client, target, 6, load_index(IPV6_HEADER))
            }
            _ => Self::nothing(),
        }
    }
}

fn build<A: Address>(flow: &Flow, client: A, target: A, protocol_at: u32, find_tcp: Instruction) -> Filter {
    let must_be = |load: Instruction, value: u32| [load, branch(value, 1, 0), refuse()];
    let mut program = for_this_host();
    program.extend(must_be(load_byte(protocol_at), Transport::Tcp.protocol().into()));
    let words = [client, target].into_iter().flat_map(A::words);
    // The target's address follows the client's.
    for (offset, word) in (A::SOURCE..).step_by(4).zip(words) {
        program.extend(must_be(load_word(offset), word));
    }
    program.push(find_tcp);
    for (offset, port) in PORTS.into_iter().zip([flow.client.port(), flow.target.port()]) {
        program.extend(must_be(load_half_indexed(offset), port.into()));
    }
    program.push(accept());
    Filter { program }
}
