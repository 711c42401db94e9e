//! Local cameras: USB and CSI, over the kernel's V4L2.

#[allow(dead_code)] // until the session here asks for it
mod csi;
pub mod devices;
#[allow(dead_code)]
mod media;

use tokio::time::Instant;

use super::{Climb, Fault, Frame, Goodbyes, Target, Verdict};

/// An open local camera.
pub struct LocalSession {
    first: Option<Instant>,
}

impl LocalSession {
    /// Opens the device, chooses format, size and rate, and starts it; or reads along where it is open already.
    ///
    /// # Errors
    /// `not_found`, `busy`, `unsupported`, `protocol`.
    pub(super) async fn open(target: &Target, climb: &mut Climb, goodbyes: &Goodbyes) -> Result<Self, Fault> {
        let _ = (target, climb, goodbyes);
        Err(Fault::new(Verdict::Unsupported, "this version does not read local cameras (v4l2) yet"))
    }

    /// The next picture.
    ///
    /// # Errors
    /// The device went, or broke off.
    pub(super) async fn next(&mut self) -> Result<Frame, Fault> {
        std::future::pending().await
    }

    /// When the first buffer came.
    pub(super) fn first_packet(&self) -> Option<Instant> {
        self.first
    }
}
