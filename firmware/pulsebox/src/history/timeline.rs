//! Which time a row gets: the wall clock's, held so that it never runs backwards past the newest row.
//!
//! A Pi has no clock of its own. Until it is set, a boot may start in 1970 or some minutes in the past.
//! So time is told in runs: stretches under one steady clock. A step of the clock ends the run and begins
//! another. A run that would begin before the newest row begins right after it instead and goes on from
//! there; when the true time is known, the provisional runs of this process are moved
//! ([`super::History::clock_trusted`]).
//!
//! Only readings of the clock move time on. What an event says of its own time is believed between the
//! run's begin and now, and never moves anything.

use jiff::Timestamp;

use crate::clock::{Clock, Trust};

/// A wall clock that moves against the monotonic one by more than this was set, and did not just drift.
const STEP_MS: i64 = 2_000;

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
    /// Time synchronisation vouched for the clock.
    synchronised: bool,
    /// Wall minus monotonic, ms, as last seen.
    offset: i64,
    /// Added to the wall time.
    shift: i64,
    /// The newest time given.
    newest: i64,
}

impl Timeline {
    pub fn start(clock: Clock, trust: Trust) -> Self {
        let (now, monotonic) = (clock.now().as_millisecond(), clock.monotonic_ms());
        let trusted = trust != Trust::Provisional;
        let run = Run { began: now, until: None, monotonic, boot: boot_id(), trusted };
        let synchronised = trust == Trust::Synchronised;
        Self { clock, run, synchronised, offset: now - monotonic, shift: 0, newest: now }
    }

    /// The time a row of this moment gets, Unix ms.
    pub fn now(&mut self) -> i64 {
        self.newest = self.present();
        self.newest
    }

    /// The time of something that happened at `at` by the wall clock: in this run, and not in the future.
    pub fn stamp(&mut self, at: Timestamp) -> i64 {
        let now = self.now();
        at.as_millisecond().saturating_add(self.shift).clamp(self.run.began.min(now), now)
    }

    /// The present for readers: never before the newest row.
    pub fn present(&self) -> i64 {
        self.clock.now().as_millisecond().saturating_add(self.shift).max(self.newest)
    }

    /// A row reaches to `at`, so nothing later may be dated before it.
    pub fn reached(&mut self, at: i64) {
        self.newest = self.newest.max(at);
    }

    /// The wall clock, unshifted, if time synchronisation vouches for it, Unix ms.
    pub fn synchronised_now(&self) -> Option<i64> {
        self.synchronised.then(|| self.clock.now().as_millisecond())
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
        let monotonic = self.clock.monotonic_ms();
        let ended_at = (monotonic + self.offset + self.shift).max(self.newest);
        if self.synchronised && moved < 0 {
            // A clock that is vouched for went back: this run was ahead of the true time. It waits, marked,
            // until the clock is vouched for again, and then moves to where it belongs.
            self.synchronised = false;
            self.run.trusted = false;
        }
        let ended = Run { until: Some(ended_at), ..self.run.clone() };
        self.begin(ended_at, monotonic, self.run.trusted);
        Some(ended)
    }

    /// Begins a run at the wall clock's time, or at `floor` where the clock is behind it: then it goes on
    /// from there, shifted.
    fn begin(&mut self, floor: i64, monotonic: i64, trusted: bool) {
        let wall = self.clock.now().as_millisecond();
        self.offset = wall - monotonic;
        // Runs are known by their begin, so no two may share it.
        let behind = (floor.max(self.run.began + 1) - wall).max(0);
        // A moment's difference is waited for; time stands still until then.
        self.shift = if behind > STEP_MS { behind } else { 0 };
        self.newest = wall + behind;
        self.run = Run { began: self.newest, until: None, monotonic, boot: self.run.boot.clone(), trusted };
    }

    /// Moves the run and all that it will date by `by` ms, later.
    pub fn shift_by(&mut self, by: i64) {
        self.run.began += by;
        self.newest += by;
        if by > STEP_MS {
            self.shift += by;
        }
    }

    /// The run turned out to lie `by` ms later (or earlier): ends it at its true end, and begins a trusted
    /// one at the true time, which the clock now tells.
    pub fn become_true(&mut self, by: i64) -> Run {
        let monotonic = self.clock.monotonic_ms();
        self.run.began += by;
        let ended_at = self.run.began + (monotonic - self.run.monotonic);
        let ended = Run { until: Some(ended_at), trusted: true, ..self.run.clone() };
        self.begin(ended_at, monotonic, true);
        ended
    }

    /// Time synchronisation vouches for the clock from here on.
    pub fn vouched_for(&mut self) {
        self.synchronised = true;
    }
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map_or_else(|_| "unknown".into(), |id| id.trim().into())
}
