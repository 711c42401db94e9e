//! The exposure of a sensor that has nobody else to set it: raw Bayer cameras without libcamera.
//!
//! A loop of few steps: the mean of a frame says by how much the light is off, exposure takes as much of it as it can
//! (light costs no noise), gain the rest. It rests within a band around its aim and leaves it only when the scene has
//! really changed, so it cannot swing. Enough for a preview and for judging; nothing here touches a device.

use super::choose::Coding;
use crate::camera::raw::{BayerDepth, RawFormat, RawLayout};

/// The mean of the light that is aimed at, of full scale, linear: photographers' mid grey.
const AIM: f32 = 0.18;
/// Sensors add this to every pixel (their black level), of full scale: a sixteenth, as nearly all of Sony's do.
const BLACK: f32 = 1.0 / 16.0;
/// Off by less than this factor is well enough to stop.
const CALM: f32 = 1.35;
/// Off by more than this factor is another scene.
const STIRRED: f32 = 2.2;
/// …if so many frames in a row say it: a lamp that flickers or a bird does not.
const STIRRED_FRAMES: u32 = 4;
/// The most that one step changes: what is clipped or black tells only that it is far off.
const LEAP: f32 = 16.0;
/// Frames that are still under way with the old setting when a new one was written.
const UNDER_WAY: u32 = 2;

/// A control's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The least.
    pub least: i64,
    /// The most.
    pub most: i64,
}

impl Range {
    fn nearest(self, value: f64) -> i64 {
        // Saturates, and not a number is 0: both are clamped.
        (value.round() as i64).clamp(self.least, self.most.max(self.least))
    }
}

/// What a gain control's code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GainLaw {
    /// `n / (n - code)`: Sony's older sensors (imx219: 256; imx477, imx708: 1024).
    Hyperbolic(i64),
    /// Proportional, the least code being 1 (OmniVision).
    Linear(i64),
    /// Tenths of a decibel (Sony's industrial sensors).
    Decibel,
}

impl GainLaw {
    /// Guessed from the range of codes, which the makers' laws leave their mark on. A wrong guess costs steps, not
    /// the aim: each step measures anew.
    pub fn of(range: Range) -> Self {
        match (range.least, range.most) {
            (0, 1..=255) => Self::Hyperbolic(256),
            (0, 700..=1023) | (112, ..=1023) => Self::Hyperbolic(1024),
            (1.., _) => Self::Linear(range.least),
            _ => Self::Decibel,
        }
    }

    fn factor(self, code: i64) -> f64 {
        let code = code as f64;
        match self {
            Self::Hyperbolic(n) => n as f64 / (n as f64 - code).max(1.0),
            Self::Linear(one) => code / (one as f64).max(1.0),
            Self::Decibel => 10f64.powf(code / 200.0),
        }
    }

    fn code(self, factor: f64) -> f64 {
        match self {
            Self::Hyperbolic(n) => n as f64 - n as f64 / factor.max(1.0),
            Self::Linear(one) => factor * one as f64,
            Self::Decibel => factor.max(1.0).log10() * 200.0,
        }
    }
}

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Exposure, lines.
    pub exposure: Range,
    /// Gain, codes; none where the sensor has none.
    pub gain: Option<Range>,
}

/// What is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Lines.
    pub exposure: i64,
    /// Code.
    pub gain: i64,
}

/// The loop of one open camera.
#[derive(Debug)]
pub struct Exposure {
    reach: Reach,
    law: GainLaw,
    now: Setting,
    /// Frames to come that were begun under an older setting.
    under_way: u32,
    is_calm: bool,
    /// Frames in a row that say the scene has changed.
    stirred: u32,
    /// Whether the last step was towards brighter.
    brightened: Option<bool>,
    /// Part of the error that a step takes, halved at each turn.
    share: f32,
}

impl Exposure {
    /// Begins with what is set.
    pub fn new(reach: Reach, now: Setting) -> Self {
        let law = reach.gain.map_or(GainLaw::Decibel, GainLaw::of);
        Self { reach, law, now, under_way: 0, is_calm: false, stirred: 0, brightened: None, share: 1.0 }
    }

    /// Whether the last frame was lit as it should be, or as well as the sensor can.
    pub fn is_calm(&self) -> bool {
        self.is_calm
    }

    /// Takes a frame's mean (0 to 1, as [`mean`] gives it); what to set now, if anything.
    pub fn see(&mut self, mean: f32) -> Option<Setting> {
        if self.under_way > 0 {
            self.under_way -= 1;
            return None;
        }
        let off = AIM / mean.max(AIM / LEAP);
        let off = off.clamp(1.0 / LEAP, LEAP);
        let far = off.max(1.0 / off);
        if self.is_calm {
            self.stirred = if far > STIRRED { self.stirred + 1 } else { 0 };
            if self.stirred < STIRRED_FRAMES {
                return None;
            }
            (self.is_calm, self.brightened, self.share) = (false, None, 1.0);
        }
        self.stirred = 0;
        if far <= CALM {
            self.is_calm = true;
            return None;
        }
        let brightens = off > 1.0;
        if self.brightened.is_some_and(|before| before != brightens) {
            self.share /= 2.0;
        }
        self.brightened = Some(brightens);
        let next = self.brighter(f64::from(off.powf(self.share)));
        if next == self.now {
            // The end of the reach.
            self.is_calm = true;
            return None;
        }
        self.now = next;
        self.under_way = UNDER_WAY;
        Some(next)
    }

    /// The setting that lets in so many times the light: by exposure first.
    fn brighter(&self, factor: f64) -> Setting {
        let Reach { exposure, gain } = self.reach;
        let amplified = |code: i64| if gain.is_some() { self.law.factor(code) } else { 1.0 };
        let light = (self.now.exposure as f64).max(1.0) * amplified(self.now.gain) * factor;
        let least = gain.map_or(1.0, |gain| amplified(gain.least));
        let lines = exposure.nearest(light / least);
        let code = gain.map_or(self.now.gain, |gain| gain.nearest(self.law.code(light / (lines as f64).max(1.0))));
        Setting { exposure: lines, gain: code }
    }
}

/// The mean light of a Bayer picture, 0 to 1, linear, without the sensor's black level; a sample of its pixels. None
/// for other forms and for what is too short.
pub fn mean(data: &[u8], layout: &RawLayout) -> Option<f32> {
    let RawFormat::Bayer { depth, .. } = layout.format else { return None };
    let size = |side: u32| usize::try_from(side).ok();
    let (stride, height) = (size(layout.stride)?, size(layout.height)?);
    // Bytes of a group of pixels, and how many of them in front hold a pixel's upper bits.
    let (group, upper) = match depth {
        BayerDepth::Eight => (1, 1),
        BayerDepth::Wide(_) => (2, 0),
        BayerDepth::Packed10 => (5, 4),
        BayerDepth::Packed12 => (3, 2),
    };
    let row = usize::try_from(Coding::Raw(layout.format).row_bytes(layout.width)?).ok()?;
    if stride == 0 || row == 0 {
        return None;
    }
    // Pairs of rows, so that all colours count alike.
    let apart = (height / 64).max(1) & !1;
    let rows = data.chunks(stride).take(height).enumerate().filter(|(y, _)| apart < 2 || y % apart < 2);
    let (mut sum, mut count) = (0u64, 0u64);
    for (_, line) in rows {
        let Some(line) = line.get(..row) else { continue };
        for pixels in line.chunks_exact(group) {
            if let (BayerDepth::Wide(bits), [low, high]) = (depth, pixels) {
                let shift = u32::from(bits).clamp(8, 16) - 8;
                sum += u64::from(u16::from_le_bytes([*low, *high]) >> shift).min(255);
                count += 1;
            }
            sum += pixels[..upper].iter().map(|&pixel| u64::from(pixel)).sum::<u64>();
            count += upper as u64;
        }
    }
    let level = (count > 0).then(|| sum as f32 / count as f32 / 255.0)?;
    Some(((level - BLACK) / (1.0 - BLACK)).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::raw::BayerOrder;

    /// A sensor before a scene of so much light; a setting takes effect two frames after it was written.
    struct Sensor {
        scene: f64,
        law: GainLaw,
        settings: Vec<Setting>,
    }

    impl Sensor {
        fn mean(&self) -> f32 {
            let setting = self.settings[self.settings.len().saturating_sub(3)];
            let light = self.scene * setting.exposure as f64 * self.law.factor(setting.gain);
            light.clamp(0.0, 1.0) as f32
        }
    }

    const IMX219: Reach = Reach { exposure: Range { least: 4, most: 1759 }, gain: Some(Range { least: 0, most: 232 }) };

    /// Runs so many frames; gives the number of changes and the frame at which it was calm.
    fn run(exposure: &mut Exposure, sensor: &mut Sensor, frames: usize) -> (usize, Option<usize>) {
        let (mut changes, mut calm) = (0, None);
        for frame in 0..frames {
            let last = *sensor.settings.last().unwrap();
            let next = exposure.see(sensor.mean());
            changes += usize::from(next.is_some());
            sensor.settings.push(next.unwrap_or(last));
            if exposure.is_calm() {
                calm = calm.or(Some(frame));
            } else {
                calm = None;
            }
        }
        (changes, calm)
    }

    fn begun(reach: Reach, law: GainLaw, scene: f64, now: Setting) -> (Exposure, Sensor) {
        (Exposure::new(reach, now), Sensor { scene, law, settings: vec![now] })
    }

    #[test]
    fn it_settles_in_less_than_ten_frames_from_night_to_noon() {
        for stops in -8..=8 {
            let scene = 0.18 / 400.0 * 2f64.powi(stops);
            let (mut exposure, mut sensor) =
                begun(IMX219, GainLaw::Hyperbolic(256), scene, Setting { exposure: 400, gain: 0 });
            let (changes, calm) = run(&mut exposure, &mut sensor, 60);
            assert!(calm.is_some_and(|frame| frame < 10), "{stops}: {calm:?}");
            assert!(changes <= 3, "{stops}: {changes}");
            let (mean, last) = (sensor.mean(), *sensor.settings.last().unwrap());
            let is_at_end = last == Setting { exposure: 1759, gain: 232 } || last.exposure == 4;
            assert!((0.18 / 1.4..0.18 * 1.4).contains(&mean) || is_at_end, "{stops}: {mean} {last:?}");
        }
    }

    #[test]
    fn exposure_comes_before_gain() {
        let (mut exposure, mut sensor) =
            begun(IMX219, GainLaw::Hyperbolic(256), 0.18 / 1700.0, Setting { exposure: 100, gain: 200 });
        run(&mut exposure, &mut sensor, 30);
        let last = sensor.settings.last().unwrap();
        assert!(last.exposure > 1200 && last.gain < 60, "{last:?}");
    }

    #[test]
    fn once_calm_it_moves_only_for_another_scene_and_never_swings() {
        let (mut exposure, mut sensor) =
            begun(IMX219, GainLaw::Hyperbolic(256), 0.18 / 400.0, Setting { exposure: 400, gain: 0 });
        run(&mut exposure, &mut sensor, 10);
        // A cloud, a lamp that flickers, one bright frame.
        for scene in [0.10, 0.30, 0.18] {
            sensor.scene = scene / 400.0;
            assert_eq!(run(&mut exposure, &mut sensor, 30).0, 0, "{scene}");
        }
        sensor.scene = 0.9 / 400.0;
        run(&mut exposure, &mut sensor, 2);
        sensor.scene = 0.18 / 400.0;
        assert_eq!(run(&mut exposure, &mut sensor, 60).0, 0);
        // The light goes out: one move, then rest for good.
        sensor.scene = 0.02 / 400.0;
        let (changes, calm) = run(&mut exposure, &mut sensor, 500);
        assert!((1..=3).contains(&changes) && calm.is_some(), "{changes}");
    }

    #[test]
    fn a_gain_whose_law_was_guessed_wrong_still_settles() {
        let reach = Reach { gain: Some(Range { least: 0, most: 480 }), ..IMX219 };
        for law in [GainLaw::Hyperbolic(512), GainLaw::Decibel, GainLaw::Linear(40)] {
            let scene = 0.18 / 1759.0 / 3.0;
            let (mut exposure, mut sensor) = begun(reach, law, scene, Setting { exposure: 1759, gain: 40 });
            let (changes, calm) = run(&mut exposure, &mut sensor, 120);
            assert!(changes < 12 && calm.is_some(), "{law:?}: {changes} {calm:?}");
        }
    }

    #[test]
    fn a_sensor_that_answers_nothing_to_its_controls_is_left_at_the_end_of_its_reach() {
        for mean in [0.0, 1.0, f32::NAN] {
            let mut exposure = Exposure::new(IMX219, Setting { exposure: i64::MAX, gain: -5 });
            let changes = (0..300).filter(|_| exposure.see(mean).is_some()).count();
            assert!(changes < 10 && exposure.is_calm(), "{mean}: {changes}");
        }
        let nothing = Reach { exposure: Range { least: 10, most: -10 }, gain: None };
        let mut exposure = Exposure::new(nothing, Setting { exposure: 10, gain: 0 });
        assert_eq!((0..50).filter_map(|_| exposure.see(0.01)).count(), 0);
    }

    #[test]
    fn the_mean_is_the_same_however_the_pixels_are_stored() {
        let half = |depth: BayerDepth, row: &[u8], width: u32| {
            let format = RawFormat::Bayer { order: BayerOrder::Rggb, depth };
            let stride = u32::try_from(row.len()).unwrap() + 3;
            let data = [row, &[255; 3]].concat().repeat(4);
            let layout = RawLayout { format, width, height: 4, stride, full_range: true };
            mean(&data, &layout).unwrap()
        };
        let expected = (128.0 / 255.0 - BLACK) / (1.0 - BLACK);
        for found in [
            half(BayerDepth::Eight, &[128; 8], 8),
            half(BayerDepth::Wide(10), &[0, 2].repeat(8), 8),
            half(BayerDepth::Wide(12), &[0, 8].repeat(8), 8),
            half(BayerDepth::Wide(16), &[0, 128].repeat(8), 8),
            half(BayerDepth::Packed10, &[128, 128, 128, 128, 255].repeat(2), 8),
            half(BayerDepth::Packed12, &[128, 128, 255].repeat(4), 8),
        ] {
            assert!((found - expected).abs() < 0.01, "{found} {expected}");
        }
    }

    #[test]
    fn a_short_or_absurd_picture_has_no_mean() {
        let format = RawFormat::Bayer { order: BayerOrder::Rggb, depth: BayerDepth::Eight };
        let layout = RawLayout { format, width: 64, height: 64, stride: 0, full_range: true };
        assert_eq!(mean(&[0; 4096], &layout), None);
        assert_eq!(mean(&[], &RawLayout { stride: 64, ..layout }), None);
        assert_eq!(mean(&[0; 40], &RawLayout { stride: 64, ..layout }), None);
        assert_eq!(mean(&[0; 99], &RawLayout { format: RawFormat::Yuyv, stride: 64, ..layout }), None);
    }
}
