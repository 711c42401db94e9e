//! At most one upstream a camera and stream, however many watch it.
//!
//! [`Sessions::join`] gives a [`Viewer`]: at once the pictures from the last key frame on, then each as it
//! arrives. All viewers of a stream read one bounded window of frames, so a slow one costs nothing and holds
//! nobody up: when it has fallen behind, it goes on at the last key frame and is told how many frames it
//! missed. The upstream ends with TEARDOWN a grace after its last viewer has gone.
//!
//! What it cannot do: it decodes nothing, and it does not open a broken camera again by itself.

mod frames;
mod upstream;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

pub use frames::LiveFrame;
use upstream::Upstream;
pub use upstream::{Ending, Item, Tap, Viewer};

use super::{Fault, Target, Verdict};

/// How long a camera's goodbye is waited for before it is opened again.
const GOODBYE: Duration = Duration::from_millis(1500);
/// A camera that could not be opened is not asked again for this long.
const RETRY: Duration = Duration::from_secs(2);
/// …and where it refused the password: cameras lock accounts.
const RETRY_AUTH: Duration = Duration::from_secs(60);

/// Which of a camera's streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StreamKind {
    /// The one of `url`, which checks look at.
    #[default]
    Main,
    /// The smaller one of `sub_url`.
    Sub,
}

impl StreamKind {
    /// `main` or `sub`.
    pub fn name(self) -> &'static str {
        match self {
            StreamKind::Main => "main",
            StreamKind::Sub => "sub",
        }
    }
}

/// What is kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// An upstream nobody watches any more is kept open for this long.
    pub grace: Duration,
    /// The most frames kept of one upstream: the last GOP and what is before it within `lag`.
    pub frames: usize,
    /// The most bytes kept of one upstream; what viewers' rooms make of them may be as much again.
    pub bytes: usize,
    /// The most bytes kept of all upstreams together: each gets an equal share where `bytes` of each were more.
    pub all_bytes: usize,
    /// The oldest frame kept.
    pub age: Duration,
    /// Frames before the last key frame are kept this long: a viewer further behind goes on at that key frame.
    pub lag: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(10),
            frames: 600,
            bytes: 8 << 20,
            all_bytes: 32 << 20,
            age: Duration::from_secs(20),
            lag: Duration::from_secs(3),
        }
    }
}

impl Limits {
    /// Of one of so many upstreams.
    fn shared_by(self, upstreams: usize) -> Self {
        Self { bytes: self.bytes.min(self.all_bytes / upstreams.max(1)), ..self }
    }
}

/// How many upstreams are open: they share the bytes that may be kept.
type Crowd = Arc<AtomicUsize>;

type Key = (String, StreamKind);

/// All upstreams that are open for viewers. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
}

struct Shared {
    limits: Limits,
    /// Counts connections that are being closed in good order; shared with the checks.
    partings: TaskTracker,
    crowd: Crowd,
    /// The last upstream of each stream: open, or how it ended. Held for moments, never over an await.
    upstreams: Mutex<HashMap<Key, Arc<Upstream>>>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self::new(TaskTracker::new(), Limits::default())
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("upstreams", &self.upstreams().len()).finish()
    }
}

impl Sessions {
    /// No upstream yet. Connections that are left are counted in `partings`.
    pub fn new(partings: TaskTracker, limits: Limits) -> Self {
        Self { shared: Arc::new(Shared { limits, partings, crowd: Crowd::default(), upstreams: Mutex::default() }) }
    }

    /// Joins the stream's upstream, or opens one within `deadline`; call it inside a tokio runtime. It does
    /// not wait: what comes, or why nothing does, [`Viewer::next`] tells. A stream that could not be opened a
    /// moment ago (2 s; 60 s where the password was refused) gives that fault again and is not asked; an
    /// upstream of another `target` ends for all its viewers.
    pub fn join(&self, camera: &str, kind: StreamKind, target: &Target, deadline: Duration) -> Viewer {
        let key = (camera.to_owned(), kind);
        let mut upstreams = self.upstreams();
        let before = upstreams.get(&key).cloned();
        if let Some(before) = &before {
            if before.target == *target
                && let Some(viewer) = before.join(retry_after)
            {
                return viewer;
            }
            before.dismiss();
        }
        let upstream = Arc::new(Upstream::new(target.clone(), deadline, self.shared.limits, &self.shared.crowd));
        // The same one that was just made: nothing has ended it.
        let viewer = upstream.clone().first();
        let goodbyes = super::Goodbyes::among(&self.shared.partings);
        tokio::spawn(upstream.clone().run(before, goodbyes));
        upstreams.insert(key, upstream);
        viewer
    }

    /// The camera's main upstream for a check to read, where one of this target is open or being opened. It
    /// counts as no viewer, but the upstream does not end under it.
    pub fn watched(&self, camera: &str, target: &Target) -> Option<Tap> {
        let upstream = self.upstream(camera, StreamKind::Main)?;
        if upstream.target == *target { upstream.tap() } else { None }
    }

    /// Waits until no connection of the camera's main stream is being closed (1.5 s at most), so that a
    /// camera that admits one client has room again.
    pub async fn parted(&self, camera: &str) {
        if let Some(upstream) = self.upstream(camera, StreamKind::Main)
            && upstream.is_over()
        {
            let _ = timeout(GOODBYE, upstream.parted.cancelled()).await;
        }
    }

    /// Viewers of a camera now, both streams together.
    pub fn viewers(&self, camera: &str) -> usize {
        [StreamKind::Main, StreamKind::Sub]
            .into_iter()
            .filter_map(|kind| self.upstream(camera, kind))
            .map(|upstream| upstream.viewers())
            .sum()
    }

    /// Every open upstream, by camera and stream.
    pub fn statistics(&self) -> Vec<Statistics> {
        let upstreams: Vec<_> =
            self.upstreams().iter().map(|(key, upstream)| (key.clone(), upstream.clone())).collect();
        let mut all: Vec<_> =
            upstreams.into_iter().filter_map(|((camera, kind), upstream)| upstream.statistics(camera, kind)).collect();
        all.sort_by(|a, b| (&a.camera, a.stream.name()).cmp(&(&b.camera, b.stream.name())));
        all
    }

    /// Ends every upstream whose target is not what `now` says (none: the camera or stream is gone). Its
    /// viewers get [`Ending::Changed`].
    pub fn keep(&self, now: impl Fn(&str, StreamKind) -> Option<Target>) {
        self.upstreams().retain(|(camera, kind), upstream| {
            let target = now(camera, *kind);
            if target.as_ref() != Some(&upstream.target) {
                upstream.dismiss();
            }
            // One that ended is kept for its fault and its goodbye while its camera is there.
            target.is_some()
        });
    }

    /// Ends all upstreams and waits until every camera was told goodbye, 1.5 s at most.
    pub async fn close(&self) {
        self.keep(|_, _| None);
        self.shared.partings.close();
        let _ = timeout(GOODBYE, self.shared.partings.wait()).await;
    }

    /// Where partings are counted.
    pub fn partings(&self) -> &TaskTracker {
        &self.shared.partings
    }

    fn upstream(&self, camera: &str, kind: StreamKind) -> Option<Arc<Upstream>> {
        self.upstreams().get(&(camera.to_owned(), kind)).cloned()
    }

    fn upstreams(&self) -> MutexGuard<'_, HashMap<Key, Arc<Upstream>>> {
        self.shared.upstreams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn retry_after(fault: &Fault) -> Duration {
    if fault.verdict == Verdict::Auth { RETRY_AUTH } else { RETRY }
}

/// One open upstream, in numbers.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// The camera's id.
    pub camera: String,
    /// Which of its streams.
    pub stream: StreamKind,
    /// Viewers now.
    pub viewers: usize,
    /// The last key frame; its bytes tell codec and size.
    pub key: Option<Arc<LiveFrame>>,
    /// Frames a second over the frames in hand.
    pub fps: Option<f32>,
    /// Kilobits (1000) a second over the frames in hand.
    pub kbps: Option<u32>,
    /// Bytes of video received since it was opened.
    pub bytes: u64,
    /// When it was opened.
    pub since: Instant,
    /// Frames in hand from the last key frame on.
    pub gop_frames: usize,
    /// How often viewers fell behind and went on at a later key frame.
    pub skips: u64,
}
