//! What one lamp does: levels, each for a while, again and again. A function of the time since its begin and of
//! nothing else, so that it cannot drift and whoever comes late knows what is due now.

use std::time::Duration;

/// From this level on, percent, a lamp that cannot be dimmed is on.
pub const ON_FROM: u8 = 50;

/// A pattern of one lamp, without end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Level in percent, and milliseconds. No two neighbours are alike, and none lasts 0 ms.
    steps: Vec<(u8, u32)>,
    period: Duration,
}

impl Pattern {
    /// Levels in percent, each with its time in milliseconds; the whole repeats. Nothing at all is dark.
    pub fn new(steps: impl IntoIterator<Item = (u8, u32)>) -> Self {
        let mut joined: Vec<(u8, u32)> = Vec::new();
        for (level, ms) in steps.into_iter().filter(|(_, ms)| *ms > 0) {
            match joined.last_mut() {
                Some((last, lasts)) if *last == level => *lasts = lasts.saturating_add(ms),
                _ => joined.push((level, ms)),
            }
        }
        let period = Duration::from_millis(joined.iter().map(|(_, ms)| u64::from(*ms)).sum());
        Self { steps: joined, period }
    }

    /// One level for ever, percent.
    pub fn steady(level: u8) -> Self {
        Self::new([(level, 1)])
    }

    /// The same for a lamp that is on or off: 100 from [`ON_FROM`] on, else 0.
    pub fn switched(&self) -> Self {
        Self::new(self.steps.iter().map(|(level, ms)| (if *level >= ON_FROM { 100 } else { 0 }, *ms)))
    }

    /// Levels in percent and their milliseconds, in order.
    pub fn steps(&self) -> &[(u8, u32)] {
        &self.steps
    }

    /// After this it begins anew.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// The level in percent at this time after the begin, and when after the begin it changes; none where it never
    /// does.
    pub fn at(&self, since: Duration) -> (u8, Option<Duration>) {
        let first = self.steps.first().map_or(0, |(level, _)| *level);
        if self.steps.len() < 2 {
            return (first, None);
        }
        // A quotient that does not fit is of a time that no lamp lives to see.
        let rounds = u32::try_from(since.as_nanos() / self.period.as_nanos()).unwrap_or(u32::MAX);
        let begun = self.period.saturating_mul(rounds);
        let mut ends = begun;
        for (level, ms) in &self.steps {
            ends += Duration::from_millis(u64::from(*ms));
            if ends > since {
                return (*level, Some(ends));
            }
        }
        (first, Some(ends))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn levels_follow_one_another_and_begin_anew() {
        let pattern = Pattern::new([(100, 250), (0, 350)]);
        assert_eq!(pattern.at(ms(0)), (100, Some(ms(250))));
        assert_eq!(pattern.at(ms(249)), (100, Some(ms(250))));
        assert_eq!(pattern.at(ms(250)), (0, Some(ms(600))));
        assert_eq!(pattern.at(ms(600)), (100, Some(ms(850))));
        assert_eq!(pattern.at(ms(6_000_000_100)), (100, Some(ms(6_000_000_250))), "after ten weeks");
    }

    #[test]
    fn what_does_not_change_has_no_edge() {
        for pattern in [Pattern::steady(100), Pattern::new([(40, 10), (40, 20)]), Pattern::new([])] {
            assert_eq!(pattern.at(ms(12_345)).1, None, "{pattern:?}");
        }
        assert_eq!(Pattern::new([]).at(ms(1)), (0, None), "nothing is dark");
        assert_eq!(Pattern::new([(100, 5), (0, 0)]), Pattern::new([(100, 5)]));
    }

    #[test]
    fn a_lamp_that_cannot_be_dimmed_changes_only_where_it_is_switched() {
        let breath = Pattern::new([(10, 100), (49, 100), (50, 100), (90, 100), (30, 100)]);
        assert_eq!(breath.switched(), Pattern::new([(0, 200), (100, 200), (0, 100)]));
    }
}
