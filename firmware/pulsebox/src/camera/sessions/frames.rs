//! The last frames of one upstream, within bounds, for all its viewers.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::Limits;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::camera::Frame;

/// How long a frame is taken to last before its camera has shown its rate.
const FIRST_LASTS: Duration = Duration::from_millis(40);
/// A step of the camera's clock that differs from ours by more than this is a leap.
const LEAP: Duration = Duration::from_secs(2);
/// Frames may come this much earlier in all than the camera's clock says: some send what they have in hand first.
const AHEAD: Duration = Duration::from_secs(10);
/// No two frames are closer than this.
const CLOSEST: Duration = Duration::from_millis(1);

/// A frame as viewers get it: numbered, and on a clock that neither leaps nor stands still.
pub struct LiveFrame {
    /// As the camera sent it.
    pub frame: Frame,
    /// Counted from 0 by upstream; a gap is what a viewer missed.
    pub number: u64,
    /// Since the upstream's first frame. Grows with each frame, by the camera's clock where that is sane, else by
    /// ours. Frames that a camera sends in another order than it shows them (B-frames) are not put in order.
    pub time: Duration,
    /// How long the frame before it lasted: the best guess at once.
    pub lasts: Duration,
    /// Held by the viewer for whom something is made of it at length.
    pub(crate) making: Semaphore,
    made: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl fmt::Debug for LiveFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveFrame")
            .field("number", &self.number)
            .field("key", &self.frame.key)
            .field("time", &self.time)
            .field("bytes", &self.frame.data.len())
            .finish_non_exhaustive()
    }
}

impl LiveFrame {
    /// The only one of its upstream.
    #[cfg(test)]
    pub(crate) fn alone(frame: Frame) -> Arc<Self> {
        let mut frames = Frames::default();
        frames.push(frame, &Limits::default());
        frames.window.swap_remove_back(0).expect("it was pushed")
    }

    /// Whether something has been made of it.
    pub fn is_made(&self) -> bool {
        self.made.get().is_some()
    }

    /// What is made of this frame for all viewers, made by the first who asks: the fMP4 of room `live`. None
    /// where another type was made of it.
    pub fn once<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Option<Arc<T>> {
        self.made.get_or_init(|| Arc::new(make())).clone().downcast().ok()
    }
}

/// A window over the stream.
#[derive(Default)]
pub(super) struct Frames {
    window: VecDeque<Arc<LiveFrame>>,
    bytes: usize,
    /// When the first frame came.
    begun: Option<Instant>,
    /// The number of the next frame to come.
    pub next: u64,
    /// The last key frame's number, if it is still in the window.
    last_key: Option<u64>,
    /// The last key frame, also when it has left the window.
    newest_key: Option<Arc<LiveFrame>>,
}

impl Frames {
    pub fn push(&mut self, frame: Frame, limits: &Limits) {
        let (time, lasts) = self.time_of(&frame);
        let number = self.next;
        self.next += 1;
        self.bytes += frame.data.len();
        if frame.key {
            self.last_key = Some(number);
        }
        let live = Arc::new(LiveFrame { frame, number, time, lasts, making: Semaphore::new(1), made: OnceLock::new() });
        if live.frame.key {
            self.newest_key = Some(live.clone());
        }
        self.window.push_back(live);
        while self.has_too_much(limits) {
            let Some(gone) = self.window.pop_front() else { break };
            self.bytes -= gone.frame.data.len();
            if self.last_key == Some(gone.number) {
                self.last_key = None;
            }
        }
    }

    /// By the camera's clock, which paces frames better than their arrival, as long as it keeps in step with ours.
    fn time_of(&mut self, frame: &Frame) -> (Duration, Duration) {
        let begun = *self.begun.get_or_insert(frame.arrived);
        let Some(before) = self.window.back() else { return (Duration::ZERO, FIRST_LASTS) };
        let ours = frame.arrived.saturating_duration_since(before.frame.arrived);
        let passed = frame.arrived.saturating_duration_since(begun);
        let step = match frame.at.checked_sub(before.frame.at) {
            Some(theirs) if !theirs.is_zero() && theirs < ours + LEAP => {
                let time = before.time + theirs;
                if time + LEAP < passed {
                    theirs.max(ours)
                } else if passed + AHEAD < time {
                    theirs.min(ours)
                } else {
                    theirs
                }
            }
            _ => ours,
        };
        let step = step.max(CLOSEST);
        (before.time + step, step)
    }

    fn has_too_much(&self, limits: &Limits) -> bool {
        let (Some(oldest), Some(newest)) = (self.window.front(), self.window.back()) else { return false };
        if oldest.number == newest.number {
            return false;
        }
        let age = newest.frame.arrived.saturating_duration_since(oldest.frame.arrived);
        let is_before_gop = self.last_key.is_some_and(|key| oldest.number < key);
        self.window.len() > limits.frames
            || self.bytes > limits.bytes
            || age > limits.age
            || (is_before_gop && age > limits.lag)
    }

    pub fn clear(&mut self) {
        (self.window, self.bytes, self.last_key, self.newest_key) = (VecDeque::new(), 0, None, None);
    }

    pub fn get(&self, number: u64) -> Option<&Arc<LiveFrame>> {
        let first = self.window.front()?.number;
        self.window.get(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    /// The last key frame, if a viewer can begin at it: all frames since are in the window.
    pub fn last_key(&self) -> Option<&Arc<LiveFrame>> {
        self.get(self.last_key?)
    }

    /// The last key frame, however old: what is sent looks like it, but nobody can begin at it.
    pub fn newest_key(&self) -> Option<&Arc<LiveFrame>> {
        self.newest_key.as_ref()
    }

    /// Whether a viewer at `number` has fallen out of the window: what is before the last key frame stays only for
    /// the `lag`.
    pub fn is_gone(&self, number: u64) -> bool {
        number < self.next && self.get(number).is_none()
    }

    /// Frames and kilobits a second over the window.
    pub fn rates(&self) -> Option<(f32, u32)> {
        let (first, last) = (self.window.front()?, self.window.back()?);
        let span = (last.time - first.time).as_secs_f64();
        let steps = self.window.len().checked_sub(1).filter(|steps| *steps > 0 && span > 0.001)?;
        let bits = (self.bytes - last.frame.data.len()) as f64 * 8.0;
        Some(((steps as f64 / span) as f32, (bits / 1000.0 / span).round() as u32))
    }

    pub fn gop_frames(&self) -> usize {
        self.last_key.map_or(0, |key| usize::try_from(self.next - key).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::Codec;

    /// Frames by arrival, camera's time (ms), key and size; gives what is kept.
    fn pushed(limits: &Limits, frames: impl IntoIterator<Item = (u64, u64, bool, usize)>) -> Frames {
        let start = Instant::now();
        let mut kept = Frames::default();
        for (arrived, at, key, size) in frames {
            let (at, arrived) = (Duration::from_millis(at), start + Duration::from_millis(arrived));
            let frame = Frame { codec: Codec::H264, key, data: vec![0; size].into(), raw: None, at, arrived };
            kept.push(frame, limits);
        }
        kept
    }

    fn times(kept: &Frames) -> Vec<u128> {
        kept.window.iter().map(|frame| frame.time.as_millis()).collect()
    }

    #[test]
    fn frames_are_paced_by_the_cameras_clock_not_by_their_arrival() {
        let kept = pushed(&Limits::default(), [(0, 900, true, 1), (70, 940, false, 1), (71, 980, false, 1)]);
        assert_eq!(times(&kept), [0, 40, 80]);
        assert_eq!(kept.window[2].lasts, Duration::from_millis(40));
    }

    #[test]
    fn a_clock_that_leaps_either_way_or_stands_still_is_bridged_by_ours() {
        for leap in [3_600_000, 0, 1040] {
            let kept = pushed(&Limits::default(), [(0, 1000, true, 1), (40, 1040, false, 1), (85, leap, false, 1)]);
            assert_eq!(times(&kept), [0, 40, 85], "{leap}");
        }
    }

    #[test]
    fn a_clock_that_runs_at_another_speed_never_gets_away_from_ours() {
        // One that creeps, and one of half the speed; each for a minute.
        for slower in [40, 2] {
            let kept = pushed(&Limits::default(), (0..1500).map(|n| (n * 40, n * 40 / slower, n % 25 == 0, 1)));
            let last = kept.window.back().unwrap();
            let behind = Duration::from_millis(1499 * 40).abs_diff(last.time);
            assert!(behind < LEAP + Duration::from_millis(100), "{slower}: {behind:?}");
        }
        let kept = pushed(&Limits::default(), (0..1500).map(|n| (n * 40, n * 80, n % 25 == 0, 1)));
        let ahead = kept.window.back().unwrap().time - Duration::from_millis(1499 * 40);
        assert!(ahead < AHEAD + Duration::from_millis(100), "{ahead:?}");
    }

    #[test]
    fn the_window_holds_the_last_gop_and_little_more() {
        let limits = Limits { lag: Duration::from_secs(1), ..Limits::default() };
        let kept = pushed(&limits, (0..200).map(|n| (n * 40, n * 40, n % 50 == 0, 10)));
        assert_eq!((kept.last_key().unwrap().number, kept.gop_frames()), (150, 50));
        let oldest = kept.window.front().unwrap().number;
        assert_eq!((oldest, kept.bytes), (150, 500), "the frames before the key frame are older than the lag");
    }

    #[test]
    fn the_window_is_bounded_whatever_the_camera_sends() {
        let limits = Limits { frames: 20, bytes: 1000, ..Limits::default() };
        // Never a second key frame; then frames as large as the bound.
        let kept = pushed(&limits, (0..100).map(|n| (n, n, n == 0, 1)));
        assert_eq!((kept.window.len(), kept.last_key().is_none()), (20, true));
        let kept = pushed(&limits, (0..10).map(|n| (n, n, true, 1500)));
        assert_eq!((kept.window.len(), kept.bytes, kept.last_key().unwrap().number), (1, 1500, 9));
        // Very slow: the newest stays.
        let kept = pushed(&limits, (0..3).map(|n| (n * 60_000, n * 60_000, true, 1)));
        assert_eq!(kept.window.len(), 1);
    }

    #[test]
    fn who_falls_out_of_the_window_without_a_key_frame_waits_for_one() {
        let limits = Limits { frames: 5, ..Limits::default() };
        let mut kept = pushed(&limits, (0..20).map(|n| (n, n, n == 0, 1)));
        assert_eq!([3, 16, 20].map(|number| kept.is_gone(number)), [true, false, false]);
        assert!(kept.last_key().is_none());
        kept.push(Frame { key: true, ..kept.window[0].frame.clone() }, &limits);
        assert_eq!(kept.last_key().map(|key| key.number), Some(20));
    }
}
