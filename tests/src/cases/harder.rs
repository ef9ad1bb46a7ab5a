//! What a session must survive besides.

use super::{Case, KEEP_ALIVE, LARGE_ANSWERS, LARGE_UPLOADS, LOSS_2, PLAIN, SINGLE};
use crate::network::{CLEAN, Network, Offloads};

const fn lossy(loss: f64) -> Network {
    Network { loss, ..CLEAN }
}

const fn tunnel_lossy(tunnel_loss: f64) -> Network {
    Network { tunnel_loss, ..CLEAN }
}

/// One packet of 100 towards the target is lost.
pub const LOSS_1: Case = Case { name: "1 % loss, 400 x 20", network: lossy(0.01), ..LOSS_2 };
/// One packet of 20 towards the target is lost.
pub const LOSS_5: Case = Case { name: "5 % loss, 400 x 20", network: lossy(0.05), ..LOSS_2 };
/// One packet of 10 towards the target is lost.
pub const LOSS_10: Case = Case { name: "10 % loss, 400 x 20", network: lossy(0.10), ..LOSS_2 };
/// One packet of 20 of the tunnel is lost.
pub const TUNNEL_LOSS_5: Case = Case { name: "5 % loss on the tunnel", network: tunnel_lossy(0.05), ..LOSS_2 };
/// One packet of 10 of the tunnel is lost.
pub const TUNNEL_LOSS_10: Case =
    Case { name: "10 % loss on the tunnel", network: tunnel_lossy(0.10), ..LOSS_2 };
/// One packet of 10 is lost, towards the target as on the tunnel.
pub const LOSS_EVERYWHERE: Case = Case {
    name: "10 % loss on both",
    network: Network { loss: 0.10, tunnel_loss: 0.10, ..CLEAN },
    ..KEEP_ALIVE_SHORT
};
/// Connections of one request each, on a network that loses packets everywhere.
pub const SINGLE_WITH_LOSS: Case = Case {
    name: "2 000 x 1, 5 % loss on both",
    network: Network { tunnel_loss: 0.05, ..lossy(0.05) },
    load: "--from 10.198.1.1 --connections 2000 --concurrency 50",
    requests: 2000,
    ..SINGLE
};
/// Uploads of a million octets on a network that loses packets.
pub const LARGE_UPLOADS_WITH_LOSS: Case =
    Case { name: "2 % loss, 1 MB POSTs", network: lossy(0.02), ..LARGE_UPLOADS };
/// Uploads of a million octets on a network that loses packets everywhere.
pub const LARGE_UPLOADS_WITH_MUCH_LOSS: Case = Case {
    name: "5 % loss on both, 1 MB",
    network: Network { tunnel_loss: 0.05, ..lossy(0.05) },
    ..LARGE_UPLOADS
};

/// 10 000 connections that are open at once.
pub const MANY_OPEN: Case = Case {
    name: "10 000 open, 3 each",
    requests: 30_000,
    load: "--from 10.198.1.1-10.198.1.50 --connections 10000 --requests 3 --pause-ms 3000",
    ..PLAIN
};

/// Two requests that carry 50 000 000 octets each.
pub const HUGE_UPLOADS: Case = Case {
    name: "2 POSTs of 50 000 000",
    requests: 2,
    load: "--from 10.198.1.1 --connections 2 --post 50000000",
    ..PLAIN
};
/// The same on a network that loses packets.
pub const HUGE_UPLOADS_WITH_LOSS: Case =
    Case { name: "1 % loss, 2 x 50 000 000", network: lossy(0.01), ..HUGE_UPLOADS };
/// The same for a target that reads more slowly than the online server.
pub const HUGE_UPLOADS_READ_SLOWLY: Case =
    Case { name: "2 x 50 000 000, slow reader", target: &["--slow-read", "150000"], ..HUGE_UPLOADS };

const KEEP_ALIVE_SHORT: Case =
    Case { requests: 4000, load: "--from 10.198.1.1 --connections 200 --requests 20", ..KEEP_ALIVE };

/// A target that takes its time.
pub const SLOW_TARGET: Case =
    Case { name: "target 30 ms slower", target: &["--delay-ms", "30"], ..KEEP_ALIVE_SHORT };
/// An online server that takes its time.
pub const FAST_TARGET: Case =
    Case { name: "target 30 ms faster", online: &["--delay-ms", "30"], ..KEEP_ALIVE_SHORT };

/// A target that reads so slowly that its window closes.
pub const SLOW_READER: Case = Case {
    name: "target reads slowly",
    target: &["--slow-read", "8000"],
    load: "--from 10.198.1.1 --connections 5 --post 1000000",
    requests: 5,
    ..PLAIN
};
/// The same on a network that loses packets, among them probes of the closed window and what opens it.
pub const SLOW_READER_WITH_LOSS: Case = Case {
    name: "slow reader, 5 % loss on both",
    network: Network { tunnel_loss: 0.05, ..lossy(0.05) },
    ..SLOW_READER
};

/// Packets that overtake one another.
pub const REORDERING: Case =
    Case { name: "held up to 3 ms", network: Network { jitter_ms: 3, ..CLEAN }, ..KEEP_ALIVE_SHORT };
/// Packets of uploads that overtake one another.
pub const REORDERED_UPLOADS: Case =
    Case { name: "held up to 3 ms, 1 MB POSTs", network: Network { jitter_ms: 3, ..CLEAN }, ..LARGE_UPLOADS };
/// Everything at once.
pub const BAD_NETWORK: Case = Case {
    name: "5 % loss, 5 % twice, 10 ms",
    network: Network { loss: 0.05, tunnel_loss: 0.05, duplication: 0.05, jitter_ms: 10, ..CLEAN },
    ..KEEP_ALIVE_SHORT
};
/// Everything at once for uploads.
pub const UPLOADS_ON_BAD_NETWORK: Case =
    Case { name: "the same, 1 MB POSTs", network: BAD_NETWORK.network, ..LARGE_UPLOADS };

/// Both servers close each connection.
pub const CLOSING_SERVERS: Case =
    Case { name: "the server closes", online: &["--close-each"], target: &["--close-each"], ..SINGLE };
/// Both servers close each connection, on a network that loses packets.
pub const CLOSING_SERVERS_WITH_LOSS: Case = Case {
    name: "the server closes, 5 % loss",
    network: lossy(0.05),
    load: SINGLE_WITH_LOSS.load,
    requests: SINGLE_WITH_LOSS.requests,
    ..CLOSING_SERVERS
};
/// Only the target closes after each answer; the client goes on.
pub const CLOSING_TARGET: Case = Case {
    name: "only the target closes",
    target: &["--close-each"],
    load: "--from 10.198.1.1 --connections 200 --requests 5 --pause-ms 200",
    requests: 1000,
    ..PLAIN
};

/// Servers that greet.
pub const GREETING_SERVERS: Case = Case {
    name: "the server speaks first",
    online: &["--greet"],
    target: &["--greet"],
    load: "--greet --from 10.198.1.1 --connections 200 --requests 5",
    requests: 1000,
    ..PLAIN
};
/// Servers that greet, on a network that loses packets.
pub const GREETING_SERVERS_WITH_LOSS: Case = Case {
    name: "speaks first, 5 % loss on both",
    network: Network { tunnel_loss: 0.05, ..lossy(0.05) },
    ..GREETING_SERVERS
};

/// A target that accepts connections so slowly that its queues are full: it forgets handshakes (SYN cookies), and drops
/// what would complete them.
pub const FULL_QUEUES: Case = Case {
    name: "target accepts slowly",
    target: &["--backlog", "32", "--accept-each-ms", "1"],
    load: "--from 10.198.1.1 --connections 500 --requests 4",
    requests: 2000,
    ..PLAIN
};
/// The same for a target that speaks first.
pub const GREETING_WITH_FULL_QUEUES: Case = Case {
    name: "accepts slowly, speaks first",
    online: &["--greet"],
    target: &["--backlog", "32", "--accept-each-ms", "1", "--greet"],
    load: "--greet --from 10.198.1.1 --connections 500 --requests 4",
    ..FULL_QUEUES
};

const NO_OFFLOADS: Network = Network { offloads: Offloads::Off, ..CLEAN };

/// Uploads without large packets.
pub const UPLOADS_WITHOUT_OFFLOADS: Case =
    Case { name: "1 MB POSTs, no offloads", network: NO_OFFLOADS, ..LARGE_UPLOADS };
/// Answers without large packets.
pub const ANSWERS_WITHOUT_OFFLOADS: Case =
    Case { name: "large answers, no offloads", network: NO_OFFLOADS, ..LARGE_ANSWERS };

/// All of these.
pub const HARDER: &[Case] = &[
    LOSS_1,
    LOSS_5,
    LOSS_10,
    TUNNEL_LOSS_5,
    TUNNEL_LOSS_10,
    LOSS_EVERYWHERE,
    SINGLE_WITH_LOSS,
    LARGE_UPLOADS_WITH_LOSS,
    LARGE_UPLOADS_WITH_MUCH_LOSS,
    MANY_OPEN,
    HUGE_UPLOADS,
    HUGE_UPLOADS_WITH_LOSS,
    HUGE_UPLOADS_READ_SLOWLY,
    SLOW_TARGET,
    FAST_TARGET,
    SLOW_READER,
    SLOW_READER_WITH_LOSS,
    REORDERING,
    REORDERED_UPLOADS,
    BAD_NETWORK,
    UPLOADS_ON_BAD_NETWORK,
    CLOSING_SERVERS,
    CLOSING_SERVERS_WITH_LOSS,
    CLOSING_TARGET,
    GREETING_SERVERS,
    GREETING_SERVERS_WITH_LOSS,
    FULL_QUEUES,
    GREETING_WITH_FULL_QUEUES,
    UPLOADS_WITHOUT_OFFLOADS,
    ANSWERS_WITHOUT_OFFLOADS,
];
