//! JPEG: one whole file, as cameras really send them.
//!
//! Cameras leave out the end marker, add bytes behind it, cut the last rows, and (Motion-JPEG) leave
//! out the Huffman tables; all that is taken. A picture whose lower part is missing is not.

use std::borrow::Cow;
use std::io::Cursor;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{Looked, MAX_SIDE, Structure, Whole, admit_size, decoded, undecodable, unsupported};
use crate::camera::Fault;

/// A picture with more of its rows missing than this part is damaged: a sixteenth.
const MISSING_PART: usize = 16;

pub(super) fn look(data: &[u8], want_thumbnail: bool) -> Result<Looked, Fault> {
    let (width, height) = admitted(data)?;
    if is_too_large(data, (width, height)) {
        let print = super::looks::hash(data, 0);
        return Ok(Looked::Structure(Structure { width, height, profile: None, print }));
    }
    let samples = samples(data)?;
    samples.look(quantiser(data), want_thumbnail).ok_or_else(empty)
}

/// The picture with its colours, for whoever makes another picture of it.
///
/// # Errors
/// As `look`; `unsupported` too where it is too large to decode.
pub(super) fn decode_whole(data: &[u8]) -> Result<Whole, Fault> {
    let (width, height) = admitted(data)?;
    if is_too_large(data, (width, height)) {
        let what =
            format!("the camera's JPEG pictures are {width}×{height}, too large to scale here. Choose smaller ones");
        return Err(unsupported(what));
    }
    samples(data)?.whole(true).ok_or_else(empty)
}

/// The size of a JPEG whose headers and tables a decoder takes and which has coded data behind them. Decodes
/// no pixel: damage in the coded data stays unseen.
pub(super) fn sound_size(data: &[u8]) -> Option<(u32, u32)> {
    let (width, height) = admitted(data).ok()?;
    let header: usize = segments(data).map(|(_, fields)| fields.len() + 4).sum();
    let rest = data.get(header + 2..)?;
    let scan = &rest[memchr::memmem::find(rest, &[0xff, 0xda])?..];
    // Many cameras leave out the end marker, so its absence says nothing; what ends in zeros was cut.
    if scan.len() < SCAN_HEADER || scan.ends_with(&[0; 16]) {
        return None;
    }
    let mut decoder = JpegDecoder::new_with_options(Cursor::new(data), limits());
    decoder.decode_headers().ok()?;
    Some((width, height))
}

fn empty() -> Fault {
    undecodable("the JPEG decoder gave an empty picture")
}

/// The size that the header tells, where it is within the room's limits.
fn admitted(data: &[u8]) -> Result<(u32, u32), Fault> {
    if !data.starts_with(&[0xff, 0xd8]) {
        return Err(undecodable("the picture is no JPEG: it does not begin with the JPEG start marker"));
    }
    let (width, height) = size(data).ok_or_else(|| undecodable("the JPEG's header is damaged or not whole"))?;
    admit_size(width, height)?;
    Ok((width, height))
}

fn is_too_large(data: &[u8], (width, height): (u32, u32)) -> bool {
    let most = if is_progressive(data) { PROGRESSIVE_PIXELS } else { BASELINE_PIXELS };
    width.saturating_mul(height) > most
}

/// Decodes, strictly or, where only that makes it readable, leniently.
fn samples(data: &[u8]) -> Result<Samples, Fault> {
    let data = &*with_huffman_tables(without_end(data));
    if let Ok(samples) = decode(data, true) {
        return Ok(samples);
    }
    // The strict reading refuses what is only untidy, too.
    let samples = decode(data, false).map_err(|()| undecodable("the JPEG is damaged"))?;
    refuse_missing_rows(&samples)?;
    Ok(samples)
}

/// The least that a scan's header has, bytes (T.81, B.2.3: one component).
const SCAN_HEADER: usize = 10;

/// Larger pictures are not decoded: it would take 3 bytes a pixel and, where progressive, 6 more.
const BASELINE_PIXELS: u32 = 16_000_000;
/// See [`BASELINE_PIXELS`].
const PROGRESSIVE_PIXELS: u32 = 8_000_000;

/// Whether the coefficients come in several scans, and must all be held (T.81, G.1).
fn is_progressive(data: &[u8]) -> bool {
    segments(data).any(|(marker, _)| matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce))
}

/// Width and height out of the frame header (ITU-T T.81, B.2.2), without decoding.
pub(super) fn size(data: &[u8]) -> Option<(u32, u32)> {
    // SOF0 to SOF15, which DHT, JPG and DAC interrupt.
    let frame_header = |marker: u8| matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
    let (_, fields) = segments(data).find(|&(marker, _)| frame_header(marker))?;
    let field = |from| Some(u32::from(u16::from_be_bytes(fields.get(from..from + 2)?.try_into().ok()?)));
    Some((field(3)?, field(1)?))
}

/// The header's segments up to the first scan: marker, and what follows the length field.
fn segments(data: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut at = 2;
    std::iter::from_fn(move || {
        loop {
            let marker = *data.get(at + 1).filter(|_| data[at] == 0xff)?;
            match marker {
                0xff => at += 1, // fill byte
                0x01 | 0xd0..=0xd8 => at += 2,
                0xd9 | 0xda => return None, // end, or coded data
                _ => {
                    let length = usize::from(u16::from_be_bytes(data.get(at + 2..at + 4)?.try_into().ok()?));
                    let fields = data.get(at + 4..at + 2 + length)?;
                    at += 2 + length;
                    return Some((marker, fields));
                }
            }
        }
    })
}

/// A hash of the quantisation tables.
fn quantiser(data: &[u8]) -> u64 {
    const DQT: u8 = 0xdb;
    let tables = segments(data).filter(|&(marker, _)| marker == DQT);
    tables.fold(0, |hash, (_, table)| super::looks::hash(table, hash))
}

/// The file with a segment in front that makes the decoder take the standard Huffman tables (T.81,
/// annex K.3), where it brings none of its own: Motion-JPEG as AVI files hold it leaves them out.
fn with_huffman_tables(data: &[u8]) -> Cow<'_, [u8]> {
    const DHT: u8 = 0xc4;
    const APP0_AVI1: &[u8; 18] = b"\xff\xe0\x00\x10AVI1\0\0\0\0\0\0\0\0\0\0";
    if segments(data).any(|(marker, _)| marker == DHT) {
        return Cow::Borrowed(data);
    }
    Cow::Owned([&data[..2], APP0_AVI1, &data[2..]].concat())
}

/// The file up to its end marker: a decoder that meets the marker too early smears its last block over
/// the rest and says nothing, while one that meets the end of the data says so.
fn without_end(data: &[u8]) -> &[u8] {
    let header: usize = segments(data).map(|(_, fields)| fields.len() + 4).sum();
    let scans = data.get(header + 2..).unwrap_or_default();
    match scans.windows(2).position(|pair| pair == [0xff, 0xd9]) {
        Some(end) => &data[..header + 2 + end],
        None => data,
    }
}

/// A decoded JPEG: `components` bytes a pixel (1: luma; 3: as `space` says), rows without padding.
struct Samples {
    data: Vec<u8>,
    width: usize,
    height: usize,
    space: ColorSpace,
}

fn limits() -> DecoderOptions {
    let side = usize::try_from(MAX_SIDE).unwrap_or(usize::MAX);
    DecoderOptions::default().set_max_width(side).set_max_height(side).jpeg_set_max_scans(64)
}

fn decode(data: &[u8], strict: bool) -> Result<Samples, ()> {
    let options = limits().set_strict_mode(strict);
    let mut decoder = JpegDecoder::new_with_options(Cursor::new(data), options);
    decoder.decode_headers().map_err(drop)?;
    let space = match decoder.input_colorspace().ok_or(())? {
        ColorSpace::YCbCr => ColorSpace::YCbCr,
        ColorSpace::Luma => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let (width, height) = decoder.dimensions().ok_or(())?;
    let mut samples = vec![0; decoder.output_buffer_size().ok_or(())?];
    decoder.decode_into(&mut samples).map_err(drop)?;
    let whole = samples.len() == width * height * space.num_components();
    if whole { Ok(Samples { data: samples, width, height, space }) } else { Err(()) }
}

/// The decoder leaves what it could not read at 128 in every component.
fn refuse_missing_rows(samples: &Samples) -> Result<(), Fault> {
    let row = samples.width * samples.space.num_components();
    let grey = |row: &&[u8]| row.iter().all(|&sample| sample == 128);
    let missing = samples.data.chunks_exact(row).rev().take_while(grey).count();
    if missing > samples.height / MISSING_PART {
        return Err(undecodable(format!("the JPEG ends early: {missing} of {} rows are missing", samples.height)));
    }
    Ok(())
}

impl Samples {
    fn look(self, quantiser: u64, want_thumbnail: bool) -> Option<Looked> {
        let whole = Whole { quantiser, ..self.whole(want_thumbnail)? };
        Some(Looked::Decoded(decoded(&whole.planes()?, want_thumbnail)))
    }

    /// Parts the components; chroma only where it is wanted.
    fn whole(self, want_chroma: bool) -> Option<Whole> {
        let Self { data, width, height, space } = self;
        let (luma, chroma) = match space {
            ColorSpace::Luma => (data, None),
            _ => {
                let luma = match space {
                    ColorSpace::YCbCr => data.chunks_exact(3).map(|pixel| pixel[0]).collect(),
                    _ => data.chunks_exact(3).map(|pixel| ycbcr(pixel)[0]).collect(),
                };
                (luma, want_chroma.then(|| half_chroma(&data, width, height, space)))
            }
        };
        (width > 0 && height > 0).then_some(Whole { luma, chroma, width, height, full_range: true, quantiser: 0 })
    }
}

/// Every second sample of every second row of Cb and Cr: good enough for what is scaled down anyway.
fn half_chroma(data: &[u8], width: usize, height: usize, space: ColorSpace) -> (Vec<u8>, Vec<u8>) {
    let size = width.div_ceil(2) * height.div_ceil(2);
    let (mut cb, mut cr) = (Vec::with_capacity(size), Vec::with_capacity(size));
    for row in data.chunks_exact(width * 3).step_by(2) {
        for pixel in row.chunks_exact(3).step_by(2) {
            let [_, b, r] = if space == ColorSpace::YCbCr { [0, pixel[1], pixel[2]] } else { ycbcr(pixel) };
            cb.push(b);
            cr.push(r);
        }
    }
    (cb, cr)
}

/// JFIF's conversion from red, green and blue.
fn ycbcr(pixel: &[u8]) -> [u8; 3] {
    let (y, cb, cr) = jpeg_encoder::rgb_to_ycbcr(pixel[0], pixel[1], pixel[2]);
    [y, cb, cr]
}
