//! `tcpcopy top` in a real terminal.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests as well")]

use std::time::{Duration, Instant};

use tc_tests::binaries::Binaries;
use tc_tests::lab::Host;
use tc_tests::pair::Arguments;
use tc_tests::stage::{Stage, finish_load};

const LIMIT: Duration = Duration::from_secs(20);

/// A terminal of a host; the lab ends what runs in it.
struct Terminal<'a> {
    host: &'a Host,
    socket: String,
}

impl<'a> Terminal<'a> {
    /// Runs a command in a terminal of its own.
    fn start(host: &'a Host, command: &str) -> Self {
        let terminal = Self { host, socket: format!("tc-{}", std::process::id()) };
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "110", "-y", "40", command]);
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = self.host.command("tmux");
        let output = command.args(["-u", "-L", &self.socket]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What it shows once that fits.
    fn await_screen(&self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + LIMIT;
        loop {
            let screen = self.tmux(&["capture-pane", "-p"]);
            if fits(&screen) {
                return screen;
            }
            assert!(Instant::now() < deadline, "{what}: not within {LIMIT:?}\n{screen}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        // It has ended by itself if its program has.
        let _ = self.host.command("tmux").args(["-L", &self.socket, "kill-server"]).output();
    }
}

/// The number behind a word in the line of this title.
fn number(screen: &str, title: &str, word: &str) -> Option<f64> {
    let line = screen.lines().find(|line| line.contains(title))?;
    let mut words = line.split_whitespace().skip_while(|one| *one != word);
    words.nth(1)?.parse().ok()
}

#[test]
fn top_shows_what_is_replayed_while_it_is_replayed() {
    let mut stage = Stage::new(Binaries::from_environment());
    stage.start_pair(Arguments { tcpcopy: &["--metrics", "9252"], intercept: &["--metrics", "0.0.0.0:9253"] });
    let load = stage.start_load("--from 10.198.1.1 --connections 20 --requests 150 --pause-ms 50");
    let command = format!("{} top 9252 10.198.2.1:9253 9254; sleep 30", stage.binaries.tcpcopy.display());
    let terminal = Terminal::start(&stage.lab.online, &command);
    let screen = terminal.await_screen("rates are shown", |screen| {
        number(screen, "requests/s", "answered").is_some_and(|rate| rate > 100.0)
            && number(screen, "headers/s", "returned").is_some_and(|rate| rate > 100.0)
    });
    assert_eq!(number(&screen, "sessions", "now"), Some(20.0), "{screen}");
    assert!(
        screen.contains("tcpcopy 127.0.0.1:9252") && screen.contains("intercept 10.198.2.1:9253"),
        "{screen}"
    );
    assert!(screen.contains("tunnels 2/2") && screen.contains("lost at     capture 0"), "{screen}");
    assert!(screen.contains("no metrics: Connection refused"), "of a program that does not run: {screen}");
    terminal.tmux(&["send-keys", "q"]);
    terminal.await_screen("the terminal is as before", |screen| !screen.contains("requests/s"));
    drop(terminal);
    assert!(finish_load(load).is_clean());
}
