//! `config` lines.

use super::super::script::{Family, Pool, Settings};
use super::{number, seconds};
use tc_core::{Join, Pace, Ramp};

/// Takes one setting, `name value`.
pub(super) fn apply(settings: &mut Settings, text: &str) -> Result<(), String> {
    let (name, value) = text.trim().split_once(' ').ok_or("a setting has a name and a value")?;
    let value = value.trim();
    let config = &mut settings.config;
    match name {
        "answer-limit" => config.answer_limit = seconds(value)?,
        "session-timeout" => config.session_timeout = seconds(value)?,
        "keepalive-timeout" => config.keepalive_timeout = seconds(value)?,
        "initial-rtt" => config.initial_rtt = Some(seconds(value)?),
        "mtu" => config.mtu = number(value)?,
        "mss" => config.mss = Some(number(value)?),
        "max-sessions" => config.max_sessions = number(value)?,
        "max-session-octets" => config.max_session_octets = number(value)?,
        "max-octets" => config.max_octets = number(value)?,
        "percentage" => config.admission.percentage = number(value)?,
        "copies" => config.admission.copies = number(value)?,
        "port-shift" => config.admission.port_shift = number(value)?,
        "pace" => {
            let paces =
                [("answered", Pace::Answered), ("unanswered", Pace::Unanswered), ("heard", Pace::Heard)];
            config.pace = choose(value, &paces)?;
        }
        "join" => config.admission.join = choose(value, &[("never", Join::Never)])?,
        "ramp" => config.admission.ramp = choose(value, &[("one-each-second", Ramp::OneEachSecond)])?,
        "tolerance" => settings.tolerance = seconds(value)?,
        "family" => settings.family = choose(value, &[("ipv4", Family::Ipv4), ("ipv6", Family::Ipv6)])?,
        "pool" => settings.pool = choose(value, &[("one", Pool::One), ("target", Pool::Target)])?,
        "tunnel" => settings.tunnel = choose(value, &[("down", false)])?,
        _ => return Err(format!("'{name}' is no setting")),
    }
    Ok(())
}

fn choose<T: Copy>(value: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let chosen = choices.iter().find(|(name, _)| *name == value);
    chosen.map(|(_, choice)| *choice).ok_or_else(|| format!("'{value}' cannot be chosen here"))
}
