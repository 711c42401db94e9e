//! One look at one camera: climb the ladder, take a key frame, measure for a moment, decode.
//!
//! Whatever the camera does, it cannot make a look outlive its deadline. Its goodbye (TEARDOWN) may take up to [`GOODBYE`] longer and is
//! waited for apart, so that a report is not late because a camera is slow to part.

mod along;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use crate::camera::{
    Climb, Fault, Frame, Goodbyes, OnRung, Reception, Rung, RungTime, Session, Sessions, StreamInfo, Target, Verdict,
};
use crate::config::CameraConfig;
use crate::picture::{self, Looked};

/// Frame rate and bit rate are measured for this long from the key frame on.
const MEASURE: Duration = Duration::from_millis(600);
/// …or until a few frames have come, but no longer than this.
const MEASURE_MAX: Duration = Duration::from_millis(2500);
/// Frames that are enough to tell a rate.
const MEASURE_FRAMES: usize = 5;
/// Damaged key frames that are passed over in the hope of a whole one.
const SECOND_CHANCES: u32 = 1;
/// The longest that decoding may take, with the wait for its turn.
const DECODE_MAX: Duration = Duration::from_secs(30);
/// The longest that a camera's goodbye is waited for.
pub const GOODBYE: Duration = Duration::from_millis(1500);
/// Pictures decoded at once: each may take tens of megabytes, and there are few cores. One a time is a
/// hundred a second on a small machine.
static DECODING: Semaphore = Semaphore::const_new(1);

/// Whose session a look reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// One of its own: it climbed the ladder.
    #[default]
    Own,
    /// The one that is open for viewers.
    Along,
    /// The same, where no key frame came: the picture is the last one's, which other looks may have seen.
    AlongOld,
}

/// What one look found, before thresholds and memory judge it.
pub struct Look {
    /// When it began.
    pub at: Timestamp,
    /// Milliseconds it took.
    pub ms: f64,
    /// The rungs reached.
    pub rungs: Vec<RungTime>,
    /// Whose session was read.
    pub reading: Reading,
    /// Milliseconds from the start to the first packet.
    pub first_packet_ms: Option<f64>,
    /// Milliseconds from the start to the first key frame.
    pub first_frame_ms: Option<f64>,
    /// What is sent.
    pub stream: StreamInfo,
    /// The picture, where one was seen.
    pub picture: Option<Looked>,
    /// Why not, where the climb failed.
    pub fault: Option<Fault>,
}

/// A future that a trait object can return.
pub type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Whatever can look at a camera: the network, or a test's script.
pub trait Eye: Send + Sync + 'static {
    /// Looks once; must end by the camera's timeout. A thumbnail is made only where it is wanted: it costs
    /// a fifth of a look.
    /// The connections that it leaves behind are counted in the goodbyes.
    fn look(&self, camera: Arc<CameraConfig>, at: Timestamp, thumbnail: bool) -> Later<(Look, Goodbyes)>;
}

/// Looks at real cameras: along with their viewers where there are some, for many cameras admit few clients.
#[derive(Default)]
pub struct RealEye {
    sessions: Sessions,
}

impl RealEye {
    /// An eye that reads the sessions of viewers.
    pub fn new(sessions: Sessions) -> Self {
        Self { sessions }
    }

    /// Ends the viewers' sessions, and waits until every camera was told goodbye, [`GOODBYE`] at most.
    pub async fn close(&self) {
        self.sessions.close().await;
    }
}

impl Eye for RealEye {
    fn look(&self, camera: Arc<CameraConfig>, at: Timestamp, thumbnail: bool) -> Later<(Look, Goodbyes)> {
        let sessions = self.sessions.clone();
        let goodbyes = Goodbyes::among(sessions.partings());
        let want = Want { at, thumbnail, on_rung: None };
        Box::pin(async move {
            let target = camera.target();
            if let Some(tap) = sessions.watched(&camera.id, &target)
                && let Some(look) = along::look_along(tap, camera.timeout, &want).await
            {
                return (look, goodbyes);
            }
            sessions.parted(&camera.id).await;
            (look(&target, camera.timeout, want, &goodbyes).await, goodbyes)
        })
    }
}

/// What is wanted of a look beside its verdict.
#[derive(Clone)]
pub struct Want {
    /// The wall time, for the report.
    pub at: Timestamp,
    /// Make a thumbnail.
    pub thumbnail: bool,
    /// Told of each rung as it is reached.
    pub on_rung: Option<OnRung>,
}

/// Looks at `target` once, `deadline` at most.
pub async fn look(target: &Target, deadline: Duration, want: Want, goodbyes: &Goodbyes) -> Look {
    let at = want.at;
    let mut climb = Climb::start(want.on_rung);
    let mut take = Take { thumbnail: want.thumbnail, ..Take::default() };
    let end = Instant::now() + deadline;
    let fault = take.climb(target, &mut climb, goodbyes, end).await.err();
    let ms = climb.elapsed().as_micros() as f64 / 1e3;
    let stream = take.stream();
    Look {
        at,
        ms,
        rungs: climb.rungs().to_vec(),
        reading: Reading::Own,
        first_packet_ms: climb.ms_to(Rung::FirstPacket),
        first_frame_ms: climb.ms_to(Rung::FirstKeyFrame),
        stream,
        picture: take.picture,
        fault,
    }
}

/// What was taken so far; outlives a climb that the deadline cut.
#[derive(Default)]
struct Take {
    thumbnail: bool,
    session: Option<Session>,
    first_packet_noted: bool,
    info: StreamInfo,
    rate: Rate,
    picture: Option<Looked>,
}

impl Take {
    async fn climb(
        &mut self,
        target: &Target,
        climb: &mut Climb,
        goodbyes: &Goodbyes,
        end: Instant,
    ) -> Result<(), Fault> {
        let opened = timeout_at(end, Session::open(target, climb, goodbyes)).await;
        self.session = Some(opened.unwrap_or_else(|_| Err(climb.out_of_time()))?);
        let mut damage = None;
        for chance in 0..=SECOND_CHANCES {
            let key = match timeout_at(end, self.key_frame(climb)).await {
                Ok(key) => key?,
                Err(_) => {
                    self.note_first_packet(climb);
                    return Err(damage.unwrap_or_else(|| climb.out_of_time()));
                }
            };
            let arrived = key.arrived;
            let thumbnail = self.thumbnail;
            let decoding = async { Ok(decode(key, thumbnail).await) };
            let ((), (looked, done)) = tokio::try_join!(self.measure(end), decoding)?;
            match looked {
                Ok(looked) => {
                    if matches!(looked, Looked::Decoded(_)) {
                        climb.reached_at(Rung::Picture, done.max(arrived));
                    }
                    self.picture = Some(looked);
                    return Ok(());
                }
                Err(fault) => {
                    let again = chance < SECOND_CHANCES
                        && fault.verdict == Verdict::Undecodable
                        && self.session.as_ref().is_some_and(Session::is_stream);
                    if !again {
                        return Err(fault);
                    }
                    damage = Some(fault);
                }
            }
        }
        Err(damage.unwrap_or_else(|| climb.out_of_time()))
    }

    /// Reads up to a key frame.
    async fn key_frame(&mut self, climb: &mut Climb) -> Result<Frame, Fault> {
        loop {
            let frame = self.next().await?;
            self.note_first_packet(climb);
            self.rate.add(&frame);
            if frame.key {
                self.info = picture::describe(&frame);
                if climb.ms_to(Rung::FirstKeyFrame).is_none() {
                    climb.reached_at(Rung::FirstKeyFrame, frame.arrived);
                }
                climb.waiting(Verdict::Undecodable, "the decoder");
                return Ok(frame);
            }
        }
    }

    /// Reads on for a while to learn the rate.
    async fn measure(&mut self, end: Instant) -> Result<(), Fault> {
        if self.session.as_ref().is_none_or(|s| !s.is_stream()) {
            return Ok(());
        }
        let started = Instant::now();
        // A check near its deadline measures what it has rather than fail for measuring.
        let latest = (started + MEASURE_MAX).min(end - (end - started).min(Duration::from_millis(100)));
        loop {
            let enough = if self.rate.frames >= MEASURE_FRAMES { (started + MEASURE).min(latest) } else { latest };
            match timeout_at(enough, self.next()).await {
                Ok(Ok(frame)) => self.rate.add(&frame),
                Ok(Err(fault)) => {
                    let after = started.elapsed().as_millis();
                    return Err(Fault::new(
                        fault.verdict,
                        format!("{}, {after} ms after the first picture", fault.detail),
                    ));
                }
                Err(_) => {
                    self.rate.watched = started.elapsed();
                    return Ok(());
                }
            }
            if Instant::now() >= started + MEASURE && self.rate.frames >= MEASURE_FRAMES {
                self.rate.watched = started.elapsed();
                return Ok(());
            }
        }
    }

    async fn next(&mut self) -> Result<Frame, Fault> {
        match &mut self.session {
            Some(session) => session.next().await,
            None => Err(Fault::new(Verdict::Protocol, "the camera is not open")),
        }
    }

    fn note_first_packet(&mut self, climb: &mut Climb) {
        if self.first_packet_noted {
            return;
        }
        if let Some(at) = self.session.as_ref().and_then(Session::first_packet) {
            climb.reached_at(Rung::FirstPacket, at);
            climb.waiting(Verdict::NoKeyframe, "a key frame");
            self.first_packet_noted = true;
        }
    }

    fn stream(&self) -> StreamInfo {
        let is_stream = self.session.as_ref().is_some_and(Session::is_stream);
        let mut info = self.info.clone();
        if is_stream {
            info.fps = self.rate.fps();
            info.kbps = self.rate.kbps();
            info.loss_percent = self.session.as_ref().and_then(Session::reception).and_then(Reception::loss_percent);
        }
        info
    }
}

/// Decodes on a thread for it; gives when it was done. The time that a picture waits for its turn is ours
/// and not the camera's, so it stands outside the check's deadline; a look that is dropped gives its place
/// in the queue up.
async fn decode(key: Frame, thumbnail: bool) -> (Result<Looked, Fault>, Instant) {
    let decoded = timeout(DECODE_MAX, async {
        let turn = DECODING.acquire().await;
        tokio::task::spawn_blocking(move || {
            let looked = picture::look(&key, thumbnail);
            drop(turn);
            (looked, Instant::now())
        })
        .await
    });
    let fault = |detail: String| (Err(Fault::new(Verdict::Undecodable, detail)), Instant::now());
    match decoded.await {
        Ok(Ok(decoded)) => decoded,
        Ok(Err(_)) => fault("the decoder broke down over it".into()),
        Err(_) => fault(format!("this box did not get to decode it within {} s", DECODE_MAX.as_secs())),
    }
}

/// Frames counted by the camera's own time, so that a burst at the start does not look like a high rate.
#[derive(Default)]
struct Rate {
    frames: usize,
    bytes: u64,
    first: Option<Moment>,
    last: Option<Moment>,
    watched: Duration,
}

#[derive(Clone, Copy)]
struct Moment {
    at: Duration,
    arrived: Instant,
}

impl Rate {
    fn add(&mut self, frame: &Frame) {
        let this = Moment { at: frame.at, arrived: frame.arrived };
        self.first.get_or_insert(this);
        self.frames += 1;
        self.bytes += frame.data.len() as u64;
        self.last = Some(this);
    }

    /// Seconds from the first frame to the last.
    fn span(&self) -> Option<f64> {
        let (first, last) = (self.first?, self.last?);
        let by_camera = last.at.saturating_sub(first.at).as_secs_f64();
        let by_us = (last.arrived - first.arrived).as_secs_f64();
        // A camera whose clock stands still or leaps is measured by ours.
        let span = if by_camera > by_us * 0.2 && by_camera < by_us * 5.0 + 2.0 { by_camera } else { by_us };
        (span > 0.001).then_some(span)
    }

    fn fps(&self) -> Option<f32> {
        if self.frames < 2 {
            let watched = self.watched.as_secs_f32();
            return (self.frames == 1 && watched > 0.0).then(|| 1.0 / watched);
        }
        Some(((self.frames - 1) as f64 / self.span()?) as f32)
    }

    fn kbps(&self) -> Option<u32> {
        if self.frames < 2 {
            return None;
        }
        // The last frame lasts until the next would begin.
        let span = self.span()? * self.frames as f64 / (self.frames - 1) as f64;
        Some((self.bytes as f64 * 8.0 / 1000.0 / span).round() as u32)
    }
}
