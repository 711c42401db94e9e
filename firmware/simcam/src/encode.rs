//! Turns scenes into coded pictures: H.264 and JPEG live, H.265 from a clip.

use std::io;
use std::time::SystemTime;

use bytes::Bytes;
use jpeg_encoder::{ImageBuffer, JpegColorType, SamplingFactor};
use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, Complexity, Encoder, EncoderConfig, FrameRate, IntraFramePeriod, QpRange, RateControlMode,
};
use openh264::formats::YUVSlices;

use crate::options::Codec;
use crate::rng::Rng;
use crate::scene::{Painter, Picture, Scene};

/// One coded picture.
#[derive(Clone, Debug)]
pub(crate) struct Coded {
    pub key: bool,
    /// NAL units without start codes, parameter sets first; or one JPEG file.
    pub units: Vec<Bytes>,
}

/// Fine enough that sensor noise of σ 2 leaves traces in the coded picture, as in real cameras;
/// constant, so that an unchanged picture is coded into the same bytes.
const QP: u8 = 24;

/// Pictures in order.
pub(crate) enum Source {
    H264(Box<Painter>, Box<Encoder>),
    Jpeg(Box<Painter>),
    /// A GOP or a clip, over and over.
    Loop(Vec<Coded>),
}

impl Source {
    /// `width` × `height` pixels, even; `gop` in frames. Errors when the encoder refuses to start.
    pub fn new(
        codec: Codec,
        scene: Scene,
        (width, height): (u32, u32),
        fps: u32,
        gop: u64,
        title: Option<&str>,
    ) -> io::Result<Self> {
        if codec == Codec::H265 {
            return Ok(Self::Loop(h265_clip(matches!(scene, Scene::Frozen | Scene::FrozenClock))));
        }
        let painter = Box::new(Painter::new(scene, width, height, title));
        let mut source = match codec {
            Codec::H264 => Self::H264(painter, Box::new(h264_encoder(fps)?)),
            _ => Self::Jpeg(painter),
        };
        if scene == Scene::Frozen {
            let pictures = if codec == Codec::H264 { gop } else { 1 };
            let coded = (0..pictures).map(|index| source.next(index, index == 0, 0.0));
            source = Self::Loop(coded.collect::<io::Result<_>>()?);
        }
        Ok(source)
    }

    /// The picture `seconds` after an arbitrary start; `key` asks for a key frame. A loop gives its
    /// frame number `index` and follows its own key frames.
    pub fn next(&mut self, index: u64, key: bool, seconds: f64) -> io::Result<Coded> {
        match self {
            Self::H264(painter, encoder) => {
                if key {
                    encoder.force_intra_frame();
                }
                h264(encoder, painter.paint(seconds, SystemTime::now()), seconds)
            }
            Self::Jpeg(painter) => {
                let file = jpeg(painter.paint(seconds, SystemTime::now()))?;
                Ok(Coded { key: true, units: vec![file] })
            }
            Self::Loop(frames) => Ok(frames[(index % frames.len() as u64) as usize].clone()),
        }
    }
}

fn h264_encoder(fps: u32) -> io::Result<Encoder> {
    let config = EncoderConfig::new()
        .rate_control_mode(RateControlMode::Bufferbased)
        .qp(QpRange::new(QP, QP))
        .bitrate(BitRate::from_bps(8_000_000))
        .max_frame_rate(FrameRate::from_hz(fps as f32))
        .intra_frame_period(IntraFramePeriod::auto())
        .complexity(Complexity::Low)
        .skip_frames(false)
        .scene_change_detect(false)
        .adaptive_quantization(false)
        .background_detection(false)
        .num_threads(1);
    Encoder::with_api_config(OpenH264API::from_source(), config).map_err(io::Error::other)
}

fn h264(encoder: &mut Encoder, picture: &Picture, seconds: f64) -> io::Result<Coded> {
    let (width, height) = (picture.width, picture.height);
    let planes = YUVSlices::new((&picture.y, &picture.u, &picture.v), (width, height), (width, width / 2, width / 2));
    let at = openh264::Timestamp::from_millis((seconds * 1000.0) as u64);
    let stream = encoder.encode_at(&planes, at).map_err(io::Error::other)?;
    let units = split_annex_b(&stream.to_vec());
    Ok(Coded { key: units.iter().any(|nal| nal[0] & 0x1f == 5), units })
}

/// Baseline 4:2:0 with the standard Huffman tables, which RTP/JPEG asks for (RFC 2435).
pub(crate) fn jpeg(picture: &Picture) -> io::Result<Bytes> {
    let mut file = Vec::with_capacity(64 * 1024);
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, 80);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode_image(Planes(picture)).map_err(io::Error::other)?;
    Ok(file.into())
}

struct Planes<'a>(&'a Picture);

impl ImageBuffer for Planes<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.0.width as u16
    }

    fn height(&self) -> u16 {
        self.0.height as u16
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let (row, width) = (usize::from(y), self.0.width);
        buffers[0].extend_from_slice(&self.0.y[row * width..(row + 1) * width]);
        let chroma = row / 2 * (width / 2)..(row / 2 + 1) * (width / 2);
        buffers[1].extend(self.0.u[chroma.clone()].iter().flat_map(|&u| [u, u]));
        buffers[2].extend(self.0.v[chroma].iter().flat_map(|&v| [v, v]));
    }
}

/// The clip's frames; with `frozen` its first GOP only.
fn h265_clip(frozen: bool) -> Vec<Coded> {
    let mut frames: Vec<Coded> = Vec::new();
    let mut units = Vec::new();
    for nal in split_annex_b(include_bytes!("../clips/testcard-320x180.h265")) {
        let kind = nal[0] >> 1 & 0x3f;
        units.push(nal);
        if kind < 32 {
            // One slice a picture: ITU-T H.265, table 7-1; 16 to 23 are key frames.
            frames.push(Coded { key: (16..24).contains(&kind), units: std::mem::take(&mut units) });
        }
    }
    if frozen && let Some(second) = frames.iter().skip(1).position(|frame| frame.key) {
        frames.truncate(second + 1);
    }
    frames
}

/// The NAL units between start codes (ITU-T H.264, annex B), none of them empty.
fn split_annex_b(stream: &[u8]) -> Vec<Bytes> {
    let mut starts: Vec<usize> = Vec::new();
    for (at, window) in stream.windows(3).enumerate() {
        if window == [0, 0, 1] {
            starts.push(at + 3);
        }
    }
    let ends = starts.iter().skip(1).map(|next| next - 3).chain([stream.len()]);
    let unit = |(start, end): (&usize, usize)| {
        let mut nal = &stream[*start..end];
        while let [rest @ .., 0] = nal {
            nal = rest; // the zero byte of a four-byte start code, or trailing zeros
        }
        Bytes::copy_from_slice(nal)
    };
    starts.iter().zip(ends).map(unit).filter(|nal| nal.len() > 2).collect()
}

/// Keeps headers and replaces what decoders decode with bytes that no decoder takes.
pub(crate) fn spoil(codec: Codec, coded: &mut Coded, rng: &mut Rng) {
    for unit in &mut coded.units {
        let slice = match codec {
            Codec::H264 => matches!(unit[0] & 0x1f, 1 | 5),
            Codec::H265 => unit[0] >> 1 < 32,
            Codec::Mjpeg => true,
        };
        if !slice {
            continue;
        }
        let mut bytes = unit.to_vec();
        if codec == Codec::Mjpeg {
            spoil_jpeg(&mut bytes);
        } else {
            // The first bytes hold the slice header. No zero bytes: they could make a start code.
            let from = bytes.len().min(8);
            for byte in &mut bytes[from..] {
                *byte = (rng.next_u32() >> 24) as u8 | 1;
            }
        }
        *unit = bytes.into();
    }
}

/// Sixteen set bits are no code of any Huffman table (ITU-T T.81, annex C), so the scan is all ones. Some
/// decoders forgive that and show grey, so the tables are broken too; RTP does not carry those, and there
/// only a strict decoder refuses the picture.
fn spoil_jpeg(file: &mut Vec<u8>) {
    let find = |file: &[u8], marker: u8| file.windows(2).position(|w| w == [0xff, marker]);
    let (Some(tables), Some(scan)) = (find(file, 0xc4), find(file, 0xda)) else { return };
    file.truncate(scan + 14);
    file[tables + 5..tables + 21].fill(0xff); // 255 codes of each length
    file.extend(std::iter::repeat_n([0xff, 0], 1000).flatten());
    file.extend([0xff, 0xd9]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn the_clip_has_seven_gops_whose_key_frames_all_differ() {
        let frames = h265_clip(false);
        let keys: Vec<_> = frames.iter().filter(|f| f.key).map(|f| f.units.concat()).collect();
        assert_eq!((frames.len(), keys.len()), (63, 7));
        assert!((1..7).all(|i| keys[i] != keys[i - 1]));
        assert_eq!(frames[0].units.len(), 4, "VPS, SPS, PPS and the slice");
    }

    #[test]
    fn a_frozen_picture_is_the_same_bytes_in_every_encoder_and_a_static_one_is_not() {
        let first = |scene| {
            let mut source = Source::new(Codec::H264, scene, (320, 180), 10, 5, None).unwrap();
            source.next(0, true, 0.0).unwrap().units.concat()
        };
        assert_eq!(first(Scene::Frozen), first(Scene::Frozen));
        assert_ne!(first(Scene::Static), first(Scene::Static));
    }

    #[test]
    fn an_encoder_makes_key_frames_when_asked_and_only_then() {
        let mut source = Source::new(Codec::H264, Scene::Live, (320, 180), 10, 5, None).unwrap();
        let keys: Vec<bool> = (0..10).map(|i| source.next(i, i % 5 == 0, i as f64 / 10.0).unwrap().key).collect();
        assert_eq!(keys, [true, false, false, false, false, true, false, false, false, false]);
    }

    #[test]
    fn a_decoder_takes_the_picture_and_refuses_the_spoilt_one() {
        let mut source = Source::new(Codec::H264, Scene::Live, (320, 180), 10, 5, None).unwrap();
        let mut coded = source.next(0, true, 0.0).unwrap();
        let decode = |coded: &Coded| {
            let stream: Vec<u8> = coded.units.iter().flat_map(|nal| [&[0, 0, 0, 1][..], nal].concat()).collect();
            openh264::decoder::Decoder::new().unwrap().decode(&stream).is_ok_and(|picture| picture.is_some())
        };
        assert!(decode(&coded));
        spoil(Codec::H264, &mut coded, &mut Rng::seeded(1));
        assert!(!decode(&coded));
    }

    #[test]
    fn a_spoilt_jpeg_keeps_its_headers_and_its_end() {
        let whole = jpeg(Painter::new(Scene::Live, 320, 176, None).paint(0.0, UNIX_EPOCH)).unwrap();
        let mut coded = Coded { key: true, units: vec![whole.clone()] };
        spoil(Codec::Mjpeg, &mut coded, &mut Rng::seeded(1));
        let dht = whole.windows(2).position(|w| w == [0xff, 0xc4]).unwrap();
        assert_eq!(coded.units[0][..dht], whole[..dht]);
        assert!(coded.units[0].ends_with(&[0xff, 0, 0xff, 0xd9]));
    }

    #[test]
    fn jpeg_decoders_take_the_picture_and_refuse_the_spoilt_one() {
        let whole = jpeg(Painter::new(Scene::Live, 320, 176, None).paint(0.0, UNIX_EPOCH)).unwrap();
        let mut coded = Coded { key: true, units: vec![whole] };
        let decode = |coded: &Coded| {
            zune_jpeg::JpegDecoder::new(zune_jpeg::zune_core::bytestream::ZCursor::new(&coded.units[0][..]))
                .decode()
                .is_ok()
        };
        assert!(decode(&coded));
        spoil(Codec::Mjpeg, &mut coded, &mut Rng::seeded(1));
        assert!(!decode(&coded));
    }

    /// Luma of the key frame that a decoder makes of a fresh encoder's first picture at `wall` seconds.
    fn key_luma(scene: Scene, wall: u64) -> Vec<u8> {
        use openh264::formats::YUVSource as _;
        let mut painter = Painter::new(scene, 640, 360, None);
        let wall = UNIX_EPOCH + std::time::Duration::from_secs(wall);
        let coded = h264(&mut h264_encoder(10).unwrap(), painter.paint(0.0, wall), 0.0).unwrap();
        let stream: Vec<u8> = coded.units.iter().flat_map(|nal| [&[0, 0, 0, 1][..], nal].concat()).collect();
        let mut decoder = openh264::decoder::Decoder::new().unwrap();
        let picture = decoder.decode(&stream).unwrap().unwrap();
        let stride = picture.strides().0;
        picture.y().chunks(stride).flat_map(|row| row[..640].to_vec()).collect()
    }

    fn differing_percent(scene: Scene) -> f64 {
        let (one, two) = (key_luma(scene, 0), key_luma(scene, 45_296));
        let differing = one.iter().zip(&two).filter(|(a, b)| a != b).count();
        differing as f64 * 100.0 / one.len() as f64
    }

    #[test]
    fn in_a_static_scene_noise_survives_the_encoder_and_in_a_frozen_one_only_the_clock_changes() {
        let (fixed, clock) = (differing_percent(Scene::Static), differing_percent(Scene::FrozenClock));
        assert!(fixed > 30.0, "static: {fixed} %");
        assert!(clock > 0.05 && clock < 2.0, "frozen under a clock: {clock} %");
    }
}
