//! From one upstream session to many viewers: fMP4 over WebSocket without a transcode, and MJPEG in three
//! qualities.
//!
//! The upstreams are [`Sessions`]; this room puts their frames into what browsers play, once for all viewers.

mod fmp4;
pub mod mjpeg;
mod watching;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use fmp4::{TIMESCALE, Track};
pub use watching::{Part, Watching};

use crate::camera::sessions::Ending;
use crate::camera::{Codec, Fault, Sessions, StreamKind, Verdict};
use crate::config::{CameraConfig, Config};
use crate::picture;
use mjpeg::Mjpeg;

/// Serves live views. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Live {
    sessions: Sessions,
    mjpeg: Mjpeg,
}

impl Default for Live {
    fn default() -> Self {
        Self::new(Sessions::default())
    }
}

impl Live {
    /// Views of these upstreams.
    pub fn new(sessions: Sessions) -> Self {
        Self { mjpeg: Mjpeg::new(sessions.clone()), sessions }
    }

    /// The same with other limits of MJPEG.
    pub fn with_mjpeg_limits(self, limits: mjpeg::Limits) -> Self {
        Self { mjpeg: self.mjpeg.with_limits(limits), ..self }
    }

    /// MJPEG of the same upstreams.
    pub fn mjpeg(&self) -> &Mjpeg {
        &self.mjpeg
    }

    /// The upstreams.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Begins to watch one of a camera's streams; call it inside a tokio runtime.
    ///
    /// # Errors
    /// `not_found` where the camera has no such stream.
    pub fn watch(&self, camera: &CameraConfig, stream: StreamKind) -> Result<Watching, Fault> {
        let target = camera.stream(stream).ok_or_else(|| Fault::new(Verdict::NotFound, "it has no `sub_url`"))?;
        Ok(Watching::new(self.sessions.join(&camera.id, stream, &target, camera.timeout)))
    }

    /// Viewers of a camera now, both streams together.
    pub fn viewers(&self, camera: &str) -> usize {
        self.sessions.viewers(camera)
    }

    /// Every upstream that is open, by camera and stream.
    pub fn statistics(&self) -> Vec<Statistics> {
        self.sessions.statistics().into_iter().map(Statistics::from).collect()
    }

    /// Ends views of cameras whose address was changed or that were removed, until `stop`; then all.
    pub async fn follow(self, mut config: watch::Receiver<Arc<Config>>, stop: CancellationToken) {
        loop {
            let now = config.borrow_and_update().clone();
            self.sessions.keep(|camera, stream| now.camera(camera)?.stream(stream));
            tokio::select! {
                () = stop.cancelled() => break,
                changed = config.changed() => if changed.is_err() { break },
            }
        }
        self.sessions.keep(|_, _| None);
    }
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
    /// How it is coded; none until a key frame has come, like the size.
    pub codec: Option<Codec>,
    /// Pixels.
    pub width: Option<u32>,
    /// Pixels.
    pub height: Option<u32>,
    /// Frames a second over the last frames.
    pub fps: Option<f32>,
    /// Kilobits (1000) a second over the last frames.
    pub kbps: Option<u32>,
    /// Bytes of video received since it was opened.
    pub bytes: u64,
    /// How long it has been open.
    pub open_for: Duration,
    /// Frames in hand from the last key frame on.
    pub gop_frames: usize,
    /// How often viewers fell behind and went on at a later key frame.
    pub skips: u64,
}

impl From<crate::camera::sessions::Statistics> for Statistics {
    fn from(open: crate::camera::sessions::Statistics) -> Self {
        let info = open.key.map(|key| picture::describe(&key.frame)).unwrap_or_default();
        Self {
            camera: open.camera,
            stream: open.stream,
            viewers: open.viewers,
            codec: info.codec,
            width: info.width,
            height: info.height,
            fps: open.fps,
            kbps: open.kbps,
            bytes: open.bytes,
            open_for: open.since.elapsed(),
            gop_frames: open.gop_frames,
            skips: open.skips,
        }
    }
}
