//! From text to a [`Script`].

mod packet;
mod settings;

use super::script::{Action, ClientChange, Expectation, Family, Line, Number, Place, Pool, RouteFacts};
use super::script::{Scope, Script, Settings, When};
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// Reads the script in a file.
pub(crate) fn read(path: &Path) -> Result<Script, String> {
    let text = text_of(path)?;
    let sentence = sentence(&text).ok_or_else(|| {
        format!("{}:1: a script begins with a comment, one sentence of what must hold", path.display())
    })?;
    let mut script = Script { sentence: sentence.to_owned(), settings: Settings::default(), lines: Vec::new() };
    read_lines(&mut script, path, &text)?;
    Ok(script)
}

fn text_of(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn sentence(text: &str) -> Option<&str> {
    let first = text.lines().next()?.strip_prefix("// ")?;
    (first.ends_with('.') && first.len() > 10).then_some(first)
}

fn read_lines(script: &mut Script, path: &Path, text: &str) -> Result<(), String> {
    let file = Rc::new(path.to_path_buf());
    for (index, line) in text.lines().enumerate() {
        let content = line.split("//").next().unwrap_or_default().trim();
        if content.is_empty() {
            continue;
        }
        let place = Place { file: Rc::clone(&file), line: index + 1, text: content.into() };
        let told = |problem: String| format!("{place}\n{problem}");
        if let Some(name) = content.strip_prefix("include ") {
            let included = path_of(path, name.trim());
            read_lines(script, &included, &text_of(&included).map_err(told)?)?;
        } else if let Some(setting) = content.strip_prefix("config ") {
            settings::apply(&mut script.settings, setting).map_err(told)?;
        } else {
            let (when, rest) = split_time(content).map_err(told)?;
            let action = action(rest).map_err(told)?;
            script.lines.push(Line { place, when, action });
        }
    }
    Ok(())
}

/// Included files stand in the folder `include` beside those of the topics.
fn path_of(script: &Path, name: &str) -> std::path::PathBuf {
    let root = script.ancestors().find(|folder| folder.join("include").is_dir());
    root.unwrap_or(script).join("include").join(name).with_extension("inc")
}

fn split_time(line: &str) -> Result<(When, &str), String> {
    if let Some(rest) = line.strip_prefix('&') {
        return Ok((When::Together, rest.trim_start()));
    }
    let Some(rest) = line.strip_prefix('+') else { return Ok((When::After(Duration::ZERO), line)) };
    let (time, rest) = rest.split_once(char::is_whitespace).ok_or("nothing stands behind the time")?;
    Ok((When::After(seconds(time)?), rest.trim_start()))
}

/// A number of seconds, as `.2` or `30`.
fn seconds(text: &str) -> Result<Duration, String> {
    let number = if text.starts_with('.') { format!("0{text}") } else { text.to_owned() };
    let parsed = number.parse::<f64>().ok().and_then(|number| Duration::try_from_secs_f64(number).ok());
    parsed.ok_or_else(|| format!("'{text}' is no number of seconds"))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("'{text}' is no number that fits here"))
}

fn action(line: &str) -> Result<Action, String> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    match word {
        "tunnel" => tunnel(rest),
        "client" => client(rest),
        "clients" if rest == "gone" => Ok(Action::ClientsGone),
        "holes" => holes(rest),
        "target" => new_target(rest),
        "expect" => expectation(rest).map(Action::Expect),
        _ => packet_line(word, rest),
    }
}

fn packet_line(word: &str, rest: &str) -> Result<Action, String> {
    let unknown =
        || format!("'{word}' is no party; write c>, t>, >t or >r, with a number for other connections");
    if let Some(party) = word.strip_prefix('>') {
        let connection = connection(party.get(1..).unwrap_or_default())?;
        return match party.chars().next() {
            Some('t') => Ok(Action::Sent(connection, packet::parse_plain(rest)?)),
            Some('r') => Ok(Action::Route(connection, route_facts(rest)?)),
            _ => Err(unknown()),
        };
    }
    let party = word.strip_suffix('>').ok_or_else(unknown)?;
    let connection = connection(party.get(1..).unwrap_or_default())?;
    match party.chars().next() {
        Some('c') => packet::parse(rest).map(|(packet, manner)| Action::Captured(connection, packet, manner)),
        Some('t') => Ok(Action::Header(connection, packet::parse_plain(rest)?)),
        _ => Err(unknown()),
    }
}

fn connection(text: &str) -> Result<Number, String> {
    let number = if text.is_empty() { 1 } else { number(text)? };
    if (1..=9).contains(&number) { Ok(number) } else { Err(format!("connection {number} is not from 1 to 9")) }
}

fn route_facts(text: &str) -> Result<RouteFacts, String> {
    let mut facts = RouteFacts::default();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "newport" => facts.new_port = true,
            "pool" => facts.pooled = true,
            "of" => facts.copy_of = Some(connection(words.next().unwrap_or_default())?),
            _ => return Err(format!("'{word}' says nothing about a route")),
        }
    }
    Ok(facts)
}

fn holes(text: &str) -> Result<Action, String> {
    let limit = text.strip_prefix("last ").ok_or("holes 'last' a number of seconds")?;
    seconds(limit).map(Action::LimitHoles)
}

fn tunnel(text: &str) -> Result<Action, String> {
    match text {
        "up" => Ok(Action::TunnelUp(Scope::All)),
        "down" => Ok(Action::TunnelDown(Scope::All)),
        "up for target" => Ok(Action::TunnelUp(Scope::Target)),
        "down for target" => Ok(Action::TunnelDown(Scope::Target)),
        _ => Err("a tunnel goes 'up' or 'down', perhaps 'for target'".to_owned()),
    }
}

fn client(text: &str) -> Result<Action, String> {
    let words: Vec<_> = text.split_whitespace().collect();
    let (connection_text, change) = match *words.as_slice() {
        [own, "has", "port", "of", other] => (own, ClientChange::SamePort(connection(other)?)),
        [own, "has", "port", "and", "iss", "of", other] => {
            (own, ClientChange::SamePortAndIss(connection(other)?))
        }
        [own, "is", "local"] => (own, ClientChange::Loopback),
        _ => return Err("write 'client 2 has port [and iss] of 1' or 'client 1 is local'".to_owned()),
    };
    Ok(Action::Client(connection(connection_text)?, change))
}

fn new_target(text: &str) -> Result<Action, String> {
    match text.split_once(' ').unwrap_or((text, "")) {
        ("renews", connection_text) => Ok(Action::NewTarget(connection(connection_text)?)),
        _ => Err("write 'target renews', with a number for other connections".to_owned()),
    }
}

fn expectation(text: &str) -> Result<Expectation, String> {
    let (what, rest) = text.split_once(' ').unwrap_or((text, ""));
    match what {
        "nothing" => Ok(Expectation::Nothing),
        "counters" => pairs(rest).map(Expectation::Counters),
        "waiting" => pairs(rest).map(Expectation::Waiting),
        "sessions" => number(rest).map(Expectation::Sessions),
        "busy" => number(rest).map(Expectation::Busy),
        "octets" => number(rest).map(Expectation::Octets),
        "awaits" if rest == "target" => Ok(Expectation::Awaits(true)),
        "awaits" if rest == "nothing" => Ok(Expectation::Awaits(false)),
        "no" if rest == "timer" => Ok(Expectation::NoTimer),
        _ => Err(format!("'{text}' cannot be expected")),
    }
}

fn pairs<T: std::str::FromStr>(text: &str) -> Result<Vec<(String, T)>, String> {
    let pair = |item: &str| {
        let (name, value) = item.trim().rsplit_once(' ').ok_or_else(|| format!("'{item}' has no value"))?;
        Ok((name.trim().to_owned(), number(value)?))
    };
    text.split(',').map(pair).collect()
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            config: tc_core::ReplayConfig::default(),
            tolerance: Duration::from_millis(1),
            family: Family::Both,
            pool: Pool::None,
            tunnel: true,
        }
    }
}
