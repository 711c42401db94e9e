//! Times in memory move when the clock turns out to have been wrong.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Memory, time};

impl Memory {
    /// The run and all that waits begin no earlier than `floor`, Unix ms.
    pub fn not_before(&mut self, floor: i64) {
        // Ended runs of this process move along: they came before this one.
        let first = self.pending.ended.first().map_or(self.timeline.run.began, |run| run.began);
        let by = (floor - first).max(0);
        if by > 0 {
            self.restamp(|at| at.saturating_add(by));
            self.timeline.shift_by(by);
            self.floor = self.floor.map(|floor| floor.saturating_add(by));
        }
        self.floor = self.floor.max(Some(floor - 1));
    }

    /// The file's newest row before this process turned out to be older than was thought, Unix ms.
    pub fn lower_floor(&mut self, newest: Option<i64>) {
        self.floor = newest;
        if let Some(newest) = newest {
            self.carried_end = self.carried_end.min(newest);
        }
    }

    /// The begin of this process's first provisional run, Unix ms, and the same by the monotonic clock.
    pub fn first_untrusted(&self) -> Option<(i64, i64)> {
        let current = (!self.timeline.run.trusted).then_some(&self.timeline.run);
        self.untrusted.first().or(current).map(|run| (run.began, run.monotonic))
    }

    /// By how much each provisional run must move, given wall minus monotonic time, ms: (began, end,
    /// ms), oldest first. The end of the last is open.
    pub fn true_times(&self, offset: i64) -> Vec<(i64, i64, i64)> {
        let current = self.timeline.run.clone();
        let runs = self.untrusted.iter().chain((!current.trusted).then_some(&current));
        let runs: Vec<(i64, i64)> = runs.map(|run| (run.began, run.monotonic)).collect();
        let Some(&(_, first)) = runs.first() else { return Vec::new() };
        let moved = |(place, &(began, monotonic)): (usize, &(i64, i64))| {
            let end = runs.get(place + 1).map_or(i64::MAX, |next| next.0);
            // Where the true time lies before the newest row, the runs follow it in a row.
            let after = self.floor.map_or(i64::MIN, |floor| floor + 1 + (monotonic - first));
            (began, end, (monotonic + offset).max(after) - began)
        };
        runs.iter().enumerate().map(moved).collect()
    }

    /// Moves memory as the file was moved, and begins a trusted run now.
    pub fn trust(&mut self, moves: &[(i64, i64, i64)]) {
        self.restamp(|at| {
            let by = moves.iter().find(|(began, end, _)| (*began..*end).contains(&at)).map_or(0, |(.., by)| *by);
            at.saturating_add(by)
        });
        self.untrusted.clear();
        self.timeline.vouched_for();
        if let Some(&(began, _, by)) = moves.last()
            && began == self.timeline.run.began
        {
            let ended = self.timeline.become_true(by);
            self.run_ended(ended);
        }
    }

    /// Moves every time in memory that `to` moves.
    fn restamp(&mut self, to: impl Fn(i64) -> i64) {
        let moved = |at: Timestamp| time(to(at.as_millisecond()));
        let pending = Arc::make_mut(&mut self.pending);
        for check in &mut pending.checks {
            (check.at, check.ended) = (to(check.at), to(check.ended));
        }
        for change in &mut pending.states {
            change.began = to(change.began);
        }
        for incident in pending.incidents.iter_mut().chain(self.open.values_mut()) {
            incident.from = moved(incident.from);
            incident.to = incident.to.map(moved);
        }
        for start in pending.starts.iter_mut().chain(&mut self.start) {
            start.at = to(start.at);
        }
        for camera in &mut pending.cameras {
            camera.seen = to(camera.seen);
            camera.removed = camera.removed.map(&to);
        }
        for live in self.live.values_mut() {
            live.state = live.state.map(|(state, began)| (state, to(began)));
        }
        for (began, until) in &mut pending.windows {
            (*began, *until) = (to(*began), to(*until));
        }
        for run in pending.ended.iter_mut().chain(&mut self.untrusted) {
            (run.began, run.until) = (to(run.began), run.until.map(&to));
        }
        self.window_began = to(self.window_began);
    }
}
