//! What one run of a load came to.

use serde::Serialize;
use std::fmt;
use std::time::Duration;
use tc_tests::stage::Stage;
use tc_tests::usage::Usage;

/// What one run of a load came to. Fields that a load does not tell are left out.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Sample {
    /// Requests that the online application got.
    pub(crate) requests: usize,
    /// Those that the application at the target did not get.
    pub(crate) missing: usize,
    /// Processor time of tcpcopy for each request, in microseconds.
    pub(crate) tcpcopy_us: f64,
    /// The same of intercept.
    pub(crate) intercept_us: f64,
    /// The most memory that tcpcopy had, in MiB.
    pub(crate) tcpcopy_mib: f64,
    /// The same of intercept.
    pub(crate) intercept_mib: f64,
    /// The 99th percentile of the latency of the online service, in microseconds.
    pub(crate) p99_us: Option<f64>,
}

/// What both programs have used at some moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    tcpcopy: Usage,
    intercept: Usage,
}

impl Used {
    /// By the programs of a stage so far.
    pub(crate) fn by(stage: &mut Stage) -> Self {
        let (tcpcopy, intercept) = stage.pair().usage();
        Self { tcpcopy, intercept }
    }

    /// The sample of a load that began now and ended with `end`.
    #[expect(clippy::cast_precision_loss, reason = "memory in KiB")]
    pub(crate) fn until(self, end: Self, requests: usize, missing: usize) -> Sample {
        let each = |from: Usage, to: Usage| micros_each(to.cpu.saturating_sub(from.cpu), requests);
        Sample {
            requests,
            missing,
            tcpcopy_us: each(self.tcpcopy, end.tcpcopy),
            intercept_us: each(self.intercept, end.intercept),
            tcpcopy_mib: end.tcpcopy.peak_kib as f64 / 1024.0,
            intercept_mib: end.intercept.peak_kib as f64 / 1024.0,
            p99_us: None,
        }
    }

    /// What was used in the end.
    pub(crate) const fn of(tcpcopy: Usage, intercept: Usage) -> Self {
        Self { tcpcopy, intercept }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of requests")]
fn micros_each(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1e6 / count.max(1) as f64
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, missing, tcpcopy_us, intercept_us, tcpcopy_mib, .. } = self;
        write!(
            f,
            "{requests} requests, {missing} missing, tcpcopy {tcpcopy_us:.1} us each and {tcpcopy_mib:.1} MiB, "
        )?;
        write!(f, "intercept {intercept_us:.1} us each")?;
        match self.p99_us {
            Some(p99) => write!(f, ", p99 {p99:.0} us"),
            None => Ok(()),
        }
    }
}
