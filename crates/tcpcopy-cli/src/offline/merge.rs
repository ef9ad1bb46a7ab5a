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
