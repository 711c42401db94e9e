//! Which of a local camera's formats, sizes and rates is taken.
//!
//! One choice serves checks and live views, so that a check along with viewers sees the same picture. Compressed
//! forms come first, then those with the fewest bytes: the choice is the one that costs the small machine least.
//! Nothing here touches a device.

use crate::camera::raw::{BayerDepth, BayerOrder, RawFormat};
use crate::camera::{Fault, Verdict};

/// The picture that is aimed at, pixels in all: 1280 × 720.
const AIM: u64 = 1280 * 720;
/// Slower than this is no live picture, frames a second.
const SLOWEST: f64 = 9.5;
/// More than this is work for nothing, frames a second.
const ENOUGH: f64 = 14.5;
/// A side longer than this is no camera's, pixels.
const SIDE_MAX: u32 = 16_384;

/// How the device codes its pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Each frame a JPEG.
    Mjpeg,
    /// H.264, Annex B.
    H264,
    /// Not compressed.
    Raw(RawFormat),
}

/// The kernel's four characters of every form that is read (`Documentation/userspace-api/media/v4l/pixfmt*.rst`).
const CODINGS: [([u8; 4], Coding); 29] = {
    use BayerDepth::{Eight, Packed10, Packed12, Wide};
    use BayerOrder::{Bggr, Gbrg, Grbg, Rggb};
    const fn bayer(order: BayerOrder, depth: BayerDepth) -> Coding {
        Coding::Raw(RawFormat::Bayer { order, depth })
    }
    [
        (*b"MJPG", Coding::Mjpeg),
        (*b"JPEG", Coding::Mjpeg),
        (*b"H264", Coding::H264),
        (*b"NV12", Coding::Raw(RawFormat::Nv12)),
        (*b"YUYV", Coding::Raw(RawFormat::Yuyv)),
        (*b"RGGB", bayer(Rggb, Eight)),
        (*b"GRBG", bayer(Grbg, Eight)),
        (*b"GBRG", bayer(Gbrg, Eight)),
        (*b"BA81", bayer(Bggr, Eight)),
        (*b"pRAA", bayer(Rggb, Packed10)),
        (*b"pgAA", bayer(Grbg, Packed10)),
        (*b"pGAA", bayer(Gbrg, Packed10)),
        (*b"pBAA", bayer(Bggr, Packed10)),
        (*b"pRCC", bayer(Rggb, Packed12)),
        (*b"pgCC", bayer(Grbg, Packed12)),
        (*b"pGCC", bayer(Gbrg, Packed12)),
        (*b"pBCC", bayer(Bggr, Packed12)),
        (*b"RG10", bayer(Rggb, Wide(10))),
        (*b"BA10", bayer(Grbg, Wide(10))),
        (*b"GB10", bayer(Gbrg, Wide(10))),
        (*b"BG10", bayer(Bggr, Wide(10))),
        (*b"RG12", bayer(Rggb, Wide(12))),
        (*b"BA12", bayer(Grbg, Wide(12))),
        (*b"GB12", bayer(Gbrg, Wide(12))),
        (*b"BG12", bayer(Bggr, Wide(12))),
        (*b"RG16", bayer(Rggb, Wide(16))),
        (*b"GR16", bayer(Grbg, Wide(16))),
        (*b"GB16", bayer(Gbrg, Wide(16))),
        (*b"BYR2", bayer(Bggr, Wide(16))),
    ]
};

/// What the kernel's four characters mean; none for a form that is not read.
pub fn coding(fourcc: [u8; 4]) -> Option<Coding> {
    CODINGS.iter().find(|(known, _)| *known == fourcc).map(|(_, coding)| *coding)
}

impl Coding {
    /// The place in the order of preference, best first: [`CODINGS`] stands in it.
    pub fn rank(self) -> usize {
        CODINGS.iter().position(|(_, coding)| *coding == self).unwrap_or(CODINGS.len())
    }

    /// Bytes that `width` pixels take at least in a row of the first plane; none for compressed forms.
    pub fn row_bytes(self, width: u32) -> Option<u32> {
        let Coding::Raw(format) = self else { return None };
        Some(match format {
            RawFormat::Yuyv => width.div_ceil(2).saturating_mul(4),
            RawFormat::Nv12 | RawFormat::Bayer { depth: BayerDepth::Eight, .. } => width,
            RawFormat::Bayer { depth: BayerDepth::Wide(_), .. } => width.saturating_mul(2),
            RawFormat::Bayer { depth: BayerDepth::Packed10, .. } => width.div_ceil(4).saturating_mul(5),
            RawFormat::Bayer { depth: BayerDepth::Packed12, .. } => width.div_ceil(2).saturating_mul(3),
        })
    }

    /// The pixels of the picture that is made of one of so many: four of a Bayer picture make one.
    fn shown(self, pixels: u64) -> u64 {
        if matches!(self, Coding::Raw(RawFormat::Bayer { .. })) { pixels / 4 } else { pixels }
    }
}

/// What the URL's query asks for. Nothing given: what is best is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// `format=`.
    pub format: Option<Wanted>,
    /// `size=1280x720`, pixels.
    pub size: Option<(u32, u32)>,
    /// `fps=`, frames a second, 1 to 240.
    pub fps: Option<u32>,
}

/// The form of pictures that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// This one.
    Exactly([u8; 4]),
    /// Any JPEG.
    Mjpeg,
    /// Any Bayer form.
    Bayer,
}

impl Wish {
    /// Reads the query of a local camera's URL: `format=yuyv&size=1280x720&fps=15`.
    ///
    /// # Errors
    /// A sentence that says which part is wrong and what can stand there.
    pub fn parse(query: Option<&str>) -> Result<Self, String> {
        let mut wish = Self::default();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let twice = match name {
                "format" => wish.format.replace(format(value)?).is_some(),
                "size" => wish.size.replace(size(value)?).is_some(),
                "fps" => wish.fps.replace(fps(value)?).is_some(),
                _ => {
                    let name = printable(name);
                    return Err(format!("a local camera has no option `{name}`; it has format, size and fps"));
                }
            };
            if twice {
                return Err(format!("`{name}` stands twice in the camera's URL"));
            }
        }
        Ok(wish)
    }

    /// Whether pictures coded as `fourcc` are asked for.
    fn takes(&self, fourcc: [u8; 4]) -> bool {
        match (self.format, coding(fourcc)) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(Wanted::Exactly(wanted)), Some(_)) => wanted == fourcc,
            (Some(Wanted::Mjpeg), Some(coding)) => coding == Coding::Mjpeg,
            (Some(Wanted::Bayer), Some(coding)) => matches!(coding, Coding::Raw(RawFormat::Bayer { .. })),
        }
    }
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() && *c != '`').take(40).collect()
}

fn format(value: &str) -> Result<Wanted, String> {
    match value.to_ascii_lowercase().as_str() {
        "yuyv" => Ok(Wanted::Exactly(*b"YUYV")),
        "nv12" => Ok(Wanted::Exactly(*b"NV12")),
        "mjpeg" | "mjpg" => Ok(Wanted::Mjpeg),
        "h264" => Ok(Wanted::Exactly(*b"H264")),
        "bayer" => Ok(Wanted::Bayer),
        _ => match value.as_bytes().try_into() {
            Ok(fourcc) if coding(fourcc).is_some() => Ok(Wanted::Exactly(fourcc)),
            _ => Err(format!(
                "`format={}` is not read from a local camera; use yuyv, nv12, mjpeg, h264, bayer, or the kernel's four \
                 characters of a Bayer form such as pRAA",
                printable(value)
            )),
        },
    }
}

fn size(value: &str) -> Result<(u32, u32), String> {
    let side = |text: &str| text.parse().ok().filter(|side| (16..=SIDE_MAX).contains(side));
    value
        .split_once(['x', 'X', '×'])
        .and_then(|(width, height)| Some((side(width)?, side(height)?)))
        .ok_or_else(|| format!("`size={}` is no picture's size; write it like size=1280x720", printable(value)))
}

fn fps(value: &str) -> Result<u32, String> {
    value
        .parse()
        .ok()
        .filter(|fps| (1..=240).contains(fps))
        .ok_or_else(|| format!("`fps={}` is no rate; write a whole number from 1 to 240", printable(value)))
}

/// The time from one frame to the next: so many of so many parts of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Of the fraction of a second.
    pub numerator: u32,
    /// Of the fraction of a second.
    pub denominator: u32,
}

impl Interval {
    /// Frames a second; none for a fraction that means nothing.
    pub fn rate(self) -> Option<f64> {
        (self.numerator > 0 && self.denominator > 0).then(|| f64::from(self.denominator) / f64::from(self.numerator))
    }

    /// The usual ones between the shortest and the longest that a device takes, and the shortest.
    pub fn between(shortest: Self, longest: Self) -> Vec<Self> {
        const USUAL: [u32; 8] = [5, 10, 15, 20, 25, 30, 50, 60];
        let fastest = shortest.rate().unwrap_or(f64::from(USUAL[USUAL.len() - 1]));
        let slowest = longest.rate().unwrap_or(0.0);
        let usual = USUAL.into_iter().filter(|fps| (slowest..=fastest).contains(&f64::from(*fps)));
        usual.map(|fps| Self { numerator: 1, denominator: fps }).chain([shortest]).collect()
    }
}

/// One size that the device offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizeOffer {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// From frame to frame; empty where the device does not tell.
    pub intervals: Vec<Interval>,
}

/// What is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The kernel's four characters.
    pub fourcc: [u8; 4],
    /// What they mean.
    pub coding: Coding,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// None: as the device has it.
    pub interval: Option<Interval>,
}

/// Those of the device's forms that are read and asked for, best first.
///
/// # Errors
/// `unsupported` where there is none, with what the device offers.
pub fn forms(offered: &[[u8; 4]], wish: &Wish) -> Result<Vec<([u8; 4], Coding)>, Fault> {
    let mut forms: Vec<_> = offered
        .iter()
        .filter(|fourcc| wish.takes(**fourcc))
        .filter_map(|fourcc| Some((*fourcc, coding(*fourcc)?)))
        .collect();
    forms.sort_by_key(|(_, coding)| coding.rank());
    forms.dedup();
    if !forms.is_empty() {
        return Ok(forms);
    }
    let names: Vec<_> = offered.iter().take(12).map(|fourcc| fourcc.escape_ascii().to_string()).collect();
    let names = names.join(", ");
    Err(Fault::new(
        Verdict::Unsupported,
        if wish.format.is_some() && offered.iter().any(|fourcc| coding(*fourcc).is_some()) {
            format!("the device does not offer the format that the URL asks for; it offers {names}")
        } else if names.is_empty() {
            "the device offers no format for pictures".to_owned()
        } else {
            format!("none of the device's formats is read here ({names}); JPEG, H.264, YUYV, NV12 and Bayer are")
        },
    ))
}

/// The best size and rate of one form. An empty list is a device that does not tell its sizes: it is asked for what
/// is wished or for 1280 × 720 and takes the nearest it has.
///
/// # Errors
/// `unsupported` where the size asked for is not offered.
pub fn choose(fourcc: [u8; 4], coding: Coding, sizes: &[SizeOffer], wish: &Wish) -> Result<Choice, Fault> {
    if sizes.is_empty() {
        let (width, height) = wish.size.unwrap_or((1280, 720));
        let interval = wish.fps.map(|fps| Interval { numerator: 1, denominator: fps });
        return Ok(Choice { fourcc, coding, width, height, interval });
    }
    let largest = sizes.iter().max_by_key(|size| pixels(size));
    let best = sizes
        .iter()
        .filter(|size| (1..=SIDE_MAX).contains(&size.width) && (1..=SIDE_MAX).contains(&size.height))
        .filter(|size| wish.size.is_none_or(|wanted| wanted == (size.width, size.height)))
        .min_by_key(|size| cost(coding, size, largest));
    let Some(best) = best else {
        let there: Vec<_> = sizes.iter().take(12).map(|size| format!("{}x{}", size.width, size.height)).collect();
        let wanted = wish.size.map_or_else(String::new, |(width, height)| format!(" {width}x{height}"));
        return Err(Fault::new(
            Verdict::Unsupported,
            format!("the device has no pictures of the size{wanted} in this format; it has {}", there.join(", ")),
        ));
    };
    let interval = interval(&best.intervals, wish.fps);
    Ok(Choice { fourcc, coding, width: best.width, height: best.height, interval })
}

/// The one choice that there is with a camera that was set up from outside.
///
/// # Errors
/// `unsupported` where something else is asked for.
pub fn fixed(fourcc: [u8; 4], width: u32, height: u32, wish: &Wish) -> Result<Choice, Fault> {
    let (fourcc, coding) = forms(&[fourcc], wish)?
        .into_iter()
        .next()
        .ok_or_else(|| Fault::new(Verdict::Unsupported, "the sensor's pictures are in a form that is not read here"))?;
    choose(fourcc, coding, &[SizeOffer { width, height, intervals: Vec::new() }], wish)
}

fn pixels(size: &SizeOffer) -> u64 {
    u64::from(size.width) * u64::from(size.height)
}

/// Compared part by part, least is best: too slow, too large, shows a part of the field of view, far from the aim.
fn cost(coding: Coding, size: &SizeOffer, largest: Option<&SizeOffer>) -> (bool, bool, bool, u64) {
    let shown = coding.shown(pixels(size));
    let rates: Vec<_> = size.intervals.iter().filter_map(|interval| interval.rate()).collect();
    let is_slow = !rates.is_empty() && rates.iter().all(|rate| *rate < SLOWEST);
    if !matches!(coding, Coding::Raw(_)) {
        // Twice as large costs as much as a quarter: the browser shows it small anyway.
        let far = if shown > AIM { (shown - AIM) * 2 } else { AIM - shown };
        return (is_slow, false, false, far);
    }
    let is_bayer = matches!(coding, Coding::Raw(RawFormat::Bayer { .. }));
    let is_part = is_bayer && largest.is_some_and(|largest| !is_whole_field(size, largest));
    // A little above the aim is far cheaper than a sensor's full size.
    (is_slow, shown > AIM, is_part, shown.abs_diff(AIM))
}

/// Sensors bin or skip by halves and quarters for their smaller sizes; other sizes are cut out of the middle.
fn is_whole_field(size: &SizeOffer, largest: &SizeOffer) -> bool {
    [1, 2, 4, 8].into_iter().any(|part| {
        let near = |whole: u32, side: u32| (whole / part).abs_diff(side) <= 8;
        near(largest.width, size.width) && near(largest.height, size.height)
    })
}

/// The slowest rate that is enough, else the fastest there is.
fn interval(intervals: &[Interval], fps: Option<u32>) -> Option<Interval> {
    let enough = fps.map_or(ENOUGH, |fps| f64::from(fps) - 0.5);
    let rated = || intervals.iter().filter_map(|interval| Some((*interval, interval.rate()?)));
    let slowest = rated().filter(|(_, rate)| *rate >= enough).min_by(|a, b| a.1.total_cmp(&b.1));
    slowest.or_else(|| rated().max_by(|a, b| a.1.total_cmp(&b.1))).map(|(interval, _)| interval)
}

/// A range of sizes that a device takes, pixels.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// Width: least, most, step.
    pub width: (u32, u32, u32),
    /// Height: least, most, step.
    pub height: (u32, u32, u32),
}

impl Steps {
    /// The few of its sizes that can be of use: the usual ones, the ends, and the one that is wished.
    pub fn sizes(&self, wish: Option<(u32, u32)>) -> Vec<(u32, u32)> {
        let usual =
            [(1280, 720), (640, 480), (320, 240), (self.width.1, self.height.1), (self.width.1 / 2, self.height.1 / 2)];
        let snap = |(least, most, step): (u32, u32, u32), side: u32| {
            let side = side.clamp(least, most.max(least));
            least + (side - least) / step.max(1) * step.max(1)
        };
        let mut sizes: Vec<_> = wish
            .into_iter()
            .chain(usual)
            .map(|(width, height)| (snap(self.width, width), snap(self.height, height)))
            .collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers(sizes: &[(u32, u32, &[u32])]) -> Vec<SizeOffer> {
        let interval = |fps: &u32| Interval { numerator: 1, denominator: *fps };
        sizes
            .iter()
            .map(|&(width, height, rates)| SizeOffer { width, height, intervals: rates.iter().map(interval).collect() })
            .collect()
    }

    fn chosen(fourcc: &[u8; 4], sizes: &[(u32, u32, &[u32])], query: &str) -> Result<(u32, u32, Option<f64>), String> {
        let wish = Wish::parse(Some(query)).unwrap();
        let choice = choose(*fourcc, coding(*fourcc).unwrap(), &offers(sizes), &wish).map_err(|fault| fault.detail)?;
        Ok((choice.width, choice.height, choice.interval.and_then(Interval::rate)))
    }

    #[test]
    fn compressed_forms_come_first_and_then_the_fewest_bytes() {
        let offered = [*b"YUYV", *b"RG10", *b"H264", *b"XYZW", *b"NV12", *b"MJPG", *b"pRAA"];
        let forms = forms(&offered, &Wish::default()).unwrap();
        let names: Vec<_> = forms.iter().map(|(fourcc, _)| std::str::from_utf8(fourcc).unwrap()).collect();
        assert_eq!(names, ["MJPG", "H264", "NV12", "YUYV", "pRAA", "RG10"]);
    }

    #[test]
    fn what_the_url_asks_for_is_taken_or_refused_with_what_there_is() {
        let wish = |query| Wish::parse(Some(query)).unwrap();
        let offered = [*b"YUYV", *b"MJPG", *b"BA81"];
        assert_eq!(forms(&offered, &wish("format=yuyv")).unwrap()[0].0, *b"YUYV");
        assert_eq!(forms(&offered, &wish("format=bayer")).unwrap()[0].0, *b"BA81");
        assert_eq!(forms(&offered, &wish("format=BA81")).unwrap().len(), 1);
        let fault = forms(&offered, &wish("format=h264")).unwrap_err();
        assert!(fault.verdict == Verdict::Unsupported && fault.detail.contains("YUYV, MJPG, BA81"), "{fault}");
        let fault = forms(&[*b"Z16 ", [0xff, 0, 1, 2]], &Wish::default()).unwrap_err();
        assert!(fault.detail.contains("Z16") && fault.detail.contains("none of"), "{fault}");
        assert!(forms(&[], &Wish::default()).unwrap_err().detail.contains("no format"));
    }

    #[test]
    fn compressed_pictures_are_taken_near_720_lines_at_a_quiet_rate() {
        let c920: &[(u32, u32, &[u32])] = &[
            (640, 480, &[30, 24, 20, 15, 10]),
            (1280, 720, &[30, 24, 20, 15, 10]),
            (1920, 1080, &[30, 24, 20, 15, 10]),
        ];
        assert_eq!(chosen(b"MJPG", c920, ""), Ok((1280, 720, Some(15.0))));
        assert_eq!(chosen(b"MJPG", c920, "fps=20"), Ok((1280, 720, Some(20.0))));
        assert_eq!(chosen(b"MJPG", c920, "fps=60"), Ok((1280, 720, Some(30.0))));
        assert_eq!(chosen(b"MJPG", c920, "size=1920x1080"), Ok((1920, 1080, Some(15.0))));
        let refused = chosen(b"MJPG", c920, "size=800x600").unwrap_err();
        assert!(refused.contains("800x600") && refused.contains("1280x720"), "{refused}");
        assert_eq!(chosen(b"MJPG", &[(3840, 2160, &[30]), (640, 360, &[30])], ""), Ok((640, 360, Some(30.0))));
    }

    #[test]
    fn raw_pictures_are_the_largest_that_come_fast_enough_and_cost_little() {
        let webcam: &[(u32, u32, &[u32])] =
            &[(640, 480, &[30, 15]), (1280, 720, &[9, 5]), (960, 540, &[10, 5]), (1920, 1080, &[30])];
        assert_eq!(chosen(b"YUYV", webcam, ""), Ok((960, 540, Some(10.0))));
        assert_eq!(chosen(b"YUYV", &[(1920, 1080, &[30]), (1600, 1200, &[30])], ""), Ok((1600, 1200, Some(30.0))));
        assert_eq!(chosen(b"YUYV", &[(640, 480, &[5, 2])], ""), Ok((640, 480, Some(5.0))));
    }

    #[test]
    fn a_sensor_shows_its_whole_field_of_view() {
        let imx219: &[(u32, u32, &[u32])] =
            &[(3280, 2464, &[21]), (1920, 1080, &[30]), (1640, 1232, &[30]), (640, 480, &[30])];
        assert_eq!(chosen(b"pRAA", imx219, ""), Ok((1640, 1232, Some(30.0))));
        let ov5647: &[(u32, u32, &[u32])] = &[(2592, 1944, &[]), (1920, 1080, &[]), (1296, 972, &[]), (640, 480, &[])];
        assert_eq!(chosen(b"GB10", ov5647, ""), Ok((1296, 972, None)));
    }

    #[test]
    fn absurd_offers_are_passed_over() {
        let absurd: &[(u32, u32, &[u32])] = &[(0, 0, &[]), (u32::MAX, u32::MAX, &[]), (640, 480, &[0, 30])];
        assert_eq!(chosen(b"YUYV", absurd, ""), Ok((640, 480, Some(30.0))));
        assert!(chosen(b"YUYV", &absurd[..2], "").is_err());
        assert_eq!(chosen(b"YUYV", &[], "fps=5"), Ok((1280, 720, Some(5.0))));
        let steps = Steps { width: (0, u32::MAX, 0), height: (48, 10, 7) };
        assert!(steps.sizes(Some((100, 100))).len() <= 6);
        let steps = Steps { width: (48, 1920, 2), height: (48, 1080, 2) };
        assert!(steps.sizes(None).contains(&(1280, 720)));
    }

    #[test]
    fn a_range_of_rates_is_as_good_as_a_list() {
        let interval = |numerator, denominator| Interval { numerator, denominator };
        let between = Interval::between(interval(1, 90), interval(1, 1));
        assert_eq!(super::interval(&between, None).and_then(Interval::rate), Some(15.0));
        assert_eq!(super::interval(&between, Some(90)).and_then(Interval::rate), Some(90.0));
        let absurd = Interval::between(interval(0, 0), interval(5, 0));
        assert_eq!(super::interval(&absurd, None).and_then(Interval::rate), Some(15.0));
    }

    #[test]
    fn a_wrong_option_says_what_can_stand_there() {
        for (query, expected) in [
            ("colour=red", "has no option `colour`"),
            ("format=rgb", "yuyv, nv12, mjpeg, h264, bayer"),
            ("size=1280", "size=1280x720"),
            ("size=0x0", "size=1280x720"),
            ("fps=fast", "from 1 to 240"),
            ("fps=0", "from 1 to 240"),
            ("fps=5&fps=6", "twice"),
            ("fps", "from 1 to 240"),
        ] {
            let problem = Wish::parse(Some(query)).unwrap_err();
            assert!(problem.contains(expected), "{query}: {problem}");
        }
        assert_eq!(Wish::parse(Some("")), Ok(Wish::default()));
        assert_eq!(Wish::parse(None), Ok(Wish::default()));
    }
}
