//! H.265: parsed, not decoded. No decoder of it is kept well enough to be fed from the network.
//!
//! What is checked: parameter sets that can be read, and an IRAP picture (ITU-T H.265, 7.4.2.2) that
//! begins with its first slice segment, whose header names an existing picture parameter set and is
//! intra coded. What is not: the coded picture behind the header. Damage there passes.

use h264_reader::rbsp::{BitRead, BitReader, ByteReader};

use super::{Structure, admit_size, annexb, undecodable};
use crate::camera::Fault;

const IRAP: std::ops::RangeInclusive<u8> = 16..=21;
const SPS: u8 = 33;
const PPS: u8 = 34;
/// NAL unit header, bytes.
const HEADER: usize = 2;
/// A slice segment with fewer bytes than this cannot hold a header and one coding tree unit.
const SHORTEST_SLICE: usize = 8;

pub(super) fn look(data: &[u8]) -> Result<Structure, Fault> {
    let sps = parameter_set(data)?;
    let (width, height) = sps.size().ok_or_else(|| undecodable("the H.265 parameter set names no possible size"))?;
    admit_size(width, height)?;
    check_first_slice(data)?;
    let print = annexb::print(units(data, |kind| IRAP.contains(&kind)));
    Ok(Structure { width, height, profile: Some(sps.profile()), print })
}

/// Profile with level, and size, as far as the parameter set tells.
pub(super) fn describe(data: &[u8]) -> (Option<String>, Option<(u32, u32)>) {
    match parameter_set(data) {
        Ok(sps) => (Some(sps.profile()), sps.size()),
        Err(_) => (None, None),
    }
}

/// NAL units with a whole header whose type is wanted, base layer only.
fn units(data: &[u8], wanted: impl Fn(u8) -> bool) -> impl Iterator<Item = &[u8]> {
    annexb::nal_units(data).filter(move |unit| {
        let base_layer = unit.len() > HEADER && unit[0] & 0x81 == 0 && unit[1] >> 3 == 0 && unit[1] & 7 != 0;
        base_layer && wanted(unit[0] >> 1)
    })
}

fn parameter_set(data: &[u8]) -> Result<SequenceParameters, Fault> {
    let unit = units(data, |kind| kind == SPS)
        .next()
        .ok_or_else(|| undecodable("the H.265 key frame has no parameter set (SPS)"))?;
    sequence_parameters(unit).ok_or_else(|| undecodable("the H.265 parameter set (SPS) cannot be read"))
}

/// What of a sequence parameter set is told (7.3.2.2.1). Read here: the parser that was tried
/// (scuffle-h265 0.2) overflows on damaged sets.
pub(crate) struct SequenceParameters {
    profile_idc: u8,
    /// Thirty times the level (A.4.1).
    level_idc: u8,
    pub chroma_format: u32,
    /// Bits a sample of luma and chroma; 8 where the set ends before.
    pub bit_depths: (u32, u32),
    /// `sps_max_sub_layers_minus1`.
    pub sub_layers: u8,
    pub is_temporal_id_nested: bool,
    /// Samples, before cropping.
    coded: (u32, u32),
    /// Left, right, top, bottom, chroma samples.
    crop: [u32; 4],
}

/// Reads one sequence parameter set, NAL unit header included.
pub(crate) fn sequence_parameters(unit: &[u8]) -> Option<SequenceParameters> {
    let mut bits = BitReader::new(ByteReader::without_skip(unit.get(HEADER..)?));
    bits.skip(4, "sps_video_parameter_set_id").ok()?;
    let sub_layers = bits.read::<u8>(3, "sps_max_sub_layers_minus1").ok()?;
    let is_temporal_id_nested = bits.read_bool("sps_temporal_id_nesting_flag").ok()?;
    bits.skip(2 + 1, "general_profile_space, general_tier_flag").ok()?;
    let profile_idc = bits.read::<u8>(5, "general_profile_idc").ok()?;
    bits.skip(32 + 4 + 43 + 1, "compatibility and constraint flags").ok()?;
    let level_idc = bits.read::<u8>(8, "general_level_idc").ok()?;
    skip_sub_layers(&mut bits, sub_layers)?;
    bits.read_ue("sps_seq_parameter_set_id").ok()?;
    let chroma_format = bits.read_ue("chroma_format_idc").ok().filter(|&format| format <= 3)?;
    if chroma_format == 3 {
        bits.skip(1, "separate_colour_plane_flag").ok()?;
    }
    let coded = (bits.read_ue("width").ok()?, bits.read_ue("height").ok()?);
    let mut crop = [0; 4];
    if bits.read_bool("conformance_window_flag").ok()? {
        for side in &mut crop {
            *side = bits.read_ue("conf_win_offset").ok()?;
        }
    }
    let mut bit_depth = || bits.read_ue("bit_depth_minus8").ok().filter(|&more| more <= 8).map_or(8, |more| 8 + more);
    let bit_depths = (bit_depth(), bit_depth());
    Some(SequenceParameters {
        profile_idc,
        level_idc,
        chroma_format,
        bit_depths,
        sub_layers,
        is_temporal_id_nested,
        coded,
        crop,
    })
}

/// The profiles and levels of the sub-layers below the highest (7.3.3).
fn skip_sub_layers(bits: &mut impl BitRead, sub_layers: u8) -> Option<()> {
    let mut present = Vec::with_capacity(8);
    for _ in 0..sub_layers {
        let profile = bits.read_bool("sub_layer_profile_present_flag").ok()?;
        present.push((profile, bits.read_bool("sub_layer_level_present_flag").ok()?));
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - u32::from(sub_layers)), "reserved_zero_2bits").ok()?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 }, "sub-layer").ok()?;
    }
    Some(())
}

impl SequenceParameters {
    /// Pixels after cropping; none where nothing is left.
    pub fn size(&self) -> Option<(u32, u32)> {
        // SubWidthC and SubHeightC, table 6-1.
        let (across, down) = match self.chroma_format {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let cut = |first: u32, second: u32, unit: u32| first.checked_add(second)?.checked_mul(unit);
        let [left, right, top, bottom] = self.crop;
        let width = self.coded.0.checked_sub(cut(left, right, across)?)?;
        Some((width, self.coded.1.checked_sub(cut(top, bottom, down)?)?))
    }

    /// Names of ITU-T H.265 annex A: `Main 4.0`.
    fn profile(&self) -> String {
        let name = match self.profile_idc {
            1 => "Main".to_owned(),
            2 => "Main 10".to_owned(),
            3 => "Main Still Picture".to_owned(),
            4 => "Range Extensions".to_owned(),
            other => format!("profile {other}"),
        };
        format!("{name} {}.{}", self.level_idc / 30, self.level_idc % 30 / 3)
    }
}

/// What of a picture parameter set is needed to read a slice header (7.3.2.3.1).
struct PictureParameters {
    id: u32,
    extra_slice_header_bits: u32,
}

fn picture_parameters(unit: &[u8]) -> Option<PictureParameters> {
    let mut bits = BitReader::new(ByteReader::without_skip(unit.get(HEADER..)?));
    let id = bits.read_ue("pps_pic_parameter_set_id").ok()?;
    let _sps = bits.read_ue("pps_seq_parameter_set_id").ok()?;
    bits.skip(2, "dependent_slice_segments_enabled_flag, output_flag_present_flag").ok()?;
    let extra_slice_header_bits = bits.read::<u8>(3, "num_extra_slice_header_bits").ok()?;
    Some(PictureParameters { id, extra_slice_header_bits: u32::from(extra_slice_header_bits) })
}

fn check_first_slice(data: &[u8]) -> Result<(), Fault> {
    let sets: Vec<_> = units(data, |kind| kind == PPS).filter_map(picture_parameters).take(64).collect();
    if sets.is_empty() {
        return Err(undecodable("the H.265 key frame has no readable picture parameter set (PPS)"));
    }
    let slice = units(data, |kind| IRAP.contains(&kind))
        .next()
        .ok_or_else(|| undecodable("the H.265 key frame has no slice that a decoder could start with"))?;
    if slice.len() < SHORTEST_SLICE {
        return Err(undecodable(format!("the H.265 key frame's slice has {} bytes only", slice.len())));
    }
    if starts_intra_picture(slice, &sets) == Some(true) {
        Ok(())
    } else {
        Err(undecodable("the H.265 key frame's first slice header is damaged, or its first slice is missing"))
    }
}

/// Reads the slice segment header (7.3.6.1) up to its type; none where it ends before.
fn starts_intra_picture(slice: &[u8], sets: &[PictureParameters]) -> Option<bool> {
    const INTRA: u32 = 2;
    let mut bits = BitReader::new(ByteReader::without_skip(slice.get(HEADER..)?));
    let first = bits.read_bool("first_slice_segment_in_pic_flag").ok()?;
    bits.skip(1, "no_output_of_prior_pics_flag").ok()?;
    let id = bits.read_ue("slice_pic_parameter_set_id").ok()?;
    let Some(set) = sets.iter().find(|set| set.id == id) else { return Some(false) };
    bits.skip(set.extra_slice_header_bits, "slice_reserved_flag").ok()?;
    let slice_type = bits.read_ue("slice_type").ok()?;
    Some(first && slice_type == INTRA)
}
