//! What the tests of several modules share.

use std::process::Command;

use crate::syscall::namespace::unshare_network;

/// Runs `test` in a thread with an empty network namespace of its own, with loopback up. Needs root: a missing
/// privilege fails the test. The namespace ends with the thread.
pub(crate) fn in_namespace<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    let body = || {
        unshare_network().expect("needs root: unshare(CLONE_NEWNET)");
        run("ip link set lo up");
        test()
    };
    let result = std::thread::scope(|scope| scope.spawn(body).join());
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Runs a command in the namespace of the calling thread; it must succeed.
pub(crate) fn run(line: &str) -> String {
    let mut words = line.split_whitespace();
    let program = words.next().expect("a program");
    let output = Command::new(program).args(words).output().expect(program);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A TCP packet from 192.0.2.1:5555 with this payload; its checksums are left to the kernel or wrong.
pub(crate) fn ipv4_packet(destination: [u8; 4], port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(40 + payload.len()).expect("a packet's length");
    let mut packet = vec![0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1];
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(&destination);
    tcp(&mut packet, port, payload);
    packet
}

/// The same from `2001:db8::1`.
pub(crate) fn ipv6_packet(destination: &str, port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).expect("a packet's length");
    let mut packet = vec![0x60, 0, 0, 0, 0, 0, 6, 64];
    packet[4..6].copy_from_slice(&length.to_be_bytes());
    for address in ["2001:db8::1", destination] {
        packet.extend_from_slice(&address.parse::<std::net::Ipv6Addr>().expect("an address").octets());
    }
    tcp(&mut packet, port, payload);
    packet
}

fn tcp(packet: &mut Vec<u8>, port: u16, payload: &[u8]) {
    packet.extend_from_slice(&5555_u16.to_be_bytes());
    packet.extend_from_slice(&port.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
    packet.extend_from_slice(payload);
}
