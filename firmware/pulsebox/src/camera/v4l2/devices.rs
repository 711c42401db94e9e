//! Which cameras are plugged in.
//!
//! The kernel's own list (`/sys/class/video4linux`) says which nodes there are; each that may be a camera is asked
//! what it can do, all at once and each on a thread of its own, so that one that hangs holds nobody up.

mod named;
mod probe;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use named::{Machine, Node};
use probe::Answer;

/// How long all devices together may take to answer.
const DEADLINE: Duration = Duration::from_secs(2);
/// The most nodes that are asked; a Pi has some thirty, nearly all of them codecs.
const NODES_MAX: usize = 64;
/// Kernel drivers whose nodes convert pictures and take none: codecs and image processors of the Pi.
const CONVERTERS: [&str; 6] = ["bcm2835-codec", "bcm2835-isp", "pispbe", "rpi-hevc-dec", "rpivid", "hantro-vpu"];
/// What a device that hangs is said to be.
const HANGS: &str = "its driver does not answer: unplug it and plug it in again, or start the machine anew";

/// A camera at this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LocalCamera {
    /// What to write into `url`: by the most stable name that it has.
    pub url: String,
    /// What it calls itself.
    pub name: String,
    /// The kernel's driver: `uvcvideo`, `unicam`, `rp1-cfe`, …
    pub driver: String,
    /// Where it is plugged in: `usb-0000:01:00.0-1.2`.
    pub bus: String,
    /// Its node now: `/dev/video0`.
    pub node: String,
    /// Whether `url` means the same camera after a restart, at whatever port.
    pub stable: bool,
    /// What it can send, best first, first of all what it is watched in: `MJPEG 1280×720 30/s`.
    pub formats: Vec<String>,
    /// Why it cannot be watched, if so.
    pub problem: Option<String>,
}

/// All that are plugged in now, by node. Blocks for some milliseconds a device, 2 s at most; opens each for a moment
/// and starts none.
pub fn plugged_in() -> Vec<LocalCamera> {
    list(&Machine::this(), DEADLINE, probe::ask)
}

/// Devices that did not answer in time and are still being asked, by node: they are not asked again meanwhile, or
/// each list would leave one more thread behind. It is the machine's devices that hang, whoever asks.
static HANGING: Mutex<BTreeMap<String, Weak<()>>> = Mutex::new(BTreeMap::new());

fn hanging() -> MutexGuard<'static, BTreeMap<String, Weak<()>>> {
    HANGING.lock().unwrap_or_else(PoisonError::into_inner)
}

type Ask = fn(&Path) -> Answer;

fn list(machine: &Machine, deadline: Duration, ask: Ask) -> Vec<LocalCamera> {
    let until = Instant::now() + deadline;
    let mut nodes = machine.nodes();
    nodes.retain(|node| !CONVERTERS.contains(&node.driver.as_str()));
    nodes.truncate(NODES_MAX);
    let asked: Vec<_> = nodes.iter().map(|node| Question::put(node, ask)).collect();
    let answers: Vec<Answer> = asked.into_iter().map(|question| question.answer(until)).collect();
    let cameras = nodes.iter().zip(answers).filter_map(|(node, answer)| camera(machine, node, &nodes, answer));
    cameras.collect()
}

/// None for a node that gives no pictures.
fn camera(machine: &Machine, node: &Node, all: &[Node], answer: Answer) -> Option<LocalCamera> {
    let (bus, formats, problem) = match answer {
        Answer::Other => return None,
        Answer::Camera { bus, formats } => (bus, formats, None),
        Answer::Useless { bus, problem } => (bus, Vec::new(), Some(problem)),
    };
    let (url, stable) = machine.url(node, all);
    let node_path = node.path.display().to_string();
    Some(LocalCamera {
        url,
        name: node.name.clone(),
        driver: node.driver.clone(),
        bus,
        node: node_path,
        stable,
        formats,
        problem,
    })
}

/// A device that is being asked.
struct Question {
    node: String,
    /// None where it was not asked, and why.
    answer: Result<mpsc::Receiver<Answer>, &'static str>,
    /// Alive as long as it is being asked.
    asking: Weak<()>,
}

impl Question {
    fn put(node: &Node, ask: Ask) -> Self {
        let name = node.path.display().to_string();
        let before = hanging().get(&name).cloned().unwrap_or_default();
        if before.strong_count() > 0 {
            return Self { node: name, answer: Err(HANGS), asking: before };
        }
        let (to, answer) = mpsc::sync_channel(1);
        let asking = Arc::new(());
        let weak = Arc::downgrade(&asking);
        let path = node.path.clone();
        let thread = thread::Builder::new().name("list cameras".into()).spawn(move || {
            // The v4l crate panics over names that are no text.
            let said = catch_unwind(AssertUnwindSafe(|| ask(&path)));
            let puzzling = || Answer::useless("its driver answers what V4L2 has no meaning for");
            let _ = to.send(said.unwrap_or_else(|_| puzzling()));
            drop(asking);
        });
        let answer = thread.map(|_| answer).map_err(|_| "this system gives no thread to ask it");
        Self { node: name, answer, asking: weak }
    }

    fn answer(self, until: Instant) -> Answer {
        let answer = match self.answer {
            Ok(answer) => answer,
            Err(problem) => return Answer::useless(problem),
        };
        let left = until.saturating_duration_since(Instant::now());
        answer.recv_timeout(left).unwrap_or_else(|_| {
            let mut hanging = hanging();
            hanging.retain(|_, asking| asking.strong_count() > 0);
            hanging.insert(self.node, self.asking);
            Answer::useless(HANGS)
        })
    }
}
