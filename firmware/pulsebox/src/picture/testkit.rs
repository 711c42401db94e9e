//! Scenes and encoded frames for the tests of this room: a synthetic camera that can be still, noisy,
//! dark, covered, or carry a clock.

use std::time::Duration;

use bytes::Bytes;
use jpeg_encoder::{ColorType, Encoder as JpegEncoder};
use openh264::OpenH264API;
use openh264::encoder::{Encoder, EncoderConfig, QpRange};
use openh264::formats::YUVBuffer;
use tokio::time::Instant;

use crate::camera::{Codec, Frame};

/// A luma picture with flat colour, made row by row.
#[derive(Clone)]
pub struct Scene {
    pub width: usize,
    pub height: usize,
    pub luma: Vec<f32>,
}

/// A small generator of numbers that look random; the same seed gives the same numbers.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }

    fn unit(&mut self) -> f32 {
        self.next() as f32 / u32::MAX as f32
    }

    /// About normal, mean 0, standard deviation 1.
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
    }
}

impl Scene {
    pub fn flat(width: usize, height: usize, luma: f32) -> Self {
        Self { width, height, luma: vec![luma; width * height] }
    }

    fn map(mut self, change: impl Fn(usize, usize, f32) -> f32) -> Self {
        for (at, luma) in self.luma.iter_mut().enumerate() {
            *luma = change(at % self.width, at / self.width, *luma);
        }
        self
    }

    /// A yard by day: sky with a slow ramp, a wall with windows, a lawn with fine texture, a post.
    pub fn yard(width: usize, height: usize) -> Self {
        let lattice: Vec<f32> = {
            let mut dice = Dice::new(7);
            (0..64 * 64).map(|_| dice.unit() - 0.5).collect()
        };
        let smooth = move |x: f32, y: f32| {
            let (left, top) = (x.floor(), y.floor());
            let (fx, fy) = (x - left, y - top);
            let at = |x: f32, y: f32| lattice[(y as usize % 64) * 64 + x as usize % 64];
            let upper = at(left, top) * (1.0 - fx) + at(left + 1.0, top) * fx;
            let lower = at(left, top + 1.0) * (1.0 - fx) + at(left + 1.0, top + 1.0) * fx;
            upper * (1.0 - fy) + lower * fy
        };
        let (w, h) = (width as f32, height as f32);
        Self::flat(width, height, 0.0).map(move |x, y, _| {
            let (x, y) = (x as f32, y as f32);
            let (u, v) = (x / w, y / h);
            if (0.55..0.57).contains(&u) && v > 0.2 {
                return 60.0; // the post
            }
            if v < 0.35 {
                return 170.0 + 40.0 * v + 10.0 * smooth(x / 90.0, y / 40.0); // the sky
            }
            if v < 0.65 {
                let window = (u * 8.0).fract() > 0.35 && (u * 8.0).fract() < 0.65 && v > 0.42 && v < 0.56;
                let brick = if (y / 9.0).fract() < 0.15 { -12.0 } else { 0.0 };
                return if window { 45.0 } else { 120.0 + brick + 14.0 * smooth(x / 14.0, y / 6.0) };
            }
            90.0 + 50.0 * smooth(x / 3.0, y / 3.0) + 30.0 * smooth(x / 40.0, y / 20.0) // the lawn
        })
    }

    /// Sensor noise, standard deviation `sigma` in luma levels.
    pub fn noisy(mut self, sigma: f32, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        for luma in &mut self.luma {
            *luma += sigma * dice.normal();
        }
        self
    }

    /// A clock at the top left, a quarter of the width and a twentieth of the height; its last two of
    /// eight digits follow `seconds`.
    pub fn clock(self, seconds: u32) -> Self {
        let (width, height) = (self.width, self.height);
        let (digit_width, digit_height) = (width / 32, height / 20);
        let (left, top) = (width / 40, height / 30);
        self.map(move |x, y, luma| {
            if x < left || y < top || x >= left + 8 * digit_width || y >= top + digit_height {
                return luma;
            }
            let place = (x - left) / digit_width;
            let digit = if place < 6 { place as u32 } else { seconds / if place == 6 { 10 } else { 1 } % 10 };
            let (column, row) = ((x - left) % digit_width * 4 / digit_width, (y - top) * 5 / digit_height);
            // Not a typeface, but as busy as one, and distinct for each digit.
            let ink = (((digit + 3) * 0x0004_9249) >> (row * 4 + column)) & 1 == 1;
            if ink && column < 3 { 235.0 } else { 16.0 }
        })
    }

    /// Contrast times `contrast` around `middle`.
    pub fn toned(self, middle: f32, contrast: f32) -> Self {
        let mean = self.luma.iter().sum::<f32>() / self.luma.len() as f32;
        self.map(|_, _, luma| middle + (luma - mean) * contrast)
    }

    /// Blurred thrice by boxes of `2 * radius + 1` pixels.
    pub fn blurred(mut self, radius: usize) -> Self {
        for _ in 0..3 {
            self = self.blurred_rows(radius).turned().blurred_rows(radius).turned();
        }
        self
    }

    fn turned(self) -> Self {
        let Self { width, height, luma } = self;
        let turned = (0..width * height).map(|at| luma[at % height * width + at / height]).collect();
        Self { width: height, height: width, luma: turned }
    }

    fn blurred_rows(mut self, radius: usize) -> Self {
        for row in self.luma.chunks_exact_mut(self.width) {
            let source = row.to_vec();
            let at = |x: isize| source[x.clamp(0, source.len() as isize - 1) as usize];
            let radius = radius as isize;
            let mut sum: f32 = (-radius..=radius).map(at).sum();
            for (x, luma) in row.iter_mut().enumerate() {
                *luma = sum / (2 * radius + 1) as f32;
                sum += at(x as isize + radius + 1) - at(x as isize - radius);
            }
        }
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.luma.iter().map(|luma| luma.round().clamp(0.0, 255.0) as u8).collect()
    }

    /// One H.264 key frame at a fixed quantiser `qp` (0 to 51).
    pub fn h264(&self, qp: u8) -> Frame {
        let config = EncoderConfig::new().qp(QpRange::new(qp, qp)).adaptive_quantization(false);
        self.h264_with(config)
    }

    pub fn h264_with(&self, config: EncoderConfig) -> Frame {
        let mut yuv = self.bytes();
        yuv.resize(self.width * self.height * 3 / 2, 128);
        let source = YUVBuffer::from_vec(yuv, self.width, self.height);
        let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), config).unwrap();
        frame(Codec::H264, encoder.encode(&source).unwrap().to_vec())
    }

    /// One JPEG of quality 1 to 100, three components.
    pub fn jpeg(&self, quality: u8) -> Frame {
        let pixels: Vec<u8> = self.bytes().into_iter().flat_map(|luma| [luma, 128, 128]).collect();
        let mut data = Vec::new();
        JpegEncoder::new(&mut data, quality)
            .encode(&pixels, self.width as u16, self.height as u16, ColorType::Ycbcr)
            .unwrap();
        frame(Codec::Mjpeg, data)
    }
}

pub fn frame(codec: Codec, data: impl Into<Bytes>) -> Frame {
    Frame { codec, key: true, data: data.into(), raw: None, at: Duration::ZERO, arrived: Instant::now() }
}
