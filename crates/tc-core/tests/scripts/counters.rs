//! Counters by name.

use std::collections::BTreeMap;
use tc_core::CloseReason;
use tc_core::counters::Counters;

/// All counters by name, as `captured.data` or `closed.finished`.
///
/// They are read from the `Debug` text, so that a counter which is added is known to scripts, and belongs to the
/// sum of [`miscounted`], at once.
pub(crate) fn by_name(counters: &Counters) -> BTreeMap<String, u64> {
    let text = format!("{counters:?}");
    let mut all = BTreeMap::new();
    let mut group = "";
    for part in text.split([',', '{', '}', '[']) {
        let Some((name, value)) = part.trim().split_once(':') else { continue };
        if let Ok(value) = value.trim().parse() {
            all.insert(format!("{group}.{name}"), value);
        } else {
            group = name;
        }
    }
    for reason in CloseReason::ALL {
        let name = reason.name().replace(' ', "_");
        all.insert(format!("closed.{name}"), counters.sessions.closed_for(reason));
    }
    all
}

/// What is wrong with the counters of captured packets, of which each counts once.
pub(crate) fn miscounted(counters: &Counters) -> Option<String> {
    let text = format!("{:?}", counters.captured);
    let values = text.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok());
    let packets = counters.captured.packets;
    let counted = values.sum::<u64>() - packets;
    (counted != packets).then(|| format!("{packets} packets were captured and {counted} counted: {text}"))
}
