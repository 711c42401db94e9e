//! MQTT over WebSocket: the bytes of MQTT as binary messages (MQTT 3.1.1, section 6).
//!
//! Messages need not be whole MQTT packets, so this is a stream of bytes like any other to what reads it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::connect;
use crate::camera::dial::Line;
use crate::camera::{Fault, Verdict};

/// Where brokers answer: mosquitto takes any path, EMQX, HiveMQ and VerneMQ this one.
const PATH: &str = "/mqtt";
/// The largest message that is taken, bytes: brokers put a packet of MQTT, with its header, into one.
const LARGEST_IN: usize = connect::LARGEST_IN + 1024;
/// Bytes sent in one message; a picture goes in several.
const PIECE: usize = 64 * 1024;
const BUFFER: usize = 16 * 1024;

/// An open WebSocket, read and written as bytes.
pub(super) struct WebSocket {
    stream: WebSocketStream<Line>,
    /// What was received and not read yet.
    rest: Bytes,
}

impl WebSocket {
    /// Asks the other end of `line` to speak WebSocket. The caller sets the deadline. Faults: `protocol`, and
    /// `auth` where a proxy before the broker asks for a password.
    pub async fn open(line: Line, host: &str, port: u16) -> Result<Self, Fault> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let bad = |e: &dyn std::fmt::Display| Fault::new(Verdict::Protocol, format!("{host} cannot be asked: {e}"));
        let mut request = format!("ws://{host}:{port}{PATH}").into_client_request().map_err(|e| bad(&e))?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
        let config = WebSocketConfig::default()
            .max_message_size(Some(LARGEST_IN))
            .max_frame_size(Some(LARGEST_IN))
            .read_buffer_size(BUFFER)
            // Each piece is written at once or the writer waits: nothing piles up here.
            .write_buffer_size(0)
            .max_write_buffer_size(4 * PIECE);
        match client_async_with_config(request, line, Some(config)).await {
            Ok((stream, _)) => Ok(Self { stream, rest: Bytes::new() }),
            Err(Error::Http(answer)) => Err(refused(answer.status())),
            Err(Error::Io(e)) if e.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
                Err(Fault::new(Verdict::Tls, e.to_string()))
            }
            Err(e) => Err(Fault::new(
                Verdict::Protocol,
                format!("no WebSocket at {host}:{port}{PATH} ({e}): is this the broker's WebSocket port?"),
            )),
        }
    }
}

fn refused(status: StatusCode) -> Fault {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Fault::new(Verdict::Auth, format!("the WebSocket is refused with HTTP {status}"))
        }
        _ => Fault::new(
            Verdict::Protocol,
            format!("HTTP {status} in place of a WebSocket at {PATH}: is this the broker's WebSocket port?"),
        ),
    }
}

fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::ConnectionClosed | Error::AlreadyClosed => io::ErrorKind::ConnectionAborted.into(),
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

impl AsyncRead for WebSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                Some(Ok(Message::Binary(data))) => self.rest = data,
                Some(Ok(Message::Text(_))) => {
                    let what = "text where MQTT's bytes belong";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, what)));
                }
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Ok(_)) => {}
                Some(Err(e)) => return Poll::Ready(Err(io_error(e))),
            }
        }
        let n = self.rest.len().min(buf.remaining());
        buf.put_slice(&self.rest[..n]);
        self.rest.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WebSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let n = buf.len().min(PIECE);
        ready!(Pin::new(&mut self.stream).poll_ready(cx)).map_err(io_error)?;
        let message = Message::Binary(Bytes::copy_from_slice(&buf[..n]));
        Pin::new(&mut self.stream).start_send(message).map_err(io_error)?;
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx).map_err(io_error)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx).map_err(io_error)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::{SinkExt, StreamExt};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::timeout;
    use tokio_tungstenite::accept_hdr_async;
    use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

    use super::*;
    use crate::camera::Climb;
    use crate::camera::dial::{Place, dial};

    /// Sends back all that comes, once this much has come, in one message.
    async fn echo(listener: TcpListener, bytes: usize) -> usize {
        #[expect(clippy::result_large_err, reason = "the library's type")]
        let agree = |_: &Request, mut answer: Response| -> Result<Response, ErrorResponse> {
            answer.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
            Ok(answer)
        };
        let (line, _) = listener.accept().await.unwrap();
        let mut socket = accept_hdr_async(line, agree).await.unwrap();
        let (mut all, mut messages) = (Vec::new(), 0);
        while all.len() < bytes {
            let piece = socket.next().await.unwrap().unwrap().into_data();
            all.extend_from_slice(&piece);
            messages += 1;
        }
        socket.send(Message::Binary(all.into())).await.unwrap();
        messages
    }

    #[tokio::test]
    async fn a_picture_goes_in_pieces_and_a_large_message_is_read_as_one_stream() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let sent: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        let served = tokio::spawn(echo(listener, sent.len()));
        let there_and_back = async {
            let line = dial(Place { host: "127.0.0.1", port, tls: None }, &mut Climb::start(None)).await.unwrap();
            let mut socket = WebSocket::open(line, "127.0.0.1", port).await.unwrap();
            socket.write_all(&sent).await.unwrap();
            socket.flush().await.unwrap();
            let mut back = vec![0; sent.len()];
            socket.read_exact(&mut back).await.unwrap();
            back
        };
        let back = timeout(Duration::from_secs(30), there_and_back).await.unwrap();
        assert!(back == sent, "other bytes came back");
        assert_eq!(served.await.unwrap(), sent.len().div_ceil(PIECE));
    }
}
