//! MariaDB as the application: a server that speaks first, its load, and its rows as records.
//!
//! The challenge of a server's greeting is random, so that a replayed answer to it cannot be right; hence nobody needs a
//! password here.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::content::Fnv;
use crate::lab::{Host, Lab, ONLINE, Process};
use crate::records::{Kind, Record};

/// How many clients [`load`] runs at once.
const CLIENTS: usize = 20;
/// How many rows each of them inserts.
const ROWS: usize = 150;
/// How many counters all of them count in.
const COUNTERS: usize = 10;
/// How many rows there are after [`load`].
pub const ALL_ROWS: usize = CLIENTS * ROWS + COUNTERS;

const LIMIT: Duration = Duration::from_secs(30);
const DATABASE: &str = "replay";

/// Starts the server in the foreground, with an empty directory for its data; gives its Unix socket as well.
#[must_use]
pub fn start(host: &Host, directory: &Path, label: &str, port: u16) -> (Process, PathBuf) {
    let data = directory.join(label);
    std::fs::create_dir(&data).expect("the lab's directory can be written to");
    let socket = directory.join(format!("{label}.sock"));
    let option = |name: &str, value: &dyn std::fmt::Display| format!("--{name}={value}");
    let mut command = host.command("mariadbd");
    command
        .args(["--no-defaults", "--user=root", "--skip-grant-tables", "--skip-name-resolve", "--skip-log-bin"])
        .args(["--bind-address=0.0.0.0", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M"])
        .args(["--innodb-log-file-size=4M", "--max-connections=500"])
        .arg(option("port", &port))
        .args([option("datadir", &data.display()), option("tmpdir", &data.display())])
        .args([option("socket", &socket.display()), option("pid-file", &data.join("pid").display())]);
    (host.spawn(label, &mut command), socket)
}

/// A client over the Unix socket, which is no part of what is replayed.
fn ask(socket: &Path, statements: &str) -> String {
    let mut command = Command::new("mariadb");
    command.args(["--no-defaults", "--batch", "--skip-column-names", "--user=root", "--execute", statements]);
    let output = command.arg(format!("--socket={}", socket.display())).output().expect("mariadb can be run");
    assert!(output.status.success(), "mariadb: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Makes the tables.
///
/// # Panics
///
/// The server does not.
pub fn make_tables(socket: &Path) {
    let mut statements = format!(
        "CREATE DATABASE {DATABASE}; USE {DATABASE};
         CREATE TABLE events (client INT, number INT, text VARCHAR(5000), PRIMARY KEY (client, number));
         CREATE TABLE counters (id INT PRIMARY KEY, n INT);"
    );
    for id in 0..COUNTERS {
        write!(statements, "INSERT INTO counters VALUES ({id}, 0);").expect("a string grows");
    }
    ask(socket, &statements);
}

/// The rows of all tables, as records.
///
/// # Panics
///
/// The server does not tell them.
#[must_use]
pub fn records(socket: &Path) -> Vec<Record> {
    let rows = ask(
        socket,
        "SELECT CONCAT_WS('-', 'events', client, number), text FROM replay.events;
         SELECT CONCAT_WS('-', 'counters', id), n FROM replay.counters",
    );
    rows.lines().filter_map(record).collect()
}

fn record(line: &str) -> Option<Record> {
    let (id, rest) = line.split_once('\t')?;
    let hash = Fnv::of(rest.as_bytes());
    Some(Record { kind: Kind::Whole, id: id.to_owned(), len: rest.len() as u64, hash, at_ms: 0 })
}

/// Clients at once, each of which inserts, reads and updates rows of its own and counts in rows of all.
///
/// # Panics
///
/// A client fails.
pub fn load(lab: &Lab, port: u16) {
    let clients: Vec<_> = (0..CLIENTS).map(|number| start_client(lab, port, number)).collect();
    for mut client in clients {
        let ended = client.wait(LIMIT).is_some_and(|status| status.success());
        assert!(ended, "a client does its work: {}", client.errors());
    }
}

fn start_client(lab: &Lab, port: u16, number: usize) -> Process {
    let path = lab.directory().join(format!("statements-{number}"));
    std::fs::write(&path, statements_of(number)).expect("the lab's directory can be written to");
    let mut command = lab.client.command("mariadb");
    command
        .args(["--no-defaults", "--batch", "--protocol=tcp", "--skip-ssl", "--user=root"])
        .args([format!("--host={ONLINE}"), format!("--port={port}"), format!("--database={DATABASE}")])
        .stdin(File::open(&path).expect("the file was just written"));
    lab.client.spawn(&format!("mariadb-client-{number}"), &mut command)
}

fn statements_of(client: usize) -> String {
    let mut text = String::new();
    for number in 0..ROWS {
        let (octets, counter) = (1 + number * 31 % 4000, (client + number) % COUNTERS);
        let before = number / 2;
        write!(
            text,
            "INSERT INTO events VALUES ({client}, {number}, '{content}');\n\
             UPDATE counters SET n = n + 1 WHERE id = {counter};\n\
             UPDATE events SET text = CONCAT('{number} ', LEFT(text, 4000)) WHERE client = {client} AND number = {before};\n\
             SELECT text FROM events WHERE client = {client} AND number BETWEEN {before} - 3 AND {before};\n",
            content = "x".repeat(octets)
        )
        .expect("a string grows");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_record() {
        let row = record("events-3-14\tsome text").unwrap();
        assert_eq!((row.id.as_str(), row.len, row.hash), ("events-3-14", 9, Fnv::of(b"some text")));
    }
}
