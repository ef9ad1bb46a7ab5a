//! Programs made of others.

use super::assemble::{
    accept, branch, branch_on_bits, jump, load_byte, load_half, load_half_indexed, load_header_length, refuse,
};
use super::{FRAGMENT_OFFSET, Filter, Instruction, for_this_host};
use crate::capture::Accept;

/// VXLAN by its number, and as Linux used it before there was one.
const VXLAN_PORTS: [u32; 2] = [4789, 8472];
const GRE: u32 = 47;
const IP_IN_IP: u32 = 4;
const UDP: u32 = 17;

impl Filter {
    /// The same, but for whose packets it takes. For programs of rules only, which begin with that question.
    pub(crate) fn accepting(mut self, whose: Accept) -> Self {
        if whose == Accept::AnyHost {
            self.program.splice(..for_this_host().len(), for_any_host());
        }
        self
    }

    /// What both programs take.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        let end = self.program.len();
        for (at, instruction) in self.program.iter_mut().enumerate() {
            if takes(*instruction) {
                *instruction = jump(end - at - 1);
            }
        }
        self.program.extend_from_slice(&other.program);
        self
    }

    /// The same, but of each packet no more than so many octets.
    pub(crate) fn cut_to(mut self, octets: u32) -> Self {
        for instruction in self.program.iter_mut().filter(|instruction| takes(**instruction)) {
            instruction.k = octets;
        }
        self
    }

    /// The program for a socket that gets IPv4 packets, which takes those that carry mirrored ones: VXLAN, GRE (ERSPAN
    /// included) and IP in IP.
    pub(crate) fn encapsulated() -> Self {
        let mut program = for_any_host();
        program.push(load_byte(9));
        for protocol in [GRE, IP_IN_IP] {
            program.extend([branch(protocol, 0, 1), accept()]);
        }
        program.extend([branch(UDP, 1, 0), refuse(), load_half(6)]);
        program.extend([branch_on_bits(FRAGMENT_OFFSET, 0, 1), refuse()]);
        program.extend([load_header_length(), load_half_indexed(2)]);
        for port in VXLAN_PORTS {
            program.extend([branch(port, 0, 1), accept()]);
        }
        program.push(refuse());
        Self { program }
    }
}

/// Whether this is the end of a packet that is taken.
fn takes(instruction: Instruction) -> bool {
    u32::from(instruction.code) == libc::BPF_RET | libc::BPF_K && instruction.k != 0
}

/// Refuses what this host sends, and what goes to many.
fn for_any_host() -> Vec<Instruction> {
    let mut program = for_this_host();
    // The question is the same, and has one more answer.
    program.splice(
        1..2,
        [branch(u32::from(libc::PACKET_HOST), 2, 0), branch(u32::from(libc::PACKET_OTHERHOST), 1, 0)],
    );
    program
}
