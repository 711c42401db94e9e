//! Whether a new system on trial is as well as the former one was: the network is there, and so are the cameras.
//!
//! A camera that fails for a reason of its own does not speak against the update; but where more than half are gone,
//! the reason is taken to be ours, whatever it looks like. A configuration that the new system cannot read, or a disk
//! that it cannot keep the history on, is a fault of the update wherever the former system had no such fault.

use super::facts::{Faults, Trial};
use crate::camera::{Severity, Verdict};
use crate::monitor::board::{CameraStatus, Snapshot, State};

/// Cameras that are named in a message; of more, their number is told.
const NAMED_MAX: usize = 5;

/// What is told of a system on trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wellness {
    /// It is as well as the former one was.
    pub is_well: bool,
    /// What is missing and why, or that nothing is; one line.
    pub message: String,
}

/// Whether a camera that is down for this says so of itself, and not of the box. Names, addresses, passwords and what
/// stands before the lens are the camera's; what a broken system would break as well is not.
pub fn is_its_own(verdict: Verdict) -> bool {
    use Verdict as V;
    match verdict {
        V::Dns | V::Refused | V::Unreachable | V::Auth | V::NotFound | V::Busy => true,
        V::Black | V::Frozen | V::Covered => true,
        V::Ok | V::Slow | V::LowFps | V::PacketLoss | V::Changed => true,
        V::Timeout | V::Tls | V::Protocol | V::Unsupported | V::NoMedia | V::NoKeyframe | V::Undecodable => false,
        V::Blind => false,
    }
}

/// Whether this camera gives a living picture, seen since this start.
pub fn is_living(camera: &CameraStatus) -> bool {
    let seen = camera.last.as_ref().map(|report| report.verdict.severity());
    matches!(camera.state, State::Up | State::Degraded) && matches!(seen, Some(Severity::Ok | Severity::Warning))
}

/// How one camera of those that were up is now.
enum Now {
    Living,
    /// Down for a reason of its own.
    Excused,
    /// Paused or removed: nobody misses it.
    Gone,
    /// It is missed: why.
    Missing(&'static str),
}

fn now(camera: Option<&CameraStatus>, is_configured: bool) -> Now {
    let Some(camera) = camera else {
        return if is_configured { Now::Missing("not looked at yet") } else { Now::Gone };
    };
    let last = camera.last.as_ref().map(|report| report.verdict);
    match (camera.state, last) {
        (State::Paused, _) => Now::Gone,
        _ if is_living(camera) => Now::Living,
        (State::Down, Some(verdict)) if is_its_own(verdict) => Now::Excused,
        (_, Some(verdict)) => Now::Missing(verdict.row().name),
        (_, None) => Now::Missing("not looked at yet"),
    }
}

/// Judges a system on trial. `before`: what was wrong with the former one already. `is_configured`: whether the
/// configuration in force has a camera of this id; where the file cannot be read, none counts as removed.
pub fn judge(trial: &Trial, before: Faults, snapshot: &Snapshot, is_configured: impl Fn(&str) -> bool) -> Wellness {
    let not_yet = |message: String| Wellness { is_well: false, message };
    if let Some(fault) = snapshot.host.config_fault.as_ref().filter(|_| !before.config) {
        return not_yet(format!("the configuration that was good before is not read: {fault}"));
    }
    if let Some(fault) = snapshot.host.storage_fault.as_ref().filter(|_| !before.storage) {
        return not_yet(format!("what is watched is no longer kept: {fault}"));
    }
    if trial.was_network && !snapshot.host.network {
        return not_yet("the network that was there before is not there".into());
    }
    let (mut counted, mut living, mut missing, mut excused) = (0, 0, Vec::new(), Vec::new());
    for id in &trial.was_up {
        let camera = snapshot.cameras.get(id).map(|camera| &**camera);
        let found = now(camera, snapshot.host.config_fault.is_some() || is_configured(id));
        counted += usize::from(!matches!(found, Now::Gone));
        match found {
            Now::Living => living += 1,
            Now::Missing(why) => missing.push(format!("{id} ({why})")),
            Now::Excused => excused.push(format!("{id} ({})", camera.map_or("", |camera| reason(camera)))),
            Now::Gone => {}
        }
    }
    if !missing.is_empty() {
        return not_yet(format!("cameras that were up before are missing: {}", named(&missing)));
    }
    if living * 2 < counted {
        let up = if living == 0 { "none".into() } else { format!("only {living}") };
        return not_yet(format!("{up} of {counted} cameras that were up before is up: {}", named(&excused)));
    }
    let message = match (counted, excused.is_empty()) {
        (0, _) => "no camera was up before".into(),
        (1, true) => "the camera that was up before is up".into(),
        (_, true) => format!("all {living} cameras that were up before are up"),
        (_, false) => {
            format!("{living} of {counted} cameras are up; down for reasons of their own: {}", named(&excused))
        }
    };
    Wellness { is_well: true, message }
}

fn reason(camera: &CameraStatus) -> &'static str {
    camera.last.as_ref().map_or("", |report| report.verdict.row().name)
}

fn named(cameras: &[String]) -> String {
    let more = cameras.len().saturating_sub(NAMED_MAX);
    let named = cameras.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::camera::{LADDER, StreamInfo};
    use crate::monitor::board::Report;

    fn camera(id: &str, state: State, verdict: Option<Verdict>) -> Arc<CameraStatus> {
        let report = |verdict| Report {
            at: Timestamp::UNIX_EPOCH,
            verdict,
            message: "said".into(),
            rungs: Vec::new(),
            ms: 1.0,
            first_packet_ms: None,
            first_frame_ms: None,
            stream: StreamInfo::default(),
            answer: None,
            decoded: true,
        };
        Arc::new(CameraStatus { last: verdict.map(report).map(Arc::new), ..CameraStatus::unseen(id, state) })
    }

    fn judged(was_up: &[&str], network: bool, cameras: &[(&str, State, Option<Verdict>)]) -> Wellness {
        let mut snapshot = Snapshot::default();
        snapshot.host.network = network;
        judged_on(snapshot, Faults::default(), was_up, cameras)
    }

    fn judged_on(
        mut snapshot: Snapshot,
        before: Faults,
        was_up: &[&str],
        cameras: &[(&str, State, Option<Verdict>)],
    ) -> Wellness {
        for (id, state, verdict) in cameras {
            snapshot.cameras.insert((*id).into(), camera(id, *state, *verdict));
        }
        let was_up = was_up.iter().map(|id| (*id).to_owned()).collect();
        judge(&Trial { was_up, was_network: true }, before, &snapshot, |id| id != "removed")
    }

    #[test]
    fn a_fault_of_configuration_or_storage_that_is_new_is_the_updates() {
        let told = |config: Option<&str>, storage: Option<&str>, before, was_up: &[&str], cameras: &[_]| {
            let mut snapshot = Snapshot::default();
            snapshot.host.network = true;
            snapshot.host.config_fault = config.map(str::to_owned);
            snapshot.host.storage_fault = storage.map(str::to_owned);
            judged_on(snapshot, before, was_up, cameras)
        };
        let (none, both) = (Faults::default(), Faults { config: true, storage: true });
        // Nothing is in force where the file is not read: its cameras are missing, not removed.
        for was_up in [&["removed"][..], &[]] {
            let new = told(Some("line 3: no such key"), None, none, was_up, &[]);
            assert!(!new.is_well && new.message.contains("line 3"), "{new:?}");
        }
        let blind = told(Some("line 3"), None, both, &["removed"], &[]);
        assert!(!blind.is_well && blind.message.contains("removed (not looked at yet)"), "{blind:?}");
        let worn = told(None, Some("the disk is read-only"), none, &["a"], &[("a", UP, OK)]);
        assert!(!worn.is_well && worn.message.contains("read-only"), "{worn:?}");
        // As it was before: the last good configuration is in force, and nothing is kept.
        assert!(told(Some("line 3"), Some("read-only"), both, &["a"], &[("a", UP, OK)]).is_well);
    }

    const UP: State = State::Up;
    const DOWN: State = State::Down;
    const OK: Option<Verdict> = Some(Verdict::Ok);

    #[test]
    fn a_system_that_sees_all_that_was_seen_before_is_well() {
        let told = judged(&["a", "b"], true, &[("a", UP, OK), ("b", State::Degraded, Some(Verdict::Slow))]);
        assert_eq!(told, Wellness { is_well: true, message: "all 2 cameras that were up before are up".into() });
        assert!(judged(&[], true, &[]).is_well);
        assert!(judged(&["removed"], true, &[]).is_well);
        assert!(judged(&["a"], true, &[("a", State::Paused, None)]).is_well);
        // One that was down before may stay so.
        assert!(judged(&["a"], true, &[("a", UP, OK), ("b", DOWN, Some(Verdict::NoMedia))]).is_well);
    }

    #[test]
    fn what_is_missing_is_named_with_its_reason() {
        let not_yet = |told: Wellness, words: &str| {
            assert!(!told.is_well && told.message.contains(words), "{told:?}");
        };
        not_yet(judged(&["a"], false, &[("a", UP, OK)]), "network");
        not_yet(judged(&["a"], true, &[]), "a (not looked at yet)");
        // As the history left it: nobody has looked since.
        not_yet(judged(&["a"], true, &[("a", UP, None)]), "a (not looked at yet)");
        // Up still, by its threshold, and yet its only check since the start failed.
        not_yet(judged(&["a"], true, &[("a", UP, Some(Verdict::NoMedia))]), "a (no_media)");
        not_yet(
            judged(&["a", "b"], true, &[("a", UP, OK), ("b", DOWN, Some(Verdict::Undecodable))]),
            "b (undecodable)",
        );
        not_yet(judged(&["a"], true, &[("a", State::Unknown, Some(Verdict::Blind))]), "a (blind)");
        let many: Vec<String> = (0..9).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        not_yet(judged(&many, true, &[]), "4 (not looked at yet) and 4 more");
    }

    #[test]
    fn a_camera_that_fails_for_itself_is_excused_while_half_are_there() {
        let auth = Some(Verdict::Auth);
        let told = judged(&["a", "b"], true, &[("a", UP, OK), ("b", DOWN, auth)]);
        assert!(told.is_well && told.message.contains("b (auth)"), "{told:?}");
        let told = judged(&["a", "b", "c"], true, &[("a", UP, OK), ("b", DOWN, auth), ("c", DOWN, auth)]);
        assert!(!told.is_well && told.message.contains("only 1 of 3"), "{told:?}");
        let told = judged(&["a"], true, &[("a", DOWN, Some(Verdict::Unreachable))]);
        assert!(!told.is_well, "not one is there: {told:?}");
    }

    #[test]
    fn no_fault_that_a_broken_system_makes_is_a_cameras_own() {
        let own: Vec<&str> = LADDER
            .iter()
            .filter(|row| row.severity == Severity::Fault && is_its_own(row.verdict))
            .map(|row| row.name)
            .collect();
        let expected = ["dns", "refused", "unreachable", "auth", "not_found", "busy", "black", "frozen", "covered"];
        assert_eq!(own, expected);
    }
}
