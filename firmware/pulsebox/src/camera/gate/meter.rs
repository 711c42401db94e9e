//! What went through the gate: counted, timed and bounded by picture.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use super::super::{Fault, Reception, Verdict};

/// Bytes of RTP packets with one timestamp, that is of one picture: a 4K key frame has 2 MB or so.
const FRAME_MAX: u64 = 8 << 20;
/// Packets of one picture: retina keeps a record for each, however small it is.
const PACKETS_MAX: u64 = 16 << 10;
/// A sequence number that is so far ahead is no loss: the camera has begun its count anew (RFC 3550, appendix A.1,
/// MAX_DROPOUT).
const DROPOUT: u16 = 3000;
/// A sequence number that is 256 or fewer behind the next is a late packet's or a doubled one's.
pub(super) const LATE: u16 = 0xff00;

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
    /// Those that their sequence numbers show missing.
    pub lost: AtomicU64,
    /// Bytes of video packets, with their RTP headers.
    pub bytes: AtomicU64,
}

impl Meter {
    /// The packets so far.
    pub fn reception(&self) -> Reception {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Reception { packets: count(&self.packets), lost: count(&self.lost) }
    }
}

/// Counts RTP packets and bounds the size of one picture, for each interleaved channel by itself: packets
/// on a channel that nobody reads must not make another channel's picture look new.
#[derive(Default)]
pub(super) struct RtpWatch(HashMap<u8, Channel>);

#[derive(Default)]
struct Channel {
    sequence: Sequence,
    picture: Picture,
}

/// Sequence numbers as they come, of one source. What was sent before the first was sent before we came.
#[derive(Default)]
struct Sequence {
    source: [u8; 4],
    next: Option<u16>,
}

impl Sequence {
    /// How many are missing in front of this one (RFC 3550, appendices A.1 and A.3). One that comes late all the same
    /// is not taken back: its picture is gone.
    fn missing_before(&mut self, number: u16, source: [u8; 4]) -> u16 {
        let next = self.next.filter(|_| source == self.source).unwrap_or(number);
        let (missing, is_newest) = match number.wrapping_sub(next) {
            ahead @ 0..DROPOUT => (ahead, true),
            DROPOUT..LATE => (0, true),
            LATE.. => (0, false),
        };
        if is_newest {
            (self.source, self.next) = (source, Some(number.wrapping_add(1)));
        }
        missing
    }
}

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
        // RFC 3550, section 5.1: version 2, sequence number in bytes 2 and 3, timestamp in 4 to 7, source in 8 to 11.
        let [first, _, s0, s1, t0, t1, t2, t3, source @ ..] = packet else { return Ok(()) };
        let Some(source) = source.first_chunk() else { return Ok(()) };
        if first >> 6 != 2 {
            return Ok(());
        }
        meter.first_packet.get_or_init(Instant::now);
        meter.packets.fetch_add(1, Ordering::Relaxed);
        meter.bytes.fetch_add(packet.len() as u64, Ordering::Relaxed);
        let timestamp = u32::from_be_bytes([*t0, *t1, *t2, *t3]);
        let Channel { sequence, picture } = self.0.entry(channel).or_default();
        let missing = sequence.missing_before(u16::from_be_bytes([*s0, *s1]), *source);
        meter.lost.fetch_add(missing.into(), Ordering::Relaxed);
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
    fn what_is_missing_is_told_by_the_sequence_numbers_of_each_channel() {
        let (mut watch, meter) = (RtpWatch::default(), Meter::default());
        let mut lost_after = |channel: u8, source: u8, number: u16| {
            let [high, low] = number.to_be_bytes();
            watch.count(channel, &[0x80, 96, high, low, 0, 0, 0, 1, 0, 0, 0, source], &meter).unwrap();
            meter.lost.load(Ordering::Relaxed)
        };
        assert_eq!([65_530, 65_531, 65_534, 1, 2].map(|number| lost_after(0, 1, number)), [0, 0, 2, 4, 4]);
        assert_eq!([700, 702].map(|number| lost_after(2, 1, number)), [4, 5], "another channel has its own numbers");
        assert_eq!([2, 0, 3].map(|number| lost_after(0, 1, number)), [5, 5, 5], "doubled, late, and on in order");
        assert_eq!([40_000, 40_001].map(|number| lost_after(0, 1, number)), [5, 5], "a count begun anew, behind");
        assert_eq!([50_000, 50_001].map(|number| lost_after(0, 1, number)), [5, 5], "and ahead");
        assert_eq!([50_009, 50_011].map(|number| lost_after(0, 2, number)), [5, 6], "another source");
    }

    #[test]
    fn a_picture_of_too_many_tiny_packets_is_protocol() {
        let (mut watch, meter) = (RtpWatch::default(), Meter::default());
        let mut tiny = vec![0; 13];
        tiny[0] = 0x80;
        assert!((0..=PACKETS_MAX).any(|_| watch.count(0, &tiny, &meter).is_err()));
    }
}
