//! Decodes one key frame, measures and judges it, and makes its thumbnail; decodes a running stream for
//! whoever makes small JPEGs of it ([`StreamDecoder`]).
//!
//! What it cannot do: H.265, and H.264 that is interlaced, not 4:2:0 or deeper than 8 bits, is parsed
//! and not decoded ([`Looked::Structure`]): such a camera is judged frozen only when it repeats its
//! key frame's bytes, and never black or covered. What is judged, with the measurements behind each
//! threshold, stands in `docs/pictures.md`.
//!
//! Cost: [`look`] is CPU work of some milliseconds; call it from `spawn_blocking`. It holds the decoder
//! and the picture only while it runs. [`Memory`] keeps about 25 kB a camera.

mod annexb;
mod encode;
mod h264;
mod h265;
mod jpeg;
mod judge;
mod looks;
mod raw;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;
mod video;
mod whole;

use bytes::Bytes;

use crate::camera::{Codec, Fault, Frame, StreamInfo, Verdict};

pub(crate) use annexb::nal_units;
pub(crate) use h265::sequence_parameters as h265_parameters;
pub use judge::Memory;
pub use looks::Looks;
pub use raw::develop;
pub use video::{Picture, StreamDecoder};
use whole::Whole;

/// The widest and the highest picture that is looked at, pixels.
pub const MAX_SIDE: u32 = 8192;
/// The largest picture that is looked at, pixels: 36 MP holds 8K (7680×4320). Above 9.4 MP H.264 is
/// proved by its structure alone, and JPEG above 16 MP (8 MP where it is progressive).
pub const MAX_PIXELS: u32 = 36_000_000;
/// The most bytes that one encoded key frame may have: 16 MB. Pictures that are not coded: [`crate::camera::raw::MAX_RAW`].
pub const MAX_ENCODED: usize = 16 << 20;
/// The widest thumbnail, pixels.
pub const THUMBNAIL_WIDTH: u32 = 640;

/// What one key frame gave.
#[derive(Clone, Debug)]
pub enum Looked {
    /// Its picture.
    Decoded(Decoded),
    /// Its structure alone: nobody here decodes this coding.
    Structure(Structure),
}

/// A decoded key frame: what is kept of it.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Measurements and fingerprint for judging.
    pub looks: Looks,
    /// Where it was wanted.
    pub thumbnail: Option<Jpeg>,
}

/// A JPEG picture, YCbCr 4:2:0, at most [`THUMBNAIL_WIDTH`] wide.
#[derive(Clone, PartialEq, Eq)]
pub struct Jpeg {
    /// One whole JPEG file.
    pub data: Bytes,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

impl std::fmt::Debug for Jpeg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "JPEG {}×{}, {} bytes", self.width, self.height, self.data.len())
    }
}

/// A key frame that was parsed and not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// Pixels, after cropping.
    pub width: u32,
    /// Pixels, after cropping.
    pub height: u32,
    /// For instance `Main 4.0`.
    pub profile: Option<String>,
    /// A hash of the key frame's slices without their headers: equal for equal pictures at equal
    /// settings.
    pub print: u64,
}

/// Looks at one key frame: decodes it where a decoder is here, else parses it. Blocking and CPU bound.
///
/// # Errors
/// `undecodable` for bytes that are no whole key frame of `frame.codec`; `unsupported` for a picture
/// beyond [`MAX_SIDE`], [`MAX_PIXELS`], [`MAX_ENCODED`] or [`crate::camera::raw::MAX_RAW`].
pub fn look(frame: &Frame, want_thumbnail: bool) -> Result<Looked, Fault> {
    if frame.codec != Codec::Raw && frame.data.len() > MAX_ENCODED {
        return Err(unsupported(format!(
            "the key frame has {} bytes; at most {MAX_ENCODED} are read",
            frame.data.len()
        )));
    }
    match frame.codec {
        Codec::H264 => h264::look(&frame.data, want_thumbnail),
        Codec::H265 => h265::look(&frame.data).map(Looked::Structure),
        Codec::Mjpeg => jpeg::look(&frame.data, want_thumbnail),
        Codec::Raw => raw::look(frame, want_thumbnail),
    }
}

/// What a frame says of itself: codec always, profile and size where its headers can be read. Decodes
/// nothing and never fails: what cannot be read stays empty.
pub fn describe(frame: &Frame) -> StreamInfo {
    let (profile, size) = match frame.codec {
        Codec::H264 => h264::describe(&frame.data),
        Codec::H265 => h265::describe(&frame.data),
        Codec::Mjpeg => (None, jpeg::size(&frame.data)),
        Codec::Raw => {
            frame.raw.map_or((None, None), |raw| (Some(raw.format.to_string()), Some((raw.width, raw.height))))
        }
    };
    StreamInfo {
        codec: Some(frame.codec),
        profile,
        width: size.map(|(width, _)| width),
        height: size.map(|(_, height)| height),
        ..StreamInfo::default()
    }
}

/// The size of a JPEG frame whose headers and tables a decoder takes; none for a damaged one, and for frames of
/// another codec. No pixel is decoded: damage in the coded data stays unseen.
pub fn sound_jpeg_size(frame: &Frame) -> Option<(u32, u32)> {
    if frame.codec == Codec::Mjpeg { jpeg::sound_size(&frame.data) } else { None }
}

/// One picture as its planes, 8 bits a sample, borrowed from whoever decoded it.
struct Planes<'a> {
    /// Luma, pixels.
    luma: Plane<'a>,
    /// Cb and Cr, of one size, half the luma's each way (rounded up) or equal; none for grey.
    chroma: Option<(Plane<'a>, Plane<'a>)>,
    /// Luma 0 to 255 (JPEG) and not 16 to 235 (most video).
    full_range: bool,
    /// Names how coarsely the encoder quantised: pictures of one scene are comparable in their finest
    /// differences only where this is equal.
    quantiser: u64,
}

/// One plane: `height` rows of `width` bytes, each row `stride` bytes after the one before.
#[derive(Clone, Copy)]
struct Plane<'a> {
    data: &'a [u8],
    width: usize,
    height: usize,
    stride: usize,
}

impl<'a> Plane<'a> {
    /// None where `data` is too short for that size, or the size is empty.
    fn new(data: &'a [u8], width: usize, height: usize, stride: usize) -> Option<Self> {
        let needed = height.checked_sub(1)?.checked_mul(stride)?.checked_add(width)?;
        (width > 0 && stride >= width && data.len() >= needed).then_some(Self { data, width, height, stride })
    }

    fn row(&self, y: usize) -> &'a [u8] {
        &self.data[y * self.stride..][..self.width]
    }
}

/// Measures the planes and makes the thumbnail.
fn decoded(planes: &Planes<'_>, want_thumbnail: bool) -> Decoded {
    Decoded {
        width: u32::try_from(planes.luma.width).unwrap_or(u32::MAX),
        height: u32::try_from(planes.luma.height).unwrap_or(u32::MAX),
        looks: Looks::of(planes),
        thumbnail: if want_thumbnail { encode::thumbnail(planes) } else { None },
    }
}

/// Refuses sizes beyond the limits.
fn admit_size(width: u32, height: u32) -> Result<(), Fault> {
    if width == 0 || height == 0 {
        return Err(undecodable(format!("the picture's size is {width}×{height}")));
    }
    if width > MAX_SIDE || height > MAX_SIDE || u64::from(width) * u64::from(height) > u64::from(MAX_PIXELS) {
        return Err(unsupported(format!(
            "the picture is {width}×{height}; at most {MAX_SIDE}×{MAX_SIDE} and {} million pixels are decoded. \
             Choose a smaller picture or the camera's second stream",
            MAX_PIXELS / 1_000_000
        )));
    }
    Ok(())
}

fn undecodable(detail: impl Into<String>) -> Fault {
    Fault::new(Verdict::Undecodable, detail)
}

fn unsupported(detail: impl Into<String>) -> Fault {
    Fault::new(Verdict::Unsupported, detail)
}
