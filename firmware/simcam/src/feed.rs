//! Feeds: one encoder for all cameras and viewers that show the same.
//!
//! A feed lives while someone holds it. Each runs in a thread of its own and not in a task, because tests share
//! feeds across runtimes and encoding would hold a runtime up. Frames are numbered from the start of the process
//! and key frames stand at fixed numbers, so that who joins a fresh feed waits for its key frame as with a camera
//! that never stops. A machine that was late for half a second at most catches up, so that its own hiccups do not look
//! like a camera's; a slower one leaves numbers out. Frames are packetised once and shared by reference; a viewer that
//! falls [`QUEUE`] frames behind goes on at the next key frame.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{broadcast, watch};

use crate::encode::{self, Coded, Source};
use crate::mood::Mood;
use crate::options::{Codec, Options};
use crate::rng::Rng;
use crate::rtp::{self, Payload};
use crate::scene::Scene;

/// Frames a viewer may fall behind.
const QUEUE: usize = 32;

/// What a feed shows; equal keys share one feed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FeedKey {
    pub codec: Codec,
    pub width: u32,
    pub height: u32,
    pub fps: u32,
    /// Frames from one key frame to the next.
    pub gop: u64,
    scene: Scene,
    title: Option<String>,
    spoilt: bool,
}

impl FeedKey {
    /// What a camera of these options shows in this mood.
    pub fn of(options: &Options, mood: Mood) -> Self {
        let normal = if options.is_http() { Codec::Mjpeg } else { options.codec };
        let (mut codec, mut width, mut height, mut fps) = (normal, options.width, options.height, options.fps);
        match mood {
            Mood::Changed if codec == Codec::H264 => codec = Codec::Mjpeg,
            Mood::Changed if codec == Codec::H265 => codec = Codec::H264,
            Mood::Changed => (width, height) = ((width / 2).next_multiple_of(16), (height / 2).next_multiple_of(16)),
            Mood::LowFps => fps = 2,
            _ => {}
        }
        let scene = match mood {
            Mood::Black => Scene::Black,
            Mood::Frozen => Scene::Frozen,
            Mood::FrozenClock => Scene::FrozenClock,
            Mood::Static => Scene::Static,
            Mood::Covered => Scene::Covered,
            _ => Scene::Live,
        };
        let mut gop = ((options.gop.as_secs_f64() * f64::from(fps)).round() as u64).max(1);
        if codec == Codec::H265 {
            (width, height, fps, gop) = (320, 180, fps.min(10), 9);
        }
        let title = options.title.clone().filter(|_| codec != Codec::H265);
        Self { codec, width, height, fps, gop, scene, title, spoilt: mood == Mood::Undecodable }
    }

    fn source(&self) -> io::Result<Source> {
        Source::new(self.codec, self.scene, (self.width, self.height), self.fps, self.gop, self.title.as_deref())
    }

    /// The number of the frame that is due at media time `at`.
    fn index_at(&self, at: Duration) -> u64 {
        (at.as_nanos() * u128::from(self.fps) / 1_000_000_000) as u64
    }

    /// When frame `index` is due.
    fn due(&self, index: u64) -> Duration {
        Duration::from_nanos((u128::from(index) * 1_000_000_000).div_ceil(u128::from(self.fps)) as u64)
    }

    /// The time of the frame that is on air at media time `at`.
    pub fn on_air(&self, at: Duration) -> Duration {
        self.due(self.index_at(at))
    }
}

/// One picture of a feed.
#[derive(Debug)]
pub(crate) struct FeedFrame {
    pub key: bool,
    /// Media time: since the start of the process.
    pub at: Duration,
    /// For RTP.
    pub payloads: Vec<Payload>,
    /// For HTTP: the JPEG file.
    pub jpeg: Option<Bytes>,
}

/// A running feed; it stops when the last holder drops it.
pub(crate) struct Feed {
    frames: broadcast::Sender<Arc<FeedFrame>>,
    parameters: watch::Receiver<Option<Vec<Bytes>>>,
    thread: Thread,
}

static FEEDS: LazyLock<Mutex<HashMap<FeedKey, Weak<Feed>>>> = LazyLock::new(Mutex::default);

/// Media time: how long this process has had feeds.
pub(crate) fn media_time() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

impl Feed {
    /// The feed that shows `key`, started if nobody holds it. Errors when no thread can be had.
    pub fn join(key: &FeedKey) -> io::Result<Arc<Self>> {
        let mut feeds = FEEDS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = feeds.get(key).and_then(Weak::upgrade) {
            return Ok(feed);
        }
        feeds.retain(|_, feed| feed.strong_count() > 0);
        let (frames, _) = broadcast::channel(QUEUE);
        let (parameters, parameters_seen) = watch::channel(None);
        let (handed_over, handle) = std::sync::mpsc::sync_channel::<Weak<Self>>(1);
        let thread = thread::Builder::new().name("feed".into()).spawn({
            let (key, frames) = (key.clone(), frames.clone());
            move || {
                let Ok(feed) = handle.recv() else { return };
                if let Err(error) = run(&key, &feed, &frames, &parameters) {
                    log::error!("simcam: the feed {key:?} stopped: {error}");
                }
            }
        })?;
        let feed = Arc::new(Self { frames, parameters: parameters_seen, thread: thread.thread().clone() });
        let _ = handed_over.send(Arc::downgrade(&feed));
        feeds.insert(key.clone(), Arc::downgrade(&feed));
        Ok(feed)
    }

    /// From now on.
    pub fn frames(&self) -> broadcast::Receiver<Arc<FeedFrame>> {
        self.frames.subscribe()
    }

    /// The parameter sets (H.264: SPS, PPS; H.265: VPS, SPS, PPS; JPEG: none), after the first picture.
    /// Errors when the encoder failed.
    pub async fn parameter_sets(&self) -> io::Result<Vec<Bytes>> {
        let mut seen = self.parameters.clone();
        let sets = seen.wait_for(Option::is_some).await.map_err(io::Error::other)?;
        Ok(sets.clone().unwrap_or_default())
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.thread.unpark();
    }
}

/// Encodes until nobody holds the feed.
fn run(
    key: &FeedKey,
    feed: &Weak<Feed>,
    frames: &broadcast::Sender<Arc<FeedFrame>>,
    parameters: &watch::Sender<Option<Vec<Bytes>>>,
) -> io::Result<()> {
    let mut source = key.source()?;
    let mut rng = Rng::fresh();
    let mut index = key.index_at(media_time());
    // A clip leaves no picture out: those that follow refer to it.
    let mut picture = index;
    // Sent at once: no more than a viewer may fall behind.
    let catch_up = (u64::from(key.fps) / 2).clamp(1, QUEUE as u64 / 2);
    // Not shown: the frames that follow refer to a key frame that nobody who joins now has seen.
    let first = source.next(0, true, 0.0)?;
    parameters.send_replace(Some(parameter_sets(key.codec, &first)));
    loop {
        let before = index;
        let on_air = key.index_at(media_time());
        index = if on_air > index + catch_up { on_air } else { index + 1 };
        picture += 1;
        // Where this machine was too late for a key frame, the next picture is one: nobody waits another second for it.
        let is_key = index / key.gop != before / key.gop;
        let due = key.due(index);
        while let wait = due.saturating_sub(media_time())
            && !wait.is_zero()
            && feed.strong_count() > 0
        {
            thread::park_timeout(wait);
        }
        if feed.strong_count() == 0 {
            return Ok(());
        }
        let mut coded = source.next(picture, is_key, due.as_secs_f64())?;
        if key.spoilt {
            encode::spoil(key.codec, &mut coded, &mut rng);
        }
        let jpeg = if key.codec == Codec::Mjpeg { coded.units.first().cloned() } else { None };
        let payloads = rtp::packetise(key.codec, &coded.units);
        let _ = frames.send(Arc::new(FeedFrame { key: coded.key, at: due, payloads, jpeg }));
    }
}

fn parameter_sets(codec: Codec, first: &Coded) -> Vec<Bytes> {
    let is_set = |nal: &&Bytes| match codec {
        Codec::H264 => matches!(nal[0] & 0x1f, 7 | 8),
        Codec::H265 => matches!(nal[0] >> 1, 32..=34),
        Codec::Mjpeg => false,
    };
    first.units.iter().filter(is_set).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn cameras_that_show_the_same_share_one_feed_which_stops_with_the_last() {
        let options = Options { width: 64, height: 64, ..Options::default() };
        let key = FeedKey::of(&options, Mood::Healthy);
        let feed = Feed::join(&key).unwrap();
        assert!(Arc::ptr_eq(&feed, &Feed::join(&key).unwrap()));
        assert_eq!(feed.parameter_sets().await.unwrap().len(), 2);
        let mut frames = feed.frames();
        drop(feed);
        while frames.recv().await.is_ok() {}
        assert!(matches!(frames.recv().await, Err(broadcast::error::RecvError::Closed)));
    }
}
