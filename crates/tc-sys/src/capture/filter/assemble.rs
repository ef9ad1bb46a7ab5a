//! Instructions of classic BPF by what they do.

use super::{Instruction, SNAP};

/// The codes are small constants that libc has as `u32`; the field is `u16`.
const fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> Instruction {
    let [low, high, ..] = code.to_le_bytes();
    Instruction { code: u16::from_le_bytes([low, high]), jt, jf, k }
}

/// Into the accumulator: the octet at `offset`.
pub(super) const fn load_byte(offset: u32) -> Instruction {
    instruction(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, offset)
}

/// Into the accumulator: the 16 bits at `offset`.
pub(super) const fn load_half(offset: u32) -> Instruction {
    instruction(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, 0, 0, offset)
}

/// Into the accumulator: the 32 bits at `offset`.
pub(super) const fn load_word(offset: u32) -> Instruction {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

/// Into the accumulator: the 16 bits at `offset` behind the index register.
pub(super) const fn load_half_indexed(offset: u32) -> Instruction {
    instruction(libc::BPF_LD | libc::BPF_H | libc::BPF_IND, 0, 0, offset)
}

/// Into the index register: the length of the IPv4 header.
pub(super) const fn load_header_length() -> Instruction {
    instruction(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0, 0, 0)
}

/// Skips `equal` instructions when the accumulator is `value`, else `different`.
pub(super) const fn branch(value: u32, equal: u8, different: u8) -> Instruction {
    instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, equal, different, value)
}

/// Skips `set` instructions when the accumulator has one of the bits of `mask`, else `clear`.
pub(super) const fn branch_on_bits(mask: u32, set: u8, clear: u8) -> Instruction {
    instruction(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, set, clear, mask)
}

/// Multiplies the accumulator, modulo 2^32.
pub(super) const fn multiply(factor: u32) -> Instruction {
    instruction(libc::BPF_ALU | libc::BPF_MUL | libc::BPF_K, 0, 0, factor)
}

/// Shifts the accumulator to the right.
pub(super) const fn shift_right(bits: u32) -> Instruction {
    instruction(libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K, 0, 0, bits)
}

/// Ends with the accumulator as the result.
pub(super) const fn give_accumulator() -> Instruction {
    instruction(libc::BPF_RET | libc::BPF_A, 0, 0, 0)
}

/// Skips `over` instructions.
pub(super) fn jump(over: usize) -> Instruction {
    instruction(libc::BPF_JMP | libc::BPF_JA, 0, 0, u32::try_from(over).unwrap_or(u32::MAX))
}

/// Takes the packet, whole.
pub(super) const fn accept() -> Instruction {
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, SNAP)
}

/// Leaves the packet.
pub(super) const fn refuse() -> Instruction {
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, 0)
}

/// Takes the first `octets` of the packet.
pub(super) const fn accept_first(octets: u32) -> Instruction {
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, octets)
}

/// Into the accumulator: the octets of the packet.
pub(super) const fn load_length() -> Instruction {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_LEN, 0, 0, 0)
}

/// Into the accumulator: the octet at `offset` behind the index register.
pub(super) const fn load_byte_indexed(offset: u32) -> Instruction {
    instruction(libc::BPF_LD | libc::BPF_B | libc::BPF_IND, 0, 0, offset)
}

/// Into the index register: a number.
pub(super) const fn load_index(value: u32) -> Instruction {
    instruction(libc::BPF_LDX | libc::BPF_W | libc::BPF_IMM, 0, 0, value)
}

/// Into the index register: the accumulator.
pub(super) const fn move_to_index() -> Instruction {
    instruction(libc::BPF_MISC | libc::BPF_TAX, 0, 0, 0)
}

/// The accumulator and the index register, added.
pub(super) const fn add_index() -> Instruction {
    instruction(libc::BPF_ALU | libc::BPF_ADD | libc::BPF_X, 0, 0, 0)
}

/// The bits that the accumulator shares with `mask`.
pub(super) const fn keep_bits(mask: u32) -> Instruction {
    instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, mask)
}

/// The remainder of the accumulator.
pub(super) const fn remainder(divisor: u32) -> Instruction {
    instruction(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, 0, 0, divisor)
}

/// Skips `greater` instructions when the accumulator is more than the index register, else `not`.
pub(super) const fn branch_greater_than_index(greater: u8, not: u8) -> Instruction {
    instruction(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_X, greater, not, 0)
}
