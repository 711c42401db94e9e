//! Draws what the camera sees, as planar YUV 4:2:0: a front yard with a walker, sensor noise and a clock.
//!
//! Not a photograph: enough texture, movement and noise that black, frozen, covered and living pictures
//! differ as they do on real sensors.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::font;
use crate::rng::Rng;

/// What there is to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scene {
    /// A walker, noise fresh each frame, a clock.
    Live,
    /// The yard alone, noise fresh each frame, no clock.
    Static,
    /// One picture, noise and clock and all.
    Frozen,
    /// One picture, noise and all, under a clock that ticks.
    FrozenClock,
    /// Darkness with noise.
    Black,
    /// Something close in front of the lens.
    Covered,
}

/// Width × height luma, and two chroma planes of half the width and height.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub width: usize,
    pub height: usize,
    pub y: Vec<u8>,
    pub u: Vec<u8>,
    pub v: Vec<u8>,
}

impl Picture {
    fn filled(width: usize, height: usize, (y, u, v): (u8, u8, u8)) -> Self {
        let chroma = width / 2 * (height / 2);
        Self { width, height, y: vec![y; width * height], u: vec![u; chroma], v: vec![v; chroma] }
    }

    /// Fills a rectangle given in shares of the picture (0.0 to 1.0), each pixel's luma from `luma`.
    fn area(
        &mut self,
        [left, top, right, bottom]: [f32; 4],
        (u, v): (u8, u8),
        mut luma: impl FnMut(usize, usize) -> u8,
    ) {
        let (w, h) = (self.width, self.height);
        let at = |share: f32, of: usize| ((share.clamp(0.0, 1.0) * of as f32) as usize).min(of);
        let (x0, x1, y0, y1) = (at(left, w), at(right, w), at(top, h), at(bottom, h));
        for y in y0..y1 {
            for x in x0..x1 {
                self.y[y * w + x] = luma(x, y);
            }
        }
        for y in y0 / 2..y1 / 2 {
            let row = y * (w / 2);
            self.u[row + x0 / 2..row + x1 / 2].fill(u);
            self.v[row + x0 / 2..row + x1 / 2].fill(v);
        }
    }

    /// Writes `text` white on black at pixel (`left`, `top`), each dot `dot` pixels wide.
    fn write(&mut self, text: &str, left: usize, top: usize, dot: usize) {
        for (place, c) in text.chars().enumerate() {
            let columns = font::glyph(c);
            for y in 0..9 * dot {
                for x in 0..6 * dot {
                    let (column, row) = (x / dot, y / dot);
                    let on = (1..8).contains(&row) && column < 5 && columns[column] >> (row - 1) & 1 == 1;
                    let (px, py) = (left + place * 6 * dot + x, top + y);
                    if px < self.width && py < self.height {
                        self.y[py * self.width + px] = if on { 235 } else { 16 };
                        let chroma = py / 2 * (self.width / 2) + px / 2;
                        self.u[chroma] = 128;
                        self.v[chroma] = 128;
                    }
                }
            }
        }
    }
}

/// How many noise values are made once; each row of each frame starts at another place among them.
const NOISE: usize = 1 << 16;

/// Paints one scene again and again.
pub(crate) struct Painter {
    scene: Scene,
    title: String,
    ground: Picture,
    canvas: Picture,
    noise: Vec<i8>,
    rng: Rng,
}

impl Painter {
    /// `width` and `height` are even. The same arguments give the same frozen picture, byte for byte,
    /// in each process.
    pub fn new(scene: Scene, width: u32, height: u32, title: Option<&str>) -> Self {
        let (width, height) = (width as usize, height as usize);
        let title: String = title.unwrap_or("SIMCAM").chars().take(20).collect();
        let seed = title.bytes().fold(7_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        let mut rng = Rng::seeded(seed);
        let ground = match scene {
            Scene::Black => Picture::filled(width, height, (17, 128, 128)),
            Scene::Covered => covered(width, height),
            _ => yard(width, height, &mut rng),
        };
        let mut painter = Self { scene, title, canvas: ground.clone(), ground, noise: noise(&mut rng), rng };
        if matches!(scene, Scene::Frozen | Scene::FrozenClock) {
            painter.freeze();
        } else {
            painter.rng = Rng::fresh();
        }
        painter
    }

    /// The picture `seconds` after an arbitrary start, with the time of day `wall` on its clock (UTC).
    pub fn paint(&mut self, seconds: f64, wall: SystemTime) -> &Picture {
        self.canvas.clone_from(&self.ground);
        match self.scene {
            Scene::Frozen => {}
            Scene::FrozenClock => self.overlay(wall),
            Scene::Live => {
                self.walker(seconds);
                self.sensor_noise();
                self.overlay(wall);
            }
            Scene::Static | Scene::Black | Scene::Covered => self.sensor_noise(),
        }
        &self.canvas
    }

    /// Makes one whole picture the ground that nothing changes any more.
    fn freeze(&mut self) {
        self.walker(2.0);
        self.sensor_noise();
        self.overlay(UNIX_EPOCH + std::time::Duration::from_secs(8 * 3600));
        self.ground.clone_from(&self.canvas);
    }

    /// Someone crosses the yard in 7.3 s: never in the same place at two checks a whole second apart.
    fn walker(&mut self, seconds: f64) {
        let left = (seconds / 7.3).fract() as f32 * 1.1 - 0.1;
        let sway = ((seconds * 6.0).sin() * 0.01) as f32;
        self.canvas
            .area([left + 0.02, 0.36 + sway, left + 0.08, 0.46 + sway], (112, 148), |x, y| 150 + (x + y) as u8 % 8);
        self.canvas.area([left, 0.46, left + 0.1, 0.72], (160, 96), |x, y| 70 + ((x / 3 + y / 5) % 3 * 14) as u8);
        self.canvas.area([left + 0.015, 0.72, left + 0.085, 0.93], (128, 126), |x, _| 40 + (x % 6) as u8);
    }

    fn sensor_noise(&mut self) {
        let width = self.canvas.width;
        for row in self.canvas.y.chunks_exact_mut(width) {
            let start = self.rng.next_u32() as usize % (NOISE - width);
            for (pixel, noise) in row.iter_mut().zip(&self.noise[start..]) {
                *pixel = pixel.saturating_add_signed(*noise);
            }
        }
    }

    fn overlay(&mut self, wall: SystemTime) {
        let day = wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() % 86_400;
        let clock = format!("{:02}:{:02}:{:02}", day / 3600, day / 60 % 60, day % 60);
        let dot = (self.canvas.width / 320).max(1);
        self.canvas.write(&self.title, 4 * dot, 4 * dot, dot);
        let (left, top) = (self.canvas.width.saturating_sub(52 * dot), self.canvas.height.saturating_sub(13 * dot));
        self.canvas.write(&clock, left, top, dot);
    }
}

/// Gaussian noise of σ 2 luma steps: the sum of four uniform values.
fn noise(rng: &mut Rng) -> Vec<i8> {
    let scale = 2.0 / (4.0_f32 / 12.0).sqrt();
    (0..NOISE).map(|_| (((0..4).map(|_| rng.fraction()).sum::<f32>() - 2.0) * scale).round() as i8).collect()
}

/// A hand or a leaf in front of the lens: brown, a little darker towards one corner.
fn covered(width: usize, height: usize) -> Picture {
    let mut picture = Picture::filled(width, height, (0, 118, 138));
    picture.area([0.0, 0.0, 1.0, 1.0], (118, 138), |x, y| (78 + x * 6 / width + y * 6 / height) as u8);
    picture
}

/// Sky, a house of bricks with windows and a door, a hedge, gravel; colours and grain differ by seed.
fn yard(width: usize, height: usize, rng: &mut Rng) -> Picture {
    let mut picture = Picture::filled(width, height, (128, 128, 128));
    let tint = (rng.next_u32() % 16) as u8;
    let grain = rng.bytes(4096);
    let speck = |x: usize, y: usize, cell: usize| grain[(x / cell * 31 + y / cell * 57) % grain.len()];
    picture.area([0.0, 0.0, 1.0, 0.45], (140 + tint / 2, 118), |x, y| {
        200 - (y * 60 / height) as u8 + speck(x, y, 16) % 12
    });
    picture.area([0.0, 0.45, 1.0, 0.62], (112, 116 - tint / 4), |x, y| 60 + speck(x, y, 2) % 64);
    picture.area([0.0, 0.62, 1.0, 1.0], (124, 130), |x, y| 96 + speck(x, y, 2) % 56 + speck(x, y, 8) % 16);
    picture.area([0.45, 0.18, 0.92, 0.68], (116 - tint / 2, 146), |x, y| {
        let mortar = y % 8 == 0 || (x + y / 8 % 2 * 8) % 16 == 0;
        if mortar { 160 } else { 96 + speck(x, y, 8) % 24 }
    });
    for left in [0.5, 0.78] {
        picture.area([left, 0.26, left + 0.09, 0.42], (136, 124), |x, y| 40 + speck(x, y, 4) % 20);
        picture.area([left, 0.33, left + 0.09, 0.345], (128, 128), |_, _| 210);
    }
    picture.area([0.645, 0.4, 0.735, 0.68], (118 + tint, 140), |x, _| 70 + (x % 12) as u8 * 2);
    picture.area([0.08, 0.1, 0.12, 0.62], (122, 136), |x, _| 50 + (x % 5) as u8 * 6);
    picture.area([0.02, 0.06, 0.19, 0.3], (104, 112), |x, y| 50 + speck(x, y, 3) % 90);
    picture
}
