//! What the clients feel: the latency of the online service under a steady load.
//!
//! The online service has one processor, all others share the second, and the client comes before them: what intercept and the
//! target take, the service does not lose. tcpcopy is on the one or on the other.

use crate::loads::{receive_in_thread, start_pair};
use crate::pairs::NamedPair;
use crate::sample::{Sample, Used};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::time::Duration;
use tc_tests::lab::{Host, ONLINE, Process};
use tc_tests::stage::{APP_PORT, Role, Stage};

const SECONDS: u64 = 3;
const CONNECTIONS: u64 = 250;
/// About half of what nginx serves on one processor.
const REQUESTS_A_SECOND: u64 = 25_000;
const LIMIT: Duration = Duration::from_mins(1);
/// The name of a pair whose programs are not started.
const WITHOUT: &str = "none";
/// The processor of the online service.
const ONLINE_CPU: usize = 0;
/// The processor of all others.
const OTHER_CPU: usize = 1;

/// Where tcpcopy runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On another processor than the online service: the host has one to spare.
    Apart,
    /// On the same: it is the only one.
    Beside,
}

/// Runs the load through a pair; beside the one that is called `none` nothing runs.
pub(crate) fn run(place: Place, pair: &NamedPair) -> Sample {
    // The processors that are left to a thread are those of the thread alone.
    std::thread::scope(|scope| scope.spawn(|| run_pinned(place, pair)).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn run_pinned(place: Place, pair: &NamedPair) -> Sample {
    let mut stage = Stage::bare(pair.binaries.clone());
    receive(&stage.lab.client, "client0", OTHER_CPU);
    receive(&stage.lab.online, "online0", ONLINE_CPU);
    receive(&stage.lab.online, "online1", ONLINE_CPU);
    receive_in_thread_on(&stage.lab.target, "target0", OTHER_CPU);
    pin(None, ONLINE_CPU);
    stage.start_nginx(Role::Online);
    pin(None, OTHER_CPU);
    stage.start_nginx(Role::Target);
    let runs = pair.name != WITHOUT;
    if runs {
        start_pair(&mut stage, pair);
        if place == Place::Beside {
            threads_of(stage.pair().tcpcopy.id()).for_each(|thread| pin(Some(thread), ONLINE_CPU));
        }
    }
    let used = runs.then(|| Used::by(&mut stage));
    let p99 = measure(&stage);
    std::thread::sleep(Duration::from_secs(1));
    let counts = [Role::Online, Role::Target].map(|role| stage.records(role).len());
    let mut sample = match used {
        Some(start) => start.until(Used::by(&mut stage), counts[0], counts[0].saturating_sub(counts[1])),
        None => Sample { requests: counts[0], ..Sample::default() },
    };
    sample.p99_us = Some(p99);
    sample
}

/// Lets a processor do what the kernel does with packets that come in through a link (RPS).
fn receive(host: &Host, link: &str, cpu: usize) {
    let write = format!("echo {:x} > /sys/class/net/{link}/queues/rx-0/rps_cpus", 1 << cpu);
    let set = host.command("sh").args(["-c", &write]).status();
    assert!(set.is_ok_and(|status| status.success()), "packets of {link} go to processor {cpu}");
}

/// Lets a thread do it that the client comes before, as another machine would.
fn receive_in_thread_on(host: &Host, link: &str, cpu: usize) {
    let before: Vec<_> = receivers_of(link).collect();
    receive_in_thread(host, link);
    receivers_of(link).filter(|thread| !before.contains(thread)).for_each(|thread| pin(Some(thread), cpu));
}

/// The kernel threads that receive packets of a link with this name, on any host.
fn receivers_of(link: &str) -> impl Iterator<Item = Pid> {
    let name = format!("napi/{link}-");
    let processes = std::fs::read_dir("/proc").expect("there is /proc");
    processes.filter_map(move |process| {
        let process = process.ok()?;
        let comm = std::fs::read_to_string(process.path().join("comm")).ok()?;
        let id = process.file_name().to_str()?.parse().ok().filter(|_| comm.starts_with(&name))?;
        Pid::from_raw(id)
    })
}

/// Leaves one processor to a thread, or to this one and whatever it starts.
fn pin(thread: Option<Pid>, cpu: usize) {
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    sched_setaffinity(thread, &cpus).expect("there is a second processor");
}

fn threads_of(process: u32) -> impl Iterator<Item = Pid> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("the program runs");
    tasks.filter_map(|task| Pid::from_raw(task.ok()?.file_name().to_str()?.parse().ok()?))
}

fn measure(stage: &Stage) -> f64 {
    let script = stage.lab.directory().join("pause.lua");
    // Evenly spread, so that the connections do not march in step.
    let longest = 2 * CONNECTIONS * 1000 / REQUESTS_A_SECOND;
    std::fs::write(&script, format!("function delay() return math.random(0, {longest}) end\n"))
        .expect("the lab's directory can be written to");
    let mut command = stage.lab.client.command("chrt");
    command
        .args([
            "--fifo",
            "1",
            "wrk",
            "-t1",
            "--latency",
            &format!("-c{CONNECTIONS}"),
            &format!("-d{SECONDS}s"),
            "-s",
        ])
        .arg(script)
        .arg(format!("http://{ONLINE}:{APP_PORT}/"));
    let mut wrk: Process = stage.lab.client.spawn("wrk", &mut command);
    assert!(wrk.wait(LIMIT).is_some_and(|status| status.success()), "wrk does its work: {}", wrk.errors());
    p99(&wrk.output()).expect("wrk tells the 99th percentile")
}

/// The line `99%  1.20ms` of wrk's output, in microseconds.
fn p99(output: &str) -> Option<f64> {
    let value = output.lines().find_map(|line| line.trim().strip_prefix("99%"))?.trim();
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6)];
    let (digits, factor) =
        units.into_iter().find_map(|(unit, factor)| Some((value.strip_suffix(unit)?, factor)))?;
    digits.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_percentile_is_read_in_any_unit() {
        for (line, expected) in
            [("     99%  890.00us\n", 890.0), ("   99%    1.20ms", 1200.0), ("99% 2.00s", 2e6)]
        {
            assert_eq!(super::p99(line), Some(expected));
        }
        assert_eq!(super::p99("nothing"), None);
    }
}
