//! Cameras over RTSP, by retina, through the [`super::gate`].
//!
//! One video track is set up, whatever else the camera offers. Audio and ONVIF metadata are left alone.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use retina::client::{
    Demuxed, Described, InitialSequenceNumberPolicy, InitialTimestampPolicy, PlayOptions, SessionOptions, SetupOptions,
    TcpTransportOptions, TeardownPolicy, Transport as Interleaved, UnassignedChannelDataPolicy,
};
use retina::codec::{CodecItem, FrameFormat};
use tokio::time::Instant;

use super::dial::{Place, Trust, dial};
use super::gate::{Gate, Meter, USER_AGENT};
use super::{Climb, Codec, Fault, Frame, Goodbyes, Reception, Rung, Target, Transport, Verdict};

/// A playing RTSP session.
pub struct RtspSession {
    media: Demuxed,
    codec: Codec,
    clock_rate: u32,
    meter: Arc<Meter>,
}

impl RtspSession {
    /// Climbs to an accepted PLAY.
    pub(super) async fn open(target: &Target, climb: &mut Climb, goodbyes: &Goodbyes) -> Result<Self, Fault> {
        let url = &target.url;
        let tls = url.scheme().is_tls().then_some(Trust::camera(target.tls_insecure));
        let line = dial(Place { host: url.host(), port: url.port(), tls }, climb).await?;
        climb.waiting(Verdict::Timeout, "the answer to DESCRIBE");
        let meter = Arc::new(Meter::default());
        let gate = Gate::open(line, target, meter.clone()).await?;
        let at_gate = ::url::Url::parse(&format!("rtsp://{}{}", gate.address, url.path_and_query()))
            .map_err(|e| Fault::new(Verdict::Protocol, format!("the path is not to be asked for: {e}")))?;
        goodbyes.spawn(gate.run());

        let named = |e: retina::Error| fault(&e, &meter, target);
        let mut session = retina::client::Session::<Described>::describe(at_gate, options()).await.map_err(named)?;
        climb.reached(Rung::Describe);
        climb.waiting(Verdict::Timeout, "the answer to SETUP");
        let (track, codec) = video_track(&session)?;
        let clock_rate = session.streams()[track].clock_rate_hz().max(1);
        // Interleaved towards the gate; the gate speaks the camera's transport.
        let setup = SetupOptions::default()
            .transport(Interleaved::Tcp(TcpTransportOptions::default()))
            .frame_format(FrameFormat::SIMPLE);
        session.setup(track, setup).await.map_err(named)?;
        climb.waiting(Verdict::Timeout, "the answer to PLAY");
        // A server that adds us to a running stream (GStreamer's, under load) may name a later sequence number
        // in RTP-Info than that of the first packet; retina would call it out of order and end the session.
        let play = PlayOptions::default()
            .initial_timestamp(InitialTimestampPolicy::Permissive)
            .initial_seq(InitialSequenceNumberPolicy::Ignore);
        let media = session.play(play).await.and_then(retina::client::Session::demuxed).map_err(named)?;
        climb.waiting(Verdict::NoMedia, "the first video packet");
        Ok(Self { media, codec, clock_rate, meter })
    }

    /// The next video frame.
    pub(super) async fn next(&mut self) -> Result<Frame, Fault> {
        loop {
            let item = match self.media.next().await {
                Some(Ok(item)) => item,
                Some(Err(e)) => return Err(gate_fault(&self.meter).unwrap_or_else(|| broken(&e))),
                None => return Err(gate_fault(&self.meter).unwrap_or_else(cut)),
            };
            let CodecItem::VideoFrame(frame) = item else { continue };
            let elapsed = u64::try_from(frame.timestamp().elapsed()).unwrap_or(0);
            return Ok(Frame {
                codec: self.codec,
                key: frame.is_random_access_point(),
                at: Duration::from_secs_f64(elapsed as f64 / f64::from(self.clock_rate)),
                arrived: Instant::now(),
                raw: None,
                data: Bytes::from(frame.into_data()),
            });
        }
    }

    pub(super) fn first_packet(&self) -> Option<Instant> {
        self.meter.first_packet.get().copied()
    }

    /// Counted by the gate: retina forgets what was lost as a picture began if more is lost within it, and does not
    /// tell what is lost behind the last whole picture.
    pub(super) fn reception(&self) -> Reception {
        self.meter.reception()
    }
}

/// The gate signs requests in and says goodbye: the library has no password, and never dials the camera.
fn options() -> SessionOptions {
    SessionOptions::default()
        .user_agent(USER_AGENT.to_owned())
        .teardown(TeardownPolicy::Never)
        .unassigned_channel_data(UnassignedChannelDataPolicy::Ignore)
}

/// The first video track that somebody here reads.
fn video_track(session: &retina::client::Session<Described>) -> Result<(usize, Codec), Fault> {
    let video: Vec<_> = session.streams().iter().enumerate().filter(|(_, s)| s.media() == "video").collect();
    for (track, stream) in &video {
        let codec = match stream.encoding_name() {
            "h264" => Codec::H264,
            "h265" => Codec::H265,
            "jpeg" => Codec::Mjpeg,
            _ => continue,
        };
        return Ok((*track, codec));
    }
    let printable = |name: &str| name.chars().filter(|c| c.is_ascii_graphic()).take(20).collect::<String>();
    match video.first() {
        Some((_, stream)) => {
            Err(Fault::new(Verdict::Unsupported, format!("it sends `{}`", printable(stream.encoding_name()))))
        }
        None => {
            let media: Vec<String> = session.streams().iter().take(4).map(|s| printable(s.media())).collect();
            Err(Fault::new(Verdict::NotFound, format!("the stream has no video, only {}", media.join(", "))))
        }
    }
}

/// Names the fault of a request that failed, with the camera's answer where it gave one.
fn fault(error: &retina::Error, meter: &Meter, target: &Target) -> Fault {
    if let Some(fault) = gate_fault(meter) {
        return fault;
    }
    let fault = refused(error, target);
    match meter.refusal.get() {
        Some(refusal) => fault.answered(refusal.clone()),
        None => fault,
    }
}

/// RFC 2326, section 7.1.1 and 11.
fn refused(error: &retina::Error, target: &Target) -> Fault {
    match error.status_code() {
        Some(401 | 403 | 407) if target.url.credentials().is_none() => {
            Fault::new(Verdict::Auth, "it wants both, and the URL has none")
        }
        Some(status @ (401 | 403 | 407)) => Fault::new(Verdict::Auth, format!("it answers {status}")),
        Some(status @ (404 | 410 | 454)) => Fault::new(Verdict::NotFound, format!("it answers {status} for this path")),
        Some(status @ (453 | 486 | 503)) => Fault::new(Verdict::Busy, format!("it answers {status}")),
        Some(461) => {
            let (ours, other) = match target.transport {
                Transport::Tcp => ("tcp", "udp"),
                Transport::Udp => ("udp", "tcp"),
            };
            Fault::new(Verdict::Unsupported, format!("the camera does not send over {ours}: set `transport: {other}`"))
        }
        Some(status @ (406 | 415 | 501 | 505 | 551)) => {
            Fault::new(Verdict::Unsupported, format!("it answers {status}"))
        }
        Some(status @ 300..=399) => {
            Fault::new(Verdict::Protocol, format!("the camera points elsewhere ({status}): use the URL it points to"))
        }
        Some(200..=299) => Fault::new(Verdict::Protocol, "the camera's description of the stream is no SDP"),
        Some(status) => Fault::new(Verdict::Protocol, format!("it answers {status}")),
        None => broken(error),
    }
}

fn gate_fault(meter: &Meter) -> Option<Fault> {
    meter.fault.get().cloned()
}

/// retina's text has a first line for people and then addresses of the gate, which help nobody here.
fn broken(error: &retina::Error) -> Fault {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    if line.contains("EOF") || line.contains("reset") || line.contains("closed") {
        return cut();
    }
    let line: String = line.chars().filter(|c| !c.is_control()).take(160).collect();
    Fault::new(Verdict::Protocol, super::url::mask(&line))
}

fn cut() -> Fault {
    Fault::new(Verdict::Protocol, "the camera closed the connection")
}
