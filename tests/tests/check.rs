//! `tcpcopy check` and `intercept check` name the station that is broken, and no other.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests as well")]

use std::net::TcpListener;
use std::process::Command;

use serde_json::Value;
use tc_tests::binaries::Binaries;
use tc_tests::installed::set_mode;
use tc_tests::lab::{Host, Process, Rule};
use tc_tests::pair::{Arguments, QUEUE, TUNNEL_PORT};
use tc_tests::stage::{APP_PORT, Role, Stage};

const CLIENT: &str = "10.198.1.1";
const TARGET: &[&str] = &["--application", "8080", "--client", CLIENT];

/// Both programs, an application on both hosts, and a client that connects again and again.
struct Scene {
    stage: Stage,
    binaries: Binaries,
    _client: Process,
}

impl Scene {
    fn new() -> Self {
        Self::of(Stage::new(Binaries::from_environment()), Arguments::default())
    }

    /// The same, with programs of these arguments.
    fn of(mut stage: Stage, arguments: Arguments<'_>) -> Self {
        stage.start_pair(arguments);
        let binaries = stage.binaries.clone();
        let mut client = stage.lab.client.command("bash");
        client.args(["-c", "while sleep 0.1; do exec 3<>/dev/tcp/10.198.1.254/8080; exec 3>&-; done"]);
        let client = stage.lab.client.spawn("client", &mut client);
        Self { stage, binaries, _client: client }
    }

    fn online(&self, line: &str) {
        self.stage.lab.online.run(line);
    }

    fn target(&self, line: &str) {
        self.stage.lab.target.run(line);
    }

    fn tcpcopy(&self) -> Findings {
        self.tcpcopy_with(&[])
    }

    fn tcpcopy_with(&self, more: &[&str]) -> Findings {
        let arguments = ["check", "--json", "-x", "8080-10.198.2.1:8080"];
        findings(self.stage.lab.online.command(&self.binaries.tcpcopy).args(arguments).args(more))
    }

    fn intercept(&self) -> Findings {
        let host = &self.stage.lab.target;
        findings(host.command(&self.binaries.intercept).args(["check", "--json"]).args(TARGET))
    }

    /// What both find.
    fn check(&self) -> (Findings, Findings) {
        (self.tcpcopy(), self.intercept())
    }
}

/// The stations that do not work or are not known, and the whole report.
struct Findings {
    failed: Vec<String>,
    report: Value,
}

impl Findings {
    fn assert_failed(&self, stations: &[&str]) {
        assert_eq!(self.failed, stations, "{:#}", self.report);
    }

    /// A station that fails says this, and names this remedy.
    fn assert_says(&self, found: &str, remedy: &str) {
        let stations = self.report["stations"].as_array().unwrap();
        let says = |station: &Value| {
            station["verdict"] == "fails"
                && station["found"].as_str().unwrap().contains(found)
                && station["remedy"].as_str().unwrap().contains(remedy)
        };
        assert!(stations.iter().any(says), "{found}, {remedy}: {:#}", self.report);
    }
}

fn findings(command: &mut Command) -> Findings {
    let output = command.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let stations = report["stations"].as_array().unwrap();
    let failed = stations.iter().filter(|station| station["verdict"] != "ok");
    let failed: Vec<_> = failed.map(|station| station["station"].as_str().unwrap().to_owned()).collect();
    let bad = stations.iter().any(|station| station["verdict"] == "fails");
    assert_eq!((report["ok"] == false, output.status.code()), (bad, Some(i32::from(bad))), "{report:#}");
    Findings { failed, report }
}

#[test]
fn a_set_up_that_works_gives_no_warning() {
    let scene = Scene::new();
    let (tcpcopy, intercept) = scene.check();
    tcpcopy.assert_failed(&[]);
    intercept.assert_failed(&[]);
    let lines = scene
        .stage
        .lab
        .online
        .run(&format!("{} check -x 8080-10.198.2.1:8080 -c 10.198.1.99", scene.binaries.tcpcopy.display()));
    assert!(lines.ends_with("all stations work\n"), "{lines}");
    // A client's connection may be half open at any moment, what is left behind is so for long.
    let half_open = || scene.stage.lab.target.run("ss -Htn state syn-recv");
    let is_over = (0..10).any(|_| half_open().is_empty());
    assert!(is_over, "probes leave no connection behind: {}", half_open());
}

#[test]
fn a_check_knows_the_key_and_says_when_it_is_missing_or_wrong() {
    let stage = Stage::new(Binaries::from_environment());
    let key = |name: &str| {
        let path = stage.lab.directory().join(name);
        std::fs::write(&path, format!("the {name} of this test, long enough")).unwrap();
        set_mode(&path, 0o600);
        path.display().to_string()
    };
    let (right, wrong) = (key("right key"), key("wrong key"));
    let with_key = ["--key-file", &right];
    let scene = Scene::of(stage, Arguments { tcpcopy: &with_key, intercept: &with_key });
    scene.tcpcopy_with(&with_key).assert_failed(&[]);
    for (arguments, found) in [
        (&["--key-file", &wrong][..], "closed by intercept when it saw the proof of our key"),
        (&[], "wants the proof"),
    ] {
        let findings = scene.tcpcopy_with(arguments);
        findings.assert_failed(&["tunnel"]);
        findings.assert_says(found, "--key-file");
    }
}

#[test]
fn what_is_broken_on_the_online_host_is_named() {
    let scene = Scene::new();
    scene.online("iptables -w -I OUTPUT -p tcp --dport 8080 -s 10.198.1.0/24 -d 10.198.2.1 -j DROP");
    let found = scene.tcpcopy();
    found.assert_failed(&["send", "source"]);
    found.assert_says("from 10.198.1.1 to 10.198.2.1:8080 cannot be sent", "iptables -S OUTPUT");
    scene.online("iptables -w -F OUTPUT");
    scene.online("iptables -w -I OUTPUT -m conntrack --ctstate INVALID -j DROP");
    let found = scene.tcpcopy();
    found.assert_failed(&["send", "conntrack"]);
    found.assert_says("INVALID", "--notrack");
    scene.online("iptables -w -F OUTPUT");
    scene.online("ip route del 10.198.2.0/24");
    let found = scene.tcpcopy();
    found.assert_failed(&["route", "tunnel"]);
    found.assert_says("no route to 10.198.2.1", "ip route add 10.198.2.1");
}

#[test]
fn what_is_broken_in_the_rules_of_the_test_host_is_named() {
    let scene = Scene::new();
    let right = Rule::queue_answers(APP_PORT, QUEUE);
    right.remove(&scene.stage.lab.target);
    let (tcpcopy, intercept) = scene.check();
    tcpcopy.assert_failed(&["answer"]);
    tcpcopy.assert_says("comes straight to this host", "-j NFQUEUE");
    intercept.assert_failed(&["rule"]);
    intercept.assert_says("no rule hands the answers of port 8080", "--sport 8080 -j NFQUEUE --queue-num 0");

    let wrong = Rule::queue_answers(APP_PORT, 7);
    wrong.add(&scene.stage.lab.target);
    let (tcpcopy, intercept) = scene.check();
    tcpcopy.assert_failed(&["answer"]);
    tcpcopy.assert_says("is answered on the test host, and intercept's queue does not get", "intercept check");
    intercept.assert_failed(&["rule"]);
    intercept.assert_says("queue 7, not to 0", "--queue 7");
    wrong.remove(&scene.stage.lab.target);
    right.add(&scene.stage.lab.target);

    let blocked = Rule::block(TUNNEL_PORT);
    blocked.add(&scene.stage.lab.target);
    let (tcpcopy, intercept) = scene.check();
    tcpcopy.assert_failed(&["tunnel"]);
    tcpcopy.assert_says("10.198.2.1:36524 cannot be reached", "--dport 36524 -j ACCEPT");
    intercept.assert_failed(&["tunnel"]);
    intercept.assert_says("packets to port 36524 are dropped", "--dport 36524 -j ACCEPT");
    blocked.remove(&scene.stage.lab.target);

    scene.target("iptables -w -I INPUT -s 10.198.1.0/24 -j DROP");
    let (tcpcopy, intercept) = scene.check();
    tcpcopy.assert_failed(&["source"]);
    tcpcopy.assert_says("arrives at the test host, and a rule there drops it", "--client 10.198.1.1");
    intercept.assert_failed(&["request"]);
    intercept.assert_says("-s 10.198.1.0/24 -j DROP", "iptables -D INPUT");
}

#[test]
fn a_reverse_path_filter_that_drops_clients_is_named() {
    let scene = Scene::new();
    scene.target("ip route del default");
    scene.stage.lab.target.write_setting("net/ipv4/conf/target0/rp_filter", "1");
    let (tcpcopy, intercept) = scene.check();
    tcpcopy.assert_failed(&["source"]);
    tcpcopy.assert_says("arrives at the test host, and its reverse path filter drops it", "rp_filter=0");
    intercept.assert_failed(&["source"]);
    intercept.assert_says("rp_filter of target0", "sysctl -w net.ipv4.conf.all.rp_filter=0");
    // With a route back that is the right one, a strict filter does no harm.
    scene.target("ip route add default via 10.198.2.254");
    let (tcpcopy, intercept) = scene.check();
    tcpcopy.assert_failed(&[]);
    intercept.assert_failed(&[]);
}

#[test]
fn a_network_between_that_drops_foreign_sources_is_named() {
    let scene = Scene::new();
    // Before anything of the test host sees a packet.
    scene.target("nft add table netdev between");
    let chain = "{ type filter hook ingress device target0 priority 0 ; }";
    scene.target(&format!("nft add chain netdev between ingress {chain}"));
    scene.target("nft add rule netdev between ingress ip saddr 10.198.1.0/24 drop");
    let (tcpcopy, intercept) = scene.check();
    tcpcopy.assert_failed(&["source"]);
    tcpcopy.assert_says("does not arrive at the test host: the network between loses it", "give -c addresses");
    tcpcopy.assert_says("foreign sources are dropped", "");
    intercept.assert_failed(&[]);
}

#[test]
fn an_application_and_an_intercept_that_do_not_run_are_named() {
    let mut scene = Scene::new();
    scene.stage.stop_app(Role::Target);
    let (tcpcopy, intercept) = scene.check();
    tcpcopy.assert_failed(&["answer"]);
    tcpcopy.assert_says("nothing listens there", "start the application");
    intercept.assert_failed(&["application"]);
    scene.stage.start_app(Role::Target, &[]);
    scene.stage.pair().kill_intercept();
    let (tcpcopy, intercept) = scene.check();
    tcpcopy.assert_failed(&["tunnel"]);
    tcpcopy.assert_says("Connection refused", "start intercept");
    intercept.assert_failed(&["queue", "tunnel"]);
}

/// Binds the queue and the port of intercept for as long as the result lives.
fn occupy(host: &Host) -> (nfq::Queue, TcpListener) {
    host.inside(|| {
        let mut queue = nfq::Queue::open().unwrap();
        queue.bind(QUEUE).unwrap();
        (queue, TcpListener::bind(("0.0.0.0", TUNNEL_PORT)).unwrap())
    })
}

#[test]
fn another_owner_of_the_queue_and_of_the_port_is_named() {
    let mut scene = Scene::new();
    scene.stage.pair().kill_intercept();
    let _held = occupy(&scene.stage.lab.target);
    let intercept = scene.intercept();
    intercept.assert_failed(&["queue", "tunnel"]);
    let name = format!("(pid {})", std::process::id());
    intercept.assert_says("queue 0 is held by check-", "stop that program");
    intercept.assert_says("port 36524 is held by check-", "another port with -p");
    intercept.assert_says(&name, "");
    scene.tcpcopy().assert_failed(&["answer"]);
}

#[test]
fn without_root_what_cannot_be_read_is_unknown_and_not_broken() {
    let scene = Scene::new();
    let mut command = scene.stage.lab.target.command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(&scene.binaries.intercept);
    let found = findings(command.args(["check", "--json"]).args(TARGET));
    found.assert_failed(&["permission", "request", "rule", "queue", "tunnel"]);
    found.assert_says("CAP_NET_ADMIN is missing", "setcap");
}
