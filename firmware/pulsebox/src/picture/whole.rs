//! A decoded picture that owns its planes.

use super::{Plane, Planes};

/// A decoded picture, rows without padding.
pub(super) struct Whole {
    /// `width` × `height` samples.
    pub(super) luma: Vec<u8>,
    /// Cb and Cr, half the luma's size each way, rounded up.
    pub(super) chroma: Option<(Vec<u8>, Vec<u8>)>,
    /// Pixels.
    pub(super) width: usize,
    /// Pixels.
    pub(super) height: usize,
    /// As [`Planes::full_range`].
    pub(super) full_range: bool,
    /// As [`Planes::quantiser`].
    pub(super) quantiser: u64,
}

impl Whole {
    /// The planes; none of an empty picture.
    pub(super) fn planes(&self) -> Option<Planes<'_>> {
        let half = (self.width.div_ceil(2), self.height.div_ceil(2));
        let chroma = self.chroma.as_ref().and_then(|(cb, cr)| {
            Some((Plane::new(cb, half.0, half.1, half.0)?, Plane::new(cr, half.0, half.1, half.0)?))
        });
        let luma = Plane::new(&self.luma, self.width, self.height, self.width)?;
        Some(Planes { luma, chroma, full_range: self.full_range, quantiser: self.quantiser })
    }
}
