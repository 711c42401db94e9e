//! MJPEG at three qualities, for clients that know nothing else.
//!
//! A camera's stream is decoded once however many watch it, and each quality's picture is scaled and encoded
//! once however many take it. JPEG pictures that fit into a quality's box are passed through byte for byte.
//! Everybody gets the latest picture and nobody waits for another: a client that is slow misses pictures, and
//! a decoder that is slow goes on at the next key frame.
//!
//! What it cannot do: H.265 (`unsupported`), and pictures above the rates of [`Quality`].

mod pipeline;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::camera::sessions::Ending;
use crate::camera::{Fault, Sessions, StreamKind, Target, Verdict};
use crate::config::CameraConfig;
use pipeline::{Latest, Outputs, Room};

/// How large, how often and how finely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quality {
    /// 320×240, 10 pictures a second, JPEG quality 60.
    Low,
    /// 640×480, 15 pictures a second, JPEG quality 70.
    Medium,
    /// 1280×720, 20 pictures a second, JPEG quality 80.
    High,
}

impl Quality {
    /// All, smallest first; a quality's number is its place here.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// `low`, `medium` or `high`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// The quality of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|quality| quality.name() == name)
    }

    /// The box that pictures fit into, their aspect kept: width and height, pixels.
    pub fn bounds(self) -> (u32, u32) {
        match self {
            Self::Low => (320, 240),
            Self::Medium => (640, 480),
            Self::High => (1280, 720),
        }
    }

    /// The most pictures a second.
    pub fn rate(self) -> u32 {
        match self {
            Self::Low => 10,
            Self::Medium => 15,
            Self::High => 20,
        }
    }

    /// The streams to read for it, the better one first: small pictures are made of the small stream.
    fn streams(self) -> [StreamKind; 2] {
        match self {
            Self::Low | Self::Medium => [StreamKind::Sub, StreamKind::Main],
            Self::High => [StreamKind::Main, StreamKind::Sub],
        }
    }

    /// JPEG quality, 1 to 100; pictures that are passed through keep their own.
    pub fn jpeg_quality(self) -> u8 {
        match self {
            Self::Low => 60,
            Self::Medium => 70,
            Self::High => 80,
        }
    }
}

/// What one camera's MJPEG has cost so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// The camera's id.
    pub camera: String,
    /// Which of its streams is read.
    pub stream: StreamKind,
    /// Clients now, by quality.
    pub clients: [usize; 3],
    /// Frames decoded.
    pub decoded: u64,
    /// Pictures scaled and encoded, by quality.
    pub encoded: [u64; 3],
    /// Pictures passed through as the camera sent them.
    pub passed: u64,
    /// Frames that no decoder took.
    pub bad: u64,
    /// Frames left out because decoding was too slow.
    pub skipped: u64,
}

/// What clients may do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A client that takes no bytes for this long is ended.
    pub untaken: Duration,
    /// The most pixels of all streams that are being decoded, each counted once: a decoder takes some 15 bytes for
    /// each. Streams that are passed through as they come need none.
    pub pixels: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { untaken: Duration::from_secs(30), pixels: 9_000_000 }
    }
}

/// All MJPEG there is. Cheap to clone.
#[derive(Clone)]
pub struct Mjpeg {
    limits: Limits,
    shared: Arc<Shared>,
}

type Seats = HashMap<(String, StreamKind), Weak<Seat>>;

struct Shared {
    sessions: Sessions,
    clients: AtomicUsize,
    /// Pixels that are being decoded.
    pixels: Arc<AtomicUsize>,
    /// Held for moments, never over an await.
    seats: Mutex<Seats>,
}

impl fmt::Debug for Mjpeg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mjpeg").field("clients", &self.clients()).finish()
    }
}

/// One pipeline as its clients hold it: it ends when the last one has gone.
struct Seat {
    target: Target,
    outputs: Arc<Outputs>,
    _stop: DropGuard,
}

impl Mjpeg {
    /// Nobody watches yet.
    pub fn new(sessions: Sessions) -> Self {
        let shared = Shared { sessions, clients: AtomicUsize::new(0), pixels: Arc::default(), seats: Mutex::default() };
        Self { limits: Limits::default(), shared: Arc::new(shared) }
    }

    /// The same clients, under other limits.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// How long a client may take no bytes.
    pub fn untaken(&self) -> Duration {
        self.limits.untaken
    }

    /// Begins to watch a camera and waits for the first picture; `most` clients at once, over all cameras. Where
    /// the stream that suits the quality cannot be decoded, the camera's other stream is taken.
    ///
    /// # Errors
    /// No room, or no picture: the camera cannot be opened within its `timeout`, nothing can be decoded, or its
    /// settings change meanwhile.
    pub async fn watch(&self, camera: &CameraConfig, quality: Quality, most: usize) -> Result<Watched, NoView> {
        let mut place = Place::take(&self.shared, most).ok_or(NoView::Full)?;
        // Opening, then as long again without a frame that decodes, and a moment.
        let limit = camera.timeout * 2 + Duration::from_secs(1);
        let mut ending = Ending::Changed;
        for stream in quality.streams() {
            let Some(target) = camera.stream(stream) else { continue };
            let mut client = self.join(&camera.id, stream, &target, camera.timeout, quality, place);
            match timeout(limit, client.next()).await {
                Ok(Ok(first)) => return Ok(Watched { first, client }),
                Ok(Err(broken)) => ending = broken,
                Err(_) => {
                    let fault = Fault::new(Verdict::Undecodable, "no picture came out of the camera's stream");
                    ending = Ending::Broken { fault, opened: true };
                }
            }
            if client.seat.outputs.has_no_room() {
                return Err(NoView::Full);
            }
            let is_undecodable = |fault: &Fault| fault.verdict == Verdict::Unsupported;
            if !matches!(&ending, Ending::Broken { fault, .. } if is_undecodable(fault)) {
                break;
            }
            place = client.place;
        }
        Err(NoView::Ended(ending))
    }

    /// Joins the stream's pictures, or begins to make them. `deadline` is how long the camera may take to open,
    /// and how long nothing but damaged frames is borne.
    fn join(
        &self,
        camera: &str,
        stream: StreamKind,
        target: &Target,
        deadline: Duration,
        quality: Quality,
        place: Place,
    ) -> Client {
        let key = (camera.to_owned(), stream);
        let mut seats = self.seats();
        let running = seats.get(&key).and_then(Weak::upgrade);
        let running = running.filter(|seat| seat.target == *target && !seat.outputs.has_ended());
        let seat = running.unwrap_or_else(|| {
            let viewer = self.shared.sessions.join(camera, stream, target, deadline);
            let stop = CancellationToken::new();
            let outputs = Arc::new(Outputs::default());
            let room = Room::new(self.shared.pixels.clone(), self.limits.pixels);
            tokio::spawn(pipeline::run(viewer, outputs.clone(), room, deadline, stop.clone()));
            Arc::new(Seat { target: target.clone(), outputs, _stop: stop.drop_guard() })
        });
        seats.insert(key, Arc::downgrade(&seat));
        seats.retain(|_, seat| seat.strong_count() > 0);
        drop(seats);
        let mut latest = seat.outputs.subscribe(quality);
        latest.mark_changed();
        Client { latest, seat, place }
    }

    /// Clients now, over all cameras.
    pub fn clients(&self) -> usize {
        self.shared.clients.load(Ordering::Relaxed)
    }

    /// What is running, by camera and stream.
    pub fn statistics(&self) -> Vec<Statistics> {
        let seats = self.seats();
        let running = seats.iter().filter_map(|(key, seat)| Some((key.clone(), seat.upgrade()?)));
        let running: Vec<_> = running.collect();
        drop(seats);
        let mut all: Vec<_> =
            running.into_iter().map(|((camera, stream), seat)| seat.outputs.statistics(camera, stream)).collect();
        all.sort_by(|a, b| (&a.camera, a.stream.name()).cmp(&(&b.camera, b.stream.name())));
        all
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.shared.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why there is nothing to watch.
#[derive(Clone, Debug)]
pub enum NoView {
    /// As many clients as there may be are watching, or as many pixels are being decoded.
    Full,
    /// The camera gives no picture.
    Ended(Ending),
}

/// A view that has begun.
#[derive(Debug)]
pub struct Watched {
    /// Its first picture, one whole JPEG.
    pub first: Bytes,
    /// Gives the next ones.
    pub client: Client,
}

/// One client's place among all.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>, most: usize) -> Option<Self> {
        let one_more = |now: usize| (now < most).then_some(now + 1);
        shared.clients.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Self(shared.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One who watches. Dropping it leaves.
pub struct Client {
    latest: watch::Receiver<Latest>,
    seat: Arc<Seat>,
    place: Place,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// The latest picture that this client has not had, one whole JPEG; waits for it. Pictures between are left
    /// out. Safe to cancel.
    ///
    /// # Errors
    /// The camera could not be opened, broke, cannot be decoded, or its settings changed.
    pub async fn next(&mut self) -> Result<Bytes, Ending> {
        loop {
            let is_over = self.latest.changed().await.is_err();
            match &*self.latest.borrow_and_update() {
                Latest::Picture(data) => return Ok(data.clone()),
                Latest::Ended(ending) => return Err(ending.clone()),
                Latest::Nothing if is_over => return Err(broken_down()),
                Latest::Nothing => {}
            }
        }
    }
}

/// The pipeline has gone without a word: a bug, told and not hidden.
fn broken_down() -> Ending {
    let fault = Fault::new(Verdict::Undecodable, "decoding the camera's pictures broke down; report this with the log");
    Ending::Broken { fault, opened: true }
}
