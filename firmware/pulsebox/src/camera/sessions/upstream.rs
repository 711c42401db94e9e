//! One open camera and those who watch it.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::frames::{Frames, LiveFrame};
use super::{Crowd, GOODBYE, Limits, Statistics, StreamKind};
use crate::camera::{Climb, Fault, Goodbyes, Reception, Rung, RungTime, Session, Target, Verdict};

/// A camera without room is asked again this often while it is being opened: the other viewer may be a check of
/// our own that is about to end.
const ASK_AGAIN: Duration = Duration::from_millis(700);
/// …at most so many times.
const ASK_AGAIN_TIMES: u32 = 3;
/// An upstream that broke is not opened again sooner than this.
const BREATHE: Duration = Duration::from_secs(1);

/// What a viewer gets.
#[derive(Clone, Debug)]
pub enum Item {
    /// The next frame; the first is a key frame.
    Frame(Arc<LiveFrame>),
    /// The viewer was too slow: so many frames are left out, and a key frame comes next.
    Skipped(u64),
}

/// Why no more frames come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The camera could not be opened (`opened` false), or broke after it had been.
    Broken {
        /// Why.
        fault: Fault,
        /// Whether a key frame had come.
        opened: bool,
    },
    /// The camera's settings were changed, it was removed, or Pulsebox stops. Join again with the target of now.
    Changed,
}

/// An upstream: from opening to goodbye.
pub(super) struct Upstream {
    pub target: Target,
    deadline: Duration,
    limits: Limits,
    state: Mutex<State>,
    /// Counts up with each frame and at the end.
    progress: watch::Sender<u64>,
    /// A viewer or a tap has gone.
    left: Notify,
    dismissed: CancellationToken,
    /// The camera was told goodbye.
    pub parted: CancellationToken,
}

struct State {
    frames: Frames,
    /// While it is open.
    among: Option<Among>,
    ended: Option<(Ending, Instant)>,
    viewers: usize,
    taps: usize,
    /// Since when nobody watches.
    idle: Option<Instant>,
    opened: Instant,
    rungs: Vec<RungTime>,
    reception: Option<Reception>,
    is_stream: bool,
    bytes: u64,
    skips: u64,
}

impl State {
    /// What is kept of it.
    fn let_go(&mut self) {
        self.frames.clear();
        self.among = None;
    }
}

/// One of the upstreams that are open.
struct Among(Crowd);

impl Among {
    fn join(crowd: &Crowd) -> Self {
        crowd.fetch_add(1, Ordering::Relaxed);
        Self(crowd.clone())
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Among {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Upstream {
    pub fn new(target: Target, deadline: Duration, limits: Limits, crowd: &Crowd) -> Self {
        let state = State {
            frames: Frames::default(),
            among: Some(Among::join(crowd)),
            ended: None,
            viewers: 0,
            taps: 0,
            idle: None,
            opened: Instant::now(),
            rungs: Vec::new(),
            reception: None,
            is_stream: true,
            bytes: 0,
            skips: 0,
        };
        Self {
            target,
            deadline,
            limits,
            state: Mutex::new(state),
            progress: watch::Sender::new(0),
            left: Notify::new(),
            dismissed: CancellationToken::new(),
            parted: CancellationToken::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A viewer of an upstream that is open, or that could not be opened less than `retry_after` its fault ago.
    pub fn join(self: &Arc<Self>, retry_after: impl Fn(&Fault) -> Duration) -> Option<Viewer> {
        if self.dismissed.is_cancelled() {
            return None;
        }
        let mut state = self.state();
        match &state.ended {
            None => {}
            Some((Ending::Broken { fault, opened: false }, at)) if at.elapsed() < retry_after(fault) => {}
            Some(_) => return None,
        }
        state.viewers += 1;
        state.idle = None;
        Some(Viewer { place: Place::new(self.clone(), false) })
    }

    /// The first viewer of an upstream that was just made.
    pub fn first(self: Arc<Self>) -> Viewer {
        self.state().viewers = 1;
        Viewer { place: Place::new(self, false) }
    }

    /// A tap of an upstream that has not ended.
    pub fn tap(self: &Arc<Self>) -> Option<Tap> {
        let mut state = self.state();
        if state.ended.is_some() || self.dismissed.is_cancelled() {
            return None;
        }
        state.taps += 1;
        Some(Tap(Viewer { place: Place::new(self.clone(), true) }))
    }

    /// Tells it to end.
    pub fn dismiss(&self) {
        self.dismissed.cancel();
    }

    pub fn is_over(&self) -> bool {
        self.dismissed.is_cancelled() || self.state().ended.is_some()
    }

    pub fn viewers(&self) -> usize {
        let state = self.state();
        if state.ended.is_some() { 0 } else { state.viewers }
    }

    pub fn statistics(&self, camera: String, stream: StreamKind) -> Option<Statistics> {
        let state = self.state();
        if state.ended.is_some() {
            return None;
        }
        let rates = state.frames.rates().filter(|_| state.is_stream);
        Some(Statistics {
            camera,
            stream,
            viewers: state.viewers,
            key: state.frames.newest_key().cloned(),
            fps: rates.map(|(fps, _)| fps),
            kbps: rates.map(|(_, kbps)| kbps),
            bytes: state.bytes,
            since: state.opened,
            gop_frames: state.frames.gop_frames(),
            skips: state.skips,
        })
    }

    /// Opens the camera and reads it until it breaks, nobody watches any more or it is dismissed; then says
    /// goodbye. Begins when the upstream `before` it has said its own.
    pub async fn run(self: Arc<Self>, before: Option<Arc<Upstream>>, goodbyes: Goodbyes) {
        // Also where something in here panics: viewers must hear of it.
        let end = EndOnDrop(&self);
        let ending = tokio::select! {
            ending = self.read(before, &goodbyes) => Some(ending),
            () = self.nobody_watches() => None,
            () = self.dismissed.cancelled() => Some(Ending::Changed),
        };
        if let Some(ending) = ending {
            self.end(ending);
        }
        goodbyes.wait(GOODBYE).await;
        drop(end);
    }

    fn end(&self, ending: Ending) {
        let mut state = self.state();
        if state.ended.is_none() {
            state.ended = Some((ending, Instant::now()));
        }
        state.let_go();
        drop(state);
        self.progress.send_modify(|n| *n += 1);
    }

    async fn read(&self, before: Option<Arc<Upstream>>, goodbyes: &Goodbyes) -> Ending {
        if let Some(before) = before {
            let _ = timeout(GOODBYE, before.parted.cancelled()).await;
            let ended = before.state().ended.clone();
            if let Some((Ending::Broken { .. }, at)) = ended {
                sleep_until(at + BREATHE).await;
            }
        }
        let mut climb = Climb::start(None);
        let end = Instant::now() + self.deadline;
        let opened = timeout_at(end, self.open(&mut climb, goodbyes)).await;
        let opened = match opened.unwrap_or_else(|_| Err(climb.out_of_time())) {
            Ok(mut session) => self.begin(&mut session, &mut climb, end).await.map(|()| session),
            Err(fault) => Err(fault),
        };
        self.state().rungs = climb.rungs().to_vec();
        let mut session = match opened {
            Ok(session) => session,
            Err(fault) => return Ending::Broken { fault, opened: false },
        };
        loop {
            let frame = match timeout(self.deadline, session.next()).await {
                Ok(Ok(frame)) => frame,
                Ok(Err(fault)) => return Ending::Broken { fault, opened: true },
                Err(_) => {
                    let detail = format!("nothing came for {:.0} s", self.deadline.as_secs_f32());
                    return Ending::Broken { fault: Fault::new(Verdict::NoMedia, detail), opened: true };
                }
            };
            self.take(frame, &session);
        }
    }

    async fn open(&self, climb: &mut Climb, goodbyes: &Goodbyes) -> Result<Session, Fault> {
        let mut asked = 0;
        loop {
            match Session::open(&self.target, climb, goodbyes).await {
                Err(fault) if fault.verdict == Verdict::Busy && asked < ASK_AGAIN_TIMES => {
                    asked += 1;
                    sleep(ASK_AGAIN).await;
                    *climb = Climb::start(None);
                }
                opened => return opened,
            }
        }
    }

    /// Reads up to the first key frame.
    async fn begin(&self, session: &mut Session, climb: &mut Climb, end: Instant) -> Result<(), Fault> {
        let mut is_packet_noted = false;
        loop {
            let next = timeout_at(end, session.next()).await;
            if let (false, Some(at)) = (is_packet_noted, session.first_packet()) {
                climb.reached_at(Rung::FirstPacket, at);
                climb.waiting(Verdict::NoKeyframe, "a key frame");
                is_packet_noted = true;
            }
            let frame = next.unwrap_or_else(|_| Err(climb.out_of_time()))?;
            if frame.key {
                climb.reached_at(Rung::FirstKeyFrame, frame.arrived);
                self.state().is_stream = session.is_stream();
                self.take(frame, session);
                return Ok(());
            }
        }
    }

    fn take(&self, frame: crate::camera::Frame, session: &Session) {
        let mut state = self.state();
        state.bytes += frame.data.len() as u64;
        state.reception = session.reception();
        let upstreams = state.among.as_ref().map_or(1, Among::count);
        state.frames.push(frame, &self.limits.shared_by(upstreams));
        drop(state);
        self.progress.send_modify(|n| *n += 1);
    }

    /// Ends when the grace is over and no check reads along; from then on nobody can join.
    async fn nobody_watches(&self) {
        loop {
            let left = self.left.notified();
            let mut left = std::pin::pin!(left);
            left.as_mut().enable();
            let until = {
                let mut state = self.state();
                let until = state.idle.filter(|_| state.viewers == 0).map(|idle| idle + self.limits.grace);
                if until.is_some_and(|until| until <= Instant::now()) && state.taps == 0 {
                    state.ended = Some((Ending::Changed, Instant::now()));
                    state.let_go();
                    return;
                }
                until.filter(|until| *until > Instant::now())
            };
            let grace = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = left => {}
                () = grace => {}
            }
        }
    }
}

struct EndOnDrop<'a>(&'a Upstream);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        let fault = Fault::new(Verdict::Protocol, "reading the camera broke down over what it sent");
        self.0.end(Ending::Broken { fault, opened: true });
        self.0.parted.cancel();
    }
}

/// Where one reader stands.
struct Place {
    upstream: Arc<Upstream>,
    progress: watch::Receiver<u64>,
    /// The next frame's number; none until there is a key frame to start at.
    at: Option<u64>,
    /// Left out since then, and waiting for a key frame.
    missed_from: Option<u64>,
    /// Begins anywhere where there is no key frame to start at.
    is_tap: bool,
    /// Since when there is none in an upstream that is open.
    waits: Option<Instant>,
}

impl Place {
    fn new(upstream: Arc<Upstream>, is_tap: bool) -> Self {
        let progress = upstream.progress.subscribe();
        Self { upstream, progress, at: None, missed_from: None, is_tap, waits: None }
    }

    /// What is there at once.
    fn take(&mut self) -> Option<Result<Item, Ending>> {
        let mut state = self.upstream.state();
        if let Some((ending, _)) = &state.ended {
            return Some(Err(ending.clone()));
        }
        if let Some(at) = self.at
            && state.frames.is_gone(at)
        {
            self.at = None;
            self.missed_from = Some(at);
        }
        let at = match self.at {
            Some(at) => at,
            None => match state.frames.last_key() {
                Some(key) => key.number,
                None if self.is_tap && state.frames.next > 0 => state.frames.next,
                None => {
                    self.waits = self.waits.or((state.frames.next > 0).then(Instant::now));
                    return None;
                }
            },
        };
        self.waits = None;
        if let Some(from) = self.missed_from.take() {
            state.skips += 1;
            self.at = Some(at);
            return Some(Ok(Item::Skipped(at.saturating_sub(from))));
        }
        let frame = state.frames.get(at).cloned();
        self.at = Some(frame.as_ref().map_or(at, |_| at + 1));
        frame.map(|frame| Ok(Item::Frame(frame)))
    }

    async fn next(&mut self) -> Result<Item, Ending> {
        loop {
            self.progress.borrow_and_update();
            if let Some(item) = self.take() {
                return item;
            }
            let waits_until = self.waits.map(|since| since + self.upstream.deadline);
            let changed = match waits_until {
                // Others may watch on: only who cannot begin is told.
                Some(until) if until <= Instant::now() => return Err(self.no_key_frame()),
                Some(until) => timeout_at(until, self.progress.changed()).await.unwrap_or(Ok(())),
                // The upstream has its own deadlines for its opening and for each frame.
                None => self.progress.changed().await,
            };
            // The sender lives in the upstream, which we hold.
            if changed.is_err() {
                return Err(Ending::Changed);
            }
        }
    }

    fn no_key_frame(&self) -> Ending {
        let waited = self.upstream.deadline.as_secs_f32();
        let detail = format!("no key frame to begin with came within {waited:.0} s of the stream that is open");
        Ending::Broken { fault: Fault::new(Verdict::NoKeyframe, detail), opened: self.missed_from.is_some() }
    }
}

/// Somebody who watches one stream. Dropping it leaves.
pub struct Viewer {
    place: Place,
}

impl fmt::Debug for Viewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Viewer").field("at", &self.place.at).finish_non_exhaustive()
    }
}

impl Viewer {
    /// The next frame, in order; the first is a key frame and comes at once where one is in hand. Where the viewer
    /// has fallen behind, it is told how many frames are left out, and a key frame comes next. Safe to cancel.
    ///
    /// # Errors
    /// The camera could not be opened, broke, or was changed; from then on always the same. It waits as long as
    /// the camera may take: the deadline given to [`super::Sessions::join`]. Where the stream is open and no key
    /// frame comes to begin with within that time, this viewer alone gets [`Verdict::NoKeyframe`].
    pub async fn next(&mut self) -> Result<Item, Ending> {
        self.place.next().await
    }

    /// False for a still picture, fetched once a second. True until it is known.
    pub fn is_stream(&self) -> bool {
        self.place.upstream.state().is_stream
    }

    /// Frames a second over the frames in hand; none before there are two, and for a still picture.
    pub fn fps(&self) -> Option<f32> {
        let state = self.place.upstream.state();
        state.frames.rates().filter(|_| state.is_stream).map(|(fps, _)| fps)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let mut state = self.place.upstream.state();
        if self.place.is_tap {
            state.taps = state.taps.saturating_sub(1);
        } else {
            state.viewers = state.viewers.saturating_sub(1);
            if state.viewers == 0 {
                state.idle = Some(Instant::now());
            }
        }
        drop(state);
        self.place.upstream.left.notify_waiters();
    }
}

/// A check that reads along.
#[derive(Debug)]
pub struct Tap(Viewer);

impl Tap {
    /// As [`Viewer::next`], but where the last key frame has left the window, it begins with what comes next.
    ///
    /// # Errors
    /// As there, without a wait for a key frame.
    pub async fn next(&mut self) -> Result<Item, Ending> {
        self.0.next().await
    }

    /// The times of the rungs that were reached when the upstream was opened, up to the first key frame; empty
    /// before that.
    pub fn rungs(&self) -> Vec<RungTime> {
        self.0.place.upstream.state().rungs.clone()
    }

    /// What has come since it was opened; none where packets are not seen (HTTP).
    pub fn reception(&self) -> Option<Reception> {
        self.0.place.upstream.state().reception
    }

    /// The last key frame, however old.
    pub fn newest_key(&self) -> Option<Arc<LiveFrame>> {
        self.0.place.upstream.state().frames.newest_key().cloned()
    }

    /// As [`Viewer::is_stream`].
    pub fn is_stream(&self) -> bool {
        self.0.is_stream()
    }
}
