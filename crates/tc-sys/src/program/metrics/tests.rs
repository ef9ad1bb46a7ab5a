use super::super::figures::{Figure, Line};
use super::*;

/// A server, and what clients that say these things get from it within two seconds.
fn answers(requests: &[&str]) -> Vec<String> {
    let mut server = MetricsServer::open(([127, 0, 0, 1], 0).into()).expect("a port");
    let address = server.address().expect("an address");
    let mut clients: Vec<_> = requests
        .iter()
        .map(|request| {
            let mut stream = TcpStream::connect(address).expect("connected");
            stream.write_all(request.as_bytes()).expect("written");
            stream.set_nonblocking(true).expect("set");
            (stream, String::new())
        })
        .collect();
    let start = Instant::now();
    let figures = || Figures::new(vec![Line::new("", vec![Figure::gauge("x", "X.", "x", 7)])]);
    let mut open = clients.len();
    while open > 0 && start.elapsed() < Duration::from_secs(5) {
        server.serve(Instant::now(), figures);
        open = clients.iter_mut().map(|(stream, got)| usize::from(!has_ended(stream, got))).sum();
        std::thread::sleep(Duration::from_millis(1));
    }
    clients.into_iter().map(|(_, got)| got).collect()
}

fn has_ended(stream: &mut TcpStream, got: &mut String) -> bool {
    let mut buffer = [0; 4096];
    match stream.read(&mut buffer) {
        Ok(0) => true,
        Ok(len) => {
            got.push_str(&String::from_utf8_lossy(&buffer[..len]));
            false
        }
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

#[test]
fn the_page_is_served_and_all_else_is_refused() {
    let many = format!("GET /metrics HTTP/1.1\r\n{}", "a: b\r\n".repeat(2000));
    let got = answers(&[
        "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /metrics?x=y HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "POST /metrics HTTP/1.1\r\n\r\n",
        "nonsense\r\n\r\n",
        &many,
    ]);
    for (got, expected) in got.iter().zip(["200", "200", "404", "405", "400", "400"]) {
        // Of a request that was not read to its end the answer may be lost.
        assert!(
            got.starts_with(&format!("HTTP/1.1 {expected}")) || (expected == "400" && got.is_empty()),
            "{got}"
        );
    }
    assert!(got[0].ends_with("# TYPE x gauge\nx 7\n\n"), "{}", got[0]);
    let length = got[0].split_once("\r\n\r\n").expect("a body").1.len();
    assert!(got[0].contains(&format!("Content-Length: {length}\r\n")), "{}", got[0]);
}

#[test]
fn clients_that_say_nothing_make_room_for_others_in_the_end() {
    let mut requests = vec![""; MAX_CONNECTIONS];
    requests.push("GET /metrics HTTP/1.1\r\n\r\n");
    let got = answers(&requests);
    assert!(got[..MAX_CONNECTIONS].iter().all(String::is_empty));
    assert!(got[MAX_CONNECTIONS].starts_with("HTTP/1.1 200"), "{got:?}");
}
