//! An LED on a GPIO line, through the kernel's character devices (`/dev/gpiochip*`).
//!
//! A chip is found by its label and never by its number, which differs from kernel to kernel. A line is given back as
//! an input, whatever it was found as: an output may be what a killed predecessor left (Raspberry Pi's kernels keep a
//! line driven after its holder's death), and an LED that is put back to "all up" lies for as long as nobody looks.

use std::path::PathBuf;

use gpiocdev::line::{Bias, Value};
use gpiocdev::request::Config;
use gpiocdev::{Chip, Error, Request};

use super::pattern::ON_FROM;
use super::player::Lamp;
use super::wiring::{Line, NotTaken};

/// Labels of the header's chip: Raspberry Pi 4, 5, and the older ones.
const HEADER: [&str; 3] = ["pinctrl-bcm2711", "pinctrl-rp1", "pinctrl-bcm2835"];
/// By this name the line is known to be ours (`gpioinfo` shows it).
const CONSUMER: &str = "pulsebox";
/// `EACCES` and `EPERM`.
const FORBIDDEN: [i32; 2] = [13, 1];

/// A line with an LED on it, while it is ours.
pub struct GpioLine {
    request: Request,
    line: u32,
}

/// Takes a line, dark, and says where it is. Blocks for a moment.
///
/// # Errors
/// No such chip or line, no permission, or somebody else has it.
pub fn take(wanted: &Line) -> Result<(GpioLine, String), NotTaken> {
    let mut dark = Config::default();
    dark.with_line(wanted.line).as_output(Value::Inactive);
    if wanted.active_low {
        dark.as_active_low();
    }
    let (request, at) = request(wanted, dark)?;
    Ok((GpioLine { request, line: wanted.line }, at))
}

/// Makes a line an input that nobody holds, and says where it is: what is left of a daemon that was killed goes dark.
/// Blocks for a moment.
///
/// # Errors
/// As [`take`].
pub fn let_go(wanted: &Line) -> Result<String, NotTaken> {
    request(wanted, input(wanted.line)).map(|(_, at)| at)
}

/// A button between a line and ground, while it is ours.
pub struct Button {
    request: Request,
    line: u32,
}

/// Takes a line of the header for a button, pulled up. Blocks for a moment.
///
/// # Errors
/// As [`take`].
pub fn button(line: u32) -> Result<Button, NotTaken> {
    let mut pulled_up = input(line);
    pulled_up.with_bias(Bias::PullUp);
    let wanted = Line { line, chip: None, active_low: false, brightness: 100 };
    request(&wanted, pulled_up).map(|(request, _)| Button { request, line })
}

impl Button {
    /// Whether it connects the line to ground; false where the chip does not say.
    pub fn is_pressed(&self) -> bool {
        self.request.value(self.line).is_ok_and(|value| value == Value::Inactive)
    }
}

fn input(line: u32) -> Config {
    let mut input = Config::default();
    input.with_line(line).as_input();
    input
}

fn request(wanted: &Line, config: Config) -> Result<(Request, String), NotTaken> {
    let not_taken = |chip: &str, problem: String| NotTaken { at: place(wanted.line, chip), problem };
    let chip = find(wanted.chip.as_deref())
        .map_err(|problem| not_taken(wanted.chip.as_deref().unwrap_or("the header's chip"), problem))?;
    let request = held(&chip, wanted.line, config).map_err(|problem| not_taken(&chip.label, problem))?;
    Ok((request, place(wanted.line, &chip.label)))
}

fn place(line: u32, chip: &str) -> String {
    format!("line {line} of {chip}")
}

/// A chip with its figures.
struct Found {
    chip: Chip,
    path: PathBuf,
    label: String,
    lines: u32,
}

/// The chip of this label, or the header's.
fn find(label: Option<&str>) -> Result<Found, String> {
    let (found, forbidden) = chips();
    let mut labels: Vec<String> = found.iter().map(|chip| format!("`{}`", chip.label)).collect();
    let sought = label.as_ref().map_or(&HEADER[..], std::slice::from_ref);
    let rank = |chip: &Found| sought.iter().position(|label| *label == chip.label);
    if let Some((_, chip)) = found.into_iter().filter_map(|chip| Some((rank(&chip)?, chip))).min_by_key(|(n, _)| *n) {
        return Ok(chip);
    }
    if let Some(path) = forbidden {
        return Err(format!(
            "no permission to open {}; add Pulsebox's user to the group `gpio` and start Pulsebox again",
            path.display()
        ));
    }
    labels.sort_unstable();
    labels.dedup();
    Err(match (label, labels.is_empty()) {
        (_, true) => "this machine has no GPIO chip (/dev/gpiochip*); take the LED's line out of pulsebox.yaml".into(),
        (Some(label), false) => {
            format!("no GPIO chip is labelled `{label}`; there is {}: write one as `leds.chip`", labels.join(", "))
        }
        (None, false) => format!(
            "no GPIO chip of a Raspberry Pi's header is here; there is {}: write one as `leds.chip`",
            labels.join(", ")
        ),
    })
}

/// All chips that open, and the first that we may not open.
fn chips() -> (Vec<Found>, Option<PathBuf>) {
    let (mut found, mut forbidden) = (Vec::new(), None);
    for path in gpiocdev::chip::chips().unwrap_or_default() {
        match Chip::from_path(&path).and_then(|chip| Ok((chip.info()?, chip))) {
            Ok((info, chip)) => found.push(Found { chip, path, label: info.label, lines: info.num_lines }),
            Err(Error::Os(errno)) if FORBIDDEN.contains(&errno.0) => forbidden = forbidden.or(Some(path)),
            Err(error) => log::debug!("{}: {error}", path.display()),
        }
    }
    (found, forbidden)
}

fn held(found: &Found, line: u32, config: Config) -> Result<Request, String> {
    if line >= found.lines {
        let last = found.lines.saturating_sub(1);
        return Err(format!("this chip has lines 0 to {last}; choose one of them"));
    }
    let info = found.chip.line_info(line).map_err(|error| refused(&error))?;
    if info.used {
        return Err(taken(&info.consumer));
    }
    let mut request = Request::from_config(config);
    request.on_chip(&found.path).with_consumer(CONSUMER).request().map_err(|error| refused(&error))
}

fn taken(consumer: &str) -> String {
    match consumer {
        CONSUMER => {
            "another Pulsebox has this line; stop it (`systemctl stop pulsebox`), or choose another line".into()
        }
        "" => "the kernel uses this pin for something else (I2C, SPI, UART, PWM, a button); switch that off in \
               config.txt, or choose another line"
            .into(),
        other => format!("`{other}` has this line; stop it, or choose another line"),
    }
}

fn refused(error: &Error) -> String {
    match error {
        Error::NoAbiSupport() => "this kernel knows neither interface to GPIO lines that Pulsebox speaks \
             (CONFIG_GPIO_CDEV); use another kernel, or take the LED's line out of pulsebox.yaml"
            .into(),
        error => format!("the kernel refuses this line ({error}); choose another line"),
    }
}

impl Lamp for GpioLine {
    fn set(&mut self, level: u8) -> Result<(), String> {
        let value = if level >= ON_FROM { Value::Active } else { Value::Inactive };
        let set = self.request.set_value(self.line, value);
        set.map_err(|error| format!("the chip no longer takes its level ({error}); it is tried again every 10 s"))
    }
}

impl Drop for GpioLine {
    fn drop(&mut self) {
        if let Err(error) = self.request.reconfigure(&input(self.line)) {
            log::debug!("GPIO line {} is not an input again: {error}", self.line);
        }
    }
}
