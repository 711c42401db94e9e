//! Asks one device what it can do.

use std::io;
use std::path::Path;

use rustix::io::Errno;
use v4l::Device;
use v4l::capability::Flags;
use v4l::video::Capture as _;

use super::super::capture;
use super::super::choose::{self, Coding, SizeOffer, Wish};

/// Sizes told of one format.
const SIZES_TOLD: usize = 3;
/// Formats with their sizes that are told in all.
const FORMATS_TOLD: usize = 24;

/// What a device said.
pub(super) enum Answer {
    /// It gives pictures.
    Camera {
        /// Where it is plugged in.
        bus: String,
        /// Best first.
        formats: Vec<String>,
    },
    /// It should give pictures, and why it does not.
    Useless {
        /// Where it is plugged in, if that is known.
        bus: String,
        /// A sentence without its full stop.
        problem: String,
    },
    /// It is no camera: data beside the pictures, a codec, an output.
    Other,
}

impl Answer {
    pub(super) fn useless(problem: impl Into<String>) -> Self {
        Self::Useless { bus: String::new(), problem: problem.into() }
    }
}

/// Opens the device for a moment. Blocks as long as its driver does.
pub(super) fn ask(node: &Path) -> Answer {
    let device = match Device::with_path(node) {
        Ok(device) => device,
        Err(e) => return unopened(&e),
    };
    let Ok(caps) = device.query_caps() else { return Answer::Other };
    let (can, bus) = (caps.capabilities, caps.bus);
    let converts = Flags::VIDEO_M2M | Flags::VIDEO_M2M_MPLANE | Flags::VIDEO_OUTPUT | Flags::VIDEO_OUTPUT_MPLANE;
    if can.intersects(converts) {
        return Answer::Other;
    }
    if !can.contains(Flags::VIDEO_CAPTURE) {
        let problem = || "it gives pictures in several planes only, which are not read here".to_owned();
        let has_planes = can.contains(Flags::VIDEO_CAPTURE_MPLANE);
        return if has_planes { Answer::Useless { bus, problem: problem() } } else { Answer::Other };
    }
    let offered: Vec<[u8; 4]> =
        device.enum_formats().unwrap_or_default().iter().map(|format| format.fourcc.repr).collect();
    let wish = Wish::default();
    match choose::forms(&offered, &wish) {
        Err(fault) => Answer::Useless { bus, problem: fault.detail },
        Ok(forms) => {
            let told = |(fourcc, coding)| told(fourcc, coding, capture::sizes(&device, fourcc, &wish));
            Answer::Camera { bus, formats: forms.into_iter().flat_map(told).take(FORMATS_TOLD).collect() }
        }
    }
}

fn unopened(e: &io::Error) -> Answer {
    match Errno::from_io_error(e) {
        Some(Errno::BUSY) => Answer::useless("another program has it"),
        Some(Errno::ACCESS | Errno::PERM) => Answer::useless(
            "this user may not open it: add the user to the group `video` (usermod -aG video NAME) and sign in again",
        ),
        // Unplugged this moment, or a node without a device.
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => Answer::Other,
        _ => Answer::useless(format!("it cannot be opened ({e})")),
    }
}

/// The size that is watched, then others, the largest first.
fn told(fourcc: [u8; 4], coding: Coding, mut sizes: Vec<SizeOffer>) -> Vec<String> {
    let form = match coding {
        Coding::Mjpeg => "MJPEG".to_owned(),
        Coding::H264 => "H.264".to_owned(),
        Coding::Raw(format) => format.to_string(),
    };
    let line = |width: u32, height: u32, rate: Option<f64>| match rate {
        Some(rate) => format!("{form} {width}×{height} {}/s", (rate * 10.0).round() / 10.0),
        None => format!("{form} {width}×{height}"),
    };
    if sizes.is_empty() {
        return vec![form];
    }
    let Ok(watched) = choose::choose(fourcc, coding, &sizes, &Wish::default()) else { return Vec::new() };
    sizes.sort_by_key(|size| std::cmp::Reverse(u64::from(size.width) * u64::from(size.height)));
    let others = sizes.iter().filter(|size| (size.width, size.height) != (watched.width, watched.height));
    let fastest = |size: &SizeOffer| size.intervals.iter().filter_map(|interval| interval.rate()).reduce(f64::max);
    let first = line(watched.width, watched.height, watched.interval.and_then(|interval| interval.rate()));
    std::iter::once(first)
        .chain(others.map(|size| line(size.width, size.height, fastest(size))))
        .take(SIZES_TOLD)
        .collect()
}
