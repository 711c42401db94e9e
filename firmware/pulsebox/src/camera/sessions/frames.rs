//! The last frames of one upstream, within bounds, for all its viewers.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::Limits;
use crate::camera::Frame;

/// How long a frame is taken to last before its camera has shown its rate.
const FIRST_LASTS: Duration = Duration::from_millis(40);
/// A step of the camera's clock that differs from ours by more than this is a leap.
const LEAP: Duration = Duration::from_secs(2);
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
    /// The number of the next frame to come.
    pub next: u64,
    /// The last key frame's number, if it is still in the window.
    last_key: Option<u64>,
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
        self.window.push_back(Arc::new(LiveFrame { frame, number, time, lasts, made: OnceLock::new() }));
        while self.has_too_much(limits) {
            let Some(gone) = self.window.pop_front() else { break };
            self.bytes -= gone.frame.data.len();
            if self.last_key == Some(gone.number) {
                self.last_key = None;
            }
        }
    }

    fn time_of(&self, frame: &Frame) -> (Duration, Duration) {
        let Some(before) = self.window.back() else { return (Duration::ZERO, FIRST_LASTS) };
        let ours = frame.arrived.saturating_duration_since(before.frame.arrived);
        let step = match frame.at.checked_sub(before.frame.at) {
            Some(theirs) if !theirs.is_zero() && theirs < ours + LEAP => theirs,
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
        (self.window, self.bytes, self.last_key) = (VecDeque::new(), 0, None);
    }

    pub fn get(&self, number: u64) -> Option<&Arc<LiveFrame>> {
        let first = self.window.front()?.number;
        self.window.get(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    pub fn last_key(&self) -> Option<&Arc<LiveFrame>> {
        self.get(self.last_key?)
    }

    /// Where a viewer at `number` should rather go on: it has fallen out of the window, or behind by `lag` with
    /// a key frame to go on at. None: stay. `Some(None)`: wait for a key frame.
    pub fn jump(&self, number: u64, lag: Duration) -> Option<Option<u64>> {
        let key = self.last_key.filter(|key| *key > number);
        let Some(this) = self.get(number) else {
            return (number < self.next).then_some(key);
        };
        let newest = self.window.back()?;
        let behind = newest.frame.arrived.saturating_duration_since(this.frame.arrived);
        (behind > lag && key.is_some()).then_some(key)
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
