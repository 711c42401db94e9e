//! Reads one V4L2 device: opens it, sets the format that was chosen, takes its buffers.
//!
//! All of it blocks and belongs on the thread that [`super::share`] keeps for the device. The v4l crate panics over
//! answers that it has no word for; that is caught there.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use log::{debug, warn};
use rustix::io::Errno;
use tokio::time::Instant;
use v4l::buffer::{self, Metadata};
use v4l::format::{Colorspace, Quantization};
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::io::mmap::Stream;
use v4l::io::traits::{CaptureStream, Stream as _};
use v4l::video::Capture as _;
use v4l::video::capture::Parameters;
use v4l::{Device, Format, FourCC, Fraction};

use super::choose::{self, Choice, Coding, Interval, SizeOffer, Steps, Wish};
use super::csi;
use super::light::Light;
use super::media;
use super::mend::{self, ParameterSets};
use super::share::{Got, Opener, Source, Stage};
use crate::camera::raw::{MAX_RAW, RawFormat, RawLayout};
use crate::camera::{Codec, Fault, Frame, Verdict};

/// The kernel's number of video devices (`Documentation/admin-guide/devices.txt`).
const VIDEO_MAJOR: u32 = 81;
/// udev has given a new node to its group within this time…
const GIVEN_WITHIN: Duration = Duration::from_millis(1500);
/// …and is looked after this often.
const GIVEN_ASKED: Duration = Duration::from_millis(100);
/// The most bytes of a buffer for compressed pictures: 48 MB. Drivers announce far more than ever comes; what comes is
/// bounded in [`mend`].
const BUFFER_MAX: u32 = 48 << 20;
/// Buffers that the driver fills in turn. One is with us until the first picture comes, and some drivers start only
/// with four.
const BUFFERS: u32 = 5;
/// …of which a driver may make so many.
const BUFFERS_MAX: usize = 32;
/// A buffer that was announced is there at once.
const AT_HAND: Duration = Duration::from_millis(500);

/// The number of the device behind a node.
///
/// # Errors
/// `not_found`; `unsupported` for a node of something else, which is not opened: to open a watchdog starts it.
pub(super) fn device_number(node: &Path) -> Result<u64, Fault> {
    let metadata = std::fs::metadata(node).map_err(|e| fault(&e, node, "be found"))?;
    let number = metadata.rdev();
    if !metadata.file_type().is_char_device() || rustix::fs::major(number) != VIDEO_MAJOR {
        return Err(Fault::new(Verdict::Unsupported, format!("{} is no video device", node.display())));
    }
    Ok(number)
}

/// What opens the device of `node` and starts it as `wish` says.
pub(super) fn opener(node: PathBuf, wish: Wish) -> Opener {
    Box::new(move |reached| {
        let device = open(&node).map_err(|e| fault(&e, &node, "be opened"))?;
        reached(Stage::Opened);
        let set = set_format(&device, &node, &wish)?;
        let light = Light::of(&node, set.choice.coding);
        let capture = Capture::start(&device, node, &set, light)?;
        reached(Stage::Started);
        Ok(Box::new(capture) as Box<dyn Source>)
    })
}

/// Opens the node. One that has just been plugged in is root's alone until udev has given it to its group.
fn open(node: &Path) -> io::Result<Device> {
    let began = Instant::now();
    loop {
        match Device::with_path(node) {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied && began.elapsed() < GIVEN_WITHIN => {
                std::thread::sleep(GIVEN_ASKED);
            }
            opened => return opened,
        }
    }
}

/// What the driver agreed to.
struct Set {
    choice: Choice,
    /// Of raw pictures.
    layout: Option<RawLayout>,
}

fn set_format(device: &Device, node: &Path, wish: &Wish) -> Result<Set, Fault> {
    // Before anything is asked of the node: what it can give depends on what lies before it.
    let choice = match csi::prepare(node)? {
        Some(fixed) => choose::fixed(fixed.fourcc, fixed.width, fixed.height, wish)?,
        None => chosen(device, node, wish)?,
    };
    let wanted = Format::new(choice.width, choice.height, FourCC::new(&choice.fourcc));
    let format = device.set_format(&wanted).map_err(|e| fault(&e, node, "take the format"))?;
    let set = agreed(choice, &format, wish)?;
    let Some(interval) = choice.interval else { return Ok(set) };
    let fraction = Fraction::new(interval.numerator, interval.denominator);
    if let Err(e) = device.set_params(&Parameters::new(fraction)) {
        // Sensors without this setting run at the rate of their mode.
        debug!("{} takes no frame rate: {e}", node.display());
    }
    Ok(set)
}

/// Asks form by form, best first, until one has a size.
fn chosen(device: &Device, node: &Path, wish: &Wish) -> Result<Choice, Fault> {
    // The library gives an empty list for whatever went wrong, and for what is no capture device.
    let offered: Vec<_> = device.enum_formats().unwrap_or_default().iter().map(|format| format.fourcc.repr).collect();
    if offered.is_empty() {
        return Err(Fault::new(Verdict::Unsupported, no_capture(node)));
    }
    let mut refused = None;
    for (fourcc, coding) in choose::forms(&offered, wish)? {
        match choose::choose(fourcc, coding, &sizes(device, fourcc, wish), wish) {
            Ok(choice) => return Ok(choice),
            Err(fault) => refused = refused.or(Some(fault)),
        }
    }
    Err(refused.unwrap_or_else(|| Fault::new(Verdict::Unsupported, "the device offers no size")))
}

/// Why a device without formats is none to capture from.
fn no_capture(node: &Path) -> String {
    match media::node_kind(node) {
        Ok(kind) if kind.captures_planes() => {
            "the device gives pictures in several planes only, which are not read here".to_owned()
        }
        Ok(kind) if !kind.captures() => {
            "this node of the device gives no pictures; cameras often have a second node beside the first for other \
             data: `pulsebox cameras` lists the right ones"
                .to_owned()
        }
        Ok(_) => "the device offers no format for pictures".to_owned(),
        Err(_) => "this is no video device that can be spoken to".to_owned(),
    }
}

/// The sizes that the device has in this form, with their rates.
pub(super) fn sizes(device: &Device, fourcc: [u8; 4], wish: &Wish) -> Vec<SizeOffer> {
    let fourcc = FourCC::new(&fourcc);
    let mut sizes: Vec<(u32, u32)> = Vec::new();
    for size in device.enum_framesizes(fourcc).unwrap_or_default() {
        match size.size {
            FrameSizeEnum::Discrete(size) => sizes.push((size.width, size.height)),
            FrameSizeEnum::Stepwise(steps) => {
                let steps = Steps {
                    width: (steps.min_width, steps.max_width, steps.step_width),
                    height: (steps.min_height, steps.max_height, steps.step_height),
                };
                sizes.extend(steps.sizes(wish.size));
            }
        }
    }
    let offer = |(width, height)| SizeOffer { width, height, intervals: intervals(device, fourcc, width, height) };
    sizes.into_iter().map(offer).collect()
}

fn intervals(device: &Device, fourcc: FourCC, width: u32, height: u32) -> Vec<Interval> {
    let interval = |fraction: Fraction| Interval { numerator: fraction.numerator, denominator: fraction.denominator };
    let mut intervals = Vec::new();
    for offered in device.enum_frameintervals(fourcc, width, height).unwrap_or_default() {
        match offered.interval {
            FrameIntervalEnum::Discrete(fraction) => intervals.push(interval(fraction)),
            FrameIntervalEnum::Stepwise(steps) => {
                intervals.extend(Interval::between(interval(steps.min), interval(steps.max)))
            }
        }
    }
    intervals
}

/// Holds the driver to its word.
fn agreed(choice: Choice, format: &Format, wish: &Wish) -> Result<Set, Fault> {
    let unsupported = |detail: String| Err(Fault::new(Verdict::Unsupported, detail));
    let protocol = |detail: String| Err(Fault::new(Verdict::Protocol, detail));
    let &Format { width, height, stride, size, .. } = format;
    if format.fourcc.repr != choice.fourcc {
        let (wanted, got) = (choice.fourcc.escape_ascii(), format.fourcc.repr.escape_ascii());
        return protocol(format!("the driver offers {wanted} and then sets {got}"));
    }
    if width == 0 || height == 0 {
        return protocol(format!("the driver sets a picture of {width}×{height}"));
    }
    if wish.size.is_some_and(|wanted| wanted != (width, height)) {
        return unsupported(format!(
            "the device has no pictures of the size that the URL asks for, but {width}×{height}"
        ));
    }
    let most = if matches!(choice.coding, Coding::Raw(_)) { MAX_RAW } else { BUFFER_MAX };
    if size > most {
        return unsupported(format!(
            "the device's pictures take {} MB each; at most {} MB are read. Ask for a smaller size",
            size.div_ceil(1 << 20),
            most >> 20
        ));
    }
    let layout = match (choice.coding, choice.coding.row_bytes(width)) {
        (Coding::Raw(raw), Some(row)) => {
            if stride != 0 && stride < row {
                return protocol(format!("the driver says {stride} bytes a row; {width} pixels take {row}"));
            }
            let stride = stride.max(row);
            Some(RawLayout { format: raw, width, height, stride, full_range: is_full_range(raw, format) })
        }
        _ => None,
    };
    Ok(Set { choice: Choice { width, height, ..choice }, layout })
}

/// As the kernel's `V4L2_MAP_QUANTIZATION_DEFAULT`.
fn is_full_range(raw: RawFormat, format: &Format) -> bool {
    matches!(raw, RawFormat::Bayer { .. })
        || match format.quantization {
            Quantization::FullRange => true,
            Quantization::LimitedRange => false,
            Quantization::Default => matches!(format.colorspace, Colorspace::JPEG),
        }
}

/// Bytes that a whole raw picture has at least: the last row may lack its padding.
fn least_bytes(layout: &RawLayout) -> u64 {
    let rows = match layout.format {
        RawFormat::Nv12 => u64::from(layout.height) + u64::from(layout.height.div_ceil(2)),
        RawFormat::Yuyv | RawFormat::Bayer { .. } => u64::from(layout.height),
    };
    let row = Coding::Raw(layout.format).row_bytes(layout.width).unwrap_or(0);
    rows.saturating_sub(1) * u64::from(layout.stride) + u64::from(row)
}

/// A device that streams.
struct Capture {
    node: PathBuf,
    choice: Choice,
    layout: Option<RawLayout>,
    stream: Streaming,
    sets: ParameterSets,
    light: Option<Light>,
}

impl Capture {
    fn start(device: &Device, node: PathBuf, set: &Set, light: Option<Light>) -> Result<Self, Fault> {
        let stream = Streaming::start(device).map_err(|e| fault(&e, &node, "start"))?;
        let (choice, layout) = (set.choice, set.layout);
        Ok(Self { node, choice, layout, stream, sets: ParameterSets::default(), light })
    }
}

impl Source for Capture {
    fn choice(&self) -> Option<Choice> {
        Some(self.choice)
    }

    fn next(&mut self, limit: Duration) -> Result<Got, Fault> {
        let taken = match self.stream.next(limit) {
            Ok(Some(taken)) => taken,
            Ok(None) => return Ok(Got::Nothing),
            Err(e) => return Err(fault(&e, &self.node, "go on")),
        };
        let data = match taken.data {
            Ok(data) => data,
            Err(why) => return Ok(Got::Damaged(why)),
        };
        let frame = match whole(self.choice.coding, self.layout, data, &mut self.sets) {
            Ok((codec, data, key)) => {
                Frame { codec, key, data, raw: self.layout, at: taken.at, arrived: Instant::now() }
            }
            Err(why) => return Ok(Got::Damaged(why)),
        };
        let is_lit = match (&mut self.light, &self.layout) {
            (Some(light), Some(layout)) => light.see(&frame.data, layout),
            _ => true,
        };
        Ok(if is_lit { Got::Frame(frame) } else { Got::NotYet })
    }
}

/// Codec, bytes and whether a decoder can start here.
fn whole(
    coding: Coding,
    layout: Option<RawLayout>,
    data: Bytes,
    sets: &mut ParameterSets,
) -> Result<(Codec, Bytes, bool), &'static str> {
    match (coding, layout) {
        (Coding::Mjpeg, _) => Ok((Codec::Mjpeg, mend::jpeg(&data)?, true)),
        (Coding::H264, _) => sets.whole(&data).map(|(data, key)| (Codec::H264, data, key)),
        (Coding::Raw(_), Some(layout)) if data.len() as u64 >= least_bytes(&layout) => Ok((Codec::Raw, data, true)),
        (Coding::Raw(_), _) => Err("they are shorter than their size says"),
    }
}

/// One buffer, copied.
struct Taken {
    /// The bytes, or why they are of no use.
    data: Result<Bytes, &'static str>,
    /// The driver's time.
    at: Duration,
}

/// The driver's buffers, on their way.
///
/// Some until it is dropped.
struct Streaming(Option<Stream<'static>>);

impl Streaming {
    fn start(device: &Device) -> io::Result<Self> {
        let mut streaming = Self(Some(Stream::with_buffers(device, buffer::Type::VideoCapture, BUFFERS)?));
        let Some(stream) = &mut streaming.0 else { return Err(io::ErrorKind::NotConnected.into()) };
        stream.set_timeout(AT_HAND);
        // The library's `next` gives the driver buffer 0 before it waits; all others must be there already, so that
        // one can wait here, in steps, without it.
        for index in 1..BUFFERS_MAX {
            match stream.queue(index) {
                Ok(()) => {}
                Err(e) if index == 1 => return Err(e),
                // There are no more.
                Err(_) => break,
            }
        }
        stream.start()?;
        Ok(streaming)
    }

    /// The next buffer; none within `limit`.
    fn next(&mut self, limit: Duration) -> io::Result<Option<Taken>> {
        let wait = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
        let Some(stream) = &mut self.0 else { return Err(io::ErrorKind::NotConnected.into()) };
        match stream.handle().poll(libc::POLLIN, wait) {
            Ok(0) => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(None),
            Err(e) => return Err(e),
            Ok(_) => {}
        }
        let (bytes, about) = stream.next()?;
        Ok(Some(Taken { data: used(bytes, about), at: time(about) }))
    }
}

fn used(bytes: &[u8], about: &Metadata) -> Result<Bytes, &'static str> {
    if about.flags.contains(buffer::Flags::ERROR) {
        return Err("the driver says that data was lost on the way (at USB: cable, hub, or too many cameras at one)");
    }
    let used = usize::try_from(about.bytesused).unwrap_or(usize::MAX);
    match bytes.get(..used) {
        Some([]) => Err("they are empty"),
        Some(data) => Ok(Bytes::copy_from_slice(data)),
        None => Err("the driver says that there are more bytes in a buffer than it holds"),
    }
}

fn time(about: &Metadata) -> Duration {
    let seconds = u64::try_from(about.timestamp.sec).unwrap_or(0);
    let micros = u64::try_from(about.timestamp.usec).unwrap_or(0);
    Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros))
}

impl Drop for Streaming {
    /// The library panics where the driver does not want to stop, which within another panic would end the process:
    /// such a stream is left as it is instead.
    fn drop(&mut self) {
        let Some(mut stream) = self.0.take() else { return };
        match stream.stop() {
            Err(e) if Errno::from_io_error(&e) != Some(Errno::NODEV) => {
                warn!("a camera's driver does not stop: {e}. The camera stays taken until Pulsebox is restarted");
                std::mem::forget(stream);
            }
            _ => drop(stream),
        }
    }
}

/// What to do where the kernel lets us not open a device.
pub(super) fn not_allowed(e: &io::Error) -> &'static str {
    match Errno::from_io_error(e) {
        // Of the file's own rights it says EACCES; EPERM comes from what is around the process.
        Some(Errno::PERM) => {
            "the service or container that it runs in keeps it away; allow it there (systemd: DeviceAllow=, a \
             container: --device)"
        }
        _ => "the user it runs as must be in the group `video` (usermod -aG video USER)",
    }
}

/// What an error of the kernel means for a camera.
fn fault(e: &io::Error, node: &Path, what: &str) -> Fault {
    let node = node.display();
    let (verdict, detail) = match Errno::from_io_error(e) {
        Some(Errno::NOENT | Errno::NOTDIR) => {
            (Verdict::NotFound, format!("there is no {node}: nothing is plugged in there"))
        }
        Some(Errno::NODEV | Errno::NXIO) => (Verdict::NotFound, format!("the device behind {node} was unplugged")),
        Some(Errno::ACCESS | Errno::PERM) => {
            (Verdict::Auth, format!("Pulsebox may not open {node}: {}", not_allowed(e)))
        }
        Some(Errno::BUSY) => (Verdict::Busy, format!("another program has {node} open")),
        Some(Errno::NOSPC) => (
            Verdict::Busy,
            "the USB bus has no room left for this camera: plug it into another port, or ask for smaller pictures or \
             fewer a second"
                .to_owned(),
        ),
        Some(Errno::NOTTY) => (Verdict::Unsupported, format!("{node} is no video device that can be spoken to")),
        Some(Errno::PIPE) => (
            Verdict::Protocol,
            format!("the parts of the camera behind {node} are not linked to one another, or not to the same format"),
        ),
        Some(Errno::TIMEDOUT | Errno::PROTO | Errno::IO) if what == "start" => (
            Verdict::Protocol,
            format!(
                "the device behind {node} could not start: {e}. At USB it is mostly power: try another port, another \
                 cable or a hub with power of its own"
            ),
        ),
        _ => (Verdict::Protocol, format!("the device behind {node} could not {what}: {e}")),
    };
    Fault::new(verdict, detail)
}

#[cfg(test)]
mod tests;
