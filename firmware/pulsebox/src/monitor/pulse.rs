//! Whether the monitor still watches: what makes `/api/health` say 503 and systemd's watchdog bite.
//!
//! Told by the monotonic clock from the last check that ended, so that a step of the wall clock (a Pi
//! has none until the network sets it) is not taken for a standstill.

use std::time::Duration;

use jiff::Timestamp;

use super::board::{Snapshot, State};

/// The longest that one check may last: the largest `timeout_seconds`.
const CHECK_MAX: Duration = Duration::from_secs(120);
/// Heartbeats that may pass without a check.
const HEARTBEATS: u32 = 3;

/// Why the monitor seems to stand still, where it does: no check at all has ended for three heartbeats
/// of a camera that is due, and the longest check. A box without network looks at nothing and is not
/// standing still.
pub fn standstill(snapshot: &Snapshot, now: Timestamp) -> Option<String> {
    if !snapshot.host.network {
        return None;
    }
    let silent = snapshot.last_check.elapsed();
    let due = snapshot.cameras.values().filter(|camera| {
        camera.state != State::Paused && camera.next_check.is_some_and(|next_check| next_check <= now)
    });
    let heartbeat = due.map(|camera| camera.heartbeat_seconds).min()?;
    let limit = (Duration::from_secs(heartbeat) * HEARTBEATS).saturating_add(CHECK_MAX);
    (silent > limit)
        .then(|| format!("no check has ended for {} s although cameras are due: restart Pulsebox", silent.as_secs()))
}
