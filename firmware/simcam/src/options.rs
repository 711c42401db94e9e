//! What a camera is: protocol, picture, credentials and the manners of its maker.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::mood::Mood;

/// How a camera is reached. HTTP is wrapped in TLS by [`Options::tls`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Protocol {
    /// RTSP 1.0 (RFC 2326).
    Rtsp,
    /// RTSP in TLS, with [`crate::certificate_pem`]'s certificate.
    Rtsps,
    /// `multipart/x-mixed-replace` of JPEG pictures.
    HttpMjpeg,
    /// One JPEG picture a request.
    HttpStill,
}

/// How pictures are coded. HTTP cameras send JPEG whatever stands here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Codec {
    /// Encoded live.
    H264,
    /// A looped clip, 320 × 180 at 10 frames a second, GOP 0.9 s, whatever else is asked.
    H265,
    /// Encoded live.
    Mjpeg,
}

/// How credentials are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Auth {
    /// RFC 7617.
    Basic,
    /// RFC 2617, MD5.
    Digest,
}

/// Which RTP transports SETUP admits; the others are answered with 461.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum UdpPolicy {
    /// UDP and TCP.
    Both,
    /// Interleaved in the RTSP connection only.
    TcpOnly,
    /// UDP only.
    UdpOnly,
}

/// How a camera writes its multipart stream; real devices differ in all of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpStyle {
    /// The `boundary` parameter already carries the two dashes that belong to the delimiter
    /// (`boundary=--frame`, delimiter `--frame`): wrong, and common.
    pub dashes: bool,
    /// The `boundary` parameter stands in quotes.
    pub quotes: bool,
    /// Each part says its `Content-Length`.
    pub content_length: bool,
    /// Text stands before the first delimiter.
    pub preamble: bool,
    /// Lines within the body end with LF instead of CRLF.
    pub lf_only: bool,
}

impl Default for HttpStyle {
    fn default() -> Self {
        Self { dashes: false, quotes: false, content_length: true, preamble: false, lf_only: false }
    }
}

/// One camera. The default: `rtsp`, H.264, healthy, 640 × 360 at 10 frames a second, GOP 1 s, open to
/// all, any free port.
#[derive(Clone)]
pub struct Options {
    /// How it is reached.
    pub protocol: Protocol,
    /// How its pictures are coded.
    pub codec: Codec,
    /// How it behaves at first.
    pub mood: Mood,
    /// User name and password; none: open to all.
    pub credentials: Option<(String, String)>,
    /// How credentials are asked for.
    pub auth: Auth,
    /// Pixels, even, 32 to 3840; 2040 at most and a multiple of 8 for JPEG over RTP.
    pub width: u32,
    /// Pixels, even, 32 to 2160; 2040 at most and a multiple of 8 for JPEG over RTP.
    pub height: u32,
    /// Frames a second, 1 to 60.
    pub fps: u32,
    /// Time between key frames, one frame to 60 s.
    pub gop: Duration,
    /// Offer an audio track (PCMU, silence) in front of the video track.
    pub audio: bool,
    /// Which RTP transports are admitted.
    pub udp: UdpPolicy,
    /// Sessions admitted at once; the next one gets 453, over HTTP 503.
    pub max_sessions: Option<usize>,
    /// Wrap the protocol in TLS.
    pub tls: bool,
    /// How the multipart stream is written.
    pub http: HttpStyle,
    /// How late everything is, in total, in the mood `slow`.
    pub slow: Duration,
    /// Written into the picture (capitals and digits, 20 at most). Cameras with the same title, or
    /// none, share one encoder.
    pub title: Option<String>,
    /// TCP port on 127.0.0.1; 0: any free one.
    pub port: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            protocol: Protocol::Rtsp,
            codec: Codec::H264,
            mood: Mood::Healthy,
            credentials: None,
            auth: Auth::Digest,
            width: 640,
            height: 360,
            fps: 10,
            gop: Duration::from_secs(1),
            audio: false,
            udp: UdpPolicy::Both,
            max_sessions: None,
            tls: false,
            http: HttpStyle::default(),
            slow: Duration::from_secs(4),
            title: None,
            port: 0,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("protocol", &self.protocol)
            .field("codec", &self.codec)
            .field("mood", &self.mood)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// Whether the connection is TLS.
    pub fn encrypted(&self) -> bool {
        self.tls || self.protocol == Protocol::Rtsps
    }

    /// Whether it speaks HTTP.
    pub fn is_http(&self) -> bool {
        matches!(self.protocol, Protocol::HttpMjpeg | Protocol::HttpStill)
    }

    /// Refuses, with `InvalidInput`, a picture that cannot be made.
    pub(crate) fn check(&self) -> io::Result<()> {
        let fits = |value: u32, most: u32| value.is_multiple_of(2) && (32..=most).contains(&value);
        let refuse = |what: String| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        if !fits(self.width, 3840) || !fits(self.height, 2160) {
            return refuse(format!("{} x {}: give even sizes, 32 to 3840 x 2160", self.width, self.height));
        }
        let rtp_jpeg = |value: u32| value.is_multiple_of(8) && value <= 2040;
        if self.codec == Codec::Mjpeg && !self.is_http() && !(rtp_jpeg(self.width) && rtp_jpeg(self.height)) {
            return refuse("JPEG over RTP: give multiples of 8, 2040 at most (RFC 2435)".into());
        }
        if !(1..=60).contains(&self.fps) {
            return refuse(format!("{} frames a second: give 1 to 60", self.fps));
        }
        if self.gop > Duration::from_secs(60) {
            return refuse("give a GOP of 60 s at most".into());
        }
        Ok(())
    }
}
