//! Decodes one key frame, judges it, and makes its thumbnail. (Placeholder until the room is merged.)

use crate::camera::{Fault, Frame, StreamInfo, Verdict};
use bytes::Bytes;

#[allow(missing_docs)]
pub enum Looked {
    Decoded(Decoded),
    Structure(Structure),
}
#[allow(missing_docs)]
pub struct Decoded {
    pub width: u32,
    pub height: u32,
    pub thumbnail: Option<Jpeg>,
}
#[allow(missing_docs)]
pub struct Jpeg {
    pub data: Bytes,
    pub width: u32,
    pub height: u32,
}
#[allow(missing_docs)]
pub struct Structure {
    pub width: u32,
    pub height: u32,
}
#[allow(missing_docs)]
pub fn look(_frame: &Frame, _want_thumbnail: bool) -> Result<Looked, Fault> {
    Err(Fault::new(Verdict::Undecodable, "placeholder"))
}
#[allow(missing_docs)]
pub fn describe(_frame: &Frame) -> StreamInfo {
    StreamInfo::default()
}
#[derive(Default)]
#[allow(missing_docs)]
pub struct Memory;
#[allow(missing_docs)]
impl Memory {
    pub fn judge(&mut self, _looked: &Looked, _alarm: &crate::config::Alarm) -> Option<(Verdict, String)> {
        None
    }
    pub fn forget(&mut self) {}
}
