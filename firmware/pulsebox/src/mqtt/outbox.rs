//! What is due to be sent: names of topics, never messages.
//!
//! A message is made in the moment it is sent. However slow the broker, nothing piles up here but one entry for
//! each topic, and what goes out is always the newest.

use std::collections::BTreeSet;
use std::ops::Bound::{self, Excluded, Included, Unbounded};

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
    /// Nothing more of a camera that is gone, but its state.
    Forget(String),
    /// Nor its state, which tells the next connection what is to be forgotten: once the rest surely is.
    ForgetState(String),
    /// `cam/<id>/frame`.
    Frame(String),
}

/// Where pictures begin in the order.
static FRAMES: Due = Due::Frame(String::new());

/// The set of what is due.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    due: BTreeSet<Due>,
    /// What was taken last in this round.
    last: Option<Due>,
    /// The picture that was taken last.
    last_frame: Option<Due>,
    /// The round has ended, and no picture could go.
    is_frame_late: bool,
}

impl Outbox {
    /// It is due; more than once is once.
    pub fn add(&mut self, due: Due) {
        self.due.insert(due);
    }

    /// They are due.
    pub fn extend(&mut self, due: impl IntoIterator<Item = Due>) {
        self.due.extend(due);
    }

    /// Takes the next one after the last one taken, round and round: whatever is due often holds up nothing else
    /// for longer than one round. One picture ends each round; where none may go then, the first that may goes next.
    pub fn next(&mut self, may_send_frame: bool) -> Option<Due> {
        let others = |from| self.due.range((from, Excluded(&FRAMES))).next();
        let frames = |from| self.due.range((from, Unbounded)).next();
        let rest = others(after(&self.last)).cloned();
        let next_frame = self.last_frame.as_ref().and_then(|last| frames(Excluded(last)));
        let frame = next_frame.or_else(|| frames(Included(&FRAMES))).cloned();
        let (is_round_over, first) = (rest.is_none(), others(Unbounded).cloned());
        let is_frames_turn = frame.is_some() && (is_round_over || self.is_frame_late);
        if is_frames_turn && may_send_frame {
            if is_round_over {
                self.last = None;
            }
            (self.is_frame_late, self.last_frame) = (false, frame.clone());
            let frame = frame?;
            self.due.remove(&frame);
            return Some(frame);
        }
        self.is_frame_late = is_frames_turn;
        let next = rest.or(first)?;
        self.due.remove(&next);
        self.last = Some(next.clone());
        Some(next)
    }

    /// How much is due.
    pub fn len(&self) -> usize {
        self.due.len()
    }
}

fn after(last: &Option<Due>) -> Bound<&Due> {
    last.as_ref().map_or(Unbounded, Excluded)
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
        let order: Vec<Due> = std::iter::from_fn(|| outbox.next(true)).collect();
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
            seen.extend(outbox.next(true));
        }
        assert!(seen.contains(&Due::State("z".into())) && seen.contains(&Due::Frame("z".into())), "{seen:?}");
    }

    #[test]
    fn pictures_take_turns_however_much_else_is_due_and_wait_where_none_may_go() {
        let mut outbox = Outbox::default();
        let mut seen = Vec::new();
        for n in 0..12 {
            for id in ["a", "b", "c"] {
                outbox.add(Due::Frame(id.into()));
            }
            outbox.add(Due::State("a".into()));
            outbox.add(Due::System);
            seen.extend(outbox.next(n % 2 == 0));
        }
        let frames: Vec<&Due> = seen.iter().filter(|due| matches!(due, Due::Frame(_))).collect();
        let turns = ["a", "b", "c"].map(|id| Due::Frame(id.into()));
        assert!(frames.len() >= 3 && frames.iter().zip(turns.iter().cycle()).all(|(is, turn)| *is == turn), "{seen:?}");
        let mut only = Outbox::default();
        only.add(Due::Frame("a".into()));
        assert_eq!((only.next(false), only.len()), (None, 1));
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
