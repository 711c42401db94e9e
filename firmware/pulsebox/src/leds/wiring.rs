//! Where the LEDs are, and who takes them: what the configuration wants, and the hardware that is asked for it.

use std::path::PathBuf;

use crate::config::Config;

use super::act::{self, Act};
use super::card::BoxLamp;
use super::player::Lamp;
use super::{gpio, pi, pwm};

/// Whose LED.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The box.
    Box(BoxLamp),
    /// A camera, by its id.
    Camera(String),
}

impl Owner {
    /// `green`, `red`, `act` or the camera's id.
    pub fn name(&self) -> &str {
        match self {
            Self::Box(lamp) => lamp.name(),
            Self::Camera(id) => id,
        }
    }
}

/// Where an LED is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A GPIO line.
    Line(Line),
    /// The Pi's own LED.
    Act,
}

/// A GPIO line with an LED on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number on the chip.
    pub line: u32,
    /// The chip's label; none: the header's chip of a Raspberry Pi.
    pub chip: Option<String>,
    /// It lights when the line is low.
    pub active_low: bool,
    /// Percent, 1 to 100, where the line can be dimmed.
    pub brightness: u8,
}

/// Every LED that the configuration names, each with its place.
pub fn wanted(config: &Config) -> Vec<(Owner, Place)> {
    let leds = &config.leds;
    let at = |line: Option<u32>| {
        let (chip, active_low, brightness) = (leds.chip.clone(), leds.active_low, leds.brightness);
        line.map(|line| Place::Line(Line { line, chip, active_low, brightness }))
    };
    let of_the_box = [
        (BoxLamp::Green, at(leds.green)),
        (BoxLamp::Red, at(leds.red)),
        (BoxLamp::Act, leds.act.then_some(Place::Act)),
    ];
    let of_the_box = of_the_box.into_iter().map(|(lamp, place)| (Owner::Box(lamp), place));
    let of_cameras = config.cameras.iter().map(|camera| (Owner::Camera(camera.id.clone()), at(camera.led)));
    of_the_box.chain(of_cameras).filter_map(|(owner, place)| Some((owner, place?))).collect()
}

/// An LED that is ours until it is dropped.
pub struct Taken {
    /// To be lit.
    pub lamp: Box<dyn Lamp>,
    /// Where it is, for a person: `line 27 of pinctrl-bcm2711`.
    pub at: String,
}

/// An LED that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTaken {
    /// Where it should be, for a person.
    pub at: String,
    /// What is wrong, and what to do about it.
    pub problem: String,
}

/// Takes LEDs.
pub trait Wiring: Send + Sync {
    /// Takes an LED; it is dark then. None where there is none, and none is missed. May block for a second.
    ///
    /// # Errors
    /// It is not there, or somebody else has it.
    fn take(&self, place: &Place) -> Result<Option<Taken>, NotTaken>;

    /// What this machine is, where it is a Raspberry Pi: model and revision.
    fn machine(&self) -> Option<String>;
}

/// The kernel's own drivers.
#[derive(Clone, Debug)]
pub struct Kernel {
    leds: PathBuf,
}

impl Default for Kernel {
    fn default() -> Self {
        Self { leds: act::CLASS.into() }
    }
}

impl Kernel {
    /// With another folder in the place of `/sys/class/leds`.
    pub fn with_leds(leds: PathBuf) -> Self {
        Self { leds }
    }
}

impl Wiring for Kernel {
    fn take(&self, place: &Place) -> Result<Option<Taken>, NotTaken> {
        match place {
            Place::Act => Ok(Act::take(&self.leds, pi::is_one())?.map(|(lamp, at)| Taken { lamp: Box::new(lamp), at })),
            Place::Line(line) => {
                if let Some((lamp, at)) = pwm::take(line) {
                    return Ok(Some(Taken { lamp: Box::new(lamp), at }));
                }
                gpio::take(line).map(|(lamp, at)| Some(Taken { lamp: Box::new(lamp), at }))
            }
        }
    }

    fn machine(&self) -> Option<String> {
        pi::model()
    }
}
