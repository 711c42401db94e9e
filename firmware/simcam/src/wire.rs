//! What all connections share: the socket, reading a message's head, and ways to misbehave on the wire.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time;

use crate::rng::Rng;

/// The longest head of a request.
const LONGEST_HEAD: usize = 16 * 1024;
/// The most that is read ahead of a request that is not answered.
const LONGEST_BACKLOG: usize = 64 * 1024;
/// How long a peer may leave its window full.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// TCP, or TLS over it.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// A connection and what it has read so far.
pub(crate) struct Wire {
    socket: Box<dyn Socket>,
    pub inbox: BytesMut,
}

/// The head of an RTSP or HTTP request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub method: String,
    pub target: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// The first value of a header, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Takes a whole request from the front of `inbox`; none while it is not complete. Errors when it
    /// is too long or no request.
    pub fn take(inbox: &mut BytesMut) -> io::Result<Option<Self>> {
        let Some(end) = inbox.windows(4).position(|w| w == b"\r\n\r\n") else {
            return if inbox.len() > LONGEST_HEAD { Err(nonsense("a head over 16 KiB")) } else { Ok(None) };
        };
        let head = String::from_utf8_lossy(&inbox[..end]).into_owned();
        let mut lines = head.lines();
        let mut first = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target)) = (first.next(), first.next()) else {
            return Err(nonsense("no request line"));
        };
        let header = |line: &str| line.split_once(':').map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()));
        let headers = lines.filter_map(header).collect();
        let mut request = Self { method: method.to_owned(), target: target.to_owned(), headers, body: Vec::new() };
        let length = request.header("content-length").map_or(Ok(0), str::parse::<usize>);
        let length = length.ok().filter(|l| *l <= LONGEST_HEAD).ok_or_else(|| nonsense("a body over 16 KiB"))?;
        if inbox.len() < end + 4 + length {
            return Ok(None);
        }
        request.body = inbox[end + 4..end + 4 + length].to_vec();
        inbox.advance(end + 4 + length);
        Ok(Some(request))
    }
}

pub(crate) fn nonsense(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Wire {
    pub fn new(socket: Box<dyn Socket>) -> Self {
        Self { socket, inbox: BytesMut::new() }
    }

    /// Reads something more into `inbox`. Errors when the peer is gone or sends without being asked.
    /// Nothing is lost when it is cancelled.
    pub async fn read(&mut self) -> io::Result<()> {
        if self.inbox.len() > LONGEST_BACKLOG {
            return Err(nonsense("too much unasked"));
        }
        match self.socket.read_buf(&mut self.inbox).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Reads and forgets until the peer goes.
    pub async fn until_gone(&mut self) -> io::Error {
        loop {
            self.inbox.clear();
            if let Err(error) = self.read().await {
                return error;
            }
        }
    }

    /// Errors when the peer is gone or takes nothing for 10 s.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let write = async {
            self.socket.write_all(bytes).await?;
            self.socket.flush().await
        };
        time::timeout(WRITE_DEADLINE, write).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// One byte a second.
    pub async fn drip(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut second = time::interval(Duration::from_secs(1));
        for byte in bytes {
            second.tick().await;
            self.write(&[*byte]).await?;
        }
        Ok(())
    }

    /// `head`, and then `block` again and again at about 20 MB/s until the peer goes.
    pub async fn flood(&mut self, head: &str, block: &[u8]) -> io::Result<()> {
        self.write(head.as_bytes()).await?;
        let chunk = block.repeat((100_000 / block.len()).max(1));
        let mut pace = time::interval(Duration::from_millis(5));
        loop {
            pace.tick().await;
            self.write(&chunk).await?;
        }
    }

    /// Headers without end after a status line.
    pub async fn endless_headers(&mut self, status_line: &str) -> io::Result<()> {
        self.flood(status_line, b"X-Filler: there is always one more header to come, and it is never the last one\r\n")
            .await
    }

    /// Random bytes, 4 KiB at once and more each tenth of a second, until the peer goes.
    pub async fn junk(&mut self) -> io::Result<()> {
        let mut rng = Rng::fresh();
        let mut pace = time::interval(Duration::from_millis(100));
        loop {
            pace.tick().await;
            self.write(&rng.bytes(4096)).await?;
        }
    }
}

/// What a device shows whose web page answers instead of its stream.
pub(crate) const LOGIN_PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 97\r\n\r\n\
     <!DOCTYPE html><html><head><title>Sign in</title></head><body><form>Password</form></body></html>";

/// Announced by the mood `huge_body`.
pub(crate) const FOUR_GIB: u64 = 4 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_page_is_as_long_as_it_says() {
        let (_, body) = LOGIN_PAGE.split_once("\r\n\r\n").unwrap();
        assert!(LOGIN_PAGE.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
    }

    #[test]
    fn a_request_is_taken_only_when_whole_and_what_follows_it_stays() {
        let mut inbox = BytesMut::from("SET_PARAMETER * RTSP/1.0\r\nCSeq: 3\r\ncontent-length: 2\r\n\r\na");
        assert!(Request::take(&mut inbox).unwrap().is_none());
        inbox.extend_from_slice(b"bOPTIONS");
        let request = Request::take(&mut inbox).unwrap().unwrap();
        assert_eq!(
            (request.method.as_str(), request.header("cseq"), &request.body[..]),
            ("SET_PARAMETER", Some("3"), &b"ab"[..])
        );
        assert_eq!(inbox, "OPTIONS");
    }

    #[test]
    fn a_head_without_end_is_refused() {
        assert!(Request::take(&mut BytesMut::from(&[b'x'; LONGEST_HEAD + 1][..])).is_err());
    }
}
