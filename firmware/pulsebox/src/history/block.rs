//! How one flush's checks lie in one row: a few bytes a check.
//!
//! Why not a row a check: by our reckoning SQLite's record and page overhead would triple the bytes, and
//! deleting old rows would write most of them to the SD card again (see `docs/history.md`).
//!
//! Form 1: the byte `1`, then for each check, as unsigned LEB128 numbers: the camera's number; the
//! begin of the check, zigzag, milliseconds after the check before it (the first: after the block's
//! start); verdict × 8 + state; duration in ms; then first packet in ms, frames a second × 10 and kbit/s,
//! each plus one, 0 for none.
//!
//! Form 2, which is written: the byte `2`, the same, and behind kbit/s the time from the first packet to the
//! first key frame in ms, plus one, 0 for none (0 too where there is a key frame and no packet's time).

use crate::camera::Verdict;
use crate::monitor::board::State;

/// The form that is written; all up to it are read.
const FORM: u8 = 2;

/// One check as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    /// `cameras.id`.
    pub camera: i64,
    /// When it began, Unix ms.
    pub at_ms: i64,
    pub verdict: Verdict,
    pub state: State,
    /// Duration.
    pub ms: u32,
    /// From the start.
    pub first_packet_ms: Option<u32>,
    /// From the start, to the first key frame; none where no packet came, and in form 1.
    pub first_frame_ms: Option<u32>,
    /// Frames a second, times ten.
    pub fps10: Option<u32>,
    pub kbps: Option<u32>,
}

/// The bytes of one block that starts at `start_ms`.
pub(super) fn encode<'a>(start_ms: i64, checks: impl IntoIterator<Item = &'a Packed>) -> Vec<u8> {
    let mut out = vec![FORM];
    let mut before = start_ms;
    for check in checks {
        put(&mut out, check.camera.unsigned_abs());
        let step = check.at_ms.saturating_sub(before);
        put(&mut out, ((step << 1) ^ (step >> 63)).cast_unsigned());
        put(&mut out, u64::from(check.verdict as u8) * 8 + u64::from(check.state as u8));
        put(&mut out, u64::from(check.ms));
        let to_frame =
            check.first_frame_ms.zip(check.first_packet_ms).map(|(frame, packet)| frame.saturating_sub(packet));
        for value in [check.first_packet_ms, check.fps10, check.kbps, to_frame] {
            put(&mut out, value.map_or(0, |v| u64::from(v) + 1));
        }
        before = check.at_ms;
    }
    out
}

/// The checks of a block, in the order in which they ended; stops at the first byte that makes no sense
/// (a damaged row gives what can be read).
pub(super) fn decode(start_ms: i64, bytes: &[u8]) -> impl Iterator<Item = Packed> + '_ {
    let (form, mut rest) = match bytes.split_first() {
        Some((&form @ 1..=FORM, rest)) => (form, rest),
        _ => (FORM, &[][..]),
    };
    let mut before = start_ms;
    std::iter::from_fn(move || {
        let camera = i64::try_from(take(&mut rest)?).ok()?;
        let zigzag = take(&mut rest)?;
        let step = (zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed());
        let at_ms = before.checked_add(step)?;
        let outcome = take(&mut rest)?;
        let verdict = Verdict::from_number(u8::try_from(outcome / 8).ok()?)?;
        let state = *State::ALL.get(usize::try_from(outcome % 8).ok()?)?;
        let ms = u32::try_from(take(&mut rest)?).ok()?;
        let mut optional = || Some(take(&mut rest)?.checked_sub(1).map(|v| u32::try_from(v).unwrap_or(u32::MAX)));
        let (first_packet_ms, fps10, kbps) = (optional()?, optional()?, optional()?);
        let to_frame = if form >= 2 { optional()? } else { None };
        let first_frame_ms = first_packet_ms.zip(to_frame).map(|(packet, more)| packet.saturating_add(more));
        before = at_ms;
        Some(Packed { camera, at_ms, verdict, state, ms, first_packet_ms, first_frame_ms, fps10, kbps })
    })
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> Vec<Packed> {
        let check = Packed {
            camera: 1,
            at_ms: 1_800_000_000_123,
            verdict: Verdict::Ok,
            state: State::Up,
            ms: 230,
            first_packet_ms: Some(41),
            first_frame_ms: Some(184),
            fps10: Some(250),
            kbps: Some(2048),
        };
        vec![
            check,
            // Ended later, began earlier: a slow one. Everything at its edge.
            Packed {
                camera: 300,
                at_ms: check.at_ms - 15_000,
                verdict: Verdict::Blind,
                state: State::Unknown,
                ..check
            },
            Packed {
                ms: u32::MAX,
                first_packet_ms: None,
                first_frame_ms: None,
                fps10: None,
                kbps: Some(u32::MAX - 1),
                ..check
            },
        ]
    }

    #[test]
    fn a_block_gives_back_what_was_put_in() {
        let bytes = encode(1_800_000_000_000, &checks());
        assert_eq!(decode(1_800_000_000_000, &bytes).collect::<Vec<_>>(), checks());
        assert!(encode(1_800_000_000_000, &checks()[..1]).len() <= 15, "small enough for an SD card");
    }

    #[test]
    fn a_block_of_the_first_form_is_still_read() {
        // One check as version 0.1 wrote it: camera 3, 5 ms after the start, ok and up, 230 ms, 41, 25.0, 2048.
        let bytes = [1, 3, 10, 0, 0xe6, 1, 42, 0xfb, 1, 0x81, 16];
        let read: Vec<_> = decode(1_000, &bytes).collect();
        let expected = Packed {
            camera: 3,
            at_ms: 1_005,
            first_frame_ms: None,
            verdict: Verdict::Ok,
            state: State::Up,
            ..checks()[0]
        };
        assert_eq!(read, [expected]);
    }

    #[test]
    fn a_block_that_was_cut_or_is_junk_gives_its_readable_part() {
        let bytes = encode(0, &checks());
        for end in 0..bytes.len() {
            let got: Vec<_> = decode(0, &bytes[..end]).collect();
            assert_eq!(got, checks()[..got.len()]);
        }
        assert_eq!(decode(0, &[9, 1, 2, 3]).count(), 0);
        assert_eq!(decode(0, &[0; 64]).count(), 0);
        assert_eq!(decode(0, &[1; 64]).filter(|c| c.camera != 1).count(), 0);
        assert_eq!(decode(0, &[&[1][..], &[0xff; 64]].concat()).count(), 0);
    }
}
