//! An LED that is dimmed by the Pi's hardware PWM.
//!
//! Only where `leds.brightness` is below 100: a PWM that drives something else (a fan) is not touched unasked. The
//! line must be given to the PWM in config.txt (`dtoverlay=pwm,pin=18,func=2`); see docs/leds.md.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use rppal::pwm::{Polarity, Pwm};
use rppal::system::{DeviceInfo, SoC};

use super::pins::{DEVICE_TREE, pins};
use super::player::Lamp;
use super::wiring::Line;

/// Fast enough that nobody sees it.
const PERIOD: Duration = Duration::from_millis(1);
const CLASS: &str = "/sys/class/pwm";
/// The header's PWM by the end of its device's name: of the older Pis, and of the Pi 5, whose other one is the fan's.
const BCM: &str = "20c000.pwm";
const RP1: &str = "98000.pwm";

/// A line that is dimmed, while it is ours.
pub struct PwmLine {
    pwm: Pwm,
    brightness: u8,
}

/// Takes a line's PWM, dark, and says where it is; none where it has none, config.txt did not give it this line, or
/// brightness is full. May block for a second.
///
/// # Errors
/// Why the PWM that has this line cannot be had.
pub fn take(line: &Line) -> Result<Option<(PwmLine, String)>, String> {
    if line.brightness >= 100 || line.chip.is_some() {
        return Ok(None);
    }
    let Some((chip, channel)) = place(line.line) else { return Ok(None) };
    let pwm = open(chip, channel, line).map_err(|error| refused(&error))?;
    let at = format!("line {} as channel {channel} of pwmchip{chip}", line.line);
    Ok(Some((PwmLine { pwm, brightness: line.brightness }, at)))
}

/// Chip and channel that drive this line now. A channel has two lines up to the Pi 4: that there is a PWM says nothing
/// of where it goes, and what hangs on the other line may be a fan.
fn place(line: u32) -> Option<(u8, u8)> {
    let soc = DeviceInfo::new().ok()?.soc();
    let channel = channel(soc, line)?;
    let chip = header_chip(Path::new(CLASS), if soc == SoC::Bcm2712 { RP1 } else { BCM })?;
    let device = Path::new(CLASS).join(format!("pwmchip{chip}/device/of_node"));
    pins(&device, Path::new(DEVICE_TREE)).contains(&line).then_some((chip, channel))
}

fn refused(error: &rppal::pwm::Error) -> String {
    match error {
        rppal::pwm::Error::Io(error) if error.kind() == ErrorKind::PermissionDenied => {
            "no permission to the PWM; install systemd/pulsebox.rules (docs/leds.md)".into()
        }
        error => format!("the PWM refuses ({error})"),
    }
}

/// The channel that a line of the header can be given to.
fn channel(soc: SoC, line: u32) -> Option<u8> {
    match (line, soc == SoC::Bcm2712) {
        (12, _) | (18, false) => Some(0),
        (13, _) | (19, false) => Some(1),
        (18, true) => Some(2),
        (19, true) => Some(3),
        _ => None,
    }
}

/// The number of the PWM chip whose device's name ends so.
fn header_chip(class: &Path, device: &str) -> Option<u8> {
    let chips = fs::read_dir(class).ok()?.flatten();
    chips.into_iter().find_map(|entry| {
        let target = fs::canonicalize(entry.path().join("device")).ok()?;
        let is_it = target.file_name()?.to_str()?.ends_with(device);
        let number = entry.file_name().to_str()?.strip_prefix("pwmchip")?.parse().ok()?;
        is_it.then_some(number)
    })
}

fn open(chip: u8, channel: u8, line: &Line) -> rppal::pwm::Result<Pwm> {
    let pwm = Pwm::with_pwmchip(chip, channel)?;
    // A period shorter than the pulse that is set is refused.
    pwm.set_pulse_width(Duration::ZERO)?;
    pwm.set_period(PERIOD)?;
    pwm.set_polarity(if line.active_low { Polarity::Inverse } else { Polarity::Normal })?;
    pwm.enable()?;
    Ok(pwm)
}

impl Lamp for PwmLine {
    fn set(&mut self, level: u8) -> Result<(), String> {
        let share = u32::from(level.min(100)) * u32::from(self.brightness);
        let set = self.pwm.set_pulse_width(PERIOD * share / 10_000);
        set.map_err(|error| format!("the PWM no longer takes its level ({error}); it is tried again every 10 s"))
    }

    fn dims(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_line_has_the_channel_that_its_pi_gives_it() {
        for (soc, line, channel_of_it) in [
            (SoC::Bcm2711, 12, Some(0)),
            (SoC::Bcm2837A1, 18, Some(0)),
            (SoC::Bcm2835, 19, Some(1)),
            (SoC::Bcm2712, 13, Some(1)),
            (SoC::Bcm2712, 18, Some(2)),
            (SoC::Bcm2712, 19, Some(3)),
            (SoC::Bcm2711, 17, None),
        ] {
            assert_eq!(channel(soc, line), channel_of_it, "{soc:?} {line}");
        }
    }

    #[test]
    fn the_fans_pwm_is_never_taken_for_the_headers() {
        let sys = tempfile::tempdir().unwrap();
        for (chip, device) in [("pwmchip0", "1f0009c000.pwm"), ("pwmchip4", "1f00098000.pwm")] {
            let folder = sys.path().join(device);
            fs::create_dir_all(sys.path().join("class").join(chip)).unwrap();
            fs::create_dir(&folder).unwrap();
            symlink(&folder, sys.path().join("class").join(chip).join("device")).unwrap();
        }
        assert_eq!(header_chip(&sys.path().join("class"), RP1), Some(4));
        assert_eq!(header_chip(&sys.path().join("class"), BCM), None);
    }
}
