//! All connections of a load.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::client::{Client, Fault, Hold, Wait};
use super::{Options, Summary};

const TICK: Duration = Duration::from_millis(20);
/// How many connections may be on their way at once, so that no accept queue overflows.
const CONNECTING_LIMIT: usize = 256;
/// How many faults are told.
const FAULTS_TOLD: usize = 10;

/// Runs the load to its end.
///
/// # Errors
///
/// No socket can be had, or the poll fails. What happens to single connections is in the summary.
pub fn run(options: Options) -> io::Result<Summary> {
    let deadline = Instant::now() + Duration::from_secs(options.limit_s);
    let mut load = Load::new(options)?;
    let mut events = Events::with_capacity(1024);
    while load.finished < load.options.connections {
        let now = Instant::now();
        if now >= deadline {
            load.give_up();
            break;
        }
        load.open()?;
        load.turn(&mut events)?;
    }
    Ok(load.summary)
}

struct Load {
    options: Options,
    poll: Poll,
    clients: Slab<Client>,
    timers: BTreeSet<(Instant, usize)>,
    holding: BTreeSet<usize>,
    hold: Hold,
    opened: usize,
    finished: usize,
    summary: Summary,
}

impl Load {
    fn new(options: Options) -> io::Result<Self> {
        Ok(Self {
            options,
            poll: Poll::new()?,
            clients: Slab::new(),
            timers: BTreeSet::new(),
            holding: BTreeSet::new(),
            hold: Hold::Closed,
            opened: 0,
            finished: 0,
            summary: Summary::default(),
        })
    }

    fn open(&mut self) -> io::Result<()> {
        if self.opened == self.options.connections {
            return Ok(());
        }
        let limit = self.options.concurrency.unwrap_or(usize::MAX);
        let mut connecting = self.clients.iter().filter(|(_, client)| client.is_connecting()).count();
        while self.opened < self.options.connections
            && self.clients.len() < limit
            && connecting < CONNECTING_LIMIT
        {
            let mut client = Client::connect(self.opened, &self.options)?;
            let entry = self.clients.vacant_entry();
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut client.stream, Token(entry.key()), interest)?;
            entry.insert(client);
            self.opened += 1;
            connecting += 1;
        }
        Ok(())
    }

    fn turn(&mut self, events: &mut Events) -> io::Result<()> {
        let wait = self
            .timers
            .first()
            .map_or(TICK, |(due, _)| due.saturating_duration_since(Instant::now()).min(TICK));
        match self.poll.poll(events, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let now = Instant::now();
        for event in events.iter() {
            self.drive(event.token().0, now);
        }
        while let Some(&(due, key)) = self.timers.first().filter(|(due, _)| *due <= now) {
            self.timers.remove(&(due, key));
            self.drive(key, now);
        }
        self.watch_hold(now)
    }

    fn drive(&mut self, key: usize, now: Instant) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        match client.drive(now, self.hold, &self.options, &mut self.summary) {
            Ok(Wait::Ready) => {}
            Ok(Wait::Until(due)) => {
                self.timers.insert((due, key));
            }
            Ok(Wait::Hold) => {
                self.holding.insert(key);
            }
            Ok(Wait::Finished) => self.finish(key),
            Err(fault) => {
                self.note(&fault);
                self.finish(key);
            }
        }
    }

    fn finish(&mut self, key: usize) {
        self.clients.remove(key);
        self.finished += 1;
    }

    fn note(&mut self, fault: &Fault) {
        let (text, count) = match fault {
            Fault::Wrong(text) => (text, &mut self.summary.wrong),
            Fault::Failed(text) => (text, &mut self.summary.errors),
        };
        *count += 1;
        if self.summary.wrong + self.summary.errors <= FAULTS_TOLD {
            // Nobody to tell is no reason to stop.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    fn watch_hold(&mut self, now: Instant) -> io::Result<()> {
        let Some(file) = self.options.hold_file.clone() else {
            return Ok(());
        };
        if self.hold == Hold::Released {
            return Ok(());
        }
        if !self.holding.is_empty() && self.holding.len() + self.finished == self.options.connections {
            std::fs::write(reached(&file), "")?;
            if file.exists() {
                self.hold = Hold::Released;
                for key in std::mem::take(&mut self.holding) {
                    self.drive(key, now);
                }
            }
        }
        Ok(())
    }

    fn give_up(&mut self) {
        let open = self.options.connections - self.finished;
        self.summary.errors += open;
        let _ = writeln!(io::stderr(), "out of time with {open} connections to finish");
    }
}

/// The file that says that all connections hold.
pub(super) fn reached(hold_file: &Path) -> PathBuf {
    let mut name = hold_file.as_os_str().to_owned();
    name.push(".reached");
    name.into()
}
