//! The LED card as data: what holds, what is shown, what to do. Player, documentation and tests read this table.
//!
//! No two rows look alike on any one lamp, since many a box has only the Pi's own ACT.

use std::time::Duration;

use crate::monitor::board::{Snapshot, State};
use crate::monitor::overall::Overall;

/// How bright each lamp is, percent. A lamp that cannot be dimmed is on from 50 on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lights {
    /// The green LED.
    pub green: u8,
    /// The red LED.
    pub red: u8,
    /// The Pi's own.
    pub act: u8,
}

/// One piece of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is lit.
    pub lights: Lights,
    /// For how long, milliseconds.
    pub ms: u32,
}

/// How a row blinks.
#[derive(Clone, Copy, Debug)]
pub enum Wave {
    /// Again and again.
    Steps(&'static [Step]),
    /// One blink for each that is counted, [`BLINKS_MAX`] at most, then a pause; red and ACT.
    Counted,
}

/// One row of the card.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which.
    pub sign: Sign,
    /// Its name on the command line.
    pub name: &'static str,
    /// What holds, for a person.
    pub holds: &'static str,
    /// The green LED, in words.
    pub green: &'static str,
    /// The red LED, in words.
    pub red: &'static str,
    /// ACT, in words.
    pub act: &'static str,
    /// What to do about it.
    pub advice: &'static str,
    /// The same as light.
    pub wave: Wave,
}

/// What the box has to say, in the order in which it is said: the first that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Somebody asked which box this is.
    Identify,
    /// An update is being written.
    Updating,
    /// The history is not written to disk.
    StorageFault,
    /// No link or no address.
    NoNetwork,
    /// Cameras are down.
    CameraDown,
    /// A camera is degraded.
    CameraDegraded,
    /// The broker is not there.
    BrokerLost,
    /// Nothing is proved yet.
    NothingYet,
    /// Every camera is up.
    AllUp,
    /// The daemon is not running; shown by the kernel, not by the player.
    Booting,
}

/// The most blinks in a row that a person still counts.
pub const BLINKS_MAX: usize = 9;
const BLINK_MS: u32 = 250;
const GAP_MS: u32 = 350;
const PAUSE_MS: u32 = 1800;

const fn lit(green: u8, red: u8, act: u8, ms: u32) -> Step {
    Step { lights: Lights { green, red, act }, ms }
}

/// The card, in the order in which the first row that holds is shown.
#[rustfmt::skip]
pub static CARD: [Row; 10] = [
    Row { sign: Sign::Identify, name: "identify", holds: "someone pressed \"identify\"",
        green: "fast blink with red, 10 s", red: "fast blink with green, 10 s", act: "fast blink, 10 s",
        advice: "This is the box you are looking for.",
        wave: Wave::Steps(&[lit(100, 100, 100, 100), lit(0, 0, 0, 100)]) },
    Row { sign: Sign::Updating, name: "updating", holds: "an update is being written",
        green: "fast, in turn with red", red: "fast, in turn with green", act: "on, with fast short gaps",
        advice: "Do not cut the power.",
        wave: Wave::Steps(&[lit(100, 0, 100, 200), lit(0, 100, 100, 100), lit(0, 100, 0, 100)]) },
    Row { sign: Sign::StorageFault, name: "storage_fault", holds: "the storage fails or is read-only",
        green: "off", red: "solid", act: "one second on, one second off",
        advice: "Cameras are still watched. The page says what is wrong; an SD card that wears out is replaced.",
        wave: Wave::Steps(&[lit(0, 100, 100, 1000), lit(0, 100, 0, 1000)]) },
    Row { sign: Sign::NoNetwork, name: "no_network", holds: "no network",
        green: "off", red: "two long blinks, pause", act: "two long blinks, pause",
        advice: "Look at the cable, the switch and the Wi-Fi's name and password.",
        wave: Wave::Steps(&[lit(0, 100, 100, 900), lit(0, 0, 0, 350), lit(0, 100, 100, 900), lit(0, 0, 0, 1800)]) },
    Row { sign: Sign::CameraDown, name: "camera_down", holds: "a camera is down",
        green: "off", red: "one short blink for each camera that is down (9 at most), pause",
        act: "as red",
        advice: "The page says which, since when and why.",
        wave: Wave::Counted },
    Row { sign: Sign::CameraDegraded, name: "camera_degraded", holds: "a camera is degraded",
        green: "solid, with one short gap every 2 s", red: "off", act: "as green",
        advice: "It works, but not as it should: the page says why.",
        wave: Wave::Steps(&[lit(100, 0, 100, 1850), lit(0, 0, 0, 150)]) },
    Row { sign: Sign::BrokerLost, name: "broker_lost", holds: "the MQTT broker is lost",
        green: "solid, with two short gaps every 2 s", red: "off", act: "as green",
        advice: "Cameras are well; Home Assistant hears nothing. The page says why.",
        wave: Wave::Steps(&[lit(100, 0, 100, 1550), lit(0, 0, 0, 150), lit(100, 0, 100, 150), lit(0, 0, 0, 150)]) },
    Row { sign: Sign::NothingYet, name: "nothing_yet", holds: "there is nothing to watch yet",
        green: "slow pulse", red: "off", act: "one short flash every 3 s",
        advice: "Open the page and add a camera, or wait for the first check.",
        wave: Wave::Steps(&PULSE) },
    Row { sign: Sign::AllUp, name: "all_up", holds: "every camera is up",
        green: "solid", red: "off", act: "solid",
        advice: "Nothing to do.",
        wave: Wave::Steps(&[lit(100, 0, 100, 1000)]) },
    Row { sign: Sign::Booting, name: "booting", holds: "booting, or Pulsebox is not running",
        green: "fast blink", red: "off", act: "fast blink",
        advice: "Wait a minute. If it stays, cut the power and start it again.",
        wave: Wave::Steps(&[lit(100, 0, 100, 125), lit(0, 0, 0, 125)]) },
];

/// A breath of three seconds in steps that the eye takes for even.
#[rustfmt::skip]
const PULSE: [Step; 12] = [
    lit(4, 0, 100, 120), lit(10, 0, 0, 180), lit(22, 0, 0, 200), lit(42, 0, 0, 250), lit(70, 0, 0, 250), lit(100, 0, 0, 500),
    lit(70, 0, 0, 250), lit(42, 0, 0, 250), lit(22, 0, 0, 200), lit(10, 0, 0, 200), lit(4, 0, 0, 200), lit(0, 0, 0, 400),
];

impl Sign {
    /// Its row of the card.
    pub fn row(self) -> &'static Row {
        &CARD[self as usize]
    }
}

/// What is to be shown: a row, and how many cameras are down where that row counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The row.
    pub sign: Sign,
    /// 0 where nothing is counted.
    pub count: usize,
}

impl Shown {
    /// A row that counts nothing.
    pub fn plain(sign: Sign) -> Self {
        Self { sign, count: 0 }
    }

    /// What a box in this state shows, once nobody asks it to identify itself.
    pub fn of(snapshot: &Snapshot) -> Self {
        let sign = match Overall::of(snapshot) {
            Overall::StorageFault => Sign::StorageFault,
            Overall::NoNetwork => Sign::NoNetwork,
            Overall::CameraDown => Sign::CameraDown,
            Overall::CameraDegraded => Sign::CameraDegraded,
            Overall::BrokerLost => Sign::BrokerLost,
            Overall::NothingYet => Sign::NothingYet,
            Overall::AllUp => Sign::AllUp,
        };
        let count = match sign {
            Sign::CameraDown => snapshot.cameras.values().filter(|camera| camera.state == State::Down).count(),
            _ => 0,
        };
        Self { sign, count: count.min(BLINKS_MAX) }
    }

    /// Its pattern, spelt out.
    pub fn pattern(self) -> Pattern {
        match self.sign.row().wave {
            Wave::Steps(steps) => Pattern::new(steps.to_vec()),
            Wave::Counted => {
                let blinks = self.count.clamp(1, BLINKS_MAX);
                let mut steps = [lit(0, 100, 100, BLINK_MS), lit(0, 0, 0, GAP_MS)].repeat(blinks);
                if let Some(last) = steps.last_mut() {
                    last.ms = PAUSE_MS;
                }
                Pattern::new(steps)
            }
        }
    }
}

/// A pattern that repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    steps: Vec<Step>,
    period: Duration,
}

impl Pattern {
    fn new(steps: Vec<Step>) -> Self {
        let period = Duration::from_millis(steps.iter().map(|step| u64::from(step.ms)).sum());
        Self { steps, period }
    }

    /// After this it begins anew.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// What is lit `since` after its begin, and when after the begin that changes; none where it never does.
    pub fn at(&self, since: Duration) -> (Lights, Option<Duration>) {
        let first = self.steps.first().map_or(Lights::default(), |step| step.lights);
        if self.period.is_zero() || self.steps.iter().all(|step| step.lights == first) {
            return (first, None);
        }
        let nanos = since.as_nanos() % self.period.as_nanos();
        let begun = since.saturating_sub(Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)));
        let mut ends = Duration::ZERO;
        for step in &self.steps {
            ends += Duration::from_millis(u64::from(step.ms));
            if ends.as_nanos() > nanos {
                return (step.lights, Some(begun + ends));
            }
        }
        (first, Some(begun + self.period))
    }
}
