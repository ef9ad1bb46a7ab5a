//! Running another program for its output.

use std::io::{Read, Seek};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::syscall::process::memory_file;

/// What a command prints, if it ends successfully within `limit`; otherwise it is killed. Its standard input and error
/// are `/dev/null`.
#[must_use]
pub fn output_within(command: &mut Command, limit: Duration) -> Option<String> {
    // A file in memory takes any amount, a pipe would block the command until somebody reads.
    let mut output = memory_file().ok()?;
    let stdout = output.try_clone().ok()?;
    let mut child = command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::null()).spawn().ok()?;
    let deadline = Instant::now() + limit;
    let status = loop {
        match child.try_wait().ok()? {
            Some(status) => break status,
            None if Instant::now() >= deadline => {
                // It may have ended in between; either way it is reaped.
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let mut text = String::new();
    output.rewind().ok()?;
    output.read_to_string(&mut text).ok()?;
    status.success().then_some(text)
}
