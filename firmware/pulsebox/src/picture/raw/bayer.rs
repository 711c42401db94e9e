//! Develops Bayer pictures: each 2 × 2 pixels become one, in colour that is good enough to know a scene by.
//!
//! The sensor's zero is taken away, the colours are balanced so that the scene's mean is grey, and light is turned
//! into the curve of Rec. 709. There is no lens shading, no colour matrix, no denoising: it is a preview.

use super::super::looks::hash;
use super::{Shape, Whole, undecodable, unsupported};
use crate::camera::Fault;
use crate::camera::raw::{BayerDepth, BayerOrder};

/// Whatever the depth, pixels are reckoned in so many levels (12 bits).
const LEVELS: usize = 4096;
/// Every so many pairs of rows are measured.
const MEASURED_ROWS: usize = 4;
/// Sensors give no less than this for darkness: a sixteenth of full scale, as nearly all of Sony's do; what looks
/// like more is the scene.
const BLACK_MOST: usize = LEVELS / 16;
/// The part of the pixels that may be darker than the sensor's zero, by noise: one in so many.
const BELOW_BLACK: u32 = 200;
/// Steps of the sensor's zero, levels: small ones would make each picture another one.
const BLACK_STEP: usize = 16;
/// A pixel this bright has lost its colour, levels.
const SATURATED: usize = 3900;
/// A mean below this is noise and tells no colour, levels.
const DIM: f32 = 12.0;
/// The colours are balanced in steps of one in so many.
const GAIN_STEPS: f32 = 32.0;
/// The most that one colour is raised above another.
const GAIN_MOST: f32 = 3.5;

/// Develops the picture at half its size; chroma only where it is wanted.
///
/// # Errors
/// `undecodable` where bytes are missing; `unsupported` for a depth that no sensor has.
pub(super) fn develop(
    bytes: &[u8],
    shape: &Shape,
    order: BayerOrder,
    depth: BayerDepth,
    want_chroma: bool,
) -> Result<Whole, Fault> {
    let row = row_bytes(depth, shape.width)?;
    if shape.width < 2 || shape.height < 2 {
        return Err(undecodable(format!("a Bayer picture of {}×{} has no colours", shape.width, shape.height)));
    }
    let lines: Vec<&[u8]> = shape.rows(bytes, 0, shape.height, row)?.collect();
    let mut cells = Cells::new(shape.width, order, depth);
    let tone = Tone::of(&mut cells, &lines);
    let curves = tone.curves(white(depth));
    let (width, height) = (shape.width / 2, shape.height / 2);
    let mut picture = Vec::with_capacity(width * height);
    let half = width.div_ceil(2) * height.div_ceil(2);
    let mut chroma = want_chroma.then(|| (Vec::with_capacity(half), Vec::with_capacity(half)));
    for (y, pair) in lines.chunks_exact(2).enumerate() {
        cells.bin(pair[0], pair[1]);
        let colours = cells.pixels().map(|[r, g, b]| [curves[0][r], curves[1][g], curves[2][b]]);
        picture.extend(colours.clone().map(|[r, g, b]| jpeg_encoder::rgb_to_ycbcr(r, g, b).0));
        if let Some((cb, cr)) = chroma.as_mut().filter(|_| y % 2 == 0) {
            for [r, g, b] in colours.step_by(2) {
                let (_, blue, red) = jpeg_encoder::rgb_to_ycbcr(r, g, b);
                cb.push(blue);
                cr.push(red);
            }
        }
    }
    Ok(Whole { luma: picture, chroma, width, height, full_range: true, quantiser: tone.print() })
}

/// Bytes that so many pixels take in a row.
fn row_bytes(depth: BayerDepth, width: usize) -> Result<usize, Fault> {
    match depth {
        BayerDepth::Eight => Ok(width),
        BayerDepth::Wide(9..=16) => Ok(width * 2),
        BayerDepth::Wide(bits) => Err(unsupported(format!("Bayer pixels of {bits} bits in two bytes are not read"))),
        BayerDepth::Packed10 => Ok(width.div_ceil(4) * 5),
        BayerDepth::Packed12 => Ok(width.div_ceil(2) * 3),
    }
}

/// The brightest that a pixel can be, levels.
fn white(depth: BayerDepth) -> usize {
    let bits = match depth {
        BayerDepth::Eight => 8,
        BayerDepth::Wide(bits) => u32::from(bits).min(12),
        BayerDepth::Packed10 => 10,
        BayerDepth::Packed12 => 12,
    };
    LEVELS - (LEVELS >> bits)
}

/// A row's pixels as levels; `row` is long enough for all that the bytes hold.
fn unpack(depth: BayerDepth, bytes: &[u8], row: &mut [u16]) {
    match depth {
        BayerDepth::Eight => {
            for (pixel, &byte) in row.iter_mut().zip(bytes) {
                *pixel = u16::from(byte) << 4;
            }
        }
        BayerDepth::Wide(bits) => {
            let (up, down) = (12_u8.saturating_sub(bits), bits.saturating_sub(12));
            for (pixel, pair) in row.iter_mut().zip(bytes.chunks_exact(2)) {
                // What a driver leaves above the pixel's own bits is masked: no level is above the curve's end.
                *pixel = (u16::from_le_bytes([pair[0], pair[1]]) << up >> down) & 0xfff;
            }
        }
        BayerDepth::Packed10 => {
            for (pixels, five) in row.chunks_exact_mut(4).zip(bytes.chunks_exact(5)) {
                for (n, pixel) in pixels.iter_mut().enumerate() {
                    *pixel = u16::from(five[n]) << 4 | u16::from(five[4] >> (2 * n) & 3) << 2;
                }
            }
        }
        BayerDepth::Packed12 => {
            for (pixels, three) in row.chunks_exact_mut(2).zip(bytes.chunks_exact(3)) {
                pixels[0] = u16::from(three[0]) << 4 | u16::from(three[2] & 0xf);
                pixels[1] = u16::from(three[1]) << 4 | u16::from(three[2] >> 4);
            }
        }
    }
}

/// Two rows of pixels on their way to one row of colours; its buffers are used again for each pair.
struct Cells {
    order: BayerOrder,
    depth: BayerDepth,
    rows: [Vec<u16>; 2],
    /// Levels of red, green and blue.
    colours: [Vec<u16>; 3],
}

impl Cells {
    fn new(width: usize, order: BayerOrder, depth: BayerDepth) -> Self {
        // Packed pixels come by fours.
        let row = || vec![0; width.next_multiple_of(4)];
        let colour = || vec![0; width / 2];
        Self { order, depth, rows: [row(), row()], colours: [colour(), colour(), colour()] }
    }

    /// Reads a pair of rows; [`Cells::pixels`] gives what they make.
    fn bin(&mut self, top: &[u8], bottom: &[u8]) {
        let Self { order, depth, rows: [upper, lower], colours: [red, green, blue] } = self;
        unpack(*depth, top, upper);
        unpack(*depth, bottom, lower);
        // The two that are not green stand in one diagonal: the upper one first.
        let (first, second) = match order {
            BayerOrder::Rggb | BayerOrder::Grbg => (red, blue),
            BayerOrder::Bggr | BayerOrder::Gbrg => (blue, red),
        };
        let is_green_first = matches!(order, BayerOrder::Grbg | BayerOrder::Gbrg);
        let colours = first.iter_mut().zip(green.iter_mut()).zip(second.iter_mut());
        for (((first, green), second), (top, bottom)) in colours.zip(upper.chunks_exact(2).zip(lower.chunks_exact(2))) {
            let (falling, rising) = ([top[0], bottom[1]], [top[1], bottom[0]]);
            let (greens, others) = if is_green_first { (falling, rising) } else { (rising, falling) };
            *green = (greens[0] + greens[1]) / 2;
            [*first, *second] = others;
        }
    }

    /// The pair's pixels: red, green, blue, in levels below [`LEVELS`].
    fn pixels(&self) -> impl Iterator<Item = [usize; 3]> + Clone {
        let [red, green, blue] = &self.colours;
        red.iter().zip(green).zip(blue).map(|((&r, &g), &b)| [usize::from(r), usize::from(g), usize::from(b)])
    }
}

/// How levels become light.
struct Tone {
    /// The sensor's zero, levels.
    black: usize,
    /// What each colour is raised by, in steps of one in [`GAIN_STEPS`]; the least is 1.
    gains: [f32; 3],
}

impl Tone {
    fn of(cells: &mut Cells, lines: &[&[u8]]) -> Self {
        let mut counts = [0_u32; LEVELS / BLACK_STEP];
        let (mut sums, mut coloured) = ([0_u64; 3], 0_u32);
        for pair in lines.chunks_exact(2).step_by(MEASURED_ROWS) {
            cells.bin(pair[0], pair[1]);
            for pixel in cells.pixels() {
                for level in pixel {
                    counts[level / BLACK_STEP] += 1;
                }
                if pixel.iter().all(|&level| level < SATURATED) {
                    sums.iter_mut().zip(pixel).for_each(|(sum, level)| *sum += level as u64);
                    coloured += 1;
                }
            }
        }
        let black = black(&counts);
        let means = sums.map(|sum| sum as f32 / coloured.max(1) as f32 - black as f32);
        Self { black, gains: gains(means) }
    }

    /// For each colour, the brightness 0 to 255 of each level.
    fn curves(&self, white: usize) -> [Box<[u8]>; 3] {
        let span = (white - self.black) as f32;
        self.gains.map(|gain| {
            let light = |level: usize| (level.saturating_sub(self.black) as f32 / span * gain).min(1.0);
            (0..LEVELS).map(|level| (rec709(light(level)) * 255.0).round() as u8).collect()
        })
    }

    /// Names it: pictures that were developed otherwise are not comparable in their finest differences.
    fn print(&self) -> u64 {
        let steps = self.gains.map(|gain| gain.to_bits().to_le_bytes());
        hash(steps.as_flattened(), self.black as u64)
    }
}

/// The sensor's zero: what next to no pixel is below, as far as a sensor's may be.
fn black(counts: &[u32]) -> usize {
    let below = counts.iter().sum::<u32>() / BELOW_BLACK;
    let mut seen = 0;
    let step = counts.iter().position(|count| {
        seen += count;
        seen > below
    });
    (step.unwrap_or(0) * BLACK_STEP).min(BLACK_MOST)
}

/// What makes the mean grey, within bounds.
fn gains([red, green, blue]: [f32; 3]) -> [f32; 3] {
    if red.min(green).min(blue) < DIM {
        return [1.0; 3];
    }
    let gains = [green / red, 1.0, green / blue];
    let least = gains.into_iter().fold(f32::MAX, f32::min);
    gains.map(|gain| ((gain / least).min(GAIN_MOST) * GAIN_STEPS).round() / GAIN_STEPS)
}

/// The curve of Rec. 709 over light from 0 to 1: straight in the dark, where others would raise the noise.
fn rec709(light: f32) -> f32 {
    if light < 0.018 { light * 4.5 } else { 1.099 * light.powf(0.45) - 0.099 }
}
