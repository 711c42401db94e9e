//! A camera's state: verdicts after thresholds, and the incidents they make. Pure: no clock, no I/O.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use super::board::{Evidence, Incident, Report, State, Thumbnail};
use crate::camera::{Severity, Verdict};
use crate::config::Alarm;

/// The quick re-checks after a first failure.
const RECHECKS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// A refused password is tried again after this long at first…
const AUTH_FIRST: Duration = Duration::from_secs(60);
/// …doubling up to this: cameras lock accounts after a handful of failures in half an hour or so.
const AUTH_MOST: Duration = Duration::from_secs(15 * 60);

/// Gives incidents their ids: the opening time in microseconds, one more where that is taken. Shared by all
/// cameras.
#[derive(Clone, Debug, Default)]
pub struct IncidentIds(Arc<AtomicI64>);

impl IncidentIds {
    fn next(&self, at: Timestamp) -> i64 {
        let next = |last: i64| at.as_microsecond().max(last.saturating_add(1));
        let last = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        next(last.unwrap_or_else(|last| last))
    }
}

/// Where a camera stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What it is.
    pub state: State,
    /// Since when this process knows it.
    pub since: Timestamp,
    /// What it was when the box last ran and since when, until it is known what it is now.
    before: Option<(State, Timestamp)>,
    /// Since when it is that, where that reaches back before this process.
    reaches_back: Option<Timestamp>,
    /// Faults in a row.
    pub failures: u32,
    /// Refused passwords in a row.
    refusals: u32,
    /// Warnings in a row.
    warnings: u32,
    /// The first report of the present run of faults or of warnings.
    first_bad: Option<FirstBad>,
    /// The incident that is open.
    pub incident: Option<Arc<Incident>>,
    ids: IncidentIds,
}

#[derive(Clone, Debug)]
struct FirstBad {
    at: Timestamp,
    verdict: Verdict,
    message: String,
    evidence: Evidence,
}

/// The pictures about a check.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The last good one before it.
    pub good_before: Option<Arc<Thumbnail>>,
    /// Its own, where that shows what is wrong.
    pub bad: Option<Arc<Thumbnail>>,
}

/// What a step changed.
#[derive(Debug, Default, PartialEq)]
pub struct Step {
    /// The state it left, if it left it.
    pub from: Option<State>,
    /// An incident that ended.
    pub closed: Option<Arc<Incident>>,
    /// An incident that began.
    pub opened: Option<Arc<Incident>>,
}

impl Standing {
    /// A camera that nobody has looked at, with the incident that was open when the box last ran.
    pub fn unknown(at: Timestamp, incident: Option<Incident>, ids: IncidentIds) -> Self {
        Self {
            state: State::Unknown,
            since: at,
            before: None,
            reaches_back: None,
            failures: 0,
            refusals: 0,
            warnings: 0,
            first_bad: None,
            incident: incident.map(Arc::new),
            ids,
        }
    }

    /// Knowing what the camera was when the box last ran, and since when.
    pub fn after(self, before: Option<(State, Timestamp)>) -> Self {
        Self { before, ..self }
    }

    /// Since when it is what it is, restarts of the box passed over where it is what it was before.
    pub fn shown_since(&self) -> Timestamp {
        self.reaches_back.map_or(self.since, |back| back.min(self.since))
    }

    /// Takes in what a check says.
    pub fn apply(&mut self, camera: &str, report: &Report, alarm: &Alarm, seen: Seen) -> Step {
        let verdict = report.verdict;
        self.refusals = if verdict == Verdict::Auth { self.refusals.saturating_add(1) } else { 0 };
        match verdict.severity() {
            Severity::Ok => {
                (self.failures, self.warnings, self.first_bad) = (0, 0, None);
                self.go(camera, State::Up, report.at)
            }
            Severity::Warning => {
                self.remember_first(self.warnings == 0, report, seen);
                (self.failures, self.warnings) = (0, self.warnings.saturating_add(1));
                // A living picture ends `down` at once; a passing warning neither ends `up` nor hinders it.
                let ends_down = matches!(self.state, State::Down | State::Degraded);
                if self.warnings >= alarm.failures && !ends_down {
                    self.go(camera, State::Degraded, self.first_bad_at(report))
                } else if ends_down {
                    self.go(camera, State::Degraded, report.at)
                } else {
                    self.go(camera, State::Up, report.at)
                }
            }
            Severity::Fault => {
                self.remember_first(self.failures == 0, report, seen);
                (self.failures, self.warnings) = (self.failures.saturating_add(1), 0);
                // A password does not come right by asking again.
                let enough = if verdict == Verdict::Auth { 1 } else { alarm.failures };
                if self.failures >= enough {
                    self.go(camera, State::Down, self.first_bad_at(report))
                } else {
                    Step::default()
                }
            }
            Severity::Unknown => {
                (self.failures, self.warnings, self.first_bad) = (0, 0, None);
                self.set(State::Unknown, report.at)
            }
        }
    }

    /// Nobody looks from now on: pausing ends an incident, since nobody claims that it lasts.
    pub fn pause(&mut self, at: Timestamp) -> Step {
        self.leave(State::Paused, at)
    }

    /// Looking begins again.
    pub fn resume(&mut self, at: Timestamp) -> Step {
        self.leave(State::Unknown, at)
    }

    /// The camera is gone from the configuration, or is another one now.
    pub fn leave(&mut self, to: State, at: Timestamp) -> Step {
        (self.failures, self.refusals, self.warnings, self.first_bad) = (0, 0, 0, None);
        let closed = self.close(at);
        Step { closed, ..self.set(to, at) }
    }

    /// How long to wait for the next check where it should not wait for its regular time.
    pub fn next_wait(&self, alarm: &Alarm, heartbeat: Duration) -> Option<Duration> {
        if self.refusals > 0 {
            let doubled = AUTH_FIRST.saturating_mul(1 << (self.refusals - 1).min(8));
            return Some(doubled.min(AUTH_MOST).max(heartbeat));
        }
        let in_doubt = self.failures > 0 && self.failures < alarm.failures;
        in_doubt.then(|| RECHECKS[(self.failures as usize - 1).min(RECHECKS.len() - 1)].min(heartbeat))
    }

    fn remember_first(&mut self, first: bool, report: &Report, seen: Seen) {
        if first || self.first_bad.is_none() {
            let Seen { good_before: good, bad } = seen;
            let evidence = Evidence { answer: report.answer.clone(), good, bad };
            let (at, verdict, message) = (report.at, report.verdict, report.message.clone());
            self.first_bad = Some(FirstBad { at, verdict, message, evidence });
        } else if let Some(FirstBad { evidence, verdict, .. }) = &mut self.first_bad
            && *verdict == report.verdict
        {
            // The first check of a run may have made no picture: the next one's shows it as well.
            evidence.bad = evidence.bad.take().or(seen.bad);
            evidence.answer = evidence.answer.take().or_else(|| report.answer.clone());
        }
    }

    fn first_bad_at(&self, report: &Report) -> Timestamp {
        self.first_bad.as_ref().map_or(report.at, |first| first.at)
    }

    /// Changes the state and closes and opens incidents to fit. `at` may lie a few checks back.
    fn go(&mut self, camera: &str, to: State, at: Timestamp) -> Step {
        // A resumed incident of the same kind goes on.
        let goes_on = self.incident.as_ref().is_some_and(|i| i.state == to);
        if self.state == to && (goes_on || to == State::Up) {
            return Step::default();
        }
        let closed = if goes_on { None } else { self.close(at) };
        let mut step = Step { closed, ..self.set(to, at) };
        if !goes_on
            && matches!(to, State::Down | State::Degraded)
            && let Some(first) = &self.first_bad
        {
            let incident = Arc::new(Incident {
                id: self.ids.next(at),
                camera: camera.to_owned(),
                state: to,
                verdict: first.verdict,
                message: first.message.clone(),
                from: at,
                to: None,
                evidence: (first.evidence != Evidence::default()).then(|| Arc::new(first.evidence.clone())),
            });
            self.incident = Some(incident.clone());
            step.opened = Some(incident);
        }
        step
    }

    fn close(&mut self, at: Timestamp) -> Option<Arc<Incident>> {
        let open = self.incident.take()?;
        // Its evidence was told as it opened.
        Some(Arc::new(Incident { to: Some(at.max(open.from)), evidence: None, ..(*open).clone() }))
    }

    fn set(&mut self, to: State, at: Timestamp) -> Step {
        if self.state == to {
            return Step::default();
        }
        // `at` may lie before the present state began where a run of faults began in another state.
        self.since = at.max(self.since);
        self.reaches_back = self.before.take().filter(|(state, _)| *state == to).map(|(_, since)| since);
        Step { from: Some(std::mem::replace(&mut self.state, to)), ..Step::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn report(second: i64, verdict: Verdict) -> Report {
        Report {
            at: at(second),
            verdict,
            message: verdict.row().title.into(),
            rungs: Vec::new(),
            ms: 1.0,
            first_packet_ms: None,
            first_frame_ms: None,
            stream: Default::default(),
            answer: None,
            decoded: true,
        }
    }

    fn play(standing: &mut Standing, verdicts: &[(i64, Verdict)]) -> Vec<Step> {
        let alarm = Alarm::default();
        verdicts.iter().map(|(s, v)| standing.apply("cam", &report(*s, *v), &alarm, Seen::default())).collect()
    }

    #[test]
    fn a_state_reaches_back_over_a_restart_where_the_camera_is_what_it_was() {
        let known = |before| Standing::unknown(at(0), None, IncidentIds::default()).after(Some((before, at(-500))));
        let mut standing = known(State::Up);
        assert_eq!(standing.shown_since(), at(0), "nobody knows yet");
        play(&mut standing, &[(5, Verdict::Ok)]);
        assert_eq!((standing.shown_since(), standing.since), (at(-500), at(5)), "events keep the check's time");
        play(&mut standing, &[(20, Verdict::Timeout), (21, Verdict::Timeout), (35, Verdict::Ok)]);
        assert_eq!(standing.shown_since(), at(35), "once");
        let mut standing = known(State::Down);
        play(&mut standing, &[(5, Verdict::Ok)]);
        assert_eq!(standing.shown_since(), at(5), "it came back while nobody looked");
    }

    #[test]
    fn an_incident_shows_what_went_before_it_and_its_first_bad_answer() {
        let picture = |name: &'static str| {
            let jpeg = bytes::Bytes::from_static(name.as_bytes());
            Some(Arc::new(Thumbnail { jpeg, at: at(0), width: 1, height: 1, etag: 0 }))
        };
        let mut standing = Standing::unknown(at(0), None, IncidentIds::default());
        let alarm = Alarm::default();
        let mut apply = |second, verdict, answer: Option<&str>, good, bad: Option<&'static str>| {
            let report = Report { answer: answer.map(Arc::from), ..report(second, verdict) };
            let seen = Seen { good_before: picture(good), bad: bad.and_then(picture) };
            standing.apply("cam", &report, &alarm, seen).opened
        };
        apply(0, Verdict::Black, None, "before", None);
        let opened = apply(1, Verdict::Black, None, "later", Some("bad")).unwrap();
        let evidence = Evidence { answer: None, good: picture("before"), bad: picture("bad") };
        assert_eq!(opened.evidence.as_deref(), Some(&evidence));
        apply(2, Verdict::Ok, None, "now", None);
        apply(3, Verdict::NotFound, Some("404"), "now", None);
        let opened = apply(4, Verdict::Busy, Some("503"), "later", None).unwrap();
        let evidence = Evidence { answer: Some("404".into()), good: picture("now"), bad: None };
        assert_eq!(opened.evidence.as_deref(), Some(&evidence));
    }

    #[test]
    fn a_camera_is_down_after_two_failures_counted_from_the_first_and_up_after_one_success() {
        let mut standing = Standing::unknown(at(0), None, IncidentIds::default());
        let steps =
            play(&mut standing, &[(0, Verdict::Ok), (15, Verdict::Timeout), (16, Verdict::Timeout), (30, Verdict::Ok)]);
        assert_eq!(steps[1], Step::default());
        let opened = steps[2].opened.as_ref().unwrap();
        assert_eq!((opened.from, opened.to, opened.verdict), (at(15), None, Verdict::Timeout));
        let closed = steps[3].closed.as_ref().unwrap();
        assert_eq!((closed.id, closed.from, closed.to), (opened.id, at(15), Some(at(30))));
        assert_eq!((standing.state, standing.since), (State::Up, at(30)));
    }

    #[test]
    fn a_failed_check_is_repeated_quickly_before_the_camera_is_called_down() {
        let mut standing = Standing::unknown(at(0), None, IncidentIds::default());
        let alarm = Alarm { failures: 4, ..Alarm::default() };
        let heartbeat = Duration::from_secs(15);
        let mut waits = Vec::new();
        for second in 0..4 {
            standing.apply("cam", &report(second, Verdict::NoMedia), &alarm, Seen::default());
            waits.push(standing.next_wait(&alarm, heartbeat).map(|w| w.as_secs()));
        }
        assert_eq!(waits, [Some(1), Some(2), Some(4), None]);
        assert_eq!(standing.state, State::Down);
    }

    #[test]
    fn a_wrong_password_is_down_at_once_and_not_retried_fast() {
        let mut standing = Standing::unknown(at(0), None, IncidentIds::default());
        let alarm = Alarm::default();
        let mut waits = Vec::new();
        for n in 0..6 {
            standing.apply("cam", &report(n * 60, Verdict::Auth), &alarm, Seen::default());
            waits.push(standing.next_wait(&alarm, Duration::from_secs(15)).unwrap().as_secs());
        }
        assert_eq!(standing.state, State::Down);
        assert_eq!(waits, [60, 120, 240, 480, 900, 900]);
        standing.apply("cam", &report(999, Verdict::Ok), &alarm, Seen::default());
        assert_eq!(standing.next_wait(&alarm, Duration::from_secs(15)), None);
    }

    #[test]
    fn a_blind_box_raises_no_alarm_and_keeps_the_incident_open() {
        let mut standing = Standing::unknown(at(0), None, IncidentIds::default());
        let steps = play(
            &mut standing,
            &[
                (0, Verdict::Frozen),
                (1, Verdict::Frozen),
                (15, Verdict::Blind),
                (30, Verdict::Frozen),
                (31, Verdict::Frozen),
                (45, Verdict::Ok),
            ],
        );
        assert_eq!(steps[2], Step { from: Some(State::Down), ..Step::default() });
        assert!(steps[4].opened.is_none(), "the same incident goes on");
        assert_eq!(steps[5].closed.as_ref().unwrap().from, at(0));
    }

    #[test]
    fn a_warning_degrades_only_when_it_stays_and_ends_down_at_once() {
        let mut standing = Standing::unknown(at(0), None, IncidentIds::default());
        play(&mut standing, &[(0, Verdict::Ok), (15, Verdict::Slow), (30, Verdict::Ok)]);
        assert_eq!(standing.state, State::Up);
        let steps = play(&mut standing, &[(45, Verdict::Slow), (60, Verdict::Slow)]);
        assert_eq!(steps[1].opened.as_ref().unwrap().from, at(45));
        let steps = play(&mut standing, &[(75, Verdict::Black), (76, Verdict::Black), (90, Verdict::Slow)]);
        assert_eq!(steps[1].closed.as_ref().unwrap().state, State::Degraded);
        assert_eq!(steps[1].opened.as_ref().unwrap().from, at(75));
        assert_eq!(steps[2].closed.as_ref().unwrap().to, Some(at(90)));
        assert_eq!((standing.state, standing.since), (State::Degraded, at(90)));
    }

    #[test]
    fn an_incident_that_was_open_when_the_power_went_goes_on_or_is_closed() {
        let before = Incident {
            id: 7,
            camera: "cam".into(),
            state: State::Down,
            verdict: Verdict::Refused,
            message: String::new(),
            from: at(-500),
            to: None,
            evidence: None,
        };
        let mut standing = Standing::unknown(at(0), Some(before.clone()), IncidentIds::default());
        let steps = play(&mut standing, &[(0, Verdict::Refused), (1, Verdict::Refused), (15, Verdict::Ok)]);
        assert_eq!((steps[1].opened.as_ref(), steps[1].from), (None, Some(State::Unknown)));
        assert_eq!(steps[2].closed.as_ref().map(|i| (i.id, i.to)), Some((7, Some(at(15)))));
        let mut standing = Standing::unknown(at(0), Some(before), IncidentIds::default());
        let steps = play(&mut standing, &[(0, Verdict::Ok)]);
        assert_eq!(steps[0].closed.as_ref().map(|i| (i.id, i.to)), Some((7, Some(at(0)))));
    }
}
