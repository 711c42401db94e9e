//! Decodes a running stream, frame after frame, and makes small JPEGs of its pictures.
//!
//! What it cannot do: H.265 and the kinds of H.264 that [`super::look`] only parses. B frames come out in the
//! decoder's order, for a live picture is never held back for the sake of a later one; network cameras send
//! none.

use super::{Jpeg, MAX_ENCODED, Planes, Whole, encode, h264, jpeg, raw, undecodable, unsupported};
use crate::camera::{Codec, Fault, Frame};

/// Decodes one stream. Holds several pictures (15 bytes a pixel with H.264) once it has decoded.
#[derive(Default)]
pub struct StreamDecoder {
    h264: Option<Box<h264::Running>>,
    /// The H.264 decoder met damage: it begins anew with a key frame.
    is_lost: bool,
}

/// A picture that was decoded, while it is held.
pub struct Picture<'a>(Held<'a>);

enum Held<'a> {
    H264(h264::Shown<'a>),
    Whole(Whole),
}

impl StreamDecoder {
    /// Decodes the stream's next frame; every frame must be given, in order. Blocking and CPU bound: some
    /// milliseconds. None before the first key frame, after damage until the next one, and where the decoder
    /// holds a picture back.
    ///
    /// # Errors
    /// `undecodable` for a damaged frame: go on with the next one. `unsupported` for what is never decoded
    /// here, with what to do about it.
    pub fn decode(&mut self, frame: &Frame) -> Result<Option<Picture<'_>>, Fault> {
        if frame.codec != Codec::Raw && frame.data.len() > MAX_ENCODED {
            return Err(undecodable(format!("a frame has {} bytes; at most {MAX_ENCODED} are read", frame.data.len())));
        }
        match frame.codec {
            Codec::H264 => self.h264(frame),
            Codec::Mjpeg => {
                self.h264 = None;
                Ok(Some(Picture(Held::Whole(jpeg::decode_whole(&frame.data)?))))
            }
            Codec::H265 => Err(unsupported("the camera sends H.265, which is not decoded here")),
            Codec::Raw => {
                self.h264 = None;
                Ok(Some(Picture(Held::Whole(raw::whole(frame, true)?))))
            }
        }
    }

    /// Frames are missing between the last one and the next: nothing is decoded before a key frame.
    pub fn skipped(&mut self) {
        self.is_lost = true;
    }

    fn h264(&mut self, frame: &Frame) -> Result<Option<Picture<'_>>, Fault> {
        if self.is_lost {
            self.h264 = None;
            self.is_lost = false;
        }
        let Self { h264, is_lost } = self;
        let running = match h264 {
            Some(running) => running,
            None if frame.key => h264.insert(Box::new(h264::Running::start(&frame.data)?)),
            None => return Ok(None),
        };
        match running.next(&frame.data, frame.key) {
            Ok(shown) => Ok(shown.map(|shown| Picture(Held::H264(shown)))),
            Err(fault) => {
                *is_lost = true;
                Err(fault)
            }
        }
    }
}

impl Picture<'_> {
    /// A JPEG of it that fits into `bounds` (width, height; pixels), its aspect kept, never larger than the
    /// picture. `quality` is 1 to 100. Blocking. None only where the decoder gave an empty picture.
    pub fn jpeg(&self, bounds: (u32, u32), quality: u8) -> Option<Jpeg> {
        encode::jpeg(&self.planes()?, bounds, quality)
    }

    fn planes(&self) -> Option<Planes<'_>> {
        match &self.0 {
            Held::H264(shown) => shown.planes(),
            Held::Whole(whole) => whole.planes(),
        }
    }
}
