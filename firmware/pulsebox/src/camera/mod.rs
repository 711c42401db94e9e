//! Opens a camera and yields its encoded frames, or says on which rung of the ladder it failed.
//!
//! What is here: network cameras over RTSP and HTTP. Local cameras (V4L2) are named and refused with
//! `unsupported` until their room is built.

pub mod fault;
pub mod url;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

pub use fault::{Fault, LADDER, Rung, Severity, Verdict};
pub use url::CameraUrl;

/// How the pictures are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Codec {
    H264,
    H265,
    /// JPEG pictures: RTP/JPEG, multipart HTTP or one still.
    Mjpeg,
}

impl Codec {
    /// `h264`, `h265` or `mjpeg`.
    pub fn name(self) -> &'static str {
        match self {
            Codec::H264 => "h264",
            Codec::H265 => "h265",
            Codec::Mjpeg => "mjpeg",
        }
    }
}

/// One encoded picture.
#[derive(Clone, Debug)]
pub struct Frame {
    /// How `data` is coded.
    pub codec: Codec,
    /// Whether a decoder can start here.
    pub key: bool,
    /// H.264 and H.265: one access unit in Annex B form (start codes), with its parameter sets in
    /// front where `key` is set. JPEG: one whole JPEG file.
    pub data: Bytes,
    /// The camera's own time of this frame, from an arbitrary start.
    pub at: Duration,
    /// When its last byte arrived.
    pub arrived: Instant,
    /// Packets known to be lost since the frame before it.
    pub lost: u32,
}

/// What the camera says it sends, and what was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StreamInfo {
    /// How the pictures are coded.
    pub codec: Option<Codec>,
    /// For instance `High 3.1` or `Main 4.0`; none for JPEG.
    pub profile: Option<String>,
    /// Pixels.
    pub width: Option<u32>,
    /// Pixels.
    pub height: Option<u32>,
    /// Frames a second, measured over the frames that the check saw (at least two).
    pub fps: Option<f32>,
    /// Kilobits (1000) a second of video, measured alike.
    pub kbps: Option<u32>,
    /// Share of packets lost, 0 to 100.
    pub loss_percent: Option<f32>,
}

/// Which way RTSP's video packets come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Interleaved in the RTSP connection (RFC 2326, section 10.12).
    #[default]
    Tcp,
    /// RTP over UDP, unicast.
    Udp,
}

/// A camera to open: where, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where, with its credentials.
    pub url: CameraUrl,
    /// RTSP only.
    pub transport: Transport,
    /// Take any TLS certificate.
    pub tls_insecure: bool,
}

/// The time one rung took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RungTime {
    /// Which.
    pub rung: Rung,
    /// Milliseconds this rung alone took.
    pub ms: f64,
}

/// Called as each rung is reached, so that a page can show the climb while it happens.
pub type OnRung = Arc<dyn Fn(RungTime) + Send + Sync>;

/// Keeps the time of each rung of one check.
pub struct Climb {
    last: Instant,
    started: Instant,
    rungs: Vec<RungTime>,
    on_rung: Option<OnRung>,
}

impl Climb {
    /// Starts the climb now.
    pub fn start(on_rung: Option<OnRung>) -> Self {
        let now = Instant::now();
        Self { last: now, started: now, rungs: Vec::with_capacity(7), on_rung }
    }

    /// Notes that `rung` was reached now.
    pub fn reached(&mut self, rung: Rung) {
        self.reached_at(rung, Instant::now());
    }

    /// Notes that `rung` was reached at `at`, for what is learnt a moment later.
    pub fn reached_at(&mut self, rung: Rung, at: Instant) {
        let time = RungTime { rung, ms: at.saturating_duration_since(self.last).as_secs_f64() * 1e3 };
        self.last = at.max(self.last);
        self.rungs.push(time);
        if let Some(on_rung) = &self.on_rung {
            on_rung(time);
        }
    }

    /// The rungs reached so far, in climbing order.
    pub fn rungs(&self) -> &[RungTime] {
        &self.rungs
    }

    /// How long the climb has taken so far.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
