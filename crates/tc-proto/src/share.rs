//! Which of several workers a client belongs to.

/// Spreads ports that come in steps: Linux gives out every other port first.
const SPREAD: u32 = 0x9e37_79b1;
/// The upper half of the product decides.
const SHIFT: u32 = 16;

/// One worker's share of the clients' ports, when several work side by side.
///
/// A client's packets go to the worker whose share its port belongs to, and replayed flows keep to the ports of their
/// worker's share: so no two workers ever use the same address and port, and need not ask each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortShare {
    index: u16,
    workers: u16,
}

impl PortShare {
    /// The share of a worker that is alone.
    pub const WHOLE: Self = Self { index: 0, workers: 1 };

    /// What a port is multiplied by, modulo 2^32, and how far the product is shifted to the right, before its remainder by the number
    /// of workers names the worker: for whoever distributes packets without this type.
    pub const HASH: (u32, u32) = (SPREAD, SHIFT);

    /// The share of one of so many workers, or `None` if there is no such worker.
    #[must_use]
    pub const fn new(index: u16, workers: u16) -> Option<Self> {
        if index < workers { Some(Self { index, workers }) } else { None }
    }

    /// The shares of so many workers, at least one.
    pub fn split(workers: u16) -> impl Iterator<Item = Self> {
        let workers = workers.max(1);
        (0..workers).map(move |index| Self { index, workers })
    }

    /// Whether the port belongs to the share.
    #[must_use]
    pub const fn owns(self, port: u16) -> bool {
        self.workers == 1 || self.owner(port) == self.index
    }

    /// The worker that the port belongs to, counted from zero.
    #[must_use]
    pub const fn owner(self, port: u16) -> u16 {
        (((port as u32).wrapping_mul(SPREAD) >> SHIFT) % self.workers as u32) as u16
    }

    /// This worker, counted from zero.
    #[must_use]
    pub const fn index(self) -> u16 {
        self.index
    }

    /// How many workers there are.
    #[must_use]
    pub const fn workers(self) -> u16 {
        self.workers
    }
}

impl Default for PortShare {
    fn default() -> Self {
        Self::WHOLE
    }
}

#[cfg(test)]
mod tests {
    use super::PortShare;

    #[test]
    fn each_port_belongs_to_one_worker() {
        for workers in [1, 2, 3, 8, 64] {
            let shares: Vec<_> = PortShare::split(workers).collect();
            for port in 0..=u16::MAX {
                assert_eq!(shares.iter().filter(|share| share.owns(port)).count(), 1, "{port} of {workers}");
            }
        }
    }

    #[test]
    fn ports_in_any_step_are_spread_evenly() {
        for workers in 2..=16 {
            for step in [1, 2, 4, 64] {
                let ports: Vec<_> = (32_768..61_000).step_by(step).collect();
                for share in PortShare::split(workers) {
                    let owned = ports.iter().filter(|port| share.owns(**port)).count();
                    let fair = ports.len() / usize::from(workers);
                    assert!(owned.abs_diff(fair) <= fair / 4 + 4, "{owned} of {fair}, {workers}, step {step}");
                }
            }
        }
    }
}
