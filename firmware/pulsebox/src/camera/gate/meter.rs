//! What went through the gate: counted, timed and bounded by picture.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use super::super::{Fault, Verdict};

/// Bytes of RTP packets with one timestamp, that is of one picture.
const FRAME_MAX: u64 = 16 << 20;

/// What went through the gate so far. Shared with the session, lock-free.
#[derive(Debug, Default)]
pub(in crate::camera) struct Meter {
    /// What the gate refused to let through.
    pub fault: OnceLock<Fault>,
    /// When the first video packet came.
    pub first_packet: OnceLock<Instant>,
    /// Video packets.
    pub packets: AtomicU64,
    /// Bytes of video packets, with their RTP headers.
    pub bytes: AtomicU64,
}

/// Counts RTP packets and bounds the size of one picture.
#[derive(Default)]
pub(super) struct RtpWatch {
    timestamp: u32,
    frame_bytes: u64,
}

impl RtpWatch {
    /// Counts one packet in `meter`; what is no RTP is let through uncounted.
    ///
    /// # Errors
    /// `protocol`: the picture is larger than 16 MiB.
    pub fn count(&mut self, packet: &[u8], meter: &Meter) -> Result<(), Fault> {
        // RFC 3550, section 5.1: version 2, timestamp in bytes 4 to 7.
        let [first, _, _, _, t0, t1, t2, t3, ..] = packet else { return Ok(()) };
        if first >> 6 != 2 {
            return Ok(());
        }
        meter.first_packet.get_or_init(Instant::now);
        meter.packets.fetch_add(1, Ordering::Relaxed);
        meter.bytes.fetch_add(packet.len() as u64, Ordering::Relaxed);
        let timestamp = u32::from_be_bytes([*t0, *t1, *t2, *t3]);
        if timestamp != self.timestamp {
            (self.timestamp, self.frame_bytes) = (timestamp, 0);
        }
        self.frame_bytes += packet.len() as u64;
        if self.frame_bytes > FRAME_MAX {
            return Err(Fault::new(Verdict::Protocol, format!("one picture of more than {} MiB", FRAME_MAX >> 20)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_without_end_is_protocol() {
        let (mut watch, meter) = (RtpWatch::default(), Meter::default());
        let mut packet = vec![0; 64 << 10];
        packet[0] = 0x80;
        let until_refused = |watch: &mut RtpWatch| (0..).find(|_| watch.count(&packet, &meter).is_err()).unwrap();
        assert_eq!(until_refused(&mut watch), FRAME_MAX >> 16);
        let mut next_picture = packet.clone();
        next_picture[7] = 1;
        assert_eq!(watch.count(&next_picture, &meter), Ok(()));
        assert_eq!(meter.packets.load(Ordering::Relaxed), (FRAME_MAX >> 16) + 2);
    }
}
