//! RTP: splits coded pictures into payloads (RFC 6184, 7798, 2435) and writes packet and report headers
//! (RFC 3550).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{BufMut, Bytes, BytesMut};

use crate::options::Codec;
use crate::rng::Rng;

/// The largest payload: with RTP, UDP and IP headers it fits an Ethernet frame.
const MTU: usize = 1400;

/// Ticks a second of every video clock used here.
pub(crate) const VIDEO_CLOCK: u32 = 90_000;

/// One RTP payload, made once for all clients.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    pub bytes: Bytes,
    /// The last of its picture.
    pub marker: bool,
}

/// Splits one picture: `units` are NAL units without start codes, or one JPEG file. A JPEG that RTP
/// cannot carry (RFC 2435 knows baseline 4:2:0 up to 2040 × 2040 only) gives no payload.
pub(crate) fn packetise(codec: Codec, units: &[Bytes]) -> Vec<Payload> {
    let mut payloads = Vec::new();
    match codec {
        Codec::H264 => units.iter().for_each(|nal| split_h264(nal, &mut payloads)),
        Codec::H265 => units.iter().for_each(|nal| split_h265(nal, &mut payloads)),
        Codec::Mjpeg => units.iter().for_each(|file| split_jpeg(file, &mut payloads).unwrap_or_default()),
    }
    if let Some(last) = payloads.last_mut() {
        last.marker = true;
    }
    payloads
}

fn whole(nal: &Bytes) -> Payload {
    Payload { bytes: nal.clone(), marker: false }
}

/// RFC 6184, section 5.6 (single NAL unit) and 5.8 (FU-A).
fn split_h264(nal: &Bytes, out: &mut Vec<Payload>) {
    if nal.len() <= MTU {
        return out.push(whole(nal));
    }
    let (indicator, kind) = (nal[0] & 0xe0 | 28, nal[0] & 0x1f);
    fragment(&nal[1..], out, |flags| [indicator, flags | kind].to_vec());
}

/// RFC 7798, section 4.4.1 (single NAL unit) and 4.4.3 (FU).
fn split_h265(nal: &Bytes, out: &mut Vec<Payload>) {
    if nal.len() <= MTU {
        return out.push(whole(nal));
    }
    let (header, kind) = ([nal[0] & 0x81 | 49 << 1, nal[1]], nal[0] >> 1 & 0x3f);
    fragment(&nal[2..], out, |flags| [header[0], header[1], flags | kind].to_vec());
}

/// Cuts `body`, with `header(start and end bits)` in front of each piece.
fn fragment(body: &[u8], out: &mut Vec<Payload>, header: impl Fn(u8) -> Vec<u8>) {
    let pieces = body.chunks(MTU - 3);
    let last = pieces.len() - 1;
    for (place, piece) in pieces.enumerate() {
        let flags = u8::from(place == 0) << 7 | u8::from(place == last) << 6;
        let mut bytes = header(flags);
        bytes.extend_from_slice(piece);
        out.push(Payload { bytes: bytes.into(), marker: false });
    }
}

/// The parts of a baseline JPEG that RTP carries.
struct JpegParts<'a> {
    width: u16,
    height: u16,
    /// Luma, then chroma, 64 bytes each, in zigzag order.
    tables: Vec<u8>,
    scan: &'a [u8],
}

/// RFC 2435: type 1 (4:2:0), Q 255 (tables in the first packet of each picture).
fn split_jpeg(file: &[u8], out: &mut Vec<Payload>) -> Option<()> {
    let parts = jpeg_parts(file)?;
    let (columns, rows) = (u8::try_from(parts.width.div_ceil(8)).ok()?, u8::try_from(parts.height.div_ceil(8)).ok()?);
    let mut offset = 0;
    while offset < parts.scan.len() {
        let mut bytes = BytesMut::with_capacity(MTU);
        bytes.put_u32(offset as u32 & 0x00ff_ffff); // type-specific 0, then 24 bits of offset
        bytes.put_slice(&[1, 255, columns, rows]);
        if offset == 0 {
            bytes.put_slice(&[0, 0]); // must be zero; 8-bit tables
            bytes.put_u16(parts.tables.len() as u16);
            bytes.put_slice(&parts.tables);
        }
        let end = (offset + MTU - bytes.len()).min(parts.scan.len());
        bytes.put_slice(&parts.scan[offset..end]);
        offset = end;
        out.push(Payload { bytes: bytes.freeze(), marker: false });
    }
    Some(())
}

/// Walks the segments of a JPEG file up to its scan.
fn jpeg_parts(file: &[u8]) -> Option<JpegParts<'_>> {
    let (mut width, mut height) = (0, 0);
    let mut tables = [Vec::new(), Vec::new()];
    let mut at = 2; // after SOI
    loop {
        let marker = *file.get(at + 1)?;
        let length = usize::from(u16::from_be_bytes([*file.get(at + 2)?, *file.get(at + 3)?]));
        let body = file.get(at + 4..at + 2 + length)?;
        match marker {
            0xdb => {
                for table in body.chunks_exact(65) {
                    *tables.get_mut(usize::from(table[0] & 0x0f))? = table[1..].to_vec();
                }
            }
            0xc0 => {
                height = u16::from_be_bytes([*body.get(1)?, *body.get(2)?]);
                width = u16::from_be_bytes([*body.get(3)?, *body.get(4)?]);
            }
            0xda => {
                let scan = file.get(at + 2 + length..file.len().checked_sub(2)?)?; // without EOI
                return Some(JpegParts { width, height, tables: tables.concat(), scan });
            }
            _ => {}
        }
        at += 2 + length;
    }
}

/// One outgoing RTP stream of one client.
#[derive(Debug)]
pub(crate) struct Sender {
    pub ssrc: u32,
    /// Of the next packet.
    pub sequence: u16,
    payload_type: u8,
    clock: u32,
    offset: u32,
    packets: u32,
    octets: u32,
}

impl Sender {
    /// Starts at a random place, as RFC 3550 asks. `clock` in ticks a second.
    pub fn new(payload_type: u8, clock: u32) -> Self {
        let mut rng = Rng::fresh();
        let (ssrc, sequence, offset) = (rng.next_u32(), rng.next_u32() as u16, rng.next_u32());
        Self { ssrc, sequence, payload_type, clock, offset, packets: 0, octets: 0 }
    }

    /// The RTP timestamp of the media time `at`.
    pub fn timestamp(&self, at: Duration) -> u32 {
        let ticks = (at.as_nanos() * u128::from(self.clock) + 500_000_000) / 1_000_000_000;
        self.offset.wrapping_add(ticks as u32)
    }

    /// Writes one packet to `out`.
    pub fn packet(&mut self, payload: &[u8], marker: bool, at: Duration, out: &mut Vec<u8>) {
        out.put_u8(2 << 6);
        out.put_u8(u8::from(marker) << 7 | self.payload_type);
        out.put_u16(self.sequence);
        out.put_u32(self.timestamp(at));
        out.put_u32(self.ssrc);
        out.put_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload.len() as u32);
    }

    /// Leaves a gap of one packet.
    pub fn lose(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// A sender report and a source description for the media time `at`, which is now.
    pub fn report(&self, at: Duration) -> Vec<u8> {
        const NTP_TO_UNIX: u64 = 2_208_988_800;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut out = Vec::with_capacity(52);
        out.put_slice(&[2 << 6, 200]);
        out.put_u16(6);
        out.put_u32(self.ssrc);
        out.put_u32((now.as_secs() + NTP_TO_UNIX) as u32);
        out.put_u32(((u64::from(now.subsec_nanos()) << 32) / 1_000_000_000) as u32);
        out.put_u32(self.timestamp(at));
        out.put_u32(self.packets);
        out.put_u32(self.octets);
        out.put_slice(&[2 << 6 | 1, 202]);
        out.put_u16(4);
        out.put_u32(self.ssrc);
        out.put_slice(b"\x01\x06simcam\0\0\0\0"); // CNAME, end of list, padding
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_nal_unit_travels_whole_and_a_big_one_in_fragments_that_join_again() {
        let small = Bytes::from_static(&[0x67, 1, 2, 3]);
        let big = Bytes::from([&[0x65][..], &Rng::seeded(1).bytes(5000)].concat());
        let payloads = packetise(Codec::H264, &[small.clone(), big.clone()]);
        assert_eq!(payloads[0].bytes, small);
        let fragments = &payloads[1..];
        assert_eq!(fragments.len(), 4);
        assert!(fragments.iter().all(|f| f.bytes[0] == 0x7c && f.bytes.len() <= MTU));
        assert_eq!(fragments.iter().map(|f| f.bytes[1]).collect::<Vec<_>>(), [0x85, 0x05, 0x05, 0x45]);
        let joined: Vec<u8> = fragments.iter().flat_map(|f| f.bytes[2..].to_vec()).collect();
        assert_eq!(joined, big[1..]);
        assert_eq!(payloads.iter().filter(|p| p.marker).count(), 1);
        assert!(payloads[4].marker);
    }

    #[test]
    fn an_h265_fragment_carries_the_type_of_its_unit() {
        let idr = Bytes::from([&[19 << 1, 1][..], &[7; 3000]].concat());
        let payloads = packetise(Codec::H265, &[idr]);
        assert!(payloads.iter().all(|p| p.bytes[0] >> 1 == 49 && p.bytes[2] & 0x3f == 19));
    }

    #[test]
    fn a_jpeg_is_split_into_its_scan_with_size_and_tables_in_the_first_packet() {
        let file = crate::encode::jpeg(
            crate::scene::Painter::new(crate::scene::Scene::Live, 640, 360, None).paint(0.0, UNIX_EPOCH),
        )
        .unwrap();
        let payloads = packetise(Codec::Mjpeg, std::slice::from_ref(&file));
        let first = &payloads[0].bytes;
        assert_eq!(first[..12], [0, 0, 0, 0, 1, 255, 80, 45, 0, 0, 0, 128]);
        let mut scan = first[12 + 128..].to_vec();
        for payload in &payloads[1..] {
            let offset = u32::from_be_bytes([0, payload.bytes[1], payload.bytes[2], payload.bytes[3]]);
            assert_eq!(offset as usize, scan.len());
            scan.extend_from_slice(&payload.bytes[8..]);
        }
        assert!(file[..file.len() - 2].ends_with(&scan) && scan.len() > 5000);
    }
}
