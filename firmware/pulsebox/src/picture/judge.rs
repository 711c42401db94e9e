//! Judges what was seen over the checks of one camera: black, frozen, covered, in this order.

use super::looks::Fingerprint;
use super::{Decoded, Looked, Looks};
use crate::camera::Verdict;
use crate::config::Alarm;

/// A picture is black when this share of it is dark; the rest is left to a clock overlay.
const BLACK_SHARE: f32 = 0.98;

/// A dark picture with at least this much detail ([`Looks::detail`], luma levels) is a night scene.
const NIGHT_DETAIL: f32 = 4.0;

/// A patch whose luma differs by more than this on average, levels, shows something else. Measured:
/// `docs/pictures.md`, "Frozen".
const PATCH_DIFFERS: f32 = 1.0;

/// What the last checks of one camera saw: at most one fingerprint, about 25 kB.
#[derive(Debug, Default)]
pub struct Memory {
    streak: Option<Streak>,
}

/// The same picture, seen at `checks` checks in a row.
#[derive(Debug)]
struct Streak {
    first: First,
    checks: u32,
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
    pub fn judge(&mut self, looked: &Looked, alarm: &Alarm) -> Option<(Verdict, String)> {
        // Frozen is counted at every check, also while another verdict is given.
        let frozen = self.frozen(looked, alarm);
        let Looked::Decoded(Decoded { looks, .. }) = looked else { return frozen };
        black(looks, alarm).or(frozen).or_else(|| covered(looks, alarm))
    }

    /// Forgets all pictures: after a pause, a change of the camera's settings, or a fault.
    pub fn forget(&mut self) {
        self.streak = None;
    }

    fn frozen(&mut self, looked: &Looked, alarm: &Alarm) -> Option<(Verdict, String)> {
        if alarm.frozen_checks == 0 {
            self.forget();
            return None;
        }
        let differs = self.streak.as_ref().and_then(|streak| streak.first.differs(looked));
        match (&mut self.streak, differs) {
            (Some(streak), Some(percent)) if percent <= alarm.frozen_area_percent => {
                streak.checks = streak.checks.saturating_add(1);
                (streak.checks >= alarm.frozen_checks).then(|| (Verdict::Frozen, frozen_detail(streak.checks, percent)))
            }
            (streak, _) => {
                *streak = Some(Streak { first: First::of(looked), checks: 1 });
                None
            }
        }
    }
}

impl First {
    fn of(looked: &Looked) -> Self {
        match looked {
            Looked::Decoded(decoded) => First::Picture(decoded.looks.print().clone()),
            Looked::Structure(structure) => First::Print(structure.print),
        }
    }

    /// How much of the picture's area differs, percent; none for what cannot be compared.
    fn differs(&self, looked: &Looked) -> Option<f32> {
        match (self, looked) {
            (First::Picture(first), Looked::Decoded(decoded)) => {
                let (mut all, mut different) = (0_u32, 0_u32);
                for difference in first.differences(decoded.looks.print())? {
                    all += 1;
                    different += u32::from(difference > PATCH_DIFFERS);
                }
                Some(different as f32 * 100.0 / all.max(1) as f32)
            }
            (First::Print(first), Looked::Structure(structure)) => (*first == structure.print).then_some(0.0),
            _ => None,
        }
    }
}

fn frozen_detail(checks: u32, percent: f32) -> String {
    if percent == 0.0 {
        format!("the same picture at {checks} checks in a row")
    } else {
        format!("the same picture at {checks} checks in a row; only {percent:.1} % of it differs from the first")
    }
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
