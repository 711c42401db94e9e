//! Splits `multipart/x-mixed-replace` into JPEG pictures, as real cameras send it.
//!
//! RFC 2046 (section 5.1) asks for CRLF, a boundary in front of which two dashes are put, and headers that
//! tell the truth. Cameras put the dashes into the parameter, quote it or not, end lines with LF, leave
//! `Content-Length` away or get it wrong. So a delimiter is any line of dashes followed by the boundary's
//! own characters, and a length is believed only if what it spans is a whole JPEG.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;

use super::{Fault, Verdict};

/// Bytes of one picture.
pub(super) const PART_MAX: usize = 16 << 20;
/// Bytes of one part's headers, and of what stands before the first part.
const HEADERS_MAX: usize = 16 << 10;

/// Takes bytes, gives pictures.
#[derive(Debug)]
pub(super) struct Splitter {
    buffer: BytesMut,
    /// The boundary without the dashes in front; learnt from the first line where the header has none.
    token: Option<Vec<u8>>,
    place: Place,
    /// Bytes of `buffer` that hold no delimiter, so that nothing is searched twice.
    searched: usize,
}

#[derive(Debug)]
enum Place {
    /// Before a delimiter line.
    Outside,
    /// In a part's headers.
    Headers,
    /// In a part's body, with its announced length.
    Body(Option<usize>),
}

impl Splitter {
    /// For the `boundary` parameter of the Content-Type, if it has one.
    pub fn new(boundary: Option<&str>) -> Self {
        let token = boundary.map(|b| b.trim().trim_matches('"').trim_start_matches('-').as_bytes().to_vec());
        let token = token.filter(|token| !token.is_empty());
        Self { buffer: BytesMut::new(), token, place: Place::Outside, searched: 0 }
    }

    /// Takes the next bytes from the peer.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole picture, or none until more bytes are pushed.
    pub fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            match self.place {
                Place::Outside => {
                    if !self.find_delimiter()? {
                        return Ok(None);
                    }
                    self.place = Place::Headers;
                }
                Place::Headers => match self.headers()? {
                    None => return Ok(None),
                    Some(length) => (self.place, self.searched) = (Place::Body(length), 0),
                },
                Place::Body(length) => match self.body(length)? {
                    None => return Ok(None),
                    Some(part) => {
                        (self.place, self.searched) = (Place::Outside, 0);
                        if !part.is_empty() {
                            return Ok(Some(part));
                        }
                    }
                },
            }
        }
    }

    /// Drops everything up to and with the next delimiter line.
    fn find_delimiter(&mut self) -> Result<bool, Fault> {
        loop {
            let Some(end) = memchr::memchr(b'\n', &self.buffer) else {
                return if self.buffer.len() > HEADERS_MAX {
                    Err(protocol("the camera announces pictures in parts, and sends none"))
                } else {
                    Ok(false)
                };
            };
            let line = self.buffer.split_to(end + 1);
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let dashes = line.iter().take_while(|b| **b == b'-').count();
            match &self.token {
                Some(token) if line[dashes..].starts_with(token) => return Ok(true),
                None if dashes >= 2 && line.len() > dashes => {
                    self.token = Some(line[dashes..].to_vec());
                    return Ok(true);
                }
                // A preamble, or the rest of a part that ended early.
                _ => self.count_preamble(line.len())?,
            }
        }
    }

    fn count_preamble(&mut self, bytes: usize) -> Result<(), Fault> {
        self.searched += bytes;
        if self.searched > HEADERS_MAX {
            return Err(protocol("the boundary between the pictures is not the one announced"));
        }
        Ok(())
    }

    /// `None`: not all here. Else the announced length.
    fn headers(&mut self) -> Result<Option<Option<usize>>, Fault> {
        let end = [&b"\r\n\r\n"[..], b"\n\n"]
            .into_iter()
            .filter_map(|mark| memmem::find(&self.buffer, mark).map(|at| (at, mark.len())))
            .min();
        // No header at all: an empty line follows the delimiter at once.
        let (at, mark) = match (&self.buffer[..], end) {
            ([b'\r', b'\n', ..], _) => (0, 2),
            ([b'\n', ..], _) => (0, 1),
            (_, Some(found)) => found,
            _ if self.buffer.len() > HEADERS_MAX => return Err(protocol("a picture's headers do not end")),
            _ => return Ok(None),
        };
        let head = self.buffer.split_to(at + mark);
        let text = String::from_utf8_lossy(&head);
        let length = text.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<u64>().ok())?
        });
        match length {
            Some(n) if n > PART_MAX as u64 => {
                Err(protocol(&format!("a picture of {n} bytes is announced; {PART_MAX} are plenty")))
            }
            Some(n) => Ok(Some(usize::try_from(n).ok().filter(|n| *n > 0))),
            None => Ok(Some(None)),
        }
    }

    fn body(&mut self, length: Option<usize>) -> Result<Option<Bytes>, Fault> {
        if let Some(length) = length {
            if self.buffer.len() < length {
                return Ok(None);
            }
            // A length that is a few bytes too long has swallowed a piece of the delimiter: give it back.
            if let Some(end) = jpeg_end(&self.buffer[..length]) {
                return Ok(Some(self.buffer.split_to(end).freeze()));
            }
        }
        self.scan()
    }

    /// Searches for the next delimiter.
    fn scan(&mut self) -> Result<Option<Bytes>, Fault> {
        let token = self.token.clone().unwrap_or_default();
        let mark = [b"--", &token[..]].concat();
        let from = self.searched.saturating_sub(mark.len());
        let Some(found) = memmem::find(&self.buffer[from..], &mark).map(|at| from + at) else {
            self.searched = self.buffer.len();
            return if self.buffer.len() > PART_MAX { Err(protocol("a picture does not end")) } else { Ok(None) };
        };
        let mut end = found;
        while end > 0 && self.buffer[end - 1] == b'-' {
            end -= 1;
        }
        let delimiter = end;
        for line_end in [b'\n', b'\r'] {
            if end > 0 && self.buffer[end - 1] == line_end {
                end -= 1;
            }
        }
        let part = self.buffer.split_to(end).freeze();
        self.buffer.advance(delimiter - end);
        Ok(Some(part))
    }
}

/// Where a JPEG ends that begins with SOI and has its EOI among the last bytes (ITU-T T.81, table B.1).
fn jpeg_end(bytes: &[u8]) -> Option<usize> {
    let tail = bytes.len().saturating_sub(32);
    let end = memmem::rfind(&bytes[tail..], &[0xff, 0xd9])?;
    bytes.starts_with(&[0xff, 0xd8]).then_some(tail + end + 2)
}

fn protocol(detail: &str) -> Fault {
    Fault::new(Verdict::Protocol, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg(n: u8) -> Vec<u8> {
        let mut picture = vec![0xff, 0xd8, n];
        picture.extend((0..600u16).map(|i| (i % 251) as u8));
        picture.extend(b"\n--not the end\r\n");
        picture.extend([0xff, 0xd9]);
        picture
    }

    /// Pushes a byte at a time, the worst that a network can do.
    fn split(boundary: Option<&str>, body: &[u8]) -> Vec<Bytes> {
        let mut splitter = Splitter::new(boundary);
        let mut parts = Vec::new();
        for byte in body {
            splitter.push(std::slice::from_ref(byte));
            while let Some(part) = splitter.next().unwrap() {
                parts.push(part);
            }
        }
        parts
    }

    #[test]
    fn pictures_are_found_however_the_camera_writes_its_parts() {
        for line in ["\r\n", "\n"] {
            for (parameter, delimiter) in
                [("cam", "--cam"), ("--cam", "--cam"), ("\"--cam\"", "----cam"), ("\"cam\"", "--cam"), ("cam", "cam")]
            {
                for length in [None, Some(0_i32), Some(-3), Some(5)] {
                    if delimiter == "cam" && length != Some(0) {
                        continue; // a bare word can only be told from data where lengths are true
                    }
                    let mut body = format!("preamble{line}{line}").into_bytes();
                    for n in 1..=3 {
                        let picture = jpeg(n);
                        let told = length.map_or(String::new(), |off| {
                            format!("Content-Length: {}{line}", picture.len() as i32 + off)
                        });
                        body.extend(format!("{delimiter}{line}Content-Type: image/jpeg{line}{told}{line}").bytes());
                        body.extend(&picture);
                        body.extend(line.bytes());
                    }
                    body.extend(format!("{delimiter}--{line}").bytes());
                    let parts = split(Some(parameter), &body);
                    let case = format!("{parameter} {delimiter} {length:?} {line:?}");
                    assert_eq!(parts.len(), 3, "{case}");
                    for (n, part) in (1..=3).zip(&parts) {
                        assert_eq!(part[..], jpeg(n)[..], "{case}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_missing_boundary_is_learnt_from_the_first_line() {
        let mut body = Vec::new();
        for n in 1..=2 {
            body.extend(b"--x\r\n\r\n");
            body.extend(jpeg(n));
            body.extend(b"\r\n");
        }
        body.extend(b"--x\r\n");
        assert_eq!(split(None, &body).len(), 2);
    }

    #[test]
    fn what_never_ends_is_ended() {
        let mut splitter = Splitter::new(Some("x"));
        splitter.push(b"--x\r\nContent-Length: 4294967296\r\n\r\n");
        assert_eq!(splitter.next().unwrap_err().verdict, Verdict::Protocol);

        let mut splitter = Splitter::new(Some("x"));
        splitter.push(b"--x\r\n\r\n");
        let chunk = vec![7; 1 << 20];
        let ended = (0..20).any(|_| {
            splitter.push(&chunk);
            splitter.next().is_err()
        });
        assert!(ended);
    }
}
