//! Quiet hours: by the wall clock of the configured time zone, over midnight too.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

/// Whether it is quiet now: from the first time on, until the second. What the wall clock shows twice in a night
/// (the end of summer time) is quiet twice; what it passes over is not missed.
pub fn is_quiet(hours: Option<(Time, Time)>, now: Timestamp, zone: &TimeZone) -> bool {
    let Some((from, to)) = hours else { return false };
    let time = zone.to_datetime(now).time();
    if from <= to { from <= time && time < to } else { from <= time || time < to }
}
