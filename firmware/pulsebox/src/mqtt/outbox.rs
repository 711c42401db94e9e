//! What is due to be sent: names of topics, never messages.
//!
//! A message is made in the moment it is sent. However slow the broker, nothing piles up here but one entry for
//! each topic, and what goes out is always the newest.

use std::collections::BTreeSet;
use std::ops::Bound;

/// One topic that is due; a camera's by its id. The order is that of sending after a connection is made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The box as a device.
    BoxDiscovery,
    /// A camera as a device.
    CameraDiscovery(String),
    /// `cam/<id>/state`.
    State(String),
    /// `system`.
    System,
    /// StreamPulse's status.
    Status,
    /// `cam/<id>/attributes`.
    Attributes(String),
    /// `cam/<id>/frame`.
    Frame(String),
}

/// The set of what is due.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    due: BTreeSet<Due>,
    /// What was taken last.
    last: Option<Due>,
}

impl Outbox {
    /// It is due; more than once is once.
    pub fn add(&mut self, due: Due) {
        self.due.insert(due);
    }

    /// Takes the next one after the last one taken, round and round: whatever is due often holds up nothing else
    /// for longer than one round.
    pub fn next(&mut self) -> Option<Due> {
        let after = |last: &Due| self.due.range((Bound::Excluded(last), Bound::Unbounded)).next().cloned();
        let next = self.last.as_ref().and_then(after).or_else(|| self.due.first().cloned())?;
        self.due.remove(&next);
        self.last = Some(next.clone());
        Some(next)
    }

    /// How much is due.
    pub fn len(&self) -> usize {
        self.due.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discovery_goes_first_and_what_is_due_twice_is_sent_once() {
        let mut outbox = Outbox::default();
        for due in [Due::Frame("a".into()), Due::State("a".into()), Due::State("a".into()), Due::BoxDiscovery] {
            outbox.add(due);
        }
        let order: Vec<Due> = std::iter::from_fn(|| outbox.next()).collect();
        assert_eq!(order, [Due::BoxDiscovery, Due::State("a".into()), Due::Frame("a".into())]);
    }

    #[test]
    fn a_camera_that_changes_all_the_time_holds_up_no_other() {
        let mut outbox = Outbox::default();
        outbox.add(Due::State("z".into()));
        outbox.add(Due::Frame("z".into()));
        let mut seen = Vec::new();
        for _ in 0..4 {
            outbox.add(Due::State("a".into()));
            seen.extend(outbox.next());
        }
        assert!(seen.contains(&Due::State("z".into())) && seen.contains(&Due::Frame("z".into())), "{seen:?}");
    }

    #[test]
    fn a_broker_that_takes_nothing_leaves_one_entry_for_each_topic() {
        let mut outbox = Outbox::default();
        for change in 0..10_000 {
            outbox.add(Due::State(format!("cam-{}", change % 200)));
        }
        assert_eq!(outbox.len(), 200);
    }
}
