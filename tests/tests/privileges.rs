//! Which rights the programs have, use, and keep, and that nobody gets more by them.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests as well")]

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tc_tests::binaries::Binaries;
use tc_tests::daemon::{Daemon, await_that};
use tc_tests::installed::{Installed, OPERATOR, Rights, set_mode};
use tc_tests::lab::{Host, Lab};
use tc_tests::pair::Arguments;
use tc_tests::stage::{Role, Stage};

const LIMIT: Duration = Duration::from_secs(5);
const NONE: &str = "0000000000000000";
const NET_ADMIN: &str = "0000000000001000";
const TCPCOPY: &[&str] = &["-L", "-x", "8080-10.198.2.1:8080"];

/// What `/proc/PID/status` says behind this name.
fn status(pid: u32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap_or("missing").trim().replace('\t', " ")
}

fn assert_powerless(pid: u32, user: u32, kept: &str, bounding: Option<&str>) {
    let ids = [user; 4].map(|id| id.to_string()).join(" ");
    let expected = [
        ("Uid", &ids[..]),
        ("Gid", &ids),
        ("CapInh", NONE),
        ("CapPrm", kept),
        ("CapEff", kept),
        ("CapAmb", NONE),
    ];
    for (name, expected) in expected.into_iter().chain(bounding.map(|set| ("CapBnd", set))) {
        assert_eq!(status(pid, name), expected, "{name}");
    }
    assert_eq!((status(pid, "NoNewPrivs"), status(pid, "Seccomp")), ("1".to_owned(), "2".to_owned()));
}

/// Replays something with these programs, and looks what is left of their rights meanwhile; the log of intercept.
fn replays(binaries: impl FnOnce(&Path) -> Binaries, user: u32, bounding: Option<&str>) -> String {
    let mut stage = Stage::bare(Binaries::from_environment());
    stage.binaries = binaries(stage.lab.directory());
    stage.start_app(Role::Online, &[]);
    stage.start_app(Role::Target, &[]);
    stage.start_pair(Arguments::default());
    stage.load("--from 10.198.1.1 --connections 10 --requests 10");
    assert_powerless(stage.pair().tcpcopy.id(), user, NONE, bounding);
    assert_powerless(stage.pair().intercept.id(), user, NET_ADMIN, bounding);
    assert_eq!(fs::metadata(stage.lab.directory().join("tcpcopy.log")).unwrap().uid(), user);
    let outcome = stage.outcome(|_| true);
    outcome.assert_perfect(100);
    fs::read_to_string(outcome.stage.lab.directory().join("intercept.log")).unwrap()
}

/// The kernel's counters of the queue were read to the end, without the privilege that opening their list takes.
fn assert_counters(log: &str) {
    let queued =
        log.rsplit_once("queue total:").and_then(|(_, rest)| rest.split(',').next()?.parse::<u64>().ok());
    assert!(queued.is_some_and(|queued| queued >= 100) && log.contains("kernel dropped:0"), "{log}");
    assert!(!log.contains("losses of the queue"), "{log}");
}

#[test]
fn root_replays_and_keeps_only_what_is_needed() {
    let log = replays(|_| Binaries::from_environment(), 0, Some(NONE));
    assert_counters(&log);
}

#[test]
fn an_operator_replays_with_setuid_programs_and_nothing_is_left_of_root() {
    let log = replays(|directory| Installed::new(directory, Rights::Setuid).scripts, OPERATOR, Some(NONE));
    assert_counters(&log);
}

#[test]
fn an_operator_replays_with_file_capabilities() {
    let log = replays(|directory| Installed::new(directory, Rights::Capabilities).scripts, OPERATOR, None);
    assert_eq!(log.matches("losses of the queue are not seen").count(), 1, "{log}");
    assert!(!log.contains("kernel dropped:"), "no counter is made up: {log}");
}

/// A lab with setuid programs, and a directory that only root may write to.
struct Attack {
    lab: Lab,
    installed: Installed,
    roots: PathBuf,
}

impl Attack {
    fn new() -> Self {
        let lab = Lab::new();
        let installed = Installed::new(lab.directory(), Rights::Setuid);
        let roots = lab.directory().join("roots");
        fs::create_dir(&roots).unwrap();
        set_mode(&roots, 0o755);
        Self { lab, installed, roots }
    }

    /// A file of root's, which everybody may read.
    fn secret(&self, name: &str, content: &str) -> PathBuf {
        let path = self.roots.join(name);
        fs::write(&path, content).unwrap();
        set_mode(&path, 0o644);
        path
    }

    fn tcpcopy(&self) -> Command {
        let mut command = Installed::command(&self.lab.online, &self.installed.programs.tcpcopy);
        command.args(TCPCOPY);
        command
    }

    fn intercept(&self) -> Command {
        Installed::command(&self.lab.target, &self.installed.programs.intercept)
    }

    /// Both programs refuse these arguments with exit code 1 and one line that names the file.
    fn refused(&self, arguments: &[&str], file: &Path) {
        for mut command in [self.tcpcopy(), self.intercept()] {
            let (code, line) = end_of(&self.lab.online, command.args(arguments));
            assert!(code == Some(1) && line.lines().count() == 1, "{arguments:?}: {code:?} {line}");
            assert!(line.contains(&*file.to_string_lossy()), "{arguments:?}: {line}");
        }
    }
}

fn end_of(host: &Host, command: &mut Command) -> (Option<i32>, String) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("end-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut process = host.spawn(&name, command);
    let status = process.wait(LIMIT);
    let errors = process.errors();
    (status.and_then(|status| status.code()), errors.lines().last().unwrap_or_default().to_owned())
}

#[test]
fn a_setuid_program_writes_to_no_file_that_its_caller_may_not_write_to() {
    let attack = Attack::new();
    let secret = attack.secret("passwd", "root:x:0:0\n");
    let number = attack.secret("other.pid", "999999999\n");
    let link = attack.lab.directory().join("link");
    symlink(&secret, &link).unwrap();
    let dangling = attack.lab.directory().join("dangling");
    symlink(attack.roots.join("new"), &dangling).unwrap();
    let foreign = attack.roots.join("tcpcopy.log");
    for file in [&secret, &number, &link, &dangling, &foreign] {
        let name = file.to_string_lossy();
        attack.refused(&["-l", &name], file);
        attack.refused(&["-P", &name], file);
        attack.refused(&["-d", "-l", &name, "-P", &name], file);
    }
    assert_eq!(fs::read_to_string(&secret).unwrap(), "root:x:0:0\n");
    assert_eq!(fs::read_to_string(&number).unwrap(), "999999999\n");
    let left: Vec<_> = fs::read_dir(&attack.roots).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_log_that_became_a_link_is_opened_again_with_the_rights_of_the_caller() {
    let attack = Attack::new();
    let secret = attack.secret("passwd", "root:x:0:0\n");
    let log = attack.lab.directory().join("tcpcopy.log");
    let daemon = Daemon::start(&attack.lab.online, attack.tcpcopy(), attack.lab.directory(), "tcpcopy");
    fs::remove_file(&log).unwrap();
    symlink(&secret, &log).unwrap();
    daemon.signal(Signal::HUP);
    daemon.signal(Signal::USR1);
    daemon.stop();
    assert_eq!(fs::read_to_string(&secret).unwrap(), "root:x:0:0\n");
}

#[test]
fn the_environment_and_open_files_of_the_caller_do_not_reach_a_setuid_program() {
    let attack = Attack::new();
    let library = ["/lib/x86_64-linux-gnu/libutil.so.1", "/lib/aarch64-linux-gnu/libutil.so.1"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("a library of libc that the programs do not use");
    let start = |program: &Path, user: &str| {
        let mut command = attack.lab.online.command("setpriv");
        let script = "exec 7</etc/shadow; exec setpriv $0 -- \"$@\"";
        let user = format!("--reuid={user} --regid={user} --clear-groups");
        command.args(["--", "sh", "-c", &script.replace("$0", &user), "sh", "env"]);
        command.arg(format!("LD_PRELOAD={library}")).arg(program).args(TCPCOPY);
        let process = attack.lab.online.spawn("inherits", &mut command);
        let pid = process.id();
        await_that("it captures", || has_socket(pid));
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let shadow = fs::read_link(format!("/proc/{pid}/fd/7")).is_ok_and(|file| file.ends_with("etc/shadow"));
        (process, maps.contains("libutil"), shadow)
    };
    let (_root, preloaded, inherited) = start(&Binaries::from_environment().tcpcopy, "0");
    assert!(preloaded && inherited, "the test sees what comes through");
    let (_operator, preloaded, inherited) = start(&attack.installed.programs.tcpcopy, "65534");
    assert!(!preloaded && !inherited, "preloaded {preloaded}, inherited {inherited}");
}

#[test]
fn closed_standard_descriptors_are_not_taken_for_the_log() {
    let attack = Attack::new();
    let mut command = attack.lab.online.command("setpriv");
    let script = "exec setpriv --reuid=65534 --regid=65534 --clear-groups -- \"$@\" <&- >&- 2>&-";
    command.args(["--", "sh", "-c", script, "sh"]).arg(&attack.installed.programs.tcpcopy);
    let process = attack.lab.online.spawn("closed", command.args(TCPCOPY).args(["-l", "closed.log"]));
    let pid = process.id();
    await_that("it captures", || has_socket(pid));
    for descriptor in 0..3 {
        let file = fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).unwrap();
        assert!(file.starts_with("/dev"), "{descriptor}: {}", file.display());
    }
}

#[test]
fn huge_arguments_are_refused_with_a_short_line() {
    let attack = Attack::new();
    let huge = "9".repeat(100_000);
    let many: Vec<_> = (0..20_000).map(|number| format!("{number}")).collect();
    for arguments in
        [vec!["-p", &huge], vec![&huge[..]], vec!["-x", &huge], many.iter().map(|word| &word[..]).collect()]
    {
        for mut command in [attack.tcpcopy(), attack.intercept()] {
            let (code, line) = end_of(&attack.lab.online, command.args(&arguments));
            assert!(code == Some(2) && line.len() < 2000, "{code:?} {}", line.len());
        }
    }
    let (code, line) = end_of(&attack.lab.online, attack.tcpcopy().args(["-l", &huge]));
    assert!(code == Some(1) && line.contains("File name too long"), "{code:?}");
}

#[test]
fn a_daemon_opens_its_log_again_and_removes_its_pid_file_without_privileges() {
    let attack = Attack::new();
    let directory = attack.lab.directory();
    let mut root = attack.lab.online.command(Binaries::from_environment().tcpcopy);
    root.args(TCPCOPY);
    for (name, command) in [("operator", attack.tcpcopy()), ("root", root)] {
        rotates(&Daemon::start(&attack.lab.online, command, directory, name));
    }
}

#[test]
fn root_keeps_one_capability_aside_for_a_log_of_somebody_else() {
    let attack = Attack::new();
    let directory = attack.lab.directory().join("somebodys");
    fs::create_dir(&directory).unwrap();
    std::os::unix::fs::chown(&directory, Some(1), Some(1)).unwrap();
    let mut root = attack.lab.online.command(Binaries::from_environment().tcpcopy);
    root.args(TCPCOPY);
    let daemon = Daemon::start(&attack.lab.online, root, &directory, "root");
    let pid = daemon.id();
    assert_eq!(
        (status(pid, "CapPrm"), status(pid, "CapEff")),
        ("0000000000000002".to_owned(), NONE.to_owned())
    );
    rotates(&daemon);
}

fn rotates(daemon: &Daemon) {
    daemon.rotate(1);
    daemon.signal(Signal::USR1);
    await_that("the statistics are written", || {
        fs::read_to_string(daemon.log()).unwrap().contains("captured:")
    });
    daemon.stop();
}

fn has_socket(pid: u32) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let sockets = descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    let names: Vec<_> = sockets.map(|target| target.to_string_lossy().into_owned()).collect();
    names.iter().any(|name| name.starts_with("socket:")) && names.iter().any(|name| name.contains("signalfd"))
}
