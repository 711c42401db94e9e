//! One RTSP session: its tracks, their transports, and the media that flows while it plays.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BufMut;
use tokio::net::UdpSocket;
use tokio::time::{self, Instant, Interval, MissedTickBehavior};

use super::sdp;
use crate::camera::{self, Shared};
use crate::feed::{FeedFrame, FeedKey, media_time};
use crate::mood::Mood;
use crate::options::{Codec, UdpPolicy};
use crate::rng::Rng;
use crate::rtp::{Sender, VIDEO_CLOCK};
use crate::viewer::Viewer;
use crate::wire::Request;

/// A session over UDP ends when its client says nothing for this long.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Between sender reports.
const REPORTS: Duration = Duration::from_secs(5);
/// Of one audio packet.
const AUDIO: Duration = Duration::from_millis(40);
const AUDIO_CLOCK: u32 = 8000;

/// A status line's end and the header fields behind it, with their empty line.
#[derive(Debug)]
pub(super) struct Refusal(pub &'static str, pub String);

impl Refusal {
    pub fn new(status: &'static str) -> Self {
        Self(status, "\r\n".into())
    }
}

enum Transport {
    /// Channels of the RTSP connection: RTP, and RTCP one above.
    Interleaved(u8),
    Udp {
        rtp: UdpSocket,
        rtcp: UdpSocket,
    },
}

struct Track {
    transport: Transport,
    sender: Sender,
}

/// From the first SETUP to TEARDOWN or the end of the connection.
pub(super) struct Session {
    id: String,
    shared: Arc<Shared>,
    audio: Option<Track>,
    video: Option<Track>,
    playing: Option<Playing>,
    heard: Instant,
    loss: Loss,
    _counted: camera::Session,
}

struct Playing {
    viewer: Viewer,
    reports: Interval,
    audio: Interval,
}

/// The session, if `request` names it.
pub(super) fn named<'a>(session: &'a mut Option<Session>, request: &Request) -> Result<&'a mut Session, Refusal> {
    let id = request.header("session").map(|value| value.split(';').next().unwrap_or_default().trim());
    session.as_mut().filter(|session| id == Some(&session.id)).ok_or_else(|| Refusal::new("454 Session Not Found"))
}

impl Session {
    /// None when the camera has no room.
    pub fn open(shared: &Arc<Shared>) -> Option<Self> {
        let counted = camera::Session::open(shared)?;
        Some(Self {
            id: format!("{:08X}", Rng::fresh().next_u32()),
            shared: shared.clone(),
            audio: None,
            video: None,
            playing: None,
            heard: Instant::now(),
            loss: Loss::new(),
            _counted: counted,
        })
    }

    /// Whether no track is set up.
    pub fn is_empty(&self) -> bool {
        self.audio.is_none() && self.video.is_none()
    }

    /// The client was heard of.
    pub fn is_alive(&mut self) {
        self.heard = Instant::now();
    }

    /// SETUP of one track. Errors when no UDP port can be had.
    pub async fn set_up(&mut self, request: &Request) -> io::Result<Result<String, Refusal>> {
        let offered = request.header("transport").unwrap_or_default();
        let is_audio = request.target.trim_end_matches('/').ends_with("/track0");
        let used = [&self.audio, &self.video].iter().filter(|track| track.is_some()).count() as u8;
        let Some((transport, fields)) = self.choose_transport(offered, used * 2).await? else {
            return Ok(Err(Refusal::new("461 Unsupported Transport")));
        };
        let shown = FeedKey::of(&self.shared.options, self.shared.mood());
        let sender = if is_audio {
            Sender::new(0, AUDIO_CLOCK)
        } else {
            Sender::new(sdp::payload_type(shown.codec), VIDEO_CLOCK)
        };
        let ssrc = sender.ssrc;
        let track = Some(Track { transport, sender });
        if is_audio {
            self.audio = track
        } else {
            self.video = track
        }
        Ok(Ok(format!(
            "Transport: {fields};ssrc={ssrc:08X}\r\nSession: {};timeout={}\r\n\r\n",
            self.id,
            TIMEOUT.as_secs()
        )))
    }

    /// The first of the client's offers (RFC 2326, section 12.39) that the camera admits.
    async fn choose_transport(&self, offered: &str, free_channel: u8) -> io::Result<Option<(Transport, String)>> {
        let policy = self.shared.options.udp;
        for offer in offered.split(',') {
            let mut parts = offer.trim().split(';');
            let profile = parts.next().unwrap_or_default();
            let parts: Vec<&str> = parts.map(str::trim).collect();
            let pair = |name: &str| parts.iter().find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            if profile.eq_ignore_ascii_case("RTP/AVP/TCP") && policy != UdpPolicy::UdpOnly {
                let asked = pair("interleaved").and_then(|pair| pair.split('-').next()?.parse().ok());
                let channel: u8 = asked.filter(|channel| *channel < 255).unwrap_or(free_channel);
                let fields = format!("RTP/AVP/TCP;unicast;interleaved={channel}-{}", channel + 1);
                return Ok(Some((Transport::Interleaved(channel), fields)));
            }
            let is_udp = profile.eq_ignore_ascii_case("RTP/AVP") || profile.eq_ignore_ascii_case("RTP/AVP/UDP");
            let port = pair("client_port").and_then(|pair| pair.split('-').next()?.parse::<u16>().ok());
            if let (true, Some(port), true) =
                (is_udp, port.filter(|port| *port < u16::MAX), policy != UdpPolicy::TcpOnly)
            {
                let (transport, server) = udp(port).await?;
                let fields =
                    format!("RTP/AVP;unicast;client_port={port}-{};server_port={server}-{}", port + 1, server + 1);
                return Ok(Some((transport, fields)));
            }
        }
        Ok(None)
    }

    /// PLAY from now on.
    pub fn play(&mut self, target: &str) -> io::Result<String> {
        let mut reports = time::interval_at(Instant::now() + REPORTS / 5, REPORTS);
        let mut audio = time::interval(AUDIO);
        reports.set_missed_tick_behavior(MissedTickBehavior::Delay);
        audio.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let viewer = self.shared.view(self.shared.lateness())?;
        // No frame that is still to come is older than the one on air, but where the feed catches up.
        let at = viewer.key().on_air(media_time());
        self.playing = Some(Playing { viewer, reports, audio });
        let target = target.trim_end_matches('/');
        let info = [("track0", &self.audio), ("track1", &self.video)].into_iter().filter_map(|(name, track)| {
            let sender = &track.as_ref()?.sender;
            Some(format!("url={target}/{name};seq={};rtptime={}", sender.sequence, sender.timestamp(at)))
        });
        let info = info.collect::<Vec<_>>().join(",");
        Ok(format!("Session: {}\r\nRange: npt=now-\r\nRTP-Info: {info}\r\n\r\n", self.id))
    }

    /// PAUSE until the next PLAY.
    pub fn pause(&mut self) -> String {
        self.playing = None;
        format!("Session: {}\r\n\r\n", self.id)
    }

    /// Sends what is due next over UDP, or returns it for the RTSP connection.
    async fn next(&mut self) -> io::Result<Vec<u8>> {
        let Some(playing) = &mut self.playing else { return std::future::pending().await };
        let expires = match (&self.video, &self.audio) {
            (Some(track), _) | (None, Some(track)) if matches!(track.transport, Transport::Udp { .. }) => {
                self.heard + TIMEOUT
            }
            _ => Instant::now() + TIMEOUT,
        };
        let mut out = Vec::new();
        tokio::select! {
            frame = playing.viewer.next() => {
                let loss = (playing.viewer.mood() == Mood::PacketLoss).then_some(&mut self.loss);
                let is_described = !matches!(playing.viewer.mood(), Mood::NoVideo | Mood::Unsupported);
                let codec = playing.viewer.key().codec;
                if let Some(track) = self.video.as_mut().filter(|_| is_described) {
                    track.send_frame(&*frame?, codec, loss, &mut out);
                }
            }
            _ = playing.audio.tick(), if self.audio.is_some() => {
                let silent = matches!(playing.viewer.mood(), Mood::NoMedia | Mood::HangAccept);
                if let Some(track) = self.audio.as_mut().filter(|_| !silent) {
                    let silence = [0xff_u8; (AUDIO_CLOCK as u128 * AUDIO.as_millis() / 1000) as usize];
                    track.send(&silence, false, media_time(), &mut out);
                }
            }
            _ = playing.reports.tick() => {
                for track in [&mut self.audio, &mut self.video].into_iter().flatten() {
                    track.report(&mut out);
                }
            }
            heard = hear(&self.video, &self.audio) => {
                heard?;
                self.heard = Instant::now();
            }
            () = time::sleep_until(expires) => return Err(io::ErrorKind::TimedOut.into()),
        }
        Ok(out)
    }
}

/// Waits for what the session sends next; for ever where there is none.
pub(super) async fn send_next(session: &mut Option<Session>) -> io::Result<Vec<u8>> {
    match session {
        Some(session) => session.next().await,
        None => std::future::pending().await,
    }
}

/// Waits for a receiver report over UDP.
async fn hear(video: &Option<Track>, audio: &Option<Track>) -> io::Result<()> {
    let Some(Transport::Udp { rtcp, .. }) = video.as_ref().or(audio.as_ref()).map(|track| &track.transport) else {
        return std::future::pending().await;
    };
    let _ = rtcp.recv(&mut [0; 1500]).await;
    Ok(())
}

impl Track {
    fn send_frame(&mut self, frame: &FeedFrame, codec: Codec, mut loss: Option<&mut Loss>, out: &mut Vec<u8>) {
        out.reserve(frame.payloads.iter().map(|payload| payload.bytes.len() + 16).sum());
        let whole = loss.as_mut().is_some_and(|loss| loss.spares(frame, codec));
        for payload in &frame.payloads {
            if loss.as_mut().is_some_and(|loss| loss.takes(whole)) {
                self.sender.lose();
            } else {
                self.send(&payload.bytes, payload.marker, frame.at, out);
            }
        }
    }

    fn send(&mut self, payload: &[u8], marker: bool, at: Duration, out: &mut Vec<u8>) {
        match &self.transport {
            Transport::Interleaved(channel) => {
                out.put_slice(&[b'$', *channel]);
                out.put_u16(payload.len() as u16 + 12);
                self.sender.packet(payload, marker, at, out);
            }
            Transport::Udp { rtp, .. } => {
                let mut packet = Vec::with_capacity(payload.len() + 12);
                self.sender.packet(payload, marker, at, &mut packet);
                // Full buffers lose it, as networks do; a client that is gone is noticed by time-out.
                let _ = rtp.try_send(&packet);
            }
        }
    }

    fn report(&mut self, out: &mut Vec<u8>) {
        let report = self.sender.report(media_time());
        match &self.transport {
            Transport::Interleaved(channel) => {
                out.put_slice(&[b'$', channel + 1]);
                out.put_u16(report.len() as u16);
                out.put_slice(&report);
            }
            Transport::Udp { rtcp, .. } => {
                let _ = rtcp.try_send(&report);
            }
        }
    }
}

/// A pair of server ports, the first one even (RFC 3550, section 11), towards the client's pair.
async fn udp(client_port: u16) -> io::Result<(Transport, u16)> {
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    for _ in 0..64 {
        let rtp = UdpSocket::bind(local(0)).await?;
        let port = rtp.local_addr()?.port();
        if port % 2 == 1 {
            continue;
        }
        let Ok(rtcp) = UdpSocket::bind(local(port + 1)).await else { continue };
        rtp.connect(local(client_port)).await?;
        rtcp.connect(local(client_port + 1)).await?;
        // What is sent later must not wait: a sender that is cancelled would lose half a picture.
        rtp.writable().await?;
        rtcp.writable().await?;
        return Ok((Transport::Udp { rtp, rtcp }, port));
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// Loses a tenth of the packets, and never one of a key frame (JPEG: of every other picture), so that
/// there is always a picture to be judged.
struct Loss {
    rng: Rng,
    /// Packets that are still to be lost.
    owed: f32,
    pictures: u64,
}

impl Loss {
    fn new() -> Self {
        Self { rng: Rng::fresh(), owed: 0.0, pictures: 0 }
    }

    /// Whether this picture is left whole.
    fn spares(&mut self, frame: &FeedFrame, codec: Codec) -> bool {
        self.pictures += 1;
        if codec == Codec::Mjpeg { self.pictures.is_multiple_of(2) } else { frame.key }
    }

    /// Whether the next packet is lost.
    fn takes(&mut self, spared: bool) -> bool {
        self.owed = (self.owed + self.rng.fraction() * 0.2).min(50.0);
        let lost = !spared && self.owed >= 1.0;
        if lost {
            self.owed -= 1.0;
        }
        lost
    }
}
