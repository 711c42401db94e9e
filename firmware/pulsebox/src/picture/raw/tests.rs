//! Raw pictures through the room's front door: `look`, `develop`, `describe`, `StreamDecoder`.

use std::io::Cursor;

use zune_jpeg::JpegDecoder;

use crate::camera::raw::{BayerDepth, BayerOrder, MAX_RAW};
use crate::camera::{Codec, Frame, RawFormat, RawLayout, Verdict};
use crate::config::Alarm;
use crate::picture::testkit::{Dice, Scene, frame};
use crate::picture::tests::{judged, once};
use crate::picture::{Looked, StreamDecoder, describe, develop, look};

type Rgb = [u8; 3];

const ORDERS: [BayerOrder; 4] = [BayerOrder::Rggb, BayerOrder::Grbg, BayerOrder::Gbrg, BayerOrder::Bggr];
const DEPTHS: [BayerDepth; 6] = [
    BayerDepth::Eight,
    BayerDepth::Wide(10),
    BayerDepth::Wide(12),
    BayerDepth::Wide(16),
    BayerDepth::Packed10,
    BayerDepth::Packed12,
];
/// As vivid's bars stand: white, yellow, cyan, green, magenta, red, blue, black.
const BARS: [Rgb; 8] =
    [[255, 255, 255], [255, 255, 0], [0, 255, 255], [0, 255, 0], [255, 0, 255], [255, 0, 0], [0, 0, 255], [0, 0, 0]];

fn bars(width: usize) -> impl Fn(usize, usize) -> Rgb {
    move |x, _| BARS[x * BARS.len() / width]
}

fn all_formats() -> Vec<RawFormat> {
    let bayer = ORDERS.iter().flat_map(|&order| DEPTHS.iter().map(move |&depth| RawFormat::Bayer { order, depth }));
    [RawFormat::Yuyv, RawFormat::Nv12].into_iter().chain(bayer).collect()
}

/// A picture as a driver would give it: `padding` bytes behind each row.
fn raw(format: RawFormat, (width, height): (usize, usize), padding: usize, at: impl Fn(usize, usize) -> Rgb) -> Frame {
    let yuv = |x, y| {
        let [r, g, b] = at(x, y);
        let (y, cb, cr) = jpeg_encoder::rgb_to_ycbcr(r, g, b);
        [y, cb, cr]
    };
    let mut rows: Vec<Vec<u8>> = Vec::new();
    match format {
        RawFormat::Yuyv => rows.extend((0..height).map(|y| {
            let pair = |x| [yuv(x, y)[0], yuv(x, y)[1], yuv((x + 1).min(width - 1), y)[0], yuv(x, y)[2]];
            (0..width).step_by(2).flat_map(pair).collect()
        })),
        RawFormat::Nv12 => {
            rows.extend((0..height).map(|y| (0..width).map(|x| yuv(x, y)[0]).chain([9].repeat(width % 2)).collect()));
            let chroma = |y| (0..width).step_by(2).flat_map(|x| [yuv(x, y)[1], yuv(x, y)[2]]).collect();
            rows.extend((0..height).step_by(2).map(chroma));
        }
        RawFormat::Bayer { order, depth } => rows.extend((0..height).map(|y| {
            let pixel = |x: usize| at(x, y)[colour(order, x, y)];
            pack(depth, &(0..width).map(|x| f32::from(pixel(x)) / 255.0).collect::<Vec<_>>())
        })),
    }
    let row = rows[0].len();
    let data: Vec<u8> = rows.into_iter().flat_map(|row| [row, vec![0xa5; padding]].concat()).collect();
    framed(format, (width, height), row + padding, data)
}

fn framed(format: RawFormat, (width, height): (usize, usize), stride: usize, data: Vec<u8>) -> Frame {
    let [width, height, stride] = [width, height, stride].map(|side| side as u32);
    let layout = RawLayout { format, width, height, stride, full_range: true };
    Frame { raw: Some(layout), ..frame(Codec::Raw, data) }
}

/// 0, 1 or 2 for the red, green or blue that a pixel sees.
fn colour(order: BayerOrder, x: usize, y: usize) -> usize {
    let places = match order {
        BayerOrder::Rggb => [0, 1, 1, 2],
        BayerOrder::Grbg => [1, 0, 2, 1],
        BayerOrder::Gbrg => [1, 2, 0, 1],
        BayerOrder::Bggr => [2, 1, 1, 0],
    };
    places[y % 2 * 2 + x % 2]
}

/// A row of light, 0 to 1, as the sensor's bytes.
fn pack(depth: BayerDepth, row: &[f32]) -> Vec<u8> {
    let levels = |bits: u32| row.iter().map(move |light| (light * ((1_u32 << bits) - 1) as f32).round() as u32);
    match depth {
        BayerDepth::Eight => levels(8).map(|level| level as u8).collect(),
        BayerDepth::Wide(bits) => levels(bits.into()).flat_map(|level| (level as u16).to_le_bytes()).collect(),
        BayerDepth::Packed10 => levels(10).collect::<Vec<_>>().chunks(4).flat_map(five).collect(),
        BayerDepth::Packed12 => levels(12).collect::<Vec<_>>().chunks(2).flat_map(three).collect(),
    }
}

/// MIPI CSI-2, 11.4.4 (RAW10).
fn five(four: &[u32]) -> [u8; 5] {
    let at = |n: usize| four.get(n).copied().unwrap_or(0);
    let low = (0..4).map(|n| (at(n) & 3) << (2 * n)).sum::<u32>();
    [at(0) >> 2, at(1) >> 2, at(2) >> 2, at(3) >> 2, low].map(|byte| byte as u8)
}

/// MIPI CSI-2, 11.4.5 (RAW12).
fn three(two: &[u32]) -> [u8; 3] {
    let at = |n: usize| two.get(n).copied().unwrap_or(0);
    [at(0) >> 4, at(1) >> 4, at(0) & 0xf | (at(1) & 0xf) << 4].map(|byte| byte as u8)
}

/// The colours that a JPEG shows at the middle of each bar, with its size.
fn shown(jpeg: &[u8]) -> ((usize, usize), [Rgb; 8]) {
    let mut decoder = JpegDecoder::new(Cursor::new(jpeg));
    let pixels = decoder.decode().expect("a JPEG");
    let (width, height) = decoder.dimensions().expect("decoded");
    let middle = |bar: usize| {
        let at = (height / 2 * width + (2 * bar + 1) * width / 16) * 3;
        [pixels[at], pixels[at + 1], pixels[at + 2]]
    };
    ((width, height), std::array::from_fn(middle))
}

fn assert_shows(jpeg: &[u8], expected: [Rgb; 8], what: &str) {
    let (_, colours) = shown(jpeg);
    for (bar, (seen, expected)) in colours.iter().zip(expected).enumerate() {
        let off = seen.iter().zip(expected).map(|(a, b)| a.abs_diff(b)).max();
        assert!(off <= Some(6), "{what}: bar {bar} is {seen:?}, not {expected:?}");
    }
}

#[test]
fn every_format_shows_its_colours_whatever_the_driver_leaves_behind_a_row() {
    for format in all_formats() {
        for padding in [0, 34] {
            let frame = raw(format, (320, 64), padding, bars(320));
            let jpeg = develop(&frame).expect("a picture");
            assert_shows(&jpeg.data, BARS, &format!("{format}, {padding} bytes behind each row"));
            let (width, height) = frame.raw.unwrap().shown_size();
            assert_eq!((jpeg.width, jpeg.height), (width, height), "{format}");
            assert_eq!(shown(&jpeg.data).0, (width as usize, height as usize), "{format}");
            let Ok(Looked::Decoded(decoded)) = look(&frame, true) else { panic!("{format} is not decoded") };
            assert_shows(&decoded.thumbnail.expect("wanted").data, BARS, &format!("the thumbnail of {format}"));
        }
    }
}

#[test]
fn videos_range_is_stretched_only_where_the_camera_uses_it() {
    let mut frame = raw(RawFormat::Yuyv, (320, 64), 0, |x, _| if x < 160 { [16; 3] } else { [235; 3] });
    let layout = frame.raw.as_mut().unwrap();
    layout.full_range = false;
    let (_, [black, .., white]) = shown(&develop(&frame).unwrap().data);
    assert!(black[0] <= 2 && white[0] >= 253, "{black:?} {white:?}");
}

#[test]
fn a_raw_stream_gives_small_jpegs_like_any_other() {
    let mut decoder = StreamDecoder::default();
    for format in all_formats() {
        let frame = raw(format, (640, 480), 0, bars(640));
        let picture = decoder.decode(&frame).expect("decodable").expect("a picture");
        let jpeg = picture.jpeg((160, 120), 80).expect("a JPEG");
        assert_eq!((jpeg.width, jpeg.height), (160, 120), "{format}");
        assert_shows(&jpeg.data, BARS, &format.to_string());
    }
}

#[test]
fn describe_tells_the_kernels_form_and_the_sensors_size() {
    for (format, told) in [
        (RawFormat::Yuyv, "YUYV"),
        (RawFormat::Nv12, "NV12"),
        (RawFormat::Bayer { order: BayerOrder::Bggr, depth: BayerDepth::Wide(10) }, "Bayer BGGR 10 bit"),
        (RawFormat::Bayer { order: BayerOrder::Rggb, depth: BayerDepth::Packed12 }, "Bayer RGGB 12 bit packed"),
    ] {
        let info = describe(&raw(format, (320, 64), 0, bars(320)));
        assert_eq!((info.codec, info.profile.as_deref()), (Some(Codec::Raw), Some(told)));
        assert_eq!((info.width, info.height), (Some(320), Some(64)));
    }
}

mod damage {
    use super::*;

    #[test]
    fn a_picture_without_its_last_byte_is_undecodable_and_the_sentence_says_how_much_is_there() {
        for format in all_formats() {
            let whole = raw(format, (64, 32), 10, bars(64));
            // The padding behind the last row may be missing.
            let needed = whole.data.len() - 10;
            assert!(look(&Frame { data: whole.data.slice(..needed), ..whole.clone() }, false).is_ok(), "{format}");
            let short = Frame { data: whole.data.slice(..needed - 1), ..whole };
            let fault = look(&short, false).expect_err("a byte is missing");
            assert_eq!(fault.verdict, Verdict::Undecodable, "{format}");
            assert!(fault.detail.contains(&format!("{} bytes of the {needed}", needed - 1)), "{}", fault.detail);
            assert_eq!(develop(&short).expect_err("the same").verdict, Verdict::Undecodable);
            assert!(StreamDecoder::default().decode(&short).is_err());
        }
    }

    #[test]
    fn rows_that_are_closer_than_long_are_undecodable() {
        for format in all_formats() {
            let mut frame = raw(format, (64, 32), 0, bars(64));
            frame.raw.as_mut().unwrap().stride -= 1;
            let fault = look(&frame, false).expect_err("rows overlap");
            assert_eq!(fault.verdict, Verdict::Undecodable, "{format}");
            assert!(fault.detail.contains("bytes a row"), "{}", fault.detail);
        }
    }

    #[test]
    fn what_is_beyond_the_limits_is_unsupported() {
        let bayer = |bits| RawFormat::Bayer { order: BayerOrder::Rggb, depth: BayerDepth::Wide(bits) };
        for (format, size, data) in [
            (RawFormat::Yuyv, (8194, 2), vec![0; 64]),
            (RawFormat::Yuyv, (8192, 8192), vec![0; 64]),
            (RawFormat::Yuyv, (64, 32), vec![0; MAX_RAW as usize + 1]),
            (bayer(17), (64, 32), vec![0; 64 * 32 * 2]),
            (bayer(8), (64, 32), vec![0; 64 * 32 * 2]),
        ] {
            let frame = framed(format, size, size.0 * 2, data);
            let fault = look(&frame, false).expect_err("too much");
            assert_eq!(fault.verdict, Verdict::Unsupported, "{}", fault.detail);
        }
        let (width, height) = (3840, 2160);
        let large = framed(RawFormat::Yuyv, (width, height), width * 2, vec![128; width * height * 2]);
        assert!(look(&large, false).is_ok(), "4K is read");
    }

    #[test]
    fn no_size_and_no_bytes_make_it_panic() {
        let mut dice = Dice::new(3);
        let mut next = |most: u32| dice.next() % (most + 1);
        let mut whole = 0;
        for round in 0..4000 {
            let format = all_formats()[round % all_formats().len()];
            let (width, height) = (next(9), next(9));
            let layout = RawLayout { format, width, height, stride: next(40), full_range: round % 2 == 0 };
            let data: Vec<u8> = (0..next(500)).map(|at| (at * 37) as u8).collect();
            let frame = Frame { raw: Some(layout), ..frame(Codec::Raw, data) };
            whole += u32::from(look(&frame, true).is_ok());
            let _ = develop(&frame);
        }
        assert!(whole > 400, "of 4000 only {whole} were whole");
        for side in [0, 1, u32::MAX] {
            let layout =
                RawLayout { format: RawFormat::Nv12, width: side, height: side, stride: u32::MAX, full_range: true };
            assert!(look(&Frame { raw: Some(layout), ..frame(Codec::Raw, vec![0; 8]) }, true).is_err());
        }
        assert!(look(&frame(Codec::Raw, vec![0; 8]), true).is_err(), "a frame that does not say how it lies");
    }
}

mod judging {
    use super::*;

    const BGGR_10: RawFormat = RawFormat::Bayer { order: BayerOrder::Bggr, depth: BayerDepth::Packed10 };

    /// A camera that converts in itself.
    fn yuyv(scene: &Scene) -> Frame {
        let (bytes, width) = (scene.bytes(), scene.width);
        raw(RawFormat::Yuyv, (width, scene.height), 0, move |x, y| [bytes[y * width + x]; 3])
    }

    /// A sensor: `exposure` times the scene's light falls on pixels that hold 8000 electrons and count them with the
    /// noise that light has, and with three electrons more of their own; darkness is a sixteenth of full scale. Red
    /// and blue see half of what green does.
    fn sensor(scene: &Scene, exposure: f32, seed: u64) -> Frame {
        let (width, height) = (scene.width, scene.height);
        let mut noise = Scene::flat(width, height, 0.0).noisy(1.0, seed).luma.into_iter();
        let rows = (0..height).flat_map(|y| {
            let pixel = |x: usize| {
                let seen = if colour(BayerOrder::Bggr, x, y) == 1 { 1.0 } else { 0.5 };
                let light = (scene.luma[y * width + x] / 255.0).max(0.0).powf(2.2) * seen * exposure;
                let electrons = light * 8000.0;
                let counted = electrons + noise.next().unwrap_or(0.0) * (electrons + 9.0).sqrt();
                (0.0625 + counted / 8000.0 * 0.9375).clamp(0.0, 1.0)
            };
            pack(BayerDepth::Packed10, &(0..width).map(pixel).collect::<Vec<_>>())
        });
        let data = rows.collect();
        framed(BGGR_10, (width, height), width / 4 * 5, data)
    }

    #[test]
    fn a_living_still_scene_is_nothing_at_all() {
        let yard = Scene::yard(640, 360);
        let webcam = (1..=6).map(|seed| yuyv(&yard.clone().noisy(0.7, seed)));
        assert_eq!(judged(webcam, &Alarm::default()), [None; 6]);
        let yard = Scene::yard(1280, 720);
        for exposure in [0.1, 0.9] {
            let sensor = (1..=5).map(|seed| sensor(&yard, exposure, seed));
            assert_eq!(judged(sensor, &Alarm::default()), [None; 5], "exposure {exposure}");
        }
    }

    #[test]
    fn the_same_picture_again_is_frozen_also_under_a_clock() {
        let frozen = [None, None, Some(Verdict::Frozen)];
        let yard = Scene::yard(640, 360).noisy(1.0, 1);
        let clocked = (0..3).map(|second| yuyv(&yard.clone().clock(second)));
        assert_eq!(judged(clocked, &Alarm::default()), frozen);
        let still = sensor(&Scene::yard(1280, 720), 0.5, 1);
        assert_eq!(judged([still.clone(), still.clone(), still], &Alarm::default()), frozen);
    }

    #[test]
    fn a_capped_sensor_is_black_though_its_darkness_is_not_nought() {
        for (exposure, seed) in [(0.0, 1), (0.001, 2)] {
            assert_eq!(once(sensor(&Scene::yard(1280, 720), exposure, seed)), Some(Verdict::Black), "{exposure}");
        }
        assert_eq!(once(yuyv(&Scene::flat(640, 360, 4.0).noisy(1.0, 1))), Some(Verdict::Black));
    }

    #[test]
    fn a_night_scene_is_not_black_and_a_covered_lens_is_covered() {
        assert_eq!(once(sensor(&Scene::yard(1280, 720), 0.06, 1)), None);
        assert_eq!(once(sensor(&Scene::flat(1280, 720, 120.0), 0.8, 1)), Some(Verdict::Covered));
        assert_eq!(once(yuyv(&Scene::flat(640, 360, 120.0).noisy(2.0, 1))), Some(Verdict::Covered));
    }

    #[test]
    fn what_a_sensor_sees_too_little_of_is_raised_until_the_scene_is_grey_and_not_beyond_bounds() {
        let (_, grey) = shown(&develop(&sensor(&Scene::yard(640, 360), 0.8, 1)).unwrap().data);
        for [r, g, b] in grey {
            assert!(r.abs_diff(g) < 24 && b.abs_diff(g) < 24, "a grey scene has a tint: {:?}", [r, g, b]);
        }
        // All of one colour: it may fade and must stay.
        let format = RawFormat::Bayer { order: BayerOrder::Rggb, depth: BayerDepth::Eight };
        let lawn = raw(format, (320, 64), 0, |_, _| [20, 200, 20]);
        let (_, [[r, g, b], ..]) = shown(&develop(&lawn).unwrap().data);
        assert!(g > r + 60 && g > b + 60, "{:?}", [r, g, b]);
        let (_, [bright, ..]) = shown(&develop(&raw(format, (320, 64), 0, |_, _| [255; 3])).unwrap().data);
        assert!(bright.iter().all(|&level| level > 250), "{bright:?}");
    }
}
