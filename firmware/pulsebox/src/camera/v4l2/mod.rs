//! Local cameras: USB and CSI, over the kernel's V4L2.
//!
//! Each device that is read has one thread (`share`), which opens it, sets what `choose` chose, and takes its buffers
//! (`capture`); USB cameras' JPEG and H.264 are made whole (`mend`), sensors' light is set (`exposure`, `light`).

mod capture;
pub mod choose;
mod csi;
pub mod devices;
mod exposure;
mod light;
mod media;
mod mend;
mod share;

use tokio::time::Instant;

use super::{Climb, Fault, Frame, Goodbyes, Reception, Rung, Target, Verdict};
use share::{Reader, Stage};

/// An open local camera.
pub struct LocalSession {
    reader: Reader,
}

impl LocalSession {
    /// Opens the device, chooses format, size and rate, and starts it; or reads along where it is open already.
    ///
    /// # Errors
    /// `not_found`, `auth` (no permission), `busy`, `unsupported`, `protocol`.
    pub(super) async fn open(target: &Target, climb: &mut Climb, goodbyes: &Goodbyes) -> Result<Self, Fault> {
        let node = target.url.device().ok_or_else(|| Fault::new(Verdict::NotFound, "the URL names no device"))?;
        let wish = target.url.wish();
        climb.waiting(Verdict::Timeout, "the device's driver");
        let number = capture::device_number(&node)?;
        let mut reader = share::join(number, wish, capture::opener(node, wish)).await?;
        goodbyes.spawn(reader.far_end());
        climb.reached_at(Rung::Connect, reader.reached(Stage::Opened).await?);
        climb.reached_at(Rung::Describe, reader.reached(Stage::Started).await?);
        climb.waiting(Verdict::NoMedia, "the first picture");
        Ok(Self { reader })
    }

    /// The next picture. Safe to cancel.
    ///
    /// # Errors
    /// The device went (`not_found`), broke off (`protocol`), or gives damaged pictures only (`undecodable`).
    pub(super) async fn next(&mut self) -> Result<Frame, Fault> {
        self.reader.next().await
    }

    /// Pictures that the device gave since the first that came here, and the damaged ones among them.
    pub(super) fn reception(&self) -> Reception {
        self.reader.reception()
    }

    /// When the first buffer came.
    pub(super) fn first_packet(&self) -> Option<Instant> {
        self.reader.first_buffer()
    }
}
