//! What is measured of a decoded picture: brightness, detail, and a fingerprint to tell a frozen
//! picture from a living one.
//!
//! The picture is laid out in 24 × 16 cells. A cell's patch, 8 × 8 luma samples from its middle at full
//! resolution, is its part of the fingerprint: averaging would take away the sensor's noise, which is
//! what tells a living picture of a still scene from a frozen one.

use std::fmt;

use super::{Plane, Planes};

/// Cells across and down.
pub(super) const COLUMNS: usize = 24;
/// Cells down.
pub(super) const ROWS: usize = 16;
/// Cells.
pub(super) const CELLS: usize = COLUMNS * ROWS;
/// Samples each way of a patch.
const PATCH: usize = 8;
/// Samples of one patch.
const PATCH_SAMPLES: usize = PATCH * PATCH;

/// A patch whose luma differs by more than this on average, levels, shows something else. Measured:
/// `docs/pictures.md`, "Frozen".
const PATCH_DIFFERS: f32 = 0.5;
/// A patch whose luma spreads over at least so many levels has structure.
const STRUCTURED: u8 = 4;

/// Every so many rows are counted for the brightness: a share of pixels needs no more.
const HISTOGRAM_ROWS: usize = 4;

/// The smallest box whose mean counts as noise-free, pixels each way.
const BOX_LEAST: usize = 6;
/// The most boxes a cell has each way.
const BOXES_MOST: usize = 4;
/// The part of the cells with most detail that is left out: an overlay may have any detail.
const OVERLAY_PART: f32 = 0.08;

/// Measurements and fingerprint of one decoded picture; about 26 kB.
#[derive(Clone)]
pub struct Looks {
    /// Pixels (of every fourth row) for each luma 0 to 255, full range (video's 16 to 235 is stretched).
    histogram: Box<[u32; 256]>,
    /// Luma levels 0 to 255: see [`Looks::detail`].
    detail: f32,
    print: Fingerprint,
}

impl Looks {
    pub(super) fn of(planes: &Planes<'_>) -> Self {
        let luma = planes.luma;
        let stretch = if planes.full_range { 1.0 } else { 255.0 / 219.0 };
        Self {
            histogram: histogram(luma, planes.full_range),
            detail: detail(luma) * stretch,
            print: Fingerprint::of(luma, planes.quantiser),
        }
    }

    /// How much detail the picture has, luma levels, 0 to 255 (full range): the contrast of structures
    /// about a hundredth of the picture's width that the cells outside any overlay (8 % of the area)
    /// reach. Averaging over boxes takes sensor noise away; a second difference takes slow shading away.
    pub fn detail(&self) -> f32 {
        self.detail
    }

    /// The share of pixels darker than `luma` (full range, 0 to 255), 0 to 1.
    pub fn darker_than(&self, luma: u8) -> f32 {
        let all: u64 = self.histogram.iter().map(|&count| u64::from(count)).sum();
        let dark: u64 = self.histogram[..usize::from(luma)].iter().map(|&count| u64::from(count)).sum();
        dark as f32 / all.max(1) as f32
    }

    pub(super) fn print(&self) -> &Fingerprint {
        &self.print
    }
}

impl fmt::Debug for Looks {
    /// The measurements, without the fingerprint's thousands of samples.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Looks").field("detail", &self.detail).field("print", &self.print).finish_non_exhaustive()
    }
}

fn histogram(luma: Plane<'_>, full_range: bool) -> Box<[u32; 256]> {
    // Two tables: neighbours of equal luma would wait for each other's count.
    let mut counts = [[0_u32; 256]; 2];
    for y in (0..luma.height).step_by(HISTOGRAM_ROWS) {
        for pair in luma.row(y).chunks(2) {
            for (count, &sample) in counts.iter_mut().zip(pair) {
                count[usize::from(sample)] += 1;
            }
        }
    }
    let mut histogram = Box::new([0; 256]);
    for (sample, (one, other)) in counts[0].iter().zip(&counts[1]).enumerate() {
        let level = if full_range { sample } else { (sample.saturating_sub(16) * 255 / 219).min(255) };
        histogram[level] += one + other;
    }
    histogram
}

/// Luma levels as sent, before any stretching.
fn detail(luma: Plane<'_>) -> f32 {
    let cell = (luma.width / COLUMNS).min(luma.height / ROWS);
    let boxes = (cell / BOX_LEAST).clamp(1, BOXES_MOST);
    let means = BoxMeans::of(luma, (COLUMNS * boxes).min(luma.width), (ROWS * boxes).min(luma.height));
    let mut reached = [0.0; CELLS];
    for (at, reached) in reached.iter_mut().enumerate() {
        *reached = means.cell_detail(at % COLUMNS, at / COLUMNS, boxes);
    }
    let overlay = (CELLS as f32 * OVERLAY_PART) as usize;
    reached.sort_unstable_by(|a, b| b.total_cmp(a));
    reached[overlay]
}

/// Mean luma of boxes that tile the picture.
struct BoxMeans {
    means: Vec<f32>,
    columns: usize,
    rows: usize,
}

impl BoxMeans {
    fn of(luma: Plane<'_>, columns: usize, rows: usize) -> Self {
        let edge = |index: usize, count: usize, size: usize| index * size / count;
        let mut means = Vec::with_capacity(columns * rows);
        let mut sums = vec![0_u32; columns];
        for row in 0..rows {
            let (top, bottom) = (edge(row, rows, luma.height), edge(row + 1, rows, luma.height));
            sums.fill(0);
            for y in top..bottom {
                let line = luma.row(y);
                for (column, sum) in sums.iter_mut().enumerate() {
                    let part = &line[edge(column, columns, luma.width)..edge(column + 1, columns, luma.width)];
                    *sum += part.iter().map(|&sample| u32::from(sample)).sum::<u32>();
                }
            }
            for (column, &sum) in sums.iter().enumerate() {
                let width = edge(column + 1, columns, luma.width) - edge(column, columns, luma.width);
                means.push(sum as f32 / (width * (bottom - top)) as f32);
            }
        }
        Self { means, columns, rows }
    }

    fn at(&self, column: usize, row: usize) -> f32 {
        self.means[row * self.columns + column]
    }

    /// The second difference that at least `boxes` boxes of a cell reach: an edge that crosses the cell
    /// meets that many, noise seldom does.
    fn cell_detail(&self, cell_column: usize, cell_row: usize, boxes: usize) -> f32 {
        let mut strongest = [0.0_f32; BOXES_MOST * BOXES_MOST];
        let mut count = 0;
        for row in cell_row * boxes..(cell_row + 1) * boxes {
            for column in cell_column * boxes..(cell_column + 1) * boxes {
                strongest[count] = self.second_difference(column, row);
                count += 1;
            }
        }
        let strongest = &mut strongest[..count];
        strongest.sort_unstable_by(|a, b| b.total_cmp(a));
        strongest[boxes - 1]
    }

    fn second_difference(&self, column: usize, row: usize) -> f32 {
        if column >= self.columns || row >= self.rows {
            return 0.0;
        }
        let middle = 2.0 * self.at(column, row);
        let across = (column > 0 && column + 1 < self.columns)
            .then(|| middle - self.at(column - 1, row) - self.at(column + 1, row));
        let down =
            (row > 0 && row + 1 < self.rows).then(|| middle - self.at(column, row - 1) - self.at(column, row + 1));
        across.map_or(0.0, f32::abs).max(down.map_or(0.0, f32::abs))
    }
}

/// What is kept of a picture to know it again: 24 kB of luma at full resolution, and a hash of all.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Fingerprint {
    width: usize,
    height: usize,
    quantiser: u64,
    /// Of the whole luma plane.
    hash: u64,
    patches: Box<[[u8; PATCH_SAMPLES]]>,
}

impl Fingerprint {
    fn of(luma: Plane<'_>, quantiser: u64) -> Self {
        let patches = (0..CELLS).map(|cell| patch(luma, cell % COLUMNS, cell / COLUMNS)).collect();
        let hash = (0..luma.height).fold(0, |seed, y| hash(luma.row(y), seed));
        Self { width: luma.width, height: luma.height, quantiser, hash, patches }
    }

    /// How `later` compares with this picture.
    pub(super) fn compare(&self, later: &Self) -> Comparison {
        if (self.width, self.height) != (later.width, later.height) {
            return Comparison::OtherSize;
        }
        if self.hash == later.hash && self.patches == later.patches {
            return Comparison::Identical;
        }
        if self.quantiser != later.quantiser {
            return Comparison::OtherQuantiser;
        }
        let mut counts = Counts::default();
        for (one, other) in self.patches.iter().zip(&later.patches) {
            let structured = spread(one).max(spread(other)) >= STRUCTURED;
            counts.add(structured, difference(one, other) > PATCH_DIFFERS);
        }
        Comparison::Patches(counts)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{} {:016x}", self.width, self.height, self.hash)
    }
}

/// What comparing two fingerprints gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Comparison {
    /// Every luma sample is equal.
    Identical,
    /// The encoder quantised them differently, which alone makes more difference than a sensor's noise
    /// does: nothing can be said.
    OtherQuantiser,
    /// Surely not the same.
    OtherSize,
    /// Patch by patch.
    Patches(Counts),
}

/// How many patches differ. Structured ones have edges or texture: there the noise of a living picture
/// tips some coefficient over a quantiser's step, while a plain wall can come out equal each time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counts {
    /// Patches that differ.
    pub(super) different: u32,
    /// Structured patches that differ.
    pub(super) structured_different: u32,
    /// Structured patches that do not.
    pub(super) structured_same: u32,
}

impl Counts {
    fn add(&mut self, structured: bool, differs: bool) {
        self.different += u32::from(differs);
        self.structured_different += u32::from(structured && differs);
        self.structured_same += u32::from(structured && !differs);
    }

    /// The part of the picture's area that differs, percent.
    pub(super) fn percent(self) -> f32 {
        self.different as f32 * 100.0 / CELLS as f32
    }
}

/// Mean absolute difference, luma levels.
fn difference(one: &[u8; PATCH_SAMPLES], other: &[u8; PATCH_SAMPLES]) -> f32 {
    let sum: u32 = one.iter().zip(other).map(|(&a, &b)| u32::from(a.abs_diff(b))).sum();
    sum as f32 / PATCH_SAMPLES as f32
}

/// Brightest less darkest, luma levels.
fn spread(patch: &[u8; PATCH_SAMPLES]) -> u8 {
    let (least, most) = patch.iter().fold((255, 0), |(least, most), &sample| (sample.min(least), sample.max(most)));
    most.saturating_sub(least)
}

fn patch(luma: Plane<'_>, column: usize, row: usize) -> [u8; PATCH_SAMPLES] {
    // The middle of the cell, on the grid of 8 on which both codecs transform.
    let start = |index: usize, count: usize, size: usize| ((2 * index + 1) * size / (2 * count)) / PATCH * PATCH;
    let (left, top) = (start(column, COLUMNS, luma.width), start(row, ROWS, luma.height));
    let mut patch = [0; PATCH_SAMPLES];
    for (y, line) in patch.chunks_exact_mut(PATCH).enumerate() {
        let source = luma.row((top + y).min(luma.height - 1));
        for (x, sample) in line.iter_mut().enumerate() {
            *sample = source[(left + x).min(luma.width - 1)];
        }
    }
    patch
}

/// A quick 64-bit hash, chained through `seed`. Tells changed bytes from unchanged; nobody gains from
/// forging it.
pub(super) fn hash(data: &[u8], seed: u64) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash.rotate_left(23) ^ word).wrapping_mul(ODD);
    let mut words = data.chunks_exact(8);
    let length = u64::try_from(data.len()).unwrap_or(0);
    let mut hash = mix(seed, length);
    for word in words.by_ref() {
        // Eight bytes always fit: chunks_exact gives no fewer.
        hash = mix(hash, word.try_into().map_or(0, u64::from_le_bytes));
    }
    let rest = words.remainder().iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
    let hash = mix(hash, rest);
    hash ^ hash >> 29
}
