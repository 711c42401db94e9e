//! What holds where the file says nothing, by what Pulsebox runs on.

use std::net::SocketAddr;

use super::model::{CameraConfig, Leds, Web};

/// GPIO lines of the appliance's green and red LED, as docs/leds.md wires them.
const LEDS: (u32, u32) = (27, 17);

/// What Pulsebox runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Machine {
    /// A computer that is somebody else's: page on port 8080, no LED but ACT.
    #[default]
    Any,
    /// The image for a Raspberry Pi, where nothing else runs: page on port 80, LEDs at their places on the header.
    Appliance,
}

impl Machine {
    /// As the option `--appliance` says.
    pub fn of(appliance: bool) -> Self {
        if appliance { Machine::Appliance } else { Machine::Any }
    }

    /// Where the page is served without `web: listen:`.
    pub(super) fn listen(self) -> SocketAddr {
        match self {
            Machine::Any => Web::default().listen,
            // `http://pulsebox.local/` wants no port.
            Machine::Appliance => SocketAddr::from(([0, 0, 0, 0], 80)),
        }
    }

    /// What holds without a key of the file, by its dotted path, as written in YAML; none where the table of keys is right.
    pub fn default_of(self, path: &str) -> Option<&'static str> {
        match (self, path) {
            (Machine::Appliance, "web.listen") => Some("0.0.0.0:80"),
            _ => None,
        }
    }

    /// Puts the appliance's LEDs in where the file names neither: who wires one alone has one alone. A line that a
    /// camera's own LED is on stays the camera's.
    pub(super) fn wire(self, leds: &mut Leds, cameras: &[CameraConfig]) {
        if self == Machine::Appliance && leds.green.is_none() && leds.red.is_none() {
            let free = |line: u32| Some(line).filter(|line| cameras.iter().all(|camera| camera.led != Some(*line)));
            (leds.green, leds.red) = (free(LEDS.0), free(LEDS.1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{parse, parse_on};
    use super::*;

    #[test]
    fn the_appliance_has_its_own_page_and_leds_where_the_file_says_nothing() {
        let config = parse_on("leds: { brightness: 40 }\n", Machine::Appliance).unwrap().0;
        assert_eq!(config.web.listen.to_string(), "0.0.0.0:80");
        assert_eq!((config.leds.green, config.leds.red, config.leds.brightness), (Some(27), Some(17), 40));
        let config = parse("").unwrap().0;
        assert_eq!((config.web.listen.port(), config.leds.green, config.leds.red), (8080, None, None));
    }

    #[test]
    fn the_default_that_is_told_is_the_one_that_holds() {
        let told = Machine::Appliance.default_of("web.listen").unwrap();
        assert_eq!(told.parse(), Ok(Machine::Appliance.listen()));
        assert_eq!(Machine::Any.default_of("web.listen"), None);
    }

    #[test]
    fn what_the_file_says_holds_on_the_appliance_too() {
        let text = "web: { listen: '0.0.0.0:8080' }\nleds: { green: 5 }\n";
        let config = parse_on(text, Machine::Appliance).unwrap().0;
        assert_eq!((config.web.listen.port(), config.leds.green, config.leds.red), (8080, Some(5), None));
        let text = "streams: [{ name: A, url: 'http://h/', led: 17 }]\n";
        let config = parse_on(text, Machine::Appliance).unwrap().0;
        assert_eq!((config.leds.green, config.leds.red), (Some(27), None), "a camera's own LED is not the box's");
    }
}
