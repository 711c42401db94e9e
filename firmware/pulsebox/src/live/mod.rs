//! From one upstream session to many viewers: fMP4 over WebSocket without a transcode, and MJPEG in three
//! qualities.

pub mod mjpeg;

/// Serves live views. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Live {}
