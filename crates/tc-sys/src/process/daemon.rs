//! Going to the background without hiding a failed start.
//!
//! The parent stays until the child is ready and ends with the child's result, so `tcpcopy -d || echo failed` works.
//! Until then the child keeps its working directory, for relative paths, and its standard error, for panics.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use crate::SysError;
use crate::syscall::process::{self, Fork};

/// Files that the daemon makes without a mode of their own are not for everybody.
const UMASK: u32 = 0o027;

/// The first octet of the child's message.
const READY: u8 = b'R';
const FAILED: u8 = b'F';

/// The daemon's side: what the waiting parent is told. Dropped without a word, the parent reports that the program
/// ended before it was ready.
#[derive(Debug)]
#[must_use = "the parent waits for ready() or fail()"]
pub struct Daemon {
    /// To the parent; none in the foreground.
    parent: Option<io::PipeWriter>,
}

/// Continues in a child process of its own session, with standard input and output on `/dev/null` and umask 027.
/// Returns in the child only.
///
/// The parent waits. After [`Daemon::ready`] it exits with 0; after [`Daemon::fail`] it prints the line to standard
/// error and exits with the code; if the child ends in another way it says so and exits with the child's code (or 1).
///
/// Call it while there is one thread, before opening sockets and files: a fork leaves threads behind, and all
/// descriptors but the three standard ones are closed.
///
/// # Errors
///
/// What pipe(2), fork(2), setsid(2) and opening `/dev/null` report.
pub fn daemonize() -> Result<Daemon, SysError> {
    let failed = |cause| SysError::new("go to", "the background", cause);
    // A lock or a pipe of whoever started the program would be held for as long as it runs.
    process::close_inherited().map_err(failed)?;
    let (from_child, to_parent) = io::pipe().map_err(failed)?;
    match process::fork().map_err(failed)? {
        Fork::Parent(child) => {
            drop(to_parent);
            std::process::exit(wait_for(child, from_child))
        }
        Fork::Child => {
            drop(from_child);
            become_daemon().map_err(failed)?;
            Ok(Daemon { parent: Some(to_parent) })
        }
    }
}

fn become_daemon() -> io::Result<()> {
    process::new_session()?;
    process::set_umask(UMASK);
    let null = File::options().read(true).write(true).open("/dev/null")?;
    process::replace(null.as_fd(), libc::STDIN_FILENO)?;
    process::replace(null.as_fd(), libc::STDOUT_FILENO)
}

impl Daemon {
    /// The same for a program in the foreground: nobody waits, nothing is changed.
    pub fn foreground() -> Self {
        Self { parent: None }
    }

    /// Lets the parent exit with 0. The working directory becomes `/` and standard error `/dev/null`: open every
    /// file and socket before.
    ///
    /// # Errors
    ///
    /// What chdir(2) and opening `/dev/null` report. A parent that was killed is no error.
    pub fn ready(self) -> Result<(), SysError> {
        let Some(mut parent) = self.parent else { return Ok(()) };
        let failed = |cause| SysError::new("leave", "the terminal", cause);
        std::env::set_current_dir(Path::new("/")).map_err(failed)?;
        let null = File::options().write(true).open("/dev/null").map_err(failed)?;
        process::replace(null.as_fd(), libc::STDERR_FILENO).map_err(failed)?;
        // The parent may be gone.
        let _ = parent.write_all(&[READY]);
        Ok(())
    }

    /// Tells why the program cannot start: through the parent, or in the foreground directly on standard error.
    /// Returns `code`, with which the caller exits now.
    #[must_use = "the caller exits with it"]
    pub fn fail(self, code: u8, line: &str) -> u8 {
        // Nobody is left to tell when these fail.
        let _ = match self.parent {
            Some(mut parent) => parent.write_all(&[&[FAILED, code], line.as_bytes()].concat()),
            None => writeln!(io::stderr(), "{line}"),
        };
        code
    }
}

/// The parent's side: waits for the message and returns the exit code.
fn wait_for(child: libc::pid_t, mut from_child: io::PipeReader) -> i32 {
    let mut message = Vec::new();
    let read = from_child.read_to_end(&mut message);
    match (read, &message[..]) {
        (Ok(_), [READY, ..]) => 0,
        (Ok(_), [FAILED, code, line @ ..]) => {
            complain(&String::from_utf8_lossy(line));
            i32::from(*code)
        }
        _ => {
            complain("the program ended before it was ready");
            process::wait_for_exit(child).ok().flatten().filter(|code| *code != 0).unwrap_or(1)
        }
    }
}

fn complain(line: &str) {
    // Without a standard error there is nobody to complain to.
    let _ = writeln!(io::stderr(), "{line}");
}
