//! Deadlines of many things, the earliest first.

use std::time::Instant;

/// Children of a node: with four, a heap is half as deep as with two, and brothers lie side by side in memory.
const ARITY: usize = 4;
/// The place of a key without a deadline.
const NOWHERE: u32 = u32::MAX;

/// At most one deadline for each key, and what it is for: a heap that knows where each key stands. Keys are small numbers,
/// as those of a slab.
///
/// To set or to stop one takes O(log n), and no allocation once there were as many. What is due late stands at the bottom:
/// it costs those above it next to nothing. Of deadlines at the same moment, the smallest key comes first.
#[derive(Debug)]
pub(crate) struct Deadlines<T> {
    heap: Vec<Node<T>>,
    /// Where each key stands in the heap.
    places: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Node<T> {
    at: Instant,
    key: u32,
    what: T,
}

impl<T> Node<T> {
    fn is_before(&self, other: &Self) -> bool {
        (self.at, self.key) < (other.at, other.key)
    }
}

impl<T: Copy> Deadlines<T> {
    pub(crate) const fn new() -> Self {
        Self { heap: Vec::new(), places: Vec::new() }
    }

    /// The earliest deadline, and what it is for.
    pub(crate) fn next(&self) -> Option<(Instant, T)> {
        self.heap.first().map(|first| (first.at, first.what))
    }

    /// Sets the deadline of a key, in place of the one that was set before.
    pub(crate) fn set(&mut self, key: usize, at: Instant, what: T) {
        let node = Node { at, key: narrow(key), what };
        let place = self.place(key).unwrap_or_else(|| self.append(node));
        self.settle(place, node);
    }

    /// Sets the deadline of a key, unless one is set that is as early.
    pub(crate) fn set_if_earlier(&mut self, key: usize, at: Instant, what: T) {
        let set = self.place(key).and_then(|place| self.heap.get(place));
        if set.is_none_or(|set| at < set.at) {
            self.set(key, at, what);
        }
    }

    /// Stops the deadline of a key, if one is set.
    pub(crate) fn stop(&mut self, key: usize) {
        if let Some(place) = self.place(key) {
            self.remove(place);
        }
    }

    /// Takes the earliest deadline out, due or not, with its key.
    pub(crate) fn pop(&mut self) -> Option<(Instant, usize)> {
        let first = *self.heap.first()?;
        self.remove(0);
        Some((first.at, first.key as usize))
    }

    /// Takes a deadline out that has come, and names its key.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<usize> {
        self.heap.first().filter(|first| first.at <= now)?;
        self.pop().map(|(_, key)| key)
    }

    fn place(&self, key: usize) -> Option<usize> {
        self.places.get(key).filter(|place| **place != NOWHERE).map(|place| *place as usize)
    }

    fn append(&mut self, node: Node<T>) -> usize {
        let known = self.places.len().max(node.key as usize + 1);
        self.places.resize(known, NOWHERE);
        self.heap.push(node);
        self.heap.len() - 1
    }

    fn remove(&mut self, place: usize) {
        let removed = self.heap.swap_remove(place);
        self.places[removed.key as usize] = NOWHERE;
        if let Some(&last) = self.heap.get(place) {
            self.settle(place, last);
        }
    }

    /// Puts a node where it belongs. What stood at `place` is overwritten.
    fn settle(&mut self, place: usize, node: Node<T>) {
        let risen = self.rise(place, &node);
        let settled = if risen == place { self.sink(place, &node) } else { risen };
        self.put(settled, node);
    }

    fn rise(&mut self, mut place: usize, node: &Node<T>) -> usize {
        while let Some(parent) = place.checked_sub(1).map(|before| before / ARITY)
            && node.is_before(&self.heap[parent])
        {
            self.put(place, self.heap[parent]);
            place = parent;
        }
        place
    }

    fn sink(&mut self, mut place: usize, node: &Node<T>) -> usize {
        while let Some(child) = self.earliest_child(place)
            && self.heap[child].is_before(node)
        {
            self.put(place, self.heap[child]);
            place = child;
        }
        place
    }

    fn earliest_child(&self, place: usize) -> Option<usize> {
        let first = place * ARITY + 1;
        let children = first..(first + ARITY).min(self.heap.len());
        children.reduce(|one, other| if self.heap[other].is_before(&self.heap[one]) { other } else { one })
    }

    fn put(&mut self, place: usize, node: Node<T>) {
        self.heap[place] = node;
        self.places[node.key as usize] = narrow(place);
    }
}

/// A number of something in memory: 32 bits are enough.
#[expect(clippy::cast_possible_truncation, reason = "no memory holds so many")]
pub(crate) const fn narrow(number: usize) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests;
