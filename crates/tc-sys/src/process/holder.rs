//! Which process holds a port, found through `/proc`.

use std::fmt;
use std::fs;
use std::path::Path;

/// A process that holds something we want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessHolding {
    /// Its process id, as seen from our PID namespace.
    pub pid: u32,
    /// Its name (`/proc/<pid>/comm`: at most 15 octets).
    pub command: String,
}

impl ProcessHolding {
    /// The process of that id, if there is one.
    pub(super) fn of_pid(pid: u32) -> Option<Self> {
        let command = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        Some(Self { pid, command: command.trim_end().to_owned() })
    }
}

impl fmt::Display for ProcessHolding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (pid {})", self.command, self.pid)
    }
}

/// The process that listens on a TCP port, of any address and either family, in the network namespace of the calling
/// thread. `None` when nobody does, or when the process belongs to somebody else and we are not root.
#[must_use]
pub fn port_holder(port: u16) -> Option<ProcessHolding> {
    ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .find_map(socket_holder)
}

/// The process that has the netlink socket of this port, of the protocol that the netfilter queue uses.
#[must_use]
pub fn netlink_holder(port: u32) -> Option<ProcessHolding> {
    let table = fs::read_to_string("/proc/thread-self/net/netlink").ok()?;
    netlink_inode(&table, port).and_then(socket_holder)
}

/// The inodes of the sockets that listen on `port` (proc(5): `/proc/net/tcp`).
fn listening_inodes(table: &str, port: u16) -> Vec<u64> {
    const LISTEN: &str = "0A";
    let inode = |line: &str| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let [_, local, _, state, _, _, _, _, _, inode, ..] = columns[..] else { return None };
        let (_, local_port) = local.rsplit_once(':')?;
        let found = state == LISTEN && u16::from_str_radix(local_port, 16) == Ok(port);
        found.then(|| inode.parse().ok()).flatten()
    };
    table.lines().filter_map(inode).collect()
}

/// The columns are: socket, protocol, port, groups, rmem, wmem, dump, locks, drops, inode.
fn netlink_inode(table: &str, port: u32) -> Option<u64> {
    let protocol = libc::NETLINK_NETFILTER.to_string();
    table.lines().find_map(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let [_, found, of_port, .., inode] = columns[..] else { return None };
        let matches = found == protocol && of_port.parse() == Ok(port);
        matches.then(|| inode.parse().ok()).flatten()
    })
}

/// The first process with a descriptor of the socket.
fn socket_holder(inode: u64) -> Option<ProcessHolding> {
    let link = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let pid = processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .find(|pid| has_descriptor(*pid, &link))?;
    ProcessHolding::of_pid(pid)
}

fn has_descriptor(pid: u32, link: &str) -> bool {
    // A process that ended meanwhile, or is not ours, has none for us.
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    descriptors.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == Path::new(link)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listening_sockets_of_the_port_count() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:8EAC 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:8EAC 0100007F:1234 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0
   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0
";
        assert_eq!(listening_inodes(table, 36524), [4711]);
        assert!(listening_inodes(table, 22).is_empty());
    }

    #[test]
    fn a_netlink_port_counts_only_for_netfilter() {
        let table = "\
sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
000000008ef1e9f9 0   77         00000000 0        0        0     2        0        4
000000007f883a14 12  77         00000000 0        0        0     2        0        494
";
        assert_eq!(netlink_inode(table, 77), Some(494));
        assert_eq!(netlink_inode(table, 78), None);
    }
}
