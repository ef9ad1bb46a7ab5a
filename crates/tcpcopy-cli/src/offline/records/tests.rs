use super::{Records, Step};
use crate::offline::error::FileError;
use crate::offline::testing::{Flavour, USUAL};
use flate2::Compression;
use flate2::bufread::{GzEncoder, MultiGzDecoder};
use proptest::prelude::*;
use std::io::{Cursor, Read};
use std::time::Duration;
use tc_proto::link::{Direction, LinkType};

const AT: Duration = Duration::new(1_700_000_000, 123_456_000);

/// What is read of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    at: Duration,
    link: Option<LinkType>,
    cut: bool,
    octets: Vec<u8>,
}

fn found(at: Duration, octets: &[u8]) -> Found {
    Found { at, link: Some(LinkType::RawIp), cut: false, octets: octets.to_vec() }
}

/// Gives so many octets at once.
struct Dripping(Cursor<Vec<u8>>, usize);

impl Read for Dripping {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = buffer.len().min(self.1);
        self.0.read(&mut buffer[..len])
    }
}

fn read_all(source: impl Read + Send + 'static) -> (Vec<Found>, Option<FileError>) {
    let mut records = Records::new("'x'", Box::new(source));
    let mut all = Vec::new();
    loop {
        match records.step() {
            Ok(Step::Take) => {
                let (head, octets) = records.head().unwrap();
                all.push(Found { at: head.at, link: head.link, cut: head.cut, octets: octets.to_vec() });
                records.take();
            }
            Ok(Step::Read) => {
                if let Err(error) = records.read() {
                    return (all, Some(error));
                }
            }
            Ok(Step::End) => return (all, None),
            Err(error) => return (all, Some(error)),
        }
    }
}

fn whole(octets: Vec<u8>) -> Vec<Found> {
    let (all, error) = read_all(Cursor::new(octets));
    assert!(error.is_none(), "{error:?}");
    all
}

fn failure(octets: &[u8]) -> (usize, String) {
    let (all, error) = read_all(Cursor::new(octets.to_vec()));
    (all.len(), error.unwrap().to_string())
}

fn pcap() -> Vec<u8> {
    [USUAL.header(101), USUAL.record(AT, b"one", 0), USUAL.record(AT, b"three", 0)].concat()
}

fn pcapng() -> Vec<u8> {
    let units = 1_700_000_000_123_456;
    [
        USUAL.section(),
        USUAL.interface(101, 6),
        USUAL.block(4, &[0; 4]),
        USUAL.packet(0, units, b"one"),
        USUAL.packet(0, units, b"three"),
        USUAL.block(5, &[0; 12]),
    ]
    .concat()
}

fn both() -> Vec<Found> {
    vec![found(AT, b"one"), found(AT, b"three")]
}

#[test]
fn pcap_files_are_read_in_both_byte_orders_and_units() {
    for flavour in Flavour::ALL {
        let at = AT + Duration::from_nanos(if flavour.nanoseconds { 789 } else { 0 });
        let file = [flavour.header(101), flavour.record(at, b"one", 0), flavour.record(at, b"", 0)].concat();
        assert_eq!(whole(file), [found(at, b"one"), found(at, b"")], "{flavour:?}");
    }
}

#[test]
fn pcapng_files_are_read_with_the_resolution_of_each_interface() {
    for flavour in Flavour::ALL {
        let file = [
            flavour.section(),
            flavour.interface(101, 6),
            flavour.interface(1, 9),
            flavour.interface(101, 0x8a),
            flavour.packet(0, 1_700_000_000_123_456, b"micro"),
            flavour.packet(1, 1_700_000_000_123_456_789, b"nano"),
            flavour.packet(2, 1_700_000_000 << 10 | 512, b"half"),
            flavour.simple_packet(b"simple"),
        ]
        .concat();
        let expected = [
            found(AT, b"micro"),
            Found { link: Some(LinkType::Ethernet), ..found(AT + Duration::from_nanos(789), b"nano") },
            found(Duration::from_millis(1_700_000_000_500), b"half"),
            found(Duration::from_millis(1_700_000_000_500), b"simple"),
        ];
        assert_eq!(whole(file), expected, "{flavour:?}");
    }
}

#[test]
fn packets_of_pcapng_as_older_programs_wrote_them_are_read() {
    for flavour in Flavour::ALL {
        let mut octets = [flavour.section(), flavour.interface(101, 6), flavour.interface(101, 3)].concat();
        octets.extend(flavour.old_packet(1, 1_700_000_000_123, b"old"));
        let at = Duration::from_millis(1_700_000_000_123);
        assert_eq!(whole(octets.clone()), [found(at, b"old")]);
        octets.extend(flavour.old_packet(2, 0, b"of no interface"));
        assert_eq!(failure(&octets).0, 1);
    }
}

#[test]
fn a_section_of_pcapng_has_a_byte_order_and_interfaces_of_its_own() {
    let other = Flavour { big_endian: true, nanoseconds: false };
    let second =
        [other.section(), other.interface(1, 6), other.packet(0, 1_700_000_000_123_456, b"two")].concat();
    let mut expected = both();
    expected.push(Found { link: Some(LinkType::Ethernet), ..found(AT, b"two") });
    assert_eq!(whole([pcapng(), second].concat()), expected);
}

#[test]
fn a_record_tells_that_octets_were_cut() {
    let file = [USUAL.header(101), USUAL.record(AT, b"one", 5)].concat();
    assert_eq!(whole(file), [Found { cut: true, ..found(AT, b"one") }]);
}

#[test]
fn a_packet_of_pcapng_tells_its_direction() {
    let mut body = [0_u32, 0, 0, 0, 0].map(u32::to_le_bytes).concat();
    body.extend([2, 0, 4, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    let file = [USUAL.section(), USUAL.interface(101, 6), USUAL.block(6, &body)].concat();
    let mut records = Records::new("'x'", Box::new(Cursor::new(file)));
    records.read().unwrap();
    assert_eq!(records.step().unwrap(), Step::Take);
    assert_eq!(records.head().unwrap().0.direction, Direction::Sent);
}

#[test]
fn a_frame_check_sequence_in_the_link_type_is_passed_over() {
    let file = [USUAL.header(0x5400_0065), USUAL.record(AT, b"one", 0)].concat();
    assert_eq!(whole(file), [found(AT, b"one")]);
}

#[test]
fn a_record_larger_than_the_buffer_is_read() {
    let large = vec![7; 1 << 20];
    let file = [USUAL.header(101), USUAL.record(AT, &large, 0), USUAL.record(AT, b"one", 0)].concat();
    assert_eq!(whole(file), [found(AT, &large), found(AT, b"one")]);
}

#[test]
fn compressed_files_are_read_in_all_their_parts() {
    let part = |octets: &[u8]| {
        let mut compressed = Vec::new();
        GzEncoder::new(octets, Compression::fast()).read_to_end(&mut compressed).unwrap();
        compressed
    };
    let contents = pcap();
    let (front, back) = contents.split_at(40);
    let file = [part(front), part(back)].concat();
    assert_eq!(read_all(MultiGzDecoder::new(Cursor::new(file.clone()))).0, both());
    let (_, error) = read_all(MultiGzDecoder::new(Cursor::new(file[..file.len() - 12].to_vec())));
    assert_eq!(
        error.unwrap().to_string(),
        "cannot replay 'x': it ends within a packet; what comes before is replayed"
    );
}

#[test]
fn a_file_that_ends_too_early_is_replayed_up_to_there() {
    let line = "cannot replay 'x': it ends within a packet; what comes before is replayed";
    for (file, first) in [(pcap(), 24 + 16 + 3), (pcapng(), 28 + 32 + 16 + 36)] {
        assert_eq!(failure(&file[..first + 10]), (1, line.to_owned()));
        assert_eq!(whole(file[..first].to_vec()).len(), 1);
    }
}

#[test]
fn what_is_no_capture_is_named() {
    let not_one = "cannot replay 'x': it is no pcap or pcapng file; make one with tcpdump -w";
    for octets in [&b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"[..], b"short", &[0; 100]] {
        assert_eq!(failure(octets), (0, not_one.to_owned()));
    }
    assert_eq!(failure(b""), (0, "cannot replay 'x': it is empty".to_owned()));
}

#[test]
fn an_unknown_link_type_is_named_and_one_of_several_is_left_to_whoever_counts() {
    let line = "cannot replay 'x': packets of link type 147 are not understood; capture on an Ethernet device, or on any";
    let file = [USUAL.header(147), USUAL.record(AT, b"one", 0)].concat();
    assert_eq!(failure(&file), (0, line.to_owned()));
    let file = [USUAL.section(), USUAL.interface(147, 6), USUAL.packet(0, 0, b"one")].concat();
    assert_eq!(whole(file)[0].link, None);
}

#[test]
fn a_broken_file_is_replayed_up_to_there() {
    let mut file = pcap();
    file[24 + 16 + 3 + 8..][..4].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    let line = "cannot replay 'x': it is broken behind octet 43 of its contents; what comes before is replayed";
    assert_eq!(failure(&file), (1, line.to_owned()));
    let unknown_interface = [pcapng(), USUAL.packet(9, 0, b"one")].concat();
    let line = format!(
        "cannot replay 'x': it is broken behind octet {} of its contents; what comes before is replayed",
        pcapng().len()
    );
    assert_eq!(failure(&unknown_interface), (2, line));
}

proptest! {
    #[test]
    fn a_file_is_the_same_however_it_drips(piece in 1_usize..50, ng: bool) {
        let file = if ng { pcapng() } else { pcap() };
        prop_assert_eq!(read_all(Dripping(Cursor::new(file), piece)).0, both());
    }

    #[test]
    fn no_octets_panic(
        octets in proptest::collection::vec(any::<u8>(), 0..300),
        at in 0_usize..200,
        kind in 0_usize..3,
    ) {
        let mut file = [pcap(), pcapng(), Vec::new()][kind].clone();
        let at = at.min(file.len());
        file.splice(at.., octets);
        let _ = read_all(Cursor::new(file));
    }
}
