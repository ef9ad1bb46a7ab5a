//! What a load saw.

use std::fmt;

/// What a load saw; its [`Display`](fmt::Display) is the line that `tc-load` prints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Requests that were begun.
    pub requests: usize,
    /// Right answers.
    pub answered: usize,
    /// Answers that were not right: of another server, to another request, of other octets.
    pub wrong: usize,
    /// Connections that failed.
    pub errors: usize,
}

impl Summary {
    /// The summary printed as `line`, if it is one.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut numbers = line.split(' ').zip(["requests=", "answered=", "wrong=", "errors="]);
        let mut number = || {
            let (word, key) = numbers.next()?;
            word.strip_prefix(key)?.parse().ok()
        };
        Some(Self { requests: number()?, answered: number()?, wrong: number()?, errors: number()? })
    }

    /// Whether every request was answered right.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.answered == self.requests && self.wrong == 0 && self.errors == 0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, answered, wrong, errors } = self;
        write!(f, "requests={requests} answered={answered} wrong={wrong} errors={errors}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_survives_its_line() {
        let summary = Summary { requests: 4, answered: 3, wrong: 1, errors: 0 };
        assert_eq!(Summary::parse(&summary.to_string()), Some(summary));
        assert_eq!(Summary::parse("anything else"), None);
    }
}
