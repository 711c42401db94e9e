//! Where the LEDs are, and who takes them: what the configuration wants, and the hardware that is asked for it.

use std::path::{Path, PathBuf};

use crate::config::Config;

use super::act::{self, Act};
use super::before::Memory;
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
    memory: Memory,
}

impl Default for Kernel {
    /// What systemd gives the service as `RuntimeDirectory=` keeps how ACT was.
    fn default() -> Self {
        let runtime = std::env::var_os("RUNTIME_DIRECTORY").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        Self { memory: Memory::new(runtime.as_deref()), ..Self::with_leds(act::CLASS.into()) }
    }
}

impl Kernel {
    /// With another folder in the place of `/sys/class/leds`, and none to keep anything in.
    pub fn with_leds(leds: PathBuf) -> Self {
        Self { leds, memory: Memory::default() }
    }

    /// Keeps in this folder, which outlives the daemon, how ACT was. Without one, what a killed daemon left is taken
    /// for that.
    pub fn remembering(self, runtime: &Path) -> Self {
        Self { memory: Memory::new(Some(runtime)), ..self }
    }

    /// As [`act::blink`].
    ///
    /// # Errors
    /// As [`act::blink`].
    pub fn blink_act(&self) -> Result<Option<String>, NotTaken> {
        act::blink(&self.leds, &self.memory)
    }

    /// Makes a line dark that nobody holds, and says where it is. May block for a second.
    ///
    /// # Errors
    /// As [`gpio::let_go`].
    pub fn let_go(&self, line: &Line) -> Result<String, NotTaken> {
        match pwm::take(line) {
            // Dropped, it is switched off.
            Ok(Some((_, at))) => Ok(at),
            Ok(None) | Err(_) => gpio::let_go(line),
        }
    }

    fn take_line(line: &Line) -> Result<Taken, NotTaken> {
        let undimmed = match pwm::take(line) {
            Ok(Some((lamp, at))) => return Ok(Taken { lamp: Box::new(lamp), at }),
            Ok(None) => None,
            Err(why) => Some(why),
        };
        match gpio::take(line) {
            Ok((lamp, at)) => Ok(Taken { lamp: Box::new(lamp), at }),
            Err(why) => Err(why.besides(undimmed)),
        }
    }
}

impl NotTaken {
    /// The first way's problem is the cause of the second's, so it is told first.
    fn besides(self, undimmed: Option<String>) -> Self {
        match undimmed {
            Some(why) => {
                Self { problem: format!("it cannot be dimmed: {why}. Without that: {}", self.problem), ..self }
            }
            None => self,
        }
    }
}

impl Wiring for Kernel {
    fn take(&self, place: &Place) -> Result<Option<Taken>, NotTaken> {
        match place {
            Place::Act => {
                let taken = Act::take(&self.leds, &self.memory, pi::is_one())?;
                Ok(taken.map(|(lamp, at)| Taken { lamp: Box::new(lamp), at }))
            }
            Place::Line(line) => Self::take_line(line).map(Some),
        }
    }

    fn machine(&self) -> Option<String> {
        pi::model()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_neither_dimmed_nor_switched_is_told_with_both_reasons() {
        let gpio = NotTaken { at: "line 18".into(), problem: "the kernel uses this pin".into() };
        assert_eq!(gpio.clone().besides(None), gpio);
        let both = gpio.besides(Some("no permission".into()));
        assert_eq!(both.at, "line 18");
        assert_eq!(both.problem, "it cannot be dimmed: no permission. Without that: the kernel uses this pin");
    }
}
