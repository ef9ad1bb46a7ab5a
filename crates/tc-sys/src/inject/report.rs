//! What became of a batch.

use std::io;

/// The last place holds the causes that have no place of their own.
const CAUSES: usize = 8;

/// How many packets the kernel took and why it refused the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendReport {
    /// Packets that the kernel took.
    pub sent: usize,
    failures: [SendFailure; CAUSES],
}

/// A cause and how many packets it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendFailure {
    /// The cause; 0 for all further ones together, when there are many.
    pub errno: i32,
    /// Packets refused for it.
    pub count: usize,
}

impl SendFailure {
    /// The cause as an error.
    #[must_use]
    pub fn error(&self) -> io::Error {
        match self.errno {
            0 => io::Error::other("further causes"),
            errno => io::Error::from_raw_os_error(errno),
        }
    }
}

impl SendReport {
    /// The causes for which packets were refused, in the order of their first packet.
    pub fn errors(&self) -> impl Iterator<Item = SendFailure> {
        self.failures.into_iter().filter(|failure| failure.count > 0)
    }

    /// How many packets were refused, for any cause.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.errors().map(|failure| failure.count).sum()
    }

    pub(super) fn count(&mut self, errno: i32) {
        let (further, own) = match &mut self.failures {
            [own @ .., further] => (further, own),
        };
        match own.iter_mut().find(|failure| failure.count == 0 || failure.errno == errno) {
            Some(failure) => *failure = SendFailure { errno, count: failure.count + 1 },
            None => further.count += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_packets_are_counted_by_cause() {
        let mut report = SendReport::default();
        for errno in [libc::EMSGSIZE, libc::EPERM, libc::EMSGSIZE] {
            report.count(errno);
        }
        let errors: Vec<_> = report.errors().map(|failure| (failure.errno, failure.count)).collect();
        assert_eq!(errors, [(libc::EMSGSIZE, 2), (libc::EPERM, 1)]);
        assert_eq!(report.failed(), 3);
    }

    #[test]
    fn causes_beyond_the_table_are_counted_together() {
        let mut report = SendReport::default();
        for errno in 1..=20 {
            report.count(errno);
        }
        assert_eq!(report.failed(), 20);
        assert_eq!(report.errors().last(), Some(SendFailure { errno: 0, count: 13 }));
    }
}
