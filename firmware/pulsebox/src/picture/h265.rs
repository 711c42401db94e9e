//! H.265: parsed, not decoded. No decoder of it is kept well enough to be fed from the network.
//!
//! What is checked: parameter sets that can be read, and an IRAP picture (ITU-T H.265, 7.4.2.2) that
//! begins with its first slice segment, whose header names an existing picture parameter set and is
//! intra coded. What is not: the coded picture behind the header. Damage there passes.

use h264_reader::rbsp::{BitRead, BitReader, ByteReader};
use scuffle_h265::SpsNALUnit;

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
    let (width, height) = size(&sps).ok_or_else(|| undecodable("the H.265 parameter set names no possible size"))?;
    admit_size(width, height)?;
    check_first_slice(data)?;
    let print = annexb::print(units(data, |kind| IRAP.contains(&kind)));
    Ok(Structure { width, height, profile: Some(profile(&sps)), print })
}

/// Profile with level, and size, as far as the parameter set tells.
pub(super) fn describe(data: &[u8]) -> (Option<String>, Option<(u32, u32)>) {
    match parameter_set(data) {
        Ok(sps) => (Some(profile(&sps)), size(&sps)),
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

fn parameter_set(data: &[u8]) -> Result<SpsNALUnit, Fault> {
    let unit = units(data, |kind| kind == SPS)
        .next()
        .ok_or_else(|| undecodable("the H.265 key frame has no parameter set (SPS)"))?;
    SpsNALUnit::parse(unit).map_err(|_| undecodable("the H.265 parameter set (SPS) cannot be read"))
}

fn size(sps: &SpsNALUnit) -> Option<(u32, u32)> {
    let rbsp = &sps.rbsp;
    let width = u32::try_from(rbsp.pic_width_in_luma_samples.get()).ok()?;
    let height = u32::try_from(rbsp.pic_height_in_luma_samples.get()).ok()?;
    let window = &rbsp.conformance_window;
    // Computed here and not by the crate, whose subtraction is unchecked.
    let crop = |size: u32, unit: u8, first: u64, second: u64| {
        let cut = first.checked_add(second)?.checked_mul(u64::from(unit))?;
        size.checked_sub(u32::try_from(cut).ok()?)
    };
    Some((
        crop(width, rbsp.sub_width_c(), window.conf_win_left_offset, window.conf_win_right_offset)?,
        crop(height, rbsp.sub_height_c(), window.conf_win_top_offset, window.conf_win_bottom_offset)?,
    ))
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

/// Names of ITU-T H.265 annex A: `Main 4.0`.
fn profile(sps: &SpsNALUnit) -> String {
    let general = &sps.rbsp.profile_tier_level.general_profile;
    let name = match general.profile_idc {
        1 => "Main".to_owned(),
        2 => "Main 10".to_owned(),
        3 => "Main Still Picture".to_owned(),
        4 => "Range Extensions".to_owned(),
        other => format!("profile {other}"),
    };
    // general_level_idc is thirty times the level (A.4.1).
    match general.level_idc {
        Some(level) => format!("{name} {}.{}", level / 30, level % 30 / 3),
        None => name,
    }
}
