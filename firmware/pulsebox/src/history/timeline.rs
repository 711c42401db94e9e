//! Which time a row gets: the wall clock's, held so that it never runs backwards past the newest row.
//!
//! A Pi has no clock of its own. Until it is set, a boot may start in 1970 or some minutes in the past.
//! So time is told in runs: stretches under one steady clock. A step of the clock ends the run and begins
//! another. A run that would begin before the newest row begins right after it instead; when the true
//! time is known, the provisional runs of this process are moved ([`super::restamp`]).

use jiff::Timestamp;

use crate::clock::Clock;

/// A wall clock that moves against the monotonic one by more than this was set, and did not just drift.
const STEP_MS: i64 = 2_000;
/// A trusted clock set back by less than this is waited for; one set back further is followed at a shift.
const WAITED_FOR_MS: i64 = 3_600_000;

/// A stretch of watching under one steady clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Unix ms.
    pub began: i64,
    /// Unix ms; none while it goes on.
    pub until: Option<i64>,
    /// The monotonic clock at `began`.
    pub monotonic: i64,
    pub boot: String,
    /// False: its times are provisional.
    pub trusted: bool,
}

/// Gives each row its time. In memory, under the owner's lock.
#[derive(Debug)]
pub(super) struct Timeline {
    clock: Clock,
    pub run: Run,
    /// Wall minus monotonic, ms, as last seen.
    offset: i64,
    /// Added to the wall time.
    shift: i64,
    /// The newest time given.
    newest: i64,
}

impl Timeline {
    pub fn start(clock: Clock, trusted: bool) -> Self {
        let (now, monotonic) = (clock.now().as_millisecond(), clock.monotonic_ms());
        let run = Run { began: now, until: None, monotonic, boot: boot_id(), trusted };
        Self { clock, run, offset: now - monotonic, shift: 0, newest: now }
    }

    /// The time a row of this moment gets, Unix ms.
    pub fn now(&mut self) -> i64 {
        self.stamp(self.clock.now())
    }

    /// The time of something that happened at `at` by the wall clock in this run.
    pub fn stamp(&mut self, at: Timestamp) -> i64 {
        let time = at.as_millisecond().saturating_add(self.shift).max(self.run.began);
        self.newest = self.newest.max(time);
        time
    }

    /// The present for readers: never before the newest row.
    pub fn present(&self) -> i64 {
        self.clock.now().as_millisecond().saturating_add(self.shift).max(self.newest)
    }

    /// What is added to the wall clock's time, ms.
    pub fn shift(&self) -> i64 {
        self.shift
    }

    /// Looks whether the clock was set meanwhile. If so, ends the run, begins the next, and returns the
    /// ended one.
    pub fn follow_clock(&mut self) -> Option<Run> {
        let offset = self.clock.now().as_millisecond() - self.clock.monotonic_ms();
        let moved = offset - self.offset;
        if moved.abs() <= STEP_MS {
            self.offset = offset; // drift and slewing
            return None;
        }
        let trusted = self.run.trusted;
        Some(self.begin_next(trusted))
    }

    /// Ends the run now, by its own clock, and begins another at the wall clock's time.
    pub fn begin_next(&mut self, trusted: bool) -> Run {
        let monotonic = self.clock.monotonic_ms();
        let wall = self.clock.now().as_millisecond();
        let ended_at = (monotonic + self.offset + self.shift).max(self.newest);
        let ended = Run { until: Some(ended_at), ..self.run.clone() };
        self.offset = wall - monotonic;
        let back = ended_at - wall;
        self.shift = if back > WAITED_FOR_MS { back } else { 0 };
        self.newest = ended_at.max(self.run.began + 1).max(wall);
        self.run = Run {
            began: (wall + self.shift).max(ended_at).max(self.run.began + 1),
            until: None,
            monotonic,
            boot: self.run.boot.clone(),
            trusted,
        };
        ended
    }

    /// Moves the run so that it begins no earlier than `floor`; returns by how much, ms.
    pub fn not_before(&mut self, floor: i64) -> i64 {
        let by = (floor - self.run.began).max(0);
        self.moved(by);
        // Behind by little under a trusted clock: the rows wait at the floor until the clock has passed it.
        if !(self.run.trusted && by <= WAITED_FOR_MS) {
            self.shift += by;
        }
        by
    }

    /// The run as it is now lies `by` ms later.
    pub fn moved(&mut self, by: i64) {
        self.run.began += by;
        self.newest += by;
    }

    /// The run turned out to lie `by` ms later (or earlier): ends it at its true end, and begins a trusted
    /// one at the true time, which the clock now tells.
    pub fn become_true(&mut self, by: i64) -> Run {
        let monotonic = self.clock.monotonic_ms();
        self.run.began += by;
        let ended_at = self.run.began + (monotonic - self.run.monotonic);
        let ended = Run { until: Some(ended_at), trusted: true, ..self.run.clone() };
        let wall = self.clock.now().as_millisecond();
        self.offset = wall - monotonic;
        self.shift = 0;
        self.newest = ended_at;
        self.run = Run {
            began: wall.max(ended_at).max(self.run.began + 1),
            until: None,
            monotonic,
            trusted: true,
            ..ended.clone()
        };
        ended
    }
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map_or_else(|_| "unknown".into(), |id| id.trim().into())
}
