//! What went through the gate: counted, timed and bounded by picture.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use super::super::{Fault, Verdict};

/// Bytes of RTP packets with one timestamp, that is of one picture: a 4K key frame has 2 MB or so.
const FRAME_MAX: u64 = 8 << 20;
/// Packets of one picture: retina keeps a record for each, however small it is.
const PACKETS_MAX: u64 = 16 << 10;

/// What went through the gate so far. Shared with the session, lock-free.
#[derive(Debug, Default)]
pub(in crate::camera) struct Meter {
    /// What the gate refused to let through.
    pub fault: OnceLock<Fault>,
    /// The first answer that was a refusal, as evidence.
    pub refusal: OnceLock<Box<str>>,
    /// When the first video packet came.
    pub first_packet: OnceLock<Instant>,
    /// Video packets.
    pub packets: AtomicU64,
    /// Bytes of video packets, with their RTP headers.
    pub bytes: AtomicU64,
}

/// Counts RTP packets and bounds the size of one picture, for each interleaved channel by itself: packets
/// on a channel that nobody reads must not make another channel's picture look new.
#[derive(Default)]
pub(super) struct RtpWatch(HashMap<u8, Picture>);

/// What has come of the picture that a channel is sending.
#[derive(Default)]
struct Picture {
    timestamp: u32,
    bytes: u64,
    packets: u64,
}

impl RtpWatch {
    /// Counts one packet in `meter`; what is no RTP is let through uncounted.
    ///
    /// # Errors
    /// `protocol`: the picture is larger than 8 MiB, or has more packets than a picture needs.
    pub fn count(&mut self, channel: u8, packet: &[u8], meter: &Meter) -> Result<(), Fault> {
        // RFC 3550, section 5.1: version 2, timestamp in bytes 4 to 7.
        let [first, _, _, _, t0, t1, t2, t3, ..] = packet else { return Ok(()) };
        if first >> 6 != 2 {
            return Ok(());
        }
        meter.first_packet.get_or_init(Instant::now);
        meter.packets.fetch_add(1, Ordering::Relaxed);
        meter.bytes.fetch_add(packet.len() as u64, Ordering::Relaxed);
        let timestamp = u32::from_be_bytes([*t0, *t1, *t2, *t3]);
        let picture = self.0.entry(channel).or_default();
        if timestamp != picture.timestamp {
            *picture = Picture { timestamp, ..Picture::default() };
        }
        picture.bytes += packet.len() as u64;
        picture.packets += 1;
        if picture.bytes > FRAME_MAX {
            return Err(Fault::new(Verdict::Protocol, format!("one picture of more than {} MiB", FRAME_MAX >> 20)));
        }
        if picture.packets > PACKETS_MAX {
            return Err(Fault::new(Verdict::Protocol, format!("one picture of more than {PACKETS_MAX} packets")));
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
        let until_refused = |watch: &mut RtpWatch| (0..).find(|_| watch.count(0, &packet, &meter).is_err()).unwrap();
        assert_eq!(until_refused(&mut watch), FRAME_MAX >> 16);
        let mut next_picture = packet.clone();
        next_picture[7] = 1;
        assert_eq!(watch.count(0, &next_picture, &meter), Ok(()));
        assert_eq!(meter.packets.load(Ordering::Relaxed), (FRAME_MAX >> 16) + 2);
    }

    #[test]
    fn packets_on_another_channel_do_not_make_a_picture_without_end_look_new() {
        let (mut watch, meter) = (RtpWatch::default(), Meter::default());
        let (mut large, mut other) = (vec![0; 64 << 10], vec![0; 12]);
        (large[0], other[0], other[7]) = (0x80, 0x80, 9);
        let refused = (0..1000).any(|_| {
            let first = watch.count(0, &large, &meter).is_err();
            watch.count(2, &other, &meter).is_err() || first
        });
        assert!(refused);
    }

    #[test]
    fn a_picture_of_too_many_tiny_packets_is_protocol() {
        let (mut watch, meter) = (RtpWatch::default(), Meter::default());
        let mut tiny = vec![0; 13];
        tiny[0] = 0x80;
        assert!((0..=PACKETS_MAX).any(|_| watch.count(0, &tiny, &meter).is_err()));
    }
}
