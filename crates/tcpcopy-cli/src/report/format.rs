//! Numbers as people read them.

/// A time in the unit that fits it.
pub(super) fn time(milliseconds: f64) -> String {
    let size = milliseconds.abs();
    if size < 0.001 {
        "0 ms".to_owned()
    } else if size < 1.0 {
        format!("{:.0} µs", milliseconds * 1e3)
    } else if size < 10.0 {
        format!("{milliseconds:.2} ms")
    } else if size < 100.0 {
        format!("{milliseconds:.1} ms")
    } else if size < 10_000.0 {
        format!("{milliseconds:.0} ms")
    } else {
        format!("{:.1} s", milliseconds / 1e3)
    }
}

/// A difference of times, with its sign.
pub(super) fn difference(milliseconds: f64) -> String {
    let sign = if milliseconds < 0.0 { "−" } else { "+" };
    format!("{sign}{}", time(milliseconds.abs()))
}

/// A number in groups of three digits.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// A part of a whole.
#[expect(clippy::cast_precision_loss, reason = "a percentage needs no more than 52 bits")]
pub(super) fn percent(part: u64, whole: u64) -> String {
    let percent = part as f64 * 100.0 / whole.max(1) as f64;
    if part > 0 && percent < 0.1 { format!("{percent:.3} %") } else { format!("{percent:.1} %") }
}

/// Octets in the unit that fits them.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) fn octets(number: u64) -> String {
    let (mut size, mut unit) = (number as f64, "octets");
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if size < 1024.0 {
            break;
        }
        (size, unit) = (size / 1024.0, larger);
    }
    if unit == "octets" { format!("{number} octets") } else { format!("{size:.1} {unit}") }
}

/// How many times as much.
pub(super) fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}×"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_a_unit() {
        let times = [0.0, 0.0214, 1.234, 12.34, 123.4, 12_345.6].map(time);
        assert_eq!(times, ["0 ms", "21 µs", "1.23 ms", "12.3 ms", "123 ms", "12.3 s"]);
        assert_eq!([difference(-30.0), difference(0.5)], ["−30.0 ms", "+500 µs"]);
        let counts = [0, 999, 1000, 1_234_567].map(count);
        assert_eq!(counts, ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]);
        assert_eq!([percent(1, 100), percent(1, 10_000), percent(0, 0)], ["1.0 %", "0.010 %", "0.0 %"]);
        assert_eq!([octets(10), octets(2048)], ["10 octets", "2.0 KiB"]);
    }
}
