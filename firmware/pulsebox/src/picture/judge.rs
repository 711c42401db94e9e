//! Judges what was seen over the checks of one camera: black, frozen, covered, in this order.

use std::time::Duration;

use jiff::Timestamp;

use super::looks::{Comparison, Counts, Fingerprint};
use super::{Decoded, Looked, Looks};
use crate::camera::Verdict;
use crate::config::Alarm;

/// A picture is black when this share of it is dark; the rest is left to a clock overlay.
const BLACK_SHARE: f32 = 0.98;

/// A dark picture with at least this much detail ([`Looks::detail`], luma levels) is a night scene.
const NIGHT_DETAIL: f32 = 4.0;

/// A perceptual "same" needs so many structured patches that are the same.
const LEAST_STRUCTURED: u32 = 24;
/// … and so many of them for each structured patch that differs.
const SAME_FOR_EACH_DIFFERENT: u32 = 8;

/// Pictures in a row that cannot be compared with the streak's first, before it is given up.
const INCOMPARABLE: u32 = 4;

/// What is said of a picture that was frozen before the box was started.
const CARRIED: &str = "it was when the box last ran, and no other picture was seen since";

/// What the last checks of one camera saw: at most one fingerprint, about 25 kB.
#[derive(Debug, Default)]
pub struct Memory {
    streak: Option<Streak>,
    /// The picture was frozen when the box last ran, and none was seen since.
    is_carried: bool,
}

/// The same picture, seen at `checks` checks in a row.
#[derive(Debug)]
struct Streak {
    first: First,
    /// When the first was seen.
    since: Timestamp,
    /// Pictures that were the same, the first with them.
    checks: u32,
    /// Pictures since that could not be compared with it.
    incomparable: u32,
    /// The most of the area that differed, percent.
    percent: f32,
    /// The picture was frozen when the box last ran: it is until another is seen.
    is_carried: bool,
}

/// The first picture of a streak. Later ones are compared with it, not with one another, so that a slow
/// change of light ends the streak.
#[derive(Debug)]
enum First {
    Picture(Fingerprint),
    Print(u64),
}

impl Memory {
    /// Judges one look: the first of black, frozen and covered that holds, with a detail for a person
    /// that gives the numbers. None for a living picture. Call it once a check; pictures of different
    /// sizes are never the same picture.
    /// `at` is the time of the check.
    pub fn judge(&mut self, looked: &Looked, alarm: &Alarm, at: Timestamp) -> Option<(Verdict, String)> {
        // Frozen is counted at every check, also while another verdict is given.
        let frozen = self.frozen(looked, alarm, at);
        let Looked::Decoded(Decoded { looks, .. }) = looked else { return frozen };
        black(looks, alarm).or(frozen).or_else(|| covered(looks, alarm))
    }

    /// Judges a picture that an earlier look may have seen too. It is no new sign of a frozen camera, nor of a living
    /// one: what was known of that stands.
    pub fn judge_again(&self, looked: &Looked, alarm: &Alarm, at: Timestamp) -> Option<(Verdict, String)> {
        if self.is_carried && alarm.frozen_checks > 0 {
            return Some((Verdict::Frozen, CARRIED.into()));
        }
        let streak = self.streak.as_ref().filter(|streak| {
            alarm.frozen_checks > 0 && matches!(streak.first.likeness(looked, alarm), Likeness::Same { .. })
        });
        let frozen = streak.and_then(|streak| streak.verdict(alarm, at));
        let Looked::Decoded(Decoded { looks, .. }) = looked else { return frozen };
        black(looks, alarm).or(frozen).or_else(|| covered(looks, alarm))
    }

    /// The picture was frozen when the box last ran. One look cannot tell whether it still is, so it
    /// is taken to be until a second one shows another picture.
    pub fn go_on_frozen(&mut self) {
        self.is_carried = true;
    }

    /// Forgets all pictures: after a pause, a change of the camera's settings, or a fault.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    fn frozen(&mut self, looked: &Looked, alarm: &Alarm, at: Timestamp) -> Option<(Verdict, String)> {
        if alarm.frozen_checks == 0 {
            self.forget();
            return None;
        }
        let likeness = self.streak.as_ref().map_or(Likeness::Other, |streak| streak.first.likeness(looked, alarm));
        match (&mut self.streak, likeness) {
            (Some(streak), Likeness::Same { percent }) => {
                streak.checks = streak.checks.saturating_add(1);
                streak.percent = streak.percent.max(percent);
                streak.incomparable = 0;
            }
            (Some(streak), Likeness::Incomparable) if streak.incomparable < INCOMPARABLE => streak.incomparable += 1,
            (streak, _) => {
                let is_carried = std::mem::take(&mut self.is_carried);
                *streak = Some(Streak { is_carried, ..Streak::begin(looked, at) });
            }
        }
        self.streak.as_ref()?.verdict(alarm, at)
    }
}

/// How a picture is to the streak's first.
enum Likeness {
    /// The same picture, though `percent` of its area differs.
    Same { percent: f32 },
    /// Cannot be said.
    Incomparable,
    /// Another picture.
    Other,
}

impl Streak {
    fn begin(looked: &Looked, since: Timestamp) -> Self {
        let first = match looked {
            Looked::Decoded(decoded) => First::Picture(decoded.looks.print().clone()),
            Looked::Structure(structure) => First::Print(structure.print),
        };
        Self { first, since, checks: 1, incomparable: 0, percent: 0.0, is_carried: false }
    }

    /// Frozen, where it has lasted for long enough.
    fn verdict(&self, alarm: &Alarm, at: Timestamp) -> Option<(Verdict, String)> {
        // Quick re-checks, and a still that is renewed each minute, show the same picture in good health.
        let lasted = Duration::try_from(at.duration_since(self.since)).unwrap_or_default();
        let holds = self.is_carried || self.checks >= alarm.frozen_checks && lasted >= alarm.frozen_for;
        holds.then(|| (Verdict::Frozen, self.detail(lasted)))
    }

    fn detail(&self, lasted: Duration) -> String {
        let Self { checks, percent, .. } = self;
        if self.is_carried {
            CARRIED.into()
        } else if *percent == 0.0 {
            format!("the same picture at {checks} checks over {} s", lasted.as_secs())
        } else {
            format!(
                "the same picture at {checks} checks over {} s; {percent:.1} % of it changes at most",
                lasted.as_secs()
            )
        }
    }
}

impl First {
    fn likeness(&self, looked: &Looked, alarm: &Alarm) -> Likeness {
        match (self, looked) {
            (First::Picture(first), Looked::Decoded(decoded)) => match first.compare(decoded.looks.print()) {
                Comparison::Identical => Likeness::Same { percent: 0.0 },
                Comparison::OtherQuantiser => Likeness::Incomparable,
                Comparison::Patches(counts) if same(counts, alarm) => Likeness::Same { percent: counts.percent() },
                Comparison::Patches(_) | Comparison::OtherSize => Likeness::Other,
            },
            (First::Print(first), Looked::Structure(structure)) if *first == structure.print => {
                Likeness::Same { percent: 0.0 }
            }
            _ => Likeness::Other,
        }
    }
}

fn same(counts: Counts, alarm: &Alarm) -> bool {
    counts.percent() <= alarm.frozen_area_percent
        && counts.structured_same >= LEAST_STRUCTURED.max(SAME_FOR_EACH_DIFFERENT * counts.structured_different)
}

fn black(looks: &Looks, alarm: &Alarm) -> Option<(Verdict, String)> {
    let share = looks.darker_than(alarm.black_luma);
    let holds = alarm.black && share >= BLACK_SHARE && looks.detail() < NIGHT_DETAIL;
    holds.then(|| {
        let detail = format!("{:.1} % of the picture is darker than luma {} of 255", share * 100.0, alarm.black_luma);
        (Verdict::Black, detail)
    })
}

fn covered(looks: &Looks, alarm: &Alarm) -> Option<(Verdict, String)> {
    let holds = alarm.covered && looks.detail() < alarm.covered_detail;
    holds.then(|| {
        let detail = format!("the picture's detail is {:.1}, below {:.1}", looks.detail(), alarm.covered_detail);
        (Verdict::Covered, detail)
    })
}
