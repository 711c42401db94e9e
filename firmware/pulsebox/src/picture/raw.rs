//! Pictures that are not coded, as a local camera gives them: put into planes for judging and for JPEG.
//!
//! YUYV and NV12 are taken apart; Bayer pictures are developed (`bayer`). The planes are copies, so that a driver's
//! padding ends here.

mod bayer;
#[cfg(test)]
mod tests;

use super::{Jpeg, Looked, MAX_SIDE, Whole, admit_size, decoded, encode, undecodable, unsupported};
use crate::camera::raw::MAX_RAW;
use crate::camera::{Fault, Frame, RawFormat, RawLayout};

/// The JPEG quality of [`develop`], 1 to 100.
const QUALITY: u8 = 80;

/// The whole picture of a raw frame as JPEG, as large as [`RawLayout::shown_size`] says, for players that know no raw
/// pictures. Blocking and CPU bound: some milliseconds a megapixel.
///
/// # Errors
/// As [`super::look`].
pub fn develop(frame: &Frame) -> Result<Jpeg, Fault> {
    let whole = whole(frame, true)?;
    let planes = whole.planes().ok_or_else(empty)?;
    encode::jpeg(&planes, (MAX_SIDE, MAX_SIDE), QUALITY).ok_or_else(empty)
}

pub(super) fn look(frame: &Frame, want_thumbnail: bool) -> Result<Looked, Fault> {
    let whole = whole(frame, want_thumbnail)?;
    Ok(Looked::Decoded(decoded(&whole.planes().ok_or_else(empty)?, want_thumbnail)))
}

/// The frame's picture; chroma only where it is wanted.
///
/// # Errors
/// `undecodable` where the bytes are fewer than its layout needs, `unsupported` beyond this room's limits.
pub(super) fn whole(frame: &Frame, want_chroma: bool) -> Result<Whole, Fault> {
    let layout = frame.raw.as_ref().ok_or_else(|| undecodable("the raw picture does not say how its pixels lie"))?;
    let bytes = &frame.data[..];
    admit_size(layout.width, layout.height)?;
    if bytes.len() > MAX_RAW as usize {
        return Err(unsupported(format!(
            "the raw picture has {} bytes; at most {MAX_RAW} are read. Choose a smaller picture",
            bytes.len()
        )));
    }
    let size = |side: u32| usize::try_from(side).unwrap_or(usize::MAX);
    let shape = Shape { width: size(layout.width), height: size(layout.height), stride: size(layout.stride) };
    let whole = match layout.format {
        RawFormat::Yuyv => yuyv(bytes, &shape, layout, want_chroma)?,
        RawFormat::Nv12 => nv12(bytes, &shape, layout, want_chroma)?,
        RawFormat::Bayer { order, depth } => bayer::develop(bytes, &shape, order, depth, want_chroma)?,
    };
    if whole.width == 0 || whole.height == 0 { Err(empty()) } else { Ok(whole) }
}

fn empty() -> Fault {
    undecodable("the raw picture is too small to show anything")
}

/// A picture's size as the loops want it: pixels, and bytes from row to row.
struct Shape {
    width: usize,
    height: usize,
    stride: usize,
}

impl Shape {
    /// Rows of `row` bytes each, `count` of them from `from` on; the last may lack its padding.
    fn rows<'a>(
        &self,
        bytes: &'a [u8],
        from: usize,
        count: usize,
        row: usize,
    ) -> Result<impl Iterator<Item = &'a [u8]> + use<'a>, Fault> {
        if self.stride < row {
            let Self { stride, width, .. } = self;
            return Err(undecodable(format!("the driver says {stride} bytes a row; {width} pixels take {row}")));
        }
        // Cannot overflow: both sides are admitted, and rows are within 2 bytes a pixel or as the driver says.
        let needed = from.saturating_add(self.stride.saturating_mul(count.saturating_sub(1))).saturating_add(row);
        if bytes.len() < needed {
            let Self { width, height, .. } = self;
            let there = bytes.len();
            return Err(undecodable(format!(
                "the raw picture is short: {there} bytes of the {needed} that {width}×{height} pixels take"
            )));
        }
        Ok(bytes[from..].chunks(self.stride).take(count).map(move |line| &line[..row]))
    }
}

/// 4:2:2: each four bytes are two pixels of luma around one of chroma.
fn yuyv(bytes: &[u8], shape: &Shape, layout: &RawLayout, want_chroma: bool) -> Result<Whole, Fault> {
    let half = (shape.width.div_ceil(2), shape.height.div_ceil(2));
    let row = half.0 * 4;
    let mut luma = Vec::with_capacity(shape.width * shape.height);
    for line in shape.rows(bytes, 0, shape.height, row)? {
        luma.extend(line.chunks_exact(2).take(shape.width).map(|pair| pair[0]));
    }
    let chroma = want_chroma.then(|| {
        let mut planes = (Vec::with_capacity(half.0 * half.1), Vec::with_capacity(half.0 * half.1));
        let lines = bytes.chunks(shape.stride).take(shape.height).step_by(2);
        for line in lines {
            planes.0.extend(line[..row].chunks_exact(4).map(|pixels| pixels[1]));
            planes.1.extend(line[..row].chunks_exact(4).map(|pixels| pixels[3]));
        }
        planes
    });
    Ok(Whole { luma, chroma, width: shape.width, height: shape.height, full_range: layout.full_range, quantiser: 0 })
}

/// 4:2:0: luma, then rows of Cb and Cr in turn, as far apart as those of luma.
fn nv12(bytes: &[u8], shape: &Shape, layout: &RawLayout, want_chroma: bool) -> Result<Whole, Fault> {
    let half = (shape.width.div_ceil(2), shape.height.div_ceil(2));
    let mut luma = Vec::with_capacity(shape.width * shape.height);
    for line in shape.rows(bytes, 0, shape.height, shape.width)? {
        luma.extend_from_slice(line);
    }
    // Checked also where no colour is wanted: a picture without its second plane is not whole.
    let lines = shape.rows(bytes, shape.stride.saturating_mul(shape.height), half.1, half.0 * 2)?;
    let chroma = want_chroma.then(|| {
        let mut planes = (Vec::with_capacity(half.0 * half.1), Vec::with_capacity(half.0 * half.1));
        for line in lines {
            planes.0.extend(line.chunks_exact(2).map(|pair| pair[0]));
            planes.1.extend(line.chunks_exact(2).map(|pair| pair[1]));
        }
        planes
    });
    Ok(Whole { luma, chroma, width: shape.width, height: shape.height, full_range: layout.full_range, quantiser: 0 })
}
