//! Splits an Annex B byte stream (ITU-T H.264 and H.265, annex B) into its NAL units.

/// The NAL units between start codes, without start codes and trailing zeros. Bytes before the first
/// start code are left out. Nothing is copied.
pub(crate) fn nal_units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = next_start(stream, 0).map(|(_, after)| after);
    std::iter::from_fn(move || {
        let begin = at?;
        let next = next_start(stream, begin);
        at = next.map(|(_, after)| after);
        let end = next.map_or(stream.len(), |(start, _)| start);
        Some(without_trailing_zeros(&stream[begin..end]))
    })
    .filter(|unit| !unit.is_empty())
}

/// Where the next `00 00 01` begins and where it is over.
fn next_start(stream: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    while at + 3 <= stream.len() {
        // A third byte above 1 belongs to no start code that begins in these three.
        match stream[at + 2] {
            2.. => at += 3,
            1 if stream[at] == 0 && stream[at + 1] == 0 => return Some((at, at + 3)),
            _ => at += 1,
        }
    }
    None
}

fn without_trailing_zeros(unit: &[u8]) -> &[u8] {
    let end = unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &unit[..end]
}

/// A hash of slices' coded pictures for the exact freeze test. The first bytes of each slice are left
/// out, since its header holds a picture number that changes though the picture does not
/// (`idr_pic_id`, picture order count). Entropy-coded data ends byte-aligned, so bytes are taken from
/// the end in whole pieces of 64: a header that is a byte longer seldom moves them.
pub(super) fn print<'a>(slices: impl Iterator<Item = &'a [u8]>) -> u64 {
    const HEADER: usize = 16;
    const PIECE: usize = 64;
    slices.fold(0, |print, slice| {
        let body = slice.len().saturating_sub(HEADER) / PIECE * PIECE;
        let tail = if body == 0 { slice.len() / 2 } else { body };
        super::looks::hash(&slice[slice.len() - tail..], print)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_codes_of_three_and_four_bytes_part_the_units() {
        let stream = [9, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 0, 3, 0, 0, 0, 0, 1, 0x65];
        let units: Vec<_> = nal_units(&stream).collect();
        assert_eq!(units, [&[0x67, 1][..], &[0x68, 0, 3], &[0x65]]);
    }

    #[test]
    fn no_start_code_is_no_unit() {
        assert_eq!(nal_units(b"HTTP/1.1 200 OK").count(), 0);
        assert_eq!(nal_units(&[0, 0, 1]).count(), 0);
    }
}
