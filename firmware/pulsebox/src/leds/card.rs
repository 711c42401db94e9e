//! The LED card as data: what holds, what is shown, what to do. Player, documentation and tests read this table.
//!
//! Many a box has only the Pi's own ACT: no two rows look alike there. On the green or the red LED alone, no two
//! rows look alike that light it at all.

use crate::monitor::board::{Counts, Snapshot};
use crate::monitor::overall::Overall;

use super::pattern::Pattern;

/// How bright each lamp is, percent. A lamp that cannot be dimmed is on from [`super::pattern::ON_FROM`] on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lights {
    /// The green LED.
    pub green: u8,
    /// The red LED.
    pub red: u8,
    /// The Pi's own.
    pub act: u8,
}

/// The lamps of the box, those of single cameras apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BoxLamp {
    /// The green LED.
    Green,
    /// The red LED.
    Red,
    /// The Pi's own.
    Act,
}

impl BoxLamp {
    /// Every one, in the card's order.
    pub const ALL: [Self; 3] = [Self::Green, Self::Red, Self::Act];

    /// As in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Red => "red",
            Self::Act => "act",
        }
    }

    fn of(self, lights: Lights) -> u8 {
        match self {
            Self::Green => lights.green,
            Self::Red => lights.red,
            Self::Act => lights.act,
        }
    }
}

/// One piece of a row's wave.
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
    /// Its name on the command line and in the API.
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
    /// The file that was put on the card was not taken.
    FileRefused,
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
pub static CARD: [Row; 11] = [
    Row { sign: Sign::Identify, name: "identify", holds: "someone pressed \"identify\"",
        green: "fast blinks in threes with red, 10 s", red: "fast blinks in threes with green, 10 s",
        act: "fast blinks in threes, 10 s",
        advice: "This is the box you are looking for.",
        wave: Wave::Steps(&[lit(100, 100, 100, 100), lit(0, 0, 0, 100), lit(100, 100, 100, 100), lit(0, 0, 0, 100),
            lit(100, 100, 100, 100), lit(0, 0, 0, 500)]) },
    Row { sign: Sign::Updating, name: "updating", holds: "an update is being written",
        green: "in turn with red, 0.3 s each", red: "in turn with green, 0.3 s each", act: "on, with short gaps, fast",
        advice: "Do not cut the power.",
        wave: Wave::Steps(&[lit(100, 0, 100, 300), lit(0, 100, 100, 150), lit(0, 100, 0, 150)]) },
    Row { sign: Sign::StorageFault, name: "storage_fault", holds: "the storage fails or is read-only",
        green: "off", red: "solid", act: "one second on, one second off",
        advice: "Cameras are still watched. The page says what is wrong; an SD card that wears out is replaced.",
        wave: Wave::Steps(&[lit(0, 100, 100, 1000), lit(0, 100, 0, 1000)]) },
    Row { sign: Sign::FileRefused, name: "file_refused", holds: "the settings file on the card was not taken",
        green: "off", red: "one long blink, one short, pause", act: "as red",
        advice: "STATUS.TXT on the card says why, and so does the page. Do what it says, then start again.",
        wave: Wave::Steps(&[lit(0, 100, 100, 900), lit(0, 0, 0, 350), lit(0, 100, 100, 250), lit(0, 0, 0, 1800)]) },
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
        green: "slow pulse; one second of four where it cannot be dimmed", red: "off", act: "one second of four",
        advice: "Open the page and add a camera, or wait for the first check.",
        wave: Wave::Steps(&PULSE) },
    Row { sign: Sign::AllUp, name: "all_up", holds: "every camera is up",
        green: "solid", red: "off", act: "solid",
        advice: "Nothing to do.",
        wave: Wave::Steps(&[lit(100, 0, 100, 1000)]) },
    Row { sign: Sign::Booting, name: "booting", holds: "booting, or Pulsebox is not running",
        green: "fast blink", red: "off", act: "fast blink",
        advice: "Wait 4 minutes, 45 on a box that ran before; then cut the power.",
        wave: Wave::Steps(&[lit(100, 0, 100, 125), lit(0, 0, 0, 125)]) },
];

/// A breath of four seconds in steps that the eye takes for even; for one second of it the level is 50 or more.
#[rustfmt::skip]
const PULSE: [Step; 12] = [
    lit(4, 0, 0, 200), lit(10, 0, 0, 200), lit(22, 0, 0, 250), lit(40, 0, 0, 250), lit(66, 0, 100, 250),
    lit(100, 0, 100, 500), lit(66, 0, 100, 250), lit(40, 0, 0, 250), lit(22, 0, 0, 250), lit(10, 0, 0, 250),
    lit(4, 0, 0, 250), lit(0, 0, 0, 1100),
];

impl Sign {
    /// Its row of the card.
    pub fn row(self) -> &'static Row {
        &CARD[self as usize]
    }
}

impl Row {
    /// The wave, spelt out for so many cameras that are down; 1 to [`BLINKS_MAX`], and of no account where the row
    /// does not count.
    pub fn steps(&self, count: usize) -> Vec<Step> {
        match self.wave {
            Wave::Steps(steps) => steps.to_vec(),
            Wave::Counted => {
                let blinks = count.clamp(1, BLINKS_MAX);
                let mut steps = [lit(0, 100, 100, BLINK_MS), lit(0, 0, 0, GAP_MS)].repeat(blinks);
                if let Some(last) = steps.last_mut() {
                    last.ms = PAUSE_MS;
                }
                steps
            }
        }
    }
}

/// What is to be shown: a row, and how many cameras are down where that row counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The row.
    pub sign: Sign,
    /// 0 where nothing is counted, else 1 to [`BLINKS_MAX`].
    pub count: usize,
}

impl Shown {
    /// A row that counts nothing.
    pub fn plain(sign: Sign) -> Self {
        Self { sign, count: 0 }
    }

    /// What a box in this state shows, once nobody asks it to identify itself.
    pub fn of(snapshot: &Snapshot) -> Self {
        match Overall::of(snapshot) {
            Overall::Updating => Self::plain(Sign::Updating),
            Overall::StorageFault => Self::plain(Sign::StorageFault),
            Overall::FileRefused => Self::plain(Sign::FileRefused),
            Overall::NoNetwork => Self::plain(Sign::NoNetwork),
            Overall::CameraDown => Self { sign: Sign::CameraDown, count: Counts::of(snapshot).down.min(BLINKS_MAX) },
            Overall::CameraDegraded => Self::plain(Sign::CameraDegraded),
            Overall::BrokerLost => Self::plain(Sign::BrokerLost),
            Overall::NothingYet => Self::plain(Sign::NothingYet),
            Overall::AllUp => Self::plain(Sign::AllUp),
        }
    }

    /// What one lamp does of it.
    pub fn pattern(self, lamp: BoxLamp) -> Pattern {
        let steps = self.sign.row().steps(self.count);
        Pattern::new(steps.into_iter().map(|step| (lamp.of(step.lights), step.ms)))
    }
}
