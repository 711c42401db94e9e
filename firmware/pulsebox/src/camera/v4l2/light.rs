//! Sets a sensor's exposure and gain as [`super::exposure`] says.

use std::path::Path;
use std::time::Duration;

use log::debug;
use tokio::time::Instant;
use v4l::Device;
use v4l::control::{Control, Description, Flags, Value};

use super::choose::Coding;
use super::csi;
use super::exposure::{Exposure, Range, Reach, Setting, mean};
use crate::camera::raw::{RawFormat, RawLayout};

/// `V4L2_CID_EXPOSURE`, lines.
const EXPOSURE: u32 = 0x0098_0911;
/// `V4L2_CID_ANALOGUE_GAIN`.
const ANALOGUE_GAIN: u32 = 0x009e_0903;
/// A picture is held back for this long at most until it is lit.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The light of an open sensor.
pub(super) struct Light {
    device: Device,
    exposure: Exposure,
    /// When the first picture came, until one was lit.
    waits: Option<Instant>,
    has_settled: bool,
}

impl Light {
    /// Of the camera at `node`; none where its pictures are no sensor's own, or it has no such controls.
    pub fn of(node: &Path, coding: Coding) -> Option<Self> {
        if !matches!(coding, Coding::Raw(RawFormat::Bayer { .. })) {
            return None;
        }
        let device = Device::with_path(csi::sensor_controls(node)?).ok()?;
        // Asked first, since the library panics over kinds of controls that it does not know when it lists them all.
        let now = Setting { exposure: value(&device, EXPOSURE)?, gain: value(&device, ANALOGUE_GAIN).unwrap_or(0) };
        let controls = device.query_controls().ok()?;
        let range = |id: u32| {
            let is_ours = |control: &&Description| {
                control.id == id && !control.flags.intersects(Flags::READ_ONLY | Flags::DISABLED | Flags::INACTIVE)
            };
            let control = controls.iter().find(is_ours)?;
            Some(Range { least: control.minimum, most: control.maximum })
        };
        let reach = Reach { exposure: range(EXPOSURE)?, gain: range(ANALOGUE_GAIN) };
        Some(Self { device, exposure: Exposure::new(reach, now), waits: None, has_settled: false })
    }

    /// Takes a picture; whether it can be shown: it is lit, or nobody can wait any longer.
    pub fn see(&mut self, data: &[u8], layout: &RawLayout) -> bool {
        if let Some(next) = mean(data, layout).and_then(|mean| self.exposure.see(mean)) {
            self.set(next);
        }
        let since = *self.waits.get_or_insert_with(Instant::now);
        self.has_settled |= self.exposure.is_calm() || since.elapsed() >= PATIENCE;
        self.has_settled
    }

    fn set(&self, setting: Setting) {
        for (id, value) in [(EXPOSURE, setting.exposure), (ANALOGUE_GAIN, setting.gain)] {
            if let Err(e) = self.device.set_control(Control { id, value: Value::Integer(value) }) {
                debug!("a sensor's control {id:#x} could not be set to {value}: {e}");
            }
        }
    }
}

fn value(device: &Device, id: u32) -> Option<i64> {
    match device.control(id).ok()?.value {
        Value::Integer(value) => Some(value),
        _ => None,
    }
}
