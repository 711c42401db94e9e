//! Whether the box's clock can be believed.
//!
//! The kernel knows (`adjtimex`), but no safe call tells. systemd-timesyncd leaves a file when it has set
//! the clock; where it does not run, nobody says, and the clock is taken as it is unless it lies before
//! this program was made. What this cannot do: hear of other time services (chrony, ntpd), whose boxes
//! usually have a clock of their own.

use std::path::Path;

use jiff::Timestamp;

use crate::clock::Trust;

/// systemd-timesyncd's folder: there while it runs. Its file `synchronized` is made when it has set the clock.
const TIMESYNC: &str = "/run/systemd/timesync";
/// 2026-11-01: no clock that is right tells less, in Unix seconds.
const MADE: i64 = 1_793_491_200;

/// How far a clock that tells `now` can be believed. Reads the file system's memory only: cheap.
pub fn clock_trust(now: Timestamp) -> Trust {
    trust_by(Path::new(TIMESYNC), now)
}

fn trust_by(timesync: &Path, now: Timestamp) -> Trust {
    if now.as_second() < MADE {
        Trust::Provisional
    } else if timesync.join("synchronized").exists() {
        Trust::Synchronised
    } else if timesync.exists() {
        Trust::Provisional
    } else {
        Trust::Taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_believed_when_timesyncd_says_so_or_nobody_can() {
        let run = tempfile::tempdir().unwrap();
        let now = "2027-01-01T00:00:00Z".parse().unwrap();
        let timesync = run.path().join("timesync");
        assert_eq!(trust_by(&timesync, now), Trust::Taken);
        assert_eq!(trust_by(&timesync, Timestamp::UNIX_EPOCH), Trust::Provisional, "a clock that is not set");
        std::fs::create_dir(&timesync).unwrap();
        assert_eq!(trust_by(&timesync, now), Trust::Provisional);
        std::fs::write(timesync.join("synchronized"), "").unwrap();
        assert_eq!(trust_by(&timesync, now), Trust::Synchronised);
    }
}
