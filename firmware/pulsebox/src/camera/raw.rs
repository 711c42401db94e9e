//! How a picture that is not compressed lies in memory.

use std::fmt;

/// The most bytes of one raw picture: 16 MB, 4K (3840×2160) of two bytes a pixel. Some three of them are held for each
/// camera (its thread, live views), besides what is made of them.
pub const MAX_RAW: u32 = 16 << 20;

/// The form of the pixels, by what the kernel calls them (V4L2's pixel formats).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RawFormat {
    /// `YUYV`: luma and chroma in turn, 16 bits a pixel, 4:2:2.
    Yuyv,
    /// `NV12`: a plane of luma, then one of Cb and Cr in turn at half size, 12 bits a pixel.
    Nv12,
    /// One colour a pixel, as the sensor has it.
    Bayer {
        /// Which colour comes first.
        order: BayerOrder,
        /// How each pixel is stored.
        depth: BayerDepth,
    },
}

/// The first two pixels of the first two rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // they are their own names
pub enum BayerOrder {
    Rggb,
    Grbg,
    Gbrg,
    Bggr,
}

/// Bits of a Bayer pixel and how they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BayerDepth {
    /// One byte.
    Eight,
    /// So many bits (10, 12 or 16) in two bytes, little endian.
    Wide(u8),
    /// MIPI's packing: four pixels in five bytes, the low bits in the fifth (`pRAA`).
    Packed10,
    /// MIPI's packing: two pixels in three bytes, the low bits in the third (`pRCC`).
    Packed12,
}

/// One picture's form and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawLayout {
    /// Its pixels.
    pub format: RawFormat,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Bytes from one row to the next, of the first plane.
    pub stride: u32,
    /// Luma 0 to 255 and not 16 to 235; Bayer: always.
    pub full_range: bool,
}

impl RawLayout {
    /// Width and height of the picture that is made of it, pixels: of a Bayer picture every four make one.
    pub fn shown_size(&self) -> (u32, u32) {
        match self.format {
            RawFormat::Yuyv | RawFormat::Nv12 => (self.width, self.height),
            RawFormat::Bayer { .. } => (self.width / 2, self.height / 2),
        }
    }
}

impl fmt::Display for RawFormat {
    /// For people: `YUYV`, `NV12`, `Bayer BGGR 10 bit`, `Bayer BGGR 10 bit packed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yuyv => f.write_str("YUYV"),
            Self::Nv12 => f.write_str("NV12"),
            Self::Bayer { order, depth } => write!(f, "Bayer {order} {depth}"),
        }
    }
}

impl fmt::Display for BayerOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rggb => "RGGB",
            Self::Grbg => "GRBG",
            Self::Gbrg => "GBRG",
            Self::Bggr => "BGGR",
        })
    }
}

impl fmt::Display for BayerDepth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eight => f.write_str("8 bit"),
            Self::Wide(bits) => write!(f, "{bits} bit"),
            Self::Packed10 => f.write_str("10 bit packed"),
            Self::Packed12 => f.write_str("12 bit packed"),
        }
    }
}
