//! The shape of a line.

use std::fmt::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::syscall::process::local_time;

/// `YYYY/MM/DD HH:MM:SS +mmm [level] message key=value …`
#[derive(Clone, Copy, Debug)]
pub(super) struct OriginalFormat;

impl<S, N> FormatEvent<S, N> for OriginalFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        write_time(&mut writer, now)?;
        write!(writer, " [{}] ", level(*event.metadata().level()))?;
        let mut fields = Fields { line: OneLine(&mut writer), result: Ok(()) };
        // The message is a field like the others, and not always the first.
        event.record(&mut Message(&mut fields));
        event.record(&mut fields);
        fields.result?;
        writeln!(writer)
    }
}

/// `since_1970` as local time and, behind the plus sign, its milliseconds.
pub(super) fn write_time(writer: &mut impl Write, since_1970: Duration) -> fmt::Result {
    let time = local_time(i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX));
    write!(writer, "{:04}/{:02}/{:02} ", time.year, time.month, time.day)?;
    write!(writer, "{:02}:{:02}:{:02} ", time.hour, time.minute, time.second)?;
    write!(writer, "+{:03}", since_1970.subsec_millis())
}

/// The original's names of the levels.
pub(super) fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "notice",
        Level::DEBUG => "info",
        Level::TRACE => "debug",
    }
}

const MESSAGE: &str = "message";

/// Writes every field but the message, as ` key=value`.
struct Fields<'a, 'w> {
    line: OneLine<'a, 'w>,
    result: fmt::Result,
}

impl Visit for Fields<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() != MESSAGE && self.result.is_ok() {
            self.result = write!(self.line, " {}={value:?}", field.name());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// Writes the message alone.
struct Message<'f, 'a, 'w>(&'f mut Fields<'a, 'w>);

impl Visit for Message<'_, '_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            self.0.result = write!(self.0.line, "{value:?}");
        }
    }
}

/// Escapes control characters, so that nothing that came from outside can end a line and forge another.
struct OneLine<'a, 'w>(&'a mut Writer<'w>);

impl Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(char::is_control) {
            let mut characters = part.chars();
            match characters.next_back().filter(|last| last.is_control()) {
                Some(last) => write!(self.0, "{}{}", characters.as_str(), last.escape_default())?,
                None => self.0.write_str(part)?,
            }
        }
        Ok(())
    }
}
