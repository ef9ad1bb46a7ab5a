//! Daemons and the setuid bit, tested on whole processes.
//!
//! Without arguments this program is the tests; with one it is the subject that a test starts. It has one thread, as
//! forking demands. Needs root.

use std::error::Error;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::time::{Duration, Instant};

use tc_sys::Families;
use tc_sys::capture::{CaptureConfig, CaptureRule, PnetCapture};
use tc_sys::inject::Injector;
use tc_sys::privilege::{self, Needs};
use tc_sys::process::{self, PidFile, SignalFd, daemonize};
use tc_sys::queue::{Queue, QueueConfig};

type Outcome = Result<(), Box<dyn Error>>;

type Test = (&'static str, fn() -> Outcome);

const TESTS: [Test; 8] = [
    ("the_parent_of_a_ready_daemon_exits_with_0_and_the_daemon_lives_on", a_ready_daemon),
    ("the_parent_of_a_failed_daemon_prints_its_line_and_exits_with_its_code", a_failed_daemon),
    ("a_daemon_that_panics_is_not_a_success", a_panicking_daemon),
    ("a_daemon_that_exits_early_passes_its_code_on", an_exiting_daemon),
    ("no_descriptor_goes_to_a_command", a_command),
    ("a_file_is_opened_with_the_rights_of_the_caller", a_setuid_program),
    ("nothing_is_left_of_root_but_what_is_needed", a_program_that_gives_up),
    ("privileges_are_not_given_up_while_a_thread_keeps_its_own", a_program_with_a_thread),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("subject") => subject(&arguments[1..]),
        // What cargo-nextest and IDEs ask for.
        Some("--list") => ExitCode::SUCCESS,
        _ => run_all(arguments.iter().find(|argument| !argument.starts_with('-')).map_or("", |filter| filter)),
    }
}

#[expect(clippy::print_stdout, reason = "the report of a test program")]
fn run_all(filter: &str) -> ExitCode {
    let mut failures = 0;
    for (name, test) in TESTS.into_iter().filter(|(name, _)| name.contains(filter)) {
        match test() {
            Ok(()) => println!("test {name} ... ok"),
            Err(error) => {
                failures += 1;
                println!("test {name} ... FAILED: {error}");
            }
        }
    }
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The program under test.
fn subject(arguments: &[String]) -> ExitCode {
    let (mode, path) = match arguments {
        [mode, path] => (mode.as_str(), Path::new(path)),
        _ => return ExitCode::from(64),
    };
    match mode {
        "caller" => return write_as_caller(path),
        "command" => return run_a_command(),
        "give-up" => return give_up(),
        "thread" => return give_up_beside_a_thread(),
        _ => {}
    }
    let Ok(daemon) = daemonize() else { return ExitCode::from(65) };
    match mode {
        "ready" => live_until_the_file_goes(daemon, path),
        "fail" => ExitCode::from(daemon.fail(7, "cannot open the raw socket: no\u{e9}")),
        "exit" => std::process::exit(9),
        _ => panic!("on purpose"),
    }
}

fn live_until_the_file_goes(daemon: process::Daemon, relative: &Path) -> ExitCode {
    let pid_file = match PidFile::create(relative) {
        Ok(file) => file,
        Err(error) => return ExitCode::from(daemon.fail(1, &error.to_string())),
    };
    // Slow enough to see whether the parent waits.
    std::thread::sleep(Duration::from_millis(200));
    if daemon.ready().is_err() {
        return ExitCode::from(66);
    }
    let started = Instant::now();
    while !pid_file.path().with_extension("stop").exists() && started.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(5));
    }
    ExitCode::SUCCESS
}

fn write_as_caller(path: &Path) -> ExitCode {
    let settled = privilege::settle();
    match (settled, fs::write(path, "x")) {
        (Ok(()), Ok(())) => ExitCode::SUCCESS,
        (Ok(()), Err(_)) => ExitCode::from(13),
        (Err(_), _) => ExitCode::from(67),
    }
}

/// Prints what is left of the privileges.
#[expect(clippy::print_stdout, reason = "the output of the subject")]
fn give_up() -> ExitCode {
    if privilege::settle().and_then(|()| privilege::give_up(Needs::NetAdmin, &[])).is_err() {
        return ExitCode::from(70);
    }
    if Injector::open(Families::Ipv4).is_ok() || Command::new("/bin/true").status().is_ok() {
        return ExitCode::from(71);
    }
    println!("{}", fs::read_to_string("/proc/self/status").unwrap_or_default());
    ExitCode::SUCCESS
}

fn give_up_beside_a_thread() -> ExitCode {
    let (keep, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || wait.recv());
    let refused = privilege::give_up(Needs::Nothing, &[]).is_err();
    drop(keep);
    let ended = thread.join().is_ok();
    if refused && ended { ExitCode::SUCCESS } else { ExitCode::from(72) }
}

/// Opens one of everything and exits with 0 if `ls` sees no socket.
fn run_a_command() -> ExitCode {
    let capture = CaptureConfig { rules: vec![CaptureRule::port(80)], ..CaptureConfig::default() };
    let opened = (
        PnetCapture::open(&capture),
        Injector::open(Families::Both),
        Queue::open(QueueConfig::default()),
        SignalFd::open(),
    );
    let (Ok(_capture), Ok(_injector), Ok(_queue), Ok(_signals)) = opened else { return ExitCode::from(68) };
    let descriptors =
        process::output_within(Command::new("ls").args(["-l", "/proc/self/fd"]), Duration::from_secs(5));
    match descriptors {
        Some(list) if !list.contains("socket:") && !list.contains("signalfd") => ExitCode::SUCCESS,
        _ => ExitCode::from(69),
    }
}

fn start(mode: &str, path: &str, directory: &Path) -> Result<Output, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    Ok(Command::new(program).args(["subject", mode, path]).current_dir(directory).output()?)
}

fn check(condition: bool, message: impl FnOnce() -> String) -> Outcome {
    if condition { Ok(()) } else { Err(message().into()) }
}

fn a_ready_daemon() -> Outcome {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("daemon.pid");
    let started = Instant::now();
    let output = start("ready", "daemon.pid", directory.path())?;
    check(output.status.code() == Some(0), || format!("{output:?}"))?;
    check(started.elapsed() >= Duration::from_millis(200), || "the parent did not wait".to_owned())?;
    let pid: u32 = fs::read_to_string(&path)?.trim().parse()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    check(fields.get(3) == Some(&pid.to_string().as_str()), || format!("no session of its own: {stat}"))?;
    check(fields.get(4) == Some(&"0"), || format!("it has a terminal: {stat}"))?;
    check(fs::read_link(format!("/proc/{pid}/cwd"))? == Path::new("/"), || "not in /".to_owned())?;
    for descriptor in 0..3 {
        let target = fs::read_link(format!("/proc/{pid}/fd/{descriptor}"))?;
        check(target == Path::new("/dev/null"), || format!("{descriptor} is {}", target.display()))?;
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    check(status.contains("Umask:\t0027"), || status.clone())?;
    fs::write(path.with_extension("stop"), "")?;
    let stopping = Instant::now();
    while path.exists() {
        check(stopping.elapsed() < Duration::from_secs(5), || "the PID file stays".to_owned())?;
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn a_failed_daemon() -> Outcome {
    let output = start("fail", "", Path::new("/"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    check(stderr == "cannot open the raw socket: no\u{e9}\n", || format!("{output:?}"))?;
    check(output.status.code() == Some(7), || format!("{output:?}"))
}

fn a_panicking_daemon() -> Outcome {
    let output = start("panic", "", Path::new("/"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    check(stderr.contains("on purpose"), || format!("the panic is not seen: {output:?}"))?;
    check(stderr.contains("ended before it was ready"), || format!("{output:?}"))?;
    check(output.status.code() == Some(101), || format!("{output:?}"))
}

fn an_exiting_daemon() -> Outcome {
    let output = start("exit", "", Path::new("/"))?;
    check(output.status.code() == Some(9), || format!("{output:?}"))
}

fn a_command() -> Outcome {
    let program = std::env::current_exe()?;
    // In a network namespace of its own.
    let output = Command::new("unshare").arg("-n").arg(program).args(["subject", "command", ""]).output()?;
    check(output.status.code() == Some(0), || format!("{output:?}"))
}

/// A copy of this program, setuid root, in a directory that anybody can write to.
fn setuid_copy(directory: &Path) -> Result<PathBuf, Box<dyn Error>> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o777))?;
    let program = directory.join("program");
    fs::copy(std::env::current_exe()?, &program)?;
    chown(&program, Some(0), Some(0))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o6755))?;
    Ok(program)
}

/// Runs a program as nobody.
fn as_nobody(program: &Path, arguments: &[&str]) -> std::io::Result<Output> {
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    Command::new("setpriv").args(nobody).arg(program).arg("subject").args(arguments).output()
}

fn a_setuid_program() -> Outcome {
    const NOBODY: u32 = 65534;
    let directory = tempfile::tempdir()?;
    let program = setuid_copy(directory.path())?;
    let run = |path: &Path| as_nobody(&program, &["caller", &path.to_string_lossy()]);
    let path = directory.path().join("file");
    let output = run(&path)?;
    check(output.status.code() == Some(0), || format!("{output:?}"))?;
    let owner = fs::metadata(&path).map(|file| (file.uid(), file.gid()))?;
    check(owner == (NOBODY, NOBODY), || "the file is not the caller's".to_owned())?;
    let forbidden = directory.path().join("forbidden");
    fs::write(&forbidden, "secret")?;
    fs::set_permissions(&forbidden, fs::Permissions::from_mode(0o600))?;
    let output = run(&forbidden)?;
    check(output.status.code() == Some(13), || format!("{output:?}"))?;
    check(fs::read_to_string(&forbidden)? == "secret", || "a file of root was overwritten".to_owned())
}

fn a_program_that_gives_up() -> Outcome {
    let directory = tempfile::tempdir()?;
    let program = setuid_copy(directory.path())?;
    let setuid = as_nobody(&program, &["give-up", ""])?;
    let root = Command::new(&program).args(["subject", "give-up", ""]).output()?;
    for (output, user) in [(setuid, "65534\t65534\t65534\t65534"), (root, "0\t0\t0\t0")] {
        let status = String::from_utf8_lossy(&output.stdout);
        for left in [
            &format!("Uid:\t{user}"),
            &format!("Gid:\t{user}"),
            "CapInh:\t0000000000000000",
            "CapPrm:\t0000000000001000",
            "CapEff:\t0000000000001000",
            "CapBnd:\t0000000000000000",
            "CapAmb:\t0000000000000000",
            "NoNewPrivs:\t1",
            "Seccomp:\t2",
        ] {
            check(status.contains(left), || format!("not {left}: {output:?}"))?;
        }
    }
    Ok(())
}

fn a_program_with_a_thread() -> Outcome {
    let output = Command::new(std::env::current_exe()?).args(["subject", "thread", ""]).output()?;
    check(output.status.code() == Some(0), || format!("{output:?}"))
}
