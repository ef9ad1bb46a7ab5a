//! One host of a lab.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::Process;
use super::namespace::Namespace;

/// A network namespace with links, addresses and processes.
pub struct Host {
    namespace: Namespace,
    directory: PathBuf,
}

impl Host {
    pub(super) fn new(namespace: Namespace, directory: PathBuf) -> Self {
        let host = Self { namespace, directory };
        host.ip("link set lo up\n");
        host
    }

    /// A command that runs on this host when it is started.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .args(["netns", "exec", self.namespace.name()])
            .arg(program)
            .env("PATH", format!("{path}:/usr/sbin:/sbin"))
            .current_dir(&self.directory)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command line, split at blanks, to its end; gives what it wrote to its standard output.
    ///
    /// # Panics
    ///
    /// The command fails.
    #[expect(clippy::must_use_candidate, reason = "most commands have nothing to say")]
    pub fn run(&self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let program = words.next().expect("a command line has a program");
        let output = self.command(program).args(words).output().expect("ip can be run");
        assert!(
            output.status.success(),
            "{line}: {} {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Starts a command made by [`command`](Self::command); it writes to `name.out` and `name.err`.
    #[must_use]
    pub fn spawn(&self, name: &str, command: &mut Command) -> Process {
        let file = |ending| {
            let path = self.directory.join(format!("{name}.{ending}"));
            let options = File::options().append(true).create(true).open(&path);
            options.expect("the lab's directory can be written to")
        };
        let child = command.stdout(file("out")).stderr(file("err")).spawn().expect("ip can be run");
        Process::new(name, child, self.directory.clone())
    }

    /// Runs `work` on this host, in a thread of its own; sockets made there stay on this host.
    ///
    /// # Panics
    ///
    /// The namespace cannot be entered, or `work` panics.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(self.namespace.path()).expect("the namespace exists");
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                use std::os::fd::AsFd;
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                    .expect("the namespace can be entered");
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Sets a kernel setting, a path below `/proc/sys`, on this host.
    pub fn write_setting(&self, path: &str, value: &str) {
        let path = Path::new("/proc/sys").join(path);
        let written = self.inside(|| std::fs::write(&path, value));
        if let Err(error) = written {
            panic!("cannot write {value} to {}: {error}", path.display());
        }
    }

    /// Joins this host and `peer` by a link more, which is down.
    pub fn add_link_to(&self, peer: &Self, link: &str, peer_link: &str) {
        self.link_to(peer, link, peer_link);
    }

    /// Joins `link` of this host and `peer_link` of `peer`.
    pub(super) fn link_to(&self, peer: &Self, link: &str, peer_link: &str) {
        let peer_name = peer.namespace.name();
        self.ip(&format!("link add name {link} type veth peer name {peer_link} netns {peer_name}\n"));
    }

    /// Gives `link` the host numbers in both nets, and a default route to the host number `gateway`.
    pub(super) fn configure(&self, link: &str, net4: &str, net6: &str, numbers: &[u8], gateway: Option<u8>) {
        use std::fmt::Write;
        let mut batch = String::new();
        let mut add = |line: std::fmt::Arguments<'_>| writeln!(batch, "{line}").expect("a string grows");
        for number in numbers {
            add(format_args!("address add {net4}.{number}/24 dev {link}"));
            add(format_args!("address add {net6}{number:x}/64 dev {link} nodad"));
        }
        add(format_args!("link set {link} up"));
        if let Some(gateway) = gateway {
            add(format_args!("route add default via {net4}.{gateway}"));
            add(format_args!("route add default via {net6}{gateway:x}"));
        }
        self.ip(&batch);
    }

    /// Runs a batch of `ip` commands on this host.
    fn ip(&self, batch: &str) {
        let mut child = Command::new("ip")
            .args(["-n", self.namespace.name(), "-batch", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ip can be run");
        let mut input = child.stdin.take().expect("the input is a pipe");
        // If ip does not read it, ip says why.
        let _ = input.write_all(batch.as_bytes());
        drop(input);
        let output = child.wait_with_output().expect("ip ends");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip: {errors}");
    }
}
