use super::*;

#[cfg(not(feature = "pcap"))]
#[test]
fn without_libpcap_one_line_says_so() {
    let refused = compile("tcp", LinkType::RAW_IP).expect_err("not built").to_string();
    assert!(refused.starts_with("cannot use -F: ") && refused.contains("feature pcap"), "{refused}");
    assert!(matches!(DeviceCapture::open(&DeviceConfig::headers("lo", "tcp")), Err(PcapError::NotBuilt)));
}

#[test]
fn each_failure_of_a_device_names_its_remedy() {
    let line = |reason: &str, devices: &[&str]| {
        let devices = devices.iter().map(ToString::to_string).collect();
        PcapError::Device { device: "eth0".to_owned(), reason: reason.to_owned(), devices }.to_string()
    };
    assert!(line("You don't have permission", &["lo"]).contains("setcap"));
    assert!(line("No such device exists", &["lo", "eth1"]).ends_with("; this host has: lo, eth1"));
    assert!(line("its link type is not supported", &[]).ends_with("; choose another device"));
}

#[cfg(feature = "pcap")]
mod with_libpcap {
    use std::net::UdpSocket;
    use std::os::fd::{AsFd, AsRawFd};
    use std::time::Duration;

    use super::*;
    use crate::syscall::{options, socket};
    use crate::testing::{in_namespace, ipv4_packet, ipv6_packet, run};

    /// Whether a program takes a packet, as the kernel runs it: from a datagram socket, to which the packet is the
    /// payload of a datagram, behind its UDP header of 8 octets.
    fn takes(expression: &str, packet: &[u8]) -> bool {
        let filter = compile(expression, LinkType::RAW_IP).expect("an expression");
        let (sender, receiver) = std::os::unix::net::UnixDatagram::pair().expect("sockets");
        options::attach_filter(receiver.as_fd(), filter.instructions()).expect("a program of the kernel's");
        receiver.set_nonblocking(true).expect("non-blocking");
        sender.send(packet).expect("sent");
        let mut buffer = vec![0; 1 << 17];
        receiver.recv(&mut buffer).is_ok_and(|length| length == packet.len())
    }

    #[test]
    fn an_expression_becomes_a_program_for_packets_that_start_at_their_ip_header() {
        let four = ipv4_packet([198, 51, 100, 7], 80, b"text");
        let six = ipv6_packet("2001:db8::7", 80, b"text");
        for (expression, takes_four, takes_six) in [
            ("", true, true),
            ("tcp", true, true),
            ("udp", false, false),
            ("dst port 80", true, true),
            ("dst port 81", false, false),
            ("dst host 198.51.100.7 and tcp", true, false),
            ("ip6", false, true),
            ("dst net 2001:db8::/32", false, true),
            ("tcp[tcpflags] & tcp-ack != 0", true, false),
        ] {
            assert_eq!(takes(expression, &four), takes_four, "{expression}");
            assert_eq!(takes(expression, &six), takes_six, "{expression}");
        }
    }

    #[test]
    fn what_a_program_takes_it_takes_whole() {
        assert!(takes("tcp", &ipv4_packet([198, 51, 100, 7], 80, &vec![b'x'; 60_000])));
        let mut larger_than_any_file_keeps = ipv4_packet([198, 51, 100, 7], 80, b"");
        larger_than_any_file_keeps.resize(100_000, b'x');
        assert!(takes("tcp", &larger_than_any_file_keeps));
    }

    #[test]
    fn a_wrong_expression_is_named_with_what_is_wrong() {
        let line = compile("tcp prot 80", LinkType::RAW_IP).expect_err("wrong").to_string();
        assert!(line.starts_with("cannot compile the filter 'tcp prot 80': "), "{line}");
        assert!(line.contains("pcap-filter(7)") && !line.contains('\n'), "{line}");
        assert!(compile("tcp\0", LinkType::RAW_IP).is_err());
    }

    #[test]
    fn a_device_that_is_not_there_is_named_with_those_that_are() {
        in_namespace(|| {
            run("ip link add veth8 type veth peer name veth9");
            let line =
                DeviceCapture::open(&DeviceConfig::headers("eth77", "tcp")).expect_err("absent").to_string();
            assert!(line.starts_with("cannot capture on eth77: "), "{line}");
            assert!(line.contains("veth8") && !line.contains('\n'), "{line}");
        });
    }

    fn wait(capture: &DeviceCapture) -> bool {
        let copy = socket::duplicate(capture.as_raw_fd()).expect("a descriptor");
        socket::wait_readable(copy.as_fd(), Duration::from_secs(2)).expect("poll")
    }

    #[test]
    fn a_device_gives_the_frames_that_its_filter_takes_cut_to_headers() {
        in_namespace(|| {
            let config = DeviceConfig::headers("lo", "udp dst port 5001");
            let mut capture = DeviceCapture::open(&config).expect("a capture");
            assert_eq!(capture.link(), LinkType::ETHERNET);
            assert_eq!(capture.next_frame().expect("no error"), None);
            let sender = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            for port in [5000, 5001, 5002] {
                let _ = sender.send_to(&[b'x'; 1000], ("127.0.0.1", port));
            }
            assert!(wait(&capture), "no frame came");
            let frame = capture.next_frame().expect("no error").expect("a frame");
            assert_eq!((frame.octets.len(), frame.length), (192, 1042));
            assert_eq!(&frame.octets[12..15], &[8, 0, 0x45]);
            assert_eq!(&frame.octets[36..38], &5001_u16.to_be_bytes());
            assert_eq!(capture.next_frame().expect("no error"), None);
            assert_eq!(capture.statistics().expect("statistics").dropped, 0);
        });
    }

    #[test]
    fn a_device_that_goes_away_is_told() {
        in_namespace(|| {
            run("ip link add veth8 type veth peer name veth9");
            run("ip link set veth8 up");
            let mut capture = DeviceCapture::open(&DeviceConfig::headers("veth8", "tcp")).expect("a capture");
            run("ip link del veth8");
            assert!(wait(&capture), "nothing happened");
            let line = capture.next_frame().expect_err("gone").to_string();
            assert!(line.starts_with("cannot read from veth8: "), "{line}");
        });
    }
}
