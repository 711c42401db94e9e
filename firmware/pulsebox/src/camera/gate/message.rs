//! What goes over an RTSP connection: messages and interleaved packets, told apart and bounded.
//!
//! Only as much of RFC 2326 as the gate needs. Folded header lines and line ends without CR are not read.

use super::super::{Fault, Verdict};

/// Bytes of one RTSP message's head.
const HEADER_MAX: usize = 16 << 10;
/// Bytes of one RTSP message's body; a session description of a camera is a few hundred.
const BODY_MAX: usize = 256 << 10;

/// What stands at the front of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Not all of it is here yet.
    Partial,
    /// A line end between messages, of one byte: some cameras send them.
    Stray,
    /// An interleaved packet: 4 bytes in front, and the `length` bytes of the packet.
    Packet { channel: u8, length: usize },
    /// An RTSP message: bytes of its head with the empty line, and of its body.
    Message { head: usize, body: usize },
}

/// Tells what stands at the front of `bytes`.
///
/// # Errors
/// `protocol`: it is not RTSP, or larger than any camera needs.
pub(super) fn unit(bytes: &[u8]) -> Result<Unit, Fault> {
    match bytes {
        [] => Ok(Unit::Partial),
        [b'\r' | b'\n', ..] => Ok(Unit::Stray),
        [b'$', channel, high, low, packet @ ..] => {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            Ok(if packet.len() < length { Unit::Partial } else { Unit::Packet { channel: *channel, length } })
        }
        [b'$', ..] => Ok(Unit::Partial),
        [b'A'..=b'Z', ..] => message(bytes),
        _ => protocol("the camera sends bytes that are not RTSP"),
    }
}

fn message(bytes: &[u8]) -> Result<Unit, Fault> {
    if bytes.starts_with(b"HTTP/") {
        return protocol("a web server answers on this port, not an RTSP server");
    }
    let Some(head) = head_end(&bytes[..bytes.len().min(HEADER_MAX)]) else {
        if bytes.len() >= HEADER_MAX {
            return protocol("the camera sends headers without end");
        }
        return Ok(Unit::Partial);
    };
    let text = String::from_utf8_lossy(&bytes[..head]);
    let body = match header(&text, "content-length").map(str::parse::<u64>) {
        None => 0,
        Some(Ok(n)) if n <= BODY_MAX as u64 => n as usize,
        Some(Ok(n)) => {
            return protocol(&format!("the camera announces a message of {n} bytes; {BODY_MAX} are plenty"));
        }
        Some(Err(_)) => return protocol("the camera announces a message without a sensible length"),
    };
    Ok(if bytes.len() < head + body { Unit::Partial } else { Unit::Message { head, body } })
}

fn protocol<T>(detail: &str) -> Result<T, Fault> {
    Err(Fault::new(Verdict::Protocol, detail))
}

/// Bytes of a message's head with its empty line, if that is here.
fn head_end(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

/// The status of an answer; none for a request.
pub(super) fn status(head: &str) -> Option<u16> {
    head.strip_prefix("RTSP/")?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Method and URI of a request's first line.
pub(super) fn request_line(head: &str) -> Option<(&str, &str)> {
    let mut words = head.lines().next()?.split(' ');
    Some((words.next()?, words.next()?))
}

/// The first value of a header, by its name in any case.
pub(super) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    headers(head, name).next()
}

/// All values of a header, in their order.
pub(super) fn headers<'a>(head: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    head.lines().skip(1).filter_map(move |line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// `a=1;b=2`: the value of one parameter.
pub(super) fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    value.split([';', ',']).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// The head with another value in a header that it has.
pub(super) fn with_replaced(head: &str, name: &str, value: &str) -> String {
    let replaced = head.split("\r\n").enumerate().map(|(number, line)| match line.split_once(':') {
        // The first line is no header, and a URI has colons.
        Some((key, _)) if number > 0 && key.trim().eq_ignore_ascii_case(name) => format!("{key}: {value}"),
        _ => line.to_owned(),
    });
    replaced.collect::<Vec<_>>().join("\r\n")
}

/// The head with one more header at its end.
pub(super) fn with_added(head: &str, name: &str, value: &str) -> String {
    format!("{}\r\n{name}: {value}\r\n\r\n", head.trim_end_matches("\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_replaced_whatever_their_case() {
        let head =
            "RTSP/1.0 200 OK\r\nCSeq: 3\r\ntransport: RTP/AVP;client_port=5000-5001;server_port=6000-6001\r\n\r\n";
        assert_eq!(parameter(header(head, "Transport").unwrap(), "server_port"), Some("6000-6001"));
        let replaced = with_replaced(head, "Transport", "RTP/AVP/TCP;interleaved=0-1");
        assert_eq!(replaced, "RTSP/1.0 200 OK\r\nCSeq: 3\r\ntransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n");
        let added = with_added("PLAY * RTSP/1.0\r\nCSeq: 3\r\n\r\n", "Session", "7");
        assert_eq!(added, "PLAY * RTSP/1.0\r\nCSeq: 3\r\nSession: 7\r\n\r\n");
    }

    #[test]
    fn units_are_told_apart_and_only_when_whole() {
        let message = b"RTSP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nab$";
        let head = message.len() - 3;
        assert_eq!(unit(message), Ok(Unit::Message { head, body: 2 }));
        for partial in [&message[..head + 1], &message[..head - 1], b"$\0\0", b"$\0\0\x02a", b""] {
            assert_eq!(unit(partial), Ok(Unit::Partial));
        }
        assert_eq!(unit(b"$\x02\0\x01ab"), Ok(Unit::Packet { channel: 2, length: 1 }));
        assert_eq!(unit(b"\r\nRTSP"), Ok(Unit::Stray));
    }

    #[test]
    fn what_is_no_rtsp_or_too_large_is_protocol_with_the_reason() {
        let endless = [b"RTSP/1.0 200 OK\r\n", &b"X: y\r\n".repeat(HEADER_MAX / 6)[..]].concat();
        for (bytes, reason) in [
            (&b"\x16\x03\x01"[..], "not RTSP"),
            (b"HTTP/1.1 200 OK\r\n", "web server"),
            (b"RTSP/1.0 200 OK\r\nContent-Length: 4294967296\r\n\r\n", "4294967296 bytes"),
            (b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n", "sensible length"),
            (&endless, "without end"),
        ] {
            let fault = unit(bytes).unwrap_err();
            assert!(fault.verdict == Verdict::Protocol && fault.detail.contains(reason), "{fault}");
        }
    }
}
