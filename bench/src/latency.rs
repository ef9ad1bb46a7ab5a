//! What the clients feel: the latency of the online service under a steady load.
//!
//! All hosts share the processors of one machine: what the target host and intercept take, the online service loses
//! here, which it would not on hosts of its own.

use crate::loads::start;
use crate::pairs::NamedPair;
use crate::sample::{Sample, Used};
use std::time::Duration;
use tc_tests::lab::{ONLINE, Process};
use tc_tests::stage::{APP_PORT, Role, Stage};

const SECONDS: u64 = 10;
const CONNECTIONS: u64 = 50;
/// About half of what the whole lab serves on two processors.
const REQUESTS_A_SECOND: u64 = 10_000;
const LIMIT: Duration = Duration::from_mins(1);
/// The name of a pair whose programs are not started.
const WITHOUT: &str = "none";

/// Runs the load through a pair; beside the one that is called `none` nothing runs.
pub(crate) fn run(pair: &NamedPair) -> Sample {
    let mut stage = Stage::bare(pair.binaries.clone());
    stage.start_nginx(Role::Online);
    stage.start_nginx(Role::Target);
    let runs = pair.name != WITHOUT;
    if runs {
        start(&mut stage, pair);
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

fn measure(stage: &Stage) -> f64 {
    let script = stage.lab.directory().join("pause.lua");
    let pause = CONNECTIONS * 1000 / REQUESTS_A_SECOND;
    std::fs::write(&script, format!("function delay() return {pause} end\n"))
        .expect("the lab's directory can be written to");
    let mut command = stage.lab.client.command("wrk");
    command
        .args(["-t1", "--latency", &format!("-c{CONNECTIONS}"), &format!("-d{SECONDS}s"), "-s"])
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
