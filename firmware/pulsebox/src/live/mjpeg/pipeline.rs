//! One camera's stream on its way to pictures: every frame decoded once, scaled and encoded once for each
//! quality that somebody watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Quality, Statistics, broken_down};
use crate::camera::sessions::{Ending, Item, Viewer};
use crate::camera::{Codec, Fault, Frame, StreamKind, Verdict};
use crate::picture::{self, StreamDecoder, sound_jpeg_size};

/// Frames of all cameras decoded at once: the other cores are for the checks and the page.
static DECODING: Semaphore = Semaphore::const_new(2);

/// What a quality shows.
#[derive(Debug)]
pub(super) enum Latest {
    /// Nobody watched, or nothing came yet.
    Nothing,
    /// One whole JPEG.
    Picture(Bytes),
    /// There will be no more.
    Ended(Ending),
}

/// Where the pictures go, and the counts.
pub(super) struct Outputs {
    latest: [watch::Sender<Latest>; 3],
    decoded: AtomicU64,
    encoded: [AtomicU64; 3],
    passed: AtomicU64,
    bad: AtomicU64,
    skipped: AtomicU64,
    has_no_room: AtomicBool,
}

impl Default for Outputs {
    fn default() -> Self {
        Self {
            latest: std::array::from_fn(|_| watch::Sender::new(Latest::Nothing)),
            decoded: AtomicU64::default(),
            encoded: Default::default(),
            passed: AtomicU64::default(),
            bad: AtomicU64::default(),
            skipped: AtomicU64::default(),
            has_no_room: AtomicBool::default(),
        }
    }
}

impl Outputs {
    pub fn subscribe(&self, quality: Quality) -> watch::Receiver<Latest> {
        self.of(quality).subscribe()
    }

    pub fn has_ended(&self) -> bool {
        self.latest.iter().any(|latest| matches!(*latest.borrow(), Latest::Ended(_)))
    }

    /// Whether it ended for want of room to decode.
    pub fn has_no_room(&self) -> bool {
        self.has_no_room.load(Ordering::Relaxed)
    }

    pub fn statistics(&self, camera: String, stream: StreamKind) -> Statistics {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Statistics {
            camera,
            stream,
            clients: std::array::from_fn(|n| self.latest[n].receiver_count()),
            decoded: count(&self.decoded),
            encoded: std::array::from_fn(|n| count(&self.encoded[n])),
            passed: count(&self.passed),
            bad: count(&self.bad),
            skipped: count(&self.skipped),
        }
    }

    fn of(&self, quality: Quality) -> &watch::Sender<Latest> {
        &self.latest[quality as usize]
    }

    /// Whether somebody watches this quality. Where nobody does, its last picture is forgotten, so that whoever
    /// comes next is not shown an old one.
    fn is_watched(&self, quality: Quality) -> bool {
        let latest = self.of(quality);
        if latest.receiver_count() > 0 {
            return true;
        }
        latest.send_if_modified(|latest| {
            let is_old = matches!(latest, Latest::Picture(_));
            if is_old {
                *latest = Latest::Nothing;
            }
            is_old
        });
        false
    }

    fn show(&self, quality: Quality, picture: Bytes) {
        self.of(quality).send_replace(Latest::Picture(picture));
    }

    fn end(&self, ending: &Ending) {
        for latest in &self.latest {
            latest.send_replace(Latest::Ended(ending.clone()));
        }
    }
}

fn add(count: &AtomicU64, n: u64) {
    count.fetch_add(n, Ordering::Relaxed);
}

/// Holds pictures to a rate. Frames a little early are taken, for cameras' frames jitter, and are made up for
/// by the next: over a second there are no more than the rate and one.
struct Pace {
    period: Duration,
    due: Option<Instant>,
}

impl Pace {
    fn new(quality: Quality) -> Self {
        Self { period: Duration::from_secs(1) / quality.rate(), due: None }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| now + self.period / 4 >= due)
    }

    fn took(&mut self, now: Instant) {
        self.due = Some(self.due.map_or(now, |due| (due + self.period).max(now)));
        if self.due == Some(now) {
            self.due = Some(now + self.period);
        }
    }
}

/// Room for one stream's pictures among all that are being decoded.
pub(super) struct Room {
    /// Pixels of all of them.
    taken: Arc<AtomicUsize>,
    most: usize,
    /// Pixels of this one.
    own: usize,
}

impl Room {
    /// None taken yet; there are `most` pixels for all who share `taken`.
    pub fn new(taken: Arc<AtomicUsize>, most: usize) -> Self {
        Self { taken, most, own: 0 }
    }

    /// Takes room for pictures of so many pixels in the place of what it has; false where there is none.
    fn take(&mut self, pixels: usize) -> bool {
        self.taken.fetch_sub(std::mem::take(&mut self.own), Ordering::Relaxed);
        let more = |now: usize| now.checked_add(pixels).filter(|all| *all <= self.most);
        let fits = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        self.own = if fits { pixels } else { 0 };
        fits
    }

    /// Whether there is room for a frame: key frames tell the size.
    fn has_room_for(&mut self, frame: &Frame) -> bool {
        if !frame.key || frame.codec == Codec::Mjpeg {
            return true;
        }
        let told = picture::describe(frame);
        let pixels = told.width.unwrap_or(0) as usize * told.height.unwrap_or(0) as usize;
        pixels == self.own || self.take(pixels)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.own, Ordering::Relaxed);
    }
}

/// Decodes and encodes; goes to a blocking thread and back with each frame.
struct Worker {
    decoder: StreamDecoder,
    outputs: Arc<Outputs>,
    paces: [Pace; 3],
    /// When a frame was good, at first the beginning.
    good: Instant,
}

/// Reads `viewer` until it ends or `stop`; what ends it is told to all clients. Nothing but damaged frames for
/// `patience` ends it too.
pub(super) async fn run(
    viewer: Viewer,
    outputs: Arc<Outputs>,
    room: Room,
    patience: Duration,
    stop: CancellationToken,
) {
    let ending = tokio::select! {
        ending = work(viewer, outputs.clone(), room, patience) => ending,
        () = stop.cancelled() => return,
    };
    outputs.end(&ending);
}

async fn work(mut viewer: Viewer, outputs: Arc<Outputs>, mut room: Room, patience: Duration) -> Ending {
    let mut worker = Worker {
        decoder: StreamDecoder::default(),
        outputs: outputs.clone(),
        paces: Quality::ALL.map(Pace::new),
        good: Instant::now(),
    };
    loop {
        let live = match viewer.next().await {
            Ok(Item::Frame(frame)) => frame,
            Ok(Item::Skipped(frames)) => {
                add(&outputs.skipped, frames);
                worker.decoder.skipped();
                continue;
            }
            Err(ending) => return ending,
        };
        let wanted = worker.wanted();
        // Of these no frame needs the one before it.
        if matches!(live.frame.codec, Codec::Mjpeg | Codec::Raw) && wanted.is_empty() {
            continue;
        }
        if !room.has_room_for(&live.frame) {
            outputs.has_no_room.store(true, Ordering::Relaxed);
            let detail = "this box decodes as many pixels as it may: watch fewer MJPEG streams, or smaller ones";
            return Ending::Broken { fault: Fault::new(Verdict::Busy, detail), opened: true };
        }
        let Ok(turn) = DECODING.acquire().await else { return broken_down() };
        // A frame takes milliseconds. Meanwhile the session keeps what comes, and where it becomes too much the
        // viewer goes on at a key frame.
        let Ok((back, taken)) = spawn_blocking(move || {
            let taken = worker.take(&live.frame, &wanted);
            drop(turn);
            (worker, taken)
        })
        .await
        else {
            return broken_down();
        };
        worker = back;
        match taken {
            Ok(()) => worker.good = Instant::now(),
            Err(fault) if fault.verdict == Verdict::Unsupported => return Ending::Broken { fault, opened: true },
            Err(fault) => {
                add(&outputs.bad, 1);
                if worker.good.elapsed() > patience {
                    return Ending::Broken { fault, opened: true };
                }
            }
        }
    }
}

impl Worker {
    /// The qualities that somebody watches and whose next picture is due.
    fn wanted(&self) -> Vec<Quality> {
        let now = Instant::now();
        let wanted = |quality: &Quality| self.outputs.is_watched(*quality) && self.paces[*quality as usize].is_due(now);
        Quality::ALL.into_iter().filter(wanted).collect()
    }

    /// One frame. An error: it gives no picture.
    fn take(&mut self, frame: &Frame, wanted: &[Quality]) -> Result<(), Fault> {
        match frame.codec {
            Codec::Mjpeg => self.take_jpeg(frame, wanted),
            Codec::H264 | Codec::H265 | Codec::Raw => self.decode(frame, wanted),
        }
    }

    fn take_jpeg(&mut self, frame: &Frame, wanted: &[Quality]) -> Result<(), Fault> {
        let damaged = || Fault::new(Verdict::Undecodable, "the JPEG's headers are damaged or not whole");
        let (width, height) = sound_jpeg_size(frame).ok_or_else(damaged)?;
        let fits = |quality: &Quality| {
            let (most_wide, most_high) = quality.bounds();
            width <= most_wide && height <= most_high
        };
        let (as_it_is, scaled): (Vec<Quality>, Vec<Quality>) = wanted.iter().partition(|quality| fits(quality));
        for quality in as_it_is {
            add(&self.outputs.passed, 1);
            self.show(quality, frame.data.clone());
        }
        if scaled.is_empty() { Ok(()) } else { self.decode(frame, &scaled) }
    }

    fn decode(&mut self, frame: &Frame, wanted: &[Quality]) -> Result<(), Fault> {
        let Self { decoder, outputs, paces, .. } = self;
        let Some(picture) = decoder.decode(frame)? else { return Ok(()) };
        add(&outputs.decoded, 1);
        for quality in wanted {
            let Some(jpeg) = picture.jpeg(quality.bounds(), quality.jpeg_quality()) else { continue };
            let n = *quality as usize;
            add(&outputs.encoded[n], 1);
            paces[n].took(Instant::now());
            outputs.show(*quality, jpeg.data);
        }
        Ok(())
    }

    fn show(&mut self, quality: Quality, picture: Bytes) {
        self.paces[quality as usize].took(Instant::now());
        self.outputs.show(quality, picture);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::{RawFormat, RawLayout};

    /// Of `seconds` of frames at `fps`, how many a quality takes.
    fn taken(quality: Quality, fps: u32, jitter_ms: u64, seconds: u32) -> u32 {
        let start = Instant::now();
        let mut pace = Pace::new(quality);
        let mut count = 0;
        for n in 0..fps * seconds {
            let late = Duration::from_millis(u64::from(n) * 7919 % (jitter_ms + 1));
            let now = start + Duration::from_secs(1) * n / fps + late;
            if pace.is_due(now) {
                pace.took(now);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn a_rate_is_held_whatever_the_camera_sends() {
        for quality in Quality::ALL {
            for fps in [5, 10, 12, 15, 20, 25, 30, 60] {
                let (most, seconds) = (quality.rate().min(fps), 20);
                let count = taken(quality, fps, 8, seconds);
                assert!(count <= most * seconds + 1, "{quality:?} of {fps} fps: {count}");
                assert!(count >= most * seconds * 9 / 10, "{quality:?} of {fps} fps: only {count}");
            }
        }
    }

    fn raw_frame(width: u32, height: u32) -> Frame {
        let format = RawFormat::Yuyv;
        let raw = Some(RawLayout { format, width, height, stride: width * 2, full_range: true });
        let data = vec![128; (width * height * 2) as usize].into();
        Frame { codec: Codec::Raw, key: true, data, raw, at: Duration::ZERO, arrived: Instant::now() }
    }

    #[test]
    fn a_raw_picture_is_scaled_and_encoded_for_each_quality_that_wants_it() {
        let outputs = Arc::new(Outputs::default());
        let (low, medium) = (outputs.subscribe(Quality::Low), outputs.subscribe(Quality::Medium));
        let paces = Quality::ALL.map(Pace::new);
        let mut worker =
            Worker { decoder: StreamDecoder::default(), outputs: outputs.clone(), paces, good: Instant::now() };
        worker.take(&raw_frame(640, 360), &[Quality::Low]).unwrap();
        let Latest::Picture(jpeg) = &*low.borrow() else { panic!("no picture") };
        let jpeg = Frame { codec: Codec::Mjpeg, data: jpeg.clone(), raw: None, ..raw_frame(2, 2) };
        assert_eq!(sound_jpeg_size(&jpeg), Some((320, 180)));
        assert!(matches!(*medium.borrow(), Latest::Nothing), "nobody wanted it");
        let mut short = raw_frame(640, 360);
        short.data.truncate(1000);
        assert_eq!(worker.take(&short, &[Quality::Low]).unwrap_err().verdict, Verdict::Undecodable);
    }

    #[test]
    fn raw_pictures_count_among_the_pixels_that_may_be_decoded() {
        let taken = Arc::new(AtomicUsize::new(0));
        let mut room = Room::new(taken.clone(), 640 * 360);
        assert!(room.has_room_for(&raw_frame(640, 360)));
        assert_eq!(taken.load(Ordering::Relaxed), 640 * 360);
        assert!(!Room::new(taken.clone(), 640 * 360).has_room_for(&raw_frame(2, 2)), "all is taken");
        drop(room);
        assert_eq!(taken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn after_a_pause_there_is_no_burst() {
        let mut pace = Pace::new(Quality::Low);
        let start = Instant::now();
        pace.took(start);
        let back = start + Duration::from_secs(60);
        assert!(pace.is_due(back));
        pace.took(back);
        assert!(!pace.is_due(back + Duration::from_millis(10)));
    }
}
