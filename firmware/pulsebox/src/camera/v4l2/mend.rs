//! Makes whole files of what USB cameras send: JPEGs that any reader takes, H.264 that begins with its parameters.
//!
//! Nothing is decoded: damage within the coded picture stays for the decoder to find.

use bytes::{Bytes, BytesMut};

/// The most bytes of one compressed frame: 16 MB, as the room `picture` reads.
const FRAME_MAX: usize = 16 << 20;
/// The most bytes of a stream's parameter sets.
const SETS_MAX: usize = 64 << 10;

const DHT: u8 = 0xc4;
const SOS: u8 = 0xda;

/// The JPEG from its start to its end marker, with the standard Huffman tables where it brings none. Bytes behind the
/// end, with which cameras fill their buffers, are cut.
///
/// # Errors
/// What is wrong with it.
pub(super) fn jpeg(data: &[u8]) -> Result<Bytes, &'static str> {
    if data.len() > FRAME_MAX {
        return Err("a JPEG of more than 16 MB came");
    }
    if !data.starts_with(&[0xff, 0xd8]) {
        return Err("what came is no JPEG: it does not begin with the JPEG start marker");
    }
    let Some(end) = memchr::memmem::rfind(data, &[0xff, 0xd9]) else {
        return Err("the JPEG has no end: a part of it was lost on the USB cable");
    };
    let data = &data[..end + 2];
    match scan_without_tables(data) {
        None => Ok(Bytes::copy_from_slice(data)),
        Some(scan) => {
            let mut whole = BytesMut::with_capacity(data.len() + 420);
            whole.extend_from_slice(&data[..scan]);
            huffman_tables(&mut whole);
            whole.extend_from_slice(&data[scan..]);
            Ok(whole.freeze())
        }
    }
}

/// Where the scan begins, if no Huffman table stands before it (ITU-T T.81, B.1.1).
fn scan_without_tables(data: &[u8]) -> Option<usize> {
    let mut at = 2;
    loop {
        let marker = *data.get(at + 1).filter(|_| data[at] == 0xff)?;
        match marker {
            DHT => return None,
            SOS => return Some(at),
            0xff => at += 1, // fill byte
            0x01 | 0xd0..=0xd9 => at += 2,
            _ => at += 2 + usize::from(u16::from_be_bytes([*data.get(at + 2)?, *data.get(at + 3)?])),
        }
    }
}

/// The typical tables of ITU-T T.81, annex K.3: class and number, codes of each length from 1 to 16 bits, values.
type Table = (u8, [u8; 16], &'static [u8]);

#[rustfmt::skip]
const TABLES: [Table; 4] = [
    (0x00, [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    (0x10, [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d], &[
        0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
        0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0,
        0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28,
        0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
        0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
        0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
        0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
        0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5,
        0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
        0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
        0xf9, 0xfa,
    ]),
    (0x01, [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    (0x11, [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77], &[
        0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
        0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0,
        0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26,
        0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
        0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
        0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
        0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5,
        0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
        0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
        0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
        0xf9, 0xfa,
    ]),
];

fn huffman_tables(to: &mut BytesMut) {
    let length: usize = TABLES.iter().map(|(_, _, values)| 17 + values.len()).sum();
    to.extend_from_slice(&[0xff, DHT]);
    // 418 in all: far within 16 bits.
    to.extend_from_slice(&u16::try_from(length + 2).unwrap_or_default().to_be_bytes());
    for (place, lengths, values) in TABLES {
        to.extend_from_slice(&[place]);
        to.extend_from_slice(&lengths);
        to.extend_from_slice(values);
    }
}

/// The parameter sets of an H.264 stream: cameras send them once, or with each key frame.
#[derive(Default)]
pub(super) struct ParameterSets {
    /// With start codes.
    sets: Vec<u8>,
}

impl ParameterSets {
    /// The access unit and whether it is a key frame (IDR); in front of one without parameter sets the last ones are
    /// put.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn whole(&mut self, data: &[u8]) -> Result<(Bytes, bool), &'static str> {
        if data.len() > FRAME_MAX {
            return Err("an H.264 frame of more than 16 MB came");
        }
        let units = units(data);
        let kind = |unit: &&[u8]| unit[3] & 0x1f;
        if units.is_empty() {
            return Err("what came is no H.264: it has no start code");
        }
        let is_key = units.iter().any(|unit| kind(&unit) == 5);
        let has_sets = [7, 8].iter().all(|wanted| units.iter().any(|unit| kind(&unit) == *wanted));
        if has_sets {
            let sets: Vec<u8> =
                units.iter().filter(|unit| matches!(kind(unit), 7 | 8)).copied().flatten().copied().collect();
            if sets.len() <= SETS_MAX {
                self.sets = sets;
            }
        }
        let data = if is_key && !has_sets { [&self.sets, data].concat().into() } else { Bytes::copy_from_slice(data) };
        Ok((data, is_key))
    }
}

/// The stream's units, each with its three-byte start code and at least one byte.
fn units(data: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<_> = memchr::memmem::find_iter(data, &[0, 0, 1]).collect();
    let ends = starts.iter().skip(1).copied().chain([data.len()]);
    starts.iter().zip(ends).map(|(start, end)| &data[*start..end]).filter(|unit| unit.len() > 3).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A JPEG by a real encoder with the standard tables, as the webcam has them in mind.
    fn real() -> Vec<u8> {
        let mut file = Vec::new();
        let pixels: Vec<u8> = (0..64 * 48 * 3).map(|n| (n % 251) as u8).collect();
        jpeg_encoder::Encoder::new(&mut file, 80).encode(&pixels, 64, 48, jpeg_encoder::ColorType::Rgb).unwrap();
        file
    }

    /// The file without its Huffman tables, as webcams send it.
    fn without_tables(file: &[u8]) -> Vec<u8> {
        let mut out = file[..2].to_vec();
        let mut at = 2;
        while file[at + 1] != SOS {
            let end = at + 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
            if file[at + 1] != DHT {
                out.extend_from_slice(&file[at..end]);
            }
            at = end;
        }
        out.extend_from_slice(&file[at..]);
        out
    }

    fn pixels(file: &[u8]) -> Vec<u8> {
        zune_jpeg::JpegDecoder::new(std::io::Cursor::new(file)).decode().unwrap()
    }

    #[test]
    fn a_webcams_jpeg_without_huffman_tables_gets_the_standard_ones() {
        let (file, bare) = (real(), without_tables(&real()));
        assert!(bare.len() + 100 < file.len(), "the encoder wrote tables");
        let mended = jpeg(&bare).unwrap();
        assert_eq!(pixels(&mended), pixels(&file));
    }

    #[test]
    fn what_is_behind_the_end_is_cut_and_a_whole_file_is_left_as_it_is() {
        let file = real();
        let padded = [&file[..], &[0; 5000]].concat();
        assert_eq!(jpeg(&padded).unwrap(), file);
        assert_eq!(jpeg(&file).unwrap(), file);
    }

    #[test]
    fn a_jpeg_without_start_or_end_is_refused() {
        let file = real();
        assert!(jpeg(&file[..file.len() - 2]).unwrap_err().contains("no end"));
        assert!(jpeg(&file[2..]).unwrap_err().contains("start marker"));
        assert!(jpeg(&[]).is_err() && jpeg(&[0xff, 0xd8]).is_err());
        // Headers that lead nowhere: left for the decoder to refuse, and no panic.
        for data in [
            &[0xff, 0xd8, 0xff, 0xe0, 0xff, 0xff, 0xff, 0xd9][..],
            &[0xff, 0xd8, 0xff, 0xd9],
            &[0xff, 0xd8, 0xff, 0xff, 0xff, 0xd9],
        ] {
            assert_eq!(jpeg(data).unwrap(), data);
        }
    }

    #[test]
    fn each_h264_key_frame_begins_with_parameter_sets() {
        let mut sets = ParameterSets::default();
        let first = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 9];
        assert_eq!(sets.whole(&first), Ok((Bytes::copy_from_slice(&first), true)));
        let between = [0, 0, 0, 1, 0x41, 9];
        assert_eq!(sets.whole(&between), Ok((Bytes::copy_from_slice(&between), false)));
        let (later, is_key) = sets.whole(&[0, 0, 0, 1, 0x65, 7]).unwrap();
        let kinds: Vec<u8> = units(&later).iter().map(|unit| unit[3] & 0x1f).collect();
        assert_eq!((kinds, is_key), (vec![7, 8, 5], true));
        assert!(sets.whole(b"HTTP/1.1").is_err() && sets.whole(&[0, 0, 1]).is_err());
    }
}
