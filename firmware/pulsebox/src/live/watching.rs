//! One viewer's stream in the parts that a browser plays.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::Ending;
use super::fmp4::{self, Track};
use crate::camera::sessions::{Item, LiveFrame, Viewer};
use crate::camera::{Codec, Fault, Verdict};

/// Raw pictures of all cameras developed at once: the other cores are for the checks and the page.
static DEVELOPING: Semaphore = Semaphore::const_new(2);

/// What comes next.
#[derive(Clone, Debug)]
pub enum Part {
    /// How to play what follows: at the start, and again where codec, size or parameters change.
    Track(Arc<Track>),
    /// One frame: a segment, or a JPEG. The first behind a track is a key frame.
    Media(Bytes),
    /// The viewer was too slow: so many frames are left out.
    Skipped(u64),
}

/// What is made of a frame once for all viewers.
struct Packed {
    /// Of key frames.
    track: Option<Arc<Track>>,
    media: Bytes,
}

fn pack(live: &LiveFrame) -> Result<Packed, Fault> {
    let track = live.frame.key.then(|| Track::of(&live.frame).map(Arc::new)).transpose()?;
    Ok(Packed { track, media: fmp4::segment(live)? })
}

/// Packs a frame on a thread for such work. None where that broke down.
async fn packed_apart(live: Arc<LiveFrame>) -> Option<Arc<LiveFrame>> {
    // Its other viewers wait for the first of them and take no turn from other cameras.
    let among_viewers = live.making.acquire().await;
    if !live.is_made() {
        let turn = DEVELOPING.acquire().await;
        let developed = live.clone();
        let packed = spawn_blocking(move || {
            developed.once(|| pack(&developed));
            drop(turn);
        });
        packed.await.ok()?;
    }
    drop(among_viewers);
    Some(live)
}

/// A frame that is being packed.
type Packing = Pin<Box<dyn Future<Output = Option<Arc<LiveFrame>>> + Send>>;

/// Somebody who watches. Dropping it leaves.
pub struct Watching {
    viewer: Viewer,
    track: Option<Arc<Track>>,
    /// Outlives a cancelled wait for it.
    packing: Option<Packing>,
    ready: VecDeque<Part>,
}

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watching").field("viewer", &self.viewer).field("track", &self.track).finish_non_exhaustive()
    }
}

impl Watching {
    pub(super) fn new(viewer: Viewer) -> Self {
        Self { viewer, track: None, packing: None, ready: VecDeque::with_capacity(2) }
    }

    /// The next part, in order: first a track. Safe to cancel.
    ///
    /// # Errors
    /// As [`Viewer::next`]; and where the key frame that it should begin with cannot be read.
    pub async fn next(&mut self) -> Result<Part, Ending> {
        loop {
            if let Some(part) = self.ready.pop_front() {
                return Ok(part);
            }
            if let Some(packing) = &mut self.packing {
                let packed = packing.await;
                self.packing = None;
                let packed = packed.ok_or_else(broken_down)?;
                self.take(&packed)?;
                continue;
            }
            match self.viewer.next().await? {
                Item::Skipped(frames) => return Ok(Part::Skipped(frames)),
                Item::Frame(live) if live.frame.codec == Codec::Raw => {
                    self.packing = Some(Box::pin(packed_apart(live)))
                }
                Item::Frame(live) => self.take(&live)?,
            }
        }
    }

    /// Frames a second over the frames in hand; none before there are two.
    pub fn fps(&self) -> Option<f32> {
        self.viewer.fps()
    }

    fn take(&mut self, live: &LiveFrame) -> Result<(), Ending> {
        let packed = live.once(|| pack(live));
        let packed = match packed.as_deref() {
            Some(Ok(packed)) => packed,
            // Damage on the way: a player gets over one frame that is missing, not over a start that is.
            Some(Err(fault)) if self.track.is_none() => {
                return Err(Ending::Broken { fault: fault.clone(), opened: false });
            }
            _ => return Ok(()),
        };
        if let Some(track) = &packed.track
            && self.track.as_ref() != Some(track)
        {
            self.track = Some(track.clone());
            self.ready.push_back(Part::Track(track.clone()));
        }
        self.ready.push_back(Part::Media(packed.media.clone()));
        Ok(())
    }
}

/// Developing a picture panicked: a bug, told and not hidden.
fn broken_down() -> Ending {
    let fault =
        Fault::new(Verdict::Undecodable, "developing the camera's picture broke down; report this with the log");
    Ending::Broken { fault, opened: true }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::camera::{Frame, RawFormat, RawLayout};

    fn raw() -> Arc<LiveFrame> {
        let layout = RawLayout { format: RawFormat::Yuyv, width: 64, height: 32, stride: 128, full_range: false };
        let (data, now) = (vec![128; 128 * 32].into(), Instant::now());
        LiveFrame::alone(Frame {
            codec: Codec::Raw,
            key: true,
            data,
            raw: Some(layout),
            at: Duration::ZERO,
            arrived: now,
        })
    }

    #[tokio::test]
    async fn viewers_of_one_raw_picture_leave_turns_for_other_cameras() {
        let (watched, other) = (raw(), raw());
        assert!(packed_apart(watched.clone()).await.is_some_and(|live| live.is_made()));
        // All turns are taken: who wants what is made already needs none.
        let turns = DEVELOPING.acquire_many(2).await.unwrap();
        let again = timeout(Duration::from_secs(20), packed_apart(watched)).await;
        assert!(again.is_ok_and(|live| live.is_some()));
        let mut waiting: Vec<_> = (0..4).map(|_| Box::pin(packed_apart(other.clone()))).collect();
        for viewer in &mut waiting {
            assert!(timeout(Duration::from_millis(10), viewer).await.is_err(), "nobody has a turn");
        }
        drop(turns);
        for viewer in waiting {
            assert!(viewer.await.is_some_and(|live| live.is_made()));
        }
    }
}
