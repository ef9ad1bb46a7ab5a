//! The real binary with a real queue, each test in a network namespace of its own. They need root.

#[cfg(test)]
mod bench;

use bench::{
    APPLICATION, Intercept, Tcpcopy, await_connection, balance_rule, in_namespace, knock, knock_at, log_rule,
    queue_rule, run, send_segment, signal,
};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use tc_proto::tunnel::RecordFormat;
use tc_proto::{Flags, Flow};

#[test]
fn a_syn_ack_comes_back_on_the_tunnel_and_never_reaches_its_client() {
    in_namespace("a_syn_ack_comes_back_on_the_tunnel_and_never_reaches_its_client", || {
        let mut intercept = Intercept::start(&[]);
        queue_rule("tcp", 0);
        let _application = TcpListener::bind(APPLICATION).unwrap();
        let mut tcpcopy = Tcpcopy::connect(6);
        let (client, flow) = knock();
        std::thread::sleep(Duration::from_millis(200));
        tcpcopy.announce(flow);
        // The first overtook its route; the second answers the SYN that the client sends again after a second.
        for _ in 0..2 {
            let header = tcpcopy.next_header();
            assert_eq!(header.flow(), flow);
            assert_eq!(header.0.flags, Flags::SYN | Flags::ACK);
            assert!(header.0.options.mss.is_some() && header.0.options.timestamps.is_some());
        }
        assert!(client.peer_addr().is_err(), "the client is not connected");
        let log = intercept.stop();
        assert!(log.contains("sig 15 received"), "{log}");
        assert!(log.contains(", passed:0, held:1, held late:1\n"), "{log}");
    });
}

#[test]
fn each_tcpcopy_gets_its_own_flows_in_the_format_of_its_generation() {
    in_namespace("each_tcpcopy_gets_its_own_flows_in_the_format_of_its_generation", || {
        let mut intercept = Intercept::start(&[]);
        queue_rule("tcp", 0);
        let _application = TcpListener::bind(APPLICATION).unwrap();
        let mut new = Tcpcopy::connect(6);
        let mut old = Tcpcopy::connect(5);
        let (_first, first) = knock();
        new.announce(first);
        let (_second, second) = knock();
        old.announce(second);
        assert_eq!(new.next_header().flow(), first);
        assert_eq!(old.next_header().flow(), second);
        assert_eq!(new.next_header().flow(), first);
        assert_eq!(old.next_header().flow(), second);
        assert_eq!((new.format, old.format), (RecordFormat::Octets64, RecordFormat::Octets80));
        intercept.stop();
    });
}

#[test]
fn a_c_program_gets_a_packet_that_is_too_large_for_the_wire_as_segments_that_are_not() {
    in_namespace("a_c_program_gets_a_packet_that_is_too_large_for_the_wire_as_segments_that_are_not", || {
        const SYN_ACK: u8 = 0x12;
        const PSH_ACK: u8 = 0x18;
        let mut intercept = Intercept::start(&["-n", "2"]);
        queue_rule("tcp", 0);
        let mut tcpcopy = Tcpcopy::connect(6);
        tcpcopy
            .announce(Flow { client: "127.0.0.1:5000".parse().unwrap(), target: APPLICATION.parse().unwrap() });
        send_segment(5000, 100, SYN_ACK, &[2, 4, 0x03, 0xe8], b"");
        assert_eq!(tcpcopy.next_header().0.options.mss, Some(1000));
        send_segment(5000, 101, PSH_ACK, &[], &vec![7; 20_500]);
        let headers: Vec<_> = (0..21).map(|_| tcpcopy.next_header().0).collect();
        let parts: Vec<_> = headers.iter().map(|header| (header.seq.value(), header.payload_len)).collect();
        let expected = (0..21).map(|part| (101 + part * 1000, if part < 20 { 1000 } else { 500 }));
        assert!(parts.iter().copied().eq(expected), "{parts:?}");
        let pushing: Vec<_> = headers.iter().map(|header| header.flags.contains(Flags::PSH)).collect();
        assert_eq!(pushing, [vec![false; 20], vec![true]].concat());
        tcpcopy.expect_silence();
        let log = intercept.stop();
        assert!(log.contains("total resp packs:2, all:2, route:1, sock write cnt:12, "), "{log}");
    });
}

#[test]
fn several_queues_serve_one_tunnel_and_one_passlist() {
    in_namespace("several_queues_serve_one_tunnel_and_one_passlist", || {
        let mut intercept = Intercept::start(&["--queue", "3:6", "-x", "10.9.1.0/24"]);
        balance_rule("3:6");
        let _application = TcpListener::bind("0.0.0.0:8080").unwrap();
        let mut tcpcopy = Tcpcopy::connect(6);
        let mut knocking = Vec::new();
        for last in 1..=40 {
            let (client, flow) = knock_at([10, 9, 0, last]);
            tcpcopy.announce(flow);
            knocking.push((client, flow));
        }
        let mut flows: Vec<_> = (0..40).map(|_| tcpcopy.next_header().flow()).collect();
        flows.sort_unstable_by_key(|flow| flow.client);
        assert_eq!(flows, knocking.iter().map(|(_, flow)| *flow).collect::<Vec<_>>());
        for last in 1..=40 {
            let (client, _) = knock_at([10, 9, 1, last]);
            await_connection(&client);
        }
        let queues = std::fs::read_to_string("/proc/net/netfilter/nfnetlink_queue").unwrap();
        let used = queues.lines().filter(|line| line.split_whitespace().nth(7) != Some("0")).count();
        assert_eq!((queues.lines().count(), used), (4, 4), "all queues get a part: {queues}");
        let log = intercept.stop();
        assert!(log.contains(", passed:") && log.contains(" queue total:"), "{log}");
        assert!(log.contains(", kernel dropped:0, user dropped:0, overruns:0"), "{log}");
    });
}

#[test]
fn a_device_is_captured_on_with_a_filter_and_forwarding_is_warned_of() {
    in_namespace("a_device_is_captured_on_with_a_filter_and_forwarding_is_warned_of", || {
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        let _application = TcpListener::bind(APPLICATION).unwrap();
        for device in ["lo", "any"] {
            let arguments = ["-i", device, "-F", "tcp src port 8080 and tcp[tcpflags] & tcp-syn != 0"];
            let (mut intercept, told) = Intercept::start_telling(&arguments);
            assert!(told.contains("net.ipv4.ip_forward is on: "), "{told}");
            assert!(told.contains(&format!("device:{device}")) && !told.contains("nfq queue"), "{told}");
            let mut tcpcopy = Tcpcopy::connect(6);
            let (client, flow) = knock();
            tcpcopy.announce(flow);
            let header = tcpcopy.next_header();
            assert_eq!((header.flow(), header.0.flags), (flow, Flags::SYN | Flags::ACK));
            await_connection(&client);
            tcpcopy.expect_silence();
            let log = intercept.stop();
            assert!(log.contains(" captured:1, kernel dropped:0, not IP:0"), "{log}");
        }
    });
}

#[test]
fn a_bad_device_and_a_bad_filter_are_named() {
    in_namespace("a_bad_device_and_a_bad_filter_are_named", || {
        let (line, code) = failure(&run(&["-i", "eth77", "-F", "tcp"]));
        assert_eq!((code, line.contains("cannot capture on eth77: ")), (Some(1), true), "{line}");
        assert!(line.contains("this host has: "), "{line}");
        let (line, code) = failure(&run(&["-i", "lo", "-F", "tcp prot 80"]));
        assert_eq!(
            (code, line.contains("cannot compile the filter 'tcp prot 80': ")),
            (Some(1), true),
            "{line}"
        );
    });
}

#[test]
fn headers_come_from_the_netfilter_log_without_a_verdict() {
    in_namespace("headers_come_from_the_netfilter_log_without_a_verdict", || {
        let mut intercept = Intercept::start(&["--source", "nflog", "--nflog-group", "5"]);
        log_rule(5);
        let held = failure(&run(&["--source", "nflog", "--nflog-group", "5", "-p", "4000"])).0;
        assert!(
            held.contains("cannot open netfilter log group 5: ") && held.contains("choose another group"),
            "{held}"
        );
        let _application = TcpListener::bind(APPLICATION).unwrap();
        let mut tcpcopy = Tcpcopy::connect(6);
        let (client, flow) = knock();
        tcpcopy.announce(flow);
        assert_eq!(tcpcopy.next_header().flow(), flow);
        await_connection(&client);
        let log = intercept.stop();
        assert!(log.contains(" log received:") && log.contains(", lost:0, overruns:0, recv errors:0"), "{log}");
    });
}

#[test]
fn answers_that_find_the_queue_full_pass_or_not_as_asked_for_and_are_counted() {
    in_namespace("answers_that_find_the_queue_full_pass_or_not_as_asked_for_and_are_counted", || {
        queue_rule("udp", 0);
        for (arguments, arrived) in [(&["-q", "4", "--fail-open"][..], 28), (&["-q", "4"], 0)] {
            let mut intercept = Intercept::start(arguments);
            let application = UdpSocket::bind(APPLICATION).unwrap();
            let client = UdpSocket::bind("127.0.0.1:0").unwrap();
            client.set_nonblocking(true).unwrap();
            signal("STOP", &intercept.pid().to_string());
            for _ in 0..32 {
                let _ = application.send_to(b"answer", client.local_addr().unwrap());
            }
            let passed = std::iter::from_fn(|| client.recv(&mut [0; 10]).ok()).count();
            signal("CONT", &intercept.pid().to_string());
            assert_eq!(passed, arrived, "{arguments:?}");
            let log = intercept.stop();
            let dropped = format!(", kernel dropped:{}, ", 28 - arrived);
            assert!(log.contains(&dropped), "{dropped}: {log}");
            assert_eq!(log.contains("queue 0 lost 28 responses, 28 in all: "), arrived == 0, "{log}");
        }
    });
}

#[test]
fn clients_of_the_passlist_are_served_and_no_tunnel_hears_of_them() {
    in_namespace("clients_of_the_passlist_are_served_and_no_tunnel_hears_of_them", || {
        let mut intercept = Intercept::start(&["-x", "10.0.0.0/8,127.0.0.0/24", "--queue", "7"]);
        queue_rule("tcp", 7);
        let application = TcpListener::bind(APPLICATION).unwrap();
        let mut tcpcopy = Tcpcopy::connect(6);
        let mut client = TcpStream::connect(APPLICATION).unwrap();
        let flow = Flow { client: client.local_addr().unwrap(), target: APPLICATION.parse().unwrap() };
        tcpcopy.announce(flow);
        let (mut server, _) = application.accept().unwrap();
        server.write_all(&vec![7; 300_000]).unwrap();
        drop(server);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, vec![7; 300_000]);
        tcpcopy.expect_silence();
        let log = intercept.stop();
        assert!(log.contains("total resp packs:0, "), "{log}");
    });
}

#[test]
fn datagrams_are_dropped_and_counted() {
    in_namespace("datagrams_are_dropped_and_counted", || {
        let mut intercept = Intercept::start(&["-x", "127.0.0.2"]);
        queue_rule("udp", 0);
        let application = UdpSocket::bind(APPLICATION).unwrap();
        let dropped = UdpSocket::bind("127.0.0.1:0").unwrap();
        let passed = UdpSocket::bind("127.0.0.2:0").unwrap();
        for client in [&dropped, &passed] {
            application.send_to(b"answer", client.local_addr().unwrap()).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        }
        assert_eq!(passed.recv(&mut [0; 10]).unwrap(), 6);
        assert!(dropped.recv(&mut [0; 10]).is_err());
        let log = intercept.stop();
        assert!(log.contains("all:2, route:0, sock write cnt:0, passed:1") && log.contains("udp:1"), "{log}");
    });
}

#[test]
fn garbage_on_the_port_hurts_no_other_tunnel() {
    in_namespace("garbage_on_the_port_hurts_no_other_tunnel", || {
        let mut intercept = Intercept::start(&[]);
        queue_rule("tcp", 0);
        let _application = TcpListener::bind(APPLICATION).unwrap();
        let mut tcpcopy = Tcpcopy::connect(6);
        let mut half = Tcpcopy::connect(6);
        half.say_half_a_message();
        let mut browser = TcpStream::connect(bench::TUNNEL).unwrap();
        let peer = browser.local_addr().unwrap();
        browser.write_all(b"GET / HTTP/1.1\r\nHost: target\r\n\r\n").unwrap();
        browser.shutdown(Shutdown::Write).unwrap();
        assert_eq!(browser.read(&mut [0; 10]).unwrap_or(0), 0, "it is closed");
        let (_client, flow) = knock();
        tcpcopy.announce(flow);
        assert_eq!(tcpcopy.next_header().flow(), flow);
        let log = intercept.stop();
        let line = format!("of {peer} cut: the first message is not a version");
        assert_eq!(log.matches(&line).count(), 1, "{log}");
        assert_eq!(log.matches(&peer.to_string()).count(), 1, "one line about it: {log}");
    });
}

#[test]
fn a_flood_of_connections_does_not_flood_the_log() {
    in_namespace("a_flood_of_connections_does_not_flood_the_log", || {
        let mut intercept = Intercept::start(&[]);
        for _ in 0..300 {
            TcpStream::connect(bench::TUNNEL).unwrap().write_all(&[1; 14]).unwrap();
        }
        let mut tcpcopy = Tcpcopy::connect(6);
        tcpcopy.expect_silence();
        let log = intercept.stop();
        assert!(log.lines().count() < 60, "{}", log.lines().count());
    });
}

/// The only line, and the exit code.
fn failure(output: &Output) -> (String, Option<i32>) {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = text.lines().filter(|line| !line.contains("[notice]"));
    (lines.collect::<Vec<_>>().join("\n"), output.status.code())
}

#[test]
fn a_port_or_queue_that_another_process_holds_is_named_with_its_holder() {
    in_namespace("a_port_or_queue_that_another_process_holds_is_named_with_its_holder", || {
        let mut intercept = Intercept::start(&[]);
        let held = format!("held by intercept (pid {})", intercept.pid());
        let queue =
            format!("cannot open netfilter queue 0: it is {held}; stop that program or choose another queue");
        assert_eq!(failure(&run(&["-p", "4000"])), (format!("intercept: {queue}"), Some(1)));
        let port = "intercept: cannot listen on [::]:36524: Address already in use; port 36524 is";
        let remedy = "stop it or choose another port with -p";
        assert_eq!(failure(&run(&["--queue", "1"])), (format!("{port} {held}; {remedy}"), Some(1)));
        intercept.stop();
    });
}

#[test]
fn without_the_privilege_the_line_names_the_ways_to_get_it() {
    in_namespace("without_the_privilege_the_line_names_the_ways_to_get_it", || {
        let output = Command::new("unshare").args(["--user", "--", bench::BINARY]).output().unwrap();
        let (line, code) = failure(&output);
        assert!(
            line.starts_with("intercept: cannot open netfilter queue 0: Operation not permitted; "),
            "{line}"
        );
        assert!(line.contains("sudo") && line.contains("setcap") && !line.contains('\n'), "{line}");
        assert_eq!(code, Some(1));
    });
}

#[test]
fn an_address_of_another_host_and_a_bad_file_are_named() {
    in_namespace("an_address_of_another_host_and_a_bad_file_are_named", || {
        let elsewhere = "intercept: cannot listen on 192.0.2.1:36524: Cannot assign requested address; \
                         give an address of this host to -b";
        assert_eq!(failure(&run(&["-b", "192.0.2.1"])), (elsewhere.to_owned(), Some(1)));
        for option in ["-l", "-P"] {
            let (line, code) = failure(&run(&[option, "/nonexistent/file"]));
            assert!(line.contains("/nonexistent/file: No such file or directory"), "{line}");
            assert_eq!((line.lines().count(), code), (1, Some(1)));
        }
        assert_eq!(
            failure(&run(&["-p", "none"])),
            (
                "intercept: invalid value 'none' for '-p, --port <PORT>': give a number from 1 to 65535"
                    .to_owned(),
                Some(2)
            )
        );
    });
}

#[test]
fn a_daemon_s_command_ends_when_it_serves_and_the_daemon_stops_on_sigterm() {
    in_namespace("a_daemon_s_command_ends_when_it_serves_and_the_daemon_stops_on_sigterm", || {
        let directory = bench::directory("daemon");
        let output =
            Command::new(bench::BINARY).args(["-d", "-P", "pid"]).current_dir(&directory).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        Tcpcopy::connect(6).expect_silence();
        let failed =
            Command::new(bench::BINARY).args(["-d", "-l", "other"]).current_dir(&directory).output().unwrap();
        assert!(
            failure(&failed).0.starts_with("intercept: cannot open netfilter queue 0: it is held by"),
            "{failed:?}"
        );
        assert_eq!(failed.status.code(), Some(1));
        let pid_file = directory.join("pid");
        let pid = std::fs::read_to_string(&pid_file).unwrap();
        signal("TERM", pid.trim());
        let deadline = Instant::now() + Duration::from_secs(2);
        while std::fs::exists(&pid_file).unwrap() {
            assert!(Instant::now() < deadline, "it still runs");
            std::thread::sleep(Duration::from_millis(10));
        }
        let log = std::fs::read_to_string(directory.join("error_intercept.log")).unwrap();
        assert!(log.contains("intercept is ready") && log.contains("sig 15 received"), "{log}");
        std::fs::remove_dir_all(&directory).unwrap();
    });
}
