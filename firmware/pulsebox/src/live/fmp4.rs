//! From a camera's frames to fragmented MP4 (ISO/IEC 14496-12) without a transcode: what a browser's Media Source
//! Extensions take.
//!
//! One frame is one segment (`moof`, `mdat`), so that nothing waits for the next frame: a sample's duration is that
//! of the frame before it, and its place is exact. What it cannot do: put frames in order that a camera sends in
//! another order than it shows them (B-frames; few cameras make them, and their profile can be set to Baseline).

use bytes::Bytes;
use h264_reader::nal::sps::{ChromaFormat, SeqParameterSet};
use h264_reader::rbsp::{BitReader, ByteReader, decode_nal};
use mp4_atom::{
    Avc1, Avcc, AvccExt, Codec as Entry, Dinf, Dref, Encode, Ftyp, Hdlr, Hvc1, HvcCArray, Hvcc, Mdhd, Mdia, Mfhd, Minf,
    Moof, Moov, Mvex, Mvhd, Stbl, Stco, Stsd, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex, Trun, TrunEntry, Url, Visual, Vmhd,
};

use crate::camera::sessions::LiveFrame;
use crate::camera::{Codec, Fault, Frame, Verdict};
use crate::picture;

/// Ticks a second of the media's clock, RTP's own for video.
pub const TIMESCALE: u32 = 90_000;
const TRACK: u32 = 1;
/// `sample_depends_on = 2`: a key frame (ISO/IEC 14496-12, 8.8.3.1).
const KEY: u32 = 0x0200_0000;
/// `sample_depends_on = 1`, `sample_is_non_sync_sample`.
const NO_KEY: u32 = 0x0101_0000;
/// Bytes of an `mdat` box's header.
const MDAT_HEADER: usize = 8;
/// Of one kind, this many parameter sets are taken; cameras send one.
const SETS_MAX: usize = 16;
/// Where the flags of the one `tfhd` stand in our `moof`: behind the headers of moof (8), mfhd (16), traf (8) and its
/// own size and name (8) and version (1).
const TFHD_FLAGS: usize = 8 + 16 + 8 + 8 + 1;

/// What must be known to play the frames from a key frame on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// As the camera codes.
    pub codec: Codec,
    /// For the browser: `video/mp4; codecs="avc1.64001f"`, or `image/jpeg`.
    pub mime: String,
    /// Pixels of what is shown: of a Bayer camera half the sensor's.
    pub width: u32,
    /// Pixels, alike.
    pub height: u32,
    /// The initialisation segment (`ftyp`, `moov`); empty for JPEG and raw.
    pub init: Bytes,
}

impl Track {
    /// Reads the parameter sets of a key frame.
    ///
    /// # Errors
    /// `undecodable` where they are missing or cannot be read.
    pub fn of(key: &Frame) -> Result<Self, Fault> {
        let info = picture::describe(key);
        let shown = key.raw.map(|raw| raw.shown_size());
        let Some((width, height)) = shown.or(info.width.zip(info.height)) else {
            return Err(undecodable("the key frame does not tell the picture's size"));
        };
        let (mime, init) = match key.codec {
            Codec::Mjpeg | Codec::Raw => ("image/jpeg".to_owned(), Bytes::new()),
            Codec::H264 => {
                let (codec, entry) = avc1(&key.data, (width, height))?;
                (video(&codec), initialisation(entry, width, height)?)
            }
            Codec::H265 => {
                let (codec, entry) = hvc1(&key.data, (width, height))?;
                (video(&codec), initialisation(entry, width, height)?)
            }
        };
        Ok(Self { codec: key.codec, mime, width, height, init })
    }
}

fn video(codec: &str) -> String {
    format!("video/mp4; codecs=\"{codec}\"")
}

fn undecodable(detail: impl Into<String>) -> Fault {
    Fault::new(Verdict::Undecodable, detail)
}

/// A box that mp4-atom does not take is a picture with impossible figures.
fn unwritable(error: mp4_atom::Error) -> Fault {
    undecodable(format!("the picture cannot be put into MP4 ({error})"))
}

/// What to do with a NAL unit.
enum Unit {
    Vps,
    Sps,
    Pps,
    /// Delimiters and filling: no player needs them.
    Idle,
    Media,
}

fn kind(codec: Codec, unit: &[u8]) -> Unit {
    match codec {
        // ITU-T H.264, table 7-1.
        Codec::H264 => match unit[0] & 0x1f {
            7 => Unit::Sps,
            8 => Unit::Pps,
            9..=13 => Unit::Idle,
            _ => Unit::Media,
        },
        // ITU-T H.265, table 7-1.
        Codec::H265 => match unit[0] >> 1 & 0x3f {
            32 => Unit::Vps,
            33 => Unit::Sps,
            34 => Unit::Pps,
            35..=38 => Unit::Idle,
            _ => Unit::Media,
        },
        Codec::Mjpeg | Codec::Raw => Unit::Media,
    }
}

/// The parameter sets of a key frame, each once: VPS, SPS, PPS.
fn parameter_sets(codec: Codec, data: &[u8]) -> [Vec<Vec<u8>>; 3] {
    let mut sets: [Vec<Vec<u8>>; 3] = Default::default();
    for unit in picture::nal_units(data) {
        let place = match kind(codec, unit) {
            Unit::Vps => 0,
            Unit::Sps => 1,
            Unit::Pps => 2,
            Unit::Idle | Unit::Media => continue,
        };
        let known = &mut sets[place];
        if known.len() < SETS_MAX && unit.len() <= usize::from(u16::MAX) && !known.iter().any(|set| set == unit) {
            known.push(unit.to_vec());
        }
    }
    sets
}

fn visual((width, height): (u32, u32)) -> Result<Visual, Fault> {
    let side = |side: u32| u16::try_from(side).map_err(|_| undecodable(format!("the picture is {width}×{height}")));
    Ok(Visual { data_reference_index: 1, width: side(width)?, height: side(height)?, ..Visual::default() })
}

/// RFC 6381, section 3.3: the codec's name with profile, constraints and level.
fn avc1(data: &[u8], size: (u32, u32)) -> Result<(String, Entry), Fault> {
    let [_, sps, pps] = parameter_sets(Codec::H264, data);
    let (Some(&[_, profile, constraints, level]), false) =
        (sps.first().and_then(|sps| sps.first_chunk()), pps.is_empty())
    else {
        return Err(undecodable("the H.264 key frame lacks parameter sets"));
    };
    let avcc = Avcc {
        configuration_version: 1,
        avc_profile_indication: profile,
        profile_compatibility: constraints,
        avc_level_indication: level,
        length_size: 4,
        ext: matches!(profile, 100 | 110 | 122 | 244).then(|| high_profile(&sps[0])),
        sequence_parameter_sets: sps,
        picture_parameter_sets: pps,
    };
    let entry = Avc1 { visual: visual(size)?, avcc, ..Avc1::default() };
    Ok((format!("avc1.{profile:02x}{constraints:02x}{level:02x}"), Entry::from(entry)))
}

/// ISO/IEC 14496-15, 5.3.3.1.2: the High profiles say it again outside the parameter set.
fn high_profile(sps: &[u8]) -> AvccExt {
    let parsed = decode_nal(sps).ok().and_then(|rbsp| SeqParameterSet::from_bits(BitReader::new(&rbsp[..])).ok());
    let Some(parsed) = parsed else { return AvccExt::default() };
    let chroma = &parsed.chroma_info;
    AvccExt {
        chroma_format: match chroma.chroma_format {
            ChromaFormat::Monochrome => 0,
            ChromaFormat::YUV422 => 2,
            ChromaFormat::YUV444 => 3,
            _ => 1,
        },
        bit_depth_luma: 8 + chroma.bit_depth_luma_minus8.min(6),
        bit_depth_chroma: 8 + chroma.bit_depth_chroma_minus8.min(6),
        sequence_parameter_sets_ext: Vec::new(),
    }
}

/// ISO/IEC 14496-15, annex E.3, for the codec's name; 8.3.3.1 for the record.
fn hvc1(data: &[u8], size: (u32, u32)) -> Result<(String, Entry), Fault> {
    let [vps, sps, pps] = parameter_sets(Codec::H265, data);
    let parameters = sps.first().and_then(|sps| picture::h265_parameters(sps));
    let (Some(parameters), false, false) = (parameters, vps.is_empty(), pps.is_empty()) else {
        return Err(undecodable("the H.265 key frame lacks parameter sets"));
    };
    // NAL unit header (2), then one byte in front of the profile, tier and level (7.3.3).
    let mut general = [0; 13];
    let mut plain = ByteReader::without_skip(&sps[0][2..]);
    std::io::Read::read_exact(&mut plain, &mut general)
        .map_err(|_| undecodable("the H.265 parameter set is cut short"))?;
    let [_, profile, compatibility @ .., level] = general;
    let mut flags = [0; 4];
    flags.copy_from_slice(&compatibility[..4]);
    let mut constraints = [0; 6];
    constraints.copy_from_slice(&compatibility[4..]);
    let depth = |bits: u32| u8::try_from(bits.saturating_sub(8)).unwrap_or(0);
    let array = |nal_unit_type, nalus| HvcCArray { completeness: true, nal_unit_type, nalus };
    let hvcc = Hvcc {
        general_profile_space: profile >> 6,
        general_tier_flag: profile & 0x20 != 0,
        general_profile_idc: profile & 0x1f,
        general_profile_compatibility_flags: flags,
        general_constraint_indicator_flags: constraints,
        general_level_idc: level,
        chroma_format_idc: u8::try_from(parameters.chroma_format).unwrap_or(1),
        bit_depth_luma_minus8: depth(parameters.bit_depths.0),
        bit_depth_chroma_minus8: depth(parameters.bit_depths.1),
        num_temporal_layers: parameters.sub_layers + 1,
        temporal_id_nested: parameters.is_temporal_id_nested,
        length_size_minus_one: 3,
        arrays: vec![array(32, vps), array(33, sps), array(34, pps)],
        ..Hvcc::new()
    };
    let name = hevc_name(profile, flags, constraints, level);
    Ok((name, Entry::from(Hvc1 { visual: visual(size)?, hvcc, ..Hvc1::default() })))
}

/// `hvc1.1.6.L93.b0`.
fn hevc_name(profile: u8, flags: [u8; 4], constraints: [u8; 6], level: u8) -> String {
    let space = ["", "A", "B", "C"][usize::from(profile >> 6)];
    let tier = if profile & 0x20 == 0 { 'L' } else { 'H' };
    let compatible = u32::from_be_bytes(flags).reverse_bits();
    let mut name = format!("hvc1.{space}{}.{compatible:x}.{tier}{level}", profile & 0x1f);
    let told = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    for byte in &constraints[..told] {
        name.push_str(&format!(".{byte:x}"));
    }
    name
}

fn initialisation(entry: Entry, width: u32, height: u32) -> Result<Bytes, Fault> {
    let side = |side: u32| u16::try_from(side).unwrap_or(u16::MAX).into();
    let trak = Trak {
        tkhd: Tkhd { track_id: TRACK, enabled: true, width: side(width), height: side(height), ..Tkhd::default() },
        mdia: Mdia {
            mdhd: Mdhd { timescale: TIMESCALE, language: "und".into(), ..Mdhd::default() },
            hdlr: Hdlr { handler: b"vide".into(), name: "camera".into() },
            minf: Minf {
                vmhd: Some(Vmhd::default()),
                dinf: Dinf { dref: Dref { urls: vec![Url::default()] } },
                stbl: Stbl { stsd: Stsd { codecs: vec![entry] }, stco: Some(Stco::default()), ..Stbl::default() },
                ..Minf::default()
            },
        },
        ..Trak::default()
    };
    let moov = Moov {
        mvhd: Mvhd { timescale: TIMESCALE, rate: 1.into(), next_track_id: TRACK + 1, ..Mvhd::default() },
        mvex: Some(Mvex {
            mehd: None,
            trex: vec![Trex { track_id: TRACK, default_sample_description_index: 1, ..Trex::default() }],
        }),
        trak: vec![trak],
        ..Moov::default()
    };
    let brands = vec![b"iso5".into(), b"iso6".into(), b"mp41".into()];
    let ftyp = Ftyp { major_brand: b"iso5".into(), minor_version: 512, compatible_brands: brands };
    let mut out = Vec::with_capacity(1024);
    ftyp.encode(&mut out).and_then(|()| moov.encode(&mut out)).map_err(unwritable)?;
    Ok(out.into())
}

/// One frame as a segment (`moof`, `mdat`); a JPEG as it is; of a raw picture a JPEG, which takes milliseconds.
///
/// # Errors
/// `undecodable` for a frame without a coded picture; of raw ones as [`picture::look`].
pub fn segment(live: &LiveFrame) -> Result<Bytes, Fault> {
    let frame = &live.frame;
    match frame.codec {
        Codec::Mjpeg => return Ok(frame.data.clone()),
        Codec::Raw => return picture::develop(frame).map(|jpeg| jpeg.data),
        Codec::H264 | Codec::H265 => {}
    }
    let is_kept = |unit: &&[u8]| matches!(kind(frame.codec, unit), Unit::Media);
    let units: Vec<&[u8]> = picture::nal_units(&frame.data).filter(is_kept).collect();
    let size: usize = units.iter().map(|unit| 4 + unit.len()).sum();
    let fits = |size: usize| u32::try_from(size).map_err(|_| undecodable("a frame of more than 4 GiB"));
    let sample = fits(size)?;
    if units.is_empty() {
        return Err(undecodable("a frame without a picture"));
    }
    let mut out = fragment(live, sample)?;
    out.reserve_exact(MDAT_HEADER + size);
    out.extend_from_slice(&fits(MDAT_HEADER + size)?.to_be_bytes());
    out.extend_from_slice(b"mdat");
    for unit in units {
        out.extend_from_slice(&fits(unit.len())?.to_be_bytes());
        out.extend_from_slice(unit);
    }
    Ok(out.into())
}

/// The `moof` of one sample of `size` bytes.
fn fragment(live: &LiveFrame, size: u32) -> Result<Vec<u8>, Fault> {
    let ticks = |time: std::time::Duration| time.as_micros() * u128::from(TIMESCALE) / 1_000_000;
    let entry = TrunEntry {
        duration: Some(u32::try_from(ticks(live.lasts)).unwrap_or(u32::MAX).max(1)),
        size: Some(size),
        flags: Some(if live.frame.key { KEY } else { NO_KEY }),
        cts: None,
    };
    let mut moof = Moof {
        // Any rising number will do (8.8.5); browsers look at none.
        mfhd: Mfhd { sequence_number: u32::try_from(live.number % u64::from(u32::MAX)).unwrap_or(0) + 1 },
        traf: vec![Traf {
            tfhd: Tfhd { track_id: TRACK, ..Tfhd::default() },
            tfdt: Some(Tfdt { base_media_decode_time: u64::try_from(ticks(live.time)).unwrap_or(u64::MAX) }),
            trun: vec![Trun { data_offset: Some(0), entries: vec![entry] }],
            ..Traf::default()
        }],
    };
    let mut out = Vec::with_capacity(128);
    moof.encode(&mut out).map_err(unwritable)?;
    // The sample begins behind moof and mdat's header; the offset's value does not change the box's size.
    moof.traf[0].trun[0].data_offset = i32::try_from(out.len() + MDAT_HEADER).ok();
    out.clear();
    moof.encode(&mut out).map_err(unwritable)?;
    // default-base-is-moof, which Media Source Extensions want and mp4-atom cannot say.
    if let Some(flags) = out.get_mut(TFHD_FLAGS) {
        *flags |= 0x02;
    }
    Ok(out)
}
