//! H.264: the parameter set is read first, then openh264 decodes what it can.
//!
//! One decoder is kept and used again, by whichever camera comes next: making one means clearing more
//! than ten megabytes, a sixth of the whole cost at 720p, while one for each of hundreds of cameras
//! would hold several pictures each. A decoder that met damage, or a large picture, is thrown away.
//! Error concealment is off (the crate's default), so damage is an error and not a smear, and never an
//! older picture; but entropy coding has no checksum, so damage that decodes to other valid symbols can
//! pass.

use h264_reader::Context;
use h264_reader::nal::NalHeader;
use h264_reader::nal::pps::PicParameterSet;
use h264_reader::nal::slice::SliceHeader;
use h264_reader::nal::sps::{ChromaFormat, FrameMbsFlags, SeqParameterSet};
use h264_reader::rbsp::{BitReader, ByteReader, decode_nal};
use std::sync::{Mutex, PoisonError};

use openh264::decoder::{DecodedYUV, Decoder};
use openh264::formats::YUVSource;

use super::{Looked, Plane, Planes, Structure, admit_size, annexb, decoded, undecodable, unsupported};
use crate::camera::Fault;

/// The most memory that the decoder may take for reference pictures, bytes: 4K with four of them. A
/// parameter set can ask for 18 pictures of 54 MB, and the box has 512 MB in all.
const MAX_REFERENCES: u64 = 96 << 20;
/// The most macroblocks that openh264 takes (its MAX_MBS_PER_FRAME, level 5.1 of table A-1): 9.4 MP.
const MAX_MACROBLOCKS: u64 = 36_864;

/// The decoder is kept only up to this picture size, pixels: it holds about 15 bytes a pixel.
const KEEP_PIXELS: u32 = 1 << 20;
/// The decoder that is kept. Held for the moment of taking it and giving it back.
static SPARE: Mutex<Option<Decoder>> = Mutex::new(None);

/// Where the slice header cannot be read: the same for all, so that pictures stay comparable.
const UNKNOWN_QUANTISER: u64 = 255;

const SLICE: u8 = 1;
const SLICE_IDR: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;

pub(super) fn look(data: &[u8], want_thumbnail: bool) -> Result<Looked, Fault> {
    let sps = parameter_set(data)?;
    let (width, height) = admitted_size(&sps)?;
    if !units(data, PPS).any(|_| true) {
        return Err(undecodable("the H.264 key frame has no picture parameter set"));
    }
    if !slices(data).any(|_| true) {
        return Err(undecodable("the H.264 key frame holds parameter sets and no slice"));
    }
    if !is_decodable(&sps, (width, height)) {
        let print = annexb::print(slices(data));
        return Ok(Looked::Structure(Structure { width, height, profile: Some(profile(&sps)), print }));
    }
    decode(data, &sps, want_thumbnail)
}

/// A decoder that is fed with every frame of one stream.
pub(super) struct Running {
    decoder: Decoder,
    /// Of the last key frame.
    sps: SeqParameterSet,
}

impl Running {
    /// For the stream that begins with this key frame.
    ///
    /// # Errors
    /// `undecodable` without a parameter set; `unsupported` where nobody here decodes this coding.
    pub(super) fn start(key_frame: &[u8]) -> Result<Self, Fault> {
        let sps = takeable(key_frame)?;
        let decoder = Decoder::new().map_err(|_| undecodable("the H.264 decoder did not start (no memory?)"))?;
        Ok(Self { decoder, sps })
    }

    /// The next frame, in order; key frames may bring other parameter sets. None where the decoder holds the
    /// picture back for a while.
    ///
    /// # Errors
    /// As [`Running::start`], and `undecodable` where bytes are damaged or frames are missing before it: begin
    /// anew with the next key frame.
    pub(super) fn next(&mut self, data: &[u8], is_key: bool) -> Result<Option<Shown<'_>>, Fault> {
        if is_key {
            self.sps = takeable(data)?;
        }
        let (is_grey, is_full_range) = (is_grey(&self.sps), full_range(&self.sps));
        let picture = self.decoder.decode(data).map_err(|_| undecodable("the H.264 stream is damaged here"))?;
        Ok(picture.map(|picture| Shown { picture, is_grey, is_full_range }))
    }
}

/// The parameter set of a key frame that the decoder may be given.
fn takeable(key_frame: &[u8]) -> Result<SeqParameterSet, Fault> {
    let sps = parameter_set(key_frame)?;
    let size = admitted_size(&sps)?;
    if is_decodable(&sps, size) {
        return Ok(sps);
    }
    let what = format!("{}, {}×{}, cannot be decoded here", profile(&sps), size.0, size.1);
    Err(unsupported(format!("the camera's H.264 ({what}). Choose progressive 8 bit 4:2:0, 9 megapixels at most")))
}

/// A picture that the decoder still holds.
pub(super) struct Shown<'a> {
    picture: DecodedYUV<'a>,
    is_grey: bool,
    is_full_range: bool,
}

impl Shown<'_> {
    /// The planes; how coarsely they were quantised is not told here.
    pub(super) fn planes(&self) -> Option<Planes<'_>> {
        let (width, height) = self.picture.dimensions();
        let (luma_stride, chroma_stride, _) = self.picture.strides();
        let chroma_plane = |data| Plane::new(data, width / 2, height / 2, chroma_stride);
        let chroma = chroma_plane(self.picture.u()).zip(chroma_plane(self.picture.v()));
        Some(Planes {
            luma: Plane::new(self.picture.y(), width, height, luma_stride)?,
            chroma: chroma.filter(|_| !self.is_grey),
            full_range: self.is_full_range,
            quantiser: UNKNOWN_QUANTISER,
        })
    }
}

/// Profile with level, and size, as far as the parameter set tells.
pub(super) fn describe(data: &[u8]) -> (Option<String>, Option<(u32, u32)>) {
    match parameter_set(data) {
        Ok(sps) => (Some(profile(&sps)), size(&sps)),
        Err(_) => (None, None),
    }
}

fn decode(data: &[u8], sps: &SeqParameterSet, want_thumbnail: bool) -> Result<Looked, Fault> {
    let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).take();
    let mut decoder = match spare {
        Some(decoder) => decoder,
        None => Decoder::new().map_err(|_| undecodable("the H.264 decoder did not start (no memory?)"))?,
    };
    let looked = decode_with(&mut decoder, data, sps, want_thumbnail)?;
    if size(sps).is_some_and(|(width, height)| width.saturating_mul(height) <= KEEP_PIXELS) {
        *SPARE.lock().unwrap_or_else(PoisonError::into_inner) = Some(decoder);
    }
    Ok(looked)
}

fn decode_with(
    decoder: &mut Decoder,
    data: &[u8],
    sps: &SeqParameterSet,
    want_thumbnail: bool,
) -> Result<Looked, Fault> {
    // The crate's error text is of its own world; the person needs to know that the bytes are damaged.
    let damaged = |_| undecodable("the H.264 key frame is damaged or not whole");
    if let Some(picture) = decoder.decode(data).map_err(damaged)? {
        return measure(picture, data, sps, want_thumbnail);
    }
    let rest = decoder.flush_remaining().map_err(damaged)?;
    let picture = rest.into_iter().next();
    let picture = picture.ok_or_else(|| undecodable("the H.264 key frame gives no picture; parts are missing"))?;
    measure(picture, data, sps, want_thumbnail)
}

fn measure(picture: DecodedYUV<'_>, data: &[u8], sps: &SeqParameterSet, want_thumbnail: bool) -> Result<Looked, Fault> {
    let shown = Shown { picture, is_grey: is_grey(sps), is_full_range: full_range(sps) };
    let planes = shown.planes().ok_or_else(|| undecodable("the H.264 decoder gave an empty picture"))?;
    let planes = Planes { quantiser: quantiser(data, sps).unwrap_or(UNKNOWN_QUANTISER), ..planes };
    Ok(Looked::Decoded(decoded(&planes, want_thumbnail)))
}

fn units(data: &[u8], kind: u8) -> impl Iterator<Item = &[u8]> {
    annexb::nal_units(data).filter(move |unit| unit[0] & 0x1f == kind)
}

fn slices(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    annexb::nal_units(data).filter(|unit| matches!(unit[0] & 0x1f, SLICE | SLICE_IDR))
}

fn parameter_set(data: &[u8]) -> Result<SeqParameterSet, Fault> {
    let unit = units(data, SPS).next().ok_or_else(|| undecodable("the H.264 key frame has no parameter set (SPS)"))?;
    let unreadable = || undecodable("the H.264 parameter set (SPS) cannot be read");
    let rbsp = decode_nal(unit).map_err(|_| unreadable())?;
    SeqParameterSet::from_bits(BitReader::new(&rbsp[..])).map_err(|_| unreadable())
}

fn size(sps: &SeqParameterSet) -> Option<(u32, u32)> {
    // Above this the crate's own arithmetic is not asked; no level allows nearly as many.
    if sps.pic_width_in_mbs_minus1 > 0xffff || sps.pic_height_in_map_units_minus1 > 0xffff {
        return None;
    }
    sps.pixel_dimensions().ok()
}

fn admitted_size(sps: &SeqParameterSet) -> Result<(u32, u32), Fault> {
    let (width, height) = size(sps).ok_or_else(|| undecodable("the H.264 parameter set names no possible size"))?;
    admit_size(width, height)?;
    Ok((width, height))
}

fn is_grey(sps: &SeqParameterSet) -> bool {
    sps.chroma_info.chroma_format == ChromaFormat::Monochrome
}

/// What openh264 takes, frames of 8 bit 4:2:0 or grey, within this room's limits.
fn is_decodable(sps: &SeqParameterSet, (width, height): (u32, u32)) -> bool {
    let references = (u64::from(sps.max_num_ref_frames) + 2) * u64::from(width) * u64::from(height) * 3 / 2;
    let macroblocks = u64::from(width.div_ceil(16)) * u64::from(height.div_ceil(16));
    if references > MAX_REFERENCES || macroblocks > MAX_MACROBLOCKS {
        return false;
    }
    let chroma = &sps.chroma_info;
    matches!(sps.frame_mbs_flags, FrameMbsFlags::Frames)
        && matches!(chroma.chroma_format, ChromaFormat::YUV420 | ChromaFormat::Monochrome)
        && chroma.bit_depth_luma_minus8 == 0
        && chroma.bit_depth_chroma_minus8 == 0
}

fn full_range(sps: &SeqParameterSet) -> bool {
    let signal = sps.vui_parameters.as_ref().and_then(|vui| vui.video_signal_type.as_ref());
    signal.is_some_and(|signal| signal.video_full_range_flag)
}

/// The first slice's quantiser, 0 to 51 (7.4.3, SliceQPY). Macroblocks may differ from it.
fn quantiser(data: &[u8], sps: &SeqParameterSet) -> Option<u64> {
    let mut context = Context::new();
    context.put_seq_param_set(sps.clone());
    for unit in units(data, PPS).take(256) {
        let bits = BitReader::new(ByteReader::skipping_h264_header(unit));
        if let Ok(pps) = PicParameterSet::from_bits(&context, bits) {
            context.put_pic_param_set(pps);
        }
    }
    let slice = slices(data).next()?;
    let mut bits = BitReader::new(ByteReader::skipping_h264_header(slice));
    let (header, _, pps) = SliceHeader::from_bits(&context, &mut bits, NalHeader::new(slice[0]).ok()?).ok()?;
    u64::try_from(pps.pic_init_qp_minus26.checked_add(header.slice_qp_delta)?.checked_add(26)?).ok()
}

/// Names of ITU-T H.264 annex A: `Constrained Baseline 3.1`.
fn profile(sps: &SeqParameterSet) -> String {
    let flags = sps.constraint_flags;
    let idc = u8::from(sps.profile_idc);
    let name = match idc {
        66 if flags.flag1() => "Constrained Baseline",
        66 => "Baseline",
        77 => "Main",
        88 => "Extended",
        100 => "High",
        110 => "High 10",
        122 => "High 4:2:2",
        244 => "High 4:4:4 Predictive",
        44 => "CAVLC 4:4:4 Intra",
        _ => "profile",
    };
    let number = if name == "profile" { format!(" {idc}") } else { String::new() };
    let one_b = sps.level_idc == 9 || (sps.level_idc == 11 && flags.flag3() && matches!(idc, 66 | 77 | 88));
    if one_b {
        format!("{name}{number} 1b")
    } else {
        format!("{name}{number} {}.{}", sps.level_idc / 10, sps.level_idc % 10)
    }
}
