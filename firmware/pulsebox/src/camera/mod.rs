//! Opens a camera and yields its encoded frames, or says on which rung of the ladder it failed.
//!
//! What is here: network cameras over RTSP and HTTP, local ones over V4L2.

mod answer;
pub(crate) mod dial;
pub mod fault;
mod gate;
mod http;
mod multipart;
pub mod raw;
mod rtsp;
pub mod sessions;
pub mod url;
pub mod v4l2;
pub mod words;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

pub use fault::{Fault, LADDER, Rung, Severity, Verdict};
pub use raw::{RawFormat, RawLayout};
pub use sessions::{Sessions, StreamKind};
pub use url::CameraUrl;
pub use words::{Words, is_local};

/// How the pictures are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Codec {
    H264,
    H265,
    /// JPEG pictures: RTP/JPEG, multipart HTTP or one still.
    Mjpeg,
    /// Pictures as a local camera's sensor or converter gives them, not compressed; [`Frame::raw`] tells their form.
    Raw,
}

impl Codec {
    /// `h264`, `h265`, `mjpeg` or `raw`.
    pub fn name(self) -> &'static str {
        match self {
            Codec::H264 => "h264",
            Codec::H265 => "h265",
            Codec::Mjpeg => "mjpeg",
            Codec::Raw => "raw",
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
    /// front where `key` is set. JPEG: one whole JPEG file. Raw: the picture as `raw` says.
    pub data: Bytes,
    /// How `data` lies, of [`Codec::Raw`] alone.
    pub raw: Option<RawLayout>,
    /// The camera's own time of this frame, from an arbitrary start.
    pub at: Duration,
    /// When its last byte arrived.
    pub arrived: Instant,
}

/// What has come of a camera's media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reception {
    /// Media packets that came; of a local camera, pictures.
    pub packets: u64,
    /// Those missing: gaps in RTP's sequence numbers (RFC 3550, appendix A.3); of a local camera, damaged pictures.
    pub lost: u64,
}

impl Reception {
    /// What has come since it stood at `before`.
    pub fn since(self, before: Self) -> Self {
        Self { packets: self.packets.saturating_sub(before.packets), lost: self.lost.saturating_sub(before.lost) }
    }

    /// The share that is missing, 0 to 100; none where nothing was sent.
    pub fn loss_percent(self) -> Option<f32> {
        let sent = self.packets + self.lost;
        (sent > 0).then(|| (self.lost as f64 * 100.0 / sent as f64) as f32)
    }
}

/// What the camera says it sends, and what was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StreamInfo {
    /// How the pictures are coded.
    pub codec: Option<Codec>,
    /// For instance `High 3.1` or `Main 4.0`; raw: the pixels' form, `YUYV`; none for JPEG.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
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
    waiting: (Verdict, &'static str),
}

impl Climb {
    /// Starts the climb now.
    pub fn start(on_rung: Option<OnRung>) -> Self {
        let now = Instant::now();
        let waiting = (Verdict::Timeout, "the camera");
        Self { last: now, started: now, rungs: Vec::with_capacity(7), on_rung, waiting }
    }

    /// Says what is being waited for, and what it is called if it does not come before the deadline.
    pub fn waiting(&mut self, verdict: Verdict, for_what: &'static str) {
        self.waiting = (verdict, for_what);
    }

    /// The fault of a climb that the deadline cut short.
    pub fn out_of_time(&self) -> Fault {
        let (verdict, for_what) = self.waiting;
        Fault::new(verdict, format!("{for_what} did not come within {:.1} s", self.elapsed().as_secs_f32()))
    }

    /// Notes that `rung` was reached now.
    pub fn reached(&mut self, rung: Rung) {
        self.reached_at(rung, Instant::now());
    }

    /// Notes that `rung` was reached at `at`, for what is learnt a moment later.
    pub fn reached_at(&mut self, rung: Rung, at: Instant) {
        // Whole microseconds: more digits mean nothing and look as if they did.
        let ms = at.saturating_duration_since(self.last).as_micros() as f64 / 1e3;
        let time = RungTime { rung, ms };
        self.last = at.max(self.last);
        self.rungs.push(time);
        if let Some(on_rung) = &self.on_rung {
            on_rung(time);
        }
    }

    /// Milliseconds from the start to the end of `rung`, if it was reached.
    pub fn ms_to(&self, rung: Rung) -> Option<f64> {
        let reached = self.rungs.iter().position(|r| r.rung == rung)?;
        Some(self.rungs[..=reached].iter().map(|r| r.ms).sum())
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

/// Keeps count of connections that are still to be closed in good order, so that they can be waited for:
/// those of one check, and those of all checks.
#[derive(Clone, Debug, Default)]
pub struct Goodbyes {
    this: TaskTracker,
    all: TaskTracker,
}

impl Goodbyes {
    /// For one check, counted in `all` too.
    pub fn among(all: &TaskTracker) -> Self {
        Self { this: TaskTracker::new(), all: all.clone() }
    }

    /// Runs a connection's far end.
    fn spawn(&self, far_end: impl Future<Output = ()> + Send + 'static) {
        let token = self.all.token();
        self.this.spawn(async move {
            far_end.await;
            drop(token);
        });
    }

    /// Waits until all of this check's connections are closed, `limit` at most.
    pub async fn wait(self, limit: Duration) {
        self.this.close();
        let _ = tokio::time::timeout(limit, self.this.wait()).await;
    }
}

/// An open camera.
///
/// Dropping it says goodbye in the background (RTSP: TEARDOWN), counted by the [`Goodbyes`] given to
/// [`Session::open`].
pub enum Session {
    /// RTSP or RTSPS.
    Rtsp(Box<rtsp::RtspSession>),
    /// Multipart JPEG or a still over HTTP or HTTPS.
    Http(Box<http::HttpSession>),
    /// A camera at this machine.
    Local(Box<v4l2::LocalSession>),
}

impl Session {
    /// Opens the camera: resolves, connects, encrypts, describes and plays. The caller sets the deadline.
    ///
    /// # Errors
    /// The rung of the ladder that failed.
    pub async fn open(target: &Target, climb: &mut Climb, goodbyes: &Goodbyes) -> Result<Self, Fault> {
        match target.url.scheme() {
            url::Scheme::Rtsp | url::Scheme::Rtsps => {
                Ok(Self::Rtsp(Box::new(rtsp::RtspSession::open(target, climb, goodbyes).await?)))
            }
            url::Scheme::Http | url::Scheme::Https => {
                Ok(Self::Http(Box::new(http::HttpSession::open(target, climb, goodbyes).await?)))
            }
            url::Scheme::V4l2 => Ok(Self::Local(Box::new(v4l2::LocalSession::open(target, climb, goodbyes).await?))),
        }
    }

    /// The next frame. Safe to cancel: no frame is lost.
    ///
    /// # Errors
    /// The peer broke off, or broke the protocol.
    pub async fn next(&mut self) -> Result<Frame, Fault> {
        match self {
            Self::Rtsp(session) => session.next().await,
            Self::Http(session) => session.next().await,
            Self::Local(session) => session.next().await,
        }
    }

    /// When the first media packet came.
    pub fn first_packet(&self) -> Option<Instant> {
        match self {
            Self::Rtsp(session) => session.first_packet(),
            Self::Http(session) => session.first_packet(),
            Self::Local(session) => session.first_packet(),
        }
    }

    /// What has come since it was opened. None where no packets are to be seen (HTTP).
    pub fn reception(&self) -> Option<Reception> {
        match self {
            Self::Rtsp(session) => Some(session.reception()),
            Self::Local(session) => Some(session.reception()),
            Self::Http(_) => None,
        }
    }

    /// False for a still picture: it has no frame rate.
    pub fn is_stream(&self) -> bool {
        match self {
            Self::Rtsp(_) | Self::Local(_) => true,
            Self::Http(session) => session.is_stream(),
        }
    }
}
