//! Arguments out of a file: `--config FILE`, in TOML. What the command line says counts more.

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use toml::{Table, Value};

/// The name of the argument that names the file.
pub(super) const CONFIG: &str = "config";

/// Puts the arguments of the file that `command_line` names behind its first `leading` words, without those that it has
/// itself. `command` tells which there are. A command line that names no file stays as it is.
///
/// # Errors
///
/// One line that names the file and what is wrong with it.
pub(super) fn expand(
    command: &Command,
    command_line: Vec<OsString>,
    leading: usize,
) -> Result<Vec<OsString>, String> {
    let words = command_line.iter().skip(leading.saturating_sub(1));
    // What is wrong with the command line is said later.
    let lenient = command.clone().ignore_errors(true).mut_args(|argument| argument.required(false));
    let Ok(given) = lenient.try_get_matches_from(words) else { return Ok(command_line) };
    let Some(path) = given.try_get_one::<std::path::PathBuf>(CONFIG).ok().flatten() else {
        return Ok(command_line);
    };
    let wrong = |what: String| format!("--config '{}': {what}", path.display());
    let table = read(path).map_err(wrong)?;
    let mut expanded = command_line;
    let tail = expanded.split_off(leading.min(expanded.len()));
    for (key, value) in &table {
        let argument = argument(command, key).map_err(wrong)?;
        if !is_given(&given, argument) {
            expanded.extend(word(argument, value).map_err(wrong)?);
        }
    }
    expanded.extend(tail);
    Ok(expanded)
}

fn read(path: &Path) -> Result<Table, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    text.parse().map_err(|error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
        format!("line {line} is no TOML: {}", error.message().replace('\n', ", "))
    })
}

fn argument<'a>(command: &'a Command, key: &str) -> Result<&'a Arg, String> {
    let known = |argument: &&Arg| {
        let sets = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append | ArgAction::SetTrue);
        sets && argument.get_long() == Some(key) && key != CONFIG
    };
    command.get_arguments().find(known).ok_or_else(|| {
        format!("there is no argument '{key}'; give long names, as in --help, without the dashes")
    })
}

fn is_given(matches: &ArgMatches, argument: &Arg) -> bool {
    matches.value_source(argument.get_id().as_str()) == Some(ValueSource::CommandLine)
}

/// The argument as a word of the command line; none for a switch that is off.
fn word(argument: &Arg, value: &Value) -> Result<Option<OsString>, String> {
    let long = argument.get_long().unwrap_or_default();
    if matches!(argument.get_action(), ArgAction::SetTrue) {
        let on = value.as_bool().ok_or_else(|| format!("'{long}' is a switch; give true or false"))?;
        return Ok(on.then(|| format!("--{long}").into()));
    }
    let mut word = OsString::from(format!("--{long}="));
    word.push(OsStr::new(&text(value).ok_or_else(|| {
        format!("'{long}' takes text, a number, or an array of these; it is {}", value.type_str())
    })?));
    Ok(Some(word))
}

/// A list stands in an array, or in one text with commas as on the command line.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Array(values) => {
            let texts: Option<Vec<_>> =
                values.iter().map(|value| if value.is_array() { None } else { text(value) }).collect();
            texts.map(|texts| texts.join(","))
        }
        Value::Boolean(_) | Value::Datetime(_) | Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use tempfile::NamedTempFile;

    fn command() -> Command {
        Command::new("program")
            .arg(Arg::new("map").short('x').long("map").required(true))
            .arg(Arg::new("interfaces").short('i').long("interfaces").action(ArgAction::Append))
            .arg(Arg::new("lonely").short('L').long("lonely").action(ArgAction::SetTrue))
            .arg(Arg::new("port").short('p').long("port").value_parser(clap::value_parser!(u16)))
            .arg(Arg::new(CONFIG).long(CONFIG).value_parser(clap::value_parser!(std::path::PathBuf)))
    }

    fn file(text: &str) -> NamedTempFile {
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(text.as_bytes()).expect("written");
        file
    }

    fn expanded(text: &str, words: &[&str]) -> Result<Vec<String>, String> {
        let file = file(text);
        let mut line: Vec<OsString> = vec!["program".into()];
        line.extend(words.iter().map(OsString::from));
        line.extend(["--config".into(), file.path().into()]);
        let count = line.len();
        let path = file.path().display().to_string();
        let words = expand(&command(), line, 1).map_err(|line| line.replace(&path, "FILE"))?;
        let text = |word: &OsString| word.to_string_lossy().into_owned();
        // What was typed stands behind, as it was.
        Ok(words[1..words.len() - (count - 1)].iter().map(text).collect())
    }

    #[test]
    fn a_file_gives_arguments_by_their_long_names() {
        let text =
            "map = '80-10.0.0.1:80'\ninterfaces = ['eth0', 'eth1']\nlonely = true # comment\nport = 36524\n";
        let words = expanded(text, &[]).expect("fine");
        let wanted = ["--interfaces=eth0,eth1", "--lonely", "--map=80-10.0.0.1:80", "--port=36524"];
        let mut sorted = words;
        sorted.sort();
        assert_eq!(sorted, wanted);
        assert_eq!(expanded("lonely = false", &[]), Ok(Vec::new()));
    }

    #[test]
    fn the_command_line_counts_more_than_the_file() {
        let text = "map = 'file'\nport = 1\nlonely = true\ninterfaces = 'file'";
        let words = expanded(text, &["-x", "typed", "-i", "typed", "-L"]).expect("fine");
        assert_eq!(words, ["--port=1"]);
        // Also where something behind it is wrong.
        assert_eq!(
            expanded(text, &["-x", "typed", "-i", "typed", "-p", "wrong", "-L"]).expect("fine").len(),
            0
        );
    }

    #[test]
    fn what_is_wrong_with_a_file_is_one_line_that_names_it() {
        for (text, line) in [
            ("map = 'a'\nmap", "--config 'FILE': line 2 is no TOML"),
            ("mapp = 'a'", "--config 'FILE': there is no argument 'mapp'; give long names"),
            ("x = 'a'", "--config 'FILE': there is no argument 'x'; give long names"),
            ("config = 'a'", "--config 'FILE': there is no argument 'config'"),
            ("lonely = 1", "--config 'FILE': 'lonely' is a switch; give true or false"),
            (
                "port = true",
                "--config 'FILE': 'port' takes text, a number, or an array of these; it is boolean",
            ),
            ("interfaces = [['a']]", "--config 'FILE': 'interfaces' takes text, a number, or an array"),
        ] {
            let said = expanded(text, &[]).expect_err(text);
            assert!(said.starts_with(line) && !said.contains('\n'), "{said}");
        }
        let missing = expand(&command(), vec!["program".into(), "--config=/nowhere/a.toml".into()], 1);
        let line = "--config '/nowhere/a.toml': cannot be read: No such file or directory (os error 2)";
        assert_eq!(missing, Err(line.to_owned()));
    }
}
