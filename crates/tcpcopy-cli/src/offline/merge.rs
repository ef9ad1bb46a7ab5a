//! Several files as one, in the order of time.

use super::error::FileError;
use super::records::{Head, Records, Step};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// The packets of all files. Within a file they stay in their order.
pub(super) struct Merge {
    files: Vec<Records>,
    /// Files whose next packet is known, the earliest first.
    known: BinaryHeap<Reverse<(Duration, usize)>>,
    /// Files whose next packet is looked for.
    sought: Vec<usize>,
}

impl Merge {
    pub(super) fn new(files: Vec<Records>) -> Self {
        let sought = (0..files.len()).rev().collect();
        Self { files, known: BinaryHeap::new(), sought }
    }

    /// What can be done next. A file that fails is left, the others go on.
    pub(super) fn step(&mut self) -> Result<Step, FileError> {
        while let Some(&index) = self.sought.last() {
            let Some(file) = self.files.get_mut(index) else { return Ok(Step::End) };
            let step = file.step();
            if matches!(step, Ok(Step::Read)) {
                return Ok(Step::Read);
            }
            self.sought.pop();
            if step? == Step::Take
                && let Some((head, _)) = file.head()
            {
                self.known.push(Reverse((head.at, index)));
            }
        }
        Ok(if self.known.is_empty() { Step::End } else { Step::Take })
    }

    /// Reads more of the file whose next packet is looked for, which blocks while nothing is there.
    pub(super) fn read(&mut self) -> Result<(), FileError> {
        let Some(&index) = self.sought.last() else { return Ok(()) };
        let read = self.files.get_mut(index).map_or(Ok(()), Records::read);
        if read.is_err() {
            self.sought.pop();
        }
        read
    }

    /// The earliest packet.
    pub(super) fn head(&self) -> Option<(&Head, &[u8])> {
        let Reverse((_, index)) = self.known.peek()?;
        self.files.get(*index)?.head()
    }

    /// Goes on behind the earliest packet.
    pub(super) fn take(&mut self) {
        if let Some(Reverse((_, index))) = self.known.pop() {
            if let Some(file) = self.files.get_mut(index) {
                file.take();
            }
            self.sought.push(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offline::testing::USUAL;
    use std::io::Cursor;

    fn file(packets: &[(u64, &str)]) -> Vec<u8> {
        let record =
            |(second, text): &(u64, &str)| USUAL.record(Duration::from_secs(*second), text.as_bytes(), 0);
        [USUAL.header(101), packets.iter().flat_map(record).collect()].concat()
    }

    /// The packets in their order, and what is said of files that fail.
    fn merged(files: Vec<Vec<u8>>) -> (Vec<String>, Vec<String>) {
        let records = |octets| Records::new("'x'", Box::new(Cursor::new(octets)));
        let mut merge = Merge::new(files.into_iter().map(records).collect());
        let (mut packets, mut failures) = (Vec::new(), Vec::new());
        loop {
            match merge.step() {
                Ok(Step::Take) => {
                    let (_, octets) = merge.head().unwrap();
                    packets.push(String::from_utf8(octets.to_vec()).unwrap());
                    merge.take();
                }
                Ok(Step::Read) => failures.extend(merge.read().err().map(|error| error.to_string())),
                Ok(Step::End) => return (packets, failures),
                Err(error) => failures.push(error.to_string()),
            }
        }
    }

    #[test]
    fn files_are_brought_into_the_order_of_time() {
        let files =
            vec![file(&[(2, "b"), (5, "e")]), file(&[]), file(&[(1, "a"), (3, "c"), (4, "d"), (6, "f")])];
        assert_eq!(merged(files).0, ["a", "b", "c", "d", "e", "f"]);
    }

    #[test]
    fn packets_of_one_time_come_in_the_order_of_the_files() {
        let files = vec![file(&[(1, "a"), (1, "b")]), file(&[(1, "c")])];
        assert_eq!(merged(files).0, ["a", "b", "c"]);
    }

    #[test]
    fn within_a_file_packets_stay_in_their_order() {
        let files = vec![file(&[(5, "a"), (1, "b")]), file(&[(3, "c")])];
        assert_eq!(merged(files).0, ["c", "a", "b"]);
    }

    #[test]
    fn a_file_that_fails_does_not_stop_the_others() {
        let mut cut = file(&[(1, "a"), (2, "b")]);
        cut.pop();
        let (packets, failures) =
            merged(vec![cut, b"nonsense, and not little of it".to_vec(), file(&[(3, "c")])]);
        assert_eq!(packets, ["a", "c"]);
        assert_eq!(failures.len(), 2, "{failures:?}");
    }
}
