//! Makes small JPEGs: planes scaled down first, then encoded as they are, so that no full-size RGB
//! picture is ever made.

use bytes::Bytes;
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};

use super::{Jpeg, MAX_SIDE, Plane, Planes, THUMBNAIL_WIDTH};

/// A thumbnail's JPEG quality, 1 to 100.
const THUMBNAIL_QUALITY: u8 = 75;

/// The thumbnail, [`THUMBNAIL_WIDTH`] wide at most. None as with [`jpeg`]; a check does not fail for it.
pub(super) fn thumbnail(planes: &Planes<'_>) -> Option<Jpeg> {
    jpeg(planes, (THUMBNAIL_WIDTH, MAX_SIDE), THUMBNAIL_QUALITY)
}

/// A JPEG of the picture that fits into `bounds` (width, height), its aspect kept, never larger than the
/// picture; `quality` is 1 to 100. None only where the scaler or the encoder refuses, which no admitted size
/// makes them do.
pub(super) fn jpeg(planes: &Planes<'_>, bounds: (u32, u32), quality: u8) -> Option<Jpeg> {
    let (width, height) = fitted((planes.luma.width, planes.luma.height), bounds)?;
    let mut resizer = Resizer::new();
    let luma = ranged(scaled(&mut resizer, planes.luma, width, height)?, planes.full_range, 16, 219);
    let chroma = match planes.chroma {
        None => None,
        Some((cb, cr)) => {
            let (width, height) = (width.div_ceil(2), height.div_ceil(2));
            let mut plane = |plane| {
                let scaled = scaled(&mut resizer, plane, width, height)?;
                Some(ranged(scaled, planes.full_range, 16, 224))
            };
            Some((plane(cb)?, plane(cr)?))
        }
    };
    let picture = Picture { width: u16::try_from(width).ok()?, height: u16::try_from(height).ok()?, luma, chroma };
    let mut data = Vec::with_capacity(32 << 10);
    let mut encoder = Encoder::new(&mut data, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode_image(picture).ok()?;
    Some(Jpeg { data: Bytes::from(data), width, height })
}

/// The size inside `bounds`, each side rounded to the nearest pixel.
fn fitted((width, height): (usize, usize), (most_wide, most_high): (u32, u32)) -> Option<(u32, u32)> {
    let (width, height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    if width <= most_wide && height <= most_high {
        return Some((width, height));
    }
    let rounded = |side: u32, by: u32, of: u32| {
        let side = (u64::from(side) * u64::from(by) + u64::from(of) / 2) / u64::from(of);
        u32::try_from(side.max(1)).ok()
    };
    // The side that must shrink more decides.
    if u64::from(width) * u64::from(most_high) >= u64::from(height) * u64::from(most_wide) {
        Some((most_wide, rounded(height, most_wide, width)?))
    } else {
        Some((rounded(width, most_high, height)?, most_high))
    }
}

fn scaled(resizer: &mut Resizer, plane: Plane<'_>, width: u32, height: u32) -> Option<Vec<u8>> {
    // The stride stands for the width, and the crop takes the true width out of it: no copy.
    let rows = u32::try_from(plane.height).ok()?;
    let whole = &plane.data[..plane.stride * plane.height];
    let source = ImageRef::new(u32::try_from(plane.stride).ok()?, rows, whole, PixelType::U8).ok()?;
    let mut target = Image::new(width, height, PixelType::U8);
    let options = ResizeOptions::new()
        .crop(0.0, 0.0, plane.width as f64, plane.height as f64)
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    resizer.resize(&source, &mut target, &options).ok()?;
    Some(target.into_vec())
}

/// Video's range (`offset` to `offset + span`) stretched to JPEG's 0 to 255; the middle stays.
fn ranged(mut plane: Vec<u8>, full_range: bool, offset: i32, span: i32) -> Vec<u8> {
    if !full_range {
        let table: [u8; 256] = std::array::from_fn(|value| {
            let value = i32::try_from(value).unwrap_or(0);
            u8::try_from((((value - offset) * 255 + span / 2) / span).clamp(0, 255)).unwrap_or(0)
        });
        for sample in &mut plane {
            *sample = table[usize::from(*sample)];
        }
    }
    plane
}

/// Scaled planes as the encoder reads them, row by row.
struct Picture {
    width: u16,
    height: u16,
    luma: Vec<u8>,
    /// Cb and Cr, half size each way, rounded up.
    chroma: Option<(Vec<u8>, Vec<u8>)>,
}

impl ImageBuffer for Picture {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        if self.chroma.is_some() { JpegColorType::Ycbcr } else { JpegColorType::Luma }
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let (width, y) = (usize::from(self.width), usize::from(y));
        buffers[0].extend_from_slice(&self.luma[y * width..][..width]);
        if let Some((cb, cr)) = &self.chroma {
            let half = width.div_ceil(2);
            for (buffer, plane) in buffers[1..3].iter_mut().zip([cb, cr]) {
                // The encoder wants whole rows and halves them again.
                let row = &plane[y / 2 * half..][..half];
                buffer.extend(row.iter().flat_map(|&sample| [sample, sample]).take(width));
            }
        }
    }
}
