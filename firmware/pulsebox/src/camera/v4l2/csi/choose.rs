//! Which of a sensor's modes serves a preview and the judging of pictures best.

use super::super::media::Mode;

/// Fewer pixels than these are developed from too little: raw pictures are halved in width and height.
const PIXELS_MIN: u64 = 1280 * 720;

/// A mode, and how much of the sensor's face it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) mode: Mode,
    /// In the sensor's own pixels: width and height. `None` where the driver does not say.
    pub(super) shown: Option<(u32, u32)>,
}

/// A media bus code and the pixel format that a receiver makes of it, with bits a pixel.
struct Known {
    code: u32,
    fourcc: [u8; 4],
    bits: u32,
}

const fn known(code: u32, fourcc: &[u8; 4], bits: u32) -> Known {
    Known { code, fourcc: *fourcc, bits }
}

/// What `picture` develops: Bayer, packed as MIPI sends it where it has more than 8 bits.
const KNOWN: [Known; 12] = [
    known(0x3001, b"BA81", 8),
    known(0x3013, b"GBRG", 8),
    known(0x3002, b"GRBG", 8),
    known(0x3014, b"RGGB", 8),
    known(0x3007, b"pBAA", 10),
    known(0x300e, b"pGAA", 10),
    known(0x300a, b"pgAA", 10),
    known(0x300f, b"pRAA", 10),
    known(0x3008, b"pBCC", 12),
    known(0x3010, b"pGCC", 12),
    known(0x3011, b"pgCC", 12),
    known(0x3012, b"pRCC", 12),
];

fn of(code: u32) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.code == code)
}

/// The pixel format of a media bus code, if it is read here.
pub(super) fn fourcc(code: u32) -> Option<[u8; 4]> {
    of(code).map(|known| known.fourcc)
}

/// The best: of those that show (nearly) all that the sensor can see, the smallest that is large enough, else the
/// largest; of those, 10 bits, which every sensor has and everybody uses, before 8 and 12.
pub(super) fn mode(views: &[View]) -> Option<Mode> {
    let pixels = |view: &View| u64::from(view.mode.width) * u64::from(view.mode.height);
    let shown = |view: &View| view.shown.map_or_else(|| pixels(view), |(w, h)| u64::from(w) * u64::from(h));
    let read = || views.iter().filter(|view| of(view.mode.code).is_some());
    let all = read().map(shown).max()?;
    let whole: Vec<&View> = read().filter(|view| is_nearly_all(view, shown(view), all)).collect();
    let large = whole.iter().map(|view| pixels(view)).filter(|pixels| *pixels >= PIXELS_MIN).min();
    let size = large.or_else(|| whole.iter().map(|view| pixels(view)).max())?;
    let habit = |view: &&&View| match of(view.mode.code).map(|known| known.bits) {
        Some(10) => 0,
        Some(8) => 1,
        _ => 2,
    };
    whole.iter().filter(|view| pixels(view) == size).min_by_key(habit).map(|view| view.mode)
}

/// Sensors leave some rows out where they add pixels up. Where the driver does not say what it shows, any mode may
/// show all.
fn is_nearly_all(view: &View, shown: u64, all: u64) -> bool {
    view.shown.is_none() || shown * 10 >= all * 9
}
