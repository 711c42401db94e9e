//! One open device for whoever reads it: checks, viewers, two cameras of the configuration that name one node.
//!
//! The kernel gives a device to one stream at a time, and V4L2 blocks: each open device has a thread of its own,
//! which ends with its last reader and is really gone before the device is opened again. Frames go through a bounded
//! window; a reader that is too slow loses frames and holds nobody up.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::choose::{Choice, Wish};
use crate::camera::{Fault, Frame, Reception, Verdict};

/// The thread looks this often whether anybody still reads.
const STEP: Duration = Duration::from_millis(100);
/// The most frames kept for readers that are late.
const FRAMES: usize = 30;
/// The most bytes kept for them; one frame is kept however large it is.
const BYTES: usize = 8 << 20;
/// A device that sends nothing but damaged pictures for this long…
const DAMAGED_FOR: Duration = Duration::from_secs(2);
/// …and at least so many of them, is broken.
const DAMAGED: u32 = 4;

/// What a device gave.
pub(super) enum Got {
    /// Nothing within the time.
    Nothing,
    /// A picture.
    Frame(Frame),
    /// A picture that nobody can use, and why.
    Damaged(&'static str),
    /// A picture that is not shown yet: the exposure has not settled.
    NotYet,
}

/// How far the opening has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// The node is open.
    Opened,
    /// A format is chosen, and the device streams.
    Started,
}

/// An open device. Lives on its thread; dropping it closes the device.
pub(super) trait Source {
    /// Waits for the next picture, `limit` at most.
    ///
    /// # Errors
    /// The device went away or broke off.
    fn next(&mut self, limit: Duration) -> Result<Got, Fault>;

    /// What is set; none where that is not known.
    fn choice(&self) -> Option<Choice>;
}

/// Opens a device, on its thread; tells each stage when it is reached.
pub(super) type Opener = Box<dyn FnOnce(&dyn Fn(Stage)) -> Result<Box<dyn Source>, Fault> + Send>;

/// The devices of this process that are open, by device number. A device belongs to the machine and admits one
/// stream, whoever in this process asks: that is what this table is about. Held for moments.
static OPEN: Mutex<BTreeMap<u64, Arc<Open>>> = Mutex::new(BTreeMap::new());

fn open_devices() -> MutexGuard<'static, BTreeMap<u64, Arc<Open>>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A device that is open, being opened or being closed.
struct Open {
    device: u64,
    wish: Wish,
    state: Mutex<State>,
    /// Counts up with whatever happens.
    progress: watch::Sender<u64>,
    /// The device is closed and the thread about to end.
    closed: CancellationToken,
}

#[derive(Default)]
struct State {
    readers: usize,
    /// The last reader has left: nobody can join any more.
    is_left: bool,
    opened: Option<Instant>,
    started: Option<Instant>,
    /// What is set, once it streams.
    choice: Option<Choice>,
    /// When the last buffer came, good or bad.
    buffer: Option<Instant>,
    window: VecDeque<Frame>,
    bytes: usize,
    /// The number of the next frame.
    next: u64,
    /// Damaged pictures in a row, and since when.
    damaged: Option<(Instant, u32)>,
    /// Damaged pictures since it was opened.
    lost: u64,
    ended: Option<Fault>,
}

impl State {
    fn push(&mut self, frame: Frame) {
        self.damaged = None;
        self.bytes += frame.data.len();
        self.window.push_back(frame);
        self.next += 1;
        while self.window.len() > FRAMES || (self.bytes > BYTES && self.window.len() > 1) {
            let Some(gone) = self.window.pop_front() else { break };
            self.bytes -= gone.data.len();
        }
    }

    fn reception(&self) -> Reception {
        Reception { packets: self.next, lost: self.lost }
    }

    /// The number of the oldest frame in the window.
    fn oldest(&self) -> u64 {
        self.next.saturating_sub(self.window.len() as u64)
    }

    fn get(&self, number: u64) -> Option<&Frame> {
        self.window.get(usize::try_from(number.checked_sub(self.oldest())?).ok()?)
    }

    /// The number of the newest key frame in the window.
    fn newest_key(&self) -> Option<u64> {
        let back = self.window.iter().rev().position(|frame| frame.key)?;
        Some(self.next - 1 - back as u64)
    }
}

impl Open {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.progress.send_modify(|n| *n += 1);
    }

    /// The thread: opens, reads until nobody is left or it breaks, closes.
    fn run(self: &Arc<Self>, opener: Opener) {
        // The v4l crate panics over answers that it does not know.
        keep_panics_quiet();
        let ended = catch_unwind(AssertUnwindSafe(|| self.capture(opener)));
        let fault = match ended {
            Ok(Ok(())) => Fault::new(Verdict::Protocol, "the device was closed"),
            Ok(Err(fault)) => fault,
            Err(panic) => {
                puzzled(panic.as_ref());
                Fault::new(Verdict::Protocol, "the device's driver answers what V4L2 has no meaning for")
            }
        };
        let mut open = open_devices();
        if open.get(&self.device).is_some_and(|there| Arc::ptr_eq(there, self)) {
            open.remove(&self.device);
        }
        drop(open);
        self.note(|state| state.ended = Some(fault));
        self.closed.cancel();
    }

    fn capture(&self, opener: Opener) -> Result<(), Fault> {
        let mut source = opener(&|stage| {
            self.note(|state| match stage {
                Stage::Opened => state.opened = Some(Instant::now()),
                Stage::Started => state.started = Some(Instant::now()),
            });
        })?;
        self.note(|state| state.choice = source.choice());
        while !self.state().is_left {
            let got = source.next(STEP)?;
            self.take(got)?;
        }
        Ok(())
    }

    fn take(&self, got: Got) -> Result<(), Fault> {
        let now = Instant::now();
        match got {
            Got::Nothing => {}
            Got::NotYet => self.note(|state| state.buffer = Some(now)),
            Got::Frame(frame) => self.note(|state| {
                state.buffer = Some(now);
                state.push(frame);
            }),
            Got::Damaged(why) => {
                let mut damage = (now, 0);
                self.note(|state| {
                    state.buffer = Some(now);
                    state.lost += 1;
                    let (since, count) = state.damaged.unwrap_or((now, 0));
                    damage = (since, count.saturating_add(1));
                    state.damaged = Some(damage);
                });
                let (since, count) = damage;
                if count >= DAMAGED && now.saturating_duration_since(since) >= DAMAGED_FOR {
                    return Err(Fault::new(
                        Verdict::Undecodable,
                        format!("{count} pictures in a row are damaged: {why}"),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The name of a device's thread.
const THREAD: &str = "v4l2";

/// Keeps the default hook from writing "thread panicked" into the journal at every check: what is caught here is told.
fn keep_panics_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::thread::current().name() != Some(THREAD) {
                before(info);
            }
        }));
    });
}

/// Tells what the library stumbled over: the first time to everybody.
fn puzzled(panic: &(dyn Any + Send)) {
    static IS_TOLD: AtomicBool = AtomicBool::new(false);
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let level = if IS_TOLD.swap(true, Ordering::Relaxed) { log::Level::Debug } else { log::Level::Warn };
    log::log!(level, "a camera's driver answers what V4L2 has no meaning for: {}", text.unwrap_or("no reason given"));
}

/// Reads the device with this number: along with others where it is open, else it is opened.
///
/// # Errors
/// `busy` where it is open with another format than `wish`.
pub(super) async fn join(device: u64, wish: Wish, opener: Opener) -> Result<Reader, Fault> {
    let mut opener = Some(opener);
    loop {
        let closing = match admit(device, wish, &mut opener)? {
            Admission::Reader(reader) => return Ok(reader),
            Admission::After(closing) => closing,
        };
        closing.closed.cancelled().await;
    }
}

enum Admission {
    Reader(Reader),
    /// It is about to close.
    After(Arc<Open>),
}

fn admit(device: u64, wish: Wish, opener: &mut Option<Opener>) -> Result<Admission, Fault> {
    let mut devices = open_devices();
    if let Some(open) = devices.get(&device) {
        let mut state = open.state();
        if state.is_left || state.ended.is_some() {
            drop(state);
            return Ok(Admission::After(open.clone()));
        }
        let is_met = state.choice.is_some_and(|choice| wish.is_met_by(&choice));
        if wish != Wish::default() && wish != open.wish && !is_met {
            return Err(Fault::new(
                Verdict::Busy,
                "another camera of this box has the device open with another format, size or rate. Write the same \
                 options into both URLs",
            ));
        }
        state.readers += 1;
        let at = state.next;
        drop(state);
        return Ok(Admission::Reader(Reader::new(open.clone(), at)));
    }
    let Some(opener) = opener.take() else {
        return Err(Fault::new(Verdict::Protocol, "the device could not be opened again"));
    };
    let open = Arc::new(Open {
        device,
        wish,
        state: Mutex::new(State { readers: 1, ..State::default() }),
        progress: watch::Sender::new(0),
        closed: CancellationToken::new(),
    });
    let thread = std::thread::Builder::new().name(THREAD.into()).spawn({
        let open = open.clone();
        move || open.run(opener)
    });
    if let Err(e) = thread {
        return Err(Fault::new(Verdict::Protocol, format!("this box has no thread left for the device ({e})")));
    }
    devices.insert(device, open.clone());
    Ok(Admission::Reader(Reader::new(open, 0)))
}

/// Somebody who reads a device. Dropping it leaves.
pub(super) struct Reader {
    open: Arc<Open>,
    progress: watch::Receiver<u64>,
    /// The next frame's number.
    at: u64,
    /// Frames were lost: only a key frame helps.
    wants_key: bool,
    joined: Instant,
    first_buffer: Option<Instant>,
    /// What the device had given before the first frame that was taken.
    before: Option<Reception>,
    left: CancellationToken,
}

impl Reader {
    fn new(open: Arc<Open>, at: u64) -> Self {
        let progress = open.progress.subscribe();
        Self {
            open,
            progress,
            at,
            wants_key: false,
            joined: Instant::now(),
            first_buffer: None,
            before: None,
            left: CancellationToken::new(),
        }
    }

    /// Waits until the opening has come so far; when it had.
    ///
    /// # Errors
    /// Why it did not.
    pub async fn reached(&mut self, stage: Stage) -> Result<Instant, Fault> {
        loop {
            self.progress.borrow_and_update();
            {
                let state = self.open.state();
                let at = match stage {
                    Stage::Opened => state.opened,
                    Stage::Started => state.started,
                };
                if let Some(at) = at {
                    return Ok(at);
                }
                if let Some(fault) = &state.ended {
                    return Err(fault.clone());
                }
            }
            self.changed().await?;
        }
    }

    /// The next frame that came since this reader joined. Safe to cancel.
    ///
    /// # Errors
    /// The device went away or broke off; then it is closed.
    pub async fn next(&mut self) -> Result<Frame, Fault> {
        loop {
            self.progress.borrow_and_update();
            if let Some(next) = self.take() {
                return next;
            }
            self.changed().await?;
        }
    }

    /// When the first buffer came since this reader joined, good or bad; known once [`Reader::next`] has seen it.
    pub fn first_buffer(&self) -> Option<Instant> {
        self.first_buffer
    }

    /// Pictures that the device gave since the first that this reader took, whether or not it took them, and the
    /// damaged ones: those before are no loss, for many devices begin with some.
    pub fn reception(&self) -> Reception {
        self.before.map_or_else(Reception::default, |before| self.open.state().reception().since(before))
    }

    /// Ends when this reader has left and, if it was the last, the device is closed.
    pub fn far_end(&self) -> impl Future<Output = ()> + Send + 'static {
        let (open, left) = (self.open.clone(), self.left.clone());
        async move {
            left.cancelled().await;
            let is_last = open.state().readers == 0;
            if is_last {
                open.closed.cancelled().await;
            }
        }
    }

    async fn changed(&mut self) -> Result<(), Fault> {
        // The sender lives in what this reader holds.
        self.progress.changed().await.map_err(|_| Fault::new(Verdict::Protocol, "the device was closed"))
    }

    fn take(&mut self) -> Option<Result<Frame, Fault>> {
        let open = self.open.clone();
        let state = open.state();
        if self.first_buffer.is_none() {
            self.first_buffer = state.buffer.filter(|at| *at >= self.joined);
        }
        loop {
            if self.at < state.oldest() {
                // Too slow: on with the newest picture that can be begun at. That is no loss on the way, which is
                // what a camera is judged by.
                (self.at, self.wants_key) = (state.newest_key().unwrap_or(state.next), true);
            }
            let Some(frame) = state.get(self.at) else { break };
            self.at += 1;
            if self.wants_key && !frame.key {
                continue;
            }
            self.wants_key = false;
            self.before.get_or_insert(Reception { packets: self.at - 1, ..state.reception() });
            return Some(Ok(frame.clone()));
        }
        state.ended.clone().map(Err)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.open.state();
        state.readers = state.readers.saturating_sub(1);
        state.is_left |= state.readers == 0;
        drop(state);
        self.left.cancel();
    }
}

#[cfg(test)]
mod tests;
