//! nginx as the application, and wrk as its load.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::{Host, Lab, Process};
use crate::records::{Kind, Record};
use std::net::SocketAddr;

/// How many requests each connection of a client carries before nginx closes it.
const REQUESTS_PER_CONNECTION: usize = 100;
/// The path of requests that do not count.
const IDLE: &str = "/idle";

/// Starts nginx in the foreground; its access log is `label.access`.
#[must_use]
pub fn start(host: &Host, directory: &Path, label: &str, port: u16) -> Process {
    let prefix = directory.join(label);
    std::fs::create_dir(&prefix).expect("the lab's directory can be written to");
    let access = directory.join(format!("{label}.access"));
    let file = prefix.join("nginx.conf");
    std::fs::write(&file, configuration(&prefix, &access, port))
        .expect("the lab's directory can be written to");
    let mut command = host.command("nginx");
    command.arg("-p").arg(&prefix).arg("-e").arg("stderr").arg("-c").arg(&file);
    host.spawn(label, &mut command)
}

fn configuration(prefix: &Path, access: &Path, port: u16) -> String {
    let prefix = prefix.display();
    let mut text = format!(
        "daemon off; master_process off; pid {prefix}/pid; error_log stderr;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n\
         log_format uri '$request_uri';\n\
         access_log {} uri;\n\
         keepalive_requests {REQUESTS_PER_CONNECTION};\n",
        access.display()
    );
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        writeln!(text, "{kind}_temp_path {prefix}/{kind};").expect("a string grows");
    }
    write!(text, "server {{ listen {port} backlog=4096; listen [::]:{port} ipv6only=on backlog=4096; location / {{ return 200 'hello'; }} }}\n}}\n")
        .expect("a string grows");
    text
}

/// The requests of an access log.
#[must_use]
pub fn records(access: &Path) -> Vec<Record> {
    let text = std::fs::read_to_string(access).unwrap_or_default();
    text.lines()
        .filter(|uri| *uri != IDLE)
        .map(|uri| Record { kind: Kind::Whole, id: uri.to_owned(), len: 0, hash: 0, at_ms: 0 })
        .collect()
}

/// A wrk on the client host that sends `requests` different requests in all and idles for the rest of `seconds`.
#[must_use]
pub fn wrk(lab: &Lab, port: u16, connections: usize, requests: usize, seconds: usize) -> Command {
    const THREADS: usize = 2;
    let script = write_script(lab.directory(), requests / THREADS);
    let mut command = lab.client.command("wrk");
    command
        .args(["-t", &THREADS.to_string(), "-c", &connections.to_string()])
        .args(["-d", &format!("{seconds}s"), "-s"])
        .arg(script)
        .arg(format!("http://{}/", SocketAddr::new(lab.online_address(), port)));
    command
}

/// wrk breaks off when its time is over, so what counts must be over before. The first request of the
/// first thread is a trial that is not sent.
fn write_script(directory: &Path, requests: usize) -> PathBuf {
    let script = format!(
        "local threads = 0\n\
         function setup(thread) threads = threads + 1; thread:set('number', threads)\n\
         thread:set('sent', threads == 1 and -1 or 0) end\n\
         function delay() return sent >= {requests} and 500 or 0 end\n\
         function request()\n\
         sent = sent + 1\n\
         if sent > {requests} then return wrk.format('GET', '{IDLE}') end\n\
         return wrk.format('GET', '/q/' .. number .. '/' .. sent)\n\
         end\n"
    );
    let path = directory.join("unique.lua");
    std::fs::write(&path, script).expect("the lab's directory can be written to");
    path
}
