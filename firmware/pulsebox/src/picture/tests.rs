//! The room's behaviour through its front door: `look`, `describe`, `Memory::judge`.

use openh264::encoder::{EncoderConfig, QpRange};

use super::testkit::{Dice, Scene, frame};
use super::*;
use crate::config::Alarm;

const H264_CABAC_SLICES: &[u8] = include_bytes!("testdata/h264_high_cabac_4slices_320x180.bin");
const H264_INTERLACED: &[u8] = include_bytes!("testdata/h264_interlaced_320x180.bin");
const H264_422_10_BIT: &[u8] = include_bytes!("testdata/h264_high422_320x180.bin");
const H265: &[u8] = include_bytes!("testdata/h265_main_320x180_idr.bin");

/// Small enough to be quick, large enough for the real proportions of noise and boxes.
fn yard() -> Scene {
    Scene::yard(640, 360)
}

fn decoded_of(frame: &Frame) -> Decoded {
    match look(frame, true).expect("decodable") {
        Looked::Decoded(decoded) => decoded,
        Looked::Structure(_) => panic!("parsed only"),
    }
}

fn structure_of(frame: &Frame) -> Structure {
    match look(frame, true).expect("parsable") {
        Looked::Structure(structure) => structure,
        Looked::Decoded(_) => panic!("decoded"),
    }
}

fn fault_of(frame: &Frame) -> Verdict {
    look(frame, true).expect_err("a fault").verdict
}

fn with_data(frame: &Frame, change: impl FnOnce(&mut Vec<u8>)) -> Frame {
    let mut data = frame.data.to_vec();
    change(&mut data);
    super::testkit::frame(frame.codec, data)
}

/// The stream without NAL units for which `drop` holds, which gets their number and first byte.
fn without_units(data: &[u8], drop: impl Fn(usize, u8) -> bool) -> Vec<u8> {
    let kept = annexb::nal_units(data).enumerate().filter(|(number, unit)| !drop(*number, unit[0]));
    kept.flat_map(|(_, unit)| [&[0, 0, 0, 1], unit].concat()).collect()
}

mod decoding {
    use super::*;

    #[test]
    fn an_h264_key_frame_gives_size_and_a_thumbnail_of_its_aspect() {
        let decoded = decoded_of(&Scene::yard(1280, 720).h264(28));
        assert_eq!((decoded.width, decoded.height), (1280, 720));
        let thumbnail = decoded.thumbnail.expect("wanted");
        assert_eq!((thumbnail.width, thumbnail.height), (640, 360));
        assert_eq!(jpeg::size(&thumbnail.data), Some((640, 360)));
    }

    #[test]
    fn a_small_picture_is_not_enlarged_and_an_unwanted_thumbnail_is_not_made() {
        let small = Scene::yard(318, 178).h264(28);
        let thumbnail = decoded_of(&small).thumbnail.expect("wanted");
        assert_eq!((thumbnail.width, thumbnail.height), (318, 178));
        let Ok(Looked::Decoded(decoded)) = look(&small, false) else { panic!("decodable") };
        assert_eq!(decoded.thumbnail, None);
    }

    #[test]
    fn a_thumbnail_shows_the_picture_it_was_made_of() {
        for source in [Scene::yard(1280, 720).h264(24), Scene::yard(1280, 720).jpeg(90)] {
            let thumbnail = decoded_of(&source).thumbnail.expect("wanted");
            let again = decoded_of(&frame(Codec::Mjpeg, thumbnail.data)).looks;
            let first = decoded_of(&source).looks;
            for luma in [60, 110, 160, 210] {
                let (first, again) = (first.darker_than(luma), again.darker_than(luma));
                assert!((first - again).abs() < 0.06, "{luma}: {first} against {again}");
            }
        }
    }

    #[test]
    fn slices_cabac_and_units_in_front_are_taken() {
        let decoded = decoded_of(&frame(Codec::H264, H264_CABAC_SLICES));
        assert_eq!((decoded.width, decoded.height), (320, 180));
    }

    #[test]
    fn a_missing_slice_is_undecodable_and_not_concealed() {
        let slices = annexb::nal_units(H264_CABAC_SLICES).filter(|unit| unit[0] & 0x1f == 5).count();
        assert_eq!(slices, 4);
        let first = annexb::nal_units(H264_CABAC_SLICES).position(|unit| unit[0] & 0x1f == 5).expect("slices");
        for missing in first..first + slices {
            let damaged = without_units(H264_CABAC_SLICES, |number, _| number == missing);
            assert_eq!(fault_of(&frame(Codec::H264, damaged)), Verdict::Undecodable, "unit {missing}");
        }
    }

    #[test]
    fn a_cut_h264_frame_is_undecodable() {
        let whole = yard().h264(28);
        for part in [4, 3, 2] {
            let cut = with_data(&whole, |data| data.truncate(data.len() - data.len() / part));
            assert_eq!(fault_of(&cut), Verdict::Undecodable, "without a {part}th");
        }
    }

    #[test]
    fn overwritten_h264_slices_are_undecodable() {
        let whole = yard().h264(28);
        for from in [4, 3, 2] {
            let damaged = with_data(&whole, |data| {
                let (start, mut dice) = (data.len() / from, Dice::new(3));
                data[start..start + 200].fill_with(|| dice.next() as u8 | 1);
            });
            assert_eq!(fault_of(&damaged), Verdict::Undecodable, "at a {from}th");
        }
    }

    #[test]
    fn parameter_sets_alone_or_missing_are_undecodable() {
        let whole = yard().h264(28);
        for missing in [7, 8, 5] {
            let data = without_units(&whole.data, |_, first| first & 0x1f == missing);
            assert_eq!(fault_of(&frame(Codec::H264, data)), Verdict::Undecodable, "without type {missing}");
        }
    }

    #[test]
    fn nonsense_is_undecodable_in_every_codec() {
        for codec in [Codec::H264, Codec::H265, Codec::Mjpeg] {
            for data in [&b""[..], b"<html>login</html>", &[0, 0, 0, 1], &[0, 0, 0, 1, 0x67, 0x42], &[0xff, 0xd8]] {
                assert_eq!(fault_of(&frame(codec, data)), Verdict::Undecodable, "{codec:?} {data:?}");
            }
        }
    }

    #[test]
    fn interlaced_and_deep_h264_is_parsed_only() {
        for (data, profile) in [(H264_INTERLACED, "High 1.2"), (H264_422_10_BIT, "High 4:2:2 1.2")] {
            let structure = structure_of(&frame(Codec::H264, data));
            assert_eq!((structure.width, structure.height), (320, 180));
            let level_apart = |profile: &str| profile.rsplit_once(' ').map(|(name, _)| name.to_owned());
            assert_eq!(structure.profile.as_deref().and_then(level_apart), level_apart(profile));
        }
    }

    #[test]
    fn a_picture_beyond_the_limits_is_unsupported_before_it_is_decoded() {
        let jpeg = with_data(&Scene::yard(64, 48).jpeg(50), |data| {
            let header = data.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("SOF0");
            data[header + 5..header + 9].copy_from_slice(&[0x27, 0x10, 0x27, 0x10]); // 10000 × 10000
        });
        assert_eq!(fault_of(&jpeg), Verdict::Unsupported);
        let big = frame(Codec::H264, vec![0; MAX_ENCODED + 1]);
        assert_eq!(fault_of(&big), Verdict::Unsupported);
        assert!(admit_size(8192, 4320).is_ok() && admit_size(8193, 16).is_err() && admit_size(8192, 8192).is_err());
    }

    #[test]
    fn damaged_bytes_never_panic() {
        let small = Scene::yard(96, 64);
        let sources = [small.h264(30), small.jpeg(60), frame(Codec::H265, H265), frame(Codec::H264, H264_INTERLACED)];
        let mut dice = Dice::new(11);
        for source in &sources {
            for _ in 0..400 {
                let damaged = with_data(source, |data| {
                    let head = if dice.next().is_multiple_of(2) { data.len().min(80) } else { data.len() };
                    for _ in 0..1 + dice.next() % 4 {
                        let at = dice.next() as usize % head;
                        data[at] = dice.next() as u8;
                    }
                    if dice.next().is_multiple_of(4) {
                        data.truncate(dice.next() as usize % data.len());
                    }
                });
                let _ = describe(&damaged);
                let _ = look(&damaged, true);
            }
        }
    }
}

mod jpegs {
    use super::*;

    #[test]
    fn no_end_marker_trailing_bytes_and_a_few_cut_bytes_are_taken() {
        let whole = yard().jpeg(75);
        let untidy = [
            with_data(&whole, |data| data.truncate(data.len() - 2)),
            with_data(&whole, |data| data.truncate(data.len() - 40)),
            with_data(&whole, |data| data.extend_from_slice(b"\r\n--boundary--\r\n")),
            with_data(&whole, |data| data.extend_from_slice(&[0; 700])),
        ];
        for (number, untidy) in untidy.iter().enumerate() {
            let decoded = decoded_of(untidy);
            assert_eq!((decoded.width, decoded.height), (640, 360), "case {number}");
        }
    }

    #[test]
    fn a_jpeg_whose_lower_part_is_missing_is_undecodable() {
        let whole = yard().jpeg(75);
        for keep in [30, 50, 80] {
            let cut = with_data(&whole, |data| data.truncate(data.len() * keep / 100));
            assert_eq!(fault_of(&cut), Verdict::Undecodable, "{keep} %");
            let ended = with_data(&cut, |data| data.extend_from_slice(&[0xff, 0xd9]));
            assert_eq!(fault_of(&ended), Verdict::Undecodable, "{keep} % and an end marker");
        }
    }

    #[test]
    fn motion_jpeg_without_huffman_tables_gives_the_same_picture() {
        let whole = yard().jpeg(75);
        let bare = with_data(&whole, |data| {
            while let Some(at) = data.windows(2).position(|pair| pair == [0xff, 0xc4]) {
                let length = usize::from(u16::from_be_bytes([data[at + 2], data[at + 3]]));
                data.drain(at..at + 2 + length);
            }
        });
        assert!(bare.data.len() < whole.data.len() - 300);
        let (bare, whole) = (decoded_of(&bare), decoded_of(&whole));
        assert_eq!(bare.looks.print(), whole.looks.print());
    }

    #[test]
    fn a_grey_jpeg_is_taken() {
        let mut data = Vec::new();
        let scene = yard();
        let encoder = jpeg_encoder::Encoder::new(&mut data, 75);
        encoder.encode(&scene.bytes(), 640, 360, jpeg_encoder::ColorType::Luma).expect("encodes");
        let decoded = decoded_of(&frame(Codec::Mjpeg, data));
        assert!(decoded.thumbnail.is_some());
        assert!(decoded.looks.detail() > 20.0);
    }
}

mod h265s {
    use super::*;

    #[test]
    fn a_key_frame_is_parsed() {
        let structure = structure_of(&frame(Codec::H265, H265));
        assert_eq!((structure.width, structure.height), (320, 180));
        assert_eq!(structure.profile.as_deref(), Some("Main 2.0"));
    }

    #[test]
    fn parameter_sets_or_slice_missing_or_damaged_is_undecodable() {
        for missing in [33, 34, 19, 20] {
            let data = without_units(H265, |_, first| first >> 1 == missing);
            if data.len() + 8 < H265.len() {
                assert_eq!(fault_of(&frame(Codec::H265, data)), Verdict::Undecodable, "without type {missing}");
            }
        }
        let slice = annexb::nal_units(H265).find(|unit| (16..=21).contains(&(unit[0] >> 1))).expect("a slice");
        let head = without_units(H265, |_, first| (16..=21).contains(&(first >> 1)));
        for damaged in [&slice[..4], &[&slice[..2], &[0x2a; 60]].concat()] {
            let data = [&head, &[0, 0, 1][..], damaged].concat();
            assert_eq!(fault_of(&frame(Codec::H265, data)), Verdict::Undecodable, "{damaged:?}");
        }
    }

    #[test]
    fn the_same_bytes_again_are_frozen_and_other_bytes_are_not() {
        let other = with_data(&frame(Codec::H265, H265), |data| {
            let at = data.len() - 100;
            data[at] ^= 0x55;
        });
        let (same, other) = (frame(Codec::H265, H265), other);
        let judge = |frames: &[&Frame]| judged(frames.iter().map(|&frame| frame.clone()), &Alarm::default());
        assert_eq!(judge(&[&same, &same, &same]), [None, None, Some(Verdict::Frozen)]);
        assert_eq!(judge(&[&same, &other, &same]), [None, None, None]);
    }
}

#[test]
fn describe_tells_profile_and_size_without_decoding() {
    let told = |frame: &Frame| {
        let info = describe(frame);
        (info.codec, info.profile, info.width.zip(info.height))
    };
    let (codec, profile, size) = told(&frame(Codec::H264, H264_CABAC_SLICES));
    assert_eq!((codec, size), (Some(Codec::H264), Some((320, 180))));
    assert!(profile.is_some_and(|profile| profile.starts_with("High 1.")), "level of 320×180");
    assert_eq!(told(&frame(Codec::H265, H265)), (Some(Codec::H265), Some("Main 2.0".into()), Some((320, 180))));
    assert_eq!(told(&yard().jpeg(50)), (Some(Codec::Mjpeg), None, Some((640, 360))));
    assert_eq!(told(&frame(Codec::H264, &b"nonsense"[..])), (Some(Codec::H264), None, None));
}

/// The verdicts of one camera that sends these frames, one a check, a minute apart.
pub(super) fn judged(frames: impl IntoIterator<Item = Frame>, alarm: &Alarm) -> Vec<Option<Verdict>> {
    let mut memory = Memory::default();
    let mut at = jiff::Timestamp::UNIX_EPOCH;
    let mut verdict = |frame: Frame| {
        let looked = look(&frame, false).expect("a picture");
        at += jiff::SignedDuration::from_mins(1);
        memory.judge(&looked, alarm, at).map(|(verdict, detail)| {
            assert!(detail.len() > 20 && detail.contains(char::is_numeric), "{detail}");
            verdict
        })
    };
    frames.into_iter().map(&mut verdict).collect()
}

pub(super) fn once(frame: Frame) -> Option<Verdict> {
    judged([frame], &Alarm::default())[0]
}

mod judging {
    use super::*;

    #[test]
    fn a_living_scene_is_nothing_at_all() {
        assert_eq!(once(yard().noisy(2.0, 1).h264(28)), None);
        assert_eq!(once(yard().noisy(2.0, 1).jpeg(70)), None);
    }

    #[test]
    fn black_with_noise_and_a_clock_is_black() {
        // A clock's ink is about 1 % of the picture.
        for scene in [Scene::flat(640, 360, 16.0), Scene::flat(640, 360, 20.0).noisy(2.0, 1).clock(3)] {
            assert_eq!(once(scene.h264(28)), Some(Verdict::Black));
        }
        assert_eq!(once(Scene::flat(640, 360, 2.0).jpeg(75)), Some(Verdict::Black));
    }

    #[test]
    fn a_dark_night_scene_with_detail_is_not_black() {
        let night = yard().toned(26.0, 0.12).noisy(1.0, 1).h264(26);
        let decoded = decoded_of(&night);
        assert!(decoded.looks.darker_than(32) > 0.98, "dark: {}", decoded.looks.darker_than(32));
        assert_eq!(once(night), None);
    }

    #[test]
    fn videos_black_is_sixteen() {
        // 40 as sent is 28 of 255 in video's range and 40 in JPEG's.
        assert_eq!(once(Scene::flat(640, 360, 40.0).h264(28)), Some(Verdict::Black));
        assert_eq!(once(Scene::flat(640, 360, 40.0).jpeg(75)), Some(Verdict::Covered));
    }

    #[test]
    fn a_uniform_foggy_or_blurred_picture_is_covered_also_under_a_clock() {
        let covered = [
            Scene::flat(640, 360, 128.0).noisy(3.0, 1),
            Scene::flat(640, 360, 128.0).noisy(3.0, 1).clock(5),
            yard().toned(180.0, 0.05).noisy(1.0, 1),
            yard().blurred(20).clock(5),
        ];
        for (number, scene) in covered.into_iter().enumerate() {
            assert_eq!(once(scene.h264(24)), Some(Verdict::Covered), "case {number}");
        }
    }

    #[test]
    fn a_low_contrast_scene_is_not_covered() {
        assert_eq!(once(yard().toned(120.0, 0.15).noisy(1.0, 1).h264(26)), None);
    }

    #[test]
    fn identical_pictures_are_frozen_at_the_third_check_and_stay_so() {
        let still = || yard().noisy(2.0, 1);
        for frames in [vec![still().h264(28); 4], vec![still().jpeg(70); 4]] {
            let frozen = Some(Verdict::Frozen);
            assert_eq!(judged(frames, &Alarm::default()), [None, None, frozen, frozen]);
        }
    }

    #[test]
    fn a_clock_that_ticks_over_a_frozen_scene_does_not_hide_it() {
        let still = |check: u32| yard().noisy(1.5, 1).clock(11 + 15 * check);
        for qp in [22, 28, 34] {
            let verdicts = judged((0..4).map(|check| still(check).h264(qp)), &Alarm::default());
            assert_eq!(verdicts[1..], [None, Some(Verdict::Frozen), Some(Verdict::Frozen)], "QP {qp}");
        }
        for quality in [50, 75, 90] {
            let verdicts = judged((0..3).map(|check| still(check).jpeg(quality)), &Alarm::default());
            assert_eq!(verdicts, [None, None, Some(Verdict::Frozen)], "quality {quality}");
        }
    }

    #[test]
    fn a_living_still_scene_is_not_frozen() {
        let living = |sigma, check: u32| yard().noisy(sigma, u64::from(check) + 1);
        for sigma in [1.0, 2.0] {
            for qp in [22, 28, 34] {
                let verdicts = judged((0..4).map(|check| living(sigma, check).h264(qp)), &Alarm::default());
                assert_eq!(verdicts, [None; 4], "QP {qp}, noise {sigma}");
            }
            for quality in [50, 75, 90] {
                let verdicts = judged((0..4).map(|check| living(sigma, check).jpeg(quality)), &Alarm::default());
                assert_eq!(verdicts, [None; 4], "quality {quality}, noise {sigma}");
            }
        }
    }

    #[test]
    fn a_rate_control_that_wobbles_delays_frozen_and_does_not_hide_it() {
        let still = |qp| yard().noisy(1.5, 1).h264(qp);
        let verdicts = judged([28, 29, 28, 27, 28, 29].map(still), &Alarm::default());
        let frozen = Some(Verdict::Frozen);
        assert_eq!(verdicts, [None, None, None, None, frozen, frozen]);
        // A quantiser that never comes back is given up, and the next one taken.
        let verdicts = judged([40, 28, 28, 28, 28, 28, 28, 28].map(still), &Alarm::default());
        assert_eq!(verdicts.last(), Some(&frozen));
    }

    #[test]
    fn a_thawed_picture_is_living_at_once_and_counts_anew() {
        let still = || yard().noisy(2.0, 1).h264(28);
        let moved = || yard().noisy(2.0, 2).h264(28);
        let frames = [still(), still(), still(), moved(), moved(), moved()];
        let frozen = Some(Verdict::Frozen);
        assert_eq!(judged(frames, &Alarm::default()), [None, None, frozen, None, None, frozen]);
    }

    #[test]
    fn black_is_named_before_frozen_and_frozen_before_covered() {
        let black = || Scene::flat(640, 360, 16.0).h264(28);
        assert_eq!(judged(vec![black(); 3], &Alarm::default()), [Some(Verdict::Black); 3]);
        let covered = || Scene::flat(640, 360, 128.0).h264(28);
        let expected = [Some(Verdict::Covered), Some(Verdict::Covered), Some(Verdict::Frozen)];
        assert_eq!(judged(vec![covered(); 3], &Alarm::default()), expected);
    }

    #[test]
    fn each_judgement_can_be_switched_off() {
        let off = Alarm { black: false, covered: false, frozen_checks: 0, ..Alarm::default() };
        let black = || Scene::flat(640, 360, 16.0).h264(28);
        assert_eq!(judged(vec![black(); 4], &off), [None; 4]);
    }

    #[test]
    fn what_was_forgotten_does_not_count() {
        let looked = look(&yard().h264(28), false).expect("a picture");
        let (mut memory, alarm) = (Memory::default(), Alarm::default());
        let at = |minutes| jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_mins(minutes);
        assert_eq!(memory.judge(&looked, &alarm, at(0)), None);
        assert_eq!(memory.judge(&looked, &alarm, at(1)), None);
        memory.forget();
        assert_eq!(memory.judge(&looked, &alarm, at(2)), None);
    }

    #[test]
    fn a_still_that_is_renewed_once_a_minute_is_not_frozen_and_one_that_stays_is() {
        let looked = look(&yard().h264(28), false).expect("a picture");
        let (mut memory, alarm) = (Memory::default(), Alarm::default());
        let at = |seconds| jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(seconds);
        for second in [0, 5, 10, 30, 59, 119] {
            assert_eq!(memory.judge(&looked, &alarm, at(second)), None, "{second} s");
        }
        let (verdict, detail) = memory.judge(&looked, &alarm, at(120)).expect("frozen");
        assert_eq!(verdict, Verdict::Frozen);
        assert!(detail.contains("7 checks over 120 s"), "{detail}");
    }

    #[test]
    fn a_change_of_size_is_no_frozen_picture() {
        let frames = [(640, 360), (320, 180), (640, 360), (320, 180)].map(|(w, h)| Scene::yard(w, h).h264(28));
        assert_eq!(judged(frames, &Alarm::default()), [None; 4]);
    }
}

#[test]
fn many_slices_of_one_picture_decode_as_one() {
    let config = EncoderConfig::new().qp(QpRange::new(24, 24)).max_slice_len(1200);
    let sliced = yard().noisy(1.0, 1).h264_with(config);
    assert!(annexb::nal_units(&sliced.data).filter(|unit| unit[0] & 0x1f == 5).count() > 3);
    assert_eq!(decoded_of(&sliced).width, 640);
}
