use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::*;

/// What `events` write to a file of this level, line by line.
fn lines(max_level: LevelFilter, events: impl FnOnce()) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tcpcopy.log");
    let sink = Sink::open(LogTarget::File(path.clone())).expect("a file");
    tracing::subscriber::with_default(subscriber(sink, max_level, LogFormat::Original).0, events);
    fs::read_to_string(path).expect("a file").lines().map(str::to_owned).collect()
}

/// A line without its time, after a look at the time's shape.
fn without_time(line: &str) -> &str {
    let shape: String = line.chars().take(24).map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!(shape, "9999/99/99 99:99:99 +999", "{line}");
    &line[25..]
}

#[test]
fn a_line_has_the_shape_of_the_original() {
    let lines = lines(LevelFilter::TRACE, || {
        tracing::error!("we stop");
        tracing::warn!("look at this");
        tracing::info!("tcpcopy version:{}", "2.0.0");
        tracing::debug!(session = 7, peer = "10.0.0.1", "it changed");
        tracing::trace!(port = ?Some(80));
    });
    let texts: Vec<_> = lines.iter().map(|line| without_time(line)).collect();
    let expected = [
        "[error] we stop",
        "[warn] look at this",
        "[notice] tcpcopy version:2.0.0",
        "[info] it changed session=7 peer=10.0.0.1",
        "[debug]  port=Some(80)",
    ];
    assert_eq!(texts, expected);
}

#[test]
fn what_is_below_the_level_is_left_out() {
    let lines = lines(LevelFilter::WARN, || {
        tracing::info!("out");
        tracing::warn!("in");
    });
    assert_eq!(lines.len(), 1);
    assert!(lines[0].ends_with("[warn] in"));
}

#[test]
fn a_line_stays_one_line_whatever_is_in_it() {
    let lines = lines(LevelFilter::INFO, || tracing::info!(name = "a\r\nb", "first\nsecond\x1b[31m\u{85}é"));
    assert_eq!(lines.len(), 1);
    assert_eq!(without_time(&lines[0]), "[notice] first\\nsecond\\u{1b}[31m\\u{85}é name=a\\r\\nb");
}

#[test]
fn the_time_is_local_with_three_digits_of_milliseconds() {
    let mut text = String::new();
    format::write_time(&mut text, Duration::from_millis(1_476_194_871_006)).expect("written");
    let local = crate::testing::run("date -d @1476194871 +%Y/%m/%d_%H:%M:%S").replace('_', " ");
    assert_eq!(text, format!("{} +006", local.trim_end()));
}

#[test]
fn a_file_is_appended_to_and_not_for_everybody() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tcpcopy.log");
    for _ in 0..2 {
        let sink = Sink::open(LogTarget::File(path.clone())).expect("a file");
        tracing::subscriber::with_default(subscriber(sink, LevelFilter::INFO, LogFormat::Original).0, || {
            tracing::info!("line");
        });
    }
    assert_eq!(fs::read_to_string(&path).expect("a file").lines().count(), 2);
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_log_that_was_moved_away_is_opened_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, old) = (directory.path().join("tcpcopy.log"), directory.path().join("tcpcopy.log.1"));
    let sink = Sink::open(LogTarget::File(path.clone())).expect("a file");
    let (subscriber, level) = subscriber(sink.clone(), LevelFilter::INFO, LogFormat::Original);
    let log = Log { sink, level };
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("one");
        fs::rename(&path, &old).expect("moved");
        tracing::info!("two");
        log.reopen().expect("opened");
        tracing::info!("three");
    });
    assert_eq!(log.path(), Some(path.as_path()));
    assert_eq!(fs::read_to_string(&old).expect("a file").lines().count(), 2);
    assert!(fs::read_to_string(&path).expect("a file").ends_with("[notice] three\n"));
}

#[test]
fn a_file_that_cannot_be_opened_is_named_with_the_reason() {
    let target = LogTarget::File("/nonexistent/tcpcopy.log".into());
    let error = init(LogConfig { target, ..LogConfig::default() }).expect_err("no directory");
    let expected = "cannot open the log file /nonexistent/tcpcopy.log: No such file or directory";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn the_level_can_be_changed_while_the_program_runs() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tcpcopy.log");
    let sink = Sink::open(LogTarget::File(path.clone())).expect("a file");
    let (subscriber, level) = subscriber(sink.clone(), LevelFilter::INFO, LogFormat::Original);
    let log = Log { sink, level };
    tracing::subscriber::with_default(subscriber, || {
        for expected in ["info", "debug", "notice"] {
            tracing::info!("notice");
            tracing::debug!("info");
            tracing::trace!("debug");
            assert_eq!(log.change_level(), expected);
        }
    });
    let text = fs::read_to_string(&path).expect("a file");
    let words: Vec<_> = text.lines().map(|line| line.rsplit_once(' ').expect("a word").1).collect();
    assert_eq!(words, ["notice", "notice", "info", "notice", "info", "debug"]);
}

#[test]
fn a_line_can_be_json_with_statistics_as_an_object() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tcpcopy.log");
    let sink = Sink::open(LogTarget::File(path.clone())).expect("a file");
    tracing::subscriber::with_default(subscriber(sink, LevelFilter::INFO, LogFormat::Json).0, || {
        tracing::info!(statistics = %"{\"sent\":7}", count = 3_u64, "a \"line\"\n");
    });
    let line = fs::read_to_string(&path).expect("a file");
    let object: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&object["statistics"]["sent"], &object["count"]), (&7.into(), &3.into()));
    assert_eq!((&object["level"], &object["message"]), (&"notice".into(), &"a \"line\"\n".into()));
    assert!(object["time"].as_str().expect("a time").ends_with('Z'), "{object}");
}
