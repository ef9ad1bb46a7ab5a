//! Redis as the application: its load, and its keys as records.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::content::Fnv;
use crate::lab::{Host, Lab, ONLINE, Process};
use crate::records::{Kind, Record};

/// How many connections [`pipelined_load`] opens.
pub const CONNECTIONS: usize = 50;
/// How many batches of commands each of these sends; it reads the replies between them.
const BATCHES: usize = 20;
/// How many rounds of five commands make a batch.
const ROUNDS: usize = 6;
/// How many keys [`pipelined_load`] leaves: of each connection a list, a string, a counter and single keys; three
/// counters of all.
pub const PIPELINED_KEYS: usize = CONNECTIONS * (3 + BATCHES * ROUNDS) + 3;
/// How many keys [`mass_insert`] makes.
pub const INSERTED_KEYS: usize = 20_000;

const LIMIT: Duration = Duration::from_secs(30);

/// One line for each key: name, type, length and hash of the value, in an order of its own where the type has none.
const STATE: &str = "
local function pairs_of(flat)
  local lines = {}
  for i = 1, #flat, 2 do lines[#lines + 1] = flat[i] .. '=' .. flat[i + 1] end
  table.sort(lines)
  return table.concat(lines, ' ')
end
local function value(key, kind)
  if kind == 'string' then return redis.call('GET', key) end
  if kind == 'list' then return table.concat(redis.call('LRANGE', key, 0, -1), ' ') end
  if kind == 'hash' then return pairs_of(redis.call('HGETALL', key)) end
  if kind == 'zset' then return pairs_of(redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')) end
  local members = redis.call('SMEMBERS', key)
  table.sort(members)
  return table.concat(members, ' ')
end
local lines = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  local text = value(key, kind)
  lines[#lines + 1] = key .. ' ' .. kind .. ' ' .. #text .. ' ' .. redis.sha1hex(text)
end
return lines
";

/// Starts Redis in the foreground, without persistence; gives its Unix socket as well.
#[must_use]
pub fn start(host: &Host, directory: &Path, label: &str, port: u16) -> (Process, PathBuf) {
    let socket = directory.join(format!("{label}.sock"));
    let mut command = host.command("redis-server");
    command
        .args(["--port", &port.to_string(), "--bind", "0.0.0.0", "--protected-mode", "no"])
        .args(["--save", "", "--appendonly", "no", "--tcp-backlog", "511", "--unixsocket"])
        .arg(&socket);
    (host.spawn(label, &mut command), socket)
}

/// The keys of a server, as records. The Unix socket is no part of what is replayed.
///
/// # Panics
///
/// The server does not tell them.
#[must_use]
pub fn records(socket: &Path) -> Vec<Record> {
    let output = Command::new("redis-cli").arg("-s").arg(socket).args(["EVAL", STATE, "0"]).output();
    let output = output.expect("redis-cli can be run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !text.starts_with("ERR"), "redis-cli: {text}");
    text.lines().filter_map(record).collect()
}

/// The record of a line such as `own:3 list 120 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12`.
fn record(line: &str) -> Option<Record> {
    let len = line.split(' ').nth(2)?.parse().ok()?;
    let id = line.split(' ').next()?.to_owned();
    Some(Record { kind: Kind::Whole, id, len, hash: Fnv::of(line.as_bytes()), at_ms: 0 })
}

/// Many connections at once, each with batches of commands that are sent without waiting. What a connection writes
/// depends on the order of its own commands only, and what all of them write does not depend on any order.
///
/// # Panics
///
/// The server does not answer as it should.
pub fn pipelined_load(lab: &Lab, port: u16) {
    let online: Ipv4Addr = ONLINE.parse().expect("an address");
    lab.client.inside(|| {
        let connect = || TcpStream::connect((online, port)).expect("the online server accepts");
        let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| BufReader::new(connect())).collect();
        for batch in 0..BATCHES {
            for (number, connection) in connections.iter_mut().enumerate() {
                let commands = batch_of(number, batch);
                connection.get_mut().write_all(commands.as_bytes()).expect("the online server reads");
            }
            for connection in &mut connections {
                read_replies(connection);
            }
        }
    });
}

fn batch_of(number: usize, batch: usize) -> String {
    let mut commands = String::new();
    for round in 0..ROUNDS {
        let step = (batch * ROUNDS + round).to_string();
        let own = |name: &str| format!("{name}:{number}");
        command(&mut commands, &["SET", &own(&format!("set-{step}")), &"v".repeat(1 + number * 7)]);
        command(&mut commands, &["LPUSH", &own("list"), &step]);
        command(&mut commands, &["APPEND", &own("text"), &format!("{step},")]);
        command(&mut commands, &["INCR", &own("count")]);
        command(&mut commands, &["INCR", &format!("all-{}", round % 3)]);
    }
    commands
}

/// Appends a command in the protocol of Redis.
fn command(commands: &mut String, words: &[&str]) {
    write!(commands, "*{}\r\n", words.len()).expect("a string grows");
    for word in words {
        write!(commands, "${}\r\n{word}\r\n", word.len()).expect("a string grows");
    }
}

/// Each reply to a command of a batch is one line.
fn read_replies(connection: &mut BufReader<TcpStream>) {
    for _ in 0..ROUNDS * 5 {
        let mut line = String::new();
        connection.read_line(&mut line).expect("the online server answers");
        assert!(line.starts_with([':', '+']), "the online server refuses: {line}");
    }
}

/// One connection of `redis-cli --pipe`, which never waits.
///
/// # Panics
///
/// It does not succeed.
pub fn mass_insert(lab: &Lab, port: u16) {
    let path = lab.directory().join("mass-insert");
    let mut commands = String::new();
    for number in 0..INSERTED_KEYS {
        command(&mut commands, &["SET", &format!("mass-{number}"), &"m".repeat(number % 300)]);
    }
    std::fs::write(&path, commands).expect("the lab's directory can be written to");
    let mut redis_cli = lab.client.command("redis-cli");
    redis_cli.args(["-h", ONLINE, "-p", &port.to_string(), "--pipe"]);
    redis_cli.stdin(File::open(&path).expect("the file was just written"));
    finish(lab.client.spawn("redis-cli", &mut redis_cli));
}

/// What redis-benchmark does with 16 commands on their way on each of 50 connections. Its random keys make no two runs
/// the same, but what a run leaves does not depend on the order of its commands.
///
/// # Panics
///
/// It does not succeed.
pub fn benchmark(lab: &Lab, port: u16) {
    let mut command = lab.client.command("redis-benchmark");
    command
        .args([
            "-h",
            ONLINE,
            "-p",
            &port.to_string(),
            "-P",
            "16",
            "-c",
            "50",
            "-n",
            "20000",
            "-r",
            "5000",
            "-q",
        ])
        .args(["-d", "40", "-t", "set,incr,lpush,rpush,sadd,hset,mset,get"]);
    finish(lab.client.spawn("redis-benchmark", &mut command));
}

fn finish(mut process: Process) {
    let ended = process.wait(LIMIT).is_some_and(|status| status.success());
    assert!(ended, "a client does its work: {} {}", process.output(), process.errors());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_record_of_its_key_and_value() {
        let one = record("own:3 list 120 2fd4e1").unwrap();
        assert_eq!((one.id.as_str(), one.len), ("own:3", 120));
        assert_ne!(one.hash, record("own:3 list 120 2fd4e2").unwrap().hash);
        assert_eq!(record(""), None);
    }

    #[test]
    fn a_command_is_an_array_of_strings() {
        let mut text = String::new();
        command(&mut text, &["SET", "key", ""]);
        assert_eq!(text, "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$0\r\n\r\n");
    }
}
