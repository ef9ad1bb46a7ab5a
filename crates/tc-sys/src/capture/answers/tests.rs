use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::*;
use crate::Families;
use crate::capture::{Backend, Capture, CaptureRule};
use crate::testing::in_namespace;

fn open(rules: &[CaptureRule], share: PortShare) -> AnswerCapture {
    let capture = CaptureConfig { rules: rules.to_vec(), families: Families::Both, ..CaptureConfig::default() };
    AnswerCapture::open(&AnswerConfig { capture, share }).expect("a capture")
}

fn drain(capture: &mut AnswerCapture) -> Vec<(SystemTime, Vec<u8>)> {
    let mut answers = Vec::new();
    while let Some(answer) = capture.next_before(SystemTime::now()) {
        answers.push((answer.stamp, answer.octets.to_vec()));
    }
    answers
}

/// A question and a long answer over loopback.
fn talk(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let mut client = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    let (mut server, _) = listener.accept().expect("a connection");
    client.write_all(b"question").expect("written");
    server.read_exact(&mut [0; 8]).expect("read");
    server.write_all(&[b'x'; 5000]).expect("written");
    client.read_exact(&mut [0; 5000]).expect("read");
    // An acknowledgment without payload comes back from the server's side.
    client.write_all(b"more").expect("written");
    server.read_exact(&mut [0; 4]).expect("read");
    std::thread::sleep(Duration::from_millis(60));
    (client, server)
}

fn flags_and_payload(packet: &[u8]) -> (u8, usize) {
    let tcp = if packet[0] >> 4 == 4 { 20 } else { 40 };
    (packet[tcp + 13], packet.len().saturating_sub(tcp + usize::from(packet[tcp + 12] >> 4) * 4))
}

#[test]
fn what_a_server_says_is_seen_once_and_its_acknowledgments_are_not() {
    in_namespace(|| {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).expect("a listener");
            let local = listener.local_addr().expect("an address");
            let elsewhere: SocketAddr =
                if local.is_ipv4() { "127.0.0.9:1" } else { "[::9]:1" }.parse().expect("");
            let other = CaptureRule { port: local.port(), ..CaptureRule::from(elsewhere) };
            for rules in [vec![CaptureRule::port(local.port())], vec![other, local.into()]] {
                let mut capture = open(&rules, PortShare::WHOLE);
                let before = SystemTime::now();
                let (client, server) = talk(&listener);
                drop((server, client));
                std::thread::sleep(Duration::from_millis(10));
                let answers = drain(&mut capture);
                let kinds: Vec<_> = answers.iter().map(|(_, packet)| flags_and_payload(packet)).collect();
                let (syn_ack, psh, fin) = (0x12, 0x08, 0x01);
                assert_eq!(kinds[0], (syn_ack, 0), "{address} {rules:?}: {kinds:?}");
                assert!(kinds[1].0 & psh != 0 && kinds[1].1 > 30, "{address}: {kinds:?}");
                assert!(kinds[2].0 & fin != 0, "{address}: {kinds:?}");
                assert_eq!(kinds.len(), 3, "{address}: {kinds:?}");
                assert!(answers.iter().all(|(stamp, _)| (before..SystemTime::now()).contains(stamp)));
            }
            let mut elsewhere = open(&[other], PortShare::WHOLE);
            talk(&listener);
            assert_eq!(drain(&mut elsewhere), []);
        }
    });
}

#[test]
fn what_comes_later_than_the_limit_waits() {
    in_namespace(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let mut capture = open(&[CaptureRule::port(port)], PortShare::WHOLE);
        let before = SystemTime::now();
        let _open = talk(&listener);
        assert!(capture.next_before(before).is_none());
        assert_eq!(drain(&mut capture).len(), 2);
    });
}

#[test]
fn each_share_gets_the_answers_of_its_clients() {
    in_namespace(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let mut captures: Vec<_> =
            PortShare::split(3).map(|share| (share, open(&[CaptureRule::port(port)], share))).collect();
        let connections: Vec<_> = (0..8).map(|_| talk(&listener)).collect();
        let mut seen = 0;
        for (share, capture) in &mut captures {
            for (_, packet) in drain(capture) {
                let client = u16::from_be_bytes([packet[22], packet[23]]);
                assert!(share.owns(client));
                seen += 1;
            }
        }
        assert_eq!(seen, 2 * connections.len());
    });
}

#[test]
fn a_captured_packet_has_the_time_at_which_it_came() {
    in_namespace(|| {
        for backend in [Backend::Ring, Backend::Pnet] {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
            let rules = vec![CaptureRule::port(listener.local_addr().expect("an address").port())];
            let mut capture =
                backend.open(&CaptureConfig { rules, ..CaptureConfig::default() }).expect("a capture");
            // The first stamp that is asked for switches stamps on, which the kernel does when it has a moment. What was
            // opened stays open: its last segments would be captured with the next talk, stamped before it.
            let began = Instant::now();
            let mut open = Vec::new();
            let packets = loop {
                let (connection, outcome) = stamps_of_a_talk(&listener, &mut *capture);
                open.push(connection);
                match outcome {
                    Ok(packets) => break packets,
                    Err(stamps) => assert!(began.elapsed() < Duration::from_secs(5), "{backend:?}: {stamps}"),
                }
            };
            assert!(packets >= 4, "{backend:?}: {packets}");
        }
    });
}

/// The connection of a talk, and how many of its packets were captured, if all have a time while it went on.
fn stamps_of_a_talk(
    listener: &TcpListener,
    capture: &mut dyn Capture,
) -> ((TcpStream, TcpStream), Result<usize, String>) {
    let before = SystemTime::now();
    let open = talk(listener);
    let after = SystemTime::now();
    std::thread::sleep(Duration::from_millis(50));
    let mut stamps = Vec::new();
    while let Some(packet) = capture.next_stamped().expect("no error") {
        stamps.push(packet.stamp.expect("a stamp"));
    }
    let within = stamps.iter().all(|stamp| (before..after).contains(stamp));
    (open, within.then_some(stamps.len()).ok_or_else(|| format!("{stamps:?} of {before:?} to {after:?}")))
}
